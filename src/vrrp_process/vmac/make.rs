//! Makes the interfaces that are wished for and removes those that no more are, many in one batch.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use netlink::address::flags;
use netlink::upper::{Change, Kind, Settings, What, conf};
use netlink::{Address, Error, Link, Netlink};
use tracing::{error, info};

use super::sysctl::{Saved, disable_ipv6};
use super::{Wish, fits};

/// `RT_SCOPE_LINK`
const SCOPE_LINK: u8 = 253;

/// What has been made, and which sysctls were changed for it.
#[derive(Debug, Default)]
pub(in crate::vrrp_process) struct Made {
    wishes: Vec<Wish>,
    saved: Saved,
}

impl Made {
    /// Has every wish be there and up. What cannot be is told in the log; without its parent a wish waits.
    pub(in crate::vrrp_process) async fn make(
        &mut self,
        netlink: &mut Netlink,
        wishes: &[(Wish, Option<Ipv6Addr>)],
    ) -> Result<(), Error> {
        if wishes.is_empty() {
            return Ok(());
        }
        let links = netlink.links().await?;
        let mut changes = Vec::new();
        let mut made = Vec::new();
        for (wish, _) in wishes {
            let Some(parent) = links.iter().find(|link| link.name == wish.parent) else {
                continue;
            };
            let there = links.iter().find(|link| link.name == wish.name);
            let fitting = there.filter(|link| fits(link, wish.kind, parent.index));
            self.prepare(wish, fitting);
            let new = !self.wishes.iter().any(|known| known.name == wish.name);
            if let Some(link) = fitting {
                if new {
                    info!("({}) Found matching interface {}", wish.instance, wish.name);
                    changes.push(self.settings(wish, parent));
                }
                if !link.up {
                    changes.push(change(wish, What::Up));
                }
            } else {
                // One of our own that has lost its parent is another's by now; a stranger's name is refused by the kernel.
                if there.is_some_and(|link| link.alias.as_ref().is_some_and(|it| it.starts_with("holdfast ")))
                {
                    changes.push(change(wish, What::Remove));
                }
                let group = wish.group.unwrap_or(parent.group);
                changes.push(change(
                    wish,
                    What::Create {
                        kind: wish.kind,
                        lower: parent.index,
                        group,
                    },
                ));
                changes.push(self.settings(wish, parent));
                made.push(wish);
            }
            if new {
                self.wishes.push(wish.clone());
            }
        }
        let mut refused = netlink.change_uppers(&changes).await?;
        made.retain(|wish| refused.iter().all(|(change, _)| change.name != wish.name));
        for wish in made.iter().filter(|wish| !wish.ipv6) {
            disable_ipv6(&wish.name);
        }
        let mut up: Vec<Change> = made.iter().map(|wish| change(wish, What::Up)).collect();
        up.extend(parents_told(&made, &links));
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
        Self::addresses(netlink, wishes).await
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

    fn settings(&self, wish: &Wish, parent: &Link) -> Change {
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
        let in_vrf = parent.master_kind.as_deref() == Some("vrf");
        change(
            wish,
            What::Set(Settings {
                master: parent.master.filter(|_| in_vrf),
                alias: Some(self.saved.alias(&wish.parent)),
                no_generated_address: macvlan,
                ipv4,
            }),
        )
    }

    /// The addresses that they have before any virtual one: an ipvlan its own, an IPv6 macvlan its parent's.
    async fn addresses(netlink: &mut Netlink, wishes: &[(Wish, Option<Ipv6Addr>)]) -> Result<(), Error> {
        if wishes
            .iter()
            .all(|(wish, link_local)| wish.address.is_none() && link_local.is_none())
        {
            return Ok(());
        }
        let links = netlink.links().await?;
        let present = netlink.addresses().await?;
        let mut changes = Vec::new();
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
            error!("Unable to {}: {}", failure.change, failure.error);
        }
        Ok(())
    }
}

/// `netlink_notify_msg`: a parent that filters no addresses hears everything from now on, of which the kernel tells nobody.
/// Putting it into the group that it is in makes the kernel tell of it.
fn parents_told(made: &[&Wish], links: &[Link]) -> Vec<Change> {
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
