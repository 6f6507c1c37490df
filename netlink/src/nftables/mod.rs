//! nftables: tables of our own, written over nfnetlink in transactions, so that each is there whole or not at all.
//!
//! A [`Table`] says all of what should be there. [`Nftables::apply`] writes what differs from what it wrote before: mostly
//! elements of sets, for which no rule is touched. [`Watch`] tells when somebody else has changed a table.
//!
//! Absent: reading back what is in a table. What others did to a table of ours does not matter, it is written anew.

mod change;
mod expression;
mod handle;
mod watch;

use std::collections::BTreeMap;

pub use crate::rule::Family;
pub use change::Change;
pub use expression::{Base, Expression, MetaKey, Register, Verdict};
pub use handle::{Named, Nftables};
pub use watch::{Touched, Watch};

/// A table with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Whose packets its chains see.
    pub family: Family,
    /// Unique in its family.
    pub name: String,
    /// What `nft` shows with it, at most 250 bytes; kernels before 5.10 do not keep it.
    pub comment: String,
    /// Sets and maps.
    pub sets: Vec<Set>,
    /// Chains.
    pub chains: Vec<Chain>,
}

/// A set, or a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Unique in its table.
    pub name: String,
    /// What an element is made of.
    pub key: Vec<Kind>,
    /// What an element leads to: makes it a map.
    pub data: Option<Kind>,
    /// The elements are ranges that do not overlap, the lowest key of each followed by the highest: every part of a packet's
    /// key must lie in between. Needs a key of several parts, and Linux 5.6.
    pub has_ranges: bool,
    /// The elements, and what they lead to, which is empty in a set. Each part of a key fills up four bytes.
    pub elements: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Set {
    /// A set of elements of these kinds, empty.
    pub fn new(name: &str, key: &[Kind]) -> Self {
        Self {
            name: name.to_owned(),
            key: key.to_vec(),
            data: None,
            has_ranges: false,
            elements: BTreeMap::new(),
        }
    }

    /// A map, empty.
    pub fn map(name: &str, key: &[Kind], data: Kind) -> Self {
        Self {
            data: Some(data),
            ..Self::new(name, key)
        }
    }

    /// The same with these elements.
    #[must_use]
    pub fn with(mut self, elements: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.elements
            .extend(elements.into_iter().map(|key| (key, Vec::new())));
        self
    }

    /// The same with these pairs.
    #[must_use]
    pub fn mapping(mut self, pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        self.elements.extend(pairs);
        self
    }
}

/// What a part of a set's element is: how long, and how `nft` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An interface by its index, in host byte order.
    Interface,
    /// An interface by its name, zeros behind it.
    InterfaceName,
    /// The type of an `ICMPv6` message.
    Icmpv6Type,
    /// An IP protocol.
    Protocol,
    /// A TCP, UDP or SCTP port, in network byte order.
    Port,
    /// A firewall mark, in host byte order.
    Mark,
}

impl Kind {
    /// `BYTEORDER_HOST_ENDIAN` or `BYTEORDER_BIG_ENDIAN` of `nft`.
    fn byte_order(self) -> u32 {
        match self {
            Self::Interface | Self::InterfaceName | Self::Mark => 1,
            Self::Ipv4 | Self::Ipv6 | Self::Icmpv6Type | Self::Protocol | Self::Port => 2,
        }
    }

    /// The number by which `nft` knows it (`enum datatypes` there), and its length in bytes.
    fn describe(self) -> (u32, u32) {
        match self {
            Self::Ipv4 => (7, 4),
            Self::Ipv6 => (8, 16),
            Self::Protocol => (12, 1),
            Self::Port => (13, 2),
            Self::Mark => (19, 4),
            Self::Interface => (20, 4),
            Self::Icmpv6Type => (29, 1),
            Self::InterfaceName => (41, 16),
        }
    }
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Unique in its table.
    pub name: String,
    /// Where packets come to it; `None`: only from other chains.
    pub hook: Option<Hook>,
    /// Its rules in order.
    pub rules: Vec<Vec<Expression>>,
}

/// Where a base chain, of type `filter` with policy accept, sees packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Which packets.
    pub point: HookPoint,
    /// Chains at one point follow each other by priority, lowest first.
    pub priority: i32,
}

/// `NF_INET_*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookPoint {
    /// For this host.
    Input = 1,
    /// From this host.
    Output = 3,
}

/// The name of an interface as sets of [`Kind::InterfaceName`] have it.
pub fn interface_name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}
