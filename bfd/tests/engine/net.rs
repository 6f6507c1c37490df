//! Two nodes and the way between them, on simulated time.

use std::net::IpAddr;
use std::time::Duration;

use bfd::{Action, Engine, Event, Packet, Received, Session, State};
use clockwork::Instant;
use parser::Config;

/// How long a packet takes.
const DELAY: Duration = Duration::from_micros(200);

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn config(text: &str) -> Config {
    let config = parser::parse_text(&parser::Machine, text).config;
    assert!(!config.bfd_instances.is_empty(), "{text}");
    config
}

/// A `bfd_instance` with this neighbour; everything not said again in `more` is 100 ms, three times.
pub(crate) fn instance(name: &str, neighbor: &str, more: &str) -> String {
    format!(
        "bfd_instance {name} {{\n neighbor_ip {neighbor}\n min_rx 100\n min_tx 100\n multiplier 3\n {more}\n}}\n"
    )
}

/// A packet as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) packet: Packet,
}

/// One node.
pub(crate) struct Node {
    pub(crate) address: IpAddr,
    pub(crate) engine: Option<Engine>,
    /// Every packet that it sent.
    pub(crate) sent: Vec<Sent>,
    /// Every report: when, session, up.
    pub(crate) reports: Vec<(Instant, String, bool)>,
    pub(crate) log: Vec<String>,
    /// What it last saved.
    pub(crate) saved: String,
    /// Its packets get lost.
    pub(crate) mute: bool,
    seed: u64,
}

pub(crate) struct Net {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) nodes: [Node; 2],
    /// On their way: when they arrive, at whom, what.
    pub(crate) flying: Vec<(Instant, usize, Datagram)>,
    /// Which packets get lost, by their number.
    pub(crate) loses: Box<dyn FnMut() -> bool>,
}

#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) multihop: bool,
    pub(crate) hop_limit: u8,
    pub(crate) payload: Vec<u8>,
}

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;

impl Net {
    /// Two nodes that are each other's neighbour, with these lines more in their block.
    pub(crate) fn pair(a: &str, b: &str) -> Net {
        Net::of(&instance("b1", "192.0.2.2", a), &instance("b1", "192.0.2.1", b))
    }

    /// Nodes 192.0.2.1 and 192.0.2.2 with these configurations.
    pub(crate) fn of(a: &str, b: &str) -> Net {
        let start = Instant { nanos: 1_000_000_000 };
        let node = |address: &str, seed| Node {
            address: address.parse().unwrap(),
            engine: None,
            sent: Vec::new(),
            reports: Vec::new(),
            log: Vec::new(),
            saved: String::new(),
            mute: false,
            seed,
        };
        let mut net = Net {
            start,
            now: start,
            nodes: [node("192.0.2.1", 1), node("192.0.2.2", 2)],
            flying: Vec::new(),
            loses: Box::new(|| false),
        };
        net.boot(A, a);
        net.boot(B, b);
        net
    }

    /// Starts a node's process, from nothing or from what its predecessor saved.
    pub(crate) fn boot(&mut self, node: usize, text: &str) {
        let own = &mut self.nodes[node];
        own.seed += 10;
        own.engine = Some(Engine::new(&config(text), &own.saved, own.seed, self.now));
        self.carry_out(node);
    }

    /// A node's process is gone, without a word.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].engine = None;
    }

    pub(crate) fn reload(&mut self, node: usize, text: &str) {
        let now = self.now;
        self.engine(node).reload(&config(text), now);
        self.carry_out(node);
    }

    pub(crate) fn stop(&mut self, node: usize) {
        let now = self.now;
        self.engine(node).handle(Event::Stop, now);
        self.carry_out(node);
    }

    pub(crate) fn deliver(&mut self, node: usize, datagram: &Datagram) {
        let now = self.now;
        let Some(engine) = &mut self.nodes[node].engine else {
            return;
        };
        let received = Received {
            source: datagram.source,
            destination: datagram.destination,
            multihop: datagram.multihop,
            hop_limit: datagram.hop_limit,
            payload: &datagram.payload,
        };
        engine.handle(Event::Packet(received), now);
        self.carry_out(node);
    }

    pub(crate) fn engine(&mut self, node: usize) -> &mut Engine {
        self.nodes[node].engine.as_mut().unwrap()
    }

    pub(crate) fn session(&mut self, node: usize) -> &Session {
        &self.engine(node).sessions[0]
    }

    /// The state of each node's first session.
    pub(crate) fn states(&mut self) -> [State; 2] {
        [self.session(A).state, self.session(B).state]
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, node)) = self.next().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            if let Some(node) = node {
                let now = self.now;
                self.engine(node).handle_timeout(now);
                assert!(self.engine(node).next_deadline().is_none_or(|next| next > now));
                self.carry_out(node);
            } else {
                let first = (0..self.flying.len())
                    .min_by_key(|place| self.flying[*place].0)
                    .unwrap();
                let (_, to, datagram) = self.flying.remove(first);
                self.deliver(to, &datagram);
            }
        }
        self.now = end;
    }

    /// Runs until both sessions are up.
    pub(crate) fn settle(&mut self) {
        self.run_for(ms(4000));
        assert_eq!(self.states(), [State::Up, State::Up]);
    }

    /// The packets that a node sent since.
    pub(crate) fn sent_since(&self, node: usize, since: Instant) -> Vec<Sent> {
        let sent = self.nodes[node].sent.iter();
        sent.filter(|sent| sent.at >= since).cloned().collect()
    }

    /// When a node last reported this, after a time.
    pub(crate) fn reported(&self, node: usize, up: bool, since: Instant) -> Option<Duration> {
        let mut reports = self.nodes[node].reports.iter();
        let found = reports.find(|(at, _, is_up)| *at >= since && *is_up == up);
        found.map(|(at, ..)| *at - since)
    }

    fn next(&self) -> Option<(Instant, Option<usize>)> {
        let packets = self.flying.iter().map(|(at, ..)| (*at, None));
        let nodes = self.nodes.iter().enumerate().filter_map(|(index, node)| {
            let deadline = node.engine.as_ref()?.next_deadline()?;
            Some((deadline, Some(index)))
        });
        packets.chain(nodes).min_by_key(|(at, _)| *at)
    }

    fn carry_out(&mut self, node: usize) {
        let now = self.now;
        let to = 1 - node;
        let destination = self.nodes[to].address;
        let own = &mut self.nodes[node];
        let Some(engine) = &mut own.engine else { return };
        while let Some(action) = engine.next_action() {
            match action {
                Action::Send { path, bytes } => {
                    let packet = Packet::decode(&bytes).unwrap();
                    own.sent.push(Sent { at: now, packet });
                    let lost = (self.loses)() || own.mute || path.neighbor != destination;
                    if !lost {
                        let datagram = Datagram {
                            source: path.source.unwrap_or(own.address),
                            destination,
                            multihop: path.multihop,
                            hop_limit: path.hop_limit,
                            payload: bytes.to_vec(),
                        };
                        self.flying.push((now + DELAY, to, datagram));
                    }
                }
                Action::Report { session, up } => own.reports.push((now, session.to_string(), up)),
                Action::Tell(news) => own.log.push(news.to_string()),
            }
        }
        if let Some(saved) = engine.snapshot() {
            own.saved = saved;
        }
    }
}
