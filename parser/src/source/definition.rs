//! `$NAME=VALUE` and its use: late bound, nested, guarded against definitions that refer to themselves.

use std::collections::HashMap;
use std::rc::Rc;

use crate::report::Reason;
use crate::source::predefined::Predefined;
use crate::source::sequence::is_name;
use crate::source::{Host, MAX_EXPANDED_LINE, MAX_EXPANSIONS, MAX_EXPANSIONS_OF_LINE, MAX_NESTED_LINES};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Part of a line.
    Text(Rc<str>),
    /// Several lines.
    Lines(Rc<[String]>),
}

/// All definitions so far.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    values: HashMap<String, Value>,
    /// How many have been replaced.
    expansions: usize,
}

/// A line after its definitions were replaced.
#[derive(Debug)]
pub(super) enum Expanded {
    /// One line.
    Line(String),
    /// It ended with a multi-line definition: what comes before it, its name and its lines.
    Lines {
        before: String,
        name: String,
        lines: Rc<[String]>,
    },
}

/// Reads a line as `$NAME=VALUE`. Blanks before the value are dropped.
pub(super) fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    is_name(name).then(|| (name, value.trim_ascii_start()))
}

impl Definitions {
    /// Gives a name its value, or a new one.
    pub(super) fn define(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Replaces every definition on a line. Unknown names are left as they are.
    pub(super) fn expand<H: Host>(
        &mut self,
        line: &str,
        predefined: &mut Predefined<'_, H>,
    ) -> Result<Expanded, Reason> {
        let mut expansion = Expansion {
            values: &self.values,
            predefined,
            active: Vec::new(),
            left: MAX_EXPANSIONS_OF_LINE.min(MAX_EXPANSIONS.saturating_sub(self.expansions)),
            longest: MAX_EXPANDED_LINE + line.len(),
            out: String::new(),
            lines: None,
        };
        let before = expansion.left;
        let appended = expansion.append(line, true);
        let Expansion { left, out, lines, .. } = expansion;
        self.expansions += before - left;
        appended?;
        Ok(match lines {
            Some((name, lines)) => Expanded::Lines {
                before: out,
                name,
                lines,
            },
            None => Expanded::Line(out),
        })
    }
}

struct Expansion<'a, 'h, H> {
    values: &'a HashMap<String, Value>,
    predefined: &'a mut Predefined<'h, H>,
    /// Names being replaced, outermost first.
    active: Vec<String>,
    /// How many more may be replaced.
    left: usize,
    /// How long the line may become.
    longest: usize,
    out: String,
    lines: Option<(String, Rc<[String]>)>,
}

impl<H: Host> Expansion<'_, '_, H> {
    /// Appends a text with its definitions replaced. `last` says that nothing comes after it on the line.
    fn append(&mut self, text: &str, last: bool) -> Result<(), Reason> {
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            self.push(&rest[..dollar])?;
            rest = &rest[dollar..];
            let Some(reference) = Reference::read(rest) else {
                self.push("$")?;
                rest = &rest[1..];
                continue;
            };
            let (written, after) = rest.split_at(reference.length);
            if !self.replace(&reference, last && after.trim_ascii().is_empty())? {
                self.push(written)?;
            }
            if self.lines.is_some() {
                return Ok(());
            }
            rest = after;
        }
        self.push(rest)
    }

    /// Appends the value of a reference; false if it has none here.
    fn replace(&mut self, reference: &Reference<'_>, last: bool) -> Result<bool, Reason> {
        let name = reference.name;
        self.left = self.left.checked_sub(1).ok_or(Reason::ExpansionTooLong)?;
        match self.values.get(name).filter(|_| reference.words.is_empty()) {
            Some(Value::Text(text)) => {
                if self.active.iter().any(|active| active == name) {
                    return Err(Reason::DefinitionLoop {
                        name: name.to_owned(),
                    });
                }
                if self.active.len() >= MAX_NESTED_LINES {
                    return Err(Reason::NestedTooDeep);
                }
                self.active.push(name.to_owned());
                self.append(text, last)?;
                self.active.pop();
                Ok(true)
            }
            Some(Value::Lines(lines)) if last => {
                self.lines = Some((name.to_owned(), lines.clone()));
                Ok(true)
            }
            Some(Value::Lines(_)) => Ok(false),
            None => match self.predefined.value(name, reference.words) {
                Some(value) => self.push(&value?).map(|()| true),
                None => Ok(false),
            },
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Reason> {
        if self.out.len() + text.len() > self.longest {
            return Err(Reason::ExpansionTooLong);
        }
        self.out.push_str(text);
        Ok(())
    }
}

/// `${NAME}`, `${NAME words}` or `$NAME` before a blank, `,`, `)` or the end.
struct Reference<'a> {
    name: &'a str,
    words: &'a str,
    length: usize,
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('$')?;
        if let Some(braced) = rest.strip_prefix('{') {
            let inner = &braced[..braced.find(['}', '{', '$'])?];
            let closed = braced[inner.len()..].starts_with('}');
            let (name, words) = inner.split_once([' ', '\t']).unwrap_or((inner, ""));
            return (closed && is_name(name)).then_some(Self {
                name,
                words,
                length: inner.len() + 3,
            });
        }
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let end = rest.bytes().position(|byte| !in_name(byte)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let ends = after.is_empty() || after.starts_with([' ', '\t', ',', ')']);
        (ends && is_name(name)).then_some(Self {
            name,
            words: "",
            length: end + 1,
        })
    }
}
