//! The loop's part in interfaces of our own: they are there before the engine is told of anything, come back when somebody
//! else has removed them, and go last.

use netlink::Netlink;
use netlink::nftables::Family;
use netlink::upper::Kind;
use parser::Config;
use tokio::time::Interval;
use tracing::info;
use vrrp::{Engine, Event, Instance, Instant, LinkId};

use super::firewall::order::Order;
use super::firewall::{Firewall, Macvlan, Subject};
use super::round::Step;
use super::vmac::{self, Uppers, Wish};
use super::wants::Wants;
use super::writer::Job;
use super::{Process, VrrpProcessError};
use crate::timer::now;

/// How a link of the kernel's stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stands {
    /// It was set up before.
    pub(super) was_up: bool,
    pub(super) up: bool,
    pub(super) running: bool,
}

/// Puts the instances of a configuration on the interfaces that are to be made for them; answers which.
pub(super) async fn put_on(config: &mut Config) -> Result<Vec<Wish>, VrrpProcessError> {
    if !wants_some(config) {
        return Ok(Vec::new());
    }
    // A kernel that does not tell its links now will be heard of soon enough.
    let links = Netlink::open()?.links().await.unwrap_or_default();
    Ok(vmac::put_on(config, &links))
}

fn wants_some(config: &Config) -> bool {
    config.vrrp_instances.iter().any(|instance| {
        let lines = instance
            .virtual_ipaddress
            .iter()
            .chain(&instance.virtual_ipaddress_excluded);
        instance.use_vmac.is_some()
            || instance.use_ipvlan.is_some()
            || instance.use_vmac_addr
            || lines.clone().any(|line| line.use_vmac)
    })
}

impl Process {
    /// Has the next round look at interfaces and firewall.
    pub(super) fn prepare(&mut self) {
        self.uppers.stale = true;
        self.rounds.push(Step::Prepare);
    }

    /// At the start: removes what a killed run has left and makes the interfaces, before anything is told to the engine.
    pub(super) async fn make_uppers(&mut self, beat: &mut Interval) {
        let is_successor = !self.child.saved_state().is_empty();
        if is_successor && self.uppers.wishes.is_empty() {
            return;
        }
        let uppers = self.uppers.wishes.iter().cloned().map(|wish| (wish, None));
        let job = Job {
            uppers: uppers.collect(),
            // A predecessor's tables go on until it is known what its successor wants.
            firewall: self
                .firewall
                .clone()
                .filter(|_| !is_successor)
                .map(|firewall| Order::Keep {
                    firewall,
                    subject: Subject::default(),
                }),
            clean: !is_successor,
            ..Job::default()
        };
        self.rounds.push(Step::Prepare);
        self.rounds.begin(|_, _| job);
        loop {
            tokio::select! {
                _ = self.rounds.done(now) => return,
                _ = beat.tick() => self.child.beat(),
            }
        }
    }

    /// Whether a configuration has to wait for interfaces that are made for it.
    pub(super) fn must_wait(&mut self, config: &Config) -> bool {
        if !wants_some(config) {
            return false;
        }
        let wishes = vmac::put_on(&mut config.clone(), &self.mirror.known());
        let waits = self.uppers.await_for(config, wishes, &self.mirror, now());
        if waits {
            self.prepare();
        }
        waits
    }

    /// The interfaces of a new configuration: those that are there are told to the engine before it hears of the rest.
    pub(super) fn take_uppers(&mut self, wishes: Vec<Wish>) {
        self.uppers.wishes = wishes;
        let Uppers { wishes, repairs, .. } = &mut self.uppers;
        repairs.keep(|name| wishes.iter().any(|wish| wish.name == *name));
        let names = self.uppers.wishes.iter().map(|wish| wish.name.as_str());
        let there: Vec<LinkId> = names
            .filter_map(|name| self.mirror.index_of(name).map(LinkId))
            .collect();
        for link in there {
            self.link_changed(link);
        }
        self.prepare();
    }

    /// Tells the engine of the interfaces that went with the old configuration.
    pub(super) fn leave_uppers(&mut self) {
        for index in self.uppers.left() {
            self.engine.handle(Event::LinkGone(LinkId(index)), now());
        }
    }

    /// At the end: removes them, and the firewall.
    pub(super) async fn release_uppers(&mut self) {
        if self.child.options.dont_release_vrrp || (self.uppers.wishes.is_empty() && self.firewall.is_none())
        {
            return;
        }
        let job = Job {
            keep_uppers: Some(Vec::new()),
            firewall: self
                .firewall
                .take()
                .map(|firewall| Order::Remove(firewall.name().to_owned())),
            ..Job::default()
        };
        self.rounds.push(Step::Prepare);
        self.rounds.begin(|_, _| job);
        self.rounds.done(now).await;
    }

    /// One of ours is not there any more, or down, while its parent is there. Answers whether it is put back before the
    /// engine hears of it.
    pub(super) fn withhold(&mut self, name: &str, index: u32, how: &str) -> bool {
        if self.stopping || !self.settled || !self.uppers.withhold(name, index, &self.mirror, now()) {
            return false;
        }
        if self.uppers.repairs.is_away(&name.to_owned()) {
            info!("VMAC interface {name} was {how} by another program");
        } else if !self.uppers.is_leaving(name) {
            let loss = self.uppers.repairs.lost(name.to_owned(), now());
            info!("VMAC interface {name} was {how} by another program, {loss}");
            self.count_loss(|_, instance| instance.config.interface == name);
        }
        true
    }

    /// A table of ours was changed: the masters have lost it who refuse packets to addresses of its family, or whose reports
    /// it keeps off their macvlan.
    pub(super) fn table_lost(&mut self, family: Family) {
        self.count_loss(|engine, instance| {
            let config = &instance.config;
            let mut owned = engine.owned(instance.id).map(|owned| owned.address.address);
            (!config.accept || config.use_vmac.is_some() || config.use_vmac_addr)
                && owned.any(|address| address.is_ipv4() == (family == Family::V4))
        });
    }

    /// These masters have lost something that they share.
    fn count_loss(&mut self, concerns: impl Fn(&Engine, &Instance) -> bool) {
        let concerned: Vec<_> = self
            .engine
            .instances()
            .filter(|instance| instance.state.is_master() && concerns(&self.engine, instance))
            .map(|instance| instance.id)
            .collect();
        for instance in concerned {
            self.engine.handle(Event::Lost { instance }, now());
        }
    }

    /// A link is as told now. Answers whether the engine may hear of it.
    pub(super) fn upper_stands(&mut self, link: LinkId, name: &str, stands: Stands) -> bool {
        if self.uppers.is_withheld(name) {
            if stands.running {
                self.upper_is_back(link, name);
            }
            return false;
        }
        if !stands.up && stands.was_up {
            return !self.withhold(name, link.0, "set down");
        }
        if !stands.up && self.settled && !self.stopping {
            // It has just been made, and will be set up.
            return !self.uppers.withhold(name, link.0, &self.mirror, now());
        }
        // A parent may have come, or one of ours whose index the firewall wants to know.
        if self.settled && self.uppers.concerns(name) {
            self.prepare();
        }
        true
    }

    fn upper_is_back(&mut self, link: LinkId, name: &str) {
        let known = self.uppers.is_back(name);
        self.link_changed(link);
        if let Some(known) = known.filter(|known| *known != link.0) {
            self.engine.handle(Event::LinkGone(LinkId(known)), now());
        }
        self.prepare();
    }

    /// What could not be put back in time is told as it is.
    pub(super) fn give_up_uppers(&mut self, now: Instant) {
        for (name, known) in self.uppers.overdue(now) {
            match self.mirror.index_of(&name) {
                Some(index) => self.upper_told(index, known),
                None => self.engine.handle(Event::LinkGone(LinkId(known)), now),
            }
        }
    }

    fn upper_told(&mut self, index: u32, known: u32) {
        self.link_changed(LinkId(index));
        if known != index {
            self.engine.handle(Event::LinkGone(LinkId(known)), now());
        }
    }
}

impl Uppers {
    /// Adds to a job what it does about interfaces and firewall.
    pub(super) fn join(&mut self, job: &mut Job, firewall: Option<&Firewall>, wants: Wants<'_>) {
        let mirror = wants.mirror;
        if std::mem::take(&mut self.stale) && !wants.stopping {
            job.uppers = self
                .to_make()
                .iter()
                .map(|wish| (wish.clone(), Self::link_local(mirror, wish)))
                .collect();
            job.keep_uppers = (!self.is_changing()).then(|| self.wishes.clone());
        }
        let retired = self.retired.take();
        let retired = retired.map(|firewall| Order::Remove(firewall.name().to_owned()));
        let kept = firewall.map(|firewall| Order::Keep {
            firewall: firewall.clone(),
            subject: self.subject(wants),
        });
        job.firewall = kept.or(retired);
    }

    fn subject(&self, wants: Wants<'_>) -> Subject {
        let mirror = wants.mirror;
        let refusing = wants
            .engine
            .instances()
            .filter(|instance| !instance.config.accept)
            .flat_map(|instance| wants.engine.owned(instance.id))
            .map(|owned| {
                let name = mirror.name_of(owned.link.0).to_owned();
                (owned.address.address, owned.link.0, name)
            });
        let macvlans = self
            .wishes
            .iter()
            .chain(self.to_make())
            .filter(|wish| matches!(wish.kind, Kind::Macvlan(_)))
            .filter_map(|wish| {
                Some(Macvlan {
                    index: mirror.index_of(&wish.name)?,
                    name: wish.name.clone(),
                    parent: mirror.index_of(&wish.parent)?,
                    parent_link_local: Self::link_local(mirror, wish),
                })
            });
        Subject {
            refusing: refusing.collect(),
            macvlans: macvlans.collect(),
        }
    }

    /// Whether a link is one of ours or has one of ours on top.
    pub(super) fn concerns(&self, name: &str) -> bool {
        self.wishes
            .iter()
            .any(|wish| wish.name == name || wish.parent == name)
    }
}
