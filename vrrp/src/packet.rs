//! The wire: VRRPv2 and VRRPv3 adverts as bytes, over IPv4 and IPv6. The IPv4 header in front of them is in
//! `ipv4`, AH between the two in `ah`, the trailer behind them in `trailer`.
//!
//! Reading never panics, whatever the bytes. Nothing here judges whom an advert comes from or whether it suits an
//! instance: that is `judge`. Centiseconds and seconds live only here.
//!
//! ```text
//!  0                   1                   2                   3
//! |Version| Type  | Virtual Rtr ID|   Priority    |  Addresses    |
//! | v2: auth type | v2: seconds   |            Checksum           |
//! | v3: 0 | 12 bits centiseconds  |                               |
//! |                       Address, Address, ...                   |
//! |            v2 over IPv4: 8 bytes of authentication data       |
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use parser::config::vrrp_instance::Authentication;
use parser::units::{Family, Version, Vrid};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::util;

use crate::ipv4;
use crate::trailer;

/// Protocol number of VRRP (RFC 9568 5.1.1.4).
pub const PROTOCOL: u8 = 112;
/// Where VRRP speaks on IPv4 links (RFC 9568 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where VRRP speaks on IPv6 links (RFC 9568 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// The only hop limit of a believable advert (RFC 9568 5.1.1.3).
pub const HOP_LIMIT: u8 = 255;

/// The only packet type there is (RFC 9568 5.2.2).
const TYPE_ADVERTISEMENT: u8 = 1;
pub(crate) const HEADER_LEN: usize = 8;
pub(crate) const IPV6_HEADER_LEN: usize = 40;
const AUTH_DATA_LEN: usize = 8;
const ETHERNET_HEADER_LEN: usize = 14;
/// The checksum is the fourth 16-bit word.
pub(crate) const CHECKSUM_WORD: usize = 3;
/// Ethernet pads what is shorter than this.
const ETHERNET_MIN_PAYLOAD: usize = 46;

/// An advert to be written.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// 0 resigns.
    pub priority: u8,
    /// Advert interval: cut to whole seconds in version 2, to centiseconds in version 3.
    pub interval: Duration,
    /// Version 2 only.
    pub authentication: &'a Authentication,
    /// Addresses of `source`'s family, at most 255; what is beyond is not sent.
    pub addresses: &'a [IpAddr],
    /// Source address: chooses the family, and is summed in version 3.
    pub source: IpAddr,
    /// Destination address, summed in version 3; `old_unicast_checksum` sums the multicast group instead.
    pub destination: IpAddr,
    /// `v3_checksum_as_v2`: version 3 over IPv4 sums no addresses.
    pub bare_sum: bool,
}

impl Outgoing<'_> {
    /// The VRRP packet with its checksum.
    pub fn encode(&self) -> Vec<u8> {
        let family = Family::of(self.source);
        let addresses = &self.addresses[..self.addresses.len().min(usize::from(u8::MAX))];
        let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
        let mut bytes = Vec::with_capacity(expected_len(self.version, family, count));
        bytes.extend([
            (self.version as u8) << 4 | TYPE_ADVERTISEMENT,
            self.vrid.get(),
            self.priority,
            count,
        ]);
        bytes.extend(self.fourth_to_sixth_byte());
        bytes.extend([0, 0]);
        for address in addresses {
            match address {
                IpAddr::V4(address) => bytes.extend(address.octets()),
                IpAddr::V6(address) => bytes.extend(address.octets()),
            }
        }
        if has_auth_data(self.version, family) {
            bytes.extend(match self.authentication {
                Authentication::Pass(password) => *password,
                Authentication::None | Authentication::Ah(_) => [0; AUTH_DATA_LEN],
            });
        }
        let sum = if self.bare_sum && family == Family::Ipv4 {
            bare_checksum(&bytes)
        } else {
            checksum(&bytes, self.version, self.source, self.destination)
        };
        bytes[2 * CHECKSUM_WORD..HEADER_LEN].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn fourth_to_sixth_byte(&self) -> [u8; 2] {
        match self.version {
            Version::V2 => [
                auth_type(self.authentication),
                u8::try_from(self.interval.as_secs()).unwrap_or(u8::MAX),
            ],
            // RFC 9568 5.2.5: four reserved bits, zero, then twelve bits of centiseconds.
            Version::V3 => u16::try_from(self.interval.as_millis() / 10)
                .unwrap_or(u16::MAX)
                .min(0x0fff)
                .to_be_bytes(),
        }
    }
}

/// What version 2 writes into its authentication type field.
pub fn auth_type(authentication: &Authentication) -> u8 {
    match authentication {
        Authentication::None => 0,
        Authentication::Pass(_) => 1,
        Authentication::Ah(_) => 2,
    }
}

/// An advert as read: well formed, not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Low half of the first byte; 1 is an advert, there is nothing else.
    pub kind: u8,
    /// Virtual router; the wire allows 0, the protocol does not.
    pub vrid: u8,
    /// 0 resigns.
    pub priority: u8,
    /// Advert interval.
    pub interval: Duration,
    /// Version 2: authentication type.
    pub auth_type: u8,
    /// Version 2 over IPv4: authentication data.
    pub auth_data: Option<[u8; AUTH_DATA_LEN]>,
    /// The packet itself, without padding and trailer.
    pub packet: &'a [u8],
    /// `auth_hmac`: the trailer, if there is one.
    pub trailer: Option<&'a [u8; trailer::LEN]>,
    version: Version,
    family: Family,
    addresses: &'a [u8],
    /// What the checksum covers: on IPv6 the kernel sums the trailer too.
    summed: &'a [u8],
}

/// Why bytes are no advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than the header and its address count ask for.
    TooShort {
        /// Bytes wanted.
        expected: usize,
    },
    /// More bytes than that, and not Ethernet's padding.
    TooLong {
        /// Bytes wanted.
        expected: usize,
    },
    /// Another version.
    Version {
        /// The version's four bits.
        got: u8,
    },
}

impl<'a> Advert<'a> {
    /// Reads a packet of this version and family; `trailer` says whether the bytes of a trailer may follow it.
    pub fn decode(
        payload: &'a [u8],
        version: Version,
        family: Family,
        trailer: bool,
    ) -> Result<Self, Malformed> {
        let &[first, vrid, priority, count, fifth, sixth, _, _, ref rest @ ..] = payload else {
            return Err(Malformed::TooShort { expected: HEADER_LEN });
        };
        let got = first >> 4;
        if got != version as u8 {
            return Err(Malformed::Version { got });
        }
        let expected = expected_len(version, family, count);
        let Some((packet, more)) = payload.split_at_checked(expected) else {
            return Err(Malformed::TooShort { expected });
        };
        let trailer: Option<&[u8; trailer::LEN]> = more.try_into().ok().filter(|_| trailer);
        let fits =
            more.is_empty() || trailer.is_some() || is_ethernet_padding(payload.len(), expected, family);
        if !fits {
            return Err(Malformed::TooLong { expected });
        }
        let (addresses, rest) = rest.split_at(usize::from(count) * address_len(family));
        Ok(Self {
            kind: first & 0x0f,
            vrid,
            priority,
            interval: match version {
                Version::V2 => Duration::from_secs(sixth.into()),
                Version::V3 => {
                    Duration::from_millis(10 * u64::from(u16::from_be_bytes([fifth & 0x0f, sixth])))
                }
            },
            auth_type: match version {
                Version::V2 => fifth,
                Version::V3 => 0,
            },
            auth_data: if has_auth_data(version, family) {
                rest.first_chunk().copied()
            } else {
                None
            },
            packet,
            trailer,
            version,
            family,
            addresses,
            summed: match family {
                Family::Ipv4 => packet,
                Family::Ipv6 => payload,
            },
        })
    }

    /// Whether the checksum fits a packet from `source` to `destination`.
    pub fn sum_fits(&self, source: IpAddr, destination: IpAddr) -> bool {
        self.has_sum(checksum(self.summed, self.version, source, destination))
    }

    /// Whether the checksum fits the packet alone, as `v3_checksum_as_v2` writes it.
    pub fn bare_sum_fits(&self) -> bool {
        self.has_sum(bare_checksum(self.summed))
    }

    fn has_sum(&self, sum: u16) -> bool {
        sum.to_be_bytes() == self.packet[2 * CHECKSUM_WORD..HEADER_LEN]
    }

    /// The only type there is.
    pub fn is_advertisement(&self) -> bool {
        self.kind == TYPE_ADVERTISEMENT
    }

    /// How many addresses it lists.
    pub fn address_count(&self) -> usize {
        self.addresses.len() / address_len(self.family)
    }

    /// Whether an address is listed.
    pub fn lists(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) if self.family == Family::Ipv4 => self
                .addresses
                .chunks_exact(4)
                .any(|listed| listed == address.octets()),
            IpAddr::V6(address) if self.family == Family::Ipv6 => self
                .addresses
                .chunks_exact(16)
                .any(|listed| listed == address.octets()),
            IpAddr::V4(_) | IpAddr::V6(_) => false,
        }
    }
}

/// How many addresses fit into one datagram of a link; `seal` is the length of AH or the trailer. As keepalived does, the
/// Ethernet header is counted too, although the MTU does not: nodes must list the same addresses.
pub(crate) fn address_room(mtu: u32, version: Version, family: Family, seal: usize) -> usize {
    let headers = ETHERNET_HEADER_LEN
        + HEADER_LEN
        + seal
        + match family {
            Family::Ipv4 => ipv4::HEADER_LEN,
            Family::Ipv6 => IPV6_HEADER_LEN,
        }
        + if has_auth_data(version, family) {
            AUTH_DATA_LEN
        } else {
            0
        };
    usize::try_from(mtu).unwrap_or(usize::MAX).saturating_sub(headers) / address_len(family)
}

fn address_len(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

fn has_auth_data(version: Version, family: Family) -> bool {
    version == Version::V2 && family == Family::Ipv4
}

fn expected_len(version: Version, family: Family, count: u8) -> usize {
    HEADER_LEN
        + usize::from(count) * address_len(family)
        + if has_auth_data(version, family) {
            AUTH_DATA_LEN
        } else {
            0
        }
}

/// keepalived's tolerance: a frame that had to be padded, and an excess that is that padding (a VLAN tag makes it four
/// bytes less).
fn is_ethernet_padding(len: usize, expected: usize, family: Family) -> bool {
    family == Family::Ipv4
        && ipv4::HEADER_LEN + len <= ETHERNET_MIN_PAYLOAD
        && (ETHERNET_MIN_PAYLOAD - ipv4::HEADER_LEN - expected) % 4 == (len - expected) % 4
}

/// RFC 3768 5.3.8: version 2 sums the packet alone. RFC 9568 5.2.8: version 3 sums a pseudo header too; so does
/// everything on IPv6 (RFC 8200 8.1).
fn checksum(packet: &[u8], version: Version, source: IpAddr, destination: IpAddr) -> u16 {
    let protocol = IpNextHeaderProtocol(PROTOCOL);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) if version == Version::V3 => {
            util::ipv4_checksum(packet, CHECKSUM_WORD, &[], &source, &destination, protocol)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            util::ipv6_checksum(packet, CHECKSUM_WORD, &[], &source, &destination, protocol)
        }
        _ => bare_checksum(packet),
    }
}

fn bare_checksum(packet: &[u8]) -> u16 {
    util::checksum(packet, CHECKSUM_WORD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
    const GROUP: IpAddr = IpAddr::V4(GROUP_V4);

    fn v4(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 77, 0, last))
    }

    fn datagram(outgoing: &Outgoing<'_>, id: u16) -> Vec<u8> {
        let header = ipv4::Header {
            source: Ipv4Addr::new(10, 77, 0, 1),
            destination: GROUP_V4,
            ttl: HOP_LIMIT,
            protocol: PROTOCOL,
        };
        let mut bytes = header.before(&outgoing.encode());
        ipv4::stamp(&mut bytes, id);
        bytes
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// Frames of keepalived 2.2.7, captured on a link.
    #[test]
    fn a_version_2_advert_is_keepalived_s_byte_for_byte() {
        let advert = Outgoing {
            version: Version::V2,
            vrid: Vrid::new(51).unwrap(),
            priority: 101,
            interval: Duration::from_secs(1),
            authentication: &Authentication::Pass(*b"1111\0\0\0\0"),
            addresses: &[v4(100), v4(101)],
            source: US,
            destination: GROUP,
            bare_sum: false,
        };
        assert_eq!(
            datagram(&advert, 1),
            bytes(
                "45c0 002c 0001 0000 ff70 d040 0a4d 0001 e000 0012
                 2133 6502 0101 0104 0a4d 0064 0a4d 0065 3131 3131 0000 0000"
            )
        );
        let resignation = Outgoing {
            priority: 0,
            ..advert
        };
        assert_eq!(
            datagram(&resignation, 9),
            bytes(
                "45c0 002c 0009 0000 ff70 d038 0a4d 0001 e000 0012
                 2133 0002 0101 6604 0a4d 0064 0a4d 0065 3131 3131 0000 0000"
            )
        );
    }

    #[test]
    fn a_version_3_advert_is_keepalived_s_byte_for_byte() {
        let advert = Outgoing {
            version: Version::V3,
            vrid: Vrid::new(52).unwrap(),
            priority: 90,
            interval: Duration::from_millis(500),
            authentication: &Authentication::None,
            addresses: &[v4(102)],
            source: US,
            destination: GROUP,
            bare_sum: false,
        };
        assert_eq!(
            datagram(&advert, 1),
            bytes("45c0 0020 0001 0000 ff70 d04c 0a4d 0001 e000 0012 3134 5a01 0032 7f08 0a4d 0066")
        );
    }

    #[test]
    fn an_ipv6_advert_is_keepalived_s_byte_for_byte() {
        let advert = Outgoing {
            version: Version::V3,
            vrid: Vrid::new(53).unwrap(),
            priority: 200,
            interval: Duration::from_secs(1),
            authentication: &Authentication::None,
            addresses: &["fe80::100".parse().unwrap(), "2001:db8::7".parse().unwrap()],
            source: "fe80::cc0e:c2ff:fec7:6766".parse().unwrap(),
            destination: GROUP_V6.into(),
            bare_sum: false,
        };
        assert_eq!(
            advert.encode(),
            bytes(
                "3135 c802 0064 e5b7 fe80 0000 0000 0000 0000 0000 0000 0100
                 2001 0db8 0000 0000 0000 0000 0000 0007"
            )
        );
    }

    #[test]
    fn without_authentication_version_2_still_carries_eight_bytes_of_it() {
        let advert = Outgoing {
            version: Version::V2,
            vrid: Vrid::new(54).unwrap(),
            priority: 201,
            interval: Duration::from_secs(1),
            authentication: &Authentication::None,
            addresses: &[v4(102)],
            source: US,
            destination: GROUP,
            bare_sum: false,
        };
        assert_eq!(
            datagram(&advert, 2),
            bytes(
                "45c0 0028 0002 0000 ff70 d043 0a4d 0001 e000 0012
                 2136 c901 0001 0b14 0a4d 0066 0000 0000 0000 0000"
            )
        );
    }

    #[test]
    fn only_ethernet_s_own_padding_is_tolerated() {
        let packet = Outgoing {
            version: Version::V3,
            vrid: Vrid::new(52).unwrap(),
            priority: 90,
            interval: Duration::from_millis(500),
            authentication: &Authentication::None,
            addresses: &[v4(102)],
            source: US,
            destination: GROUP,
            bare_sum: false,
        }
        .encode();
        let padded_to = |len: usize| {
            let mut padded = packet.clone();
            padded.resize(len, 0);
            Advert::decode(&padded, Version::V3, Family::Ipv4, false).map(|advert| advert.sum_fits(US, GROUP))
        };
        assert_eq!(padded_to(12), Ok(true));
        assert_eq!(padded_to(26), Ok(true), "padded to 46 bytes of IP");
        assert_eq!(padded_to(22), Ok(true), "and four fewer behind a VLAN tag");
        for len in [13, 14 + 1, 24, 25, 27, 30] {
            assert_eq!(padded_to(len), Err(Malformed::TooLong { expected: 12 }), "{len}");
        }
        assert_eq!(padded_to(11), Err(Malformed::TooShort { expected: 12 }));
    }

    #[test]
    fn addresses_beyond_255_are_not_sent() {
        let many = vec![v4(1); 300];
        let packet = Outgoing {
            version: Version::V2,
            vrid: Vrid::new(1).unwrap(),
            priority: 1,
            interval: Duration::from_secs(301),
            authentication: &Authentication::None,
            addresses: &many,
            source: US,
            destination: GROUP,
            bare_sum: false,
        }
        .encode();
        let advert = Advert::decode(&packet, Version::V2, Family::Ipv4, false).unwrap();
        assert_eq!(advert.address_count(), 255);
        assert_eq!(advert.interval, Duration::from_secs(255));
    }

    prop_compose! {
        fn ends()(six in any::<bool>(), source in any::<u128>(), last in any::<u32>()) -> (IpAddr, IpAddr) {
            if six {
                (IpAddr::V6(source.into()), IpAddr::V6(GROUP_V6))
            } else {
                (IpAddr::V4(last.into()), IpAddr::V4(GROUP_V4))
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            payload in proptest::collection::vec(any::<u8>(), 0..1600), three in any::<bool>(), trailer in any::<bool>(),
            (source, destination) in ends()
        ) {
            let version = if three { Version::V3 } else { Version::V2 };
            let advert = Advert::decode(&payload, version, Family::of(source), trailer);
            let _ = advert.map(|advert| advert.sum_fits(source, destination));
        }

        #[test]
        fn what_is_written_is_read(
            three in any::<bool>(), (source, destination) in ends(), vrid in 1u8.., priority in any::<u8>(),
            centis in 100u64..4096, password in any::<[u8; 8]>(), count in 0usize..20, flip in any::<prop::sample::Index>()
        ) {
            let version = if three { Version::V3 } else { Version::V2 };
            let interval = if three { Duration::from_millis(centis * 10) } else { Duration::from_secs(centis / 100) };
            let addresses = vec![source; count];
            let authentication = Authentication::Pass(password);
            let mut packet = Outgoing {
                version, vrid: Vrid::new(vrid).unwrap(), priority, interval, authentication: &authentication,
                addresses: &addresses, source, destination, bare_sum: false,
            }
            .encode();
            let advert = Advert::decode(&packet, version, Family::of(source), false).unwrap();
            prop_assert!(advert.sum_fits(source, destination) && advert.is_advertisement());
            prop_assert_eq!((advert.vrid, advert.priority, advert.interval), (vrid, priority, interval));
            prop_assert_eq!(advert.address_count(), count);
            prop_assert!(addresses.iter().all(|address| advert.lists(*address)));
            prop_assert_eq!(advert.auth_data, (!three && source.is_ipv4()).then_some(password));
            let at = flip.index(packet.len());
            packet[at] ^= 0x10;
            let hurt = Advert::decode(&packet, version, Family::of(source), false);
            prop_assert!(hurt.is_err() || !hurt.unwrap().sum_fits(source, destination), "one flipped bit is always noticed");
        }
    }
}
