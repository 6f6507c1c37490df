//! What checkers inherit, and what they need of other blocks.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Pattern;
use crate::config::pace::{Pace, Timing};
use crate::config::shared::Shared;
use crate::config::tracked::Trackable;
use crate::report::{LvsReason, Reason, Report};
use crate::tree::Word;

/// What checkers inherit from their real server, their virtual server and the whole configuration.
pub(in crate::config) struct Heritage<'a, 't> {
    /// The real server's address.
    pub(in crate::config) address: IpAddr,
    /// The real server's port as written, else the virtual server's; 0 for none.
    pub(in crate::config) port: u16,
    /// The real server's pace.
    pub(in crate::config) pace: &'a Pace,
    /// The real server's `alpha`.
    pub(in crate::config) alpha: bool,
    /// The real server's `virtualhost`.
    pub(in crate::config) real_host: Option<&'a str>,
    /// The virtual server's `virtualhost`.
    pub(in crate::config) virtual_host: Option<&'a str>,
    /// The virtual server's `delay_loop`.
    pub(in crate::config) delay_loop: Duration,
    /// What the whole configuration says.
    pub(in crate::config) surroundings: &'a Surroundings<'a, 't>,
}

/// What virtual servers and their checkers need of other blocks.
#[derive(Debug)]
pub(in crate::config) struct Surroundings<'a, 't> {
    /// `smtp_alert_checker`, else `smtp_alert`.
    pub(in crate::config) smtp_alert: Option<bool>,
    /// `checker_log_all_failures`.
    pub(in crate::config) log_all_failures: bool,
    /// Every `track_file` by name.
    pub(in crate::config) track_files: &'a HashMap<&'t str, Trackable<'t>>,
    /// Every `bfd_instance` by name.
    pub(in crate::config) bfds: &'a HashMap<&'t str, Trackable<'t>>,
}

/// Finds what a checker follows; as in keepalived it must be defined above.
pub(super) fn follow<'t>(
    name: Word<'_>,
    kind: &'static str,
    known: &HashMap<&'t str, Trackable<'t>>,
    order: usize,
    report: &mut Report,
) -> Option<Trackable<'t>> {
    let text = name.text();
    let Some(found) = known.get(text) else {
        let nearest = report.nearest(text, known.keys().copied()).map(str::to_owned);
        let reason = Reason::UnknownName {
            kind,
            name: text.to_owned(),
            nearest,
        };
        report.add(name.at(), reason);
        return None;
    };
    if found.defined.order() > order {
        let reason = LvsReason::DefinedLater {
            kind,
            name: text.to_owned(),
        };
        report.add(name.at(), reason.into());
        return None;
    }
    Some(*found)
}

/// What many checkers have in common, once.
#[derive(Debug, Default)]
pub(in crate::config) struct Pool {
    pub(in crate::config) paces: Shared<Pace>,
    pub(super) timings: Shared<Timing>,
    pub(super) texts: Shared<str>,
    pub(super) patterns: Shared<Pattern>,
    pub(super) statuses: Shared<[RangeInclusive<u16>]>,
}
