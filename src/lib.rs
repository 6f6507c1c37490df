//! The shell: the only place with sockets, clock, processes and signals. It reads a configuration, lends the engines
//! bytes and time, and carries out what they ask through the hands.

pub mod bfd_process;
pub mod checker_process;
pub mod child;
pub mod cli;
pub mod config_command;
pub mod config_test;
pub mod control;
pub mod demo;
mod dump;
pub mod fifo;
pub mod genhash;
pub mod herald;
pub mod lab;
pub mod log;
pub mod mail;
pub mod message;
mod net_place;
mod nft_guard;
pub mod notify;
pub mod reactor;
mod receive_buffer;
mod repair;
pub mod scripts;
pub mod signal;
pub mod standing;
pub mod sub_command;
pub mod supervisor;
mod sync_daemon;
pub mod sys;
mod timer;
pub mod vrrp_process;

use std::io::{self, Write};
use std::process::ExitCode;

use child::{Child, Role};
use cli::{Command, Options};

/// What `main` does: sorts the ways to run the program and answers with its exit status.
pub fn run() -> ExitCode {
    run_with(|child| match child.role {
        Role::Checkers => checker_process::run(child),
        Role::Vrrp => vrrp_process::run(child),
        Role::Bfd => bfd_process::run(child),
    })
}

/// [`run`], with the work of the child processes given by `work`.
pub fn run_with(work: fn(Child) -> ExitCode) -> ExitCode {
    match Child::inherit() {
        Ok(None) => run_command(),
        Ok(Some(child)) => {
            log::start(&child.options, Some(child.role));
            log::carry();
            let status = work(child);
            log::finish();
            status
        }
        Err(error) => print(io::stderr(), &format!("{error}\n"), ExitCode::FAILURE),
    }
}

fn run_command() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(Command::Run(options)) => {
            remark_on(&options);
            match &options.config_test {
                Some(to) => config_test::run(&options, to),
                None => supervisor::run(*options),
            }
        }
        Ok(Command::Version) => print(io::stderr(), &cli::version_text(), ExitCode::SUCCESS),
        Ok(Command::Help(text)) => print(io::stderr(), &text, ExitCode::SUCCESS),
        Ok(Command::SignalNumber(number)) => print(io::stdout(), &format!("{number}\n"), ExitCode::SUCCESS),
        Ok(Command::Sub(name, arguments)) => {
            sub_command::named(name).map_or(ExitCode::FAILURE, |known| (known.run)(arguments))
        }
        Err(refusal) => print(io::stderr(), &format!("{refusal}\n"), ExitCode::FAILURE),
    }
}

/// Prints to a reader who may have gone away, which is no failure of ours.
fn print(mut stream: impl Write, text: &str, status: ExitCode) -> ExitCode {
    let _ = stream.write_all(text.as_bytes());
    status
}

fn remark_on(options: &Options) {
    for remark in &options.remarks {
        let _ = writeln!(io::stderr(), "{remark}");
    }
    if !options.unexpected.is_empty() {
        let words: Vec<_> = options
            .unexpected
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let _ = writeln!(io::stdout(), "Unexpected argument(s): {}", words.join(" "));
    }
}
