//! The dump files that signals ask for: `keepalived.data`, `.stats` and `.json`, in keepalived's structure, which
//! scripts and exporters read.
//!
//! What can be long is rendered in turns, a few hundred microseconds each, with turns of the process's own loop in
//! between; a thread writes the files. Absent: who asks for a dump, and what the values mean.

pub(crate) mod bfd;
mod checkers;
mod global;
mod json;
mod lines;
mod place;
mod probes;
mod stats;
mod tables;
pub(crate) mod users;
mod vrrp;
mod words;
mod writer;

use std::time::{Duration, Instant};

use parser::Config;

pub(crate) use checkers::CheckerDumps;
pub(crate) use lines::Lines;
pub(crate) use place::{Kind, Place};
pub(crate) use stats::Counters;
pub(crate) use vrrp::{Asked, VrrpDumps};
pub(crate) use words::Wall;
pub(crate) use writer::Writer;

/// How long one turn of rendering lasts, about: far less than an advert may be late.
const TURN: Duration = Duration::from_micros(300);

/// A text that is made in turns.
#[derive(Debug, Default)]
pub(crate) struct Rendering {
    part: usize,
    item: usize,
    lines: Lines,
}

impl Rendering {
    /// Goes on for one turn; answers with the text when it is complete. `render` makes item `.1` of part `.0`, and says
    /// `Some(false)` when the part has no such item, `None` when there is no such part.
    pub(crate) fn turn(
        &mut self,
        mut render: impl FnMut(usize, usize, &mut Lines) -> Option<bool>,
    ) -> Option<String> {
        let begun = Instant::now();
        while begun.elapsed() < TURN {
            match render(self.part, self.item, &mut self.lines) {
                Some(true) => self.item += 1,
                Some(false) => (self.part, self.item) = (self.part + 1, 0),
                None => return Some(std::mem::take(&mut self.lines).into_text()),
            }
        }
        None
    }
}

/// The supervisor's dump: the global section alone.
pub(crate) fn parent(config: &Config) -> String {
    let mut lines = Lines::default();
    global::section(&mut lines, config, &global::Whose::Parent);
    lines.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_takes_many_turns_and_loses_nothing() {
        let mut rendering = Rendering::default();
        let mut turns = 1;
        let text = loop {
            let text = rendering.turn(|part, item, lines| {
                if part == 2 {
                    return None;
                }
                std::thread::sleep(Duration::from_micros(100));
                let is_there = item < 10;
                if is_there {
                    lines.line(0, format_args!("{part}.{item}"));
                }
                Some(is_there)
            });
            if let Some(text) = text {
                break text;
            }
            turns += 1;
        };
        assert!(turns > 3, "{turns}");
        assert_eq!(text.lines().count(), 20);
        assert!(text.starts_with("0.0\n0.1\n") && text.ends_with("1.9\n"));
    }
}
