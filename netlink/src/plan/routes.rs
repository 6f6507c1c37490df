//! Routes: from what should be to what to do about it.
//!
//! The kernel changes no route in place without the danger of changing someone else's (`NLM_F_REPLACE` takes the first
//! one of that metric, whoever added it), so what differs is deleted and added anew.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::{Change, Object};
use crate::route::{Key, Route};

/// What is to be done about routes before and after the addresses are dealt with.
pub(super) struct Parts {
    pub(super) before: Vec<Change>,
    pub(super) after: Vec<Change>,
}

/// The fewest writes; `addresses` are those planned for addresses, which may sweep routes away.
pub(super) fn plan<'a>(wanted: &'a [Route], present: &'a [Route], addresses: &[Change]) -> Parts {
    let mut left: HashMap<Key, Vec<&Route>> = HashMap::new();
    let mut order = Vec::new();
    for found in present {
        let key = found.key();
        left.entry(key)
            .or_insert_with(|| {
                order.push(key);
                Vec::new()
            })
            .push(found);
    }
    let swept = Swept::by(addresses);
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    for wish in wanted.iter().filter(|wish| seen.insert(*wish)) {
        let found = left
            .get_mut(&wish.key())
            .and_then(|found| take_first(found, |found| wish.is_met_by(found)));
        match found {
            Some(found) if !swept.may_include(found) => {}
            _ => missing.push(wish),
        }
    }

    // What differs makes room the moment before what is wanted comes; what is wanted no more goes first.
    let mut after = Vec::new();
    for wish in missing {
        let old = left.get_mut(&wish.key()).map(std::mem::take).unwrap_or_default();
        after.extend(old.into_iter().map(deletion));
        after.push(Change::Add(wish.clone().into()));
    }
    let before = order
        .iter()
        .filter_map(|key| left.remove(key))
        .flatten()
        .map(deletion)
        .collect();
    Parts { before, after }
}

fn deletion(route: &Route) -> Change {
    Change::Delete(route.clone().into())
}

fn take_first<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let place = list.iter().position(is_it)?;
    Some(list.remove(place))
}

/// Addresses that go, if only for a moment: with them go the routes that have them as source, and with the last IPv4
/// address of a link all its routes (`fib_disable_ip`).
struct Swept {
    sources: HashSet<IpAddr>,
    links: HashSet<u32>,
}

impl Swept {
    fn by(changes: &[Change]) -> Self {
        let gone = changes.iter().filter_map(|change| match change {
            Change::Delete(Object::Address(address)) => Some(address),
            _ => None,
        });
        let (mut sources, mut links) = (HashSet::new(), HashSet::new());
        for address in gone {
            sources.insert(address.local);
            links.insert(address.link);
        }
        Self { sources, links }
    }

    fn may_include(&self, route: &Route) -> bool {
        route
            .preferred_source
            .is_some_and(|source| self.sources.contains(&source))
            || route
                .hops
                .iter()
                .any(|hop| hop.link.is_some_and(|link| self.links.contains(&link)))
    }
}
