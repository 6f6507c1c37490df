//! Next hops: where the packets of a route go.

use std::net::IpAddr;

use super::encap::Encap;
use super::{RTA_ENCAP, RTA_ENCAP_TYPE, RTA_FLOW, RTA_GATEWAY, RTA_OIF, RTA_VIA};
use crate::attribute::Raw;
use crate::socket::frame::{attributes, ip, number};

/// `sizeof(struct rtnexthop)`
const HEADER_LEN: usize = 8;

/// `RTNH_F_ONLINK`
pub(super) const ONLINK: u32 = 4;

/// One way that packets may take.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The gateway; an IPv4 route may have one of IPv6. `None`: the destination is on the link.
    pub via: Option<IpAddr>,
    /// Interface index. `None` leaves it to the kernel, which tells it when the route is read back.
    pub link: Option<u32>,
    /// 1 to 256: its share of a multipath route.
    pub weight: u16,
    /// The gateway is on the link although no prefix of the link says so.
    pub onlink: bool,
    /// The tunnel that packets go through.
    pub encap: Option<Encap>,
    /// Realms of IPv4 (`source << 16 | destination`); 0 is none.
    pub realms: u32,
}

impl Hop {
    /// Straight to what is on a link.
    pub fn link(link: u32) -> Self {
        Self {
            via: None,
            link: Some(link),
            weight: 1,
            onlink: false,
            encap: None,
            realms: 0,
        }
    }

    /// To a gateway, on the link that the kernel finds it on.
    pub fn via(gateway: IpAddr) -> Self {
        Self {
            via: Some(gateway),
            link: None,
            ..Self::link(0)
        }
    }

    /// Its attributes, in the route itself or in a `struct rtnexthop`, which has a place for the link.
    pub(super) fn write(&self, destination: IpAddr, raw: &mut Raw) {
        match self.via {
            Some(via) if via.is_ipv4() == destination.is_ipv4() => raw.address(RTA_GATEWAY, via),
            Some(via) => raw.wrap(RTA_VIA, |raw| {
                let family = if via.is_ipv4() {
                    libc::AF_INET
                } else {
                    libc::AF_INET6
                };
                raw.bytes(&u16::try_from(family).unwrap_or_default().to_ne_bytes());
                raw.address_bytes(via);
            }),
            None => {}
        }
        if let Some(encap) = &self.encap {
            raw.nest(RTA_ENCAP, |raw| encap.write(raw));
            raw.put(RTA_ENCAP_TYPE, &encap.kind().to_ne_bytes());
        }
        if self.realms != 0 {
            raw.number(RTA_FLOW, self.realms);
        }
    }

    /// As one of several, after a `struct rtnexthop`.
    pub(super) fn write_one_of_several(&self, destination: IpAddr, raw: &mut Raw) {
        let start = raw.len();
        let flags = if self.onlink { ONLINK.to_le_bytes()[0] } else { 0 };
        // The kernel's weight is one more than `rtnh_hops`.
        let hops = u8::try_from(self.weight.clamp(1, 256) - 1).unwrap_or(u8::MAX);
        raw.bytes(&[0, 0, flags, hops]);
        raw.bytes(&self.link.unwrap_or(0).to_ne_bytes());
        self.write(destination, raw);
        raw.close(start);
    }

    /// Reads what [`Hop::write`] writes; attributes of the route that are none of a hop are passed over.
    pub(super) fn read(family: i32, flags: u32, value: &[u8]) -> Self {
        let mut hop = Self {
            link: None,
            onlink: flags & ONLINK != 0,
            ..Self::link(0)
        };
        let (mut kind, mut encap) = (0, None);
        for attribute in attributes(value) {
            let value = attribute.value();
            match attribute.kind() {
                RTA_OIF => hop.link = number(value),
                RTA_GATEWAY => hop.via = ip(family, value),
                RTA_VIA => hop.via = via(value),
                RTA_FLOW => hop.realms = number(value).unwrap_or(0),
                RTA_ENCAP_TYPE => kind = value.try_into().map_or(0, u16::from_ne_bytes),
                RTA_ENCAP => encap = Some(attribute),
                _ => {}
            }
        }
        hop.encap = encap.and_then(|encap| Encap::read(kind, encap.value()));
        hop
    }

    /// Reads `RTA_MULTIPATH`, up to what is cut short.
    pub(super) fn read_several(family: i32, value: &[u8]) -> Vec<Self> {
        let mut rest = value;
        let mut hops = Vec::new();
        while let Some(&[a, b, flags, weight, c, d, e, f]) = rest.first_chunk::<HEADER_LEN>() {
            let length = usize::from(u16::from_ne_bytes([a, b]));
            let Some(attributes) = rest.get(HEADER_LEN..length) else {
                break;
            };
            let mut hop = Self::read(family, flags.into(), attributes);
            hop.link = Some(u32::from_ne_bytes([c, d, e, f]));
            hop.weight = u16::from(weight) + 1;
            hops.push(hop);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        hops
    }

    /// Whether what is `found` is what was asked for: a link that was left open is any.
    pub(super) fn is_met_by(&self, found: &Self) -> bool {
        self.via == found.via
            && self.link.is_none_or(|link| found.link == Some(link))
            && self.weight == found.weight
            && self.onlink == found.onlink
            && self.realms == found.realms
            && match (&self.encap, &found.encap) {
                (None, None) => true,
                (Some(wish), Some(found)) => wish.is_met_by(found),
                _ => false,
            }
    }
}

/// Reads `struct rtvia`.
fn via(value: &[u8]) -> Option<IpAddr> {
    let (family, address) = value.split_at_checked(2)?;
    ip(i32::from(u16::from_ne_bytes(family.try_into().ok()?)), address)
}
