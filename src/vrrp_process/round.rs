//! Rounds of writes: what must become true is queued, planned when the kernel is free, and written by a thread of its own.
//!
//! Because a round is made up only when the one before it is done, from what the kernel then has and what the engine
//! then wants, a change of mind in between costs nothing and leaves nothing behind.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use netlink::address::Key;
use netlink::{Change, Object, Objects};
use vrrp::{InstanceId, Instant, LinkId, Transition};

use super::QUIET;
use super::writer::{Job, Outcome, Writer};

/// Owners whose objects are written in one round. What follows a round (announcements, notifies) waits for all of it, so
/// a round is kept short.
const OWNERS: usize = 64;

/// How long after a round the monitor may still tell that an address went away which the round took away and put back.
const ECHO: Duration = Duration::from_secs(1);

/// Who owns objects in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Owner {
    /// `static_ipaddress`, `static_routes`, `static_rules`.
    Statics,
    /// An instance, while it is master.
    Instance(InstanceId),
}

/// What is to be done in order, off the loop.
#[derive(Debug)]
pub(super) enum Step {
    /// Make the kernel agree with what is wanted for this owner.
    Reconcile(Owner),
    /// Announce the addresses of this instance, or this one only, so many times.
    Announce(InstanceId, Option<(LinkId, IpAddr)>, u32),
    /// Tell the scripts.
    Notify(Transition),
    /// Look at the interfaces of our own and at the firewall.
    Prepare,
}

/// How a round ended.
#[derive(Debug)]
pub(super) struct Written {
    /// Whose objects were looked at.
    pub(super) owners: BTreeSet<Owner>,
    /// What was written.
    pub(super) outcome: Outcome,
    /// Addresses that the kernel meanwhile said were gone, and which the round had nothing to do with.
    pub(super) taken: Vec<(Owner, netlink::Address)>,
    /// Routes and rules that others meanwhile took away, in words.
    pub(super) routing_taken: Vec<(Owner, String)>,
    /// The steps that follow it.
    pub(super) after: Vec<Step>,
}

/// The queue of steps, and the round under way.
pub(super) struct Rounds {
    writer: Writer,
    queue: VecDeque<Step>,
    /// Objects that nobody wants any more.
    orphans: Objects,
    under_way: Option<UnderWay>,
    /// Addresses that the last rounds took away for a moment, and until when the monitor may say so.
    echoes: HashMap<Key, Instant>,
    /// Addresses that went away as they were expected to, and so must be back.
    pub(super) echoed: Vec<(Owner, netlink::Address)>,
}

struct UnderWay {
    owners: BTreeSet<Owner>,
    after: Vec<Step>,
    /// Addresses of these owners that were there.
    present: HashSet<Key>,
    /// Addresses of these owners of which the kernel said that they are gone.
    gone: Vec<(Owner, netlink::Address)>,
    /// Routes and rules of these owners of which the kernel said that they are gone, in words.
    routing_gone: Vec<(Owner, String)>,
}

impl Rounds {
    /// Nothing to do yet.
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer,
            queue: VecDeque::new(),
            orphans: Objects::default(),
            under_way: None,
            echoes: HashMap::new(),
            echoed: Vec::new(),
        }
    }

    /// The address of the socket that writes.
    pub(super) fn port(&self) -> u32 {
        self.writer.port
    }

    /// Puts a step at the end of the queue.
    pub(super) fn push(&mut self, step: Step) {
        self.queue.push_back(step);
    }

    /// Has these objects removed in the next round, unless they are wanted.
    pub(super) fn remove(&mut self, orphans: Objects) {
        self.orphans.addresses.extend(orphans.addresses);
        self.orphans.routes.extend(orphans.routes);
        self.orphans.rules.extend(orphans.rules);
    }

    /// The kernel says that a route or rule of this owner is gone, not by a write of ours. Answers with it, unless it will
    /// be judged when the round under way is done: addresses take routes with them.
    pub(super) fn routing_gone(&mut self, owner: Owner, what: String) -> Option<String> {
        match &mut self.under_way {
            Some(round) if round.owners.contains(&owner) => {
                round.routing_gone.push((owner, what));
                None
            }
            _ => Some(what),
        }
    }

    /// Whether all is done that was asked for.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.queue.is_empty() && self.orphans == Objects::default()
    }

    /// Begins a round if none is under way and there is something to do. `job` says what is wanted for these owners now,
    /// and what of it is there.
    pub(super) fn begin(&mut self, job: impl FnOnce(&BTreeSet<Owner>, Objects) -> Job) {
        if self.is_idle() || self.under_way.is_some() {
            return;
        }
        let (mut owners, mut after) = (BTreeSet::new(), Vec::new());
        while let Some(step) = self.queue.pop_front() {
            match step {
                Step::Reconcile(owner) if owners.len() == OWNERS && !owners.contains(&owner) => {
                    self.queue.push_front(step);
                    break;
                }
                Step::Reconcile(owner) => drop(owners.insert(owner)),
                Step::Announce(..) | Step::Notify(_) | Step::Prepare => after.push(step),
            }
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(QUIET);
        }
        let job = job(&owners, std::mem::take(&mut self.orphans));
        self.under_way = Some(UnderWay {
            owners,
            after,
            present: job.present.iter().map(netlink::Address::key).collect(),
            gone: Vec::new(),
            routing_gone: Vec::new(),
        });
        self.writer.begin(job);
    }

    /// The kernel says that an address of this owner is gone. True if that is our own doing, as far as is known, or will
    /// be judged when the round under way is done.
    pub(super) fn explains(&mut self, owner: Owner, gone: &netlink::Address, now: Instant) -> bool {
        if self.echoes.remove(&gone.key()).is_some_and(|until| now < until) {
            self.echoed.push((owner, gone.clone()));
            return true;
        }
        match &mut self.under_way {
            Some(round) if round.owners.contains(&owner) => {
                round.gone.push((owner, gone.clone()));
                true
            }
            _ => false,
        }
    }

    /// Waits for the round under way. Waits for ever when there is none. Safe to drop and call again.
    pub(super) async fn done(&mut self, now: impl Fn() -> Instant) -> Written {
        let outcome = self.writer.done().await;
        let Some(round) = self.under_way.take() else {
            return std::future::pending().await;
        };
        let now = now();
        self.echoes.retain(|_, until| now < *until);
        let touched: HashSet<Key> = outcome.changes.iter().filter_map(address_in).collect();
        // A round takes away only what was there, and once; who takes it a second time is another.
        let mut known = HashSet::new();
        let mut taken = round.gone;
        taken.retain(|(_, address)| {
            let key = address.key();
            !(touched.contains(&key) && round.present.contains(&key) && known.insert(key))
        });
        // What was there and was added has been taken away before, by us or by the kernel on our account.
        let back = outcome
            .changes
            .iter()
            .filter(|change| matches!(change, Change::Add(_)));
        for key in back.filter_map(address_in) {
            if round.present.contains(&key) && !known.contains(&key) {
                self.echoes.insert(key, now + ECHO);
            }
        }
        let takes_addresses = outcome
            .changes
            .iter()
            .any(|change| matches!(change, Change::Delete(Object::Address(_))));
        let mut routing_taken = round.routing_gone;
        if takes_addresses {
            for (owner, _) in routing_taken.drain(..) {
                self.queue.push_back(Step::Reconcile(owner));
            }
        }
        Written {
            owners: round.owners,
            outcome,
            taken,
            routing_taken,
            after: round.after,
        }
    }
}

fn address_in(change: &Change) -> Option<Key> {
    match change.object() {
        Object::Address(address) => Some(address.key()),
        Object::Route(_) | Object::Rule(_) => None,
    }
}
