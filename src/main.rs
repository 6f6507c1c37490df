//! The program `holdfast`, also answering to the name `keepalived`.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast::run()
}
