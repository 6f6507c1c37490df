//! The stage of a scene: a lab, one or two hosts `a` and `b` that run the daemon, and eyes.

use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::node::{CONFIGURATION, KEEPALIVED};
use holdfast::lab::{Daemon, Host, Lab, LabError, Process};

use crate::eyes::Eyes;

/// Which daemon plays, on what scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage<'a> {
    daemon: &'a Daemon,
    /// Whether the scale is small.
    pub(crate) quick: bool,
}

/// Two hosts joined by some segments.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) lab: Lab,
    pub(crate) a: Arc<Host>,
    pub(crate) b: Arc<Host>,
}

/// How long a scene waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// How long a look may be put off: the frames of this time fit into the capture's buffer many times over.
const GLANCE: Duration = Duration::from_millis(20);

/// The daemon's name.
pub(crate) fn name(daemon: &Daemon) -> &'static str {
    match daemon {
        Daemon::Holdfast(_) => "holdfast",
        Daemon::Keepalived => "keepalived",
    }
}

impl Hosts {
    /// Hosts without daemons.
    pub(crate) fn new(segments: u32) -> Result<Self, LabError> {
        let lab = Lab::with_segments(segments)?;
        let a = lab.host("a", Ipv4Addr::new(172, 16, 0, 11))?;
        let b = lab.host("b", Ipv4Addr::new(172, 16, 0, 12))?;
        Ok(Self { lab, a, b })
    }
}

impl<'a> Stage<'a> {
    pub(crate) fn new(daemon: &'a Daemon, quick: bool) -> Self {
        Self { daemon, quick }
    }

    /// Starts the daemon with this configuration, in the foreground, logging as much as it does without being asked.
    pub(crate) fn start(self, host: &Host, configuration: &str) -> Result<Process, LabError> {
        host.write(CONFIGURATION, configuration)?;
        let program = match self.daemon {
            Daemon::Holdfast(program) => program.clone(),
            Daemon::Keepalived => KEEPALIVED.into(),
        };
        host.spawn(name(self.daemon), program, &["-f", CONFIGURATION, "-n", "-l"])
    }
}

/// Looks until the answer is yes.
pub(crate) fn until(
    eyes: &mut Eyes<'_>,
    what: &str,
    limit: Duration,
    mut condition: impl FnMut(&Eyes<'_>) -> bool,
) -> Result<(), LabError> {
    let begin = Instant::now();
    loop {
        eyes.look();
        if condition(eyes) {
            return Ok(());
        }
        if begin.elapsed() > limit {
            let message = format!("{what} has not come about within {limit:?}");
            return Err(LabError::Io(io::Error::new(ErrorKind::TimedOut, message)));
        }
        thread::sleep(GLANCE);
    }
}

/// Looks for some time.
pub(crate) fn watch(eyes: &mut Eyes<'_>, time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        thread::sleep(GLANCE);
        eyes.look();
    }
}
