//! A role of the daemon: its process, the watch over it, and what outlives the process.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::child::state::SavedState;
use crate::child::{self, Role, text};
use crate::cli::Options;
use crate::message::{BfdReport, FromChild, Link, Received, ToChild};
use crate::supervisor::pid_file::{PidFile, PidFileError};
use crate::supervisor::systemd;
use crate::supervisor::watch::Watch;

/// One role.
pub(super) struct Slot {
    pub(super) role: Role,
    pub(super) watch: Watch,
    pub(super) pid: Option<Pid>,
    /// The confirmation that the process owes.
    pub(super) awaited: Option<Awaited>,
    /// Whether the supervisor killed the process.
    pub(super) killed: bool,
    /// It has not been told everything about BFD sessions: it read nothing for too long.
    pub(super) behind: bool,
    /// The configuration before the present one, until a process has confirmed that: should it die of or before it, what it
    /// leaves in the kernel is for the next one to remove.
    pub(super) left: Option<String>,
    link: Option<Link>,
    state: OwnedFd,
    pid_file: Option<PidFile>,
}

/// A message that is awaited.
pub(super) struct Awaited {
    pub(super) message: FromChild,
    pub(super) since: Instant,
}

impl Slot {
    pub(super) fn new(role: Role, options: &Options) -> io::Result<Slot> {
        let watch = Watch::new(!options.dont_respawn);
        let state = SavedState::create()?;
        Ok(Slot {
            role,
            watch,
            pid: None,
            awaited: None,
            killed: false,
            behind: false,
            left: None,
            link: None,
            state,
            pid_file: None,
        })
    }

    /// Lets the next process begin from nothing: what its predecessor knew is too old.
    pub(super) fn forget_state(&mut self) {
        let forgotten = self
            .state
            .try_clone()
            .and_then(|memfd| SavedState::new(memfd).save(""));
        if let Err(error) = forgotten {
            tracing::warn!("Unable to forget the state of the {} process: {error}", self.role);
        }
    }

    /// Takes the role's pid file, unless it is taken already.
    pub(super) fn lock_pid_file(&mut self, options: &Options) -> Result<(), PidFileError> {
        if self.pid_file.is_none() {
            self.pid_file = Some(PidFile::lock(pid_path(self.role, options))?);
        }
        Ok(())
    }

    /// Starts a process for the role: this program again, with the same arguments.
    pub(super) fn start(&mut self, configuration: &str, ipvs_namespace: Option<&OwnedFd>) -> io::Result<()> {
        let (link, socket) = Link::pair()?;
        let sealed = text::seal(configuration)?;
        let mut arguments = std::env::args_os();
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(arguments.next().unwrap_or_else(|| OsString::from("holdfast")))
            .args(arguments);
        for variable in systemd::VARIABLES {
            command.env_remove(variable);
        }
        child::prepare(
            &mut command,
            self.role,
            [socket.as_raw_fd(), sealed.as_raw_fd(), self.state.as_raw_fd()],
            ipvs_namespace.map(AsRawFd::as_raw_fd),
        );
        let process = command.spawn()?;
        tracing::info!("Starting {} child process, pid={}", self.role, process.id());
        self.pid = i32::try_from(process.id()).ok().map(Pid::from_raw);
        self.link = Some(link);
        let now = Instant::now();
        self.watch.started(now);
        self.awaited = Some(Awaited {
            message: FromChild::Ready,
            since: now,
        });
        self.killed = false;
        self.behind = false;
        if let Err(error) = self.bequeath() {
            tracing::warn!("{} process cannot be told of its predecessor: {error}", self.role);
        }
        if let Some(Err(error)) = self.pid_file.as_mut().map(|file| file.write(process.id())) {
            tracing::warn!("{error}");
        }
        Ok(())
    }

    /// Tells the process what its predecessor may have left in the kernel.
    fn bequeath(&self) -> io::Result<()> {
        match &self.left {
            Some(left) if self.role.takes(&ToChild::Inherit) => {
                self.send(&ToChild::Inherit, Some(&text::seal(left)?))
            }
            _ => Ok(()),
        }
    }

    /// Hands a new configuration over to the running process.
    pub(super) fn reload(&mut self, configuration: &str) -> io::Result<()> {
        let sealed = text::seal(configuration)?;
        self.send(&ToChild::Reload, Some(&sealed))?;
        self.awaited = Some(Awaited {
            message: FromChild::Reloaded,
            since: Instant::now(),
        });
        Ok(())
    }

    /// Passes an order on, if there is a process that takes it. One that does not read its orders is a matter for the
    /// watch.
    pub(super) fn order(&self, order: &ToChild) {
        if self.pid.is_some()
            && self.role.takes(order)
            && let Err(error) = self.send(order, None)
        {
            tracing::warn!("{} process cannot be told to {order:?}: {error}", self.role);
        }
    }

    /// Tells of a BFD session, if there is a process that follows sessions.
    pub(super) fn tell_bfd(&mut self, report: BfdReport) {
        let report = ToChild::Bfd(report);
        if self.pid.is_some() && self.role.takes(&report) && self.send(&report, None).is_err() {
            self.behind = true;
        }
    }

    fn send(&self, order: &ToChild, beside: Option<&OwnedFd>) -> io::Result<()> {
        let link = self.link.as_ref().ok_or(Errno::ENOTCONN)?;
        link.send(order, beside.map(AsFd::as_fd))
    }

    /// Waits for what the process says; for ever if there is none.
    pub(super) async fn hear(&mut self) -> (FromChild, Option<OwnedFd>) {
        while let Some(link) = &mut self.link {
            match link.receive().await {
                Ok(Received::Message(message, beside)) => return (message, beside),
                Ok(Received::Nonsense(error)) => tracing::warn!("{} process sent {error}", self.role),
                Ok(Received::End) | Err(_) => self.link = None, // SIGCHLD or silence tell the rest
            }
        }
        std::future::pending().await
    }

    /// Tells the process to stop, in a way that it cannot fail to hear, and wants none after it.
    pub(super) fn stop(&mut self) {
        self.watch.rest();
        if self.send(&ToChild::Stop, None).is_err() {
            self.kill(Signal::SIGTERM);
        }
    }

    /// Sends the process a signal.
    pub(super) fn kill(&mut self, signal: Signal) {
        self.killed = true;
        if let Some(pid) = self.pid {
            // Its number is its own until the supervisor reaps it, so this reaches nobody else.
            let _ = kill(pid, signal);
        }
    }

    /// The process was reaped.
    pub(super) fn reaped(&mut self) {
        self.pid = None;
        self.link = None;
        self.awaited = None;
        if let Some(Err(error)) = self.pid_file.as_ref().map(PidFile::clear) {
            tracing::warn!("{} pid file: {error}", self.role);
        }
    }
}

fn pid_path(role: Role, options: &Options) -> &Path {
    match role {
        Role::Checkers => &options.checkers_pid,
        Role::Vrrp => &options.vrrp_pid,
        Role::Bfd => &options.bfd_pid,
    }
}
