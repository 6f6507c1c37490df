//! The VRRP process: lends the engine packets and time, and carries out what it asks.
//!
//! One thread, one loop. Adverts leave before anything else; addresses are written in rounds that the loop does not
//! wait for, and what must come after them (announcements, notifies) follows when the round is done.

mod announce;
mod buffers;
mod keys;
mod mirror;
mod round;
mod socket;
mod track_file;
mod track_process;
mod trackers;

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use netlink::{Change, Monitor, Netlink};
use parser::Config;
use parser::config::global_defs::DynamicInterfaces;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};
use vrrp::{
    Action, Datagram, Endpoint, Engine, Event, Instance, InstanceId, Instant, LinkId, News, ScriptId,
    ScriptOutcome, Whose,
};

use crate::child::{Child, Order};
use crate::control::status::Events;
use crate::dump::{self, VrrpDumps};
use crate::message::BEAT_INTERVAL;
use crate::notify::{Limits, Notifier, Party};
use crate::scripts::{Inspector, Policy, Prepared, Runner};
use crate::timer::{Timer, now, utc};
use announce::{Announcement, Announcer};
use mirror::{Mirror, on_link};
use round::{Rounds, Step, Written};
use socket::{Received, Sockets};
use trackers::Trackers;

/// A deadline met this much too late means that the process was held up, and the master may have been heard meanwhile: what
/// waits in the sockets comes first then.
const LATE: Duration = Duration::from_millis(2);

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
        .and_then(|runtime| runtime.block_on(async { Process::start(child)?.serve().await }));
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
    sockets: Sockets,
    announcer: Announcer,
    timer: Timer,
    rounds: Rounds,
    scripts: Vec<Arc<Prepared>>,
    runner: Arc<Runner>,
    notifier: Notifier,
    ended: Ended,
    trackers: Trackers,
    dumps: VrrpDumps,
    events: Events,
    /// What a successor needs is not what was saved last.
    unsaved: bool,
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
    fn start(child: Child) -> Result<Self, VrrpProcessError> {
        let runner = Runner::new()?;
        let notifier = Notifier::new(&runner, Limits::default());
        let (config, scripts) = admit(&child.config_text(), &notifier);
        let mut process = Self {
            engine: Engine::new(&config, &child.saved_state(), now()),
            mirror: Mirror::default(),
            monitor: Monitor::open()?,
            sockets: Sockets::new(),
            announcer: Announcer::open()?,
            timer: Timer::new()?,
            rounds: Rounds::new(Netlink::open()?),
            scripts,
            notifier,
            runner: Arc::new(runner),
            ended: Ended::new(),
            trackers: Trackers::start(&config, child.saved_state().is_empty()),
            dumps: VrrpDumps::new(&config),
            events: Events::default(),
            unsaved: false,
            ailing: HashSet::new(),
            sockets_stale: false,
            settled: false,
            stopping: false,
            config,
            child,
        };
        process.mirror.claim(claims(&process.engine));
        Ok(process)
    }

    async fn serve(mut self) -> Result<(), VrrpProcessError> {
        let mut beat = tokio::time::interval(BEAT_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut received = Vec::new();
        while !(self.stopping && self.rounds.is_idle()) {
            tokio::select! {
                rung = self.timer.rings() => rung?,
                got = self.sockets.receive(&mut received) => self.packets(got, &mut received),
                written = self.rounds.done() => self.finish_round(written),
                event = self.monitor.next() => self.kernel(event)?,
                Some((script, outcome)) = self.ended.hear.recv() => {
                    self.engine.handle(Event::ScriptEnded { script, outcome }, now());
                    self.unsaved = true;
                }
                reading = self.trackers.next() => {
                    self.engine.handle(reading, now());
                    self.unsaved = true;
                }
                order = self.child.next_order() => self.order(order),
                () = std::future::ready(()), if self.dumps.is_busy() => {
                    if let Some(status) = self.dumps.turn(&self.engine, &self.config, now()) {
                        self.child.tell_status(&status);
                    }
                }
                _ = beat.tick() => {
                    self.child.beat();
                    self.save();
                    // What could not be opened is tried again.
                    self.sockets_stale |= !self.ailing.is_empty();
                }
            }
            self.turn()?;
        }
        self.runner.stop_all().await;
        self.notifier.finish().await;
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
        if let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= now) {
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
        let (engine, mirror) = (&self.engine, &self.mirror);
        self.rounds.begin(|instances| changes(engine, mirror, instances));
        self.timer.arm(self.engine.next_deadline())
    }

    fn carry_out(&mut self) {
        let mut transitions = false;
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
                Action::Reconcile(instance) => self.rounds.push(Step::Reconcile(instance)),
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
                    transitions = true;
                    let (of, name) = match &transition.whose {
                        Whose::Instance(id) => ("instance", name_of(&self.engine, *id)),
                        Whose::Group(name) => ("group", &**name),
                    };
                    self.events
                        .transition(of, name, transition.to, transition.priority);
                    self.rounds.push(Step::Notify(transition));
                }
                Action::RunScript(script) => self.run_script(script),
                Action::Tell(news) => {
                    if !news.is_detail() {
                        self.events.news("vrrp", &news.subject, &news.to_string());
                    }
                    tell(&news);
                }
            }
        }
        if let Some(events) = self.events.take() {
            self.child.tell_events(&events);
        }
        self.send(&mut adverts);
        if transitions {
            self.unsaved = true;
            self.save();
        }
    }

    fn save(&mut self) {
        if std::mem::take(&mut self.unsaved) {
            self.child.save_state(&self.engine.snapshot());
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
                self.tell_time(now());
                self.engine.handle(Event::Stop, now());
            }
            Order::Reload(text) => self.reload(&text),
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
            dump::Asked::Data => self.mirror.every_link(),
            dump::Asked::Stats | dump::Asked::Json | dump::Asked::Status => Vec::new(),
        };
        self.dumps.ask(asked, &self.engine, &self.config, links);
    }

    /// A new configuration, judged by the supervisor: what is unchanged is not touched.
    fn reload(&mut self, text: &str) {
        info!("Reloading");
        // What still runs belongs to the old configuration: nobody hears how it ends.
        self.ended = Ended::new();
        let runner = Arc::new(self.runner.sibling());
        let old = std::mem::replace(&mut self.runner, runner);
        tokio::spawn(async move { old.stop_all().await });
        (self.config, self.scripts) = admit(text, &self.notifier);
        self.dumps.learn(&self.config);
        self.engine.reload(&self.config, now());
        self.trackers = Trackers::start(&self.config, false);
        self.sockets_stale = true;
        let orphans = self.mirror.claim(claims(&self.engine));
        self.rounds.remove(orphans);
        for link in self.mirror.links() {
            self.link_changed(link);
        }
        self.child.reloaded();
    }

    fn kernel(&mut self, event: Result<netlink::Event, netlink::Error>) -> Result<(), VrrpProcessError> {
        match event {
            Ok(netlink::Event::Link(link)) => {
                let link = self.mirror.link(link);
                self.link_changed(link);
            }
            Ok(netlink::Event::LinkGone(index)) => {
                self.mirror.link_gone(index);
                self.sockets_stale = true;
                self.engine.handle(Event::LinkGone(LinkId(index)), now());
            }
            Ok(netlink::Event::Address(address)) => {
                let link = LinkId(address.link);
                if self.mirror.address(address).is_none() {
                    self.link_changed(link);
                }
            }
            Ok(netlink::Event::AddressGone(address)) => match self.mirror.address_gone(&address) {
                Some(instance) => self.put_back(instance, &address),
                None => self.link_changed(LinkId(address.link)),
            },
            Ok(netlink::Event::Settled) => self.settle()?,
            Ok(netlink::Event::Overrun) => debug!("Netlink events were lost, reading the state anew"),
            Err(error) => warn!("Unable to follow the kernel's links and addresses: {error}"),
        }
        Ok(())
    }

    /// What the kernel has is known. What an earlier run left behind is removed, or taken over by a master that goes on.
    fn settle(&mut self) -> Result<(), VrrpProcessError> {
        if self.settled {
            return Ok(());
        }
        self.settled = true;
        // A successor goes on, whatever has become of the interfaces meanwhile.
        if self.config.global.dynamic_interfaces == DynamicInterfaces::No
            && self.child.saved_state().is_empty()
        {
            self.demand_interfaces()?;
        }
        for instance in self.engine.instances() {
            self.rounds.push(Step::Reconcile(instance.id));
        }
        self.child.ready();
        Ok(())
    }

    fn demand_interfaces(&self) -> Result<(), VrrpProcessError> {
        let named = self.config.vrrp_instances.iter().flat_map(|instance| {
            let tracked = instance.track_interface.iter().map(|tracked| &tracked.name);
            let names = std::iter::once(&instance.interface).chain(tracked);
            names.map(move |interface| (&instance.name, interface))
        });
        let mut missing = named.filter(|(_, name)| !name.is_empty() && !self.mirror.has(name));
        missing.next().map_or(Ok(()), |(instance, interface)| {
            Err(VrrpProcessError::NoInterface {
                instance: instance.clone(),
                interface: interface.clone(),
            })
        })
    }

    /// One of our addresses is gone from its link, by somebody's hand or with the link.
    fn put_back(&mut self, instance: InstanceId, gone: &netlink::Address) {
        if self
            .engine
            .owned(instance)
            .any(|owned| on_link(owned.address, owned.link).key() == gone.key())
        {
            info!(
                "({}) {} was removed from {} by another program, putting it back",
                name_of(&self.engine, instance),
                gone.local,
                self.mirror.name_of(gone.link)
            );
            self.rounds.push(Step::Reconcile(instance));
            self.rounds.push(Step::Announce(instance, None, 1));
        }
    }

    fn link_changed(&mut self, link: LinkId) {
        if let Some(known) = self.mirror.describe(link) {
            self.engine.handle(Event::Link(known), now());
            self.sockets_stale = true;
        }
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

    fn finish_round(&mut self, written: Written) {
        let refused: HashSet<_> = written
            .failures
            .iter()
            .map(|failure| failure.change.address().key())
            .collect();
        for change in written
            .changes
            .iter()
            .filter(|change| !refused.contains(&change.address().key()))
        {
            self.mirror.written(change);
        }
        for failure in &written.failures {
            let link = self.mirror.name_of(failure.change.address().link);
            error!("Unable to {} on {link}: {}", failure.change, failure.error);
        }
        if let Some((error, addresses)) = written.broken {
            error!("Unable to write addresses: {error}; reading them anew");
            if let Some(addresses) = addresses {
                self.mirror.replace_addresses(addresses);
            }
            for instance in self.engine.instances() {
                self.rounds.push(Step::Reconcile(instance.id));
            }
        }
        for step in written.after {
            match step {
                Step::Announce(instance, only, repeat) => self.announce(instance, only, repeat),
                Step::Notify(transition) => {
                    let party = match &transition.whose {
                        Whose::Group(name) => Some(Party::Group(name.to_string())),
                        Whose::Instance(id) => self
                            .engine
                            .instance(*id)
                            .map(|instance| Party::Instance(instance.config.name.clone())),
                    };
                    if let Some(party) = party {
                        self.notifier.tell(&transition, &party);
                    }
                }
                Step::Reconcile(_) => {}
            }
        }
    }

    /// Announces what an instance owns, or one address of that `only`.
    fn announce(&self, instance: InstanceId, only: Option<(LinkId, IpAddr)>, repeat: u32) {
        let announcements: Vec<Announcement> = self
            .engine
            .owned(instance)
            .filter(|owned| only.is_none_or(|only| only == (owned.link, owned.address.address)))
            .filter_map(|owned| {
                let hardware_address = self.mirror.ethernet_address(owned.link)?;
                let address = owned.address.address;
                Some(Announcement {
                    link: owned.link,
                    hardware_address,
                    address,
                    router: false,
                })
            })
            .collect();
        let name = name_of(&self.engine, instance);
        for Announcement { link, address, .. } in &announcements {
            let what = if address.is_ipv4() {
                "gratuitous ARPs"
            } else {
                "Unsolicited Neighbour Adverts"
            };
            debug!(
                "({name}) Sending/queueing {what} on {} for {address}",
                self.mirror.name_of(link.0)
            );
        }
        if let Some((count, error)) = self.announcer.send(&announcements, repeat) {
            warn!("({name}) {count} of the announcements of its addresses could not be sent: {error}");
        }
    }
}

/// The configuration in a text, without the scripts that may not run on this machine, and the scripts that may.
fn admit(text: &str, notifier: &Notifier) -> (Config, Vec<Arc<Prepared>>) {
    let mut config = parser::parse_text(&parser::Machine, text).config;
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
    for instance in &mut config.vrrp_instances {
        instance
            .track_script
            .retain(|tracked| known.contains(tracked.name.as_str()));
    }
    for instance in &mut config.vrrp_instances {
        keys::load(instance);
    }
    notifier.learn(&config.vrrp_instances, &config.vrrp_sync_groups, &mut inspector);
    inspector.say_violation();
    (config, prepared)
}

/// Which writes make the kernel agree with what the engine wants for these instances.
fn changes(engine: &Engine, mirror: &Mirror, instances: &BTreeSet<InstanceId>) -> Vec<Change> {
    let mut wanted = Vec::new();
    let mut present = Vec::new();
    for &id in instances {
        wanted.extend(engine.owned(id).map(|owned| on_link(owned.address, owned.link)));
        if let Some(instance) = engine.instance(id) {
            present.extend(mirror.present(id, &instance.config));
        }
    }
    netlink::plan(&wanted, &present, |_| true)
}

fn claims(engine: &Engine) -> impl Iterator<Item = (InstanceId, &parser::config::VrrpInstance)> {
    engine.instances().map(|instance| (instance.id, &instance.config))
}

fn name_of(engine: &Engine, id: InstanceId) -> &str {
    engine
        .instance(id)
        .map_or("?", |instance: &Instance| &instance.name)
}

fn tell(news: &News) {
    if news.is_detail() {
        debug!("{news}");
    } else {
        info!("{news}");
    }
}
