//! `HTTP_GET` and `SSL_GET`: one page is asked for and read until the server hangs up, as keepalived reads it; chunks of
//! HTTP/1.1 are bytes like others.
//!
//! Status first, then digest, then regular expression. Nothing is kept of the body but what the expression needs.

use std::net::IpAddr;

use parser::config::checker::{Http, Url};

use super::{Reason, Step, Verdict};
use crate::action::Transport;
use crate::matcher::{Found, Search};
use crate::patterns::Patterns;
use crate::reply::{self, Reply};

/// A body longer than this is one without end: 64 MiB.
const LONGEST_BODY: u64 = 64 << 20;

/// One page.
#[derive(Debug)]
pub(crate) struct Talk {
    reply: Reply,
    search: Option<Search>,
    any: bool,
}

/// What carries the bytes.
pub(super) fn transport(http: &Http, url: &Url) -> Transport {
    match http.tls {
        None => Transport::Tcp,
        Some(_) => Transport::Tls {
            server_name: url.server_name.clone(),
            close_notify: url.tls_compliant,
        },
    }
}

/// The request.
pub(super) fn opened(http: &Http, url: usize) -> Step {
    let Some(url) = http.urls.get(url) else {
        return Step::Wait;
    };
    let (address, port) = (http.connection.address, http.connection.port);
    let host = match (&url.host, address) {
        (Some(host), _) => host.to_string(),
        (None, IpAddr::V4(address)) => format!("{address}:{port}"),
        (None, IpAddr::V6(address)) => format!("[{address}]:{port}"),
    };
    Step::Send(reply::request(&url.path, &host, http.protocol))
}

impl Talk {
    pub(super) fn new(url: &Url, patterns: &Patterns) -> Self {
        let search = url.regex.as_ref().and_then(|regex| {
            let matcher = patterns.get(&regex.pattern)?;
            Some(Search::new(matcher, regex))
        });
        Self {
            reply: Reply::new(url.digest.is_some()),
            search,
            any: false,
        }
    }

    pub(super) fn received(&mut self, url: &Url, bytes: &[u8]) -> Step {
        self.any |= !bytes.is_empty();
        let in_head = !self.reply.in_body;
        let Ok(body) = self.reply.take(bytes) else {
            return Step::bad(Reason::EndlessHead);
        };
        if self.reply.in_body && in_head {
            // Nothing that follows can mend a wrong status.
            if let Some(reason) = self.bad_status(url) {
                return Step::bad(reason);
            }
            self.reply.head = Vec::new();
        }
        if self.reply.received > LONGEST_BODY {
            return Step::bad(Reason::EndlessBody);
        }
        if let Some(search) = &mut self.search {
            search.take(body);
        }
        Step::Continue
    }

    /// The page is whole.
    pub(super) fn closed(&mut self, url: &Url) -> Step {
        if !self.any {
            return Step::bad(Reason::NoData);
        }
        if let Some(reason) = self.bad_status(url) {
            return Step::bad(reason);
        }
        if let (Some(expected), Some(digest)) = (url.digest, self.reply.digest())
            && digest != expected
        {
            return Step::bad(Reason::Digest(digest));
        }
        let no_match = url.regex.as_ref().is_some_and(|regex| regex.no_match);
        match self.search.take().map(Search::finish) {
            Some(Found::TooHard) => Step::bad(Reason::RegexTooHard),
            Some(found) if (found == Found::Yes) == no_match => Step::bad(Reason::Regex),
            Some(Found::Yes | Found::No) | None => Step::Done(Verdict::Good),
        }
    }

    pub(super) fn length_mismatch(&self) -> Option<(u64, u64)> {
        let said = self.reply.content_length?;
        let received = self.reply.received;
        (said != received).then_some((said, received))
    }

    fn bad_status(&self, url: &Url) -> Option<Reason> {
        let status = self.reply.status;
        let good = status.is_some_and(|status| url.status.iter().any(|range| range.contains(&status)));
        (!good).then_some(Reason::Status(status))
    }
}
