//! The checker process: carries the engine's probes, keeps the kernel's IPVS table as the engine wants it, and tells the
//! outside world of what changed.
//!
//! One thread, one loop. Absent: every judgement about a server, which is the engine's, and the fewest writes, which are
//! the plan's.

pub(crate) mod conversations;
mod keeper;
mod mapping;
mod marker;
mod marks;
mod ping_range;
mod saved;
mod scripts;
mod service_wide;
pub(crate) mod tls;

use std::collections::VecDeque;
use std::future::pending;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use checkers::{Action, ConversationId, Engine, Event, Instant, News, Notice, ServiceId};
use ipvs::Wanted;
use netlink::{Monitor, Netlink};
use parser::Config;
use parser::config::checker::Probe;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};

use crate::child::{Child, Order};
use crate::control::status::{self, Events};
use crate::dump::{CheckerDumps, Lines, Rendering};
use crate::mail::{self, Mailer};
use crate::message::BEAT_INTERVAL;
use crate::net_place::NetPlace;
use crate::receive_buffer;
use crate::sys::capability::{self, Capability};
use crate::sys::give_back_memory;
use crate::timer::{Timer, now};
use crate::vrrp_process::trackers::Trackers;
use crate::vrrp_process::vmac::owner;
use conversations::{Conversations, Happened};
use keeper::{Counts, Keeper};
use marker::Marker;
use ping_range::PingRange;
use saved::Saved;
use scripts::Scripts;
use service_wide::Wish;
use tls::Tls;

/// What is told in one turn of the loop; ten thousand servers that fail at once do not hold it up.
const AT_ONCE: usize = 64;

/// Saving the state takes at most one part of so many of the time: a large one is saved less often.
const SAVING_SHARE: u32 = 20;

/// Bytes of a state that is large.
const LARGE: usize = 64 * 1024;

/// What falls due within so many nanoseconds is done together.
const TICK: u64 = 4_000_000;

/// How long the end waits for mails under way.
const LAST_MAILS: Duration = Duration::from_secs(1);

/// What is needed: the rest is let go of at once. Scripts are started by a thread that keeps all.
const KEPT: &[Capability] = &[
    Capability::Chown,
    Capability::DacReadSearch,
    Capability::Kill,
    Capability::SetGid,
    Capability::SetUid,
    Capability::NetBindService,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::SysNice,
    Capability::SysResource,
];

/// Runs the checker process until the supervisor says stop; answers with its exit status.
pub fn run(child: Child) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CheckerProcessError::Io)
        .and_then(|runtime| runtime.block_on(async { Process::start(child)?.serve().await }));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            ExitCode::from(3) // nothing that the configuration could mend: another may fare better
        }
    }
}

/// Why the checker process cannot run.
#[derive(Debug, thiserror::Error)]
pub enum CheckerProcessError {
    /// The runtime, the timer or the thread of scripts cannot be had.
    #[error("the checker process cannot go on: {0}")]
    Io(#[from] io::Error),
    /// The TLS library has no way to make connections.
    #[error("cannot start the checker process: TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// `net_namespace_ipvs`: the namespace cannot be entered.
    #[error("IPVS: {0}")]
    Namespace(#[from] netlink::namespace::Error),
}

/// What is told.
enum Told {
    /// To the log.
    News(News),
    /// To the outside world.
    Notice(Notice),
}

struct Process {
    child: Child,
    engine: Engine,
    timer: Timer,
    conversations: Conversations,
    keeper: Keeper,
    marker: Marker,
    /// The comment of the marker's tables.
    owner: String,
    scripts: Scripts,
    mailer: Mailer,
    /// The host's addresses, if somebody suspends checks for want of one.
    monitor: Option<Monitor>,
    ping_range: PingRange,
    trackers: Trackers,
    /// Names of the tracked files, as the trackers number them.
    files: Vec<String>,
    /// What is to be told, each when the writes are done that were asked for before it.
    outbox: VecDeque<(u64, Told)>,
    /// What was told, for those who watch the daemon.
    events: Events,
    /// The state differs from what is saved.
    is_unsaved: bool,
    /// The status that is being made for the control socket.
    status: Option<Rendering>,
    dumps: CheckerDumps,
    save_at: Instant,
    stopping: bool,
}

impl Process {
    fn start(mut child: Child) -> Result<Self, CheckerProcessError> {
        let mut scripts = Scripts::start(child.options.run_vrrp)?;
        let place = NetPlace::enter(child.ipvs_namespace.take())?;
        // The other threads are made later, and have no more.
        let here = capability::keep_only(KEPT);
        let there = place.run(|| capability::keep_only(KEPT))?;
        if let Err(error) = here.and(there) {
            warn!("Unable to let go of privileges that are not needed: {error}");
        }
        let config = Arc::new(scripts.learn(&child.take_config_text()));
        child.stand(&config);
        let buffer = receive_buffer::or(config.global.lvs_netlink_cmd_rcv_bufs, Netlink::RECEIVE_BUFFER);
        let owner = owner(&child.options.checkers_pid);
        let saved = Saved::read(&child.saved_state());
        let succeeds = !saved.engine.is_empty();
        let seed = RandomState::new().build_hasher().finish();
        let mut process = Self {
            engine: Engine::new(Arc::clone(&config), &saved.engine, seed, now()),
            timer: Timer::new()?,
            conversations: Conversations::new(tls(&config)?)?,
            keeper: Keeper::new(place.clone(), buffer, saved.keys, saved.originals),
            marker: Marker::start(owner.clone(), place.clone()),
            owner,
            scripts,
            mailer: Mailer::start(),
            monitor: None,
            ping_range: PingRange {
                original: saved.ping_range,
            },
            trackers: Trackers::of_checkers(&config, saved.engine.is_empty()),
            files: Vec::new(),
            outbox: VecDeque::new(),
            events: Events::default(),
            is_unsaved: true,
            status: None,
            dumps: CheckerDumps::new(Arc::clone(&config)),
            save_at: now(),
            stopping: false,
            child,
        };
        process.learn(&config);
        if succeeds {
            process.scripts.recall(&process.engine);
        }
        Ok(process)
    }

    async fn serve(mut self) -> Result<(), CheckerProcessError> {
        let mut beat = tokio::time::interval(BEAT_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Vec::new();
        self.turn()?;
        self.child.ready();
        while !(self.stopping && self.keeper.is_idle()) {
            tokio::select! {
                rung = self.timer.rings() => rung?,
                () = self.conversations.next(&mut heard) => self.hear(&mut heard),
                (run, outcome) = self.scripts.ended() => {
                    self.engine.handle(Event::ScriptEnded { run, outcome }, now());
                }
                done = self.keeper.done() => {
                    let counts = self.keeper.finish(done, now());
                    self.counted(&counts);
                    self.is_unsaved = true;
                }
                reading = self.trackers.next() => self.reading(&reading),
                event = next_address(&mut self.monitor) => self.address(event),
                order = self.child.next_order() => self.order(order)?,
                () = std::future::ready(()), if self.status.is_some() => self.tell_status(),
                () = std::future::ready(()), if self.dumps.is_busy() => self.dumps.turn(&self.engine),
                _ = beat.tick() => self.child.beat(),
                () = tokio::task::yield_now(), if self.can_tell() => {}
            }
            self.turn()?;
        }
        while self.can_tell() {
            self.tell();
        }
        self.scripts.finish().await;
        self.mailer.finish(LAST_MAILS).await;
        self.marker.finish(!self.child.options.dont_release_ipvs).await;
        self.ping_range.restore();
        self.child.stopped();
        Ok(())
    }

    /// Goes on with the status for less than a millisecond.
    fn tell_status(&mut self) {
        let engine = &self.engine;
        let render = |part, item, lines: &mut Lines| status::checkers(engine, part, item, lines);
        if let Some(text) = self.status.as_mut().and_then(|rendering| rendering.turn(render)) {
            self.child.tell_status(&text);
            self.status = None;
        }
    }

    /// What follows every event: deadlines that have come, what the engine asks, the next round, the next alarm.
    fn turn(&mut self) -> io::Result<()> {
        let now = now();
        if let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= now) {
            self.child.was_late(now - deadline);
            self.engine.handle_timeout(now);
        }
        self.carry_out();
        let engine = &self.engine;
        self.keeper.begin(|service| wanted(engine, service), now);
        self.tell();
        if self.is_unsaved && self.save_at <= now {
            self.save();
        }
        let deadlines = [self.engine.next_deadline(), self.keeper.deadline()];
        self.timer.arm(deadlines.into_iter().flatten().min().map(to_tick))
    }

    fn carry_out(&mut self) {
        let releases = !(self.stopping && self.child.options.dont_release_ipvs);
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Open(opening) => self.conversations.open(opening),
                Action::Send { conversation, bytes } => self.conversations.send(conversation, bytes),
                Action::Close(conversation) => {
                    self.conversations.close(conversation);
                    self.scripts.end(conversation);
                }
                Action::RunScript {
                    run,
                    script,
                    time_limit,
                } => self.scripts.run(run, &script, time_limit),
                Action::Flush => {
                    if releases {
                        self.keeper.flush();
                    }
                }
                Action::Reconcile(service) => {
                    self.is_unsaved = true;
                    if releases {
                        self.keeper.reconcile(service);
                    }
                }
                Action::Tell(news) => {
                    self.is_unsaved = true;
                    self.outbox.push_back((self.keeper.ticket(), Told::News(news)));
                }
                Action::Notify(notice) => {
                    self.outbox
                        .push_back((self.keeper.ticket(), Told::Notice(notice)));
                }
            }
        }
    }

    /// Whether something has become true and is yet to be told.
    fn can_tell(&self) -> bool {
        self.outbox
            .front()
            .is_some_and(|(ticket, _)| self.keeper.has_done(*ticket))
    }

    /// Tells some of what has become true.
    fn tell(&mut self) {
        self.events.begin_turn();
        for _ in 0..AT_ONCE {
            let Some((_, told)) = self
                .outbox
                .pop_front_if(|(ticket, _)| self.keeper.has_done(*ticket))
            else {
                break;
            };
            match told {
                Told::News(news) => {
                    let line = news.to_string();
                    info!(service = news.service, "{line}");
                    self.events.news("checkers", &news.service, &line);
                }
                Told::Notice(notice) => {
                    self.scripts.notify(&notice);
                    if let Some(mail) = notice.mail {
                        self.mailer.send(mail::Mail {
                            subject: mail.subject,
                            body: mail.body,
                        });
                    }
                }
            }
        }
        if (self.events.is_large() || !self.can_tell())
            && let Some(events) = self.events.take()
        {
            self.child.tell_events(&events);
        }
        if self.outbox.is_empty() {
            self.outbox.shrink_to(AT_ONCE);
        }
    }

    fn save(&mut self) {
        let start = now();
        let saved = Saved {
            keys: self.keeper.ours().copied().collect(),
            originals: self.keeper.originals().clone(),
            ping_range: self.ping_range.original.clone(),
            engine: self.engine.snapshot(),
        };
        let text = saved.write();
        let is_large = text.len() > LARGE;
        self.child.save_state(&text);
        drop((saved, text));
        if is_large {
            // What a start or a great failure needed, and this.
            give_back_memory();
        }
        self.is_unsaved = false;
        let end = now();
        self.save_at = end + (end - start) * SAVING_SHARE;
    }

    /// The connections of what drains were counted.
    fn counted(&mut self, counts: &Counts) {
        if counts.is_empty() {
            return;
        }
        for service in self.engine.draining_services() {
            for (server, counted) in mapping::connections(&self.engine.table(service), counts) {
                let event = Event::Connections {
                    service,
                    server,
                    counted,
                };
                self.engine.handle(event, now());
            }
        }
    }

    fn hear(&mut self, heard: &mut Vec<(ConversationId, Happened)>) {
        let now = now();
        for what in heard.drain(..) {
            // An event before this one may have ended its conversation.
            self.carry_out();
            if !self.conversations.takes(&what) {
                continue;
            }
            let (conversation, happened) = what;
            self.engine.handle(
                match &happened {
                    Happened::Opened => Event::Opened(conversation),
                    Happened::Received(bytes) => Event::Received { conversation, bytes },
                    Happened::Closed => Event::Closed(conversation),
                    Happened::Failed(failure) => Event::Failed {
                        conversation,
                        failure: failure.clone(),
                    },
                },
                now,
            );
        }
    }

    fn reading(&mut self, reading: &vrrp::Event<'static>) {
        if let vrrp::Event::File { file, value } = *reading
            && let Some(track_file) = self.files.get(file.0 as usize)
        {
            self.engine.handle(Event::File { track_file, value }, now());
        }
    }

    fn address(&mut self, event: Result<netlink::Event, netlink::Error>) {
        let (address, present) = match event {
            Ok(netlink::Event::Address(address)) => (address.local, true),
            Ok(netlink::Event::AddressGone(gone)) => {
                let mut left = self.monitor.iter().flat_map(Monitor::addresses);
                (gone.local, left.any(|address| address.local == gone.local))
            }
            Ok(netlink::Event::Overrun) => return debug!("Netlink events were lost, reading the state anew"),
            Ok(netlink::Event::Link(_) | netlink::Event::LinkGone(_) | netlink::Event::Settled) => return,
            Err(error) => return warn!("Unable to follow the kernel's addresses: {error}"),
        };
        self.engine.handle(Event::Address { address, present }, now());
    }

    fn order(&mut self, order: Order) -> Result<(), CheckerProcessError> {
        match order {
            Order::Stop => {
                self.stopping = true;
                self.engine.handle(Event::Stop, now());
                self.keeper.set_service_wide(Wish::default());
            }
            Order::Reload(text) => self.reload(&text)?,
            Order::Bfd(report) => {
                let (session, up) = (report.session.as_str(), report.up);
                self.engine.handle(Event::Bfd { session, up }, now());
            }
            Order::Status => self.status = Some(Rendering::default()),
            Order::Data => self.dumps.ask(),
            Order::Stats | Order::StatsClear | Order::Json | Order::Inherit(_) => {}
        }
        Ok(())
    }

    /// A new configuration, judged by the supervisor: what is unchanged is not touched.
    fn reload(&mut self, text: &str) -> Result<(), CheckerProcessError> {
        info!("Reloading");
        let config = Arc::new(self.scripts.learn(text));
        self.child.stand(&config);
        self.conversations.set_tls(tls(&config)?);
        self.engine.reload(Arc::clone(&config), now());
        self.learn(&config);
        self.dumps.learn(Arc::clone(&config));
        self.trackers = Trackers::of_checkers(&config, false);
        self.child.reloaded();
        Ok(())
    }

    /// What a configuration asks for beside virtual servers.
    fn learn(&mut self, config: &Config) {
        self.scripts.set_order(&self.engine);
        let markings = self.engine.markings();
        self.marker.keep(marks::tables(config, &markings, &self.owner));
        self.keeper.set_service_wide(Wish::of(config));
        self.files = config.track_files.iter().map(|file| file.name.clone()).collect();
        let host = nix::unistd::gethostname().unwrap_or_default();
        self.mailer.learn(&config.global, &host.to_string_lossy());
        let mut checkers = config
            .virtual_servers
            .iter()
            .flat_map(|service| &service.real_servers)
            .flat_map(|server| &server.checkers);
        if checkers.any(|checker| matches!(checker.probe, Probe::Ping(_))) {
            self.ping_range.widen();
        }
        if self.monitor.is_none() && config.virtual_servers.iter().any(|service| service.ha_suspend) {
            let wish = config.global.lvs_netlink_monitor_rcv_bufs;
            self.monitor = Monitor::open_with(receive_buffer::or(wish, Monitor::RECEIVE_BUFFER))
                .inspect_err(|error| warn!("Unable to follow the kernel's addresses: {error}"))
                .ok();
        }
    }
}

/// Ten thousand deadlines a second are not ten thousand alarms: nothing here is due to the millisecond.
fn to_tick(deadline: Instant) -> Instant {
    Instant {
        nanos: deadline.nanos.next_multiple_of(TICK),
    }
}

async fn next_address(monitor: &mut Option<Monitor>) -> Result<netlink::Event, netlink::Error> {
    match monitor {
        Some(monitor) => monitor.next().await,
        None => pending().await,
    }
}

fn wanted(engine: &Engine, service: ServiceId) -> Vec<Wanted> {
    mapping::wanted(&engine.table(service)).unwrap_or_else(|error| {
        error!("IPVS: a virtual server cannot be written: {error}");
        Vec::new()
    })
}

fn tls(config: &Config) -> Result<Tls, rustls::Error> {
    let (tls, complaint) = Tls::new(config.ssl.as_ref())?;
    if let Some(complaint) = complaint {
        warn!("{complaint}");
    }
    Ok(tls)
}
