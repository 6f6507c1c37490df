//! Every mistake of a configuration, as a value with its place. Reading never stops at one.
//!
//! A block parser calls [`Report::add`] with words and a [`Reason`]; the reason knows its severity class, its message,
//! what was expected and what helps. Nothing here prints.

mod class;
mod finding;
mod lvs;
mod reason;
mod render;
mod routing;
mod secret;
mod suggest;
mod vrrp;

pub use class::{Class, ExitStatus};
pub use finding::Finding;
pub use lvs::{LvsReason, RegexError, TunnelError};
pub use reason::Reason;
pub use routing::RoutingReason;
pub use vrrp::VrrpReason;

use secret::Hidden;

use crate::config;
use crate::place::{At, Place};
use crate::source::Sources;
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
    /// The line after definitions were replaced; of a very long one the part around the words meant.
    pub text: String,
    /// Bytes of the line before `text`.
    pub text_start: usize,
    /// What is wrong. Its own words may quote a secret: [`Mistake::title`] and so on do not.
    pub reason: Reason,
    hidden: Hidden,
}

/// All mistakes found so far, in the order they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The mistakes, at most [`MAX_MISTAKES`].
    pub mistakes: Vec<Mistake>,
    /// How many more there are.
    pub omitted: usize,
    /// The highest class among those.
    omitted_class: Option<Class>,
    /// How many words have been compared for suggestions.
    compared: usize,
    /// How many of all are worse than a warning.
    spoiling: usize,
    /// The keywords of the block with secrets that is being read.
    among_secrets: &'static [&'static str],
}

/// How far a report was at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

/// More mistakes than this are only counted: nobody reads them, and a hostile file could make millions.
pub const MAX_MISTAKES: usize = 10_000;

/// Words compared for suggestions altogether.
const MAX_COMPARED: usize = 10_000_000;

impl Report {
    /// What was found since there were so many mistakes is in a block that is dropped: it is told, but decides nothing,
    /// as keepalived does not look into such a block.
    pub(crate) fn dropped_since(&mut self, before: usize) {
        for mistake in self.mistakes.iter_mut().skip(before) {
            let reason = mistake.reason.clone();
            mistake.reason = Reason::InDroppedBlock(Box::new(reason));
        }
    }

    /// Notes a mistake at some words.
    pub fn add(&mut self, at: At<'_>, reason: Reason) {
        self.spoiling += usize::from(reason.spoils());
        if self.is_full() {
            self.omitted += 1;
            self.omitted_class = self.omitted_class.max(Some(reason.class()));
            return;
        }
        let hidden = if self.among_secrets.is_empty() {
            Hidden::in_line(at.text)
        } else {
            Hidden::in_block(at.text, self.among_secrets)
        };
        self.mistakes.push(Mistake {
            place: at.place,
            column: at.start + 1,
            length: at.length,
            text: hidden.line(at.text).into_owned(),
            text_start: at.text_start,
            reason,
            hidden,
        });
    }

    /// Whether further mistakes are only counted.
    fn is_full(&self) -> bool {
        self.mistakes.len() >= MAX_MISTAKES
    }

    /// The nearest of the known words to one that is not known, as long as anyone may read it: a hostile file could ask
    /// a million times among a million names.
    pub(crate) fn nearest<'a>(
        &mut self,
        word: &str,
        known: impl ExactSizeIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        self.compared = self.compared.saturating_add(known.len());
        if self.is_full() || self.compared > MAX_COMPARED {
            return None;
        }
        suggest::nearest(word, known)
    }

    /// A line whose keyword its block does not have: it is skipped with its block, and the nearest of `known` is
    /// suggested.
    pub fn unknown_keyword(&mut self, line: Line<'_>, known: &[&'static str]) {
        let keyword = line.keyword();
        let home = if self.is_full() {
            None
        } else {
            config::home(keyword)
        };
        let nearest = match home {
            Some(_) => None,
            None => self.nearest(keyword, known.iter().copied()),
        };
        let reason = Reason::UnknownKeyword {
            keyword: keyword.to_owned(),
            block: config::block_with(known),
            nearest,
            home,
            has_block: line.has_block(),
        };
        self.add(line.keyword_word().at(), reason);
    }

    /// Reads a block that has secrets in it, whose keywords are `known`: what is told of its lines does not quote them.
    pub(crate) fn among_secrets<R>(
        &mut self,
        known: &'static [&'static str],
        read: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.among_secrets = known;
        let read = read(self);
        self.among_secrets = &[];
        read
    }

    /// An unterminated quote, reported already, has swallowed a value that keepalived cannot do without.
    pub(crate) fn quote_lost_a_value(&mut self, mistake: u32) {
        if let Some(Mistake {
            reason: Reason::UnterminatedQuote { value_lost },
            ..
        }) = self.mistakes.get_mut(mistake as usize)
        {
            *value_lost = true;
        }
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

    /// Reads a setting of which keepalived keeps the last, but reports that there was another.
    pub fn keep_last<'t, T>(
        &mut self,
        line: Line<'t>,
        setting: &mut Option<T>,
        read: impl FnOnce(Line<'t>, &mut Self) -> Option<T>,
    ) {
        let Some(value) = read(line, self) else { return };
        if setting.replace(value).is_some() {
            let keyword = line.keyword().to_owned();
            self.add(line.at(), Reason::Replaced { keyword });
        }
    }

    /// A word that `of` does not know among its options.
    pub fn unknown_option(&mut self, word: Word<'_>, of: &str, known: &[&'static str]) {
        let option = word.text().to_owned();
        let nearest = self.nearest(&option, known.iter().copied());
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

    /// Puts the mistakes into the order in which a reader meets their lines: those of an included file stand where it
    /// is included.
    pub fn sort(&mut self, sources: &Sources) {
        self.mistakes.sort_by_cached_key(|mistake| {
            let mut path: Vec<Place> = sources.included_from(mistake.place).collect();
            path.reverse();
            path.push(mistake.place);
            path.into_iter()
                .map(|place| (place.file, place.line))
                .collect::<Vec<_>>()
        });
    }

    /// The state of the report, for [`Report::is_spoilt_since`].
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.spoiling)
    }

    /// Whether a mistake since the mark is worse than a warning: what was read since then is not to be used.
    pub(crate) fn is_spoilt_since(&self, mark: Mark) -> bool {
        self.spoiling > mark.0
    }

    /// The exit status of a config test with these mistakes.
    pub fn exit_status(&self) -> ExitStatus {
        let classes = self.mistakes.iter().map(|mistake| mistake.reason.class());
        ExitStatus::of(classes.chain(self.omitted_class))
    }
}
