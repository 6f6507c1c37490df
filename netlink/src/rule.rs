//! A policy rule, as the kernel knows it: `struct fib_rule_hdr` and its attributes.
//!
//! The kernel changes no rule and keeps several of one preference, so a rule is all of itself.

use std::fmt;
use std::net::IpAddr;

use crate::attribute::Raw;
use crate::socket::frame::{attributes, ip, number, text};

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

/// `sizeof(struct fib_rule_hdr)`
const HEADER_LEN: usize = 12;

/// `FIB_RULE_INVERT`
const INVERT: u32 = 2;

/// `FR_ACT_*` (`include/uapi/linux/fib_rules.h`).
pub mod actions {
    /// Look the route up in the rule's table.
    pub const TO_TABLE: u8 = 1;
    /// Go on with the rule of another preference.
    pub const GOTO: u8 = 2;
    /// Go on with the next rule.
    pub const NOP: u8 = 3;
    /// Drop in silence.
    pub const BLACKHOLE: u8 = 6;
    /// Drop with "network unreachable".
    pub const UNREACHABLE: u8 = 7;
    /// Drop with "administratively prohibited".
    pub const PROHIBIT: u8 = 8;
}

/// The address family of a rule, which may have no address to tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

/// A policy rule: what `ip rule add` would be given. `None` is any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Address family.
    pub family: Family,
    /// Rules with lower ones come first.
    pub preference: u32,
    /// The packets that do not match follow the rule.
    pub invert: bool,
    /// Source prefix, not of length 0.
    pub from: Option<(IpAddr, u8)>,
    /// Destination prefix, not of length 0.
    pub to: Option<(IpAddr, u8)>,
    /// Type of service; 0 is any.
    pub tos: u8,
    /// Mark and the bits of it that count.
    pub fwmark: Option<(u32, u32)>,
    /// Name of the interface that packets come in by; it need not exist.
    pub iif: Option<String>,
    /// Name of the interface that packets of this host are bound to; it need not exist.
    pub oif: Option<String>,
    /// Tunnel key.
    pub tunnel_id: Option<u64>,
    /// First and last user of sockets of this host.
    pub uid_range: Option<(u32, u32)>,
    /// IP protocol.
    pub ip_protocol: Option<u8>,
    /// First and last source port.
    pub source_ports: Option<(u16, u16)>,
    /// First and last destination port.
    pub destination_ports: Option<(u16, u16)>,
    /// [`actions`].
    pub action: u8,
    /// Table of `TO_TABLE`; 0 where `l3mdev` says it.
    pub table: u32,
    /// The table is that of the VRF of the packet's interface.
    pub l3mdev: bool,
    /// Preference of the rule that `GOTO` goes to.
    pub goto: Option<u32>,
    /// Routes with prefixes of at most this length do not count.
    pub suppress_prefix_len: Option<u32>,
    /// Routes through interfaces of this group do not count.
    pub suppress_if_group: Option<u32>,
    /// Realms of IPv4 (`source << 16 | destination`); 0 is none.
    pub realms: u32,
    /// `RTPROT_*`: who added it. 18 is keepalived.
    pub protocol: u8,
}

impl Rule {
    /// A rule of ours that sends every packet to a table.
    pub fn new(family: Family, preference: u32, table: u32) -> Self {
        Self {
            family,
            preference,
            invert: false,
            from: None,
            to: None,
            tos: 0,
            fwmark: None,
            iif: None,
            oif: None,
            tunnel_id: None,
            uid_range: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            action: actions::TO_TABLE,
            table,
            l3mdev: false,
            goto: None,
            suppress_prefix_len: None,
            suppress_if_group: None,
            realms: 0,
            protocol: crate::address::PROTO_KEEPALIVED,
        }
    }

    /// As a message of this type carries it; the kernel finds a rule by all that it is.
    pub(crate) fn to_message(&self, message: u16) -> Raw {
        let family = match self.family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        let length = |prefix: Option<(IpAddr, u8)>| prefix.map_or(0, |(_, length)| length);
        let flags = if self.invert { INVERT } else { 0 }.to_ne_bytes();
        let mut header = [
            u8::try_from(family).unwrap_or_default(),
            length(self.to),
            length(self.from),
            self.tos,
            u8::try_from(self.table).unwrap_or(0),
            0,
            0,
            self.action,
            0,
            0,
            0,
            0,
        ];
        header[8..].copy_from_slice(&flags);
        let mut raw = Raw::new(message, &header);
        self.write_selector(&mut raw);
        raw.number(FRA_PRIORITY, self.preference);
        raw.put(FRA_PROTOCOL, &[self.protocol]);
        if self.table != 0 {
            raw.number(FRA_TABLE, self.table);
        }
        if self.l3mdev {
            raw.put(FRA_L3MDEV, &[1]);
        }
        for (kind, value) in [
            (FRA_GOTO, self.goto),
            (FRA_SUPPRESS_PREFIXLEN, self.suppress_prefix_len),
            (FRA_SUPPRESS_IFGROUP, self.suppress_if_group),
            (FRA_FLOW, Some(self.realms).filter(|realms| *realms != 0)),
        ] {
            if let Some(value) = value {
                raw.number(kind, value);
            }
        }
        raw
    }

    fn write_selector(&self, raw: &mut Raw) {
        for (kind, prefix) in [(FRA_DST, self.to), (FRA_SRC, self.from)] {
            if let Some((address, _)) = prefix {
                raw.address(kind, address);
            }
        }
        if let Some((mark, mask)) = self.fwmark {
            raw.number(FRA_FWMARK, mark);
            raw.number(FRA_FWMASK, mask);
        }
        for (kind, name) in [(FRA_IIFNAME, &self.iif), (FRA_OIFNAME, &self.oif)] {
            if let Some(name) = name {
                raw.text(kind, name);
            }
        }
        if let Some(id) = self.tunnel_id {
            raw.put(FRA_TUN_ID, &id.to_be_bytes());
        }
        if let Some((first, last)) = self.uid_range {
            raw.put(FRA_UID_RANGE, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
        }
        if let Some(protocol) = self.ip_protocol {
            raw.put(FRA_IP_PROTO, &[protocol]);
        }
        for (kind, range) in [
            (FRA_SPORT_RANGE, self.source_ports),
            (FRA_DPORT_RANGE, self.destination_ports),
        ] {
            if let Some((first, last)) = range {
                raw.put(kind, &[first.to_ne_bytes(), last.to_ne_bytes()].concat());
            }
        }
    }

    /// Reads the payload of `RTM_NEWRULE` or `RTM_DELRULE`. `None`: not a rule of IPv4 or IPv6.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let &[family, to_len, from_len, tos, table, _, _, action, f0, f1, f2, f3] =
            payload.first_chunk::<HEADER_LEN>()?;
        let family = i32::from(family);
        let mut rule = Self::new(
            match family {
                libc::AF_INET => Family::V4,
                libc::AF_INET6 => Family::V6,
                _ => return None,
            },
            0,
            table.into(),
        );
        rule.tos = tos;
        rule.action = action;
        rule.protocol = 0;
        rule.invert = u32::from_ne_bytes([f0, f1, f2, f3]) & INVERT != 0;
        let (mut value_of_mark, mut mask) = (None, None);
        for attribute in attributes(&payload[HEADER_LEN..]) {
            let value = attribute.value();
            match attribute.kind() {
                FRA_DST => rule.to = ip(family, value).map(|address| (address, to_len)),
                FRA_SRC => rule.from = ip(family, value).map(|address| (address, from_len)),
                FRA_IIFNAME => rule.iif = text(value),
                FRA_OIFNAME => rule.oif = text(value),
                FRA_GOTO => rule.goto = number(value),
                FRA_PRIORITY => rule.preference = number(value)?,
                FRA_FWMARK => value_of_mark = number(value),
                FRA_FWMASK => mask = number(value),
                FRA_FLOW => rule.realms = number(value).unwrap_or(0),
                FRA_TUN_ID => rule.tunnel_id = value.try_into().ok().map(u64::from_be_bytes),
                // -1 is none.
                FRA_SUPPRESS_IFGROUP => {
                    rule.suppress_if_group = number(value).filter(|group| *group != u32::MAX);
                }
                FRA_SUPPRESS_PREFIXLEN => {
                    rule.suppress_prefix_len = number(value).filter(|length| *length != u32::MAX);
                }
                FRA_TABLE => rule.table = number(value)?,
                FRA_L3MDEV => rule.l3mdev = value.first().is_some_and(|l3mdev| *l3mdev != 0),
                FRA_UID_RANGE => rule.uid_range = number(value).zip(value.get(4..).and_then(number)),
                FRA_PROTOCOL => rule.protocol = value.first().copied().unwrap_or(0),
                FRA_IP_PROTO => rule.ip_protocol = value.first().copied(),
                FRA_SPORT_RANGE => rule.source_ports = ports(value),
                FRA_DPORT_RANGE => rule.destination_ports = ports(value),
                _ => {}
            }
        }
        if value_of_mark.is_some() || mask.is_some() {
            rule.fwmark = Some((value_of_mark.unwrap_or(0), mask.unwrap_or(0)));
        }
        Some(rule)
    }
}

fn ports(value: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = value.first_chunk()?;
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        write!(f, "{family} rule of preference {}", self.preference)?;
        for (word, prefix) in [("from", self.from), ("to", self.to)] {
            if let Some((address, length)) = prefix {
                write!(f, " {word} {address}/{length}")?;
            }
        }
        match self.action {
            actions::TO_TABLE if !self.l3mdev => write!(f, " to table {}", self.table),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix() -> impl Strategy<Value = Option<(IpAddr, u8)>> {
        proptest::option::of((any::<[u8; 4]>().prop_map(IpAddr::from), 1..=32u8))
    }

    fn rule() -> impl Strategy<Value = Rule> {
        (
            (prefix(), prefix(), any::<(u32, bool, u8, u8)>()),
            any::<(Option<(u32, u32)>, Option<u64>, Option<(u32, u32)>, Option<u8>)>(),
            any::<(Option<(u16, u16)>, Option<(u16, u16)>, u8, u32, bool)>(),
            (
                any::<(Option<u32>, u32)>(),
                proptest::option::of(0..u32::MAX),
                proptest::option::of(0..u32::MAX),
            ),
            proptest::option::of("[a-z0-9.]{1,15}"),
        )
            .prop_map(
                |(
                    (from, to, (preference, invert, tos, protocol)),
                    (fwmark, tunnel_id, uid_range, ip_protocol),
                    (source_ports, destination_ports, action, table, l3mdev),
                    ((goto, realms), suppress_prefix_len, suppress_if_group),
                    iif,
                )| Rule {
                    invert,
                    from,
                    to,
                    tos,
                    fwmark,
                    oif: iif.clone(),
                    iif,
                    tunnel_id,
                    uid_range,
                    ip_protocol,
                    source_ports,
                    destination_ports,
                    action,
                    l3mdev,
                    goto,
                    suppress_prefix_len,
                    suppress_if_group,
                    realms,
                    protocol,
                    ..Rule::new(Family::V4, preference, table)
                },
            )
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(rule in rule()) {
            let raw = rule.to_message(libc::RTM_NEWRULE);
            prop_assert_eq!(Rule::from_payload(raw.payload()), Some(rule));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Rule::from_payload(&bytes);
        }
    }
}
