//! What the log says of a process that ended. Absent: what follows from it.

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::supervisor::watch::{End, Permanent};

/// Logs how a process ended, in keepalived's words.
pub(super) fn report(pid: Pid, end: End, killed_by_us: bool) {
    if let Some(permanent) = Permanent::of(end) {
        tracing::error!(
            "pid {pid} exited with permanent error {}. Terminating",
            permanent.words()
        );
        return;
    }
    match end {
        End::Exited(0) | End::NotStarted => {}
        End::Exited(status) => tracing::info!("pid {pid} exited with status {status}"),
        End::Killed(number) => {
            let hint = number == libc::SIGKILL && !killed_by_us;
            let hint = if hint {
                " - has rlimit_rttime been exceeded?"
            } else {
                ""
            };
            tracing::info!(
                "pid {pid} exited due to signal {number} ({}){hint}",
                signal_name(number)
            );
        }
    }
    if is_defect(end) {
        tracing::error!(
            "This is a defect of Holdfast: please report it, with the configuration and the lines above"
        );
    }
}

/// A panic, or a signal that only a broken program raises.
fn is_defect(end: End) -> bool {
    const SIGNALS: [i32; 5] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGABRT,
    ];
    match end {
        End::Exited(status) => status == 101,
        End::Killed(number) => SIGNALS.contains(&number),
        End::NotStarted => false,
    }
}

/// strsignal(3), for the signals that end a process in practice.
fn signal_name(number: i32) -> &'static str {
    match number {
        libc::SIGKILL => "Killed",
        libc::SIGTERM => "Terminated",
        libc::SIGSEGV => "Segmentation fault",
        libc::SIGABRT => "Aborted",
        number => Signal::try_from(number).map_or("real-time signal", Signal::as_str),
    }
}

/// The number that systemd shows as the reason.
pub(super) fn errno_of(permanent: Permanent) -> i32 {
    match permanent {
        Permanent::Permission => libc::EPERM,
        Permanent::Fatal | Permanent::Configuration => libc::EINVAL,
    }
}
