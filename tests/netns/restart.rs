//! The daemon itself is killed, whole or in part: what it leaves behind is put right.

use std::net::Ipv4Addr;
use std::time::SystemTime;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Advert, Daemon, wait_until};
use nix::sys::signal::{Signal, kill};

use crate::scene::{NODE1, NODE2, SOON, Scene, VIRTUAL, each, each_pairing, expect, holdfast, ready};
use crate::view::View;

#[test]
fn what_a_killed_daemon_left_is_removed_at_its_next_start() {
    const NODE1: &str = include_str!("../../conf-examples/nopreempt-pair/node1.conf");
    const NODE2: &str = include_str!("../../conf-examples/nopreempt-pair/node2.conf");
    each_pairing(|first, second| {
        let scene = Scene::new();
        let a = first.start(&scene.a, NODE1).unwrap();
        scene.expect_owner("a");
        let b = second.start(&scene.b, NODE2).unwrap();
        expect("b is a backup", || b.said("Entering BACKUP STATE") == 1);

        // Its host lives on, so the address stays on the interface.
        a.process.kill_all();
        expect("b takes over", || scene.lab.owners(VIRTUAL) == ["a", "b"]);

        drop(a);
        let a = first.start(&scene.a, NODE1).unwrap();
        scene.expect_owner("b");
        scene.watch_adverts("b", 4);
        assert_eq!(scene.lab.owners(VIRTUAL), ["b"]);
        assert_eq!(a.said("Entering MASTER STATE"), 0);
    });
}

#[test]
fn the_end_of_the_vrrp_process_costs_no_failover() {
    if !ready() {
        return;
    }
    each(&[Daemon::Keepalived, holdfast()], |second| {
        let scene = Scene::new();
        let (a, b) = scene.start_pair(&holdfast(), second);
        scene.watch_adverts("a", 1);
        let before = SystemTime::now();

        let children = a.process.descendants();
        let [child] = children[..] else {
            panic!("one child expected: {children:?}")
        };
        kill(child, Signal::SIGKILL).unwrap();
        scene.watch_adverts("a", 5);

        assert_eq!(b.said("Entering MASTER STATE"), 0, "the other node took over");
        assert_eq!(scene.lab.owners(VIRTUAL), ["a"]);
        let mut changes = scene.lab.address_changes.since(0).into_iter();
        let removal = changes.find(|change| change.at > before && change.address == VIRTUAL);
        assert_eq!(removal, None, "the address should have stayed where it was");

        let adverts = scene.lab.capture.adverts("a");
        for pair in adverts.windows(2) {
            let gap = pair[1].0.duration_since(pair[0].0).unwrap();
            assert!(gap <= 2 * pair[0].1.interval, "no advertisement for {gap:?}");
        }
    });
}

#[test]
fn the_end_of_the_supervisor_takes_its_processes_down_in_order() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let more = "bfd_instance peer {\n neighbor_ip 192.0.2.12\n}\nvirtual_server 192.0.2.80 80 {\n protocol TCP\n \
                lvs_sched rr\n lvs_method DR\n real_server 192.0.2.81 80 {\n }\n}\n";
    let a = holdfast().start(&scene.a, &format!("{NODE1}{more}")).unwrap();
    let _b = Daemon::Keepalived.start(&scene.b, NODE2).unwrap();
    scene.expect_owner("a");
    expect("there are three processes", || a.process.descendants().len() == 3);
    let bare = ["sh", "cat"];
    let processes = || {
        let names = View::of(&scene.a).processes.into_values();
        names
            .filter(|name| !bare.contains(&name.split(' ').next().unwrap_or_default()))
            .count()
    };
    assert_eq!(processes(), 4);
    a.process.signal(Signal::SIGKILL);
    // They resign, so that the other node need not wait.
    scene.expect_owner("b");
    let resigned = |(_, advert): &(SystemTime, Advert)| advert.priority == 0;
    assert!(scene.lab.capture.adverts("a").iter().any(resigned));
    assert!(a.process.wait(SOON).is_some());
    expect("all have ended", || processes() == 0);
}

#[test]
fn a_vrrp_process_that_hangs_is_replaced() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, _b) = scene.start_pair(&holdfast(), &Daemon::Keepalived);
    let children = a.process.descendants();
    let [child] = children[..] else {
        panic!("one child expected: {children:?}")
    };
    kill(child, Signal::SIGSTOP).unwrap();
    expect("a new process", || {
        let children = a.process.descendants();
        !children.is_empty() && !children.contains(&child)
    });
    // Whether the other node took over meanwhile depends on when its last advertisement was.
    scene.watch_adverts("a", 4);
    assert_eq!(scene.lab.owners(VIRTUAL), ["a"]);
}

/// After repeated deaths its restart waits. What a reload brings meanwhile is what the successor begins with, at once, and
/// what the dead one left goes.
#[test]
fn a_reload_in_the_back_off_is_what_the_successor_runs_with() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = holdfast().start(&scene.a, NODE1).unwrap();
    scene.expect_owner("a");
    let mut dead = None;
    for seconds in [0, 1, 2, 4] {
        let mut child = None;
        let lives = wait_until(6 * SOON, || {
            child = node
                .process
                .descendants()
                .into_iter()
                .find(|pid| Some(*pid) != dead);
            child.is_some()
        });
        assert!(lives.is_some(), "it is started again");
        dead = child;
        kill(child.unwrap(), Signal::SIGKILL).unwrap();
        let delay = format!("Restart of VRRP process delayed {seconds} seconds");
        expect(&delay, || node.said(&delay) == 1);
    }
    let started = node.said("Starting VRRP child process");

    let reload = |text: &str, words: &str| {
        scene.a.write(CONFIGURATION, text).unwrap();
        node.process.signal(Signal::SIGHUP);
        expect(words, || node.said(words) == 1);
    };
    reload("vrrp_instance VI_1 {\n", "the configuration stays as it was");
    let other = Ipv4Addr::new(192, 0, 2, 20);
    reload(&NODE1.replace("192.0.2.10", "192.0.2.20"), "Reload complete");
    assert_eq!(node.said("Starting VRRP child process"), started + 1);
    let came = wait_until(6 * SOON, || {
        let addresses = scene.a.addresses();
        addresses.contains(&other) && !addresses.contains(&VIRTUAL)
    });
    assert!(came.is_some(), "{:?}", scene.a.addresses());
    let adverts = scene.lab.capture.adverts("a");
    assert_eq!(adverts.last().unwrap().1.addresses, [other]);
}

/// It is killed for its silence, and its successor begins with a configuration that it never heard of.
#[test]
fn a_reload_that_a_frozen_process_never_hears_of_leaves_nothing_of_before() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = holdfast().start(&scene.a, NODE1).unwrap();
    scene.expect_owner("a");
    kill(node.process.descendants()[0], Signal::SIGSTOP).unwrap();
    scene
        .a
        .write(CONFIGURATION, &NODE1.replace("192.0.2.10", "192.0.2.20"))
        .unwrap();
    node.process.signal(Signal::SIGHUP);
    let other = Ipv4Addr::new(192, 0, 2, 20);
    let came = wait_until(6 * SOON, || {
        let addresses = scene.a.addresses();
        addresses.contains(&other) && !addresses.contains(&VIRTUAL)
    });
    assert!(came.is_some(), "{:?}", scene.a.addresses());
    assert_eq!(node.said("has been silent for"), 1);
    expect("the reload is complete", || node.said("Reload complete") == 1);
}
