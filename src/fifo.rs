//! Notify FIFOs: named pipes that get a line for each event, and the scripts that read them.
//!
//! A pipe is held open for reading too, so that writing to it never fails for want of a reader and never waits: lines
//! stay in it until someone reads them, and what does not fit is dropped, counted and said. A reader that cannot know how things stand
//! (it begins anew, or lines were dropped) is told the present states. At a reload every pipe is
//! closed, removed and made anew, as keepalived does: readers see its end, and open it again.
//! Nothing here knows what the lines mean.

mod pipe;
mod readers;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use parser::config::GlobalDefs;
use parser::config::global_defs::Fifo;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, error, info, warn};
use vrrp::ScriptOutcome;

use crate::notify::Said;
use crate::scripts::runner::Overdue;
use crate::scripts::{Inspector, Prepared, Runner};
use pipe::Pipe;
use readers::{Pace, Watch};

/// How long a reader has to end of its own accord once its pipe has ended: SIGTERM then, SIGKILL 2 s later.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Before a reader that ended is started again: the first time, and at most. Doubled each time.
const RESTART_AFTER: Duration = Duration::from_secs(1);
const RESTART_AFTER_AT_MOST: Duration = Duration::from_mins(1);

/// Which process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// That of the instances: `notify_fifo` and `vrrp_notify_fifo`.
    Vrrp,
    /// That of the virtual servers: `notify_fifo` and `lvs_notify_fifo`.
    Checkers {
        /// There is a VRRP process too: the reader of `notify_fifo` is its.
        beside_vrrp: bool,
    },
}

/// The pipes of one process.
pub struct Fifos {
    shared: Arc<Shared>,
}

struct Shared {
    runner: Runner,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pipes: Vec<Open>,
    /// The line that tells the present state of each subject.
    states: HashMap<String, String>,
    /// Subjects, in the order in which their states are told anew.
    order: Vec<String>,
}

struct Open {
    pipe: Pipe,
    reader: Option<Reader>,
    /// For a reader that is not ours.
    watch: Option<Watch>,
    pace: Pace,
}

/// A script that reads a pipe, and the task that keeps it running.
struct Reader {
    ending: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Fifos {
    /// No pipe yet. Readers run on `runner`'s thread.
    pub fn new(runner: &Runner) -> Self {
        let shared = Shared {
            runner: runner.sibling(),
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes the pipes of a configuration, at start and at every reload: those of before are closed and, if they were
    /// made here, removed. Needs a tokio runtime.
    pub fn learn(&self, global: &GlobalDefs, writer: Writer, inspector: &mut Inspector) {
        let mut state = self.shared.state();
        let before = std::mem::take(&mut state.pipes);
        let mut readers: HashMap<String, JoinHandle<()>> = HashMap::new();
        for open in before {
            let path = open.pipe.path().to_owned();
            readers.extend(open.close().map(|task| (path, task)));
        }
        let (own, its_keyword) = match writer {
            Writer::Vrrp => (&global.vrrp_notify_fifo, "vrrp_notify_fifo"),
            Writer::Checkers { .. } => (&global.lvs_notify_fifo, "lvs_notify_fifo"),
        };
        let common_reader = writer != Writer::Checkers { beside_vrrp: true };
        for (keyword, fifo, reads) in [
            ("notify_fifo", &global.notify_fifo, common_reader),
            (its_keyword, own, true),
        ] {
            let Some(pipe) = open(keyword, fifo, inspector) else {
                continue;
            };
            let script = fifo.script.as_ref().filter(|_| reads);
            let script = script.and_then(|script| inspector.admit(&format!("{keyword}_script"), script));
            let predecessor = readers.remove(pipe.path());
            let reader = script.map(|script| {
                let (ending, ends) = watch::channel(false);
                let reading = Reading {
                    shared: Arc::clone(&self.shared),
                    keyword,
                    script,
                    path: pipe.path().to_owned(),
                    ends,
                };
                let task = tokio::spawn(reading.go_on(predecessor));
                Reader { ending, task }
            });
            let watch = match reader {
                None => self.watch(pipe.path()),
                Some(_) => None,
            };
            state.pipes.push(Open {
                pipe,
                reader,
                watch,
                pace: Pace::default(),
            });
        }
    }

    /// Whether there is a pipe to write to.
    pub fn are_wanted(&self) -> bool {
        !self.shared.state().pipes.is_empty()
    }

    /// Takes the subjects whose states are to be told anew when that is called for, in this order; others are forgotten.
    pub fn set_order(&self, order: Vec<String>) {
        let mut state = self.shared.state();
        let known: HashSet<&String> = order.iter().collect();
        state.states.retain(|subject, _| known.contains(subject));
        state.order = order;
    }

    /// Writes a line, its end included, to every pipe. Where lines were dropped before it, all states follow.
    pub fn write(&self, line: &str) {
        let State {
            pipes, states, order, ..
        } = &mut *self.shared.state();
        for open in pipes {
            open.pace.renew();
            if open.pipe.write(line) {
                open.pipe.write_all(lines_in(states, order));
            }
        }
    }

    /// Follows who reads a pipe.
    fn watch(&self, path: &str) -> Option<Watch> {
        let (shared, path) = (Arc::downgrade(&self.shared), path.to_owned());
        let place = path.clone();
        Watch::new(Path::new(&place), move |now| {
            let Some(shared) = Weak::upgrade(&shared) else {
                return false;
            };
            shared.reader_came_back(&path, now);
            true
        })
    }

    /// Remembers the line that tells the present state of a subject, for a reader that begins anew.
    pub fn remember(&self, subject: &str, line: String) {
        self.shared.state().states.insert(subject.to_owned(), line);
    }

    /// Takes the lines that tell what a predecessor process told last of each subject. They are not told again, but to the
    /// readers that were started here just now: these know nothing.
    pub fn recall(&self, told: impl Iterator<Item = (String, String)>) {
        let State { pipes, states, order } = &mut *self.shared.state();
        states.extend(told);
        for open in pipes.iter_mut().filter(|open| open.reader.is_some()) {
            open.pipe.write_all(lines_in(states, order));
        }
    }

    /// Writes the states of all subjects to every pipe.
    pub fn tell_states(&self) {
        let State {
            pipes, states, order, ..
        } = &mut *self.shared.state();
        for open in pipes {
            open.pipe.write_all(lines_in(states, order));
        }
    }

    /// Closes the pipes and gives their readers the time to read the last lines.
    pub async fn finish(&self) {
        let pipes = std::mem::take(&mut self.shared.state().pipes);
        let tasks: Vec<_> = pipes.into_iter().filter_map(Open::close).collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}

impl Open {
    /// Ends the pipe and then its reader; the answer ends when the reader has ended.
    fn close(self) -> Option<JoinHandle<()>> {
        drop(self.watch);
        self.pipe.close();
        let Reader { ending, task } = self.reader?;
        ending.send_replace(true);
        Some(task)
    }
}

impl Shared {
    /// Never held over an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reader that is not ours has taken the place of another.
    fn reader_came_back(&self, path: &str, now: std::time::Instant) {
        let State { pipes, states, order } = &mut *self.state();
        let open = pipes.iter_mut().find(|open| open.pipe.path() == path);
        if let Some(open) = open
            && open.pace.allows(now)
        {
            debug!("FIFO {path} has a new reader, telling it where things stand");
            open.pipe.write_all(lines_in(states, order));
        }
    }

    /// Tells one pipe's reader, which knows nothing, all states.
    fn tell_anew(&self, path: &str) {
        let State { pipes, states, order } = &mut *self.state();
        for open in pipes.iter_mut().filter(|open| open.pipe.path() == path) {
            open.pipe.write_all(lines_in(states, order));
        }
    }
}

/// What keeps a reader running.
struct Reading {
    shared: Arc<Shared>,
    keyword: &'static str,
    script: Arc<Prepared>,
    path: String,
    ends: watch::Receiver<bool>,
}

impl Reading {
    /// Runs the reader until its pipe is closed: after `predecessor`, and again whenever it ends.
    async fn go_on(self, predecessor: Option<JoinHandle<()>>) {
        if let Some(predecessor) = predecessor {
            let _ = predecessor.await;
        }
        let mut pause = RESTART_AFTER;
        let mut ends = self.ends.clone();
        loop {
            let began = Instant::now();
            let ended = self
                .shared
                .runner
                .supervise(&self.script, &[&self.path], true, self.overdue())
                .await;
            let how = match ended.outcome {
                ScriptOutcome::Exited(status) => format!("exited with status {status}"),
                ScriptOutcome::Signalled(signal) => format!("ended due to signal {signal}"),
                ScriptOutcome::TimedOut => "was ended".to_owned(),
                ScriptOutcome::NotStarted(errno) => format!("was not started (errno {errno})"),
            };
            let said = Said(&ended.stderr);
            let script = format!("{}_script {}", self.keyword, self.script);
            if *ends.borrow() {
                info!("{script} {how}{said}");
                return;
            }
            if began.elapsed() > RESTART_AFTER_AT_MOST {
                pause = RESTART_AFTER;
            }
            let seconds = pause.as_secs();
            warn!(
                kind = script,
                "{script} {how}{said} - starting it again in {seconds} s"
            );
            if timeout(pause, ends.wait_for(|&ends| ends)).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(RESTART_AFTER_AT_MOST);
            self.shared.tell_anew(&self.path);
        }
    }

    async fn overdue(&self) -> Overdue {
        let _ = self.ends.clone().wait_for(|&ends| ends).await;
        sleep(LAST_LINES).await;
        Overdue::Terminate
    }
}

fn open(keyword: &str, fifo: &Fifo, inspector: &Inspector) -> Option<Pipe> {
    let path = fifo.path.as_deref()?;
    let opened = inspector
        .identity(fifo.owner.as_ref())
        .map_err(|error| error.to_string())
        .and_then(|owner| Pipe::open(Path::new(path), &owner.credentials).map_err(|error| error.to_string()));
    match opened {
        Ok(pipe) => Some(pipe),
        Err(error) => {
            error!("{keyword} {path} is not used: {error}");
            None
        }
    }
}

fn lines_in<'a>(states: &'a HashMap<String, String>, order: &'a [String]) -> impl Iterator<Item = &'a str> {
    order
        .iter()
        .filter_map(|subject| states.get(subject).map(String::as_str))
}
