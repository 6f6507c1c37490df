//! `include` and its variants, and `include_check`.

use std::path::{Path, PathBuf};

use crate::report::Reason;
use crate::source::{FileKind, Host};

/// What makes an include problem fatal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// A file that is there but cannot be read.
    pub read: bool,
    /// A literal name without a file.
    pub matches: bool,
    /// A pattern that matches nothing.
    pub wildcard_match: bool,
    /// A brace alternative that matches nothing.
    pub brace_match: bool,
}

impl Checks {
    /// Every check.
    pub const ALL: Self = Self {
        read: true,
        matches: true,
        wildcard_match: true,
        brace_match: true,
    };
    const NONE: Self = Self {
        read: false,
        matches: false,
        wildcard_match: false,
        brace_match: false,
    };

    /// Applies the words of an `include_check` line. A word that is none is returned.
    pub(super) fn apply<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<(), &'a str> {
        let Some(first) = words.next() else {
            *self = Self::ALL;
            return Ok(());
        };
        if !first.starts_with(['+', '-']) {
            *self = Self::NONE;
        }
        let mut unknown = Ok(());
        for word in std::iter::once(first).chain(words) {
            match word.strip_prefix(['+', '-']).unwrap_or(word) {
                "read" => self.read = !word.starts_with('-'),
                "match" => self.matches = !word.starts_with('-'),
                "wildcard_match" => self.wildcard_match = !word.starts_with('-'),
                "brace_match" => self.brace_match = !word.starts_with('-'),
                _ => unknown = unknown.and(Err(word)),
            }
        }
        unknown
    }
}

/// Reads a line as an include directive: its checks and its pattern.
pub(super) fn directive(line: &str, default: Checks) -> Option<(Checks, &str)> {
    let rest = line.strip_prefix("include")?;
    let blank = rest.find([' ', '\t'])?;
    let checks = match &rest[..blank] {
        "" => default,
        "r" => Checks {
            read: true,
            ..Checks::NONE
        },
        "m" => Checks {
            read: true,
            matches: true,
            ..Checks::NONE
        },
        "w" => Checks {
            read: true,
            matches: true,
            wildcard_match: true,
            brace_match: false,
        },
        "b" => Checks {
            read: true,
            brace_match: true,
            ..Checks::NONE
        },
        "a" => Checks::ALL,
        _ => return None,
    };
    let pattern = rest[blank..].trim();
    (!pattern.is_empty()).then_some((checks, pattern))
}

/// A file to read: its name for messages and its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// Finds the files of a pattern, relative to `dir`. The second part is what is wrong; reading stops only if its
/// reason is of a class that says so.
pub(super) fn find(host: &impl Host, dir: &Path, pattern: &str, checks: Checks) -> (Vec<Found>, Vec<Reason>) {
    if pattern.len() > LONGEST_PATTERN {
        let path = format!("{}...", &pattern[..pattern.floor_char_boundary(60)]);
        return (
            Vec::new(),
            vec![Reason::IncludeMissing {
                path,
                fatal: checks.matches,
            }],
        );
    }
    let alternatives = braces(pattern);
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    let mut missing_alternative = false;
    for name in &alternatives {
        let before = found.len();
        find_one(host, dir, name, &mut found);
        if found.len() > before {
            continue;
        }
        if alternatives.len() > 1 {
            missing_alternative = true;
        } else if is_wildcard(name) {
            if checks.wildcard_match {
                reasons.push(Reason::IncludeMatchesNothing {
                    pattern: pattern.to_owned(),
                });
            }
        } else {
            reasons.push(Reason::IncludeMissing {
                path: name.clone(),
                fatal: checks.matches,
            });
        }
    }
    if missing_alternative {
        let reason = Reason::IncludeAlternativeMissing {
            pattern: pattern.to_owned(),
            fatal: checks.brace_match,
        };
        reasons.push(reason);
        if checks.brace_match {
            found.clear();
        }
    }
    (found, reasons)
}

fn find_one(host: &impl Host, dir: &Path, name: &str, found: &mut Vec<Found>) {
    let path = dir.join(name);
    if !is_wildcard(name) {
        if host.kind(&path).is_ok() {
            found.push(Found {
                name: name.to_owned(),
                path,
            });
        }
        return;
    }
    let Some(pattern) = path.to_str() else { return };
    for path in host.glob(pattern) {
        let relative = if Path::new(name).is_absolute() {
            None
        } else {
            path.strip_prefix(dir).ok()
        };
        let name = relative.unwrap_or(&path).to_string_lossy().into_owned();
        found.push(Found { name, path });
    }
}

/// Whether and why a found file is not read: `None` means it is.
pub(super) fn refusal(host: &impl Host, found: &Found, checks: Checks) -> Option<Reason> {
    let path = found.name.clone();
    match host.kind(&found.path) {
        Ok(FileKind::Plain) => None,
        Ok(FileKind::Directory) => Some(Reason::IncludeDirectory { path }),
        Ok(FileKind::Executable) => Some(Reason::IncludeExecutable { path }),
        Ok(FileKind::Special) => Some(Reason::IncludeSpecial { path }),
        Err(error) => Some(Reason::IncludeUnreadable {
            path,
            error: error.to_string(),
            fatal: checks.read,
        }),
    }
}

fn is_wildcard(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// No path is longer (`PATH_MAX`).
const LONGEST_PATTERN: usize = 4096;
/// Most alternatives that nested braces may give.
const MAX_ALTERNATIVES: usize = 1000;

/// Expands `{a,b}` as the shell does: `{x}` without a comma and unpaired braces stay as they are.
fn braces(pattern: &str) -> Vec<String> {
    let mut todo = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = todo.pop() {
        match first_group(&pattern) {
            Some((before, alternatives, after)) if todo.len() + done.len() < MAX_ALTERNATIVES => {
                let expanded = alternatives
                    .iter()
                    .rev()
                    .map(|middle| format!("{before}{middle}{after}"));
                todo.extend(expanded);
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// Splits at the first `{..,..}`: what is before it, its alternatives, what is after it.
fn first_group(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    for (open, _) in pattern.match_indices('{') {
        let mut depth = 0;
        let mut part = open + 1;
        let mut parts = Vec::new();
        for (at, character) in pattern.char_indices().skip_while(|&(at, _)| at < open) {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && character == ',') {
                parts.push(&pattern[part..at]);
                part = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
        if depth == 0 && parts.len() > 1 {
            return Some((&pattern[..open], parts, &pattern[part..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_expand_as_in_the_shell() {
        for (pattern, expanded) in [
            ("a.conf", vec!["a.conf"]),
            ("{a,b}.conf", vec!["a.conf", "b.conf"]),
            ("{a,b{c,d}}x", vec!["ax", "bcx", "bdx"]),
            ("{a,b}{1,2}", vec!["a1", "a2", "b1", "b2"]),
            ("{a}{b,c}", vec!["{a}b", "{a}c"]),
            ("{a,b", vec!["{a,b"]),
            ("{,x}y", vec!["y", "xy"]),
        ] {
            assert_eq!(braces(pattern), expanded, "{pattern}");
        }
    }

    #[test]
    fn a_directive_is_a_word_and_a_blank() {
        let pattern = |line| directive(line, Checks::NONE).map(|(_, pattern)| pattern);
        assert_eq!(pattern("include  a b.conf "), Some("a b.conf"));
        assert_eq!(pattern("includea\tx"), Some("x"));
        assert_eq!(pattern("include"), None);
        assert_eq!(pattern("includez x"), None);
        assert_eq!(pattern("include_check read"), None);
    }

    #[test]
    fn checks_are_set_added_and_removed() {
        let mut checks = Checks::NONE;
        assert_eq!(checks.apply("match".split(' ')), Ok(()));
        assert_eq!(
            checks,
            Checks {
                matches: true,
                ..Checks::NONE
            }
        );
        assert_eq!(checks.apply("+read -match".split(' ')), Ok(()));
        assert_eq!(
            checks,
            Checks {
                read: true,
                ..Checks::NONE
            }
        );
        assert_eq!(checks.apply("readable".split(' ')), Err("readable"));
        assert_eq!(checks.apply(std::iter::empty()), Ok(()));
        assert_eq!(checks, Checks::ALL);
    }
}
