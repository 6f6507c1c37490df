//! Routes in a real kernel: what is asked for is what `ip route` and our own dump read back, and the plan knows it.

use std::net::IpAddr;

use netlink::route::{Encap, Hop, Metrics, Placing, Tunnel, kinds, metrics};
use netlink::{Address, Change, Error, Netlink, Object, Objects, Route, plan};

use crate::{add, adds, alone, apply, cable, delete, run};

const OURS: u8 = 18;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn route(prefix: &str, hops: Vec<Hop>) -> Route {
    let (address, length) = prefix.split_once('/').unwrap();
    Route {
        hops,
        ..Route::new(ip(address), length.parse().unwrap())
    }
}

fn routes(routes: &[Route]) -> Objects {
    Objects {
        routes: routes.iter().cloned().flat_map(Route::parts).collect(),
        ..Objects::default()
    }
}

/// The link, with an address of each family.
async fn link(netlink: &mut Netlink) -> u32 {
    let link = cable(netlink).await;
    let mut v6 = Address::new(link, ip("fd00:9::1"), 64);
    v6.flags = netlink::address::flags::NODAD;
    apply(netlink, &adds(&[Address::new(link, ip("10.9.0.1"), 24), v6])).await;
    link
}

/// Has the kernel have these routes and no others of ours; says what was written.
async fn make(netlink: &mut Netlink, wanted: &[Route]) -> Vec<Change> {
    let present = Objects {
        routes: netlink.routes(OURS).await.unwrap(),
        ..Objects::default()
    };
    let changes = plan(&routes(wanted), &present, |_| true);
    apply(netlink, &changes).await;
    changes
}

#[test]
fn routes_of_every_kind_read_back_as_they_were_asked_for() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = link(&mut netlink).await;
        let gateway = |last: u8| Hop::via(IpAddr::from([10, 9, 0, last]));
        let mut tuned = Metrics::default();
        tuned.set(metrics::kinds::MTU, 1400);
        tuned.lock(metrics::kinds::MTU);
        tuned.set(metrics::kinds::RTT, 300 * 8);
        tuned.set(metrics::kinds::ADVMSS, 70_000);
        tuned.set(metrics::kinds::INITCWND, 20);
        tuned.set(metrics::kinds::FEATURES, 1);
        tuned.set(metrics::kinds::QUICKACK, 1);
        tuned.congestion_control = Some("reno".to_owned());
        let wanted = [
            route("10.80.0.0/24", vec![gateway(99)]),
            Route {
                scope: 253,
                ..route("10.81.0.0/24", vec![Hop::link(a)])
            },
            Route {
                metric: 50,
                metrics: tuned,
                ..route("10.82.0.0/24", vec![gateway(98)])
            },
            Route {
                kind: kinds::BLACKHOLE,
                ..route("10.83.0.0/24", vec![])
            },
            Route {
                kind: kinds::PROHIBIT,
                ..route("fd00:83::/64", vec![])
            },
            route(
                "10.84.0.0/24",
                vec![
                    Hop {
                        weight: 256,
                        ..gateway(98)
                    },
                    Hop {
                        link: Some(a),
                        ..gateway(97)
                    },
                ],
            ),
            Route {
                table: 300,
                preferred_source: Some(ip("10.9.0.1")),
                tos: 16,
                ..route("10.85.0.0/24", vec![Hop::link(a)])
            },
            Route {
                kind: kinds::LOCAL,
                scope: 254,
                table: 1_000_000,
                ..route("10.86.0.0/24", vec![Hop::link(a)])
            },
            route(
                "10.87.0.0/24",
                vec![Hop {
                    link: Some(a),
                    onlink: true,
                    ..Hop::via(ip("172.16.9.9"))
                }],
            ),
            route(
                "10.88.0.0/24",
                vec![Hop {
                    link: Some(a),
                    ..Hop::via(ip("fe80::9"))
                }],
            ),
            Route {
                metric: 9,
                ..route("0.0.0.0/0", vec![gateway(96)])
            },
            Route {
                preference: 1,
                expires: Some(1000),
                ..route("fd00:80::/64", vec![Hop::via(ip("fd00:9::9"))])
            },
            route(
                "fd00:84::/64",
                vec![
                    Hop {
                        weight: 3,
                        ..Hop::via(ip("fd00:9::8"))
                    },
                    Hop::via(ip("fd00:9::7")),
                ],
            ),
        ];
        make(&mut netlink, &wanted).await;
        let shown = run("ip -N route show table all proto 18");
        let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
        for line in [
            "10.80.0.0/24 via 10.9.0.99 dev a",
            "10.81.0.0/24 dev a scope 253",
            "10.82.0.0/24 via 10.9.0.98 dev a metric 50 mtu lock 1400 rtt 300ms advmss 65495 initcwnd 20 features ecn \
             quickack 1 congctl reno",
            "6 10.83.0.0/24",
            "\tnexthop via 10.9.0.98 dev a weight 256",
            "\tnexthop via 10.9.0.97 dev a weight 1",
            "10.85.0.0/24 tos 0x10 dev a table 300 src 10.9.0.1",
            "2 10.86.0.0/24 dev a table 1000000 scope 254",
            "10.87.0.0/24 via 172.16.9.9 dev a onlink",
            "10.88.0.0/24 via inet6 fe80::9 dev a",
            "default via 10.9.0.96 dev a metric 9",
            "8 fd00:83::/64 dev lo metric 1024 pref medium",
            "\tnexthop via fd00:9::8 dev a weight 3",
        ] {
            assert!(shown.contains(&line), "{line:?} is not in {shown:#?}");
        }
        let expiring = shown
            .iter()
            .find(|line| line.starts_with("fd00:80::/64"))
            .unwrap();
        assert!(
            expiring.contains("expires 9") || expiring.contains("expires 1000"),
            "{expiring}"
        );
        assert!(expiring.ends_with("pref high"), "{expiring}");

        let found = netlink.routes(OURS).await.unwrap();
        for wish in routes(&wanted).routes {
            assert!(
                found.iter().any(|found| wish.is_met_by(found)),
                "{wish:#?} is not in {found:#?}"
            );
        }
        assert_eq!(
            make(&mut netlink, &wanted).await,
            [],
            "what is there is not written again"
        );
        make(&mut netlink, &[]).await;
        assert_eq!(netlink.routes(OURS).await.unwrap(), []);
    });
}

#[test]
fn a_route_that_differs_is_replaced_and_others_of_its_metric_stay() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        link(&mut netlink).await;
        run("ip route add 10.80.0.0/24 via 10.9.0.50");
        let first = route("10.80.0.0/24", vec![Hop::via(ip("10.9.0.99"))]);
        make(&mut netlink, std::slice::from_ref(&first)).await;
        let second = route("10.80.0.0/24", vec![Hop::via(ip("10.9.0.98"))]);
        assert_eq!(make(&mut netlink, std::slice::from_ref(&second)).await.len(), 2);
        // Ours comes first: it was prepended.
        let shown = run("ip route show 10.80.0.0/24");
        let gateways: Vec<_> = shown
            .lines()
            .map(|line| line.split(' ').nth(2).unwrap())
            .collect();
        assert_eq!(gateways, ["10.9.0.98", "10.9.0.50"]);
        make(&mut netlink, &[]).await;
        assert!(run("ip route show 10.80.0.0/24").contains("10.9.0.50"));
    });
}

/// Addresses and routes of ours.
async fn present(netlink: &mut Netlink) -> Objects {
    let mut addresses = netlink.addresses().await.unwrap();
    addresses.retain(crate::is_ours);
    Objects {
        addresses,
        routes: netlink.routes(OURS).await.unwrap(),
        rules: Vec::new(),
    }
}

#[test]
fn routes_come_and_go_with_the_addresses_that_they_need() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = cable(&mut netlink).await;
        let wanted = |label: &str| Objects {
            addresses: vec![Address {
                label: Some(label.to_owned()),
                ..Address::new(a, ip("10.9.0.10"), 24)
            }],
            routes: vec![Route {
                preferred_source: Some(ip("10.9.0.10")),
                ..route("10.80.0.0/24", vec![Hop::via(ip("10.9.0.99"))])
            }],
            rules: Vec::new(),
        };
        for label in ["a:1", "a:2"] {
            // Another label is another address to the kernel: it goes for a moment, and the route with it.
            let changes = plan(&wanted(label), &present(&mut netlink).await, |_| true);
            apply(&mut netlink, &changes).await;
            let there = present(&mut netlink).await;
            assert_eq!(
                plan(&wanted(label), &there, |_| true),
                [],
                "{changes:?} led to {there:?}"
            );
        }
        let away = plan(&Objects::default(), &present(&mut netlink).await, |_| true);
        assert!(matches!(
            away.as_slice(),
            [
                Change::Delete(Object::Route(_)),
                Change::Delete(Object::Address(_))
            ]
        ));
        apply(&mut netlink, &away).await;
    });
}

#[test]
fn an_exclusive_route_gives_way_and_an_appended_one_comes_last() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        link(&mut netlink).await;
        run("ip route add 10.80.0.0/24 via 10.9.0.50");
        let placed = |placing| Route {
            placing,
            ..route("10.80.0.0/24", vec![Hop::via(ip("10.9.0.99"))])
        };
        // "File exists" is what was asked for: nothing is to be there beside it.
        apply(&mut netlink, &[add(placed(Placing::Alone))]).await;
        assert_eq!(netlink.routes(OURS).await.unwrap(), []);
        apply(&mut netlink, &[add(placed(Placing::Last))]).await;
        assert!(run("ip route show 10.80.0.0/24").starts_with("10.80.0.0/24 via 10.9.0.50"));
        let both = [delete(placed(Placing::Last)), delete(placed(Placing::Last))];
        apply(&mut netlink, &both).await;
    });
}

#[test]
fn what_this_kernel_refuses_is_said_in_its_words() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        link(&mut netlink).await;
        let unreachable = route("10.80.0.0/24", vec![Hop::via(ip("172.16.0.1"))]);
        let failures = netlink.apply(&[add(unreachable)]).await.unwrap();
        assert_eq!(
            failures[0].to_string(),
            "cannot add route to 10.80.0.0/24 via 172.16.0.1: Network is unreachable (Nexthop has invalid gateway)"
        );
        let through = |encap| {
            add(route(
                "10.81.0.0/24",
                vec![Hop {
                    encap: Some(encap),
                    ..Hop::via(ip("10.9.0.99"))
                }],
            ))
        };
        // The modules may be missing; whatever the kernel says of it, the attributes must not be what is wrong.
        for encap in [
            Encap::Mpls(vec![100, 200]),
            Encap::Ila(0x2001_0db8_0000_0001),
            Encap::Ip(Tunnel {
                id: Some(7),
                destination: Some(ip("192.0.2.1")),
                ttl: Some(9),
                ..Tunnel::default()
            }),
            Encap::Ip6(Tunnel {
                destination: Some(ip("2001:db8::1")),
                ..Tunnel::default()
            }),
        ] {
            let wish = through(encap.clone());
            match netlink.apply(std::slice::from_ref(&wish)).await {
                Ok(failures) if failures.is_empty() => {
                    let found = netlink.routes(OURS).await.unwrap();
                    let Object::Route(asked) = wish.object() else {
                        unreachable!()
                    };
                    assert!(found.iter().any(|found| asked.is_met_by(found)), "{found:?}");
                    println!("{encap:?}: in the kernel");
                    apply(&mut netlink, &[delete((**asked).clone())]).await;
                }
                Ok(failures) => println!("{encap:?}: {}", failures[0]),
                Err(Error::Refused(error)) => println!("{encap:?}: {error}"),
                Err(error) => panic!("{error}"),
            }
        }
    });
}
