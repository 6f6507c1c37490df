//! `virtual_server_group`: addresses and firewall marks that a virtual server stands for together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::Place;
use crate::config::endpoint;
use crate::report::{LvsReason, Reason, Report};
use crate::tree::{Block, Line};
use crate::units::Family;
use crate::value::number;

/// One `virtual_server_group` block: never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServerGroup {
    /// The word after `virtual_server_group`; unique.
    pub name: String,
    /// The entries in the order of the file.
    pub entries: Vec<GroupEntry>,
    /// Where the block starts.
    pub place: Place,
}

/// One line of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupEntry {
    /// One address, a range or a prefix: each address is a service of the kernel.
    Addresses {
        /// The first address.
        first: IpAddr,
        /// The last address, of the same family and not below the first. A prefix of IPv6 makes this a lot.
        last: IpAddr,
        /// The port; 0 stands for every port of a persistent service.
        port: u16,
    },
    /// `fwmark N [inet|inet6]`.
    Fwmark {
        /// The firewall mark.
        mark: NonZeroU32,
        /// `inet` or `inet6`; `None` means that of the virtual server.
        family: Option<Family>,
    },
}

impl VirtualServerGroup {
    /// Whether there are firewall marks and nothing else.
    pub fn is_fwmarks_only(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| matches!(entry, GroupEntry::Fwmark { .. }))
    }
}

/// What a `virtual_server_group` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    name: &'t str,
    entries: Vec<GroupEntry>,
}

/// Reads a `virtual_server_group` block. A group of nothing is reported and dropped.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let name = block.name(report)?;
    if let Some(extra) = block.head.words().nth(1) {
        let keyword = block.keyword().to_owned();
        report.add(extra.at(), LvsReason::ExtraWord { keyword }.into());
    }
    let mut entries = Vec::new();
    let mut zero_marks = false;
    for line in block.lines() {
        line.no_block(report);
        if line.keyword() == "fwmark" {
            entries.extend(fwmark(line, &mut zero_marks, report));
        } else {
            entries.extend(addresses(line, report));
        }
    }
    if !entries.is_empty() {
        return Some(Draft { block, name, entries });
    }
    if !zero_marks {
        report.add(block.head.at(), LvsReason::EmptyGroup.into());
    }
    None
}

/// Gives every group once, by its name; of several with one name the first counts.
pub(super) fn resolve(drafts: Vec<Draft<'_>>, report: &mut Report) -> Vec<Arc<VirtualServerGroup>> {
    let mut names = std::collections::HashSet::new();
    let mut groups = Vec::new();
    for draft in drafts {
        if names.insert(draft.name) {
            groups.push(Arc::new(VirtualServerGroup {
                name: draft.name.to_owned(),
                entries: draft.entries,
                place: draft.block.head.place(),
            }));
        } else {
            let group = draft.name.to_owned();
            report.add(draft.block.head.at(), LvsReason::GroupAgain { group }.into());
        }
    }
    groups
}

/// `fwmark N [inet|inet6]`.
fn fwmark(line: Line<'_>, zero_marks: &mut bool, report: &mut Report) -> Option<GroupEntry> {
    let mark = line.argument(report)?.number(0..=u32::MAX, report)?;
    let family = match line.words().nth(1) {
        Some(word) => Some(word.one_of("fwmark", FAMILIES, report)?),
        None => None,
    };
    let mark = NonZeroU32::new(mark);
    if mark.is_none() {
        *zero_marks = true;
        report.add(line.at(), LvsReason::FwmarkZero.into());
    }
    Some(GroupEntry::Fwmark { mark: mark?, family })
}

/// Address families as they are written.
pub(super) const FAMILIES: &[(&str, Family)] = &[("inet", Family::Ipv4), ("inet6", Family::Ipv6)];

/// `<IPADDR>[-END | /LENGTH] [<PORT>]`.
fn addresses(line: Line<'_>, report: &mut Report) -> Option<GroupEntry> {
    let word = line.keyword_word();
    let (first, last) = match range(word.text()) {
        Ok(range) => range,
        Err(reason) => {
            report.add(word.at(), reason);
            return None;
        }
    };
    let port = endpoint::port(line.words().next(), report)?;
    Some(GroupEntry::Addresses { first, last, port })
}

/// First and last address of `A`, `A-LAST_PART`, `A-B` or `A/LENGTH`.
fn range(text: &str) -> Result<(IpAddr, IpAddr), Reason> {
    let address = |text: &str| {
        text.parse()
            .map_err(|_| Reason::NotAnAddress { got: text.to_owned() })
    };
    if let Some((first, length)) = text.split_once('/') {
        return prefix(text, address(first)?, length);
    }
    let Some((start, end)) = text.split_once('-') else {
        return address(text).map(|address| (address, address));
    };
    let first = address(start)?;
    let whole = end.contains(['.', ':']);
    let last = if whole {
        address(end)?
    } else {
        last_part(first, end)?
    };
    let fits = first.is_ipv4() == last.is_ipv4();
    if fits && (first < last || whole && first == last) {
        Ok((first, last))
    } else {
        Err(LvsReason::BadRange { got: text.to_owned() }.into())
    }
}

/// `A` with its last part replaced: a byte in decimal, or 16 bits in hexadecimal.
fn last_part(first: IpAddr, end: &str) -> Result<IpAddr, Reason> {
    let refuse = || Reason::NotAnAddress { got: end.to_owned() };
    match first {
        IpAddr::V4(first) => {
            let [a, b, c, _] = first.octets();
            let (last, reason) = number::integer(end, 0..=u8::MAX);
            match (last, reason) {
                (Some(last), None) => Ok(Ipv4Addr::new(a, b, c, last).into()),
                (_, reason) => Err(reason.unwrap_or_else(refuse)),
            }
        }
        IpAddr::V6(first) => {
            let mut parts = first.segments();
            parts[7] = u16::from_str_radix(end, 16).map_err(|_| refuse())?;
            Ok(Ipv6Addr::from(parts).into())
        }
    }
}

fn prefix(text: &str, first: IpAddr, length: &str) -> Result<(IpAddr, IpAddr), Reason> {
    let most: u8 = if first.is_ipv4() { 32 } else { 128 };
    let length = match number::integer(length, 1..=most) {
        (Some(length), None) => length,
        (_, reason) => return Err(reason.unwrap_or_else(|| Reason::NotAnAddress { got: text.to_owned() })),
    };
    let host_bits = u128::MAX.checked_shr(128 - u32::from(most - length)).unwrap_or(0);
    let (bits, last): (u128, IpAddr) = match first {
        IpAddr::V4(first) => {
            let bits = u128::from(first.to_bits());
            (
                bits,
                u32::try_from(bits | host_bits)
                    .map_or(first, Ipv4Addr::from_bits)
                    .into(),
            )
        }
        IpAddr::V6(first) => (
            first.to_bits(),
            Ipv6Addr::from_bits(first.to_bits() | host_bits).into(),
        ),
    };
    if bits & host_bits == 0 {
        Ok((first, last))
    } else {
        Err(LvsReason::HostBits { got: text.to_owned() }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Class;
    use crate::tree::Tree;

    fn read(body: &str) -> (Vec<GroupEntry>, Vec<Reason>) {
        let mut report = Report::default();
        let tree = Tree::read(format!("virtual_server_group g {{\n{body}\n}}\n"), &mut report);
        let drafts = tree
            .lines()
            .filter_map(|line| parse(line.block(), &mut report))
            .collect();
        let groups = resolve(drafts, &mut report);
        let entries = groups.iter().flat_map(|group| group.entries.clone()).collect();
        (
            entries,
            report
                .mistakes
                .into_iter()
                .map(|mistake| mistake.reason)
                .collect(),
        )
    }

    fn span(first: &str, last: &str, port: u16) -> GroupEntry {
        GroupEntry::Addresses {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
            port,
        }
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let mark = |mark, family| GroupEntry::Fwmark {
            mark: NonZeroU32::new(mark).unwrap(),
            family,
        };
        for (line, entry) in [
            ("10.0.0.1 80", span("10.0.0.1", "10.0.0.1", 80)),
            ("10.0.0.1", span("10.0.0.1", "10.0.0.1", 0)),
            ("10.0.0.1 0", span("10.0.0.1", "10.0.0.1", 0)),
            ("10.0.0.1 80 x", span("10.0.0.1", "10.0.0.1", 80)),
            ("10.0.0.1-10 80", span("10.0.0.1", "10.0.0.10", 80)),
            ("10.0.0.1-255 65535", span("10.0.0.1", "10.0.0.255", 65535)),
            ("10.0.0.250-10.0.1.5 80", span("10.0.0.250", "10.0.1.5", 80)),
            ("10.0.0.1-10.0.0.1 80", span("10.0.0.1", "10.0.0.1", 80)),
            ("10.0.0.8/29 80", span("10.0.0.8", "10.0.0.15", 80)),
            ("10.0.0.0/8 80", span("10.0.0.0", "10.255.255.255", 80)),
            ("10.0.0.1/32 80", span("10.0.0.1", "10.0.0.1", 80)),
            ("128.0.0.0/1 80", span("128.0.0.0", "255.255.255.255", 80)),
            ("::1-ff 80", span("::1", "::ff", 80)),
            ("::1-::2:0 80", span("::1", "::2:0", 80)),
            ("2001:db8::/126 80", span("2001:db8::", "2001:db8::3", 80)),
            ("2001:db8::1/128 80", span("2001:db8::1", "2001:db8::1", 80)),
            ("fwmark 1", mark(1, None)),
            ("fwmark 4294967295 inet", mark(u32::MAX, Some(Family::Ipv4))),
            ("fwmark 7 inet6 x", mark(7, Some(Family::Ipv6))),
        ] {
            assert_eq!(read(line), (vec![entry], vec![]), "{line}");
        }
    }

    #[test]
    fn wrong_entries_are_reported_and_an_empty_group_too() {
        for line in [
            "10.0.0.10-1 80",
            "10.0.0.1-1 80",
            "10.0.0.20-10.0.0.1 80",
            "10.0.0.1-256 80",
            "10.0.0.1-x 80",
            "10.0.0.1- 80",
            "10.0.0.1-::2 80",
            "10.0.0.9/29 80",
            "10.0.0.0/0 80",
            "10.0.0.0/33 80",
            "10.0.0.0/ 80",
            "::ff-1 80",
            "::1-1ffff 80",
            "2001:db8::1/120 80",
            "2001:db8::/129 80",
            "10.0.0.1 65536",
            "10.0.0.1 80x",
            "10.0.0.1 80-90",
            "x 80",
            "fwmark 4294967296",
            "fwmark x",
            "fwmark 1 foo",
        ] {
            let (entries, reasons) = read(line);
            assert_eq!((entries, reasons.len()), (vec![], 2), "{line}: {reasons:?}");
            assert_eq!(reasons[1], LvsReason::EmptyGroup.into(), "{line}");
        }
        assert_eq!(read(""), (vec![], vec![LvsReason::EmptyGroup.into()]));
    }

    #[test]
    fn a_mark_of_zero_is_legal_and_worthless() {
        let (entries, reasons) = read("fwmark 0");
        assert_eq!(entries, []);
        assert!(matches!(&reasons[..], [reason] if reason.class() == Class::Note));
    }

    #[test]
    fn of_two_groups_with_one_name_the_first_counts() {
        let (entries, reasons) = read("10.0.0.1 80\n}\nvirtual_server_group g {\n10.0.0.2 80");
        assert_eq!(entries, [span("10.0.0.1", "10.0.0.1", 80)]);
        assert!(matches!(
            &reasons[..],
            [Reason::Lvs(LvsReason::GroupAgain { .. })]
        ));
    }
}
