//! `regex`: finds an expression in a body that streams by, in bounded memory and bounded time.
//!
//! A body that fits into the window is matched as a whole. Of a longer one the window shows a part at a time; it moves by
//! halves, so that a match is missed only if it is longer than half a window. Time is bounded by the backtracking limit.

use std::sync::Arc;

use fancy_regex::{BytesMode, RegexBuilder};
use parser::config::checker::{Pattern, Regex, RegexOption};

/// Bytes of a body that are looked at together.
pub(crate) const WINDOW: usize = 64 * 1024;

/// Bytes before a match that look-behinds and word boundaries can still see when the window has moved on.
const CONTEXT: usize = 1024;

/// Steps of backtracking in one look at the window.
const BACKTRACKING: usize = 1_000_000;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Matcher {
    regex: fancy_regex::Regex,
    /// `firstline`: a match begins in the first line.
    first_line: bool,
}

impl Matcher {
    /// Compiles an expression, or says why it cannot be.
    pub(crate) fn new(pattern: &Pattern) -> Result<Self, String> {
        let has = |option| pattern.options.contains(&option);
        let unicode = has(RegexOption::Utf) || has(RegexOption::Ucp);
        let text = dollars(
            &pattern.text,
            has(RegexOption::DollarEndonly) || has(RegexOption::Multiline),
        );
        let ungreedy = if has(RegexOption::Ungreedy) { "(?U)" } else { "" };
        let regex = RegexBuilder::new(&format!("{ungreedy}{text}"))
            .case_insensitive(has(RegexOption::Caseless))
            .multi_line(has(RegexOption::Multiline))
            .dot_matches_new_line(has(RegexOption::Dotall))
            .ignore_whitespace(has(RegexOption::Extended))
            .bytes_mode(if unicode {
                BytesMode::UnicodeBytes
            } else {
                BytesMode::Ascii
            })
            .backtrack_limit(BACKTRACKING)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            regex,
            first_line: has(RegexOption::Firstline),
        })
    }
}

/// What is known of an expression and a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Not yet.
    No,
    /// It is there.
    Yes,
    /// It took too long to find out.
    TooHard,
}

/// An expression that is being looked for in a body.
#[derive(Debug)]
pub(crate) struct Search {
    matcher: Arc<Matcher>,
    /// The part of the body that is looked at, with some context before.
    window: Vec<u8>,
    /// Where the window begins in the body.
    offset: u64,
    /// The first byte of the body where a match may still begin.
    from: u64,
    /// The last one.
    to: u64,
    found: Found,
}

impl Search {
    /// Begins.
    pub(crate) fn new(matcher: Arc<Matcher>, regex: &Regex) -> Self {
        Self {
            matcher,
            window: Vec::new(),
            offset: 0,
            from: regex.min_offset.into(),
            to: regex.max_offset.map_or(u64::MAX, u64::from),
            found: Found::No,
        }
    }

    /// More of the body came.
    pub(crate) fn take(&mut self, mut body: &[u8]) {
        while !body.is_empty() && self.is_open() {
            let (now, later) = body.split_at(body.len().min(WINDOW - self.window.len()));
            if self.matcher.first_line
                && let Some(end) = now.iter().position(|byte| *byte == b'\n')
            {
                let at = self.offset + (self.window.len() + end) as u64;
                self.to = self.to.min(at);
            }
            self.window.extend_from_slice(now);
            body = later;
            if self.window.len() == WINDOW {
                self.look(false);
            }
        }
    }

    /// The body has ended.
    pub(crate) fn finish(mut self) -> Found {
        if self.is_open() {
            self.look(true);
        }
        self.found
    }

    fn is_open(&self) -> bool {
        self.found == Found::No && self.from <= self.to
    }

    fn look(&mut self, last: bool) {
        let length = self.window.len();
        let start = usize::try_from(self.from.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let keep = if start > length {
            length
        } else {
            match self.matcher.regex.find_from_pos(self.window.as_slice(), start) {
                Err(_) => {
                    self.found = Found::TooHard;
                    return;
                }
                Ok(None) => length / 2,
                Ok(Some(found)) if self.offset + found.start() as u64 > self.to => {
                    self.from = u64::MAX;
                    return;
                }
                // What touches the end of what is known may be otherwise once more is known; unless it is so long that
                // there would be no room for more.
                Ok(Some(found)) if last || found.end() < length || found.start() < length / 4 => {
                    self.found = Found::Yes;
                    return;
                }
                Ok(Some(found)) => found.start().min(length / 2),
            }
        };
        self.from = self.from.max(self.offset + keep as u64);
        let drop = keep.saturating_sub(CONTEXT);
        self.window.drain(..drop);
        self.offset += drop as u64;
    }
}

/// PCRE's `$` also matches before a line feed at the very end; here that is `\Z`. Where an inline flag may change what a
/// `$` means it is left alone.
fn dollars(text: &str, plain: bool) -> String {
    let flags = text.match_indices("(?").any(|(at, _)| {
        let flags = text[at + 2..].split([')', ':']).next().unwrap_or("");
        flags.chars().all(|c| c.is_ascii_alphabetic() || c == '-') && flags.contains('m')
    });
    if plain || flags {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut in_class = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                out.push('\\');
                out.extend(characters.next());
                continue;
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                // A `]` that comes first is one of the members.
                for first in ['^', ']'] {
                    if characters.as_str().starts_with(first) {
                        characters.next();
                        out.push_str(if first == ']' { "\\]" } else { "^" });
                    }
                }
                continue;
            }
            ']' => in_class = false,
            '$' if !in_class => {
                out.push_str("\\Z");
                continue;
            }
            _ => {}
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str, options: &[RegexOption]) -> Regex {
        Regex {
            pattern: Arc::new(Pattern {
                text: text.into(),
                options: options.into(),
            }),
            no_match: false,
            min_offset: 0,
            max_offset: None,
            stack: None,
        }
    }

    fn find(regex: &Regex, pieces: &[&[u8]]) -> Found {
        let mut search = Search::new(Arc::new(Matcher::new(&regex.pattern).unwrap()), regex);
        for piece in pieces {
            search.take(piece);
        }
        search.finish()
    }

    #[test]
    fn options_mean_what_pcre_means_by_them() {
        let table: &[(&str, &[RegexOption], &[u8], Found)] = &[
            ("up", &[], b"all Up", Found::No),
            ("up", &[RegexOption::Caseless], b"all Up", Found::Yes),
            ("a.b", &[], b"a\nb", Found::No),
            ("a.b", &[RegexOption::Dotall], b"a\nb", Found::Yes),
            ("^b", &[], b"a\nb", Found::No),
            ("^b", &[RegexOption::Multiline], b"a\nb", Found::Yes),
            ("a b", &[RegexOption::Extended], b"ab", Found::Yes),
            ("a$", &[], b"a\n", Found::Yes),
            ("a$", &[RegexOption::DollarEndonly], b"a\n", Found::No),
            ("[$]", &[], b"cost: $", Found::Yes),
            ("[]$]x", &[], b"$x", Found::Yes),
            ("\\$5", &[], b"cost: $5", Found::Yes),
            ("b", &[RegexOption::Firstline], b"a\nb", Found::No),
            ("b", &[RegexOption::Firstline], b"ab\n", Found::Yes),
            ("(a)\\1", &[], b"xaa", Found::Yes),
            ("a(?!b)", &[], b"ab", Found::No),
            ("\\xff.", &[], b"\xff\xfe", Found::Yes),
            ("\\w", &[], "é".as_bytes(), Found::No),
            (
                "^\\w$",
                &[RegexOption::Utf, RegexOption::Ucp],
                "é".as_bytes(),
                Found::Yes,
            ),
        ];
        for (text, options, body, expected) in table {
            let regex = regex(text, options);
            assert_eq!(find(&regex, &[body]), *expected, "{text} {options:?}");
            for cut in 0..body.len() {
                assert_eq!(
                    find(&regex, &[&body[..cut], &body[cut..]]),
                    *expected,
                    "{text} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn offsets_bound_where_a_match_begins() {
        let table = [
            (0, None, Found::Yes),
            (4, None, Found::Yes),
            (5, None, Found::No),
            (0, Some(4), Found::Yes),
            (0, Some(3), Found::No),
        ];
        for (min_offset, max_offset, expected) in table {
            let regex = Regex {
                min_offset,
                max_offset,
                ..regex("up", &[])
            };
            assert_eq!(
                find(&regex, &[b"all up"]),
                expected,
                "{min_offset} {max_offset:?}"
            );
        }
    }

    #[test]
    fn a_long_body_slides_by() {
        let dots = vec![b'.'; 25_000];
        for before in 0..12 {
            let mut pieces = vec![dots.as_slice(); before];
            pieces.extend([b"needle".as_slice(), b" and"]);
            assert_eq!(find(&regex("needle and$", &[]), &pieces), Found::Yes, "{before}");
            assert_eq!(
                find(&regex("^needle", &[]), &pieces),
                if before == 0 { Found::Yes } else { Found::No }
            );
            pieces.push(&dots);
            assert_eq!(find(&regex("needle and$", &[]), &pieces), Found::No, "{before}");
            assert_eq!(
                find(&regex("(?<=\\.)needle|^needle", &[]), &pieces),
                Found::Yes,
                "{before}"
            );
            assert_eq!(find(&regex("needle.*", &[]), &pieces), Found::Yes, "{before}");
            let late = Regex {
                min_offset: 125_001,
                ..regex("needle", &[])
            };
            assert_eq!(
                find(&late, &pieces),
                if before > 5 { Found::Yes } else { Found::No },
                "{before}"
            );
        }
    }

    #[test]
    fn memory_stays_below_the_window() {
        let regex = regex("(?s)x.*y$", &[]);
        let mut search = Search::new(Arc::new(Matcher::new(&regex.pattern).unwrap()), &regex);
        let dots = vec![b'.'; 50_000];
        for _ in 0..100 {
            search.take(&dots);
            assert!(search.window.capacity() <= 2 * WINDOW);
        }
    }

    #[test]
    fn an_expression_that_explodes_is_given_up() {
        let body = [b'a'; 60];
        assert_eq!(
            find(&regex("(?:(a|aa)\\1?)+(?=b)\\1", &[]), &[&body]),
            Found::TooHard
        );
    }
}
