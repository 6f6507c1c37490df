//! Policy rules in a real kernel: what is asked for is what `ip rule` and our own dump read back.

use netlink::rule::{Family, Rule, actions};
use netlink::{Netlink, Objects, plan};

use crate::{add, alone, apply, run};

fn rules(rules: &[Rule]) -> Objects {
    Objects {
        rules: rules.to_vec(),
        ..Objects::default()
    }
}

async fn ours(netlink: &mut Netlink) -> Vec<Rule> {
    let mut rules = netlink.rules().await.unwrap();
    rules.retain(|rule| rule.protocol == 18);
    rules
}

#[test]
fn rules_of_every_kind_read_back_as_they_were_asked_for() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let v4 = |preference, table| Rule::new(Family::V4, preference, table);
        let prefix = |text: &str, length| Some((text.parse().unwrap(), length));
        let wanted = [
            Rule {
                from: prefix("10.77.0.0", 24),
                ..v4(500, 100)
            },
            Rule {
                to: prefix("10.88.0.0", 16),
                fwmark: Some((5, 0xff)),
                iif: Some("nowhere0".to_owned()),
                action: actions::GOTO,
                goto: Some(800),
                ..v4(400, 0)
            },
            v4(800, 254),
            Rule {
                oif: Some("nowhere1".to_owned()),
                ip_protocol: Some(6),
                source_ports: Some((10, 20)),
                destination_ports: Some((80, 80)),
                suppress_prefix_len: Some(8),
                suppress_if_group: Some(3),
                ..v4(16383, 100_000)
            },
            Rule {
                invert: true,
                tos: 16,
                uid_range: Some((1000, 2000)),
                ..v4(16384, 300)
            },
            Rule {
                tunnel_id: Some(77),
                action: actions::PROHIBIT,
                ..v4(1, 0)
            },
            Rule {
                action: actions::NOP,
                ..v4(2, 0)
            },
            Rule {
                from: prefix("fd00:9::", 64),
                action: actions::BLACKHOLE,
                ..Rule::new(Family::V6, 9, 0)
            },
            Rule {
                action: actions::UNREACHABLE,
                ..Rule::new(Family::V6, 10, 0)
            },
        ];
        let changes = plan(&rules(&wanted), &Objects::default(), |_| true);
        apply(&mut netlink, &changes).await;
        let shown = run("ip -N rule show") + &run("ip -N -6 rule show");
        let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
        for line in [
            "500:\tfrom 10.77.0.0/24 lookup 100 proto 18",
            "400:\tfrom all to 10.88.0.0/16 fwmark 0x5/0xff iif nowhere0 [detached] goto 800 proto 18",
            "16383:\tfrom all oif nowhere1 [detached] ipproto ipproto-6 sport 10-20 dport 80 lookup 100000 suppress_prefixlength 8 \
             suppress_ifgroup 3 proto 18",
            "16384:\tnot from all tos 0x10 uidrange 1000-2000 lookup 300 proto 18",
            "1:\tfrom all tun_id 77 8 proto 18",
            "2:\tfrom all nop proto 18",
            "9:\tfrom fd00:9::/64 6 proto 18",
            "10:\tfrom all 7 proto 18",
        ] {
            assert!(shown.contains(&line), "{line:?} is not in {shown:#?}");
        }
        let found = ours(&mut netlink).await;
        assert_eq!(plan(&rules(&wanted), &rules(&found), |_| true), []);
        assert_eq!(plan(&rules(&found), &rules(&wanted), |_| true), []);
        apply(&mut netlink, &[add(wanted[0].clone())]).await;
        assert_eq!(
            ours(&mut netlink).await.len(),
            wanted.len(),
            "a rule is not there twice"
        );
        apply(&mut netlink, &plan(&Objects::default(), &rules(&found), |_| true)).await;
        assert_eq!(ours(&mut netlink).await, []);
        assert_eq!(run("ip rule show").lines().count(), 3);
    });
}
