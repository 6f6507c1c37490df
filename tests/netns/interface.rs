//! A node without its interface is no master; it comes back when the interface does.

use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Host, wait_until};

use crate::scene::{Scene, VIRTUAL, assert_on_time, beside_keepalived, each_pairing, expect};

#[test]
fn a_pulled_cable_is_a_fault_until_it_is_back() {
    each_pairing(|first, second| {
        story(first, second, |host, up| {
            if up { host.cable_in() } else { host.cable_out() }.unwrap();
        });
    });
}

#[test]
fn an_interface_set_down_is_a_fault_until_it_is_up() {
    each_pairing(|first, second| story(first, second, |host, up| host.set_link(up).unwrap()));
}

fn story(first: &Daemon, second: &Daemon, set: impl Fn(&Host, bool)) {
    let scene = Scene::new();
    let (a, _b) = scene.start_pair(first, second);
    scene.watch_adverts("a", 1);

    set(&scene.a, false);
    expect("a is in fault", || a.said("Entering FAULT STATE") == 1);
    scene.expect_owner("b");
    let (took, advert) = scene.takeover("a", "b");
    assert_on_time(second, took, advert.down_interval());
    assert!(
        !scene.a.addresses().contains(&VIRTUAL),
        "a node in fault kept the address"
    );

    let back = SystemTime::now();
    set(&scene.a, true);
    expect("a has left its fault", || a.said("Entering BACKUP STATE") == 2);
    scene.expect_owner("a");
    let (_, advert) = scene.first_advert("a", back);
    assert_eq!(advert.addresses, [VIRTUAL]);
}

/// The least time that the carrier must be away, and back, to count.
const DELAYS: (Duration, Duration) = (Duration::from_millis(1200), Duration::from_millis(1600));

const DELAYED: &str = "
interface_up_down_delays {
    eth0 1.2 1.6
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        192.0.2.10/24
    }
}
";

#[test]
fn a_cable_that_is_out_or_in_for_a_moment_is_endured_as_keepalived_does() {
    let told = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let other = DELAYED.replace("priority 150", "priority 100");
        let _b = Daemon::Keepalived.start(&scene.b, &other).unwrap();
        let a = daemon.start(&scene.a, DELAYED).unwrap();
        let eventually = |what: &str, condition: &dyn Fn() -> bool| {
            let seen = wait_until(Duration::from_secs(30), condition);
            assert!(seen.is_some(), "{what}");
        };
        let owned_by = |host: &str| {
            eventually(&format!("{host} alone has {VIRTUAL}"), &|| {
                scene.lab.owners(VIRTUAL) == [host]
            });
        };
        owned_by("a");
        scene.a.cable_out().unwrap();
        scene.a.cable_in().unwrap();
        scene.watch_adverts("a", 4);

        let out = SystemTime::now();
        scene.a.cable_out().unwrap();
        eventually("a is in fault", &|| a.said("Entering FAULT STATE") == 1);
        let fault = SystemTime::now();
        owned_by("b");
        scene.a.cable_in().unwrap();
        scene.a.cable_out().unwrap();
        scene.watch_adverts("b", 4);

        let back = SystemTime::now();
        scene.a.cable_in().unwrap();
        owned_by("a");
        let (first, _) = scene.first_advert("a", back);
        let states = a.process.log.since(0).into_iter().filter_map(|line| {
            let (_, state) = line.message().split_once("Entering ")?;
            Some(state.to_owned())
        });
        let took = [(out, fault), (back, first)].map(|(from, to)| to.duration_since(from).unwrap());
        (states.collect::<Vec<_>>(), took)
    });
    let Some((ours, theirs)) = told else { return };
    assert_eq!(ours.0, theirs.0);
    for [down, up] in [ours.1, theirs.1] {
        assert!(down >= DELAYS.0, "a fault after {down:?}");
        // A master of lower priority is given the usual time then.
        let bound = DELAYS.1 + Duration::from_micros(3_414_062);
        assert!(
            up >= bound && up < bound + Duration::from_secs(3),
            "master again after {up:?}"
        );
    }
}
