//! Checkers: how it is found out whether a real server works. Here is what all have in common; each kind has a file,
//! but for `TCP_CHECK` and `PING_CHECK`, which are nothing but a `connection`.
//!
//! Every checker may set its own pace ([`Timing`]), else the real server's holds. Which address it looks at is settled
//! here too; nothing past this point inherits anything.

mod bfd;
mod connection;
mod dns;
mod file;
mod heritage;
mod http;
mod misc;
mod regex;
mod smtp;
mod udp;
mod url;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[rustfmt::skip]
pub(super) use {
    bfd::KEYWORDS as BFD_KEYWORDS, connection::KEYWORDS as CONNECTION_KEYWORDS, dns::KEYWORDS as DNS_KEYWORDS,
    file::KEYWORDS as FILE_KEYWORDS, http::HTTP as HTTP_KEYWORDS, http::SSL as SSL_KEYWORDS,
    misc::KEYWORDS as MISC_KEYWORDS, smtp::KEYWORDS as SMTP_KEYWORDS, udp::KEYWORDS as UDP_KEYWORDS,
    url::HTTP as URL_KEYWORDS, url::SSL as SSL_URL_KEYWORDS,
};
pub use bfd::Bfd;
pub use connection::{Connection, Source};
pub use dns::{Dns, DnsType};
pub use file::File;
pub(super) use heritage::{Heritage, Pool, Surroundings};
pub use http::{Http, HttpProtocol, Tls};
pub use misc::Misc;
pub use regex::{Pattern, Regex, RegexOption};
pub use smtp::Smtp;
pub use udp::{Nibbles, Udp, UdpReply};
pub use url::Url;

use crate::Place;
use crate::config::pace::{self, Timing};
use crate::report::Report;
use crate::tree::{Block, Line};

/// One checker of a real server, everything inherited filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checker {
    /// What is tried.
    pub probe: Probe,
    /// How often, how long, how many times. Of no use to [`Probe::File`] and [`Probe::Bfd`], which wait for events.
    pub timing: Arc<Timing>,
    /// `alpha`: down until the first success. Of no use to [`Probe::File`].
    pub alpha: bool,
    /// `log_all_failures`: those too that are endured.
    pub log_all_failures: bool,
    /// Where the block starts.
    pub place: Place,
}

/// The kinds of checkers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `TCP_CHECK`: a connection can be opened.
    Tcp(Connection),
    /// `HTTP_GET` and `SSL_GET`: pages come as they should.
    Http(Box<Http>),
    /// `SMTP_CHECK`: a mail server greets.
    Smtp(Box<Smtp>),
    /// `DNS_CHECK`: a name server answers.
    Dns(Box<Dns>),
    /// `UDP_CHECK`: a datagram is not refused, or answered.
    Udp(Box<Udp>),
    /// `PING_CHECK`: an ICMP echo comes back.
    Ping(Connection),
    /// `MISC_CHECK`: a program says so.
    Misc(Box<Misc>),
    /// `FILE_CHECK`: a file says so.
    File(Box<File>),
    /// `BFD_CHECK`: a BFD session says so.
    Bfd(Box<Bfd>),
}

impl Probe {
    /// The block's keyword.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP_CHECK",
            Self::Http(http) if http.tls.is_some() => "SSL_GET",
            Self::Http(_) => "HTTP_GET",
            Self::Smtp(_) => "SMTP_CHECK",
            Self::Dns(_) => "DNS_CHECK",
            Self::Udp(_) => "UDP_CHECK",
            Self::Ping(_) => "PING_CHECK",
            Self::Misc(_) => "MISC_CHECK",
            Self::File(_) => "FILE_CHECK",
            Self::Bfd(_) => "BFD_CHECK",
        }
    }
}

/// The blocks of checkers.
pub(crate) const BLOCKS: [&str; 10] = [
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "PING_CHECK",
    "UDP_CHECK",
    "BFD_CHECK",
    "FILE_CHECK",
];

/// What a checker block says, before anything is inherited.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    common: Common,
    probe: ProbeDraft<'t>,
}

#[derive(Debug)]
enum ProbeDraft<'t> {
    Tcp(connection::Draft),
    Http(Box<http::Draft<'t>>),
    Smtp(Box<smtp::Draft<'t>>),
    Dns(Box<dns::Draft>),
    Udp(Box<udp::Draft>),
    Ping(connection::Draft),
    Misc(Box<misc::Draft>),
    File(file::Draft<'t>),
    Bfd(bfd::Draft<'t>),
}

/// Reads a checker block of a real server with this address. `false` if the keyword names no kind of checker.
pub(super) fn parse<'t>(
    line: Line<'t>,
    server: IpAddr,
    checkers: &mut Vec<Draft<'t>>,
    report: &mut Report,
) -> bool {
    let block = line.block();
    let mut common = Common::default();
    let probe = match line.keyword() {
        "TCP_CHECK" => connection::parse(block, server, &mut common, report).map(ProbeDraft::Tcp),
        "HTTP_GET" | "SSL_GET" => {
            http::parse(block, server, &mut common, report).map(|draft| ProbeDraft::Http(Box::new(draft)))
        }
        "SMTP_CHECK" => {
            for (block, common, draft) in smtp::parse(block, server, common, report) {
                push(
                    checkers,
                    Draft {
                        block,
                        common,
                        probe: ProbeDraft::Smtp(Box::new(draft)),
                    },
                );
            }
            return true;
        }
        "DNS_CHECK" => {
            dns::parse(block, server, &mut common, report).map(|draft| ProbeDraft::Dns(Box::new(draft)))
        }
        "UDP_CHECK" => {
            udp::parse(block, server, &mut common, report).map(|draft| ProbeDraft::Udp(Box::new(draft)))
        }
        "PING_CHECK" => connection::parse(block, server, &mut common, report).map(ProbeDraft::Ping),
        "MISC_CHECK" => {
            misc::parse(block, &mut common, report).map(|draft| ProbeDraft::Misc(Box::new(draft)))
        }
        "FILE_CHECK" => file::parse(block, report).map(ProbeDraft::File),
        "BFD_CHECK" => bfd::parse(block, &mut common, report).map(ProbeDraft::Bfd),
        _ => return false,
    };
    if let Some(probe) = probe {
        push(checkers, Draft { block, common, probe });
    }
    true
}

/// What every checker may say: [`COMMON`].
#[derive(Clone, Debug, Default)]
struct Common {
    pace: Option<Box<pace::Draft>>,
    alpha: Option<bool>,
    log_all_failures: Option<bool>,
}

/// The settings of every checker but `FILE_CHECK` and `BFD_CHECK`.
const COMMON: [&str; 6] = [
    "retry",
    "delay_before_retry",
    "warmup",
    "delay_loop",
    "alpha",
    "log_all_failures",
];

impl Common {
    /// Reads one of the settings that every checker has. `false` if the keyword is none of them.
    fn read(&mut self, line: Line<'_>, report: &mut Report) -> bool {
        match line.keyword() {
            "alpha" => set(&mut self.alpha, line.boolean(report)),
            "log_all_failures" => set(&mut self.log_all_failures, line.boolean(report)),
            // A setting of the connection: checkers without one do not have it.
            "connect_timeout" => return false,
            _ => return pace::Draft::read(&mut self.pace, line, 0, report),
        }
        true
    }
}

/// What cannot be read leaves what was there.
pub(super) fn set<T>(setting: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *setting = value;
    }
}

/// Adds to a list that mostly has one member, so that no room for four is kept.
fn push<T>(list: &mut Vec<T>, member: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(member);
}

/// Gives the checkers of a real server all they inherit. Those that cannot work are reported and dropped.
pub(super) fn resolve(
    drafts: Vec<Draft<'_>>,
    heritage: &Heritage<'_, '_>,
    pool: &mut Pool,
    report: &mut Report,
) -> Box<[Checker]> {
    let mut checkers = Vec::with_capacity(drafts.len());
    let mut sessions = HashSet::new();
    let resolved = drafts
        .into_iter()
        .filter_map(|draft| draft.resolve(heritage, pool, &mut sessions, report));
    checkers.extend(resolved);
    checkers.into_boxed_slice()
}

impl<'t> Draft<'t> {
    fn resolve(
        self,
        heritage: &Heritage<'_, '_>,
        pool: &mut Pool,
        sessions: &mut HashSet<&'t str>,
        report: &mut Report,
    ) -> Option<Checker> {
        const SECOND: Option<Duration> = Some(Duration::from_secs(1));
        let Self { block, common, probe } = self;
        let (retry, delay_before_retry) = match probe {
            ProbeDraft::Http(_) => (1, Some(Duration::from_secs(3))),
            ProbeDraft::Dns(_) => (3, None),
            ProbeDraft::Misc(_) => (0, SECOND),
            _ => (1, SECOND),
        };
        let probe = match probe {
            ProbeDraft::Tcp(draft) => Probe::Tcp(draft.resolve(block, heritage, report)),
            ProbeDraft::Ping(draft) => Probe::Ping(draft.resolve_without_port(heritage)),
            ProbeDraft::Http(draft) => Probe::Http(Box::new(draft.resolve(block, heritage, pool, report))),
            ProbeDraft::Smtp(draft) => Probe::Smtp(Box::new(draft.resolve(block, heritage, pool, report))),
            ProbeDraft::Dns(draft) => Probe::Dns(Box::new(draft.resolve(block, heritage, report))),
            ProbeDraft::Udp(draft) => Probe::Udp(Box::new(draft.resolve(block, heritage, report))),
            ProbeDraft::Misc(draft) => Probe::Misc(Box::new(draft.resolve(heritage))),
            ProbeDraft::File(draft) => {
                Probe::File(Box::new(draft.resolve(block, heritage.surroundings, report)?))
            }
            ProbeDraft::Bfd(draft) => Probe::Bfd(Box::new(draft.resolve(
                block,
                heritage.surroundings,
                sessions,
                report,
            )?)),
        };
        let timing = match &common.pace {
            Some(draft) => heritage.pace.with(draft).timing(retry, delay_before_retry),
            None => heritage.pace.timing(retry, delay_before_retry),
        };
        let log_all_failures = common.log_all_failures;
        Some(Checker {
            probe,
            timing: pool.timings.get(timing),
            alpha: common.alpha.unwrap_or(heritage.alpha),
            log_all_failures: log_all_failures.unwrap_or(heritage.surroundings.log_all_failures),
            place: block.head.place(),
        })
    }
}

/// Lists of keywords one after another.
pub(super) const fn all<const N: usize>(lists: &[&[&'static str]]) -> [&'static str; N] {
    let mut all = [""; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut word = 0;
        while word < lists[list].len() {
            all[at] = lists[list][word];
            word += 1;
            at += 1;
        }
        list += 1;
    }
    assert!(at == N);
    all
}

#[cfg(test)]
mod tests;
