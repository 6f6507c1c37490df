//! What the kernel has counted.

use crate::destination::DestinationKey;
use crate::service::ServiceKey;

/// Counters since the service or destination was made (or zeroed), and rates. The kernel brings them up to date every 2 s.
///
/// 64 bits wide since Linux 4.1 (`IPVS_SVC_ATTR_STATS64`); before that all but the bytes wrap at 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
    /// Connections per second.
    pub connection_rate: u64,
    /// Packets from clients per second.
    pub in_packet_rate: u64,
    /// Packets to clients per second.
    pub out_packet_rate: u64,
    /// Bytes from clients per second.
    pub in_byte_rate: u64,
    /// Bytes to clients per second.
    pub out_byte_rate: u64,
}

/// Of a service and its destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatistics {
    /// Which service.
    pub key: ServiceKey,
    /// Of all its destinations together, those removed since included.
    pub counters: Counters,
    /// Of each destination.
    pub destinations: Vec<DestinationStatistics>,
}

/// Of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationStatistics {
    /// Which destination of its service.
    pub key: DestinationKey,
    /// Connections in the state ESTABLISHED (TCP). A drained destination is empty when these three are 0.
    pub active_connections: u32,
    /// Connections in any other state.
    pub inactive_connections: u32,
    /// Persistence templates.
    pub persistent_connections: u32,
    /// Of all its connections.
    pub counters: Counters,
}
