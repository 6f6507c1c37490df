//! Every way to carry an advert, opposite keepalived in both roles, and byte for byte beside it.

use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Frame, wait_until};

use crate::scene::{SOON, Scene, VIRTUAL, beside_keepalived, each, each_pairing, expect, holdfast, ready};

/// One way: the lines of the instance, `{own}` and `{peer}` to be put in, and what its backup of priority 100 endures.
struct Way {
    name: &'static str,
    lines: &'static str,
    down: Duration,
}

const SECOND: Duration = Duration::from_micros(3_609_375);

const V4: &str = "virtual_ipaddress {\n192.0.2.10/24\n192.0.2.20\n}";

const WAYS: &[Way] = &[
    Way {
        name: "PASS",
        lines: "authentication {\nauth_type PASS\nauth_pass secret\n}",
        down: SECOND,
    },
    Way {
        name: "AH",
        lines: "authentication {\nauth_type AH\nauth_pass secret\n}",
        down: SECOND,
    },
    Way {
        name: "unicast, version 2",
        lines: "unicast_peer {\n{peer}\n}",
        down: SECOND,
    },
    Way {
        name: "unicast with AH",
        lines: "authentication {\nauth_type AH\nauth_pass secret\n}\nunicast_src_ip {own}\nunicast_peer {\n{peer}\n}",
        down: SECOND,
    },
    Way {
        name: "unicast, version 3, centiseconds",
        lines: "version 3\nadvert_int 0.25\nunicast_ttl 64\nunicast_src_ip {own}\nunicast_peer {\n{peer}\n}",
        down: Duration::from_micros(902_343),
    },
    Way {
        name: "unicast, version 3, old checksum",
        lines: "version 3\nold_unicast_checksum\nunicast_peer {\n{peer}\n}",
        down: SECOND,
    },
    Way {
        name: "multicast, version 3, centiseconds",
        lines: "version 3\nadvert_int 0.2",
        down: Duration::from_micros(721_875),
    },
    Way {
        name: "own source",
        lines: "mcast_src_ip {own}",
        down: SECOND,
    },
    Way {
        name: "excluded addresses of both families",
        lines: "version 3\nvirtual_ipaddress_excluded {\n192.0.2.30\n2001:db8::30/64\n}",
        down: SECOND,
    },
    Way {
        name: "IPv6, version 3",
        lines: "version 3\nvirtual_ipaddress {\nfe80::100\n2001:db8::10/64\n}\nvirtual_ipaddress_excluded {\n192.0.2.10/24\n}",
        down: SECOND,
    },
    Way {
        name: "IPv6, version 2",
        lines: "version 2\nvirtual_ipaddress {\nfe80::100\n}\nvirtual_ipaddress_excluded {\n192.0.2.10/24\n}",
        down: SECOND,
    },
    Way {
        name: "IPv6, unicast",
        lines: "version 3\nunicast_src_ip {own6}\nunicast_peer {\n{peer6}\n}\nvirtual_ipaddress {\nfe80::100\n}\nvirtual_ipaddress_excluded {\n192.0.2.10/24\n}",
        down: SECOND,
    },
];

/// A group of one's own is a global setting in keepalived 2.2.7.
const OWN_GROUP: &str = "global_defs {\nvrrp_mcast_group4 224.0.0.99\n}\n";

const A: &str = "192.0.2.11";
const B: &str = "192.0.2.12";

fn configuration(lines: &str, priority: u8, own: &str, peer: &str) -> String {
    let addresses = if lines.contains("virtual_ipaddress {") {
        ""
    } else {
        V4
    };
    format!(
        "vrrp_instance VI_1 {{
             state BACKUP
             interface eth0
             virtual_router_id 77
             priority {priority}
             {}
             {addresses}
         }}",
        lines
            .replace("{own}", own)
            .replace("{peer}", peer)
            .replace("{own6}", &six(own))
            .replace("{peer6}", &six(peer)),
    )
}

/// The IPv6 address of the host with this IPv4 address.
fn six(address: &str) -> String {
    address.replace("192.0.2.", "2001:db8::")
}

/// The two hosts, with IPv6 addresses besides.
fn prepared() -> Scene {
    let scene = Scene::new();
    for (host, address) in [(&scene.a, A), (&scene.b, B)] {
        let arguments = format!("address add {}/64 dev eth0 nodad", six(address));
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let ip = host.spawn("ip", "/usr/sbin/ip", &arguments).unwrap();
        assert!(
            ip.wait(SOON).is_some_and(|status| status.success()),
            "{arguments:?}"
        );
    }
    scene
}

#[test]
fn neighbours_are_told_whether_the_node_is_a_router() {
    let way = Way {
        name: "router flag",
        lines: "version 3\nvirtual_ipaddress {\nfe80::100\n}\nvirtual_ipaddress_excluded {\n192.0.2.10/24\n}",
        down: SECOND,
    };
    for (forwarding, flags) in [("1", 0xa0), ("0", 0x20)] {
        let heard = beside_keepalived(|daemon| {
            let scene = Scene::new();
            scene
                .a
                .write("/proc/sys/net/ipv6/conf/eth0/forwarding", forwarding)
                .unwrap();
            let _node = daemon
                .start(&scene.a, &configuration(way.lines, 100, A, B))
                .unwrap();
            let mut heard = Vec::new();
            eventually("an advertisement of the address", &way, || {
                heard = scene.lab.capture.pick(|frame| is_unsolicited(&frame.bytes));
                !heard.is_empty()
            });
            hex(&heard[0])
        });
        if let Some((ours, theirs)) = heard {
            assert_eq!(ours, theirs);
            assert!(ours.contains(&format!("{flags:02x}, 00, 00, 00, fe, 80")));
        }
    }
}

/// A neighbour advertisement for `fe80::100` to all nodes.
fn is_unsolicited(bytes: &[u8]) -> bool {
    let target = "fe80::100".parse::<std::net::Ipv6Addr>().unwrap().octets();
    is_ipv6(bytes)
        && bytes.get(20) == Some(&58)
        && bytes.get(54) == Some(&136)
        && bytes.get(62..78) == Some(&target[..])
        && bytes.starts_with(&[0x33, 0x33, 0, 0, 0, 1])
}

#[test]
fn each_way_elects_preempts_and_fails_over() {
    for ways in WAYS.chunks(3) {
        each_pairing(|first, second| {
            each(ways, |way| {
                let one = configuration(way.lines, 200, A, B);
                let two = configuration(way.lines, 100, B, A);
                story(way, (first, &one), (second, &two));
            });
        });
    }
}

#[test]
fn a_group_of_one_s_own_elects_preempts_and_fails_over() {
    each_pairing(|first, second| {
        let way = Way {
            name: "own group",
            lines: "",
            down: SECOND,
        };
        let one = OWN_GROUP.to_owned() + &configuration("", 200, A, B);
        let two = OWN_GROUP.to_owned() + &configuration("", 100, B, A);
        story(&way, (first, &one), (second, &two));
    });
}

fn story(way: &Way, first: (&Daemon, &str), second: (&Daemon, &str)) {
    let scene = prepared();
    let _b = second.0.start(&scene.b, second.1).unwrap();
    owner(&scene, "b", way);
    let _a = first.0.start(&scene.a, first.1).unwrap();
    owner(&scene, "a", way);
    let heard = sent(&scene, "a").len() + 3;
    eventually("adverts of a", way, || sent(&scene, "a").len() >= heard);
    assert_eq!(scene.lab.owners(VIRTUAL), ["a"], "{}", way.name);
    scene.a.crash();
    owner(&scene, "b", way);
    let last = sent(&scene, "a").pop().unwrap().at;
    let mut took = None;
    eventually("adverts of b", way, || {
        let first = sent(&scene, "b").into_iter().find(|frame| frame.at > last);
        took = first.map(|frame| frame.at.duration_since(last).unwrap());
        took.is_some()
    });
    let took = took.unwrap();
    assert!(took >= way.down, "{}: {took:?}", way.name);
    if *second.0 == holdfast() {
        assert!(
            took < way.down + Duration::from_millis(500),
            "{}: {took:?}",
            way.name
        );
    }
}

fn owner(scene: &Scene, host: &str, way: &Way) {
    eventually(&format!("{host} alone has {VIRTUAL}"), way, || {
        scene.lab.owners(VIRTUAL) == [host]
    });
}

fn eventually(what: &str, way: &Way, condition: impl FnMut() -> bool) {
    let limit = Duration::from_secs(20);
    assert!(
        wait_until(limit, condition).is_some(),
        "not so within {limit:?}, {}: {what}",
        way.name
    );
}

#[test]
fn each_way_has_keepaliveds_bytes() {
    each(WAYS, |way| {
        if let Some((ours, theirs)) = beside_keepalived(|daemon| record(daemon, way)) {
            assert_eq!(ours, theirs, "{}", way.name);
        }
    });
}

/// The first four adverts of a lone master.
fn record(daemon: &Daemon, way: &Way) -> Vec<String> {
    let scene = prepared();
    let start = SystemTime::now();
    let node = daemon
        .start(&scene.a, &configuration(way.lines, 100, A, B))
        .unwrap();
    eventually("adverts", way, || sent(&scene, "a").len() >= 4);
    assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
    let adverts = sent(&scene, "a");
    assert!(adverts[0].at > start);
    adverts[..4].iter().map(hex).collect()
}

/// The frame without the flow label of IPv6, which the kernel makes up.
fn hex(frame: &Frame) -> String {
    let mut bytes = frame.bytes.clone();
    if is_ipv6(&bytes) {
        bytes[15..18].fill(0);
    }
    format!("{bytes:02x?}")
}

/// What a host sent with VRRP in it, in AH or not, IPv4 or IPv6.
fn sent(scene: &Scene, host: &str) -> Vec<Frame> {
    scene.lab.capture.pick(|frame| {
        let protocol = if is_ipv6(&frame.bytes) { 20 } else { 23 };
        let is_ip = is_ipv6(&frame.bytes) || frame.bytes.get(12..14) == Some(&[8, 0]);
        frame.host.as_ref() == host && is_ip && matches!(frame.bytes.get(protocol), Some(51 | 112))
    })
}

fn is_ipv6(bytes: &[u8]) -> bool {
    bytes.get(12..14) == Some(&[0x86, 0xdd])
}

#[test]
fn a_pair_signs_with_hmac_and_believes_nobody_else() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let way = Way {
        name: "HMAC",
        lines: "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}\nunicast_peer {\n{peer}\n}",
        down: SECOND,
    };
    let b = holdfast()
        .start(&scene.b, &configuration(way.lines, 100, B, A))
        .unwrap();
    let _a = holdfast()
        .start(&scene.a, &configuration(way.lines, 200, A, B))
        .unwrap();
    owner(&scene, "a", &way);
    eventually("adverts of a", &way, || sent(&scene, "a").len() >= 4);
    assert_eq!(b.said("HMAC"), 0, "b refused a");
    scene.a.crash();
    owner(&scene, "b", &way);
    // With another key neither believes the other.
    scene.a.boot().unwrap();
    let other = configuration(way.lines, 200, A, B).replace("0123", "3210");
    let _a = holdfast().start(&scene.a, &other).unwrap();
    eventually("both are master", &way, || {
        scene.lab.owners(VIRTUAL) == ["a", "b"]
    });
    expect("b says why", || {
        b.said("invalid HMAC from 192.0.2.11 with key 1") >= 1
    });
}
