//! The switch: a namespace with a bridge, a port for each host, and the sniffer.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sched::{CloneFlags, unshare};

use super::sniffer::{Capture, Sniffer};
use super::worker::Worker;
use super::{LabError, wire};

/// The switch.
#[derive(Debug)]
pub(super) struct Switch {
    pub(super) capture: Arc<Capture>,
    // Before the worker: the sniffer's socket keeps the namespace alive.
    _sniffer: Sniffer,
    worker: Worker,
}

impl Switch {
    pub(super) fn new() -> Result<Self, LabError> {
        let worker = Worker::start("switch", || unshare(CloneFlags::CLONE_NEWNET).map_err(LabError::Namespace))?;
        worker.run(wire::bridge)?;
        let capture = Arc::<Capture>::default();
        let socket = worker.run(Sniffer::open)?;
        Ok(Self {
            capture: Arc::clone(&capture),
            _sniffer: Sniffer::start(socket, capture)?,
            worker,
        })
    }

    /// A cable from a new port, named after the host, to an interface in the host's network namespace.
    pub(super) fn plug(&self, host: &Arc<str>, network: &OwnedFd, hardware: [u8; 6]) -> Result<(), LabError> {
        let (name, network) = (Arc::clone(host), network.try_clone()?);
        let port = self.worker.run(move || wire::cable(&name, &network, hardware))?;
        self.capture.plugged(port, host);
        self.set_port(host, true)
    }

    /// Takes the port away, and with it the host's interface.
    pub(super) fn unplug(&self, host: &Arc<str>) {
        let name = Arc::clone(host);
        // It is gone already if the host's namespace went first.
        let _ = self.worker.run(move || wire::remove(&name));
    }

    /// Gives or takes the carrier of the host's interface.
    pub(super) fn set_port(&self, host: &Arc<str>, up: bool) -> Result<(), LabError> {
        let name = Arc::clone(host);
        self.worker.run(move || wire::set_link(&name, up))
    }
}
