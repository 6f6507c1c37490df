//! `persistence_timeout` and `persistence_granularity`: a client stays with its real server.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::report::{LvsReason, Reason, Report};
use crate::tree::Line;
use crate::units::Family;
use crate::value::number;

/// How long and how coarsely clients are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// `persistence_timeout`, 1 s to 2678400 s (31 days); 360 s by default.
    pub timeout: Duration,
    /// `persistence_granularity`: clients that look the same are one; the whole address by default.
    pub granularity: Granularity,
}

/// Which bits of a client's address count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// A netmask, any bits; 255.255.255.255 by default.
    Netmask(Ipv4Addr),
    /// A prefix length of IPv6, 1 to 128; 128 by default.
    PrefixLen(u8),
}

impl Granularity {
    /// The whole address.
    pub fn host(family: Family) -> Self {
        match family {
            Family::Ipv4 => Self::Netmask(Ipv4Addr::BROADCAST),
            Family::Ipv6 => Self::PrefixLen(128),
        }
    }

    /// The family it belongs to.
    pub(super) fn family(self) -> Family {
        match self {
            Self::Netmask(_) => Family::Ipv4,
            Self::PrefixLen(_) => Family::Ipv6,
        }
    }
}

/// The timeout where none is written.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_mins(6);

/// `persistence_timeout [<SECONDS>]`.
pub(super) fn timeout(line: Line<'_>, report: &mut Report) -> Option<Duration> {
    line.no_block(report);
    let Some(word) = line.words().next() else {
        return Some(DEFAULT_TIMEOUT);
    };
    word.number(1..=2_678_400_u32, report)
        .map(|seconds| Duration::from_secs(seconds.into()))
}

/// `persistence_granularity <NETMASK | PREFIX_LENGTH>`. Which of them it is follows from the family, or if that is open,
/// from the form.
pub(super) fn granularity(
    line: Line<'_>,
    family: Option<Family>,
    report: &mut Report,
) -> Option<Granularity> {
    let word = line.setting(report)?;
    let got = word.text();
    if family.map_or(!got.contains('.'), |family| family == Family::Ipv6) {
        let (length, reason) = number::integer(got, 1..=128);
        if let Some(reason) = reason {
            report.add(word.at(), reason);
            return None;
        }
        return length.map(Granularity::PrefixLen);
    }
    if let Ok(netmask) = got.parse() {
        return Some(Granularity::Netmask(netmask));
    }
    // A number is an address in the old form; few mean that.
    let netmask = got.parse().ok().map(Ipv4Addr::from_bits);
    report.add(
        word.at(),
        match netmask {
            Some(netmask) => LvsReason::NetmaskExpected {
                got: got.to_owned(),
                netmask,
            }
            .into(),
            None => Reason::NotAnAddress { got: got.to_owned() },
        },
    );
    netmask.map(Granularity::Netmask)
}
