//! A route, as the kernel knows it: `struct rtmsg` and its attributes.
//!
//! Absent: next hop objects (`RTA_NH_ID`), multicast routes, and what `ip route get` tells.

mod encap;
mod hop;
pub mod metrics;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use encap::{Encap, Tunnel};
pub use hop::Hop;
pub use metrics::Metrics;

use crate::attribute::Raw;
use crate::socket::frame::{attributes, ip, number};

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;

/// `sizeof(struct rtmsg)`
pub(crate) const HEADER_LEN: usize = 12;

/// `RT_TABLE_MAIN`
pub const TABLE_MAIN: u32 = 254;

/// `RT_TABLE_COMPAT`: the table is in `RTA_TABLE` alone.
const TABLE_COMPAT: u8 = 252;

/// `RT_SCOPE_NOWHERE`: any scope, when a route is deleted.
const SCOPE_NOWHERE: u8 = 255;

/// `IP6_RT_PRIO_USER`: what the kernel takes for an IPv6 metric of 0.
const METRIC_IPV6: u32 = 1024;

/// `RTN_*` (`include/uapi/linux/rtnetlink.h`).
pub mod kinds {
    /// To a gateway or a link.
    pub const UNICAST: u8 = 1;
    /// To this host.
    pub const LOCAL: u8 = 2;
    /// As a link broadcast.
    pub const BROADCAST: u8 = 3;
    /// As a link broadcast, sent as unicast.
    pub const ANYCAST: u8 = 4;
    /// To a group.
    pub const MULTICAST: u8 = 5;
    /// Dropped in silence.
    pub const BLACKHOLE: u8 = 6;
    /// Dropped with "host unreachable".
    pub const UNREACHABLE: u8 = 7;
    /// Dropped with "administratively prohibited".
    pub const PROHIBIT: u8 = 8;
    /// Not in this table.
    pub const THROW: u8 = 9;
}

/// Where a route comes to stand among those to the same destination. Not part of what a route is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placing {
    /// Nowhere, if there is another (`NLM_F_EXCL`).
    Alone,
    /// Before the others.
    #[default]
    First,
    /// After the others (`NLM_F_APPEND`).
    Last,
}

/// A route: what `ip route add` would be given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// [`kinds`].
    pub kind: u8,
    /// Destination; without bits beyond `prefix_len`. Its family is the route's.
    pub destination: IpAddr,
    /// Prefix length of the destination.
    pub prefix_len: u8,
    /// Source prefix, IPv6 only.
    pub source: Option<(IpAddr, u8)>,
    /// Type of service, IPv4 only.
    pub tos: u8,
    /// Table; any number.
    pub table: u32,
    /// `RTPROT_*`: who added it. 18 is keepalived.
    pub protocol: u8,
    /// `RT_SCOPE_*`, IPv4 only.
    pub scope: u8,
    /// Lower ones are preferred. For IPv6 the kernel takes 0 for 1024.
    pub metric: u32,
    /// Source address that packets of this host get.
    pub preferred_source: Option<IpAddr>,
    /// Where packets go. Several are a multipath route; none where packets end here (`blackhole` ...).
    pub hops: Vec<Hop>,
    /// What TCP and IP are told of the way.
    pub metrics: Metrics,
    /// Seconds until the kernel removes it, IPv6 only.
    pub expires: Option<u32>,
    /// RFC 4191 2.1: 0 medium, 1 high, 3 low. IPv6 only.
    pub preference: u8,
    /// Whether MPLS hands the time to live on; `None` leaves it to the kernel.
    pub ttl_propagate: Option<bool>,
    /// Where it comes to stand.
    pub placing: Placing,
}

/// What two routes must have in common to be about the same thing; several next to each other may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Table.
    pub table: u32,
    /// Destination and its prefix length.
    pub destination: (IpAddr, u8),
    /// Source prefix, IPv6 only.
    pub source: Option<(IpAddr, u8)>,
    /// Type of service, IPv4 only.
    pub tos: u8,
    /// Metric, as the kernel counts it.
    pub metric: u32,
    /// Who added it.
    pub protocol: u8,
}

impl Route {
    /// A route of ours in the main table with nothing special about it.
    pub fn new(destination: IpAddr, prefix_len: u8) -> Self {
        Self {
            kind: kinds::UNICAST,
            destination,
            prefix_len,
            source: None,
            tos: 0,
            table: TABLE_MAIN,
            protocol: crate::address::PROTO_KEEPALIVED,
            scope: 0,
            metric: 0,
            preferred_source: None,
            hops: Vec::new(),
            metrics: Metrics::default(),
            expires: None,
            preference: 0,
            ttl_propagate: None,
            placing: Placing::First,
        }
    }

    /// What it is about.
    pub fn key(&self) -> Key {
        Key {
            table: self.table,
            destination: (self.destination, self.prefix_len),
            source: self.source.filter(|(_, length)| *length > 0),
            tos: self.tos,
            metric: match (self.destination, self.metric) {
                (IpAddr::V6(_), 0) => METRIC_IPV6,
                (_, metric) => metric,
            },
            protocol: self.protocol,
        }
    }

    /// The routes that the kernel makes of it: IPv6 keeps the ways of a multipath route as routes of their own, which
    /// come and go one by one.
    pub fn parts(self) -> Vec<Self> {
        if self.destination.is_ipv4() || self.hops.len() < 2 {
            return vec![self];
        }
        let one = |hop: &Hop| Self {
            hops: vec![hop.clone()],
            // The second one is not alone.
            placing: Placing::Last,
            ..self.clone()
        };
        self.hops.iter().map(one).collect()
    }

    /// Whether what is `found` in the kernel is what was asked for.
    pub fn is_met_by(&self, found: &Self) -> bool {
        let v4 = self.destination.is_ipv4();
        self.key() == found.key()
            && self.kind == found.kind
            && (!v4 || self.scope == found.scope)
            && self.preferred_source == found.preferred_source
            && self.metrics == found.metrics
            && (v4 || self.preference == found.preference)
            && self.expires.is_some() == found.expires.is_some()
            && (self.ends_here() || self.hops_are_met_by(found))
    }

    fn hops_are_met_by(&self, found: &Self) -> bool {
        self.hops.len() == found.hops.len()
            && self
                .hops
                .iter()
                .zip(&found.hops)
                .all(|(wish, found)| wish.is_met_by(found))
    }

    /// Packets go nowhere, whatever hops the kernel tells (IPv6: the loopback link).
    fn ends_here(&self) -> bool {
        matches!(
            self.kind,
            kinds::BLACKHOLE | kinds::UNREACHABLE | kinds::PROHIBIT | kinds::THROW
        )
    }

    /// As `RTM_NEWROUTE` carries it.
    pub(crate) fn to_message(&self) -> Raw {
        let mut raw = self.identity(libc::RTM_NEWROUTE, self.scope);
        if !self.metrics.is_empty() {
            raw.nest(RTA_METRICS, |raw| self.metrics.write(raw));
        }
        if let Some(expires) = self.expires {
            raw.number(RTA_EXPIRES, expires);
        }
        if self.preference != 0 {
            raw.put(RTA_PREF, &[self.preference]);
        }
        if let Some(propagate) = self.ttl_propagate {
            raw.put(RTA_TTL_PROPAGATE, &[propagate.into()]);
        }
        raw
    }

    /// As `RTM_DELROUTE` carries it: no more than the kernel needs to find it, and no other.
    pub(crate) fn to_deletion(&self) -> Raw {
        self.identity(libc::RTM_DELROUTE, SCOPE_NOWHERE)
    }

    fn identity(&self, message: u16, scope: u8) -> Raw {
        let family = if self.destination.is_ipv4() {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let single = match self.hops.as_slice() {
            [hop] if hop.weight == 1 => Some(hop),
            _ => None,
        };
        let onlink = single.is_some_and(|hop| hop.onlink);
        let mut header = [
            u8::try_from(family).unwrap_or_default(),
            self.prefix_len,
            self.source.map_or(0, |(_, length)| length),
            self.tos,
            u8::try_from(self.table).unwrap_or(TABLE_COMPAT),
            self.protocol,
            scope,
            self.kind,
            0,
            0,
            0,
            0,
        ];
        if onlink {
            header[8..].copy_from_slice(&hop::ONLINK.to_ne_bytes());
        }
        let mut raw = Raw::new(message, &header);
        raw.address(RTA_DST, self.destination);
        if let Some((source, _)) = self.source {
            raw.address(RTA_SRC, source);
        }
        raw.number(RTA_TABLE, self.table);
        if self.metric != 0 {
            raw.number(RTA_PRIORITY, self.metric);
        }
        if let Some(source) = self.preferred_source {
            raw.address(RTA_PREFSRC, source);
        }
        match single {
            Some(hop) => {
                if let Some(link) = hop.link {
                    raw.number(RTA_OIF, link);
                }
                hop.write(self.destination, &mut raw);
            }
            None if self.hops.is_empty() || self.ends_here() => {}
            None => raw.wrap(RTA_MULTIPATH, |raw| {
                for hop in &self.hops {
                    hop.write_one_of_several(self.destination, raw);
                }
            }),
        }
        raw
    }

    /// Reads the payload of `RTM_NEWROUTE` or `RTM_DELROUTE`. `None`: not a route of IPv4 or IPv6.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let &[
            family,
            prefix_len,
            source_len,
            tos,
            table,
            protocol,
            scope,
            kind,
            f0,
            f1,
            f2,
            f3,
        ] = payload.first_chunk::<HEADER_LEN>()?;
        let family = i32::from(family);
        let everything: IpAddr = match family {
            libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
            libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        let rest = &payload[HEADER_LEN..];
        let mut route = Self {
            kind,
            tos,
            table: table.into(),
            protocol,
            scope,
            ..Self::new(everything, prefix_len)
        };
        let single = Hop::read(family, flags, rest);
        let mut several = Vec::new();
        for attribute in attributes(rest) {
            let value = attribute.value();
            match attribute.kind() {
                RTA_DST => route.destination = ip(family, value)?,
                RTA_SRC => route.source = ip(family, value).map(|source| (source, source_len)),
                RTA_TABLE => route.table = number(value)?,
                RTA_PRIORITY => route.metric = number(value)?,
                RTA_PREFSRC => route.preferred_source = ip(family, value),
                RTA_METRICS => route.metrics = Metrics::read(value),
                RTA_PREF => route.preference = value.first().copied().unwrap_or(0),
                RTA_TTL_PROPAGATE => route.ttl_propagate = value.first().map(|propagate| *propagate != 0),
                RTA_MULTIPATH => several = Hop::read_several(family, value),
                RTA_CACHEINFO => route.expires = expires(value),
                _ => {}
            }
        }
        route.hops = if !several.is_empty() {
            several
        } else if single.link.is_some() || single.via.is_some() {
            vec![single]
        } else {
            Vec::new()
        };
        Some(route)
    }
}

/// `rta_expires` of `struct rta_cacheinfo`, in hundredths of a second; 0 is never.
fn expires(value: &[u8]) -> Option<u32> {
    const RTA_EXPIRES_AT: usize = 8;
    let ticks = number(value.get(RTA_EXPIRES_AT..)?)?;
    (ticks != 0).then(|| ticks.cast_signed().max(0).cast_unsigned() / 100)
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route to {}/{}", self.destination, self.prefix_len)?;
        for hop in &self.hops {
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
            if let Some(link) = hop.link {
                write!(f, " on link {link}")?;
            }
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if self.table != TABLE_MAIN {
            write!(f, " in table {}", self.table)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
