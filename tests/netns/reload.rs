//! A new configuration reaches a running daemon without disturbing what it does not mention.

use std::time::{Duration, SystemTime};

use holdfast::lab::node::CONFIGURATION;
use nix::sys::signal::Signal;

use crate::scene::{NODE1, Scene, VIRTUAL, expect, holdfast, ready};

#[test]
fn what_is_unchanged_is_not_touched_and_what_is_new_is_there() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = scene.start_pair(&holdfast(), &holdfast());
    scene.watch_adverts("a", 1);
    let before = SystemTime::now();

    let more = NODE1.replace("192.0.2.10/24\n", "192.0.2.10/24\n192.0.2.20/24\n");
    for (text, addresses) in [(NODE1, 1), (&more, 2), ("vrrp_instance {", 2), (NODE1, 1)] {
        scene.a.write(CONFIGURATION, text).unwrap();
        a.process.signal(Signal::SIGHUP);
        expect(&format!("{addresses} addresses are advertised"), || {
            scene
                .lab
                .capture
                .adverts("a")
                .pop()
                .is_some_and(|(_, advert)| advert.addresses.len() == addresses)
        });
        scene.watch_adverts("a", 1);
        assert_eq!(scene.a.addresses().len(), 1 + addresses);
    }

    let adverts = scene.lab.capture.adverts("a");
    for pair in adverts.windows(2) {
        let gap = pair[1].0.duration_since(pair[0].0).unwrap();
        assert!(
            gap < Duration::from_millis(1100),
            "an advertisement came {gap:?} after the one before"
        );
    }
    let mut changes = scene.lab.address_changes.since(0).into_iter();
    let touched = changes.find(|change| change.at > before && change.address == VIRTUAL);
    assert_eq!(touched, None, "the address that stays was touched");
    assert_eq!(a.said("Entering MASTER STATE"), 1);
    assert_eq!(b.said("Entering MASTER STATE"), 0);
}

#[test]
fn an_instance_that_a_reload_makes_another_one_lets_go_of_its_addresses() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, _b) = scene.start_pair(&holdfast(), &holdfast());
    // Unicast is another instance, and this one cannot be master.
    scene.a.write("/run/stop", "1").unwrap();
    let other = NODE1.replace(
        "    virtual_ipaddress {",
        "    unicast_peer {\n 192.0.2.12\n }\n track_file {\n stop\n }\n virtual_ipaddress {",
    );
    let other = format!("track_file stop {{\n file /run/stop\n weight 0\n}}\n{other}");
    scene.a.write(CONFIGURATION, &other).unwrap();
    a.process.signal(Signal::SIGHUP);
    scene.expect_owner("b");
    assert_eq!(scene.a.addresses().len(), 1);
}
