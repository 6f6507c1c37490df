//! Running prepared scripts, within a time limit, on a tokio runtime.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::error;
use vrrp::ScriptOutcome;

use super::child::{Capture, Child, exit_code};
use super::spawner::{Order, Spawner, StartError};
use super::{Listed, Prepared};
use crate::sys::exec::{SpawnError, Stage};

/// From SIGTERM to SIGKILL, for a script that ran too long.
const GRACE: Duration = Duration::from_secs(2);
/// From SIGTERM to SIGKILL, for a script that is not wanted any more.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Runs scripts.
///
/// Create it after namespaces were entered, and before priorities, scheduling, CPU set, resource limits and
/// capabilities are changed: scripts run with what was in force at that moment. Needs Linux 5.3.
pub struct Runner {
    spawner: Arc<Spawner>,
    /// Counts the calls of [`Runner::stop_all`].
    stops: watch::Sender<u64>,
    running: watch::Sender<usize>,
    /// Programs that could not be executed the last time: said in the log already.
    failing: Mutex<HashSet<CString>>,
}

/// How a run ended.
pub(crate) struct Ended {
    pub outcome: ScriptOutcome,
    /// The beginning of what it said on standard error, if that was to be captured.
    pub stderr: Vec<u8>,
    /// It never began, and the log says so already.
    pub reported: bool,
}

/// How to end a script whose time is over.
pub(crate) enum Overdue {
    /// SIGTERM first.
    Terminate,
    /// SIGKILL at once.
    Kill,
}

impl Runner {
    /// Starts the thread that starts scripts.
    pub fn new() -> io::Result<Self> {
        Ok(Self::with(Arc::new(Spawner::new()?)))
    }

    /// Another runner on the same thread, with runs of its own: [`Runner::stop_all`] of one does not touch the other's.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self::with(Arc::clone(&self.spawner))
    }

    /// Runs a script with extra words after its own, and waits for its end. Nothing of it is left running if it took
    /// longer than `time_limit`: its process group gets SIGTERM, after 2 s SIGKILL, then again every 10 s.
    ///
    /// A program that cannot be found or executed ends as a shell would say it, with status 127 or 126. If the future
    /// is dropped, the script is killed.
    pub async fn run(&self, script: &Prepared, args: &[&str], time_limit: Duration) -> ScriptOutcome {
        let overdue = async {
            sleep(time_limit).await;
            Overdue::Terminate
        };
        self.supervise(script, args, false, overdue).await.outcome
    }

    /// Ends all that runs: SIGTERM to the process groups, after 1 s SIGKILL, and returns when they are gone.
    ///
    /// The runs answer [`ScriptOutcome::TimedOut`], which then says nothing about what they checked. The runner can
    /// go on to be used.
    pub async fn stop_all(&self) {
        self.stops.send_modify(|count| *count += 1);
        let mut running = self.running.subscribe();
        // Only a process that the kernel itself holds up outlives SIGKILL, and that must not keep us.
        if timeout(STOP_GRACE * 2, running.wait_for(|&count| count == 0))
            .await
            .is_err()
        {
            error!("{} scripts do not end on SIGKILL", *self.running.borrow());
        }
    }

    pub(crate) async fn supervise(
        &self,
        script: &Prepared,
        args: &[&str],
        capture: bool,
        overdue: impl Future<Output = Overdue>,
    ) -> Ended {
        let mut stops = self.stops.subscribe();
        let _counted = Counted::new(&self.running);
        let mut child = match self.start(script, args, capture).await {
            Ok(child) => child,
            Err(outcome) => {
                return Ended {
                    outcome,
                    stderr: Vec::new(),
                    reported: true,
                };
            }
        };
        let grace = tokio::select! {
            biased;
            status = child.ended() => {
                let outcome = match status.map(exit_code) {
                    Ok(Ok(code)) => ScriptOutcome::Exited(code),
                    Ok(Err(signal)) => ScriptOutcome::Signalled(signal),
                    Err(error) => ScriptOutcome::NotStarted(error.raw_os_error().unwrap_or(libc::ECHILD)),
                };
                return Ended { outcome, stderr: child.said(), reported: false };
            }
            overdue = overdue => match overdue {
                Overdue::Terminate => GRACE,
                Overdue::Kill => Duration::ZERO,
            },
            _ = stops.changed() => STOP_GRACE,
        };
        child.end(grace).await;
        Ended {
            outcome: ScriptOutcome::TimedOut,
            stderr: child.said(),
            reported: false,
        }
    }

    async fn start(&self, script: &Prepared, args: &[&str], capture: bool) -> Result<Child, ScriptOutcome> {
        let Some((program, arguments)) = script.command(args) else {
            error!("Script {script} cannot be given a word with a NUL byte");
            return Err(ScriptOutcome::NotStarted(libc::EINVAL));
        };
        let credentials = (!script.identity.unchanged).then(|| script.identity.credentials.clone());
        // Without a pipe it runs as with keepalived: what it says is lost.
        let capture = if capture {
            Capture::new(credentials.as_ref()).ok()
        } else {
            None
        };
        let (capture, stderr) = capture.unzip();
        let order = Order {
            program: program.clone(),
            arguments,
            credentials,
            stderr,
            guard: script.guard.clone(),
        };
        let failing = || self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match self.spawner.start(order).await {
            Ok((leader, pidfd)) => {
                failing().remove(&program);
                Child::new(leader, pidfd, capture).map_err(|error| not_started(script, &error))
            }
            Err(error) => {
                if failing().insert(program.clone()) {
                    say_failure(script, &program, &error);
                }
                Err(outcome_of(&error))
            }
        }
    }

    fn with(spawner: Arc<Spawner>) -> Self {
        Self {
            spawner,
            stops: watch::Sender::new(0),
            running: watch::Sender::new(0),
            failing: Mutex::default(),
        }
    }
}

fn not_started(script: &Prepared, error: &io::Error) -> ScriptOutcome {
    error!("Script {script} cannot be watched: {error}");
    ScriptOutcome::NotStarted(error.raw_os_error().unwrap_or(libc::EIO))
}

fn say_failure(script: &Prepared, program: &CString, error: &StartError) {
    let SpawnError { stage, errno } = match error {
        StartError::Spawn(error) => *error,
        StartError::Exposed(exposures) => {
            let listed = Listed(exposures);
            return error!("Unsafe permissions found for script '{script}' - not running it.{listed}");
        }
    };
    let identity = &script.identity;
    match outcome_of(error) {
        ScriptOutcome::Exited(127) if Path::new(&*program.to_string_lossy()).exists() => {
            error!("Couldn't find command: the interpreter in the #! line of {script} does not exist");
        }
        ScriptOutcome::Exited(127) => error!("Couldn't find command: {script} ({})", errno.desc()),
        ScriptOutcome::Exited(_) => error!("Couldn't execute command: {script} ({})", errno.desc()),
        _ if stage == Stage::Credentials => {
            error!("Couldn't run {script} as uid:gid {identity}: {}", errno.desc());
        }
        _ => error!("Couldn't start a process for {script}: {}", errno.desc()),
    }
}

/// As a shell says it: 127 if there is no such program, 126 if it cannot be executed.
fn outcome_of(error: &StartError) -> ScriptOutcome {
    match *error {
        StartError::Spawn(SpawnError {
            stage: Stage::Execute,
            errno: Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP,
        }) => ScriptOutcome::Exited(127),
        StartError::Exposed(_)
        | StartError::Spawn(SpawnError {
            stage: Stage::Execute,
            ..
        }) => ScriptOutcome::Exited(126),
        StartError::Spawn(SpawnError { errno, .. }) => ScriptOutcome::NotStarted(errno as i32),
    }
}

/// One run in the count, until dropped.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(running: &'a watch::Sender<usize>) -> Self {
        running.send_modify(|count| *count += 1);
        Self(running)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
