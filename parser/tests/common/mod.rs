//! What the tests of whole configurations share.

use parser::source::Memory;
use parser::{Options, Reading};

/// Reads a text as the only file of a machine called `host`.
pub(crate) fn read(text: &str) -> Reading {
    parser::read(
        &Memory::new([("/k.conf", text)]),
        &["k.conf"],
        &Options::default(),
    )
}

/// The mistakes of a text, one line each.
pub(crate) fn mistakes(text: &str) -> Vec<String> {
    let reading = read(text);
    let lines = reading
        .report
        .mistakes
        .iter()
        .map(|mistake| mistake.one_line(&reading.sources));
    lines.collect()
}
