//! What others take away from a master is put back.

use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Seen};

use holdfast::control::Request;

use crate::control::ask;
use crate::scene::{Scene, VIRTUAL, expect, holdfast, ready};

#[test]
fn an_address_removed_by_hand_is_put_back_and_announced() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = scene.start_pair(&holdfast(), &Daemon::Keepalived);
    scene.watch_adverts("a", 1);

    let removal = SystemTime::now();
    let ip = scene
        .a
        .spawn(
            "ip",
            "/sbin/ip",
            &["address", "del", "192.0.2.10/24", "dev", "eth0"],
        )
        .unwrap();
    assert!(
        ip.wait(Duration::from_secs(1))
            .is_some_and(|status| status.success())
    );
    let away = scene.got_address("a", removal).duration_since(removal).unwrap();
    assert!(away < Duration::from_secs(1), "it was away for {away:?}");
    expect("it is announced", || {
        let announced = Seen::Gratuitous(VIRTUAL);
        !scene
            .lab
            .capture
            .pick(|frame| frame.at > removal && frame.seen == announced)
            .is_empty()
    });

    let status = ask(&scene.a, Request::Status).unwrap();
    assert_eq!(status["vrrp"]["instances"][0]["objects_lost"], 1, "it is counted");

    scene.watch_adverts("a", 2);
    assert_eq!(a.said("Entering BACKUP STATE"), 1, "it was no reason to give up");
    assert_eq!(b.said("Entering MASTER STATE"), 0);
    assert_eq!(scene.lab.owners(VIRTUAL), ["a"]);
}
