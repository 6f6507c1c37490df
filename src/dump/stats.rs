//! `keepalived.stats`.

use std::sync::Arc;

use vrrp::{Engine, Stats};

use crate::dump::Lines;

/// The counters of every instance at one moment.
#[derive(Debug)]
pub(crate) struct Counters(Vec<(Arc<str>, Stats)>);

impl Counters {
    /// Copies them: some microseconds for a thousand instances.
    pub(crate) fn of(engine: &Engine) -> Self {
        let instances = engine.instances();
        Counters(
            instances
                .map(|instance| (Arc::clone(&instance.name), instance.stats))
                .collect(),
        )
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        let mut lines = Lines::default();
        for (name, stats) in &self.0 {
            instance(&mut lines, name, stats);
        }
        lines.into_text()
    }
}

/// A heading and its counters, or a counter without heading.
type Group = (&'static str, &'static [(&'static str, fn(&Stats) -> u64)]);

const GROUPS: &[Group] = &[
    (
        "Advertisements",
        &[("Received", |s| s.advert_rcvd), ("Sent", |s| s.advert_sent)],
    ),
    ("", &[("Became master", |s| s.become_master)]),
    ("", &[("Released master", |s| s.release_master)]),
    (
        "Packet Errors",
        &[
            ("Length", |s| s.packet_len_err),
            ("TTL", |s| s.ip_ttl_err),
            ("Invalid Type", |s| s.invalid_type_rcvd),
            ("Advertisement Interval", |s| s.advert_interval_err),
            ("Address List", |s| s.addr_list_err),
        ],
    ),
    (
        "Authentication Errors",
        &[
            ("Invalid Type", |s| s.invalid_authtype),
            ("Type Mismatch", |s| s.authtype_mismatch),
            ("Failure", |s| s.auth_failure),
        ],
    ),
    (
        "Authentication Extension Errors",
        &[
            ("Missing", |s| s.auth_ext_missing),
            ("Malformed", |s| s.auth_ext_malformed),
            ("Unknown Key", |s| s.auth_ext_unknown_key),
            ("Invalid HMAC", |s| s.auth_ext_invalid_hmac),
            ("Stale", |s| s.auth_ext_stale),
            ("Replay", |s| s.auth_ext_replay),
        ],
    ),
    (
        "Priority Zero",
        &[("Received", |s| s.pri_zero_rcvd), ("Sent", |s| s.pri_zero_sent)],
    ),
];

fn instance(lines: &mut Lines, name: &str, stats: &Stats) {
    lines.line(0, format_args!("VRRP Instance: {name}"));
    for (heading, counters) in GROUPS {
        let indent = if heading.is_empty() {
            2
        } else {
            lines.line(2, format_args!("{heading}:"));
            4
        };
        for (key, count) in *counters {
            lines.line(indent, format_args!("{key}: {}", count(stats)));
        }
    }
}
