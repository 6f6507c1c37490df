//! What the kernel has, as last heard from it: links, and the addresses on them, ours and those of the host apart.
//!
//! Nothing here asks the kernel; the monitor's events and the outcomes of our own writes are told to it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use netlink::address::{FOREVER, Key, flags};
use netlink::{Address, Change, Object};
use parser::config::VirtualAddress;
use vrrp::LinkId;

use super::objects::{self, prefix_len};
use super::round::Owner;

/// Names an address in the configuration: interface name, address, prefix length.
type Claim = (String, IpAddr, u8);

/// The kernel's links and addresses.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    links: BTreeMap<u32, netlink::Link>,
    indices: HashMap<String, u32>,
    /// Addresses that the configuration claims, whoever put them there.
    ours: HashMap<Key, Address>,
    /// Those of each link that are not virtual, in the kernel's order: the first is the primary. Static ones are among them.
    of_host: HashMap<u32, Vec<Address>>,
    claims: HashMap<Claim, Owner>,
    /// Preferred life times that end, in seconds, as the configuration says.
    lives: HashMap<Claim, u32>,
}

impl Mirror {
    /// What a configuration claims. Addresses that are no longer claimed are answered: they are to be removed.
    pub(super) fn claim<'a>(
        &mut self,
        lines: impl Iterator<Item = (Owner, &'a str, &'a VirtualAddress)>,
    ) -> Vec<Address> {
        self.claims.clear();
        let before = std::mem::take(&mut self.lives);
        for (owner, dev, line) in lines {
            let claim = (dev.to_owned(), line.address, prefix_len(line));
            if let Some(seconds) = line
                .preferred_lft
                .filter(|seconds| ![0, FOREVER].contains(seconds))
            {
                self.lives.insert(claim.clone(), seconds);
            }
            self.claims.entry(claim).or_insert(owner);
        }
        let mut known: Vec<Address> = self.ours.drain().map(|(_, address)| address).collect();
        let orphans = known
            .extract_if(.., |address| self.owner(address).is_none())
            .collect();
        for mut address in known
            .into_iter()
            .chain(std::mem::take(&mut self.of_host).into_values().flatten())
        {
            // What is left of a life does not tell how long it was to be.
            if let Some(claim) = self.claim_on(&address)
                && let Some(seconds) = self.lives.get(&claim)
                && before.get(&claim) != Some(seconds)
            {
                address.preferred_lft = FOREVER;
            }
            self.address(address);
        }
        orphans
    }

    /// A link as the kernel has it. If it was renamed: its old name, and the addresses that instances had put on it and
    /// nobody claims under its new name.
    pub(super) fn link(&mut self, link: netlink::Link) -> Option<(String, Vec<Address>)> {
        let index = link.index;
        let known = self.links.get(&index).map(|known| known.name.clone());
        let old = known.filter(|old| *old != link.name);
        let mut orphans = match old {
            Some(_) => self.of_instances_on(index),
            None => Vec::new(),
        };
        self.indices.insert(link.name.clone(), index);
        self.links.insert(index, link);
        let old = old?;
        self.forget_name(&old, index);
        self.sort_addresses_of(index);
        orphans.retain(|address| self.owner(address).is_none());
        Some((old, orphans))
    }

    fn of_instances_on(&self, link: u32) -> Vec<Address> {
        let ours = self.ours.values();
        ours.filter(|address| address.link == link && !is_of_host(self.owner(address)))
            .cloned()
            .collect()
    }

    /// A link that is gone, with its addresses.
    pub(super) fn link_gone(&mut self, index: u32) {
        if let Some(old) = self.links.remove(&index) {
            self.forget_name(&old.name, index);
        }
        self.of_host.remove(&index);
        self.ours.retain(|_, address| address.link != index);
    }

    /// An address that is there. Answers whose it is, if the configuration claims it.
    pub(super) fn address(&mut self, address: Address) -> Option<Owner> {
        let claimant = self.owner(&address);
        if claimant.is_some() {
            self.ours.insert(address.key(), address.clone());
        }
        if is_of_host(claimant) {
            let list = self.of_host.entry(address.link).or_default();
            match list.iter_mut().find(|known| known.key() == address.key()) {
                Some(known) => *known = address,
                None => list.push(address),
            }
        }
        claimant
    }

    /// An address that is gone. Answers whose it was, if the configuration claims it.
    pub(super) fn address_gone(&mut self, address: &Address) -> Option<Owner> {
        if let Some(list) = self.of_host.get_mut(&address.link) {
            list.retain(|known| known.key() != address.key());
        }
        self.ours.remove(&address.key());
        self.owner(address)
    }

    /// A write of ours that the kernel has acknowledged.
    pub(super) fn written(&mut self, change: &Change) {
        match change {
            // Where the kernel has told of it already, it knows better what it has.
            Change::Add(Object::Address(address)) => {
                let permanent = || Address {
                    flags: address.flags | flags::PERMANENT,
                    ..address.clone()
                };
                self.ours.entry(address.key()).or_insert_with(permanent);
            }
            Change::Delete(Object::Address(address)) => drop(self.ours.remove(&address.key())),
            Change::Add(_) | Change::Delete(_) => {}
        }
    }

    /// Every address there is, read anew after a write of unknown outcome.
    pub(super) fn replace_addresses(&mut self, addresses: Vec<Address>) {
        self.ours.clear();
        self.of_host.clear();
        for address in addresses {
            self.address(address);
        }
    }

    /// The address of this line, if it is there and the line's owner is the one who claims it.
    pub(super) fn present(&self, (owner, dev, line): (Owner, &str, &VirtualAddress)) -> Option<&Address> {
        let index = self.index_of(dev)?;
        let address = self.ours.get(&objects::address(line, LinkId(index)).key())?;
        (self.owner(address) == Some(owner)).then_some(address)
    }

    /// Every link as the kernel has it.
    pub(super) fn known(&self) -> Vec<netlink::Link> {
        self.links.values().cloned().collect()
    }

    /// Every link as the kernel has it, in the kernel's order.
    pub(super) fn every_link(&self) -> Vec<netlink::Link> {
        let mut links: Vec<netlink::Link> = self.links.values().cloned().collect();
        links.sort_by_key(|link| link.index);
        links
    }

    /// Whether an address that the configuration claims is there.
    pub(super) fn has_address(&self, address: &Address) -> bool {
        self.ours.contains_key(&address.key())
    }

    /// Every link.
    pub(super) fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().map(LinkId).collect()
    }

    /// The link as the engine is told of it.
    pub(super) fn describe(&self, link: LinkId) -> Option<vrrp::Link> {
        let known = self.links.get(&link.0)?;
        let of_host = self.of_host.get(&link.0).map_or(&[][..], Vec::as_slice);
        Some(vrrp::Link {
            id: link,
            name: known.name.clone(),
            running: known.running,
            hardware_address: known.hardware_address.clone(),
            ipv4: of_host.iter().find_map(|address| match address.local {
                IpAddr::V4(local) if address.flags & flags::SECONDARY == 0 => Some(local),
                _ => None,
            }),
            ipv6_link_local: of_host.iter().find_map(|address| match address.local {
                IpAddr::V6(local) if local.is_unicast_link_local() => Some(local),
                _ => None,
            }),
            addresses: of_host.iter().map(|address| address.local).collect(),
            mtu: known.mtu,
            multicast: known.multicast,
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

    /// The link of this name.
    pub(super) fn link_named(&self, name: &str) -> Option<&netlink::Link> {
        self.links.get(&self.index_of(name)?)
    }

    /// Whether this link was last heard to be set up.
    pub(super) fn is_up(&self, link: u32) -> bool {
        self.links.get(&link).is_some_and(|link| link.up)
    }

    /// Whether there is a link of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index_of(name).is_some()
    }

    /// Name of a link, for messages.
    pub(super) fn name_of(&self, link: u32) -> &str {
        self.links.get(&link).map_or("?", |link| link.name.as_str())
    }

    /// Whether the link of this name is up and has carrier.
    pub(super) fn is_running(&self, name: &str) -> bool {
        self.link_named(name).is_some_and(|link| link.running)
    }

    /// The routing table of the VRF of this name.
    pub(super) fn vrf_table(&self, name: &str) -> Option<u32> {
        self.link_named(name)?.vrf_table
    }

    /// The index of the link of this name.
    pub(super) fn index_of(&self, name: &str) -> Option<u32> {
        self.indices.get(name).copied()
    }

    /// Who claims this address.
    pub(super) fn owner(&self, address: &Address) -> Option<Owner> {
        self.claims.get(&self.claim_on(address)?).copied()
    }

    fn claim_on(&self, address: &Address) -> Option<Claim> {
        let name = &self.links.get(&address.link)?.name;
        Some((name.clone(), address.local, address.prefix_len))
    }

    /// The link has another name now, or none; the old name may be another link's by now.
    fn forget_name(&mut self, name: &str, index: u32) {
        if self.indices.get(name) == Some(&index) {
            self.indices.remove(name);
        }
    }

    fn sort_addresses_of(&mut self, index: u32) {
        let mut known = self.of_host.remove(&index).unwrap_or_default();
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

/// Whether an address counts as one of the host, which adverts may be sent from.
fn is_of_host(claimant: Option<Owner>) -> bool {
    matches!(claimant, None | Some(Owner::Statics))
}
