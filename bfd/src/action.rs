//! What the engine asks the shell to do.

use std::net::IpAddr;
use std::sync::Arc;

use crate::news::News;
use crate::packet::LENGTH;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a control packet.
    Send {
        /// From where to where.
        path: Arc<Path>,
        /// The payload of the datagram.
        bytes: [u8; LENGTH],
    },
    /// A session came up, or failed: tell those who follow it. That the neighbour's administrator took it down is no
    /// failure.
    Report {
        /// Its name.
        session: Arc<str>,
        /// Whether it is in state Up.
        up: bool,
    },
    /// Write a log line.
    Tell(News),
}

/// Where the packets of a session go, and how.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Path {
    /// Our address; `None` leaves it to the kernel.
    pub source: Option<IpAddr>,
    /// Source port, 49152 to 65535 (RFC 5881 4), not the same for two sessions. If it is taken, any other of these does.
    pub source_port: u16,
    /// The other's address.
    pub neighbor: IpAddr,
    /// To port 4784 (RFC 5883) instead of 3784.
    pub multihop: bool,
    /// TTL or hop limit to send with.
    pub hop_limit: u8,
}
