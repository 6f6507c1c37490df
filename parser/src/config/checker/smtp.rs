//! `SMTP_CHECK`: a mail server greets.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Common, Connection, Heritage, Pool, all, connection, set};
use crate::config::pace;
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Word};

/// `SMTP_CHECK`, or one `host` of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// Where it connects to.
    pub connection: Connection,
    /// `helo_name`; `smtpchecker.keepalived.org` by default.
    pub helo_name: Arc<str>,
}

/// The keywords of the block.
pub(in crate::config) const KEYWORDS: [&str; 15] = all(&[&["helo_name", "host"], &connection::KEYWORDS]);

/// What the block says, or one `host` of it.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    connection: connection::Draft,
    helo_name: Option<&'t str>,
}

/// Reads an `SMTP_CHECK` block: one checker for the block, unless it has hosts and says nothing of its own connection,
/// and one for each `host`.
pub(super) fn parse<'t>(
    block: Block<'t>,
    server: IpAddr,
    mut common: Common,
    report: &mut Report,
) -> Vec<(Block<'t>, Common, Draft<'t>)> {
    let mut connection = connection::Draft::default();
    let mut helo_name = None;
    let mut hosts = Vec::new();
    for line in block.lines() {
        match line.keyword() {
            "helo_name" => set(&mut helo_name, line.value(report).map(Word::text)),
            "host" => {
                report.add(line.keyword_word().at(), LvsReason::SmtpHost.into());
                let mut own = Common::default();
                let connection = connection::parse(line.block(), server, &mut own, report);
                hosts.extend(connection.map(|connection| (line.block(), own, connection)));
            }
            _ if connection.read(line, server, &mut common, report) => {}
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    let wanted = connection.is_written() || hosts.is_empty();
    let own = wanted && connection.can_work(block, server, report);
    let own = own.then(|| (block, common.clone(), connection));
    let hosts = hosts
        .into_iter()
        .map(|(block, host, connection)| (block, common.with(host), connection));
    own.into_iter()
        .chain(hosts)
        .map(|(block, common, connection)| {
            (
                block,
                common,
                Draft {
                    connection,
                    helo_name,
                },
            )
        })
        .collect()
}

impl Draft<'_> {
    /// Gives the defaults.
    pub(super) fn resolve(
        self,
        block: Block<'_>,
        heritage: &Heritage<'_, '_>,
        pool: &mut Pool,
        report: &mut Report,
    ) -> Smtp {
        Smtp {
            connection: self.connection.resolve(block, heritage, report),
            helo_name: pool
                .texts
                .get(self.helo_name.unwrap_or("smtpchecker.keepalived.org")),
        }
    }
}

impl Common {
    /// What holds for a `host` in a block that says this.
    fn with(&self, host: Self) -> Self {
        Self {
            pace: pace::Draft::over(self.pace.as_deref(), host.pace),
            alpha: host.alpha.or(self.alpha),
            log_all_failures: host.log_all_failures.or(self.log_all_failures),
        }
    }
}
