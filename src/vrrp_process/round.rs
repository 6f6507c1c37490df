//! Rounds of address writes: what must become true is queued, planned when the kernel is free, and written off the loop.
//!
//! Because a round is planned only when the one before it is done, from what the kernel then has and what the engine
//! then wants, a change of mind in between costs nothing and leaves nothing behind.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use netlink::{Address, Change, Error, Failure, Netlink};
use vrrp::{InstanceId, LinkId, Transition};

/// Instances whose addresses are written in one round. What follows a round (announcements, notifies) waits for all of
/// it, so a round is kept short.
const INSTANCES: usize = 64;

/// What is to be done in order, off the loop.
#[derive(Debug)]
pub(super) enum Step {
    /// Make the kernel agree with what the engine wants for this instance.
    Reconcile(InstanceId),
    /// Announce the addresses of this instance, or this one only, so many times.
    Announce(InstanceId, Option<(LinkId, IpAddr)>, u32),
    /// Tell the scripts.
    Notify(Transition),
}

/// How a round ended.
#[derive(Debug)]
pub(super) struct Written {
    /// The writes that were made; those in `failures` were refused.
    pub(super) changes: Vec<Change>,
    /// What the kernel refused, and why.
    pub(super) failures: Vec<Failure>,
    /// The round broke off: why, and the addresses that are there now, if they could be read.
    pub(super) broken: Option<(Error, Option<Vec<Address>>)>,
    /// The steps that follow it.
    pub(super) after: Vec<Step>,
}

/// The writes of a round; they own the way to the kernel meanwhile.
type Writing = Pin<Box<dyn Future<Output = (Netlink, Written)>>>;

/// The queue of steps, and the writes under way.
pub(super) struct Rounds {
    netlink: Option<Netlink>,
    writing: Option<Writing>,
    queue: VecDeque<Step>,
    /// Addresses that nobody wants any more.
    orphans: Vec<Address>,
}

impl Rounds {
    /// Nothing to do yet.
    pub(super) fn new(netlink: Netlink) -> Self {
        Self {
            netlink: Some(netlink),
            writing: None,
            queue: VecDeque::new(),
            orphans: Vec::new(),
        }
    }

    /// Puts a step at the end of the queue.
    pub(super) fn push(&mut self, step: Step) {
        self.queue.push_back(step);
    }

    /// Has these addresses removed in the next round.
    pub(super) fn remove(&mut self, addresses: Vec<Address>) {
        self.orphans.extend(addresses);
    }

    /// Whether all is done that was asked for.
    pub(super) fn is_idle(&self) -> bool {
        self.writing.is_none() && self.queue.is_empty() && self.orphans.is_empty()
    }

    /// Begins a round if none is under way and there is something to do. `plan` says which writes make the kernel agree
    /// for these instances now.
    pub(super) fn begin(&mut self, plan: impl FnOnce(&BTreeSet<InstanceId>) -> Vec<Change>) {
        if self.is_idle() {
            return;
        }
        let Some(mut netlink) = self.netlink.take() else {
            return;
        };
        let (mut instances, mut after) = (BTreeSet::new(), Vec::new());
        while let Some(step) = self.queue.pop_front() {
            match step {
                Step::Reconcile(instance)
                    if instances.len() == INSTANCES && !instances.contains(&instance) =>
                {
                    self.queue.push_front(step);
                    break;
                }
                Step::Reconcile(instance) => drop(instances.insert(instance)),
                Step::Announce(..) | Step::Notify(_) => after.push(step),
            }
        }
        let mut changes: Vec<Change> = self.orphans.drain(..).map(Change::Delete).collect();
        changes.extend(plan(&instances));
        self.writing = Some(Box::pin(async move {
            let (failures, broken) = match netlink.apply(&changes).await {
                Ok(failures) => (failures, None),
                Err(error) => (Vec::new(), Some((error, netlink.addresses().await.ok()))),
            };
            (
                netlink,
                Written {
                    changes,
                    failures,
                    broken,
                    after,
                },
            )
        }));
    }

    /// Waits for the round under way. Waits for ever when there is none. Safe to drop and call again.
    pub(super) async fn done(&mut self) -> Written {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let (netlink, written) = writing.await;
        self.writing = None;
        self.netlink = Some(netlink);
        written
    }
}
