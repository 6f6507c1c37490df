//! A node without its interface is no master; it comes back when the interface does.

use std::time::SystemTime;

use holdfast::lab::{Daemon, Host};

use crate::scene::{Scene, VIRTUAL, assert_on_time, each_pairing, expect};

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
