//! The text in the making: lines, blocks, and the quotes that make a word one word again.

use std::fmt::{Display, Write};
use std::time::Duration;

use crate::config::script::{RunAs, Script};
use crate::show::Secrets;

/// Indented lines of configuration.
pub(super) struct Text {
    pub(super) out: String,
    pub(super) secrets: Secrets,
    depth: usize,
}

impl Text {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self {
            out: String::new(),
            secrets,
            depth: 0,
        }
    }

    /// A line as it stands: every word in it is a plain one, or has been through [`word`].
    pub(super) fn line(&mut self, line: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{:indent$}{line}", "", indent = 4 * self.depth);
    }

    /// A block with what `body` writes. Blocks outside every block have an empty line before them.
    pub(super) fn block(&mut self, head: impl Display, body: impl FnOnce(&mut Self)) {
        if self.depth == 0 && !self.out.is_empty() {
            self.out.push('\n');
        }
        self.line(format_args!("{head} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }

    /// A block of one line for each item; none for no item.
    pub(super) fn list<T>(&mut self, head: &str, items: &[T], line: impl Fn(&T) -> String) {
        if !items.is_empty() {
            self.block(head, |text| items.iter().for_each(|item| text.line(line(item))));
        }
    }

    /// A setting with a value that needs no quotes.
    pub(super) fn set(&mut self, keyword: &str, value: impl Display) {
        self.line(format_args!("{keyword} {value}"));
    }

    /// [`Text::set`], if there is a value.
    pub(super) fn set_some(&mut self, keyword: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(keyword, value);
        }
    }

    /// A setting with a word of the user's.
    pub(super) fn word(&mut self, keyword: &str, value: &str) {
        self.set(keyword, word(value));
    }

    /// [`Text::word`], if there is one.
    pub(super) fn word_some(&mut self, keyword: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.word(keyword, value);
        }
    }

    /// A keyword that is on by being there.
    pub(super) fn flag(&mut self, keyword: &str, on: bool) {
        if on {
            self.line(keyword);
        }
    }

    /// A setting of decimal seconds.
    pub(super) fn seconds(&mut self, keyword: &str, value: Duration) {
        self.set(keyword, seconds(value));
    }

    /// [`Text::seconds`] of a setting whose zero is not in the language: it is left out.
    pub(super) fn seconds_unless_zero(&mut self, keyword: &str, value: Duration) {
        if !value.is_zero() {
            self.seconds(keyword, value);
        }
    }

    /// A script with its user.
    pub(super) fn script(&mut self, keyword: &str, script: Option<&Script>) {
        let Some(script) = script else { return };
        let mut line = format!("{keyword} {}", script_word(&script.text));
        for word in script.run_as.iter().flat_map(run_as_words) {
            line.push(' ');
            line.push_str(&script_word(&word));
        }
        self.line(line);
    }

    /// `user` and its like.
    pub(super) fn run_as(&mut self, keyword: &str, run_as: Option<&RunAs>) {
        if let Some(run_as) = run_as {
            self.set(keyword, user(run_as));
        }
    }

    /// A secret, or what stands for it.
    pub(super) fn secret(&self, secret: impl FnOnce() -> String, mask: &str) -> String {
        match self.secrets {
            Secrets::Masked => mask.to_owned(),
            Secrets::Shown => secret(),
        }
    }
}

/// `<user> [:][<group>]` as ordinary words.
pub(super) fn user(run_as: &RunAs) -> String {
    let words: Vec<String> = run_as_words(run_as).iter().map(|part| word(part)).collect();
    words.join(" ")
}

fn run_as_words(run_as: &RunAs) -> Vec<String> {
    let group = run_as.group.as_deref().unwrap_or_default();
    let colon = if run_as.supplementary_groups { ":" } else { "" };
    let group = format!("{colon}{group}");
    let mut words = vec![run_as.user.clone()];
    words.extend((!group.is_empty()).then_some(group));
    words
}

/// A word that the reader of files and the reader of flattened texts both give back as it is. A word cannot contain a
/// double quote.
pub(super) fn word(text: &str) -> String {
    // Words that mean something to the reader of files where they begin a line.
    let special = ["@", "~", "$", "include", "random_seed"];
    let begins = special.iter().any(|start| text.starts_with(start));
    if is_plain(text) && !begins {
        text.to_owned()
    } else {
        format!("\"{text}\"")
    }
}

/// A word with the quotes and escapes of script words.
pub(super) fn script_word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            // An escaped double quote would end the word for the reader of ordinary words, and what looks like a
            // definition would be replaced.
            '"' => quoted.push_str("\\x22"),
            '$' if rest.as_str().starts_with(['_', '{']) => quoted.push_str("\\x24"),
            control if control.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn is_plain(text: &str) -> bool {
    let plain = |character: char| character.is_alphanumeric() || "_-./:,=+@%*~^|".contains(character);
    !text.is_empty() && text.chars().all(plain)
}

/// Two digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Decimal seconds to the microsecond, without zeros at the end.
pub(super) fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_where_they_must_be() {
        for (text, written) in [
            ("eth0", "eth0"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a#b", "\"a#b\""),
            ("a!b", "\"a!b\""),
            ("a{b", "\"a{b\""),
            ("@home", "\"@home\""),
            ("include", "\"include\""),
        ] {
            assert_eq!(word(text), written);
        }
        assert_eq!(script_word("/bin/x"), "/bin/x");
        assert_eq!(
            script_word("x 'a' \"b\\n\"\t${_ENV A}"),
            r#""x 'a' \x22b\\n\x22\x09\x24{_ENV A}""#
        );
    }

    #[test]
    fn seconds_are_as_short_as_they_are_exact() {
        for (micros, written) in [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (10_000_000, "10")] {
            assert_eq!(seconds(Duration::from_micros(micros)), written);
        }
    }
}
