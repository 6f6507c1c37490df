//! `$NAME=VALUE` and its use: late bound, nested, guarded against definitions that refer to themselves.

use std::collections::HashMap;
use std::rc::Rc;

use crate::report::Reason;
use crate::source::predefined::Predefined;
use crate::source::sequence::is_name;
use crate::source::{Host, MAX_EXPANDED_LINE, MAX_EXPANSIONS};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Part of a line.
    Text(Rc<str>),
    /// Several lines.
    Lines(Rc<[String]>),
}

/// All definitions so far.
pub(super) type Definitions = HashMap<String, Value>;

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
    is_name(name).then(|| (name, value.trim_start()))
}

/// Replaces every definition on a line. Unknown names are left as they are.
pub(super) fn expand<H: Host>(
    line: &str,
    definitions: &Definitions,
    predefined: &mut Predefined<'_, H>,
) -> Result<Expanded, Reason> {
    let mut expansion = Expansion {
        definitions,
        predefined,
        active: Vec::new(),
        left: MAX_EXPANSIONS,
        out: String::new(),
        lines: None,
    };
    expansion.append(line, true)?;
    Ok(match expansion.lines {
        Some((name, lines)) => Expanded::Lines {
            before: expansion.out,
            name,
            lines,
        },
        None => Expanded::Line(expansion.out),
    })
}

struct Expansion<'a, 'h, H> {
    definitions: &'a Definitions,
    predefined: &'a mut Predefined<'h, H>,
    /// Names being replaced, outermost first.
    active: Vec<String>,
    left: usize,
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
            if !self.replace(&reference, last && after.trim().is_empty())? {
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
        let defined = self
            .definitions
            .get(name)
            .filter(|_| reference.words.is_empty())
            .cloned();
        match defined {
            Some(Value::Text(text)) => {
                if self.active.iter().any(|active| active == name) {
                    return Err(Reason::DefinitionLoop {
                        name: name.to_owned(),
                    });
                }
                self.active.push(name.to_owned());
                self.append(&text, last)?;
                self.active.pop();
                Ok(true)
            }
            Some(Value::Lines(lines)) if last => {
                self.lines = Some((name.to_owned(), lines));
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
        if self.out.len() + text.len() > MAX_EXPANDED_LINE.max(text.len()) {
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
            let inner = &braced[..braced.find('}')?];
            let (name, words) = inner.split_once([' ', '\t']).unwrap_or((inner, ""));
            return is_name(name).then_some(Self {
                name,
                words,
                length: inner.len() + 3,
            });
        }
        let end = rest.find([' ', '\t', ',', ')']).unwrap_or(rest.len());
        is_name(&rest[..end]).then_some(Self {
            name: &rest[..end],
            words: "",
            length: end + 1,
        })
    }
}
