//! `url`: one page of an `HTTP_GET` or `SSL_GET`, and what it must look like.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Pool, Regex, all, push, regex, set};
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line, Word};

/// One page and what it must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `path`.
    pub path: Box<str>,
    /// `Host` header: `virtualhost` of the url, else the checker, the real server, the virtual server. `None` means the
    /// address and port that are connected to.
    pub host: Option<Arc<str>>,
    /// Server name in the TLS handshake: `sni_name`, else `virtualhost` of the url, the checker, the virtual server.
    /// `None` means that none is sent.
    pub server_name: Option<Arc<str>>,
    /// `tls_compliant` here or in the checker: the connection is closed with `close_notify`.
    pub tls_compliant: bool,
    /// `status_code`: what is accepted, 100 to 599; 200 to 299 by default. Never empty.
    pub status: Arc<[RangeInclusive<u16>]>,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `regex` and its settings.
    pub regex: Option<Box<Regex>>,
}

const OWN: [&str; 4] = ["path", "digest", "status_code", "virtualhost"];

/// The keywords of a url of `HTTP_GET`.
pub(in crate::config) const HTTP: [&str; 10] = all(&[&OWN, &regex::KEYWORDS]);

/// The keywords of a url of `SSL_GET`.
pub(in crate::config) const SSL: [&str; 11] = all(&[&OWN, &regex::KEYWORDS, &["tls_compliant"]]);

/// What a `url` block says.
#[derive(Debug, Default)]
pub(super) struct Draft<'t> {
    path: Option<&'t str>,
    digest: Option<[u8; 16]>,
    status: Vec<RangeInclusive<u16>>,
    virtualhost: Option<&'t str>,
    tls_compliant: Option<bool>,
    regex: Option<Box<regex::Draft>>,
}

/// Reads a `url` block. One without `path` is reported and dropped.
pub(super) fn parse<'t>(block: Block<'t>, is_tls: bool, report: &mut Report) -> Option<Draft<'t>> {
    let mut draft = Draft::default();
    for line in block.lines() {
        match line.keyword() {
            "path" => report.keep_last(line, &mut draft.path, Line::word),
            "digest" => report.keep_first(line, &mut draft.digest, digest),
            "status_code" => status(line, &mut draft.status, report),
            "virtualhost" => {
                report.keep_last(line, &mut draft.virtualhost, |line, report| {
                    line.value(report).map(Word::text)
                });
            }
            "tls_compliant" if is_tls => set(&mut draft.tls_compliant, line.boolean(report)),
            _ if regex::Draft::read(&mut draft.regex, line, report) => {}
            _ => report.unknown_keyword(line, if is_tls { &SSL } else { &HTTP }),
        }
    }
    if let Some(regex) = &draft.regex {
        regex.check(block, report);
    }
    report.require(block, "path", draft.path)?;
    Some(draft)
}

/// What a url has where it says nothing.
pub(super) struct Defaults<'a> {
    /// `Host` header.
    pub(super) host: Option<&'a str>,
    /// Server names, if they are sent.
    pub(super) sni: Option<Sni<'a>>,
    /// `tls_compliant` of the checker.
    pub(super) tls_compliant: bool,
}

/// Where server names come from.
pub(super) struct Sni<'a> {
    /// `sni_name`.
    pub(super) name: Option<&'a str>,
    /// The `virtualhost` that counts if neither that nor the url says anything.
    pub(super) host: Option<&'a str>,
}

impl Draft<'_> {
    /// Fills in the defaults.
    pub(super) fn resolve(self, defaults: &Defaults<'_>, pool: &mut Pool) -> Url {
        let server_name = defaults
            .sni
            .as_ref()
            .and_then(|sni| sni.name.or(self.virtualhost).or(sni.host));
        let host = self.virtualhost.or(defaults.host);
        let status: &[_] = if self.status.is_empty() {
            &[200..=299]
        } else {
            &self.status
        };
        Url {
            path: self.path.unwrap_or_default().into(),
            host: host.map(|host| pool.texts.get(host)),
            server_name: server_name.map(|name| pool.texts.get(name)),
            tls_compliant: self.tls_compliant.unwrap_or(defaults.tls_compliant),
            status: pool.statuses.get(status),
            digest: self.digest,
            regex: self.regex.and_then(|regex| regex.resolve(pool)).map(Box::new),
        }
    }
}

/// 32 hexadecimal digits.
fn digest(line: Line<'_>, report: &mut Report) -> Option<[u8; 16]> {
    let word = line.setting(report)?;
    let text = word.text();
    let digest = (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten();
    if digest.is_none() {
        report.add(word.at(), LvsReason::NotADigest { got: text.to_owned() }.into());
    }
    digest.map(u128::to_be_bytes)
}

/// `<N|N-M> [...]`. Several lines add up, and what is wrong is left out.
fn status(line: Line<'_>, status: &mut Vec<RangeInclusive<u16>>, report: &mut Report) {
    line.no_block(report);
    for word in line.words() {
        if let Some(range) = range(word) {
            push(status, range);
        } else {
            let got = word.text().to_owned();
            report.add(word.at(), LvsReason::NotAStatus { got }.into());
        }
    }
}

fn range(word: Word<'_>) -> Option<RangeInclusive<u16>> {
    let text = word.text();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|code| plain && (100..=599).contains(code))
    };
    let (first, last) = (code(first)?, code(last)?);
    (first <= last).then_some(first..=last)
}
