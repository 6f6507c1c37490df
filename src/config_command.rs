//! `holdfast config show` and `holdfast config lint`: the configuration as it is understood, and what of it is legal but
//! will not do what it says. Nothing is started, nothing is logged.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use parser::Secrets;

use crate::cli::Format;
use crate::config_test::wants_color;
use crate::sub_command;
use crate::supervisor::configuration::Configuration;

/// Look at a configuration.
#[derive(Debug, Parser)]
#[command(name = "holdfast config")]
enum Arguments {
    /// Print the configuration with every default written out; mistakes go to standard error
    Show {
        #[command(flatten)]
        file: File,
        /// Print passwords and keys too
        #[arg(long)]
        secrets: bool,
    },
    /// Warn about what is legal but will not do what it says
    Lint {
        #[command(flatten)]
        file: File,
        /// The other node's file: the two are compared
        other_file: Option<String>,
        /// How the report is written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

#[derive(Debug, clap::Args)]
struct File {
    /// The configuration file (a pattern may name several)
    #[arg(
        short = 'f',
        long = "use-file",
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    name: String,
    /// Identity for configuration lines that begin with @ (the host name up to its first dot)
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
}

impl File {
    fn read(&self) -> Configuration {
        Configuration::of_file(self.name.clone(), self.config_id.clone())
    }
}

/// What may follow the name of the sub-command.
pub fn grammar() -> clap::Command {
    Arguments::command()
}

/// Runs `holdfast config` with the arguments after it.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let written = match sub_command::read("holdfast config", arguments) {
        Ok(Arguments::Show { file, secrets }) => show(&file.read(), secrets),
        Ok(Arguments::Lint {
            file,
            other_file,
            format,
        }) => {
            let other = other_file.map(|name| Configuration::of_file(name, file.config_id.clone()));
            lint(&file.read(), other.as_ref(), format)
        }
        Err(status) => return status,
    };
    // A reader that has gone away wants no more.
    written.unwrap_or(ExitCode::FAILURE)
}

/// The exit status is that of `-t`.
fn show(configuration: &Configuration, secrets: bool) -> io::Result<ExitCode> {
    let report = configuration.report(Format::Text, wants_color(&io::stderr()));
    io::stderr().write_all(report.as_bytes())?;
    let secrets = if secrets { Secrets::Shown } else { Secrets::Masked };
    io::stdout().write_all(configuration.shown(secrets).as_bytes())?;
    Ok(configuration.test_status().into())
}

/// The exit status is 0 if there is nothing to say.
fn lint(
    configuration: &Configuration,
    other: Option<&Configuration>,
    format: Format,
) -> io::Result<ExitCode> {
    let unreadable = std::iter::once(configuration)
        .chain(other)
        .find_map(Configuration::unreadable);
    if let Some(complaint) = unreadable {
        writeln!(io::stderr(), "{complaint}")?;
        return Ok(ExitCode::FAILURE);
    }
    let (report, sources) = configuration.lint(other);
    let text = match format {
        Format::Text => report.render(sources, wants_color(&io::stdout())),
        Format::Json => report.json(sources),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(u8::from(!report.mistakes.is_empty())))
}
