//! The thread that starts scripts.
//!
//! Starting a process holds its caller up until the new program is loaded, and the caller then waits for a process
//! of ordinary priority. So the loop that sends adverts never does it itself: this thread does, and answers.
//!
//! Scripts inherit from this thread what Linux keeps per thread: scheduling policy, nice value, CPU set, namespaces,
//! capabilities. It takes them from whoever creates it, at that moment.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::SigSet;
use tokio::sync::oneshot;

use super::child::Leader;
use super::security::{Exposure, Guard, Unfit};
use crate::sys::exec::{self, Credentials, Launch, Limit, SpawnError, Stack, Stage};

/// What to start.
pub(super) struct Order {
    pub program: CString,
    pub arguments: Vec<CString>,
    pub credentials: Option<Credentials>,
    /// Becomes standard error; `None` is `/dev/null`.
    pub stderr: Option<OwnedFd>,
    /// Looks at the file once more.
    pub guard: Option<Guard>,
}

/// Why a script was not started.
#[derive(Debug)]
pub(super) enum StartError {
    Spawn(SpawnError),
    /// Someone other than root can change it by now.
    Exposed(Vec<Exposure>),
}

/// The way to the thread. It ends when this is dropped; what it started and still runs then gets SIGTERM.
pub(super) struct Spawner(mpsc::Sender<(Order, Answer)>);

type Answer = oneshot::Sender<Result<(Leader, OwnedFd), StartError>>;

impl Spawner {
    /// Starts the thread. The limits and the environment of scripts are those of this process now.
    pub(super) fn new() -> io::Result<Self> {
        const NOT_FOR_SCRIPTS: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];
        exec::keep_ended_children();
        let world = World {
            environment: std::env::vars_os()
                .filter(|(name, _)| !NOT_FOR_SCRIPTS.iter().any(|unwanted| name == unwanted))
                .filter_map(|(name, value)| {
                    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
                })
                .collect(),
            limits: RESTORED
                .into_iter()
                .filter_map(|resource| {
                    getrlimit(resource)
                        .ok()
                        .map(|(soft, hard)| (resource, soft, hard))
                })
                .collect(),
            null: OpenOptions::new().read(true).write(true).open("/dev/null")?,
        };
        let (orders, received) = mpsc::channel();
        std::thread::Builder::new()
            .name("scripts".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || world.serve(&received))?;
        Ok(Self(orders))
    }

    /// Starts a process. The future can be dropped: what was started for it is ended then.
    pub(super) async fn start(&self, order: Order) -> Result<(Leader, OwnedFd), StartError> {
        let gone = || {
            StartError::Spawn(SpawnError {
                stage: Stage::Clone,
                errno: Errno::ESRCH,
            })
        }; // the thread ends only with us
        let (answer, answered) = oneshot::channel();
        self.0.send((order, answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// What a daemon may raise for itself.
const RESTORED: [Resource; 4] = [
    Resource::RLIMIT_NOFILE,
    Resource::RLIMIT_CORE,
    Resource::RLIMIT_MEMLOCK,
    Resource::RLIMIT_RTTIME,
];

/// What every script gets.
struct World {
    environment: Vec<CString>,
    limits: Vec<Limit>,
    null: File,
}

impl World {
    fn serve(&self, orders: &mpsc::Receiver<(Order, Answer)>) {
        let _ = SigSet::all().thread_block(); // signals are for the main thread
        let mut stack = Stack::default();
        for (order, answer) in orders {
            // Nobody waits any more: the leader is dropped, and ended with that.
            let _ = answer.send(self.start(&order, &mut stack));
        }
    }

    fn start(&self, order: &Order, stack: &mut Stack) -> Result<(Leader, OwnedFd), StartError> {
        if let Some(Err(Unfit::Exposed(exposures))) = order.guard.as_ref().map(Guard::check) {
            return Err(StartError::Exposed(exposures));
        }
        let launch = Launch {
            program: &order.program,
            arguments: &order.arguments,
            environment: &self.environment,
            credentials: order.credentials.as_ref(),
            limits: &self.limits,
            null: self.null.as_fd(),
            stderr: order.stderr.as_ref().map_or(self.null.as_fd(), AsFd::as_fd),
        };
        let started = exec::spawn(&launch, stack).map_err(StartError::Spawn)?;
        Ok((Leader::new(started.pid), started.pidfd))
    }
}
