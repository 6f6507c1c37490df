//! A host in which both programs judge files.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use holdfast::lab::node::KEEPALIVED;
use holdfast::lab::{Host, Lab};

use crate::case::Case;

/// A host with `eth0` and `eth1`.
pub(crate) struct Bench {
    host: Arc<Host>,
    _lab: Lab,
}

/// The exit statuses for one file; `None` if a program ended by a signal.
pub(crate) struct Verdicts {
    pub(crate) holdfast: Option<u8>,
    pub(crate) keepalived: Option<u8>,
    /// What Holdfast said.
    pub(crate) report: String,
}

impl Bench {
    pub(crate) fn new(number: usize) -> Self {
        let lab = Lab::new().unwrap();
        let host = lab
            .host(&format!("bench{number}"), Ipv4Addr::new(192, 0, 2, 1))
            .unwrap();
        let add = ["link", "add", "eth1", "type", "veth", "peer", "name", "eth2"];
        let added = host
            .run(move || Command::new("ip").args(add).status())
            .unwrap()
            .unwrap();
        assert!(added.success(), "eth1 could not be made");
        Self { host, _lab: lab }
    }

    pub(crate) fn judge(&self, cases: &[&Case]) -> Vec<Verdicts> {
        let paths: Vec<PathBuf> = cases.iter().map(|case| case.path.clone()).collect();
        let judge = move || paths.iter().map(|path| Verdicts::of(path)).collect();
        self.host.run(judge).unwrap()
    }
}

impl Verdicts {
    fn of(path: &Path) -> Self {
        let ours = test(env!("CARGO_BIN_EXE_holdfast"), path);
        let theirs = test(KEEPALIVED, path);
        Self {
            holdfast: status(&ours),
            keepalived: status(&theirs),
            report: String::from_utf8_lossy(&ours.stderr).into_owned()
                + &String::from_utf8_lossy(&theirs.stderr),
        }
    }
}

fn test(program: &str, path: &Path) -> Output {
    Command::new(program)
        .args(["-t", "--config-id", "here", "-f"])
        .arg(path)
        .env("PATH", "/usr/sbin:/usr/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn status(output: &Output) -> Option<u8> {
    output.status.code().and_then(|code| u8::try_from(code).ok())
}
