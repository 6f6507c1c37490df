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

/// What the block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    connection: connection::Draft,
    helo_name: Option<&'t str>,
    hosts: Vec<(Block<'t>, connection::Draft, Common)>,
}

/// Reads an `SMTP_CHECK` block.
pub(super) fn parse<'t>(
    block: Block<'t>,
    server: IpAddr,
    common: &mut Common,
    report: &mut Report,
) -> Option<Draft<'t>> {
    let mut draft = Draft {
        connection: connection::Draft::default(),
        helo_name: None,
        hosts: Vec::new(),
    };
    for line in block.lines() {
        match line.keyword() {
            "helo_name" => set(&mut draft.helo_name, line.value(report).map(Word::text)),
            "host" => {
                report.add(line.keyword_word().at(), LvsReason::SmtpHost.into());
                let mut own = Common::default();
                let connection = connection::parse(line.block(), server, &mut own, report);
                draft
                    .hosts
                    .extend(connection.map(|connection| (line.block(), connection, own)));
            }
            _ if draft.connection.read(line, server, common, report) => {}
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    draft.connection.can_work(block, server, report).then_some(draft)
}

impl<'t> Draft<'t> {
    /// One checker for the block, unless it says nothing of its connection and has hosts, and one for each `host`.
    pub(super) fn resolve(
        self,
        block: Block<'t>,
        common: &Common,
        heritage: &Heritage<'_, '_>,
        pool: &mut Pool,
        report: &mut Report,
    ) -> Vec<(Block<'t>, Common, Smtp)> {
        let helo_name = pool
            .texts
            .get(self.helo_name.unwrap_or("smtpchecker.keepalived.org"));
        let own = self.connection.is_written() || self.hosts.is_empty();
        let own = own.then(|| (block, self.connection, common.clone()));
        let hosts = self
            .hosts
            .into_iter()
            .map(|(block, connection, host)| (block, connection, common.with(host)));
        own.into_iter()
            .chain(hosts)
            .map(|(block, connection, common)| {
                let connection = connection.resolve(block, heritage, report);
                (
                    block,
                    common,
                    Smtp {
                        connection,
                        helo_name: Arc::clone(&helo_name),
                    },
                )
            })
            .collect()
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
