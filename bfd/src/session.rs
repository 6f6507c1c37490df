//! One session: its variables (RFC 5880 6.8.1), its two timers, what it sends, and how it changes its state. What a
//! received packet does to it is in `hear`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use clockwork::Instant;
use parser::config::BfdInstance;

use crate::action::{Action, Path};
use crate::chance::Chance;
use crate::news::{Happening, News};
use crate::packet::{Diagnostic, Packet, State};

/// Copies of the last packet of a session that goes: nobody will repeat it if it is lost.
const FAREWELLS: usize = 3;

/// A session with one neighbour.
#[derive(Debug)]
pub struct Session {
    /// Its block.
    pub config: BfdInstance,
    /// The name of its block.
    pub name: Arc<str>,
    /// Where its packets go.
    pub path: Arc<Path>,
    /// `bfd.LocalDiscr`: our number of it, not 0.
    pub discriminator: u32,
    /// `bfd.SessionState`.
    pub state: State,
    /// `bfd.LocalDiag`: why it last went down; none while it is up.
    pub diagnostic: Diagnostic,
    /// What the neighbour said last.
    pub remote: Remote,
    /// `bfd.DesiredMinTxInterval`, as our packets say it.
    pub desired_min_tx: Duration,
    /// `bfd.RequiredMinRxInterval`, as our packets say it.
    pub required_min_rx: Duration,
    /// The same two as they are in force: a change that the neighbour must know of first waits for the end of a poll.
    pub(crate) tx: Duration,
    pub(crate) rx: Duration,
    pub(crate) poll: Poll,
    /// When the last packet left that was not an answer, and what part of the interval the next waits, in percent.
    paced: Option<(Instant, u32)>,
    pub(crate) send_at: Option<Instant>,
    pub(crate) expire_at: Option<Instant>,
}

/// What is known of the neighbour's side of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Remote {
    /// `bfd.RemoteDiscr`: its number of the session; 0 while it is not heard.
    pub discriminator: u32,
    /// `bfd.RemoteSessionState`.
    pub state: State,
    /// Why its side last went down.
    pub diagnostic: Diagnostic,
    /// Its detection multiplier.
    pub multiplier: u8,
    /// `bfd.RemoteMinRxInterval`: how often it can hear; zero asks for silence.
    pub min_rx: Duration,
    /// How often it would like to speak.
    pub desired_min_tx: Duration,
    /// `bfd.RemoteDemandMode`.
    pub demand: bool,
}

/// A poll sequence (RFC 5880 6.5): packets say P until one with F comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Poll {
    /// None.
    Idle,
    /// One is under way.
    Asking,
    /// One is under way, and what it asks for has changed since: another must follow.
    AskingAgain,
}

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) actions: VecDeque<Action>,
    pub(crate) chance: Chance,
    /// Something that a successor must know is new.
    pub(crate) changed: bool,
}

impl Default for Remote {
    /// RFC 5880 6.8.1: `bfd.RemoteMinRxInterval` MUST be initialized to 1.
    fn default() -> Self {
        Self {
            discriminator: 0,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            multiplier: 0,
            min_rx: Duration::from_micros(1),
            desired_min_tx: Duration::ZERO,
            demand: false,
        }
    }
}

impl Shared {
    pub(crate) fn tell(&mut self, session: &Arc<str>, what: Happening) {
        let session = Arc::clone(session);
        self.actions.push_back(Action::Tell(News { session, what }));
    }
}

impl Session {
    /// A session that is down and about to speak, unless it is passive.
    pub(crate) fn new(config: BfdInstance, discriminator: u32, source_port: u16, now: Instant) -> Self {
        let mut session = Self {
            name: config.name.as_str().into(),
            path: Arc::new(path(&config, source_port)),
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: Remote::default(),
            desired_min_tx: config.idle_tx,
            required_min_rx: config.min_rx,
            tx: config.idle_tx,
            rx: config.min_rx,
            poll: Poll::Idle,
            paced: None,
            send_at: None,
            expire_at: None,
            config,
        };
        session.pace(now);
        session
    }

    /// Detection time (RFC 5880 6.8.4); `None` while the neighbour is not heard.
    pub fn detection_time(&self) -> Option<Duration> {
        let interval = self.rx.max(self.remote.desired_min_tx);
        (self.remote.discriminator != 0).then_some(interval * u32::from(self.remote.multiplier))
    }

    /// How far apart its packets are, jitter aside.
    pub fn transmit_interval(&self) -> Duration {
        self.tx.max(self.remote.min_rx)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.send_at, self.expire_at].into_iter().flatten().min()
    }

    /// A deadline has come.
    pub(crate) fn advance(&mut self, now: Instant, shared: &mut Shared) {
        if self.expire_at.is_some_and(|at| at <= now) {
            self.expire(now, shared);
        }
        if self.send_at.is_some_and(|at| at <= now) {
            self.transmit(now, shared);
        }
    }

    /// A detection time has passed in silence.
    fn expire(&mut self, now: Instant, shared: &mut Shared) {
        let due = self.expire_at.take();
        if matches!(self.state, State::Init | State::Up) {
            let what = Happening::Expired {
                after: self.detection_time().unwrap_or_default(),
                overdue: due.map_or(Duration::ZERO, |due| now - due),
            };
            shared.tell(&self.name, what);
            self.enter(State::Down, Diagnostic::EXPIRED, now, shared);
        }
        // RFC 5880 6.8.1: RemoteDiscr MUST be set to zero. The neighbour may come back as another: the rest is void too.
        self.remote = Remote::default();
        self.pace(now);
    }

    /// Changes the state, says so to the neighbour at once, and to those who follow.
    pub(crate) fn enter(&mut self, state: State, diagnostic: Diagnostic, now: Instant, shared: &mut Shared) {
        let was_up = self.state == State::Up;
        (self.state, self.diagnostic) = (state, diagnostic);
        // RFC 5880 6.8.3: not less than one second while the session is not up.
        let up = state == State::Up;
        self.desired_min_tx = if up {
            self.config.min_tx
        } else {
            self.config.idle_tx
        };
        (self.tx, self.rx) = (self.desired_min_tx, self.required_min_rx);
        self.poll = if up { Poll::Asking } else { Poll::Idle };
        shared.changed = true;
        let (local, remote) = (diagnostic, self.remote.diagnostic);
        let entered = Happening::Entered { state, local, remote };
        self.pace(now);
        if self.send_at.is_some() {
            self.transmit(now, shared);
        }
        // RFC 5882 3.2: a neighbour whose administrator takes the session down is no failure of the path; as keepalived,
        // those who follow are not told.
        if was_up != up && (up || self.remote.state != State::AdminDown) {
            self.report(shared);
        }
        shared.tell(&self.name, entered);
    }

    /// Takes up a new block with the same addresses.
    pub(crate) fn adapt(&mut self, config: BfdInstance, now: Instant, shared: &mut Shared) {
        self.name = config.name.as_str().into();
        let path = path(&config, self.path.source_port);
        if path != *self.path {
            self.path = Arc::new(path);
        }
        self.config = config;
        let up = self.state == State::Up;
        let desired_min_tx = if up {
            self.config.min_tx
        } else {
            self.config.idle_tx
        };
        let required_min_rx = self.config.min_rx;
        if (desired_min_tx, required_min_rx) != (self.desired_min_tx, self.required_min_rx) {
            (self.desired_min_tx, self.required_min_rx) = (desired_min_tx, required_min_rx);
            if up {
                // RFC 5880 6.8.3: a slower pace, and a shorter detection time, wait until the neighbour knows.
                self.tx = self.tx.min(desired_min_tx);
                self.rx = self.rx.max(required_min_rx);
                self.ask();
            } else {
                (self.tx, self.rx) = (desired_min_tx, required_min_rx);
            }
            shared.changed = true;
        }
        self.pace(now);
    }

    /// Begins a poll sequence.
    pub(crate) fn ask(&mut self) {
        self.poll = match self.poll {
            Poll::Idle => Poll::Asking,
            Poll::Asking | Poll::AskingAgain => Poll::AskingAgain,
        };
    }

    /// Sets the time of the next packet by what holds now.
    pub(crate) fn pace(&mut self, now: Instant) {
        self.send_at = self.speaks().then(|| match self.paced {
            Some((sent, percent)) => (sent + self.transmit_interval() * percent / 100).max(now),
            None => now,
        });
    }

    /// Whether packets leave by the clock (RFC 5880 6.8.7).
    fn speaks(&self) -> bool {
        let waits = self.config.passive && self.remote.discriminator == 0;
        let silenced = self.remote.demand
            && (self.state, self.remote.state) == (State::Up, State::Up)
            && self.poll == Poll::Idle;
        self.state != State::AdminDown && !waits && !silenced && !self.remote.min_rx.is_zero()
    }

    /// Sends a packet of its own accord, and sets the time of the next.
    pub(crate) fn transmit(&mut self, now: Instant, shared: &mut Shared) {
        self.send(self.poll != Poll::Idle, false, shared);
        // RFC 5880 6.8.7: reduced by 0 to 25%; with a multiplier of 1, to between 75% and 90%.
        let percent = if self.config.multiplier == 1 {
            75 + shared.chance.below(16)
        } else {
            75 + shared.chance.below(26)
        };
        self.paced = Some((now, percent));
        self.pace(now);
    }

    /// Answers a packet with P, out of turn.
    pub(crate) fn answer(&self, shared: &mut Shared) {
        self.send(false, true, shared);
    }

    fn send(&self, poll: bool, final_: bool, shared: &mut Shared) {
        let packet = Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll,
            final_,
            control_plane_independent: false,
            demand: false,
            multiplier: self.config.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: self.desired_min_tx,
            required_min_rx: self.required_min_rx,
            required_min_echo_rx: Duration::ZERO,
        };
        shared.actions.push_back(Action::Send {
            path: Arc::clone(&self.path),
            bytes: packet.encode(),
        });
    }

    /// Goes, and says so.
    pub(crate) fn leave(&mut self, shared: &mut Shared) {
        let spoke = self.speaks();
        (self.state, self.diagnostic) = (State::AdminDown, Diagnostic::ADMIN_DOWN);
        (self.send_at, self.expire_at, self.poll) = (None, None, Poll::Idle);
        if spoke {
            (0..FAREWELLS).for_each(|_| self.send(false, false, shared));
        }
    }

    /// Tells those who follow the session where it stands.
    pub(crate) fn report(&self, shared: &mut Shared) {
        shared.actions.push_back(Action::Report {
            session: Arc::clone(&self.name),
            up: self.state == State::Up,
        });
    }
}

fn path(config: &BfdInstance, source_port: u16) -> Path {
    Path {
        source: config.source_ip,
        source_port,
        neighbor: config.neighbor_ip,
        multihop: config.multihop,
        hop_limit: config.ttl,
    }
}
