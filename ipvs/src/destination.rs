//! The real servers of a service.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// How a destination is named within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// Address.
    pub address: IpAddr,
    /// Port; 0 stands for the port of each packet.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", SocketAddr::new(self.address, self.port))
    }
}

/// A real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// How the kernel finds it; all else can be changed while it serves. Its address is of the other family than the
    /// service's only through a tunnel, and only while no sync daemon runs.
    pub key: DestinationKey,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// 0 to 2147483647; 0 gets no new connections.
    pub weight: u32,
    /// Connections from which on it gets no more; 0 means no limit.
    pub upper_threshold: u32,
    /// Connections below which a full one is used again; 0 means three quarters of the upper threshold. Never
    /// above it.
    pub lower_threshold: u32,
}

/// How the kernel forwards packets (`IP_VS_CONN_F_FWD_MASK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forwarding {
    /// `IP_VS_CONN_F_MASQ`: addresses and ports are rewritten both ways.
    Masquerade,
    /// `IP_VS_CONN_F_DROUTE`: only the link-layer address changes.
    Direct,
    /// `IP_VS_CONN_F_TUNNEL`: inside another packet.
    Tunnel(Tunnel),
    /// Read from the kernel, never asked for: local node (1), bypass (4).
    Other(u8),
}

/// What a tunnelled packet is wrapped in (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation, Linux 5.2 and later.
    Gue {
        /// UDP port of the real server.
        port: NonZeroU16,
        /// Checksum of the outer packet.
        checksum: TunnelChecksum,
    },
    /// Generic routing encapsulation, Linux 5.3 and later.
    Gre {
        /// Checksum in the GRE header. [`TunnelChecksum::Remote`] has no meaning to it.
        checksum: TunnelChecksum,
    },
    /// Read from the kernel, never asked for.
    Other {
        /// `IPVS_DEST_ATTR_TUN_TYPE`.
        kind: u8,
        /// `IPVS_DEST_ATTR_TUN_PORT`.
        port: u16,
        /// `IPVS_DEST_ATTR_TUN_FLAGS`.
        flags: u16,
    },
}

/// Checksum of a tunnelled packet (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TunnelChecksum {
    /// `nocsum`.
    #[default]
    None,
    /// `csum`.
    Full,
    /// `remcsum`: the inner checksum is left to the receiver.
    Remote,
}
