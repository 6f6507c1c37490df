//! Passwords and keys do not belong into reports: people paste those into tickets.

use std::borrow::Cow;

/// Keywords whose value is a secret, and how many words stand between.
const SECRETS: &[(&str, usize)] = &[("auth_pass", 0), ("password", 0), ("key", 1)];

/// A line with its secrets replaced by asterisks, byte by byte, so that columns stay.
pub(super) fn masked(line: &str) -> Cow<'_, str> {
    if !SECRETS.iter().any(|(keyword, _)| line.contains(keyword)) {
        return line.into();
    }
    let mut masked = String::with_capacity(line.len());
    let mut words_to_secret = None;
    let mut quoted = false;
    for word in line.split_inclusive([' ', '\t', '{', '}']) {
        let text = word.trim_end_matches([' ', '\t', '{', '}']);
        match words_to_secret {
            _ if text.is_empty() => masked.push_str(word),
            Some(0) => {
                masked.extend(std::iter::repeat_n('*', text.len()));
                masked.push_str(&word[text.len()..]);
                // Whether its quote ends or not: all of a quoted word is secret.
                quoted ^= text.matches('"').count() % 2 == 1;
                words_to_secret = quoted.then_some(0);
            }
            Some(words) => {
                masked.push_str(word);
                words_to_secret = Some(words - 1);
            }
            None => {
                masked.push_str(word);
                words_to_secret = SECRETS
                    .iter()
                    .find(|(keyword, _)| *keyword == text)
                    .map(|(_, words)| *words);
            }
        }
    }
    masked.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_nothing_else() {
        for (line, shown) in [
            ("    auth_pass secret # x", "    auth_pass ****** # x"),
            (
                "authentication { auth_type PASS}",
                "authentication { auth_type PASS}",
            ),
            ("authentication {auth_pass abc}", "authentication {auth_pass ***}"),
            ("key 1 hex:00ff more", "key 1 ******** more"),
            ("auth_pass \"a b c", "auth_pass ** * *"),
            ("track_script { auth_passed 1 }", "track_script { auth_passed 1 }"),
            ("auth_pass", "auth_pass"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }
}
