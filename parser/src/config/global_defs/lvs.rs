//! `lvs_timeouts`, `lvs_flush_on_stop` and `lvs_sync_daemon`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::report::{Reason, Report};
use crate::tree::{Line, Word};

/// `lvs_timeouts`: connection timeouts of IPVS. `None` leaves the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LvsTimeouts {
    /// `tcp`, 0 to 31 days.
    pub tcp: Option<Duration>,
    /// `tcpfin`, 0 to 31 days.
    pub tcpfin: Option<Duration>,
    /// `udp`, 0 to 31 days.
    pub udp: Option<Duration>,
}

impl LvsTimeouts {
    pub(super) fn read(&mut self, line: Line<'_>, report: &mut Report) {
        if line.setting(report).is_none() {
            return;
        }
        let mut words = line.words();
        while let Some(word) = words.next() {
            let timeout = match word.text() {
                "tcp" => &mut self.tcp,
                "tcpfin" => &mut self.tcpfin,
                "udp" => &mut self.udp,
                _ => {
                    report.unknown_option(word, line.keyword(), &["tcp", "tcpfin", "udp"]);
                    return;
                }
            };
            let seconds = report
                .option_value(word, words.next())
                .and_then(|value| value.number(0..=2_678_400, report));
            *timeout = seconds.map(|seconds: u32| Duration::from_secs(seconds.into()));
        }
    }
}

/// `lvs_flush_on_stop [VS]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LvsFlushOnStop {
    /// Services and their servers are removed one by one.
    No,
    /// Only services are removed, the kernel drops their servers.
    Services,
    /// The whole table is emptied.
    All,
}

impl LvsFlushOnStop {
    pub(super) fn read(line: Line<'_>, report: &mut Report) -> Self {
        line.no_block(report);
        match line.words().next() {
            None => Self::All,
            Some(word) if word.text() == "VS" => Self::Services,
            Some(word) => {
                report.unknown_option(word, line.keyword(), &["VS"]);
                Self::No
            }
        }
    }
}

/// `lvs_sync_daemon`: the kernel's connection synchronisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LvsSyncDaemon {
    /// Where it sends and hears.
    pub interface: String,
    /// The instance whose state it follows; `None` means master and backup daemon both run.
    pub vrrp_instance: Option<String>,
    /// `id`, 0 to 255. `None` means the instance's VRID, 0 without an instance.
    pub id: Option<u8>,
    /// `maxlen`, 1 to 65507 bytes. `None` means the kernel's default.
    pub maxlen: Option<u16>,
    /// `port`; 8848 by default.
    pub port: u16,
    /// `ttl`, 1 to 255. `None` means the kernel's default.
    pub ttl: Option<u8>,
    /// `group`; 224.0.0.81 by default.
    pub group: IpAddr,
}

const SYNC_OPTIONS: &[&str] = &["inst", "id", "maxlen", "port", "ttl", "group"];

impl LvsSyncDaemon {
    /// On this interface, with all defaults.
    pub fn new(interface: &str) -> Self {
        Self {
            interface: interface.to_owned(),
            vrrp_instance: None,
            id: None,
            maxlen: None,
            port: 8848,
            ttl: None,
            group: Ipv4Addr::new(224, 0, 0, 81).into(),
        }
    }

    pub(super) fn read(line: Line<'_>, report: &mut Report) -> Option<Self> {
        let interface = line.setting(report)?;
        let mut daemon = Self::new(interface.text());
        let mut words = line.words().skip(1).peekable();
        // The old form: <IF> <INSTANCE> [<ID>].
        if let Some(instance) = words.next_if(|word| !SYNC_OPTIONS.contains(&word.text())) {
            daemon.vrrp_instance = Some(instance.text().to_owned());
            if let Some(id) = words.next_if(|word| !SYNC_OPTIONS.contains(&word.text())) {
                report.add(id.at(), Reason::BarePosition { keyword: "id" });
                daemon.id = id.number(0..=255, report);
            }
        }
        while let Some(word) = words.next() {
            daemon.option(word, &mut words, line, report);
        }
        Some(daemon)
    }

    fn option<'t>(
        &mut self,
        word: Word<'t>,
        words: &mut impl Iterator<Item = Word<'t>>,
        line: Line<'t>,
        report: &mut Report,
    ) {
        if !SYNC_OPTIONS.contains(&word.text()) {
            return report.unknown_option(word, line.keyword(), SYNC_OPTIONS);
        }
        let Some(value) = words.next() else {
            let option = word.text().to_owned();
            // Of these keepalived ends for want of the instance only.
            let reason = if option == "inst" {
                Reason::MissingParameter { keyword: option }
            } else {
                Reason::OptionWithoutValue { option }
            };
            return report.add(word.at(), reason);
        };
        match word.text() {
            "inst" => self.vrrp_instance = Some(value.text().to_owned()),
            "id" => self.id = value.number(0..=255, report),
            "maxlen" => self.maxlen = value.number(1..=65507, report),
            "port" => self.port = value.number(1..=65535, report).unwrap_or(self.port),
            "ttl" => self.ttl = value.number(1..=255, report),
            _ => self.group = value.multicast(report).unwrap_or(self.group),
        }
    }
}
