//! For tests: a configuration from a text, and what is said about it.

use crate::Config;
use crate::source::Memory;

/// Reads a text on a machine without files.
pub(crate) fn read(text: &str) -> (Config, Vec<String>) {
    let reading = crate::parse_text(&Memory::default(), text);
    let titles = reading.report.mistakes.iter();
    (
        reading.config,
        titles.map(|mistake| mistake.reason.to_string()).collect(),
    )
}

/// Reads a text that nothing is said about.
pub(crate) fn good(text: &str) -> Config {
    let (config, titles) = read(text);
    assert_eq!(titles, Vec::<String>::new(), "{text}");
    config
}

/// Reads lines in a block, once for each, and compares what is said.
pub(crate) fn says(head: &str, always: &str, table: &[(&str, &[&str])]) {
    for (body, expected) in table {
        let (_, titles) = read(&format!("{head} {{\n{always}\n{body}\n}}\n"));
        assert_eq!(titles, *expected, "{body}");
    }
}
