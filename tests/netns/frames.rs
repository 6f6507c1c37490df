//! The same configuration on the same addresses gives the same bytes on the wire as keepalived's.

use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Frame, Seen};

use crate::scene::{SOON, Scene, TOLERANCE, beside_keepalived, expect};

const CONFIGURATION: &str = "
    vrrp_instance VI_1 {
        state BACKUP
        interface eth0
        virtual_router_id 77
        priority 123
        advert_int 1
        authentication {
            auth_type PASS
            auth_pass secret
        }
        virtual_ipaddress {
            192.0.2.10/24
            192.0.2.20
            198.51.100.7/25
        }
    }
";

const ADDRESSES: usize = 3;

/// What a master that starts, advertises six times and is stopped sends.
struct Sent {
    adverts: Vec<Frame>,
    announcements: Vec<Frame>,
}

#[test]
fn every_byte_is_keepaliveds() {
    let Some((ours, theirs)) = beside_keepalived(record) else {
        return;
    };
    assert_eq!(
        hex(&ours.adverts),
        hex(&theirs.adverts),
        "advertisements differ from keepalived's"
    );
    assert_eq!(
        hex(&ours.announcements),
        hex(&theirs.announcements),
        "gratuitous ARPs differ from keepalived's"
    );
    for sent in [ours, theirs] {
        assert_eq!(
            sent.adverts
                .last()
                .and_then(Frame::advert)
                .map(|advert| advert.priority),
            Some(0)
        );
        assert_bursts(&sent);
    }
}

/// Five gratuitous ARPs for each address at once, five after five seconds.
fn assert_bursts(sent: &Sent) {
    let start = sent.adverts[0].at;
    let after = |frame: &Frame| frame.at.duration_since(start).unwrap();
    let (first, second) = sent.announcements.split_at(5 * ADDRESSES);
    assert_eq!(second.len(), 5 * ADDRESSES);
    assert!(
        first.iter().all(|frame| after(frame) < TOLERANCE),
        "the first burst is late"
    );
    let five = Duration::from_secs(5);
    let on_time = |frame: &Frame| (five..five + TOLERANCE).contains(&after(frame));
    assert!(
        second.iter().all(on_time),
        "the second burst comes {:?} after the start",
        after(&second[0])
    );
}

fn record(daemon: &Daemon) -> Sent {
    let scene = Scene::new();
    let start = SystemTime::now();
    let node = daemon.start(&scene.a, CONFIGURATION).unwrap();
    scene.watch_adverts("a", 1);
    scene.watch_adverts("a", 6);
    assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
    expect("the last word", || {
        scene
            .lab
            .capture
            .adverts("a")
            .last()
            .is_some_and(|(_, advert)| advert.priority == 0)
    });
    let pick = |wanted: fn(&Seen) -> bool| {
        scene
            .lab
            .capture
            .pick(|frame| frame.at > start && wanted(&frame.seen))
    };
    Sent {
        adverts: pick(|seen| matches!(seen, Seen::Advert(_))),
        announcements: pick(|seen| matches!(seen, Seen::Gratuitous(_))),
    }
}

fn hex(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| format!("{:02x?}", frame.bytes))
        .collect()
}
