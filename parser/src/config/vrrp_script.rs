//! `vrrp_script`: a command whose exit status moves the priority of the instances that track it.

use std::time::Duration;

use crate::Place;
use crate::config::script::{RunAs, Script};
use crate::config::tracked::{Limit, Trackable, Weight};
use crate::report::{Reason, Report};
use crate::tree::{Block, Line};
use crate::value::number::Decimal;

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &[
    "script",
    "interval",
    "timeout",
    "weight",
    "rise",
    "fall",
    "user",
    "init_fail",
];

/// One `vrrp_script` block, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct VrrpScript {
    /// The word after `vrrp_script`; unique.
    pub name: String,
    /// `script`.
    pub script: Script,
    /// `interval` between the starts of two runs; 1 s by default, milliseconds at the finest.
    pub interval: Duration,
    /// `timeout` of one run; the interval by default.
    pub timeout: Duration,
    /// `weight`, -253 to 253; 0 means that failure is a fault. Default for those who track it.
    pub weight: i16,
    /// `weight N reverse`.
    pub reverse: bool,
    /// `rise`: successes in a row before it counts as good; at least 1.
    pub rise: u32,
    /// `fall`: failures in a row before it counts as bad; at least 1.
    pub fall: u32,
    /// `init_fail`: bad until it has succeeded `rise` times.
    pub init_fail: bool,
    /// Where the block starts.
    pub place: Place,
}

const COUNT_MAX: u32 = i32::MAX.unsigned_abs();

/// What a `vrrp_script` block says, before defaults.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    name: &'t str,
    script: Option<Script>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    weight: Weight,
    rise: Option<u32>,
    fall: Option<u32>,
    user: Option<RunAs>,
    init_fail: bool,
}

/// Reads a `vrrp_script` block.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let name = block.name(report)?;
    let mut draft = Draft::new(block, name);
    for line in block.lines() {
        match line.keyword() {
            "script" => draft.script = line.script(report),
            "interval" => draft.interval = period(line, report),
            "timeout" => draft.timeout = period(line, report),
            "weight" => draft.weight = weight(line, report),
            "rise" => draft.rise = line.number(1..=COUNT_MAX, report),
            "fall" => draft.fall = line.number(1..=COUNT_MAX, report),
            "user" => draft.user = line.run_as(report),
            "init_fail" => draft.init_fail = line.flag(report),
            _ => report.unknown_keyword(line, KEYWORDS),
        }
    }
    Some(draft)
}

fn weight(line: Line<'_>, report: &mut Report) -> Weight {
    if line.setting(report).is_none() {
        return Weight::default();
    }
    Weight::of_line(line, Limit::Strict, report)
}

/// `interval` and `timeout`: 0 is reported and becomes one second.
fn period(line: Line<'_>, report: &mut Report) -> Option<Duration> {
    let word = line.setting(report)?;
    let period = word.seconds(Duration::ZERO..=Duration::from_secs(4294), Decimal::Milli, report)?;
    if period.is_zero() {
        report.add(
            word.at(),
            Reason::NotAllowed {
                got: word.text().to_owned(),
                used: "1".to_owned(),
            },
        );
        return Some(Duration::from_secs(1));
    }
    Some(period)
}

impl<'t> Draft<'t> {
    fn new(block: Block<'t>, name: &'t str) -> Self {
        Self {
            block,
            name,
            script: None,
            interval: None,
            timeout: None,
            weight: Weight::default(),
            rise: None,
            fall: None,
            user: None,
            init_fail: false,
        }
    }

    /// What instances need to know to track it.
    pub(super) fn trackable(&self) -> (&'t str, Trackable<'t>) {
        let weight = self.weight.weight.unwrap_or(0);
        let reverse = self.weight.reverse.unwrap_or(false);
        (
            self.name,
            Trackable {
                weight,
                reverse,
                defined: self.block.head,
            },
        )
    }

    /// Gives the defaults. A block without `script` is reported and dropped.
    pub(super) fn resolve(self, report: &mut Report) -> Option<VrrpScript> {
        let script = report.require(self.block, "script", self.script)?;
        let interval = self.interval.unwrap_or(Duration::from_secs(1));
        Some(VrrpScript {
            name: self.name.to_owned(),
            script: Script {
                run_as: self.user.or(script.run_as),
                ..script
            },
            interval,
            timeout: self.timeout.unwrap_or(interval),
            weight: self.weight.weight.unwrap_or(0),
            reverse: self.weight.reverse.unwrap_or(false),
            rise: self.rise.unwrap_or(1),
            fall: self.fall.unwrap_or(1),
            init_fail: self.init_fail,
            place: self.block.head.place(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn read(body: &str) -> (Option<VrrpScript>, Vec<Reason>) {
        let mut report = Report::default();
        let tree = Tree::read(format!("vrrp_script chk {{\n{body}\n}}\n"), &mut report);
        let line = tree.lines().next().unwrap();
        let script = parse(line.block(), &mut report).and_then(|draft| draft.resolve(&mut report));
        (
            script,
            report
                .mistakes
                .into_iter()
                .map(|mistake| mistake.reason)
                .collect(),
        )
    }

    #[test]
    fn defaults_are_one_second_one_run_and_a_fault() {
        let (script, reasons) = read("script /usr/bin/true");
        let script = script.unwrap();
        assert_eq!(reasons, []);
        assert_eq!(
            (script.interval, script.timeout),
            (Duration::from_secs(1), Duration::from_secs(1))
        );
        assert_eq!((script.rise, script.fall, script.weight), (1, 1, 0));
    }

    #[test]
    fn every_keyword_is_known() {
        for keyword in KEYWORDS {
            let (_, reasons) = read(&format!("script x\n{keyword} 1"));
            assert!(
                !reasons.iter().any(|r| matches!(r, Reason::UnknownKeyword { .. })),
                "{keyword}"
            );
        }
    }

    #[test]
    fn a_misspelt_keyword_is_named_and_the_rest_still_read() {
        let (script, reasons) = read("script /usr/bin/true\nintervall 3\nweight 300\nfall 2");
        assert_eq!(script.unwrap().fall, 2);
        assert!(matches!(
            &reasons[0],
            Reason::UnknownKeyword {
                nearest: Some("interval"),
                ..
            }
        ));
        assert!(matches!(&reasons[1], Reason::OutOfRange { got, .. } if got == "300"));
        assert_eq!(reasons.len(), 2);
    }
}
