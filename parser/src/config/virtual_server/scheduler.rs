//! `lvs_sched` and the flags of schedulers.

use crate::report::{LvsReason, Report};
use crate::tree::Line;

/// `lvs_sched`: how the kernel picks a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scheduler {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections, the default.
    #[default]
    Wlc,
    /// Locality-based least connections.
    Lblc,
    /// Source hashing.
    Sh,
    /// Maglev hashing.
    Mh,
    /// Destination hashing.
    Dh,
    /// Weighted failover.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Power of two choices.
    Twos,
}

impl Scheduler {
    /// Every scheduler with the name that the kernel knows it by.
    pub const ALL: [(&'static str, Self); 14] = [
        ("rr", Self::Rr),
        ("wrr", Self::Wrr),
        ("lc", Self::Lc),
        ("wlc", Self::Wlc),
        ("lblc", Self::Lblc),
        ("sh", Self::Sh),
        ("mh", Self::Mh),
        ("dh", Self::Dh),
        ("fo", Self::Fo),
        ("ovf", Self::Ovf),
        ("lblcr", Self::Lblcr),
        ("sed", Self::Sed),
        ("nq", Self::Nq),
        ("twos", Self::Twos),
    ];

    /// The name that the kernel knows it by.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, scheduler)| *scheduler == self)
            .map_or("", |(name, _)| name)
    }
}

/// `IP_VS_SVC_F_SCHED1` to `3`: what they mean is the scheduler's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SchedulerFlags {
    /// `flag-1`, `sh-fallback`, `mh-fallback`: another real server if the hashed one is down.
    pub flag_1: bool,
    /// `flag-2`, `sh-port`, `mh-port`: the port is hashed too.
    pub flag_2: bool,
    /// `flag-3`.
    pub flag_3: bool,
}

impl SchedulerFlags {
    /// Reads one flag of a virtual server with this scheduler so far. `false` if the keyword is none.
    pub(super) fn read(&mut self, line: Line<'_>, scheduler: Option<Scheduler>, report: &mut Report) -> bool {
        let keyword = line.keyword();
        let (flag, owner) = match keyword {
            "flag-1" => (&mut self.flag_1, None),
            "flag-2" => (&mut self.flag_2, None),
            "flag-3" => (&mut self.flag_3, None),
            "sh-fallback" => (&mut self.flag_1, Some(Scheduler::Sh)),
            "mh-fallback" => (&mut self.flag_1, Some(Scheduler::Mh)),
            "sh-port" => (&mut self.flag_2, Some(Scheduler::Sh)),
            "mh-port" => (&mut self.flag_2, Some(Scheduler::Mh)),
            // It never had an effect.
            "hashed" => (&mut false, Some(Scheduler::Sh)),
            _ => return false,
        };
        line.no_block(report);
        let Some(owner) = owner.filter(|owner| scheduler != Some(*owner)) else {
            *flag = true;
            return true;
        };
        let flag = keyword.to_owned();
        let reason = match scheduler {
            Some(scheduler @ (Scheduler::Sh | Scheduler::Mh)) => LvsReason::FlagOfAnotherScheduler {
                flag,
                scheduler: scheduler.name(),
            },
            _ => LvsReason::FlagWithoutScheduler {
                flag,
                scheduler: owner.name(),
            },
        };
        report.add(line.keyword_word().at(), reason.into());
        true
    }
}
