//! Signals as values: blocked from the first instruction and read from a descriptor, so that none is lost or runs code
//! at a bad moment. Absent: what a signal makes a process do.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::signal::{SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::reactor::Watched;
use crate::sys;

/// What the daemon's signals ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `SIGTERM` or `SIGINT`.
    Stop,
    /// `SIGHUP`.
    Reload,
    /// `SIGUSR1`: write the data dump.
    Data,
    /// `SIGUSR2`: write the statistics.
    Stats,
    /// `SIGRTMAX - 1`: write the statistics and set them to zero.
    StatsClear,
    /// 36, keepalived's `SIGRTMIN + 2`: write the JSON dump.
    Json,
    /// `SIGCHLD`: a child process ended.
    ChildEnded,
    /// `SIGXCPU`: `RLIMIT_RTTIME` ran out.
    CpuTime,
}

impl Signal {
    /// The signals that a user sends, by the names of `--signum`.
    pub const BY_NAME: [(&str, Signal); 6] = [
        ("STOP", Signal::Stop),
        ("RELOAD", Signal::Reload),
        ("DATA", Signal::Data),
        ("STATS", Signal::Stats),
        ("STATS_CLEAR", Signal::StatsClear),
        ("JSON", Signal::Json),
    ];

    /// The signal's number. The real-time ones are fixed, not counted from the C library's own `SIGRTMIN`, which differs
    /// between libraries: scripts and exporters send 36 and 63.
    pub const fn number(self) -> i32 {
        match self {
            Signal::Stop => libc::SIGTERM,
            Signal::Reload => libc::SIGHUP,
            Signal::Data => libc::SIGUSR1,
            Signal::Stats => libc::SIGUSR2,
            Signal::StatsClear => 63,
            Signal::Json => 36,
            Signal::ChildEnded => libc::SIGCHLD,
            Signal::CpuTime => libc::SIGXCPU,
        }
    }

    fn from_number(number: i32) -> Option<Signal> {
        let named = Signal::BY_NAME.into_iter().map(|(_, signal)| signal);
        match number {
            libc::SIGINT => Some(Signal::Stop),
            number => named
                .chain([Signal::ChildEnded, Signal::CpuTime])
                .find(|signal| signal.number() == number),
        }
    }
}

/// Which signals are heard beside the user's.
#[derive(Clone, Copy, Debug)]
pub struct Heed {
    /// `SIGCHLD`.
    pub children: bool,
    /// `SIGINT`; false is `--ignore-sigint`.
    pub interrupt: bool,
}

/// The signals of this process, from [`Signals::block`] on.
pub struct Signals {
    descriptor: Watched,
}

impl Signals {
    /// Blocks the user's signals, `SIGINT` and `SIGXCPU`, and `SIGCHLD` when `heed` asks to hear of it. Comes first in a
    /// process, before its threads; programs started by `std::process::Command` get a clean mask again.
    pub fn block(heed: Heed) -> io::Result<Signals> {
        let user = Signal::BY_NAME.into_iter().map(|(_, signal)| signal.number());
        let mut heard: Vec<i32> = user.chain([Signal::CpuTime.number()]).collect();
        heard.extend(heed.children.then_some(libc::SIGCHLD));
        heard.extend(heed.interrupt.then_some(libc::SIGINT));
        let heard_set = sys::signal_set(&heard);
        let mut blocked = heard_set;
        blocked.add(nix::sys::signal::Signal::SIGINT); // blocked and never read: ignored
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
        let descriptor = SignalFd::with_flags(&heard_set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals {
            descriptor: Watched::new(descriptor.into()),
        })
    }

    /// Waits for the next signal. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> io::Result<Signal> {
        loop {
            let number = self.descriptor.ready(read).await?;
            if let Some(signal) = Signal::from_number(number) {
                return Ok(signal);
            }
        }
    }
}

/// The number of one pending signal: the first field of `signalfd_siginfo`.
fn read(descriptor: BorrowedFd<'_>) -> io::Result<i32> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    nix::unistd::read(descriptor, &mut info)?;
    Ok(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_told_by_its_number() {
        for (_, signal) in Signal::BY_NAME {
            assert_eq!(Signal::from_number(signal.number()), Some(signal));
        }
        assert_eq!(Signal::from_number(libc::SIGINT), Some(Signal::Stop));
        assert_eq!(Signal::from_number(libc::SIGCHLD), Some(Signal::ChildEnded));
        assert_eq!(Signal::from_number(libc::SIGXCPU), Some(Signal::CpuTime));
        assert_eq!(Signal::from_number(35), None);
    }
}
