//! Groups of instances: their name and the list of their members, for `vrrp_sync_group` and `track_group`.

use crate::report::{Reason, Report, VrrpReason};
use crate::tree::{Block, Line, Word};

/// The name of a block that has exactly one: with none or several keepalived skips the block.
pub(super) fn only_name<'t>(block: Block<'t>, report: &mut Report) -> Option<&'t str> {
    if block.head.words().len() != 1 {
        let keyword = block.keyword().to_owned();
        report.add(block.head.at(), Reason::NameNeeded { keyword });
        return None;
    }
    block.name(report)
}

/// `group { <NAME>... }`: every word of every line is a name.
pub(super) fn read<'t>(line: Line<'t>, report: &mut Report) -> Vec<Word<'t>> {
    let mut members = Vec::new();
    for inner in line.list(report) {
        inner.no_block(report);
        members.push(inner.keyword_word());
        members.extend(inner.words());
    }
    if members.is_empty() {
        report.add(
            line.at(),
            Reason::EmptyBlock {
                keyword: line.keyword().to_owned(),
            },
        );
    }
    members
}

/// A member of a track group that is no instance, which keepalived passes over.
pub(super) fn note_unknown(word: Word<'_>, report: &mut Report) {
    let name = word.text().to_owned();
    report.add(word.at(), VrrpReason::NoSuchInstance { name }.into());
}
