//! The BFD process: lends the engine packets, time and chance, and carries out what it asks.
//!
//! One thread, one loop. Absent: every judgement about a packet or a session, which is the engine's.

mod socket;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use bfd::{Action, Engine, Event, News};
use parser::Config;
use parser::units::Family;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};

use crate::child::{Child, Order};
use crate::control::status::{self, Events};
use crate::dump::{self, Writer};
use crate::message::{BEAT_INTERVAL, BfdReport};
use crate::timer::{Timer, now};
use socket::{Datagram, Sockets};

/// A deadline met this much too late means that the process was held up, and the neighbour may have been heard meanwhile:
/// what waits in the sockets comes first then.
const LATE: Duration = Duration::from_millis(2);

/// Runs the BFD process until the supervisor says stop; answers with its exit status.
pub fn run(child: Child) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(async { Process::start(child)?.serve().await }));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("the BFD process cannot go on: {reason}");
            ExitCode::from(3) // nothing that the configuration could mend: another may fare better
        }
    }
}

struct Process {
    child: Child,
    engine: Engine,
    sockets: Sockets,
    timer: Timer,
    config: Config,
    writer: Writer,
    stopping: bool,
}

impl Process {
    fn start(mut child: Child) -> io::Result<Self> {
        let config = parser::parse_text(&parser::Machine, &child.take_config_text()).config;
        child.stand(&config);
        let seed = RandomState::new().build_hasher().finish();
        let mut process = Self {
            engine: Engine::new(&config, &child.saved_state(), seed, now()),
            sockets: Sockets::new(),
            timer: Timer::new()?,
            config,
            writer: Writer::default(),
            stopping: false,
            child,
        };
        process.listen();
        // Where the sessions stand comes before anything that waits for this process.
        process.turn()?;
        process.child.ready();
        Ok(process)
    }

    async fn serve(mut self) -> io::Result<()> {
        let mut beat = tokio::time::interval(BEAT_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut received = Vec::new();
        while !self.stopping {
            tokio::select! {
                rung = self.timer.rings() => rung?,
                got = self.sockets.receive(&mut received) => self.packets(got, &mut received),
                order = self.child.next_order() => self.order(order),
                _ = beat.tick() => {
                    self.child.beat();
                    self.listen();
                }
            }
            self.turn()?;
        }
        self.child.stopped();
        Ok(())
    }

    /// What follows every event: deadlines that have come, what the engine asks, the next alarm.
    fn turn(&mut self) -> io::Result<()> {
        let now = now();
        if let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= now) {
            self.child.was_late(now - deadline);
            if now - deadline > LATE {
                let mut waiting = Vec::new();
                self.sockets.receive_waiting(&mut waiting);
                self.packets(Ok(()), &mut waiting);
            }
            self.engine.handle_timeout(now);
        }
        self.carry_out();
        self.timer.arm(self.engine.next_deadline())
    }

    fn carry_out(&mut self) {
        let mut events = Events::default();
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Send { path, bytes } => self.sockets.send(&path, &bytes),
                Action::Report { session, up } => self.child.tell_bfd(BfdReport {
                    session: session.to_string(),
                    up,
                }),
                Action::Tell(news) => {
                    if !news.is_detail() {
                        events.news("bfd", &news.session, &news.to_string());
                    }
                    tell(&news);
                }
            }
        }
        if let Some(events) = events.take() {
            self.child.tell_events(&events);
        }
        if let Some(state) = self.engine.snapshot() {
            self.child.save_state(&state);
        }
    }

    fn packets(&mut self, got: io::Result<()>, received: &mut Vec<Datagram>) {
        if let Err(error) = got {
            warn!("Unable to receive BFD packets: {error}");
        }
        let now = now();
        for datagram in received.drain(..) {
            self.engine.handle(Event::Packet(datagram.received()), now);
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Stop => {
                self.stopping = true;
                self.engine.handle(Event::Stop, now());
            }
            Order::Reload(text) => self.reload(&text),
            Order::Status => self.child.tell_status(&status::bfd(&self.engine)),
            Order::Data => dump::bfd::write(&mut self.writer, &self.engine, &self.config),
            Order::Stats | Order::StatsClear | Order::Json | Order::Bfd(_) | Order::Inherit(_) => {}
        }
    }

    /// A new configuration, judged by the supervisor: what is unchanged is not touched.
    fn reload(&mut self, text: &str) {
        info!("Reloading");
        let config = parser::parse_text(&parser::Machine, text).config;
        self.child.stand(&config);
        self.engine.reload(&config, now());
        self.config = config;
        // The farewells of those that are gone leave by their own sockets.
        self.carry_out();
        let engine = &self.engine;
        self.sockets
            .retain(|path| engine.sessions.iter().any(|session| *session.path == *path));
        self.listen();
        self.child.reloaded();
    }

    /// Opens the ports that the sessions need, as far as they are not open.
    fn listen(&mut self) {
        let kinds: BTreeSet<(Family, bool)> = self
            .engine
            .sessions
            .iter()
            .map(|session| (Family::of(session.config.neighbor_ip), session.config.multihop))
            .collect();
        self.sockets.listen(&kinds);
    }
}

fn tell(news: &News) {
    if news.is_detail() {
        debug!(session = &*news.session, "{news}");
    } else {
        warn!(session = &*news.session, "{news}");
    }
}
