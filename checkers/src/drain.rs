//! Real servers that a reload removed from a virtual server that stays, and that keep their connections for a while
//! (`drain_timeout`; keepalived removes them at once): they stay in the kernel's table without weight until no connection
//! is left or the time is over.
//!
//! Absent: the counting, which is the shell's. A virtual server that goes, and a stop, take them along at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use clockwork::Instant;
use parser::config::virtual_server::{Protocol, Service as Served};
use parser::config::virtual_server_group::GroupEntry;

use crate::engine::Engine;
use crate::event::{Connections, ServiceId};
use crate::label;
use crate::news::{DrainEnd, Happening, News};
use crate::table::{Draining, Table};
use crate::wanted;

/// The real servers on their way out.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    by_server: BTreeMap<Key, Drain>,
    by_deadline: BTreeSet<(Instant, Key)>,
}

type Key = (ServiceId, Draining);

/// How far one has got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// When it goes, whatever it has.
    pub(crate) until: Instant,
    /// The connections that it was last told to have.
    pub(crate) connections: Option<u32>,
}

impl Drains {
    /// Those of a virtual server.
    pub(crate) fn of(&self, service: ServiceId) -> impl Iterator<Item = (Draining, Drain)> {
        let first = Draining::of(Ipv4Addr::UNSPECIFIED.into(), 0);
        self.by_server
            .range((service, first)..)
            .take_while(move |((of, _), _)| *of == service)
            .map(|((_, server), drain)| (*server, *drain))
    }

    /// When the next one goes.
    pub(crate) fn first_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(until, _)| *until)
    }

    /// Virtual servers that have some.
    pub(crate) fn services(&self) -> Vec<ServiceId> {
        let mut services: Vec<ServiceId> = self.by_server.keys().map(|(service, _)| *service).collect();
        services.dedup();
        services
    }

    pub(crate) fn insert(&mut self, service: ServiceId, server: Draining, until: Instant) {
        self.remove((service, server));
        let drain = Drain {
            until,
            connections: None,
        };
        self.by_server.insert((service, server), drain);
        self.by_deadline.insert((until, (service, server)));
    }

    /// A virtual server goes.
    pub(crate) fn forget(&mut self, service: ServiceId) {
        for server in self.servers_of(service) {
            self.remove((service, server));
        }
    }

    fn servers_of(&self, service: ServiceId) -> Vec<Draining> {
        self.of(service).map(|(server, _)| server).collect()
    }

    fn remove(&mut self, key: Key) -> Option<Drain> {
        let drain = self.by_server.remove(&key)?;
        self.by_deadline.remove(&(drain.until, key));
        Some(drain)
    }

    /// None of a virtual server stays longer than this.
    fn hasten(&mut self, service: ServiceId, latest: Instant) {
        for server in self.servers_of(service) {
            let key = (service, server);
            if let Some(drain) = self.by_server.get_mut(&key).filter(|it| it.until > latest) {
                self.by_deadline.remove(&(drain.until, key));
                self.by_deadline.insert((latest, key));
                drain.until = latest;
            }
        }
    }
}

impl Engine {
    /// A configuration was taken in. What it took out of the table `before` drains from now on, unless it is a real server
    /// still, which failed. What drained before goes on, but no longer than the new `drain_timeout` says, unless it is in
    /// use again.
    pub(crate) fn settle_drains(&mut self, service: ServiceId, before: &Table, now: Instant) {
        let config = self.virtual_of(&self.services[service.0 as usize]);
        let limit = config.drain_timeout;
        let mut leaving: BTreeSet<Draining> = BTreeSet::new();
        if !limit.is_zero() {
            leaving.extend(
                before
                    .destinations
                    .iter()
                    .map(|it| Draining::of(it.address, it.port)),
            );
            for real in &config.real_servers {
                leaving.remove(&Draining::of(real.address, real.port));
            }
        }
        self.drains.hasten(service, now + limit);
        self.end_drains_in_use(service);
        self.on_drain_deadline(now);
        if leaving.is_empty() {
            return;
        }
        for server in leaving.difference(&self.in_use(service)).copied() {
            self.drains.insert(service, server, now + limit);
            self.tell_of_drain(service, server, Happening::Draining { limit });
        }
    }

    /// What drained may have come back.
    pub(crate) fn end_drains_in_use(&mut self, service: ServiceId) {
        let draining = self.drains.servers_of(service);
        if self.settling || draining.is_empty() {
            return;
        }
        let in_use = self.in_use(service);
        for server in draining.into_iter().filter(|server| in_use.contains(server)) {
            self.end_drain((service, server), |_| DrainEnd::InUse);
        }
    }

    /// The kernel was asked what a real server still has; `None`: it is not in the kernel's table.
    pub(crate) fn on_connections(
        &mut self,
        service: ServiceId,
        server: Draining,
        counted: Option<Connections>,
    ) {
        let key = (service, server);
        if !self.drains.by_server.contains_key(&key) {
            return;
        }
        let Some(counted) = counted else {
            return self.end_drain(key, |_| DrainEnd::Gone);
        };
        let connections = self.held_by(service, counted);
        let Some(drain) = self.drains.by_server.get_mut(&key) else {
            return;
        };
        // The first end of a connection is its end to the kernel: what is still under way has until the next count.
        let before = drain.connections.replace(connections);
        if (before, connections) == (Some(0), 0) {
            self.end_drain(key, |_| DrainEnd::Empty);
        }
    }

    /// Those whose time is over.
    pub(crate) fn on_drain_deadline(&mut self, now: Instant) {
        while let Some((_, key)) = self.drains.by_deadline.first().filter(|(until, _)| *until <= now) {
            self.end_drain(*key, |drain| DrainEnd::TimedOut {
                connections: drain.connections,
            });
        }
    }

    fn end_drain(&mut self, key: Key, why: impl Fn(Drain) -> DrainEnd) {
        let Some(drain) = self.drains.remove(key) else {
            return;
        };
        let (service, server) = key;
        self.out.reconcile(service);
        self.tell_of_drain(service, server, Happening::Drained(why(drain)));
    }

    /// The connections that a server is kept for. The kernel tells established connections of TCP and SCTP from those that it
    /// has only yet to forget. Of UDP it does not; what has a firewall mark may be UDP. Persistence templates are none: a
    /// client without a connection may go elsewhere.
    fn held_by(&self, service: ServiceId, counted: Connections) -> u32 {
        let has_states = match &self.virtual_of(&self.services[service.0 as usize]).service {
            Served::Address { protocol, .. } => *protocol != Protocol::Udp,
            Served::Group { group, protocol } => {
                let is_fwmark = |entry: &GroupEntry| matches!(entry, GroupEntry::Fwmark { .. });
                protocol.is_some_and(|it| it != Protocol::Udp) && !group.entries.iter().any(is_fwmark)
            }
            Served::Fwmark(_) => false,
        };
        if has_states {
            counted.active
        } else {
            counted.active.saturating_add(counted.inactive)
        }
    }

    /// The destinations of a virtual server.
    fn in_use(&self, service: ServiceId) -> BTreeSet<Draining> {
        let service = &self.services[service.0 as usize];
        let destinations = wanted::destinations(self, service, self.virtual_of(service));
        let names = destinations.iter().map(|it| Draining::of(it.address, it.port));
        names.collect()
    }

    pub(crate) fn drain_label(&self, service: ServiceId, server: Draining) -> String {
        let config = self.virtual_of(&self.services[service.0 as usize]);
        label::of_address(config, server.address, server.port)
    }

    fn tell_of_drain(&mut self, service: ServiceId, server: Draining, what: Happening) {
        let news = News {
            service: self.service_label(service),
            server: self.drain_label(service, server),
            what,
        };
        self.out.tell(news);
    }
}
