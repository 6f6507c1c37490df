//! Lightweight tunnels of a next hop (`RTA_ENCAP`).

use std::net::IpAddr;

use crate::attribute::Raw;
use crate::socket::frame::{attributes, ip};

const ENCAP_MPLS: u16 = 1;
const ENCAP_IP: u16 = 2;
const ENCAP_ILA: u16 = 3;
const ENCAP_IP6: u16 = 4;

/// `MPLS_IPTUNNEL_DST`
const MPLS_DST: u16 = 1;
/// `ILA_ATTR_LOCATOR`
const ILA_LOCATOR: u16 = 1;

// `LWTUNNEL_IP_*` and `LWTUNNEL_IP6_*` have the same numbers.
const TUNNEL_ID: u16 = 1;
const TUNNEL_DST: u16 = 2;
const TUNNEL_SRC: u16 = 3;
const TUNNEL_TTL: u16 = 4;
const TUNNEL_TOS: u16 = 5;
const TUNNEL_FLAGS: u16 = 6;

/// What a packet is wrapped into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Encap {
    /// Labels, the outermost first, each of 20 bits.
    Mpls(Vec<u32>),
    /// Identifier locator addressing: the first 64 bits of the address.
    Ila(u64),
    /// IPv4.
    Ip(Tunnel),
    /// IPv6.
    Ip6(Tunnel),
}

/// The header of an IP tunnel. What is `None` is left to the device, and is 0 to the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tunnel {
    /// Key.
    pub id: Option<u64>,
    /// Destination, of the tunnel's family.
    pub destination: Option<IpAddr>,
    /// Source, of the tunnel's family.
    pub source: Option<IpAddr>,
    /// Type of service or traffic class.
    pub tos: Option<u8>,
    /// Time to live or hop limit.
    pub ttl: Option<u8>,
    /// `TUNNEL_*` bits.
    pub flags: Option<u16>,
}

impl Encap {
    /// `RTA_ENCAP_TYPE`
    pub(super) fn kind(&self) -> u16 {
        match self {
            Self::Mpls(_) => ENCAP_MPLS,
            Self::Ila(_) => ENCAP_ILA,
            Self::Ip(_) => ENCAP_IP,
            Self::Ip6(_) => ENCAP_IP6,
        }
    }

    pub(super) fn write(&self, raw: &mut Raw) {
        match self {
            Self::Mpls(labels) => raw.wrap(MPLS_DST, |raw| {
                for (place, label) in labels.iter().enumerate() {
                    // RFC 3032 2.1: label, traffic class, bottom of stack, time to live.
                    let bottom = u32::from(place + 1 == labels.len());
                    raw.bytes(&(label << 12 | bottom << 8).to_be_bytes());
                }
            }),
            Self::Ila(locator) => raw.put(ILA_LOCATOR, &locator.to_be_bytes()),
            Self::Ip(tunnel) | Self::Ip6(tunnel) => tunnel.write(raw),
        }
    }

    pub(super) fn read(kind: u16, value: &[u8]) -> Option<Self> {
        let find = |wanted| attributes(value).find(|attribute| attribute.kind() == wanted);
        match kind {
            ENCAP_MPLS => {
                let stack = find(MPLS_DST)?;
                let labels = stack.value().as_chunks().0.iter();
                Some(Self::Mpls(
                    labels.map(|label| u32::from_be_bytes(*label) >> 12).collect(),
                ))
            }
            ENCAP_ILA => {
                let locator = find(ILA_LOCATOR)?.value().try_into().ok()?;
                Some(Self::Ila(u64::from_be_bytes(locator)))
            }
            ENCAP_IP => Some(Self::Ip(Tunnel::read(libc::AF_INET, value))),
            ENCAP_IP6 => Some(Self::Ip6(Tunnel::read(libc::AF_INET6, value))),
            _ => None,
        }
    }

    /// Whether what is `found` is what was asked for.
    pub(super) fn is_met_by(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Ip(wish), Self::Ip(found)) | (Self::Ip6(wish), Self::Ip6(found)) => {
                wish.filled() == found.filled()
            }
            _ => self == found,
        }
    }
}

impl Tunnel {
    fn write(&self, raw: &mut Raw) {
        if let Some(id) = self.id {
            raw.put(TUNNEL_ID, &id.to_be_bytes());
        }
        if let Some(destination) = self.destination {
            raw.address(TUNNEL_DST, destination);
        }
        if let Some(source) = self.source {
            raw.address(TUNNEL_SRC, source);
        }
        if let Some(ttl) = self.ttl {
            raw.put(TUNNEL_TTL, &[ttl]);
        }
        if let Some(tos) = self.tos {
            raw.put(TUNNEL_TOS, &[tos]);
        }
        if let Some(flags) = self.flags {
            raw.put(TUNNEL_FLAGS, &flags.to_be_bytes());
        }
    }

    fn read(family: i32, value: &[u8]) -> Self {
        let mut tunnel = Self::default();
        for attribute in attributes(value) {
            let value = attribute.value();
            match attribute.kind() {
                TUNNEL_ID => tunnel.id = value.try_into().ok().map(u64::from_be_bytes),
                TUNNEL_DST => tunnel.destination = ip(family, value),
                TUNNEL_SRC => tunnel.source = ip(family, value),
                TUNNEL_TTL => tunnel.ttl = value.first().copied(),
                TUNNEL_TOS => tunnel.tos = value.first().copied(),
                TUNNEL_FLAGS => tunnel.flags = value.try_into().ok().map(u16::from_be_bytes),
                _ => {}
            }
        }
        tunnel
    }

    /// The kernel tells every field, 0 where it was given none.
    fn filled(&self) -> Self {
        Self {
            id: self.id.filter(|id| *id != 0),
            destination: self.destination.filter(|address| !address.is_unspecified()),
            source: self.source.filter(|address| !address.is_unspecified()),
            tos: self.tos.filter(|tos| *tos != 0),
            ttl: self.ttl.filter(|ttl| *ttl != 0),
            flags: self.flags.filter(|flags| *flags != 0),
        }
    }
}
