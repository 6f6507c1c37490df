//! Holdfast's own sub-commands (`holdfast config`, `holdfast demo`): the one list of them.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use crate::control::commands;
use crate::{cli, config_command, demo, genhash};

/// One sub-command.
#[derive(Clone, Copy)]
pub struct SubCommand {
    /// The first argument of the program.
    pub name: &'static str,
    /// What may follow it.
    pub grammar: fn() -> clap::Command,
    /// Runs it with the arguments after its name; answers with the exit status.
    pub run: fn(Vec<OsString>) -> ExitCode,
}

/// Every sub-command, in the order of the manual.
pub const ALL: &[SubCommand] = &[
    SubCommand {
        name: "status",
        grammar: commands::status_grammar,
        run: commands::status,
    },
    SubCommand {
        name: "events",
        grammar: commands::events_grammar,
        run: commands::events,
    },
    SubCommand {
        name: "plan",
        grammar: commands::plan_grammar,
        run: commands::plan,
    },
    SubCommand {
        name: "reload",
        grammar: commands::reload_grammar,
        run: commands::reload,
    },
    SubCommand {
        name: "config",
        grammar: config_command::grammar,
        run: |arguments| config_command::run(arguments),
    },
    SubCommand {
        name: "demo",
        grammar: demo::grammar,
        run: |arguments| demo::run(arguments),
    },
    SubCommand {
        name: "genhash",
        grammar: genhash::grammar,
        run: |arguments| genhash::run(arguments),
    },
    SubCommand {
        name: "completions",
        grammar: Completions::command,
        run: completions,
    },
];

/// The sub-command of this name.
pub fn named(name: &str) -> Option<SubCommand> {
    ALL.iter().copied().find(|known| known.name == name)
}

/// The arguments after a sub-command's `name`. If they ask for help or are wrong, that is printed and the exit status is
/// answered.
pub(crate) fn read<A: Parser>(
    name: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<A, ExitCode> {
    let arguments = std::iter::once(OsString::from(name)).chain(arguments);
    A::try_parse_from(arguments).map_err(|wrong| {
        // Where even the usage cannot be printed, the exit status still tells.
        let _ = wrong.print();
        ExitCode::from(u8::from(wrong.use_stderr()))
    })
}

/// Print the completions of a shell for this program
#[derive(Debug, Parser)]
#[command(name = "holdfast completions")]
struct Completions {
    /// Which shell
    shell: Shell,
}

fn completions(arguments: Vec<OsString>) -> ExitCode {
    let Completions { shell } = match read("holdfast completions", arguments) {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    let whole = ALL.iter().fold(cli::grammar(), |whole, sub_command| {
        whole.subcommand((sub_command.grammar)().name(sub_command.name))
    });
    clap_complete::generate(
        shell,
        &mut whole.disable_help_subcommand(true),
        "holdfast",
        &mut io::stdout(),
    );
    ExitCode::SUCCESS
}
