//! `holdfast demo`: two nodes and a client in network namespaces, a failover before your eyes.
//!
//! The nodes run the example `conf-examples/pair` as it is shipped. Everything shown was seen from outside: frames at
//! the switch with the kernel's time, addresses on the interfaces, answers to a client's pings; only the names of the
//! states are the daemons' own words.

mod chart;
mod eyes;
mod ping;
mod stage;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use nix::sys::signal::Signal;

use crate::lab::{Daemon, LabError};
use crate::sub_command;
use stage::{Cut, Stage};

const NODE1: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
const NODE2: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 12);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

const NODE1_CONF: &str = include_str!("../../conf-examples/pair/node1.conf");
const NODE2_CONF: &str = include_str!("../../conf-examples/pair/node2.conf");

/// Watch a virtual address fail over between two nodes, in network namespaces of this machine.
#[derive(Debug, Parser)]
#[command(name = "holdfast demo")]
struct Arguments {
    /// Show the crash and the takeover only
    #[arg(long)]
    quick: bool,
    /// Run this machine's keepalived on the second node
    #[arg(long)]
    opposite_keepalived: bool,
}

/// What may follow the name of the sub-command.
pub fn grammar() -> clap::Command {
    Arguments::command()
}

/// Runs the demonstration. `arguments` are those after `demo`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Arguments = match sub_command::read("holdfast demo", arguments) {
        Ok(arguments) => arguments,
        Err(status) => return status,
    };
    match show(&arguments) {
        Ok(()) | Err(Cut::Output(_)) => ExitCode::SUCCESS,
        Err(Cut::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(cut) => {
            // Without a standard error the exit status still tells.
            let _ = writeln!(io::stderr(), "holdfast demo: {cut}");
            ExitCode::FAILURE
        }
    }
}

/// What a shell reports of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

fn show(arguments: &Arguments) -> Result<(), Cut> {
    let holdfast = Daemon::Holdfast(std::env::current_exe().map_err(LabError::Io)?);
    let second = if arguments.opposite_keepalived {
        Daemon::Keepalived
    } else {
        holdfast.clone()
    };
    let mut stage = Stage::set()?;
    let played = play(&mut stage, &holdfast, &second, arguments.quick);
    stage.clear()?;
    played
}

fn play(stage: &mut Stage, first: &Daemon, second: &Daemon, quick: bool) -> Result<(), Cut> {
    stage.say("Two nodes start. 192.0.2.10 belongs on one of them; node1 has the higher priority.")?;
    let node1 = first.start(&stage.node1, NODE1_CONF)?;
    let _node2 = second.start(&stage.node2, NODE2_CONF)?;
    stage.until_owned_by("node1")?;
    stage.watch(if quick { SHORT } else { LONG })?;

    stage.say("The power of node1 is cut: all its processes are gone without a last word.")?;
    stage.reset_gap();
    let crash = stage.crash_node1();
    drop(node1);
    stage.until_owned_by("node2")?;
    stage.tell_takeover("node2", crash)?;
    if quick {
        return Ok(());
    }

    stage.say("node1 comes back. Its priority is higher: it takes the address again.")?;
    stage.boot_node1()?;
    let node1 = first.start(&stage.node1, NODE1_CONF)?;
    stage.until_owned_by("node1")?;
    stage.watch(SHORT)?;

    stage.say(
        "node1 is stopped in good order: it resigns with priority 0, and node2 need not wait for silence.",
    )?;
    stage.reset_gap();
    node1.process.signal(Signal::SIGTERM);
    stage.until_owned_by("node2")?;
    stage.tell_handover("node2")
}

const SHORT: Duration = Duration::from_millis(1200);
const LONG: Duration = Duration::from_millis(2500);
