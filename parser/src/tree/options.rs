//! The words of a line as options, one after another: `dev eth0 mtu lock 1400`.

use crate::report::{Reason, Report};
use crate::tree::{Line, Word};

/// The words of a line, the keyword included, taken one after another.
#[derive(Clone, Copy, Debug)]
pub struct Options<'t> {
    line: Line<'t>,
    /// How many words of the line have been taken.
    taken: usize,
}

impl<'t> Options<'t> {
    /// Starts before the first word of a line.
    pub(super) fn new(line: Line<'t>) -> Self {
        Self { line, taken: 0 }
    }

    /// Takes the next word.
    pub fn take(&mut self) -> Option<Word<'t>> {
        let word = self.line.word_at(self.taken)?;
        self.taken += 1;
        Some(word)
    }

    /// Takes the next word if it is this one.
    pub fn take_if(&mut self, text: &str) -> bool {
        self.take_any(&[text]).is_some()
    }

    /// Takes the next word if it is one of these.
    pub fn take_any(&mut self, texts: &[&str]) -> Option<Word<'t>> {
        let next = self.peek()?;
        texts.contains(&next.text()).then(|| self.take())?
    }

    /// The next word.
    pub fn peek(&self) -> Option<Word<'t>> {
        self.line.word_at(self.taken)
    }

    /// Takes the value that must follow the word taken last; keepalived ends with status 2 if it is missing.
    pub fn value(&mut self, report: &mut Report) -> Option<Word<'t>> {
        let value = self.take();
        if value.is_none()
            && let Some(last) = self.taken.checked_sub(1).and_then(|last| self.line.word_at(last))
        {
            let keyword = last.text().to_owned();
            report.add(last.at(), Reason::MissingParameter { keyword });
        }
        value
    }
}
