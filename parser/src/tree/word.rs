//! One word of a line, and the readers that turn it into a value.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::place::{At, Place};
use crate::report::{Reason, Report};
use crate::tree::Tree;
use crate::value::address;
use crate::value::number::{self, Decimal, Integer};

/// One word of a line, without its quotes.
#[derive(Clone, Copy)]
pub struct Word<'t> {
    pub(super) tree: &'t Tree,
    pub(super) index: usize,
    pub(super) place: Place,
    pub(super) line_start: u32,
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
        self.tree.at(
            self.place,
            self.line_start,
            word.start as usize..word.end as usize,
        )
    }

    /// Where its last `length` bytes stand.
    fn at_last(self, length: usize) -> At<'t> {
        let word = self.tree.words[self.index];
        let end = word.end as usize;
        self.tree.at(self.place, self.line_start, end - length..end)
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

    /// One word out of a list, with what it stands for; `of` is the keyword or thing it belongs to.
    pub fn one_of<T: Copy>(self, of: &str, words: &[(&'static str, T)], report: &mut Report) -> Option<T> {
        self.find(of, words, |name| name == self.text(), report)
    }

    /// As [`Word::one_of`] in capital or small letters.
    pub fn one_of_in_any_case<T: Copy>(
        self,
        of: &str,
        words: &[(&'static str, T)],
        report: &mut Report,
    ) -> Option<T> {
        self.find(of, words, |name| name.eq_ignore_ascii_case(self.text()), report)
    }

    fn find<T: Copy>(
        self,
        of: &str,
        words: &[(&'static str, T)],
        is: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Option<T> {
        let found = words.iter().find(|(name, _)| is(name)).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
            report.unknown_option(self, of, &names);
        }
        found
    }

    /// An IPv4 or IPv6 address with its prefix length, the longest if none is written.
    pub fn address_with_prefix(self, report: &mut Report) -> Option<(IpAddr, u8)> {
        let Some((address, prefix)) = address::ip_prefix(self.text()) else {
            report.add(
                self.at(),
                Reason::NotAnAddress {
                    got: self.text().to_owned(),
                },
            );
            return None;
        };
        let longest = address::longest_prefix(address);
        let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) else {
            return Some((address, longest));
        };
        let (length, reason) = number::integer(prefix, 0..=longest);
        if let Some(reason) = reason {
            report.add(self.at_last(prefix.len()), reason);
        }
        Some((address, length.unwrap_or(longest)))
    }

    /// A multicast address.
    pub fn multicast(self, report: &mut Report) -> Option<IpAddr> {
        let address = self.address(report)?;
        if !address.is_multicast() {
            report.add(
                self.at(),
                Reason::NotMulticast {
                    got: self.text().to_owned(),
                },
            );
        }
        address.is_multicast().then_some(address)
    }

    /// A name of at most `longest` bytes.
    pub fn name(self, longest: usize, report: &mut Report) -> Option<String> {
        let fits = self.text().len() <= longest;
        if !fits {
            report.add(
                self.at(),
                Reason::TooLong {
                    got: self.text().to_owned(),
                    most: longest,
                },
            );
        }
        fits.then(|| self.text().to_owned())
    }

    /// The name of an interface.
    pub fn interface(self, report: &mut Report) -> Option<String> {
        const LONGEST: usize = 15; // IFNAMSIZ without the NUL
        let name = self.name(LONGEST, report)?;
        if matches!(&*name, "" | "." | "..") || name.contains(['/', ' ', '\t']) {
            report.add(self.at(), Reason::BadInterfaceName { got: name });
            return None;
        }
        Some(name)
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
