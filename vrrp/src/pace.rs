//! How fast announcements leave: `garp_group`, `vrrp_garp_interval` and `vrrp_gna_interval` ask for gaps between the
//! frames on an interface, or on several together. Where they do, a burst waits here, frame by frame.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use parser::Config;

use crate::action::Action;
use crate::engine::{Engine, Owned};
use crate::event::{InstanceId, LinkId};
use crate::time::Instant;

/// The gaps of a configuration, and what waits for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paces {
    /// `vrrp_garp_interval` and `vrrp_gna_interval`, for interfaces in no group.
    arp: Duration,
    na: Duration,
    /// Which of `lanes` an interface uses. Those without a group get theirs when they are used first.
    by_link: BTreeMap<String, usize>,
    lanes: Vec<[Lane; 2]>,
}

/// The frames of one protocol that share a gap.
#[derive(Clone, Debug)]
struct Lane {
    gap: Duration,
    free_at: Instant,
    waiting: VecDeque<Waiting>,
}

/// One address that is to be announced so many times more.
#[derive(Clone, Debug)]
struct Waiting {
    instance: InstanceId,
    link: LinkId,
    address: IpAddr,
    left: u32,
}

impl Lane {
    fn new(gap: Duration) -> Self {
        Self {
            gap,
            free_at: Instant::default(),
            waiting: VecDeque::new(),
        }
    }

    /// A burst that waits already is strengthened, not doubled: the queue is never longer than there are addresses.
    fn push(&mut self, frame: Waiting) {
        let same = |known: &&mut Waiting| {
            (known.instance, known.link, known.address) == (frame.instance, frame.link, frame.address)
        };
        match self.waiting.iter_mut().find(same) {
            Some(known) => known.left = known.left.max(frame.left),
            None => self.waiting.push_back(frame),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|_| self.free_at)
    }

    /// The next frame, if its time has come; bursts of several addresses alternate.
    fn pop(&mut self, now: Instant) -> Option<Waiting> {
        if self.free_at > now {
            return None;
        }
        let mut frame = self.waiting.pop_front()?;
        frame.left -= 1;
        if frame.left > 0 {
            self.waiting.push_back(frame.clone());
        }
        Some(frame)
    }
}

impl Paces {
    /// The gaps of a configuration, nothing waiting.
    pub(crate) fn new(config: &Config) -> Self {
        let (arp, na) = (config.global.vrrp_garp_interval, config.global.vrrp_gna_interval);
        let mut paces = Self {
            arp,
            na,
            by_link: BTreeMap::new(),
            lanes: Vec::new(),
        };
        for group in &config.garp_groups {
            let gaps = [
                group.garp_interval.unwrap_or(arp),
                group.gna_interval.unwrap_or(na),
            ];
            let names = group.interfaces.iter().cloned();
            paces.by_link.extend(names.map(|name| (name, paces.lanes.len())));
            paces.lanes.push(gaps.map(Lane::new));
        }
        paces
    }

    fn is_idle(&self) -> bool {
        self.arp.is_zero() && self.na.is_zero() && self.lanes.is_empty()
    }

    /// Where the frames of an address wait on this interface; `None` if they need not.
    fn lane(&mut self, link: &str, address: IpAddr) -> Option<&mut Lane> {
        if !self.by_link.contains_key(link) {
            if self.arp.is_zero() && self.na.is_zero() {
                return None;
            }
            self.by_link.insert(link.to_owned(), self.lanes.len());
            self.lanes.push([self.arp, self.na].map(Lane::new));
        }
        let lanes = self.lanes.get_mut(*self.by_link.get(link)?)?;
        let lane = &mut lanes[usize::from(address.is_ipv6())];
        (!lane.gap.is_zero()).then_some(lane)
    }

    /// When the next frame may leave.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lanes.iter().flatten().filter_map(Lane::deadline).min()
    }
}

impl Engine {
    /// Takes the gaps of a new configuration; what waits goes on waiting, or leaves at once where it need not any more.
    pub(crate) fn change_paces(&mut self, config: &Config, now: Instant) {
        let old = std::mem::replace(&mut self.paces, Paces::new(config));
        for frame in old.lanes.into_iter().flatten().flat_map(|lane| lane.waiting) {
            self.queue(frame.instance, frame.link, frame.address, frame.left, now);
        }
    }

    /// Puts announcements that were asked for into their lanes, and lets those leave whose time has come.
    pub(crate) fn pace(&mut self, now: Instant) {
        for instance in std::mem::take(&mut self.out.elsewhere) {
            self.announce_elsewhere(instance);
        }
        if self.paces.is_idle() {
            return;
        }
        for action in std::mem::take(&mut self.out.announces) {
            match action {
                Action::Announce { instance, repeat } if self.is_paced(instance) => {
                    self.part(instance, repeat, now);
                }
                Action::AnnounceAddress {
                    instance,
                    link,
                    address,
                    repeat,
                } => self.queue(instance, link, address, repeat, now),
                action => self.out.paced.push_back(action),
            }
        }
        for lane in 0..self.paces.lanes.len() {
            for protocol in 0..2 {
                self.release([lane, protocol], now);
            }
        }
    }

    /// `garp_extra_if`: one frame on each of the other links that its addresses are on; without `all` on macvlans only.
    fn announce_elsewhere(&mut self, instance: InstanceId) {
        let Some(router) = self.instance(instance) else {
            return;
        };
        let (config, home) = (&router.config, router.link);
        // With `vmac_xmit_base` the instance lives on the parent, its addresses on the macvlan.
        let all = config.garp.extra_if.all || config.use_vmac.is_some() && config.vmac_xmit_base;
        let is_meant = |owned: &Owned<'_>| {
            let on_macvlan = owned.address.use_vmac || config.use_vmac_addr && owned.address.dev.is_some();
            Some(owned.link) != home && (all || on_macvlan)
        };
        let mut links = Vec::new();
        for Owned { link, address } in self.owned(instance).filter(is_meant) {
            if links.iter().all(|(known, _)| *known != link) {
                links.push((link, address.address));
            }
        }
        let announces = links.into_iter().map(|(link, address)| Action::AnnounceAddress {
            instance,
            link,
            address,
            repeat: 1,
        });
        self.out.announces.extend(announces);
    }

    /// Whether a burst must be parted. One of addresses whose links are not there is: it comes when they do.
    fn is_paced(&mut self, instance: InstanceId) -> bool {
        let placed = self.placed(instance);
        placed.is_empty()
            || placed
                .into_iter()
                .any(|(link, address)| self.is_parted(link, address))
    }

    /// Queues the frames of a burst that must be; those that need not wait leave as in any burst, address by address.
    fn part(&mut self, instance: InstanceId, repeat: u32, now: Instant) {
        let (parted, free): (Vec<_>, Vec<_>) = self
            .placed(instance)
            .into_iter()
            .partition(|(link, address)| self.is_parted(*link, *address));
        for (link, address) in parted {
            self.queue(instance, link, address, repeat, now);
        }
        for _ in 0..repeat {
            for (link, address) in &free {
                self.queue(instance, *link, *address, 1, now);
            }
        }
    }

    fn is_parted(&mut self, link: LinkId, address: IpAddr) -> bool {
        let name = self.world.link(link).map_or("", |link| link.name.as_str());
        self.paces.lane(name, address).is_some()
    }

    fn queue(&mut self, instance: InstanceId, link: LinkId, address: IpAddr, repeat: u32, now: Instant) {
        let Some(name) = self.world.link(link).map(|link| link.name.as_str()) else {
            return;
        };
        match self.paces.lane(name, address) {
            Some(lane) => {
                lane.push(Waiting {
                    instance,
                    link,
                    address,
                    left: repeat,
                });
                lane.free_at = lane.free_at.max(now);
            }
            None => self.out.paced.push_back(Action::AnnounceAddress {
                instance,
                link,
                address,
                repeat,
            }),
        }
    }

    fn release(&mut self, [lane, protocol]: [usize; 2], now: Instant) {
        while let Some(frame) = self.paces.lanes[lane][protocol].pop(now) {
            let Waiting {
                instance,
                link,
                address,
                ..
            } = frame;
            // Whose mastery has ended has nothing to announce, and takes nobody's time.
            if !self.placed(instance).contains(&(link, address)) {
                continue;
            }
            let lane = &mut self.paces.lanes[lane][protocol];
            lane.free_at = now + lane.gap;
            self.out.paced.push_back(Action::AnnounceAddress {
                instance,
                link,
                address,
                repeat: 1,
            });
        }
    }

    /// The addresses that an instance should have now, and where.
    fn placed(&self, instance: InstanceId) -> Vec<(LinkId, IpAddr)> {
        self.owned(instance)
            .map(|owned| (owned.link, owned.address.address))
            .collect()
    }
}
