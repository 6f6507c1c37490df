//! Values in the words of keepalived's dumps.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parser::config::address::VirtualAddress;
use parser::config::route::{Insertion, Locked, Metrics, NextHop, Route, RouteTable};
use parser::config::rule::{LookupTable, Rule, RuleAction};
use parser::config::{Script, route::RouteType};
use parser::value::prefix::Prefix;
use vrrp::Instant;

use crate::sys;

/// Turns instants of the monotonic clock into moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wall {
    /// The moment at which the monotonic clock stood at zero, as it seems now.
    zero: Duration,
}

impl Wall {
    /// As the clocks stand.
    pub(crate) fn at(now: Instant) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall {
            zero: since_epoch.saturating_sub(Duration::from_nanos(now.nanos)),
        }
    }

    /// Time since 1970 UTC.
    pub(crate) fn since_epoch(self, at: Instant) -> Duration {
        self.zero + Duration::from_nanos(at.nanos)
    }

    /// `1795380170.907328 (Sun Nov 22 20:42:50.907328 2026)`.
    pub(crate) fn moment(self, at: Instant) -> String {
        let time = self.since_epoch(at);
        let local = local(time);
        let (clock, year) = local.rsplit_once(' ').unwrap_or((&local, ""));
        let micros = time.subsec_micros();
        format!("{} ({clock}.{micros:06} {year})", seconds(time))
    }
}

/// `1795380170.907328 (Sun Nov 22 20:42:50 2026.907328)`: keepalived has the moments of checkers so.
pub(crate) fn moment_of_checker(time: Duration) -> String {
    let micros = time.subsec_micros();
    format!("{} ({}.{micros:06})", seconds(time), local(time))
}

/// `Sun Nov 22 20:42:50 2026`.
fn local(time: Duration) -> String {
    let local = sys::LocalTime::at(time.as_secs(), time.subsec_nanos());
    local.console().to_string()
}

/// `1795380170.907328`.
pub(crate) fn seconds(time: Duration) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{}.{:06}", time.as_secs(), time.subsec_micros()))
}

/// `yes` or `no`.
pub(crate) fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// The words of a command, each in quotes.
pub(crate) fn command(script: &Script) -> String {
    let words: Vec<String> = script.words.iter().map(|word| format!("'{word}'")).collect();
    words.join(" ")
}

/// An address line; `set` while the kernel should have it.
pub(crate) fn address(line: &VirtualAddress, interface: &str, set: bool) -> String {
    let mut words = vec![match line.peer {
        Some((peer, length)) => format!("{} peer {}", line.address, with_prefix(peer, length)),
        None => with_prefix(line.address, line.prefix_len),
    }];
    words.extend(line.broadcast.map(|broadcast| format!("brd {broadcast}")));
    words.push(format!("dev {}", line.dev.as_deref().unwrap_or(interface)));
    words.push(format!("scope {}", scope(line.scope)));
    words.extend(line.label.as_ref().map(|label| format!("label {label}")));
    if line.address.is_ipv6() {
        words.push(match line.preferred_lft {
            None => "preferred_lft forever".to_owned(),
            Some(0) => "deprecated".to_owned(),
            Some(seconds) => format!("preferred_lft {seconds}"),
        });
    }
    let flags = [
        (line.home, "home"),
        (line.mngtmpaddr, "mngtmpaddr"),
        (line.noprefixroute, "noprefixroute"),
        (line.autojoin, "autojoin"),
        (line.no_track, "no_track"),
        (set, "set"),
    ];
    words.extend(
        flags
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| word.to_owned()),
    );
    words.join(" ")
}

/// A route line.
pub(crate) fn route(route: &Route) -> String {
    let special = route.kind != RouteType::Unicast;
    let single = route.next_hops.len() == 1;
    // keepalived does not watch a route that names no interface, or several.
    let untracked = special || !single || route.next_hops.iter().any(|hop| hop.dev.is_none());
    let mut words = vec![
        match route.insertion {
            _ if special => "add",
            Insertion::Add => "add",
            Insertion::Prepend => "prepend",
            Insertion::Append => "append",
        }
        .to_owned(),
    ];
    if special {
        let named = RouteType::NAMES.iter().find(|(_, kind)| *kind == route.kind);
        words.extend(named.map(|(name, _)| (*name).to_owned()));
    }
    words.push(prefix(route.destination));
    words.extend(route.source.map(|source| format!("from {}", prefix(source))));
    if single {
        words.extend(route.next_hops.iter().map(next_hop));
    }
    words.extend((route.tos != 0).then(|| format!("tos 0x{:x}", route.tos)));
    match &route.table {
        RouteTable::Id(254) => {}
        RouteTable::Id(table) => words.push(format!("table {table}")),
        RouteTable::Vrf(name) => words.push(format!("vrf {name}")),
    }
    if !route.no_track || route.protocol != PROTOCOL {
        words.push(format!("proto {}", route.protocol));
    }
    words.extend(route.scope.map(|scope| format!("scope {scope}")));
    words.extend(route.metric.map(|metric| format!("metric {metric}")));
    words.extend(route.preferred_source.map(|source| format!("src {source}")));
    metrics(&mut words, &route.metrics);
    if !single {
        for hop in &route.next_hops {
            words.push(format!("nexthop {}", next_hop(hop)));
            words.extend((hop.weight > 1).then(|| format!("weight {}", hop.weight)));
        }
    }
    words.extend((route.no_track || untracked).then(|| "no_track".to_owned()));
    words.join(" ")
}

/// `RTPROT_KEEPALIVED`.
const PROTOCOL: u8 = 18;

fn next_hop(hop: &NextHop) -> String {
    let mut words = Vec::new();
    words.extend(hop.via.map(|via| {
        let family = if via.is_ipv4() { "inet" } else { "inet6" };
        format!("via {family} {via}")
    }));
    words.extend(hop.dev.as_ref().map(|dev| format!("dev {dev}")));
    words.extend(hop.onlink.then(|| "onlink".to_owned()));
    words.join(" ")
}

/// The metrics that are a number.
fn metrics(words: &mut Vec<String>, metrics: &Metrics) {
    fn locked(metric: Option<&Locked<u32>>) -> Option<String> {
        metric.map(|metric| format!("{}{}", if metric.lock { "lock " } else { "" }, metric.value))
    }
    let plain = |metric: Option<u32>| metric.map(|metric| metric.to_string());
    for (name, value) in [
        ("mtu", locked(metrics.mtu.as_ref())),
        ("hoplimit", metrics.hoplimit.map(|limit| limit.to_string())),
        ("advmss", locked(metrics.advmss.as_ref())),
        ("reordering", locked(metrics.reordering.as_ref())),
        ("window", plain(metrics.window)),
        ("cwnd", locked(metrics.cwnd.as_ref())),
        ("ssthresh", locked(metrics.ssthresh.as_ref())),
        ("initcwnd", plain(metrics.initcwnd)),
        ("initrwnd", plain(metrics.initrwnd)),
    ] {
        words.extend(value.map(|value| format!("{name} {value}")));
    }
}

/// A rule line.
pub(crate) fn rule(rule: &Rule) -> String {
    let selector = &rule.selector;
    let mut words = Vec::new();
    words.extend(selector.invert.then(|| "not".to_owned()));
    words.push(match selector.from {
        Some(from) => format!("from {}", prefix(from)),
        None => "from all".to_owned(),
    });
    words.extend(selector.to.map(|to| format!("to {}", prefix(to))));
    words.push(format!("priority {}", rule.preference));
    words.push(format!("tos 0x{:x}", selector.tos));
    words.extend(selector.fwmark.map(|mark| match mark.mask {
        u32::MAX => format!("fwmark 0x{:x}", mark.value),
        mask => format!("fwmark 0x{:x}/0x{mask:x}", mark.value),
    }));
    words.extend(selector.iif.as_ref().map(|iif| format!("iif {iif}")));
    words.extend(selector.oif.as_ref().map(|oif| format!("oif {oif}")));
    words.push(format!("protocol {}", rule.protocol));
    words.extend(selector.ip_protocol.map(|protocol| format!("ipproto {protocol}")));
    words.push(match &rule.action {
        RuleAction::Lookup(lookup) => match lookup.table {
            LookupTable::Id(table) => format!("lookup {table}"),
            LookupTable::L3mdev => "lookup l3mdev".to_owned(),
        },
        RuleAction::Goto(preference) => format!("goto {preference}"),
        RuleAction::Nop => "type nop".to_owned(),
        RuleAction::Blackhole => "type blackhole".to_owned(),
        RuleAction::Unreachable => "type unreachable".to_owned(),
        RuleAction::Prohibit => "type prohibit".to_owned(),
    });
    words.extend(rule.no_track.then(|| "no_track".to_owned()));
    words.join(" ")
}

fn prefix(of: Prefix) -> String {
    if of.length == 0 {
        return "default".to_owned();
    }
    with_prefix(of.address, of.length)
}

/// The length of a whole address is left out.
fn with_prefix(address: IpAddr, length: u8) -> String {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    if length == whole {
        address.to_string()
    } else {
        format!("{address}/{length}")
    }
}

fn scope(number: u8) -> String {
    match number {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}
