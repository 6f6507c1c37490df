//! What is said over and over is counted and summed up: whatever drives it, a line that repeats fills no disk and hides no other.
//!
//! The first [`BURST`] of the same kind within [`WINDOW`] are shown, then one in each window, with the number of those that
//! were not. Kinds that differ do not touch each other. Absent: the clock.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use tracing::Level;

/// Lines of a kind that are shown at once.
const BURST: u32 = 10;

/// How long they count.
const WINDOW: Duration = Duration::from_mins(1);

/// Kinds that are remembered.
const KINDS_AT_MOST: usize = 1024;

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Show,
    /// It is counted.
    Hold,
}

/// Lines of one kind that were not shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) level: Level,
    /// The last of them.
    pub(super) message: String,
    pub(super) count: u64,
    /// Since the first that was shown.
    pub(super) during: Duration,
}

#[derive(Default)]
pub(super) struct Flood {
    /// By the hash of level and kind: a thousand instances have thousands of kinds, most of which are said once. Two that had the
    /// same would be counted together.
    kinds: HashMap<u64, Kind>,
    hasher: RandomState,
    /// How many of them hold lines.
    holding: usize,
}

struct Kind {
    since: Instant,
    /// How many may still be shown in this window.
    left: u32,
    held: Option<Box<Holding>>,
}

/// Lines that are not shown.
struct Holding {
    level: Level,
    last: String,
    count: u64,
}

impl Flood {
    /// Whether a line of this kind is shown.
    pub(super) fn judge(&mut self, level: Level, kind: &str, message: &str, now: Instant) -> Verdict {
        let key = self.hasher.hash_one((level, kind));
        if !self.kinds.contains_key(&key) {
            self.make_room(now);
        }
        let entry = self.kinds.entry(key).or_insert(Kind {
            since: now,
            left: BURST,
            held: None,
        });
        if now.duration_since(entry.since) >= WINDOW && entry.held.is_none() {
            (entry.since, entry.left) = (now, BURST);
        }
        if entry.left > 0 {
            entry.left -= 1;
            return Verdict::Show;
        }
        self.holding += usize::from(entry.held.is_none());
        let holding = entry.held.get_or_insert_with(|| {
            Box::new(Holding {
                level,
                last: String::new(),
                count: 0,
            })
        });
        holding.count += 1;
        message.clone_into(&mut holding.last);
        Verdict::Hold
    }

    /// What was held for a whole window, or with `all` what was held at all. It may go on: in the next window one line is shown.
    pub(super) fn release(&mut self, now: Instant, all: bool) -> Vec<Held> {
        if self.holding == 0 {
            return Vec::new();
        }
        let mut released = Vec::new();
        for kind in self.kinds.values_mut() {
            let during = now.duration_since(kind.since);
            if let Some(holding) = kind.held.take_if(|_| all || during >= WINDOW) {
                released.push(Held {
                    level: holding.level,
                    message: holding.last,
                    count: holding.count,
                    during,
                });
                (kind.since, kind.left) = (now, 1);
            }
        }
        self.holding -= released.len();
        released
    }

    /// Forgets kinds that hold nothing, old ones first if that is enough. If all hold something, none is forgotten: they are told, and
    /// forgotten, within a window.
    fn make_room(&mut self, now: Instant) {
        if self.kinds.len() < KINDS_AT_MOST {
            return;
        }
        self.kinds
            .retain(|_, kind| kind.held.is_some() || now.duration_since(kind.since) < WINDOW);
        if self.kinds.len() >= KINDS_AT_MOST {
            self.kinds.retain(|_, kind| kind.held.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "VRRP_Script(chk) failed";

    /// Says `LINE` each second; answers with what was shown, and with the sums.
    fn a_line_each_second(flood: &mut Flood, start: Instant, seconds: u64) -> (usize, Vec<Held>) {
        let (mut shown, mut sums) = (0, Vec::new());
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            sums.extend(flood.release(now, false));
            shown += usize::from(flood.judge(Level::INFO, LINE, LINE, now) == Verdict::Show);
        }
        (shown, sums)
    }

    #[test]
    fn a_day_of_repetition_is_a_few_lines_and_every_one_is_counted() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        let (shown, mut sums) = a_line_each_second(&mut flood, start, 86_400);
        sums.extend(flood.release(start + Duration::from_hours(24), true));
        assert_eq!((shown, sums.len()), (10 + 1439, 1440));
        let counted: u64 = sums.iter().map(|held| held.count).sum();
        assert_eq!(counted + shown as u64, 86_400);
        assert_eq!((sums[0].message.as_str(), sums[0].count), (LINE, 50));
        assert_eq!(sums[0].during, WINDOW);
    }

    #[test]
    fn after_a_quiet_minute_lines_are_shown_again() {
        let (mut flood, start) = (Flood::default(), Instant::now());
        a_line_each_second(&mut flood, start, 20);
        let later = start + 2 * WINDOW;
        assert_eq!(flood.release(later, false)[0].count, 10);
        assert_eq!(a_line_each_second(&mut flood, later + WINDOW, 10).0, 10);
    }

    #[test]
    fn kinds_do_not_hide_each_other_and_few_are_remembered() {
        let (mut flood, now) = (Flood::default(), Instant::now());
        for server in 0..50_000 {
            let line = format!("Removing service {server}");
            assert_eq!(flood.judge(Level::INFO, &line, &line, now), Verdict::Show);
        }
        assert!(flood.kinds.len() <= KINDS_AT_MOST);
    }
}
