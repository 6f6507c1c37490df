//! A running script: its end, its process group, what it says on standard error.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, pipe2};
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::time::timeout;
use tracing::error;

use crate::sys::exec::{self, Credentials};

/// Leader of a script's process group, not yet reaped, so that its number and the group's are ours.
///
/// If dropped in that state, the whole group is killed.
pub(super) struct Leader {
    pid: Pid,
    reaped: bool,
}

impl Leader {
    pub(super) fn new(pid: Pid) -> Self {
        Self { pid, reaped: false }
    }

    fn signal_group(&self, signal: Signal) {
        let _ = killpg(self.pid, signal); // fails only if all are gone
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.signal_group(Signal::SIGKILL);
        let pid = self.pid;
        if matches!(exec::reap(pid), Ok(None)) {
            // Killed but not gone yet. Without a thread it stays a zombie until we end.
            let _ = std::thread::Builder::new().spawn(move || exec::wait(pid));
        }
    }
}

/// A script that runs.
pub(super) struct Child {
    leader: Leader,
    pidfd: AsyncFd<OwnedFd>,
    capture: Option<Capture>,
}

impl Child {
    pub(super) fn new(leader: Leader, pidfd: OwnedFd, capture: Option<Capture>) -> io::Result<Self> {
        Ok(Self {
            leader,
            pidfd: exec::watch(pidfd)?,
            capture,
        })
    }

    /// Waits for the end of the script. What it left running in the background goes on, as with keepalived: that may
    /// be the service that it was to start.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.became_zombie().await?;
        self.reap()
    }

    /// Ends the whole process group: SIGTERM, after `grace` SIGKILL, then again every 10 s.
    pub(super) async fn end(&mut self, grace: Duration) {
        if !grace.is_zero() {
            self.leader.signal_group(Signal::SIGTERM);
        }
        let mut patience = grace;
        while timeout(patience, self.became_zombie()).await.is_err() {
            if patience > grace {
                error!("Script process {} does not end on SIGKILL", self.leader.pid);
            }
            self.leader.signal_group(Signal::SIGKILL);
            patience = Duration::from_secs(10);
        }
        // The leader may have left others behind; its zombie still holds the group's number.
        self.leader.signal_group(Signal::SIGKILL);
        let _ = self.reap();
    }

    /// What it said on standard error, if that was captured: the beginning, at most [`Capture::BOUND`] bytes.
    pub(super) fn said(mut self) -> Vec<u8> {
        self.capture.take().map(Capture::finish).unwrap_or_default()
    }

    async fn became_zombie(&mut self) -> io::Result<()> {
        let drained = async {
            match &mut self.capture {
                Some(capture) => capture.drain().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = self.pidfd.readable() => ended.map(|_| ()),
            never = drained => never,
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = exec::reap(self.leader.pid);
        self.leader.reaped = !matches!(status, Ok(None));
        status?.ok_or_else(|| io::Error::other("pidfd readable although the process runs"))
    }
}

/// Exit status, or the signal that ended it.
pub(super) fn exit_code(status: ExitStatus) -> Result<u8, i32> {
    match status.signal() {
        Some(signal) => Err(signal),
        None => Ok(u8::try_from(status.code().unwrap_or_default()).unwrap_or(u8::MAX)),
    }
}

/// Standard error of a script, read as it comes; the beginning is kept.
///
/// The script's end is opened for reading too and never blocks: what the script leaves running in the background keeps
/// that end, and must neither die of SIGPIPE nor hang when we are gone. keepalived gives it `/dev/null`.
pub(super) struct Capture {
    pipe: pipe::Receiver,
    text: Vec<u8>,
}

impl Capture {
    /// Bytes kept.
    pub(super) const BOUND: usize = 4096;

    /// The reading side, and the side that becomes the script's standard error.
    pub(super) fn new(for_whom: Option<&Credentials>) -> io::Result<(Self, OwnedFd)> {
        const CAPACITY: libc::c_int = 1 << 20; // bytes; unprivileged users get no more (pipe(7))
        let (reading, _writing) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let _ = fcntl(&reading, FcntlArg::F_SETPIPE_SZ(CAPACITY)); // the default will do
        let script = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(format!("/proc/self/fd/{}", reading.as_raw_fd()))?;
        if let Some(user) = for_whom {
            fchown(&script, Some(user.uid), Some(user.gid))?; // so that it can open /dev/stderr
        }
        Ok((
            Self {
                pipe: pipe::Receiver::from_owned_fd(reading)?,
                text: Vec::new(),
            },
            script.into(),
        ))
    }

    /// Reads until dropped, and never returns; what is past the bound is thrown away.
    async fn drain<T>(&mut self) -> T {
        let mut buffer = [0; Self::BOUND];
        while self.pipe.readable().await.is_ok() {
            match self.pipe.try_read(&mut buffer) {
                Ok(length) if length > 0 => self.keep(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(_) | Err(_) => break,
            }
        }
        std::future::pending().await
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = Self::BOUND - self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Takes what is there. What is left in the background is read, and forgotten, until the last of it ends.
    fn finish(mut self) -> Vec<u8> {
        let mut buffer = [0; Self::BOUND];
        while self.text.len() < Self::BOUND {
            match self.pipe.try_read(&mut buffer) {
                Ok(0) => return self.text,
                Ok(length) => self.keep(&buffer[..length]),
                Err(_) => break,
            }
        }
        let mut pipe = self.pipe;
        tokio::spawn(async move { tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await });
        self.text
    }
}
