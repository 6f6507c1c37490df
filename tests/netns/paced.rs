//! Announcements on more than one interface, beside keepalived: `garp_extra_if` and the gaps of a `garp_group`. The same
//! frames, in the same order.

use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast::lab::{Daemon, Frame, Lab, wait_until};

use crate::announcements::announced;
use crate::scene::{Scene, beside_keepalived, each};

/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What lies further apart is of two bursts.
const HALF: Duration = Duration::from_millis(500);

/// Two hosts with an interface on each of two segments.
fn scene() -> Scene {
    let lab = Lab::with_segments(2).unwrap();
    let a = lab.host("a", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
    let b = lab.host("b", Ipv4Addr::new(192, 0, 2, 12)).unwrap();
    Scene { lab, a, b }
}

/// An instance on eth0 with addresses there and on eth1, where `{}` stands in their lines.
fn configuration(blocks: &str, lines: &str, there: &str) -> String {
    // On which macvlan the addresses of another family are is another matter.
    let six = if lines.contains("vmac") || there.contains("vmac") {
        ""
    } else {
        "2001:db8::10/64\n2001:db8:1::10/64 dev eth1"
    };
    format!(
        "{blocks}
         vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority 150
             {lines}
             virtual_ipaddress {{
                 192.0.2.10/24
                 192.0.2.20/24
                 192.0.3.10/24 dev eth1 {there}
             }}
             virtual_ipaddress_excluded {{
                 192.0.3.20/24 dev eth1 {there}
                 {six}
             }}
         }}\n"
    )
}

/// The announcements of host a.
fn frames(scene: &Scene) -> Vec<Frame> {
    scene
        .lab
        .capture
        .pick(|frame| &*frame.host == "a" && announced(frame).is_some())
}

/// Waits for so many adverts of host a from now on.
fn adverts(scene: &Scene, more: usize) {
    let sent = || scene.lab.capture.adverts("a").len();
    let before = sent();
    assert!(wait_until(PATIENCE, || sent() >= before + more).is_some());
}

/// One frame of a burst: the sender's address in Ethernet where that is a virtual one, and what is announced.
type Told = (bool, String);

fn told(frame: &Frame) -> Option<Told> {
    Some((frame.bytes.get(6..10)? == [0, 0, 0x5e, 0], announced(frame)?))
}

#[test]
fn other_interfaces_are_told_again_as_keepalived_does() {
    let settings = [
        ("", "garp_extra_if all 2", "", 5),
        ("", "garp_extra_if 2", "", 2),
        ("global_defs {\nvrrp_garp_extra_if all 3\n}", "", "", 4),
        (
            "global_defs {\nvrrp_garp_extra_if all 1\n}",
            "garp_extra_if all 3",
            "",
            4,
        ),
        ("", "use_vmac\ngarp_extra_if 2", "", 2),
        ("", "use_vmac\ngarp_extra_if all 2", "", 4),
        ("", "garp_extra_if 2", "use_vmac", 4),
        ("", "use_vmac\nuse_vmac_addr\ngarp_extra_if 2", "", 4),
    ];
    for settings in settings.chunks(4) {
        each(settings, |(blocks, lines, there, bursts)| {
            let lines = format!("{lines}\ngarp_master_repeat 2\ngarp_master_delay 1");
            let heard =
                beside_keepalived(|daemon| record(daemon, &configuration(blocks, &lines, there), *bursts));
            if let Some((ours, theirs)) = heard {
                assert_eq!(ours, theirs, "{blocks} {lines} {there}");
            }
        });
    }
}

/// The first bursts of a master. There is time for one more than the second where no more are to be.
fn record(daemon: &Daemon, configuration: &str, bursts: usize) -> Vec<Vec<Told>> {
    let scene = scene();
    let _node = daemon.start(&scene.a, configuration).unwrap();
    let heard = || -> Vec<Vec<Told>> {
        let frames = frames(&scene);
        let together = |one: &Frame, next: &Frame| next.at.duration_since(one.at).unwrap_or_default() < HALF;
        let bursts = frames.chunk_by(together);
        bursts
            .map(|burst| burst.iter().filter_map(told).collect())
            .collect()
    };
    let enough = wait_until(PATIENCE, || heard().len() >= bursts);
    assert!(enough.is_some(), "{:?}", heard());
    // The last one is whole then.
    adverts(&scene, if bursts == 2 { 4 } else { 1 });
    let mut heard = heard();
    if bursts > 2 {
        heard.truncate(bursts);
    }
    heard
}

/// A group, and its gaps in milliseconds: of ARP on eth0, of ARP on eth1, of IPv6 on both. Lanes of the same number share theirs.
struct Group {
    text: &'static str,
    lanes: [(usize, u64); 4],
}

const GROUPS: &[Group] = &[
    Group {
        text: "garp_group {\ngarp_interval 0.3\ngna_interval 0.2\ninterfaces {\neth0\neth1\n}\n}",
        lanes: [(0, 300), (0, 300), (1, 200), (1, 200)],
    },
    Group {
        text: "garp_group {\ngarp_interval 0.4\ninterface eth0\n}",
        lanes: [(0, 400), (1, 0), (2, 0), (3, 0)],
    },
    Group {
        text: "global_defs {\nvrrp_garp_interval 0.2\nvrrp_gna_interval 0.1\n}
               garp_group {\ngarp_interval 0.4\ngna_interval 0.3\ninterface eth1\n}",
        lanes: [(0, 200), (1, 400), (2, 100), (3, 300)],
    },
];

/// keepalived 2.2.7 forgets repetitions of those that wait.
#[test]
fn the_frames_of_a_group_are_parted_as_keepaliveds() {
    each(GROUPS, |group| {
        let lines = "garp_master_repeat 2\ngarp_master_delay 0";
        let heard = beside_keepalived(|daemon| {
            let scene = scene();
            let _node = daemon
                .start(&scene.a, &configuration(group.text, lines, ""))
                .unwrap();
            // Two frames of each of six addresses; keepalived sends fewer in the same time.
            let all = wait_until(PATIENCE, || {
                frames(&scene).len() >= 12 || *daemon == Daemon::Keepalived
            });
            assert!(all.is_some(), "{:?}", frames(&scene));
            adverts(&scene, 6);
            frames(&scene)
        });
        let Some((ours, theirs)) = heard else { return };
        for lane in 0..4 {
            let gap = group.lanes.iter().find(|(number, _)| *number == lane);
            let Some((_, gap)) = gap else { continue };
            let (our_lane, their_lane) = (of_lane(&ours, group, lane), of_lane(&theirs, group, lane));
            let (first, last) = (our_lane.first().unwrap(), our_lane.last().unwrap());
            // The first may be seen late on a busy machine.
            let gaps = u64::try_from(our_lane.len() - 2).unwrap();
            let took = last.at.duration_since(first.at).unwrap();
            assert!(
                took >= Duration::from_millis(gap * gaps),
                "{}: {took:?}",
                group.text
            );
            let said = |frames: &[Frame]| frames.iter().filter_map(announced).collect::<Vec<_>>();
            let mut once = said(&our_lane);
            let mut theirs = said(&their_lane);
            if *gap == 0 {
                assert_eq!(once, theirs, "{}", group.text);
                continue;
            }
            let second = once.split_off(once.len() / 2);
            assert_eq!(once, second, "{}", group.text);
            let mut known = Vec::new();
            theirs.retain(|address| {
                let is_new = !known.contains(address);
                known.push(address.clone());
                is_new
            });
            assert_eq!(once, theirs, "{}", group.text);
        }
    });
}

/// The frames that share a gap.
fn of_lane(frames: &[Frame], group: &Group, lane: usize) -> Vec<Frame> {
    let is_of = |frame: &&Frame| {
        let address = announced(frame).unwrap_or_default();
        let is_six = address.contains(':');
        let there = address.starts_with("192.0.3.") || address.starts_with("2001:db8:1:");
        group.lanes[usize::from(is_six) * 2 + usize::from(there)].0 == lane
    };
    frames.iter().filter(is_of).cloned().collect()
}
