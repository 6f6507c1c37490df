//! IP prefixes: `ADDRESS[/LENGTH]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::report::Reason;
use crate::units::Family;
use crate::value::number;

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
    pub const fn host(address: IpAddr) -> Self {
        let length = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, length }
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

/// Reads `ADDRESS[/LENGTH]`. A length beyond the address gives one address beside the reason, as in keepalived.
pub(crate) fn read(text: &str) -> (Option<Prefix>, Option<Reason>) {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        let got = text.to_owned();
        return (None, Some(Reason::NotAnAddress { got }));
    };
    let host = Prefix::host(address);
    let Some(length) = length else {
        return (Some(host), None);
    };
    match number::integer(length, 0..=host.length) {
        (Some(length), None) => (Some(Prefix { address, length }), None),
        (_, reason @ Some(Reason::OutOfRange { .. })) => (Some(host), reason),
        (_, reason) => (None, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_against_the_family() {
        let prefix = |address: &str, length| {
            Some(Prefix {
                address: address.parse().unwrap(),
                length,
            })
        };
        assert_eq!(read("10.0.0.1"), (prefix("10.0.0.1", 32), None));
        assert_eq!(read("10.0.0.1/0"), (prefix("10.0.0.1", 0), None));
        assert_eq!(read("fe80::1/64"), (prefix("fe80::1", 64), None));
        assert_eq!(read("fe80::1"), (prefix("fe80::1", 128), None));
        let (value, reason) = read("10.0.0.1/33");
        assert_eq!(value, prefix("10.0.0.1", 32));
        assert!(matches!(reason, Some(Reason::OutOfRange { .. })));
        assert!(matches!(
            read("10.0.0.1/"),
            (None, Some(Reason::NotANumber { .. }))
        ));
        assert!(matches!(
            read("10.0.0.1/8x"),
            (None, Some(Reason::NotANumber { .. }))
        ));
        assert!(matches!(
            read("10.0.0"),
            (None, Some(Reason::NotAnAddress { .. }))
        ));
    }

    #[test]
    fn masking_drops_the_host_bits() {
        let masked = |text: &str| read(text).0.unwrap().masked().address.to_string();
        assert_eq!(masked("10.1.2.3/8"), "10.0.0.0");
        assert_eq!(masked("10.1.2.3/32"), "10.1.2.3");
        assert_eq!(masked("10.1.2.3/0"), "0.0.0.0");
        assert_eq!(masked("2001:db8::1/32"), "2001:db8::");
        assert_eq!(masked("2001:db8::1/0"), "::");
    }
}
