//! Macvlans are made, set and removed by the batch; the kernel says what became of them.

use std::fs;

use netlink::Netlink;
use netlink::upper::{Change, Kind, Settings, What, conf};

use crate::{alone, cable, run};

const MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 61];

fn change(name: &str, what: What) -> Change {
    Change {
        name: name.to_owned(),
        what,
    }
}

fn create(name: &str, lower: u32) -> Change {
    change(
        name,
        What::Create {
            kind: Kind::Macvlan(MAC),
            lower,
            group: 7,
        },
    )
}

#[test]
fn a_private_macvlan_has_its_address_its_group_and_its_sysctls() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = cable(&mut netlink).await;
        let settings = Settings {
            alias: Some("what was before".to_owned()),
            no_generated_address: true,
            ipv4: vec![
                (conf::ARP_IGNORE, 1),
                (conf::ACCEPT_LOCAL, 1),
                (conf::RP_FILTER, 0),
                (conf::PROMOTE_SECONDARIES, 1),
            ],
            ..Settings::default()
        };
        let changes = [
            create("vrrp.61", a),
            change("vrrp.61", What::Set(settings)),
            change("vrrp.61", What::Up),
        ];
        assert_eq!(netlink.change_uppers(&changes).await.unwrap(), []);
        let made = netlink.link("vrrp.61").await.unwrap().unwrap();
        assert_eq!(
            (made.kind.as_deref(), made.lower, made.up),
            (Some("macvlan"), Some(a), true)
        );
        assert_eq!((made.group, made.alias.as_deref()), (7, Some("what was before")));
        assert_eq!(made.hardware_address, MAC);
        let shown = run("ip -d link show vrrp.61");
        assert!(
            shown.contains("macvlan mode private") && shown.contains("addrgenmode none"),
            "{shown}"
        );
        for (name, value) in [
            ("arp_ignore", "1"),
            ("accept_local", "1"),
            ("rp_filter", "0"),
            ("promote_secondaries", "1"),
        ] {
            let path = format!("/proc/sys/net/ipv4/conf/vrrp.61/{name}");
            assert_eq!(fs::read_to_string(path).unwrap().trim(), value, "{name}");
        }
        let gone = [change("vrrp.61", What::Remove)];
        assert_eq!(netlink.change_uppers(&gone).await.unwrap(), []);
        assert_eq!(netlink.link("vrrp.61").await.unwrap(), None);
    });
}

#[test]
fn a_hundred_are_made_and_removed_in_a_batch_and_a_refusal_spoils_none() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = cable(&mut netlink).await;
        let names: Vec<String> = (0..100).map(|n| format!("vrrp.{n}")).collect();
        let mut changes: Vec<Change> = Vec::new();
        for (n, name) in (0..).zip(&names) {
            let kind = Kind::Macvlan([2, 0, 0, 0, 0, n]);
            changes.push(change(
                name,
                What::Create {
                    kind,
                    lower: a,
                    group: 0,
                },
            ));
            changes.push(change(name, What::Up));
        }
        changes.push(create("vrrp.5", a));
        let began = std::time::Instant::now();
        let refused = netlink.change_uppers(&changes).await.unwrap();
        println!("100 macvlans in {:?}", began.elapsed());
        assert_eq!(refused.len(), 1);
        assert!(
            refused[0].1.to_string().starts_with(&format!(
                "cannot create the macvlan vrrp.5 on link {a}: File exists"
            )),
            "{}",
            refused[0].1
        );
        let there = netlink.links().await.unwrap();
        assert!(names.iter().all(|name| {
            there
                .iter()
                .any(|link| link.name == *name && link.up && link.kind.as_deref() == Some("macvlan"))
        }));
        let began = std::time::Instant::now();
        let mut all = names;
        all.push("nothing".to_owned());
        let refused = netlink.remove_uppers(&all).await.unwrap();
        assert_eq!(refused.len(), 1, "{refused:?}");
        let left = netlink.links().await.unwrap();
        assert!(left.iter().all(|link| link.kind.as_deref() != Some("macvlan")));
        println!("gone in {:?}", began.elapsed());
    });
}
