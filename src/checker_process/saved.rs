//! What a successor process needs to go on where this one is: what it wrote and changed, then the engine's own text.
//!
//! ```text
//! holdfast-lvs 1 4
//! key 6 192.0.2.1 80
//! mark 7 4
//! timeouts 900 120 300
//! ping_group_range 1 0
//! holdfast-checkers 1 ...
//! ```
//!
//! What is foreign or damaged is worth nothing, and is never half believed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use ipvs::{Family, ServiceKey, Timeouts};

use super::service_wide::Originals;

const MAGIC: &str = "holdfast-lvs 1 ";

/// What a predecessor left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// The services that it wrote.
    pub(super) keys: BTreeSet<ServiceKey>,
    /// What it found beside the table.
    pub(super) originals: Originals,
    /// `net.ipv4.ping_group_range` before it was widened.
    pub(super) ping_range: Option<String>,
    /// For the engine.
    pub(super) engine: String,
}

impl Saved {
    /// Reads what [`Saved::write`] wrote; anything else is a start from nothing.
    pub(super) fn read(text: &str) -> Self {
        Self::try_read(text).unwrap_or_default()
    }

    /// The text.
    pub(super) fn write(&self) -> String {
        let mut lines = String::new();
        for key in &self.keys {
            let _ = match *key {
                ServiceKey::Address {
                    address,
                    port,
                    protocol,
                } => writeln!(lines, "key {protocol} {address} {port}"),
                ServiceKey::Fwmark { mark, family } => writeln!(lines, "mark {mark} {}", digit(family)),
            };
        }
        if let Some(timeouts) = &self.originals.timeouts {
            let seconds = [timeouts.tcp, timeouts.tcp_fin, timeouts.udp].map(|it| it.as_secs());
            let [tcp, tcp_fin, udp] = seconds;
            let _ = writeln!(lines, "timeouts {tcp} {tcp_fin} {udp}");
        }
        if self.originals.has_daemons {
            lines.push_str("daemons\n");
        }
        if let Some(range) = &self.ping_range {
            let _ = writeln!(lines, "ping_group_range {range}");
        }
        format!("{MAGIC}{}\n{lines}{}", lines.lines().count(), self.engine)
    }

    fn try_read(text: &str) -> Option<Self> {
        let (count, mut rest) = text.strip_prefix(MAGIC)?.split_once('\n')?;
        let mut saved = Self::default();
        for _ in 0..count.parse::<u32>().ok()? {
            let line;
            (line, rest) = rest.split_once('\n')?;
            saved.take(line)?;
        }
        rest.clone_into(&mut saved.engine);
        Some(saved)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match *words {
            ["key", protocol, address, port] => {
                self.keys.insert(ServiceKey::Address {
                    address: address.parse().ok()?,
                    port: port.parse().ok()?,
                    protocol: protocol.parse().ok()?,
                });
            }
            ["mark", mark, family] => {
                self.keys.insert(ServiceKey::Fwmark {
                    mark: mark.parse().ok()?,
                    family: match family {
                        "4" => Family::Ipv4,
                        "6" => Family::Ipv6,
                        _ => return None,
                    },
                });
            }
            ["timeouts", tcp, tcp_fin, udp] => {
                let seconds = |word: &str| word.parse().ok().map(Duration::from_secs);
                self.originals.timeouts = Some(Timeouts {
                    tcp: seconds(tcp)?,
                    tcp_fin: seconds(tcp_fin)?,
                    udp: seconds(udp)?,
                });
            }
            ["daemons"] => self.originals.has_daemons = true,
            ["ping_group_range", lowest, highest] => {
                self.ping_range = Some(format!("{lowest} {highest}"));
            }
            _ => return None,
        }
        Some(())
    }
}

fn digit(family: Family) -> char {
    match family {
        Family::Ipv4 => '4',
        Family::Ipv6 => '6',
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn full() -> Saved {
        Saved {
            keys: BTreeSet::from([
                ServiceKey::Address {
                    address: "192.0.2.1".parse().unwrap(),
                    port: 80,
                    protocol: 6,
                },
                ServiceKey::Address {
                    address: "2001:db8::1".parse().unwrap(),
                    port: 0,
                    protocol: 17,
                },
                ServiceKey::Fwmark {
                    mark: NonZeroU32::MAX,
                    family: Family::Ipv6,
                },
            ]),
            originals: Originals {
                timeouts: Some(Timeouts {
                    tcp: Duration::from_mins(15),
                    tcp_fin: Duration::from_mins(2),
                    udp: Duration::ZERO,
                }),
                has_daemons: true,
            },
            ping_range: Some("1 0".to_owned()),
            engine: "holdfast-checkers 1 0\n".to_owned(),
        }
    }

    #[test]
    fn what_is_saved_is_read_again() {
        for saved in [full(), Saved::default()] {
            assert_eq!(Saved::read(&saved.write()), saved);
        }
    }

    #[test]
    fn what_is_damaged_is_not_half_believed() {
        let text = full().write();
        let (head, _) = text.split_at(text.find("ping").unwrap());
        for damaged in ["", "holdfast-lvs 2 0\n", head, &text.replace("mark", "marc")] {
            assert_eq!(Saved::read(damaged), Saved::default(), "{damaged}");
        }
    }
}
