//! The reader: one line after the other through comments, conditions, definitions, sequences and includes.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::place::{At, Place};
use crate::report::{Class, Reason, Report};
use crate::source::comment::without_comment;
use crate::source::definition::{self, Definitions, Expanded, Value};
use crate::source::flat::Flat;
use crate::source::include::{self, Checks, Found};
use crate::source::predefined::Predefined;
use crate::source::sequence::{self, SequenceError};
use crate::source::{
    Host, MAX_BYTES, MAX_DEFINED_LINES, MAX_FILES, MAX_GENERATED_BYTES, MAX_GENERATED_LINES,
    MAX_INCLUDE_DEPTH, MAX_NESTED_LINES, Options, SourceFile, Sources,
};

/// Reads the files that the patterns name into one flat text.
pub(crate) fn flatten<H: Host>(
    host: &H,
    patterns: &[&str],
    options: &Options,
    report: &mut Report,
) -> (String, Sources) {
    let short_name = || host.host_name().split('.').next().unwrap_or_default().to_owned();
    let predefined = Predefined {
        host,
        config_id: options.config_id.clone().unwrap_or_else(short_name),
        directory: String::new(),
        random: host.random_seed(),
    };
    let mut reader = Reader {
        host,
        report,
        predefined,
        definitions: Definitions::default(),
        checks: options.checks,
        sources: Sources::default(),
        flat: Flat::default(),
        defining: None,
        open_files: Vec::new(),
        open_lines: Vec::new(),
        bytes: 0,
        generated: 0,
        generated_bytes: 0,
        defined: 0,
        halted: false,
    };
    reader.main_files(patterns);
    (reader.flat.text, reader.sources)
}

struct Reader<'a, H> {
    host: &'a H,
    report: &'a mut Report,
    predefined: Predefined<'a, H>,
    definitions: Definitions,
    /// What holds for the file being read.
    checks: Checks,
    sources: Sources,
    flat: Flat,
    /// A multi-line definition that has not ended yet.
    defining: Option<(String, Vec<String>)>,
    /// Paths of the files being read, outermost first.
    open_files: Vec<PathBuf>,
    /// Multi-line definitions and sequences being played, outermost first.
    open_lines: Vec<String>,
    /// Bytes read so far.
    bytes: usize,
    /// Lines made so far.
    generated: usize,
    /// Bytes made so far.
    generated_bytes: usize,
    /// Names defined, and lines in definitions, so far.
    defined: usize,
    /// A limit was passed: nothing more is read.
    halted: bool,
}

impl<H: Host> Reader<'_, H> {
    fn main_files(&mut self, patterns: &[&str]) {
        let dir = self.host.current_dir();
        let nowhere = At::whole(Place::default(), "");
        let mut all = Vec::new();
        for pattern in patterns {
            let (found, reasons) = include::find(self.host, &dir, pattern, self.checks);
            for reason in reasons {
                self.blame(nowhere, reason);
            }
            all.extend(found);
        }
        if all.len() > 1 {
            self.report
                .add(nowhere, Reason::MultipleFiles { count: all.len() });
        }
        self.files(nowhere, &all, None);
    }

    fn files(&mut self, at: At<'_>, found: &[Found], from: Option<Place>) {
        for found in found {
            if let Some(reason) = include::refusal(self.host, found, self.checks) {
                self.blame(at, reason);
            } else if self.open_files.contains(&found.path) {
                self.report.add(
                    at,
                    Reason::IncludeLoop {
                        path: found.name.clone(),
                    },
                );
            } else if self.open_files.len() >= MAX_INCLUDE_DEPTH {
                self.report.add(
                    at,
                    Reason::IncludeTooDeep {
                        path: found.name.clone(),
                    },
                );
            } else if !self.halted {
                self.file(at, found, from);
            }
        }
    }

    fn file(&mut self, at: At<'_>, found: &Found, from: Option<Place>) {
        let bytes = match self.host.read(&found.path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let (path, error) = (found.name.clone(), error.to_string());
                return self.blame(
                    at,
                    Reason::IncludeUnreadable {
                        path,
                        error,
                        fatal: self.checks.read,
                    },
                );
            }
        };
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > MAX_BYTES || self.sources.files.len() >= MAX_FILES {
            self.halt(at, Reason::TooMuchText);
        }
        if self.halted {
            return;
        }
        let (text, lossy) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
        };
        let text: Arc<str> = text.into();
        let number = u32::try_from(self.sources.files.len()).unwrap_or(u32::MAX);
        let file = SourceFile::new(found.name.clone(), text.clone(), from);
        self.sources.files.push(file);

        let directory = found.path.parent().unwrap_or(Path::new("/"));
        let outer_directory = std::mem::replace(
            &mut self.predefined.directory,
            directory.to_string_lossy().into_owned(),
        );
        let outer_checks = self.checks;
        self.open_files.push(found.path.clone());
        self.lines(number, &text, lossy);
        self.open_files.pop();
        self.checks = outer_checks;
        self.predefined.directory = outer_directory;
    }

    fn lines(&mut self, file: u32, text: &str, lossy: bool) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let has_nul = text.contains('\0');
        for (line, number) in text.split_terminator('\n').zip(1..) {
            let place = Place { file, line: number };
            let at = At::new(place, line, 0, line.len());
            if line.len() > KEEPALIVED_LINE {
                self.report
                    .add(At { length: 0, ..at }, Reason::LongLine { bytes: line.len() });
            }
            if has_nul && line.contains('\0') {
                self.report.add(at, Reason::Nul);
                continue;
            }
            let kept = without_comment(line);
            if kept.is_empty() && !line.trim_ascii().is_empty() {
                continue; // unlike a blank line a comment does not end a definition
            }
            if lossy && kept.contains('\u{fffd}') {
                self.report.add(at, Reason::NotUtf8);
            }
            self.line(&kept, place, false);
            if self.halted {
                return;
            }
        }
        self.end_definition();
    }

    /// One line without its comment. `expanded` says that definitions have been replaced already.
    fn line(&mut self, line: &str, place: Place, expanded: bool) {
        let Some(line) = self.condition(line) else { return };
        let body = line.trim_ascii_start();
        if self.defining.is_some() && !expanded {
            return self.continue_definition(&line, place);
        }
        if body.is_empty() {
            return;
        }
        if let Some((name, value)) = definition::assignment(body) {
            return self.define(name, value, At::whole(place, &line));
        }
        if body.starts_with('~') && self.sequence(&line, place) {
            return;
        }
        if expanded || !body.contains('$') {
            return self.statement(&line, place);
        }
        match self.definitions.expand(&line, &mut self.predefined) {
            Ok(Expanded::Line(new)) => {
                self.made(At::whole(place, &line), new.len());
                self.line(&new, place, true);
            }
            Ok(Expanded::Lines { before, name, lines }) => self.play(&before, name, &lines, place),
            Err(reason) => self.report.add(At::whole(place, &line), reason),
        }
    }

    /// `@ID rest` and `@^ID rest`: `None` if the line does not hold here. Its columns are kept.
    fn condition<'l>(&self, line: &'l str) -> Option<Cow<'l, str>> {
        let body = line.trim_ascii_start();
        let Some(condition) = body.strip_prefix('@') else {
            return Some(line.into());
        };
        let (id, rest) = condition.split_once([' ', '\t']).unwrap_or((condition, ""));
        let holds = match id.strip_prefix('^') {
            Some(other) => other != self.predefined.config_id,
            None => id == self.predefined.config_id,
        };
        let blanks = line.len() - rest.len();
        holds.then(|| format!("{:blanks$}{rest}", "").into())
    }

    fn define(&mut self, name: &str, value: &str, at: At<'_>) {
        if !self.defines(at, 1) {
            return;
        }
        if let Some(first) = value.strip_suffix('\\') {
            let first = first.trim_end();
            let lines = if first.is_empty() {
                Vec::new()
            } else {
                vec![first.to_owned()]
            };
            self.defining = Some((name.to_owned(), lines));
        } else {
            self.definitions.define(name, Value::Text(value.into()));
        }
    }

    fn continue_definition(&mut self, line: &str, place: Place) {
        if !self.defines(At::whole(place, line), 1) {
            return;
        }
        let Some((_, lines)) = &mut self.defining else {
            return;
        };
        let (text, goes_on) = match line.strip_suffix('\\') {
            Some(text) => (text.trim_end(), true),
            None => (line, false),
        };
        if !text.trim_start().is_empty() {
            lines.push(text.to_owned());
        }
        if !goes_on {
            self.end_definition();
        }
    }

    fn end_definition(&mut self) {
        if let Some((name, lines)) = self.defining.take() {
            self.definitions.define(&name, Value::Lines(lines.into()));
        }
    }

    /// Plays the lines of a multi-line definition; the first stands on the line that named it.
    fn play(&mut self, before: &str, name: String, lines: &Rc<[String]>, place: Place) {
        let at = At::whole(place, before);
        if self.open_lines.contains(&name) {
            return self.report.add(at, Reason::DefinitionLoop { name });
        }
        if !self.enter(at, name) {
            return;
        }
        let joined = lines
            .first()
            .map(|first| format!("{before}{first}"))
            .unwrap_or_default();
        for line in std::iter::once(&joined).chain(lines.iter().skip(1)) {
            if !self.generate(At::whole(place, line), line.len()) {
                break;
            }
            self.line(line, place, false);
        }
        self.end_definition();
        self.open_lines.pop();
    }

    /// Plays a `~SEQ` or `~LST` line; false if it is none.
    fn sequence(&mut self, line: &str, place: Place) -> bool {
        let Some((kind, arguments, rest)) = sequence::directive(line.trim_ascii_start()) else {
            return false;
        };
        let at = At::whole(place, &line[..line.len() - rest.len()]);
        let Some(arguments) = arguments else {
            let error = if kind == sequence::Kind::List {
                SequenceError::List
            } else {
                SequenceError::Numbers
            };
            self.report.add(at, Reason::BadSequence { error });
            return true;
        };
        let arguments = match self.definitions.expand(arguments, &mut self.predefined) {
            Ok(Expanded::Line(arguments)) => arguments,
            Ok(Expanded::Lines { before, .. }) => before,
            Err(reason) => {
                self.report.add(at, reason);
                return true;
            }
        };
        match sequence::read(kind, &arguments) {
            Ok(mut sequence) => {
                if self.defines(at, sequence.variables.len()) && self.enter(at, String::new()) {
                    self.repeat(&mut sequence, at, rest, place);
                    self.open_lines.pop();
                }
            }
            Err(error) => self.report.add(at, Reason::BadSequence { error }),
        }
        true
    }

    fn repeat(&mut self, sequence: &mut sequence::Sequence<'_>, at: At<'_>, rest: &str, place: Place) {
        while let Some(row) = sequence.rows.next() {
            if !self.generate(at, rest.len()) {
                return;
            }
            for (variable, value) in sequence.variables.iter().zip(row) {
                self.definitions.define(variable, Value::Text(value.into()));
            }
            self.line(rest, place, false);
        }
    }

    /// Goes one level deeper into generated lines, if that is allowed.
    fn enter(&mut self, at: At<'_>, name: String) -> bool {
        let allowed = self.open_lines.len() < MAX_NESTED_LINES;
        if allowed {
            self.open_lines.push(name);
        } else {
            self.report.add(at, Reason::NestedTooDeep);
        }
        allowed
    }

    /// Counts a generated line, if one more is allowed.
    fn generate(&mut self, at: At<'_>, bytes: usize) -> bool {
        self.generated += 1;
        if self.generated > MAX_GENERATED_LINES {
            self.halt(at, Reason::TooManyLines);
        }
        self.made(at, bytes);
        !self.halted
    }

    /// Counts generated bytes.
    fn made(&mut self, at: At<'_>, bytes: usize) {
        self.generated_bytes = self.generated_bytes.saturating_add(bytes);
        if self.generated_bytes > MAX_GENERATED_BYTES {
            self.halt(at, Reason::TooMuchMade);
        }
    }

    /// Counts names or lines of definitions, if they are allowed.
    fn defines(&mut self, at: At<'_>, count: usize) -> bool {
        self.defined += count;
        if self.defined > MAX_DEFINED_LINES {
            self.halt(at, Reason::TooManyDefinitions);
        }
        !self.halted
    }

    /// A line with nothing left to replace: an include, or a line of the flat text.
    fn statement(&mut self, line: &str, place: Place) {
        let body = line.trim_ascii();
        if body.starts_with("include") {
            if let Some((checks, pattern)) = include::directive(body, self.checks) {
                return self.include(line, place, checks, pattern);
            }
            let mut words = body.split_ascii_whitespace();
            if words.next() == Some("include_check") {
                if let Err(word) = self.checks.apply(words) {
                    let word = word.to_owned();
                    self.report
                        .add(At::whole(place, line), Reason::UnknownIncludeCheck { word });
                }
                return;
            }
        } else if let Some(seed) = body.strip_prefix("random_seed") {
            self.predefined.random = seed.trim().parse().unwrap_or(self.predefined.random);
        }
        let name = self
            .sources
            .files
            .get(place.file as usize)
            .map_or("", |file| &file.name);
        self.flat.line(place, name, line.trim_ascii_end());
    }

    fn include(&mut self, line: &str, place: Place, checks: Checks, pattern: &str) {
        let start = line.trim_ascii_end().len() - pattern.len();
        let at = At::new(place, line, start, pattern.len());
        let dir = self
            .open_files
            .last()
            .and_then(|path| path.parent())
            .unwrap_or(Path::new("/"))
            .to_owned();
        let (found, reasons) = include::find(self.host, &dir, pattern, checks);
        for reason in reasons {
            self.blame(at, reason);
        }
        self.files(at, &found, Some(place));
    }

    /// Notes an include problem. If it is fatal, nothing more is read, as in keepalived.
    fn blame(&mut self, at: At<'_>, reason: Reason) {
        self.halted |= reason.class() == Class::NoConfig;
        self.report.add(at, reason);
    }

    fn halt(&mut self, at: At<'_>, reason: Reason) {
        if !self.halted {
            self.report.add(at, reason);
        }
        self.halted = true;
    }
}

/// Bytes of a line that keepalived reads.
const KEEPALIVED_LINE: usize = 1022;
