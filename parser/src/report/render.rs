//! Mistakes as text: for people with the line and the words underlined, for the system log in one line, for tools as
//! JSON.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use crate::place::{At, Place};
use crate::report::{Class, Mistake, Report};
use crate::source::Sources;

/// Longest part of a line that is shown around the words meant.
const WIDEST: usize = 160;

impl Report {
    /// Every mistake with its line, for people.
    pub fn render(&self, sources: &Sources, color: bool) -> String {
        let mut text = String::new();
        for mistake in &self.mistakes {
            text.push_str(&mistake.render(sources, color));
            text.push_str("\n\n");
        }
        if self.omitted > 0 {
            text.push_str("and ");
            text.push_str(&self.omitted.to_string());
            text.push_str(" more mistakes\n");
        }
        text
    }

    /// Every mistake as one JSON array of objects, each on a line of its own.
    pub fn json(&self, sources: &Sources) -> String {
        let objects: Vec<String> = self
            .mistakes
            .iter()
            .map(|mistake| mistake.json(sources))
            .collect();
        format!("[{}]\n", objects.join(",\n"))
    }
}

impl Mistake {
    /// What is wrong, in one sentence.
    pub fn title(&self) -> String {
        self.hidden.sentence(self.reason.to_string())
    }

    /// What was expected there.
    pub fn expected(&self) -> Option<String> {
        self.reason.expected().map(|words| self.hidden.sentence(words))
    }

    /// What helps.
    pub fn help(&self) -> Option<String> {
        self.reason.help().map(|words| self.hidden.sentence(words))
    }

    /// The mistake with its line, the words meant underlined, what was expected, what helps, and who included the file.
    pub fn render(&self, sources: &Sources, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let title = clipped(self.title());
        let help = self.help();
        let notes = self.notes(sources);
        let shown = self.shown(sources);
        let mut elements: Vec<Element<'_>> = Vec::new();
        if self.place.line > 0 {
            let annotation = AnnotationKind::Primary
                .span(shown.span.clone())
                .label(self.expected());
            let snippet = Snippet::source(shown.line)
                .line_start(self.place.line as usize)
                .path(sources.name(self.place))
                .annotation(annotation);
            elements.push(snippet.into());
        }
        elements.extend(notes.iter().map(|note| Level::NOTE.message(note).into()));
        elements.extend(help.iter().map(|help| Level::HELP.message(help).into()));
        let group: Group<'_> = self.level().primary_title(&title).elements(elements);
        renderer.render(&[group])
    }

    /// The mistake in one line, for the system log.
    pub fn one_line(&self, sources: &Sources) -> String {
        let mut line = String::new();
        if self.place.line > 0 {
            line = format!("{}: ", self.position(sources));
        }
        line.push_str(&clipped(self.title()));
        for more in [self.expected(), self.help()].into_iter().flatten() {
            line.push_str("; ");
            line.push_str(&more);
        }
        line.replace(['\n', '\r'], " ")
    }

    /// The mistake as a JSON object without line breaks. Every key is always there; `file`, `line`, `column` (in bytes
    /// from 1), `expected` and `help` may be null.
    pub fn json(&self, sources: &Sources) -> String {
        let mut json = Json(String::from("{"));
        let known = self.place.line > 0;
        json.text_or_null("file", known.then(|| sources.name(self.place)));
        json.number_or_null("line", known.then_some(self.place.line as usize));
        json.number_or_null("column", known.then_some(self.column));
        json.text("severity", self.severity());
        json.text("class", &format!("{:?}", self.reason.class()));
        json.text("message", &clipped(self.title()));
        json.text_or_null("expected", self.expected().as_deref());
        json.text_or_null("help", self.help().as_deref());
        let chain: Vec<String> = sources
            .included_from(self.place)
            .map(|place| position(place, sources))
            .collect();
        json.list("included_from", &chain);
        json.0.push('}');
        json.0
    }

    /// `file:line:column`.
    fn position(&self, sources: &Sources) -> String {
        format!("{}:{}", position(self.place, sources), self.column)
    }

    fn severity(&self) -> &'static str {
        match self.reason.class() {
            Class::Note => "note",
            Class::Warning | Class::Deprecated => "warning",
            _ => "error",
        }
    }

    fn level(&self) -> Level<'static> {
        match self.severity() {
            "note" => Level::NOTE,
            "warning" => Level::WARNING,
            _ => Level::ERROR,
        }
    }

    /// What the snippet cannot show: the line as written where definitions changed it, and the including lines.
    fn notes(&self, sources: &Sources) -> Vec<String> {
        let mut notes = Vec::new();
        if self
            .written(sources)
            .is_some_and(|written| !self.stands_in(&written))
        {
            let beginning = sources.line(self.place).unwrap_or_default().trim_ascii();
            let beginning = &beginning[..beginning.floor_char_boundary(2 * At::KEPT)];
            if !beginning.is_empty() && !self.text.trim().is_empty() {
                notes.push(format!(
                    "the line is written as: {}",
                    cut(&self.hidden.line(beginning), 0..0).line
                ));
            }
        }
        let chain = sources.included_from(self.place);
        notes.extend(chain.map(|place| format!("included from {}", position(place, sources))));
        notes
    }

    /// The line to show: as it stands in the file if the words meant stand there, else as it was understood.
    fn shown(&self, sources: &Sources) -> Shown {
        let start = self.column - 1 - self.text_start;
        let span = start..start + self.length;
        match self.written(sources).filter(|written| self.stands_in(written)) {
            Some(written) => cut(&written, span),
            None => cut(&self.text, span),
        }
    }

    /// The part of the line in the file that `text` is of the line as understood.
    fn written<'s>(&self, sources: &'s Sources) -> Option<Cow<'s, str>> {
        let line = sources.line(self.place)?;
        let end = line.floor_char_boundary(self.text_start + 2 * At::KEPT);
        Some(
            self.hidden
                .line(line.get(self.text_start..end).unwrap_or_default()),
        )
    }

    /// Whether the words meant stand at their place in the line as written.
    fn stands_in(&self, written: &str) -> bool {
        let start = self.column - 1 - self.text_start;
        let length = self.length.min(self.text.len() - start);
        written.get(start..start + length) == self.text.get(start..start + length)
    }
}

/// A message, cut if a giant word is in it.
fn clipped(mut message: String) -> String {
    const LONGEST: usize = 400;
    if message.len() > LONGEST {
        message.truncate(message.floor_char_boundary(LONGEST));
        message.push_str("...");
    }
    message
}

/// `file:line`.
fn position(place: Place, sources: &Sources) -> String {
    format!("{}:{}", sources.name(place), place.line)
}

/// A line, or as much of it as can be looked at, and the bytes of it to underline.
struct Shown {
    line: String,
    span: Range<usize>,
}

/// Cuts a long line around the bytes to underline.
fn cut(line: &str, span: Range<usize>) -> Shown {
    let boundary = |at: usize| {
        (0..=at.min(line.len()))
            .rev()
            .find(|&at| line.is_char_boundary(at))
            .unwrap_or(0)
    };
    let (start, end) = (boundary(span.start), boundary(span.end));
    if line.len() <= WIDEST {
        return Shown {
            line: line.to_owned(),
            span: start..end,
        };
    }
    let from = boundary(start.saturating_sub(WIDEST / 3));
    let to = boundary(from + WIDEST);
    let dots = if from > 0 { "..." } else { "" };
    let more = if to < line.len() { "..." } else { "" };
    let moved = |at: usize| at.min(to) - from + dots.len();
    Shown {
        line: format!("{dots}{}{more}", &line[from..to]),
        span: moved(start)..moved(end),
    }
}

/// A JSON object in the making.
struct Json(String);

impl Json {
    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.string(key);
        self.0.push(':');
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }

    fn text_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    fn number_or_null(&mut self, key: &str, value: Option<usize>) {
        match value {
            Some(value) => {
                self.key(key);
                self.0.push_str(&value.to_string());
            }
            None => self.null(key),
        }
    }

    fn null(&mut self, key: &str) {
        self.key(key);
        self.0.push_str("null");
    }

    fn list(&mut self, key: &str, values: &[String]) {
        self.key(key);
        self.0.push('[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            self.string(value);
        }
        self.0.push(']');
    }

    /// RFC 8259 7: quotes, backslashes and control characters are escaped.
    fn string(&mut self, value: &str) {
        self.0.push('"');
        for character in value.chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                control if u32::from(control) < 0x20 => {
                    // Writing to a string does not fail.
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }
}
