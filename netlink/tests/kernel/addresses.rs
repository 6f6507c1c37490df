//! What is asked for is what the kernel and `ip` say is there.

use netlink::address::{FOREVER, flags};
use netlink::{Address, Change, Netlink};

use crate::{add, adds, alone, apply, cable, delete, ours, plan_addresses, run};

fn v4(link: u32) -> Address {
    Address::new(link, [192, 0, 2, 1].into(), 24)
}

fn v6(link: u32) -> Address {
    Address::new(link, [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), 64)
}

/// An IPv4 address with each option, and how `ip -j` shows it.
fn v4_variants(link: u32) -> Vec<(Address, &'static str)> {
    let plain = || v4(link);
    vec![
        (plain(), r#""local":"192.0.2.1","prefixlen":24,"scope":"global""#),
        (
            Address {
                scope: 253,
                ..plain()
            },
            r#""scope":"link""#,
        ),
        (
            Address {
                scope: 254,
                ..plain()
            },
            r#""scope":"host""#,
        ),
        (
            Address {
                label: Some("a:vip".to_owned()),
                ..plain()
            },
            r#""label":"a:vip""#,
        ),
        (
            Address {
                broadcast: Some([192, 0, 2, 255].into()),
                ..plain()
            },
            r#""broadcast":"192.0.2.255""#,
        ),
        (
            Address {
                peer: Some([192, 0, 2, 9].into()),
                ..plain()
            },
            r#""address":"192.0.2.9","prefixlen":24"#,
        ),
        (
            Address {
                flags: flags::NOPREFIXROUTE,
                ..plain()
            },
            r#""noprefixroute":true"#,
        ),
        (
            Address {
                preferred_lft: 0,
                ..plain()
            },
            r#""deprecated":true"#,
        ),
        (
            Address {
                preferred_lft: 5000,
                ..plain()
            },
            r#""preferred_life_time":4294967295"#,
        ),
    ]
}

/// The same for IPv6.
fn v6_variants(link: u32) -> Vec<(Address, &'static str)> {
    let plain = || v6(link);
    vec![
        (
            plain(),
            r#""local":"2001:db8::1","prefixlen":64,"scope":"global""#,
        ),
        (
            Address {
                prefix_len: 128,
                ..plain()
            },
            r#""prefixlen":128"#,
        ),
        (
            Address {
                peer: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9].into()),
                ..plain()
            },
            r#""address":"2001:db8::9""#,
        ),
        (
            Address {
                flags: flags::NODAD,
                ..plain()
            },
            r#""nodad":true"#,
        ),
        (
            Address {
                flags: flags::HOMEADDRESS,
                ..plain()
            },
            r#""home":true"#,
        ),
        (
            Address {
                flags: flags::MANAGETEMPADDR,
                ..plain()
            },
            r#""mngtmpaddr":true"#,
        ),
        (
            Address {
                flags: flags::NOPREFIXROUTE,
                ..plain()
            },
            r#""noprefixroute":true"#,
        ),
        (
            Address {
                preferred_lft: 0,
                ..plain()
            },
            r#""deprecated":true"#,
        ),
        (
            Address {
                preferred_lft: 5000,
                ..plain()
            },
            r#""valid_life_time":4294967295,"preferred_life_time":"#,
        ),
    ]
}

/// Makes the link's addresses of ours these, and sees that nothing is left to do.
async fn turn_into(netlink: &mut Netlink, wanted: &[Address]) -> Vec<Change> {
    let changes = plan_addresses(wanted, &netlink.addresses().await.unwrap());
    apply(netlink, &changes).await;
    let after = netlink.addresses().await.unwrap();
    assert_eq!(plan_addresses(wanted, &after), [], "{changes:?} led to {after:?}");
    changes
}

#[test]
fn every_option_reads_back_and_changes_into_every_other() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        for variants in [v4_variants(link), v6_variants(link)] {
            for (from, _) in &variants {
                for (to, shown) in &variants {
                    turn_into(&mut netlink, std::slice::from_ref(from)).await;
                    turn_into(&mut netlink, std::slice::from_ref(to)).await;
                    assert_eq!(ours(&mut netlink, link).await.len(), 1);
                    let json = run(&format!("ip -j addr show dev a to {}", to.local));
                    assert!(json.contains(shown), "{from:?} became {json}, without {shown}");
                }
            }
            turn_into(&mut netlink, &[]).await;
            assert_eq!(ours(&mut netlink, link).await, []);
        }
    });
}

#[test]
fn what_reads_back_is_what_was_asked_for_field_by_field() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let asked = [
            Address {
                scope: 253,
                label: Some("a:vip".to_owned()),
                broadcast: Some([192, 0, 2, 255].into()),
                flags: flags::NOPREFIXROUTE,
                preferred_lft: 0,
                ..v4(link)
            },
            Address {
                flags: flags::NODAD | flags::NOPREFIXROUTE,
                ..v6(link)
            },
        ];
        apply(&mut netlink, &adds(&asked)).await;
        let kernels_own = flags::PERMANENT | flags::DEPRECATED;
        let mut read = ours(&mut netlink, link).await;
        for address in &mut read {
            assert_ne!(address.flags & flags::PERMANENT, 0);
            address.flags &= !kernels_own;
        }
        assert_eq!(read, asked);
        assert_eq!(read[1].preferred_lft, FOREVER);
    });
}

#[test]
fn a_multicast_address_is_joined() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let group = Address {
            flags: flags::MCAUTOJOIN,
            ..Address::new(link, [239, 1, 2, 3].into(), 32)
        };
        turn_into(&mut netlink, std::slice::from_ref(&group)).await;
        assert!(run("ip maddr show dev a").contains("239.1.2.3"));
        let unicast = add(Address {
            flags: flags::MCAUTOJOIN,
            ..v4(link)
        });
        let failures = netlink.apply(std::slice::from_ref(&unicast)).await.unwrap();
        assert_eq!(failures[0].change, unicast);
        assert_eq!(failures[0].error.errno, nix::errno::Errno::EINVAL);
    });
}

#[test]
fn one_change_is_one_write() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let both = [v4(link), v6(link)];
        assert_eq!(turn_into(&mut netlink, &both).await.len(), 2);
        assert_eq!(turn_into(&mut netlink, &both).await.len(), 0);
        assert_eq!(
            turn_into(&mut netlink, &both[..1]).await,
            [delete(with_kernels_flags(&both[1]))]
        );
    });
}

fn with_kernels_flags(address: &Address) -> Address {
    Address {
        flags: address.flags | flags::PERMANENT | flags::TENTATIVE,
        ..address.clone()
    }
}

#[test]
fn an_address_of_somebody_else_is_left_as_it_is() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        run("ip addr add 192.0.2.1/24 dev a label a:theirs");
        run("ip addr add 192.0.2.2/24 dev a");
        assert_eq!(turn_into(&mut netlink, &[v4(link)]).await, []);
        turn_into(&mut netlink, &[]).await;
        assert!(run("ip -j addr show dev a").contains("a:theirs"));
    });
}

#[test]
fn secondaries_survive_their_primary_with_and_without_promotion() {
    for promote in ["0", "1"] {
        alone(async || {
            let mut netlink = Netlink::open().unwrap();
            let link = cable(&mut netlink).await;
            for place in ["all", "a"] {
                std::fs::write(
                    format!("/proc/sys/net/ipv4/conf/{place}/promote_secondaries"),
                    promote,
                )
                .unwrap();
            }
            let subnet: Vec<_> = (1..=20)
                .map(|host| Address::new(link, [192, 0, 2, host].into(), 24))
                .collect();
            turn_into(&mut netlink, &subnet).await;
            turn_into(&mut netlink, &subnet[1..]).await;
            assert_eq!(ours(&mut netlink, link).await.len(), 19);
            let labelled: Vec<_> = subnet
                .iter()
                .map(|it| Address {
                    label: Some("a:1".to_owned()),
                    ..it.clone()
                })
                .collect();
            turn_into(&mut netlink, &labelled).await;
            let scoped: Vec<_> = subnet
                .iter()
                .map(|it| Address {
                    scope: 253,
                    ..it.clone()
                })
                .collect();
            turn_into(&mut netlink, &scoped).await;
            assert_eq!(ours(&mut netlink, link).await.len(), 20);
        });
    }
}
