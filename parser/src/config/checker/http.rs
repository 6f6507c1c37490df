//! `HTTP_GET` and `SSL_GET`: pages come as they should.

use std::net::IpAddr;

use super::{Common, Connection, Heritage, Pool, Url, all, connection, push, set, url};
use crate::config::pace;
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line, Word};

/// `HTTP_GET` or `SSL_GET`: one url in each `delay_loop`, all of them before the real server is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where it connects to.
    pub connection: Connection,
    /// `SSL_GET`; `None` for `HTTP_GET`.
    pub tls: Option<Tls>,
    /// `http_protocol`.
    pub protocol: HttpProtocol,
    /// `fast_recovery`: while coming up, the next url follows at once.
    pub fast_recovery: bool,
    /// `url`, never empty. Their hosts and names are settled.
    pub urls: Box<[Url]>,
}

/// What an `SSL_GET` says of TLS; names are in its [`Url`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `enable_sni` or `sni_name`: the name of each url is sent.
    pub sni: bool,
}

/// `http_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpProtocol {
    /// `1.0`, the default.
    #[default]
    Http10,
    /// `1.0C`: 1.0 with `Connection: close`.
    Http10Close,
    /// `1.1`, with `Connection: close`.
    Http11,
}

const OWN: [&str; 7] = [
    "nb_get_retry",
    "virtualhost",
    "http_protocol",
    "enable_sni",
    "sni_name",
    "fast_recovery",
    "url",
];

/// The keywords of `HTTP_GET`.
pub(in crate::config) const HTTP: [&str; 20] = all(&[&OWN, &connection::KEYWORDS]);

/// The keywords of `SSL_GET`.
pub(in crate::config) const SSL: [&str; 21] = all(&[&OWN, &["tls_compliant"], &connection::KEYWORDS]);

/// What the block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    connection: connection::Draft,
    is_tls: bool,
    virtualhost: Option<&'t str>,
    protocol: Option<HttpProtocol>,
    enable_sni: Option<bool>,
    sni_name: Option<&'t str>,
    fast_recovery: Option<bool>,
    tls_compliant: Option<bool>,
    urls: Vec<url::Draft<'t>>,
}

/// Reads an `HTTP_GET` or `SSL_GET` block.
pub(super) fn parse<'t>(
    block: Block<'t>,
    server: IpAddr,
    common: &mut Common,
    report: &mut Report,
) -> Option<Draft<'t>> {
    let mut draft = Draft {
        connection: connection::Draft::default(),
        is_tls: block.keyword() == "SSL_GET",
        virtualhost: None,
        protocol: None,
        enable_sni: None,
        sni_name: None,
        fast_recovery: None,
        tls_compliant: None,
        urls: Vec::new(),
    };
    for line in block.lines() {
        if !draft.read(line, common, report) && !draft.connection.read(line, server, common, report) {
            let known: &[_] = if draft.is_tls { &SSL } else { &HTTP };
            report.unknown_keyword(line, known);
        }
    }
    if draft.urls.is_empty() {
        report.add(block.head.at(), LvsReason::NoUrl.into());
        return None;
    }
    draft.connection.can_work(block, server, report).then_some(draft)
}

impl<'t> Draft<'t> {
    fn read(&mut self, line: Line<'t>, common: &mut Common, report: &mut Report) -> bool {
        match line.keyword() {
            "url" => {
                if let Some(url) = url::parse(line.block(), self.is_tls, report) {
                    push(&mut self.urls, url);
                }
            }
            "virtualhost" => {
                report.keep_last(line, &mut self.virtualhost, |line, report| {
                    line.value(report).map(Word::text)
                });
            }
            "http_protocol" => {
                let protocol = line
                    .value(report)
                    .and_then(|word| word.one_of("http_protocol", &PROTOCOLS, report));
                set(&mut self.protocol, protocol);
            }
            "enable_sni" => set(&mut self.enable_sni, line.boolean(report)),
            "sni_name" => {
                line.no_block(report);
                self.enable_sni = Some(true);
                set(&mut self.sni_name, line.words().next().map(Word::text));
            }
            "fast_recovery" => set(&mut self.fast_recovery, line.boolean(report)),
            "tls_compliant" if self.is_tls => set(&mut self.tls_compliant, line.boolean(report)),
            "nb_get_retry" => {
                report.deprecated(line, "retry");
                let retry = line.number(0..=u32::MAX, report);
                pace::Draft::set_retry(&mut common.pace, retry);
            }
            _ => return false,
        }
        true
    }

    /// Settles the hosts and names of the urls.
    pub(super) fn resolve(
        self,
        block: Block<'_>,
        heritage: &Heritage<'_, '_>,
        pool: &mut Pool,
        report: &mut Report,
    ) -> Http {
        let sni = self.enable_sni.unwrap_or(false);
        let defaults = url::Defaults {
            host: self.virtualhost.or(heritage.real_host).or(heritage.virtual_host),
            sni: (self.is_tls && sni).then_some(url::Sni {
                name: self.sni_name,
                // The virtualhost of the real server does not count here, as in keepalived.
                host: self.virtualhost.or(heritage.virtual_host),
            }),
            tls_compliant: self.tls_compliant.unwrap_or(false),
        };
        Http {
            connection: self.connection.resolve(block, heritage, report),
            tls: self.is_tls.then_some(Tls { sni }),
            protocol: self.protocol.unwrap_or_default(),
            fast_recovery: self.fast_recovery.unwrap_or(false),
            urls: self
                .urls
                .into_iter()
                .map(|url| url.resolve(&defaults, pool))
                .collect(),
        }
    }
}

const PROTOCOLS: [(&str, HttpProtocol); 4] = [
    ("1.0", HttpProtocol::Http10),
    ("1.0C", HttpProtocol::Http10Close),
    ("1.0c", HttpProtocol::Http10Close),
    ("1.1", HttpProtocol::Http11),
];
