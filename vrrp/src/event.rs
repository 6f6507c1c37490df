//! The engine's way in: everything that can happen to it, as one closed enum of plain values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::ah;

pub use clockwork::ScriptOutcome;

/// Kernel interface index; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// Names an instance: its place in the configuration that the engine began with, or a number given to it by a later
/// reload. It keeps it for as long as it is configured; [`crate::Engine::instance`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u32);

/// An index into the configuration's `vrrp_scripts`, stable between two reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptId(pub u32);

/// An index into the configuration's `track_files`, stable between two reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// An index into the configuration's `track_processes`, stable between two reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub u32);

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Bytes came in from the VRRP socket of a link.
    Packet(Packet<'a>),
    /// A link appeared or changed, told as it is now. Telling it again unchanged is harmless.
    Link(Link),
    /// A link is gone.
    LinkGone(LinkId),
    /// A run of a tracked script ended.
    ScriptEnded {
        /// Which script.
        script: ScriptId,
        /// How it ended.
        outcome: ScriptOutcome,
    },
    /// The number in a tracked file was read. Telling it again unchanged is harmless.
    File {
        /// Which file.
        file: FileId,
        /// The number, 0 where there is none ([`crate::track::read_value`]).
        value: i64,
    },
    /// The processes of a `vrrp_track_process` were counted. Telling it again unchanged is harmless.
    Processes {
        /// Which ones.
        process: ProcessId,
        /// How many run.
        count: usize,
    },
    /// The state of a BFD session, told once to a new engine and whenever it changes. A session that was never told of
    /// is down.
    Bfd {
        /// Its name; of one that is not configured nothing is learned.
        session: &'a str,
        /// Whether it is Up (RFC 5880 6.2).
        up: bool,
    },
    /// The time of day, as seconds and nanoseconds of UTC since 1970. Wanted right before every packet and timeout while
    /// [`crate::Engine::wants_clock`]; from one to the next the engine goes on by `now`.
    Clock(Duration),
    /// Which static addresses, routes and rules of its track groups an instance has to do without, in words; none is
    /// well. Telling it again unchanged is harmless.
    Missing {
        /// Whose track groups.
        instance: InstanceId,
        /// What is missing.
        items: Vec<String>,
    },
    /// Another program took away something that a master owns: an address, a route, a rule, its VMAC interface or what
    /// nftables have of it. It is counted, and put back by who told.
    Lost {
        /// The master.
        instance: InstanceId,
    },
    /// The daemon stops: masters resign, addresses go.
    Stop,
}

/// A datagram as the kernel handed it over, not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Interface that the socket is bound to, whichever it came in on.
    pub link: Option<LinkId>,
    /// Source address of the IP header.
    pub source: IpAddr,
    /// Destination address of the IP header.
    pub destination: IpAddr,
    /// TTL or hop limit as received.
    pub hop_limit: u8,
    /// The IPv4 header as received; empty on IPv6.
    pub ip_header: &'a [u8],
    /// What follows the IP header.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Whether it came with an authentication header.
    pub(crate) fn is_ah(&self) -> bool {
        self.ip_header.get(PROTOCOL_BYTE) == Some(&ah::PROTOCOL)
    }

    /// The VRRP packet.
    pub(crate) fn vrrp(&self) -> &'a [u8] {
        let skip = if self.is_ah() { ah::LEN } else { 0 };
        self.payload.get(skip..).unwrap_or_default()
    }
}

/// Where an IPv4 header names what follows it.
const PROTOCOL_BYTE: usize = 9;

/// An interface as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Kernel index.
    pub id: LinkId,
    /// Name.
    pub name: String,
    /// `IFF_UP` and `IFF_RUNNING`.
    pub running: bool,
    /// Link-layer address, empty where the link has none.
    pub hardware_address: Vec<u8>,
    /// Primary IPv4 address: the first that is neither secondary nor a virtual address of ours.
    pub ipv4: Option<Ipv4Addr>,
    /// First link-local IPv6 address that is not a virtual address of ours.
    pub ipv6_link_local: Option<Ipv6Addr>,
    /// All addresses that are not virtual addresses of ours.
    pub addresses: Vec<IpAddr>,
    /// Largest IP datagram in bytes.
    pub mtu: u32,
    /// Whether it carries multicast (`IFF_MULTICAST`).
    pub multicast: bool,
}
