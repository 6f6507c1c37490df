//! Fast failover, measured from outside: Holdfast and, where it is installed, keepalived play the same scenes in network
//! namespaces; addresses are watched over netlink, frames at the bridges between the hosts, CPU time and memory in `/proc`.
//! One table with both, the ratio and what is demanded. Needs root.
//!
//! `cargo bench --bench failover [-- [--quick] [--scene NAME]... [--holdfast-only] [--json]]`; `--quick` plays every scene on
//! a small scale, which shows that it can be played and little else.

mod eyes;
mod gauge;
mod routers;
mod scenes;
mod stage;
mod table;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use holdfast::lab::Daemon;
use holdfast::lab::node::KEEPALIVED;

use scenes::{SCENES, Scene};
use stage::Stage;
use table::Table;

#[derive(Debug, Parser)]
struct Options {
    /// Plays every scene on a small scale, in about a minute.
    #[arg(long)]
    quick: bool,
    /// Plays this scene only; may be repeated.
    #[arg(long = "scene", value_name = "NAME", value_parser = SCENES.map(|scene| scene.name))]
    scenes: Vec<String>,
    /// Leaves keepalived out.
    #[arg(long)]
    holdfast_only: bool,
    /// Prints JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return ExitCode::SUCCESS;
    }
    let holdfast = Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into());
    let mut daemons = vec![holdfast];
    if !options.holdfast_only {
        if Path::new(KEEPALIVED).exists() {
            daemons.push(Daemon::Keepalived);
        } else {
            eprintln!("keepalived is not installed: its column stays empty");
        }
    }
    let asked =
        |scene: &&Scene| options.scenes.is_empty() || options.scenes.iter().any(|name| name == scene.name);
    let mut table = Table::default();
    let mut failed = false;
    for scene in SCENES.iter().filter(asked) {
        for (column, daemon) in daemons.iter().enumerate() {
            eprintln!("{} with {}", scene.name, stage::name(daemon));
            match (scene.play)(&Stage::new(daemon, options.quick)) {
                Ok(figures) => table.add(scene.name, column, figures),
                Err(error) => {
                    eprintln!("{} with {}: {error}", scene.name, stage::name(daemon));
                    // What keepalived cannot do says nothing about us.
                    failed |= column == 0;
                }
            }
        }
    }
    print!("{}", if options.json { table.json() } else { table.text() });
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
