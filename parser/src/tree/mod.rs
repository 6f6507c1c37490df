//! The block tree: what braces and line ends say, before any keyword is understood.
//!
//! A [`Tree`] is three flat vectors over one text; [`Block`], [`Line`] and [`Word`] are cheap copies that point into
//! it. A block parser is a loop over the lines of its block:
//!
//! ```text
//! for line in block.lines() {
//!     match line.keyword() {
//!         "interface" => draft.interface = line.word(report),
//!         "priority" => draft.priority = line.number(1..=255, report),
//!         "virtual_ipaddress" => draft.addresses.extend(line.list(report).filter_map(|l| address(l, report))),
//!         _ => report.unknown_keyword(line, KEYWORDS),
//!     }
//! }
//! ```
//!
//! Every reader reports what is wrong and returns `None`; the loop goes on. Nothing here knows a keyword, except
//! [`grammar`], which says where an opening brace is missing.

pub mod grammar;
mod lexer;
mod line;
mod options;
mod word;

use std::ops::Range;

use crate::place::{At, Place};
use crate::report::Report;

pub use line::Line;
pub use options::Options;
pub use word::Word;

/// A whole configuration as blocks, lines and words.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The flattened text; words are ranges of it.
    text: String,
    /// Every word of every line, in order.
    words: Vec<WordRecord>,
    /// Every line in reading order: the lines of a block follow the line that opens it.
    lines: Vec<LineRecord>,
    /// Names of the files, by [`Place::file`].
    files: Vec<String>,
}

/// Bytes of the text, without the quotes.
#[derive(Clone, Copy, Debug)]
struct WordRecord {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct LineRecord {
    place: Place,
    /// Index of the keyword in `words`; the line's words end where the next line's begin.
    first_word: u32,
    /// Bytes of the text from the keyword to the last word, quotes included: script words are read again from these.
    start: u32,
    end: u32,
    /// One past the last line of the block this line opens; 0 when it opens none.
    block_end: u32,
    /// Where the text's line begins, for columns.
    line_start: u32,
    /// Words are missing because a quote does not end: which mistake of the report says so.
    broken: Option<u32>,
}

impl Tree {
    /// Reads a flattened text. Broken structure is reported and mended as far as possible.
    pub fn read(text: String, report: &mut Report) -> Self {
        lexer::read(text, report)
    }

    /// The lines outside every block.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        Lines {
            tree: self,
            next: 0,
            end: self.lines.len(),
        }
    }

    /// Names of the files that [`Place::file`] counts, as far as the text's markers mention them.
    pub fn take_files(&mut self) -> Vec<String> {
        std::mem::take(&mut self.files)
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text alone, without what was made of it.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Some bytes of the text, which are in the line that begins at `line`, for a message.
    fn at(&self, place: Place, line: u32, bytes: Range<usize>) -> At<'_> {
        let (line, start) = (line as usize, bytes.start);
        // A long line is not looked through to its end for every message.
        let shown = self.text.floor_char_boundary(start + At::KEPT);
        let stop = self.text[start..shown]
            .find('\n')
            .map_or(shown, |newline| start + newline);
        At {
            length: bytes.end.min(stop) - start,
            ..At::new(place, &self.text[line..stop], start - line, 0)
        }
    }
}

/// What stands between the braces after a line.
#[derive(Clone, Copy, Debug)]
pub struct Block<'t> {
    /// The line that opens the block.
    pub head: Line<'t>,
}

impl<'t> Block<'t> {
    /// The keyword that opens the block.
    pub fn keyword(self) -> &'t str {
        self.head.keyword()
    }

    /// The word between keyword and brace; its absence is reported.
    pub fn name(self, report: &mut Report) -> Option<&'t str> {
        Some(self.head.argument(report)?.text())
    }

    /// The lines directly in this block, each with its own block if it opens one.
    pub fn lines(self) -> impl Iterator<Item = Line<'t>> + use<'t> {
        self.head.inner_lines()
    }

    /// The last line with this keyword, to point at in a message.
    pub fn find(self, keyword: &str) -> Option<Line<'t>> {
        self.lines().filter(|line| line.keyword() == keyword).last()
    }

    /// The line with this keyword, or else the line that opens the block: where a message about the setting points.
    pub fn line_of(self, keyword: &str) -> Line<'t> {
        self.find(keyword).unwrap_or(self.head)
    }
}

#[derive(Clone)]
struct Lines<'t> {
    tree: &'t Tree,
    next: usize,
    end: usize,
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        if self.next >= self.end {
            return None;
        }
        let line = Line::new(self.tree, self.next);
        self.next = line.after_block();
        Some(line)
    }
}
