//! What a predecessor has left in the kernel under another configuration: it died, and a reload came before it was replaced.

use std::collections::HashSet;

use netlink::Objects;
use parser::Config;
use vrrp::LinkId;

use super::{Process, objects, orphans, vmac};

impl Process {
    /// The configuration of the predecessor. What it may have left goes as soon as it is known what is there.
    pub(super) fn inherit(&mut self, text: &str) {
        self.predecessor = Some(Box::new(parser::parse_text(&parser::Machine, text).config));
        self.remove_leftovers();
    }

    /// Removes what only the predecessor's configuration wanted.
    pub(super) fn remove_leftovers(&mut self) {
        if !self.settled {
            return;
        }
        let Some(mut old) = self.predecessor.take() else {
            return;
        };
        vmac::put_on(&mut old, &self.mirror.known());
        let here = self.wants().configured();
        let leftovers = Objects {
            addresses: self.addresses_left(&old),
            ..orphans(self.routing_of(&old), &here)
        };
        self.rounds.remove(leftovers);
    }

    /// Addresses that are there, of lines of the old configuration, and not claimed by the present one.
    fn addresses_left(&self, old: &Config) -> Vec<netlink::Address> {
        let statics = old.static_ipaddress.iter().map(|line| ("", line));
        let of_instances = old.vrrp_instances.iter().flat_map(|instance| {
            let lines = instance.virtual_ipaddress.iter();
            let lines = lines.chain(&instance.virtual_ipaddress_excluded);
            lines.map(|line| (instance.interface.as_str(), line))
        });
        let key = |(default, line): (&str, &parser::config::VirtualAddress)| {
            let link = self.mirror.index_of(line.dev.as_deref().unwrap_or(default))?;
            Some(objects::address(line, LinkId(link)).key())
        };
        let keys: HashSet<netlink::address::Key> = statics.chain(of_instances).filter_map(key).collect();
        let there = self.monitor.addresses();
        there
            .filter(|address| keys.contains(&address.key()) && self.mirror.owner(address).is_none())
            .cloned()
            .collect()
    }

    /// Routes and rules of the old configuration, there or not.
    fn routing_of(&self, old: &Config) -> Objects {
        let instances = &old.vrrp_instances;
        let routes = instances.iter().flat_map(|instance| &instance.virtual_routes);
        let routes = old.static_routes.iter().chain(routes);
        let rules = instances.iter().flat_map(|instance| &instance.virtual_rules);
        let rules = old.static_rules.iter().chain(rules);
        Objects {
            routes: routes
                .filter_map(|line| objects::route(line, &self.mirror).ok())
                .flatten()
                .collect(),
            rules: rules.map(objects::rule).collect(),
            ..Objects::default()
        }
    }
}
