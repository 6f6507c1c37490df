//! Probes: how each kind of checker talks to a real server, and what it makes of the answers. One file per kind.
//!
//! A probe is asked for bytes and given bytes; it knows no socket, no time and no retries. How long it may take is the
//! checker's business: a step has `connect_timeout`, and each [`Step`] but [`Step::Wait`] begins a new one.

pub(crate) mod bfd;
mod dns;
pub(crate) mod file;
pub(crate) mod http;
pub(crate) mod misc;
mod ping;
mod reason;
mod smtp;
mod tcp;
mod udp;

use parser::config::checker::{Connection, Probe};

use crate::action::Transport;
use crate::chance::Chance;
use crate::patterns::Patterns;
pub use reason::Reason;

/// What a probe wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing that matters came; the time limit stands.
    Wait,
    /// More is to come.
    Continue,
    /// These bytes are to be sent.
    Send(Vec<u8>),
    /// It is known how the real server is.
    Done(Verdict),
}

/// How the real server is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad(Reason),
}

impl Step {
    /// The check failed.
    pub(crate) fn bad(reason: Reason) -> Self {
        Self::Done(Verdict::Bad(reason))
    }
}

/// A conversation.
#[derive(Debug)]
pub(crate) enum Talk {
    /// `TCP_CHECK`.
    Tcp,
    /// `HTTP_GET`, `SSL_GET`.
    Http(Box<http::Talk>),
    /// `SMTP_CHECK`.
    Smtp(Box<smtp::Talk>),
    /// `DNS_CHECK`.
    Dns(dns::Talk),
    /// `UDP_CHECK`.
    Udp(udp::Talk),
    /// `PING_CHECK`.
    Ping(ping::Talk),
}

/// How a probe begins.
pub(crate) struct Beginning<'c> {
    /// What carries its bytes.
    pub(crate) transport: Transport,
    /// Where to.
    pub(crate) connection: &'c Connection,
    /// What it becomes.
    pub(crate) talk: Talk,
}

/// Begins a conversation; `None` for the kinds that have none. `turn` tells it from the ones before, `url` counts for
/// `HTTP_GET` only.
pub(crate) fn begin<'c>(
    probe: &'c Probe,
    url: usize,
    turn: u32,
    patterns: &Patterns,
    chance: &mut Chance,
) -> Option<Beginning<'c>> {
    let (transport, connection, talk) = match probe {
        Probe::Tcp(connection) => (Transport::Tcp, connection, Talk::Tcp),
        Probe::Http(http) => {
            let url = http.urls.get(url)?;
            let talk = Talk::Http(Box::new(http::Talk::new(url, patterns)));
            (http::transport(http, url), &http.connection, talk)
        }
        Probe::Smtp(smtp) => (Transport::Tcp, &smtp.connection, Talk::Smtp(Box::default())),
        Probe::Dns(dns) => (Transport::Udp, &dns.connection, Talk::Dns(dns::Talk::new(chance))),
        Probe::Udp(udp) => (
            Transport::Udp,
            &udp.connection,
            Talk::Udp(udp::Talk::new(udp, chance)),
        ),
        Probe::Ping(connection) => (
            Transport::Icmp,
            connection,
            Talk::Ping(ping::Talk::new(connection, turn)),
        ),
        Probe::Misc(_) | Probe::File(_) | Probe::Bfd(_) => return None,
    };
    Some(Beginning {
        transport,
        connection,
        talk,
    })
}

/// A step took too long; `opened` says whether the way was open.
pub(crate) fn timed_out(probe: &Probe, opened: bool) -> Step {
    match probe {
        // Silence is what a datagram that nobody refuses gets.
        Probe::Udp(udp) if opened && udp.reply.is_none() => Step::Done(Verdict::Good),
        _ if opened => Step::bad(Reason::ReadTimeout),
        _ => Step::bad(Reason::ConnectTimeout),
    }
}

impl Talk {
    /// The way to the real server is open.
    pub(crate) fn opened(&mut self, probe: &Probe, url: usize) -> Step {
        match (self, probe) {
            (Self::Http(_), Probe::Http(http)) => http::opened(http, url),
            (Self::Dns(talk), Probe::Dns(dns)) => Step::Send(talk.query(dns)),
            (Self::Udp(talk), Probe::Udp(_)) => Step::Send(talk.payload()),
            (Self::Ping(talk), Probe::Ping(_)) => Step::Send(talk.echo()),
            (Self::Smtp(_), Probe::Smtp(_)) => Step::Continue,
            _ => tcp::opened(),
        }
    }

    /// Bytes came.
    pub(crate) fn received(&mut self, probe: &Probe, url: usize, bytes: &[u8]) -> Step {
        match (self, probe) {
            (Self::Http(talk), Probe::Http(http)) => http
                .urls
                .get(url)
                .map_or(Step::Wait, |url| talk.received(url, bytes)),
            (Self::Smtp(talk), Probe::Smtp(smtp)) => talk.received(smtp, bytes),
            (Self::Dns(talk), _) => talk.received(bytes),
            (Self::Udp(_), Probe::Udp(udp)) => udp::received(udp, bytes),
            (Self::Ping(talk), _) => talk.received(bytes),
            _ => Step::Wait,
        }
    }

    /// The real server will send no more. A page ends so; everything else is cut short by it.
    pub(crate) fn closed(&mut self, probe: &Probe, url: usize) -> Step {
        match (self, probe) {
            (Self::Http(talk), Probe::Http(http)) => {
                http.urls.get(url).map_or(Step::Wait, |url| talk.closed(url))
            }
            _ => Step::bad(Reason::Closed),
        }
    }

    /// A page's head and body did not have the lengths that the head said: said, received.
    pub(crate) fn length_mismatch(&self) -> Option<(u64, u64)> {
        match self {
            Self::Http(talk) => talk.length_mismatch(),
            Self::Tcp | Self::Smtp(_) | Self::Dns(_) | Self::Udp(_) | Self::Ping(_) => None,
        }
    }
}
