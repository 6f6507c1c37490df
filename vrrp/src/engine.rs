//! The engine: every virtual router of the process, driven by events and deadlines.
//!
//! It owns no socket, clock, file, thread or chance; the caller lends it bytes and `now`. What it hands out is decided
//! by what it was told and nothing else: the same events at the same instants give the same actions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parser::Config;
use parser::config::{GlobalDefs, Route, Rule, VirtualAddress, VrrpInstance};
use parser::units::Family;

use crate::action::Action;
use crate::deadlines::Deadlines;
use crate::event::{Event, FileId, InstanceId, Link, LinkId, Packet, ProcessId, ScriptId, ScriptOutcome};
use crate::group::Group;
use crate::instance::{Addressee, Instance};
use crate::news::{Happening, News};
use crate::outbox::Outbox;
use crate::pace::Paces;
use crate::quota::Quota;
use crate::reload::sane;
use crate::script::Script;
use crate::snapshot::{self, Snapshot};
use crate::state::{State, next_in_series};
use crate::stats::Stats;
use crate::time::Instant;
use crate::timers::Timers;
use crate::track::{Kind, TrackedFile, TrackedProcess, TrackedSession};
use crate::transition::LOOK_AGAIN;
use crate::world::World;

/// Masters that advertise, and other instances that begin or take over, in one call: what the caller does for them takes less
/// than a millisecond. Larger bursts also upset the order in which routers advertise, and so the time between two adverts.
pub const TURN: usize = 64;

/// Every virtual router of the process.
///
/// The caller's part: tell all links right after [`Engine::new`], before the first [`Engine::handle_timeout`]; hand
/// over the packets that wait before a timeout, so that a stall of the process is not taken for a silent master; ask
/// [`Engine::next_action`] until `None` after every event, timeout and reload.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) global: GlobalDefs,
    /// Indexed by [`InstanceId`]; removed instances keep their place until a later reload needs it.
    pub(crate) instances: Vec<Instance>,
    /// Those of the configuration, in its order.
    pub(crate) order: Vec<InstanceId>,
    /// The sync groups of the configuration, in its order.
    pub groups: Vec<Group>,
    pub(crate) world: World,
    pub(crate) out: Outbox,
    /// Packets that no instance wants.
    pub strays: Strays,
    /// Over the deadlines of `instances`.
    pub(crate) timers: Timers,
    /// Over the deadlines of `world.scripts`.
    pub(crate) script_deadlines: Deadlines,
    /// Who may get a packet.
    routes: BTreeSet<(Addressee, InstanceId)>,
    /// The time of day, and when it was told.
    clock: Option<(Instant, Duration)>,
    /// Who cares for a link, by its name.
    pub(crate) watchers: BTreeMap<String, Vec<InstanceId>>,
    /// Who tracks a script, a file, processes or a session, by its name.
    pub(crate) trackers: BTreeMap<(Kind, String), Vec<InstanceId>>,
    /// Who cares for every link.
    pub(crate) roamers: Vec<InstanceId>,
    /// How fast announcements leave.
    pub(crate) paces: Paces,
    /// When `vrrp_startup_delay` is over, while it runs.
    delayed_until: Option<Instant>,
    /// Whether any instance signs with the time of day.
    pub(crate) signs: bool,
    stopped: bool,
}

/// An address that should be on a link now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned<'a> {
    /// The link.
    pub link: LinkId,
    /// The address line.
    pub address: &'a VirtualAddress,
}

/// How long instances wait before they start. The clock of [`Instant`] began at boot.
fn startup_delay(global: &GlobalDefs, now: Instant) -> Duration {
    let booted_for = now - Instant::default();
    let after_boot = global.vrrp_delay_after_boot.saturating_sub(booted_for);
    global.vrrp_startup_delay.max(after_boot)
}

/// What a change of a link means to a master that stays master.
#[derive(Clone, Copy)]
enum LinkChange {
    /// Its addresses are where they were.
    Slight,
    /// Its addresses may be gone.
    Moved,
    /// Its addresses may be gone, and the neighbours must hear of them: the link came up, or under another hardware
    /// address.
    Returned,
}

impl LinkChange {
    fn between(old: Option<&Link>, new: &Link) -> Self {
        let Some(old) = old.filter(|old| old.name == new.name) else {
            return if new.running { Self::Returned } else { Self::Moved };
        };
        let returned = !old.running || old.hardware_address != new.hardware_address;
        match (old.running, new.running) {
            (_, true) if returned => Self::Returned,
            (true, false) => Self::Moved,
            (_, true) | (false, false) => Self::Slight,
        }
    }
}

/// Packets that were for no instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strays {
    /// Too short to name a virtual router.
    pub truncated: u64,
    /// For a virtual router that is not configured on their link.
    pub unknown_vrid: u64,
    quota: Quota,
}

impl Engine {
    /// Routers of a configuration, all in INIT: they wait for their links and for the first results of their scripts.
    ///
    /// `saved` is what [`Engine::snapshot`] of a predecessor on this machine gave: routers that were master go on as
    /// master, without a word to the outside and with an advert at once. An empty or foreign text is a start from
    /// nothing. An [`InstanceId`] is, until the first reload, the place in `config.vrrp_instances`.
    pub fn new(config: &Config, saved: &str, now: Instant) -> Self {
        let mut snapshot = Snapshot::read(saved);
        let delay = startup_delay(&config.global, now);
        let mut engine = Self {
            global: config.global.clone(),
            instances: Vec::with_capacity(config.vrrp_instances.len()),
            order: Vec::with_capacity(config.vrrp_instances.len()),
            groups: Vec::new(),
            world: World::new(config),
            out: Outbox::default(),
            strays: Strays::default(),
            timers: Timers::default(),
            script_deadlines: Deadlines::default(),
            routes: BTreeSet::new(),
            clock: None,
            watchers: BTreeMap::new(),
            trackers: BTreeMap::new(),
            roamers: Vec::new(),
            paces: Paces::new(config),
            delayed_until: (!delay.is_zero()).then_some(now + delay),
            signs: false,
            stopped: false,
        };
        engine.world.restore(&snapshot);
        for instance in &config.vrrp_instances {
            let saved = snapshot.instances.remove(&snapshot::identity(instance));
            let not_before = if saved.is_some() { now } else { now + delay };
            let id = engine.next_id();
            engine.place(Instance::new(id, sane(instance), saved, not_before, now));
            engine.order.push(id);
        }
        engine.join_groups(config);
        engine.index(now);
        if !delay.is_zero() {
            engine.tell_all(Happening::DelayingStartup(delay));
        }
        engine
    }

    /// Something happened.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        if self.stopped {
            return;
        }
        self.tell_time(now);
        match event {
            Event::Packet(packet) => self.on_packet(&packet, now),
            Event::Link(link) => self.on_link(link, now),
            Event::LinkGone(id) => self.on_link_gone(id, now),
            Event::ScriptEnded { script, outcome } => self.on_script(script, outcome, now),
            Event::File { file, value } => self.on_file(file, value, now),
            Event::Processes { process, count } => self.on_processes(process, count, now),
            Event::Bfd { session, up } => self.on_bfd(session, up, now),
            Event::Clock(utc) => self.clock = Some((now, utc)),
            Event::Missing { instance, items } => self.on_missing(instance, items, now),
            Event::Lost { instance } => {
                if let Some(instance) = self.instances.get_mut(instance.0 as usize) {
                    instance.stats.objects_lost += 1;
                }
            }
            Event::Stop => self.on_stop(now),
        }
        self.pace(now);
    }

    /// [`Engine::next_deadline`] has come, or any time has passed. At most [`TURN`] masters do what is due, and at most as many
    /// of the others begin or take over, the longest waiting first. For the rest the next deadline is not later than `now`:
    /// what was asked for is carried out in between, and adverts that become due meanwhile do not wait for all takeovers.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tell_time(now);
        if self.delayed_until.take_if(|until| *until <= now).is_some() {
            self.tell_all(Happening::DelayedStartCompleted);
        }
        for due in [Timers::due_master, Timers::due_other] {
            for _ in 0..TURN {
                let Some(id) = due(&self.timers, now) else {
                    break;
                };
                self.on_deadline(id, now);
            }
        }
        while let Some(index) = self.script_deadlines.due(now) {
            let script = &mut self.world.scripts[index as usize];
            script.advance(now, &mut self.out);
            self.script_deadlines.set(index, script.run_at);
        }
        if self.world.next_turn().is_some_and(|turn| turn <= now) {
            self.turn_delayed(now);
        }
        self.pace(now);
    }

    /// Whether any instance signs with the time of day: [`Event::Clock`] is wanted.
    pub fn wants_clock(&self) -> bool {
        self.signs
    }

    /// When [`Engine::handle_timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        [
            self.timers.first(),
            self.script_deadlines.first(),
            self.paces.deadline(),
            self.world.next_turn().filter(|_| !self.stopped),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to do; ask until `None` after every event and timeout.
    ///
    /// Whatever one call made of many instances comes sorted: all adverts, then all [`Action::Reconcile`], all
    /// [`Action::Announce`], the log, the notifications, the scripts.
    pub fn next_action(&mut self) -> Option<Action> {
        self.out.next()
    }

    /// The configured instances in the order of the configuration.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = &Instance> {
        self.order.iter().map(|id| &self.instances[id.0 as usize])
    }

    /// One instance. Those that a reload removed are still found here, for the actions that it gave, until the next
    /// reload.
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.get(id.0 as usize)
    }

    /// A link as it counts now: after `interface_up_down_delays`.
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.world.link(id)
    }

    /// Where the adverts of an instance come from, if it can send any.
    pub fn source(&self, instance: &Instance) -> Option<IpAddr> {
        instance.source(instance.link.and_then(|link| self.world.link(link)))
    }

    /// Sets the counters of every instance to zero (`SIGRTMAX - 1`).
    pub fn clear_stats(&mut self) {
        for instance in &mut self.instances {
            instance.stats = Stats::default();
        }
    }

    /// The scripts, in the order of the configuration.
    pub fn scripts(&self) -> &[Script] {
        &self.world.scripts
    }

    /// The tracked files, in the order of the configuration.
    pub fn files(&self) -> &[TrackedFile] {
        &self.world.files
    }

    /// The tracked processes, in the order of the configuration.
    pub fn processes(&self) -> &[TrackedProcess] {
        &self.world.processes
    }

    /// The BFD sessions, in the order of the configuration.
    pub fn sessions(&self) -> &[TrackedSession] {
        &self.world.sessions
    }

    /// The addresses that an instance should have on the kernel's links now; empty unless it is master.
    pub fn owned(&self, instance: InstanceId) -> impl Iterator<Item = Owned<'_>> {
        self.instance(instance)
            .filter(|instance| instance.state.is_master())
            .into_iter()
            .flat_map(|instance| {
                instance.addresses().filter_map(|address| {
                    let link = match &address.dev {
                        None => instance.link?,
                        Some(dev) => self.world.link_named(dev)?.id,
                    };
                    Some(Owned { link, address })
                })
            })
    }

    /// The routes that an instance should have in the kernel now; none unless it is master.
    pub fn owned_routes(&self, instance: InstanceId) -> &[Route] {
        self.master(instance).map_or(&[], |config| &config.virtual_routes)
    }

    /// The policy rules that an instance should have in the kernel now; none unless it is master.
    pub fn owned_rules(&self, instance: InstanceId) -> &[Rule] {
        self.master(instance).map_or(&[], |config| &config.virtual_rules)
    }

    fn master(&self, instance: InstanceId) -> Option<&VrrpInstance> {
        let instance = self.instance(instance)?;
        instance.state.is_master().then_some(&instance.config)
    }

    /// The state that a successor needs to go on (one line per instance and tracker; versioned text).
    pub fn snapshot(&self) -> String {
        snapshot::write(self.instances(), &self.world)
    }

    fn on_packet(&mut self, packet: &Packet<'_>, now: Instant) {
        let Some(&vrid) = packet.vrrp().get(1) else {
            self.strays.truncated += 1;
            return;
        };
        let route = Addressee {
            link: packet.link,
            family: Family::of(packet.source),
            vrid,
        };
        let all = (route, InstanceId(u32::MIN))..=(route, InstanceId(u32::MAX));
        let candidates = self.routes.range(all).map(|(_, id)| *id);
        let Some(id) = candidates.min_by_key(|id| self.instances[id.0 as usize].unfitness(packet)) else {
            self.on_stray(packet.link, vrid, now);
            return;
        };
        let instance = &mut self.instances[id.0 as usize];
        let before = instance.stance();
        let stood = instance.hear(packet, now, &mut self.out);
        self.follow_up(id, before, now);
        if stood {
            for fellow in self.fellows(id) {
                let fellow = &mut self.instances[fellow.0 as usize];
                fellow.announce_over_lower(now, &mut self.out);
                self.timers.set(fellow);
            }
        }
    }

    fn on_deadline(&mut self, id: InstanceId, now: Instant) {
        let instance = &mut self.instances[id.0 as usize];
        match &mut instance.state {
            State::Init { .. } => self.begin(id, now),
            State::Fault { look_again_at } => {
                *look_again_at = next_in_series(*look_again_at, LOOK_AGAIN, now);
                self.refresh(&[id], now);
            }
            State::Backup { .. } | State::Master(_) => {
                let before = instance.stance();
                instance.advance(now, &mut self.out);
                self.follow_up(id, before, now);
            }
            State::Stopped | State::Removed => self.timers.set(instance),
        }
    }

    /// All links have been told: an instance begins, and with it the other members of its sync group.
    fn begin(&mut self, id: InstanceId, now: Instant) {
        let mut ids = self.fellows(id);
        ids.insert(0, id);
        ids.retain(|id| !self.instances[id.0 as usize].begun);
        for id in &ids {
            self.instances[id.0 as usize].begun = true;
        }
        self.refresh(&ids, now);
        for id in &ids {
            let instance = &mut self.instances[id.0 as usize];
            if let State::Init { start_at } = &mut instance.state {
                *start_at = None;
            }
            self.timers.set(instance);
        }
    }

    /// What is signed and judged from here on carries this time of day.
    fn tell_time(&mut self, now: Instant) {
        if let Some((told, utc)) = self.clock {
            self.out.utc = utc + (now - told);
        }
    }

    fn on_stray(&mut self, link: Option<LinkId>, vrid: u8, now: Instant) {
        self.strays.unknown_vrid += 1;
        if self.global.log_unknown_vrids && self.strays.quota.allow(now) {
            let link = link.and_then(|link| self.world.link(link));
            let name = link.map_or("", |link| link.name.as_str());
            self.out.tell(News {
                subject: name.into(),
                what: Happening::UnknownVrid(vrid),
            });
        }
    }

    fn on_link(&mut self, mut link: Link, now: Instant) {
        self.world.delay(&mut link, now);
        self.take_link(link, now);
    }

    /// A link as it counts now.
    fn take_link(&mut self, link: Link, now: Instant) {
        if self.world.link(link.id) == Some(&link) {
            return;
        }
        let change = LinkChange::between(self.world.link(link.id), &link);
        let old = self.world.put_link(link.clone());
        let mut names = BTreeSet::from([link.name]);
        if let Some(old) = old {
            if old.running != link.running {
                self.tell_link(&old.name, link.running);
            }
            names.insert(old.name);
        }
        self.on_links(&names, change, now);
    }

    fn on_link_gone(&mut self, id: LinkId, now: Instant) {
        if let Some(old) = self.world.remove_link(id) {
            self.on_links(&BTreeSet::from([old.name]), LinkChange::Moved, now);
        }
    }

    /// Links of these names are not what they were.
    fn on_links(&mut self, names: &BTreeSet<String>, change: LinkChange, now: Instant) {
        let watchers = names.iter().filter_map(|name| self.watchers.get(name));
        let watchers: BTreeSet<InstanceId> = watchers.flatten().chain(&self.roamers).copied().collect();
        let watchers: Vec<InstanceId> = watchers.into_iter().collect();
        let mut masters = watchers.clone();
        masters.retain(|id| {
            let instance = &self.instances[id.0 as usize];
            instance.state.is_master() && names.iter().any(|name| instance.uses_link(name))
        });
        self.refresh(&watchers, now);
        for id in masters {
            let instance = &self.instances[id.0 as usize];
            // What the kernel dropped with a link is wanted back, and the neighbours may have forgotten.
            if instance.state.is_master() {
                match change {
                    LinkChange::Slight => {}
                    LinkChange::Moved => self.out.reconcile(id),
                    LinkChange::Returned => {
                        self.out.reconcile(id);
                        self.out.announce(id, instance.config.garp.master_repeat.max(1));
                    }
                }
            }
        }
    }

    fn tell_link(&mut self, name: &str, running: bool) {
        if self.watchers.contains_key(name) {
            let what = if running {
                Happening::LinkUp
            } else {
                Happening::LinkDown
            };
            self.out.tell(News {
                subject: name.into(),
                what,
            });
        }
    }

    fn on_script(&mut self, id: ScriptId, outcome: ScriptOutcome, now: Instant) {
        let Some(script) = self.world.scripts.get_mut(id.0 as usize) else {
            return;
        };
        if script.end(outcome, &mut self.out) {
            let name = Arc::clone(&script.name);
            self.refresh_trackers(Kind::Script, &name, now);
        }
    }

    fn on_file(&mut self, id: FileId, value: i64, now: Instant) {
        let Some(file) = self.world.files.get_mut(id.0 as usize) else {
            return;
        };
        if file.value.replace(value) != Some(value) {
            let name = Arc::clone(&file.name);
            self.refresh_trackers(Kind::File, &name, now);
        }
    }

    fn on_processes(&mut self, id: ProcessId, count: usize, now: Instant) {
        let Some(process) = self.world.processes.get_mut(id.0 as usize) else {
            return;
        };
        if process.counted(count, now, &mut self.out) {
            let name = Arc::clone(&process.name);
            self.refresh_trackers(Kind::Process, &name, now);
        }
    }

    fn on_bfd(&mut self, session: &str, up: bool, now: Instant) {
        if self.world.set_session(session, up) {
            self.refresh_trackers(Kind::Bfd, session, now);
        }
    }

    /// What has held for as long as was asked counts now.
    fn turn_delayed(&mut self, now: Instant) {
        for link in self.world.turned_links(now) {
            self.take_link(link, now);
        }
        let mut turned = Vec::new();
        for process in &mut self.world.processes {
            if process.advance(now, &mut self.out) {
                turned.push(Arc::clone(&process.name));
            }
        }
        for name in turned {
            self.refresh_trackers(Kind::Process, &name, now);
        }
    }

    fn refresh_trackers(&mut self, kind: Kind, name: &str, now: Instant) {
        if let Some(trackers) = self.trackers.get(&(kind, name.to_owned())).cloned() {
            self.refresh(&trackers, now);
        }
    }

    fn on_missing(&mut self, id: InstanceId, items: Vec<String>, now: Instant) {
        // A reload may have removed it meanwhile.
        if !self.order.contains(&id) {
            return;
        }
        let instance = &mut self.instances[id.0 as usize];
        instance.missing = items.into_iter().map(Arc::from).collect();
        self.refresh(&[id], now);
    }

    fn on_stop(&mut self, now: Instant) {
        self.stopped = true;
        self.delayed_until = None;
        for id in &self.order {
            let instance = &mut self.instances[id.0 as usize];
            instance.change(State::Stopped, now, &mut self.out);
            self.timers.set(instance);
        }
        self.stop_groups();
        for script in &mut self.world.scripts {
            script.run_at = None;
            self.script_deadlines.set(script.id.0, None);
        }
    }

    /// Looks again at everything that these instances depend on.
    pub(crate) fn refresh(&mut self, ids: &[InstanceId], now: Instant) {
        for id in ids {
            self.unroute(*id);
            let instance = &mut self.instances[id.0 as usize];
            instance.look(&self.world, now, &mut self.out);
            if let Some(route) = instance.route() {
                self.routes.insert((route, *id));
            }
        }
        self.conclude(ids, now);
    }

    pub(crate) fn unroute(&mut self, id: InstanceId) {
        if let Some(route) = self.instances[id.0 as usize].route() {
            self.routes.remove(&(route, id));
        }
    }

    /// Says something of the daemon as a whole.
    fn tell_all(&mut self, what: Happening) {
        self.out.tell(News {
            subject: Arc::from(""),
            what,
        });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }
}
