//! `track_group`: instances that fault while a static address, route or rule of the group is missing.

use std::collections::HashSet;

use crate::Place;
use crate::config::members;
use crate::report::Report;
use crate::tree::{Block, Line, Word};

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &["group"];

/// One `track_group` block, its members joined.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackGroup {
    /// The word after `track_group`; unique.
    pub name: String,
    /// `group`: names of instances that exist. Static items name the group in their `track_group`.
    pub members: Vec<String>,
    /// Where the block starts.
    pub place: Place,
}

/// What a `track_group` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    pub(super) name: &'t str,
    members: Option<Vec<Word<'t>>>,
}

/// Reads a `track_group` block.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let name = members::only_name(block, report)?;
    let mut draft = Draft {
        block,
        name,
        members: None,
    };
    for line in block.lines() {
        match line.keyword() {
            "group" => report.keep_first(line, &mut draft.members, |line, report| {
                Some(members::read(line, report))
            }),
            _ => report.unknown_keyword(line, KEYWORDS),
        }
    }
    Some(draft)
}

impl<'t> Draft<'t> {
    /// Where the group is defined: its users stand below it.
    pub(super) fn head(&self) -> Line<'t> {
        self.block.head
    }

    /// Joins the members. Those that do not exist are noted and left out.
    pub(super) fn resolve(self, is_instance: impl Fn(&str) -> bool, report: &mut Report) -> TrackGroup {
        let mut members = Vec::new();
        let mut known = HashSet::new();
        for word in self.members.into_iter().flatten() {
            if !is_instance(word.text()) {
                members::note_unknown(word, report);
            } else if known.insert(word.text()) {
                members.push(word.text().to_owned());
            }
        }
        TrackGroup {
            name: self.name.to_owned(),
            members,
            place: self.block.head.place(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn read(text: &str) -> (Option<TrackGroup>, Vec<String>) {
        let mut report = Report::default();
        let tree = Tree::read(text.to_owned(), &mut report);
        let block = tree.lines().next().unwrap().block();
        let group = parse(block, &mut report)
            .map(|draft| draft.resolve(|name| ["A", "B"].contains(&name), &mut report));
        (
            group,
            report
                .mistakes
                .iter()
                .map(|mistake| mistake.reason.to_string())
                .collect(),
        )
    }

    #[test]
    fn members_stand_on_one_line_or_on_several() {
        for body in ["group {\nA\nB\n}", "group { A B }", "group {\nA B A\n}"] {
            let (group, titles) = read(&format!("track_group G {{\n{body}\n}}\n"));
            assert_eq!(titles, Vec::<String>::new(), "{body}");
            assert_eq!(group.unwrap().members, ["A", "B"], "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, title) in [
            (
                "track_group {\ngroup {\nA\n}\n}",
                "`track_group` needs exactly one name and is skipped",
            ),
            (
                "track_group G H {\ngroup {\nA\n}\n}",
                "`track_group` needs exactly one name and is skipped",
            ),
            ("track_group G {\ngroup {\n}\n}", "`group` is empty"),
            ("track_group G {\ngroup H {\nA\n}\n}", "`group` has no name"),
            (
                "track_group G {\ngroup {\nC\n}\n}",
                "there is no vrrp_instance `C`",
            ),
            (
                "track_group G {\nfoo\n}",
                "unknown keyword `foo` in `track_group`",
            ),
            (
                "track_group G {\ngroup {\nA\n}\ngroup {\nB\n}\n}",
                "`group` is already specified; the first one is kept",
            ),
        ] {
            assert_eq!(read(text).1, [title], "{text}");
        }
    }
}
