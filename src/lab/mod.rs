//! A lab of hosts in network namespaces joined by a switch, for the demonstration, the tests and the benchmarks.
//!
//! The switch has one segment or more; a host has an interface on each: `eth0` on the first, `eth1` on the second. What is
//! said of "the" interface of a host is said of the first.
//!
//! Hosts run real daemons; frames are watched at the switch, addresses in the hosts: from outside, as the neighbours
//! of a router see it. It needs root. Nothing of it has a name that others see, and all of it vanishes with the
//! process that made it, however that ends. Nothing here knows how the daemon works.

pub mod frame;
pub mod host;
pub mod log;
pub mod node;
pub mod process;
pub mod sniffer;
mod switch;
pub mod wait;
pub mod watch;
mod wire;
mod worker;

use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use nix::errno::Errno;

pub use frame::{Advert, Frame, Seen};
pub use host::{Host, LINK, write_executable};
pub use log::Log;
pub use node::{Daemon, Node};
pub use process::Process;
pub use sniffer::Capture;
pub use wait::wait_until;
pub use watch::{AddressChange, AddressChanges};

/// A switch and its hosts.
#[derive(Debug)]
pub struct Lab {
    /// What the hosts have sent.
    pub capture: Arc<Capture>,
    /// Addresses that came to the hosts and went.
    pub address_changes: Arc<AddressChanges>,
    switch: Arc<switch::Switch>,
    hosts: Mutex<Vec<Arc<Host>>>,
    start: SystemTime,
}

/// Why something in the lab could not be done.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The kernel does not let this process make namespaces.
    #[error(
        "this process may not make the namespaces of the lab ({0}): run it as root, and not in a container that forbids them"
    )]
    Namespace(Errno),
    /// The same, of network namespaces.
    #[error(
        "this process may not make the namespaces of the lab ({0}): run it as root, and not in a container that forbids them"
    )]
    Network(#[from] netlink::namespace::Error),
    /// An interface could not be made or changed.
    #[error("cannot set up the network of the lab: {0}")]
    Wire(String),
    /// A program could not be started.
    #[error("cannot start {program}: {error}")]
    Program {
        /// Its path.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// The host is switched off.
    #[error("host {0} is off")]
    Off(String),
    /// A file, a pipe, a thread.
    #[error("the lab has failed: {0}")]
    Io(io::Error),
}

impl Lab {
    /// A switch without hosts, of one segment.
    pub fn new() -> Result<Self, LabError> {
        Self::with_segments(1)
    }

    /// A switch without hosts, of so many segments that know nothing of each other.
    pub fn with_segments(segments: u32) -> Result<Self, LabError> {
        let switch = Arc::new(switch::Switch::new(segments)?);
        Ok(Self {
            capture: Arc::clone(&switch.capture),
            address_changes: Arc::default(),
            switch,
            hosts: Mutex::default(),
            start: SystemTime::now(),
        })
    }

    /// A new host with this address, in a /24, and on each further segment with that of the next /24.
    pub fn host(&self, name: &str, address: Ipv4Addr) -> Result<Arc<Host>, LabError> {
        let host = Arc::new(Host::new(
            name,
            address,
            Arc::clone(&self.switch),
            Arc::clone(&self.address_changes),
        )?);
        let mut hosts = lock(&self.hosts);
        hosts.push(Arc::clone(&host));
        Ok(host)
    }

    /// Names of the hosts that have this address now.
    pub fn owners(&self, address: Ipv4Addr) -> Vec<String> {
        let hosts = lock(&self.hosts);
        let owners = hosts.iter().filter(|host| host.addresses().contains(&address));
        owners.map(|host| host.name.to_string()).collect()
    }

    /// The lab for a failed test: addresses, the last lines of every log and the last frames, with times from the
    /// lab's start.
    pub fn report(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_report(&mut text);
        text
    }

    fn write_report(&self, text: &mut String) -> std::fmt::Result {
        let since = |at: SystemTime| at.duration_since(self.start).unwrap_or_default().as_secs_f64();
        writeln!(text, "--- at {:.3}", since(SystemTime::now()))?;
        for host in lock(&self.hosts).iter() {
            writeln!(text, "--- {} has {:?}", host.name, host.addresses())?;
            for log in host.logs() {
                let lines = log.since(0);
                writeln!(text, "--- log of {} ({} lines)", log.name, lines.len())?;
                for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
                    writeln!(text, "{:8.3} {}", since(line.at), line.message())?;
                }
            }
        }
        let frames = self.capture.pick(|frame| frame.seen != Seen::Other);
        writeln!(text, "--- frames ({})", frames.len())?;
        for frame in frames.iter().skip(frames.len().saturating_sub(LINES)) {
            writeln!(text, "{:8.3} {frame}", since(frame.at))?;
        }
        Ok(())
    }
}

/// Locks; what a thread that panicked was about to write is not missed in a lab.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines of each log and of the frames in a report.
const LINES: usize = 60;
