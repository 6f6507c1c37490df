//! Every form of service and destination, both ways: what we write `ipvsadm` reads, and what it writes we read.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use ipvs::{
    Change, Destination, Family, Flags, Forwarding, Granularity, Ipvs, Persistence, Service, Tunnel,
    TunnelChecksum,
};

use super::{apply, at, fwmark, real, saved, tcp};
use crate::stories::{run, stories, wait_for};

stories![
    services_of_every_form,
    every_scheduler,
    destinations_of_every_form,
    thresholds,
];

/// Each service with what `ipvsadm -Sn` says of it.
fn services() -> Vec<(Service, &'static str)> {
    let web = |flags| Service {
        flags,
        ..tcp("192.0.2.1", 80)
    };
    let persistent = |service, seconds, granularity, engine: Option<&str>| Service {
        persistence: Some(Persistence {
            timeout: Duration::from_secs(seconds),
            granularity,
            engine: engine.map(|name| name.parse().unwrap()),
        }),
        ..service
    };
    let host = Granularity::host(Family::Ipv4);
    let network = Granularity::Netmask(Ipv4Addr::new(255, 255, 255, 0));
    let mixed = Granularity::Netmask(Ipv4Addr::new(255, 0, 255, 0));
    let none = Flags::default();
    let (sched_1, sched_2, sched_3) = (
        Flags {
            sched_1: true,
            ..none
        },
        Flags {
            sched_2: true,
            ..none
        },
        Flags {
            sched_3: true,
            ..none
        },
    );
    let one_packet = Service {
        flags: Flags {
            one_packet: true,
            ..none
        },
        ..at("192.0.2.1", 53, 17)
    };
    let hashed = |flags| Service {
        scheduler: "mh".parse().unwrap(),
        ..web(flags)
    };
    vec![
        (web(none), "-A -t 192.0.2.1:80 -s wlc"),
        (at("192.0.2.1", 53, 17), "-A -u 192.0.2.1:53 -s wlc"),
        (at("192.0.2.1", 80, 132), "-A --sctp-service 192.0.2.1:80 -s wlc"),
        (tcp("2001:db8::1", 443), "-A -t [2001:db8::1]:443 -s wlc"),
        (fwmark(7, Family::Ipv4), "-A -f 7 -s wlc"),
        (fwmark(2_147_483_647, Family::Ipv6), "-A -f 2147483647 -6 -s wlc"),
        (one_packet, "-A -u 192.0.2.1:53 -s wlc -o"),
        (web(sched_1), "-A -t 192.0.2.1:80 -s wlc -b flag-1"),
        (web(sched_2), "-A -t 192.0.2.1:80 -s wlc -b flag-2"),
        (web(sched_3), "-A -t 192.0.2.1:80 -s wlc -b flag-3"),
        (
            hashed(Flags {
                sched_1: true,
                ..sched_2
            }),
            "-A -t 192.0.2.1:80 -s mh -b mh-fallback,mh-port",
        ),
        (
            persistent(web(none), 360, host, None),
            "-A -t 192.0.2.1:80 -s wlc -p 360",
        ),
        (
            persistent(web(none), 2_678_400, network, None),
            "-A -t 192.0.2.1:80 -s wlc -p 2678400 -M 255.255.255.0",
        ),
        (
            persistent(tcp("192.0.2.1", 0), 1, mixed, None),
            "-A -t 192.0.2.1:0 -s wlc -p 1 -M 255.0.255.0",
        ),
        (
            persistent(tcp("2001:db8::1", 0), 50, Granularity::PrefixLen(64), None),
            "-A -t [2001:db8::1]:0 -s wlc -p 50 -M 64",
        ),
        (
            persistent(fwmark(1, Family::Ipv6), 50, Granularity::PrefixLen(128), None),
            "-A -f 1 -6 -s wlc -p 50",
        ),
        (
            persistent(at("192.0.2.1", 5060, 17), 30, host, Some("sip")),
            "-A -u 192.0.2.1:5060 -s wlc -p 30 --pe sip",
        ),
    ]
}

fn services_of_every_form() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        for (service, words) in services() {
            apply(&mut ipvs, &[Change::AddService(service)]).await;
            assert_eq!(saved(), [words]);
            assert_eq!(ipvs.services().await.unwrap(), [service]);
            apply(&mut ipvs, &[Change::DeleteService(service.key)]).await;
            assert!(saved().is_empty());
            run(&format!("ipvsadm {words}"));
            assert_eq!(ipvs.services().await.unwrap(), [service], "{words}");
            ipvs.flush().await.unwrap();
        }
        // Each into each other one with the same key, in place.
        for (from, _) in services() {
            for (to, words) in services().into_iter().filter(|(to, _)| to.key == from.key) {
                apply(&mut ipvs, &[Change::AddService(from), Change::EditService(to)]).await;
                assert_eq!(saved(), [words]);
                assert_eq!(ipvs.services().await.unwrap(), [to]);
                ipvs.flush().await.unwrap();
            }
        }
    });
}

fn every_scheduler() {
    // All of keepalived's but `twos`, which this kernel was built without.
    let names = [
        "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "fo", "ovf", "sed", "nq",
    ];
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let service = tcp("192.0.2.1", 80);
        let destination = real("10.0.0.1", 80);
        let adds = [
            Change::AddService(service),
            Change::AddDestination(service.key, destination),
        ];
        apply(&mut ipvs, &adds).await;
        for name in names {
            let scheduler = name.parse().unwrap();
            apply(
                &mut ipvs,
                &[Change::EditService(Service { scheduler, ..service })],
            )
            .await;
            assert_eq!(
                saved(),
                [
                    format!("-A -t 192.0.2.1:80 -s {name}"),
                    "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1".to_owned()
                ]
            );
        }
    });
}

/// Each destination with what `ipvsadm -Sn` says of it.
fn destinations() -> Vec<(Destination, &'static str)> {
    let by = |forwarding| Destination {
        forwarding,
        ..real("10.0.0.1", 80)
    };
    let gue = |checksum| {
        by(Forwarding::Tunnel(Tunnel::Gue {
            port: NonZeroU16::new(6080).unwrap(),
            checksum,
        }))
    };
    let gre = |checksum| by(Forwarding::Tunnel(Tunnel::Gre { checksum }));
    let weighing = |weight| Destination {
        weight,
        ..by(Forwarding::Direct)
    };
    let other_family = Destination {
        forwarding: Forwarding::Tunnel(Tunnel::Ipip),
        ..real("2001:db8::9", 80)
    };
    vec![
        (by(Forwarding::Masquerade), "10.0.0.1:80 -m -w 1"),
        (real("10.0.0.1", 8080), "10.0.0.1:8080 -m -w 1"),
        (by(Forwarding::Direct), "10.0.0.1:80 -g -w 1"),
        (weighing(0), "10.0.0.1:80 -g -w 0"),
        (weighing(2_147_483_647), "10.0.0.1:80 -g -w 2147483647"),
        (
            by(Forwarding::Tunnel(Tunnel::Ipip)),
            "10.0.0.1:80 -i -w 1 --tun-type ipip",
        ),
        (
            gue(TunnelChecksum::None),
            "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        ),
        (
            gue(TunnelChecksum::Full),
            "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
        ),
        (
            gue(TunnelChecksum::Remote),
            "10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
        ),
        (
            gre(TunnelChecksum::None),
            "10.0.0.1:80 -i -w 1 --tun-type gre --tun-nocsum",
        ),
        (
            gre(TunnelChecksum::Full),
            "10.0.0.1:80 -i -w 1 --tun-type gre --tun-csum",
        ),
        (other_family, "[2001:db8::9]:80 -i -w 1 --tun-type ipip"),
    ]
}

fn destinations_of_every_form() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let service = tcp("192.0.2.1", 80);
        let key = service.key;
        apply(&mut ipvs, &[Change::AddService(service)]).await;
        for (destination, words) in destinations() {
            let words = format!("-a -t 192.0.2.1:80 -r {words}");
            let (add, delete) = (
                Change::AddDestination(key, destination),
                Change::DeleteDestination(key, destination.key),
            );
            apply(&mut ipvs, &[add]).await;
            assert_eq!(saved()[1..], [words.as_str()]);
            assert_eq!(ipvs.destinations(&key).await.unwrap(), [destination]);
            apply(&mut ipvs, &[delete]).await;
            assert_eq!(saved().len(), 1);
            run(&format!("ipvsadm {words}"));
            assert_eq!(ipvs.destinations(&key).await.unwrap(), [destination], "{words}");
            apply(&mut ipvs, &[delete]).await;
        }
        // Each into each other one with the same key, in place.
        for (from, _) in destinations() {
            for (to, words) in destinations().into_iter().filter(|(to, _)| to.key == from.key) {
                let writes = [
                    Change::AddDestination(key, from),
                    Change::EditDestination(key, to),
                ];
                apply(&mut ipvs, &writes).await;
                assert_eq!(saved()[1..], [format!("-a -t 192.0.2.1:80 -r {words}")]);
                assert_eq!(ipvs.destinations(&key).await.unwrap(), [to]);
                apply(&mut ipvs, &[Change::DeleteDestination(key, to.key)]).await;
            }
        }
        // By firewall mark, of IPv6, and with no port.
        for (service, destination, words) in [
            (
                fwmark(5, Family::Ipv4),
                real("10.0.0.1", 0),
                "-a -f 5 -r 10.0.0.1:0 -m -w 1",
            ),
            (
                fwmark(5, Family::Ipv6),
                real("2001:db8::9", 0),
                "-a -f 5 -6 -r [2001:db8::9]:0 -m -w 1",
            ),
            (
                tcp("2001:db8::1", 80),
                real("2001:db8::9", 81),
                "-a -t [2001:db8::1]:80 -r [2001:db8::9]:81 -m -w 1",
            ),
        ] {
            ipvs.flush().await.unwrap();
            let adds = [
                Change::AddService(service),
                Change::AddDestination(service.key, destination),
            ];
            apply(&mut ipvs, &adds).await;
            assert_eq!(saved()[1..], [words]);
            assert_eq!(ipvs.destinations(&service.key).await.unwrap(), [destination]);
        }
    });
}

fn thresholds() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let service = tcp("192.0.2.1", 80);
        let destination = Destination {
            upper_threshold: 4_000_000_000,
            lower_threshold: 50,
            ..real("10.0.0.1", 80)
        };
        let adds = [
            Change::AddService(service),
            Change::AddDestination(service.key, destination),
        ];
        apply(&mut ipvs, &adds).await;
        assert_eq!(ipvs.destinations(&service.key).await.unwrap(), [destination]);
        let edited = Destination {
            upper_threshold: 100,
            ..destination
        };
        apply(&mut ipvs, &[Change::EditDestination(service.key, edited)]).await;
        let listed = run("ipvsadm -Ln --thresholds");
        let last: Vec<_> = listed.lines().last().unwrap().split_ascii_whitespace().collect();
        assert_eq!(last, ["->", "10.0.0.1:80", "100", "50", "0", "0"]);
    });
}
