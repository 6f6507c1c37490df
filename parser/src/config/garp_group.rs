//! `garp_group`: how fast gratuitous ARP and neighbour advertisements leave through one or several interfaces.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Place;
use crate::report::{Reason, Report, VrrpReason};
use crate::tree::{Block, Line, Word};
use crate::value::number::Decimal;

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &["garp_interval", "gna_interval", "interface", "interfaces"];

/// One `garp_group` block.
#[derive(Clone, Debug, PartialEq)]
pub struct GarpGroup {
    /// `garp_interval` between gratuitous ARPs, to the microsecond. `None` leaves the limit of `global_defs`.
    pub garp_interval: Option<Duration>,
    /// `gna_interval` between unsolicited neighbour advertisements, to the microsecond.
    pub gna_interval: Option<Duration>,
    /// `interface` and `interfaces`, which share the limits. No other group has them.
    pub interfaces: Vec<String>,
    /// Where the block starts.
    pub place: Place,
}

/// What a `garp_group` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    garp_interval: Option<Duration>,
    gna_interval: Option<Duration>,
    interfaces: Vec<Word<'t>>,
}

/// Reads a `garp_group` block. keepalived passes over a name.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Draft<'t> {
    let mut draft = Draft {
        block,
        garp_interval: None,
        gna_interval: None,
        interfaces: Vec::new(),
    };
    for line in block.lines() {
        match line.keyword() {
            "garp_interval" => draft.garp_interval = interval(line, report).or(draft.garp_interval),
            "gna_interval" => draft.gna_interval = interval(line, report).or(draft.gna_interval),
            "interface" => draft.interfaces.extend(line.setting(report)),
            "interfaces" => draft.interfaces(line, report),
            _ => report.unknown_keyword(line, KEYWORDS),
        }
    }
    draft
}

const INTERVAL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_micros(u32::MAX as u64);

/// Seconds. One second and more is legal and seldom meant.
fn interval(line: Line<'_>, report: &mut Report) -> Option<Duration> {
    let word = line.setting(report)?;
    let interval = word.seconds(INTERVAL, Decimal::Micro, report)?;
    if interval >= Duration::from_secs(1) {
        let got = word.text().to_owned();
        report.add(word.at(), VrrpReason::LongInterval { got }.into());
    }
    Some(interval)
}

impl<'t> Draft<'t> {
    /// `interfaces { <IFNAME>... }`.
    fn interfaces(&mut self, block: Line<'t>, report: &mut Report) {
        let before = self.interfaces.len();
        for line in block.list(report) {
            line.no_block(report);
            self.interfaces.push(line.keyword_word());
            self.interfaces.extend(line.words());
        }
        if self.interfaces.len() == before {
            report.add(
                block.at(),
                Reason::EmptyBlock {
                    keyword: block.keyword().to_owned(),
                },
            );
        }
    }

    /// Checks the names; `taken` are those in groups already. A group without interval does nothing: it is reported and dropped.
    pub(super) fn resolve(self, taken: &mut HashSet<String>, report: &mut Report) -> Option<GarpGroup> {
        if self.garp_interval.is_none() && self.gna_interval.is_none() {
            report.add(self.block.head.at(), VrrpReason::NoInterval.into());
            return None;
        }
        let mut interfaces: Vec<String> = Vec::new();
        for word in self.interfaces {
            let Some(name) = word.interface(report) else {
                continue;
            };
            if taken.insert(name.clone()) {
                interfaces.push(name);
            } else {
                report.add(word.at(), VrrpReason::InterfaceInGroup { name }.into());
            }
        }
        Some(GarpGroup {
            garp_interval: self.garp_interval,
            gna_interval: self.gna_interval,
            interfaces,
            place: self.block.head.place(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{good, read, says};

    #[test]
    fn interfaces_share_the_limits_of_their_group() {
        let text =
            "garp_group {\ngarp_interval 0.5\ngna_interval 0\ninterface a\ninterfaces {\nb c\nd\n}\n}\n";
        let group = good(text).garp_groups.remove(0);
        assert_eq!(group.garp_interval, Some(Duration::from_millis(500)));
        assert_eq!(group.gna_interval, Some(Duration::ZERO));
        assert_eq!(group.interfaces, ["a", "b", "c", "d"]);
    }

    #[test]
    fn mistakes_in_lines() {
        says(
            "garp_group",
            "garp_interval 0.1",
            &[
                ("garp_interval -1", &["`-1` is not a number"]),
                ("garp_interval", &["`garp_interval` needs a value"]),
                ("gna_interval 4294.967296", &["`4294.967296` is out of range"]),
                ("gna_interval 4294.967295", &["`4294.967295` is a long interval"]),
                (
                    "gna_interval 0.0000001",
                    &["`0.0000001` has too many decimal places"],
                ),
                ("interface", &["`interface` needs a value"]),
                ("interfaces {\n}", &["`interfaces` is empty"]),
                ("interfaces x {\na\n}", &["`interfaces` has no name"]),
                (
                    "interfaces {\na\na\n}",
                    &["interface `a` is already in a garp_group"],
                ),
                ("foo", &["unknown keyword `foo` in `garp_group`"]),
            ],
        );
    }

    #[test]
    fn a_group_needs_an_interval_and_an_interface_one_group() {
        let (config, titles) = read("garp_group {\ninterface a\n}\n");
        assert_eq!(
            (config.garp_groups.len(), titles),
            (0, vec!["the group has no interval".to_owned()])
        );
        let group = "garp_group {\ngarp_interval 0.1\ninterface a\n}\n";
        let (config, titles) = read(&group.repeat(2));
        assert_eq!(config.garp_groups[1].interfaces, Vec::<String>::new());
        assert_eq!(titles, ["interface `a` is already in a garp_group"]);
    }
}
