//! Virtual services.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::name::Name;

/// Address family of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`.
    Ipv6,
}

impl Family {
    /// That of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

/// How a virtual service is named in the kernel's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Address, port and protocol.
    Address {
        /// Virtual address.
        address: IpAddr,
        /// Port; 0 stands for every port of a persistent service.
        port: u16,
        /// IP protocol number: 6, 17 or 132.
        protocol: u8,
    },
    /// Firewall mark; each family has its own.
    Fwmark {
        /// The mark.
        mark: NonZeroU32,
        /// Of the packets.
        family: Family,
    },
}

impl ServiceKey {
    /// Of the service's packets.
    pub fn family(&self) -> Family {
        match *self {
            Self::Address { address, .. } => Family::of(address),
            Self::Fwmark { family, .. } => family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address {
                address,
                port,
                protocol,
            } => {
                match i32::from(protocol) {
                    libc::IPPROTO_TCP => f.write_str("TCP ")?,
                    libc::IPPROTO_UDP => f.write_str("UDP ")?,
                    libc::IPPROTO_SCTP => f.write_str("SCTP ")?,
                    other => write!(f, "protocol {other} ")?,
                }
                write!(f, "{}", std::net::SocketAddr::new(address, port))
            }
            Self::Fwmark { mark, family } => match family {
                Family::Ipv4 => write!(f, "FWM {mark}"),
                Family::Ipv6 => write!(f, "FWM {mark} IPv6"),
            },
        }
    }
}

/// A virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// How the kernel finds it; all else can be changed while it serves.
    pub key: ServiceKey,
    /// Name of the scheduler: `wlc`, `rr` ...
    pub scheduler: Name,
    /// One-packet scheduling and what the scheduler makes of its flags.
    pub flags: Flags,
    /// A client stays with its destination.
    pub persistence: Option<Persistence>,
}

/// The flags of a service that can be chosen. `IP_VS_SVC_F_HASHED` is the kernel's own and left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `IP_VS_SVC_F_ONEPACKET`: each packet is scheduled by itself.
    pub one_packet: bool,
    /// `IP_VS_SVC_F_SCHED1`: `sh-fallback`, `mh-fallback`.
    pub sched_1: bool,
    /// `IP_VS_SVC_F_SCHED2`: `sh-port`, `mh-port`.
    pub sched_2: bool,
    /// `IP_VS_SVC_F_SCHED3`.
    pub sched_3: bool,
}

/// `IP_VS_SVC_F_PERSISTENT` and what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Whole seconds; keepalived takes 1 to 2678400 (31 days).
    pub timeout: Duration,
    /// Clients that look the same are one.
    pub granularity: Granularity,
    /// Persistence engine: `sip`.
    pub engine: Option<Name>,
}

/// Which bits of a client's address count. It must be of the service's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// IPv4: a netmask, any bits.
    Netmask(Ipv4Addr),
    /// IPv6: a prefix length, 1 to 128.
    PrefixLen(u8),
}

impl Granularity {
    /// The whole address.
    pub fn host(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Netmask(Ipv4Addr::BROADCAST),
            Family::Ipv6 => Self::PrefixLen(128),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_ipvsadm_calls_it() {
        let at = |address: &str, protocol| ServiceKey::Address {
            address: address.parse().unwrap(),
            port: 80,
            protocol,
        };
        let by = |family| ServiceKey::Fwmark {
            mark: NonZeroU32::MIN,
            family,
        };
        let said = [
            at("192.0.2.1", 6),
            at("2001:db8::1", 17),
            at("192.0.2.1", 132),
            at("192.0.2.1", 50),
        ]
        .map(|key| key.to_string());
        assert_eq!(
            said,
            [
                "TCP 192.0.2.1:80",
                "UDP [2001:db8::1]:80",
                "SCTP 192.0.2.1:80",
                "protocol 50 192.0.2.1:80"
            ]
        );
        assert_eq!(
            [by(Family::Ipv4), by(Family::Ipv6)].map(|key| key.to_string()),
            ["FWM 1", "FWM 1 IPv6"]
        );
    }
}
