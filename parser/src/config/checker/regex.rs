//! `regex` and its kin: what the body of a page must match. The pattern is kept as it is written; whoever matches it
//! compiles it.

use std::sync::Arc;

use super::{Pool, set};
use crate::report::{LvsReason, Reason, RegexError, Report};
use crate::tree::{Block, Line};

/// What the body of a page must match, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    /// `regex` and `regex_options`; equal ones are one allocation.
    pub pattern: Arc<Pattern>,
    /// `regex_no_match`: the check fails if it matches.
    pub no_match: bool,
    /// `regex_min_offset`: the first byte of the body where a match may begin; 0 by default.
    pub min_offset: u32,
    /// `regex_max_offset`: the last byte of the body where a match may begin. `None` means any.
    pub max_offset: Option<u32>,
    /// `regex_stack`: first and greatest size of the matcher's stack in bytes.
    pub stack: Option<(u32, u32)>,
}

/// A regular expression and the options it is compiled with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The expression, quotes and escapes undone.
    pub text: Box<str>,
    /// `regex_options`, in the order of [`RegexOption`].
    pub options: Box<[RegexOption]>,
}

/// Options of PCRE2, by their names there in small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each is the PCRE2 option of its name; see pcre2api(3)"
)]
pub enum RegexOption {
    AllowEmptyClass,
    AltBsux,
    AutoCallout,
    Caseless,
    DollarEndonly,
    Dotall,
    Dupnames,
    Extended,
    Firstline,
    MatchUnsetBackref,
    Multiline,
    NeverUcp,
    NeverUtf,
    NoAutoCapture,
    NoAutoPossess,
    NoDotstarAnchor,
    NoStartOptimize,
    Ucp,
    Ungreedy,
    Utf,
    NeverBackslashC,
    AltCircumflex,
    AltVerbnames,
    UseOffsetLimit,
}

impl RegexOption {
    /// As it is written.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, option)| *option == self);
        found.map_or("", |(name, _)| name)
    }

    /// Every option with its name.
    pub const ALL: [(&'static str, Self); 24] = [
        ("allow_empty_class", Self::AllowEmptyClass),
        ("alt_bsux", Self::AltBsux),
        ("auto_callout", Self::AutoCallout),
        ("caseless", Self::Caseless),
        ("dollar_endonly", Self::DollarEndonly),
        ("dotall", Self::Dotall),
        ("dupnames", Self::Dupnames),
        ("extended", Self::Extended),
        ("firstline", Self::Firstline),
        ("match_unset_backref", Self::MatchUnsetBackref),
        ("multiline", Self::Multiline),
        ("never_ucp", Self::NeverUcp),
        ("never_utf", Self::NeverUtf),
        ("no_auto_capture", Self::NoAutoCapture),
        ("no_auto_possess", Self::NoAutoPossess),
        ("no_dotstar_anchor", Self::NoDotstarAnchor),
        ("no_start_optimize", Self::NoStartOptimize),
        ("ucp", Self::Ucp),
        ("ungreedy", Self::Ungreedy),
        ("utf", Self::Utf),
        ("never_backslash_c", Self::NeverBackslashC),
        ("alt_circumflex", Self::AltCircumflex),
        ("alt_verbnames", Self::AltVerbnames),
        ("use_offset_limit", Self::UseOffsetLimit),
    ];
}

/// The keywords.
pub(in crate::config) const KEYWORDS: [&str; 6] = [
    "regex",
    "regex_no_match",
    "regex_options",
    "regex_min_offset",
    "regex_max_offset",
    "regex_stack",
];

/// What a `url` says of its regular expression.
#[derive(Debug, Default)]
pub(super) struct Draft {
    text: Option<String>,
    options: Vec<RegexOption>,
    no_match: bool,
    min_offset: Option<u32>,
    max_offset: Option<u32>,
    stack: Option<(u32, u32)>,
}

impl Draft {
    /// Reads one of [`KEYWORDS`]. `false` if the keyword is none of them. Nothing here makes keepalived refuse a file.
    pub(super) fn read(draft: &mut Option<Box<Self>>, line: Line<'_>, report: &mut Report) -> bool {
        if !KEYWORDS.contains(&line.keyword()) {
            return false;
        }
        let draft = draft.get_or_insert_default();
        match line.keyword() {
            "regex" => set(&mut draft.text, text(line, report)),
            "regex_no_match" => draft.no_match = line.flag(report),
            "regex_options" => draft.read_options(line, report),
            "regex_min_offset" => set(&mut draft.min_offset, number(line, 0, report)),
            "regex_max_offset" => set(&mut draft.max_offset, number(line, 0, report)),
            _ => {
                let (start, max) = (number(line, 0, report), number(line, 1, report));
                if let (Some(start), Some(max)) = (start, max) {
                    if start <= max {
                        draft.stack = Some((start, max));
                    } else {
                        blame_numbers(line, report);
                    }
                }
            }
        }
        true
    }

    /// Reports settings that have no expression, and offsets that leave no room.
    pub(super) fn check(&self, block: Block<'_>, report: &mut Report) {
        if self.text.is_none() && block.find("regex").is_none() {
            report.add(block.head.at(), LvsReason::NoRegex.into());
        }
        if !self.offsets_go_upwards() {
            blame_numbers(block.line_of("regex_max_offset"), report);
        }
    }

    /// Puts equal expressions together. Offsets that leave no room are as if they were not written.
    pub(super) fn resolve(mut self, pool: &mut Pool) -> Option<Regex> {
        self.options.sort_unstable();
        self.options.dedup();
        let fits = self.offsets_go_upwards();
        Some(Regex {
            pattern: pool.patterns.get(Pattern {
                text: self.text?.into(),
                options: self.options.into(),
            }),
            no_match: self.no_match,
            min_offset: self.min_offset.filter(|_| fits).unwrap_or(0),
            max_offset: self.max_offset.filter(|_| fits),
            stack: self.stack,
        })
    }

    fn read_options(&mut self, line: Line<'_>, report: &mut Report) {
        line.no_block(report);
        for word in line.words() {
            let got = word.text();
            if let Some((_, option)) = RegexOption::ALL.iter().find(|(name, _)| *name == got) {
                self.options.push(*option);
            } else {
                let nearest = report.nearest(got, RegexOption::ALL.iter().map(|(name, _)| *name));
                let got = got.to_owned();
                report.add(word.at(), LvsReason::UnknownRegexOption { got, nearest }.into());
            }
        }
    }

    fn offsets_go_upwards(&self) -> bool {
        self.max_offset
            .is_none_or(|max| self.min_offset.unwrap_or(0) < max)
    }
}

/// The expression: exactly one word with the quotes and escapes of script words.
fn text(line: Line<'_>, report: &mut Report) -> Option<String> {
    let words = line.script_words(report)?;
    let error = match <[String; 1]>::try_from(words) {
        Ok([text]) => match syntax(&text) {
            Ok(()) => return Some(text),
            Err(error) => error,
        },
        Err(_) => RegexError::NotOneWord,
    };
    report.add(line.at(), LvsReason::BadRegex { error }.into());
    None
}

fn number(line: Line<'_>, position: usize, report: &mut Report) -> Option<u32> {
    line.no_block(report);
    let number = line
        .words()
        .nth(position)
        .and_then(|word| word.text().parse().ok());
    if number.is_none() {
        blame_numbers(line, report);
    }
    number
}

fn blame_numbers(line: Line<'_>, report: &mut Report) {
    let keyword = line.keyword().to_owned();
    report.add(line.at(), Reason::Lvs(LvsReason::BadOffsets { keyword }));
}

/// Finds what no regular expression can be. What passes may still be refused by the matcher.
fn syntax(text: &str) -> Result<(), RegexError> {
    if text.contains('#') {
        // Perhaps a comment of an `extended` expression, where nothing has to fit.
        return Ok(());
    }
    let mut open = 0_u32;
    let mut nothing_yet = true;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        (rest, nothing_yet) = match first {
            '\\' => (escaped(after)?, false),
            '[' => (class(after)?, false),
            // A verb.
            '(' if after.starts_with('*') => {
                let end = after.find(')').ok_or(RegexError::Parenthesis)?;
                (&after[end + 1..], nothing_yet)
            }
            '(' => {
                open += 1;
                (after.strip_prefix('?').unwrap_or(after), true)
            }
            ')' => {
                open = open.checked_sub(1).ok_or(RegexError::Parenthesis)?;
                (after, false)
            }
            '|' => (after, true),
            '*' | '+' | '?' if nothing_yet => return Err(RegexError::NothingToRepeat),
            _ => (after, false),
        };
    }
    if open == 0 {
        Ok(())
    } else {
        Err(RegexError::Parenthesis)
    }
}

/// What follows a backslash and what belongs to it.
fn escaped(after: &str) -> Result<&str, RegexError> {
    let mut characters = after.chars();
    match characters.next() {
        None => Err(RegexError::Backslash),
        // Everything up to \E, or to the end, stands for itself.
        Some('Q') => Ok(after.find("\\E").map_or("", |end| &after[end + 2..])),
        Some(_) => Ok(characters.as_str()),
    }
}

/// What follows a class. A `]` that comes first is one of its members, unless `allow_empty_class` ends the class there.
fn class(after: &str) -> Result<&str, RegexError> {
    let after = after.strip_prefix('^').unwrap_or(after);
    let empty = after.strip_prefix(']');
    let mut rest = empty.unwrap_or(after);
    loop {
        let Some(first) = rest.chars().next() else {
            return empty.ok_or(RegexError::Class);
        };
        let after = &rest[first.len_utf8()..];
        rest = match first {
            ']' => return Ok(after),
            '\\' => escaped(after)?,
            '[' if after.starts_with(':') => after.find(":]").map_or(after, |end| &after[end + 2..]),
            _ => after,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_matcher_takes_is_found() {
        for (text, error) in [
            ("(abc", RegexError::Parenthesis),
            ("abc)", RegexError::Parenthesis),
            ("(*UTF", RegexError::Parenthesis),
            ("[abc", RegexError::Class),
            ("[^abc", RegexError::Class),
            ("abc\\", RegexError::Backslash),
            ("*abc", RegexError::NothingToRepeat),
            ("a|+b", RegexError::NothingToRepeat),
            ("(?abc", RegexError::Parenthesis),
        ] {
            assert_eq!(syntax(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_a_matcher_may_take_passes() {
        for text in [
            "",
            "abc",
            "a(b|c)*d+?",
            "[]abc]",
            "[^]abc]",
            "[[:alpha:](]",
            "[a\\]b]",
            "\\(\\[\\*",
            "\\Q(((\\E?",
            "[]",
            "abc # (",
            "\\Q(((",
            "(?i)abc(?#comment ( )",
            "(*UTF)abc",
            "(?:a|b)(?<name>c)(?=d)(?!e)",
            "a{2,3}{",
            "é+",
        ] {
            assert_eq!(syntax(text), Ok(()), "{text}");
        }
    }
}
