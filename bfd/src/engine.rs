//! The engine: every session of the process, driven by packets and deadlines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use clockwork::{Deadlines, Instant};
use parser::Config;
use parser::config::BfdInstance;

use crate::action::Action;
use crate::chance::Chance;
use crate::news::Happening;
use crate::packet::Packet;
use crate::refusal::{Refusal, Refusals};
use crate::session::{Session, Shared};
use crate::snapshot::{self, Saved};

/// The first of the source ports (RFC 5881 4), and how many there are.
const FIRST_PORT: u16 = 49152;
const PORTS: u16 = 16384;

/// Every session of the process.
///
/// The caller's part: hand over the packets that wait before a timeout, so that a stall of the process is not taken for
/// a silent neighbour; ask [`Engine::next_action`] until `None` after every call.
#[derive(Debug)]
pub struct Engine {
    /// In the order of the configuration.
    pub sessions: Vec<Session>,
    /// Packets that were dropped.
    pub refusals: Refusals,
    by_number: BTreeMap<u32, usize>,
    by_neighbor: BTreeMap<(bool, IpAddr), Vec<usize>>,
    /// Over the deadlines of `sessions`.
    deadlines: Deadlines,
    shared: Shared,
    stopped: bool,
}

/// What the engine is told.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A datagram came to one of the ports of BFD.
    Packet(Received<'a>),
    /// The daemon ends: every session says that it goes. What happens later has no effect.
    Stop,
}

/// A datagram.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// Its sender.
    pub source: IpAddr,
    /// Which of our addresses it was for.
    pub destination: IpAddr,
    /// It came to port 4784, not 3784.
    pub multihop: bool,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What it carries.
    pub payload: &'a [u8],
}

impl Engine {
    /// The sessions of a configuration. Where each stands is reported at once.
    ///
    /// `saved` is what [`Engine::snapshot`] of a predecessor on this machine gave: sessions that were up go on as if
    /// nothing had been, and the neighbour sees nothing if that is within its detection time. An empty or foreign text
    /// is a start from nothing. `seed` is what chance is drawn from: another one at each start.
    pub fn new(config: &Config, saved: &str, seed: u64, now: Instant) -> Self {
        let mut engine = Self {
            sessions: Vec::new(),
            refusals: Refusals::default(),
            by_number: BTreeMap::new(),
            by_neighbor: BTreeMap::new(),
            deadlines: Deadlines::default(),
            shared: Shared {
                actions: VecDeque::new(),
                chance: Chance::new(seed),
                changed: true,
            },
            stopped: false,
        };
        let mut saved = snapshot::read(saved);
        let mut fresh = Vec::new();
        for config in &config.bfd_instances {
            match saved.remove(&snapshot::identity(config)) {
                Some(saved) => engine.resume(config, &saved, now),
                None => fresh.push(config),
            }
        }
        // The numbers of the resumed ones are taken first.
        for config in fresh {
            let session = engine.create(config, now);
            engine.sessions.push(session);
        }
        engine.put_in_order(config);
        for session in &engine.sessions {
            session.report(&mut engine.shared);
        }
        engine
    }

    /// Something happened.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        match event {
            _ if self.stopped => {}
            Event::Packet(received) => self.on_packet(&received, now),
            Event::Stop => self.on_stop(),
        }
    }

    /// [`Engine::next_deadline`] has come, or any time has passed. Afterwards the next deadline is later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(number) = self.deadlines.due(now) {
            let index = number as usize;
            self.sessions[index].advance(now, &mut self.shared);
            self.index_deadline(index);
        }
    }

    /// When [`Engine::handle_timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first()
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.shared.actions.pop_front()
    }

    /// Takes up a new configuration: what is unchanged is not touched, what has other intervals negotiates them, what is
    /// gone says so. A session is the same if its addresses are, and multihop; the name is no part of it.
    pub fn reload(&mut self, config: &Config, now: Instant) {
        if self.stopped {
            return;
        }
        let mut old: BTreeMap<_, Session> = std::mem::take(&mut self.sessions)
            .into_iter()
            .map(|session| (snapshot::identity(&session.config), session))
            .collect();
        for config in &config.bfd_instances {
            let mut session = match old.remove(&snapshot::identity(config)) {
                Some(session) => session,
                None => self.create(config, now),
            };
            let known =
                session.name.as_ref() == config.name && self.by_number.contains_key(&session.discriminator);
            if session.config != *config {
                session.adapt(config.clone(), now, &mut self.shared);
            }
            if !known {
                session.report(&mut self.shared);
            }
            self.sessions.push(session);
        }
        for session in old.values_mut() {
            session.leave(&mut self.shared);
        }
        self.shared.changed = true;
        self.put_in_order(config);
    }

    /// The state that a successor needs to go on, if it is not what it was at the last call: a line for each session that
    /// is up; versioned text.
    pub fn snapshot(&mut self) -> Option<String> {
        std::mem::take(&mut self.shared.changed).then(|| snapshot::write(&self.sessions))
    }

    fn on_packet(&mut self, received: &Received<'_>, now: Instant) {
        let heard = self.find(received).and_then(|(index, packet)| {
            let result = self.sessions[index].hear(&packet, now, &mut self.shared);
            self.index_deadline(index);
            result
        });
        if let Err(refusal) = heard
            && let Some(count) = self.refusals.add(refusal)
        {
            let from = received.source;
            let what = Happening::Refused { from, refusal, count };
            self.shared.tell(&Arc::from(""), what);
        }
    }

    /// The session that a packet is for: by the number that we gave it or, until the neighbour knows that, by address.
    fn find(&self, received: &Received<'_>) -> Result<(usize, Packet), Refusal> {
        let packet = Packet::decode(received.payload)?;
        let is_with = |config: &BfdInstance| {
            config.neighbor_ip == received.source
                && config.multihop == received.multihop
                && config.source_ip.is_none_or(|own| own == received.destination)
        };
        let index = match packet.your_discriminator {
            0 => {
                let sessions = self.by_neighbor.get(&(received.multihop, received.source));
                let mut sessions = sessions.into_iter().flatten().copied();
                sessions
                    .find(|index| is_with(&self.sessions[*index].config))
                    .ok_or(Refusal::UnknownNeighbor)?
            }
            got => {
                let index = self.by_number.get(&got).copied();
                let index = index.ok_or(Refusal::UnknownDiscriminator { got })?;
                if !is_with(&self.sessions[index].config) {
                    return Err(Refusal::WrongPath { got });
                }
                index
            }
        };
        // RFC 5881 5: less than 255 has passed a router. keepalived counts from the `ttl` that is configured, as if the
        // neighbour's were the same, and so sessions that both sides send with 64 (its default for IPv6) come up.
        let config = &self.sessions[index].config;
        let expected = config.max_hops.map_or(0, |hops| config.ttl.saturating_sub(hops));
        if received.hop_limit < expected {
            let got = received.hop_limit;
            return Err(Refusal::HopLimit { got, expected });
        }
        Ok((index, packet))
    }

    fn on_stop(&mut self) {
        self.stopped = true;
        for session in &mut self.sessions {
            session.leave(&mut self.shared);
        }
        self.deadlines = Deadlines::default();
        self.shared.changed = true;
    }

    fn create(&mut self, config: &BfdInstance, now: Instant) -> Session {
        let discriminator = loop {
            let number = self.shared.chance.below(u32::MAX) + 1;
            let taken = self.by_number.contains_key(&number)
                || self
                    .sessions
                    .iter()
                    .any(|session| session.discriminator == number);
            if !taken {
                break number;
            }
        };
        let start = u16::try_from(self.shared.chance.below(PORTS.into())).unwrap_or(0);
        let taken: BTreeSet<u16> = self
            .sessions
            .iter()
            .map(|session| session.path.source_port)
            .collect();
        let mut ports = (0..PORTS).map(|step| FIRST_PORT + (start + step) % PORTS);
        let port = ports
            .find(|port| !taken.contains(port))
            .unwrap_or(FIRST_PORT + start);
        Session::new(config.clone(), discriminator, port, now)
    }

    /// A session of the predecessor goes on, and asks the neighbour at once whether it still does.
    fn resume(&mut self, config: &BfdInstance, saved: &Saved, now: Instant) {
        let mut session = Session::new(config.clone(), saved.discriminator, saved.source_port, now);
        saved.restore(&mut session, now);
        session.adapt(config.clone(), now, &mut self.shared);
        self.shared.tell(&session.name, Happening::Resumed);
        self.sessions.push(session);
    }

    /// Sorts the sessions as the configuration has them, and makes every index anew.
    fn put_in_order(&mut self, config: &Config) {
        let places: BTreeMap<&str, usize> = (config.bfd_instances.iter().enumerate())
            .map(|(place, session)| (session.name.as_str(), place))
            .collect();
        self.sessions
            .sort_by_key(|session| places.get(&*session.name).copied());
        self.by_number.clear();
        self.by_neighbor.clear();
        self.deadlines = Deadlines::default();
        for (index, session) in self.sessions.iter().enumerate() {
            self.by_number.insert(session.discriminator, index);
            let neighbor = (session.config.multihop, session.config.neighbor_ip);
            self.by_neighbor.entry(neighbor).or_default().push(index);
        }
        for index in 0..self.sessions.len() {
            self.index_deadline(index);
        }
    }

    fn index_deadline(&mut self, index: usize) {
        // A configuration has fewer sessions than that.
        if let Ok(number) = u32::try_from(index) {
            self.deadlines.set(number, self.sessions[index].deadline());
        }
    }
}
