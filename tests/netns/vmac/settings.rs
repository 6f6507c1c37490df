//! What is set on interfaces of our own and on those below them, beside keepalived.

use std::collections::BTreeSet;

use holdfast::lab::{Host, Seen};

use super::{VIRTUAL_MAC, run};
use crate::scene::{SOON, Scene, beside_keepalived, expect, holdfast};

const IPV6: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    version 3
    priority 150
    use_vmac
    virtual_ipaddress {
        fe80::10/64
        2001:db8::10/64
    }
}
";

/// Addresses on another interface than the adverts.
const ELSEWHERE: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    use_vmac_addr
    virtual_ipaddress {
        192.0.2.10/24
        192.0.3.10/24 dev eth1
    }
    virtual_ipaddress_excluded {
        2001:db8::10/64 dev eth1
    }
}
";

/// Each on an interface of its own that is said to be one.
const SINGLE: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        192.0.2.10/24
        192.0.3.10/24 dev eth1 use_vmac
    }
    virtual_ipaddress_excluded {
        2001:db8::10/64 dev eth1
    }
}
";

/// Every setting of every interface, in order.
fn settings(host: &Host) -> Vec<String> {
    let all = run(
        host,
        "cd /proc/sys/net; grep -s . ipv4/conf/*/* ipv6/conf/*/* | grep -v stable_secret",
    );
    all.lines().map(str::to_owned).collect()
}

/// The macvlans, and what is on each interface.
fn interfaces(host: &Host) -> Vec<String> {
    let links = run(host, "ip -o -d link show type macvlan");
    let links = links.lines().map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let after = |word: &str| {
            let at = words.iter().position(|it| *it == word);
            at.and_then(|at| words.get(at + 1)).copied().unwrap_or_default()
        };
        let marks = ["link/ether", "mode", "addrgenmode", "group"].map(after);
        format!("{} {marks:?}", words[1])
    });
    let addresses = run(host, "ip -o address show");
    let addresses = addresses
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(_, line)| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    let mut all: Vec<String> = links.chain(addresses).collect();
    all.sort();
    all
}

#[test]
fn what_is_set_on_them_is_what_keepalived_sets_and_the_parents_get_theirs_back() {
    // keepalived 2.2.7 lets an IPv6 VMAC answer ARP for the addresses of others.
    let arp = |name: &str| ["1", "0"].map(|value| vec![format!("ipv4/conf/{name}/arp_ignore:{value}")]);
    for (configuration, differing) in [
        (IPV6, arp("vrrp.51")),
        (ELSEWHERE, arp("vrrp6.51")),
        (SINGLE, [Vec::new(), Vec::new()]),
    ] {
        let Some((ours, theirs)) = beside_keepalived(|daemon| {
            let scene = Scene::with_segments(2);
            let link_local = || {
                let shown = run(&scene.a, "ip -o -6 address show scope link");
                shown.lines().count() == 2 && !shown.contains("tentative")
            };
            expect("the host has its own addresses", link_local);
            let before = settings(&scene.a);
            let node = daemon.start(&scene.a, configuration).unwrap();
            expect("the last address is there", || {
                run(&scene.a, "ip -o address show").contains("2001:db8::10/64")
            });
            let during = (settings(&scene.a), interfaces(&scene.a));
            assert!(node.stop(SOON).is_some());
            if *daemon == holdfast() {
                assert_eq!(settings(&scene.a), before, "something stayed behind");
            }
            assert_eq!(run(&scene.a, "ip -o link show type macvlan"), "");
            during
        }) else {
            return;
        };
        assert_eq!(ours.1, theirs.1, "{configuration}");
        let only = |mine: &[String], other: &[String]| -> Vec<String> {
            let others: BTreeSet<&String> = other.iter().collect();
            let mine = mine.iter().filter(|line| !others.contains(line));
            mine.cloned().collect()
        };
        let differs = [only(&ours.0, &theirs.0), only(&theirs.0, &ours.0)];
        assert_eq!(differs, differing, "{configuration}");
    }
}

#[test]
fn an_address_on_another_interface_is_announced_from_its_virtual_address() {
    beside_keepalived(|daemon| {
        let scene = Scene::with_segments(2);
        let _node = daemon.start(&scene.a, ELSEWHERE).unwrap();
        let from = |address: &str| -> BTreeSet<Vec<u8>> {
            let announced = Seen::Gratuitous(address.parse().unwrap());
            let frames = scene.lab.capture.pick(|frame| frame.seen == announced);
            frames.iter().map(|frame| frame.bytes[6..12].to_vec()).collect()
        };
        expect("both addresses are announced", || {
            !from("192.0.2.10").is_empty() && !from("192.0.3.10").is_empty()
        });
        assert_eq!(from("192.0.3.10"), BTreeSet::from([VIRTUAL_MAC.to_vec()]));
        assert!(
            !from("192.0.2.10").contains(VIRTUAL_MAC.as_slice()),
            "that one is on the interface itself"
        );
    });
}

#[test]
fn an_interface_that_needs_ipv6_has_it_where_new_ones_have_none() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        run(&scene.a, "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        let _node = daemon.start(&scene.a, IPV6).unwrap();
        expect("the addresses are there", || {
            let addresses = run(&scene.a, "ip -o -6 address show dev vrrp.51");
            addresses.contains("fe80::10/64") && addresses.contains("2001:db8::10/64")
        });
    });
}
