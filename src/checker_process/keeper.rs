//! The kernel's table, kept as the engine wants it: writes in rounds that the loop does not wait for, and a look from
//! time to time at what others made of it.
//!
//! A round is planned only when the one before it is done, from what the kernel then has and what the engine then wants.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use checkers::ServiceId;
use ipvs::{Change, Entry, Error, Failure, Ipvs, OpenError, ServiceKey, Timeouts, Wanted, plan};
use tracing::{debug, error, info, warn};

/// How soon what others removed is missed.
const LOOK: Duration = Duration::from_millis(500);

/// The table is looked at seldom enough to spend at most one part of so many of the time on it.
const SHARE: u32 = 20;

/// How soon a kernel without IPVS is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How soon a refused write is tried again, at first and at last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(1);

/// What has become of the kernel's table.
pub(super) struct Keeper {
    hand: Hand,
    queue: BTreeSet<ServiceId>,
    flush: bool,
    /// What the kernel has, as last read and as written since: our services and those of others.
    present: HashMap<ServiceKey, Entry>,
    /// The services that were written for each virtual server.
    written: BTreeMap<ServiceId, Vec<ServiceKey>>,
    /// Services that a predecessor wrote.
    inherited: BTreeSet<ServiceKey>,
    /// When to look next at what is there.
    look_at: Instant,
    /// When to try again what was refused.
    retry_at: Option<Instant>,
    retry_delay: Duration,
    /// Services and destinations that others removed or changed, and that were put back.
    pub(super) put_back: u64,
}

/// The way to the kernel.
enum Hand {
    /// There is none: when to try again.
    Missing(Instant),
    /// At rest.
    Free(Box<Ipvs>),
    /// At work; it comes back with the result.
    Busy(Pin<Box<dyn Future<Output = (Box<Ipvs>, Done)>>>),
}

/// What a round came to.
pub(super) enum Done {
    Written {
        changes: Vec<Change>,
        result: Result<Vec<Failure>, Error>,
    },
    Flushed(Result<(), Error>),
    Read {
        table: Result<Vec<Entry>, Error>,
        took: Duration,
    },
}

impl Keeper {
    /// A keeper that goes on where a predecessor was, which had written the services of `inherited`. A kernel without
    /// IPVS is said in the log, and asked again from time to time.
    pub(super) async fn open(inherited: BTreeSet<ServiceKey>) -> Self {
        let now = Instant::now();
        let mut keeper = Self {
            hand: Hand::Missing(now),
            queue: BTreeSet::new(),
            flush: false,
            present: HashMap::new(),
            written: BTreeMap::new(),
            inherited,
            look_at: now,
            retry_at: None,
            retry_delay: FIRST_RETRY,
            put_back: 0,
        };
        keeper.reach(true).await;
        keeper
    }

    /// Whether the kernel has IPVS.
    pub(super) fn has_ipvs(&self) -> bool {
        !matches!(self.hand, Hand::Missing(_))
    }

    /// The kernel's way, while nothing is under way on it.
    pub(super) fn ipvs(&mut self) -> Option<&mut Ipvs> {
        match &mut self.hand {
            Hand::Free(ipvs) => Some(ipvs),
            Hand::Missing(_) | Hand::Busy(_) => None,
        }
    }

    /// Makes the kernel agree with what is wanted for this virtual server, in the next round.
    pub(super) fn reconcile(&mut self, service: ServiceId) {
        self.queue.insert(service);
    }

    /// Empties the table before anything else.
    pub(super) fn flush(&mut self) {
        self.flush = true;
    }

    /// Whether all is done that was asked for, or cannot be done.
    pub(super) fn is_idle(&self) -> bool {
        match self.hand {
            Hand::Missing(_) => true,
            Hand::Free(_) => self.queue.is_empty() && !self.flush && self.inherited.is_empty(),
            Hand::Busy(_) => false,
        }
    }

    /// The services that are ours.
    pub(super) fn ours(&self) -> impl Iterator<Item = &ServiceKey> {
        self.written.values().flatten().chain(&self.inherited)
    }

    /// When [`Keeper::begin`] has something to do although nothing was asked for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.hand {
            Hand::Missing(again) => Some(again),
            Hand::Free(_) => Some(self.retry_at.map_or(self.look_at, |at| at.min(self.look_at))),
            Hand::Busy(_) => None,
        }
    }

    /// Begins a round if none is under way and there is something to do. `wanted` says what a virtual server should
    /// have now.
    pub(super) async fn begin(&mut self, wanted: impl Fn(ServiceId) -> Vec<Wanted>, now: Instant) {
        if matches!(self.hand, Hand::Missing(again) if again <= now) {
            self.reach(false).await;
        }
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.queue.extend(self.written.keys());
        }
        let Hand::Free(mut ipvs) = std::mem::replace(&mut self.hand, Hand::Missing(now)) else {
            return;
        };
        self.hand = if std::mem::take(&mut self.flush) {
            Hand::Busy(Box::pin(async move {
                let result = ipvs.flush().await;
                (ipvs, Done::Flushed(result))
            }))
        } else if !self.queue.is_empty() || !self.inherited.is_empty() {
            let changes = self.plan(wanted);
            if changes.is_empty() {
                Hand::Free(ipvs)
            } else {
                Hand::Busy(Box::pin(async move {
                    let result = ipvs.apply(&changes).await;
                    (ipvs, Done::Written { changes, result })
                }))
            }
        } else if self.look_at <= now {
            Hand::Busy(Box::pin(async move {
                let start = Instant::now();
                let table = ipvs.table().await;
                let took = start.elapsed();
                (ipvs, Done::Read { table, took })
            }))
        } else {
            Hand::Free(ipvs)
        };
    }

    /// Waits for the round under way. Waits for ever when there is none. Safe to drop and call again.
    pub(super) async fn done(&mut self) -> Done {
        let Hand::Busy(round) = &mut self.hand else {
            return std::future::pending().await;
        };
        let (ipvs, done) = round.await;
        self.hand = Hand::Free(ipvs);
        done
    }

    /// Takes in what a round came to, and says what the log should know.
    pub(super) fn finish(&mut self, done: Done, now: Instant) {
        match done {
            Done::Written { changes, result: Ok(failures) } => self.take_written(&changes, &failures, now),
            Done::Written { result: Err(reason), .. } => self.broke_off(&reason, now),
            Done::Flushed(Ok(())) => {
                self.present.clear();
                self.queue.extend(self.written.keys());
            }
            Done::Flushed(Err(reason)) => self.broke_off(&reason, now),
            Done::Read { table: Ok(table), took } => {
                self.look_at = now + LOOK.max(took * SHARE);
                self.compare(table);
            }
            Done::Read { table: Err(reason), .. } => self.broke_off(&reason, now),
        }
    }

    /// Reaches for the kernel's IPVS, and reads what it has.
    async fn reach(&mut self, first: bool) {
        let opened = match Ipvs::open().await {
            Ok(mut ipvs) => ipvs.table().await.map(|table| (ipvs, table)).map_err(OpenError::Ask),
            Err(reason) => Err(reason),
        };
        match opened {
            Ok((ipvs, table)) => {
                if !first {
                    info!("IPVS is there now");
                }
                self.present = by_key(table);
                self.queue.extend(self.written.keys());
                self.hand = Hand::Free(Box::new(ipvs));
            }
            Err(reason) => {
                if first {
                    error!("IPVS: Can't initialize ipvs: {reason}; the checks run, but nothing is balanced until it is there");
                }
                self.hand = Hand::Missing(Instant::now() + ASK_AGAIN);
            }
        }
    }

    /// The writes for all virtual servers in the queue.
    fn plan(&mut self, wanted: impl Fn(ServiceId) -> Vec<Wanted>) -> Vec<Change> {
        let mut wishes = Vec::new();
        let mut touched = std::mem::take(&mut self.inherited);
        for service in std::mem::take(&mut self.queue) {
            let of_service = wanted(service);
            let keys: Vec<ServiceKey> = of_service.iter().map(|wanted| wanted.service.key).collect();
            touched.extend(&keys);
            let before = if keys.is_empty() {
                self.written.remove(&service)
            } else {
                self.written.insert(service, keys)
            };
            touched.extend(before.into_iter().flatten());
            wishes.extend(of_service);
        }
        let still: BTreeSet<&ServiceKey> = self.written.values().flatten().collect();
        let wished: BTreeSet<ServiceKey> = wishes.iter().map(|wanted| wanted.service.key).collect();
        // What another virtual server of ours has is not touched for this one's sake.
        let present: Vec<Entry> = touched
            .iter()
            .filter(|key| wished.contains(*key) || !still.contains(key))
            .filter_map(|key| self.present.get(key).cloned())
            .collect();
        plan(&wishes, &present, |_| true)
    }

    fn take_written(&mut self, changes: &[Change], failures: &[Failure], now: Instant) {
        let refused: Vec<&Change> = failures.iter().map(|failure| &failure.change).collect();
        for change in changes.iter().filter(|change| !refused.contains(change)) {
            note(&mut self.present, change);
        }
        for failure in failures {
            if failure.is_done() {
                warn!("IPVS: {} was not needed: {}", failure.change, failure.error);
            } else {
                error!("IPVS: unable to {}: {}", failure.change, failure.error);
            }
        }
        if failures.is_empty() {
            self.retry_delay = FIRST_RETRY;
        } else {
            // What is there is not what was thought.
            self.look_at = now;
            self.try_again(now);
        }
    }

    fn broke_off(&mut self, reason: &Error, now: Instant) {
        error!("IPVS: {reason}; reading the table anew");
        self.hand = Hand::Missing(now + self.retry_delay);
        self.retry_delay = (2 * self.retry_delay).min(LAST_RETRY);
    }

    fn try_again(&mut self, now: Instant) {
        self.retry_at = Some(now + self.retry_delay);
        self.retry_delay = (2 * self.retry_delay).min(LAST_RETRY);
    }

    /// Notes what the kernel has, and puts virtual servers back that it has no longer as they were written.
    fn compare(&mut self, table: Vec<Entry>) {
        let found = by_key(table);
        for (service, keys) in &self.written {
            let differing = keys.iter().filter(|key| !same(self.present.get(*key), found.get(*key)));
            let missing: Vec<String> = differing.map(|key| difference(*key, self.present.get(key), found.get(key))).collect();
            if missing.is_empty() {
                continue;
            }
            self.put_back += 1;
            for missing in missing {
                info!("IPVS: {missing} by another program, putting it back");
            }
            self.queue.insert(*service);
        }
        self.present = found;
        debug!("IPVS: {} services are in the table", self.present.len());
    }
}

fn by_key(table: Vec<Entry>) -> HashMap<ServiceKey, Entry> {
    table.into_iter().map(|entry| (entry.service.key, entry)).collect()
}

/// Whether two readings are the same, in whatever order the kernel lists destinations.
fn same(before: Option<&Entry>, now: Option<&Entry>) -> bool {
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => {
            before.service == now.service
                && before.destinations.len() == now.destinations.len()
                && {
                    let known: HashMap<_, _> = now.destinations.iter().map(|it| (it.key, it)).collect();
                    before.destinations.iter().all(|it| known.get(&it.key) == Some(&it))
                }
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn difference(key: ServiceKey, before: Option<&Entry>, now: Option<&Entry>) -> String {
    match (before, now) {
        (Some(_), None) => format!("service {key} was removed"),
        (Some(before), Some(now)) => {
            let gone = before
                .destinations
                .iter()
                .filter(|it| !now.destinations.iter().any(|found| found.key == it.key))
                .count();
            match gone {
                0 => format!("service {key} was changed"),
                1 => format!("a destination of service {key} was removed"),
                gone => format!("{gone} destinations of service {key} were removed"),
            }
        }
        (None, _) => format!("service {key} was changed"),
    }
}

/// Takes a write that the kernel accepted into what it has.
fn note(present: &mut HashMap<ServiceKey, Entry>, change: &Change) {
    match change {
        Change::AddService(service) => {
            let entry = Entry {
                service: *service,
                destinations: Vec::new(),
            };
            present.insert(service.key, entry);
        }
        Change::EditService(service) => {
            if let Some(entry) = present.get_mut(&service.key) {
                entry.service = *service;
            }
        }
        Change::DeleteService(key) => drop(present.remove(key)),
        Change::AddDestination(key, destination) => {
            if let Some(entry) = present.get_mut(key) {
                entry.destinations.push(*destination);
            }
        }
        Change::EditDestination(key, destination) => {
            let entry = present.get_mut(key);
            let known = entry.and_then(|entry| entry.destinations.iter_mut().find(|known| known.key == destination.key));
            if let Some(known) = known {
                *known = *destination;
            }
        }
        Change::DeleteDestination(key, destination) => {
            if let Some(entry) = present.get_mut(key) {
                entry.destinations.retain(|known| known.key != *destination);
            }
        }
    }
}
