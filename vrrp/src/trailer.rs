//! `auth_hmac`: the 28 bytes behind an advert, HMAC-SHA256 cut to 128 bits with a key's number and a sequence in front, as
//! keepalived 2.4.3 sends them. The IPv4 length counts them; the checksum of VRRP does not on IPv4 and does on IPv6.
//!
//! ```text
//!  0                   1                   2                   3
//! |    Type 1     |    Key        |              0                |
//! |                       Seconds (UTC)                           |
//! |      Fraction of a second     |            Counter            |
//! |                     16 bytes of HMAC-SHA256                   |
//! ```
//!
//! Nothing here remembers a sequence or knows the time: that is `seal`.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use parser::units::{Version, Vrid};
use sha2::Sha256;

use crate::packet::CHECKSUM_WORD;

/// Bytes of a trailer.
pub(crate) const LEN: usize = 28;

/// HMAC-SHA256 cut to 128 bits, the only type there is.
const TYPE: u8 = 1;
/// What comes before the HMAC and is covered by it.
const HEAD_LEN: usize = 12;
const MAC_LEN: usize = LEN - HEAD_LEN;
const PSEUDO_ADDRESS_LEN: usize = 16;

/// What a trailer says beside its HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Number of the key.
    pub(crate) key: u8,
    /// Seconds of UTC in the upper half, fraction and counter in the lower.
    pub(crate) sequence: u64,
}

/// Why bytes are no trailer: another type, or something where zero must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTrailer;

/// Whose advert a trailer protects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) version: Version,
    pub(crate) vrid: Vrid,
    pub(crate) source: IpAddr,
    /// The VRRP packet without the trailer.
    pub(crate) packet: &'a [u8],
}

impl Head {
    pub(crate) fn read(trailer: &[u8; LEN]) -> Result<Self, NotTrailer> {
        match trailer {
            [TYPE, key, 0, 0, rest @ ..] => Ok(Self {
                key: *key,
                sequence: u64::from_be_bytes(rest.first_chunk().copied().unwrap_or_default()),
            }),
            _ => Err(NotTrailer),
        }
    }

    /// The whole trailer; `None` for a key that HMAC cannot use, which there is not.
    pub(crate) fn sign(self, subject: &Subject<'_>, secret: &[u8]) -> Option<[u8; LEN]> {
        let mut trailer = [0; LEN];
        trailer[0] = TYPE;
        trailer[1] = self.key;
        trailer[4..HEAD_LEN].copy_from_slice(&self.sequence.to_be_bytes());
        let sum = subject.mac(&trailer, secret)?.finalize().into_bytes();
        trailer[HEAD_LEN..].copy_from_slice(&sum[..MAC_LEN]);
        Some(trailer)
    }
}

impl Subject<'_> {
    /// Whether a trailer's HMAC is that of this advert and key; the time taken says nothing about the difference.
    pub(crate) fn is_signed(&self, trailer: &[u8; LEN], secret: &[u8]) -> bool {
        self.mac(trailer, secret)
            .is_some_and(|mac| mac.verify_truncated_left(&trailer[HEAD_LEN..]).is_ok())
    }

    fn mac(&self, trailer: &[u8; LEN], secret: &[u8]) -> Option<Hmac<Sha256>> {
        let (family, mut address) = match self.source {
            IpAddr::V4(source) => (4, source.octets().to_vec()),
            IpAddr::V6(source) => (6, source.octets().to_vec()),
        };
        address.resize(PSEUDO_ADDRESS_LEN, 0);
        let sum = 2 * CHECKSUM_WORD..2 * CHECKSUM_WORD + 2;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        mac.update(&[family, self.version as u8, self.vrid.get(), 0]);
        mac.update(&address);
        mac.update(self.packet.get(..sum.start)?);
        mac.update(&[0; 2]);
        mac.update(self.packet.get(sum.end..)?);
        mac.update(&trailer[..HEAD_LEN]);
        mac.update(&[0; MAC_LEN]);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    fn secret() -> Vec<u8> {
        (1..=32).collect()
    }

    /// Computed with Python's `hmac` and `struct` from the layout above.
    #[test]
    fn the_trailers_are_those_of_another_implementation() {
        let packet = bytes("2133650201010104 0a4d0064 0a4d0065 0000000000000000");
        let v2 = Subject {
            version: Version::V2,
            vrid: Vrid::new(51).unwrap(),
            source: "10.77.0.1".parse().unwrap(),
            packet: &packet,
        };
        let head = Head {
            key: 7,
            sequence: 0x6500_0000_8000_0000,
        };
        let trailer = head.sign(&v2, &secret()).unwrap();
        assert_eq!(
            trailer.to_vec(),
            bytes("01070000 65000000 80000000 69defb62935ce542a6eabbe06d3424fa")
        );
        assert_eq!(Head::read(&trailer), Ok(head));
        let packet =
            bytes("3135c802 0064e5b7 fe800000000000000000000000000100 20010db8000000000000000000000007");
        let v3 = Subject {
            version: Version::V3,
            vrid: Vrid::new(53).unwrap(),
            source: "fe80::cc0e:c2ff:fec7:6766".parse().unwrap(),
            packet: &packet,
        };
        let head = Head {
            key: 255,
            sequence: 0x0000_0001_0000_ffff,
        };
        assert_eq!(
            head.sign(&v3, &secret()).unwrap().to_vec(),
            bytes("01ff0000 00000001 0000ffff 90e9de766b09b14d06902780d07926fd")
        );
    }

    fn subject(packet: &[u8]) -> Subject<'_> {
        Subject {
            version: Version::V2,
            vrid: Vrid::new(51).unwrap(),
            source: "10.77.0.1".parse().unwrap(),
            packet,
        }
    }

    #[test]
    fn every_bit_counts_but_those_of_the_checksum() {
        let packet = bytes("2133650201010104 0a4d0064 0a4d0065 0000000000000000");
        let head = Head { key: 7, sequence: 1 };
        let trailer = head.sign(&subject(&packet), &secret()).unwrap();
        assert!(subject(&packet).is_signed(&trailer, &secret()));
        for bit in 0..8 * packet.len() {
            let mut hurt = packet.clone();
            hurt[bit / 8] ^= 1 << (bit % 8);
            let is_sum = [6, 7].contains(&(bit / 8));
            assert_eq!(subject(&hurt).is_signed(&trailer, &secret()), is_sum, "bit {bit}");
        }
        for bit in 0..8 * LEN {
            let mut hurt = trailer;
            hurt[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !subject(&packet).is_signed(&hurt, &secret()),
                "bit {bit} of the trailer"
            );
        }
        let mut elsewhere = subject(&packet);
        elsewhere.source = "10.77.0.2".parse().unwrap();
        assert!(!elsewhere.is_signed(&trailer, &secret()));
    }

    #[test]
    fn another_type_is_no_trailer() {
        let mut trailer = [0; LEN];
        for kind in [0, 2, 255] {
            trailer[0] = kind;
            assert_eq!(Head::read(&trailer), Err(NotTrailer));
        }
        trailer[0] = TYPE;
        trailer[3] = 1;
        assert_eq!(Head::read(&trailer), Err(NotTrailer));
    }
}
