//! The switch: a namespace with a bridge for each segment, a port of each for each host, and the sniffer.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use netlink::namespace;

use super::sniffer::{Capture, Sniffer};
use super::{LabError, wire};

/// The switch.
#[derive(Debug)]
pub(super) struct Switch {
    pub(super) capture: Arc<Capture>,
    /// How many segments it has.
    pub(super) segments: u32,
    network: OwnedFd,
    _sniffer: Sniffer,
}

impl Switch {
    pub(super) fn new(segments: u32) -> Result<Self, LabError> {
        let network = namespace::create()?;
        let last_bridge = wire::bridges(&network, segments)?;
        let capture = Arc::<Capture>::default();
        let socket = namespace::run_in(&network, move || Sniffer::open(last_bridge))??;
        Ok(Self {
            capture: Arc::clone(&capture),
            segments,
            network,
            _sniffer: Sniffer::start(socket, capture)?,
        })
    }

    /// A cable from a new port of each segment, named after the host, to an interface in the host's network namespace.
    pub(super) fn plug(&self, host: &Arc<str>, network: &OwnedFd) -> Result<(), LabError> {
        for segment in 0..self.segments {
            let port = wire::cable(&self.network, &port_name(host, segment), segment, network)?;
            self.capture.plugged(port, host);
        }
        self.set_port(host, true)
    }

    /// Takes the ports away, and with them the host's interfaces.
    pub(super) fn unplug(&self, host: &str) {
        for segment in 0..self.segments {
            // It is gone already if the host's namespace went first.
            let _ = wire::remove(&self.network, &port_name(host, segment));
        }
    }

    /// Gives or takes the carrier of the host's interfaces.
    pub(super) fn set_port(&self, host: &str, up: bool) -> Result<(), LabError> {
        for segment in 0..self.segments {
            wire::set_link(&self.network, &port_name(host, segment), up)?;
        }
        Ok(())
    }
}

fn port_name(host: &str, segment: u32) -> String {
    match segment {
        0 => host.to_owned(),
        _ => format!("{host}.{segment}"),
    }
}
