//! A configuration taken in: at the start, and again on every reload. What is the same goes on untouched; what changed
//! adapts where it stands; what is gone leaves the table, at once or when it is drained (`drain.rs`).

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use clockwork::Instant;
use parser::Config;
use parser::config::checker::Probe;
use parser::config::virtual_server::Service as Served;
use parser::config::{self, VirtualServer};

use crate::checker::{Checker, Phase};
use crate::engine::Engine;
use crate::event::{CheckerId, ServerId, ServiceId};
use crate::label;
use crate::marks::Marks;
use crate::news::Happening;
use crate::service::{Server, Service};
use crate::snapshot::{SavedChecker, SavedService, Snapshot};
use crate::table::Table;
use crate::wanted;

/// What is at hand while a configuration is taken in.
#[derive(Default)]
pub(crate) struct Intake {
    /// Numbers of what an earlier reload removed.
    services: Vec<ServiceId>,
    servers: Vec<ServerId>,
    checkers: Vec<CheckerId>,
    /// Those that are to begin when all is there.
    fresh: Vec<CheckerId>,
}

impl Engine {
    /// A new configuration: what is unchanged keeps its state, its conversations and its entries in the kernel; what is
    /// gone leaves the table, with `drain_timeout` a real server when it is drained. Names ([`ServiceId`] and its kin) stay
    /// with what they name.
    ///
    /// A virtual server is the same if it has the same address, port and protocol, the same mark, or the same group and
    /// place among those of the group; a real server by address and port; a checker if it asks the same in the same way.
    pub fn reload(&mut self, config: Arc<Config>, now: Instant) {
        if self.is_stopped() {
            return;
        }
        let mut intake = self.vacant();
        let mut old: BTreeMap<String, VecDeque<ServiceId>> = BTreeMap::new();
        let mut tables: BTreeMap<ServiceId, Table> = BTreeMap::new();
        for id in self.order.clone() {
            old.entry(self.service_label(id)).or_default().push_back(id);
            tables.insert(id, self.table(id));
        }
        let marks = Marks::of(&config, &self.marks);
        let labels = labels(&config);
        let kept: Vec<Option<ServiceId>> = labels
            .iter()
            .map(|(label, _)| old.get_mut(label).and_then(VecDeque::pop_front))
            .collect();
        for id in old.into_values().flatten() {
            self.remove_service(id);
        }
        let places: Vec<(usize, ServiceId)> = (0..)
            .zip(&kept)
            .filter_map(|(at, kept)| Some((at, (*kept)?)))
            .collect();
        // While the places of virtual servers still point into the old configuration.
        let mut plans = VecDeque::new();
        for (at, id) in places {
            plans.push_back(self.compare(id, &config.virtual_servers[at]));
        }
        self.config = config;
        self.settling = true;
        self.marks = marks;
        self.compile();
        self.order.clear();
        for (at, ((_, place_in_group), kept)) in (0..).zip(labels.iter().zip(kept)) {
            match kept.and_then(|id| Some((id, plans.pop_front()?))) {
                Some((id, plan)) => self.adapt(id, at, *place_in_group, plan, &mut intake, now),
                None => self.add_service(at, *place_in_group, None, &mut intake),
            }
        }
        self.settling = false;
        for id in intake.fresh {
            self.start(id, now);
        }
        for id in self.order.clone() {
            let Some(before) = tables.get(&id) else { continue };
            self.settle_drains(id, before, now);
            if *before != self.table(id) {
                self.out.reconcile(id);
            }
        }
    }

    /// Every virtual server at the start.
    pub(crate) fn add_services(&mut self, snapshot: &mut Snapshot, now: Instant) {
        let config = Arc::clone(&self.config);
        let mut intake = Intake::default();
        self.settling = true;
        for (at, (label, place_in_group)) in (0..).zip(labels(&config)) {
            let saved = snapshot.take(&label);
            self.add_service(at, place_in_group, saved.as_ref(), &mut intake);
        }
        self.settling = false;
        for id in self.order.clone() {
            self.settle_drains(id, &Table::default(), now);
        }
        for id in intake.fresh {
            self.start(id, now);
        }
    }

    fn add_service(
        &mut self,
        at: u32,
        place_in_group: u32,
        saved: Option<&SavedService>,
        intake: &mut Intake,
    ) {
        let id = intake
            .services
            .pop()
            .unwrap_or(ServiceId(u32::try_from(self.services.len()).unwrap_or(u32::MAX)));
        let config = Arc::clone(&self.config);
        let config = &config.virtual_servers[at as usize];
        let suspended = config.ha_suspend && self.is_suspended(&config.service);
        put(
            &mut self.services,
            id.0,
            Service {
                id,
                at,
                present: true,
                place_in_group,
                servers: Vec::with_capacity(config.real_servers.len()),
                quorum_up: false,
                suspended,
            },
        );
        self.order.push(id);
        for (place, real) in (0..).zip(&config.real_servers) {
            let saved = saved.and_then(|saved| saved.servers.get(&(real.address, real.port)));
            self.add_server(id, place, saved.map(Vec::as_slice), intake);
        }
        self.out.reconcile(id);
        self.tell_too_many(id);
        match saved {
            Some(saved) => {
                for (server, until) in &saved.draining {
                    self.drains.insert(id, *server, *until);
                }
                self.services[id.0 as usize].quorum_up = saved.quorum_up;
                self.judge_quorum(id);
            }
            None => self.first_quorum(id),
        }
    }

    fn add_server(
        &mut self,
        service: ServiceId,
        at: u32,
        saved: Option<&[SavedChecker]>,
        intake: &mut Intake,
    ) {
        let id = intake
            .servers
            .pop()
            .unwrap_or(ServerId(u32::try_from(self.servers.len()).unwrap_or(u32::MAX)));
        let server = Server {
            id,
            service,
            at,
            present: true,
            alive: true,
            is_told: false,
            checkers: Box::default(),
            contribution: 0,
        };
        put(&mut self.servers, id.0, server);
        self.services[service.0 as usize].servers.push(id);
        let config = Arc::clone(&self.config);
        let config = &config.virtual_servers[self.services[service.0 as usize].at as usize];
        let real = &config.real_servers[at as usize];
        let checkers: Box<[CheckerId]> = (0..)
            .zip(&real.checkers)
            .map(|(at, checker)| self.add_checker(id, at, checker, intake))
            .collect();
        self.servers[id.0 as usize].checkers.clone_from(&checkers);
        if let Some(saved) = saved {
            self.restore(id, saved);
        }
        self.servers[id.0 as usize].alive = self.all_up(id);
        let server = &self.servers[id.0 as usize];
        if self.config.global.rs_init_notifies && server.alive && saved.is_none() {
            self.notify_server(id, true, None);
        }
    }

    /// Under `alpha` a checker is down until it has proved otherwise. A file is always believed.
    fn add_checker(
        &mut self,
        server: ServerId,
        at: u32,
        config: &config::Checker,
        intake: &mut Intake,
    ) -> CheckerId {
        let id = intake
            .checkers
            .pop()
            .unwrap_or(CheckerId(u32::try_from(self.checkers.len()).unwrap_or(u32::MAX)));
        let up = !config.alpha || matches!(config.probe, Probe::File(_));
        let mut checker = Checker::new(id, server, at, up);
        // What was said to its predecessor of the same number is not for its ears.
        checker.turn = self.checkers.get(id.0 as usize).map_or(0, |old| old.turn);
        put(&mut self.checkers, id.0, checker);
        intake.fresh.push(id);
        id
    }

    /// A predecessor's verdicts, as far as the checkers are the same.
    fn restore(&mut self, server: ServerId, saved: &[SavedChecker]) {
        let checkers = self.servers[server.0 as usize].checkers.clone();
        for (id, saved) in checkers.iter().zip(saved) {
            if self.checker_config(*id).probe.keyword() != saved.keyword {
                continue;
            }
            let checker = &mut self.checkers[id.0 as usize];
            checker.up = saved.up;
            checker.has_run = saved.has_run;
            checker.contribution = saved.contribution;
            let server = &mut self.servers[server.0 as usize];
            server.is_told |= saved.has_run;
            server.contribution = server.contribution.saturating_add(saved.contribution);
        }
    }

    /// A checker begins, unless the host does not have the address.
    fn start(&mut self, id: CheckerId, now: Instant) {
        let server = self.checkers[id.0 as usize].server;
        let service = self.servers[server.0 as usize].service;
        if self.services[service.0 as usize].suspended {
            self.tell_server(server, Happening::Deactivating);
        } else if matches!(self.checkers[id.0 as usize].phase, Phase::Idle) {
            self.tell_server(server, Happening::Activating);
            self.activate(id, now);
        }
        self.listen(id);
    }

    fn tell_too_many(&mut self, id: ServiceId) {
        let (keys, too_many) = wanted::keys(self.virtual_of(&self.services[id.0 as usize]), &self.marks);
        if too_many {
            self.tell_service(id, Happening::TooManyAddresses { served: keys.len() });
        }
    }

    fn vacant(&self) -> Intake {
        Intake {
            fresh: Vec::new(),
            services: self
                .services
                .iter()
                .filter(|it| !it.present)
                .map(|it| it.id)
                .collect(),
            servers: self
                .servers
                .iter()
                .filter(|it| !it.present)
                .map(|it| it.id)
                .collect(),
            checkers: self
                .checkers
                .iter()
                .filter(|it| !it.present)
                .map(|it| it.id)
                .collect(),
        }
    }

    fn remove_service(&mut self, id: ServiceId) {
        self.withdraw_service(id, false);
        self.tell_service(id, Happening::ServiceRemoved);
        for server in self.services[id.0 as usize].servers.clone() {
            self.drop_server(server);
        }
        self.services[id.0 as usize].present = false;
        self.drains.forget(id);
        self.out.reconcile(id);
    }

    fn drop_server(&mut self, id: ServerId) {
        for checker in self.servers[id.0 as usize].checkers.clone() {
            self.drop_checker(checker);
        }
        self.servers[id.0 as usize].present = false;
    }

    fn drop_checker(&mut self, id: CheckerId) {
        self.silence(id);
        self.checkers[id.0 as usize].present = false;
    }

    /// Finds, while the old configuration is still there, what of a virtual server stays; says farewell to the rest.
    fn compare(&mut self, id: ServiceId, new: &VirtualServer) -> Plan {
        let old_servers = self.services[id.0 as usize].servers.clone();
        let mut by_name: BTreeMap<(IpAddr, u16), ServerId> = BTreeMap::new();
        for server in old_servers {
            let real = self.real(&self.servers[server.0 as usize]);
            by_name.insert((real.address, real.port), server);
        }
        let mut servers = Vec::with_capacity(new.real_servers.len());
        for real in &new.real_servers {
            let kept = by_name.remove(&(real.address, real.port));
            servers.push(kept.map(|server| self.compare_server(server, &real.checkers)));
        }
        for server in by_name.into_values() {
            self.withdraw_server(server, false);
            self.drop_server(server);
        }
        Plan { servers }
    }

    fn compare_server(&mut self, id: ServerId, new: &[config::Checker]) -> ServerPlan {
        let server = &self.servers[id.0 as usize];
        let weight = server.weight(self.real(server).weight);
        let mut old: VecDeque<CheckerId> = server.checkers.iter().copied().collect();
        let checkers = new.iter().map(|checker| {
            let same = |id: &CheckerId| same_probe(&self.checker_config(*id).probe, &checker.probe);
            let place = old.iter().position(same)?;
            old.remove(place)
        });
        let checkers = checkers.collect();
        for checker in old {
            self.drop_checker(checker);
        }
        ServerPlan { id, weight, checkers }
    }

    /// Gives a virtual server that stays its new configuration.
    fn adapt(
        &mut self,
        id: ServiceId,
        at: u32,
        place_in_group: u32,
        plan: Plan,
        intake: &mut Intake,
        now: Instant,
    ) {
        let service = &mut self.services[id.0 as usize];
        service.at = at;
        service.place_in_group = place_in_group;
        service.servers.clear();
        self.order.push(id);
        let mut kept = Vec::new();
        for (at, server) in (0..).zip(plan.servers) {
            match server {
                Some(server) => {
                    self.services[id.0 as usize].servers.push(server.id);
                    self.servers[server.id.0 as usize].at = at;
                    kept.push(server);
                }
                None => self.add_server(id, at, None, intake),
            }
        }
        for server in kept {
            self.adapt_server(server, intake, now);
        }
        self.suspend_or_resume(id, now);
        self.tell_too_many(id);
        self.judge_quorum(id);
    }

    fn adapt_server(&mut self, plan: ServerPlan, intake: &mut Intake, now: Instant) {
        let id = plan.id;
        let config = Arc::clone(&self.config);
        let service = &self.services[self.servers[id.0 as usize].service.0 as usize];
        let real = &config.virtual_servers[service.at as usize].real_servers
            [self.servers[id.0 as usize].at as usize];
        let mut kept = Vec::with_capacity(real.checkers.len());
        let mut checkers = Vec::with_capacity(real.checkers.len());
        for ((at, config), old) in (0..).zip(&real.checkers).zip(plan.checkers) {
            if let Some(old) = old {
                self.checkers[old.0 as usize].at = at;
                kept.push(old);
                checkers.push(old);
            } else {
                checkers.push(self.add_checker(id, at, config, intake));
            }
        }
        let contributions = checkers
            .iter()
            .map(|id| self.checkers[id.0 as usize].contribution);
        let contribution = contributions.fold(0_i64, i64::saturating_add);
        let server = &mut self.servers[id.0 as usize];
        server.contribution = contribution;
        server.checkers = checkers.into();
        let weight = server.weight(real.weight);
        self.on_weight(id, plan.weight, weight);
        for checker in kept {
            self.hurry(checker, now);
        }
        let alive = self.all_up(id);
        if alive != self.servers[id.0 as usize].alive {
            self.set_alive(id, alive, None);
        }
    }

    /// A wait that began under a longer delay ends with the new one.
    fn hurry(&mut self, id: CheckerId, now: Instant) {
        let latest = now + self.checker_config(id).timing.delay_loop;
        let checker = &mut self.checkers[id.0 as usize];
        if let Phase::Waiting(at) = &mut checker.phase
            && *at > latest
        {
            *at = latest;
            self.deadlines.set(id.0, Some(latest));
        }
    }
}

/// What of a virtual server stays: for each real server of the new configuration the old one, if there was one.
struct Plan {
    servers: Vec<Option<ServerPlan>>,
}

/// What of a real server stays.
struct ServerPlan {
    id: ServerId,
    /// What it weighed.
    weight: u32,
    /// For each checker of the new configuration the old one, if there was one.
    checkers: Vec<Option<CheckerId>>,
}

/// Puts a thing where its number says.
fn put<T>(things: &mut Vec<T>, number: u32, thing: T) {
    match things.get_mut(number as usize) {
        Some(vacant) => *vacant = thing,
        None => things.push(thing),
    }
}

/// What each virtual server is called, `[10.0.0.1]:tcp:80`: one that is called the same after a reload is the same.
pub fn names(config: &Config) -> impl Iterator<Item = String> {
    labels(config).into_iter().map(|(label, _)| label)
}

/// The label of each virtual server, and its place among those of its group.
fn labels(config: &Config) -> Vec<(String, u32)> {
    let mut places: BTreeMap<&str, u32> = BTreeMap::new();
    let labels = config.virtual_servers.iter().map(|service| {
        let place = match &service.service {
            Served::Group { group, .. } => {
                let next = places.entry(&group.name).or_default();
                *next += 1;
                *next - 1
            }
            Served::Address { .. } | Served::Fwmark(_) => 0,
        };
        (label::of_service(service, place), place)
    });
    labels.collect()
}

/// Whether two probes ask the same in the same way, wherever they are written.
fn same_probe(one: &Probe, other: &Probe) -> bool {
    match (one, other) {
        (Probe::Misc(one), Probe::Misc(other)) => {
            (&one.script.words, &one.script.run_as, one.timeout, one.dynamic)
                == (
                    &other.script.words,
                    &other.script.run_as,
                    other.timeout,
                    other.dynamic,
                )
        }
        _ => one == other,
    }
}
