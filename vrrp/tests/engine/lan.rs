//! Hosts on one simulated link: real engines, made-up time, and a wire that can be cut.
//!
//! Every step checks what must hold whatever happens (see [`Lan::check`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use parser::Config;
use vrrp::{
    Action, Datagram, Engine, Event, InstanceId, Instant, Link, Packet, ScriptId, ScriptOutcome, State,
};

use crate::fixture::{ETH0, config, eth0, instance};

pub(crate) struct Lan {
    pub(crate) now: Instant,
    hosts: BTreeMap<&'static str, Host>,
    wire: Vec<Flight>,
    cuts: BTreeSet<(&'static str, &'static str)>,
    /// How long a packet is on its way.
    pub(crate) delay: Duration,
    /// Of a hundred packets, how many are lost.
    pub(crate) loss: u64,
    dice: u64,
}

pub(crate) struct Host {
    pub(crate) engine: Option<Engine>,
    pub(crate) config: Config,
    pub(crate) link: Link,
    /// What its scripts do from now on; success where nothing is said, `None` hangs.
    pub(crate) scripts: BTreeMap<String, Option<ScriptOutcome>>,
    runs: Vec<(Instant, ScriptId, ScriptOutcome)>,
    /// How often each instance had become master when last looked at.
    promotions: BTreeMap<InstanceId, u64>,
    pub(crate) actions: Vec<(Instant, Action)>,
    /// The addresses that the kernel has, as far as it was asked.
    kernel: BTreeMap<InstanceId, Vec<IpAddr>>,
}

struct Flight {
    lands: Instant,
    to: &'static str,
    datagram: Datagram,
}

/// How long every script runs.
const RUN_TIME: Duration = Duration::from_millis(20);

impl Lan {
    /// Sets a host's clock to so many seconds since 1970; from there it goes on by itself.
    pub(crate) fn set_clock(&mut self, name: &'static str, seconds: u64) {
        self.handle(name, Event::Clock(Duration::from_secs(seconds)));
    }

    /// Hosts with one instance each, of these priorities; their addresses are 10.0.0.1 and following.
    pub(crate) fn new<const N: usize>(hosts: [(&'static str, u8); N]) -> Self {
        Self::with(hosts.map(|(name, priority)| (name, config(vec![instance(priority)], Vec::new()))))
    }

    pub(crate) fn with<const N: usize>(hosts: [(&'static str, Config); N]) -> Self {
        let mut lan = Self {
            now: Instant::default() + Duration::from_hours(1),
            hosts: BTreeMap::new(),
            wire: Vec::new(),
            cuts: BTreeSet::new(),
            delay: Duration::from_micros(100),
            loss: 0,
            dice: 1,
        };
        for (number, (name, config)) in (1..).zip(hosts) {
            let host = Host {
                engine: None,
                config,
                link: eth0(number),
                scripts: BTreeMap::new(),
                runs: Vec::new(),
                promotions: BTreeMap::new(),
                actions: Vec::new(),
                kernel: BTreeMap::new(),
            };
            lan.hosts.insert(name, host);
            lan.start(name);
        }
        lan
    }

    pub(crate) fn host(&self, name: &str) -> &Host {
        &self.hosts[name]
    }

    pub(crate) fn host_mut(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).unwrap()
    }

    /// Starts a host's daemon, from nothing.
    pub(crate) fn start(&mut self, name: &'static str) {
        self.start_from(name, "");
    }

    /// Starts a host's daemon with what its predecessor left.
    pub(crate) fn start_from(&mut self, name: &'static str, saved: &str) {
        let now = self.now;
        let host = self.host_mut(name);
        host.runs.clear();
        host.promotions.clear();
        // The shell's first plan at a start takes away what nobody wants.
        host.kernel.clear();
        let mut engine = Engine::new(&host.config, saved, now);
        engine.handle(Event::Link(host.link.clone()), now);
        host.engine = Some(engine);
        self.settle();
    }

    /// The daemon is gone from one moment to the next.
    pub(crate) fn crash(&mut self, name: &str) {
        self.host_mut(name).engine = None;
    }

    pub(crate) fn stop(&mut self, name: &'static str) {
        self.handle(name, Event::Stop);
    }

    pub(crate) fn reload(&mut self, name: &'static str, config: Config) {
        let now = self.now;
        let host = self.host_mut(name);
        host.runs.clear();
        if let Some(engine) = &mut host.engine {
            engine.reload(&config, now);
        }
        host.config = config;
        self.settle();
    }

    /// The host's own end of the cable.
    pub(crate) fn set_link(&mut self, name: &'static str, running: bool) {
        let link = &mut self.host_mut(name).link;
        link.running = running;
        let link = link.clone();
        self.handle(name, Event::Link(link));
    }

    /// Nothing passes between these two, both ways.
    pub(crate) fn cut(&mut self, one: &'static str, other: &'static str) {
        self.cuts.extend([(one, other), (other, one)]);
    }

    /// Everything passes again.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    pub(crate) fn handle(&mut self, name: &'static str, event: Event<'_>) {
        let now = self.now;
        if let Some(engine) = &mut self.host_mut(name).engine {
            engine.handle(event, now);
        }
        self.settle();
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_instant().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Who is master, in the order of their names.
    pub(crate) fn masters(&self) -> Vec<&'static str> {
        self.hosts
            .iter()
            .filter(|(_, host)| host.state().is_some_and(State::is_master))
            .map(|(name, _)| *name)
            .collect()
    }

    /// Everything that this host has to say in its log until now; the record is emptied.
    pub(crate) fn log(&mut self, name: &str) -> Vec<String> {
        self.take_actions(name)
            .into_iter()
            .filter_map(|(_, action)| match action {
                Action::Tell(news) => Some(news.to_string()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn take_actions(&mut self, name: &str) -> Vec<(Instant, Action)> {
        std::mem::take(&mut self.host_mut(name).actions)
    }

    fn next_instant(&self) -> Option<Instant> {
        let flights = self.wire.iter().map(|flight| flight.lands);
        let hosts = self.hosts.values().filter_map(|host| {
            let runs = host.runs.iter().map(|(ends, ..)| *ends);
            runs.chain(host.engine.as_ref()?.next_deadline()).min()
        });
        flights.chain(hosts).min()
    }

    /// Everything that is due now, until nothing more is: packets before timeouts, as a shell must.
    fn settle(&mut self) {
        let now = self.now;
        loop {
            self.land();
            for host in self.hosts.values_mut() {
                host.step(now);
            }
            let sent = self.collect();
            let more = self.wire.iter().any(|flight| flight.lands <= now);
            if !sent && !more {
                break;
            }
        }
        self.check();
    }

    fn land(&mut self) {
        let now = self.now;
        let landing: Vec<Flight> = self.wire.extract_if(.., |flight| flight.lands <= now).collect();
        for flight in landing {
            let host = self.host_mut(flight.to);
            let Some(engine) = host.engine.as_mut().filter(|_| host.link.running) else {
                continue;
            };
            let datagram = &flight.datagram;
            let header_len = if datagram.source.is_ipv4() { 20 } else { 0 };
            let (ip_header, payload) = datagram.bytes.split_at(header_len);
            let packet = Packet {
                link: datagram.endpoint.link.map(|_| ETH0),
                source: datagram.source,
                destination: datagram.destination,
                hop_limit: ip_header.get(8).copied().or(datagram.hop_limit).unwrap_or(64),
                ip_header,
                payload,
            };
            engine.handle(Event::Packet(packet), now);
        }
    }

    /// Puts on the wire what the engines sent. Answers whether there was anything.
    fn collect(&mut self) -> bool {
        let mut sent = Vec::new();
        for (name, host) in &mut self.hosts {
            let fresh = host.drain(self.now);
            if host.link.running {
                sent.extend(fresh.into_iter().map(|datagram| (*name, datagram)));
            }
        }
        let names: Vec<&'static str> = self.hosts.keys().copied().collect();
        for (source, datagram) in &sent {
            for to in names.iter().filter(|to| *to != source) {
                let is_for = datagram.destination.is_multicast()
                    || self.hosts[to].link.addresses.contains(&datagram.destination);
                if is_for && !self.cuts.contains(&(*source, *to)) && !self.is_lost() {
                    self.wire.push(Flight {
                        lands: self.now + self.delay,
                        to,
                        datagram: datagram.clone(),
                    });
                }
            }
        }
        !sent.is_empty()
    }

    /// Chance that is the same in every run.
    fn is_lost(&mut self) -> bool {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % 100 < self.loss
    }

    /// What must hold after every step.
    fn check(&self) {
        for (name, host) in &self.hosts {
            let Some(engine) = &host.engine else { continue };
            check_groups(name, engine);
            if let Some(next) = engine.next_deadline() {
                assert!(next > self.now, "{name} would spin");
            }
            for (id, present) in &host.kernel {
                assert_eq!(
                    *present,
                    owned(engine, *id),
                    "{name} was not asked to reconcile {id:?}"
                );
            }
            for instance in engine.instances() {
                let owns = engine.owned(instance.id).next().is_some();
                assert!(
                    host.kernel.contains_key(&instance.id) || !owns,
                    "{name} was never asked"
                );
                assert!(
                    !owns || instance.state.is_master(),
                    "{name} owns addresses as {}",
                    instance.state
                );
                if let State::Fault { .. } = instance.state {
                    assert!(!instance.faults.is_empty(), "{name} is in FAULT for no reason");
                }
            }
        }
    }
}

impl Host {
    pub(crate) fn state(&self) -> Option<&State> {
        self.engine
            .as_ref()?
            .instances()
            .next()
            .map(|instance| &instance.state)
    }

    fn step(&mut self, now: Instant) {
        let Some(engine) = &mut self.engine else { return };
        let ended: Vec<_> = self.runs.extract_if(.., |(ends, ..)| *ends <= now).collect();
        for (_, script, outcome) in ended {
            engine.handle(Event::ScriptEnded { script, outcome }, now);
        }
        engine.handle_timeout(now);
    }

    /// Takes the engine's actions, checks their order, and gives the datagrams.
    fn drain(&mut self, now: Instant) -> Vec<Datagram> {
        let Some(engine) = &mut self.engine else {
            return Vec::new();
        };
        let mut sent = Vec::new();
        let fresh: Vec<Action> = std::iter::from_fn(|| engine.next_action()).collect();
        assert!(fresh.is_sorted_by_key(urgency), "adverts first: {fresh:?}");
        for instance in engine.instances() {
            let before = self.promotions.insert(instance.id, instance.stats.become_master);
            if before.unwrap_or(0) < instance.stats.become_master {
                let global = &self.config.global;
                let paced = !global.vrrp_garp_interval.is_zero() || !self.config.garp_groups.is_empty();
                check_arrival(instance.id, &fresh, paced);
            }
        }
        for action in &fresh {
            match action {
                Action::Send(datagram) => sent.push(datagram.clone()),
                Action::RunScript(script) => {
                    let name = &engine.scripts()[script.0 as usize].config.name;
                    let outcome = self
                        .scripts
                        .get(name)
                        .copied()
                        .unwrap_or(Some(ScriptOutcome::Exited(0)));
                    self.runs
                        .extend(outcome.map(|outcome| (now + RUN_TIME, *script, outcome)));
                }
                Action::Reconcile(id) => {
                    self.kernel.insert(*id, owned(engine, *id));
                }
                Action::Announce { .. }
                | Action::AnnounceAddress { .. }
                | Action::Notify(_)
                | Action::Tell(_) => {}
            }
        }
        self.actions.extend(fresh.into_iter().map(|action| (now, action)));
        sent
    }
}

/// The members of a group stand together; one that a reload has added may not have begun, or listen first.
fn check_groups(name: &str, engine: &Engine) {
    for group in &engine.groups {
        let members = group.members.iter().map(|id| engine.instance(*id).unwrap());
        let begun: Vec<_> = members.filter(|member| member.state.word() != "INIT").collect();
        let words: Vec<&str> = begun.iter().map(|member| member.state.word()).collect();
        let listens = |state: &State, followed: bool| matches!(state, State::Backup { .. }) && !followed;
        let joins = words.contains(&"MASTER")
            && begun
                .iter()
                .all(|member| member.state.is_master() || listens(&member.state, member.master.is_some()));
        assert!(
            joins || words.iter().all(|word| *word == words[0]),
            "{name}: {words:?} in {}",
            group.name
        );
        let state = if joins {
            Some("MASTER")
        } else {
            words.first().copied()
        };
        let told = group.state.map(vrrp::Notified::word);
        assert_eq!(told, state, "{name} was told of {words:?}");
    }
}

/// Who has just become master has sent an advert, has its addresses put up, and has told the neighbours, unless
/// that is paced.
fn check_arrival(id: InstanceId, fresh: &[Action], paced: bool) {
    assert!(
        fresh
            .iter()
            .any(|action| matches!(action, Action::Send(sent) if sent.instance == id))
    );
    assert!(fresh.contains(&Action::Reconcile(id)));
    let announced = |action: &Action| matches!(action, Action::Announce { instance, .. } if *instance == id);
    assert!(paced || fresh.iter().any(announced));
}

fn owned(engine: &Engine, id: InstanceId) -> Vec<IpAddr> {
    engine.owned(id).map(|owned| owned.address.address).collect()
}

fn urgency(action: &Action) -> u8 {
    match action {
        Action::Send(_) => 0,
        Action::Reconcile(_) => 1,
        Action::Announce { .. } | Action::AnnounceAddress { .. } => 2,
        Action::Tell(_) => 3,
        Action::Notify(_) => 4,
        Action::RunScript(_) => 5,
    }
}
