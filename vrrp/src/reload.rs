//! A configuration taken in: at the start, and again on every reload. What is the same goes on untouched; what changed
//! adapts where it stands; what is gone resigns.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parser::Config;
use parser::config::vrrp_instance::OldUnicastChecksum;
use parser::config::{VirtualAddress, VrrpInstance};
use parser::units::Version;

use crate::action::Notified;
use crate::engine::Engine;
use crate::event::InstanceId;
use crate::group::Group;
use crate::instance::Instance;
use crate::snapshot::{self, Identity};
use crate::state::State;
use crate::time::Instant;
use crate::track::Kind;
use crate::world::World;

impl Engine {
    /// A new configuration: what is unchanged keeps state, timers and addresses; what is gone resigns.
    ///
    /// An instance is the same if virtual router, family, interface, unicast or multicast, their source or group,
    /// `use_vmac` and `use_vmac_addr` are the same, whatever its name; it keeps its
    /// [`InstanceId`] then. The numbers of scripts, files and processes are from now on indexes into the new `config`; runs
    /// in progress are forgotten, and the shell ends them; what files and processes are now is to be told anew.
    pub fn reload(&mut self, config: &Config, now: Instant) {
        if self.is_stopped() {
            return;
        }
        self.global = config.global.clone();
        self.change_paces(config, now);
        self.adopt_world(config, now);
        let mut vacant = self.vacant_ids();
        let mut old = self.by_identity();
        let mut order = Vec::with_capacity(config.vrrp_instances.len());
        let mut kept = Vec::new();
        let mut fresh = Vec::new();
        for instance in &config.vrrp_instances {
            let known = old
                .get_mut(&snapshot::identity(instance))
                .and_then(VecDeque::pop_front);
            if let Some(id) = known {
                kept.push((id, instance));
            } else {
                fresh.push((order.len(), instance));
            }
            order.push(known.unwrap_or(InstanceId(0)));
        }
        self.remove(old.into_values().flatten(), now);
        for (place, instance) in fresh {
            let id = vacant.pop().unwrap_or_else(|| self.next_id());
            self.place(Instance::new(id, sane(instance), None, now, now));
            // It may have the addresses of one that has just gone, and must not keep them.
            self.out.reconcile(id);
            order[place] = id;
        }
        self.order = order;
        self.adapt(&kept, now);
        self.join_groups(config);
        self.release_singles(now);
        self.index(now);
        let all = self.order.clone();
        self.refresh(&all, now);
        self.pace(now);
    }

    /// The number of an instance that was never there.
    pub(crate) fn next_id(&self) -> InstanceId {
        InstanceId(u32::try_from(self.instances.len()).unwrap_or(u32::MAX))
    }

    /// Puts an instance where its number says.
    pub(crate) fn place(&mut self, instance: Instance) {
        match self.instances.get_mut(instance.id.0 as usize) {
            Some(vacant) => *vacant = instance,
            None => self.instances.push(instance),
        }
    }

    /// Who cares for which link and script, and when they are all due.
    pub(crate) fn index(&mut self, now: Instant) {
        self.watchers.clear();
        self.trackers.clear();
        self.roamers.clear();
        let signs = self
            .instances()
            .any(|instance| instance.config.auth_hmac.is_some());
        self.signs = signs;
        for id in &self.order {
            let instance = &self.instances[id.0 as usize];
            for link in instance.links() {
                self.watchers.entry(link.to_owned()).or_default().push(*id);
            }
            for (kind, tracked) in instance.tracked() {
                let key = (kind, tracked.name.clone());
                self.trackers.entry(key).or_default().push(*id);
            }
            if instance.place().is_none() {
                self.roamers.push(*id);
            }
            self.timers.set(instance);
        }
        for script in &mut self.world.scripts {
            let is_tracked = self
                .trackers
                .contains_key(&(Kind::Script, script.config.name.clone()));
            script.run_at = script.run_at.or(Some(now)).filter(|_| is_tracked);
            self.script_deadlines.set(script.id.0, script.run_at);
        }
    }

    /// Makes the sync groups of a configuration. One that was there before, by its name or by its members, keeps its
    /// state; at the start of a successor process it has that of its members.
    pub(crate) fn join_groups(&mut self, config: &Config) {
        let old = std::mem::take(&mut self.groups);
        let ids: BTreeMap<&str, InstanceId> = self
            .order
            .iter()
            .map(|id| (self.instances[id.0 as usize].config.name.as_str(), *id))
            .collect();
        let mut groups = Vec::with_capacity(config.vrrp_sync_groups.len());
        for group in &config.vrrp_sync_groups {
            let members: Vec<InstanceId> = group
                .members
                .iter()
                .filter_map(|name| ids.get(name.as_str()).copied())
                .collect();
            let known = old
                .iter()
                .find(|known| *known.name == *group.name)
                .or_else(|| old.iter().find(|known| known.members == members));
            let state = known.map_or_else(|| self.common_state(&members), |known| known.state);
            groups.push(Group {
                name: group.name.as_str().into(),
                config: group.clone(),
                members,
                state,
            });
        }
        for id in &self.order {
            self.instances[id.0 as usize].group = None;
        }
        for (index, group) in groups.iter().enumerate() {
            for id in &group.members {
                self.instances[id.0 as usize].group = Some(index);
            }
        }
        self.groups = groups;
    }

    /// What a predecessor process told of all these instances alike.
    fn common_state(&self, members: &[InstanceId]) -> Option<Notified> {
        let saved = |id: &InstanceId| Some(self.instances[id.0 as usize].resume.as_ref()?.notified);
        let first = saved(members.first()?)?;
        members.iter().all(|id| saved(id) == Some(first)).then_some(first)
    }

    /// An instance that waited for others of a group, and is in none now, waits no more.
    fn release_singles(&mut self, now: Instant) {
        for id in &self.order {
            let instance = &mut self.instances[id.0 as usize];
            if let (State::Backup { take_over_at, .. }, None) = (&mut instance.state, instance.group) {
                take_over_at.get_or_insert(now);
            }
        }
    }

    fn adopt_world(&mut self, config: &Config, now: Instant) {
        let mut world = World::new(config);
        for script in &mut world.scripts {
            if let Some(old) = self.world.script_named(&script.name) {
                script.adopt(old, now, &mut self.out);
            }
        }
        for script in &self.world.scripts {
            self.script_deadlines.set(script.id.0, None);
        }
        world.adopt(&mut self.world);
        self.world = world;
    }

    fn vacant_ids(&self) -> Vec<InstanceId> {
        let is_removed = |instance: &&Instance| instance.state == State::Removed;
        self.instances
            .iter()
            .filter(is_removed)
            .map(|instance| instance.id)
            .rev()
            .collect()
    }

    fn by_identity(&self) -> BTreeMap<Identity, VecDeque<InstanceId>> {
        let mut ids: BTreeMap<_, VecDeque<_>> = BTreeMap::new();
        for instance in self.instances() {
            ids.entry(snapshot::identity(&instance.config))
                .or_default()
                .push_back(instance.id);
        }
        ids
    }

    fn remove(&mut self, gone: impl Iterator<Item = InstanceId>, now: Instant) {
        for id in gone {
            self.unroute(id);
            let instance = &mut self.instances[id.0 as usize];
            instance.change(State::Removed, now, &mut self.out);
            self.timers.set(instance);
        }
    }

    /// Gives the instances that stay their new configuration. Those that lose addresses are asked first, so that an
    /// address which moves between two masters is put back after it was taken away.
    fn adapt(&mut self, kept: &[(InstanceId, &Arc<VrrpInstance>)], now: Instant) {
        let mut gaining = Vec::new();
        for (id, config) in kept {
            let instance = &mut self.instances[id.0 as usize];
            let config = sane(config);
            if instance.config == config {
                continue;
            }
            let before: Vec<VirtualAddress> = instance.addresses().cloned().collect();
            let moves = instance.config.interface != config.interface;
            let routing = (
                instance.config.virtual_routes.clone(),
                instance.config.virtual_rules.clone(),
            );
            instance.adapt(config, now);
            let reroutes =
                (&routing.0, &routing.1) != (&instance.config.virtual_routes, &instance.config.virtual_rules);
            if !instance.state.is_master() || !reroutes && !moves && instance.addresses().eq(&before) {
                continue;
            }
            let loses = before
                .iter()
                .any(|line| instance.addresses().all(|kept| kept != line));
            if loses || reroutes {
                self.out.reconcile(*id);
            }
            if moves || instance.addresses().any(|line| !before.contains(line)) {
                gaining.push(*id);
            }
        }
        for id in gaining {
            self.out.reconcile(id);
            let instance = &self.instances[id.0 as usize];
            self.out.announce(id, instance.config.garp.master_repeat.max(1));
        }
    }
}

impl Instance {
    fn adapt(&mut self, config: Arc<VrrpInstance>, now: Instant) {
        let silence = self.master_down();
        let old = std::mem::replace(&mut self.config, config);
        let config = &self.config;
        if self.name.as_ref() != config.name {
            self.name = config.name.as_str().into();
        }
        self.gave_way &= config.priority.is_owner();
        if old.old_unicast_checksum != config.old_unicast_checksum {
            self.sums_as_old = config.old_unicast_checksum == OldUnicastChecksum::Always;
        }
        // Version 3 goes on with what its master taught it.
        if config.version == Version::V2 || self.master.is_none() {
            self.master_interval = config.advert_int;
        }
        if let State::Master(mastery) = &mut self.state {
            mastery.advertise_at = mastery.advertise_at.min(now + config.advert_int);
            let extra = config.garp.extra_if.period;
            if old.garp.extra_if.period != extra {
                mastery.extra_at = (!extra.is_zero()).then_some(now + extra);
            }
            if old.garp.master_refresh != config.garp.master_refresh {
                let refresh = config.garp.master_refresh;
                mastery.refresh_at = (!refresh.is_zero()).then_some(now + refresh);
            }
        }
        self.shift_take_over(silence, now);
    }
}

/// The parser keeps intervals in range; a zero that came another way would be a busy loop.
pub(crate) fn sane(config: &Arc<VrrpInstance>) -> Arc<VrrpInstance> {
    const LEAST: Duration = Duration::from_millis(10);
    let mut config = Arc::clone(config);
    if config.advert_int < LEAST {
        Arc::make_mut(&mut config).advert_int = LEAST;
    }
    config
}
