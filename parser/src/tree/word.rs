//! One word of a line, and the readers that turn it into a value.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::place::{At, Place};
use crate::report::{Reason, Report};
use crate::tree::Tree;
use crate::value::number::{self, Decimal, Integer};

/// One word of a line, without its quotes.
#[derive(Clone, Copy)]
pub struct Word<'t> {
    pub(super) tree: &'t Tree,
    pub(super) index: usize,
    pub(super) place: Place,
}

impl<'t> Word<'t> {
    /// The word, without its quotes.
    pub fn text(self) -> &'t str {
        let word = self.tree.words[self.index];
        &self.tree.text[word.start as usize..word.end as usize]
    }

    /// Where it stands.
    pub fn at(self) -> At<'t> {
        let word = self.tree.words[self.index];
        self.tree.at(self.place, word.start as usize, word.end as usize)
    }

    /// A decimal integer in `range`. As keepalived does at run time, the digits before some rubbish count although the
    /// rubbish is reported.
    pub fn number<T: Integer>(self, range: RangeInclusive<T>, report: &mut Report) -> Option<T> {
        let (value, reason) = number::integer(self.text(), range);
        self.blame(reason, report);
        value
    }

    /// Decimal seconds in `range`, to the grain of `decimal`.
    pub fn seconds(
        self,
        range: RangeInclusive<Duration>,
        decimal: Decimal,
        report: &mut Report,
    ) -> Option<Duration> {
        let (value, reason) = number::seconds(self.text(), range, decimal);
        self.blame(reason, report);
        value
    }

    /// `on off true false yes no`.
    pub fn boolean(self, report: &mut Report) -> Option<bool> {
        match self.text() {
            "on" | "true" | "yes" => Some(true),
            "off" | "false" | "no" => Some(false),
            other => {
                report.add(
                    self.at(),
                    Reason::NotABoolean {
                        got: other.to_owned(),
                    },
                );
                None
            }
        }
    }

    /// An IPv4 or IPv6 address without a prefix.
    pub fn address(self, report: &mut Report) -> Option<IpAddr> {
        let address = self.text().parse().ok();
        if address.is_none() {
            report.add(
                self.at(),
                Reason::NotAnAddress {
                    got: self.text().to_owned(),
                },
            );
        }
        address
    }

    /// One of some words, each with its meaning.
    pub fn choice<T: Copy>(self, choices: &[(&'static str, T)], report: &mut Report) -> Option<T> {
        self.choose(choices, |name| name == self.text(), report)
    }

    /// One of some words in capital or small letters, each with its meaning.
    pub fn choice_in_any_case<T: Copy>(self, choices: &[(&'static str, T)], report: &mut Report) -> Option<T> {
        self.choose(choices, |name| name.eq_ignore_ascii_case(self.text()), report)
    }

    fn choose<T: Copy>(
        self,
        choices: &[(&'static str, T)],
        is: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Option<T> {
        let chosen = choices.iter().find(|(name, _)| is(name)).map(|&(_, value)| value);
        if chosen.is_none() {
            let got = self.text().to_owned();
            let choices = choices.iter().map(|&(name, _)| name).collect();
            report.add(self.at(), Reason::NotAChoice { got, choices });
        }
        chosen
    }

    fn blame(self, reason: Option<Reason>, report: &mut Report) {
        if let Some(reason) = reason {
            report.add(self.at(), reason);
        }
    }
}

impl fmt::Debug for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}
