//! From what should be to what to do about it. Pure: nothing here asks the kernel or changes anything.
//!
//! What gives comes before what takes: a service first gets its new destinations and those with weight, then loses the
//! others, so that one that can serve before and after can serve in between.

use std::collections::{HashMap, HashSet};

use crate::change::Change;
use crate::destination::{Destination, DestinationKey};
use crate::service::{Service, ServiceKey};

/// A service as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The service.
    pub service: Service,
    /// Its destinations.
    pub destinations: Vec<Destination>,
}

/// A service as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The service.
    pub service: Service,
    /// Its destinations; of two with the same key the first counts.
    pub destinations: Vec<Destination>,
    /// Destinations on their way out: while they are there they get weight 0 and keep their connections, and they are never
    /// added. One that stands among `destinations` too stays.
    pub draining: Vec<DestinationKey>,
}

/// The fewest writes that make `present` into `wanted`, in the order in which they are to be made.
///
/// A wanted service is ours whoever made it, and so are all its destinations. Of the others those are deleted that
/// `ours` says yes to. Of two wanted services with the same key the first counts. Writes are, service by service in the
/// order of `wanted`:
///
/// 1. the service is added, or edited in place;
/// 2. destinations are added or edited in place, those with weight;
/// 3. then those without weight, drained ones among them;
/// 4. destinations that are not wanted are deleted;
///
/// and after all of that, services that are not wanted are deleted, their destinations with them.
pub fn plan(wanted: &[Wanted], present: &[Entry], ours: impl Fn(&ServiceKey) -> bool) -> Vec<Change> {
    let found_at: HashMap<ServiceKey, &Entry> =
        present.iter().map(|entry| (entry.service.key, entry)).collect();
    let mut wished = HashSet::with_capacity(wanted.len());
    let mut changes = Vec::new();
    for wish in wanted.iter().filter(|wish| wished.insert(wish.service.key)) {
        match found_at.get(&wish.service.key) {
            None => {
                changes.push(Change::AddService(wish.service));
                mend_destinations(wish, &[], &mut changes);
            }
            Some(found) => {
                if found.service != wish.service {
                    changes.push(Change::EditService(wish.service));
                }
                mend_destinations(wish, &found.destinations, &mut changes);
            }
        }
    }
    let others = present.iter().map(|entry| entry.service.key);
    let gone = others.filter(|key| !wished.contains(key) && ours(key));
    changes.extend(gone.map(Change::DeleteService));
    changes
}

fn mend_destinations(wish: &Wanted, present: &[Destination], changes: &mut Vec<Change>) {
    let service = wish.service.key;
    let found_at: HashMap<DestinationKey, &Destination> =
        present.iter().map(|found| (found.key, found)).collect();
    let mut wished = HashSet::with_capacity(wish.destinations.len());
    let mut weightless = Vec::new();
    for destination in wish.destinations.iter().filter(|it| wished.insert(it.key)) {
        let change = match found_at.get(&destination.key) {
            None => Change::AddDestination(service, *destination),
            Some(found) if *found != destination => Change::EditDestination(service, *destination),
            Some(_) => continue,
        };
        if destination.weight > 0 {
            changes.push(change);
        } else {
            weightless.push(change);
        }
    }
    for key in wish.draining.iter().filter(|key| wished.insert(**key)) {
        if let Some(found) = found_at.get(key).filter(|found| found.weight > 0) {
            let drained = Destination { weight: 0, ..**found };
            weightless.push(Change::EditDestination(service, drained));
        }
    }
    changes.append(&mut weightless);
    let gone = present
        .iter()
        .map(|found| found.key)
        .filter(|key| !wished.contains(key));
    changes.extend(gone.map(|key| Change::DeleteDestination(service, key)));
}

#[cfg(test)]
mod tests;
