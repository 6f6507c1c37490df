//! The states of an instance, each with its own deadlines: a timer cannot outlive the state that set it.

use std::fmt;
use std::time::Duration;

use crate::rival::Rival;
use crate::time::Instant;

/// Where an instance stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started: waits to be told of its links, then for the first results of its scripts.
    Init {
        /// When it looks around for the first time; `None` once it has.
        start_at: Option<Instant>,
    },
    /// Follows a master, or waits for one to show itself.
    Backup {
        /// When the master counts as gone. `None` once it does: the instance would be master, and waits for the other
        /// members of its sync group.
        take_over_at: Option<Instant>,
        /// Until when a lower master is endured (`preempt_delay`); `None` while there is none.
        preempt_at: Option<Instant>,
    },
    /// Owns the addresses and says so.
    Master(Mastery),
    /// Must not run; [`crate::Instance::faults`] says why.
    Fault {
        /// When the reasons are looked at again although nothing was heard of them: nobody is stuck here.
        look_again_at: Instant,
    },
    /// The daemon stopped.
    Stopped,
    /// A reload took it out of the configuration.
    Removed,
}

/// What a master has in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mastery {
    /// The next advert.
    pub advertise_at: Instant,
    /// The burst after `garp_master_delay` or `garp_lower_prio_delay`.
    pub announce_again: Option<Burst>,
    /// The next `garp_master_refresh`.
    pub refresh_at: Option<Instant>,
    /// The next `garp_extra_if`.
    pub extra_at: Option<Instant>,
    /// Other masters on the link that should yield to us, or whose adverts we do not believe; four at most.
    pub rivals: Vec<Rival>,
    /// Not before this is another master answered again.
    pub answer_at: Instant,
}

/// Announcements to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// When.
    pub at: Instant,
    /// Frames for each address.
    pub repeat: u32,
}

impl State {
    /// When the state must be looked at next.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Init { start_at } => *start_at,
            Self::Backup { take_over_at, .. } => *take_over_at,
            Self::Master(mastery) => Some(mastery.deadline()),
            Self::Fault { look_again_at } => Some(*look_again_at),
            Self::Stopped | Self::Removed => None,
        }
    }

    /// The state as keepalived's dumps name it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Init { .. } => "INIT",
            Self::Backup { .. } => "BACKUP",
            Self::Master(_) => "MASTER",
            Self::Fault { .. } => "FAULT",
            Self::Stopped => "STOP",
            Self::Removed => "DELETED",
        }
    }

    /// Whether the addresses are owned now.
    pub fn is_master(&self) -> bool {
        matches!(self, Self::Master(_))
    }

    /// Whether it would be master, were it alone: it is, or the master has been silent for long enough.
    pub fn wants_master(&self) -> bool {
        matches!(
            self,
            Self::Master(_)
                | Self::Backup {
                    take_over_at: None,
                    ..
                }
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Mastery {
    fn deadline(&self) -> Instant {
        let rivals = self.rivals.iter();
        let rivals = rivals.flat_map(|rival| [Some(rival.over_at), Some(rival.report_at), rival.give_way_at]);
        [
            self.announce_again.map(|burst| burst.at),
            self.refresh_at,
            self.extra_at,
        ]
        .into_iter()
        .chain(rivals)
        .flatten()
        .fold(self.advertise_at, Instant::min)
    }
}

/// The next of a series of deadlines that lies after `now`: no drift, and no hurry to make up for a stall.
pub(crate) fn next_in_series(due: Instant, period: Duration, now: Instant) -> Instant {
    let next = due + period;
    if next > now {
        return next;
    }
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    let missed = (now.nanos - due.nanos) / period;
    Instant {
        nanos: due
            .nanos
            .saturating_add(missed.saturating_add(1).saturating_mul(period)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_keeps_its_phase_and_skips_what_was_missed() {
        let at = |nanos| Instant { nanos };
        let period = Duration::from_nanos(10);
        assert_eq!(next_in_series(at(100), period, at(100)), at(110));
        assert_eq!(next_in_series(at(100), period, at(109)), at(110));
        assert_eq!(next_in_series(at(100), period, at(110)), at(120));
        assert_eq!(next_in_series(at(100), period, at(1234)), at(1240));
    }
}
