//! Lints of two nodes' files: what must be the same on both, and what must not.

use std::collections::BTreeSet;

use super::{Node, Other, find};
use crate::config::VrrpInstance;
use crate::config::vrrp_instance::InitialState;
use crate::report::Report;
use crate::units::Version;

/// Two instances of one virtual router.
struct Pair<'a> {
    node: &'a Node<'a>,
    own: &'a VrrpInstance,
    other: &'a VrrpInstance,
    /// Name and place of the other instance.
    name: String,
}

impl Pair<'_> {
    fn find(&self, report: &mut Report, keyword: &str, lint: &'static str, message: String, help: &str) {
        find(
            report,
            self.node.setting(self.own.place, keyword),
            lint,
            message,
            help,
        );
    }
}

const LINTS: [fn(&Pair<'_>, &mut Report); 8] = [
    version_mismatch,
    advert_interval_mismatch,
    authentication_mismatch,
    addresses_mismatch,
    unicast_mismatch,
    not_a_peer,
    equal_priorities,
    both_master,
];

/// Holds an instance against that of the other node.
pub(super) fn compare(node: &Node<'_>, instance: &VrrpInstance, other: &Other<'_>, report: &mut Report) {
    let Some(counterpart) = other.counterpart(instance) else {
        return vrid_mismatch(node, instance, other, report);
    };
    let pair = Pair {
        node,
        own: instance,
        other: counterpart,
        name: other.name(counterpart),
    };
    for lint in LINTS {
        lint(&pair, report);
    }
}

/// Nodes that do not hear each other are both master.
fn vrid_mismatch(node: &Node<'_>, instance: &VrrpInstance, other: &Other<'_>, report: &mut Report) {
    let vrid = instance.virtual_router_id;
    let mut instances = other.config.vrrp_instances.iter();
    let namesake = instances.find(|other| other.name == instance.name);
    let message = match namesake {
        Some(namesake) if namesake.virtual_router_id == vrid => {
            format!("{} is of another address family", other.name(namesake))
        }
        Some(namesake) => format!(
            "{} has VRID {}, this instance {vrid}: both nodes will be master",
            other.name(namesake),
            namesake.virtual_router_id
        ),
        None => format!("the other node has no instance with VRID {vrid}"),
    };
    find(
        report,
        node.setting(instance.place, "virtual_router_id"),
        "vrid-mismatch",
        message,
        "the same `virtual_router_id` and family on both nodes",
    );
}

/// Adverts of another version are refused.
fn version_mismatch(pair: &Pair<'_>, report: &mut Report) {
    let (own, other) = (pair.own.version as u8, pair.other.version as u8);
    if own != other {
        let message = format!(
            "{} speaks version {other}, this instance version {own}",
            pair.name
        );
        pair.find(
            report,
            "version",
            "version-mismatch",
            message,
            "the same `version` on both nodes",
        );
    }
}

/// Version 2 refuses adverts with another interval; a backup of version 3 takes over the master's.
fn advert_interval_mismatch(pair: &Pair<'_>, report: &mut Report) {
    let (own, other) = (pair.own.advert_int, pair.other.advert_int);
    if own != other {
        let effect = match pair.own.version {
            Version::V2 => "its adverts are refused",
            Version::V3 => "a takeover takes as long as the master's says",
        };
        let message = format!(
            "{} has an interval of {other:?}, this instance {own:?}: {effect}",
            pair.name
        );
        pair.find(
            report,
            "advert_int",
            "advert-interval-mismatch",
            message,
            "the same `advert_int` on both nodes",
        );
    }
}

/// Adverts with another password are refused. The passwords are not told.
fn authentication_mismatch(pair: &Pair<'_>, report: &mut Report) {
    let keys_fit = match (&pair.own.auth_hmac, &pair.other.auth_hmac) {
        (Some(own), Some(other)) => own.keys.iter().any(|key| other.keys.contains(key)),
        (own, other) => own.is_some() == other.is_some(),
    };
    if pair.own.authentication != pair.other.authentication || !keys_fit {
        let message = format!(
            "{} has another password, key or kind of authentication",
            pair.name
        );
        pair.find(
            report,
            "authentication",
            "authentication-mismatch",
            message,
            "the same `authentication` on both nodes",
        );
    }
}

/// After a failover the missing addresses are nowhere.
fn addresses_mismatch(pair: &Pair<'_>, report: &mut Report) {
    let addresses = |instance: &VrrpInstance| -> BTreeSet<_> {
        let all = instance.virtual_ipaddress.iter();
        let all = all.chain(&instance.virtual_ipaddress_excluded);
        all.map(|address| address.address).collect()
    };
    let (own, other) = (addresses(pair.own), addresses(pair.other));
    let differing: Vec<String> = own
        .symmetric_difference(&other)
        .map(ToString::to_string)
        .collect();
    if !differing.is_empty() {
        let message = format!(
            "only one of this instance and {} has {}",
            pair.name,
            differing.join(", ")
        );
        pair.find(
            report,
            "virtual_ipaddress",
            "addresses-mismatch",
            message,
            "the same addresses on both nodes",
        );
    }
}

/// One speaks to peers, the other to a group.
fn unicast_mismatch(pair: &Pair<'_>, report: &mut Report) {
    let way = |unicast| if unicast { "unicast" } else { "multicast" };
    if pair.own.unicast != pair.other.unicast {
        let (own, other) = (way(pair.own.unicast), way(pair.other.unicast));
        let message = format!("{} sends {other}, this instance {own}", pair.name);
        pair.find(
            report,
            "unicast_peer",
            "unicast-mismatch",
            message,
            "`unicast_peer` on both nodes, or on neither",
        );
    }
}

/// A node that is nobody's peer hears nothing.
fn not_a_peer(pair: &Pair<'_>, report: &mut Report) {
    let Some(source) = pair.other.unicast_src_ip else {
        return;
    };
    let known = pair.own.unicast_peers.iter().any(|peer| peer.address == source);
    if pair.own.unicast && pair.other.unicast && !known {
        let message = format!(
            "{} sends from {source}, which is not among these peers",
            pair.name
        );
        pair.find(
            report,
            "unicast_peer",
            "not-a-peer",
            message,
            &format!("add {source} to `unicast_peer`"),
        );
    }
}

/// Then the addresses of the nodes decide, which nobody sees in the files.
fn equal_priorities(pair: &Pair<'_>, report: &mut Report) {
    if pair.own.priority == pair.other.priority {
        let message = format!(
            "{} has priority {} too: the higher address of the two nodes decides",
            pair.name, pair.own.priority
        );
        pair.find(
            report,
            "priority",
            "equal-priorities",
            message,
            "different priorities",
        );
    }
}

/// Both become master at once when they start, and one gives way.
fn both_master(pair: &Pair<'_>, report: &mut Report) {
    let master = |instance: &VrrpInstance| instance.initial_state == InitialState::Master;
    if master(pair.own) && master(pair.other) {
        let message = format!("{} begins as master too: both nodes are for a moment", pair.name);
        pair.find(
            report,
            "state",
            "both-master",
            message,
            "`state BACKUP` on the node with the lower priority",
        );
    }
}
