//! Short options as getopt reads them: bundled (`-nlD`), with a glued argument (`-ffile`), with an optional argument that
//! is only ever glued (`-tFILE`). They leave here one per word, so that clap has nothing to guess.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

use crate::cli::Refusal;

/// Whether an option has an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Argument {
    Required,
    Optional,
}

/// What `option` takes beside its name.
pub(super) fn argument_of(option: &Arg) -> Option<Argument> {
    match option.get_num_args() {
        _ if option.is_positional() || !option.get_action().takes_values() => None,
        Some(range) if range.min_values() == 0 => Some(Argument::Optional),
        _ => Some(Argument::Required),
    }
}

/// The same command line with its short options one per word.
pub(super) fn spell_out(grammar: &Command, arguments: &[OsString]) -> Result<Vec<OsString>, Refusal> {
    let mut spelled_out = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(word) = arguments.next() {
        match word.as_bytes() {
            b"--" => {
                spelled_out.push(word.clone());
                spelled_out.extend(arguments.by_ref().cloned());
            }
            [b'-', b'-', name @ ..] => {
                spelled_out.push(word.clone());
                // The next word belongs to it, even if it looks like an option.
                if !name.contains(&b'=') && long(grammar, name) == Some(Argument::Required) {
                    spelled_out.extend(arguments.next().cloned());
                }
            }
            [b'-', bundle @ ..] if !bundle.is_empty() => {
                spell_out_bundle(grammar, bundle, &mut arguments, &mut spelled_out)?;
            }
            _ => spelled_out.push(word.clone()),
        }
    }
    Ok(spelled_out)
}

fn spell_out_bundle<'a>(
    grammar: &Command,
    bundle: &[u8],
    following: &mut impl Iterator<Item = &'a OsString>,
    spelled_out: &mut Vec<OsString>,
) -> Result<(), Refusal> {
    for (index, &letter) in bundle.iter().enumerate() {
        let name = char::from(letter);
        let glued = OsStr::from_bytes(&bundle[index + 1..]);
        let option = grammar
            .get_arguments()
            .find(|option| option.get_short() == Some(name))
            .ok_or_else(|| Refusal::UnknownOption(format!("-{name}")))?;
        let long = option.get_long().unwrap_or_default();
        match argument_of(option) {
            None => spelled_out.push(format!("--{long}").into()),
            Some(Argument::Optional) if glued.is_empty() => {
                spelled_out.push(format!("--{long}").into());
            }
            Some(Argument::Optional) => {
                spelled_out.push(with_value(long, glued));
                return Ok(());
            }
            Some(Argument::Required) => {
                let value = if glued.is_empty() {
                    following.next().map(OsString::as_os_str)
                } else {
                    Some(glued)
                };
                let value = value.filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| Refusal::MissingParameter(format!("-{name}")))?;
                spelled_out.push(with_value(long, value));
                return Ok(());
            }
        }
    }
    Ok(())
}

fn with_value(long: &str, value: &OsStr) -> OsString {
    OsString::from_vec([b"--", long.as_bytes(), b"=", value.as_bytes()].concat())
}

/// The argument of the option called `name` or uniquely abbreviated so.
fn long(grammar: &Command, name: &[u8]) -> Option<Argument> {
    let options = || {
        grammar
            .get_arguments()
            .filter_map(|option| Some((option, option.get_long()?)))
    };
    let exact = options().find(|(_, long)| long.as_bytes() == name);
    let mut abbreviated = options().filter(|(_, long)| long.as_bytes().starts_with(name));
    let found = exact.or_else(|| abbreviated.next().filter(|_| abbreviated.next().is_none()));
    found.and_then(|(option, _)| argument_of(option))
}
