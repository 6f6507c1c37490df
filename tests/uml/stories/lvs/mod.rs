//! Virtual servers opposite Debian's keepalived: the same story is played to both, and the kernel's table and the scripts
//! that were told must be the same after each step.

mod kept;
mod scale;
mod table;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::{Daemon, Host, Lab, Node, wait_until};

use super::run;
use crate::Story;

pub(crate) fn stories() -> Vec<Story> {
    [table::stories(), kept::stories(), scale::stories()]
        .into_iter()
        .flatten()
        .collect()
}

/// Longer than anything here takes on one slow processor.
const SOON: Duration = Duration::from_secs(30);

/// A table that has not changed for so long is what came of a step: checks are a second apart.
const QUIET: Duration = Duration::from_millis(2500);

const TELL: &str = "#!/bin/sh\necho \"$*\" >>/run/told\n";

fn holdfast() -> Daemon {
    Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into())
}

/// A host with a daemon. A real server is alive while the file of its name is in `/run`.
struct Scene {
    lab: Lab,
    host: Arc<Host>,
    seen: usize,
}

/// What came of a step: the table, and the scripts in any order.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    step: &'static str,
    table: Vec<String>,
    told: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let host = lab.host("director", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
        host.write_script("/run/tell", TELL).unwrap();
        host.write("/run/told", "").unwrap();
        Self { lab, host, seen: 0 }
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

    /// Starts a daemon and waits until there is a table: loading the kernel's modules takes a while.
    fn start(&self, daemon: &Daemon, text: &str) -> Node {
        let node = daemon.start(&self.host, text).unwrap();
        self.expect("there is a table", || !self.table().is_empty());
        node
    }

    /// Waits until the table has come to rest.
    fn after(&mut self, step: &'static str) -> Came {
        let mut table = self.table();
        let (began, mut since) = (Instant::now(), Instant::now());
        while since.elapsed() < QUIET {
            assert!(began.elapsed() < SOON, "{step}: no rest\n{}", self.lab.report());
            thread::sleep(Duration::from_millis(50));
            let now = self.table();
            if now != table {
                (table, since) = (now, Instant::now());
            }
        }
        let all = self.host.read("/run/told").unwrap();
        let mut told: Vec<String> = all.lines().skip(self.seen).map(str::to_owned).collect();
        self.seen += told.len();
        told.sort();
        Came { step, table, told }
    }

    fn expect(&self, what: &str, condition: impl FnMut() -> bool) -> Duration {
        wait_until(SOON, condition).unwrap_or_else(|| panic!("{what}\n{}", self.lab.report()))
    }
}

/// Plays a story to keepalived and to us, and compares what came of each step.
fn as_keepalived(story: fn(&Daemon) -> Vec<Came>) {
    let theirs = story(&Daemon::Keepalived);
    let ours = story(&holdfast());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        println!("{}: {:#?} {:?}", theirs.step, theirs.table, theirs.told);
        assert_eq!(ours, theirs);
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
                misc_path \"/usr/bin/test -e /run/{name}\"
                misc_timeout 20
            }}
        }}
"
    )
}
