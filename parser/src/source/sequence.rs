//! `~SEQ`, `~SEQx` and `~LST`: one line repeated over numbers or lists.

use crate::value::number::any_base;

/// What is wrong with a `~SEQ` or `~LST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// Not `(variable, numbers)`.
    #[error("expected ~SEQ(variable, [start, [step,]] end)")]
    Numbers,
    /// The step is zero or leads away from the end.
    #[error("the step never reaches the end")]
    Step,
    /// `~SEQx` counts from 0.
    #[error("~SEQx takes no negative numbers")]
    Negative,
    /// Not `(variable, members)` or `({variables}, {members}, ...)`.
    #[error(
        "expected ~LST(variable, member, ...) or ~LST({{variable, ...}}, {{member, ...}}, ...), without blanks in a member"
    )]
    List,
    /// More members in a group than there are variables.
    #[error("a group has more members than there are variables")]
    Members,
}

/// A line that is repeated.
#[derive(Debug)]
pub(super) struct Sequence<'a> {
    /// The definitions that change from one repetition to the next.
    pub(super) variables: Vec<&'a str>,
    /// Their values.
    pub(super) rows: Rows<'a>,
}

/// The values of a sequence, one row for each repetition.
#[derive(Debug)]
pub(super) enum Rows<'a> {
    Numbers {
        next: Option<i64>,
        step: i64,
        end: i64,
        hex: bool,
    },
    Lists(std::vec::IntoIter<Vec<&'a str>>),
}

impl Rows<'_> {
    /// The next row, in the order of the variables.
    pub(super) fn next(&mut self) -> Option<Vec<String>> {
        match self {
            Self::Numbers { next, step, end, hex } => {
                let value = (*next)?;
                *next = value
                    .checked_add(*step)
                    .filter(|next| if *step > 0 { next <= end } else { next >= end });
                Some(vec![if *hex {
                    format!("{value:x}")
                } else {
                    value.to_string()
                }])
            }
            Self::Lists(rows) => Some(rows.next()?.into_iter().map(str::to_owned).collect()),
        }
    }
}

/// Which directive a line begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Decimal,
    Hex,
    List,
}

/// Splits `~SEQ(...) rest`: the kind, what is between the parentheses (`None` if they are not closed), the rest.
pub(super) fn directive(line: &str) -> Option<(Kind, Option<&str>, &str)> {
    let (kind, rest) = [
        ("~SEQx", Kind::Hex),
        ("~SEQ", Kind::Decimal),
        ("~LST", Kind::List),
    ]
    .into_iter()
    .find_map(|(name, kind)| Some((kind, line.strip_prefix(name)?.trim_start().strip_prefix('(')?)))?;
    Some(match rest.split_once(')') {
        Some((arguments, rest)) => (kind, Some(arguments), rest),
        None => (kind, None, ""),
    })
}

/// Reads what is between the parentheses.
pub(super) fn read(kind: Kind, arguments: &str) -> Result<Sequence<'_>, SequenceError> {
    match kind {
        Kind::Decimal => numbers(arguments, false),
        Kind::Hex => numbers(arguments, true),
        Kind::List => lists(arguments),
    }
}

fn numbers(arguments: &str, hex: bool) -> Result<Sequence<'_>, SequenceError> {
    let mut parts = arguments.split(',').map(str::trim);
    let variable = parts
        .next()
        .filter(|name| is_name(name))
        .ok_or(SequenceError::Numbers)?;
    let numbers: Option<Vec<i64>> = parts.map(any_base).collect();
    let (start, step, end) = match *numbers.ok_or(SequenceError::Numbers)? {
        [end] => (if end < 0 { -1 } else { 1 }, None, end),
        [start, end] => (start, None, end),
        [start, step, end] => (start, Some(step), end),
        _ => return Err(SequenceError::Numbers),
    };
    let step = step.unwrap_or(if end < start { -1 } else { 1 });
    if step == 0 || (step > 0 && start > end) || (step < 0 && start < end) {
        return Err(SequenceError::Step);
    }
    if hex && (start < 0 || end < 0) {
        return Err(SequenceError::Negative);
    }
    let rows = Rows::Numbers {
        next: Some(start),
        step,
        end,
        hex,
    };
    Ok(Sequence {
        variables: vec![variable],
        rows,
    })
}

fn lists(arguments: &str) -> Result<Sequence<'_>, SequenceError> {
    let mut groups = groups(arguments).ok_or(SequenceError::List)?.into_iter();
    let variables = groups.next().unwrap_or_default();
    if variables.is_empty() || groups.len() == 0 || !variables.iter().all(|name| is_name(name)) {
        return Err(SequenceError::List);
    }
    let mut rows: Vec<_> = groups.collect();
    for row in &mut rows {
        if row.len() > variables.len() {
            return Err(SequenceError::Members);
        }
        row.resize(variables.len(), "");
    }
    Ok(Sequence {
        variables,
        rows: Rows::Lists(rows.into_iter()),
    })
}

/// Splits at commas; `{a,b}` is one group of several members.
fn groups(arguments: &str) -> Option<Vec<Vec<&str>>> {
    let mut groups = Vec::new();
    let mut rest = arguments.trim();
    while !rest.is_empty() || groups.is_empty() {
        let after;
        if let Some(inner) = rest.strip_prefix('{') {
            let (members, outside) = inner.split_once('}')?;
            groups.push(members.split(',').map(str::trim).collect());
            after = outside.trim_start();
        } else {
            let comma = rest.find(',').unwrap_or(rest.len());
            groups.push(vec![rest[..comma].trim()]);
            after = &rest[comma..];
        }
        rest = match after.strip_prefix(',') {
            Some("") => return None,
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    let clean = |member: &&str| !member.contains([' ', '\t', '"', '{', '}']);
    groups.iter().flatten().all(clean).then_some(groups)
}

/// A name that a definition can have.
pub(super) fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts_well
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(line: &str) -> Result<Vec<String>, SequenceError> {
        let (kind, arguments, _) = directive(line).unwrap();
        let mut sequence = read(kind, arguments.unwrap())?;
        Ok(std::iter::from_fn(|| sequence.rows.next())
            .map(|row| row.join("-"))
            .collect())
    }

    #[test]
    fn numbers_run_as_keepalived_runs_them() {
        for (line, values) in [
            ("~SEQ(i, 3) x", "1 2 3"),
            ("~SEQ(i,-2)", "-1 -2"),
            ("~SEQ(i,0)", "1 0"),
            ("~SEQ(i,3,1)", "3 2 1"),
            ("~SEQ(i,3,3)", "3"),
            ("~SEQ( i , 5 , -2 , 1 )", "5 3 1"),
            ("~SEQ(i,1,5,2)", "1"),
            ("~SEQ (i,0x10,021)", "16 17"),
            ("~SEQx(i,9,11)", "9 a b"),
            ("~LST(v,a,,b)", "a  b"),
            ("~LST({x,y},{a,1},{b})", "a-1 b-"),
        ] {
            assert_eq!(rows(line).unwrap().join(" "), values, "{line}");
        }
    }

    #[test]
    fn what_cannot_run_is_refused() {
        use SequenceError::{List, Members, Negative, Numbers, Step};
        for (line, error) in [
            ("~SEQ(i,3,0,5)", Step),
            ("~SEQ(i,1,-1,5)", Step),
            ("~SEQ(i)", Numbers),
            ("~SEQ(i,a)", Numbers),
            ("~SEQ(i,08)", Numbers),
            ("~SEQ(i,1,2,)", Numbers),
            ("~SEQx(i,-1,1)", Negative),
            ("~LST(v)", List),
            ("~LST(v,a b,c)", List),
            ("~LST({x,y},{a,1,2})", Members),
            ("~LST({x,y},{a,1}z)", List),
        ] {
            assert_eq!(rows(line), Err(error), "{line}");
        }
        assert_eq!(directive("~FOO(i,2)"), None);
        assert_eq!(directive("~SEQ(i,2"), Some((Kind::Decimal, None, "")));
    }
}
