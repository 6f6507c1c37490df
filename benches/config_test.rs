//! `holdfast -t` beside `keepalived -t` on a file of 5000 virtual servers with ten real servers each, every one with a
//! `TCP_CHECK` (7.4 MB): CPU time and peak memory of both, and the ratios. Then Holdfast alone on up to ten times as much.
//! `cargo bench --bench config_test`.
//!
//! What is sampled is the CPU time of a process (user and system), not the time that passes: that of a busy machine says
//! nothing. The bench fails if Holdfast needs more than [`CPU_LIMIT`] of keepalived's time, more than [`MEMORY_LIMIT`]
//! of its memory, or if its time grows faster than the file. Without `--bench` (`cargo test --benches`) everything is
//! run once on a small file, and nothing of this is judged.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use tempfile::NamedTempFile;

const HOLDFAST: &str = env!("CARGO_BIN_EXE_holdfast");
const KEEPALIVED: &str = "/usr/sbin/keepalived";

/// What Holdfast may need of keepalived's CPU time and of its peak memory.
const CPU_LIMIT: f64 = 1.0 / 3.0;
const MEMORY_LIMIT: f64 = 2.0;

/// How much longer the largest file may take for each real server than the smallest.
const GROWTH_LIMIT: f64 = 1.5;

/// Real servers of each virtual server.
const REAL_SERVERS: u32 = 10;

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
    let full = arguments.iter().any(|argument| argument == "--bench");
    let sizes: &[u32] = if full {
        &[5000, 10_000, 20_000, 50_000]
    } else {
        &[20]
    };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("config_test");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(500));
    let mut ours = Vec::new();
    let mut theirs = None;
    for &virtual_servers in sizes {
        let file = NamedTempFile::with_suffix(".conf")?;
        std::fs::write(file.path(), configuration(virtual_servers))?;
        if ours.is_empty() && Path::new(KEEPALIVED).exists() {
            theirs = sample(&mut group, "keepalived", KEEPALIVED, virtual_servers, file.path());
        }
        ours.extend(sample(
            &mut group,
            "holdfast",
            HOLDFAST,
            virtual_servers,
            file.path(),
        ));
    }
    group.finish();
    criterion.final_summary();
    let (Some(first), Some(last)) = (ours.first(), ours.last()) else {
        return Ok(ExitCode::SUCCESS); // a filter on the command line has left nothing
    };
    for usage in &ours {
        usage.show("holdfast");
    }
    let Some(theirs) = theirs else {
        println!("skipped: needs keepalived");
        return Ok(ExitCode::SUCCESS);
    };
    theirs.show("keepalived");
    let cpu = first.cpu.as_secs_f64() / theirs.cpu.as_secs_f64();
    let memory = f64::from(first.peak) / f64::from(theirs.peak);
    let growth = last.for_each_server() / first.for_each_server();
    println!("of keepalived's CPU time   {cpu:5.2} (limit {CPU_LIMIT:.2})");
    println!("of keepalived's memory     {memory:5.2} (limit {MEMORY_LIMIT:.2})");
    println!(
        "time for each real server  {growth:5.2} times that of the smallest file (limit {GROWTH_LIMIT:.2})"
    );
    let good = cpu <= CPU_LIMIT && memory <= MEMORY_LIMIT && growth <= GROWTH_LIMIT;
    Ok(ExitCode::from(u8::from(full && !good)))
}

/// What a run has used.
struct Usage {
    virtual_servers: u32,
    /// User and system time.
    cpu: Duration,
    /// Peak of the resident memory in kB.
    peak: u32,
}

impl Usage {
    fn show(&self, name: &str) {
        let real_servers = self.virtual_servers * REAL_SERVERS;
        println!(
            "{name:11} {real_servers:7} real servers {:7.3} s CPU {:8.1} MB",
            self.cpu.as_secs_f64(),
            f64::from(self.peak) / 1000.0
        );
    }

    fn for_each_server(&self) -> f64 {
        self.cpu.as_secs_f64() / f64::from(self.virtual_servers)
    }
}

/// The best of all runs; none if the command line asks for other benchmarks only.
fn sample(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    program: &str,
    virtual_servers: u32,
    file: &Path,
) -> Option<Usage> {
    let best = RefCell::new(None::<Usage>);
    group.bench_function(format!("{name}/{virtual_servers}"), |bencher| {
        bencher.iter_custom(|runs| {
            let runs = (0..runs).map(|_| {
                let run = run(program, virtual_servers, file).unwrap_or_else(|error| {
                    eprintln!("{program}: {error}");
                    std::process::exit(1);
                });
                let cpu = run.cpu;
                let mut best = best.borrow_mut();
                if best.as_ref().is_none_or(|best| run.cpu < best.cpu) {
                    *best = Some(run);
                }
                cpu
            });
            runs.sum()
        });
    });
    best.into_inner()
}

fn run(program: &str, virtual_servers: u32, file: &Path) -> io::Result<Usage> {
    let output = Command::new(std::env::current_exe()?)
        .args([MEASURE, program])
        .arg(file)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u32> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers[..] {
        [cpu, peak, 0] => Ok(Usage {
            virtual_servers,
            cpu: Duration::from_micros(cpu.into()),
            peak,
        }),
        _ => Err(io::Error::other(format!("cannot be measured: {text}"))),
    }
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

fn configuration(virtual_servers: u32) -> String {
    let mut text = String::new();
    for index in 0..virtual_servers {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + index);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "virtual_server {address} 80 {{\n    delay_loop 5\n    lvs_sched rr"
        );
        let _ = writeln!(text, "    lvs_method NAT\n    protocol TCP\n");
        for server in 0..REAL_SERVERS {
            let address = Ipv4Addr::from_bits(0xc0a8_0000 + server);
            let _ = writeln!(text, "    real_server {address} 80 {{\n        weight 1");
            text += "        TCP_CHECK {\n            connect_timeout 3\n            connect_port 80\n";
            text += "        }\n    }\n";
        }
        text += "}\n";
    }
    text
}
