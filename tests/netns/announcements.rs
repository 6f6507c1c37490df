//! How often, how many and for which addresses: gratuitous ARP and unsolicited neighbour advertisements under each option,
//! beside keepalived.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Frame, Seen, wait_until};

use crate::forged::{Forgery, open, send};
use crate::scene::{Scene, VIRTUAL, beside_keepalived, each};

/// What is set, for all instances and for the one that there is.
struct Setting {
    global: &'static str,
    instance: &'static str,
    /// So many bursts are compared.
    bursts: usize,
}

/// What lies further apart is of two bursts.
const HALF: Duration = Duration::from_millis(500);

const SETTINGS: &[Setting] = &[
    Setting {
        global: "",
        instance: "garp_master_repeat 3\ngarp_master_delay 2",
        bursts: 2,
    },
    Setting {
        global: "",
        instance: "garp_master_repeat 2\ngarp_master_delay 1\ngarp_master_refresh 3\ngarp_master_refresh_repeat 4",
        bursts: 4,
    },
    Setting {
        global: "vrrp_garp_master_repeat 2\nvrrp_garp_master_delay 1\nvrrp_garp_master_refresh 2\nvrrp_garp_master_refresh_repeat 1",
        instance: "",
        bursts: 4,
    },
    // The instance's own settings win over those for all.
    Setting {
        global: "vrrp_garp_master_repeat 7\nvrrp_garp_master_delay 4\nvrrp_garp_master_refresh 60",
        instance: "garp_master_repeat 1\ngarp_master_delay 1\ngarp_master_refresh 2\ngarp_master_refresh_repeat 2",
        bursts: 4,
    },
    Setting {
        global: "vrrp_min_garp",
        instance: "",
        bursts: 1,
    },
    Setting {
        global: "",
        instance: "garp_master_repeat 2\ngarp_master_delay 0\ngarp_master_refresh 2",
        bursts: 3,
    },
    Setting {
        global: "vrrp_min_garp",
        instance: "garp_master_refresh 2\ngarp_master_refresh_repeat 3",
        bursts: 3,
    },
    // What is written counts, whether it comes before or after.
    Setting {
        global: "vrrp_garp_master_refresh 2\nvrrp_garp_master_refresh_repeat 2\nvrrp_min_garp\nvrrp_garp_master_delay 1",
        instance: "",
        bursts: 4,
    },
];

fn configuration(setting: &Setting) -> String {
    format!(
        "global_defs {{
             {}
         }}
         vrrp_instance VI_1 {{
             state BACKUP
             interface eth0
             virtual_router_id 51
             priority 150
             advert_int 2
             authentication {{
                 auth_type PASS
                 auth_pass 1111
             }}
             virtual_ipaddress {{
                 {VIRTUAL}/24
                 192.0.2.20
             }}
             virtual_ipaddress_excluded {{
                 fe80::100
                 2001:db8::10/64
             }}
             {}
         }}",
        setting.global, setting.instance
    )
}

/// Frames of one burst for each address.
type Burst = BTreeMap<String, usize>;

/// The address that a frame announces.
pub(crate) fn announced(frame: &Frame) -> Option<String> {
    if let Seen::Gratuitous(address) = frame.seen {
        return Some(address.to_string());
    }
    let bytes = &frame.bytes;
    let is_unsolicited = bytes.get(12..14)? == [0x86, 0xdd]
        && bytes.get(20)? == &58
        && bytes.get(54)? == &136
        && bytes.starts_with(&[0x33, 0x33, 0, 0, 0, 1]);
    let target: [u8; 16] = bytes.get(62..78)?.try_into().ok()?;
    is_unsolicited.then(|| Ipv6Addr::from(target).to_string())
}

/// The bursts of host a since then.
fn bursts(scene: &Scene, since: SystemTime) -> Vec<Burst> {
    let frames = scene
        .lab
        .capture
        .pick(|frame| &*frame.host == "a" && frame.at > since && announced(frame).is_some());
    let together = |one: &Frame, next: &Frame| next.at.duration_since(one.at).unwrap_or_default() < HALF;
    let count = |frames: &[Frame]| {
        let mut burst = Burst::new();
        for address in frames.iter().filter_map(announced) {
            *burst.entry(address).or_default() += 1;
        }
        burst
    };
    frames.chunk_by(together).map(count).collect()
}

/// Waits for so many more adverts of host a.
fn adverts(scene: &Scene, more: usize) {
    let sent = || scene.lab.capture.adverts("a").len();
    let before = sent();
    let seen = wait_until(Duration::from_secs(30), || sent() >= before + more);
    assert!(seen.is_some(), "{more} more adverts");
}

/// The first bursts of a master; one more must have begun, or there must have been time for it.
fn record(daemon: &Daemon, setting: &Setting) -> Vec<Burst> {
    let scene = Scene::new();
    let _node = daemon.start(&scene.a, &configuration(setting)).unwrap();
    let start = SystemTime::UNIX_EPOCH;
    let limit = Duration::from_secs(30);
    let enough = wait_until(limit, || bursts(&scene, start).len() >= setting.bursts);
    assert!(enough.is_some(), "{}", setting.instance);
    // The last one is whole, and no other follows where there is none to be.
    adverts(&scene, 1);
    let mut found = bursts(&scene, start);
    found.truncate(setting.bursts);
    found
}

#[test]
fn every_option_gives_keepaliveds_bursts() {
    for settings in SETTINGS.chunks(3) {
        each(settings, |setting| {
            if let Some((ours, theirs)) = beside_keepalived(|daemon| record(daemon, setting)) {
                assert_eq!(ours, theirs, "{} {}", setting.global, setting.instance);
            }
        });
    }
}

/// keepalived 2.2.7 sends no refresh with `vrrp_min_garp` unless its number of frames is written too.
#[test]
fn a_refresh_that_is_asked_for_comes_with_vrrp_min_garp_too() {
    let setting = Setting {
        global: "vrrp_min_garp",
        instance: "garp_master_refresh 2",
        bursts: 0,
    };
    let heard = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _node = daemon.start(&scene.a, &configuration(&setting)).unwrap();
        adverts(&scene, 4);
        bursts(&scene, SystemTime::UNIX_EPOCH)
    });
    if let Some((ours, theirs)) = heard {
        assert_eq!(theirs.len(), 1, "{theirs:?}");
        assert!(
            ours.len() > 1 && ours.iter().all(|burst| *burst == theirs[0]),
            "{ours:?}"
        );
    }
}

/// keepalived 2.2.7 forgets one of those that wait.
#[test]
fn an_interval_parts_the_frames_of_each_kind() {
    let setting = Setting {
        global: "vrrp_garp_interval 0.4\nvrrp_gna_interval 0.3",
        instance: "garp_master_repeat 2\ngarp_master_delay 0",
        bursts: 0,
    };
    let heard = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _node = daemon.start(&scene.a, &configuration(&setting)).unwrap();
        let frames = || {
            scene
                .lab
                .capture
                .pick(|frame| &*frame.host == "a" && announced(frame).is_some())
        };
        adverts(&scene, 1);
        let all = wait_until(Duration::from_secs(20), || frames().len() >= 6);
        assert!(all.is_some());
        adverts(&scene, 2);
        let of = |arp: bool| -> Vec<Frame> {
            let frames = frames().into_iter();
            frames
                .filter(|frame| matches!(frame.seen, Seen::Gratuitous(_)) == arp)
                .collect()
        };
        for (frames, pause) in [(of(true), 400), (of(false), 300)] {
            let (first, last) = (frames.first().unwrap(), frames.last().unwrap());
            let took = last.at.duration_since(first.at).unwrap();
            // The first may be seen late on a busy machine.
            let pauses = u32::try_from(frames.len() - 2).unwrap();
            assert!(took >= Duration::from_millis(pause) * pauses, "{took:?}");
        }
        frames()
            .iter()
            .filter_map(announced)
            .fold(Burst::new(), |mut all, address| {
                *all.entry(address).or_default() += 1;
                all
            })
    });
    if let Some((ours, theirs)) = heard {
        assert!(ours.keys().eq(theirs.keys()), "{ours:?} {theirs:?}");
        assert!(ours.values().all(|frames| *frames == 2), "{ours:?}");
    }
}

#[test]
fn a_lower_master_is_talked_over_as_keepalived_does() {
    let settings = [
        "garp_lower_prio_repeat 2\ngarp_lower_prio_delay 1",
        "garp_lower_prio_repeat 3\ngarp_lower_prio_delay 0",
        "garp_lower_prio_repeat 0",
        "garp_master_repeat 4",
    ]
    .map(|instance| Setting {
        global: "vrrp_garp_master_delay 1",
        instance,
        bursts: 2,
    });
    let limit = Duration::from_secs(20);
    each(&settings, |setting| {
        let heard = beside_keepalived(|daemon| {
            let scene = Scene::new();
            let forger = scene.lab.host("forger", Ipv4Addr::new(192, 0, 2, 66)).unwrap();
            let socket = forger.run(open).unwrap().unwrap();
            let node = daemon.start(&scene.a, &configuration(setting)).unwrap();
            let start = SystemTime::UNIX_EPOCH;
            let started = wait_until(limit, || bursts(&scene, start).len() == 2);
            assert!(started.is_some(), "both bursts of the start");
            adverts(&scene, 2);
            let before = SystemTime::now();
            send(&socket, &lower().bytes());
            // Time for what may follow.
            adverts(&scene, 4);
            if *daemon == Daemon::Keepalived {
                return bursts(&scene, before);
            }
            let silent = wait_until(limit, || node.said("was MASTER beside us") == 1);
            assert!(silent.is_some(), "the other is silent");
            adverts(&scene, 1);
            let mut heard = bursts(&scene, before);
            heard.pop().expect("the winner announces itself then");
            heard
        });
        if let Some((ours, theirs)) = heard {
            assert_eq!(ours, theirs, "{}", setting.instance);
        }
    });
}

/// An advert of a master of priority 50 that owns the same addresses.
fn lower() -> Forgery {
    Forgery::with(|it| {
        (it.payload[2], it.payload[3], it.payload[5]) = (50, 2, 2);
        it.payload.splice(12..12, [192, 0, 2, 20]);
    })
}
