//! Grammars of addresses: IP addresses with a prefix, link-layer addresses, hexadecimal strings.

use std::net::{IpAddr, Ipv4Addr};

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{all_consuming, map_opt, map_res, opt, recognize, rest};
use nom::multi::{many1, separated_list1};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// `ADDRESS[/PREFIX]`, the prefix still as text: a bad one does not spoil the address.
pub fn ip_prefix(text: &str) -> Option<(IpAddr, Option<&str>)> {
    let parsed: IResult<&str, _> = (ip, opt(preceded(char('/'), rest))).parse(text);
    let (left, (address, prefix)) = parsed.ok()?;
    left.is_empty().then_some((address, prefix))
}

fn ip(text: &str) -> IResult<&str, IpAddr> {
    map_res(
        take_while1(|c: char| c.is_ascii_hexdigit() || c == '.' || c == ':'),
        str::parse,
    )
    .parse(text)
}

/// The longest prefix an address can have.
pub fn longest_prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The addresses `+` (all host bits) and `-` (no host bit) of `brd`.
pub fn broadcast(address: Ipv4Addr, prefix_len: u8, host_bits: bool) -> Ipv4Addr {
    let mask = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
    let network = u32::from(address) & !mask;
    Ipv4Addr::from(if host_bits { network | mask } else { network })
}

/// `xx:xx:xx:xx:xx[:xx]`: the last octet may be left out.
pub fn mac(text: &str) -> Option<([u8; 5], Option<u8>)> {
    let octet = map_res(take_while_m_n(1, 2, |c: char| c.is_ascii_hexdigit()), |digits| {
        u8::from_str_radix(digits, 16)
    });
    let octets: IResult<&str, Vec<u8>> = all_consuming(separated_list1(char(':'), octet)).parse(text);
    let octets = octets.ok()?.1;
    let (first, last) = octets.split_first_chunk::<5>()?;
    match last {
        [] => Some((*first, None)),
        [last] => Some((*first, Some(*last))),
        _ => None,
    }
}

/// Bytes in hexadecimal digits, two for each byte.
pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |text| satisfy(|c| c.is_ascii_hexdigit()).parse(text);
    let byte = map_res(recognize((digit, digit)), |digits: &str| {
        u8::from_str_radix(digits, 16)
    });
    let bytes: IResult<&str, Vec<u8>> = all_consuming(many1(byte)).parse(text);
    Some(bytes.ok()?.1)
}

/// Scope of an address or route, by name or number.
pub fn scope(text: &str) -> Option<u8> {
    let named = alt((
        tag("global").map(|_| 0),
        tag("site").map(|_| 200),
        tag("link").map(|_| 253),
        tag("host").map(|_| 254),
        tag("nowhere").map(|_| 255),
    ));
    let number = map_opt(rest, |digits: &str| digits.parse().ok());
    let parsed: IResult<&str, u8> = all_consuming(alt((named, number))).parse(text);
    Some(parsed.ok()?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_a_prefix() {
        let v4 = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(ip_prefix("10.0.0.9"), Some((v4("10.0.0.9"), None)));
        assert_eq!(ip_prefix("10.0.0.9/24"), Some((v4("10.0.0.9"), Some("24"))));
        assert_eq!(ip_prefix("fe80::1/x"), Some((v4("fe80::1"), Some("x"))));
        for wrong in [
            "",
            "10.0.0",
            "10.0.0.300",
            "010.0.0.1",
            "fe80::1%eth0",
            "x",
            "1.2.3.4 /24",
        ] {
            assert_eq!(ip_prefix(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn broadcasts_of_both_signs() {
        let address = Ipv4Addr::new(10, 0, 3, 9);
        assert_eq!(broadcast(address, 24, true), Ipv4Addr::new(10, 0, 3, 255));
        assert_eq!(broadcast(address, 22, false), Ipv4Addr::new(10, 0, 0, 0));
        assert_eq!(broadcast(address, 0, true), Ipv4Addr::BROADCAST);
    }

    #[test]
    fn link_layer_addresses_and_bytes() {
        assert_eq!(
            mac("00:11:22:33:44:5f"),
            Some(([0, 0x11, 0x22, 0x33, 0x44], Some(0x5f)))
        );
        assert_eq!(mac("0:1:2:3:4"), Some(([0, 1, 2, 3, 4], None)));
        assert_eq!(mac("00:11:22:33"), None);
        assert_eq!(mac("00:11:22:33:44:55:66"), None);
        assert_eq!(mac("eth0"), None);
        assert_eq!(hex("00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!(hex("00f"), None);
        assert_eq!(scope("link"), Some(253));
        assert_eq!(scope("77"), Some(77));
        assert_eq!(scope("300"), None);
        assert_eq!(scope("linkx"), None);
    }
}
