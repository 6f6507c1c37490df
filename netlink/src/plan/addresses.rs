//! Addresses: from what should be to what to do about it.
//!
//! Deletes come first. The kernel takes the secondary addresses of an IPv4 subnet away together with its primary
//! address (unless the link's `promote_secondaries` is set), so an address that was added before such a delete would
//! be swept away by it; and a new address can be in the way of an old one (same subnet, other scope).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{Change, Object};
use crate::address::{Address, FOREVER, Key, Subnet, flags};

/// The fewest writes that make `present` into `wanted`, in the order in which they are to be made.
///
/// Only what `managed` says yes to is touched: an address that someone else put where one is wanted fulfils the wish as
/// it is. Where an address is wanted twice, the first wish counts. Writes are:
///
/// 1. managed addresses that are not wanted are deleted, secondary ones first: no promotion of what goes anyway;
/// 2. those with an attribute that the kernel does not change are deleted and at once added anew, subnet by subnet;
/// 3. in the order of `wanted`: new ones are added, those with an attribute that the kernel does change are replaced
///    in place, and those that the deletes before may have swept away are added again.
pub(super) fn plan<'a>(
    wanted: &[Address],
    present: impl IntoIterator<Item = &'a Address>,
    managed: impl Fn(&Address) -> bool,
) -> Vec<Change> {
    let present: Vec<&Address> = present.into_iter().collect();
    let found_at: HashMap<Key, &Address> = present.iter().map(|address| (address.key(), *address)).collect();
    let mut wished = HashSet::with_capacity(wanted.len());
    let judged: Vec<(&Address, Remedy<'_>)> = wanted
        .iter()
        .filter(|wish| wished.insert(wish.key()))
        .filter_map(|wish| match found_at.get(&wish.key()) {
            None => Some((wish, Remedy::Add)),
            Some(found) => managed(found).then(|| (wish, remedy(wish, found))),
        })
        .collect();
    let mut delete = present;
    delete.retain(|address| !wished.contains(&address.key()) && managed(address));
    delete.sort_by_key(|address| is_primary(address));
    let recreate: Vec<(&Address, &Address)> = judged
        .iter()
        .filter_map(|(wish, remedy)| {
            if let Remedy::Recreate(found) = remedy {
                Some((*wish, *found))
            } else {
                None
            }
        })
        .collect();

    let going = delete
        .iter()
        .copied()
        .chain(recreate.iter().map(|(_, found)| *found));
    let swept: HashSet<Subnet> = going
        .filter(|it| is_primary(it))
        .filter_map(Address::subnet)
        .collect();
    let may_be_swept =
        |it: &Address| !is_primary(it) && it.subnet().is_some_and(|subnet| swept.contains(&subnet));
    let add = judged.iter().filter(|(_, remedy)| match remedy {
        Remedy::Add => true,
        Remedy::Keep(found) => may_be_swept(found),
        Remedy::Recreate(_) => false,
    });

    let mut changes: Vec<Change> = delete
        .into_iter()
        .cloned()
        .map(Object::from)
        .map(Change::Delete)
        .collect();
    changes.extend(recreations(recreate));
    changes.extend(add.map(|(wish, _)| Change::Add((*wish).clone().into())));
    changes
}

/// Deletes and adds, subnet by subnet: the kernel refuses an address whose scope differs from that of others in its
/// subnet, so all of them make room before the first comes back.
fn recreations(mut recreate: Vec<(&Address, &Address)>) -> Vec<Change> {
    let mut order = HashMap::new();
    for (wish, _) in &recreate {
        let next = order.len();
        order.entry(company(wish)).or_insert(next);
    }
    recreate.sort_by_key(|(wish, _)| order.get(&company(wish)));
    let mut changes = Vec::new();
    for group in recreate.chunk_by(|(one, _), (other, _)| company(one) == company(other)) {
        let mut found: Vec<&Address> = group.iter().map(|(_, found)| *found).collect();
        found.sort_by_key(|address| is_primary(address));
        changes.extend(found.into_iter().cloned().map(Object::from).map(Change::Delete));
        changes.extend(group.iter().map(|(wish, _)| Change::Add((*wish).clone().into())));
    }
    changes
}

/// Addresses of one company depend on each other: those of an IPv4 subnet. An IPv6 address is alone.
pub(super) fn company(address: &Address) -> (u32, IpAddr) {
    (
        address.link,
        address
            .subnet()
            .map_or(address.local, |subnet| subnet.network.into()),
    )
}

/// What is to be done for a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy<'a> {
    /// Nothing is there, or the kernel changes it in place (`NLM_F_REPLACE`).
    Add,
    /// The kernel would silently keep an attribute of what is there: it must go for a moment.
    Recreate(&'a Address),
    /// It is there as wanted.
    Keep(&'a Address),
}

/// `inet_rtm_newaddr` replaces life times (and metric and protocol) only, `inet6_addr_modify` most of it.
fn remedy<'a>(wish: &Address, found: &'a Address) -> Remedy<'a> {
    let flags_differ = |mask: u32| (wish.flags ^ found.flags) & mask != 0;
    let peer = wish.peer.filter(|peer| *peer != wish.local);
    let (recreate, replace) = match wish.local {
        IpAddr::V4(_) => (
            wish.scope != found.scope
                || labels_differ(wish, found)
                || wish.broadcast != found.broadcast
                || peer != found.peer
                || flags_differ(flags::NOPREFIXROUTE | flags::MCAUTOJOIN),
            false,
        ),
        IpAddr::V6(_) => (
            wish.prefix_len != found.prefix_len
                || (peer.is_none() && found.peer.is_some())
                || flags_differ(flags::MCAUTOJOIN)
                // Detection is not undone by asking for none of it later.
                || (wish.flags & flags::NODAD != 0 && found.flags & flags::DADFAILED != 0),
            peer != found.peer
                || flags_differ(
                    flags::NODAD | flags::HOMEADDRESS | flags::MANAGETEMPADDR | flags::NOPREFIXROUTE,
                ),
        ),
    };
    if recreate {
        Remedy::Recreate(found)
    } else if replace || lives_differ(wish, found) {
        Remedy::Add
    } else {
        Remedy::Keep(found)
    }
}

/// An address without a label reads back with its link's name, which never has a colon in it (`dev_valid_name`).
fn labels_differ(wish: &Address, found: &Address) -> bool {
    match &wish.label {
        Some(label) => found.label.as_ref() != Some(label),
        None => found.label.as_ref().is_some_and(|label| label.contains(':')),
    }
}

/// Of an IPv4 address the kernel only knows whether it is deprecated; an IPv6 address' time counts down, and it is as
/// wanted as long as it has no more to live than was asked for.
fn lives_differ(wish: &Address, found: &Address) -> bool {
    let preferred_differs = match wish.preferred_lft {
        0 | FOREVER => found.preferred_lft != wish.preferred_lft,
        _ if wish.local.is_ipv4() => found.preferred_lft == 0,
        seconds => found.preferred_lft > seconds,
    };
    preferred_differs || found.flags & flags::PERMANENT == 0
}

fn is_primary(address: &Address) -> bool {
    address.flags & flags::SECONDARY == 0
}

#[cfg(test)]
mod tests;
