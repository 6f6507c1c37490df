//! Lines of `track_script`, `track_interface`, `track_file`, `track_process` and `track_bfd`.

use std::collections::{HashMap, HashSet};

use crate::report::{Reason, Report};
use crate::tree::{Line, Word};

/// One line of `track_script`, `track_interface`, ...: what is watched and what it is worth here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Name of the script, interface, file or process.
    pub name: String,
    /// Added to the priority while good if positive, while bad if negative; 0 means that bad is a fault.
    pub weight: i16,
    /// Good and bad change places.
    pub reverse: bool,
}

/// A line as written: what is left out is taken from the thing that is tracked.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrackedDraft<'t> {
    /// The line, whose first word is the name.
    pub(super) line: Line<'t>,
    /// What the line says after the name.
    weight: Weight,
}

/// `weight N [reverse|noreverse]`, as far as it was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    /// `N`.
    pub(super) weight: Option<i16>,
    /// `reverse` or `noreverse`.
    pub(super) reverse: Option<bool>,
}

/// Weights that a tracked thing may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// -253 to 253; 254 is accepted and becomes 253 with a report.
    Lowered254,
    /// -254 to 254.
    Full,
    /// -253 to 253.
    Strict,
}

impl Weight {
    /// Reads the words after `weight`.
    pub(super) fn read<'t>(
        option: Word<'t>,
        mut words: impl Iterator<Item = Word<'t>>,
        limit: Limit,
        directions: &[&'static str],
        report: &mut Report,
    ) -> Self {
        let Some(word) = report.option_value(option, words.next()) else {
            return Self::default();
        };
        let weight = match limit {
            Limit::Strict => word.number(-253..=253, report),
            Limit::Full => word.number(-254..=254, report),
            Limit::Lowered254 => word.number(-254..=254, report).map(|weight: i16| {
                if weight.abs() == 254 {
                    report.add(
                        word.at(),
                        Reason::NotAllowed {
                            got: word.text().to_owned(),
                            used: (weight.signum() * 253).to_string(),
                        },
                    );
                }
                weight.clamp(-253, 253)
            }),
        };
        let reverse = words.next().and_then(|word| {
            let known = directions.contains(&word.text());
            if !known {
                report.unknown_option(word, "weight", directions);
            }
            known.then_some(word.text() == "reverse")
        });
        Self { weight, reverse }
    }

    /// Reads `weight N [reverse]` in the block of what is tracked.
    pub(super) fn of_line(line: Line<'_>, limit: Limit, report: &mut Report) -> Self {
        line.no_block(report);
        Self::read(line.keyword_word(), line.words(), limit, REVERSE, report)
    }
}

/// What may follow the weight of a definition or an interface.
const REVERSE: &[&str] = &["reverse"];
/// What may follow the weight of something that has a direction of its own.
const EITHER: &[&str] = &["reverse", "noreverse"];

/// Reads the lines of a track block. A name that comes twice is reported and left out.
pub(super) fn read<'t>(
    drafts: &mut Vec<TrackedDraft<'t>>,
    block: Line<'t>,
    limit: Limit,
    report: &mut Report,
) {
    let directions = if block.keyword() == "track_interface" {
        REVERSE
    } else {
        EITHER
    };
    let mut names: HashSet<&str> = drafts.iter().map(|draft| draft.line.keyword()).collect();
    for line in block.list(report) {
        line.no_block(report);
        if !names.insert(line.keyword()) {
            report.add(
                line.at(),
                Reason::TrackedTwice {
                    name: line.keyword().to_owned(),
                },
            );
            continue;
        }
        let mut words = line.words();
        let mut weight = Weight::default();
        match words.next() {
            Some(option) if option.text() == "weight" => {
                weight = Weight::read(option, words, limit, directions, report);
            }
            Some(option) => report.unknown_option(option, line.keyword(), &["weight"]),
            None => {}
        }
        drafts.push(TrackedDraft { line, weight });
    }
}

/// What a tracked thing says about itself: its weight and direction where the line says nothing, and the line that
/// defines it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trackable<'t> {
    pub(super) weight: i16,
    pub(super) reverse: bool,
    pub(super) defined: Line<'t>,
}

/// Joins the lines with what they name. A name that is not defined above its line is reported and left out.
pub(super) fn join<'t>(
    drafts: Vec<TrackedDraft<'t>>,
    kind: &'static str,
    known: &HashMap<&'t str, Trackable<'t>>,
    report: &mut Report,
) -> Vec<(Line<'t>, Tracked)> {
    let joined = drafts.into_iter().filter_map(|draft| {
        let name = draft.line.keyword();
        let Some(trackable) = known.get(name) else {
            let nearest = report.nearest(name, known.keys().copied()).map(str::to_owned);
            let reason = Reason::UnknownName {
                kind,
                name: name.to_owned(),
                nearest,
            };
            report.add(draft.line.keyword_word().at(), reason);
            return None;
        };
        if trackable.defined.order() > draft.line.order() {
            report.add(
                draft.line.keyword_word().at(),
                Reason::DefinedLater {
                    kind,
                    name: name.to_owned(),
                },
            );
            return None;
        }
        Some((draft.line, draft.resolve(trackable.weight, trackable.reverse)))
    });
    joined.collect()
}

impl TrackedDraft<'_> {
    /// Fills in what the line leaves out.
    pub(super) fn resolve(self, weight: i16, reverse: bool) -> Tracked {
        Tracked {
            name: self.line.keyword().to_owned(),
            weight: self.weight.weight.unwrap_or(weight),
            reverse: self.weight.reverse.unwrap_or(reverse),
        }
    }
}
