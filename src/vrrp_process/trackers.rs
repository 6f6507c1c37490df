//! What watches files and processes for the engine: threads of their own, so that a hung file system or ten thousand
//! processes hold up no advert, and no reading of another file. Absent: what a number or a count means.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use parser::Config;
use parser::config::checker::Probe;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::error;
use vrrp::{Event, FileId, ProcessId};

use super::{track_file, track_process};

/// How long the start waits for the first readings. They take a few milliseconds, unless a file system hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// Threads that watch the files of one configuration, so that one which hangs holds up nobody else.
const FILE_THREADS: usize = 16;

/// Threads of this process, those of earlier configurations included that hang in a file system and cannot end.
const MOST_THREADS: usize = 128;

/// One reference for each thread that runs.
static RUNNING: LazyLock<Arc<()>> = LazyLock::new(Arc::default);

/// The threads of one configuration. They end when this is dropped.
pub(crate) struct Trackers {
    readings: mpsc::UnboundedReceiver<Event<'static>>,
    /// A thread ends when its pipe is closed.
    ends: Vec<OwnedFd>,
    /// What has not been told of yet at the start.
    awaited: BTreeSet<Subject>,
    patient_until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    File(FileId),
    Processes(ProcessId),
}

/// Where a thread tells what it sees; `false` when nobody listens any more.
pub(super) struct Tell(mpsc::UnboundedSender<Event<'static>>);

impl Tell {
    pub(super) fn tell(&self, reading: Event<'static>) -> bool {
        self.0.send(reading).is_ok()
    }
}

impl Trackers {
    /// Watches what the instances of a configuration track. At the first start of the daemon files are made as
    /// `init_file` says; what a predecessor process knew need not be waited for.
    pub(super) fn start(config: &Config, first_start: bool) -> Self {
        let (mut trackers, tell) = Self::new();
        let tracked = config
            .vrrp_instances
            .iter()
            .flat_map(|instance| &instance.track_file)
            .map(|tracked| tracked.name.as_str());
        trackers.watch_files(track_file::wanted(config, tracked, first_start), &tell);
        let processes = track_process::wanted(config);
        if !processes.is_empty() {
            let ids = processes.iter().map(|wanted| Subject::Processes(wanted.id));
            trackers.awaited.extend(ids);
            let buffer = config.global.process_monitor_rcv_bufs;
            trackers.spawn("track_process", move |end| {
                track_process::watch(processes, buffer, &Tell(tell), &end);
            });
        }
        if !first_start {
            trackers.awaited.clear();
        }
        trackers
    }

    /// The same for what `FILE_CHECK`s look at.
    pub(crate) fn of_checkers(config: &Config, first_start: bool) -> Self {
        let (mut trackers, tell) = Self::new();
        let tracked = config
            .virtual_servers
            .iter()
            .flat_map(|service| &service.real_servers)
            .flat_map(|server| &server.checkers)
            .filter_map(|checker| match &checker.probe {
                Probe::File(file) => Some(&*file.track_file),
                _ => None,
            });
        trackers.watch_files(track_file::wanted(config, tracked, first_start), &tell);
        trackers
    }

    /// Waits for the next reading; for ever where nothing is tracked. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Event<'static> {
        let Some(reading) = self.readings.recv().await else {
            return std::future::pending().await;
        };
        match reading {
            Event::File { file, .. } => drop(self.awaited.remove(&Subject::File(file))),
            Event::Processes { process, .. } => drop(self.awaited.remove(&Subject::Processes(process))),
            _ => {}
        }
        reading
    }

    /// Whether something was read once, or there has been time enough for it.
    pub(super) fn are_read(&self) -> bool {
        self.awaited.is_empty() || Instant::now() >= self.patient_until
    }

    fn new() -> (Self, mpsc::UnboundedSender<Event<'static>>) {
        let (tell, readings) = mpsc::unbounded_channel();
        let trackers = Self {
            readings,
            ends: Vec::new(),
            awaited: BTreeSet::new(),
            patient_until: Instant::now() + PATIENCE,
        };
        (trackers, tell)
    }

    fn watch_files(&mut self, files: Vec<track_file::Wanted>, tell: &mpsc::UnboundedSender<Event<'static>>) {
        self.awaited
            .extend(files.iter().map(|file| Subject::File(file.id)));
        for share in track_file::shares(files, FILE_THREADS) {
            let tell = Tell(tell.clone());
            self.spawn("track_file", move |end| track_file::watch(share, &tell, &end));
        }
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(OwnedFd) + Send + 'static) {
        match start(name, work) {
            Ok(ours) => self.ends.push(ours),
            Err(error) => error!("Unable to start the thread for {name}: {error}; nothing is known of it"),
        }
    }
}

/// Starts a thread; it ends when what is answered is closed.
fn start(name: &str, work: impl FnOnce(OwnedFd) + Send + 'static) -> io::Result<OwnedFd> {
    let running = Arc::clone(&RUNNING);
    if Arc::strong_count(&running) > MOST_THREADS {
        return Err(io::Error::other("too many others hang"));
    }
    let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        work(theirs);
        drop(running);
    })?;
    Ok(ours)
}

/// What a thread waited for.
pub(super) enum Woken {
    /// Something can be read.
    Readable,
    /// The time is over.
    TimeOut,
    /// Nobody wants to know any more.
    End,
}

/// Waits until `source` is readable, for at most `limit`, or until the other side of `end` is closed.
pub(super) fn wait(source: Option<&dyn AsFd>, end: &OwnedFd, limit: Option<Duration>) -> Woken {
    let mut watched = vec![PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    watched.extend(source.map(|source| PollFd::new(source.as_fd(), PollFlags::POLLIN)));
    let limit = limit.map_or(PollTimeout::NONE, |limit| {
        // Rounded up, so that a wait is never a busy loop.
        let millis = limit.as_micros().div_ceil(1000);
        PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
    });
    // An error is a signal: looked at again as if the time were over.
    let _ = poll(&mut watched, limit);
    let is_set = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
    if is_set(&watched[0]) {
        Woken::End
    } else if watched.get(1).is_some_and(is_set) {
        Woken::Readable
    } else {
        Woken::TimeOut
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! A thread under test, and what it tells.

    use super::*;
    use crate::lab::wait_until;

    /// Longer than anything here takes, a second's poll included.
    const SOON: Duration = Duration::from_secs(10);

    pub(in super::super) struct Seen {
        readings: mpsc::UnboundedReceiver<Event<'static>>,
        /// All that has been told.
        pub(in super::super) told: Vec<Event<'static>>,
        _end: OwnedFd,
    }

    impl Seen {
        pub(in super::super) fn of(work: impl FnOnce(Tell, OwnedFd) + Send + 'static) -> Self {
            let (tell, readings) = mpsc::unbounded_channel();
            let (theirs, ours) = pipe2(OFlag::O_CLOEXEC).unwrap();
            thread::spawn(move || work(Tell(tell), theirs));
            Self {
                readings,
                told: Vec::new(),
                _end: ours,
            }
        }

        /// Waits until this is what was told last.
        pub(in super::super) fn expect(&mut self, wanted: &Event<'static>) {
            let found = wait_until(SOON, || self.hear().last() == Some(wanted));
            assert!(found.is_some(), "{wanted:?} was not the last of {:?}", self.told);
        }

        /// Waits until so much more has been told.
        pub(in super::super) fn expect_more(&mut self, more: usize) {
            let before = self.told.len();
            let found = wait_until(SOON, || self.hear().len() >= before + more);
            assert!(found.is_some(), "{before} and not {more} more: {:?}", self.told);
        }

        fn hear(&mut self) -> &[Event<'static>] {
            self.told
                .extend(std::iter::from_fn(|| self.readings.try_recv().ok()));
            &self.told
        }
    }
}
