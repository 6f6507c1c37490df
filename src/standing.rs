//! How a process stands with the kernel: its name, its priority, its processors, its memory, the mode of its files.
//!
//! Priority, scheduling and processors belong to the calling thread alone: the thread that starts scripts, made before,
//! keeps what it had, and so do the scripts.

use std::ffi::CString;
use std::io;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;
use parser::config::GlobalDefs;
use tracing::{error, info};

use crate::child::Role;
use crate::sys;

/// What a configuration asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    name: Option<String>,
    /// Unless the command line says.
    umask: Option<u16>,
    nice: i8,
    /// `SCHED_RR` priority.
    realtime: Option<u8>,
    no_swap: bool,
    /// All if empty.
    processors: Vec<u16>,
    realtime_limit: Duration,
    /// The highest realtime priority that the process may give itself when it is late; none if 0 or less.
    highest: i8,
    /// How late that is.
    patience: Duration,
}

impl Standing {
    /// That of a child process. `umask_given`: the command line has one.
    pub fn of(global: &GlobalDefs, role: Role, umask_given: bool) -> Self {
        let named = |name: &Option<String>, default: &str| {
            let default = global.process_names.then(|| default.to_owned());
            name.clone().or(default)
        };
        let umask = (!umask_given).then_some(global.umask);
        let (highest, patience) = (global.max_auto_priority, global.min_auto_priority_delay);
        match role {
            Role::Vrrp => Self {
                name: named(&global.vrrp_process_name, "keepalived_vrrp"),
                umask,
                nice: global.vrrp_priority,
                realtime: global.vrrp_rt_priority,
                no_swap: global.vrrp_no_swap,
                processors: global.vrrp_cpu_affinity.clone(),
                realtime_limit: global.vrrp_rlimit_rttime,
                highest,
                patience,
            },
            Role::Checkers => Self {
                name: named(&global.checker_process_name, "keepalived_lvs"),
                umask,
                nice: global.checker_priority,
                realtime: global.checker_rt_priority,
                no_swap: global.checker_no_swap,
                processors: global.checker_cpu_affinity.clone(),
                realtime_limit: global.checker_rlimit_rttime,
                highest,
                patience,
            },
            Role::Bfd => Self {
                name: named(&global.bfd_process_name, "keepalived_bfd"),
                umask,
                nice: global.bfd_priority,
                realtime: global.bfd_rt_priority,
                no_swap: global.bfd_no_swap,
                processors: global.bfd_cpu_affinity.clone(),
                realtime_limit: global.bfd_rlimit_rttime,
                highest,
                patience,
            },
        }
    }

    /// Makes the calling process stand so. `before` is how it stands; what has not changed is left alone. What the
    /// kernel refuses is said in the log.
    pub fn take(&self, before: Option<&Self>) {
        let start = Self::default();
        let before = before.unwrap_or(&start);
        if let Some(name) = self.name.as_ref().filter(|_| self.name != before.name) {
            tell("name the process", set_name(name));
        }
        if let Some(mask) = self.umask.filter(|_| self.umask != before.umask) {
            umask(Mode::from_bits_truncate(mask.into()));
        }
        if self.processors != before.processors {
            tell("choose processors", set_processors(&self.processors));
        }
        if self.no_swap != before.no_swap {
            let result = if self.no_swap {
                mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
            } else {
                munlockall()
            };
            tell("lock the process into memory", result.map_err(io::Error::from));
        }
        if self.nice != before.nice {
            tell("set the priority", sys::set_nice(self.nice.into()));
        }
        if (self.realtime, self.realtime_limit) != (before.realtime, before.realtime_limit) {
            self.set_realtime();
        }
    }

    /// As it is to stand after it came so late to its work, if that is otherwise: its realtime priority is raised by one
    /// (`max_auto_priority`).
    pub fn after_delay(&self, late: Duration) -> Option<Self> {
        let raised = self.realtime.map_or(1, |realtime| realtime + 1);
        let may = late >= self.patience && i16::from(raised) <= i16::from(self.highest);
        may.then(|| Self {
            realtime: Some(raised),
            ..self.clone()
        })
    }

    fn set_realtime(&self) {
        let limit = if self.realtime.is_some() {
            u64::try_from(self.realtime_limit.as_micros()).unwrap_or(RLIM_INFINITY)
        } else {
            RLIM_INFINITY
        };
        // keepalived: SIGXCPU half way says that the limit may need raising.
        let soft = if limit == RLIM_INFINITY { limit } else { limit / 2 };
        let limited = setrlimit(Resource::RLIMIT_RTTIME, soft, limit);
        if self.realtime.is_some() {
            tell("limit realtime", limited.map_err(io::Error::from));
        }
        let set = sys::set_realtime(self.realtime);
        if let (Some(priority), Ok(())) = (self.realtime, &set) {
            info!("Set process to realtime priority {priority}");
        }
        tell("set the realtime priority", set);
    }
}

impl Default for Standing {
    /// As a process starts.
    fn default() -> Self {
        Self {
            name: None,
            umask: None,
            nice: 0,
            realtime: None,
            no_swap: false,
            processors: Vec::new(),
            realtime_limit: GlobalDefs::default().vrrp_rlimit_rttime,
            highest: 0,
            patience: Duration::MAX,
        }
    }
}

/// Names the calling process: the kernel keeps 15 bytes.
pub fn set_name(name: &str) -> io::Result<()> {
    Ok(prctl::set_name(&CString::new(name)?)?)
}

fn set_processors(processors: &[u16]) -> io::Result<()> {
    let mut set = CpuSet::new();
    if processors.is_empty() {
        (0..CpuSet::count()).try_for_each(|processor| set.set(processor))?;
    }
    for processor in processors {
        set.set((*processor).into())?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

fn tell(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        error!("Unable to {what}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_late_rises_as_far_as_it_may() {
        let global = GlobalDefs {
            max_auto_priority: 2,
            min_auto_priority_delay: Duration::from_millis(100),
            ..GlobalDefs::default()
        };
        let mut standing = Standing::of(&global, Role::Vrrp, false);
        assert_eq!(standing.after_delay(Duration::from_millis(99)), None);
        for raised in [Some(1), Some(2)] {
            standing = standing.after_delay(Duration::from_millis(100)).unwrap();
            assert_eq!(standing.realtime, raised);
        }
        assert_eq!(standing.after_delay(Duration::from_secs(1)), None);
        let without = Standing::of(&GlobalDefs::default(), Role::Vrrp, false);
        assert_eq!(without.after_delay(Duration::from_secs(9)), None);
    }
}
