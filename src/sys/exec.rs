//! The system calls of starting a script: switching the user of one thread, and a child that shares our memory until
//! it executes the script.
//!
//! Nothing here decides what may run or for how long; [`crate::scripts`] does.

#![expect(
    unsafe_code,
    reason = "clone, raw credential calls, waitpid and AsyncFd::register have no safe form"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, rlim_t};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::unistd::{Pid, getpid};
use tokio::io::unix::AsyncFd;

/// Who a thread or a process becomes: real, effective and saved ids, and the whole list of supplementary groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// User id.
    pub(crate) uid: libc::uid_t,
    /// Group id.
    pub(crate) gid: libc::gid_t,
    /// Supplementary groups.
    pub(crate) groups: Vec<libc::gid_t>,
}

/// A resource limit, soft and hard.
pub(crate) type Limit = (Resource, rlim_t, rlim_t);

/// Everything that a new process is to be.
pub(crate) struct Launch<'a> {
    /// Path to execute.
    pub(crate) program: &'a CStr,
    /// Its arguments, the first being its own name.
    pub(crate) arguments: &'a [CString],
    /// `NAME=value`.
    pub(crate) environment: &'a [CString],
    /// User to run as; `None` changes nothing.
    pub(crate) credentials: Option<&'a Credentials>,
    /// Resource limits to set, before the user is switched.
    pub(crate) limits: &'a [Limit],
    /// Becomes standard input and output.
    pub(crate) null: BorrowedFd<'a>,
    /// Becomes standard error.
    pub(crate) stderr: BorrowedFd<'a>,
}

/// A process that was started: its number, and a descriptor that becomes readable when it has ended.
pub(crate) struct Started {
    /// Process number; also that of its process group.
    pub(crate) pid: Pid,
    /// The pidfd.
    pub(crate) pidfd: OwnedFd,
}

/// What a new process was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is no new process.
    Clone,
    /// Making a process group, setting limits and descriptors.
    Setup,
    /// Switching to the script's user.
    Credentials,
    /// Executing the program.
    Execute,
}

/// Why there is no new process.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{stage:?}: {errno}")]
pub(crate) struct SpawnError {
    /// What failed.
    pub(crate) stage: Stage,
    /// Why.
    pub(crate) errno: Errno,
}

/// Memory for the new process's few calls before it executes the script; reused from one to the next.
pub(crate) struct Stack(Box<[u128]>);

impl Default for Stack {
    fn default() -> Self {
        const BYTES: usize = 64 * 1024;
        Self(vec![0; BYTES / size_of::<u128>()].into_boxed_slice())
    }
}

/// Starts a process in its own process group, that gets SIGTERM when the calling thread ends, with every signal at its
/// default and none blocked, and no descriptor but the three standard ones.
///
/// The child borrows our memory and the calling thread sleeps until it has executed the program or failed
/// (`CLONE_VM | CLONE_VFORK`), so the cost does not grow with the size of this process.
///
/// Needs Linux 5.3 (pidfds that can be waited for).
pub(crate) fn spawn(launch: &Launch<'_>, stack: &mut Stack) -> Result<Started, SpawnError> {
    let arguments = null_terminated(launch.arguments);
    let environment = null_terminated(launch.environment);
    let mut newborn = Newborn {
        launch,
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        parent: getpid(),
        failure: None,
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let nobody = |errno| SpawnError {
        stage: Stage::Clone,
        errno,
    };
    // No handler of ours may run in the child, on our memory: it inherits this mask, and clears it when it has reset
    // all handlers.
    let mask = SigSet::all()
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .map_err(nobody)?;
    let pid = keeping_dumpable(|| {
        // SAFETY: `newborn` and all that it points to outlive the call: CLONE_VFORK keeps this thread here until the
        // child has executed another program or is gone. The child runs on `stack`, which nobody else uses meanwhile
        // (`&mut`), from its upper end, as the stack grows down; a u128 has the alignment of 16 bytes that ABIs ask for.
        let pid = unsafe {
            libc::clone(
                child,
                stack.0.as_mut_ptr_range().end.cast(),
                flags,
                (&raw mut newborn).cast(),
                &raw mut pidfd,
            )
        };
        Errno::result(pid)
    });
    let _ = mask.thread_set_mask(); // cannot fail
    let pid = Pid::from_raw(pid.map_err(nobody)?);
    // SAFETY: CLONE_PIDFD stored a descriptor of our own here; -1 means that the kernel does not know the flag.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    let failure = newborn.failure;
    if let (None, Some(pidfd)) = (failure, pidfd) {
        return Ok(Started { pid, pidfd });
    }
    if failure.is_none() {
        let _ = killpg(pid, Signal::SIGKILL);
    }
    let _ = wait(pid);
    Err(failure.unwrap_or(nobody(Errno::ENOSYS)))
}

/// Changes who this thread is, and this thread alone: libc's `setuid` would change every thread of the process.
pub(crate) fn switch_thread(to: &Credentials) -> Result<(), Errno> {
    keeping_dumpable(|| set_credentials(to))
}

/// Makes ended children wait to be asked for: a parent that ignored SIGCHLD has handed that down to us.
pub(crate) fn keep_ended_children() {
    // SAFETY: an all-zero sigaction is a valid value (SIG_DFL, empty mask, no flags), and the calls read or write
    // nothing else.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(libc::SIGCHLD, std::ptr::null(), &raw mut now) == 0;
        if known && now.sa_sigaction == libc::SIG_IGN {
            now.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(libc::SIGCHLD, &raw const now, std::ptr::null_mut());
        }
    }
}

/// Registers a pidfd with the tokio runtime that runs here: it becomes readable when the process has ended.
pub(crate) fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open, and the same, until it is dropped, and it is given away here.
    Ok(unsafe { AsyncFd::register(pidfd) }?)
}

/// Takes the status of a child that has ended; `None` while it runs.
///
/// Unlike `nix::sys::wait`, it knows deaths by real-time signals.
pub(crate) fn reap(pid: Pid) -> io::Result<Option<ExitStatus>> {
    waitpid(pid, libc::WNOHANG)
}

/// Waits until a child has ended and takes its status.
pub(crate) fn wait(pid: Pid) -> io::Result<Option<ExitStatus>> {
    loop {
        match waitpid(pid, 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn waitpid(pid: Pid, options: c_int) -> io::Result<Option<ExitStatus>> {
    let mut status: c_int = 0;
    // SAFETY: writes one int to `status`.
    match unsafe { libc::waitpid(pid.as_raw(), &raw mut status, options) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => Ok(Some(ExitStatus::from_raw(status))),
    }
}

/// Changing credentials makes the whole address space undumpable, also when a thread or a child that shares it does:
/// it would cost the daemon its core dumps. The lock keeps one caller from restoring what another has just cleared.
fn keeping_dumpable<R>(work: impl FnOnce() -> R) -> R {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let was = prctl::get_dumpable();
    let result = work();
    if was == Ok(true) {
        let _ = prctl::set_dumpable(true); // cannot fail
    }
    result
}

fn null_terminated(strings: &[CString]) -> Vec<*const c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// What the child reads, and where it leaves the reason of its failure.
struct Newborn<'a> {
    launch: &'a Launch<'a>,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    parent: Pid,
    failure: Option<SpawnError>,
}

/// From here on, until `execve`: system calls only, no allocation, no lock, no panic, for the memory is our parent's.
extern "C" fn child(newborn: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to its `Newborn` and sleeps while we use it.
    let newborn = unsafe { &mut *newborn.cast::<Newborn<'_>>() };
    newborn.failure = Some(become_script(newborn));
    // SAFETY: ends this process without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Returns only if something failed.
fn become_script(newborn: &Newborn<'_>) -> SpawnError {
    let launch = newborn.launch;
    if let Err(errno) = set_up(launch) {
        return SpawnError {
            stage: Stage::Setup,
            errno,
        };
    }
    if let Some(Err(errno)) = launch.credentials.map(set_credentials) {
        return SpawnError {
            stage: Stage::Credentials,
            errno,
        };
    }
    // After the credentials: changing them clears the setting.
    // SAFETY: takes and returns plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
    // SAFETY: as above.
    if unsafe { libc::getppid() } != newborn.parent.as_raw() {
        return SpawnError {
            stage: Stage::Setup,
            errno: Errno::ESRCH,
        }; // our parent died before it could be told
    }
    // SAFETY: the pointers lead to null-terminated arrays of C strings that outlive the call; the set is as long as
    // said.
    unsafe {
        let (new, old) = (NOTHING.as_ptr(), std::ptr::null_mut::<u64>());
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, new, old, SIGNAL_SET);
        libc::execve(launch.program.as_ptr(), newborn.arguments, newborn.environment);
    }
    SpawnError {
        stage: Stage::Execute,
        errno: Errno::last(),
    }
}

fn set_up(launch: &Launch<'_>) -> Result<(), Errno> {
    // SAFETY: calls that take plain numbers, and pointers to values that outlive them.
    unsafe {
        Errno::result(libc::setpgid(0, 0))?;
        for signal in 1..=64 {
            // Not libc's function, which keeps some signals from us. KILL and STOP are refused, and need no change.
            let (new, old) = (NOTHING.as_ptr(), std::ptr::null_mut::<u64>());
            libc::syscall(libc::SYS_rt_sigaction, signal, new, old, SIGNAL_SET);
        }
        for &(resource, soft, hard) in launch.limits {
            let limit = libc::rlimit {
                rlim_cur: soft,
                rlim_max: hard,
            };
            // Fails only for a daemon that has lowered its hard limit without being root: its script runs with less.
            libc::setrlimit(resource as _, &raw const limit);
        }
        for (from, to) in [(launch.null, 0), (launch.null, 1), (launch.stderr, 2)] {
            Errno::result(libc::dup2(from.as_raw_fd(), to))?;
        }
    }
    close_all_above_stderr();
    Ok(())
}

fn close_all_above_stderr() {
    // SAFETY: closing descriptors of the child, which has a table of its own; nothing here uses one of them again.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) == 0 {
            return;
        }
        // Before Linux 5.9. Ours all close themselves on exec; this is for what we were started with.
        for descriptor in 3..libc::sysconf(libc::_SC_OPEN_MAX) {
            libc::syscall(libc::SYS_close, descriptor);
        }
    }
}

/// The calls themselves, which change the calling thread only; libc's functions would look for our other threads,
/// even from a child that merely shares their memory.
fn set_credentials(to: &Credentials) -> Result<(), Errno> {
    // SAFETY: `groups` is as long as said; the rest are plain numbers.
    unsafe {
        Errno::result(libc::syscall(
            numbers::SETGROUPS,
            to.groups.len(),
            to.groups.as_ptr(),
        ))?;
        Errno::result(libc::syscall(numbers::SETRESGID, to.gid, to.gid, to.gid))?;
        Errno::result(libc::syscall(numbers::SETRESUID, to.uid, to.uid, to.uid))?;
    }
    Ok(())
}

/// The numbers of the calls that take 32-bit ids: older machines have 16-bit ones under the plain name.
mod numbers {
    use super::c_long;

    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    pub(super) const SETGROUPS: c_long = libc::SYS_setgroups32;
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    pub(super) const SETRESGID: c_long = libc::SYS_setresgid32;
    #[cfg(any(target_arch = "x86", target_arch = "arm"))]
    pub(super) const SETRESUID: c_long = libc::SYS_setresuid32;

    #[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
    pub(super) const SETGROUPS: c_long = libc::SYS_setgroups;
    #[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
    pub(super) const SETRESGID: c_long = libc::SYS_setresgid;
    #[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
    pub(super) const SETRESUID: c_long = libc::SYS_setresuid;
}

/// As the kernel reads it: an action `SIG_DFL` without flags and mask, and an empty set of signals.
const NOTHING: [u64; 8] = [0; 8];
/// Size in bytes of the kernel's set of 64 signals.
const SIGNAL_SET: usize = 8;
