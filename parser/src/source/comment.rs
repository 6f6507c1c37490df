//! Comments: `#` and `!`.

use std::borrow::Cow;

/// Cuts a line at its comment: `#` or `!` outside double quotes. `\#` and `\!` stand for themselves. Blanks at the end
/// go too.
pub(super) fn without_comment(line: &str) -> Cow<'_, str> {
    // Looking at every byte without a branch is the fastest way to learn that there is no comment.
    let begins = |byte: &u8| matches!(byte, b'#' | b'!');
    if !line
        .as_bytes()
        .iter()
        .fold(false, |found, byte| found | begins(byte))
    {
        return line.trim_end_matches(BLANK).into();
    }
    let mut quoted = false;
    let mut escaped = Vec::new();
    let mut end = line.len();
    let mut before = 0;
    for (at, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'#' | b'!' if !quoted && before == b'\\' => escaped.push(at - 1),
            b'#' | b'!' if !quoted => {
                end = at;
                break;
            }
            _ => {}
        }
        before = byte;
    }
    let kept = line[..end].trim_end_matches(BLANK);
    if escaped.is_empty() {
        return kept.into();
    }
    let mut backslashes = escaped.into_iter().peekable();
    let unescaped = kept
        .char_indices()
        .filter(|(at, _)| backslashes.next_if_eq(at).is_none());
    unescaped.map(|(_, character)| character).collect()
}

const BLANK: [char; 5] = [' ', '\t', '\r', '\u{b}', '\u{c}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_lines_outside_double_quotes() {
        for (line, kept) in [
            ("a b # c", "a b"),
            ("a!b", "a"),
            ("# all", ""),
            ("a \"b # c\" d ! e", "a \"b # c\" d"),
            ("a 'b # c'", "a 'b"),
            (r"a\#b \! c # d", "a#b ! c"),
            ("a \t\r", "a"),
        ] {
            assert_eq!(without_comment(line), kept, "{line}");
        }
    }
}
