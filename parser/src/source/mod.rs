//! From files to one flat text: includes, conditional lines, definitions, `~SEQ` and `~LST` applied, comments gone.
//!
//! The flat text is what the block tree is read from, and it is the message format between processes: reading it again
//! gives the same configuration. Its lines keep their columns; a line marker `# LINE FILE [NAME]` stands in column 1
//! wherever the next line does not simply follow (FILE counts the files, NAME is given at the first mention). No other
//! line begins with `#`, and there are no comments in it, so a `#` that `${_HASH}` made is a `#`.
//!
//! Nothing here knows a keyword of a block, except `random_seed`.

mod comment;
mod definition;
mod flat;
mod host;
mod include;
mod limits;
mod memory;
mod predefined;
mod reader;
mod sequence;

pub(crate) use flat::marker;
pub use host::{FileKind, Host, Machine};
pub use include::Checks;
pub use limits::{
    MAX_BYTES, MAX_DEFINED_LINES, MAX_EXPANDED_LINE, MAX_EXPANSIONS, MAX_EXPANSIONS_OF_LINE, MAX_FILES,
    MAX_GENERATED_BYTES, MAX_GENERATED_LINES, MAX_INCLUDE_DEPTH, MAX_NESTED_BLOCKS, MAX_NESTED_LINES,
    MAX_STATEMENTS, MAX_WORDS,
};
pub use memory::Memory;
pub(crate) use reader::flatten;
pub use sequence::SequenceError;

use std::sync::Arc;

use crate::place::Place;

/// How the files are read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which `@ID` lines hold (`-i`). `None` means the host name up to its first dot.
    pub config_id: Option<String>,
    /// `-e`: every include check from the start.
    pub checks: Checks,
}

/// Every file that was read, for messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The files, by [`Place::file`].
    pub files: Vec<SourceFile>,
}

/// One file as it was read. A file that is included twice is here twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Name as it was written on the command line or in the include line.
    pub name: String,
    /// Its text. Bytes that are not UTF-8 are replaced.
    pub text: Arc<str>,
    /// The line that included it.
    pub included_from: Option<Place>,
    /// Where every [`STRIDE`]th line begins, the first included.
    line_starts: Vec<u32>,
}

/// Lines between those whose beginnings are kept: a file of empty lines must not become four times as large.
const STRIDE: usize = 64;

impl SourceFile {
    pub(crate) fn new(name: String, text: Arc<str>, included_from: Option<Place>) -> Self {
        let after = |(at, _): (usize, _)| u32::try_from(at + 1).ok();
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').filter_map(after))
            .step_by(STRIDE)
            .collect();
        Self {
            name,
            text,
            included_from,
            line_starts,
        }
    }
}

impl Sources {
    /// Files of which only the names are known.
    pub(crate) fn named(names: Vec<String>) -> Self {
        let file = |name| SourceFile::new(name, "".into(), None);
        Self {
            files: names.into_iter().map(file).collect(),
        }
    }

    /// The name of the file of a place.
    pub fn name(&self, place: Place) -> &str {
        self.files.get(place.file as usize).map_or("", |file| &file.name)
    }

    /// The line of a place as it stands in its file.
    pub fn line(&self, place: Place) -> Option<&str> {
        let file = self.files.get(place.file as usize)?;
        let index = (place.line as usize).checked_sub(1)?;
        let start = *file.line_starts.get(index / STRIDE)? as usize;
        let line = file.text[start..].split('\n').nth(index % STRIDE)?;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// The lines that included the file of a place, innermost first.
    pub fn included_from(&self, place: Place) -> impl Iterator<Item = Place> {
        let above = |place: &Place| self.files.get(place.file as usize)?.included_from;
        std::iter::successors(above(&place), above)
    }
}
