//! Quantities of the VRRP and IPVS worlds as types: a value that exists is in range.
//!
//! Nothing here reads text; the block parsers do, and report what is out of range with its place.

use std::fmt;
use std::num::NonZeroU8;

/// Virtual router identifier, 1 to 255 (RFC 9568 5.2.3; `virtual_router_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(pub NonZeroU8);

impl Vrid {
    /// `None` for 0, which the protocol does not allow.
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The byte as it stands in the packet.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Election priority of a running router, 1 to 255 (RFC 9568 5.2.4; `priority`).
///
/// 255 is the address owner. 0 is no priority but the word of a master that resigns; it exists only on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub NonZeroU8);

impl Priority {
    /// The address owner's priority (RFC 9568 5.2.4).
    pub const OWNER: Self = Self(NonZeroU8::MAX);
    /// keepalived's and RFC 9568's default for a router that does not own the addresses.
    pub const DEFAULT: Self = Self(NonZeroU8::new(100).unwrap());

    /// `None` for 0.
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The byte as it stands in the packet.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// Whether this router owns the addresses: such a router is master whenever it runs.
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Protocol version of an instance (`version`, `vrrp_version`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds, authentication field.
    V2 = 2,
    /// RFC 9568: IPv4 and IPv6, centiseconds.
    V3 = 3,
}

/// Address family of an instance, decided by its first virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4: 224.0.0.18, gratuitous ARP.
    Ipv4,
    /// IPv6: `ff02::12`, unsolicited neighbour advertisements.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(_) => Self::Ipv4,
            std::net::IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
