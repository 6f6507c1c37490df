//! `virtual_server`.

use super::real_server;
use super::text::{Text, word};
use super::virtual_server_group::family;
use crate::config::VirtualServer;
use crate::config::forwarding::{Forwarding, Tunnel, TunnelChecksum};
use crate::config::pace::Pace;
use crate::config::virtual_server::{Granularity, Protocol, Service, SorryServer};
use crate::config::virtual_server_group::GroupEntry;
use crate::units::Family;

pub(super) fn show(text: &mut Text, server: &VirtualServer) {
    text.block(format_args!("virtual_server {}", head(&server.service)), |text| {
        service(text, server);
        servers(text, server);
        if let Some(sorry) = &server.sorry_server {
            sorry_server(text, sorry);
        }
        for real in &server.real_servers {
            real_server::show(text, real, server.pace.delay_loop);
        }
    });
}

/// The words after `virtual_server`.
pub fn head(service: &Service) -> String {
    match service {
        Service::Address { address, port, .. } => format!("{address} {port}"),
        Service::Fwmark(mark) => format!("fwmark {mark}"),
        Service::Group { group, .. } => format!("group {}", word(&group.name)),
    }
}

fn service(text: &mut Text, server: &VirtualServer) {
    // A group of both families can only serve where nothing settles the family.
    let settled = !is_mixed(&server.service, server.family);
    if settled {
        text.set("ip_family", family(server.family));
    }
    let protocol = match server.service {
        Service::Address { protocol, .. } => Some(protocol),
        Service::Group { protocol, .. } => protocol,
        Service::Fwmark(_) => None,
    };
    text.set_some("protocol", protocol.map(protocol_name));
    text.set("lvs_sched", server.scheduler.name());
    text.flag("flag-1", server.flags.flag_1);
    text.flag("flag-2", server.flags.flag_2);
    text.flag("flag-3", server.flags.flag_3);
    text.flag("ops", server.one_packet);
    text.set("lvs_method", forwarding(server.forwarding));
    if let Some(persistence) = server.persistence {
        text.seconds("persistence_timeout", persistence.timeout);
        if settled {
            text.set(
                "persistence_granularity",
                match persistence.granularity {
                    Granularity::Netmask(mask) => mask.to_string(),
                    Granularity::PrefixLen(length) => length.to_string(),
                },
            );
        }
    }
    text.word_some("persistence_engine", server.persistence_engine.as_deref());
    text.word_some("virtualhost", server.virtualhost.as_deref());
    text.word_some("snmp_name", server.snmp_name.as_deref());
    text.set("smtp_alert", server.smtp_alert);
    text.flag("ha_suspend", server.ha_suspend);
}

fn is_mixed(service: &Service, family: Family) -> bool {
    let Service::Group { group, .. } = service else {
        return false;
    };
    group.entries.iter().any(|entry| match *entry {
        GroupEntry::Addresses { first, .. } => Family::of(first) != family,
        GroupEntry::Fwmark { family: of_mark, .. } => of_mark.is_some_and(|of_mark| of_mark != family),
    })
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// `lvs_method`.
pub(super) fn forwarding(forwarding: Forwarding) -> String {
    let checksum_name = |checksum| match checksum {
        TunnelChecksum::None => "nocsum",
        TunnelChecksum::Full => "csum",
        TunnelChecksum::Remote => "remcsum",
    };
    match forwarding {
        Forwarding::Nat => "NAT".to_owned(),
        Forwarding::Direct => "DR".to_owned(),
        Forwarding::Tunnel(Tunnel::Ipip) => "TUN type ipip".to_owned(),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            format!("TUN type gue port {port} {}", checksum_name(checksum))
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            format!("TUN type gre {}", if checksum { "csum" } else { "nocsum" })
        }
    }
}

fn servers(text: &mut Text, server: &VirtualServer) {
    pace(text, &server.pace);
    text.set("weight", server.weight);
    text.flag("inhibit_on_failure", server.inhibit_on_failure);
    text.flag("alpha", server.alpha);
    text.flag("omega", server.omega);
    text.set("quorum", server.quorum);
    text.set("hysteresis", server.hysteresis);
    // A keyword of our own: who does not use it can give the text to keepalived.
    text.seconds_unless_zero("drain_timeout", server.drain_timeout);
    text.script("quorum_up", server.quorum_up.as_ref());
    text.script("quorum_down", server.quorum_down.as_ref());
}

/// The pace of a virtual or real server.
pub(super) fn pace(text: &mut Text, pace: &Pace) {
    text.seconds("delay_loop", pace.delay_loop);
    text.seconds("connect_timeout", pace.connect_timeout);
    text.set_some("retry", pace.retry);
    for (keyword, value) in [
        ("delay_before_retry", pace.delay_before_retry),
        ("warmup", pace.warmup),
    ] {
        if let Some(value) = value {
            text.seconds(keyword, value);
        }
    }
}

fn sorry_server(text: &mut Text, server: &SorryServer) {
    text.set("sorry_server", format_args!("{} {}", server.address, server.port));
    text.set("sorry_server_lvs_method", forwarding(server.forwarding));
    text.flag("sorry_server_inhibit", server.inhibit);
}
