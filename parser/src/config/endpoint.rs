//! `<IPADDR> [<PORT>]`: where virtual, real and sorry servers are.

use std::net::IpAddr;

use crate::report::{LvsReason, Report};
use crate::tree::Word;

/// Reads an address and perhaps a port; 0 stands for none.
pub(super) fn read<'t>(
    mut words: impl Iterator<Item = Word<'t>>,
    report: &mut Report,
) -> Option<(IpAddr, u16)> {
    let address = address(words.next()?, report)?;
    Some((address, port(words.next(), report)?))
}

/// Reads an address. A prefix length is ignored, as keepalived does, but noted.
pub(super) fn address(word: Word<'_>, report: &mut Report) -> Option<IpAddr> {
    let got = word.text();
    let Some(address) = got.split_once('/').and_then(|(address, _)| address.parse().ok()) else {
        return word.address(report);
    };
    report.add(word.at(), LvsReason::PrefixIgnored { got: got.to_owned() }.into());
    Some(address)
}

/// Reads a port that may be absent: 0. `None` if it is wrong, even if it begins with a number.
pub(super) fn port(word: Option<Word<'_>>, report: &mut Report) -> Option<u16> {
    let Some(word) = word else { return Some(0) };
    let before = report.mistakes.len();
    word.number(0..=u16::MAX, report)
        .filter(|_| report.mistakes.len() == before)
}
