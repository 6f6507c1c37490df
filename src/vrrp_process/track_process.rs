//! Tracked processes, on a thread of their own: how many there are of each kind.
//!
//! The kernel's process connector tells of every start and end, after one look through `/proc`. It speaks to the first
//! network, process and user namespace only; elsewhere `/proc` is looked through again and again. Absent: what a count
//! means.

mod connector;
mod table;

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use parser::Config;
use parser::config::global_defs::ReceiveBuffer;
use parser::config::vrrp_track_process::ProcessMatch;
use tracing::{info, warn};
use vrrp::{Event, ProcessId};

use super::trackers::{Tell, Woken, wait};
use connector::{Connector, Heard, Word};
use table::Table;

/// How often `/proc` is looked through where the kernel does not tell, unless that takes long.
const POLL: Duration = Duration::from_secs(1);

/// Looking through `/proc` may take this part of the time.
const SHARE: u32 = 20;

/// Counts that change faster than this are told only so often.
const PAUSE: Duration = Duration::from_millis(10);

/// Processes to count.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) id: ProcessId,
    process: Vec<String>,
    matching: ProcessMatch,
}

/// The processes that instances track.
pub(super) fn wanted(config: &Config) -> Vec<Wanted> {
    let instances = config.vrrp_instances.iter();
    let tracked: HashSet<&str> = instances
        .flat_map(|instance| &instance.track_process)
        .map(|tracked| tracked.name.as_str())
        .collect();
    let processes = (0..).zip(&config.track_processes);
    processes
        .filter(|(_, process)| tracked.contains(process.name.as_str()))
        .map(|(index, process)| Wanted {
            id: ProcessId(index),
            process: process.process.clone(),
            matching: process.matching,
        })
        .collect()
}

/// Tells how many there are of each kind at once, and again whenever that changes, until `end` is closed.
pub(super) fn watch(wanted: Vec<Wanted>, buffer: ReceiveBuffer, tell: &Tell, end: &OwnedFd) {
    let mut counter = Counter::new(wanted);
    match Connector::open(buffer) {
        Ok(connector) => counter.listen(&connector, tell, end),
        Err(error) => {
            info!(
                "Process events are not available ({error}); looking for tracked processes in /proc every {} s",
                POLL.as_secs()
            );
            counter.poll(tell, end);
        }
    }
}

struct Counter {
    wanted: Vec<Wanted>,
    table: Table,
    told: Vec<Option<usize>>,
}

impl Counter {
    fn new(wanted: Vec<Wanted>) -> Self {
        Self {
            table: Table::new(&wanted),
            told: vec![None; wanted.len()],
            wanted,
        }
    }

    /// Looks once, then listens.
    fn listen(&mut self, connector: &Connector, tell: &Tell, end: &OwnedFd) {
        self.table.scan();
        let mut paused = None;
        loop {
            let pause = paused.map(|since: Instant| PAUSE.saturating_sub(since.elapsed()));
            if pause.is_none_or(|pause| pause.is_zero()) {
                match self.tell(tell) {
                    Told::Nothing => paused = None,
                    Told::News => paused = Some(Instant::now()),
                    Told::Nobody => return,
                }
            }
            match wait(
                Some(connector as &dyn AsFd),
                end,
                pause.filter(|pause| !pause.is_zero()),
            ) {
                Woken::End => return,
                Woken::Readable => self.hear(|| connector.read()),
                Woken::TimeOut => paused = None,
            }
        }
    }

    /// Takes in a burst of what the kernel tells.
    fn hear(&mut self, mut read: impl FnMut() -> io::Result<Heard>) {
        const BURST: usize = 1000;
        for _ in 0..BURST {
            match read() {
                Ok(Heard::Word(Word::Forked { parent, child })) => self.table.inherit(parent, child),
                Ok(Heard::Word(Word::Changed(pid))) => self.table.look(pid),
                Ok(Heard::Word(Word::Ended(pid))) => self.table.forget(pid),
                Ok(Heard::Other) => {}
                Ok(Heard::Nothing) => return,
                Ok(Heard::Overrun) => {
                    // Until now what is told later is newer than what is found.
                    self.table.scan();
                    return;
                }
                Err(error) => {
                    warn!("Unable to read process events: {error}");
                    std::thread::sleep(POLL);
                    self.table.scan();
                    return;
                }
            }
        }
    }

    /// Looks again and again.
    fn poll(&mut self, tell: &Tell, end: &OwnedFd) {
        loop {
            let before = Instant::now();
            self.table.scan();
            if let Told::Nobody = self.tell(tell) {
                return;
            }
            let interval = POLL.max(before.elapsed() * SHARE);
            if let Woken::End = wait(None, end, Some(interval)) {
                return;
            }
        }
    }

    fn tell(&mut self, tell: &Tell) -> Told {
        let mut result = Told::Nothing;
        let counts = self.wanted.iter().zip(self.table.counts()).zip(&mut self.told);
        for ((wanted, count), told) in counts {
            if told.replace(count) == Some(count) {
                continue;
            }
            let process = wanted.id;
            if !tell.tell(Event::Processes { process, count }) {
                return Told::Nobody;
            }
            result = Told::News;
        }
        result
    }
}

enum Told {
    Nothing,
    News,
    /// Nobody listens any more.
    Nobody,
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use tempfile::TempDir;

    use super::super::trackers::testing::Seen;
    use super::*;

    /// A program that nobody else runs.
    struct Program {
        dir: TempDir,
        name: String,
    }

    struct Running(Child);

    impl Program {
        fn new(name: &str) -> Self {
            let dir = TempDir::new().unwrap();
            let name = format!("{name}{}", std::process::id());
            fs::copy("/bin/sleep", dir.path().join(&name)).unwrap();
            Self { dir, name }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join(&self.name)
        }

        fn start(&self, arguments: &[&str]) -> Running {
            let mut command = Command::new(self.path());
            Running(command.args(arguments).stdin(Stdio::null()).spawn().unwrap())
        }

        fn wanted(&self, matching: ProcessMatch, arguments: &[&str]) -> Wanted {
            let first = match matching {
                ProcessMatch::Name => self.name.clone(),
                _ => self.path().display().to_string(),
            };
            Wanted {
                id: ProcessId(0),
                process: std::iter::once(first)
                    .chain(arguments.iter().map(ToString::to_string))
                    .collect(),
                matching,
            }
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn count(count: usize) -> Event<'static> {
        let process = ProcessId(0);
        Event::Processes { process, count }
    }

    #[test]
    fn processes_are_counted_as_they_come_and_go() {
        let program = Program::new("ev");
        let wanted = program.wanted(ProcessMatch::Name, &[]);
        let one = program.start(&["1000"]);
        let mut seen = Seen::of(|tell, end| watch(vec![wanted], ReceiveBuffer::default(), &tell, &end));
        seen.expect(&count(1));
        let two = program.start(&["1000"]);
        seen.expect(&count(2));
        drop(one);
        seen.expect(&count(1));
        drop(two);
        seen.expect(&count(0));
    }

    #[test]
    fn where_the_kernel_tells_nothing_they_are_looked_for() {
        let program = Program::new("poll");
        let wanted = program.wanted(ProcessMatch::Exact, &["1000"]);
        let mut seen = Seen::of(|tell, end| Counter::new(vec![wanted]).poll(&tell, &end));
        seen.expect(&count(0));
        let one = program.start(&["1000"]);
        let _other = program.start(&["1001"]);
        seen.expect(&count(1));
        drop(one);
        seen.expect(&count(0));
    }

    #[test]
    fn one_that_has_ended_but_for_its_status_does_not_count() {
        let program = Program::new("zombie");
        let mut running = program.start(&["1000"]);
        let wanted = program.wanted(ProcessMatch::Name, &[]);
        let mut seen = Seen::of(|tell, end| Counter::new(vec![wanted]).poll(&tell, &end));
        seen.expect(&count(1));
        running.0.kill().unwrap(); // nobody asks for its status yet
        seen.expect(&count(0));
    }

    #[test]
    fn lost_events_cost_a_look_and_nothing_else() {
        let program = Program::new("lost");
        let mut counter = Counter::new(vec![program.wanted(ProcessMatch::Name, &[])]);
        counter.table.scan();
        let mut lose = || {
            counter.hear(|| Ok(Heard::Overrun));
            counter.table.counts()
        };
        let running: Vec<_> = (0..3).map(|_| program.start(&["1000"])).collect();
        // A program has its name a moment after its process.
        expect("three", || lose() == [3]);
        drop(running);
        assert_eq!(lose(), [0]);
    }

    #[test]
    fn the_kernel_tells_root_in_its_first_namespaces_and_says_when_it_lost_something() {
        let tiny = ReceiveBuffer {
            bytes: Some(1),
            force: false,
        };
        let connector = match Connector::open(tiny) {
            Ok(connector) => connector,
            Err(error) => {
                assert!(!is_root_in_first_namespaces(), "{error}");
                return;
            }
        };
        let program = Program::new("told");
        let mut counter = Counter::new(vec![program.wanted(ProcessMatch::Name, &[])]);
        counter.table.scan();
        let mut lost = 0;
        let mut hear = || {
            counter.hear(|| {
                let heard = connector.read();
                lost += usize::from(matches!(heard, Ok(Heard::Overrun)));
                heard
            });
            counter.table.counts()
        };
        let running: Vec<_> = (0..20).map(|_| program.start(&["1000"])).collect();
        expect("twenty", || hear() == [20]);
        drop(running);
        expect("none", || hear() == [0]);
        assert!(lost > 0, "so small a buffer holds them all");
    }

    fn expect(what: &str, condition: impl FnMut() -> bool) {
        let limit = Duration::from_secs(30);
        assert!(
            crate::lab::wait_until(limit, condition).is_some(),
            "not so: {what}"
        );
    }

    fn is_root_in_first_namespaces() -> bool {
        // `PROC_PID_INIT_INO` and `PROC_USER_INIT_INO` of the kernel; that of the network had no number of its own for long.
        const FIRST: [(&str, u64); 2] = [("pid", 0xefff_fffc), ("user", 0xefff_fffd)];
        let of = |process: &str, kind: &str| {
            let found = fs::metadata(format!("/proc/{process}/ns/{kind}"));
            found.map(|found| found.ino()).unwrap_or_default()
        };
        nix::unistd::geteuid().is_root()
            && FIRST.iter().all(|(kind, number)| of("self", kind) == *number)
            && of("self", "net") == of("1", "net")
    }
}
