//! What passes on the switch, decoded by the lab itself: a test that read frames with the daemon's own codec would
//! believe the daemon's mistakes.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pnet_packet::Packet;
use pnet_packet::arp::ArpPacket;
use pnet_packet::ethernet::{EtherTypes, EthernetPacket};
use pnet_packet::icmp::{IcmpPacket, IcmpTypes};
use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv4::Ipv4Packet;

/// IP protocol number of VRRP.
pub const VRRP: IpNextHeaderProtocol = IpNextHeaderProtocol(112);

/// One frame that a host sent to the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When the kernel received it.
    pub at: SystemTime,
    /// The host at the other end of the cable that it came through.
    pub host: Arc<str>,
    /// The frame from its Ethernet header on.
    pub bytes: Vec<u8>,
    /// What it is.
    pub seen: Seen,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A VRRP advertisement.
    Advert(Advert),
    /// A gratuitous ARP for this address.
    Gratuitous(Ipv4Addr),
    /// An answer to a ping, from this address.
    EchoReply(Ipv4Addr),
    /// Anything else.
    Other,
}

/// A VRRP advertisement as it stands in the packet; nothing is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Source address of the IP header.
    pub source: Ipv4Addr,
    /// TTL of the IP header.
    pub ttl: u8,
    /// VRRP version.
    pub version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority; 0 is a resignation.
    pub priority: u8,
    /// Time between two advertisements.
    pub interval: Duration,
    /// Virtual addresses.
    pub addresses: Vec<Ipv4Addr>,
}

impl Advert {
    /// `Skew_Time` of the router that sends this advertisement.
    ///
    /// RFC 9568 6.1: ((256 - Priority) * `Active_Adver_Interval`) / 256; RFC 3768 6.1: (256 - Priority) / 256 seconds.
    pub fn skew(&self) -> Duration {
        let unit = if self.version == 2 {
            Duration::from_secs(1)
        } else {
            self.interval
        };
        unit * (256 - u32::from(self.priority)) / 256
    }

    /// `Active_Down_Interval` of the router that sends this advertisement: how long it bears silence.
    ///
    /// RFC 9568 6.1: 3 * `Active_Adver_Interval` + `Skew_Time`.
    pub fn down_interval(&self) -> Duration {
        3 * self.interval + self.skew()
    }
}

impl Frame {
    /// The advertisement, if it is one.
    pub fn advert(&self) -> Option<&Advert> {
        match &self.seen {
            Seen::Advert(advert) => Some(advert),
            _ => None,
        }
    }
}

/// One line for a report.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} ", self.host)?;
        match &self.seen {
            Seen::Advert(Advert {
                source,
                ttl,
                version,
                vrid,
                priority,
                interval: _,
                addresses,
            }) => write!(
                f,
                "VRRPv{version} advert from {source} ttl {ttl} vrid {vrid} priority {priority} {addresses:?}"
            ),
            Seen::Gratuitous(address) => write!(f, "gratuitous ARP for {address}"),
            Seen::EchoReply(source) => write!(f, "ping answered by {source}"),
            Seen::Other => write!(f, "{} bytes", self.bytes.len()),
        }
    }
}

/// Decodes a frame from its Ethernet header on.
pub(super) fn decode(bytes: &[u8]) -> Seen {
    let frame = EthernetPacket::new(bytes);
    let seen = frame.and_then(|frame| match frame.get_ethertype() {
        EtherTypes::Arp => gratuitous(frame.payload()),
        EtherTypes::Ipv4 => ipv4(frame.payload()),
        _ => None,
    });
    seen.unwrap_or(Seen::Other)
}

fn gratuitous(bytes: &[u8]) -> Option<Seen> {
    let arp = ArpPacket::new(bytes)?;
    let address = arp.get_sender_proto_addr();
    // RFC 5227 3: an announcement has the same address as sender and target.
    (address == arp.get_target_proto_addr()).then_some(Seen::Gratuitous(address))
}

fn ipv4(bytes: &[u8]) -> Option<Seen> {
    let packet = Ipv4Packet::new(bytes)?;
    match packet.get_next_level_protocol() {
        VRRP => advert(&packet),
        IpNextHeaderProtocols::Icmp => {
            let icmp = IcmpPacket::new(packet.payload())?;
            (icmp.get_icmp_type() == IcmpTypes::EchoReply).then(|| Seen::EchoReply(packet.get_source()))
        }
        _ => None,
    }
}

fn advert(packet: &Ipv4Packet<'_>) -> Option<Seen> {
    let (header, after) = packet.payload().split_first_chunk::<8>()?;
    let [version_type, vrid, priority, count, auth_type, adver_int, ..] = *header;
    let version = version_type >> 4;
    let addresses = after.chunks_exact(4).take(count.into());
    Some(Seen::Advert(Advert {
        source: packet.get_source(),
        ttl: packet.get_ttl(),
        version,
        vrid,
        priority,
        interval: match version {
            2 => Duration::from_secs(adver_int.into()),
            // RFC 9568 5.2.7: 4 reserved bits, 12 bits of centiseconds, where version 2 has its authentication type.
            _ => Duration::from_millis(10) * u32::from(u16::from_be_bytes([auth_type & 0x0f, adver_int])),
        },
        addresses: addresses
            .filter_map(|octets| Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)))
            .collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn an_advert_is_read_from_the_wire() {
        let frame = bytes(
            "01005e000012 0200c000020b 0800 45c0 0028 0001 0000 ff70 0000 c000020b e0000012 \
             2133 64 01 01 01 0000 c000020a 3131313100000000",
        );
        let Seen::Advert(advert) = decode(&frame) else {
            panic!("not an advert");
        };
        assert_eq!(
            (advert.version, advert.vrid, advert.priority, advert.ttl),
            (2, 51, 100, 255)
        );
        assert_eq!(advert.down_interval(), Duration::from_micros(3_609_375));
        assert_eq!(advert.addresses, [Ipv4Addr::new(192, 0, 2, 10)]);
    }

    #[test]
    fn only_an_announcement_is_a_gratuitous_arp() {
        let announcement =
            "ffffffffffff 0200c000020b 0806 0001 0800 06 04 0001 0200c000020b c000020a ffffffffffff c000020a";
        assert_eq!(
            decode(&bytes(announcement)),
            Seen::Gratuitous(Ipv4Addr::new(192, 0, 2, 10))
        );
        let question =
            "ffffffffffff 0200c000020b 0806 0001 0800 06 04 0001 0200c000020b c000020b 000000000000 c000020a";
        assert_eq!(decode(&bytes(question)), Seen::Other);
    }

    #[test]
    fn a_frame_cut_anywhere_is_no_harm() {
        let frame = bytes(
            "01005e000012 0200c000020b 0800 45c0 0020 0001 0000 ff70 0000 c000020b e0000012 2133 64 ff 01 01 0000",
        );
        for end in 0..frame.len() {
            let _ = decode(&frame[..end]);
        }
    }
}
