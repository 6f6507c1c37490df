//! The lines of a configuration as the kernel's objects: interface names become indices, defaults those of the kernel.
//!
//! Pure, but for what it is told of the links.

use netlink::address::{FOREVER, flags};
use netlink::route::{self, Encap, Hop, Metrics, Placing, Tunnel, metrics::kinds};
use netlink::rule::{self, actions};
use netlink::{Address, Route, Rule};
use parser::config::VirtualAddress;
use parser::config::route as written;
use parser::config::rule::{LookupTable, RuleAction};
use parser::units::Family;
use parser::value::prefix::Prefix;
use vrrp::LinkId;

use super::mirror::Mirror;

/// `RT_SCOPE_HOST`
const SCOPE_HOST: u8 = 254;

/// The kernel's prefix length of an address with a peer is the peer's.
pub(super) fn prefix_len(line: &VirtualAddress) -> u8 {
    line.peer.map_or(line.prefix_len, |(_, prefix_len)| prefix_len)
}

/// An address line as it stands on a link.
pub(super) fn address(from: &VirtualAddress, link: LinkId) -> Address {
    let flag = |set: bool, flag: u32| if set { flag } else { 0 };
    Address {
        scope: from.scope,
        label: from.label.clone(),
        broadcast: from.broadcast,
        peer: from.peer.map(|(peer, _)| peer),
        flags: flag(from.nodad && from.address.is_ipv6(), flags::NODAD)
            | flag(from.home, flags::HOMEADDRESS)
            | flag(from.mngtmpaddr, flags::MANAGETEMPADDR)
            | flag(from.noprefixroute, flags::NOPREFIXROUTE)
            | flag(from.autojoin, flags::MCAUTOJOIN),
        preferred_lft: from.preferred_lft.unwrap_or(FOREVER),
        ..Address::new(link.0, from.address, prefix_len(from))
    }
}

/// A route line as the kernel keeps it; the name of an interface that is not there is the error.
pub(super) fn route<'a>(from: &'a written::Route, links: &Mirror) -> Result<Vec<Route>, &'a str> {
    let table = match &from.table {
        written::RouteTable::Id(id) => *id,
        written::RouteTable::Vrf(name) => links.vrf_table(name).ok_or(name.as_str())?,
    };
    let hops = from.next_hops.iter().map(|from| hop(from, links));
    let route = Route {
        kind: from.kind as u8,
        source: from.source.map(pair),
        tos: from.tos,
        table,
        protocol: from.protocol,
        // keepalived: every route is global, even one to a link; `ip route` would say link.
        scope: from.scope.unwrap_or(match from.kind {
            written::RouteType::Local => SCOPE_HOST,
            _ => 0,
        }),
        metric: from.metric.unwrap_or(0),
        preferred_source: from.preferred_source,
        hops: hops.collect::<Result<_, _>>()?,
        metrics: metrics(&from.metrics),
        expires: from.expires,
        preference: from.preference.unwrap_or(0),
        ttl_propagate: from.ttl_propagate,
        placing: match from.insertion {
            written::Insertion::Add => Placing::Alone,
            written::Insertion::Prepend => Placing::First,
            written::Insertion::Append => Placing::Last,
        },
        ..Route::new(from.destination.address, from.destination.length)
    };
    Ok(route.parts())
}

/// A rule line as the kernel keeps it.
pub(super) fn rule(from: &parser::config::Rule) -> Rule {
    let family = match from.family {
        Family::Ipv4 => rule::Family::V4,
        Family::Ipv6 => rule::Family::V6,
    };
    let selector = &from.selector;
    let prefix = |prefix: Option<Prefix>| prefix.filter(|prefix| prefix.length > 0).map(pair);
    let mut rule = Rule {
        invert: selector.invert,
        from: prefix(selector.from),
        to: prefix(selector.to),
        tos: selector.tos,
        fwmark: selector.fwmark.map(|mark| (mark.value, mark.mask)),
        iif: selector.iif.clone(),
        oif: selector.oif.clone(),
        tunnel_id: selector.tunnel_id,
        uid_range: selector
            .uid_range
            .as_ref()
            .map(|range| (*range.start(), *range.end())),
        ip_protocol: selector.ip_protocol,
        source_ports: selector
            .sport
            .as_ref()
            .map(|range| (*range.start(), *range.end())),
        destination_ports: selector
            .dport
            .as_ref()
            .map(|range| (*range.start(), *range.end())),
        protocol: from.protocol,
        ..Rule::new(family, from.preference, 0)
    };
    match &from.action {
        RuleAction::Lookup(lookup) => {
            match lookup.table {
                LookupTable::Id(id) => rule.table = id,
                LookupTable::L3mdev => rule.l3mdev = true,
            }
            rule.realms = lookup.realms.map_or(0, realms);
            rule.suppress_prefix_len = lookup.suppress_prefix_length;
            rule.suppress_if_group = lookup.suppress_if_group;
        }
        RuleAction::Goto(preference) => {
            rule.action = actions::GOTO;
            rule.goto = Some(*preference);
        }
        RuleAction::Nop => rule.action = actions::NOP,
        RuleAction::Blackhole => rule.action = actions::BLACKHOLE,
        RuleAction::Unreachable => rule.action = actions::UNREACHABLE,
        RuleAction::Prohibit => rule.action = actions::PROHIBIT,
    }
    rule
}

fn pair(prefix: Prefix) -> (std::net::IpAddr, u8) {
    (prefix.address, prefix.length)
}

fn realms(realms: written::Realms) -> u32 {
    u32::from(realms.source) << 16 | u32::from(realms.destination)
}

fn hop<'a>(from: &'a written::NextHop, links: &Mirror) -> Result<Hop, &'a str> {
    let link = match &from.dev {
        Some(name) => Some(links.index_of(name).ok_or(name.as_str())?),
        None => None,
    };
    Ok(Hop {
        via: from.via,
        link,
        weight: from.weight,
        onlink: from.onlink,
        encap: from.encap.as_ref().map(encap),
        realms: from.realms.map_or(0, realms),
    })
}

fn encap(from: &written::Encap) -> route::Encap {
    match from {
        written::Encap::Mpls(labels) => Encap::Mpls(labels.clone()),
        written::Encap::Ila(locator) => Encap::Ila(*locator),
        written::Encap::Ip(ip) => Encap::Ip(Tunnel {
            id: ip.id,
            destination: ip.dst.map(Into::into),
            source: ip.src.map(Into::into),
            tos: ip.tos,
            ttl: ip.ttl,
            flags: ip.flags,
        }),
        written::Encap::Ip6(ip) => Encap::Ip6(Tunnel {
            id: ip.id,
            destination: ip.dst.map(Into::into),
            source: ip.src.map(Into::into),
            tos: ip.tc,
            ttl: ip.hoplimit,
            flags: ip.flags,
        }),
    }
}

fn metrics(from: &written::Metrics) -> Metrics {
    let mut to = Metrics::default();
    let mut set = |kind: u16, value: Option<(u32, bool)>| {
        if let Some((value, lock)) = value {
            to.set(kind, value);
            if lock {
                to.lock(kind);
            }
        }
    };
    let number = |metric: &Option<written::Locked<u32>>| metric.map(|metric| (metric.value, metric.lock));
    let plain = |metric: Option<u32>| metric.map(|value| (value, false));
    let flag = |metric: Option<bool>| metric.map(|set| (set.into(), false));
    let time = |metric: &Option<written::Locked<std::time::Duration>>, per_milli: u128| {
        let units = |time: std::time::Duration| {
            u32::try_from(time.as_micros() * per_milli / 1000).unwrap_or(u32::MAX)
        };
        metric.map(|metric| (units(metric.value), metric.lock))
    };
    set(kinds::MTU, number(&from.mtu));
    set(kinds::ADVMSS, number(&from.advmss));
    set(kinds::HOPLIMIT, plain(from.hoplimit.map(u32::from)));
    set(kinds::RTT, time(&from.rtt, 8));
    set(kinds::RTTVAR, time(&from.rttvar, 4));
    set(kinds::RTO_MIN, time(&from.rto_min, 1));
    set(kinds::REORDERING, number(&from.reordering));
    set(kinds::WINDOW, plain(from.window));
    set(kinds::CWND, number(&from.cwnd));
    set(kinds::SSTHRESH, number(&from.ssthresh));
    set(kinds::INITCWND, plain(from.initcwnd));
    set(kinds::INITRWND, plain(from.initrwnd));
    set(kinds::FEATURES, from.ecn.then_some((1, false)));
    set(kinds::QUICKACK, flag(from.quickack));
    set(kinds::FASTOPEN_NO_COOKIE, flag(from.fastopen_no_cookie));
    if let Some(algorithm) = &from.congctl {
        to.congestion_control = Some(algorithm.value.clone());
        if algorithm.lock {
            to.lock(kinds::CC_ALGO);
        }
    }
    to
}
