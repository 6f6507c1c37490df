//! What the kernel tells, and what is told to it: links and addresses that come and go, objects that others take away,
//! rounds that end.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use netlink::{Change, Object, Objects, Removal, Removals};
use parser::config::global_defs::DynamicInterfaces;
use tracing::{debug, error, info, warn};
use vrrp::{Event, InstanceId, LinkId, Whose};

use super::announce::{Announcement, forwards_ipv6};
use super::round::{Owner, Step, Written};
use super::uppers::Stands;
use super::wants::{self, Wants};
use super::{Process, SLICE, VrrpProcessError, name_of};
use crate::notify::Party;
use crate::receive_buffer;
use crate::timer::now;

/// When links or addresses of the host change, the kernel may drop routes without a word. They are looked at so much
/// later, once for a burst of changes.
const RECHECK: Duration = Duration::from_millis(100);

impl Process {
    pub(super) fn kernel(
        &mut self,
        event: Result<netlink::Event, netlink::Error>,
    ) -> Result<(), VrrpProcessError> {
        match event {
            Ok(netlink::Event::Link(link)) => {
                self.link_told(link);
                self.promote();
                self.judge_statics();
            }
            Ok(netlink::Event::LinkGone(index)) => {
                let name = self.mirror.name_of(index).to_owned();
                self.promoted.forget(&name);
                self.mirror.link_gone(index);
                self.recheck_later();
                if !self.withhold(&name, index, "removed") {
                    self.sockets_stale = true;
                    self.engine.handle(Event::LinkGone(LinkId(index)), now());
                }
                self.judge_statics();
            }
            Ok(netlink::Event::Address(address)) => {
                self.report_address(&address, "added to");
                let link = LinkId(address.link);
                if matches!(self.mirror.address(address), None | Some(Owner::Statics)) {
                    self.link_changed(link);
                }
            }
            Ok(netlink::Event::AddressGone(address)) => {
                self.report_address(&address, "removed from");
                self.address_gone(&address);
            }
            Ok(netlink::Event::Settled) => self.settle()?,
            Ok(netlink::Event::Overrun) => debug!("Netlink events were lost, reading the state anew"),
            Err(error) => warn!("Unable to follow the kernel's links and addresses: {error}"),
        }
        Ok(())
    }

    fn link_told(&mut self, told: netlink::Link) {
        let (link, name) = (LinkId(told.index), told.name.clone());
        let stands = Stands {
            was_up: self.mirror.is_up(told.index),
            up: told.up,
            running: told.running,
        };
        let renamed = self.mirror.link(told);
        self.recheck_later();
        if let Some((old, addresses)) = renamed {
            self.link_renamed(&old, &name, addresses);
            if self.withhold(&old, link.0, "renamed") {
                return;
            }
        }
        if self.upper_stands(link, &name, stands) {
            self.link_changed(link);
        }
    }

    /// To a configuration a link of another name is another link. What instances had on it goes, interfaces of ours too.
    fn link_renamed(&mut self, old: &str, name: &str, addresses: Vec<netlink::Address>) {
        info!("Interface name has changed from {old} to {name}");
        self.promoted.forget(old);
        self.rounds.remove(Objects {
            addresses,
            ..Objects::default()
        });
        if self.settled && self.uppers.concerns(old) {
            self.prepare();
        }
    }

    /// `-a`: every address that comes or goes, whosever it is.
    fn report_address(&self, address: &netlink::Address, what: &str) {
        if self.child.options.address_monitoring {
            let link = self.mirror.name_of(address.link);
            info!("Netlink reports address {} {what} {link}", address.local);
        }
    }

    /// A route or rule was taken away or replaced, not by us.
    pub(super) fn removal(&mut self, removal: &Result<Removal, netlink::Error>) {
        let hit = match removal {
            // Of one way of several the kernel does not tell the weight; the plan will see what is missing.
            Ok(Removal::Route(gone)) => self.wanted_routes(|wish| wish.key() == gone.key()),
            Ok(Removal::Replaced(by)) => self.wanted_routes(|wish| {
                let same = netlink::route::Key {
                    protocol: wish.protocol,
                    ..by.key()
                };
                wish.key() == same && !wish.is_met_by(by)
            }),
            Ok(Removal::Rule(gone)) => self.wanted_rules(gone),
            Ok(Removal::Overrun) => {
                debug!("Netlink events were lost, looking at routes and rules anew");
                return self.recheck_later();
            }
            Err(error) => {
                warn!("Unable to follow the kernel's routes and rules: {error}");
                return self.recheck_later();
            }
        };
        for (owner, what) in hit {
            if let Some(what) = self.rounds.routing_gone(owner, what) {
                self.lost(owner, &what);
            }
        }
    }

    fn address_gone(&mut self, gone: &netlink::Address) {
        let owner = self.mirror.address_gone(gone);
        if matches!(owner, None | Some(Owner::Statics)) {
            self.recheck_later();
            self.link_changed(LinkId(gone.link));
        }
        match owner {
            Some(owner) if !self.rounds.explains(owner, gone, now()) => self.address_lost(owner, gone),
            // Should it not be back then, it was no doing of ours.
            Some(_) if !self.rounds.echoed.is_empty() => self.recheck_later(),
            _ => {}
        }
    }

    fn address_lost(&mut self, owner: Owner, gone: &netlink::Address) {
        if self.uppers.is_going(self.mirror.name_of(gone.link), &self.mirror) {
            return;
        }
        let wanted = self.wants().addresses(owner);
        let line = wanted
            .iter()
            .find_map(|(address, line)| (address.key() == gone.key()).then_some(line));
        if line.is_some_and(|line| !line.no_track) {
            let what = format!(
                "{}/{} on {}",
                gone.local,
                gone.prefix_len,
                self.mirror.name_of(gone.link)
            );
            self.lost(owner, &what);
        }
    }

    /// Something of an owner was taken away and is put back, the more often it happens the later.
    fn lost(&mut self, owner: Owner, what: &str) {
        let name = match owner {
            Owner::Statics => {
                self.statics_lost += 1;
                "static"
            }
            Owner::Instance(instance) => {
                self.engine.handle(Event::Lost { instance }, now());
                name_of(&self.engine, instance)
            }
        };
        let loss = self.repairs.lost((owner, what.to_owned()), now());
        info!("({name}) {what} was removed by another program, {loss}");
    }

    /// Puts back what was taken away, where the time for it has come.
    pub(super) fn repair(&mut self) {
        let now = now();
        if !self.uppers.repairs.due(now).is_empty() {
            self.prepare();
        }
        let owners: BTreeSet<Owner> = self
            .repairs
            .due(now)
            .into_iter()
            .map(|(owner, _)| owner)
            .collect();
        for owner in owners {
            self.rounds.push(Step::Reconcile(owner));
            if let Owner::Instance(id) = owner {
                self.rounds.push(Step::Announce(id, None, 1));
            }
        }
        if self.recheck_at.take_if(|at| *at <= now).is_some() {
            for (owner, address) in std::mem::take(&mut self.rounds.echoed) {
                if !self.mirror.has_address(&address) {
                    self.address_lost(owner, &address);
                }
            }
            let wants = self.wants();
            let affected: Vec<Owner> = wants::owners(&self.engine)
                .filter(|owner| {
                    let statics = *owner == Owner::Statics && !wants.addresses(*owner).is_empty();
                    statics || !wants.routes(*owner).is_empty() || !wants.rules(*owner).is_empty()
                })
                .collect();
            for owner in affected {
                self.rounds.push(Step::Reconcile(owner));
            }
        }
    }

    fn recheck_later(&mut self) {
        if self.settled && self.recheck_at.is_none() {
            self.recheck_at = Some(now() + RECHECK);
        }
    }

    /// The owners of tracked routes that are wanted and that `hit` means, in words.
    fn wanted_routes(&self, hit: impl Fn(&netlink::Route) -> bool) -> Vec<(Owner, String)> {
        let wants = self.wants();
        let mut found = Vec::new();
        for owner in wants::owners(&self.engine) {
            for line in wants.routes(owner).iter().filter(|line| !line.no_track) {
                let parts = super::objects::route(line, &self.mirror).unwrap_or_default();
                if parts.iter().any(&hit) {
                    let to = line.destination;
                    found.push((owner, format!("route to {}/{}", to.address, to.length)));
                }
            }
        }
        found
    }

    fn wanted_rules(&self, gone: &netlink::Rule) -> Vec<(Owner, String)> {
        let wants = self.wants();
        let mut found = Vec::new();
        for owner in wants::owners(&self.engine) {
            let mut lines = wants.rules(owner).iter().filter(|line| !line.no_track);
            if lines.any(|line| super::objects::rule(line) == *gone) {
                found.push((owner, gone.to_string()));
            }
        }
        found
    }

    /// What the kernel has is known. What an earlier run left behind is removed, or taken over by a master that goes on.
    fn settle(&mut self) -> Result<(), VrrpProcessError> {
        if self.settled {
            return Ok(());
        }
        self.settled = true;
        if self.stopping && self.child.options.dont_release_vrrp {
            return Ok(());
        }
        // A successor goes on, whatever has become of the interfaces meanwhile.
        if self.config.global.dynamic_interfaces == DynamicInterfaces::No
            && self.child.saved_state().is_empty()
            && !self.stopping
        {
            self.demand_interfaces()?;
        }
        for owner in wants::owners(&self.engine) {
            self.rounds.push(Step::Reconcile(owner));
            self.cleaning.insert(owner);
        }
        self.prepare();
        self.watch_routing();
        self.promote();
        self.judge_statics();
        self.remove_leftovers();
        self.child.ready();
        Ok(())
    }

    fn demand_interfaces(&self) -> Result<(), VrrpProcessError> {
        let named = self.config.vrrp_instances.iter().flat_map(|instance| {
            let tracked = instance.track_interface.iter().map(|tracked| &tracked.name);
            let names = std::iter::once(&instance.interface).chain(tracked);
            names.map(move |interface| (&instance.name, self.uppers.parent_of(interface)))
        });
        let mut missing = named.filter(|(_, name)| !name.is_empty() && !self.mirror.has(name));
        missing.next().map_or(Ok(()), |(instance, interface)| {
            Err(VrrpProcessError::NoInterface {
                instance: instance.clone(),
                interface: interface.to_owned(),
            })
        })
    }

    /// Listens for lost routes and rules as soon as there are any.
    pub(super) fn watch_routing(&mut self) {
        if self.removals.is_none() && self.wants().has_routing() {
            let wish = self.config.global.vrrp_netlink_monitor_rcv_bufs;
            let buffer = receive_buffer::or(wish, Removals::RECEIVE_BUFFER);
            match Removals::open_with(netlink::address::PROTO_KEEPALIVED, buffer) {
                Ok(removals) => self.removals = Some(removals),
                Err(error) => warn!("Unable to follow the kernel's routes and rules: {error}"),
            }
        }
    }

    /// `promote_secondaries`, on the interfaces of the instances that ask for it.
    pub(super) fn promote(&mut self) {
        let asked = self
            .engine
            .instances()
            .filter(|instance| instance.config.promote_secondaries && !self.stopping)
            .map(|instance| instance.config.interface.as_str());
        self.promoted.want(&asked.collect());
    }

    /// Tells the engine which instances have to do without something static.
    pub(super) fn judge_statics(&mut self) {
        if !self.settled || self.stopping || self.config.track_groups.is_empty() && self.lacking.is_empty() {
            return;
        }
        let lacking = self.wants().lacking(&self.refused);
        let before = std::mem::replace(&mut self.lacking, lacking.clone());
        let concerned: BTreeSet<InstanceId> = lacking.keys().chain(before.keys()).copied().collect();
        for instance in concerned {
            let items = lacking.get(&instance).cloned().unwrap_or_default();
            if before.get(&instance) != Some(&items) {
                self.engine.handle(Event::Missing { instance, items }, now());
            }
        }
    }

    pub(super) fn link_changed(&mut self, link: LinkId) {
        let on_top = self.uppers.on_top_of(self.mirror.name_of(link.0));
        let on_top: Vec<LinkId> = on_top
            .filter_map(|name| self.mirror.index_of(name).map(LinkId))
            .collect();
        for link in std::iter::once(link).chain(on_top) {
            if !self.uppers.is_withheld(self.mirror.name_of(link.0))
                && let Some(known) = self.uppers.describe(&self.mirror, link)
            {
                self.engine.handle(Event::Link(known), now());
                self.sockets_stale = true;
            }
        }
    }

    pub(super) fn finish_round(&mut self, written: Written) {
        let outcome = written.outcome;
        let refused: HashSet<&Change> = outcome.failures.iter().map(|failure| &failure.change).collect();
        self.tell_cleaning(&written.owners, &outcome.changes);
        for change in outcome.changes.iter().filter(|change| !refused.contains(change)) {
            self.mirror.written(change);
        }
        for failure in &outcome.failures {
            self.tell_refusal(failure, written.owners.contains(&Owner::Statics));
        }
        if let Some((error, addresses)) = outcome.broken {
            error!("Unable to write addresses, routes and rules: {error}; reading them anew");
            if let Some(addresses) = addresses {
                self.mirror.replace_addresses(addresses);
            }
            for owner in wants::owners(&self.engine) {
                self.rounds.push(Step::Reconcile(owner));
            }
        }
        if written.owners.contains(&Owner::Statics) {
            self.refused = outcome
                .failures
                .into_iter()
                .map(|failure| match failure.change {
                    Change::Add(object) | Change::Delete(object) => object,
                })
                .collect();
            self.judge_statics();
        }
        for (owner, address) in &written.taken {
            self.mirror.address_gone(address);
            self.address_lost(*owner, address);
        }
        for (owner, what) in written.routing_taken {
            self.lost(owner, &what);
        }
        self.following.extend(written.after);
    }

    /// Does what follows rounds, for as long as the adverts of others may be held up.
    pub(super) fn follow_up(&mut self) {
        let begin = now();
        while let Some(step) = self.following.pop_front() {
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
                        self.herald.tell(&transition, &party);
                    }
                }
                Step::Reconcile(_) | Step::Prepare => {}
            }
            if now() - begin > SLICE {
                return;
            }
        }
        self.tell_news(begin);
    }

    /// Says what the kernel refused; of something static only once, it is tried again with every change of a link.
    fn tell_refusal(&self, failure: &netlink::Failure, statics: bool) {
        if statics && self.refused.contains(failure.change.object()) {
            return;
        }
        let (change, why) = (&failure.change, failure.error.reason());
        match change.object() {
            Object::Address(address) => {
                error!(
                    "Unable to {change} ({}): {why}",
                    self.mirror.name_of(address.link)
                );
            }
            Object::Route(_) | Object::Rule(_) => error!("Unable to {change}: {why}"),
        }
    }

    /// After the start: says whose leftovers of an earlier run were removed, in keepalived's words.
    fn tell_cleaning(&mut self, owners: &BTreeSet<Owner>, changes: &[Change]) {
        for owner in owners {
            let (true, Owner::Instance(id)) = (self.cleaning.remove(owner), *owner) else {
                continue;
            };
            let Some(instance) = self.engine.instance(id) else {
                continue;
            };
            let mut only = Objects::default();
            self.wants().configured_of(*owner, &mut only);
            let deleted = |is_its: &dyn Fn(&Object) -> bool| {
                changes
                    .iter()
                    .any(|change| matches!(change, Change::Delete(object) if is_its(object)))
            };
            for (what, gone) in [
                (
                    "Virtual Rules",
                    deleted(&|it| matches!(it, Object::Rule(rule) if only.rules.contains(rule))),
                ),
                (
                    "Virtual Routes",
                    deleted(
                        &|it| matches!(it, Object::Route(route) if only.routes.iter().any(|own| own.key() == route.key())),
                    ),
                ),
                (
                    "VIPs.",
                    deleted(&|it| matches!(it, Object::Address(it) if self.mirror.owner(it) == Some(*owner))),
                ),
            ] {
                if gone && !instance.state.is_master() {
                    debug!("({}) removing {what}", instance.name);
                }
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
                    router: address.is_ipv6() && forwards_ipv6(self.mirror.name_of(owned.link.0)),
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

    pub(super) fn wants(&self) -> Wants<'_> {
        Wants {
            config: &self.config,
            engine: &self.engine,
            mirror: &self.mirror,
            stopping: self.stopping,
        }
    }
}
