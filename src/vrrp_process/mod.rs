//! The VRRP process: lends the engine packets and time, and carries out what it asks.
//!
//! One thread, one loop. Adverts leave before anything else; addresses, routes and rules are written in rounds by another
//! thread, and what must come after them (announcements, notifies) follows when the round is done.

mod announce;
mod buffers;
mod firewall;
mod kernel;
mod keys;
mod leftovers;
mod mirror;
mod objects;
mod promote;
mod round;
mod socket;
mod sync_follower;
mod track_file;
mod track_process;
pub(crate) mod trackers;
mod uppers;
pub(crate) mod vmac;
mod wants;
mod writer;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use netlink::nftables::Family;
use netlink::{Monitor, Object, Objects, Removal, Removals};
use parser::Config;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};
use vrrp::{
    Action, Datagram, Endpoint, Engine, Event, Instance, InstanceId, Instant, News, ScriptId, ScriptOutcome,
    Whose,
};

use crate::child::{Child, Order};
use crate::control::status::Events;
use crate::dump::{self, VrrpDumps};
use crate::herald::Herald;
use crate::message::BEAT_INTERVAL;
use crate::notify::Party;
use crate::receive_buffer;
use crate::repair::Repairs;
use crate::scripts::{Inspector, Policy, Prepared, Runner};
use crate::timer::{self, Timer, now, utc};
use announce::Announcer;
use firewall::Firewall;
use mirror::Mirror;
use promote::Promoted;
use round::{Owner, Rounds, Step};
use socket::{Received, Sockets};
use sync_follower::SyncFollower;
use trackers::Trackers;
use vmac::Uppers;
use wants::{Wants, address_lines};
use writer::Writer;

/// A deadline met this much too late means that the process was held up, and the master may have been heard meanwhile: what
/// waits in the sockets comes first then.
const LATE: Duration = Duration::from_millis(2);

/// How long what is not an advert may keep the loop from its next turn.
const SLICE: Duration = Duration::from_micros(500);

/// Room that the queues keep when they are empty; what a thousand routers needed at once is given back.
const QUIET: usize = 64;

/// How often the state is saved at most: that of a thousand routers takes a millisecond.
const SAVE_EVERY: Duration = Duration::from_millis(20);

/// How much longer than a save the time until the next one is, where there are so many routers that it takes long.
const SAVING_SHARE: u32 = 20;

/// Why the VRRP process cannot run.
#[derive(Debug, thiserror::Error)]
pub enum VrrpProcessError {
    /// The runtime, the timer or the packet socket could not be made.
    #[error("cannot start the VRRP process: {0}")]
    Start(#[from] io::Error),
    /// As with keepalived, a configuration that names an interface which is not there cannot be used.
    #[error(
        "({instance}) interface {interface} does not exist; correct the name, or add dynamic_interfaces to global_defs \
         if it comes later"
    )]
    NoInterface {
        /// The first instance that names it.
        instance: String,
        /// The name.
        interface: String,
    },
    /// The kernel's addresses and links cannot be reached.
    #[error("cannot talk to the kernel about addresses and links: {0}")]
    Netlink(#[from] netlink::OpenError),
}

/// Runs the VRRP process until the supervisor says stop; answers with its exit status.
pub fn run(child: Child) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(VrrpProcessError::Start)
        .and_then(|runtime| runtime.block_on(async { Box::pin(Process::start(child).await?.serve()).await }));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            match reason {
                VrrpProcessError::NoInterface { .. } => ExitCode::from(2),
                VrrpProcessError::Start(_) | VrrpProcessError::Netlink(_) => ExitCode::FAILURE,
            }
        }
    }
}

struct Process {
    child: Child,
    config: Config,
    engine: Engine,
    mirror: Mirror,
    monitor: Monitor,
    /// Lost routes and rules, where there are some to lose.
    removals: Option<Removals>,
    sockets: Sockets,
    announcer: Announcer,
    timer: Timer,
    rounds: Rounds,
    /// Tables of the firewall that others changed.
    tables_lost: mpsc::UnboundedReceiver<Family>,
    /// What follows the rounds that are done.
    following: VecDeque<Step>,
    /// Addresses, routes and rules, by whose they are and what in words.
    repairs: Repairs<(Owner, String)>,
    /// Times that others took away something static.
    statics_lost: u64,
    /// When routes are looked at again that the kernel may have dropped without a word.
    recheck_at: Option<vrrp::Instant>,
    promoted: Promoted,
    uppers: Uppers,
    firewall: Option<Firewall>,
    /// How interfaces and tables are marked as this daemon's.
    owner: String,
    /// Static items that the kernel refused in the last round about them.
    refused: HashSet<Object>,
    /// What the engine was told of static items that are missing.
    lacking: BTreeMap<InstanceId, Vec<String>>,
    /// Owners whose leftovers of an earlier run have not been looked for.
    cleaning: BTreeSet<Owner>,
    /// The configuration of a predecessor that has left things which this one does not know.
    predecessor: Option<Box<Config>>,
    scripts: Vec<Arc<Prepared>>,
    runner: Arc<Runner>,
    herald: Herald,
    ended: Ended,
    trackers: Trackers,
    sync_follower: SyncFollower,
    dumps: VrrpDumps,
    events: Events,
    /// News that have not been told yet.
    news: VecDeque<News>,
    /// What a successor needs is not what was saved last.
    unsaved: bool,
    /// It is to be saved as soon as it may be.
    urgent: bool,
    /// When it may be saved again.
    save_at: Instant,
    /// What the log has said does not work: a socket that cannot be opened (no destination), a way that cannot be sent.
    ailing: HashSet<(Endpoint, Option<IpAddr>)>,
    /// The sockets may not be those that the engine's instances need.
    sockets_stale: bool,
    /// What the kernel has is known: links and addresses have been read once.
    settled: bool,
    stopping: bool,
}

/// Where the runs of tracked scripts tell how they ended.
struct Ended {
    tell: mpsc::UnboundedSender<(ScriptId, ScriptOutcome)>,
    hear: mpsc::UnboundedReceiver<(ScriptId, ScriptOutcome)>,
}

impl Ended {
    fn new() -> Self {
        let (tell, hear) = mpsc::unbounded_channel();
        Self { tell, hear }
    }
}

impl Process {
    async fn start(mut child: Child) -> Result<Self, VrrpProcessError> {
        let runner = Runner::new()?;
        let mut herald = Herald::new(&runner);
        let mut config = parser::parse_text(&parser::Machine, &child.take_config_text()).config;
        let scripts = admit(&mut config, &mut herald);
        child.stand(&config);
        Firewall::note(&config);
        let wishes = uppers::put_on(&mut config).await?;
        let owner = vmac::owner(&child.options.vrrp_pid);
        let (writer, tables_lost) = Writer::start(&owner, config.global.vrrp_netlink_cmd_rcv_bufs)?;
        let mut process = Self {
            engine: Engine::new(&config, &child.saved_state(), now()),
            mirror: Mirror::default(),
            monitor: Monitor::open_with(receive_buffer::or(
                config.global.vrrp_netlink_monitor_rcv_bufs,
                Monitor::RECEIVE_BUFFER,
            ))?,
            removals: None,
            sockets: Sockets::new(),
            announcer: Announcer::open()?,
            timer: Timer::new()?,
            rounds: Rounds::new(writer),
            tables_lost,
            following: VecDeque::new(),
            repairs: Repairs::new(Duration::ZERO),
            statics_lost: 0,
            recheck_at: None,
            promoted: Promoted::default(),
            uppers: Uppers::new(wishes),
            firewall: Firewall::of(&config, &owner),
            owner,
            refused: HashSet::new(),
            lacking: BTreeMap::new(),
            cleaning: BTreeSet::new(),
            predecessor: None,
            scripts,
            herald,
            runner: Arc::new(runner),
            ended: Ended::new(),
            trackers: Trackers::start(&config, child.saved_state().is_empty()),
            sync_follower: SyncFollower::new(child.ipvs_namespace.take()),
            dumps: VrrpDumps::new(&config),
            events: Events::default(),
            news: VecDeque::new(),
            unsaved: false,
            urgent: false,
            save_at: Instant::default(),
            ailing: HashSet::new(),
            sockets_stale: false,
            settled: false,
            stopping: false,
            config,
            child,
        };
        process.recall();
        process.claim();
        process.sync_follower.learn(&process.config, &process.engine);
        Ok(process)
    }

    /// What a predecessor told is known to whoever reads of it anew.
    fn recall(&mut self) {
        let groups = self.engine.groups.iter().filter_map(|group| {
            let party = Party::Group(group.name.to_string());
            Some((party, group.state?, 0))
        });
        let instances = self.engine.instances().filter_map(|instance| {
            let party = Party::Instance(instance.config.name.clone());
            Some((party, instance.notified?, instance.priority.get()))
        });
        self.herald.recall(groups.chain(instances));
    }

    async fn serve(mut self) -> Result<(), VrrpProcessError> {
        let mut beat = tokio::time::interval(BEAT_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut received = Vec::new();
        let port = self.rounds.port();
        self.make_uppers(&mut beat).await;
        // What an earlier run left behind is known, and gone, before a stop ends the loop.
        while !(self.stopping && self.settled && self.rounds.is_idle() && !self.lags()) {
            tokio::select! {
                rung = self.timer.rings() => rung?,
                got = self.sockets.receive(&mut received) => self.packets(got, &mut received),
                written = self.rounds.done(now) => self.finish_round(written),
                event = self.monitor.next() => self.kernel(event)?,
                removal = next_removal(&mut self.removals, port) => self.removal(&removal),
                Some(family) = self.tables_lost.recv() => self.table_lost(family),
                Some((script, outcome)) = self.ended.hear.recv() => {
                    self.engine.handle(Event::ScriptEnded { script, outcome }, now());
                    self.unsaved = true;
                }
                reading = self.trackers.next() => {
                    self.engine.handle(reading, now());
                    self.unsaved = true;
                }
                order = self.child.next_order() => self.order(order),
                () = std::future::ready(()), if self.lags() => self.follow_up(),
                () = std::future::ready(()), if self.dumps.is_busy() => {
                    if let Some(status) = self.dumps.turn(&self.engine, &self.config, self.statics_lost, now()) {
                        self.child.tell_status(&status);
                    }
                }
                _ = beat.tick() => {
                    self.child.beat();
                    self.urgent |= self.unsaved;
                    // What could not be opened is tried again.
                    self.sockets_stale |= !self.ailing.is_empty();
                }
            }
            self.turn()?;
        }
        self.release_uppers().await;
        self.runner.stop_all().await;
        tokio::join!(self.herald.finish(), self.sync_follower.finish());
        self.child.stopped();
        Ok(())
    }

    /// What follows every event: deadlines that have come, what the engine asks, the next round, the next alarm.
    fn turn(&mut self) -> io::Result<()> {
        let now = now();
        if !self.settled || !self.trackers.are_read() {
            // The engine judges nothing before it has been told of all links and of what is tracked.
            return Ok(());
        }
        if let Some(config) = self.uppers.has_come(&self.mirror, now) {
            self.take_in(config);
        }
        if let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= now) {
            self.child.was_late(now - deadline);
            if now - deadline > LATE {
                let mut waiting = Vec::new();
                self.sockets.receive_waiting(&mut waiting);
                self.packets(Ok(()), &mut waiting);
            }
            self.tell_time(now);
            self.engine.handle_timeout(now);
        }
        if std::mem::take(&mut self.sockets_stale) {
            self.keep_sockets();
        }
        self.carry_out();
        self.tell_news(now);
        self.save(now);
        if !self.stopping {
            self.sync_follower.follow(&self.engine);
        }
        self.repair();
        self.give_up_uppers(now);
        let wants = Wants {
            config: &self.config,
            engine: &self.engine,
            mirror: &self.mirror,
            stopping: self.stopping,
        };
        let (uppers, firewall) = (&mut self.uppers, self.firewall.as_ref());
        self.rounds.begin(|owners, orphans| {
            let mut job = wants.job(owners, orphans);
            uppers.join(&mut job, firewall, wants);
            job
        });
        let deadlines = [
            self.engine.next_deadline(),
            self.repairs.next_deadline(),
            self.recheck_at,
            self.urgent.then_some(self.save_at),
            self.uppers.next_deadline(),
        ];
        self.timer.arm(deadlines.into_iter().flatten().min())
    }

    fn carry_out(&mut self) {
        let mut adverts = Vec::new();
        while let Some(action) = self.engine.next_action() {
            if let Action::Send(advert) = action {
                adverts.push(advert);
                continue;
            }
            self.send(&mut adverts);
            match action {
                Action::Send(_) => {}
                Action::Reconcile(_) if self.stopping && self.child.options.dont_release_vrrp => {}
                Action::Reconcile(instance) => self.rounds.push(Step::Reconcile(Owner::Instance(instance))),
                Action::Announce { instance, repeat } => {
                    self.rounds.push(Step::Announce(instance, None, repeat));
                }
                Action::AnnounceAddress {
                    instance,
                    link,
                    address,
                    repeat,
                } => self
                    .rounds
                    .push(Step::Announce(instance, Some((link, address)), repeat)),
                Action::Notify(transition) => {
                    (self.unsaved, self.urgent) = (true, true);
                    let (of, name) = match &transition.whose {
                        Whose::Instance(id) => ("instance", name_of(&self.engine, *id)),
                        Whose::Group(name) => ("group", &**name),
                    };
                    self.events
                        .transition(of, name, transition.to, transition.priority);
                    self.rounds.push(Step::Notify(transition));
                }
                Action::RunScript(script) => self.run_script(script),
                Action::Tell(news) => self.news.push_back(news),
            }
        }
        self.send(&mut adverts);
    }

    /// Tells news for a while. When a thousand routers take over at once, what is left waits until there is nothing more
    /// urgent to do.
    fn tell_news(&mut self, begin: Instant) {
        while let Some(news) = self.news.pop_front() {
            if !news.is_detail() {
                self.events.news("vrrp", &news.subject, &news.to_string());
            }
            tell(&news);
            if now() - begin > SLICE {
                break;
            }
        }
        if self.news.is_empty() {
            self.news.shrink_to(QUIET);
        }
        if let Some(events) = self.events.take() {
            self.child.tell_events(&events);
        }
    }

    /// Whether something waits for a quiet moment.
    fn lags(&self) -> bool {
        !self.following.is_empty() || !self.news.is_empty()
    }

    /// Saves what a successor needs, if it is time.
    fn save(&mut self, now: Instant) {
        if self.urgent && now >= self.save_at {
            (self.unsaved, self.urgent) = (false, false);
            self.child.save_state(&self.engine.snapshot());
            self.save_at = now + SAVE_EVERY.max((timer::now() - now) * SAVING_SHARE);
        }
    }

    /// Sends what has been gathered: the engine gives all adverts of an event first.
    fn send(&mut self, adverts: &mut Vec<Datagram>) {
        let outcomes = self.sockets.send(adverts);
        for (advert, sent) in adverts.drain(..).zip(outcomes) {
            self.tell_health(advert.endpoint, Some(advert.destination), sent);
        }
    }

    /// Lends the engine the time of day, where adverts are signed with it.
    fn tell_time(&mut self, now: Instant) {
        if self.engine.wants_clock() {
            self.engine.handle(Event::Clock(utc()), now);
        }
    }

    /// Starts a run of a tracked script beside the loop.
    fn run_script(&self, script: ScriptId) {
        let index = script.0 as usize;
        let (Some(prepared), Some(config)) = (self.scripts.get(index), self.config.vrrp_scripts.get(index))
        else {
            return;
        };
        let (runner, prepared, limit) = (Arc::clone(&self.runner), Arc::clone(prepared), config.timeout);
        let tell = self.ended.tell.clone();
        tokio::spawn(async move {
            let outcome = runner.run(&prepared, &[], limit).await;
            // Nobody hears it when the process is ending.
            let _ = tell.send((script, outcome));
        });
    }

    fn packets(&mut self, got: io::Result<()>, received: &mut Vec<Received>) {
        if let Err(error) = got {
            warn!("Unable to receive VRRP packets: {error}");
        }
        let now = now();
        self.tell_time(now);
        for packet in received.drain(..) {
            self.engine.handle(Event::Packet(packet.packet()), now);
        }
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Stop => {
                self.stopping = true;
                self.uppers.forget_coming();
                self.tell_time(now());
                self.engine.handle(Event::Stop, now());
                self.promote();
                if !self.child.options.dont_release_vrrp {
                    self.rounds.push(Step::Reconcile(Owner::Statics));
                }
            }
            Order::Reload(text) => self.reload(&text),
            Order::Inherit(text) => self.inherit(&text),
            Order::Bfd(report) => {
                let session = Event::Bfd {
                    session: &report.session,
                    up: report.up,
                };
                self.engine.handle(session, now());
                self.unsaved = true;
            }
            Order::Status => self.dump(dump::Asked::Status),
            Order::Data => self.dump(dump::Asked::Data),
            Order::Json => self.dump(dump::Asked::Json),
            Order::Stats => self.dump(dump::Asked::Stats),
            Order::StatsClear => {
                self.dump(dump::Asked::Stats);
                self.engine.clear_stats();
            }
        }
    }

    fn dump(&mut self, asked: dump::Asked) {
        let links = match asked {
            dump::Asked::Data | dump::Asked::Json => self.mirror.every_link(),
            dump::Asked::Stats | dump::Asked::Status => Vec::new(),
        };
        self.dumps.ask(asked, &self.engine, &self.config, links);
    }

    /// A new configuration, judged by the supervisor: what is unchanged is not touched.
    fn reload(&mut self, text: &str) {
        info!("Reloading");
        let config = parser::parse_text(&parser::Machine, text).config;
        if !self.must_wait(&config) {
            self.take_in(config);
        }
    }

    /// A new configuration comes into force.
    fn take_in(&mut self, mut config: Config) {
        // What still runs belongs to the old configuration: nobody hears how it ends.
        self.ended = Ended::new();
        let runner = Arc::new(self.runner.sibling());
        let old = std::mem::replace(&mut self.runner, runner);
        tokio::spawn(async move { old.stop_all().await });
        let before = self.wants().configured();
        let scripts = admit(&mut config, &mut self.herald);
        let wishes = vmac::put_on(&mut config, &self.mirror.known());
        self.take_uppers(wishes);
        let firewall = std::mem::replace(&mut self.firewall, Firewall::of(&config, &self.owner));
        self.uppers.retired = match &self.firewall {
            Some(_) => None,
            None => firewall.or(self.uppers.retired.take()),
        };
        let statics_differ = config.static_ipaddress != self.config.static_ipaddress
            || config.static_routes != self.config.static_routes
            || config.static_rules != self.config.static_rules;
        (self.config, self.scripts) = (config, scripts);
        self.child.stand(&self.config);
        self.dumps.learn(&self.config);
        self.engine.reload(&self.config, now());
        self.sync_follower.learn(&self.config, &self.engine);
        // Who is gone resigns while its socket is still there.
        self.carry_out();
        if self.config.global.fifo_write_vrrp_states_on_reload {
            self.herald.tell_states();
        }
        self.trackers = Trackers::start(&self.config, false);
        self.sockets_stale = true;
        let orphans = Objects {
            addresses: self.claim(),
            ..orphans(before, &self.wants().configured())
        };
        self.rounds.remove(orphans);
        if statics_differ {
            self.rounds.push(Step::Reconcile(Owner::Statics));
        }
        for link in self.mirror.links() {
            self.link_changed(link);
        }
        self.leave_uppers();
        self.lacking.clear();
        self.judge_statics();
        self.watch_routing();
        self.promote();
        let stays: BTreeSet<Owner> = wants::owners(&self.engine).collect();
        self.repairs.keep(|(owner, _)| stays.contains(owner));
        self.child.reloaded();
    }

    /// Has the mirror tell the addresses of the configuration from others; answers with those that nobody claims any more.
    fn claim(&mut self) -> Vec<netlink::Address> {
        let (config, engine) = (&self.config, &self.engine);
        let lines = wants::owners(engine).flat_map(|owner| address_lines(config, engine, owner));
        self.mirror.claim(lines)
    }

    /// Opens the sockets that the instances need now, and closes the others.
    fn keep_sockets(&mut self) {
        let wanted = buffers::wanted(&self.config.global.vrrp_rx_bufs, self.engine.instances());
        self.ailing.retain(|(endpoint, _)| wanted.contains_key(endpoint));
        for (endpoint, opened) in self.sockets.keep(&wanted) {
            self.tell_health(endpoint, None, opened);
        }
    }

    /// Says once that a socket cannot be opened, or nothing be sent to a destination, and once that it works again.
    fn tell_health(&mut self, endpoint: Endpoint, destination: Option<IpAddr>, result: io::Result<()>) {
        let at = |process: &Self| match endpoint.link {
            Some(link) => format!("{} on {}", endpoint.local, process.mirror.name_of(link.0)),
            None => endpoint.local.to_string(),
        };
        let what = || match destination {
            Some(destination) => format!("send adverts to {destination} from the socket of"),
            None => "open a VRRP socket for".to_owned(),
        };
        match result {
            Ok(()) => {
                if !self.ailing.is_empty() && self.ailing.remove(&(endpoint, destination)) {
                    info!("Able to {} {} again", what(), at(self));
                }
            }
            Err(error) => {
                if self.ailing.insert((endpoint, destination)) {
                    warn!("Unable to {} {}: {error}", what(), at(self));
                }
            }
        }
    }
}

/// Takes the scripts out of a configuration that may not run on this machine; answers with those that may.
fn admit(config: &mut Config, herald: &mut Herald) -> Vec<Arc<Prepared>> {
    let mut inspector = Inspector::new(Policy::new(&config.global));
    let mut prepared = Vec::new();
    config.vrrp_scripts.retain(|script| {
        let admitted = inspector.admit(&format!("vrrp_script {}", script.name), &script.script);
        prepared.extend(admitted.clone());
        admitted.is_some()
    });
    let known: HashSet<&str> = config
        .vrrp_scripts
        .iter()
        .map(|script| script.name.as_str())
        .collect();
    for instance in config.vrrp_instances.iter_mut().map(Arc::make_mut) {
        instance
            .track_script
            .retain(|tracked| known.contains(tracked.name.as_str()));
        keys::load(instance);
    }
    herald.learn(config, &mut inspector);
    inspector.say_violation();
    prepared
}

/// Routes and rules that a reload has taken out of the configuration.
fn orphans(mut before: Objects, after: &Objects) -> Objects {
    before.routes.retain(|route| !after.routes.contains(route));
    before.rules.retain(|rule| !after.rules.contains(rule));
    before
}

async fn next_removal(removals: &mut Option<Removals>, ours: u32) -> Result<Removal, netlink::Error> {
    match removals {
        Some(removals) => removals.next(ours).await,
        None => std::future::pending().await,
    }
}

fn name_of(engine: &Engine, id: InstanceId) -> &str {
    engine
        .instance(id)
        .map_or("?", |instance: &Instance| &instance.name)
}

fn tell(news: &News) {
    if news.is_detail() {
        debug!(subject = &*news.subject, "{news}");
    } else {
        info!(subject = &*news.subject, "{news}");
    }
}
