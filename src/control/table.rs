//! Tables for people: columns as wide as they must be, colours on a terminal.

use std::fmt::Write;

/// Colours of the sixteen that every terminal has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Color {
    Plain,
    Good,
    Bad,
    Faint,
    Strong,
}

impl Color {
    fn code(self) -> &'static str {
        match self {
            Color::Plain => "",
            Color::Good => "\x1b[32m",
            Color::Bad => "\x1b[31m",
            Color::Faint => "\x1b[2m",
            Color::Strong => "\x1b[1m",
        }
    }
}

/// Colours a text if colours are wanted.
pub(super) fn paint(text: &str, color: Color, colors: bool) -> String {
    if colors && color != Color::Plain {
        format!("{}{text}\x1b[0m", color.code())
    } else {
        text.to_owned()
    }
}

/// Rows of coloured cells under a heading.
#[derive(Debug)]
pub(super) struct Table {
    heading: &'static [&'static str],
    rows: Vec<Vec<(String, Color)>>,
}

impl Table {
    pub(super) fn new(heading: &'static [&'static str]) -> Self {
        Table {
            heading,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = (String, Color)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text; nothing at all without rows.
    pub(super) fn render(&self, colors: bool) -> String {
        let mut text = String::new();
        if self.rows.is_empty() {
            return text;
        }
        let widths: Vec<usize> = (0..self.heading.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let longest = cells.map(|(cell, _)| cell.chars().count()).max();
                longest.unwrap_or(0).max(self.heading[column].len())
            })
            .collect();
        let heading: Vec<(String, Color)> = self
            .heading
            .iter()
            .map(|title| ((*title).to_owned(), Color::Strong))
            .collect();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            let last = row.iter().rposition(|(cell, _)| !cell.is_empty()).unwrap_or(0);
            for (column, (cell, color)) in row.iter().enumerate().take(last + 1) {
                line.push_str(&paint(cell, *color, colors));
                if column < last {
                    let gap = widths.get(column).copied().unwrap_or(0) + 2 - cell.chars().count();
                    let _ = write!(line, "{:gap$}", "");
                }
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_the_colours() {
        let mut table = Table::new(&["NAME", "STATE", "WHY"]);
        table.row([
            ("é".to_owned(), Color::Plain),
            ("MASTER".to_owned(), Color::Good),
            (String::new(), Color::Plain),
        ]);
        table.row([
            ("longer".to_owned(), Color::Plain),
            ("FAULT".to_owned(), Color::Bad),
            ("down".to_owned(), Color::Plain),
        ]);
        let plain = "NAME    STATE   WHY\né       MASTER\nlonger  FAULT   down\n";
        assert_eq!(table.render(false), plain);
        let colored = table.render(true);
        assert!(colored.contains("\x1b[31mFAULT\x1b[0m   down"));
        assert_eq!(Table::new(&["NAME"]).render(false), "");
    }
}
