//! From what should be to what to do about it. Pure: nothing here asks the kernel or changes anything.
//!
//! Rules point to tables and routes need addresses, so what is not wanted goes in the order rules, routes, addresses,
//! and what is wanted comes in the order addresses, routes, rules.

mod addresses;
mod routes;

use std::collections::HashSet;
use std::fmt;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NetlinkSerializable};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use crate::address::Address;
use crate::attribute::Raw;
use crate::route::{Placing, Route};
use crate::rule::Rule;
use crate::socket::Request;

/// Something that the kernel can be given and that can be taken away from it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// An address on a link.
    Address(Address),
    /// A route.
    Route(Box<Route>),
    /// A policy rule.
    Rule(Box<Rule>),
}

/// Addresses, routes and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Routes; those of IPv6 with one next hop each ([`Route::parts`]).
    pub routes: Vec<Route>,
    /// Rules.
    pub rules: Vec<Rule>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Add it, or give an address that is there these attributes (`NLM_F_REPLACE`).
    Add(Object),
    /// Take it away.
    Delete(Object),
}

/// The fewest writes that make `present` into `wanted`, in the order in which they are to be made.
///
/// Of the addresses only those that `managed` says yes to are touched: one that someone else put where one is wanted
/// fulfils the wish as it is. The routes and rules that are `present` are all ours. What is wanted twice is wanted once.
/// Writes are:
///
/// 1. rules, then routes that are not wanted are deleted;
/// 2. addresses that are not wanted are deleted, secondary ones first: no promotion of what goes anyway;
/// 3. those with an attribute that the kernel does not change are deleted and at once added anew, subnet by subnet;
/// 4. addresses, in their order: new ones are added, those with an attribute that the kernel does change are replaced
///    in place, and those that the deletes before may have swept away are added again;
/// 5. routes, in their order: new ones, those that differ from what is there (which is deleted the moment before), and
///    those that the deletes of addresses may have swept away;
/// 6. rules that are not there.
pub fn plan(wanted: &Objects, present: &Objects, managed: impl Fn(&Address) -> bool) -> Vec<Change> {
    let addresses = addresses::plan(&wanted.addresses, &present.addresses, managed);
    let routes = routes::plan(&wanted.routes, &present.routes, &addresses);
    let wished: HashSet<&Rule> = wanted.rules.iter().collect();
    let there: HashSet<&Rule> = present.rules.iter().collect();
    let mut met = HashSet::new();

    let gone = present.rules.iter().filter(|rule| !wished.contains(rule));
    let mut changes: Vec<Change> = gone.cloned().map(Object::from).map(Change::Delete).collect();
    changes.extend(routes.before);
    changes.extend(addresses);
    changes.extend(routes.after);
    let new = wanted
        .rules
        .iter()
        .filter(|rule| !there.contains(rule) && met.insert(*rule));
    changes.extend(new.cloned().map(Object::from).map(Change::Add));
    changes
}

impl Change {
    /// What it is about.
    pub fn object(&self) -> &Object {
        match self {
            Self::Add(object) | Self::Delete(object) => object,
        }
    }

    /// Whether the kernel's refusal only says that it is so already.
    pub fn is_done_after(&self, errno: Errno) -> bool {
        match self {
            Self::Add(_) => errno == Errno::EEXIST,
            // The last two: the link is gone, and what was on it.
            Self::Delete(Object::Address(_)) => {
                matches!(errno, Errno::EADDRNOTAVAIL | Errno::ENODEV | Errno::ENXIO)
            }
            Self::Delete(Object::Route(_)) => matches!(errno, Errno::ESRCH | Errno::ENODEV | Errno::ENXIO),
            Self::Delete(Object::Rule(_)) => errno == Errno::ENOENT,
        }
    }
}

impl From<Address> for Object {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

impl From<Route> for Object {
    fn from(route: Route) -> Self {
        Self::Route(Box::new(route))
    }
}

impl From<Rule> for Object {
    fn from(rule: Rule) -> Self {
        Self::Rule(Box::new(rule))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Route(route) => route.fmt(f),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(object) => write!(f, "add {object}"),
            Self::Delete(object) => write!(f, "delete {object}"),
        }
    }
}

impl Request for Change {
    fn flags(&self) -> u16 {
        match self {
            Self::Add(Object::Address(_)) => NLM_F_CREATE | NLM_F_REPLACE,
            Self::Add(Object::Route(route)) => match route.placing {
                Placing::Alone => NLM_F_CREATE | NLM_F_EXCL,
                Placing::First => NLM_F_CREATE,
                Placing::Last => NLM_F_CREATE | NLM_F_APPEND,
            },
            // Without it the kernel would keep the same rule twice.
            Self::Add(Object::Rule(_)) => NLM_F_CREATE | NLM_F_EXCL,
            Self::Delete(_) => 0,
        }
    }

    fn message(&self) -> impl NetlinkSerializable {
        match self {
            Self::Add(Object::Address(it)) => {
                Message::Typed(RouteNetlinkMessage::NewAddress(it.to_message()))
            }
            Self::Delete(Object::Address(it)) => {
                Message::Typed(RouteNetlinkMessage::DelAddress(it.identity()))
            }
            Self::Add(Object::Route(it)) => Message::Raw(it.to_message()),
            Self::Delete(Object::Route(it)) => Message::Raw(it.to_deletion()),
            Self::Add(Object::Rule(it)) => Message::Raw(it.to_message(libc::RTM_NEWRULE)),
            Self::Delete(Object::Rule(it)) => Message::Raw(it.to_message(libc::RTM_DELRULE)),
        }
    }

    /// What is taken away to be added anew is added at once.
    fn holds(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Delete(Object::Address(old)), Self::Add(Object::Address(new))) => {
                addresses::company(old) == addresses::company(new)
            }
            (Self::Delete(Object::Route(old)), Self::Add(Object::Route(new))) => old.key() == new.key(),
            _ => false,
        }
    }
}

/// What goes on the wire.
enum Message {
    Typed(RouteNetlinkMessage),
    Raw(Raw),
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        match self {
            Self::Typed(message) => message.message_type(),
            Self::Raw(message) => message.message_type(),
        }
    }

    fn buffer_len(&self) -> usize {
        match self {
            Self::Typed(message) => NetlinkSerializable::buffer_len(message),
            Self::Raw(message) => message.buffer_len(),
        }
    }

    fn serialize(&self, buffer: &mut [u8]) {
        match self {
            Self::Typed(message) => message.serialize(buffer),
            Self::Raw(message) => message.serialize(buffer),
        }
    }
}

#[cfg(test)]
mod tests;
