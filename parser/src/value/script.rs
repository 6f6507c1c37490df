//! Script words: the second reading of a line, with shell-like quotes and escapes.

use crate::config::script::{RunAs, Script};
use crate::report::{Reason, Report};
use crate::tree::Line;

/// Reads `<SCRIPT> [<user> [:][<group>]]` after the keyword of a line. Quotes and escapes are read twice: once to find
/// the script among the words of the line, once more to split the script into program and arguments.
pub(crate) fn read(line: Line<'_>, report: &mut Report) -> Option<Script> {
    let mut words = whole_or_reported(line, line.text(), report)?.into_iter().skip(1);
    let text = words.next()?;
    let argv = whole_or_reported(line, &text, report)?;
    if argv.is_empty() {
        report.add(line.at(), Reason::EmptyScript);
        return None;
    }
    let rest: Vec<String> = words.collect();
    Some(Script {
        words: argv,
        text,
        run_as: run_as(rest.iter().map(String::as_str)),
        place: line.place(),
    })
}

/// Reads `<user> [:][<group>]`.
pub(crate) fn run_as<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<RunAs> {
    let user = words.next()?.to_owned();
    let group = words.next().unwrap_or("");
    let name = group.strip_prefix(':').unwrap_or(group);
    Some(RunAs {
        user,
        group: (!name.is_empty()).then(|| name.to_owned()),
        supplementary_groups: group.starts_with(':'),
    })
}

/// Reads all words after the keyword of a line with the quotes and escapes of script words (`regex`).
pub(crate) fn words(line: Line<'_>, report: &mut Report) -> Option<Vec<String>> {
    let words = whole_or_reported(line, line.text(), report)?;
    Some(words.into_iter().skip(1).collect())
}

fn whole_or_reported(line: Line<'_>, text: &str, report: &mut Report) -> Option<Vec<String>> {
    split(text).map_err(|reason| report.add(line.at(), reason)).ok()
}

/// Splits at blanks outside quotes. Quotes go, wherever they stand in a word; escapes become what they stand for.
fn split(text: &str) -> Result<Vec<String>, Reason> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                let (byte, after) = escape(rest).ok_or(Reason::EndsWithBackslash)?;
                if byte == 0 {
                    return Err(Reason::Nul);
                }
                word.get_or_insert_default().push(byte);
                rest = after;
            }
            _ if quote == Some(byte) => quote = None,
            b'"' | b'\'' if quote.is_none() => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            _ if quote.is_none() && byte.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if let Some(quote) = quote {
        return Err(Reason::ScriptQuote { quote: quote.into() });
    }
    words.extend(word);
    Ok(words
        .into_iter()
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect())
}

/// What an escape stands for, and what follows it.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = text.split_first()?;
    let digits = |most: usize, base: u32| {
        let count = rest
            .iter()
            .take(most)
            .take_while(|byte| char::from(**byte).is_digit(base))
            .count();
        let value = rest[..count]
            .iter()
            .filter_map(|byte| char::from(*byte).to_digit(base));
        (value.fold(0, |all, digit| all * base + digit), &rest[count..])
    };
    Some(match first {
        b'a' => (7, rest),
        b'b' => (8, rest),
        b'E' => (0x1b, rest),
        b'f' => (0xc, rest),
        b'n' => (b'\n', rest),
        b'r' => (b'\r', rest),
        b't' => (b'\t', rest),
        b'v' => (0xb, rest),
        b'x' => {
            let (value, rest) = digits(2, 16);
            (value.to_le_bytes()[0], rest)
        }
        b'0'..=b'7' => {
            let (value, rest) = digits(2, 8);
            let places = text.len() - rest.len() - 1;
            let value = u32::from(first - b'0') * 8u32.pow(u32::try_from(places).unwrap_or(0)) + value;
            (value.to_le_bytes()[0], rest)
        }
        b'c' => {
            let (&control, rest) = rest.split_first()?;
            (control & 0x1f, rest)
        }
        other => (other, rest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_as_keepalived_splits_them() {
        for (text, words) in [
            ("/bin/x a  b", vec!["/bin/x", "a", "b"]),
            ("/bin/x 'a b' \"c d\"", vec!["/bin/x", "a b", "c d"]),
            ("/usr/bin/pri\"ntf a\"'b c'", vec!["/usr/bin/printf ab c"]),
            ("x ''", vec!["x", ""]),
            (r"\x41\101\cA \E", vec!["AA\u{1}", "\u{1b}"]),
            (r"a\ b \1012", vec!["a b", "A2"]),
            (r"\xc3\xa9", vec!["é"]),
            ("  ", vec![]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert_eq!(split("x 'a"), Err(Reason::ScriptQuote { quote: '\'' }));
        assert_eq!(split("x \\"), Err(Reason::EndsWithBackslash));
        assert_eq!(split(r"x\000"), Err(Reason::Nul));
    }
}
