//! Passwords and keys do not belong into reports: people paste those into tickets.
//!
//! A line may hold a secret although its keyword is misspelt, or the secret has a blank in it: all that follows a word which
//! looks like the keyword of a secret is hidden.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::config::home;
use crate::report::suggest::nearest;

/// Keywords whose value is a secret, and how many words stand between.
const SECRETS: &[(&str, usize)] = &[("auth_pass", 0), ("password", 0), ("key", 1)];

/// What the name of a secret has in it.
const TELLTALE: &[&str] = &["pass", "passwd", "pwd", "secret"];

/// A line with its secrets replaced by asterisks, byte by byte, so that columns stay.
fn masked(line: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(line);
    for span in secrets(line) {
        let stars = "*".repeat(span.len());
        shown.to_mut().replace_range(span, &stars);
    }
    shown
}

/// Where the words stand that look like secrets.
fn secrets(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut words_to_secret: Option<usize> = None;
    let mut start = 0;
    for word in line.split_inclusive([' ', '\t', '{', '}']) {
        let text = word.trim_end_matches([' ', '\t', '{', '}']);
        let shown = match words_to_secret {
            Some(0) => 0,
            _ if text.is_empty() => 0,
            Some(words) => {
                words_to_secret = Some(words - 1);
                if is_key_id(text) || text.contains('/') {
                    text.len()
                } else {
                    0
                }
            }
            None => {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                words_to_secret = words_before_secret(name);
                match words_to_secret {
                    Some(0) => text.len() - value.len(),
                    _ if text.starts_with("hex:") => 0,
                    _ => text.len(),
                }
            }
        };
        if shown < text.len() {
            found.push(start + shown..start + text.len());
        }
        start += word.len();
    }
    found
}

/// The words of a mistaken line that may be secrets, to be hidden wherever the mistake is told.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Hidden(Vec<String>);

impl fmt::Debug for Hidden {
    /// Never shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.0.len())
    }
}

impl Hidden {
    /// Those of any line.
    pub(super) fn in_line(line: &str) -> Self {
        let words = secrets(line).into_iter().map(|span| line[span].to_owned());
        Self(words.collect())
    }

    /// Those of a line in a block with secrets, whose keywords are `known`.
    pub(super) fn in_block(line: &str, known: &[&str]) -> Self {
        let mut words = line
            .split([' ', '\t', '{', '}'])
            .map(|word| word.trim_matches(['"', '\'']))
            .filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else {
            return Self::default();
        };
        let mut words = words.map(str::to_owned).peekable();
        Self(match keyword {
            "auth_type" => words
                .filter(|word| nearest(word, ["PASS", "AH"]).is_none())
                .collect(),
            // It may be a file, of a private key.
            "key" => words
                .filter(|word| !word.contains('/') && !is_key_id(word))
                .collect(),
            "auth_pass" | "password" => words.collect(),
            _ if known.contains(&keyword) => Vec::new(),
            // A word of its own that resembles no keyword may be the secret.
            _ if words.peek().is_none()
                && nearest(keyword, known.iter().copied()).is_none()
                && home(keyword).is_none() =>
            {
                vec![keyword.to_owned()]
            }
            _ => words.collect(),
        })
    }

    /// A line without them, nor anything else that looks like a secret; columns stay.
    pub(super) fn line<'l>(&self, line: &'l str) -> Cow<'l, str> {
        if self.0.is_empty() {
            return masked(line);
        }
        let words = line.split_inclusive([' ', '\t', '{', '}', '"', '\'']);
        let shown: String = words
            .map(|word| {
                let text = word.trim_end_matches([' ', '\t', '{', '}', '"', '\'']);
                if self.0.iter().any(|hidden| hidden == text) {
                    "*".repeat(text.len()) + &word[text.len()..]
                } else {
                    word.to_owned()
                }
            })
            .collect();
        masked(&shown).into_owned().into()
    }

    /// A sentence that may quote them.
    pub(super) fn sentence(&self, sentence: String) -> String {
        const UNMISTAKABLE: usize = 4;
        self.0.iter().fold(sentence, |sentence, hidden| {
            let stars = "*".repeat(hidden.len());
            if hidden.len() >= UNMISTAKABLE {
                sentence.replace(hidden, &stars)
            } else {
                sentence.replace(&format!("`{hidden}`"), &format!("`{stars}`"))
            }
        })
    }
}

fn is_key_id(word: &str) -> bool {
    word.len() <= 3 && word.bytes().all(|letter| letter.is_ascii_digit())
}

/// How many words stand between this one and a secret, if it looks like the name of one.
fn words_before_secret(word: &str) -> Option<usize> {
    if let Some((_, words)) = SECRETS.iter().find(|(keyword, _)| *keyword == word) {
        return Some(*words);
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "$_-".contains(letter);
    if !word.chars().all(is_name) {
        return None; // a path, say
    }
    let lower = word.to_ascii_lowercase();
    let tells = TELLTALE.iter().any(|telltale| lower.contains(telltale));
    (tells || nearest(word, ["auth_pass", "password"]).is_some()).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_nothing_else() {
        for (line, shown) in [
            ("    auth_pass secret # x", "    auth_pass ****** * *"),
            (
                "authentication { auth_type PASS}",
                "authentication { auth_type PASS}",
            ),
            ("authentication {auth_pass abc}", "authentication {auth_pass ***}"),
            ("key 1 hex:00ff more", "key 1 ******** ****"),
            ("auth_pass \"a b c", "auth_pass ** * *"),
            (
                "notify /etc/pass/on.sh some words",
                "notify /etc/pass/on.sh some words",
            ),
            ("interface eth0", "interface eth0"),
            ("auth_pass", "auth_pass"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    #[test]
    fn a_misspelt_keyword_gives_no_secret_away() {
        for keyword in [
            "auth_pas",
            "auht_pass",
            "AUTH_PASS",
            "authpass",
            "auth-passwd",
            "pasword",
            "auth_psas",
        ] {
            assert_eq!(
                masked(&format!("{keyword} my hunter2")),
                format!("{keyword} ** *******")
            );
        }
        assert_eq!(masked("$AUTH_PASS=hunter2 x"), "$AUTH_PASS=******* *");
        assert_eq!(masked("kye 1 hex:00ff"), "kye 1 ********");
        let hidden = Hidden::in_line("AUTH_PASS=hunter2");
        assert_eq!(
            hidden.sentence("`AUTH_PASS=hunter2`".to_owned()),
            "`AUTH_PASS=*******`"
        );
    }

    #[test]
    fn in_a_block_with_secrets_no_word_is_trusted() {
        let known = &["auth_type", "auth_pass"];
        for (line, shown) in [
            ("  auth_psss hunter2 {", "  auth_psss ******* {"),
            ("hunter2", "*******"),
            ("auth_type \"hunter2\"", "auth_type \"*******\""),
            ("auth_type PAS", "auth_type PAS"),
            ("auth_pass ab cd", "auth_pass ** **"),
        ] {
            assert_eq!(Hidden::in_block(line, known).line(line), shown);
        }
        let hidden = Hidden::in_block("key 7 topsecret", &["key"]);
        assert_eq!(hidden.line("key 7 topsecret"), "key 7 *********");
        let told = "`topsecret` is not key `7`".to_owned();
        assert_eq!(hidden.sentence(told), "`*********` is not key `7`");
        assert_eq!(format!("{hidden:?}"), "1 words");
    }
}
