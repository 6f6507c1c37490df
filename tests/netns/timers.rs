//! The settings that put off a takeover, beside keepalived: how many adverts of a lower master are endured, how much silence,
//! how long after the start. keepalived 2.2.7 does not know `timer_expired_backup` and `vrrp_delay_after_boot`.

use std::time::{Duration, SystemTime};

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Advert, Daemon, Node, wait_until};
use nix::sys::signal::{Signal, kill};

use crate::scene::{Scene, VIRTUAL, beside_keepalived, each, holdfast, ready};

/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much later than the protocol asks a daemon may be here: what is looked for is whole seconds away.
const SLACK: Duration = Duration::from_secs(2);

/// A router of this priority with these settings, for all and for itself.
fn router(priority: u8, global: &str, lines: &str) -> String {
    format!(
        "global_defs {{
             {global}
         }}
         vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority {priority}
             {lines}
             virtual_ipaddress {{
                 {VIRTUAL}/24
             }}
         }}\n"
    )
}

fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, condition).is_some(), "{what}");
}

fn owned_by(scene: &Scene, host: &str) {
    eventually(&format!("{host} alone has the address"), || {
        scene.lab.owners(VIRTUAL) == [host]
    });
}

/// The adverts of a host after that time.
fn adverts(scene: &Scene, host: &str, after: SystemTime) -> Vec<(SystemTime, Advert)> {
    let all = scene.lab.capture.adverts(host).into_iter();
    all.filter(|(at, _)| *at > after).collect()
}

/// When a host advertised for the first time after that time.
fn took_over(scene: &Scene, host: &str, after: SystemTime) -> SystemTime {
    let mut first = None;
    eventually(&format!("{host} advertises"), || {
        first = adverts(scene, host, after).first().map(|(at, _)| *at);
        first.is_some()
    });
    first.unwrap()
}

fn between(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

fn assert_within(what: &str, took: Duration, bound: Duration) {
    assert!(
        took >= bound && took < bound + SLACK,
        "{what}: {took:?}, where {bound:?} is right"
    );
}

const ENDURED: &str = "start preempt delay (2.500000)";

#[test]
fn a_lower_master_is_endured_for_as_many_adverts() {
    let endured = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _b = Daemon::Keepalived.start(&scene.b, &router(100, "", "")).unwrap();
        owned_by(&scene, "b");
        let a = daemon
            .start(&scene.a, &router(150, "", "preempt_delay 2.5"))
            .unwrap();
        let at_start = endured(&scene, &a, 1);
        owned_by(&scene, "a");
        scene.a.cable_out().unwrap();
        owned_by(&scene, "b");
        scene.a.cable_in().unwrap();
        let after_fault = endured(&scene, &a, 2);
        owned_by(&scene, "a");
        [at_start, after_fault]
    });
    if let Some((ours, theirs)) = endured {
        assert_eq!(ours, theirs);
        // Three within the delay, and three more in the silence after it: a lower master is not heard then.
        assert_eq!(ours, [6, 6]);
    }
}

/// How many adverts of b passed from the one at which a began to be patient, for the time of this number, until it took over.
fn endured(scene: &Scene, a: &Node, time: usize) -> usize {
    let begun = || -> Option<SystemTime> {
        let lines = a.process.log.since(0).into_iter();
        let mut begun = lines.filter(|line| line.text.contains(ENDURED));
        begun.nth(time - 1).map(|line| line.at)
    };
    eventually("a is patient", || begun().is_some());
    let begun = begun().unwrap();
    let mut all = scene.lab.capture.adverts("b").into_iter();
    let (first, _) = all.rfind(|(at, _)| *at <= begun).unwrap();
    let end = took_over(scene, "a", begun);
    let adverts = adverts(scene, "b", first).into_iter();
    1 + adverts.filter(|(at, _)| *at < end).count()
}

#[test]
fn a_preempt_delay_puts_off_no_takeover_from_the_dead() {
    let took = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _b = Daemon::Keepalived.start(&scene.b, &router(100, "", "")).unwrap();
        owned_by(&scene, "b");
        let a = daemon
            .start(&scene.a, &router(150, "", "preempt_delay 300"))
            .unwrap();
        eventually("a is patient", || a.said("start preempt delay") == 1);
        scene.b.crash();
        let (last, _) = scene.lab.capture.adverts("b").pop().unwrap();
        between(last, took_over(&scene, "a", last))
    });
    if let Some((ours, theirs)) = took {
        let bound = Duration::from_micros(3_414_062);
        assert_within("Holdfast", ours, bound);
        assert_within("keepalived", theirs, bound);
    }
}

#[test]
fn as_much_silence_is_endured_as_down_timer_adverts_says() {
    let settings = [
        ("", "down_timer_adverts 8", 8_609_375),
        ("vrrp_down_timer_adverts 1", "", 1_609_375),
        ("vrrp_down_timer_adverts 2", "down_timer_adverts 7", 7_609_375),
        ("", "version 3\nadvert_int 0.5\ndown_timer_adverts 12", 6_304_687),
    ];
    each(&settings, |(global, lines, bound)| {
        let took = beside_keepalived(|daemon| {
            let scene = Scene::new();
            let _a = Daemon::Keepalived
                .start(&scene.a, &router(150, global, lines))
                .unwrap();
            owned_by(&scene, "a");
            let _b = daemon.start(&scene.b, &router(100, global, lines)).unwrap();
            scene.watch_adverts("a", 3);
            scene.a.crash();
            let (last, _) = scene.lab.capture.adverts("a").pop().unwrap();
            between(last, took_over(&scene, "b", last))
        });
        if let Some((ours, theirs)) = took {
            let what = format!("{global} {lines}");
            assert_within(&format!("Holdfast, {what}"), ours, Duration::from_micros(*bound));
            assert_within(
                &format!("keepalived, {what}"),
                theirs,
                Duration::from_micros(*bound),
            );
        }
    });
}

/// Seconds after the start in which nobody is to be master, and the silence that follows.
const DELAY: &str = "vrrp_startup_delay 6";

#[test]
fn a_startup_delay_comes_before_the_first_wait() {
    let took = beside_keepalived(|daemon| {
        let others = [None, Some(50)];
        each(&others, |other| {
            let scene = Scene::new();
            let _b = other.map(|priority| {
                let b = Daemon::Keepalived.start(&scene.b, &router(priority, "", ""));
                owned_by(&scene, "b");
                b.unwrap()
            });
            let start = SystemTime::now();
            let _a = daemon.start(&scene.a, &router(100, DELAY, "")).unwrap();
            between(start, took_over(&scene, "a", start))
        })
    });
    if let Some((ours, theirs)) = took {
        let bound = Duration::from_micros(9_609_375);
        assert_within("Holdfast, alone", ours[0], bound);
        assert_within("keepalived, alone", theirs[0], bound);
        assert_within("Holdfast, beside a lower one", ours[1], bound);
        // Every advert of a lower master in the delay puts keepalived's takeover off further.
        assert!(theirs[1] >= bound);
    }
}

#[test]
fn a_master_that_dies_in_a_startup_delay_is_missed_only_after_it() {
    let took = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _b = Daemon::Keepalived.start(&scene.b, &router(150, "", "")).unwrap();
        owned_by(&scene, "b");
        let start = SystemTime::now();
        let a = daemon.start(&scene.a, &router(100, DELAY, "")).unwrap();
        eventually("a has begun", || a.said("Entering BACKUP STATE (init)") == 1);
        scene.watch_adverts("b", 2);
        let died = scene.b.crash();
        assert!(between(start, died) < Duration::from_secs(5), "within the delay");
        between(start, took_over(&scene, "a", died))
    });
    if let Some((ours, theirs)) = took {
        let bound = Duration::from_micros(9_609_375);
        assert_within("Holdfast", ours, bound);
        assert_within("keepalived", theirs, bound);
    }
}

#[test]
fn a_machine_that_has_just_booted_waits() {
    if !ready() {
        return;
    }
    // Switched on ten seconds ago.
    let wanted = [("vrrp_delay_after_boot 20", 10), ("vrrp_delay_after_boot 8", 0)];
    each(&wanted, |(setting, more)| {
        let scene = Scene::new();
        let Daemon::Holdfast(program) = holdfast() else {
            unreachable!()
        };
        scene.a.write(CONFIGURATION, &router(100, setting, "")).unwrap();
        let start = SystemTime::now();
        let uptime = scene.a.read("/proc/uptime").unwrap();
        let seconds: i64 = uptime.split('.').next().unwrap().parse().unwrap();
        let offset = (10 - seconds).to_string();
        let clocks = ["--time", "--monotonic", &offset, "--boottime", &offset];
        let daemon = [program.to_str().unwrap(), "-f", CONFIGURATION, "-n", "-l", "-D"];
        let arguments = [&clocks[..], &daemon[..]].concat();
        let _node = scene.a.spawn("holdfast", "/usr/bin/unshare", &arguments).unwrap();
        let took = between(start, took_over(&scene, "a", start));
        // The offset has whole seconds only, so that the machine is older by up to one.
        let bound = Duration::from_micros(3_609_375) + Duration::from_secs(*more);
        assert_within(
            setting,
            took,
            bound.saturating_sub(Duration::from_secs(u64::from(*more > 0))),
        );
    });
}

/// A master that was frozen for so long that the other took over: with the setting it gives way although it is the higher
/// one, without a word; without it, it takes the address back.
#[test]
fn a_master_that_slept_through_a_takeover_gives_way_if_asked() {
    if !ready() {
        return;
    }
    let stories = [
        (Daemon::Keepalived, "timer_expired_backup 100", "b"),
        (holdfast(), "timer_expired_backup", "b"),
        (Daemon::Keepalived, "", "a"),
    ];
    each(&stories, |(other, setting, winner)| {
        let scene = Scene::new();
        let lines = format!("nopreempt\n{setting}");
        let a = holdfast().start(&scene.a, &router(150, "", &lines)).unwrap();
        owned_by(&scene, "a");
        let _b = other.start(&scene.b, &router(100, "", "nopreempt")).unwrap();
        scene.watch_adverts("a", 2);
        let processes = [vec![a.process.pid], a.process.descendants()].concat();
        let signal = |signal: Signal| processes.iter().for_each(|pid| kill(*pid, signal).unwrap());
        signal(Signal::SIGSTOP);
        let frozen = SystemTime::now();
        eventually("b took over", || adverts(&scene, "b", frozen).len() >= 2);
        signal(Signal::SIGCONT);
        let woken = SystemTime::now();
        owned_by(&scene, winner);
        scene.watch_adverts(winner, 4);
        owned_by(&scene, winner);
        let stays = *winner == "a";
        assert_eq!(a.said("VRRP thread timer expired"), usize::from(!stays));
        assert_eq!(adverts(&scene, "a", woken).is_empty(), !stays);
    });
}
