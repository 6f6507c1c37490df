//! `FILE_CHECK`: the number in a file adds to the weight of the real server.

use std::ops::RangeInclusive;

use super::{Surroundings, set};
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line, Word};

/// `FILE_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// `track_file`: name of a `track_file` block that stands before.
    pub track_file: Box<str>,
    /// `weight`, -2147483647 to 2147483647: what the number is multiplied by. 0 means that any number but 0 is a
    /// failure. The `track_file`'s weight by default.
    pub weight: i32,
    /// `weight N reverse`: the product is subtracted.
    pub reverse: bool,
}

/// The keywords of the block.
pub(super) const KEYWORDS: [&str; 2] = ["track_file", "weight"];

/// What the block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    track_file: Word<'t>,
    weight: Option<(i32, bool)>,
}

/// Reads a `FILE_CHECK` block. One without `track_file` is reported and dropped.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let mut track_file = None;
    let mut file_weight = None;
    for line in block.lines() {
        match line.keyword() {
            "track_file" => set(&mut track_file, line.setting(report)),
            "weight" => set(&mut file_weight, weight(line, report)),
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    let track_file = report.require(block, "track_file", track_file)?;
    Some(Draft { track_file, weight: file_weight })
}

impl Draft<'_> {
    /// Finds the `track_file`; it must stand before the checker.
    pub(super) fn resolve(
        self,
        block: Block<'_>,
        surroundings: &Surroundings<'_>,
        report: &mut Report,
    ) -> Option<File> {
        let name = self.track_file.text();
        let known = surroundings.track_files.get(name).filter(|file| file.order < block.head.order());
        let Some(known) = known else {
            let name = name.to_owned();
            report.add(self.track_file.at(), LvsReason::UnknownTrackFile { name }.into());
            return None;
        };
        let (weight, reverse) = self.weight.unwrap_or((known.weight, known.reverse));
        Some(File { track_file: name.into(), weight, reverse })
    }
}

const WEIGHT: RangeInclusive<i32> = -i32::MAX..=i32::MAX;

/// `weight <INT> [reverse|noreverse]`.
fn weight(line: Line<'_>, report: &mut Report) -> Option<(i32, bool)> {
    let weight = line.number(WEIGHT, report)?;
    let reverse = match line.words().nth(1) {
        Some(word) => word.choice(&[("reverse", true), ("noreverse", false)], report)?,
        None => false,
    };
    Some((weight, reverse))
}
