//! Every mistake of a configuration, as a value with its place. Reading never stops at one.
//!
//! A block parser calls [`Report::add`] with words and a [`Reason`]; the reason knows its severity class, its message,
//! what was expected and what helps. Nothing here prints.

mod class;
mod reason;
mod render;
mod routing;
pub(crate) mod suggest;
mod vrrp;

pub use class::{Class, ExitStatus};
pub use reason::Reason;
pub use routing::RoutingReason;
pub use vrrp::VrrpReason;

use crate::config;
use crate::place::{At, Place};
use crate::tree::{Block, Line, Word};

/// One mistake: what, where, and the words meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// File and line.
    pub place: Place,
    /// Byte column of the first word meant, from 1.
    pub column: usize,
    /// Bytes meant; may be 0 for a place between words.
    pub length: usize,
    /// The line after definitions were replaced.
    pub text: String,
    /// What is wrong.
    pub reason: Reason,
}

/// All mistakes found so far, in the order they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

impl Report {
    /// Notes a mistake at some words.
    pub fn add(&mut self, at: At<'_>, reason: Reason) {
        self.mistakes.push(Mistake {
            place: at.place,
            column: at.start + 1,
            length: at.length,
            text: at.text.to_owned(),
            reason,
        });
    }

    /// A line whose keyword its block does not have: it is skipped with its block, and the nearest of `known` is
    /// suggested.
    pub fn unknown_keyword(&mut self, line: Line<'_>, known: &[&'static str]) {
        let home = config::home(line.keyword());
        let nearest = suggest::nearest(line.keyword(), known).filter(|_| home.is_none());
        let (keyword, has_block) = (line.keyword().to_owned(), line.has_block());
        self.add(
            line.keyword_word().at(),
            Reason::UnknownKeyword {
                keyword,
                nearest,
                home,
                has_block,
            },
        );
    }

    /// A block or setting that keepalived knows and this program does not read yet: it is skipped with its block.
    pub fn not_supported_yet(&mut self, line: Line<'_>) {
        let keyword = line.keyword().to_owned();
        self.add(line.keyword_word().at(), Reason::NotSupportedYet { keyword });
    }

    /// Passes a setting through that the block cannot do without. A setting that was written but could not be read
    /// has been reported already.
    pub fn require<T>(&mut self, block: Block<'_>, keyword: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && block.find(keyword).is_none() {
            self.add(
                block.head.at(),
                Reason::Missing {
                    keyword,
                    block: block.keyword().to_owned(),
                },
            );
        }
        value
    }

    /// A setting of which keepalived keeps the first, written once more.
    pub fn first_is_kept(&mut self, line: Line<'_>) {
        self.add(
            line.at(),
            Reason::AlreadySpecified {
                keyword: line.keyword().to_owned(),
            },
        );
    }

    /// Reads a setting of which keepalived keeps the first.
    pub fn keep_first<'t, T>(
        &mut self,
        line: Line<'t>,
        setting: &mut Option<T>,
        read: impl FnOnce(Line<'t>, &mut Self) -> Option<T>,
    ) {
        if setting.is_some() {
            self.first_is_kept(line);
        } else {
            *setting = read(line, self);
        }
    }

    /// A word that `of` does not know among its options.
    pub fn unknown_option(&mut self, word: Word<'_>, of: &str, known: &[&'static str]) {
        let option = word.text().to_owned();
        let nearest = suggest::nearest(&option, known);
        self.add(
            word.at(),
            Reason::UnknownOption {
                option,
                of: of.to_owned(),
                known: known.to_vec(),
                nearest,
            },
        );
    }

    /// Passes the word after an option through; its absence is reported.
    pub fn option_value<'t>(&mut self, option: Word<'_>, value: Option<Word<'t>>) -> Option<Word<'t>> {
        if value.is_none() {
            self.add(
                option.at(),
                Reason::OptionWithoutValue {
                    option: option.text().to_owned(),
                },
            );
        }
        value
    }

    /// A keyword that has a instead; it still works.
    pub fn deprecated(&mut self, line: Line<'_>, instead: &'static str) {
        let keyword = line.keyword().to_owned();
        self.add(line.keyword_word().at(), Reason::Deprecated { keyword, instead });
    }

    /// Two settings that do not go together, and which of them gives way.
    pub fn conflict(&mut self, at: At<'_>, what: &'static str, with: &'static str, effect: &'static str) {
        self.add(at, Reason::Conflict { what, with, effect });
    }

    /// How many mistakes there are so far, for [`Report::is_spoilt_since`].
    pub fn mark(&self) -> usize {
        self.mistakes.len()
    }

    /// Whether a mistake since the mark is worse than a warning: what was read since then is not to be used.
    pub fn is_spoilt_since(&self, mark: usize) -> bool {
        self.mistakes
            .iter()
            .skip(mark)
            .any(|mistake| mistake.reason.spoils())
    }

    /// The exit status of a config test with these mistakes.
    pub fn exit_status(&self) -> ExitStatus {
        ExitStatus::of(self.mistakes.iter().map(|mistake| mistake.reason.class()))
    }
}
