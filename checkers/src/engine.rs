//! The engine: every virtual server, real server and checker of the process, driven by events and deadlines.
//!
//! It owns no socket, clock, file, thread or chance; the caller lends it bytes, `now` and a seed. What it hands out is
//! decided by what it was told and nothing else: the same events at the same instants give the same actions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use clockwork::{Deadlines, Instant};
use parser::Config;
use parser::config::checker::Probe;
use parser::config::global_defs::LvsFlushOnStop;
use parser::config::{self, RealServer, VirtualServer};

use crate::action::Action;
use crate::chance::Chance;
use crate::checker::Checker;
use crate::drain::Drains;
use crate::event::{CheckerId, Event, ServerId, ServiceId};
use crate::marks::Marks;
use crate::news::{Happening, News};
use crate::outbox::Outbox;
use crate::patterns::Patterns;
use crate::service::{Server, Service};
use crate::snapshot::Snapshot;
use crate::table::{Marking, Table};
use crate::{label, wanted};

/// Every virtual server of the process.
///
/// The caller's part: right after [`Engine::new`] tell the host's addresses, the numbers of all tracked files and the
/// state of all BFD sessions; hand over what waits at the sockets before a timeout; ask [`Engine::next_action`] until
/// `None` after [`Engine::new`] and after every event, timeout and reload.
pub struct Engine {
    pub(crate) config: Arc<Config>,
    /// Indexed by [`ServiceId`]; what was removed keeps its place until a later reload needs it.
    pub(crate) services: Vec<Service>,
    /// Indexed by [`ServerId`].
    pub(crate) servers: Vec<Server>,
    /// Indexed by [`CheckerId`].
    pub(crate) checkers: Vec<Checker>,
    /// The services of the configuration, in its order.
    pub(crate) order: Vec<ServiceId>,
    pub(crate) out: Outbox,
    /// Over the deadlines of `checkers`.
    pub(crate) deadlines: Deadlines,
    pub(crate) drains: Drains,
    pub(crate) chance: Chance,
    pub(crate) patterns: Patterns,
    pub(crate) marks: Marks,
    /// What the host has.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// The numbers in tracked files, as last told.
    pub(crate) files: BTreeMap<Box<str>, i64>,
    /// The BFD sessions, as last told: whether they are up.
    pub(crate) sessions: BTreeMap<Box<str>, bool>,
    /// A configuration is being taken in: quorums are judged when all of it is there.
    pub(crate) settling: bool,
    stopped: bool,
}

impl Engine {
    /// The virtual servers of a configuration. `seed` is chance: it spreads the first checks. A `MISC_CHECK` whose program
    /// may not run is to be taken out of the configuration before, here and at a reload, as keepalived does.
    ///
    /// `saved` is what [`Engine::snapshot`] of a predecessor on this machine gave: its verdicts are adopted without a
    /// word to the outside, so that the kernel's table stays as it is. An empty or foreign text is a start from nothing.
    pub fn new(config: Arc<Config>, saved: &str, seed: u64, now: Instant) -> Self {
        let mut snapshot = Snapshot::read(saved);
        let servers = config
            .virtual_servers
            .iter()
            .flat_map(|service| &service.real_servers);
        let checkers = servers.clone().map(|server| server.checkers.len()).sum();
        let marks = Marks::of(&config, &Marks::restored(&snapshot.marks));
        let mut engine = Self {
            services: Vec::with_capacity(config.virtual_servers.len()),
            servers: Vec::with_capacity(servers.count()),
            checkers: Vec::with_capacity(checkers),
            order: Vec::with_capacity(config.virtual_servers.len()),
            out: Outbox::default(),
            deadlines: Deadlines::with_capacity(checkers),
            drains: Drains::default(),
            chance: Chance::new(seed),
            patterns: Patterns::default(),
            marks,
            addresses: BTreeSet::new(),
            files: BTreeMap::new(),
            sessions: BTreeMap::new(),
            settling: false,
            stopped: false,
            config,
        };
        if engine.config.global.lvs_flush && !snapshot.is_sound {
            engine.out.flush();
        }
        engine.compile();
        engine.add_services(&mut snapshot, now);
        engine
    }

    /// Something happened.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        if self.stopped {
            return;
        }
        match event {
            Event::Opened(id) => self.on_opened(id, now),
            Event::Received { conversation, bytes } => self.on_received(conversation, bytes, now),
            Event::Closed(id) => self.on_closed(id, now),
            Event::Failed {
                conversation,
                failure,
            } => self.on_failed(conversation, failure, now),
            Event::ScriptEnded { run, outcome } => self.on_script(run, outcome, now),
            Event::File { track_file, value } => {
                self.files.insert(track_file.into(), value);
                self.on_told(|probe| matches!(probe, Probe::File(file) if &*file.track_file == track_file));
            }
            Event::Bfd { session, up } => {
                self.sessions.insert(session.into(), up);
                self.on_told(|probe| matches!(probe, Probe::Bfd(bfd) if &*bfd.name == session));
            }
            Event::Address { address, present } => self.on_address(address, present, now),
            Event::Connections {
                service,
                server,
                counted,
            } => self.on_connections(service, server, counted),
            Event::Stop => self.on_stop(),
        }
    }

    /// [`Engine::next_deadline`] has come, or any time has passed. Afterwards the next deadline is later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(index) = self.deadlines.due(now) {
            self.on_deadline(CheckerId(index), now);
        }
        self.on_drain_deadline(now);
    }

    /// When [`Engine::handle_timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let drains = self.drains.first_deadline();
        self.deadlines.first().into_iter().chain(drains).min()
    }

    /// The next thing to do; ask until `None`.
    ///
    /// Whatever one call made of many checkers comes sorted: the table first, then conversations and script runs in
    /// their order, the log, the notices.
    pub fn next_action(&mut self) -> Option<Action> {
        self.out.next()
    }

    /// The configured virtual servers, in the order of the configuration.
    pub fn services(&self) -> impl ExactSizeIterator<Item = ServiceId> {
        self.order.iter().copied()
    }

    /// What the kernel should have for a virtual server now; empty for one that was removed, and after
    /// [`Event::Stop`]. Whoever writes it remembers which keys it wrote for whom.
    pub fn table(&self, service: ServiceId) -> Table {
        match self.services.get(service.0 as usize) {
            Some(service) if service.present && !self.stopped => wanted::table(self, service),
            Some(_) | None => Table::default(),
        }
    }

    /// The virtual servers with [`Table::draining`]: while there are any, the shell counts the connections of these
    /// ([`Event::Connections`]).
    pub fn draining_services(&self) -> Vec<ServiceId> {
        self.drains.services()
    }

    /// With `nftables_ipvs`: what nftables is to mark. Changes only at [`Engine::new`] and [`Engine::reload`].
    pub fn markings(&self) -> Vec<Marking> {
        self.marks.markings()
    }

    /// A virtual server's block; `None` after it was removed.
    pub fn service_config(&self, service: ServiceId) -> Option<&VirtualServer> {
        let service = self
            .services
            .get(service.0 as usize)
            .filter(|service| service.present)?;
        self.config.virtual_servers.get(service.at as usize)
    }

    /// Whether a virtual server has its quorum; `None` after it was removed.
    pub fn has_quorum(&self, service: ServiceId) -> Option<bool> {
        let service = self
            .services
            .get(service.0 as usize)
            .filter(|service| service.present)?;
        Some(service.quorum_up)
    }

    /// The real servers of a virtual server in the order of the configuration, and whether they are in the pool.
    pub fn servers(&self, service: ServiceId) -> impl Iterator<Item = (ServerId, &RealServer, bool)> {
        self.services
            .get(service.0 as usize)
            .filter(|service| service.present)
            .into_iter()
            .flat_map(|service| &service.servers)
            .map(|id| {
                let server = &self.servers[id.0 as usize];
                (*id, self.real(server), server.alive)
            })
    }

    /// The number in a tracked file, as last told.
    pub fn file(&self, track_file: &str) -> Option<i64> {
        self.files.get(track_file).copied()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(crate) fn virtual_of(&self, service: &Service) -> &VirtualServer {
        &self.config.virtual_servers[service.at as usize]
    }

    pub(crate) fn real(&self, server: &Server) -> &RealServer {
        let service = &self.services[server.service.0 as usize];
        &self.virtual_of(service).real_servers[server.at as usize]
    }

    pub(crate) fn service_label(&self, service: ServiceId) -> String {
        let service = &self.services[service.0 as usize];
        label::of_service(self.virtual_of(service), service.place_in_group)
    }

    pub(crate) fn server_label(&self, server: ServerId) -> String {
        let server = &self.servers[server.0 as usize];
        let service = &self.services[server.service.0 as usize];
        let real = self.real(server);
        label::of_address(self.virtual_of(service), real.address, real.port)
    }

    pub(crate) fn checker_config(&self, id: CheckerId) -> &config::Checker {
        let checker = &self.checkers[id.0 as usize];
        let server = &self.servers[checker.server.0 as usize];
        &self.real(server).checkers[checker.at as usize]
    }

    /// Says something of a virtual server.
    pub(crate) fn tell_service(&mut self, service: ServiceId, what: Happening) {
        let news = News {
            service: self.service_label(service),
            server: String::new(),
            what,
        };
        self.out.tell(news);
    }

    /// Says something of a real server.
    pub(crate) fn tell_server(&mut self, server: ServerId, what: Happening) {
        let news = News {
            service: self.service_label(self.servers[server.0 as usize].service),
            server: self.server_label(server),
            what,
        };
        self.out.tell(news);
    }

    /// Compiles the regular expressions of the configuration.
    pub(crate) fn compile(&mut self) {
        let out = &mut self.out;
        self.patterns = Patterns::of(&self.config, &self.patterns, |pattern, error| {
            out.tell(News {
                service: String::new(),
                server: String::new(),
                what: Happening::PatternRefused {
                    pattern: pattern.to_owned(),
                    error,
                },
            });
        });
    }

    fn on_stop(&mut self) {
        for id in self.order.clone() {
            self.withdraw_service(id, true);
        }
        for index in 0..self.checkers.len() {
            self.silence(CheckerId(u32::try_from(index).unwrap_or(u32::MAX)));
        }
        self.drains = Drains::default();
        self.stopped = true;
        if self.config.global.lvs_flush_on_stop == LvsFlushOnStop::All {
            self.out.flush();
        }
        for id in self.order.clone() {
            self.out.reconcile(id);
        }
    }
}
