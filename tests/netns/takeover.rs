//! Who has the address when nodes crash, stop and come back.

use std::time::SystemTime;

use holdfast::lab::Daemon;

use crate::scene::{NODE1, SOON, Scene, TOLERANCE, VIRTUAL, assert_on_time, each_pairing, expect, holdfast};

#[test]
fn a_crash_is_repaired_in_time_and_the_preferred_node_returns() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let (a, _b) = scene.start_pair(first, second);
        scene.watch_adverts("a", 2);

        let crash = scene.a.crash();
        drop(a);
        scene.expect_owner("b");
        let (took, advert) = scene.takeover("a", "b");
        assert_on_time(second, took, advert.down_interval());
        let (first_advert, _) = scene.first_advert("b", crash);
        let got = scene
            .got_address("b", crash)
            .duration_since(first_advert)
            .unwrap_or_default();
        if *second == holdfast() {
            assert!(
                got < TOLERANCE,
                "the address came {got:?} after the first advertisement"
            );
        }

        scene.a.boot().unwrap();
        let _a = first.start(&scene.a, NODE1).unwrap();
        scene.expect_owner("a");
        let returned = SystemTime::now();
        scene.watch_adverts("a", 2);
        let late: Vec<_> = scene
            .lab
            .capture
            .adverts("b")
            .into_iter()
            .filter(|(at, _)| *at > returned)
            .collect();
        assert!(late.is_empty(), "b gave way but went on advertising: {late:?}");
    });
}

#[test]
fn a_node_that_stops_resigns_and_leaves_nothing() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let (a, b) = scene.start_pair(first, second);
        scene.watch_adverts("a", 1);

        let status = a.stop(SOON).expect("the daemon ends");
        assert_eq!(status.code(), Some(0), "exit status of a stopped daemon");
        assert!(
            !scene.a.addresses().contains(&VIRTUAL),
            "the address stayed behind"
        );
        scene.expect_owner("b");
        let (took, advert) = scene.takeover("a", "b");
        assert_eq!(scene.lab.capture.adverts("a").pop().unwrap().1.priority, 0);
        assert_on_time(second, took, advert.skew());

        let status = b.stop(SOON).expect("the daemon ends");
        assert_eq!(status.code(), Some(0), "exit status of a stopped daemon");
        assert!(scene.lab.owners(VIRTUAL).is_empty(), "the address stayed behind");
    });
}

#[test]
fn without_preemption_the_address_stays_where_it_is() {
    const FIRST: &str = include_str!("../../conf-examples/nopreempt-pair/node1.conf");
    const SECOND: &str = include_str!("../../conf-examples/nopreempt-pair/node2.conf");
    each_pairing(|first: &Daemon, second: &Daemon| {
        let scene = Scene::new();
        let a = first.start(&scene.a, FIRST).unwrap();
        scene.expect_owner("a");
        let b = second.start(&scene.b, SECOND).unwrap();
        expect("b is a backup", || b.said("Entering BACKUP STATE") == 1);

        scene.a.crash();
        drop(a);
        scene.expect_owner("b");

        scene.a.boot().unwrap();
        let a = first.start(&scene.a, FIRST).unwrap();
        // Longer than a preempting node would wait.
        scene.watch_adverts("b", 5);
        assert_eq!(scene.lab.owners(VIRTUAL), ["b"]);
        assert_eq!(
            a.said("Entering MASTER STATE"),
            0,
            "a took the address from a living master"
        );

        // It still takes over when it must.
        assert_eq!(b.stop(SOON).expect("the daemon ends").code(), Some(0));
        scene.expect_owner("a");
    });
}
