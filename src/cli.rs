//! The command line: keepalived's options, and Holdfast's own sub-commands as first argument. Pure: words in, a
//! [`Command`] out; nothing here prints or exits.
//!
//! keepalived reads its arguments with getopt, which differs from clap in what follows an option that may have an
//! argument (`-tFILE`, but never `-t FILE`): `words` spells the short options out before clap sees them.

mod options;
mod version;
mod words;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

pub use options::{ConfigTest, Facility, Format, Options};
pub use version::{COMPATIBLE_VERSION, running_on, version_text};

use crate::signal::Signal;
use crate::sub_command;

/// What the program is asked to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Run the daemon, or with [`Options::config_test`] judge its configuration.
    Run(Box<Options>),
    /// `-v`: the version text, on stderr.
    Version,
    /// `-h`: this text, on stderr.
    Help(String),
    /// `--signum`: this number, on stdout.
    SignalNumber(i32),
    /// The sub-command of this name ([`sub_command::ALL`]), with the arguments after it.
    Sub(&'static str, Vec<OsString>),
}

/// Why a command line is refused; the exit status is 1.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// No such option.
    #[error("Unknown option {0}")]
    UnknownOption(String),
    /// An option without the argument it needs, or with an empty one.
    #[error("Missing parameter for option {0}")]
    MissingParameter(String),
    /// `--signum` with a word it does not know.
    #[error("Unknown sigfunc {0}")]
    UnknownSignal(String),
    /// `-T` after other options.
    #[error("-T (--genhash) must be the first option")]
    Genhash,
}

/// Reads a whole command line, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| OsString::from("holdfast"));
    let mut arguments: Vec<OsString> = arguments.collect();
    if Path::new(&program).file_name() == Some(OsStr::new("genhash")) {
        return Ok(Command::Sub("genhash", arguments));
    }
    let first = arguments.first().and_then(|first| first.to_str());
    let first = first.map(|first| match first {
        "-T" | "--genhash" => "genhash",
        other => other,
    });
    if let Some(known) = first.and_then(sub_command::named) {
        return Ok(Command::Sub(known.name, arguments.split_off(1)));
    }

    let grammar = grammar();
    let spelled_out = words::spell_out(&grammar, &arguments)?;
    let matches = grammar
        .clone()
        .try_get_matches_from(std::iter::once(program).chain(spelled_out))
        .map_err(|error| refusal(&error))?;
    let written = options::Written::from_arg_matches(&matches).map_err(|error| refusal(&error))?;
    if written.help {
        return Ok(Command::Help(grammar.clone().render_help().to_string()));
    }
    if written.version {
        return Ok(Command::Version);
    }
    if written.genhash {
        return Err(Refusal::Genhash);
    }
    if let Some(name) = written.signum {
        let known = Signal::BY_NAME.into_iter().find(|(known, _)| *known == name);
        return known
            .map(|(_, signal)| Command::SignalNumber(signal.number()))
            .ok_or(Refusal::UnknownSignal(name));
    }
    Ok(Command::Run(Box::new(written.resolve())))
}

/// The grammar of the daemon's options: that of `Written`, with what holds for every option.
pub fn grammar() -> clap::Command {
    options::Written::command()
        .args_override_self(true)
        .infer_long_args(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_args(|option| {
            if words::argument_of(&option).is_some() {
                option.allow_hyphen_values(true)
            } else {
                option
            }
        })
}

fn refusal(error: &clap::Error) -> Refusal {
    let option = match error.get(ContextKind::InvalidArg) {
        // clap names an option with its argument: `--use-file <FILE>`.
        Some(ContextValue::String(name)) => name.split([' ', '=']).next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument | ErrorKind::TooManyValues => Refusal::UnknownOption(option),
        _ => Refusal::MissingParameter(option),
    }
}

#[cfg(test)]
mod tests;
