//! What a process of the lab has said, line by line with the time.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use super::lock;

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When the lab read it.
    pub at: SystemTime,
    /// The line without its end.
    pub text: String,
}

/// The output of one process, kept after its end.
#[derive(Debug, Default)]
pub struct Log {
    /// Name of the process.
    pub name: String,
    lines: Mutex<Vec<Line>>,
}

impl Line {
    /// The line without the date that `--log-console` puts before it (`Sun Nov 22 14:45:19 2026: `).
    pub fn message(&self) -> &str {
        match self.text.split_at_checked(DATE.len()) {
            Some((date, message)) if looks_like_date(date) => message,
            _ => &self.text,
        }
    }
}

impl Log {
    /// A log without lines.
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            lines: Mutex::default(),
        })
    }

    /// All lines from number `first` (from 0) on.
    pub fn since(&self, first: usize) -> Vec<Line> {
        let lines = lock(&self.lines);
        lines.get(first..).unwrap_or_default().to_vec()
    }

    /// How many lines contain `words`.
    pub fn count(&self, words: &str) -> usize {
        let lines = lock(&self.lines);
        lines.iter().filter(|line| line.text.contains(words)).count()
    }

    /// Whether a line contains `words`.
    pub fn has(&self, words: &str) -> bool {
        self.count(words) > 0
    }

    /// Reads a pipe to its end on a thread of its own.
    pub(super) fn follow(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                log.add(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }

    fn add(&self, text: String) {
        let line = Line {
            at: SystemTime::now(),
            text,
        };
        lock(&self.lines).push(line);
    }
}

const DATE: &str = "Sun Nov 22 14:45:19 2026: ";

/// Whether digits, letters and punctuation stand where [`DATE`] has them.
fn looks_like_date(text: &str) -> bool {
    text.bytes().zip(DATE.bytes()).all(|(got, form)| match form {
        b'0'..=b'9' => got.is_ascii_digit() || got == b' ',
        b'a'..=b'z' | b'A'..=b'Z' => got.is_ascii_alphabetic(),
        _ => got == form,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let line = Line {
            at: SystemTime::UNIX_EPOCH,
            text: text.to_owned(),
        };
        line.message().to_owned()
    }

    #[test]
    fn a_console_line_loses_its_date_only() {
        assert_eq!(
            message("Sun Nov 22 14:45:19 2026: (VI_1) Entering MASTER STATE"),
            "(VI_1) Entering MASTER STATE"
        );
        assert_eq!(message("Sun Nov  1 04:45:19 2026: Stopping"), "Stopping");
        assert_eq!(
            message("(VI_1) Entering MASTER STATE for sure"),
            "(VI_1) Entering MASTER STATE for sure"
        );
        assert_eq!(message("é: short"), "é: short");
    }
}
