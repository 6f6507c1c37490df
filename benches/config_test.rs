//! `holdfast -t` beside `keepalived -t` on a file of 5000 virtual servers with ten real servers each, every one with a
//! `TCP_CHECK` (7.4 MB): CPU time and peak memory of both, and the ratios. `cargo bench --bench config_test [-- SERVERS]`.
//!
//! The aim is a third of keepalived's CPU time and no more than twice its memory.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// Runs of each program; the best one counts.
const RUNS: usize = 5;

/// The first argument of the copy of this program that measures one run: only a process without other children knows
/// the peak memory of its child.
const MEASURE: &str = "--measure";

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, program, file] = arguments.as_slice()
        && first == MEASURE
    {
        return measure(program, file);
    }
    let servers = arguments.iter().find_map(|argument| argument.parse().ok());
    let text = configuration(servers.unwrap_or(5000), 10);
    let file = tempfile::NamedTempFile::with_suffix(".conf")?;
    std::fs::write(file.path(), &text)?;
    println!("{} kB", text.len() / 1000);
    let ours = best(env!("CARGO_BIN_EXE_holdfast"), file.path())?;
    show("holdfast", &ours);
    if !Path::new(KEEPALIVED).exists() {
        println!("skipped: needs keepalived");
        return Ok(ExitCode::SUCCESS);
    }
    let theirs = best(KEEPALIVED, file.path())?;
    show("keepalived", &theirs);
    println!(
        "ratio       {:8.2} of the CPU time {:8.2} of the memory",
        ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(),
        f64::from(ours.peak) / f64::from(theirs.peak)
    );
    Ok(ExitCode::SUCCESS)
}

/// What a run has used.
struct Usage {
    cpu: Duration,
    /// Peak of the resident memory in kB.
    peak: u32,
    status: i32,
}

fn show(name: &str, usage: &Usage) {
    let Usage { cpu, peak, status } = usage;
    println!(
        "{name:11} {:8.3} s CPU {peak:12} kB, exit status {status}",
        cpu.as_secs_f64()
    );
}

fn best(program: &str, file: &Path) -> io::Result<Usage> {
    let runs: io::Result<Vec<Usage>> = (0..RUNS).map(|_| run(program, file)).collect();
    runs?
        .into_iter()
        .min_by_key(|usage| usage.cpu)
        .ok_or_else(|| io::Error::other("no run"))
}

fn run(program: &str, file: &Path) -> io::Result<Usage> {
    let output = Command::new(std::env::current_exe()?)
        .args([MEASURE, program])
        .arg(file)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text
        .split_whitespace()
        .filter_map(|word| word.parse::<u32>().ok());
    let mut next = || {
        numbers
            .next()
            .ok_or_else(|| io::Error::other(format!("{program} cannot be measured")))
    };
    Ok(Usage {
        cpu: Duration::from_micros(next()?.into()),
        peak: next()?,
        status: i32::try_from(next()?).unwrap_or(-1),
    })
}

/// Runs the program once; prints its CPU time in microseconds, its peak memory in kB and its exit status.
fn measure(program: &str, file: &str) -> io::Result<ExitCode> {
    let status = Command::new(program)
        .args(["-t", "-f", file])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!(
        "{} {} {}",
        micros(usage.user_time()) + micros(usage.system_time()),
        usage.max_rss(),
        status.code().unwrap_or(255)
    );
    Ok(ExitCode::SUCCESS)
}

fn configuration(virtual_servers: u32, real_servers: u32) -> String {
    let mut text = String::new();
    for index in 0..virtual_servers {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + index);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "virtual_server {address} 80 {{\n    delay_loop 5\n    lvs_sched rr"
        );
        let _ = writeln!(text, "    lvs_method NAT\n    protocol TCP\n");
        for server in 0..real_servers {
            let address = Ipv4Addr::from_bits(0xc0a8_0000 + server);
            let _ = writeln!(text, "    real_server {address} 80 {{\n        weight 1");
            text += "        TCP_CHECK {\n            connect_timeout 3\n            connect_port 80\n";
            text += "        }\n    }\n";
        }
        text += "}\n";
    }
    text
}
