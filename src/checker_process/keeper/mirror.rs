//! What the kernel's table holds, as last read and as written since: our services and those of others.

use std::collections::HashMap;
use std::fmt;

use ipvs::{Change, Destination, DestinationKey, Entry, Service, ServiceKey};

/// The table as it was last known.
#[derive(Default)]
pub(super) struct Mirror(HashMap<ServiceKey, Known>);

struct Known {
    service: Service,
    destinations: HashMap<DestinationKey, Destination>,
}

impl Mirror {
    /// The table as it was read.
    pub(super) fn of(table: Vec<Entry>) -> Self {
        let known = |entry: Entry| Known {
            service: entry.service,
            destinations: by_key(entry.destinations),
        };
        let entries = table.into_iter().map(|entry| (entry.service.key, known(entry)));
        Self(entries.collect())
    }

    /// A service as the plan takes it.
    pub(super) fn entry(&self, key: &ServiceKey) -> Option<Entry> {
        self.0.get(key).map(|known| Entry {
            service: known.service,
            destinations: known.destinations.values().copied().collect(),
        })
    }

    /// Takes in a write that the kernel accepted.
    pub(super) fn note(&mut self, change: &Change) {
        match change {
            Change::AddService(service) => {
                let known = Known {
                    service: *service,
                    destinations: HashMap::new(),
                };
                self.0.insert(service.key, known);
            }
            Change::EditService(service) => {
                if let Some(known) = self.0.get_mut(&service.key) {
                    known.service = *service;
                }
            }
            Change::DeleteService(key) => drop(self.0.remove(key)),
            Change::AddDestination(key, destination) | Change::EditDestination(key, destination) => {
                if let Some(known) = self.0.get_mut(key) {
                    known.destinations.insert(destination.key, *destination);
                }
            }
            Change::DeleteDestination(key, destination) => {
                if let Some(known) = self.0.get_mut(key) {
                    known.destinations.remove(destination);
                }
            }
        }
    }

    /// What has become of a service that was known here. What drains there may be removed.
    pub(super) fn difference(
        &self,
        key: &ServiceKey,
        found: &Self,
        draining: &[DestinationKey],
    ) -> Option<Difference> {
        let before = self.0.get(key)?;
        let of = |kind| Some(Difference { key: *key, kind });
        let Some(now) = found.0.get(key) else {
            return of(Kind::Removed);
        };
        let differing = before
            .destinations
            .iter()
            .filter(|(key, destination)| now.destinations.get(key).is_some_and(|now| now != *destination));
        let removed = before
            .destinations
            .keys()
            .filter(|key| !now.destinations.contains_key(key) && !draining.contains(key));
        let added = now
            .destinations
            .keys()
            .filter(|key| !before.destinations.contains_key(key));
        match (removed.count(), differing.count(), added.count()) {
            _ if before.service != now.service => of(Kind::Changed),
            (0, 0, 0) => None,
            (0, 0, added) => of(Kind::Destinations(added, "added")),
            (0, changed, _) => of(Kind::Destinations(changed, "changed")),
            (removed, ..) => of(Kind::Destinations(removed, "removed")),
        }
    }
}

/// What others did to a service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    key: ServiceKey,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Removed,
    Changed,
    Destinations(usize, &'static str),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match self.kind {
            Kind::Removed => write!(f, "service {key} was removed"),
            Kind::Changed => write!(f, "service {key} was changed"),
            Kind::Destinations(1, what) => write!(f, "a destination of service {key} was {what}"),
            Kind::Destinations(count, what) => {
                write!(f, "{count} destinations of service {key} were {what}")
            }
        }
    }
}

fn by_key(destinations: Vec<Destination>) -> HashMap<DestinationKey, Destination> {
    destinations.into_iter().map(|it| (it.key, it)).collect()
}

#[cfg(test)]
mod tests {
    use ipvs::{Flags, Forwarding, Wanted, plan};

    use super::*;

    fn service() -> Service {
        Service {
            key: ServiceKey::Address {
                address: "192.0.2.1".parse().unwrap(),
                port: 80,
                protocol: 6,
            },
            scheduler: "rr".parse().unwrap(),
            flags: Flags::default(),
            persistence: None,
        }
    }

    fn destination(last: u8, weight: u32) -> Destination {
        Destination {
            key: DestinationKey {
                address: [10, 0, 0, last].into(),
                port: 80,
            },
            forwarding: Forwarding::Masquerade,
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    fn table(destinations: &[Destination]) -> Vec<Entry> {
        vec![Entry {
            service: service(),
            destinations: destinations.to_vec(),
        }]
    }

    #[test]
    fn what_was_written_is_what_is_read_next() {
        let wanted = |destinations: &[Destination]| Wanted {
            service: service(),
            destinations: destinations.to_vec(),
            draining: Vec::new(),
        };
        let key = service().key;
        let mut mirror = Mirror::default();
        for next in [
            &[destination(1, 1), destination(2, 1)][..],
            &[destination(2, 5), destination(3, 1)],
            &[],
        ] {
            let present: Vec<Entry> = mirror.entry(&key).into_iter().collect();
            for change in plan(&[wanted(next)], &present, |_| true) {
                mirror.note(&change);
            }
            assert_eq!(mirror.difference(&key, &Mirror::of(table(next)), &[]), None);
        }
        mirror.note(&Change::DeleteService(key));
        assert!(mirror.entry(&key).is_none());
    }

    #[test]
    fn what_others_did_is_said() {
        let before = Mirror::of(table(&[destination(1, 1), destination(2, 1)]));
        let said = |table: Vec<Entry>| {
            let difference = before.difference(&service().key, &Mirror::of(table), &[]);
            difference.map_or(String::new(), |difference| difference.to_string())
        };
        let mut rescheduled = table(&[destination(1, 1), destination(2, 1)]);
        rescheduled[0].service.scheduler = "wlc".parse().unwrap();
        for (table, words) in [
            (table(&[destination(2, 1), destination(1, 1)]), ""),
            (vec![], "service TCP 192.0.2.1:80 was removed"),
            (rescheduled, "service TCP 192.0.2.1:80 was changed"),
            (
                table(&[]),
                "2 destinations of service TCP 192.0.2.1:80 were removed",
            ),
            (
                table(&[destination(1, 1), destination(2, 7)]),
                "a destination of service TCP 192.0.2.1:80 was changed",
            ),
            (
                table(&[destination(1, 1), destination(2, 1), destination(3, 1)]),
                "a destination of service TCP 192.0.2.1:80 was added",
            ),
        ] {
            assert_eq!(said(table), words);
        }
    }
}
