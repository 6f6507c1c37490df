//! What drains, and when to ask the kernel again what connections it has.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use checkers::{Connections, Instant};
use ipvs::{DestinationKey, DestinationStatistics, Error, Ipvs, ServiceKey, Wanted};

/// How soon it is missed that the last connection has gone.
const PAUSE: Duration = Duration::from_secs(1);

/// Counting takes at most one part of so many of the time.
const SHARE: u32 = 10;

/// The connections of the destinations of each service that was asked.
pub(in super::super) type Counts = HashMap<ServiceKey, HashMap<DestinationKey, Connections>>;

/// The destinations that drain, as they were last planned.
pub(super) struct Drains {
    of: BTreeMap<ServiceKey, Vec<DestinationKey>>,
    count_at: Instant,
}

impl Drains {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            of: BTreeMap::new(),
            count_at: now,
        }
    }

    /// What is planned for a service.
    pub(super) fn learn(&mut self, wanted: &Wanted, now: Instant) {
        if wanted.draining.is_empty() {
            self.forget(&wanted.service.key);
            return;
        }
        if self.of.is_empty() {
            self.count_at = now + PAUSE;
        }
        self.of.insert(wanted.service.key, wanted.draining.clone());
    }

    /// A service that is not ours any more.
    pub(super) fn forget(&mut self, service: &ServiceKey) {
        self.of.remove(service);
    }

    /// Those of a service.
    pub(super) fn of(&self, service: &ServiceKey) -> &[DestinationKey] {
        self.of.get(service).map_or(&[], Vec::as_slice)
    }

    /// When to count next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.of.is_empty()).then_some(self.count_at)
    }

    /// The services to ask, when it is time.
    pub(super) fn due(&self, now: Instant) -> Option<Vec<ServiceKey>> {
        self.deadline()
            .filter(|at| *at <= now)
            .map(|_| self.of.keys().copied().collect())
    }

    /// Counting took so long.
    pub(super) fn counted(&mut self, took: Duration, now: Instant) {
        self.count_at = now + PAUSE.max(took * SHARE);
    }
}

/// Asks the kernel.
pub(super) async fn count(ipvs: &mut Ipvs, services: &[ServiceKey]) -> Result<Counts, Error> {
    let of = |counted: DestinationStatistics| {
        let connections = Connections {
            active: counted.active_connections,
            inactive: counted.inactive_connections,
        };
        (counted.key, connections)
    };
    let mut counts = Counts::with_capacity(services.len());
    for service in services {
        let counted = ipvs.destination_statistics(service).await?;
        counts.insert(*service, counted.into_iter().map(of).collect());
    }
    Ok(counts)
}
