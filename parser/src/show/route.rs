//! Route lines. What `encap` takes for its own stands at the end, and next hops after everything else.

use std::fmt::Display;
use std::time::Duration;

use super::text::word;
use crate::config::Route;
use crate::config::route::{
    Encap, Insertion, Ip6Encap, IpEncap, Locked, Metrics, NextHop, Realms, RouteTable, RouteType,
};
use crate::value::prefix::Prefix;

pub(super) fn line(route: &Route) -> String {
    let mut words = Words::default();
    if route.kind != RouteType::Unicast {
        let name = RouteType::NAMES.iter().find(|(_, kind)| *kind == route.kind);
        words.flag(name.map_or("", |(name, _)| name), true);
    }
    words.flag(&prefix(route.destination), true);
    words.option("from", route.source.map(prefix));
    words.option("src", route.preferred_source);
    words.option("tos", (route.tos != 0).then_some(route.tos));
    match &route.table {
        RouteTable::Id(id) => words.option("table", Some(id)),
        RouteTable::Vrf(name) => words.option("vrf", Some(word(name))),
    }
    words.option("protocol", Some(route.protocol));
    words.option("scope", route.scope);
    words.option("metric", route.metric);
    metrics(&mut words, &route.metrics);
    words.option("expires", route.expires);
    words.option("pref", route.preference);
    let propagate = |on| if on { "enabled" } else { "disabled" };
    words.option("ttl-propagate", route.ttl_propagate.map(propagate));
    words.flag("add", route.insertion == Insertion::Add);
    words.flag("append", route.insertion == Insertion::Append);
    words.flag("no_track", route.no_track);
    words.option("track_group", route.track_group.as_deref().map(word));
    next_hops(&mut words, &route.next_hops);
    words.0.join(" ")
}

/// The words of a line.
#[derive(Default)]
pub(super) struct Words(pub(super) Vec<String>);

impl Words {
    /// `NAME VALUE`, if there is a value.
    pub(super) fn option(&mut self, name: &str, value: Option<impl Display>) {
        self.0.extend(value.map(|value| format!("{name} {value}")));
    }

    /// A word alone.
    pub(super) fn flag(&mut self, name: &str, on: bool) {
        self.0.extend(on.then(|| name.to_owned()));
    }
}

/// `ADDRESS/LENGTH`.
pub(super) fn prefix(prefix: Prefix) -> String {
    format!("{}/{}", prefix.address, prefix.length)
}

/// `SOURCE/DESTINATION`.
pub(super) fn realms(realms: Realms) -> String {
    format!("{}/{}", realms.source, realms.destination)
}

fn metrics(words: &mut Words, metrics: &Metrics) {
    words.option("mtu", metrics.mtu.as_ref().map(locked));
    words.option("advmss", metrics.advmss.as_ref().map(locked));
    words.option("hoplimit", metrics.hoplimit);
    words.option("rtt", metrics.rtt.map(|rtt| locked_time(rtt, 8)));
    words.option("rttvar", metrics.rttvar.map(|rttvar| locked_time(rttvar, 4)));
    words.option("rto_min", metrics.rto_min.map(|rto_min| locked_time(rto_min, 1)));
    words.option("reordering", metrics.reordering.as_ref().map(locked));
    words.option("window", metrics.window);
    words.option("cwnd", metrics.cwnd.as_ref().map(locked));
    words.option("ssthresh", metrics.ssthresh.as_ref().map(locked));
    words.option("initcwnd", metrics.initcwnd);
    words.option("initrwnd", metrics.initrwnd);
    words.flag("features ecn", metrics.ecn);
    words.option("quickack", metrics.quickack.map(u8::from));
    words.option("fastopen_no_cookie", metrics.fastopen_no_cookie.map(u8::from));
    let congctl = metrics.congctl.as_ref().map(|congctl| Locked {
        value: word(&congctl.value),
        lock: congctl.lock,
    });
    words.option("congctl", congctl.as_ref().map(locked));
}

fn locked<T: Display>(metric: &Locked<T>) -> String {
    let lock = if metric.lock { "lock " } else { "" };
    format!("{lock}{}", metric.value)
}

/// Milliseconds, or if they are not whole, the kernel's units, of which `per_milli` make a millisecond.
fn locked_time(metric: Locked<Duration>, per_milli: u128) -> String {
    let micros = metric.value.as_micros();
    let value = if micros.is_multiple_of(1000) {
        format!("{}ms", micros / 1000)
    } else {
        (micros * per_milli / 1000).to_string()
    };
    locked(&Locked {
        value,
        lock: metric.lock,
    })
}

/// A single next hop without a weight stands on the line itself.
fn next_hops(words: &mut Words, hops: &[NextHop]) {
    let plain = NextHop {
        weight: 1,
        ..NextHop::default()
    };
    if let [hop] = hops
        && hop.weight == 1
        && *hop != plain
    {
        return next_hop(words, hop);
    }
    for hop in hops {
        words.option("nexthop weight", Some(hop.weight));
        next_hop(words, hop);
    }
}

fn next_hop(words: &mut Words, hop: &NextHop) {
    words.option("via", hop.via);
    words.option("dev", hop.dev.as_deref().map(word));
    words.flag("onlink", hop.onlink);
    words.option("realms", hop.realms.map(realms));
    words.option("encap", hop.encap.as_ref().map(encap));
}

fn encap(encap: &Encap) -> String {
    let mut words = Words::default();
    match encap {
        Encap::Ip(IpEncap {
            id,
            dst,
            src,
            tos,
            ttl,
            flags,
        }) => {
            words.flag("ip", true);
            words.option("id", *id);
            words.option("dst", *dst);
            words.option("src", *src);
            words.option("tos", *tos);
            words.option("ttl", *ttl);
            words.option("flags", *flags);
        }
        Encap::Ip6(Ip6Encap {
            id,
            dst,
            src,
            tc,
            hoplimit,
            flags,
        }) => {
            words.flag("ip6", true);
            words.option("id", *id);
            words.option("dst", *dst);
            words.option("src", *src);
            words.option("tc", *tc);
            words.option("hoplimit", *hoplimit);
            words.option("flags", *flags);
        }
        Encap::Mpls(labels) => {
            let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
            words.option("mpls", Some(labels.join("/")));
        }
        Encap::Ila(locator) => {
            let groups = [48, 32, 16, 0].map(|shift| format!("{:x}", locator >> shift & 0xffff));
            words.option("ila", Some(groups.join(":")));
        }
    }
    words.0.join(" ")
}
