//! The system calls of the shell that need `unsafe`, each small and with its reason. Absent: everything `nix`,
//! `socket2` or the standard library already wrap safely, and every decision.
#![expect(
    unsafe_code,
    reason = "the one file of the shell for system calls without a safe wrapper"
)]

pub(crate) mod capability;
pub(crate) mod exec;
pub(crate) mod net;

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, Pid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Takes over a descriptor that arrived as a bare number: inherited across exec, or received by `SCM_RIGHTS`.
///
/// The caller names a number that it has just been given and that nothing else in this process owns; a number that is
/// not open is refused.
pub fn take_fd(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: `fcntl(F_SETFD)` on any number is harmless: it fails with EBADF when the number is not open.
    let result = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open (checked above) and, by this function's contract, has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets `command` inherit the descriptors `numbers`, which stay close-on-exec in this process.
pub fn inherit_fds(command: &mut Command, numbers: Vec<RawFd>) {
    let clear_close_on_exec = move || {
        for &number in &numbers {
            // SAFETY: `fcntl` is async-signal-safe and touches only the forked child's own descriptor table.
            if unsafe { libc::fcntl(number, libc::F_SETFD, 0) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec and only calls `fcntl`; it neither allocates nor locks.
    unsafe {
        command.pre_exec(clear_close_on_exec);
    }
}

/// Forks. Only for becoming a daemon, before any thread or runtime exists.
pub fn fork_single_threaded() -> nix::Result<ForkResult> {
    // SAFETY: with a single thread, the child's memory (locks, allocator) is in a consistent state and it may go on
    // running ordinary code. The callers are before the first thread and the runtime.
    unsafe { nix::unistd::fork() }
}

/// Reaps one process that ended, whoever started it, without waiting; `None` when there is none left. `nix` reaps but
/// does not tell of a process that a real-time signal killed.
pub fn reap() -> Option<(Pid, ExitStatus)> {
    let mut status = 0;
    // SAFETY: `waitpid` writes only into `status`.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then(|| (Pid::from_raw(pid), ExitStatus::from_raw(status)))
}

/// Gives memory that is free back to the system: what a configuration took while it was read would stay with the process
/// for good.
pub(crate) fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Has the code of the program mapped anew, page by page as it is needed: what only the start ran, the parser above all,
/// counts as this process's memory no more. Locked memory (`vrrp_no_swap`) stays as it is.
pub(crate) fn let_go_of_code() {
    let here = let_go_of_code as fn() as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Some(code) = maps.lines().find_map(|line| code_around(here, line)) else {
        return;
    };
    // SAFETY: the range is one mapping of a file that is executable and not writable, and that nobody has written to: the
    // code is position-independent, the loader changes data only. A page that is touched again is read from the same file.
    unsafe {
        libc::madvise(code.start as *mut libc::c_void, code.len(), libc::MADV_DONTNEED);
    }
}

/// The range of a line of `/proc/PID/maps` if it is of code and contains this address.
fn code_around(address: usize, line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let number = |digits| usize::from_str_radix(digits, 16).ok();
    let range = number(start)?..number(end)?;
    (words.next() == Some("r-xp") && range.contains(&address)).then_some(range)
}

/// Takes a variable out of the environment of this process and of the programs it will run. Only before any thread
/// exists.
pub fn forget_variable(name: &str) {
    // SAFETY: nothing else reads or writes the environment at the same time: there is a single thread.
    unsafe { std::env::remove_var(name) }
}

/// Sets the nice value of the calling thread; threads and processes that it makes begin with 0 if it is negative and
/// [`set_realtime`] has been called.
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: takes and returns plain numbers; 0 is the calling thread.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS as _, 0, nice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives the calling thread `SCHED_RR` with this priority, or takes it away. What it forks or starts as a thread does
/// not inherit it.
pub fn set_realtime(priority: Option<u8>) -> io::Result<()> {
    let policy = priority.map_or(libc::SCHED_OTHER, |_| libc::SCHED_RR) | libc::SCHED_RESET_ON_FORK;
    // SAFETY: an all-zero sched_param is a valid value.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority.unwrap_or_default().into();
    // SAFETY: reads the parameter; 0 is the calling thread.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Registers a descriptor with the runtime, to wait until it is readable.
pub fn watch(descriptor: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the `Arc` keeps the descriptor open, and the same, for as long as the `AsyncFd` lives.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// A set of signals by number; real-time signals have no name in `nix`.
pub fn signal_set(numbers: &[i32]) -> SigSet {
    let mut set = *SigSet::empty().as_ref();
    for &number in numbers {
        // SAFETY: `set` is an initialised sigset_t; an invalid number is answered with EINVAL and changes nothing.
        unsafe { libc::sigaddset(&raw mut set, number) };
    }
    // SAFETY: `set` came from an empty set and `sigaddset` alone changed it.
    unsafe { SigSet::from_sigset_t_unchecked(set) }
}

/// A moment in the machine's time zone, as log lines show it.
#[derive(Clone, Copy)]
pub struct LocalTime {
    fields: libc::tm,
    nanoseconds: u32,
}

/// The present moment in the machine's time zone.
pub fn local_time() -> LocalTime {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    LocalTime::at(since_epoch.as_secs(), since_epoch.subsec_nanos())
}

/// `2026-11-22T14:45:19.000042Z`: RFC 3339, for a time since 1970 UTC.
pub fn rfc3339(since_epoch: std::time::Duration) -> String {
    let moment = Civil::at(since_epoch.as_secs(), true).written('T');
    format!("{moment}.{:06}Z", since_epoch.subsec_micros())
}

/// A date and a time of day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Civil {
    /// 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 60.
    pub second: i32,
}

impl Civil {
    /// That of the moment `seconds` after 1970 UTC, in UTC or in the machine's time zone.
    pub fn at(seconds: u64, utc: bool) -> Civil {
        let moment = libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX);
        let mut fields = no_time();
        // SAFETY: both read the moment, and write only into `fields`; on failure it stays as it was.
        unsafe {
            if utc {
                libc::gmtime_r(&raw const moment, &raw mut fields);
            } else {
                libc::localtime_r(&raw const moment, &raw mut fields);
            }
        }
        Civil {
            year: fields.tm_year.saturating_add(1900),
            month: fields.tm_mon + 1,
            day: fields.tm_mday,
            hour: fields.tm_hour,
            minute: fields.tm_min,
            second: fields.tm_sec,
        }
    }

    /// `2026-11-22T14:45:19`, with `between` for the `T`.
    pub fn written(self, between: char) -> String {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
    }

    /// Seconds after 1970 UTC. A day past the end of its month is in the next one.
    pub fn seconds(self, utc: bool) -> Option<u64> {
        let mut fields = libc::tm {
            tm_year: self.year.checked_sub(1900)?,
            tm_mon: self.month - 1,
            tm_mday: self.day,
            tm_hour: self.hour,
            tm_min: self.minute,
            tm_sec: self.second,
            tm_isdst: -1, // summer time where and when it is
            ..no_time()
        };
        // SAFETY: both read and normalise `fields`, and touch nothing else.
        let seconds = unsafe {
            if utc {
                libc::timegm(&raw mut fields)
            } else {
                libc::mktime(&raw mut fields)
            }
        };
        u64::try_from(seconds).ok()
    }
}

fn no_time() -> libc::tm {
    // SAFETY: all zeroes is a valid `tm` (its zone pointer may be null).
    unsafe { std::mem::zeroed() }
}

impl LocalTime {
    /// The moment `seconds` after 1970 UTC.
    pub fn at(seconds: u64, nanoseconds: u32) -> LocalTime {
        // Past the end of time_t the last moment is shown.
        let seconds = libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX);
        let mut fields = no_time();
        // SAFETY: `localtime_r` writes only into `fields`; on failure it stays as it was.
        unsafe { libc::localtime_r(&raw const seconds, &raw mut fields) };
        LocalTime { fields, nanoseconds }
    }

    /// `Nov 22 14:45:19`: RFC 3164 4.1.2.
    pub fn syslog(&self) -> impl fmt::Display {
        let LocalTime { fields, .. } = *self;
        fmt::from_fn(move |f| write!(f, "{} {:>2} {}", month(&fields), fields.tm_mday, clock(&fields)))
    }

    /// `Sun Nov 22 14:45:19 2026`: strftime's `%c` in the C locale, as keepalived's console lines begin.
    pub fn console(&self) -> impl fmt::Display {
        let LocalTime { fields, .. } = *self;
        fmt::from_fn(move |f| {
            let (day, month, clock) = (weekday(&fields), month(&fields), clock(&fields));
            write!(
                f,
                "{day} {month} {:>2} {clock} {}",
                fields.tm_mday,
                1900 + i64::from(fields.tm_year)
            )
        })
    }

    /// `Sun, 22 Nov 2026 14:45:19 +0100`: RFC 5322 3.3.
    pub fn mail(&self) -> impl fmt::Display {
        let LocalTime { fields, .. } = *self;
        fmt::from_fn(move |f| {
            let (day, month, clock) = (weekday(&fields), month(&fields), clock(&fields));
            let year = 1900 + i64::from(fields.tm_year);
            let sign = if fields.tm_gmtoff < 0 { '-' } else { '+' };
            let minutes = fields.tm_gmtoff.unsigned_abs() / 60;
            let (hours, minutes) = (minutes / 60, minutes % 60);
            write!(
                f,
                "{day}, {:02} {month} {year} {clock} {sign}{hours:02}{minutes:02}",
                fields.tm_mday
            )
        })
    }

    /// `Sun Nov 22 14:45:19.123456789 2026`: as the lines of keepalived's log file begin.
    pub fn file(&self) -> impl fmt::Display {
        let LocalTime { fields, nanoseconds } = *self;
        fmt::from_fn(move |f| {
            let (day, month, clock) = (weekday(&fields), month(&fields), clock(&fields));
            let year = 1900 + i64::from(fields.tm_year);
            write!(
                f,
                "{day} {month} {:02} {clock}.{nanoseconds:09} {year}",
                fields.tm_mday
            )
        })
    }
}

fn weekday(fields: &libc::tm) -> &'static str {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    usize::try_from(fields.tm_wday)
        .ok()
        .and_then(|index| NAMES.get(index))
        .copied()
        .unwrap_or("???")
}

fn month(fields: &libc::tm) -> &'static str {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    usize::try_from(fields.tm_mon)
        .ok()
        .and_then(|index| NAMES.get(index))
        .copied()
        .unwrap_or("???")
}

fn clock(fields: &libc::tm) -> impl fmt::Display {
    let (hours, minutes, seconds) = (fields.tm_hour, fields.tm_min, fields.tm_sec);
    fmt::from_fn(move |f| write!(f, "{hours:02}:{minutes:02}:{seconds:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_by_an_address_in_it() {
        let code = "561b5e397000-561b5e8ab000 r-xp 00197000 fe:00 1234   /usr/sbin/holdfast";
        assert_eq!(
            code_around(0x561b_5e39_7000, code),
            Some(0x561b_5e39_7000..0x561b_5e8a_b000)
        );
        assert_eq!(code_around(0x561b_5e8a_b000, code), None, "behind it");
        let data = code.replace("r-xp", "r--p");
        assert_eq!(
            code_around(0x561b_5e39_7000, &data),
            None,
            "relocated data must stay"
        );
        assert_eq!(code_around(0, ""), None);
    }

    /// Pages of this program's code that are mapped, in KiB.
    fn mapped_code() -> u64 {
        let here = let_go_of_code as fn() as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let its = maps.lines().skip_while(|line| code_around(here, line).is_none());
        let rss = its.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn code_that_is_let_go_of_is_mapped_again_as_it_runs() {
        let before = mapped_code();
        let_go_of_code();
        let after = mapped_code();
        assert!(after < before, "{before} kB, then {after} kB");
    }

    #[test]
    fn the_forms_of_a_moment() {
        let date = |seconds: &str, format: &str| {
            let output = Command::new("date")
                .env("LC_ALL", "C")
                .args(["-d", &format!("@{seconds}"), format])
                .args(format.ends_with('Z').then_some("-u"))
                .output();
            String::from_utf8(output.unwrap().stdout)
                .unwrap()
                .trim_end()
                .to_owned()
        };
        // `date` knows the machine's time zone by itself: winter, summer, one-digit days, midnight.
        for seconds in ["1795358719", "1782864000", "1000000000", "86399"] {
            let moment = LocalTime::at(seconds.parse().unwrap(), 42);
            assert_eq!(moment.syslog().to_string(), date(seconds, "+%b %e %H:%M:%S"));
            assert_eq!(
                moment.console().to_string(),
                date(seconds, "+%a %b %e %H:%M:%S %Y")
            );
            assert_eq!(
                moment.file().to_string(),
                date(seconds, "+%a %b %d %H:%M:%S.000000042 %Y")
            );
            assert_eq!(
                rfc3339(std::time::Duration::new(seconds.parse().unwrap(), 42_000)),
                date(seconds, "+%FT%T.000042Z")
            );
        }
    }

    #[test]
    fn a_number_that_is_not_open_is_refused() {
        assert_eq!(take_fd(-1).unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(take_fd(1_000_000).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }

    #[test]
    fn real_time_signals_fit_into_a_set() {
        let set = signal_set(&[libc::SIGTERM, 36, 63]);
        let has = |number| {
            // SAFETY: reads one bit of an initialised set.
            unsafe { libc::sigismember(set.as_ref(), number) == 1 }
        };
        assert!(has(libc::SIGTERM) && has(36) && has(63) && !has(libc::SIGHUP));
    }
}
