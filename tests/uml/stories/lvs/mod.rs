//! Virtual servers opposite Debian's keepalived: the same story is played to both, and the kernel's table and the scripts
//! that were told must be the same after each step.

mod asked;
mod draining;
mod dump;
mod elsewhere;
mod flush;
mod kept;
mod marks;
mod pair;
mod scale;
mod suspended;
mod sync;
mod table;
mod telling;
mod traffic;
mod web;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::{Daemon, Host, Lab, Node, wait_until};
use ipvs::{Entry, Ipvs};

use super::{run, wait_for};
use crate::Story;

pub(crate) fn stories() -> Vec<Story> {
    [
        table::stories(),
        telling::stories(),
        suspended::stories(),
        flush::stories(),
        asked::stories(),
        kept::stories(),
        marks::stories(),
        dump::stories(),
        elsewhere::stories(),
        sync::stories(),
        traffic::stories(),
        draining::stories(),
        pair::stories(),
        scale::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Longer than anything here takes on one slow processor.
const SOON: Duration = Duration::from_secs(30);

/// How long it may take until nothing changes any more.
const REST: Duration = Duration::from_mins(1);

/// Between two looks: whoever looks all the time leaves the processor to nobody.
const BREATH: Duration = Duration::from_millis(100);

/// What has not changed for so many looks is what came of a step, where every checker has run twice since the step (what it
/// said first was acted upon then), or none runs.
const QUIET: u32 = 12;

/// The same where nobody counts how often checkers run: checks are a second apart.
const LONG_QUIET: u32 = 25;

/// What real servers are checked with: it counts, and says whether there is the file.
const CHECK: &str = "#!/bin/sh\necho \"$1\" >>/run/checks\n[ -e \"/run/$1\" ]\n";

const TELL: &str = "#!/bin/sh\necho \"$*\" >>/run/told\n";

fn holdfast() -> Daemon {
    Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into())
}

/// A host with a daemon. A real server is alive while the file of its name is in `/run`.
struct Scene {
    lab: Lab,
    host: Arc<Host>,
    seen: usize,
    /// The real servers that are checked, as far as that is counted.
    checked: Vec<String>,
    /// After so many looks without a change there will be none.
    quiet: u32,
}

/// The step in which a daemon with `omega` ends.
const LAST_WORDS: &str = "stop, and tell of it";

/// What came of a step: the table, and the scripts in any order.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    step: &'static str,
    table: Vec<String>,
    told: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        run("/run/modprobe ip_vs");
        let lab = Lab::new().unwrap();
        let host = lab.host("director", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
        host.write_script("/run/tell", TELL).unwrap();
        host.write_script("/run/check", CHECK).unwrap();
        host.write("/run/told", "").unwrap();
        host.write("/run/checks", "").unwrap();
        Self {
            lab,
            host,
            seen: 0,
            checked: Vec::new(),
            quiet: LONG_QUIET,
        }
    }

    /// Which real servers are checked from now on.
    fn learn(&mut self, text: &str) {
        let checks = text.split("/run/check ").skip(1);
        self.checked = checks.map(|rest| rest[..2].to_owned()).collect();
        let is_known = !self.checked.is_empty() || !text.contains("_CHECK");
        self.quiet = if is_known { QUIET } else { LONG_QUIET };
    }

    /// Nobody should be checked from now on.
    fn suspended(&mut self) {
        self.checked.clear();
        self.quiet = LONG_QUIET;
    }

    /// How often each of the servers was checked.
    fn checks(&self) -> Vec<usize> {
        let all = self.host.read("/run/checks").unwrap();
        let count = |server: &String| all.lines().filter(|line| line == server).count();
        self.checked.iter().map(count).collect()
    }

    /// A new configuration for a running daemon.
    fn reload(&mut self, node: &Node, text: &str) {
        reload(&self.host, node, text);
        self.learn(text);
    }

    /// Stops the daemon: nobody is checked any more.
    fn stop(&mut self, node: &Node) {
        assert!(node.stop(SOON).is_some(), "{}", self.lab.report());
        self.checked.clear();
        self.quiet = QUIET;
    }

    fn alive(&self, server: &str) {
        self.host.write(&format!("/run/{server}"), "").unwrap();
    }

    fn all_alive(&self, servers: &[&str]) {
        for server in servers {
            self.alive(server);
        }
    }

    fn dead(&self, server: &str) {
        self.host.remove(&format!("/run/{server}")).unwrap();
    }

    /// The lines of `ipvsadm -Sn`, sorted.
    fn table(&self) -> Vec<String> {
        let saved = self.host.run(|| run("ipvsadm -Sn")).unwrap();
        let mut lines: Vec<String> = saved.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        lines
    }

    /// The table and what scripts were told.
    fn look(&self) -> (Vec<Entry>, String) {
        (table(&self.host), self.host.read("/run/told").unwrap())
    }

    /// Starts a daemon and waits until there is a table: loading the kernel's modules takes a while.
    fn start(&mut self, daemon: &Daemon, text: &str) -> Node {
        self.learn(text);
        let node = daemon.start(&self.host, text).unwrap();
        self.expect("there is a table", || !table(&self.host).is_empty());
        node
    }

    /// Waits until the table has come to rest, and scripts with it.
    fn after(&mut self, step: &'static str) -> Came {
        let (began, before) = (Instant::now(), self.checks());
        let is_checked = |scene: &Self| {
            let now = scene.checks();
            before.iter().zip(now).all(|(before, now)| now >= before + 2)
        };
        let (mut look, mut quiet) = (self.look(), 0);
        while quiet < self.quiet || !is_checked(self) {
            assert!(began.elapsed() < REST, "{step}: no rest\n{}", self.lab.report());
            thread::sleep(BREATH);
            let now = self.look();
            quiet = if now == look { quiet + 1 } else { 0 };
            look = now;
        }
        let table = self.table();
        let all = self.host.read("/run/told").unwrap();
        let mut told: Vec<String> = all.lines().skip(self.seen).map(str::to_owned).collect();
        self.seen += told.len();
        told.sort();
        Came { step, table, told }
    }

    fn expect(&self, what: &str, condition: impl FnMut() -> bool) -> Duration {
        soon(condition).unwrap_or_else(|| panic!("{what}\n{}", self.lab.report()))
    }
}

/// How long it takes until the condition holds, which must be soon.
fn soon(mut condition: impl FnMut() -> bool) -> Option<Duration> {
    wait_until(SOON, || {
        let holds = condition();
        if !holds {
            thread::sleep(BREATH);
        }
        holds
    })
}

/// The table of a host, read without running a program, which takes a while here.
fn table(host: &Host) -> Vec<Entry> {
    let read = || wait_for(async { Ipvs::open().await.unwrap().table().await.unwrap() });
    host.run(read).unwrap()
}

/// Plays a story to keepalived and to us at the same time, and compares what came of each step.
fn as_keepalived(story: fn(&Daemon) -> Vec<Came>) {
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| story(&Daemon::Keepalived));
        let ours = story(&holdfast());
        (theirs.join().unwrap(), ours)
    });
    for (ours, theirs) in ours.iter().zip(&theirs) {
        println!("{}: {:#?} {:?}", theirs.step, theirs.table, theirs.told);
        if ours.step == LAST_WORDS {
            // keepalived ends scripts that have not ended within a second of the stop.
            assert_eq!(ours.table, theirs.table);
            let untold: Vec<_> = theirs
                .told
                .iter()
                .filter(|told| !ours.told.contains(told))
                .collect();
            assert!(untold.is_empty(), "{untold:?} is not in {:?}", ours.told);
        } else {
            assert_eq!(ours, theirs);
        }
    }
    assert_eq!(ours.len(), theirs.len());
}

/// A new configuration for a running daemon.
fn reload(host: &Host, node: &Node, text: &str) {
    host.write(holdfast::lab::node::CONFIGURATION, text).unwrap();
    node.process.signal(nix::sys::signal::Signal::SIGHUP);
}

/// A real server that is alive while its file is there.
fn server(name: u8, more: &str) -> String {
    format!(
        "real_server 192.0.2.{name} 80 {{
            {more}
            notify_up \"/run/tell up {name}\"
            notify_down \"/run/tell down {name}\"
            MISC_CHECK {{
                misc_path \"/run/check {name}\"
                misc_timeout 20
            }}
        }}
"
    )
}
