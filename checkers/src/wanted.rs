//! What the kernel should have for a virtual server, from its configuration and what is known of its real servers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use parser::config::virtual_server::{Protocol, Service as Served, VirtualServer};
use parser::config::virtual_server_group::{GroupEntry, VirtualServerGroup};
use parser::units::Family;

use crate::engine::Engine;
use crate::marks::Marks;
use crate::service::Service;
use crate::table::{Destination, Key, Settings, Table};

/// More services than this are not made of one virtual server; a prefix of IPv6 would never end.
pub(crate) const MOST_KEYS: usize = 65_536;

pub(crate) fn table(engine: &Engine, service: &Service) -> Table {
    let config = engine.virtual_of(service);
    Table {
        keys: keys(config, &engine.marks).0,
        settings: Settings {
            scheduler: config.scheduler,
            flags: config.flags,
            one_packet: config.one_packet,
            persistence: config.persistence,
            persistence_engine: config.persistence_engine.clone(),
        },
        destinations: destinations(engine, service, config),
        draining: engine.drains.of(service.id).map(|(server, _)| server).collect(),
    }
}

/// The services of a virtual server, and whether there were too many.
pub(crate) fn keys(config: &VirtualServer, marks: &Marks) -> (Vec<Key>, bool) {
    match &config.service {
        Served::Address {
            address,
            port,
            protocol,
        } => {
            let key = Key::Address {
                address: *address,
                port: *port,
                protocol: *protocol,
            };
            (vec![key], false)
        }
        Served::Fwmark(mark) => {
            let key = Key::Fwmark {
                mark: *mark,
                family: config.family,
            };
            (vec![key], false)
        }
        Served::Group { group, protocol } => keys_of_group(group, *protocol, config.family, marks),
    }
}

fn keys_of_group(
    group: &VirtualServerGroup,
    protocol: Option<Protocol>,
    family: Family,
    marks: &Marks,
) -> (Vec<Key>, bool) {
    let mut keys = Vec::new();
    let mut known = BTreeSet::new();
    for entry in &group.entries {
        match (*entry, protocol) {
            (GroupEntry::Fwmark { mark, family: own }, _) => {
                let family = own.unwrap_or(family);
                let key = Key::Fwmark { mark, family };
                keys.extend(known.insert(key).then_some(key));
            }
            (GroupEntry::Addresses { first, last, port }, Some(protocol)) => {
                if let Some(mark) = marks.get(&group.name, protocol) {
                    let family = Family::of(first);
                    let key = Key::Fwmark { mark, family };
                    keys.extend(known.insert(key).then_some(key));
                    continue;
                }
                for address in range(first, last) {
                    if keys.len() == MOST_KEYS {
                        return (keys, true);
                    }
                    let key = Key::Address {
                        address,
                        port,
                        protocol,
                    };
                    keys.extend(known.insert(key).then_some(key));
                }
            }
            (GroupEntry::Addresses { .. }, None) => {}
        }
    }
    (keys, false)
}

fn range(first: IpAddr, last: IpAddr) -> Box<dyn Iterator<Item = IpAddr>> {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let range = first.to_bits()..=last.to_bits();
            Box::new(range.map(|bits| Ipv4Addr::from_bits(bits).into()))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let range = first.to_bits()..=last.to_bits();
            Box::new(range.map(|bits| Ipv6Addr::from_bits(bits).into()))
        }
        _ => Box::new(std::iter::once(first)),
    }
}

/// The pool: with a quorum, or without a sorry server, the living real servers; else the sorry server alone. Those that
/// are inhibited stay without weight.
pub(crate) fn destinations(engine: &Engine, service: &Service, config: &VirtualServer) -> Vec<Destination> {
    let stands_in = !service.quorum_up && config.sorry_server.is_some();
    let mut destinations = Vec::with_capacity(service.servers.len() + 1);
    for id in &service.servers {
        let server = &engine.servers[id.0 as usize];
        let real = engine.real(server);
        let weight = match (server.alive && !stands_in, engine.inhibits(*id)) {
            (true, _) => server.weight(real.weight),
            (false, true) => 0,
            (false, false) => continue,
        };
        destinations.push(Destination {
            address: real.address,
            port: real.port,
            forwarding: real.forwarding,
            weight,
            upper_threshold: real.upper_threshold,
            lower_threshold: real.lower_threshold,
        });
    }
    let Some(sorry) = &config.sorry_server else {
        return destinations;
    };
    let same = destinations
        .iter_mut()
        .find(|other| (other.address, other.port) == (sorry.address, sorry.port));
    match same {
        // A real server that is the sorry server too is one destination.
        Some(same) if stands_in => same.weight = 1,
        None if stands_in || sorry.inhibit => destinations.push(Destination {
            address: sorry.address,
            port: sorry.port,
            forwarding: sorry.forwarding,
            weight: u32::from(stands_in),
            upper_threshold: 0,
            lower_threshold: 0,
        }),
        Some(_) | None => {}
    }
    destinations
}
