//! What should be in the kernel, and whose it is: the static items always, those of an instance while it is master.
//!
//! Pure: it looks at the configuration, the engine and the mirror, and changes none of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use netlink::{Address, Object, Objects, route};
use parser::Config;
use parser::config::{Route, Rule, VirtualAddress};
use vrrp::{Engine, InstanceId, LinkId};

use super::mirror::Mirror;
use super::objects;
use super::round::Owner;
use super::writer::Job;

/// An address line, its interface and its owner.
pub(super) type AddressLine<'a> = (Owner, &'a str, &'a VirtualAddress);

/// What is wanted as things stand.
#[derive(Clone, Copy)]
pub(super) struct Wants<'a> {
    pub(super) config: &'a Config,
    pub(super) engine: &'a Engine,
    pub(super) mirror: &'a Mirror,
    /// The daemon stops: nothing static is wanted any more. The engine knows by itself.
    pub(super) stopping: bool,
}

/// The address lines of an owner, whether it wants them now or not.
pub(super) fn address_lines<'a>(
    config: &'a Config,
    engine: &'a Engine,
    owner: Owner,
) -> impl Iterator<Item = AddressLine<'a>> {
    let (default, lists): (&str, [&[VirtualAddress]; 2]) = match owner {
        Owner::Statics => ("", [&config.static_ipaddress, &[]]),
        Owner::Instance(id) => engine.instance(id).map_or(("", [&[], &[]]), |instance| {
            let config = &instance.config;
            let lists: [&[VirtualAddress]; 2] =
                [&config.virtual_ipaddress, &config.virtual_ipaddress_excluded];
            (config.interface.as_str(), lists)
        }),
    };
    let line = move |line: &'a VirtualAddress| (owner, line.dev.as_deref().unwrap_or(default), line);
    lists.into_iter().flatten().map(line)
}

/// Everybody who may own something.
pub(super) fn owners(engine: &Engine) -> impl Iterator<Item = Owner> {
    let instances = engine.instances().map(|instance| Owner::Instance(instance.id));
    std::iter::once(Owner::Statics).chain(instances)
}

impl<'a> Wants<'a> {
    /// The address lines of an owner that are wanted now.
    pub(super) fn addresses(&self, owner: Owner) -> Vec<(Address, &'a VirtualAddress)> {
        match owner {
            Owner::Statics if self.stopping => Vec::new(),
            Owner::Statics => address_lines(self.config, self.engine, owner)
                .filter_map(|(_, dev, line)| {
                    let link = self.mirror.index_of(dev)?;
                    Some((objects::address(line, LinkId(link)), line))
                })
                .collect(),
            Owner::Instance(id) => self
                .engine
                .owned(id)
                .map(|owned| (objects::address(owned.address, owned.link), owned.address))
                .collect(),
        }
    }

    /// The route lines of an owner that are wanted now.
    pub(super) fn routes(&self, owner: Owner) -> &'a [Route] {
        match owner {
            Owner::Statics if self.stopping => &[],
            Owner::Statics => &self.config.static_routes,
            Owner::Instance(id) => self.engine.owned_routes(id),
        }
    }

    /// The rule lines of an owner that are wanted now.
    pub(super) fn rules(&self, owner: Owner) -> &'a [Rule] {
        match owner {
            Owner::Statics if self.stopping => &[],
            Owner::Statics => &self.config.static_rules,
            Owner::Instance(id) => self.engine.owned_rules(id),
        }
    }

    /// All routes and rules that the configuration knows, wanted now or not.
    pub(super) fn configured(&self) -> Objects {
        let mut objects = Objects::default();
        for owner in owners(self.engine) {
            self.configured_of(owner, &mut objects);
        }
        objects
    }

    /// Whether there are routes or rules whose loss matters.
    pub(super) fn has_routing(&self) -> bool {
        owners(self.engine).any(|owner| {
            let (routes, rules) = self.lines(owner);
            !routes.is_empty() || !rules.is_empty()
        })
    }

    /// What a round about these owners is to do, and about objects that nobody claims any more.
    ///
    /// Two owners may have routes to the same destination, so whatever anybody wants of what the round is about is wanted.
    pub(super) fn job(&self, about: &BTreeSet<Owner>, orphans: Objects) -> Job {
        let mut ours = Objects {
            addresses: Vec::new(),
            ..orphans
        };
        let (mut wanted, mut present) = (Objects::default(), orphans.addresses);
        for &owner in about {
            self.configured_of(owner, &mut ours);
            wanted
                .addresses
                .extend(self.addresses(owner).into_iter().map(|(address, _)| address));
            let lines = address_lines(self.config, self.engine, owner);
            present.extend(lines.filter_map(|line| self.mirror.present(line)).cloned());
        }
        if !ours.routes.is_empty() || !ours.rules.is_empty() {
            let keys: HashSet<route::Key> = ours.routes.iter().map(netlink::Route::key).collect();
            let rules: HashSet<&netlink::Rule> = ours.rules.iter().collect();
            for owner in owners(self.engine) {
                let routes = self
                    .routes(owner)
                    .iter()
                    .filter_map(|line| objects::route(line, self.mirror).ok());
                wanted
                    .routes
                    .extend(routes.flatten().filter(|route| keys.contains(&route.key())));
                let lines = self.rules(owner).iter().map(objects::rule);
                wanted.rules.extend(lines.filter(|rule| rules.contains(rule)));
            }
        }
        Job {
            wanted,
            present,
            routes: ours.routes,
            rules: ours.rules,
            ..Job::default()
        }
    }

    /// What the instances of track groups have to do without: static items that the kernel refused, or whose link does
    /// not run.
    pub(super) fn lacking(&self, refused: &HashSet<Object>) -> BTreeMap<InstanceId, Vec<String>> {
        let config = self.config;
        let mut missing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let down = |name: &str| !self.mirror.is_running(name);
        for line in &config.static_ipaddress {
            let Some(group) = line.track_group.as_deref() else {
                continue;
            };
            let dev = line.dev.as_deref().unwrap_or_default();
            let refused = self
                .mirror
                .index_of(dev)
                .is_none_or(|link| refused.contains(&Object::from(objects::address(line, LinkId(link)))));
            if refused || down(dev) {
                let what = format!("address {}/{}", line.address, line.prefix_len);
                missing.entry(group).or_default().push(what);
            }
        }
        for line in &config.static_routes {
            let Some(group) = line.track_group.as_deref() else {
                continue;
            };
            let refused = objects::route(line, self.mirror).map_or(true, |parts| {
                parts
                    .into_iter()
                    .any(|part| refused.contains(&Object::from(part)))
            });
            let mut devs = line.next_hops.iter().filter_map(|hop| hop.dev.as_deref());
            if refused || devs.any(down) {
                let to = line.destination;
                missing
                    .entry(group)
                    .or_default()
                    .push(format!("route to {}/{}", to.address, to.length));
            }
        }
        for line in &config.static_rules {
            let Some(group) = line.track_group.as_deref() else {
                continue;
            };
            let refused = refused.contains(&Object::from(objects::rule(line)));
            if refused || line.selector.iif.as_deref().is_some_and(down) {
                missing
                    .entry(group)
                    .or_default()
                    .push(format!("rule of preference {}", line.preference));
            }
        }
        let mut lacking: BTreeMap<InstanceId, Vec<String>> = BTreeMap::new();
        for group in &config.track_groups {
            let Some(items) = missing.get(group.name.as_str()) else {
                continue;
            };
            let members = self
                .engine
                .instances()
                .filter(|instance| group.members.contains(&instance.config.name));
            for member in members {
                lacking
                    .entry(member.id)
                    .or_default()
                    .extend(items.iter().cloned());
            }
        }
        lacking
    }

    fn lines(&self, owner: Owner) -> (&'a [Route], &'a [Rule]) {
        match owner {
            Owner::Statics => (&self.config.static_routes, &self.config.static_rules),
            Owner::Instance(id) => self.engine.instance(id).map_or((&[], &[]), |instance| {
                (&instance.config.virtual_routes, &instance.config.virtual_rules)
            }),
        }
    }

    /// The routes and rules of an owner that the configuration knows, wanted now or not.
    pub(super) fn configured_of(&self, owner: Owner, objects: &mut Objects) {
        let (routes, rules) = self.lines(owner);
        let parts = routes
            .iter()
            .filter_map(|line| objects::route(line, self.mirror).ok());
        objects.routes.extend(parts.flatten());
        objects.rules.extend(rules.iter().map(objects::rule));
    }
}
