//! A high-availability daemon running in a host.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Host, LabError, Process};

/// Which daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// Holdfast, the program at this path.
    Holdfast(PathBuf),
    /// The distribution's keepalived.
    Keepalived,
}

/// Where Debian installs keepalived.
pub const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// Where a node's configuration is, in its host.
pub const CONFIGURATION: &str = "/run/node.conf";

/// A running daemon. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    /// Its first process.
    pub process: Process,
}

impl Daemon {
    /// Starts the daemon in a host with this configuration text, in the foreground, logging in detail to the
    /// [`Process::log`].
    pub fn start(&self, host: &Host, configuration: &str) -> Result<Node, LabError> {
        host.write(CONFIGURATION, configuration)?;
        let (name, program) = match self {
            Self::Holdfast(program) => ("holdfast", program.clone()),
            Self::Keepalived => ("keepalived", KEEPALIVED.into()),
        };
        let process = host.spawn(name, program, &["-f", CONFIGURATION, "-n", "-l", "-D"])?;
        Ok(Node { process })
    }
}

impl Node {
    /// How many lines of its log contain `words`.
    pub fn said(&self, words: &str) -> usize {
        self.process.log.count(words)
    }

    /// Asks it to stop and waits for its end; `None` if it has not ended within `limit`.
    pub fn stop(&self, limit: Duration) -> Option<ExitStatus> {
        self.process.signal(Signal::SIGTERM);
        self.process.wait(limit)
    }
}
