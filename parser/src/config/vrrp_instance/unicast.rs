//! `unicast_peer` and what belongs to it.

use std::net::IpAddr;

use crate::report::{Reason, Report};
use crate::tree::Line;
use crate::units::Family;

/// One line of `unicast_peer`: `<IPADDR> [min_ttl N] [max_ttl N]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnicastPeer {
    /// Where adverts are sent, and where they may come from.
    pub address: IpAddr,
    /// `min_ttl`: adverts with a smaller TTL or hop limit are refused; 0 by default.
    pub min_ttl: u8,
    /// `max_ttl`: adverts with a larger TTL or hop limit are refused; 255 by default.
    pub max_ttl: u8,
}

/// `old_unicast_checksum`: the pseudo header of VRRPv3 unicast adverts over IPv4 (keepalived before 1.3.7 took the
/// multicast group instead of the peer).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldUnicastChecksum {
    /// Found out from what the peers send.
    #[default]
    Auto,
    /// `never`: the right one only.
    Never,
    /// The old one.
    Always,
}

/// Reads one line of `unicast_peer`; also whether it asks for a check of the sender.
pub(super) fn peer(line: Line<'_>, report: &mut Report) -> Option<(UnicastPeer, bool)> {
    line.no_block(report);
    let address = line.keyword_word().address(report)?;
    let mut peer = UnicastPeer {
        address,
        min_ttl: 0,
        max_ttl: 255,
    };
    let mut words = line.words();
    while let Some(word) = words.next() {
        let ttl = match word.text() {
            "min_ttl" => &mut peer.min_ttl,
            "max_ttl" => &mut peer.max_ttl,
            _ => {
                report.unknown_option(word, "a unicast peer", &["min_ttl", "max_ttl"]);
                continue;
            }
        };
        let value = report
            .option_value(word, words.next())
            .and_then(|value| value.number(0..=255, report));
        *ttl = value.unwrap_or(*ttl);
    }
    if peer.min_ttl > peer.max_ttl {
        report.add(line.at(), Reason::NoTtlFits);
    }
    Some((peer, line.words().len() > 0))
}

/// Reads `old_unicast_checksum [never]`.
pub(super) fn old_checksum(line: Line<'_>, report: &mut Report) -> OldUnicastChecksum {
    line.no_block(report);
    match line.words().next() {
        None => OldUnicastChecksum::Always,
        Some(word) if word.text() == "never" => OldUnicastChecksum::Never,
        Some(word) => {
            report.unknown_option(word, line.keyword(), &["never"]);
            OldUnicastChecksum::Auto
        }
    }
}

/// The family of an instance: the first address of it decides, and the others must follow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FamilyChoice(pub(super) Option<Family>);

impl FamilyChoice {
    /// Passes an address through if it fits.
    pub(super) fn admit(&mut self, address: IpAddr) -> Result<(), Reason> {
        let family = Family::of(address);
        match *self.0.get_or_insert(family) {
            chosen if chosen == family => Ok(()),
            expected => Err(Reason::OtherFamily { expected }),
        }
    }
}
