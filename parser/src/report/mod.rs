//! Every mistake of a configuration, as a value with its place. Reading never stops at one.
//!
//! A block parser calls [`Report::add`] with words and a [`Reason`]; the reason knows its severity class, its message,
//! what was expected and what helps. Nothing here prints.

mod class;
mod reason;
mod routing;
pub(crate) mod suggest;

pub use class::{Class, ExitStatus};
pub use reason::Reason;
pub use routing::RoutingReason;

use crate::place::{At, Place};
use crate::tree::{Block, Line};

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
        let keyword = line.keyword();
        let nearest = suggest::nearest(keyword, known);
        self.add(
            line.keyword_word().at(),
            Reason::UnknownKeyword {
                keyword: keyword.to_owned(),
                nearest,
                has_block: line.has_block(),
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
