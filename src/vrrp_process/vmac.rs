//! `use_vmac`, `use_vmac_addr`, `use_ipvlan`: interfaces that the daemon makes for its instances.
//!
//! An instance with one is handed to the engine as an instance on that interface, which is described to it with the
//! addresses of its parent; so nothing of this is known there. Absent: making them, which is [`make`]'s.

pub(super) mod make;
mod sysctl;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use netlink::upper::{Kind, Siblings};
use parser::Config;
use parser::config::VrrpInstance;
use parser::config::vrrp_instance::IpvlanMode;
use parser::units::{Family, Vrid};
use vrrp::{Instant, LinkId};

use super::firewall::Firewall;
use super::mirror::Mirror;
use crate::repair::Repairs;

/// Characters of a path in a mark: aliases and comments have some 250 bytes.
const OWNER_LEN: usize = 40;

/// So long a repair waits: what is removed is set down first.
const BURST: Duration = Duration::from_millis(5);

/// So long the engine is not told that an interface of ours is gone or down: it is put back meanwhile.
const GRACE: Duration = Duration::from_secs(1);

/// The mark of what this daemon makes in the kernel: by the file with the number of its process, which no two
/// daemons share. A later run knows by it what a killed one has left.
pub(crate) fn owner(pid_file: &Path) -> String {
    let path = pid_file.to_string_lossy().replace(char::is_whitespace, "_");
    let end: String = path.chars().rev().take(OWNER_LEN).collect();
    format!("{}{}", sysctl::MARK, end.chars().rev().collect::<String>())
}

/// An interface to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Its name.
    pub(super) name: String,
    /// Name of its parent.
    pub(super) parent: String,
    /// Macvlan or ipvlan.
    pub(super) kind: Kind,
    /// Its link group; `None` is that of its parent.
    pub(super) group: Option<u32>,
    /// Whether it carries IPv4.
    pub(super) ipv4: bool,
    /// Whether it carries IPv6.
    pub(super) ipv6: bool,
    /// An address of its own, with prefix length.
    pub(super) address: Option<(IpAddr, u8)>,
    /// `netlink_notify_msg`: the kernel is to tell everybody of its parent once it is there.
    pub(super) tells_parent: bool,
    /// The instance, for messages.
    pub(super) instance: String,
}

impl Wish {
    /// Whether its adverts come from the addresses of its parent.
    fn borrows_addresses(&self) -> bool {
        matches!(self.kind, Kind::Macvlan(_))
    }

    /// Whether one interface fulfils both wishes.
    fn is_same_link(&self, other: &Self) -> bool {
        self.name == other.name && self.parent == other.parent && self.kind == other.kind
    }
}

/// Puts the instances of a configuration on the interfaces that are to be made for them; answers which.
pub(super) fn put_on(config: &mut Config, links: &[netlink::Link]) -> Vec<Wish> {
    let mut namer = Namer {
        links,
        taken: HashSet::new(),
    };
    let (prefix, address_prefix) = (
        config.global.vmac_prefix.clone(),
        config.global.vmac_addr_prefix.clone(),
    );
    let mut wishes = Vec::new();
    for instance in config.vrrp_instances.iter_mut().map(Arc::make_mut) {
        let parent = instance.interface.clone();
        if let Some((name, kind, group, address)) = own(instance) {
            let wish = Wish {
                name: name.unwrap_or_else(|| {
                    let (vrid, family) = (instance.virtual_router_id, instance.family);
                    namer.name(&prefix, vrid, family, &parent, kind)
                }),
                parent: parent.clone(),
                kind,
                group,
                ipv4: instance.family == Family::Ipv4,
                ipv6: carries_ipv6(instance) || instance.family == Family::Ipv6,
                address,
                tells_parent: instance
                    .use_vmac
                    .as_ref()
                    .is_some_and(|vmac| vmac.netlink_notify_msg),
                instance: instance.name.clone(),
            };
            let name = namer.share(wish, &mut wishes);
            // keepalived: only a macvlan carries the virtual addresses.
            let carrier = match kind {
                Kind::Macvlan(_) if instance.vmac_xmit_base => Some(name.clone()),
                Kind::Macvlan(_) => None,
                Kind::Ipvlan(_) => Some(parent.clone()),
            };
            if let Some(carrier) = carrier {
                for line in lines(instance).filter(|line| line.dev.is_none()) {
                    line.dev = Some(carrier.clone());
                }
            }
            if !instance.vmac_xmit_base {
                instance.interface = name;
                instance.parent = Some(parent);
            }
        }
        for_addresses(instance, &address_prefix, &mut namer, &mut wishes);
    }
    wishes
}

type Own = (Option<String>, Kind, Option<u32>, Option<(IpAddr, u8)>);

/// What an instance says of an interface of its own.
fn own(instance: &VrrpInstance) -> Option<Own> {
    if let Some(vmac) = &instance.use_vmac {
        let mac = vmac
            .mac
            .unwrap_or_else(|| virtual_address(instance.virtual_router_id, instance.family));
        let kind = Kind::Macvlan(mac);
        return Some((vmac.name.clone(), kind, vmac.group, None));
    }
    let ipvlan = instance.use_ipvlan.as_ref()?;
    let siblings = match ipvlan.mode {
        IpvlanMode::Bridge => Siblings::Bridge,
        IpvlanMode::Private => Siblings::Private,
        IpvlanMode::Vepa => Siblings::Vepa,
    };
    Some((
        ipvlan.name.clone(),
        Kind::Ipvlan(siblings),
        ipvlan.group,
        ipvlan.address,
    ))
}

/// Macvlans for the addresses of an instance that are on other interfaces, one for each family there.
fn for_addresses(instance: &mut VrrpInstance, prefix: &str, namer: &mut Namer<'_>, wishes: &mut Vec<Wish>) {
    let (all, own, name) = (
        instance.use_vmac_addr,
        instance.interface.clone(),
        instance.name.clone(),
    );
    let mut found: HashMap<(String, Family), String> = HashMap::new();
    let places: Vec<(String, Family)> = lines(instance)
        .filter(|line| line.use_vmac || all && line.dev.as_ref().is_some_and(|dev| *dev != own))
        .filter_map(|line| Some((line.dev.clone()?, Family::of(line.address))))
        .collect();
    let vrid = instance.virtual_router_id;
    for (dev, family) in places {
        if found.contains_key(&(dev.clone(), family)) || namer.taken.contains(&dev) {
            continue;
        }
        let kind = Kind::Macvlan(virtual_address(vrid, family));
        let wish = Wish {
            name: namer.name(prefix, vrid, family, &dev, kind),
            parent: dev.clone(),
            kind,
            group: None,
            ipv4: family == Family::Ipv4,
            ipv6: family == Family::Ipv6,
            address: None,
            tells_parent: false,
            instance: name.clone(),
        };
        found.insert((dev, family), namer.share(wish, wishes));
    }
    for line in lines(instance).filter(|line| line.use_vmac || all) {
        let place = line.dev.clone().map(|dev| (dev, Family::of(line.address)));
        if let Some(name) = place.and_then(|place| found.get(&place)) {
            line.dev = Some(name.clone());
        }
    }
}

fn lines(instance: &mut VrrpInstance) -> impl Iterator<Item = &mut parser::config::VirtualAddress> {
    instance
        .virtual_ipaddress
        .iter_mut()
        .chain(&mut instance.virtual_ipaddress_excluded)
}

/// Whether an instance has IPv6 addresses on its own interface.
fn carries_ipv6(instance: &VrrpInstance) -> bool {
    let lines = instance
        .virtual_ipaddress
        .iter()
        .chain(&instance.virtual_ipaddress_excluded);
    lines
        .filter(|line| line.dev.is_none())
        .any(|line| line.address.is_ipv6())
}

/// RFC 9568 7.3: 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID} for IPv6.
fn virtual_address(vrid: Vrid, family: Family) -> [u8; 6] {
    let family = match family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    [0, 0, 0x5e, 0, family, vrid.get()]
}

/// Finds names that nobody has.
struct Namer<'a> {
    links: &'a [netlink::Link],
    taken: HashSet<String>,
}

impl Namer<'_> {
    /// That of an interface which is there and is what is wanted; else the first that is free of vrrp.N, for IPv6
    /// vrrp6.N, then vrrp1.N, vrrp2.N ...
    fn name(&self, prefix: &str, vrid: Vrid, family: Family, parent: &str, kind: Kind) -> String {
        let parent = self.links.iter().find(|link| link.name == parent);
        let fitting = self.links.iter().find(|link| {
            parent.is_some_and(|parent| fits(link, kind, parent.index)) && self.is_free(&link.name)
        });
        if let Some(link) = fitting {
            return link.name.clone();
        }
        let vrid = vrid.get();
        let six = (family == Family::Ipv6).then(|| format!("{prefix}6.{vrid}"));
        let numbered = (1..).map(|number| format!("{prefix}{number}.{vrid}"));
        std::iter::once(format!("{prefix}.{vrid}"))
            .chain(six)
            .chain(numbered)
            .find(|name| self.is_free(name) && self.links.iter().all(|link| link.name != *name))
            .unwrap_or_default()
    }

    /// Adds a wish, unless one for the same macvlan is there: two of the same address on one parent cannot be. Answers with
    /// the name of the one that serves.
    fn share(&mut self, wish: Wish, wishes: &mut Vec<Wish>) -> String {
        let macvlan = matches!(wish.kind, Kind::Macvlan(_));
        let same = wishes
            .iter_mut()
            .find(|other| macvlan && other.kind == wish.kind && other.parent == wish.parent);
        if let Some(other) = same {
            other.ipv4 |= wish.ipv4;
            other.ipv6 |= wish.ipv6;
            other.tells_parent |= wish.tells_parent;
            return other.name.clone();
        }
        let name = wish.name.clone();
        self.taken.insert(name.clone());
        wishes.push(wish);
        name
    }

    fn is_free(&self, name: &str) -> bool {
        !self.taken.contains(name)
    }
}

/// Whether there is nothing to wait for: the interface is there and set up, or cannot be for lack of its parent.
fn is_served(wish: &Wish, mirror: &Mirror) -> bool {
    let Some(parent) = mirror.link_named(&wish.parent).filter(|parent| parent.up) else {
        return true;
    };
    let link = mirror.link_named(&wish.name);
    link.is_some_and(|link| link.up && fits(link, wish.kind, parent.index))
}

/// Whether a link is the wanted one.
fn fits(link: &netlink::Link, kind: Kind, parent: u32) -> bool {
    link.upper == Some(kind) && link.lower == Some(parent)
}

/// A configuration that comes into force when its interfaces are there.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) config: Config,
    wishes: Vec<Wish>,
    /// It waits no longer.
    until: Instant,
}

/// The interfaces of ours, and those of which the engine has not been told the worst yet.
#[derive(Debug)]
pub(super) struct Uppers {
    pub(super) wishes: Vec<Wish>,
    coming: Option<Coming>,
    /// They may not all be there: the next round looks.
    pub(super) stale: bool,
    /// Its tables are needed no more since a reload: the next round removes them.
    pub(super) retired: Option<Firewall>,
    /// By name: the index that the engine knows, and how long it is left to believe in it.
    withheld: BTreeMap<String, (u32, Instant)>,
    /// What others took away or set down, by name.
    pub(super) repairs: Repairs<String>,
}

impl Uppers {
    pub(super) fn new(wishes: Vec<Wish>) -> Self {
        Self {
            wishes,
            coming: None,
            stale: false,
            retired: None,
            withheld: BTreeMap::new(),
            repairs: Repairs::new(BURST),
        }
    }

    fn wish(&self, name: &str) -> Option<&Wish> {
        self.wishes.iter().find(|wish| wish.name == name)
    }

    /// Has a configuration wait for the interfaces that it wishes for. False: it need not wait.
    pub(super) fn await_for(
        &mut self,
        config: &Config,
        wishes: Vec<Wish>,
        mirror: &Mirror,
        now: Instant,
    ) -> bool {
        let waits = !wishes.iter().all(|wish| is_served(wish, mirror));
        self.coming = waits.then(|| Coming {
            config: config.clone(),
            wishes,
            until: now + GRACE,
        });
        waits
    }

    /// The configuration that waited, if it waits no longer.
    pub(super) fn has_come(&mut self, mirror: &Mirror, now: Instant) -> Option<Config> {
        let come = self.coming.take_if(|coming| {
            coming.until <= now || coming.wishes.iter().all(|wish| is_served(wish, mirror))
        });
        come.map(|coming| coming.config)
    }

    /// No other configuration comes into force any more. What was made for it goes with the rest.
    pub(super) fn forget_coming(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.wishes.extend(coming.wishes);
        }
    }

    /// What is to be there now: what the coming configuration wishes for, if one is coming.
    pub(super) fn to_make(&self) -> &[Wish] {
        self.coming.as_ref().map_or(&self.wishes, |coming| &coming.wishes)
    }

    /// Whether there is something to make for a configuration that is not in force yet.
    pub(super) fn is_changing(&self) -> bool {
        self.coming.is_some()
    }

    /// Whether an interface of ours of this name goes with the coming configuration, if only to make room for another.
    pub(super) fn is_leaving(&self, name: &str) -> bool {
        let (Some(coming), Some(known)) = (&self.coming, self.wish(name)) else {
            return false;
        };
        !coming.wishes.iter().any(|wish| wish.is_same_link(known))
    }

    /// Whether an interface of ours of this name goes, with what is on it, by our own doing.
    pub(super) fn is_going(&self, name: &str, mirror: &Mirror) -> bool {
        let orphaned = self.wish(name).is_some_and(|wish| !mirror.has(&wish.parent));
        orphaned || self.is_leaving(name)
    }

    /// Those that nobody wishes for any more and of which the engine has not been told that they are gone.
    pub(super) fn left(&mut self) -> Vec<u32> {
        let wishes = &self.wishes;
        let left = self
            .withheld
            .extract_if(.., |name, _| wishes.iter().all(|wish| wish.name != *name));
        left.map(|(_, (index, _))| index).collect()
    }

    /// An interface is not up, or gone. Whether it is ours to put back, and the engine is not told yet.
    pub(super) fn withhold(&mut self, name: &str, index: u32, mirror: &Mirror, now: Instant) -> bool {
        let Some(wish) = self.wish(name) else {
            return false;
        };
        if !mirror.has(&wish.parent) {
            return false;
        }
        let name = name.to_owned();
        self.withheld.entry(name).or_insert((index, now + GRACE));
        true
    }

    /// The interface of this name is there and runs: the index that the engine still knows it by, if it was withheld.
    pub(super) fn is_back(&mut self, name: &str) -> Option<u32> {
        self.withheld.remove(name).map(|(index, _)| index)
    }

    /// Whether the engine waits for an interface of this name.
    pub(super) fn is_withheld(&self, name: &str) -> bool {
        self.withheld.contains_key(name)
    }

    /// Those whose time is over, by name with the index that the engine knows.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<(String, u32)> {
        let overdue = self.withheld.extract_if(.., |_, (_, until)| *until <= now);
        overdue.map(|(name, (index, _))| (name, index)).collect()
    }

    /// When the next time is over.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let coming = self.coming.as_ref().map(|coming| coming.until);
        self.withheld
            .values()
            .map(|(_, until)| *until)
            .chain(coming)
            .chain(self.repairs.next_deadline())
            .min()
    }

    /// The interface that one of ours is on top of, or the one itself.
    pub(super) fn parent_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.wish(name).map_or(name, |wish| &wish.parent)
    }

    /// Names of the interfaces on top of this one.
    pub(super) fn on_top_of(&self, parent: &str) -> impl Iterator<Item = &str> {
        self.wishes
            .iter()
            .filter(move |wish| wish.parent == parent)
            .map(|wish| wish.name.as_str())
    }

    /// A link as the engine is told of it: one of ours with the addresses of its parent.
    pub(super) fn describe(&self, mirror: &Mirror, link: LinkId) -> Option<vrrp::Link> {
        let mut known = mirror.describe(link)?;
        if let Some(wish) = self.wish(&known.name).filter(|wish| wish.borrows_addresses()) {
            let parent = mirror.describe(LinkId(mirror.index_of(&wish.parent)?))?;
            known.running &= parent.running;
            known.ipv4 = parent.ipv4;
            known.ipv6_link_local = parent.ipv6_link_local;
            known.addresses.extend(parent.addresses);
        }
        Some(known)
    }

    /// The link-local address of the parent, which an IPv6 macvlan sends its adverts from.
    pub(super) fn link_local(mirror: &Mirror, wish: &Wish) -> Option<Ipv6Addr> {
        let parent = mirror.describe(LinkId(mirror.index_of(&wish.parent)?))?;
        parent
            .ipv6_link_local
            .filter(|_| wish.borrows_addresses() && !wish.ipv4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> (Config, Vec<Wish>) {
        let mut config = parser::parse_text(&parser::Machine, text).config;
        let wishes = put_on(&mut config, &[]);
        (config, wishes)
    }

    fn instance(name: &str, interface: &str, more: &str) -> String {
        format!("vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id 61\n{more}\n}}\n")
    }

    #[test]
    fn names_are_free_and_addresses_go_where_they_belong() {
        let text = [
            instance("A", "e0", "use_vmac\nvirtual_ipaddress {\n10.0.0.1\n}"),
            instance("B", "e0", "use_vmac\nversion 3\nvirtual_ipaddress {\nfe80::1\n}"),
            instance(
                "C",
                "e1",
                "use_vmac vm9\nvmac_xmit_base\nvirtual_ipaddress {\n10.0.1.1\n}",
            ),
            instance("D", "e2", "use_vmac\nvirtual_ipaddress {\n10.0.2.1\n}"),
        ];
        let (config, wishes) = put(&text.concat());
        let names: Vec<(&str, &str)> = wishes
            .iter()
            .map(|wish| (wish.name.as_str(), wish.parent.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("vrrp.61", "e0"),
                ("vrrp6.61", "e0"),
                ("vm9", "e1"),
                ("vrrp1.61", "e2")
            ]
        );
        let interfaces: Vec<&str> = config
            .vrrp_instances
            .iter()
            .map(|instance| instance.interface.as_str())
            .collect();
        assert_eq!(interfaces, ["vrrp.61", "vrrp6.61", "e1", "vrrp1.61"]);
        let line = &config.vrrp_instances[2].virtual_ipaddress[0];
        assert_eq!(line.dev.as_deref(), Some("vm9"));
    }

    #[test]
    fn one_macvlan_serves_all_that_want_its_address_on_its_parent() {
        let text = [
            instance(
                "A",
                "e0",
                "use_vmac_addr\nvirtual_ipaddress {\n10.0.0.1\n10.0.1.1 dev e1\n}\n\
                 virtual_ipaddress_excluded {\n2001:db8::1 dev e1\n}",
            ),
            instance("B", "e1", "use_vmac\nvirtual_ipaddress {\n10.0.1.2\n}"),
        ];
        let (config, wishes) = put(&text.concat());
        let names: Vec<&str> = wishes.iter().map(|wish| wish.name.as_str()).collect();
        assert_eq!(names, ["vrrp.61", "vrrp6.61"], "one for each family");
        let first = &config.vrrp_instances[0];
        assert_eq!(first.interface, "e0");
        assert_eq!(first.virtual_ipaddress[1].dev.as_deref(), Some("vrrp.61"));
        let excluded = &first.virtual_ipaddress_excluded[0];
        assert_eq!(excluded.dev.as_deref(), Some("vrrp6.61"));
        assert_eq!(config.vrrp_instances[1].interface, "vrrp.61");
    }
}
