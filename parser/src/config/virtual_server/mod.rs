//! `virtual_server`: a service that the kernel spreads over real servers.
//!
//! The grammar is in `draft`, what is filled in and mended in `resolve`.

mod draft;
mod persistence;
mod resolve;
mod scheduler;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use draft::KEYWORDS;
pub(super) use draft::{Draft, parse};
pub use persistence::{Granularity, Persistence};
pub(super) use resolve::resolve;
pub use scheduler::{Scheduler, SchedulerFlags};

use crate::Place;
use crate::config::forwarding::Forwarding;
use crate::config::pace::Pace;
use crate::config::real_server::RealServer;
use crate::config::script::Script;
use crate::config::virtual_server_group::VirtualServerGroup;
use crate::units::Family;

/// One `virtual_server` block, defaults resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// What is served.
    pub service: Service,
    /// The family of its packets: that of the address, else `ip_family`, `persistence_granularity` or the real servers,
    /// else IPv4.
    pub family: Family,
    /// `lvs_sched`; wlc by default.
    pub scheduler: Scheduler,
    /// `flag-1` and its kin.
    pub flags: SchedulerFlags,
    /// `ops`: each packet is scheduled by itself.
    pub one_packet: bool,
    /// `persistence_timeout` and `persistence_granularity`: a client stays with its real server.
    pub persistence: Option<Persistence>,
    /// `persistence_engine`, at most 15 bytes.
    pub persistence_engine: Option<Box<str>>,
    /// `lvs_method`: the default of real servers and of the sorry server; NAT by default.
    pub forwarding: Forwarding,
    /// `weight`: the default of real servers, 1 to 2147483647; 1 by default.
    pub weight: u32,
    /// The real servers: at least one, each address and port once.
    pub real_servers: Vec<RealServer>,
    /// `sorry_server`: used without quorum.
    pub sorry_server: Option<SorryServer>,
    /// `quorum`: the weight that living real servers must have; 1 by default, and never more than all of them weigh,
    /// unless they weigh nothing.
    pub quorum: u32,
    /// `hysteresis`, below the quorum; 0 by default.
    pub hysteresis: u32,
    /// `quorum_up`.
    pub quorum_up: Option<Script>,
    /// `quorum_down`.
    pub quorum_down: Option<Script>,
    /// `drain_timeout`, at most 31 days: so long a real server that a reload removes keeps its connections; zero, by default,
    /// removes it at once.
    pub drain_timeout: Duration,
    /// `alpha`: the default of real servers; the quorum is missing until checks say otherwise.
    pub alpha: bool,
    /// `omega`: the scripts of going down run at the end too.
    pub omega: bool,
    /// `ha_suspend`: no checks while the machine does not have the address.
    pub ha_suspend: bool,
    /// `inhibit_on_failure`: the default of real servers.
    pub inhibit_on_failure: bool,
    /// `smtp_alert`; `smtp_alert_checker`, then `smtp_alert` of `global_defs`, then off by default.
    pub smtp_alert: bool,
    /// `virtualhost`: the checkers know it already.
    pub virtualhost: Option<Box<str>>,
    /// `snmp_name`.
    pub snmp_name: Option<Box<str>>,
    /// The default pace of real servers and their checkers.
    pub pace: Arc<Pace>,
    /// Where the block starts.
    pub place: Place,
}

/// What is served: the words after `virtual_server`, and `protocol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// `virtual_server <IPADDR> [<PORT>]`.
    Address {
        /// The virtual address.
        address: IpAddr,
        /// The port; 0, every port, only with persistence.
        port: u16,
        /// `protocol`.
        protocol: Protocol,
    },
    /// `virtual_server fwmark <N>`: packets that a firewall has marked.
    Fwmark(NonZeroU32),
    /// `virtual_server group <NAME>`: each entry is a service of the kernel.
    Group {
        /// The group. Unless every real server has a tunnel, its addresses are of the virtual server's family.
        group: Arc<VirtualServerGroup>,
        /// `protocol` of its addresses. `None` if it has none, only firewall marks.
        protocol: Option<Protocol>,
    },
}

/// `protocol`, by its IP protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// `TCP`.
    Tcp = 6,
    /// `UDP`, the default.
    Udp = 17,
    /// `SCTP`.
    Sctp = 132,
}

/// `sorry_server` and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SorryServer {
    /// Address; of the other family than the virtual server's only through a tunnel.
    pub address: IpAddr,
    /// Port, as for real servers.
    pub port: u16,
    /// `sorry_server_lvs_method`; the virtual server's by default.
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: weight 0 instead of removal while the quorum is there.
    pub inhibit: bool,
}

#[cfg(test)]
mod tests;
