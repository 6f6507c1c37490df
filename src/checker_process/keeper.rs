//! The kernel's table, kept as the engine wants it: rounds of writes that the loop does not wait for, and a look from
//! time to time at what others made of it.
//!
//! A round is planned only when the one before it is done, from what the kernel then has and what the engine then wants.
//! A write that the kernel refuses is tried again, later and later. Without IPVS in the kernel everything waits for it.

mod draining;
mod mirror;

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use checkers::{Instant, ServiceId};
use ipvs::{Change, Entry, Error, Failure, Glance, Ipvs, Listing, OpenError, ServiceKey, Wanted, plan};
use netlink::{Pace, ReceiveBuffer};
use tracing::{error, info, warn};

use super::service_wide::{Originals, ServiceWide, Wish};
use crate::net_place::NetPlace;
use crate::timer::now;
pub(super) use draining::Counts;
use draining::Drains;
use mirror::Mirror;

/// How soon what others changed is missed.
const LOOK: Duration = Duration::from_millis(300);

/// How soon what a glance does not show is missed.
const READ: Duration = Duration::from_secs(30);

/// Looking takes at most one part of so many of the time: a large table is looked at less often.
const SHARE: u32 = 10;

/// How soon a kernel without IPVS is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How soon a refused write is tried again, at first and at last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(1);

/// Lines in the log about one look; what is more is counted.
const LINES: usize = 10;

/// Nothing here is as urgent as an advert: what the kernel takes long for is written in larger pieces than elsewhere, since
/// each turn of the loop in between costs more than a destination.
const PACE: Pace = Pace {
    most: 200,
    slice: Duration::from_millis(20),
};

/// What has become of the kernel's table.
pub(super) struct Keeper {
    /// Where the table is.
    place: NetPlace,
    /// Of the socket that asks the kernel.
    buffer: ReceiveBuffer,
    hand: Hand,
    /// Virtual servers that the kernel is to agree with.
    queue: BTreeSet<ServiceId>,
    flush: bool,
    service_wide: ServiceWide,
    /// What is set beside the table is to be brought about.
    service_wide_due: bool,
    mirror: Mirror,
    drains: Drains,
    /// The services that were written for each virtual server.
    written: BTreeMap<ServiceId, Vec<ServiceKey>>,
    /// Services that a predecessor wrote.
    inherited: BTreeSet<ServiceKey>,
    listing: Option<Listing>,
    glance: Option<Glance>,
    /// When to look next at what is there.
    look_at: Instant,
    /// When to read all of it, whatever it looks like.
    read_at: Instant,
    /// When to try again what was refused.
    retry_at: Option<Instant>,
    retry_delay: Duration,
    /// That the kernel has no IPVS was said in the log.
    is_missing: bool,
    /// Rounds of writes that have begun.
    begun: u64,
    /// The last of them is under way.
    is_writing: bool,
    /// Services that others removed or changed, and that were put back.
    put_back: u64,
}

/// The way to the kernel.
enum Hand {
    /// There is none: when to try again.
    Missing(Instant),
    /// At rest.
    Free(Box<Ipvs>),
    /// At work; it comes back with the result.
    Busy(Pin<Box<dyn Future<Output = Done>>>),
}

/// What a round came to.
pub(super) enum Done {
    Reached(Result<(Box<Ipvs>, Vec<Entry>), OpenError>),
    Flushed(Box<Ipvs>, Result<(), Error>),
    SetServiceWide(Box<Ipvs>, Originals, bool),
    Written(Box<Ipvs>, Vec<Change>, Result<Vec<Failure>, Error>),
    Counted(Box<Ipvs>, Result<Counts, Error>, Duration),
    Read(Box<Ipvs>, Result<Vec<Entry>, Error>, Duration),
}

impl Keeper {
    /// A keeper that goes on where a predecessor was, which had written the services of `inherited` and had found
    /// `originals`.
    pub(super) fn new(
        place: NetPlace,
        buffer: ReceiveBuffer,
        inherited: BTreeSet<ServiceKey>,
        originals: Originals,
    ) -> Self {
        let now = now();
        Self {
            place,
            buffer,
            hand: Hand::Missing(now),
            queue: BTreeSet::new(),
            flush: false,
            service_wide: ServiceWide {
                wanted: Wish::default(),
                originals,
            },
            service_wide_due: true,
            mirror: Mirror::default(),
            drains: Drains::new(now),
            written: BTreeMap::new(),
            inherited,
            listing: None,
            glance: None,
            look_at: now,
            read_at: now,
            retry_at: None,
            retry_delay: FIRST_RETRY,
            is_missing: false,
            begun: 0,
            is_writing: false,
            put_back: 0,
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

    /// What is to be set beside the table, from the next round on.
    pub(super) fn set_service_wide(&mut self, wanted: Wish) {
        self.service_wide.wanted = wanted;
        self.service_wide_due = true;
    }

    /// What was there before we set what is beside the table.
    pub(super) fn originals(&self) -> &Originals {
        &self.service_wide.originals
    }

    /// Whether all is done that was asked for, or cannot be done.
    pub(super) fn is_idle(&self) -> bool {
        match self.hand {
            Hand::Missing(_) => true,
            Hand::Free(_) => !self.flush && !self.service_wide_due && !self.has_writes(),
            Hand::Busy(_) => false,
        }
    }

    /// Stands for the writes that have been asked for up to now.
    pub(super) fn ticket(&self) -> u64 {
        self.begun + u64::from(self.has_writes())
    }

    /// Whether the writes that a ticket stands for are done, or cannot be done now.
    pub(super) fn has_done(&self, ticket: u64) -> bool {
        match self.hand {
            Hand::Missing(_) => true,
            Hand::Free(_) | Hand::Busy(_) => ticket + u64::from(self.is_writing) <= self.begun,
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
            Hand::Free(_) => {
                let others = self.retry_at.into_iter().chain(self.drains.deadline());
                Some(others.fold(self.look_at, Instant::min))
            }
            Hand::Busy(_) => None,
        }
    }

    /// Begins a round if none is under way and there is something to do. `wanted` says what a virtual server should
    /// have now.
    pub(super) fn begin(&mut self, wanted: impl Fn(ServiceId) -> Vec<Wanted>, now: Instant) {
        self.hand = match std::mem::replace(&mut self.hand, Hand::Missing(now)) {
            Hand::Missing(again) if again <= now => {
                Hand::Busy(Box::pin(reach(self.place.clone(), self.buffer)))
            }
            Hand::Free(ipvs) => self.begin_with(ipvs, wanted, now),
            waiting => waiting,
        };
    }

    /// Waits for the round under way. Waits for ever when there is none. Safe to drop and call again.
    pub(super) async fn done(&mut self) -> Done {
        match &mut self.hand {
            Hand::Busy(round) => round.await,
            Hand::Missing(_) | Hand::Free(_) => pending().await,
        }
    }

    /// Takes in what a round came to, and says what the log should know. Answers with what was counted of services with
    /// something that drains.
    pub(super) fn finish(&mut self, done: Done, now: Instant) -> Counts {
        self.is_writing = false;
        let mut counts = Counts::new();
        let (ipvs, result) = match done {
            Done::Reached(Ok((ipvs, table))) => {
                self.reached(ipvs, table, now);
                return counts;
            }
            Done::Reached(Err(reason)) => {
                self.not_reached(&reason, now);
                return counts;
            }
            Done::Flushed(ipvs, result) => {
                self.mirror = Mirror::default();
                self.queue.extend(self.written.keys());
                (ipvs, result)
            }
            Done::SetServiceWide(ipvs, originals, is_done) => {
                self.service_wide.originals = originals;
                if !is_done {
                    self.retry_at = Some(self.after_delay(now));
                }
                (ipvs, Ok(()))
            }
            Done::Written(ipvs, changes, result) => (
                ipvs,
                result.map(|failures| self.take_written(&changes, &failures, now)),
            ),
            Done::Counted(ipvs, counted, took) => {
                self.drains.counted(took, now);
                (ipvs, counted.map(|counted| counts = counted))
            }
            Done::Read(ipvs, table, took) => {
                let pause = LOOK.max(took * SHARE);
                (self.look_at, self.read_at) = (now + pause, now + READ.max(pause));
                (ipvs, table.map(|table| self.compare(table)))
            }
        };
        match result {
            Ok(()) => self.hand = Hand::Free(ipvs),
            Err(reason) => {
                error!("IPVS: {reason}; reading the table anew");
                self.hand = Hand::Missing(self.after_delay(now));
            }
        }
        counts
    }

    fn has_writes(&self) -> bool {
        !self.queue.is_empty() || !self.inherited.is_empty()
    }

    fn begin_with(
        &mut self,
        mut ipvs: Box<Ipvs>,
        wanted: impl Fn(ServiceId) -> Vec<Wanted>,
        now: Instant,
    ) -> Hand {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.queue.extend(self.written.keys());
            self.service_wide_due = true;
        }
        if std::mem::take(&mut self.flush) {
            return Hand::Busy(Box::pin(async move {
                let result = ipvs.flush().await;
                Done::Flushed(ipvs, result)
            }));
        }
        if std::mem::take(&mut self.service_wide_due) {
            let mut service_wide = self.service_wide.clone();
            return Hand::Busy(Box::pin(async move {
                let is_done = service_wide.bring_about(&mut ipvs).await;
                Done::SetServiceWide(ipvs, service_wide.originals, is_done)
            }));
        }
        if self.has_writes() {
            let changes = self.plan(wanted, now);
            self.begun += 1;
            if !changes.is_empty() {
                self.is_writing = true;
                return Hand::Busy(Box::pin(async move {
                    let result = ipvs.apply(&changes).await;
                    Done::Written(ipvs, changes, result)
                }));
            }
        }
        if let Some(services) = self.drains.due(now) {
            return Hand::Busy(Box::pin(async move {
                let start = crate::timer::now();
                let counted = draining::count(&mut ipvs, &services).await;
                let took = crate::timer::now() - start;
                Done::Counted(ipvs, counted, took)
            }));
        }
        if self.look_at <= now && self.looks_different(now) {
            return Hand::Busy(Box::pin(async move {
                let start = crate::timer::now();
                let table = ipvs.table().await;
                let took = crate::timer::now() - start;
                Done::Read(ipvs, table, took)
            }));
        }
        Hand::Free(ipvs)
    }

    /// A glance at the table: whether it may be another one than was read last.
    fn looks_different(&mut self, now: Instant) -> bool {
        if self.listing.is_none() {
            self.listing = self.place.run(Listing::open).ok().and_then(Result::ok);
        }
        let glance = self.listing.as_mut().and_then(|listing| listing.glance().ok());
        if glance.is_none() {
            self.listing = None;
        }
        let took = crate::timer::now() - now;
        self.look_at = now + LOOK.max(took * SHARE);
        let differs = glance.is_none() || glance != self.glance;
        self.glance = glance;
        differs || self.read_at <= now
    }

    fn reached(&mut self, ipvs: Box<Ipvs>, table: Vec<Entry>, now: Instant) {
        if std::mem::take(&mut self.is_missing) {
            info!("IPVS: the kernel has it now");
        }
        self.mirror = Mirror::of(table);
        self.queue.extend(self.written.keys());
        (self.look_at, self.read_at) = (now + LOOK, now + READ);
        self.hand = Hand::Free(ipvs);
    }

    fn not_reached(&mut self, reason: &OpenError, now: Instant) {
        if !std::mem::replace(&mut self.is_missing, true) {
            error!(
                "IPVS: Can't initialize ipvs: {reason}. Checks run and are told of, but no packet is balanced until the \
                 kernel has IPVS; asking it again every {} s",
                ASK_AGAIN.as_secs()
            );
        }
        self.hand = Hand::Missing(now + ASK_AGAIN);
    }

    /// The writes for all virtual servers in the queue.
    fn plan(&mut self, wanted: impl Fn(ServiceId) -> Vec<Wanted>, now: Instant) -> Vec<Change> {
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
            for key in before.into_iter().flatten() {
                self.drains.forget(&key);
                touched.insert(key);
            }
            for wish in &of_service {
                self.drains.learn(wish, now);
            }
            wishes.extend(of_service);
        }
        let desired: BTreeSet<ServiceKey> = wishes.iter().map(|wanted| wanted.service.key).collect();
        let kept: BTreeSet<&ServiceKey> = self.written.values().flatten().collect();
        // What another virtual server of ours has is not touched for this one's sake.
        let present: Vec<Entry> = touched
            .iter()
            .filter(|key| desired.contains(*key) || !kept.contains(key))
            .filter_map(|key| self.mirror.entry(key))
            .collect();
        plan(&wishes, &present, |_| true)
    }

    fn take_written(&mut self, changes: &[Change], failures: &[Failure], now: Instant) {
        let mut refused = failures.iter().peekable();
        for change in changes {
            // Failures come in the order of the changes.
            if refused.next_if(|failure| failure.change == *change).is_none() {
                self.mirror.note(change);
            }
        }
        for failure in failures {
            if failure.is_done() {
                warn!("IPVS: no need to {}: {}", failure.change, failure.error);
            } else {
                error!("IPVS: unable to {}: {}", failure.change, failure.error);
            }
        }
        if failures.is_empty() {
            self.retry_delay = FIRST_RETRY;
        } else {
            // What is there is not what was thought.
            self.glance = None;
            self.look_at = now;
            self.retry_at = Some(self.after_delay(now));
        }
    }

    /// When to try again, each time later.
    fn after_delay(&mut self, now: Instant) -> Instant {
        let at = now + self.retry_delay;
        self.retry_delay = (2 * self.retry_delay).min(LAST_RETRY);
        at
    }

    /// Notes what the kernel has, and puts virtual servers back that others removed or changed.
    fn compare(&mut self, table: Vec<Entry>) {
        let found = Mirror::of(table);
        let mut lines = 0;
        for (service, keys) in &self.written {
            let differences = keys
                .iter()
                .filter_map(|key| self.mirror.difference(key, &found, self.drains.of(key)));
            for difference in differences {
                self.queue.insert(*service);
                self.put_back += 1;
                lines += 1;
                if lines <= LINES {
                    warn!("IPVS: {difference} by another program, putting it back");
                }
            }
        }
        if lines > 0 {
            info!(
                "IPVS: {lines} services were changed by another program, {} so far",
                self.put_back
            );
        }
        self.mirror = found;
    }
}

/// Reaches for the kernel's IPVS, and reads what it has.
async fn reach(place: NetPlace, buffer: ReceiveBuffer) -> Done {
    let reached = async {
        let socket = place.run(move || Ipvs::socket(buffer));
        let socket = socket.map_err(netlink::OpenError::from)??;
        let mut ipvs = Box::new(Ipvs::attach(socket).await?);
        ipvs.socket.pace = PACE;
        let table = ipvs.table().await?;
        Ok((ipvs, table))
    };
    Done::Reached(reached.await)
}
