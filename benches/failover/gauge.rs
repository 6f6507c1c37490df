//! CPU time and memory of a daemon, from `/proc`.

use std::fs;
use std::time::Duration;

use holdfast::lab::Process;
use nix::unistd::Pid;

/// The process of the daemon and those that it has started.
pub(crate) fn processes(of: &Process) -> Vec<Pid> {
    let mut all = of.descendants();
    all.push(of.pid);
    all
}

/// CPU time that these processes have used so far.
pub(crate) fn cpu(processes: &[Pid]) -> Duration {
    processes.iter().map(|pid| cpu_of(*pid)).sum()
}

/// The child that has worked most: the one that speaks VRRP.
pub(crate) fn busiest_child(of: &Process) -> Option<Pid> {
    of.descendants().into_iter().max_by_key(|pid| cpu_of(*pid))
}

/// Proportional set size of these processes together, in MiB: what would be free if they were not.
pub(crate) fn memory(processes: &[Pid]) -> f64 {
    let kilobytes: u32 = processes.iter().filter_map(|pid| proportional(*pid)).sum();
    f64::from(kilobytes) / 1024.0
}

/// CPU time of all threads of a process. `schedstat` has nanoseconds where `stat` has ticks of 10 ms.
fn cpu_of(process: Pid) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn proportional(process: Pid) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
