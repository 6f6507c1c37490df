//! IP prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::units::Family;
use crate::value::address;

/// An address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The address as written: bits beyond the length are kept.
    pub address: IpAddr,
    /// 0 to 32 or 0 to 128.
    pub length: u8,
}

impl Prefix {
    /// `default`: every address of the family.
    pub const fn everything(family: Family) -> Self {
        let address = match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { address, length: 0 }
    }

    /// The prefix of one address.
    pub fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: address::longest_prefix(address),
        }
    }

    /// The family of the address.
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// The same prefix without the bits beyond its length.
    #[must_use]
    pub fn masked(self) -> Self {
        let spare = u32::from(Self::host(self.address).length - self.length);
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(spare).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(spare).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Self { address, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_drops_the_host_bits() {
        let masked = |address: &str, length| {
            let prefix = Prefix {
                address: address.parse().unwrap(),
                length,
            };
            prefix.masked().address.to_string()
        };
        assert_eq!(masked("10.1.2.3", 8), "10.0.0.0");
        assert_eq!(masked("10.1.2.3", 32), "10.1.2.3");
        assert_eq!(masked("10.1.2.3", 0), "0.0.0.0");
        assert_eq!(masked("2001:db8::1", 32), "2001:db8::");
        assert_eq!(masked("2001:db8::1", 0), "::");
    }
}
