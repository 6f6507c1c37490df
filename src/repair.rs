//! How often others take away what is ours, and when to put it back: at once, and slower and slower against someone who
//! takes the same again and again. Pure: `now` is lent.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use vrrp::Instant;

/// The second repair in a row waits so long, each after it twice as long as the one before.
const SECOND_WAIT: Duration = Duration::from_millis(125);

/// No repair waits longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// So long after a repair nobody may have touched anything for the next to be the first again; or twice the last wait.
const CALM: Duration = Duration::from_secs(10);

/// What was taken away, each thing by its name `K`.
#[derive(Debug)]
pub(crate) struct Repairs<K> {
    /// There are no more than the configuration has.
    objects: BTreeMap<K, Repair>,
    /// How long the first repair waits.
    first_wait: Duration,
}

#[derive(Debug, Default)]
struct Repair {
    /// Losses since the start.
    losses: u64,
    /// How long the last repair waited.
    wait: Duration,
    /// When the last repair was made.
    made_at: Option<Instant>,
    /// When the next repair is made.
    due: Option<Instant>,
}

/// What is to be said of a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// How long it stays away.
    pub(crate) wait: Duration,
    /// How often it has been lost since the start, this time included.
    pub(crate) losses: u64,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("putting it back")?;
        if self.losses == 1 {
            return Ok(());
        }
        if !self.wait.is_zero() {
            write!(f, " in {:?}", self.wait)?;
        }
        write!(f, " (time number {})", self.losses)
    }
}

impl<K: Ord + Clone> Repairs<K> {
    /// Nothing has been taken away yet. The first repair waits so long: losses that come together are repaired together.
    pub(crate) fn new(first_wait: Duration) -> Self {
        Self {
            objects: BTreeMap::new(),
            first_wait,
        }
    }

    /// This object was taken away.
    pub(crate) fn lost(&mut self, what: K, now: Instant) -> Loss {
        let repair = self.objects.entry(what).or_default();
        repair.losses += 1;
        let due = repair.due.unwrap_or_else(|| {
            let calm = CALM.max(repair.wait * 2);
            repair.wait = match repair.made_at {
                Some(made_at) if now - made_at < calm => (repair.wait * 2).clamp(SECOND_WAIT, LONGEST_WAIT),
                _ => self.first_wait,
            };
            now + repair.wait
        });
        repair.due = Some(due);
        Loss {
            wait: due - now,
            losses: repair.losses,
        }
    }

    /// Whether this object was taken away and is to be put back.
    pub(crate) fn is_away(&self, what: &K) -> bool {
        self.objects.get(what).is_some_and(|repair| repair.due.is_some())
    }

    /// Which repairs are due.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<K> {
        let mut due = Vec::new();
        for (what, repair) in &mut self.objects {
            if repair.due.take_if(|due| *due <= now).is_some() {
                repair.made_at = Some(now);
                due.push(what.clone());
            }
        }
        due
    }

    /// When the next repair is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.objects.values().filter_map(|repair| repair.due).min()
    }

    /// After a reload the objects are others; those that stay keep their count.
    pub(crate) fn keep(&mut self, stays: impl Fn(&K) -> bool) {
        self.objects.retain(|what, _| stays(what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    fn lose(repairs: &mut Repairs<&str>, now: Instant) -> Loss {
        repairs.lost("address", now)
    }

    #[test]
    fn the_first_repair_is_made_at_once_and_the_next_ones_wait_longer_and_longer() {
        let mut repairs = Repairs::new(Duration::ZERO);
        let mut now = at(0);
        let mut waits = Vec::new();
        for losses in 1..=14 {
            let loss = lose(&mut repairs, now);
            assert_eq!(loss.losses, losses);
            waits.push(loss.wait.as_millis());
            now = now + loss.wait;
            assert_eq!(repairs.next_deadline(), Some(now));
            assert_eq!(repairs.due(now), ["address"]);
            assert_eq!(repairs.due(now), [""; 0]);
        }
        assert_eq!(
            waits,
            [
                0, 125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000
            ]
        );
    }

    #[test]
    fn the_first_repair_may_wait_for_what_comes_together() {
        let first_wait = Duration::from_millis(5);
        let mut repairs = Repairs::new(first_wait);
        let mut now = at(0);
        let waits = [0; 3].map(|_| {
            let loss = lose(&mut repairs, now);
            now = now + loss.wait;
            assert_eq!(repairs.due(now), ["address"]);
            loss.wait.as_millis()
        });
        assert_eq!(waits, [5, 125, 250]);
    }

    #[test]
    fn a_loss_says_how_often_it_happened_and_how_long_it_stays() {
        let says = |wait, losses| {
            let wait = Duration::from_millis(wait);
            Loss { wait, losses }.to_string()
        };
        assert_eq!(says(0, 1), "putting it back");
        assert_eq!(says(0, 2), "putting it back (time number 2)");
        assert_eq!(says(125, 2), "putting it back in 125ms (time number 2)");
    }

    #[test]
    fn losses_before_a_repair_are_repaired_together() {
        let mut repairs = Repairs::new(Duration::ZERO);
        lose(&mut repairs, at(0));
        repairs.due(at(0));
        let first = lose(&mut repairs, at(1));
        let second = lose(&mut repairs, at(100));
        assert_eq!((first.wait.as_millis(), second.wait.as_millis()), (125, 26));
        assert!(repairs.is_away(&"address"));
        assert_eq!(repairs.due(at(125)), [""; 0]);
        assert_eq!(repairs.due(at(126)), ["address"]);
        assert!(!repairs.is_away(&"address"));
        assert_eq!(repairs.next_deadline(), None);
    }

    #[test]
    fn who_is_left_alone_for_a_while_is_repaired_at_once_again() {
        let mut repairs = Repairs::new(Duration::ZERO);
        for now in [0, 1, 2] {
            lose(&mut repairs, at(now * 1000));
            repairs.due(at(now * 1000 + 999));
        }
        assert_eq!(lose(&mut repairs, at(13_000)).wait, Duration::ZERO);
    }

    #[test]
    fn another_object_need_not_wait_for_one_that_is_fought_over() {
        let mut repairs = Repairs::new(Duration::ZERO);
        for now in 0..4 {
            lose(&mut repairs, at(now * 1000));
            repairs.due(at(now * 1000 + 999));
        }
        assert!(lose(&mut repairs, at(4000)).wait >= Duration::from_secs(1));
        let other = repairs.lost("route", at(4000));
        assert_eq!((other.wait, other.losses), (Duration::ZERO, 1));
    }
}
