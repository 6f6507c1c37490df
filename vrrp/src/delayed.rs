//! A truth that counts only once it has held for a while: a quorum of processes, a link that is up.

use std::time::Duration;

use crate::time::Instant;

/// What is believed, and when it will be believed no more.
#[derive(Clone, Debug)]
pub(crate) struct Delayed {
    pub(crate) believed: bool,
    /// When the opposite has held for long enough; `None` while it does not hold.
    pub(crate) turns_at: Option<Instant>,
}

impl Delayed {
    pub(crate) fn new(believed: bool) -> Self {
        Self {
            believed,
            turns_at: None,
        }
    }

    /// It is so now, which must hold for `delay` if that is news. Answers whether what is believed changed at once.
    pub(crate) fn see(&mut self, actual: bool, delay: Duration, now: Instant) -> bool {
        if actual == self.believed {
            self.turns_at = None;
            return false;
        }
        if delay.is_zero() {
            *self = Self::new(actual);
            return true;
        }
        self.turns_at.get_or_insert(now + delay);
        false
    }

    /// Answers whether what is believed changed because it is time.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        let turns = self.turns_at.take_if(|at| *at <= now).is_some();
        self.believed ^= turns;
        turns
    }
}
