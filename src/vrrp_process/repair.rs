//! How often others take away what is ours, and when to put it back: at once, and slower and slower against someone who
//! does it again and again. Pure: `now` is lent.

use std::collections::BTreeMap;
use std::time::Duration;

use vrrp::Instant;

use super::round::Owner;

/// The second repair in a row waits so long, each after it twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(125);

/// No repair waits longer.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// So long after a repair nobody may have touched anything for the next to be the first again; or twice the last wait.
const CALM: Duration = Duration::from_secs(10);

/// What was taken away from whom.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    owners: BTreeMap<Owner, Repair>,
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
pub(super) struct Loss {
    /// How long it stays away.
    pub(super) wait: Duration,
    /// How many losses the owner has had since the start, this one included.
    pub(super) losses: u64,
}

impl Repairs {
    /// Something of this owner was taken away.
    pub(super) fn lost(&mut self, owner: Owner, now: Instant) -> Loss {
        let repair = self.owners.entry(owner).or_default();
        repair.losses += 1;
        let due = repair.due.unwrap_or_else(|| {
            let calm = CALM.max(repair.wait * 2);
            repair.wait = match repair.made_at {
                Some(made_at) if now - made_at < calm => (repair.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT),
                _ => Duration::ZERO,
            };
            now + repair.wait
        });
        repair.due = Some(due);
        Loss {
            wait: due - now,
            losses: repair.losses,
        }
    }

    /// The repairs that are due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Owner> {
        let mut owners = Vec::new();
        for (owner, repair) in &mut self.owners {
            if repair.due.take_if(|due| *due <= now).is_some() {
                repair.made_at = Some(now);
                owners.push(*owner);
            }
        }
        owners
    }

    /// When the next repair is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.owners.values().filter_map(|repair| repair.due).min()
    }

    /// After a reload the owners are others; those that stay keep their count.
    pub(super) fn keep(&mut self, stays: impl Fn(Owner) -> bool) {
        self.owners.retain(|owner, _| stays(*owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    #[test]
    fn the_first_repair_is_made_at_once_and_the_next_ones_wait_longer_and_longer() {
        let mut repairs = Repairs::default();
        let mut now = at(0);
        let mut waits = Vec::new();
        for losses in 1..=14 {
            let loss = repairs.lost(Owner::Statics, now);
            assert_eq!(loss.losses, losses);
            waits.push(loss.wait.as_millis());
            now = now + loss.wait;
            assert_eq!(repairs.next_deadline(), Some(now));
            assert_eq!(repairs.due(now), [Owner::Statics]);
            assert_eq!(repairs.due(now), []);
        }
        assert_eq!(
            waits,
            [
                0, 125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000, 60000
            ]
        );
    }

    #[test]
    fn losses_before_a_repair_are_repaired_together() {
        let mut repairs = Repairs::default();
        repairs.lost(Owner::Statics, at(0));
        repairs.due(at(0));
        let first = repairs.lost(Owner::Statics, at(1));
        let second = repairs.lost(Owner::Statics, at(100));
        assert_eq!((first.wait.as_millis(), second.wait.as_millis()), (125, 26));
        assert_eq!(repairs.due(at(125)), []);
        assert_eq!(repairs.due(at(126)), [Owner::Statics]);
        assert_eq!(repairs.next_deadline(), None);
    }

    #[test]
    fn who_is_left_alone_for_a_while_is_repaired_at_once_again() {
        let mut repairs = Repairs::default();
        for now in [0, 1, 2] {
            repairs.lost(Owner::Statics, at(now * 1000));
            repairs.due(at(now * 1000 + 999));
        }
        assert_eq!(repairs.lost(Owner::Statics, at(13_000)).wait, Duration::ZERO);
    }
}
