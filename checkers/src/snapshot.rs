//! The state that a successor process on the same machine needs to go on: versioned text. What is foreign or damaged is
//! worth nothing, and is never half believed.
//!
//! ```text
//! holdfast-checkers 1 5
//! service [10.0.0.1]:tcp:80 up
//! server 10.0.0.2 80
//! checker TCP_CHECK up ran 0
//! drain 10.0.0.3 80 81000000000
//! mark web tcp 1000
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroU32;

use clockwork::{Instant, text};
use parser::config::virtual_server::Protocol;

use crate::engine::Engine;
use crate::label;
use crate::table::Draining;

const MAGIC: &str = "holdfast-checkers 1";

/// What a predecessor left.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// There was a predecessor.
    pub(crate) is_sound: bool,
    /// By label; several of one label in their order.
    pub(crate) services: BTreeMap<String, VecDeque<SavedService>>,
    pub(crate) marks: Vec<(String, Protocol, NonZeroU32)>,
}

/// What a predecessor left of a virtual server.
#[derive(Debug, Default)]
pub(crate) struct SavedService {
    pub(crate) quorum_up: bool,
    pub(crate) servers: BTreeMap<(IpAddr, u16), Vec<SavedChecker>>,
    /// What was removed and drained, and until when.
    pub(crate) draining: Vec<(Draining, Instant)>,
}

/// What a predecessor left of a checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedChecker {
    /// Its block's keyword.
    pub(crate) keyword: String,
    pub(crate) up: bool,
    pub(crate) has_run: bool,
    pub(crate) contribution: i64,
}

impl Engine {
    /// The state that a successor needs to go on (versioned text).
    pub fn snapshot(&self) -> String {
        let mut lines = String::new();
        let mut count = 0_usize;
        for id in self.services() {
            let service = &self.services[id.0 as usize];
            let label = text::escape(&self.service_label(id));
            let _ = writeln!(lines, "service {label} {}", up_word(service.quorum_up));
            count += 1;
            for server in &service.servers {
                let server = &self.servers[server.0 as usize];
                let real = self.real(server);
                let _ = writeln!(lines, "server {} {}", real.address, real.port);
                count += 1 + server.checkers.len();
                for id in &server.checkers {
                    let checker = &self.checkers[id.0 as usize];
                    let _ = writeln!(
                        lines,
                        "checker {} {} {} {}",
                        self.checker_config(*id).probe.keyword(),
                        up_word(checker.up),
                        if checker.has_run { "ran" } else { "new" },
                        checker.contribution
                    );
                }
            }
            for (server, drain) in self.drains.of(id) {
                let Draining { address, port } = server;
                let _ = writeln!(lines, "drain {address} {port} {}", drain.until.nanos);
                count += 1;
            }
        }
        for (group, protocol, mark) in self.marks.words() {
            let _ = writeln!(lines, "mark {} {protocol} {mark}", text::escape(group));
            count += 1;
        }
        format!("{MAGIC} {count}\n{lines}")
    }
}

impl Snapshot {
    /// Reads what [`Engine::snapshot`] wrote; anything else is a start from nothing.
    pub(crate) fn read(text: &str) -> Self {
        Self::try_read(text).unwrap_or_default()
    }

    fn try_read(text: &str) -> Option<Self> {
        let (head, body) = text.strip_prefix(MAGIC)?.split_once('\n')?;
        let count: usize = head.strip_prefix(' ')?.parse().ok()?;
        if body.lines().count() != count || !(body.is_empty() || body.ends_with('\n')) {
            return None;
        }
        let mut snapshot = Self {
            is_sound: true,
            ..Self::default()
        };
        let mut service = String::new();
        let mut server = None;
        for line in body.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words {
                ["service", label, quorum] => {
                    service = text::unescape(label)?;
                    server = None;
                    snapshot
                        .services
                        .entry(service.clone())
                        .or_default()
                        .push_back(SavedService {
                            quorum_up: read_up(quorum)?,
                            servers: BTreeMap::new(),
                            draining: Vec::new(),
                        });
                }
                ["server", address, port] => {
                    let key = (address.parse().ok()?, port.parse().ok()?);
                    server = Some(key);
                    snapshot.last_of(&service)?.servers.insert(key, Vec::new());
                }
                ["checker", keyword, up, ran, contribution] => {
                    let checkers = snapshot.last_of(&service)?.servers.get_mut(&server?)?;
                    checkers.push(SavedChecker {
                        keyword: keyword.to_owned(),
                        up: read_up(up)?,
                        has_run: match ran {
                            "ran" => true,
                            "new" => false,
                            _ => return None,
                        },
                        contribution: contribution.parse().ok()?,
                    });
                }
                ["drain", address, port, nanos] => {
                    let drained = Draining::of(address.parse().ok()?, port.parse().ok()?);
                    let until = Instant {
                        nanos: nanos.parse().ok()?,
                    };
                    snapshot.last_of(&service)?.draining.push((drained, until));
                }
                ["mark", group, protocol, mark] => {
                    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
                        .into_iter()
                        .find(|known| label::word(*known) == protocol)?;
                    snapshot
                        .marks
                        .push((text::unescape(group)?, protocol, mark.parse().ok()?));
                }
                _ => return None,
            }
        }
        Some(snapshot)
    }

    fn last_of(&mut self, service: &str) -> Option<&mut SavedService> {
        self.services.get_mut(service)?.back_mut()
    }

    /// What was left of a virtual server; each once.
    pub(crate) fn take(&mut self, label: &str) -> Option<SavedService> {
        self.services.get_mut(label)?.pop_front()
    }
}

fn up_word(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

fn read_up(word: &str) -> Option<bool> {
    match word {
        "up" => Some(true),
        "down" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "holdfast-checkers 1 5\nservice [10.0.0.1]:tcp:80 down\nserver 10.0.0.2 80\n\
                         checker TCP_CHECK down ran -7\ndrain 10.0.0.3 80 81000000000\nmark web tcp 1000\n";

    #[test]
    fn a_sound_text_is_read() {
        let mut snapshot = Snapshot::read(SOUND);
        let service = snapshot.take("[10.0.0.1]:tcp:80").unwrap();
        assert!(!service.quorum_up);
        let checkers = &service.servers[&("10.0.0.2".parse().unwrap(), 80)];
        assert_eq!(
            checkers[0],
            SavedChecker {
                keyword: "TCP_CHECK".to_owned(),
                up: false,
                has_run: true,
                contribution: -7
            }
        );
        let until = Instant {
            nanos: 81_000_000_000,
        };
        assert_eq!(
            service.draining,
            [(Draining::of("10.0.0.3".parse().unwrap(), 80), until)]
        );
        assert_eq!(snapshot.marks[0].2.get(), 1000);
        assert!(snapshot.take("[10.0.0.1]:tcp:80").is_none());
    }

    #[test]
    fn a_damaged_text_is_worth_nothing() {
        let damaged = [
            SOUND.replace("checkers 1", "checkers 2"),
            SOUND.replace("1 5\n", "1 6\n"),
            SOUND.replace("80 down", "80 Down"),
            SOUND.replace(" ran ", " walked "),
            SOUND.replace("-7", "x"),
            SOUND.replace("81000000000", "-1"),
            SOUND.replace("10.0.0.2 80", "10.0.0.2 80000"),
            SOUND.replace("tcp 1000", "icmp 1000"),
            SOUND.replace("tcp 1000", "tcp 0"),
            SOUND.replace("server 10", "servers 10"),
        ];
        for text in damaged {
            assert!(!Snapshot::read(&text).is_sound, "{text}");
        }
        for len in 0..SOUND.len() {
            assert!(!Snapshot::read(&SOUND[..len]).is_sound, "cut at {len}");
        }
    }
}
