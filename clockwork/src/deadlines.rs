//! The index over the deadlines that the states hold: the earliest at once, any change in logarithmic time.
//!
//! A binary heap that knows where each of its members stands, so that a deadline that moved is moved, not duplicated: a
//! stale timer cannot exist.

use crate::time::Instant;

/// At most one deadline for each number; numbers are small and dense.
#[derive(Clone, Debug, Default)]
pub struct Deadlines {
    heap: Vec<(Instant, u32)>,
    /// Where each number stands in `heap`, or [`NOWHERE`].
    places: Vec<u32>,
}

/// The place of a number that has no deadline. As many numbers as that there are not.
const NOWHERE: u32 = u32::MAX;

impl Deadlines {
    /// With room for so many numbers.
    pub fn with_capacity(numbers: usize) -> Self {
        Self {
            heap: Vec::with_capacity(numbers),
            places: Vec::with_capacity(numbers),
        }
    }

    /// The earliest deadline.
    pub fn first(&self) -> Option<Instant> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// Whose deadline is first, if it has come.
    pub fn due(&self, now: Instant) -> Option<u32> {
        self.heap
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, who)| *who)
    }

    /// Gives a number its deadline, or takes it away.
    pub fn set(&mut self, who: u32, at: Option<Instant>) {
        let index = who as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, NOWHERE);
        }
        let place = self.places[index] as usize;
        match (self.places[index] != NOWHERE, at) {
            (false, None) => {}
            (false, Some(at)) => {
                self.heap.push((at, who));
                let place = self.heap.len() - 1;
                self.note(place);
                self.settle(place);
            }
            (true, Some(at)) => {
                self.heap[place].0 = at;
                self.settle(place);
            }
            (true, None) => {
                self.places[index] = NOWHERE;
                self.heap.swap_remove(place);
                if place < self.heap.len() {
                    self.note(place);
                    self.settle(place);
                }
            }
        }
    }

    /// Remembers who stands at a place.
    fn note(&mut self, place: usize) {
        let who = self.heap[place].1;
        self.places[who as usize] = u32::try_from(place).unwrap_or(NOWHERE);
    }

    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.heap[place] < self.heap[(place - 1) / 2] {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let smaller = (2 * place + 1..(2 * place + 3).min(self.heap.len())).min_by_key(|c| self.heap[*c]);
            match smaller {
                Some(child) if self.heap[child] < self.heap[place] => {
                    self.swap(place, child);
                    place = child;
                }
                Some(_) | None => return,
            }
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_index_agrees_with_a_sorted_list(
            changes in proptest::collection::vec((0u32..12, proptest::option::of(0u64..40)), 0..200)
        ) {
            let mut index = Deadlines::default();
            let mut model = BTreeMap::new();
            for (who, at) in changes {
                let at = at.map(|nanos| Instant { nanos });
                index.set(who, at);
                match at {
                    Some(at) => model.insert(who, at),
                    None => model.remove(&who),
                };
                prop_assert_eq!(index.first(), model.values().min().copied());
                if let Some(first) = index.first() {
                    prop_assert_eq!(model[&index.due(first).unwrap()], first);
                }
            }
            let mut rest: Vec<_> = model.values().copied().collect();
            rest.sort();
            for at in rest {
                let who = index.due(Instant { nanos: u64::MAX }).unwrap();
                prop_assert_eq!(index.first(), Some(at));
                index.set(who, None);
            }
            prop_assert_eq!(index.first(), None);
        }
    }
}
