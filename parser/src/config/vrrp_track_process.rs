//! `vrrp_track_process`: how many processes of a kind run moves the priority of the instances that track it.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Place;
use crate::config::tracked::{Limit, Trackable, Weight};
use crate::report::{Report, VrrpReason};
use crate::tree::{Block, Line, Word};
use crate::value::number::Decimal;

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &[
    "process",
    "param_match",
    "weight",
    "quorum",
    "quorum_max",
    "delay",
    "terminate_delay",
    "fork_delay",
    "full_command",
];

/// One `vrrp_track_process` block, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackProcess {
    /// The word after `vrrp_track_process`.
    pub name: String,
    /// `process`: the command and its parameters. Never empty.
    pub process: Vec<String>,
    /// What of a process must be like that.
    pub matching: ProcessMatch,
    /// `weight`, -254 to 254; 0 (the default) means that a lost quorum is a fault. Default for those who track it.
    pub weight: i16,
    /// `weight N reverse`.
    pub reverse: bool,
    /// `quorum` to `quorum_max`: how many processes are good; 1 to 65535 and more by default.
    pub quorum: RangeInclusive<u16>,
    /// `terminate_delay` or `delay`: how long a lost quorum is endured, to the microsecond; zero by default.
    pub terminate_delay: Duration,
    /// `fork_delay` or `delay`: how long a quorum must hold to count, to the microsecond; zero by default.
    pub fork_delay: Duration,
    /// Where the block starts.
    pub place: Place,
}

impl TrackProcess {
    /// Whether this many processes are good.
    pub fn is_good(&self, count: usize) -> bool {
        let most = usize::from(*self.quorum.end());
        count >= usize::from(*self.quorum.start()) && (count <= most || most == usize::from(u16::MAX))
    }
}

/// How a process is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessMatch {
    /// By its name (`/proc/PID/comm`), which the kernel cuts after 15 bytes.
    Name,
    /// By its command line: the same command and the same parameters.
    Exact,
    /// As [`ProcessMatch::Exact`], but the last parameter may be longer.
    Initial,
    /// By its command line: the same command, and the first parameters are these.
    Partial,
}

/// What a `vrrp_track_process` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    name: &'t str,
    process: Option<Vec<String>>,
    param_match: Option<ProcessMatch>,
    full_command: bool,
    weight: Option<Weight>,
    quorum: Option<u16>,
    quorum_max: Option<u16>,
    terminate_delay: Duration,
    fork_delay: Duration,
}

/// Reads a `vrrp_track_process` block.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let mut draft = Draft::new(block, block.name(report)?);
    for line in block.lines() {
        match line.keyword() {
            "process" => report.keep_first(line, &mut draft.process, process),
            "param_match" => draft.param_match = param_match(line, report).or(draft.param_match),
            "weight" => draft.weight(line, report),
            "quorum" => draft.quorum(line, report),
            "quorum_max" => draft.quorum_max(line, report),
            "delay" => {
                if let Some(delay) = line.seconds(DELAY, Decimal::Micro, report) {
                    (draft.terminate_delay, draft.fork_delay) = (delay, delay);
                }
            }
            "terminate_delay" => {
                let delay = line.seconds(DELAY, Decimal::Micro, report);
                draft.terminate_delay = delay.unwrap_or(draft.terminate_delay);
            }
            "fork_delay" => {
                let delay = line.seconds(DELAY, Decimal::Micro, report);
                draft.fork_delay = delay.unwrap_or(draft.fork_delay);
            }
            "full_command" => draft.full_command = line.flag(report),
            _ => report.unknown_keyword(line, KEYWORDS),
        }
    }
    Some(draft)
}

const DELAY: RangeInclusive<Duration> = Duration::from_micros(1)..=Duration::from_hours(1);

/// `<CMD> [<ARG>...]`: a quoted word is one element.
fn process(line: Line<'_>, report: &mut Report) -> Option<Vec<String>> {
    line.setting(report)?;
    Some(line.words().map(|word| word.text().to_owned()).collect())
}

/// `[initial|partial]`.
fn param_match(line: Line<'_>, report: &mut Report) -> Option<ProcessMatch> {
    line.no_block(report);
    let Some(word) = line.words().next() else {
        return Some(ProcessMatch::Exact);
    };
    match word.text() {
        "initial" => Some(ProcessMatch::Initial),
        "partial" => Some(ProcessMatch::Partial),
        _ => {
            report.unknown_option(word, line.keyword(), &["initial", "partial"]);
            None
        }
    }
}

impl<'t> Draft<'t> {
    fn new(block: Block<'t>, name: &'t str) -> Self {
        Self {
            block,
            name,
            process: None,
            param_match: None,
            full_command: false,
            weight: None,
            quorum: None,
            quorum_max: None,
            terminate_delay: Duration::ZERO,
            fork_delay: Duration::ZERO,
        }
    }

    /// The first weight other than 0 counts.
    fn weight(&mut self, line: Line<'t>, report: &mut Report) {
        let is_set = self
            .weight
            .is_some_and(|weight| weight.weight.is_some_and(|weight| weight != 0));
        if is_set {
            report.first_is_kept(line);
        } else {
            self.weight = Some(Weight::of_line(line, Limit::Full, report));
        }
    }

    fn quorum(&mut self, line: Line<'t>, report: &mut Report) {
        let quorum = line.number(1..=u16::MAX, report);
        match (quorum, self.quorum_max) {
            (Some(quorum), Some(most)) if quorum > most => crossed(line, report),
            (Some(_), _) => self.quorum = quorum,
            (None, _) => {}
        }
    }

    /// 0 stands for "none may run" as long as no quorum above 1 says otherwise.
    fn quorum_max(&mut self, line: Line<'t>, report: &mut Report) {
        let most = line.number(0..=u16::MAX, report);
        match (most, self.quorum.unwrap_or(1)) {
            (Some(0), 1) => self.quorum_max = most,
            (Some(most), quorum) if most < quorum => crossed(line, report),
            (Some(_), _) => self.quorum_max = most,
            (None, _) => {}
        }
    }

    /// Its name, and what those who track it need to know.
    pub(super) fn trackable(&self) -> (&'t str, Trackable<'t>) {
        let weight = self.weight.unwrap_or_default();
        let (weight, reverse) = (weight.weight.unwrap_or(0), weight.reverse.unwrap_or(false));
        (
            self.name,
            Trackable {
                weight,
                reverse,
                defined: self.block.head,
            },
        )
    }

    /// Gives the defaults. A block without `process` is reported and dropped.
    pub(super) fn resolve(self, report: &mut Report) -> Option<TrackProcess> {
        let (_, Trackable { weight, reverse, .. }) = self.trackable();
        let matching = self.matching();
        let process = report.require(self.block, "process", self.process)?;
        let most = self.quorum_max.unwrap_or(u16::MAX);
        Some(TrackProcess {
            name: self.name.to_owned(),
            process,
            matching,
            weight,
            reverse,
            quorum: if most == 0 {
                0..=0
            } else {
                self.quorum.unwrap_or(1)..=most
            },
            terminate_delay: self.terminate_delay,
            fork_delay: self.fork_delay,
            place: self.block.head.place(),
        })
    }

    /// Parameters ask for the command line; without them `full_command` alone does not look at them.
    fn matching(&self) -> ProcessMatch {
        let has_parameters = self.process.as_ref().is_some_and(|words| words.len() > 1);
        match self.param_match {
            Some(matching) => matching,
            None if has_parameters => ProcessMatch::Exact,
            None if self.full_command => ProcessMatch::Partial,
            None => ProcessMatch::Name,
        }
    }
}

fn crossed(line: Line<'_>, report: &mut Report) {
    let word: Word<'_> = line.words().next().unwrap_or(line.keyword_word());
    report.add(word.at(), VrrpReason::QuorumAboveMax.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{good, read, says};

    fn process(body: &str) -> TrackProcess {
        good(&format!("vrrp_track_process p {{\n{body}\n}}\n"))
            .track_processes
            .remove(0)
    }

    #[test]
    fn one_process_of_that_name_by_default() {
        let plain = process("process sleep");
        assert_eq!(plain.process, ["sleep"]);
        assert_eq!(
            (plain.matching, plain.weight, plain.reverse),
            (ProcessMatch::Name, 0, false)
        );
        assert_eq!(
            (plain.quorum.clone(), plain.fork_delay),
            (1..=u16::MAX, Duration::ZERO)
        );
        assert!(!plain.is_good(0) && plain.is_good(1) && plain.is_good(70_000));
    }

    #[test]
    fn parameters_ask_for_the_command_line() {
        for (body, matching) in [
            ("process sleep 5", ProcessMatch::Exact),
            ("process sleep\nfull_command", ProcessMatch::Partial),
            ("process sleep\nparam_match", ProcessMatch::Exact),
            ("process sleep 5\nparam_match initial", ProcessMatch::Initial),
            ("process sleep 5\nparam_match partial", ProcessMatch::Partial),
        ] {
            assert_eq!(process(body).matching, matching, "{body}");
        }
        assert_eq!(
            process("process \"/a b\" c \"d e\"").process,
            ["/a b", "c", "d e"]
        );
    }

    #[test]
    fn quorum_weight_and_delays_have_bounds() {
        assert_eq!(process("process x\nquorum 65535").quorum, 65535..=65535);
        assert_eq!(process("process x\nquorum 2\nquorum_max 2").quorum, 2..=2);
        assert_eq!(process("process x\nquorum_max 0").quorum, 0..=0);
        let none = process("process x\nquorum_max 0");
        assert!(none.is_good(0) && !none.is_good(1));
        let weight = process("process x\nweight -254 reverse");
        assert_eq!((weight.weight, weight.reverse), (-254, true));
        assert_eq!(process("process x\nweight 0\nweight 6").weight, 6);
        let delays = process("process x\ndelay 3600\nterminate_delay 0.000001");
        assert_eq!(delays.fork_delay, Duration::from_hours(1));
        assert_eq!(delays.terminate_delay, Duration::from_micros(1));
    }

    #[test]
    fn mistakes_in_lines() {
        says(
            "vrrp_track_process p",
            "process x",
            &[
                (
                    "process y",
                    &["`process` is already specified; the first one is kept"],
                ),
                (
                    "process",
                    &["`process` is already specified; the first one is kept"],
                ),
                ("param_match exact", &["unknown option `exact` of `param_match`"]),
                ("weight 255", &["`255` is out of range"]),
                ("weight", &["`weight` needs a value"]),
                ("weight 5 foo", &["unknown option `foo` of `weight`"]),
                (
                    "weight 5\nweight 6",
                    &["`weight` is already specified; the first one is kept"],
                ),
                ("quorum 0", &["`0` is out of range"]),
                ("quorum 65536", &["`65536` is out of range"]),
                ("quorum", &["`quorum` needs a value"]),
                ("quorum_max 65536", &["`65536` is out of range"]),
                (
                    "quorum 5\nquorum_max 4",
                    &["`quorum` cannot be above `quorum_max`: this line is ignored"],
                ),
                (
                    "quorum 5\nquorum_max 0",
                    &["`quorum` cannot be above `quorum_max`: this line is ignored"],
                ),
                (
                    "quorum_max 4\nquorum 5",
                    &["`quorum` cannot be above `quorum_max`: this line is ignored"],
                ),
                ("delay 0", &["`0` is out of range"]),
                ("fork_delay 3600.000001", &["`3600.000001` is out of range"]),
                ("terminate_delay x", &["`x` is not a number"]),
                ("foo", &["unknown keyword `foo` in `vrrp_track_process`"]),
            ],
        );
    }

    #[test]
    fn a_block_without_a_process_is_dropped() {
        let (config, titles) = read("vrrp_track_process p {\n}\n");
        assert_eq!(config.track_processes, []);
        assert_eq!(titles, ["`vrrp_track_process` has no `process`"]);
    }
}
