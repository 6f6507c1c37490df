//! Script words: the second reading of a line, with shell-like quotes.

use crate::config::script::{RunAs, Script};
use crate::report::Report;
use crate::tree::Line;

/// Reads `<SCRIPT> [<user> [:][<group>]]` after the keyword of a line.
pub(crate) fn read(line: Line<'_>, _report: &mut Report) -> Option<Script> {
    let mut words = line.words();
    let text = words.next()?.text().to_owned();
    Some(Script {
        words: text.split_ascii_whitespace().map(str::to_owned).collect(),
        text,
        run_as: run_as(words.map(super::super::tree::Word::text)),
        place: line.place(),
    })
}

/// Reads `<user> [:][<group>]`.
pub(crate) fn run_as<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<RunAs> {
    let user = words.next()?.to_owned();
    let group = words.next().unwrap_or("");
    let name = group.strip_prefix(':').unwrap_or(group);
    Some(RunAs {
        user,
        group: (!name.is_empty()).then(|| name.to_owned()),
        supplementary_groups: group.starts_with(':'),
    })
}
