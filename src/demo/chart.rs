//! The picture: time runs downwards, each node has a lane, a bar shows who has the address.

use std::io::{self, IsTerminal, Stdout, Write};
use std::time::SystemTime;

/// A lane of the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Node1,
    Node2,
    Client,
}

/// How a cell looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Dim,
    Good,
    Bad,
}

/// What the bar of a node shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    Off,
    On,
    Owner,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) at: SystemTime,
    pub(super) lane: Lane,
    pub(super) text: String,
    pub(super) tone: Tone,
    /// From here on the bar of this lane is this one.
    pub(super) bar: Option<Bar>,
}

/// Draws on standard output.
#[derive(Debug)]
pub(super) struct Chart {
    out: Stdout,
    colours: bool,
    start: SystemTime,
    bars: [Bar; 2],
}

impl Chart {
    /// The chart's clock starts now.
    pub(super) fn new() -> Self {
        let out = io::stdout();
        Self {
            // https://no-color.org: set and not empty means no colours.
            colours: out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            out,
            start: SystemTime::now(),
            bars: [Bar::On; 2],
        }
    }

    /// A line of narration.
    pub(super) fn say(&mut self, words: &str) -> io::Result<()> {
        let words = self.paint(words, "1");
        writeln!(self.out, "\n{words}\n")
    }

    /// Lines as they are.
    pub(super) fn print(&mut self, lines: &str) -> io::Result<()> {
        writeln!(self.out, "{lines}")
    }

    /// What the scene has shown.
    pub(super) fn result(&mut self, lines: &[&str]) -> io::Result<()> {
        writeln!(self.out)?;
        for line in lines {
            let line = self.paint(line, "1;32");
            writeln!(self.out, "          {line}")?;
        }
        Ok(())
    }

    /// One row.
    pub(super) fn draw(&mut self, row: &Row) -> io::Result<()> {
        if let Some(bar) = row.bar {
            match row.lane {
                Lane::Node1 => self.bars[0] = bar,
                Lane::Node2 => self.bars[1] = bar,
                Lane::Client => {}
            }
        }
        let time = row
            .at
            .duration_since(self.start)
            .unwrap_or_default()
            .as_secs_f64();
        let time = self.paint(&format!("{time:8.3}"), DIM);
        let [node1, node2] = self.bars.map(|bar| self.bar(bar));
        let cell = |lane| {
            if row.lane == lane {
                self.cell(row)
            } else {
                " ".repeat(WIDTH)
            }
        };
        let (first, second, third) = (cell(Lane::Node1), cell(Lane::Node2), cell(Lane::Client));
        let line = format!("{time}  {node1} {first}{node2} {second}{third}");
        writeln!(self.out, "{}", line.trim_end())
    }

    fn cell(&self, row: &Row) -> String {
        let text = format!("{:WIDTH$}", row.text);
        match row.tone {
            Tone::Plain => text,
            Tone::Dim => self.paint(&text, DIM),
            Tone::Good => self.paint(&text, "32"),
            Tone::Bad => self.paint(&text, "31"),
        }
    }

    fn bar(&self, bar: Bar) -> String {
        match bar {
            Bar::Off => " ".to_owned(),
            Bar::On => self.paint("╎", DIM),
            Bar::Owner => self.paint("┃", "1;32"),
        }
    }

    /// `code` is a "select graphic rendition" parameter of ECMA-48.
    fn paint(&self, text: &str, code: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Characters in a lane.
const WIDTH: usize = 25;

const DIM: &str = "2";
