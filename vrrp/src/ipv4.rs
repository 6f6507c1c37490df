//! The IPv4 header in front of an advert, as `IP_HDRINCL` wants it: options, fragments and anything but sending are absent.

use std::net::Ipv4Addr;

use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::{self, MutableIpv4Packet};

/// Bytes of a header without options.
pub(crate) const HEADER_LEN: usize = 20;
/// Internetwork control (RFC 9568 has no word on it; keepalived sends it).
const TYPE_OF_SERVICE: u8 = 0xc0;

/// What differs from advert to advert but the identification.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
}

impl Header {
    /// The datagram: this header and what follows it, identification 1.
    pub(crate) fn before(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN + payload.len()];
        let total = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        if let Some(mut header) = MutableIpv4Packet::new(&mut bytes) {
            header.set_version(4);
            header.set_header_length(5);
            header.set_dscp(TYPE_OF_SERVICE >> 2);
            header.set_total_length(total);
            header.set_ttl(self.ttl);
            header.set_next_level_protocol(IpNextHeaderProtocol(self.protocol));
            header.set_source(self.source);
            header.set_destination(self.destination);
            header.set_payload(payload);
        }
        stamp(&mut bytes, 1);
        bytes
    }
}

/// Patches the identification of a datagram made by [`Header::before`], and the header's checksum with it.
pub(crate) fn stamp(datagram: &mut [u8], id: u16) {
    if let Some(mut header) = MutableIpv4Packet::new(datagram) {
        header.set_identification(id);
        let sum = ipv4::checksum(&header.to_immutable());
        header.set_checksum(sum);
    }
}
