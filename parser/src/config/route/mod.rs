//! Route lines of `static_routes` and `virtual_routes`: what `ip route` would be given, as values.
//!
//! Names of tables, protocols, scopes and realms are numbers here. Interfaces stay names: whether they exist is asked on
//! the machine.

mod encap;
mod line;
mod metrics;
mod next_hop;

pub use encap::{Encap, Ip6Encap, IpEncap};
pub(in crate::config) use line::line;
pub(crate) use line::{FamilyOf, Target};
pub use metrics::{Locked, Metrics};
pub(crate) use next_hop::read_realms;
pub use next_hop::{NextHop, Realms};

use std::net::IpAddr;

use crate::Place;
use crate::value::prefix::Prefix;

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// What becomes of the packets.
    pub kind: RouteType,
    /// Destination, without bits beyond its length. Its family is that of the route.
    pub destination: Prefix,
    /// `from`: source prefix, IPv6 only.
    pub source: Option<Prefix>,
    /// `tos`/`dsfield`: type of service byte; 0 by default.
    pub tos: u8,
    /// `table` or `vrf`; the main table by default.
    pub table: RouteTable,
    /// `protocol` (`rtm_protocol`); 18 (keepalived) by default, and always while the route is tracked.
    pub protocol: u8,
    /// `scope`: rtnetlink scope number. `None` leaves it to the rules of `ip route`.
    pub scope: Option<u8>,
    /// `metric`/`priority`/`preference`. `None` means 0 for IPv4 and the kernel's default for IPv6.
    pub metric: Option<u32>,
    /// `src`: preferred source address.
    pub preferred_source: Option<IpAddr>,
    /// Where the packets go. Empty for `blackhole` and the like, several for a multipath route.
    pub next_hops: Vec<NextHop>,
    /// `mtu`, `advmss`, ... .
    pub metrics: Metrics,
    /// `expires`: seconds until the kernel removes it, IPv6 only.
    pub expires: Option<u32>,
    /// `pref`: router preference (RFC 4191 2.1: 0 medium, 1 high, 3 low), IPv6 only.
    pub preference: Option<u8>,
    /// `ttl-propagate`: whether MPLS hands the TTL on.
    pub ttl_propagate: Option<bool>,
    /// `add`, `prepend` or `append`.
    pub insertion: Insertion,
    /// `no_track`: its removal by someone else is not put right and is no reason to leave MASTER.
    pub no_track: bool,
    /// `track_group` of a static route.
    pub track_group: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// Route types (`RTN_*` in `linux/rtnetlink.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RouteType {
    /// To a gateway or a link.
    #[default]
    Unicast = 1,
    /// To this host.
    Local = 2,
    /// As a link broadcast.
    Broadcast = 3,
    /// As a link broadcast, sent as unicast.
    Anycast = 4,
    /// To a group.
    Multicast = 5,
    /// Dropped in silence.
    Blackhole = 6,
    /// Dropped with "host unreachable".
    Unreachable = 7,
    /// Dropped with "administratively prohibited".
    Prohibit = 8,
    /// Not in this table.
    Throw = 9,
    /// Translated; the kernel has no such routes any more.
    Nat = 10,
    /// Left to an external resolver; the kernel has no such routes any more.
    Xresolve = 11,
}

impl RouteType {
    /// Every type with its name.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("unicast", Self::Unicast),
        ("local", Self::Local),
        ("broadcast", Self::Broadcast),
        ("anycast", Self::Anycast),
        ("multicast", Self::Multicast),
        ("blackhole", Self::Blackhole),
        ("unreachable", Self::Unreachable),
        ("prohibit", Self::Prohibit),
        ("throw", Self::Throw),
        ("nat", Self::Nat),
        ("xresolve", Self::Xresolve),
    ];

    /// The type that a name, or a number in C's notation, stands for.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let number = crate::value::number::any_base(text);
        Self::NAMES
            .iter()
            .find(|&&(name, kind)| name == text || number == Some(i64::from(kind as u8)))
            .map(|&(_, kind)| kind)
    }
}

/// The table a route is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteTable {
    /// By number.
    Id(u32),
    /// `vrf`: the table of this VRF interface, which the machine knows.
    Vrf(String),
}

impl RouteTable {
    /// The main table, 254.
    pub const MAIN: Self = Self::Id(254);
}

/// What becomes of a route to the same destination that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Insertion {
    /// `add`: it is an error (`NLM_F_CREATE | NLM_F_EXCL`).
    Add,
    /// `prepend`: this one comes before it (`NLM_F_CREATE`).
    #[default]
    Prepend,
    /// `append`: this one comes after it (`NLM_F_CREATE | NLM_F_APPEND`).
    Append,
}

#[cfg(test)]
mod tests;
