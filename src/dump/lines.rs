//! Lines of a `.data` file: an indent, which scripts count, and `Key = value`.

use std::fmt::{self, Display, Write};

/// A text under way.
#[derive(Debug, Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// One line.
    pub(crate) fn line(&mut self, indent: usize, words: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:indent$}{words}", "");
    }

    /// `Key = value`.
    pub(crate) fn pair(&mut self, indent: usize, key: &str, value: impl Display) {
        self.line(indent, format_args!("{key} = {value}"));
    }

    /// `------< Title >------`.
    pub(crate) fn section(&mut self, title: &str) {
        self.line(0, format_args!("------< {title} >------"));
    }

    /// A heading and its items, 2 columns further in; nothing where there are none.
    pub(crate) fn list(&mut self, indent: usize, heading: &str, items: impl IntoIterator<Item: Display>) {
        for (index, item) in items.into_iter().enumerate() {
            if index == 0 {
                self.line(indent, format_args!("{heading}"));
            }
            self.line(indent + 2, format_args!("{item}"));
        }
    }

    /// Text as it is, without a line end.
    pub(crate) fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// What was written.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}
