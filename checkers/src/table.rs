//! What the kernel's IPVS table should hold for a virtual server, as plain values.
//!
//! Nothing here knows netlink or what the kernel has; the shell maps, plans and writes.

use std::net::IpAddr;
use std::num::NonZeroU32;

use parser::config::forwarding::Forwarding;
use parser::config::virtual_server::{Granularity, Persistence, Protocol, Scheduler, SchedulerFlags};
use parser::units::Family;

/// What the kernel should have for one virtual server now: every key is a service of the kernel, all with the same
/// settings and the same destinations. No keys: nothing, as for a virtual server that was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Several in a `virtual_server_group`; each once.
    pub keys: Vec<Key>,
    /// Of every service.
    pub settings: Settings,
    /// Of every service; each address and port once. Ports may be 0: see [`Destination::port_in`].
    pub destinations: Vec<Destination>,
    /// Destinations of every service that were removed and keep their connections: while the kernel has them they stay,
    /// without weight. None of them is among `destinations`.
    pub draining: Vec<Draining>,
}

/// How the kernel names a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// By address, port and protocol.
    Address {
        /// Virtual address.
        address: IpAddr,
        /// Port; 0 stands for every port of a persistent service.
        port: u16,
        /// Protocol.
        protocol: Protocol,
    },
    /// By firewall mark and family.
    Fwmark {
        /// The mark.
        mark: NonZeroU32,
        /// Of the packets.
        family: Family,
    },
}

impl Key {
    /// Of the packets.
    pub fn family(&self) -> Family {
        match *self {
            Self::Address { address, .. } => Family::of(address),
            Self::Fwmark { family, .. } => family,
        }
    }
}

/// What is said of a service beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `lvs_sched`.
    pub scheduler: Scheduler,
    /// `IP_VS_SVC_F_SCHED1` to `3`.
    pub flags: SchedulerFlags,
    /// `IP_VS_SVC_F_ONEPACKET`.
    pub one_packet: bool,
    /// `IP_VS_SVC_F_PERSISTENT`, timeout and netmask; ask [`Settings::persistence_in`].
    pub persistence: Option<Persistence>,
    /// `persistence_engine`.
    pub persistence_engine: Option<Box<str>>,
}

impl Settings {
    /// The persistence of a service of this family: a granularity of the other family counts as the whole address.
    pub fn persistence_in(&self, family: Family) -> Option<Persistence> {
        self.persistence.map(|persistence| match persistence.granularity {
            Granularity::Netmask(_) if family == Family::Ipv4 => persistence,
            Granularity::PrefixLen(_) if family == Family::Ipv6 => persistence,
            Granularity::Netmask(_) | Granularity::PrefixLen(_) => Persistence {
                granularity: Granularity::host(family),
                ..persistence
            },
        })
    }
}

/// A destination of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Address; of the other family than the service's only through a tunnel.
    pub address: IpAddr,
    /// Port; 0 stands for that of the service.
    pub port: u16,
    /// `IP_VS_CONN_F_FWD_MASK` and the tunnel.
    pub forwarding: Forwarding,
    /// 0 to 2147483647; 0 gets no new connections.
    pub weight: u32,
    /// `uthreshold`; 0 means no limit.
    pub upper_threshold: u32,
    /// `lthreshold`.
    pub lower_threshold: u32,
}

impl Destination {
    /// The port in this service: its own, else that of the service; 0 by firewall mark.
    pub fn port_in(&self, key: &Key) -> u16 {
        port_in(self.port, key)
    }
}

/// A destination on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draining {
    /// Address.
    pub address: IpAddr,
    /// Port, as in [`Destination`].
    pub port: u16,
}

impl Draining {
    pub(crate) fn of(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }

    /// The port in this service, as [`Destination::port_in`].
    pub fn port_in(&self, key: &Key) -> u16 {
        port_in(self.port, key)
    }
}

/// With `nftables_ipvs`: packets to the addresses of this group are to carry this mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marking {
    /// The mark; [`Key::Fwmark`] of the virtual server has the same.
    pub mark: NonZeroU32,
    /// Name of the `virtual_server_group`.
    pub group: String,
    /// Protocol of the packets.
    pub protocol: Protocol,
}

fn port_in(port: u16, key: &Key) -> u16 {
    match *key {
        Key::Address { port: of_service, .. } if port == 0 => of_service,
        Key::Address { .. } | Key::Fwmark { .. } => port,
    }
}
