//! An address on a link, as the kernel knows it: `struct ifaddrmsg` and its attributes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, CacheInfo,
};

use crate::socket::frame::{attributes, ip, number, text};

/// `IFA_F_*` flags (`include/uapi/linux/if_addr.h`).
pub mod flags {
    /// Another address of the same subnet came before it on the link. Set by the kernel, IPv4.
    pub const SECONDARY: u32 = 0x01;
    /// No duplicate address detection, IPv6.
    pub const NODAD: u32 = 0x02;
    /// Duplicate address detection found another owner: the address is not in use. Set by the kernel, IPv6.
    pub const DADFAILED: u32 = 0x08;
    /// Mobile IP home address, IPv6.
    pub const HOMEADDRESS: u32 = 0x10;
    /// Preferred life time is over. Set by the kernel.
    pub const DEPRECATED: u32 = 0x20;
    /// Duplicate address detection is not done yet. Set by the kernel, IPv6.
    pub const TENTATIVE: u32 = 0x40;
    /// Valid for ever. Set by the kernel.
    pub const PERMANENT: u32 = 0x80;
    /// Template for temporary addresses, IPv6.
    pub const MANAGETEMPADDR: u32 = 0x100;
    /// No route to the prefix.
    pub const NOPREFIXROUTE: u32 = 0x200;
    /// Join the multicast group that the address is.
    pub const MCAUTOJOIN: u32 = 0x400;
}

/// `IFA_PROTO` of addresses that are ours: `RTPROT_KEEPALIVED` (`include/uapi/linux/rtnetlink.h`). Kernels before 5.18
/// do not keep it.
pub const PROTO_KEEPALIVED: u8 = 18;

/// A life time without end.
pub const FOREVER: u32 = u32::MAX;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

/// `sizeof(struct ifaddrmsg)`
const HEADER_LEN: usize = 8;

/// An address on a link: what `ip address add` would be given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Interface index.
    pub link: u32,
    /// Local address.
    pub local: IpAddr,
    /// Prefix length, of `peer` where there is one and of `local` otherwise; the kernel keeps only one.
    pub prefix_len: u8,
    /// rtnetlink scope (`RT_SCOPE_*`): 0 universe, 200 site, 253 link, 254 host. IPv6: read only, the address decides.
    pub scope: u8,
    /// Label, IPv4 only. An address that was given none reads back with the name of its link.
    pub label: Option<String>,
    /// Broadcast address, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// Address of the other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// [`flags`]; those that the kernel sets read back beside those that were asked for.
    pub flags: u32,
    /// Preferred life time in seconds; 0 marks the address deprecated. What we add is valid for ever, and of such an
    /// IPv4 address the kernel keeps no more than whether it is deprecated: others read back as [`FOREVER`].
    pub preferred_lft: u32,
    /// `IFA_RT_PRIORITY`: metric of the route to its prefix; 0 is the kernel's default.
    pub metric: u32,
    /// `IFA_PROTO`: who added it; 0 where nobody said.
    pub proto: u8,
}

/// What makes two addresses the same one to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// `find_matching_ifa`: local address and the subnet that the address or its peer is in.
    V4(Subnet, Ipv4Addr),
    /// `ipv6_get_ifaddr`: link and address. The prefix length is an attribute.
    V6(u32, Ipv6Addr),
}

/// An IPv4 subnet on a link: its first address is the primary one, those after it are secondary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// Interface index.
    pub link: u32,
    /// The subnet's first address.
    pub network: Ipv4Addr,
    /// Its prefix length.
    pub prefix_len: u8,
}

impl Address {
    /// An address of ours with nothing special about it.
    pub fn new(link: u32, local: IpAddr, prefix_len: u8) -> Self {
        Self {
            link,
            local,
            prefix_len,
            scope: 0,
            label: None,
            broadcast: None,
            peer: None,
            flags: 0,
            preferred_lft: FOREVER,
            metric: 0,
            proto: PROTO_KEEPALIVED,
        }
    }

    /// Its identity on the host.
    pub fn key(&self) -> Key {
        match self.local {
            IpAddr::V4(local) => Key::V4(self.subnet_of(local), local),
            IpAddr::V6(local) => Key::V6(self.link, local),
        }
    }

    /// The IPv4 subnet that it is in.
    pub fn subnet(&self) -> Option<Subnet> {
        match self.local {
            IpAddr::V4(local) => Some(self.subnet_of(local)),
            IpAddr::V6(_) => None,
        }
    }

    fn subnet_of(&self, local: Ipv4Addr) -> Subnet {
        let address = match self.peer {
            Some(IpAddr::V4(peer)) => peer,
            _ => local,
        };
        let mask = u32::MAX
            .checked_shl(32 - u32::from(self.prefix_len.min(32)))
            .unwrap_or(0);
        Subnet {
            link: self.link,
            network: Ipv4Addr::from_bits(address.to_bits() & mask),
            prefix_len: self.prefix_len,
        }
    }

    /// As `RTM_NEWADDR` carries it.
    pub fn to_message(&self) -> AddressMessage {
        let mut message = self.identity();
        // The header has room for the lowest eight flags only; IFA_FLAGS has all of them.
        message.header.flags = AddressHeaderFlags::from_bits_retain(self.flags.to_le_bytes()[0]);
        message.header.scope = self.scope.into();
        let attributes = &mut message.attributes;
        if self.local.is_ipv4() {
            attributes.extend(self.label.clone().map(AddressAttribute::Label));
            attributes.extend(self.broadcast.map(AddressAttribute::Broadcast));
        }
        attributes.push(AddressAttribute::Flags(AddressFlags::from_bits_retain(
            self.flags,
        )));
        if self.preferred_lft != FOREVER {
            let mut lives = CacheInfo::default();
            lives.ifa_preferred = self.preferred_lft;
            lives.ifa_valid = FOREVER;
            attributes.push(AddressAttribute::CacheInfo(lives));
        }
        if self.metric != 0 {
            attributes.push(AddressAttribute::RoutePriority(self.metric));
        }
        if self.proto != 0 {
            attributes.push(AddressAttribute::Protocol(AddressProtocol::from(self.proto)));
        }
        message
    }

    /// As `RTM_DELADDR` carries it: no more than the kernel needs to find it.
    pub fn identity(&self) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family = if self.local.is_ipv4() {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        };
        message.header.prefix_len = self.prefix_len;
        message.header.index = self.link;
        message.attributes = vec![
            AddressAttribute::Local(self.local),
            AddressAttribute::Address(self.peer.unwrap_or(self.local)),
        ];
        message
    }

    /// Reads the payload of `RTM_NEWADDR` or `RTM_DELADDR`. `None`: not an IPv4 or IPv6 unicast address on a link.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let &[family, prefix_len, low_flags, scope, a, b, c, d] = payload.first_chunk::<HEADER_LEN>()?;
        let link = u32::from_ne_bytes([a, b, c, d]);
        let (mut local, mut address) = (None, None);
        let mut read = Self::new(link, IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len);
        read.scope = scope;
        read.flags = u32::from(low_flags);
        read.proto = 0;
        for attribute in attributes(&payload[HEADER_LEN..]) {
            let value = attribute.value();
            match attribute.kind() {
                IFA_LOCAL => local = ip(family.into(), value),
                IFA_ADDRESS => address = ip(family.into(), value),
                IFA_LABEL => read.label = text(value),
                IFA_BROADCAST => read.broadcast = value.try_into().ok().map(<[u8; 4]>::into),
                IFA_FLAGS => read.flags = number(value).unwrap_or(read.flags),
                IFA_CACHEINFO => read.preferred_lft = number(value).unwrap_or(FOREVER),
                IFA_RT_PRIORITY => read.metric = number(value).unwrap_or(0),
                IFA_PROTO => read.proto = value.first().copied().unwrap_or(0),
                _ => {}
            }
        }
        if read.flags & flags::DEPRECATED != 0 {
            read.preferred_lft = 0;
        }
        read.local = local.or(address)?;
        read.peer = address.filter(|address| *address != read.local);
        Some(read)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(
                f,
                "{} peer {peer}/{} on link {}",
                self.local, self.prefix_len, self.link
            ),
            None => write!(f, "{}/{} on link {}", self.local, self.prefix_len, self.link),
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NetlinkSerializable;
    use netlink_packet_route::RouteNetlinkMessage;
    use proptest::prelude::*;

    use super::*;

    fn bytes(message: AddressMessage) -> Vec<u8> {
        let message = RouteNetlinkMessage::NewAddress(message);
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    /// Flags, preferred life time, protocol. Who is deprecated has no time left.
    fn lively() -> impl Strategy<Value = (u32, u32, u8)> {
        any::<(u32, u32, u8)>().prop_map(|(flags, preferred_lft, proto)| {
            (
                flags,
                if flags & flags::DEPRECATED == 0 {
                    preferred_lft
                } else {
                    0
                },
                proto,
            )
        })
    }

    fn any_v4() -> impl Strategy<Value = Address> {
        let options = (
            any::<u8>(),
            "[a-z0-9:]{1,15}",
            any::<Option<[u8; 4]>>(),
            any::<Option<[u8; 4]>>(),
        );
        (any::<(u32, [u8; 4])>(), 0..=32u8, options, lively()).prop_map(
            |((link, local), prefix_len, (scope, label, broadcast, peer), (flags, preferred_lft, proto))| {
                Address {
                    scope,
                    label: Some(label),
                    broadcast: broadcast.map(Into::into),
                    peer: peer.filter(|peer| *peer != local).map(Into::into),
                    flags,
                    preferred_lft,
                    proto,
                    ..Address::new(link, local.into(), prefix_len)
                }
            },
        )
    }

    fn any_v6() -> impl Strategy<Value = Address> {
        (
            any::<(u32, [u8; 16])>(),
            0..=128u8,
            any::<Option<[u8; 16]>>(),
            lively(),
        )
            .prop_map(
                |((link, local), prefix_len, peer, (flags, preferred_lft, proto))| Address {
                    peer: peer.filter(|peer| *peer != local).map(Into::into),
                    flags,
                    preferred_lft,
                    proto,
                    ..Address::new(link, local.into(), prefix_len)
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(address in prop_oneof![any_v4(), any_v6()]) {
            prop_assert_eq!(Address::from_payload(&bytes(address.to_message())), Some(address.clone()));
            prop_assert_eq!(Address::from_payload(&bytes(address.identity())).unwrap().key(), address.key());
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Address::from_payload(&bytes);
        }
    }

    #[test]
    fn an_ipv4_address_is_told_apart_by_its_peers_subnet() {
        let plain = Address::new(1, "10.0.0.1".parse().unwrap(), 32);
        let to = |peer: &str| Address {
            peer: Some(peer.parse().unwrap()),
            ..plain.clone()
        };
        assert_ne!(plain.key(), to("10.0.0.2").key());
        assert_ne!(to("10.0.0.2").key(), to("10.0.0.3").key());
        let wide = |peer: &str| Address {
            prefix_len: 24,
            ..to(peer)
        };
        assert_eq!(wide("10.0.0.2").key(), wide("10.0.0.3").key());
        assert_eq!(
            Address {
                prefix_len: 0,
                ..plain
            }
            .subnet()
            .unwrap()
            .network,
            Ipv4Addr::UNSPECIFIED
        );
    }
}
