//! What checks cost: ten thousand real servers, each asked by a `TCP_CHECK` every second, by Holdfast and by keepalived one
//! after the other, in a network namespace of this machine. `cargo bench --bench checks -- [SERVERS]`, as root.
//!
//! Printed are the processor time of the checker process for one check, as the kernel counts it, and its memory for one
//! real server (proportional set size). Checks are counted where they arrive. A kernel without IPVS is enough: keepalived's
//! checker stops there, so what it asks of IPVS is answered by a stub that is put before its netlink library.
#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program for developers that has nothing to rescue; figures are rounded for the eye"
)]

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::node::{CONFIGURATION, KEEPALIVED};
use holdfast::lab::{Host, Lab, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

const PORT: u16 = 8000;

/// Real servers of one virtual server.
const EACH: u32 = 100;

/// How long the checks are watched.
const WATCHED: Duration = Duration::from_secs(10);

/// Longer than a start takes.
const SOON: Duration = Duration::from_mins(1);

/// Every request is acknowledged.
const STUB: &str = "
#include <stddef.h>
static int (*told[16])(void *, void *);
static void *with[16];
int genl_connect(void *socket) { return 0; }
int genl_ctrl_resolve(void *socket, const char *name) { return 27; }
int nl_send_auto(void *socket, void *message) { return 1; }
int nl_socket_modify_cb(void *socket, int what, int kind, int (*function)(void *, void *), void *argument) {
    told[what] = function;
    with[what] = argument;
    return 0;
}
int nl_recvmsgs_default(void *socket) {
    for (int what = 1; what <= 4; what += 3) /* NL_CB_FINISH, NL_CB_ACK */
        if (told[what]) told[what](NULL, with[what]);
    return 0;
}
";

fn main() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let asked = words.iter().find_map(|word| word.parse().ok());
    // `cargo test --benches` only looks whether it can be done.
    let usual = if words.iter().any(|word| word == "--bench") {
        10_000
    } else {
        100
    };
    let servers = asked.unwrap_or(usual);
    let ours = watch(env!("CARGO_BIN_EXE_holdfast"), &[], servers);
    ours.print("Holdfast", servers);
    if !Path::new(KEEPALIVED).exists() {
        return println!("keepalived is not installed");
    }
    let place = tempfile::tempdir().unwrap();
    let (source, stub) = (place.path().join("stub.c"), place.path().join("stub.so"));
    fs::write(&source, STUB).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&stub)
        .arg(&source)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return println!("keepalived needs a C compiler here");
    }
    let preload = format!("LD_PRELOAD={}", stub.display());
    let theirs = watch("/usr/bin/env", &[&preload, KEEPALIVED], servers);
    theirs.print("keepalived", servers);
    println!(
        "ratio: processor time {:.2}, memory {:.2}",
        ours.time_of_a_check().as_secs_f64() / theirs.time_of_a_check().as_secs_f64(),
        ours.memory as f64 / theirs.memory as f64
    );
}

/// What was seen of a checker process.
struct Seen {
    checks: u64,
    /// Time on a processor.
    time: Duration,
    /// Bytes.
    memory: u64,
}

impl Seen {
    fn time_of_a_check(&self) -> Duration {
        self.time.div_f64(self.checks.max(1) as f64)
    }

    fn print(&self, who: &str, servers: u32) {
        println!(
            "{who}: {:.0} checks a second, {:.1} us of processor time each, {:.0} bytes of memory for a real server",
            self.checks as f64 / WATCHED.as_secs_f64(),
            self.time_of_a_check().as_secs_f64() * 1e6,
            self.memory as f64 / f64::from(servers)
        );
    }
}

fn watch(program: &str, words: &[&str], servers: u32) -> Seen {
    let lab = Lab::new().unwrap();
    let host = lab.host("director", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
    let checks = answer(&host);
    host.write(CONFIGURATION, &configuration(servers)).unwrap();
    let words = [words, &["-f", CONFIGURATION, "-n", "-G"]].concat();
    let daemon = host.spawn("daemon", program, &words).unwrap();
    let count = || checks.load(Ordering::Relaxed);
    let busy = wait_until(SOON, || count() > 2 * u64::from(servers));
    assert!(busy.is_some(), "only {} checks came\n{}", count(), lab.report());
    let checker = *daemon.descendants().last().unwrap();
    let (before, time, began) = (count(), time_of(checker), Instant::now());
    thread::sleep(WATCHED);
    let share = WATCHED.div_duration_f64(began.elapsed());
    let seen = Seen {
        checks: count() - before,
        time: time_of(checker).saturating_sub(time).mul_f64(share),
        memory: memory_of(checker),
    };
    daemon.signal(Signal::SIGTERM);
    daemon.wait(SOON).unwrap();
    seen
}

/// Whoever connects is counted, and that is all.
fn answer(host: &Host) -> Arc<AtomicU64> {
    let listen = || {
        // A full queue would cost the checkers a repetition.
        fs::write("/proc/sys/net/core/somaxconn", "65535")?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
        socket.listen(65_535)?;
        Ok::<_, std::io::Error>(socket)
    };
    let socket = host.run(listen).unwrap().unwrap();
    let counted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&counted);
    thread::spawn(move || {
        while socket.accept().is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    counted
}

fn configuration(servers: u32) -> String {
    let mut text = "global_defs {\n}\n".to_owned();
    for number in 0..servers {
        if number % EACH == 0 {
            let service = Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 1).to_bits() + number / EACH);
            let _ = writeln!(
                text,
                "virtual_server {service} 80 {{\n delay_loop 1\n lvs_sched wlc\n lvs_method NAT\n protocol TCP"
            );
        }
        let server = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + number);
        let _ = writeln!(
            text,
            " real_server {server} {PORT} {{\n TCP_CHECK {{\n connect_timeout 3\n }}\n }}"
        );
        if number % EACH == EACH - 1 || number == servers - 1 {
            text += "}\n";
        }
    }
    text
}

fn time_of(pid: Pid) -> Duration {
    // The first number: nanoseconds on a processor.
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

fn memory_of(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}
