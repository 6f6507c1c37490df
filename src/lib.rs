//! The shell: the only place with sockets, clock, processes and signals. It reads a configuration, lends the engines
//! bytes and time, and carries out what they ask through the hands.

pub mod demo;
pub mod lab;

use std::process::ExitCode;

/// What `main` does: sorts the ways to run the program and answers with its exit status.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
