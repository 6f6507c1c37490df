//! Flattened text to tree: words, quotes, braces, line markers.

use crate::place::{At, Place};
use crate::report::{Reason, Report};
use crate::source::{MAX_FILES, MAX_NESTED_BLOCKS, MAX_STATEMENTS, MAX_WORDS, marker};
use crate::tree::grammar::{self, BlockKind};
use crate::tree::{Line, LineRecord, Tree, WordRecord};

/// Reads a flattened text.
pub(super) fn read(text: String, report: &mut Report) -> Tree {
    let mut lexer = Lexer {
        report,
        tree: Tree {
            text,
            ..Tree::default()
        },
        open: Vec::new(),
        too_deep: 0,
        last: None,
    };
    let mut start = 0;
    let mut place = Place { file: 0, line: 1 };
    while start < lexer.tree.text.len() && !lexer.is_full() {
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
    if lexer.is_full() {
        let reason = Reason::TooManyWords;
        lexer.report.add(At::whole(place, ""), reason);
    }
    lexer.finish();
    lexer.tree
}

struct Lexer<'r> {
    report: &'r mut Report,
    tree: Tree,
    /// The open braces.
    open: Vec<Open>,
    /// How many more are open that are not kept, because blocks are too deep.
    too_deep: usize,
    /// The last line, as long as a `{` may still follow it.
    last: Option<usize>,
}

/// An open brace.
#[derive(Clone, Copy)]
struct Open {
    /// The line it belongs to; `None` for a stray one.
    head: Option<usize>,
    /// The line whose block the lines after it are in.
    within: Option<usize>,
}

/// The words since the last brace or line end.
struct Statement {
    place: Place,
    /// Index of its first word.
    first_word: usize,
    /// End of its last word, quotes included.
    end: usize,
    /// Where the text's line begins.
    line_start: u32,
    /// A quote does not end: which mistake of the report says so.
    broken: Option<u32>,
}

impl Lexer<'_> {
    fn name_file(&mut self, file: u32, name: String) {
        let files = &mut self.tree.files;
        let index = file as usize;
        // Files that gave no line are never named, so numbers may be left out, but not more than there can be.
        if index < files.len() + MAX_FILES {
            files.resize(files.len().max(index + 1), String::new());
            files[index] = name;
        }
    }

    /// Reads one line of text: perhaps several statements, split by braces.
    fn line(&mut self, place: Place, start: usize, end: usize) {
        let line_start = offset(start);
        let first_word = self.tree.words.len();
        let mut statement = Statement {
            place,
            first_word,
            end: start,
            line_start,
            broken: None,
        };
        let mut at = start;
        while at < end && !self.is_full() {
            match self.tree.text.as_bytes()[at] {
                b'"' => {
                    let Some(length) = self.tree.text[at + 1..end].find('"') else {
                        statement.broken = Some(offset(self.report.mistakes.len()));
                        let reason = Reason::UnterminatedQuote { value_lost: false };
                        self.report.add(self.tree.at(place, line_start, at..end), reason);
                        break;
                    };
                    self.word(&mut statement, at + 1, at + 1 + length, at + 2 + length);
                    at += 2 + length;
                }
                brace @ (b'{' | b'}') => {
                    self.statement(&statement);
                    if brace == b'{' {
                        self.open(&statement, at);
                    } else {
                        self.close(&statement, at);
                    }
                    at += 1;
                    statement.first_word = self.tree.words.len();
                }
                byte if is_blank(byte) => at += 1,
                _ => {
                    let length = word_length(&self.tree.text.as_bytes()[at..end]);
                    self.word(&mut statement, at, at + length, at + length);
                    at += length;
                }
            }
        }
        self.statement(&statement);
    }

    /// Whether there may be no further word.
    fn is_full(&self) -> bool {
        self.tree.lines.len() >= MAX_STATEMENTS || self.tree.words.len() >= MAX_WORDS
    }

    fn word(&mut self, statement: &mut Statement, start: usize, end: usize, raw_end: usize) {
        self.tree.words.push(WordRecord {
            start: offset(start),
            end: offset(end),
        });
        statement.end = raw_end;
    }

    /// Makes a line of the tree of the words since the last brace, if there are any.
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
            line_start: statement.line_start,
            broken: statement.broken,
        });
    }

    fn open(&mut self, statement: &Statement, at: usize) {
        let head = self.last.take();
        if head.is_none() {
            self.blame_brace(statement, at, Reason::StrayOpening);
        }
        self.push(head);
    }

    fn push(&mut self, head: Option<usize>) {
        let within = head.or_else(|| self.within());
        if self.open.len() >= MAX_NESTED_BLOCKS {
            self.too_deep += 1;
            if let (1, Some(line)) = (self.too_deep, within) {
                let at = Line::new(&self.tree, line).at();
                self.report.add(at, Reason::BlocksTooDeep);
            }
            return;
        }
        self.open.push(Open { head, within });
    }

    fn within(&self) -> Option<usize> {
        self.open.last()?.within
    }

    fn close(&mut self, statement: &Statement, at: usize) {
        self.note_absent_list();
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        match self.open.pop() {
            Some(open) => self.end_block(open.head),
            None => self.blame_brace(statement, at, Reason::StrayClosing),
        }
    }

    /// Opens the block that the last line should have opened with a `{`.
    fn mend_missing_opening(&mut self) {
        if let Some((head, _)) = self.unopened() {
            self.blame_opening(head, false);
            self.push(Some(head));
        }
    }

    /// The last line is the head of a list of which nothing is there, not even its braces: an empty list.
    fn note_absent_list(&mut self) {
        if let Some((head, kind)) = self.unopened() {
            self.blame_opening(head, kind == BlockKind::List || self.open.is_empty());
        }
        self.last = None;
    }

    /// The last line, if it is the head of a block and no brace has come.
    fn unopened(&self) -> Option<(usize, BlockKind)> {
        let head = self.last?;
        let parent = self.within().map(|head| Line::new(&self.tree, head).keyword());
        Some((
            head,
            grammar::block_kind(parent, Line::new(&self.tree, head).keyword())?,
        ))
    }

    fn blame_opening(&mut self, head: usize, absent: bool) {
        let line = Line::new(&self.tree, head);
        let keyword = line.keyword().to_owned();
        self.report
            .add(line.at(), Reason::MissingOpening { keyword, absent });
    }

    fn end_block(&mut self, head: Option<usize>) {
        let end = offset(self.tree.lines.len());
        if let Some(line) = head.and_then(|head| self.tree.lines.get_mut(head)) {
            line.block_end = end;
        }
    }

    /// Ends the blocks that the text leaves open.
    fn finish(&mut self) {
        self.note_absent_list();
        while let Some(open) = self.open.pop() {
            self.end_block(open.head);
            if let Some(head) = open.head {
                let line = Line::new(&self.tree, head);
                let keyword = line.keyword().to_owned();
                self.report.add(line.at(), Reason::MissingClosing { keyword });
            }
        }
    }

    fn blame_brace(&mut self, statement: &Statement, at: usize, reason: Reason) {
        let at = self.tree.at(statement.place, statement.line_start, at..at + 1);
        self.report.add(at, reason);
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c' | b'\x0b' | b'\r')
}

/// Bytes up to a blank, a quote or a brace.
fn word_length(text: &[u8]) -> usize {
    let ends = |&byte: &u8| is_blank(byte) || matches!(byte, b'"' | b'{' | b'}');
    text.iter().position(ends).unwrap_or(text.len())
}

/// Texts are far below 4 GiB: the source refuses to make longer ones.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Word;

    /// The tree as text: one line for each line, indented by depth, words parted by `|`.
    fn shape(text: &str) -> (String, Vec<Reason>) {
        fn write<'t>(lines: impl Iterator<Item = Line<'t>>, depth: usize, out: &mut String) {
            for line in lines {
                let words: Vec<_> = std::iter::once(line.keyword_word())
                    .chain(line.words())
                    .map(Word::text)
                    .collect();
                out.extend(["  ".repeat(depth), words.join("|"), "\n".to_owned()]);
                write(line.block().lines(), depth + 1, out);
            }
        }
        let mut report = Report::default();
        let tree = read(text.to_owned(), &mut report);
        let mut out = String::new();
        write(tree.lines(), 0, &mut out);
        (
            out,
            report
                .mistakes
                .into_iter()
                .map(|mistake| mistake.reason)
                .collect(),
        )
    }

    #[test]
    fn braces_may_stand_where_people_put_them() {
        let tree =
            "vrrp_instance|V\n  interface|eth0\n  virtual_ipaddress\n    10.0.0.1|dev|eth0\n  priority|100\n";
        for text in [
            "vrrp_instance V {\n interface eth0\n virtual_ipaddress {\n 10.0.0.1 dev eth0\n }\n priority 100\n}",
            "vrrp_instance V\n{\n interface eth0\n virtual_ipaddress\n\n{ 10.0.0.1 dev eth0 }\n priority 100\n}\n",
            "vrrp_instance V{interface eth0\nvirtual_ipaddress{10.0.0.1 dev eth0}priority 100}",
            "vrrp_instance \"V\" {\tinterface eth0\r\nvirtual_ipaddress { 10.0.0.1\tdev\teth0\n}priority 100\n}\r\n",
        ] {
            assert_eq!(shape(text), (tree.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn only_double_quotes_hold_words_and_braces_together() {
        let (tree, reasons) = shape("a \"b c\" \"\" d\"e {f\"g 'h i'\n");
        assert_eq!((tree.as_str(), reasons.len()), ("a|b c||d|e {f|g|'h|i'\n", 0));
        let (tree, reasons) = shape("router_id x\"y z\nnext");
        assert_eq!((tree.as_str(), reasons.len()), ("router_id|x\nnext\n", 1));
        assert_eq!(reasons[0], Reason::UnterminatedQuote { value_lost: false });
    }

    #[test]
    fn a_missing_brace_is_mended_where_it_is_missing() {
        let (tree, reasons) = shape("vrrp_instance V\n interface eth0\n}\nuse_pid_dir");
        assert_eq!(tree, "vrrp_instance|V\n  interface|eth0\nuse_pid_dir\n");
        assert!(matches!(
            &reasons[..],
            [Reason::MissingOpening { absent: false, .. }]
        ));

        let (tree, reasons) = shape("vrrp_instance V {\n interface eth0\nvrrp_script S {\n}");
        assert_eq!(tree, "vrrp_instance|V\n  interface|eth0\n  vrrp_script|S\n");
        assert!(matches!(&reasons[..], [Reason::MissingClosing { keyword }] if keyword == "vrrp_instance"));

        let (tree, reasons) = shape("}\nuse_pid_dir\n}");
        assert_eq!((tree.as_str(), reasons.len()), ("use_pid_dir\n", 2));
    }

    #[test]
    fn a_list_without_braces_and_values_is_empty() {
        let (tree, reasons) = shape("vrrp_instance V {\n track_interface\n}\nuse_pid_dir");
        assert_eq!(tree, "vrrp_instance|V\n  track_interface\nuse_pid_dir\n");
        assert!(matches!(
            &reasons[..],
            [Reason::MissingOpening { absent: true, .. }]
        ));
    }

    #[test]
    fn lines_between_stray_braces_belong_to_the_block_around_them() {
        let (tree, reasons) = shape("{\nvrrp_script S {\n rise 2\n}\n{ fall 3 }\n}");
        assert_eq!(tree, "vrrp_script|S\n  rise|2\nfall|3\n");
        assert_eq!(reasons, [Reason::StrayOpening, Reason::StrayOpening]);
    }

    #[test]
    fn markers_give_lines_their_places() {
        let mut report = Report::default();
        let text = "# 7 0 a.conf\nx {\n# 1 2 b c.conf\ny\n\nz\n# 9 0\n}\n # 3\n";
        let mut tree = read(text.to_owned(), &mut report);
        let head = tree.lines().next().unwrap();
        let places: Vec<_> = head
            .block()
            .lines()
            .map(|line| (line.place().file, line.place().line))
            .collect();
        assert_eq!((head.place().line, places), (7, vec![(2, 1), (2, 3)]));
        assert_eq!(tree.lines().nth(1).unwrap().keyword(), "#");
        assert_eq!(tree.take_files(), ["a.conf", "", "b c.conf"]);
    }
}
