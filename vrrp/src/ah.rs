//! `auth_type AH`: the `IPsec` authentication header (RFC 2402) between the IPv4 header and a version 2 advert, with
//! HMAC-MD5-96 (RFC 2403), as keepalived sends it.
//!
//! ```text
//!  0                   1                   2                   3
//! | Next header 112 |   Length 4    |             0               |
//! |              SPI: the sender's address                        |
//! |                       Sequence                                |
//! |         12 bytes of HMAC-MD5 over header, AH, advert          |
//! ```
//!
//! Nothing here remembers a sequence number: that is `seal`.

use std::net::Ipv4Addr;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use crate::ipv4;
use crate::packet;

/// Protocol number of AH (RFC 2402 2).
pub(crate) const PROTOCOL: u8 = 51;
/// Bytes of the header.
pub(crate) const LEN: usize = 24;
/// The last sequence number that is used; keepalived's figure.
pub(crate) const LAST_SEQUENCE: u32 = 0xffff_fffd;
/// RFC 2402 2.2: in words of four bytes, minus two.
const LENGTH_FIELD: u8 = 4;
const ICV: usize = 12;
const ICV_LEN: usize = 12;

/// A key as written, without the zeros that fill it up.
pub(crate) type Key = [u8; 8];

/// The header of a packet, its ICV not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) spi: Ipv4Addr,
    pub(crate) sequence: u32,
}

/// Why bytes are no authentication header of an advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAh;

/// Room for the header in front of an advert, filled but for sequence and ICV.
pub(crate) fn before(advert: &[u8], source: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    bytes[0] = packet::PROTOCOL;
    bytes[1] = LENGTH_FIELD;
    bytes[4..8].copy_from_slice(&source.octets());
    bytes.extend(advert);
    bytes
}

/// Writes sequence and ICV into a whole datagram.
pub(crate) fn seal(datagram: &mut [u8], key: Key, sequence: u32) {
    let Some((header, payload)) = datagram.split_at_mut_checked(ipv4::HEADER_LEN) else {
        return;
    };
    payload[8..12].copy_from_slice(&sequence.to_be_bytes());
    if let Some(mac) = mac(header, payload, key) {
        let sum = mac.finalize().into_bytes();
        payload[ICV..LEN].copy_from_slice(&sum[..ICV_LEN]);
    }
}

/// Reads the header that a packet begins with.
pub(crate) fn read(payload: &[u8]) -> Result<Received, NotAh> {
    let header: &[u8; LEN] = payload.first_chunk().ok_or(NotAh)?;
    if header[..4] != [packet::PROTOCOL, LENGTH_FIELD, 0, 0] {
        return Err(NotAh);
    }
    let word = |at: usize| header[at..].first_chunk().copied().unwrap_or_default();
    Ok(Received {
        spi: Ipv4Addr::from(word(4)),
        sequence: u32::from_be_bytes(word(8)),
    })
}

/// Whether the ICV of a packet is that of its bytes and this key; the time taken says nothing about the difference.
pub(crate) fn is_sealed(header: &[u8], payload: &[u8], key: Key) -> bool {
    let Some(icv) = payload.get(ICV..LEN) else {
        return false;
    };
    mac(header, payload, key).is_some_and(|mac| mac.verify_truncated_left(icv).is_ok())
}

/// RFC 2402 3.3.3.1: what may change on the way counts as zero. keepalived counts the TTL of multicast all the same, which does
/// not pass a router.
fn mac(header: &[u8], payload: &[u8], key: Key) -> Option<Hmac<Md5>> {
    let mut header: [u8; ipv4::HEADER_LEN] = header.try_into().ok()?;
    header[1] = 0; // type of service
    header[6..8].fill(0); // flags and fragment offset
    header[10..12].fill(0); // checksum
    let [.., a, b, c, d] = header;
    if !Ipv4Addr::new(a, b, c, d).is_multicast() {
        header[8] = 0; // TTL
    }
    let mut mac = Hmac::<Md5>::new_from_slice(&key).ok()?;
    mac.update(&header);
    mac.update(payload.get(..ICV)?);
    mac.update(&[0; ICV_LEN]);
    mac.update(payload.get(LEN..)?);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First adverts of keepalived 2.2.7 with `auth_pass secret`, captured on a link: multicast, and unicast.
    const CAPTURED: [&str; 2] = [
        "45c0 0040 0001 0000 ff33 d0ad 0a09 0001 e000 0012
         7004 0000 0a09 0001 0000 0001 2e31 938c c2fb 1c97 228c 87ed
         2101 6401 0201 6e8f 0a09 0064 0000 0000 0000 0000",
        "45c0 0044 0001 0000 ff33 36ae c000 020b c000 020c
         7004 0000 c000 020b 0000 0001 3ef7 4b4d 6cb8 874f b3f4 3778
         214d 6402 0201 f48f c000 020a c000 0214 0000 0000 0000 0000",
    ];
    const KEY: Key = *b"secret\0\0";

    fn captured(which: usize) -> Vec<u8> {
        let digits: Vec<u8> = CAPTURED[which].bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn a_captured_packet_is_believed_and_made_again() {
        for which in [0, 1] {
            let packet = captured(which);
            let (header, payload) = packet.split_at(ipv4::HEADER_LEN);
            let address = |at: usize| Ipv4Addr::from(*packet[at..].first_chunk::<4>().unwrap());
            let (source, destination) = (address(12), address(16));
            let known = Received {
                spi: source,
                sequence: 1,
            };
            assert_eq!(read(payload), Ok(known));
            assert!(is_sealed(header, payload, KEY));
            let mut ours = ipv4::Header {
                source,
                destination,
                ttl: 255,
                protocol: PROTOCOL,
            }
            .before(&before(&payload[LEN..], source));
            seal(&mut ours, KEY, 1);
            assert_eq!(ours, packet);
        }
    }

    #[test]
    fn every_byte_counts_but_those_that_change_on_the_way() {
        for (which, changing) in [(0, &[1, 6, 7, 10, 11][..]), (1, &[1, 6, 7, 8, 10, 11])] {
            for at in 0..captured(which).len() {
                let mut packet = captured(which);
                packet[at] ^= 0x04;
                let (header, payload) = packet.split_at(ipv4::HEADER_LEN);
                assert_eq!(
                    is_sealed(header, payload, KEY),
                    changing.contains(&at),
                    "byte {at}"
                );
            }
        }
        let packet = captured(0);
        let (header, payload) = packet.split_at(ipv4::HEADER_LEN);
        assert!(!is_sealed(header, payload, *b"secreT\0\0"));
    }

    #[test]
    fn what_is_cut_off_is_no_harm() {
        let packet = captured(0);
        for end in 0..packet.len() - 1 {
            let (header, payload) = packet[..end].split_at(end.min(ipv4::HEADER_LEN));
            assert!(!is_sealed(header, payload, KEY), "{end}");
            assert_eq!(read(payload).is_ok(), payload.len() >= LEN);
        }
    }
}
