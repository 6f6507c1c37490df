//! The one timer of a process: a timerfd on `CLOCK_MONOTONIC`, armed with its engine's next deadline.
//!
//! tokio's own timers round up to the next millisecond, which is too coarse for centisecond adverts and for BFD.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;
use tokio::io::unix::AsyncFd;
use vrrp::Instant;

use crate::sys::watch;

/// The monotonic clock, as the engine is lent it.
pub(crate) fn now() -> Instant {
    // CLOCK_MONOTONIC exists on every Linux; an error would mean a broken kernel, and time then stands still.
    let time = clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap_or(TimeSpec::new(0, 0));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Instant {
        nanos: seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0),
    }
}

/// The time of day, as seconds of UTC since 1970, as the engine is lent it.
pub(super) fn utc() -> Duration {
    // A clock before 1970 is as good as none.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A one-shot alarm at an absolute instant.
#[derive(Debug)]
pub(crate) struct Timer {
    setting: TimerFd,
    /// The same timer, for waiting: tokio asks for a descriptor that `TimerFd` does not show.
    alarm: AsyncFd<Arc<OwnedFd>>,
    armed: Option<Instant>,
}

impl Timer {
    /// A timer that is not armed. Must be called inside the runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let alarm = watch(Arc::new(timer.as_fd().try_clone_to_owned()?))?;
        Ok(Self {
            setting: timer,
            alarm,
            armed: None,
        })
    }

    /// Sets the alarm, or takes it off. An instant that has passed rings at once.
    pub(crate) fn arm(&mut self, at: Option<Instant>) -> io::Result<()> {
        if self.armed == at {
            return Ok(());
        }
        match at {
            // A zero time would disarm the timer.
            Some(at) => self.setting.set(
                Expiration::OneShot(TimeSpec::from_duration(Duration::from_nanos(at.nanos.max(1)))),
                TimerSetTimeFlags::TFD_TIMER_ABSTIME,
            )?,
            None => self.setting.unset()?,
        }
        self.armed = at;
        Ok(())
    }

    /// Waits for the alarm. Safe to drop and call again.
    pub(crate) async fn rings(&mut self) -> io::Result<()> {
        let mut ready = self.alarm.readable().await?;
        // Reading the count makes the descriptor quiet again. A timer that was armed anew meanwhile has nothing to read.
        let mut count = [0; 8];
        match nix::unistd::read(self.alarm.get_ref(), &mut count) {
            Ok(_) => self.armed = None,
            Err(nix::errno::Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        ready.clear_ready();
        Ok(())
    }
}
