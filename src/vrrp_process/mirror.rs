//! What the kernel has, as last heard from it: links, and the addresses on them, ours and foreign apart.
//!
//! Nothing here asks the kernel; the monitor's events and the outcomes of our own writes are told to it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use netlink::address::{FOREVER, Key, flags};
use netlink::{Address, Change};
use parser::config::{VirtualAddress, VrrpInstance};
use vrrp::{InstanceId, LinkId};

/// Names an address in the configuration: interface name, address, prefix length.
type Claim = (String, IpAddr, u8);

/// The kernel's links and addresses.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    links: BTreeMap<u32, netlink::Link>,
    /// Addresses that the configuration claims, whoever put them there.
    ours: HashMap<Key, Address>,
    /// The others of each link, in the kernel's order: the first is the primary.
    foreign: HashMap<u32, Vec<Address>>,
    claims: HashMap<Claim, InstanceId>,
}

impl Mirror {
    /// What a configuration claims. Addresses that are no longer claimed are answered: they are to be removed.
    pub(super) fn claim<'a>(
        &mut self,
        instances: impl Iterator<Item = (InstanceId, &'a VrrpInstance)>,
    ) -> Vec<Address> {
        self.claims.clear();
        for (id, config) in instances {
            for line in lines(config) {
                let dev = line.dev.as_ref().unwrap_or(&config.interface).clone();
                self.claims
                    .entry((dev, line.address, prefix_len(line)))
                    .or_insert(id);
            }
        }
        let mut known: Vec<Address> = self.ours.drain().map(|(_, address)| address).collect();
        let orphans = known
            .extract_if(.., |address| self.claimant(address).is_none())
            .collect();
        for address in known
            .into_iter()
            .chain(std::mem::take(&mut self.foreign).into_values().flatten())
        {
            self.address(address);
        }
        orphans
    }

    /// A link as the kernel has it.
    pub(super) fn link(&mut self, link: netlink::Link) -> LinkId {
        let index = link.index;
        let renamed = self
            .links
            .insert(index, link)
            .is_some_and(|old| old.name != self.links[&index].name);
        if renamed {
            self.sort_addresses_of(index);
        }
        LinkId(index)
    }

    /// A link that is gone, with its addresses.
    pub(super) fn link_gone(&mut self, index: u32) {
        self.links.remove(&index);
        self.foreign.remove(&index);
        self.ours.retain(|_, address| address.link != index);
    }

    /// An address that is there. Answers whose it is, if the configuration claims it.
    pub(super) fn address(&mut self, address: Address) -> Option<InstanceId> {
        let claimant = self.claimant(&address);
        if claimant.is_some() {
            self.ours.insert(address.key(), address);
        } else {
            let list = self.foreign.entry(address.link).or_default();
            match list.iter_mut().find(|known| known.key() == address.key()) {
                Some(known) => *known = address,
                None => list.push(address),
            }
        }
        claimant
    }

    /// An address that is gone. Answers whose it was, if the configuration claims it.
    pub(super) fn address_gone(&mut self, address: &Address) -> Option<InstanceId> {
        if let Some(list) = self.foreign.get_mut(&address.link) {
            list.retain(|known| known.key() != address.key());
        }
        self.ours.remove(&address.key());
        self.claimant(address)
    }

    /// A write of ours that the kernel has acknowledged.
    pub(super) fn written(&mut self, change: &Change) {
        match change {
            Change::Add(address) => drop(self.ours.insert(address.key(), address.clone())),
            Change::Delete(address) => drop(self.ours.remove(&address.key())),
        }
    }

    /// Every address there is, read anew after a write of unknown outcome.
    pub(super) fn replace_addresses(&mut self, addresses: Vec<Address>) {
        self.ours.clear();
        self.foreign.clear();
        for address in addresses {
            self.address(address);
        }
    }

    /// Which of the addresses that this instance claims are there.
    pub(super) fn present(&self, instance: InstanceId, config: &VrrpInstance) -> Vec<Address> {
        lines(config)
            .filter_map(|line| {
                let link = self.index_of(line.dev.as_ref().unwrap_or(&config.interface))?;
                self.ours.get(&on_link(line, LinkId(link)).key()).cloned()
            })
            .filter(|address| self.claimant(address) == Some(instance))
            .collect()
    }

    /// Every link as the kernel has it, in the kernel's order.
    pub(super) fn every_link(&self) -> Vec<netlink::Link> {
        let mut links: Vec<netlink::Link> = self.links.values().cloned().collect();
        links.sort_by_key(|link| link.index);
        links
    }

    /// Every link.
    pub(super) fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().map(LinkId).collect()
    }

    /// The link as the engine is told of it.
    pub(super) fn describe(&self, link: LinkId) -> Option<vrrp::Link> {
        let known = self.links.get(&link.0)?;
        let foreign = self.foreign.get(&link.0).map_or(&[][..], Vec::as_slice);
        Some(vrrp::Link {
            id: link,
            name: known.name.clone(),
            running: known.running,
            hardware_address: known.hardware_address.clone(),
            ipv4: foreign.iter().find_map(|address| match address.local {
                IpAddr::V4(local) if address.flags & flags::SECONDARY == 0 => Some(local),
                _ => None,
            }),
            ipv6_link_local: foreign.iter().find_map(|address| match address.local {
                IpAddr::V6(local) if local.is_unicast_link_local() => Some(local),
                _ => None,
            }),
            addresses: foreign.iter().map(|address| address.local).collect(),
            mtu: known.mtu,
        })
    }

    /// Link-layer address of an Ethernet-like link that answers ARP; `None` for others, where nothing can be announced.
    pub(super) fn ethernet_address(&self, link: LinkId) -> Option<[u8; 6]> {
        let known = self.links.get(&link.0)?;
        if known.arp {
            known.hardware_address.as_slice().try_into().ok()
        } else {
            None
        }
    }

    /// Whether there is a link of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index_of(name).is_some()
    }

    /// Name of a link, for messages.
    pub(super) fn name_of(&self, link: u32) -> &str {
        self.links.get(&link).map_or("?", |link| link.name.as_str())
    }

    fn claimant(&self, address: &Address) -> Option<InstanceId> {
        let name = &self.links.get(&address.link)?.name;
        self.claims
            .get(&(name.clone(), address.local, address.prefix_len))
            .copied()
    }

    fn index_of(&self, name: &str) -> Option<u32> {
        self.links
            .values()
            .find(|link| link.name == name)
            .map(|link| link.index)
    }

    fn sort_addresses_of(&mut self, index: u32) {
        let mut known = self.foreign.remove(&index).unwrap_or_default();
        known.extend(
            self.ours
                .extract_if(|_, address| address.link == index)
                .map(|(_, address)| address),
        );
        for address in known {
            self.address(address);
        }
    }
}

fn lines(config: &VrrpInstance) -> impl Iterator<Item = &VirtualAddress> {
    config
        .virtual_ipaddress
        .iter()
        .chain(&config.virtual_ipaddress_excluded)
}

/// The kernel's prefix length of an address with a peer is the peer's.
fn prefix_len(line: &VirtualAddress) -> u8 {
    line.peer.map_or(line.prefix_len, |(_, prefix_len)| prefix_len)
}

/// An address line as it stands on a link.
pub(super) fn on_link(from: &VirtualAddress, link: LinkId) -> Address {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    Address {
        scope: from.scope,
        label: from.label.clone(),
        broadcast: from.broadcast,
        peer: from.peer.map(|(peer, _)| peer),
        flags: flag(from.nodad && from.address.is_ipv6(), flags::NODAD)
            | flag(from.home, flags::HOMEADDRESS)
            | flag(from.mngtmpaddr, flags::MANAGETEMPADDR)
            | flag(from.noprefixroute, flags::NOPREFIXROUTE)
            | flag(from.autojoin, flags::MCAUTOJOIN),
        preferred_lft: from.preferred_lft.unwrap_or(FOREVER),
        ..Address::new(link.0, from.address, prefix_len(from))
    }
}
