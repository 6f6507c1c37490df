//! Links that fail, are missing, or have no address; trackers of interfaces.

use std::net::Ipv4Addr;
use std::time::Duration;

use parser::config::VrrpInstance;
use vrrp::{Event, Link, LinkId};

use crate::fixture::{ETH0, at, config, eth0, instance, ms, started, tracked};
use crate::lan::Lan;

fn other_link(running: bool) -> Link {
    Link {
        id: LinkId(3),
        name: "eth1".to_owned(),
        running,
        ..eth0(9)
    }
}

fn log_of(engine: &mut vrrp::Engine) -> Vec<String> {
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            vrrp::Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_pulled_cable_is_a_fault_and_the_other_takes_over() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.log("a");
    lan.set_link("a", false);
    assert_eq!(
        lan.log("a"),
        [
            "Netlink reports eth0 down",
            "(VI_1) entering FAULT state (interface eth0 down)",
            "(VI_1) Entering FAULT STATE",
            "(VI_1) removing VIPs.",
        ]
    );
    lan.run_for(ms(3620));
    assert_eq!(lan.masters(), ["b"]);
    lan.set_link("a", true);
    assert_eq!(
        lan.log("a"),
        [
            "Netlink reports eth0 up",
            "(VI_1) no longer a fault: interface eth0 down",
            "(VI_1) Entering BACKUP STATE",
        ]
    );
    lan.run_for(ms(3420));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn a_missing_interface_is_a_fault_until_it_comes() {
    let mut engine = vrrp::Engine::new(&config(vec![instance(100)], vec![]), "", at(0));
    engine.handle_timeout(at(0));
    assert_eq!(
        log_of(&mut engine),
        [
            "(VI_1) entering FAULT state (interface eth0 does not exist)",
            "(VI_1) Entering FAULT STATE (init)",
        ]
    );
    assert_eq!(engine.next_deadline(), Some(at(10_000)), "to look again");
    engine.handle(Event::Link(eth0(5)), at(10));
    assert_eq!(engine.instances().next().unwrap().state.word(), "BACKUP");
    engine.handle(Event::LinkGone(ETH0), at(20));
    assert_eq!(engine.instances().next().unwrap().state.word(), "FAULT");
}

#[test]
fn a_renamed_interface_is_a_missing_one() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    let renamed = Link {
        name: "lan0".to_owned(),
        ..eth0(5)
    };
    engine.handle(Event::Link(renamed), at(5));
    assert_eq!(engine.instances().next().unwrap().state.word(), "FAULT");
    engine.handle(Event::Link(eth0(5)), at(6));
    assert_eq!(engine.instances().next().unwrap().state.word(), "MASTER");
}

#[test]
fn an_interface_made_anew_is_found_under_its_new_index() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    let anew = Link {
        id: LinkId(8),
        ..eth0(5)
    };
    engine.handle(Event::Link(anew), at(1));
    engine.handle(Event::LinkGone(ETH0), at(2));
    let instance = engine.instances().next().unwrap();
    assert_eq!(
        (instance.state.word(), instance.link),
        ("MASTER", Some(LinkId(8)))
    );
    assert_eq!(engine.owned(instance.id).next().unwrap().link, LinkId(8));
}

#[test]
fn a_lost_source_address_is_a_fault_and_the_resignation_still_leaves() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.log("a");
    lan.handle(
        "a",
        Event::Link(Link {
            ipv4: None,
            ..eth0(1)
        }),
    );
    assert_eq!(
        lan.log("a"),
        [
            "(VI_1) entering FAULT state (no IPv4 address for interface)",
            "(VI_1) sent 0 priority",
            "(VI_1) Entering FAULT STATE",
            "(VI_1) removing VIPs.",
        ]
    );
    lan.run_for(ms(611));
    assert_eq!(lan.masters(), ["b"]);
}

#[test]
fn mcast_src_ip_needs_no_address_on_the_link() {
    let configured = VrrpInstance {
        mcast_src_ip: Some("10.9.9.9".parse().unwrap()),
        ..instance(255)
    };
    let mut engine = vrrp::Engine::new(&config(vec![configured], vec![]), "", at(0));
    engine.handle(
        Event::Link(Link {
            ipv4: None,
            ..eth0(5)
        }),
        at(0),
    );
    engine.handle_timeout(at(0));
    let Some(vrrp::Action::Send(advert)) = engine.next_action() else {
        panic!("no advert")
    };
    assert_eq!(advert.source, std::net::IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)));
}

#[test]
fn dont_track_primary_stays_master_and_speaks_again_when_the_link_returns() {
    let steadfast = VrrpInstance {
        dont_track_primary: true,
        ..instance(150)
    };
    let mut lan = Lan::with([("a", config(vec![steadfast], vec![]))]);
    lan.run_for(Duration::from_secs(5));
    lan.set_link("a", false);
    lan.run_for(Duration::from_secs(5));
    assert_eq!(lan.masters(), ["a"]);
    lan.take_actions("a");
    lan.set_link("a", true);
    let id = vrrp::InstanceId(0);
    let back: Vec<_> = lan
        .take_actions("a")
        .into_iter()
        .map(|(_, action)| action)
        .collect();
    assert!(back.contains(&vrrp::Action::Reconcile(id)));
    assert!(back.contains(&vrrp::Action::Announce {
        instance: id,
        repeat: 5
    }));
}

#[test]
fn a_tracked_interface_without_weight_is_a_fault_when_down() {
    let tracking = VrrpInstance {
        track_interface: vec![tracked("eth1", 0)],
        ..instance(255)
    };
    let mut engine = started(&config(vec![tracking], vec![]));
    assert_eq!(
        log_of(&mut engine),
        [
            "(VI_1) entering FAULT state (tracked interface eth1 down)",
            "(VI_1) Entering FAULT STATE (init)",
        ]
    );
    engine.handle(Event::Link(other_link(true)), at(1));
    assert_eq!(engine.instances().next().unwrap().state.word(), "MASTER");
    engine.handle(Event::Link(other_link(false)), at(2));
    assert_eq!(engine.instances().next().unwrap().state.word(), "FAULT");
    log_of(&mut engine);
    engine.handle(
        Event::Link(Link {
            running: false,
            ..eth0(5)
        }),
        at(3),
    );
    assert_eq!(
        log_of(&mut engine),
        [
            "Netlink reports eth0 down",
            "(VI_1) still in FAULT state (interface eth0 down)",
        ]
    );
    assert_eq!(engine.instances().next().unwrap().faults.len(), 2);
}

#[test]
fn nothing_is_judged_before_all_links_are_told() {
    let tracking = VrrpInstance {
        track_interface: vec![tracked("eth1", -20), tracked("eth2", 0)],
        ..instance(100)
    };
    let mut engine = vrrp::Engine::new(&config(vec![tracking], vec![]), "", at(0));
    engine.handle(Event::Link(eth0(5)), at(0));
    engine.handle(Event::Link(other_link(true)), at(0));
    let eth2 = Link {
        id: LinkId(4),
        name: "eth2".to_owned(),
        ..eth0(9)
    };
    engine.handle(Event::Link(eth2), at(0));
    engine.handle_timeout(at(0));
    assert_eq!(log_of(&mut engine), ["(VI_1) Entering BACKUP STATE (init)"]);
}

#[test]
fn interface_weights_move_the_priority() {
    let down_is_fault_reversed = |weight, reverse| {
        let tracking = VrrpInstance {
            track_interface: vec![parser::config::vrrp_instance::Tracked {
                reverse,
                ..tracked("eth1", weight)
            }],
            ..instance(100)
        };
        let mut engine = started(&config(vec![tracking], vec![]));
        let down = engine.instances().next().unwrap().priority.get();
        engine.handle(Event::Link(other_link(true)), at(1));
        (down, engine.instances().next().unwrap().priority.get())
    };
    assert_eq!(down_is_fault_reversed(20, false), (100, 120));
    assert_eq!(down_is_fault_reversed(20, true), (100, 80));
    assert_eq!(down_is_fault_reversed(-20, false), (80, 100));
    assert_eq!(down_is_fault_reversed(-20, true), (120, 100));
    assert_eq!(down_is_fault_reversed(-253, false), (1, 100), "never below 1");
    assert_eq!(
        down_is_fault_reversed(253, false),
        (100, 254),
        "never the owner's"
    );
}

#[test]
fn an_address_on_another_link_is_owned_there_for_as_long_as_there_is_one() {
    let mut elsewhere = instance(255);
    elsewhere.virtual_ipaddress[0].dev = Some("eth1".to_owned());
    let mut engine = started(&config(vec![elsewhere], vec![]));
    let id = vrrp::InstanceId(0);
    assert_eq!(engine.owned(id).count(), 0, "eth1 is not there");
    while engine.next_action().is_some() {}
    engine.handle(Event::Link(other_link(true)), at(1));
    assert_eq!(engine.owned(id).next().unwrap().link, LinkId(3));
    assert_eq!(engine.next_action(), Some(vrrp::Action::Reconcile(id)));
    assert_eq!(
        engine.next_action(),
        Some(vrrp::Action::Announce {
            instance: id,
            repeat: 5
        })
    );
    engine.handle(Event::LinkGone(LinkId(3)), at(2));
    assert_eq!(engine.next_action(), Some(vrrp::Action::Reconcile(id)));
    assert_eq!(engine.next_action(), None);
}

#[test]
fn a_new_hardware_address_is_told_to_the_neighbours() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    while engine.next_action().is_some() {}
    engine.handle(Event::Link(Link { mtu: 9000, ..eth0(5) }), at(1));
    assert_eq!(engine.next_action(), None);
    let hardware_address = vec![2, 0, 0, 0, 0, 77];
    engine.handle(
        Event::Link(Link {
            hardware_address,
            ..eth0(5)
        }),
        at(2),
    );
    let id = vrrp::InstanceId(0);
    assert_eq!(engine.next_action(), Some(vrrp::Action::Reconcile(id)));
    assert_eq!(
        engine.next_action(),
        Some(vrrp::Action::Announce {
            instance: id,
            repeat: 5
        })
    );
}

#[test]
fn another_group_is_spoken_and_listened_to() {
    let elsewhere = VrrpInstance {
        mcast_dst_ip: "224.0.0.99".parse().unwrap(),
        ..instance(255)
    };
    let mut engine = started(&config(vec![elsewhere], vec![]));
    let Some(vrrp::Action::Send(advert)) = engine.next_action() else {
        panic!("no advert")
    };
    assert_eq!(advert.destination.to_string(), "224.0.0.99");
    engine.handle(
        crate::fixture::from(9, &crate::fixture::advert(&instance(100), 9, 100)),
        at(1),
    );
    assert_eq!(engine.instances().next().unwrap().stats.destination_err, 1);
}
