//! Makes the interfaces that are wished for and removes those that no more are, many in one batch.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use netlink::address::flags;
use netlink::upper::{Change, Kind, Settings, What, conf};
use netlink::{Address, Error, KernelError, Link, Netlink};
use tracing::{error, info};

use super::sysctl::{self, MARK, Saved, is_marked, set_ipv6};
use super::{Wish, fits};
use crate::vrrp_process::firewall::Macvlan;

/// `RT_SCOPE_LINK`
const SCOPE_LINK: u8 = 253;

/// What has been made, and which sysctls were changed for it.
#[derive(Debug)]
pub(in crate::vrrp_process) struct Made {
    /// How it is marked as ours ([`owner`](super::owner)).
    pub(in crate::vrrp_process) owner: String,
    wishes: Vec<Wish>,
    saved: Saved,
    /// Addresses that interfaces had of their own, by name, and are to have no more.
    outdated: Vec<(String, (IpAddr, u8))>,
}

/// Interfaces that are there, those of them that were made just now still down.
#[derive(Debug, Default)]
pub(in crate::vrrp_process) struct Created {
    /// The macvlans, old and new.
    pub(in crate::vrrp_process) macvlans: Vec<Macvlan>,
    made: Vec<Wish>,
    /// What has the kernel tell of parents.
    told: Vec<Change>,
    refused: Vec<(Change, KernelError)>,
}

impl Made {
    pub(in crate::vrrp_process) fn new(owner: String) -> Self {
        Self {
            owner,
            wishes: Vec::new(),
            saved: Saved::default(),
            outdated: Vec::new(),
        }
    }

    /// Removes the interfaces of a killed run of this owner that are wished for no more, and gives back the sysctls of
    /// their parents.
    pub(in crate::vrrp_process) async fn clean(
        &mut self,
        netlink: &mut Netlink,
        wishes: &[(Wish, Option<Ipv6Addr>)],
    ) -> Result<(), Error> {
        let links = netlink.links().await?;
        let left: Vec<&Link> = links
            .iter()
            .filter(|link| is_upper(link) && is_of(link, &self.owner))
            .filter(|link| wishes.iter().all(|(wish, _)| wish.name != link.name))
            .collect();
        for link in &left {
            let parent = links.iter().find(|parent| Some(parent.index) == link.lower);
            if let (Some(parent), Some(alias)) = (parent, &link.alias) {
                sysctl::restore(&parent.name, alias);
            }
        }
        let names: Vec<String> = left.iter().map(|link| link.name.clone()).collect();
        let refused = netlink.remove_uppers(&names).await?;
        for name in names {
            match refused.iter().find(|(change, _)| change.name == name) {
                None => info!("Removed the VMAC interface {name} of an earlier run"),
                Some((_, error)) => error!("{error}"),
            }
        }
        Ok(())
    }

    /// Has every wish be there, what is new still down. What cannot be is told in the log; without its parent a wish waits.
    pub(in crate::vrrp_process) async fn create(
        &mut self,
        netlink: &mut Netlink,
        wishes: &[(Wish, Option<Ipv6Addr>)],
    ) -> Result<Created, Error> {
        if wishes.is_empty() {
            return Ok(Created::default());
        }
        let links = netlink.links().await?;
        let mut changes = Vec::new();
        let mut made = Vec::new();
        for (wish, _) in wishes {
            let there = links.iter().find(|link| link.name == wish.name);
            let ours = there.filter(|link| link.alias.as_ref().is_some_and(|it| it.starts_with(MARK)));
            let Some(parent) = links.iter().find(|link| link.name == wish.parent) else {
                // Its parent has another name now.
                changes.extend(ours.map(|_| change(wish, What::Remove)));
                continue;
            };
            let fitting = there.filter(|link| self.serves(link, wish, parent.index));
            self.prepare(wish, fitting);
            let known = self.learn(wish);
            if let Some(link) = fitting {
                if let Some(known) = known {
                    self.alter(&known, wish, link, parent, &mut changes);
                } else {
                    info!("({}) Found matching interface {}", wish.instance, wish.name);
                    changes.push(self.settings(wish, parent, Some(link)));
                    set_ipv6(&wish.name, wish.ipv6);
                }
                if !link.up {
                    changes.push(change(wish, What::Up));
                }
            } else {
                // One of our own that has lost its parent is another's by now; a stranger's name is refused by the kernel.
                changes.extend(ours.map(|_| change(wish, What::Remove)));
                self.make_room(wish, parent, &links, wishes, &mut changes);
                let group = wish.group.unwrap_or(parent.group);
                changes.push(change(
                    wish,
                    What::Create {
                        kind: wish.kind,
                        lower: parent.index,
                        group,
                    },
                ));
                changes.push(self.settings(wish, parent, None));
                made.push(wish.clone());
            }
        }
        let refused = netlink.change_uppers(&changes).await?;
        made.retain(|wish| refused.iter().all(|(change, _)| change.name != wish.name));
        let links = if made.is_empty() {
            links
        } else {
            netlink.links().await?
        };
        Ok(Created {
            macvlans: macvlans(wishes, &links),
            told: parents_told(&made, &links),
            made,
            refused,
        })
    }

    /// Sets up what has been made, and gives each interface the addresses that it has before any virtual one.
    pub(in crate::vrrp_process) async fn set_up(
        &mut self,
        netlink: &mut Netlink,
        created: Created,
        wishes: &[(Wish, Option<Ipv6Addr>)],
    ) -> Result<(), Error> {
        let Created {
            made,
            told,
            mut refused,
            ..
        } = created;
        // Whatever new interfaces get by default.
        for wish in &made {
            set_ipv6(&wish.name, wish.ipv6);
        }
        let mut up: Vec<Change> = made.iter().map(|wish| change(wish, What::Up)).collect();
        up.extend(told);
        refused.extend(netlink.change_uppers(&up).await?);
        for wish in made {
            info!(
                "({}): Success creating VMAC interface {}",
                wish.instance, wish.name
            );
        }
        for (_, error) in refused.iter().filter(|(change, _)| change.what != What::Up) {
            error!("Unable to make an interface: {error}");
        }
        self.addresses(netlink, wishes).await
    }

    /// Whether a link is the wanted one. All ipvlans on a parent have the mode of the last that was made: one of ours that
    /// was in another then is no worse for it.
    fn serves(&self, link: &Link, wish: &Wish, parent: u32) -> bool {
        let is_ipvlan = matches!((wish.kind, link.upper), (Kind::Ipvlan(_), Some(Kind::Ipvlan(_))));
        fits(link, wish.kind, parent)
            || is_ipvlan
                && link.lower == Some(parent)
                && self.wishes.iter().any(|known| known.is_same_link(wish))
    }

    /// Remembers a wish; answers with what was wished for by that name before.
    fn learn(&mut self, wish: &Wish) -> Option<Wish> {
        let known = self.wishes.iter_mut().find(|known| known.name == wish.name);
        let before = known.map(|known| std::mem::replace(known, wish.clone()));
        if before.is_none() {
            self.wishes.push(wish.clone());
        }
        before
    }

    /// Makes an interface that is there what is wished for now; it follows its parent from one VRF to another.
    fn alter(&mut self, known: &Wish, wish: &Wish, link: &Link, parent: &Link, changes: &mut Vec<Change>) {
        if known.ipv4 != wish.ipv4 || vrf_of(link) != vrf_of(parent) {
            changes.push(self.settings(wish, parent, Some(link)));
        }
        if known.group != wish.group {
            let group = wish.group.unwrap_or(parent.group);
            changes.push(change(wish, What::Join(group)));
        }
        if known.ipv6 != wish.ipv6 {
            set_ipv6(&wish.name, wish.ipv6);
        }
        if known.address != wish.address {
            let address = known.address.map(|address| (wish.name.clone(), address));
            self.outdated.extend(address);
        }
    }

    /// Two macvlans of the same address on one parent cannot both be up, and a macvlan and an ipvlan cannot both be there:
    /// one of ours that is wished for no more, or was given another name, goes first.
    fn make_room(
        &mut self,
        wish: &Wish,
        parent: &Link,
        links: &[Link],
        wishes: &[(Wish, Option<Ipv6Addr>)],
        changes: &mut Vec<Change>,
    ) {
        let in_the_way = links.iter().filter(|link| {
            let excludes = match wish.kind {
                Kind::Macvlan(_) => {
                    link.upper == Some(wish.kind) || matches!(link.upper, Some(Kind::Ipvlan(_)))
                }
                Kind::Ipvlan(_) => matches!(link.upper, Some(Kind::Macvlan(_))),
            };
            excludes
                && link.lower == Some(parent.index)
                && is_of(link, &self.owner)
                && wishes.iter().all(|(wish, _)| wish.name != link.name)
        });
        for link in in_the_way {
            changes.push(Change {
                name: link.name.clone(),
                what: What::Remove,
            });
            self.wishes.retain(|made| made.name != link.name);
            info!("({}) Deleting old VMAC interface {}", wish.instance, link.name);
        }
    }

    /// Removes what is no more wished for, and gives back the sysctls with the last.
    pub(in crate::vrrp_process) async fn keep(
        &mut self,
        netlink: &mut Netlink,
        wishes: &[Wish],
    ) -> Result<(), Error> {
        let gone: Vec<Wish> = self
            .wishes
            .extract_if(.., |made| !wishes.iter().any(|wish| wish.name == made.name))
            .collect();
        let names: Vec<String> = gone.iter().map(|wish| wish.name.clone()).collect();
        let refused = netlink.remove_uppers(&names).await?;
        for wish in gone {
            match refused.iter().find(|(change, _)| change.name == wish.name) {
                None => info!(
                    "({}) Success removing VMAC interface {}",
                    wish.instance, wish.name
                ),
                Some((_, error)) => info!("({}) {error}", wish.instance),
            }
        }
        if self.wishes.is_empty() {
            self.saved.restore();
        }
        Ok(())
    }

    fn prepare(&mut self, wish: &Wish, there: Option<&Link>) {
        if wish.ipv4 && matches!(wish.kind, Kind::Macvlan(_)) {
            self.saved
                .prepare_parent(&wish.parent, there.and_then(|link| link.alias.as_deref()));
            self.saved.move_rp_filter();
        }
    }

    fn settings(&self, wish: &Wish, parent: &Link, there: Option<&Link>) -> Change {
        let macvlan = matches!(wish.kind, Kind::Macvlan(_));
        let ipv4 = match (macvlan, wish.ipv4) {
            (false, _) => Vec::new(),
            (true, true) => vec![
                (conf::ARP_IGNORE, 1),
                (conf::ACCEPT_LOCAL, 1),
                (conf::RP_FILTER, 0),
                (conf::PROMOTE_SECONDARIES, 1),
            ],
            (true, false) => vec![(conf::ARP_IGNORE, 1)],
        };
        let vrf = vrf_of(parent);
        change(
            wish,
            What::Set(Settings {
                master: (there.and_then(vrf_of) != vrf).then_some(vrf.unwrap_or(0)),
                alias: Some(self.saved.alias(&wish.parent, &self.owner)),
                no_generated_address: macvlan,
                ipv4,
            }),
        )
    }

    /// The addresses that they have before any virtual one: an ipvlan its own, an IPv6 macvlan its parent's.
    async fn addresses(
        &mut self,
        netlink: &mut Netlink,
        wishes: &[(Wish, Option<Ipv6Addr>)],
    ) -> Result<(), Error> {
        let has_none =
            |(wish, link_local): &(Wish, Option<Ipv6Addr>)| wish.address.is_none() && link_local.is_none();
        let outdated = std::mem::take(&mut self.outdated);
        if outdated.is_empty() && wishes.iter().all(has_none) {
            return Ok(());
        }
        let links = netlink.links().await?;
        let present = netlink.addresses().await?;
        let mut changes = Vec::new();
        for (name, (address, prefix_len)) in outdated {
            if let Some(link) = links.iter().find(|link| link.name == name) {
                let address = Address::new(link.index, address, prefix_len);
                changes.push(netlink::Change::Delete(address.into()));
            }
        }
        for (wish, link_local) in wishes {
            let Some(link) = links.iter().find(|link| link.name == wish.name) else {
                continue;
            };
            let own = wish
                .address
                .map(|(address, prefix_len)| Address::new(link.index, address, prefix_len));
            let borrowed = link_local.map(|address| Address {
                scope: SCOPE_LINK,
                flags: flags::NODAD,
                // It is not chosen as the source of anything else.
                preferred_lft: 0,
                ..Address::new(link.index, address.into(), 64)
            });
            let missing = own.into_iter().chain(borrowed);
            let missing = missing.filter(|wanted| present.iter().all(|it| it.key() != wanted.key()));
            changes.extend(missing.map(|address| netlink::Change::Add(address.into())));
        }
        for failure in netlink.apply(&changes).await? {
            error!("Unable to {}: {}", failure.change, failure.error.reason());
        }
        Ok(())
    }
}

/// The macvlans among these wishes that are there.
fn macvlans(wishes: &[(Wish, Option<Ipv6Addr>)], links: &[Link]) -> Vec<Macvlan> {
    let there = wishes.iter().filter(|(wish, _)| wish.borrows_addresses());
    there
        .filter_map(|(wish, link_local)| {
            let link = links.iter().find(|link| link.name == wish.name)?;
            Some(Macvlan {
                index: link.index,
                name: wish.name.clone(),
                parent: link.lower?,
                parent_link_local: *link_local,
            })
        })
        .collect()
}

fn is_upper(link: &Link) -> bool {
    matches!(link.kind.as_deref(), Some("macvlan" | "ipvlan"))
}

/// The VRF that a link is in.
fn vrf_of(link: &Link) -> Option<u32> {
    link.master.filter(|_| link.master_kind.as_deref() == Some("vrf"))
}

fn is_of(link: &Link, owner: &str) -> bool {
    link.alias.as_deref().is_some_and(|alias| is_marked(alias, owner))
}

/// `netlink_notify_msg`: a parent that filters no addresses hears everything from now on, of which the kernel tells nobody.
/// Putting it into the group that it is in makes the kernel tell of it.
fn parents_told(made: &[Wish], links: &[Link]) -> Vec<Change> {
    let parents: BTreeSet<&str> = made
        .iter()
        .filter(|wish| wish.tells_parent)
        .map(|wish| wish.parent.as_str())
        .collect();
    let told = links.iter().filter(|link| parents.contains(link.name.as_str()));
    told.map(|link| Change {
        name: link.name.clone(),
        what: What::Join(link.group),
    })
    .collect()
}

fn change(wish: &Wish, what: What) -> Change {
    Change {
        name: wish.name.clone(),
        what,
    }
}
