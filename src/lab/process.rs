//! A program running in a host of the lab: its output kept, its end waited for, killed when dropped.

use std::fs;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lock;
use super::log::Log;
use super::wait::wait_until;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    /// Its process number as the lab's own process sees it (inside the host it is another).
    pub pid: Pid,
    /// What it has written to its standard output and standard error.
    pub log: Arc<Log>,
    pub(super) child: Arc<Mutex<Child>>,
}

impl Process {
    /// Takes charge of a child whose output goes to pipes.
    pub(super) fn new(mut child: Child, log: Arc<Log>) -> Self {
        if let Some(pipe) = child.stdout.take() {
            log.follow(pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            log.follow(pipe);
        }
        Self {
            pid: Pid::from_raw(child.id().cast_signed()),
            log,
            child: Arc::new(Mutex::new(child)),
        }
    }

    /// Sends a signal to the process itself; one that has ended does not mind.
    pub fn signal(&self, signal: Signal) {
        if self.status().is_none() {
            // Not yet reaped, so the number is still its own.
            let _ = kill(self.pid, signal);
        }
    }

    /// Kills the process and everything it started, at once: none of them gets to react to the end of another.
    pub fn kill_all(&self) {
        self.signal(Signal::SIGSTOP);
        for pid in descendants(self.pid) {
            // It may have ended by itself meanwhile.
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.signal(Signal::SIGKILL);
    }

    /// Processes started by this one, and by those, as they are now.
    pub fn descendants(&self) -> Vec<Pid> {
        descendants(self.pid)
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().ok().flatten()
    }

    /// Waits for its end for at most `limit`.
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        wait_until(limit, || self.status().is_some());
        self.status()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        // An error says that it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn descendants(pid: Pid) -> Vec<Pid> {
    let parents = parents().unwrap_or_default();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(child, _)| *child),
        );
        next += 1;
    }
    found.split_off(1)
}

/// Every process with its parent.
fn parents() -> io::Result<Vec<(Pid, Pid)>> {
    let numbers = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers
        .filter_map(|number: i32| {
            let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
            // "pid (comm) state ppid ...", where comm may hold anything, also ")".
            let (_, after_comm) = stat.rsplit_once(") ")?;
            let parent = after_comm.split(' ').nth(1)?.parse().ok()?;
            Some((Pid::from_raw(number), Pid::from_raw(parent)))
        })
        .collect())
}
