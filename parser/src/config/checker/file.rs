//! `FILE_CHECK`: the number in a file adds to the weight of the real server.

use std::ops::RangeInclusive;

use super::{Surroundings, heritage::follow, set};
use crate::report::Report;
use crate::tree::{Block, Line, Word};

/// `FILE_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// `track_file`: name of a `track_file` block.
    pub track_file: Box<str>,
    /// `weight`, -2147483647 to 2147483647: what the number is multiplied by. 0 means that any number but 0 is a
    /// failure. The `track_file`'s weight by default.
    pub weight: i32,
    /// `weight N reverse`: the product is subtracted.
    pub reverse: bool,
}

/// The keywords of the block.
pub(in crate::config) const KEYWORDS: [&str; 2] = ["track_file", "weight"];

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
    Some(Draft {
        track_file,
        weight: file_weight,
    })
}

impl Draft<'_> {
    /// Finds the `track_file`.
    pub(super) fn resolve(
        self,
        block: Block<'_>,
        surroundings: &Surroundings<'_, '_>,
        report: &mut Report,
    ) -> Option<File> {
        let files = surroundings.track_files;
        let file = follow(self.track_file, "track_file", files, block.head.order(), report)?;
        let (weight, reverse) = self.weight.unwrap_or((file.weight.into(), file.reverse));
        Some(File {
            track_file: self.track_file.text().into(),
            weight,
            reverse,
        })
    }
}

const WEIGHT: RangeInclusive<i32> = -i32::MAX..=i32::MAX;

/// `weight <INT> [reverse|noreverse]`.
fn weight(line: Line<'_>, report: &mut Report) -> Option<(i32, bool)> {
    let weight = line.value(report)?.number(WEIGHT, report)?;
    let reverse = match line.words().nth(1) {
        Some(word) => word.one_of("weight", &[("reverse", true), ("noreverse", false)], report)?,
        None => false,
    };
    Some((weight, reverse))
}
