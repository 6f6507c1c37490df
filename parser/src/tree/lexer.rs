//! Flattened text to tree: words, quotes, braces, line markers.

use crate::place::{At, Place};
use crate::report::{Reason, Report};
use crate::source::{MAX_FILES, marker};
use crate::tree::{Line, LineRecord, Tree, WordRecord, grammar};

/// Reads a flattened text.
pub(super) fn read(text: String, report: &mut Report) -> Tree {
    let mut lexer = Lexer {
        report,
        tree: Tree {
            text,
            ..Tree::default()
        },
        open: Vec::new(),
        last: None,
    };
    let mut start = 0;
    let mut place = Place { file: 0, line: 1 };
    while start < lexer.tree.text.len() {
        let rest = &lexer.tree.text[start..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let end = start + line.len();
        if let Some((next, name)) = marker(line) {
            place = next;
            if let Some(name) = name {
                let name = name.to_owned();
                lexer.name_file(next.file, name);
            }
        } else {
            lexer.line(place, start, end);
            place.line = place.line.saturating_add(1);
        }
        start = end + 1;
    }
    lexer.finish();
    lexer.tree
}

struct Lexer<'r> {
    report: &'r mut Report,
    tree: Tree,
    /// The lines whose blocks are open; `None` for a stray brace.
    open: Vec<Option<usize>>,
    /// The last line, as long as a `{` may still follow it.
    last: Option<usize>,
}

impl Lexer<'_> {
    fn name_file(&mut self, file: u32, name: String) {
        let files = &mut self.tree.files;
        // Files are numbered in the order they are first mentioned, but for those that gave no line.
        let index = file as usize;
        if index < files.len() + MAX_FILES {
            files.resize(files.len().max(index + 1), String::new());
            files[index] = name;
        }
    }

    /// Reads one line of text: perhaps several statements, split by braces.
    fn line(&mut self, place: Place, start: usize, end: usize) {
        let first_word = self.tree.words.len();
        let mut statement = Statement {
            place,
            first_word,
            end: start,
        };
        let mut at = start;
        while at < end {
            match self.tree.text.as_bytes()[at] {
                b'"' => {
                    let Some(length) = self.tree.text[at + 1..end].find('"') else {
                        self.blame(place, start, end, at, end, Reason::UnterminatedQuote);
                        break;
                    };
                    self.word(&mut statement, at + 1, at + 1 + length, at + 2 + length);
                    at += 2 + length;
                }
                b'{' => {
                    self.statement(&statement);
                    self.open(place, start, end, at);
                    at += 1;
                    statement.first_word = self.tree.words.len();
                }
                b'}' => {
                    self.statement(&statement);
                    self.close(place, start, end, at);
                    at += 1;
                    statement.first_word = self.tree.words.len();
                }
                byte if is_blank(byte) => at += 1,
                _ => {
                    let rest = &self.tree.text.as_bytes()[at..end];
                    let length = rest
                        .iter()
                        .position(|&byte| is_blank(byte) || matches!(byte, b'"' | b'{' | b'}'))
                        .unwrap_or(rest.len());
                    self.word(&mut statement, at, at + length, at + length);
                    at += length;
                }
            }
        }
        self.statement(&statement);
    }

    fn word(&mut self, statement: &mut Statement, start: usize, end: usize, raw_end: usize) {
        self.tree.words.push(WordRecord {
            start: offset(start),
            end: offset(end),
        });
        statement.end = raw_end;
    }

    /// The words since the last brace are a line of the tree.
    fn statement(&mut self, statement: &Statement) {
        let Some(&first) = self.tree.words.get(statement.first_word) else {
            return;
        };
        self.mend_missing_opening();
        self.last = Some(self.tree.lines.len());
        self.tree.lines.push(LineRecord {
            place: statement.place,
            first_word: offset(statement.first_word),
            start: first.start,
            end: offset(statement.end),
            block_end: 0,
        });
    }

    fn open(&mut self, place: Place, start: usize, end: usize, at: usize) {
        let head = self.last.take();
        if head.is_none() {
            self.blame(place, start, end, at, at + 1, Reason::StrayOpening);
        }
        self.open.push(head);
    }

    fn close(&mut self, place: Place, start: usize, end: usize, at: usize) {
        self.mend_missing_opening();
        self.last = None;
        match self.open.pop() {
            Some(head) => self.end_block(head),
            None => self.blame(place, start, end, at, at + 1, Reason::StrayClosing),
        }
    }

    /// Opens the block that the last line should have opened with a `{`.
    fn mend_missing_opening(&mut self) {
        let Some(index) = self.last else { return };
        let parent = self
            .open
            .iter()
            .rev()
            .find_map(|head| *head)
            .map(|head| Line::new(&self.tree, head));
        let line = Line::new(&self.tree, index);
        if grammar::opens_block(parent.map(Line::keyword), line.keyword()) {
            let keyword = line.keyword().to_owned();
            self.report.add(line.at(), Reason::MissingOpening { keyword });
            self.open.push(self.last.take());
        }
    }

    fn end_block(&mut self, head: Option<usize>) {
        let end = offset(self.tree.lines.len());
        if let Some(line) = head.and_then(|head| self.tree.lines.get_mut(head)) {
            line.block_end = end;
        }
    }

    /// Ends the blocks that the text leaves open.
    fn finish(&mut self) {
        self.mend_missing_opening();
        while let Some(head) = self.open.pop() {
            self.end_block(head);
            if let Some(head) = head {
                let line = Line::new(&self.tree, head);
                let keyword = line.keyword().to_owned();
                self.report.add(line.at(), Reason::MissingClosing { keyword });
            }
        }
    }

    fn blame(&mut self, place: Place, start: usize, end: usize, from: usize, to: usize, reason: Reason) {
        let text = &self.tree.text[start..end];
        self.report.add(
            At {
                place,
                text,
                start: from - start,
                length: to - from,
            },
            reason,
        );
    }
}

struct Statement {
    place: Place,
    first_word: usize,
    end: usize,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c' | b'\x0b' | b'\r')
}

/// Texts are far below 4 GiB: the source refuses to make longer ones.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
