//! Ten thousand destinations: how long they take to be in place and to go, beside Debian's keepalived in the same machine.
//!
//! What is printed is the best of some rounds in which both take turns: whatever else the machine does only adds to it.
//! What is demanded is judged by docs/performance.md, where the program is built as users have it:
//! `cargo test --release --test uml -- come_and_go --nocapture`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use holdfast::lab::Daemon;
use holdfast::lab::node::{CONFIGURATION, KEEPALIVED};
use ipvs::{Ipvs, ServiceKey};
use nix::sys::signal::Signal;

use super::{Scene, holdfast, table};
use crate::stories::{listen_to_the_log, run, stories, wait_for};

stories![ten_thousand_destinations_come_and_go];

const SERVICES: u32 = 100;
const EACH: u32 = 100;

/// Times that each daemon plays.
const ROUNDS: usize = 3;

/// Longer than keepalived takes on this machine.
const LONG: Duration = Duration::from_secs(40);

/// A table that has not changed for so long will stay.
const AT_REST: Duration = Duration::from_secs(3);

/// Nobody is killed for being slow: it would spoil the comparison.
fn configuration() -> String {
    let mut text = format!("global_defs {{\n child_wait_time {}\n}}\n", LONG.as_secs());
    for service in 0..SERVICES {
        let _ = writeln!(
            text,
            "virtual_server 172.16.0.{} 80 {{\n lvs_sched wlc\n lvs_method NAT\n protocol TCP",
            service + 1
        );
        for server in 0..EACH {
            let _ = writeln!(text, " real_server 10.0.{service}.{} 80 {{\n }}", server + 1);
        }
        text.push_str("}\n");
    }
    text
}

/// The service that is written last.
fn last() -> ServiceKey {
    ServiceKey::Address {
        address: [172, 16, 0, 100].into(),
        port: 80,
        protocol: 6,
    }
}

/// How long a daemon takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Took {
    /// Until all destinations are there.
    start: Duration,
    /// Until it has ended, and the table is empty.
    stop: Duration,
}

impl Took {
    /// The best of both.
    fn or(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            stop: self.stop.min(other.stop),
        }
    }
}

fn play(daemon: &Daemon, text: &str) -> Took {
    let scene = Scene::new();
    let count = || {
        let look = || {
            wait_for(async {
                Ipvs::open()
                    .await
                    .unwrap()
                    .destinations(&last())
                    .await
                    .unwrap()
                    .len()
            })
        };
        scene.host.run(look).unwrap()
    };
    scene.host.write(CONFIGURATION, text).unwrap();
    let program = match daemon {
        Daemon::Holdfast(program) => program.clone(),
        Daemon::Keepalived => KEEPALIVED.into(),
    };
    let began = Instant::now();
    // To the system's log, as on a user's machine.
    let process = scene
        .host
        .spawn("daemon", program, &["-f", CONFIGURATION, "-n"])
        .unwrap();
    while count() != EACH as usize {
        assert!(began.elapsed() < LONG, "{} are there", count());
        std::thread::sleep(Duration::from_millis(50));
    }
    let start = began.elapsed();
    let began = Instant::now();
    process.signal(Signal::SIGTERM);
    assert!(process.wait(LONG).is_some(), "{daemon:?} does not end");
    let mut stop = began.elapsed();
    match daemon {
        Daemon::Holdfast(_) => assert_eq!(table(&scene.host).len(), 0, "{daemon:?} leaves something"),
        // Its checker process may go on with the table when its parent has ended, or have been killed by it before the end.
        Daemon::Keepalived => {
            let mut left = table(&scene.host).len();
            while left > 0 && began.elapsed() < stop + AT_REST {
                std::thread::sleep(Duration::from_millis(50));
                let now = table(&scene.host).len();
                if now != left {
                    (left, stop) = (now, began.elapsed());
                }
            }
            if left > 0 {
                println!("keepalived leaves {left} services");
            }
        }
    }
    Took { start, stop }
}

fn ten_thousand_destinations_come_and_go() {
    // The hosts of the lab, who have a `/run` of their own, cannot load it.
    run("/run/modprobe ip_vs");
    listen_to_the_log();
    let text = configuration();
    let round = || [Daemon::Keepalived, holdfast()].map(|daemon| play(&daemon, &text));
    let [theirs, ours] = (1..ROUNDS).fold(round(), |best, _| {
        let now = round();
        [best[0].or(now[0]), best[1].or(now[1])]
    });
    let ratio = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
    println!(
        "keepalived: in place {:.3?}, stopped {:.3?}",
        theirs.start, theirs.stop
    );
    println!(
        "Holdfast:   in place {:.3?}, stopped {:.3?}",
        ours.start, ours.stop
    );
    let (start, stop) = (ratio(ours.start, theirs.start), ratio(ours.stop, theirs.stop));
    println!("ratio:      in place {start:.3}, stopped {stop:.3}");
}
