//! One line of a block: a keyword, its words, perhaps a block; and the readers a block parser calls on it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::script::{RunAs, Script};
use crate::place::{At, Place};
use crate::report::{LvsReason, Reason, Report};
use crate::tree::{Block, LineRecord, Lines, Options, Tree, Word, grammar};
use crate::units::Family;
use crate::value::number::{Decimal, Integer};
use crate::value::script;

/// One line: a keyword, the words after it, and the block it may open.
///
/// Readers of plain settings (`word`, `number`, `flag`, ...) report a missing word and a block that does not belong
/// there; words beyond those they read are ignored, as keepalived does.
#[derive(Clone, Copy)]
pub struct Line<'t> {
    tree: &'t Tree,
    index: usize,
}

impl<'t> Line<'t> {
    pub(super) fn new(tree: &'t Tree, index: usize) -> Self {
        Self { tree, index }
    }

    /// The first word.
    pub fn keyword(self) -> &'t str {
        self.keyword_word().text()
    }

    /// The first word with its place.
    pub fn keyword_word(self) -> Word<'t> {
        self.tree_word(self.record().first_word as usize)
    }

    /// The words after the keyword.
    pub fn words(self) -> impl ExactSizeIterator<Item = Word<'t>> + use<'t> {
        (self.record().first_word as usize + 1..self.words_end()).map(move |index| self.tree_word(index))
    }

    /// All words, the keyword first, to be taken one after another.
    pub fn options(self) -> Options<'t> {
        Options::new(self)
    }

    /// File and line.
    pub fn place(self) -> Place {
        self.record().place
    }

    /// The whole line, keyword to last word.
    pub fn at(self) -> At<'t> {
        let line = self.record();
        self.tree.at(
            line.place,
            line.line_start,
            line.start as usize..line.end as usize,
        )
    }

    /// The text from the keyword to the last word, quotes and all.
    pub fn text(self) -> &'t str {
        let line = self.record();
        &self.tree.text[line.start as usize..line.end as usize]
    }

    /// The block this line opens. It is empty if there is none, which has been reported when the tree was read.
    pub fn block(self) -> Block<'t> {
        Block { head: self }
    }

    /// Whether braces follow.
    pub fn has_block(self) -> bool {
        self.record().block_end != 0
    }

    /// The lines of a block that is a list of values (`virtual_ipaddress`, `notification_email`, ...): such a block has
    /// no name, and words before its brace are reported.
    pub fn list(self, report: &mut Report) -> impl Iterator<Item = Line<'t>> + use<'t> {
        if let Some(extra) = self.words().next() {
            report.add(
                extra.at(),
                Reason::BlockWithName {
                    keyword: self.keyword().to_owned(),
                },
            );
        }
        self.inner_lines()
    }

    /// A setting that is on by being there.
    pub fn flag(self, report: &mut Report) -> bool {
        self.no_block(report);
        true
    }

    /// `[<BOOL>]`: no word means true.
    pub fn boolean(self, report: &mut Report) -> Option<bool> {
        self.no_block(report);
        self.words()
            .next()
            .map_or(Some(true), |word| word.boolean(report))
    }

    /// `[<WORD>]`: one word, taken as it is, that may be left out.
    pub fn optional_word(self, report: &mut Report) -> Option<&'t str> {
        self.no_block(report);
        self.words().next().map(Word::text)
    }

    /// One word, taken as it is.
    pub fn word(self, report: &mut Report) -> Option<&'t str> {
        self.setting(report).map(Word::text)
    }

    /// One word of a setting whose absence is an ordinary mistake: keepalived goes on.
    pub fn value(self, report: &mut Report) -> Option<Word<'t>> {
        self.no_block(report);
        let word = self.words().next();
        if word.is_none() {
            let keyword = self.keyword().to_owned();
            report.add(self.keyword_word().at(), Reason::NoValue { keyword });
        }
        word
    }

    /// All words after the keyword, read again from the text with the quotes and escapes of script words.
    pub fn script_words(self, report: &mut Report) -> Option<Vec<String>> {
        self.no_block(report);
        script::words(self, report)
    }

    /// One decimal integer in `range`.
    pub fn number<T: Integer>(self, range: RangeInclusive<T>, report: &mut Report) -> Option<T> {
        self.setting(report)?.number(range, report)
    }

    /// One decimal integer up to `most`, at least 1: keepalived reports a 0 and takes 1 for it.
    pub fn at_least_one(self, most: u32, report: &mut Report) -> Option<u32> {
        let word = self.setting(report)?;
        let value = word.number(0..=most, report)?;
        if value == 0 {
            report.add(
                word.at(),
                Reason::NotAllowed {
                    got: word.text().to_owned(),
                    used: "1".to_owned(),
                },
            );
        }
        Some(value.max(1))
    }

    /// One word out of a list, with what it stands for.
    pub fn one_of<T: Copy>(self, words: &[(&'static str, T)], report: &mut Report) -> Option<T> {
        self.setting(report)?.one_of(self.keyword(), words, report)
    }

    /// The name of an interface.
    pub fn interface(self, report: &mut Report) -> Option<String> {
        self.setting(report)?.interface(report)
    }

    /// An IPv4 multicast group.
    pub fn multicast4(self, report: &mut Report) -> Option<Ipv4Addr> {
        let word = self.setting(report)?;
        match word.multicast(report)? {
            IpAddr::V4(group) => Some(group),
            IpAddr::V6(_) => {
                report.add(
                    word.at(),
                    Reason::WrongFamily {
                        expected: Family::Ipv4,
                    },
                );
                None
            }
        }
    }

    /// An IPv6 multicast group. One that leaves the link is reported and taken.
    pub fn multicast6(self, report: &mut Report) -> Option<Ipv6Addr> {
        let word = self.setting(report)?;
        match word.multicast(report)? {
            IpAddr::V6(group) => {
                if group.segments()[0] & 0xf != 2 {
                    report.add(word.at(), Reason::GroupNotLinkLocal);
                }
                Some(group)
            }
            IpAddr::V4(_) => {
                report.add(
                    word.at(),
                    Reason::WrongFamily {
                        expected: Family::Ipv6,
                    },
                );
                None
            }
        }
    }

    /// Whole seconds in `range`.
    pub fn whole_seconds(self, range: RangeInclusive<u32>, report: &mut Report) -> Option<Duration> {
        self.number(range, report)
            .map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// Decimal seconds in `range`, to the grain of `decimal`.
    pub fn seconds(
        self,
        range: RangeInclusive<Duration>,
        decimal: Decimal,
        report: &mut Report,
    ) -> Option<Duration> {
        self.setting(report)?.seconds(range, decimal, report)
    }

    /// The only word after the keyword; a further one is reported and spoils the setting.
    pub fn only_setting(self, report: &mut Report) -> Option<Word<'t>> {
        let word = self.setting(report)?;
        let Some(extra) = self.words().nth(1) else {
            return Some(word);
        };
        let keyword = self.keyword().to_owned();
        report.add(extra.at(), LvsReason::ExtraWord { keyword }.into());
        None
    }

    /// `<SCRIPT> [<user> [:][<group>]]`, read again from the text with the rules of script words. keepalived does not
    /// end for want of a script whose quote does not end, which has been reported.
    pub fn script(self, report: &mut Report) -> Option<Script> {
        self.no_block(report);
        if self.words().next().is_none() && self.record().broken.is_some() {
            return None;
        }
        self.argument(report)?;
        script::read(self, report)
    }

    /// A [`Line::script`] of a block that has room for many and mostly none.
    pub fn rare_script(self, report: &mut Report) -> Option<Box<Script>> {
        self.script(report).map(Box::new)
    }

    /// `<user> [:][<group>]`.
    pub fn run_as(self, report: &mut Report) -> Option<RunAs> {
        self.setting(report)?;
        script::run_as(self.words().map(Word::text))
    }

    /// The first word after the keyword. If it is missing keepalived ends with status 2, but for those keywords that
    /// [`grammar`] names.
    pub fn argument(self, report: &mut Report) -> Option<Word<'t>> {
        let word = self.words().next();
        if word.is_none() {
            let keyword = self.keyword().to_owned();
            let ends = !grammar::counts_its_words(&keyword);
            match (self.record().broken, ends) {
                (Some(mistake), true) => report.quote_lost_a_value(mistake),
                (Some(_), false) => {}
                (None, true) => report.add(self.keyword_word().at(), Reason::MissingParameter { keyword }),
                (None, false) => report.add(self.keyword_word().at(), Reason::NoValue { keyword }),
            }
        }
        word
    }

    /// As [`Line::argument`] for a setting that opens no block.
    pub fn setting(self, report: &mut Report) -> Option<Word<'t>> {
        self.no_block(report);
        self.argument(report)
    }

    /// Reports a block after a line that takes none.
    pub fn no_block(self, report: &mut Report) {
        if self.has_block() {
            report.add(
                self.at(),
                Reason::UnexpectedBlock {
                    keyword: self.keyword().to_owned(),
                },
            );
        }
    }

    /// Where the line stands among all lines, in reading order: some names must be defined before they are used.
    pub fn order(self) -> usize {
        self.index
    }

    pub(super) fn inner_lines(self) -> Lines<'t> {
        Lines {
            tree: self.tree,
            next: self.index + 1,
            end: self.record().block_end as usize,
        }
    }

    /// Index of the line after this one and its block.
    pub(super) fn after_block(self) -> usize {
        (self.record().block_end as usize).max(self.index + 1)
    }

    /// A word by its position, 0 for the keyword.
    pub(super) fn word_at(self, position: usize) -> Option<Word<'t>> {
        let index = self.record().first_word as usize + position;
        (index < self.words_end()).then(|| self.tree_word(index))
    }

    /// Index of the first word of the next line.
    fn words_end(self) -> usize {
        let next_line = self.tree.lines.get(self.index + 1);
        next_line.map_or(self.tree.words.len(), |next| next.first_word as usize)
    }

    fn record(self) -> LineRecord {
        self.tree.lines[self.index]
    }

    fn tree_word(self, index: usize) -> Word<'t> {
        let LineRecord {
            place, line_start, ..
        } = self.record();
        Word {
            tree: self.tree,
            index,
            place,
            line_start,
        }
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}
