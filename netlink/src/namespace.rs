//! Network namespaces by descriptor: made, opened by name, entered for the length of a call.
//!
//! A namespace lives as long as a process, a descriptor or a mount holds it. Those made here are held by a descriptor
//! alone, so nothing of them is left when the process ends, however it ends. A [`Resident`] stays in one after the right to
//! enter is gone. Absent: `ip netns add`'s mounts.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// Where `ip netns add` keeps namespaces by name.
const NAMED: &str = "/run/netns";

/// A network namespace could not be had or entered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A new one was refused: `CAP_SYS_ADMIN` is missing, or `user.max_net_namespaces` is reached.
    #[error("cannot create a network namespace: {0}")]
    Create(io::Error),
    /// There is none of this name.
    #[error("cannot open network namespace {}: {source}", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// Why it is not.
        source: io::Error,
    },
    /// `CAP_SYS_ADMIN` is missing, or the descriptor is not a network namespace's.
    #[error("cannot enter the network namespace: {0}")]
    Enter(io::Error),
    /// The system has no room for another thread.
    #[error("cannot start a thread to enter a network namespace: {0}")]
    Thread(io::Error),
    /// What was run on the thread in the network namespace has panicked, now or earlier.
    #[error("the thread in the network namespace has ended")]
    Gone,
}

/// Makes a network namespace with nothing in it but a loopback link that is down.
pub fn create() -> Result<OwnedFd, Error> {
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| Error::Create(errno.into()))?;
        current()
    })
}

/// The calling thread's network namespace.
pub fn current() -> Result<OwnedFd, Error> {
    open_path(PathBuf::from("/proc/thread-self/ns/net"))
}

/// The namespace that `ip netns add NAME` made.
pub fn open(name: &str) -> Result<OwnedFd, Error> {
    let path = PathBuf::from(NAMED).join(name);
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Err(Error::Open {
            path,
            source: io::ErrorKind::InvalidInput.into(),
        });
    }
    open_path(path)
}

/// Runs `work` on a thread inside the namespace and waits for it. Sockets opened and processes spawned there stay in
/// the namespace; the calling thread never leaves its own.
pub fn run_in<T: Send>(namespace: impl AsFd, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let namespace = namespace.as_fd();
    on_a_thread(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| Error::Enter(errno.into()))?;
        Ok(work())
    })
}

/// A thread that lives in a network namespace. To enter takes `CAP_SYS_ADMIN`; to be there, and to open sockets, does not.
///
/// The thread ends when this is dropped.
#[derive(Debug)]
pub struct Resident {
    work: Sender<Work>,
}

type Work = Box<dyn FnOnce() + Send>;

impl Resident {
    /// Starts the thread and waits until it is inside.
    pub fn enter(namespace: OwnedFd) -> Result<Self, Error> {
        let (work, waiting) = channel::<Work>();
        let (tell, entered) = sync_channel(1);
        let live = move || {
            let inside = setns(namespace, CloneFlags::CLONE_NEWNET);
            // Whoever started us waits for the word.
            let _ = tell.send(inside);
            if inside.is_ok() {
                for work in waiting {
                    work();
                }
            }
        };
        thread::Builder::new()
            .name("namespace".to_owned())
            .spawn(live)
            .map_err(Error::Thread)?;
        let inside = entered.recv().map_err(|_| Error::Gone)?;
        inside.map_err(|errno| Error::Enter(errno.into()))?;
        Ok(Self { work })
    }

    /// Runs `work` there and waits for it.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let (tell, done) = sync_channel(1);
        let work = move || {
            let _ = tell.send(work());
        };
        self.work.send(Box::new(work)).map_err(|_| Error::Gone)?;
        done.recv().map_err(|_| Error::Gone)
    }
}

fn open_path(path: PathBuf) -> Result<OwnedFd, Error> {
    match File::open(&path) {
        Ok(file) => Ok(file.into()),
        Err(source) => Err(Error::Open { path, source }),
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("namespace".to_owned())
            .spawn_scoped(scope, work)
            .map_err(Error::Thread)?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
