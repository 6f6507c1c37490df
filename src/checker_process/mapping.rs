//! From what the engine wants ([`checkers::Table`]) to the vocabulary of the kernel's table.

use std::num::NonZeroU16;

use checkers::table::{Destination, Draining, Key, Settings};
use checkers::{Connections, Table};
use ipvs::NameError;
use parser::config::forwarding;
use parser::config::virtual_server;
use parser::units::Family;

use super::keeper::Counts;

/// The services of a virtual server. The names of its scheduler and persistence engine must be names to the kernel.
pub(super) fn wanted(table: &Table) -> Result<Vec<ipvs::Wanted>, NameError> {
    let service = |key: &Key| -> Result<ipvs::Wanted, NameError> {
        let destinations = table.destinations.iter();
        Ok(ipvs::Wanted {
            service: of_service(key, &table.settings)?,
            destinations: destinations
                .map(|destination| of_destination(key, destination))
                .collect(),
            draining: table
                .draining
                .iter()
                .map(|draining| of_draining(key, *draining))
                .collect(),
        })
    };
    table.keys.iter().map(service).collect()
}

/// How the kernel names a service.
pub(super) fn of_key(key: &Key) -> ipvs::ServiceKey {
    match *key {
        Key::Address {
            address,
            port,
            protocol,
        } => ipvs::ServiceKey::Address {
            address,
            port,
            protocol: protocol as u8,
        },
        Key::Fwmark { mark, family } => ipvs::ServiceKey::Fwmark {
            mark,
            family: match family {
                Family::Ipv4 => ipvs::Family::Ipv4,
                Family::Ipv6 => ipvs::Family::Ipv6,
            },
        },
    }
}

/// What the kernel counts for what drains: in all services together that were asked, if any was. `None`: none of them has
/// it.
pub(super) fn connections(table: &Table, counts: &Counts) -> Vec<(Draining, Option<Connections>)> {
    let asked: Vec<_> = table
        .keys
        .iter()
        .filter_map(|key| Some((key, counts.get(&of_key(key))?)))
        .collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let of = |draining: Draining| {
        let counted = asked
            .iter()
            .filter_map(|(key, counts)| counts.get(&of_draining(key, draining)));
        counted.copied().reduce(|sum, more| Connections {
            active: sum.active.saturating_add(more.active),
            inactive: sum.inactive.saturating_add(more.inactive),
        })
    };
    table
        .draining
        .iter()
        .map(|draining| (*draining, of(*draining)))
        .collect()
}

fn of_draining(key: &Key, draining: Draining) -> ipvs::DestinationKey {
    ipvs::DestinationKey {
        address: draining.address,
        port: draining.port_in(key),
    }
}

fn of_service(key: &Key, settings: &Settings) -> Result<ipvs::Service, NameError> {
    let persistence = match settings.persistence_in(key.family()) {
        None => None,
        Some(persistence) => Some(ipvs::Persistence {
            timeout: persistence.timeout,
            granularity: match persistence.granularity {
                virtual_server::Granularity::Netmask(mask) => ipvs::Granularity::Netmask(mask),
                virtual_server::Granularity::PrefixLen(length) => ipvs::Granularity::PrefixLen(length),
            },
            engine: settings
                .persistence_engine
                .as_deref()
                .map(str::parse)
                .transpose()?,
        }),
    };
    Ok(ipvs::Service {
        key: of_key(key),
        scheduler: settings.scheduler.name().parse()?,
        flags: ipvs::Flags {
            one_packet: settings.one_packet,
            sched_1: settings.flags.flag_1,
            sched_2: settings.flags.flag_2,
            sched_3: settings.flags.flag_3,
        },
        persistence,
    })
}

fn of_destination(key: &Key, destination: &Destination) -> ipvs::Destination {
    ipvs::Destination {
        key: ipvs::DestinationKey {
            address: destination.address,
            port: destination.port_in(key),
        },
        forwarding: of_forwarding(destination.forwarding),
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
    }
}

fn of_forwarding(forwarding: forwarding::Forwarding) -> ipvs::Forwarding {
    use forwarding::{Forwarding, Tunnel, TunnelChecksum};
    match forwarding {
        Forwarding::Nat => ipvs::Forwarding::Masquerade,
        Forwarding::Direct => ipvs::Forwarding::Direct,
        Forwarding::Tunnel(Tunnel::Ipip) => ipvs::Forwarding::Tunnel(ipvs::Tunnel::Ipip),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => ipvs::Forwarding::Tunnel(ipvs::Tunnel::Gue {
            // The parser lets no 0 through.
            port: NonZeroU16::new(port).unwrap_or(NonZeroU16::MIN),
            checksum: match checksum {
                TunnelChecksum::None => ipvs::TunnelChecksum::None,
                TunnelChecksum::Full => ipvs::TunnelChecksum::Full,
                TunnelChecksum::Remote => ipvs::TunnelChecksum::Remote,
            },
        }),
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => ipvs::Forwarding::Tunnel(ipvs::Tunnel::Gre {
            checksum: if checksum {
                ipvs::TunnelChecksum::Full
            } else {
                ipvs::TunnelChecksum::None
            },
        }),
    }
}
