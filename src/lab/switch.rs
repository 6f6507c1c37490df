//! The switch: a namespace with a bridge, a port for each host, and the sniffer.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use netlink::namespace;

use super::sniffer::{Capture, Sniffer};
use super::{LabError, wire};

/// The switch.
#[derive(Debug)]
pub(super) struct Switch {
    pub(super) capture: Arc<Capture>,
    network: OwnedFd,
    _sniffer: Sniffer,
}

impl Switch {
    pub(super) fn new() -> Result<Self, LabError> {
        let network = namespace::create()?;
        wire::bridge(&network)?;
        let capture = Arc::<Capture>::default();
        let socket = namespace::run_in(&network, Sniffer::open)??;
        Ok(Self {
            capture: Arc::clone(&capture),
            network,
            _sniffer: Sniffer::start(socket, capture)?,
        })
    }

    /// A cable from a new port, named after the host, to an interface in the host's network namespace.
    pub(super) fn plug(&self, host: &Arc<str>, network: &OwnedFd) -> Result<(), LabError> {
        let port = wire::cable(&self.network, host, network)?;
        self.capture.plugged(port, host);
        self.set_port(host, true)
    }

    /// Takes the port away, and with it the host's interface.
    pub(super) fn unplug(&self, host: &str) {
        // It is gone already if the host's namespace went first.
        let _ = wire::remove(&self.network, host);
    }

    /// Gives or takes the carrier of the host's interface.
    pub(super) fn set_port(&self, host: &str, up: bool) -> Result<(), LabError> {
        wire::set_link(&self.network, host, up)
    }
}
