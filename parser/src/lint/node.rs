//! Lints of one file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Node, find};
use crate::config::VrrpInstance;
use crate::report::Report;

/// Every lint of one file that needs no other.
pub(super) const LINTS: [fn(&Node<'_>, &mut Report); 6] = [
    interval_shorter_than_timeout,
    script_slower_than_takeover,
    unicast_from_anyone,
    peer_is_self,
    vrid_shared,
    address_twice,
];

/// A run that is late delays the next: the script does not run as often as it says.
fn interval_shorter_than_timeout(node: &Node<'_>, report: &mut Report) {
    for script in &node.config.vrrp_scripts {
        if script.interval < script.timeout {
            let (interval, timeout) = (script.interval, script.timeout);
            find(
                report,
                node.setting(script.place, "timeout"),
                "interval-shorter-than-timeout",
                format!("a run may take {timeout:?}, but the next one is due after {interval:?}"),
                format!("a `timeout` of at most {interval:?}, or a longer `interval`"),
            );
        }
    }
}

/// A script that hangs is noticed later than a machine that is dead.
fn script_slower_than_takeover(node: &Node<'_>, report: &mut Report) {
    for script in &node.config.vrrp_scripts {
        let tracks = |instance: &&Arc<VrrpInstance>| {
            let mut tracked = instance.track_script.iter();
            tracked.any(|tracked| tracked.name == script.name)
        };
        let trackers = node.config.vrrp_instances.iter().filter(tracks);
        let Some(takeover) = trackers.map(|instance| takeover(instance)).min() else {
            continue;
        };
        if script.timeout > takeover {
            let timeout = script.timeout;
            find(
                report,
                node.setting(script.place, "timeout"),
                "script-slower-than-takeover",
                format!(
                    "a script that hangs is noticed after {timeout:?}; a dead master is replaced after {takeover:?}"
                ),
                format!("a `timeout` of at most {takeover:?}"),
            );
        }
    }
}

/// Silence after which a backup takes over, but for its skew.
fn takeover(instance: &VrrpInstance) -> Duration {
    instance.advert_int * u32::from(instance.down_timer_adverts)
}

/// The list of peers says where adverts go, not where they may come from.
fn unicast_from_anyone(node: &Node<'_>, report: &mut Report) {
    for instance in &node.config.vrrp_instances {
        if !instance.unicast_peers.is_empty() && !instance.check_unicast_src {
            find(
                report,
                node.setting(instance.place, "unicast_peer"),
                "unicast-from-anyone",
                "adverts are accepted from any address, not only from these peers".to_owned(),
                "add `check_unicast_src` to the instance",
            );
        }
    }
}

/// Adverts to oneself reach nobody.
fn peer_is_self(node: &Node<'_>, report: &mut Report) {
    for instance in &node.config.vrrp_instances {
        let own = |address| Some(address) == instance.unicast_src_ip;
        if let Some(peer) = instance.unicast_peers.iter().find(|peer| own(peer.address)) {
            let address = peer.address.to_string();
            find(
                report,
                node.entry(instance.place, "unicast_peer", &address),
                "peer-is-self",
                format!("{address} is this node's own `unicast_src_ip`: adverts to it reach no other node"),
                "the address of the other node",
            );
        }
    }
}

/// Two virtual routers on one link can only be told apart by where their adverts go.
fn vrid_shared(node: &Node<'_>, report: &mut Report) {
    let mut known: HashMap<_, &str> = HashMap::new();
    for instance in &node.config.vrrp_instances {
        let vrid = instance.virtual_router_id;
        let router = (vrid, instance.family, &instance.interface);
        if let Some(first) = known.get(&router) {
            find(
                report,
                node.setting(instance.place, "virtual_router_id"),
                "vrid-shared",
                format!("VRID {vrid} on this interface is `{first}`'s already"),
                "a `virtual_router_id` of its own",
            );
        } else {
            known.insert(router, &instance.name);
        }
    }
}

/// Two instances with one address: the one that stops being master takes it from the other.
fn address_twice(node: &Node<'_>, report: &mut Report) {
    let mut known: HashMap<_, &str> = HashMap::new();
    for instance in &node.config.vrrp_instances {
        for (list, addresses) in [
            ("virtual_ipaddress", &instance.virtual_ipaddress),
            ("virtual_ipaddress_excluded", &instance.virtual_ipaddress_excluded),
        ] {
            for address in addresses {
                let place = (
                    address.address,
                    address.dev.as_ref().unwrap_or(&instance.interface),
                );
                let first = *known.entry(place).or_insert(&instance.name);
                if first != instance.name {
                    find(
                        report,
                        node.setting(instance.place, list),
                        "address-twice",
                        format!("{} is an address of `{first}` too", address.address),
                        "an address belongs to one instance: the first that leaves MASTER removes it",
                    );
                }
            }
        }
    }
}
