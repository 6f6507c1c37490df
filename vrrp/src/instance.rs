//! One virtual router: what is known of it, and what its trackers and its link make of that.
//!
//! Every decision to run or not to run is taken in one place, `Instance::weigh`, from the truth as it stands, not
//! from what changed: whatever order things happen in, the same truth gives the same state.

use std::collections::BTreeSet;
use std::mem::Discriminant;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parser::config::vrrp_instance::{Authentication, InitialState, OldUnicastChecksum};
use parser::config::{VirtualAddress, VrrpInstance};
use parser::units::{Family, Priority};

use crate::action::{Endpoint, Notified};
use crate::ah;
use crate::election;
use crate::event::{InstanceId, Link, LinkId};
use crate::fault::FaultReason;
use crate::news::{Happening, News};
use crate::outbox::Outbox;
use crate::outlet::{self, Outlet};
use crate::packet;
use crate::quota::Quota;
use crate::refusal::Refusal;
use crate::rival::Rejections;
use crate::seal::Seal;
use crate::snapshot::Saved;
use crate::state::State;
use crate::stats::Stats;
use crate::time::Instant;
use crate::world::World;

/// A virtual router. All fields are for reading: the engine alone writes them.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its number; the same over reloads for as long as the instance is configured.
    pub id: InstanceId,
    /// Its name; a reload may change it.
    pub name: Arc<str>,
    /// Its configuration.
    pub config: Arc<VrrpInstance>,
    /// Where it stands, with its deadlines.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// Effective priority: base and trackers, 1 to 254, or 255 for the address owner.
    pub priority: Priority,
    /// Base and trackers before the limits are applied.
    pub total_priority: i32,
    /// Why it may not run; what only keeps it from starting is here too while it has not started.
    pub faults: BTreeSet<FaultReason>,
    /// Those of `faults` that are its own, not those of other members of its sync group.
    pub(crate) own_faults: BTreeSet<FaultReason>,
    /// All links have been told, and it has been told to look.
    pub(crate) begun: bool,
    /// Its place in the engine's list of sync groups.
    pub(crate) group: Option<usize>,
    /// The master that it follows as backup.
    pub master: Option<Followed>,
    /// Advert interval of the master: learned in version 3, else our own.
    pub master_interval: Duration,
    /// The link of `interface`, if there is one.
    pub link: Option<LinkId>,
    /// The socket that it needs, whether it runs or not; `None` while its interface or source address is missing.
    pub endpoint: Option<Endpoint>,
    /// Counters.
    pub stats: Stats,
    /// What its track groups have to do without.
    pub missing: BTreeSet<Arc<str>>,
    /// Whose packets were not believed, and why.
    pub rejections: Rejections,
    /// When `vrrp_startup_delay` is over: never master earlier.
    pub(crate) not_before: Instant,
    pub(crate) outlet: Option<Outlet>,
    pub(crate) ip_id: u16,
    /// Largest IP datagram of its link, in bytes.
    pub mtu: u32,
    /// How many addresses an advert has room for.
    pub(crate) room: usize,
    /// How many of its addresses the log was told to be beyond that.
    pub(crate) beyond_room: usize,
    /// What authentication remembers.
    pub(crate) seal: Seal,
    /// The checksum of unicast adverts in version 3 is that of an old keepalived.
    pub(crate) sums_as_old: bool,
    pub(crate) quota: Quota,
    /// Kinds of refusal already told since state or master changed.
    pub(crate) told: Vec<Discriminant<Refusal>>,
    /// What the outside world was told last, be it by a predecessor process.
    pub notified: Option<Notified>,
    /// What a predecessor process left; used up at the start.
    pub(crate) resume: Option<Saved>,
    /// One of two address owners: gave way, priority 254 until the other is gone.
    pub(crate) gave_way: bool,
}

/// The packets that are for an instance, unless another has the same; then their destination and sender decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Addressee {
    pub(crate) link: Option<LinkId>,
    pub(crate) family: Family,
    pub(crate) vrid: u8,
}

/// MTU of an instance without an interface: that of Ethernet, as nothing is known of the way.
const USUAL_MTU: u32 = 1500;

/// The master that a backup follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Its address.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
}

impl Instance {
    pub(crate) fn new(
        id: InstanceId,
        config: Arc<VrrpInstance>,
        saved: Option<Saved>,
        not_before: Instant,
        now: Instant,
    ) -> Self {
        Self {
            id,
            name: config.name.as_str().into(),
            state: State::Init { start_at: Some(now) },
            since: now,
            priority: config.priority,
            total_priority: config.priority.get().into(),
            faults: BTreeSet::new(),
            own_faults: BTreeSet::new(),
            begun: false,
            group: None,
            master: None,
            master_interval: saved
                .as_ref()
                .map_or(config.advert_int, |saved| saved.master_interval),
            link: None,
            endpoint: None,
            mtu: USUAL_MTU,
            room: usize::MAX,
            beyond_room: 0,
            stats: Stats::default(),
            missing: BTreeSet::new(),
            rejections: Rejections::default(),
            not_before,
            outlet: None,
            ip_id: saved.as_ref().map_or(1, |saved| saved.ip_id),
            seal: saved
                .as_ref()
                .map_or_else(Seal::default, |saved| saved.seal(&config, now)),
            sums_as_old: config.old_unicast_checksum == OldUnicastChecksum::Always,
            quota: Quota::default(),
            told: Vec::new(),
            notified: saved.as_ref().map(|saved| saved.notified),
            resume: saved,
            gave_way: false,
            config,
        }
    }

    /// The address lines that it owns as master, in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.config
            .virtual_ipaddress
            .iter()
            .chain(&self.config.virtual_ipaddress_excluded)
    }

    /// The addresses that its adverts list; what the link's MTU has no room for is owned all the same.
    pub(crate) fn advertised(&self) -> &[VirtualAddress] {
        let all = &self.config.virtual_ipaddress;
        &all[..self.room.min(all.len())]
    }

    /// Bytes of one of its adverts with the IP header; 0 while there is none.
    pub fn advert_len(&self) -> usize {
        self.outlet.as_ref().map_or(0, Outlet::len)
    }

    /// The packets that are for it.
    pub(crate) fn route(&self) -> Option<Addressee> {
        Some(Addressee {
            link: self.endpoint?.link,
            family: self.config.family,
            vrid: self.config.virtual_router_id.get(),
        })
    }

    /// The name of the interface or VRF that it lives on; a unicast instance may have none.
    pub(crate) fn place(&self) -> Option<&str> {
        let interface = Some(self.config.interface.as_str()).filter(|name| !name.is_empty());
        interface.or(self.config.vrf.as_deref())
    }

    /// Whether it lives on, or owns an address on, the link of this name.
    pub(crate) fn uses_link(&self, name: &str) -> bool {
        let mut hops = self
            .config
            .virtual_routes
            .iter()
            .flat_map(|route| &route.next_hops);
        self.config.interface == name
            || self.addresses().any(|line| line.dev.as_deref() == Some(name))
            || hops.any(|hop| hop.dev.as_deref() == Some(name))
    }

    /// The names of all links that matter to it.
    pub(crate) fn links(&self) -> BTreeSet<&str> {
        let tracked = self
            .config
            .track_interface
            .iter()
            .map(|tracked| tracked.name.as_str());
        let devs = self.addresses().filter_map(|line| line.dev.as_deref());
        let hops = self
            .config
            .virtual_routes
            .iter()
            .flat_map(|route| &route.next_hops);
        self.place()
            .into_iter()
            .chain(tracked)
            .chain(devs)
            .chain(hops.filter_map(|hop| hop.dev.as_deref()))
            .collect()
    }

    /// Looks again at the link: where adverts leave, and with which bytes.
    fn attach(&mut self, world: &World) {
        let is_placed = self.place().is_some();
        let link = self.place().and_then(|name| world.link_named(name));
        self.link = link
            .filter(|link| link.name == self.config.interface)
            .map(|link| link.id);
        self.mtu = link.map_or(USUAL_MTU, |link| link.mtu);
        self.room = outlet::address_room(&self.config, self.mtu);
        let source = self.source(link);
        if is_placed && link.is_none() {
            self.endpoint = None;
            self.outlet = None;
            return;
        }
        let local = if self.config.unicast {
            source.or(self.endpoint.map(|endpoint| endpoint.local))
        } else {
            Some(self.config.mcast_dst_ip)
        };
        self.endpoint = local.map(|local| Endpoint {
            protocol: match self.config.authentication {
                Authentication::Ah(_) => ah::PROTOCOL,
                Authentication::None | Authentication::Pass(_) => packet::PROTOCOL,
            },
            link: link.map(|link| link.id),
            local,
        });
        if link.is_some_and(|link| !link.running) {
            self.outlet = None;
        } else if let (Some(endpoint), Some(source)) = (self.endpoint, source) {
            // Where the source has gone but the link has not, the last outlet stays for the resignation.
            let priority = self.priority.get();
            self.outlet = Some(Outlet::new(
                &self.config,
                priority,
                endpoint,
                source,
                self.mtu,
                self.sums_as_old,
            ));
        }
    }

    /// Looks again at everything that it depends on: links and scripts as they are now give the priority and the
    /// faults. [`Instance::conclude`] makes of them what follows. Before its start they mean nothing yet.
    pub(crate) fn look(&mut self, world: &World, now: Instant, out: &mut Outbox) {
        self.attach(world);
        self.tell_room(out);
        if self.is_alive() {
            self.weigh_priority(world, now, out);
            self.own_faults = self.find_faults(world);
        }
    }

    /// Says how many addresses an advert has no room for, whenever that is another number.
    fn tell_room(&mut self, out: &mut Outbox) {
        let count = self.config.virtual_ipaddress.len();
        let beyond = count - self.advertised().len();
        if std::mem::replace(&mut self.beyond_room, beyond) != beyond && beyond > 0 {
            let room = self.room;
            self.tell(Happening::BeyondRoom { count, room }, out);
        }
    }

    /// Whether it has begun and not ended.
    fn is_alive(&self) -> bool {
        self.begun && !matches!(self.state, State::Stopped | State::Removed)
    }

    /// Draws the consequence of its own faults and these of other members of its sync group. `may_lead`: it may be
    /// master without waiting for a master's silence, as an address owner or where its predecessor was master.
    pub(crate) fn conclude(
        &mut self,
        mut faults: BTreeSet<FaultReason>,
        may_lead: bool,
        now: Instant,
        out: &mut Outbox,
    ) {
        if !self.is_alive() {
            return;
        }
        faults.extend(self.own_faults.iter().cloned());
        let before = std::mem::replace(&mut self.faults, faults);
        self.tell_faults(&before, out);
        self.settle(may_lead, now, out);
    }

    /// Moves a running master down timer by as much as the interval changed.
    pub(crate) fn shift_take_over(&mut self, before: Duration, now: Instant) {
        let after = self.master_down();
        if let State::Backup {
            take_over_at: Some(at),
            ..
        } = &mut self.state
        {
            *at = (*at + after).minus(before).max(now).max(self.not_before);
        }
    }

    /// Silence of a master that this instance endures.
    pub fn master_down(&self) -> Duration {
        election::master_down(
            self.config.version,
            self.config.down_timer_adverts,
            self.priority.get(),
            self.master_interval,
        )
    }

    /// Whether it waits for first results: not once it runs, and not where a predecessor did.
    pub(crate) fn is_waiting(&self) -> bool {
        match self.state {
            State::Init { .. } | State::Fault { .. } => self.resume.is_none(),
            State::Backup { .. } | State::Master(_) | State::Stopped | State::Removed => false,
        }
    }

    /// Where its adverts come from: what is configured, else the link's own address.
    pub(crate) fn source(&self, link: Option<&Link>) -> Option<IpAddr> {
        let config = &self.config;
        config
            .unicast_src_ip
            .or(config.mcast_src_ip)
            .or_else(|| match config.family {
                Family::Ipv4 => link?.ipv4.map(IpAddr::V4),
                Family::Ipv6 => link?.ipv6_link_local.map(IpAddr::V6),
            })
    }

    fn tell_faults(&self, before: &BTreeSet<FaultReason>, out: &mut Outbox) {
        let is_told = |reason: &&FaultReason| !reason.is_waiting() && !reason.is_of_another();
        let mut already = before.iter().any(|reason| !reason.is_waiting());
        for reason in self.faults.difference(before).filter(is_told) {
            let reason = reason.clone();
            self.tell(Happening::FaultAppeared { reason, already }, out);
            already = true;
        }
        for reason in before.difference(&self.faults).filter(is_told) {
            self.tell(Happening::FaultCleared(reason.clone()), out);
        }
    }

    /// Draws the consequence of [`Instance::faults`].
    fn settle(&mut self, may_lead: bool, now: Instant, out: &mut Outbox) {
        let is_fault = self.faults.iter().any(|reason| !reason.is_waiting());
        match self.state {
            State::Init { .. } if is_fault => {
                self.resume = None;
                self.enter_fault(now, out);
            }
            State::Backup { .. } | State::Master(_) if is_fault => self.enter_fault(now, out),
            State::Init { .. } | State::Fault { .. } if self.faults.is_empty() => {
                self.run(may_lead, now, out);
            }
            State::Init { .. }
            | State::Backup { .. }
            | State::Master(_)
            | State::Fault { .. }
            | State::Stopped
            | State::Removed => {}
        }
    }

    /// Whether it would lead at once, were nothing in its way.
    pub(crate) fn would_lead(&self, now: Instant) -> bool {
        match self.state {
            State::Init { .. } | State::Fault { .. } => self.was_master() || self.leads_as_owner(now),
            State::Master(_) => true,
            State::Backup { .. } | State::Stopped | State::Removed => false,
        }
    }

    fn was_master(&self) -> bool {
        let saved = self.resume.as_ref();
        saved.is_some_and(|saved| saved.notified == Notified::Master)
    }

    fn leads_as_owner(&self, now: Instant) -> bool {
        self.priority.is_owner() && self.not_before <= now
    }

    /// Nothing hinders it (any more).
    fn run(&mut self, may_lead: bool, now: Instant, out: &mut Outbox) {
        let was_master = self.was_master();
        let resume = self.resume.take();
        self.master_interval = resume
            .as_ref()
            .map_or(self.config.advert_int, |saved| saved.master_interval);
        if may_lead && was_master {
            self.become_master(now, out);
        } else if may_lead && self.leads_as_owner(now) {
            // RFC 9568 6.4.1: the address owner advertises at once.
            self.tell(Happening::AdvertTimeout, out);
            self.become_master(now, out);
        } else {
            let take_over_at = self.not_before.max(now) + self.first_wait(resume.is_some());
            self.become_backup(take_over_at, now, out);
        }
        if let Some(saved) = resume.filter(|saved| Some(saved.notified) == self.notified) {
            self.since = saved.since;
        }
    }

    /// The owner waits for nobody. keepalived: `state MASTER` shortens the first wait to one interval and the smallest
    /// skew, but not for a member of a sync group; a successor process waits as its predecessor would have.
    fn first_wait(&self, resumed: bool) -> Duration {
        match (&self.state, self.config.initial_state) {
            _ if self.priority.is_owner() => Duration::ZERO,
            (State::Init { .. }, InitialState::Master) if !resumed && self.group.is_none() => {
                self.master_interval + election::skew(self.config.version, 255, self.master_interval)
            }
            _ => self.master_down(),
        }
    }

    pub(crate) fn tell(&self, what: Happening, out: &mut Outbox) {
        out.tell(News {
            subject: Arc::clone(&self.name),
            what,
        });
    }
}
