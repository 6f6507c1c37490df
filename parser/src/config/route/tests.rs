//! The stories of route lines.

use std::time::Duration;

use super::*;
use crate::config::routing::Usage;
use crate::report::{ExitStatus, Report};
use crate::source::Memory;
use crate::tree::Tree;
use crate::value::names::Names;

/// Reads one line as a static route: the route, and what is said about the line.
fn read_as(usage: Usage, text: &str) -> (Option<Route>, Report) {
    let host = Memory::new([
        ("/etc/iproute2/rt_tables", "100 blue"),
        ("/etc/iproute2/rt_realms", "9 here"),
    ]);
    let names = Names::new(&host, None, None);
    let mut report = Report::default();
    let tree = Tree::read(format!("static_routes {{\n{text}\n}}\n"), &mut report);
    let block = tree.lines().next().unwrap();
    let route = block
        .list(&mut report)
        .next()
        .and_then(|l| line(l, usage, &names, &mut report));
    (route, report)
}

fn read(text: &str) -> (Option<Route>, Vec<String>) {
    let (route, report) = read_as(Usage::Static, text);
    let titles = report
        .mistakes
        .iter()
        .map(|mistake| mistake.reason.to_string())
        .collect();
    (route, titles)
}

/// A route that nothing is said about.
fn good(text: &str) -> Route {
    let (route, titles) = read(text);
    assert_eq!(titles, Vec::<String>::new(), "{text}");
    route.unwrap_or_else(|| panic!("no route: {text}"))
}

fn prefix(text: &str) -> Prefix {
    {
        let (address, length) = text.split_once('/').unwrap();
        Prefix {
            address: address.parse().unwrap(),
            length: length.parse().unwrap(),
        }
    }
}

fn lock<T>(value: T) -> Locked<T> {
    Locked { value, lock: true }
}

fn free<T>(value: T) -> Locked<T> {
    Locked { value, lock: false }
}

#[test]
fn a_destination_alone_is_a_route_with_keepaliveds_defaults() {
    let route = good("10.0.0.0/8");
    assert_eq!(route.destination, prefix("10.0.0.0/8"));
    assert_eq!(
        (route.kind, route.table, route.protocol),
        (RouteType::Unicast, RouteTable::Id(254), 18)
    );
    assert_eq!((route.scope, route.metric, route.tos), (None, None, 0));
    assert_eq!(
        (route.insertion, route.no_track, route.next_hops),
        (Insertion::Prepend, false, vec![])
    );
    assert_eq!(good("to 10.0.0.0/8"), good("10.0.0.0/8"));
    assert_eq!(good("10.0.0.1").destination, prefix("10.0.0.1/32"));
}

#[test]
fn default_is_of_the_family_of_the_rest() {
    assert_eq!(good("default via 10.0.0.1").destination, prefix("0.0.0.0/0"));
    assert_eq!(good("default via fe80::1 dev eth0").destination, prefix("::/0"));
    assert_eq!(good("inet6 default dev eth0").destination, prefix("::/0"));
    assert_eq!(good("default dev eth0 pref high").destination, prefix("::/0"));
    assert_eq!(good("default dev eth0").destination, prefix("0.0.0.0/0"));
}

#[test]
fn route_types_have_names_and_numbers() {
    for &(name, kind) in RouteType::NAMES {
        assert_eq!(good(&format!("{name} 10.0.0.0/8")).kind, kind);
        assert_eq!(good(&format!("{} 10.0.0.0/8", kind as u8)).kind, kind);
    }
    assert_eq!(good("0x6 10.0.0.0/8").kind, RouteType::Blackhole);
}

#[test]
fn attributes_are_numbers() {
    let route = good("10.0.0.0/8 dev eth0 src 10.0.0.1 tos EF table blue protocol 18 scope link metric 5");
    assert_eq!(route.preferred_source, "10.0.0.1".parse().ok());
    assert_eq!(
        (route.tos, route.table, route.protocol),
        (0xb8, RouteTable::Id(100), 18)
    );
    assert_eq!((route.scope, route.metric), (Some(253), Some(5)));
    assert_eq!(good("10.0.0.0/8 dsfield 0x10").tos, 16);
    assert_eq!(good("10.0.0.0/8 priority 4294967295").metric, Some(u32::MAX));
    assert_eq!(good("10.0.0.0/8 preference 0").metric, Some(0));
    assert_eq!(
        good("10.0.0.0/8 vrf red").table,
        RouteTable::Vrf("red".to_owned())
    );
    assert_eq!(
        good("10.0.0.0/8 table 4294967295").table,
        RouteTable::Id(u32::MAX)
    );
    assert_eq!(good("10.0.0.0/8 protocol bird no_track").protocol, 12);
    assert_eq!(good("10.0.0.0/8 add").insertion, Insertion::Add);
    assert_eq!(good("10.0.0.0/8 append").insertion, Insertion::Append);
    assert_eq!(good("10.0.0.0/8 append prepend").insertion, Insertion::Prepend);
    assert_eq!(good("10.0.0.0/8 ttl-propagate enabled").ttl_propagate, Some(true));
    assert_eq!(
        good("10.0.0.0/8 ttl-propagate disabled").ttl_propagate,
        Some(false)
    );
    assert_eq!(good("10.0.0.0/8 track_group G").track_group.as_deref(), Some("G"));
    assert!(good("10.0.0.0/8 no_track").no_track);
    let route = good("2001:db8::/32 from 2001:db8:1::/48 expires 30 pref low");
    assert_eq!(route.source, Some(prefix("2001:db8:1::/48")));
    assert_eq!((route.expires, route.preference), (Some(30), Some(3)));
    assert_eq!(good("2001:db8::/32 pref medium").preference, Some(0));
    assert_eq!(good("2001:db8::/32 pref 255").preference, Some(255));
    assert_eq!(good("2001:db8::/32 from default").source, Some(prefix("::/0")));
}

#[test]
fn metrics_may_be_locked() {
    let metrics = |text: &str| good(&format!("10.0.0.0/8 {text}")).metrics;
    assert_eq!(metrics("mtu 1400 advmss lock 1360").mtu, Some(free(1400)));
    assert_eq!(metrics("mtu 1400 advmss lock 1360").advmss, Some(lock(1360)));
    assert_eq!(metrics("reordering lock 4").reordering, Some(lock(4)));
    assert_eq!(metrics("cwnd 4 ssthresh lock 5").cwnd, Some(free(4)));
    assert_eq!(metrics("cwnd 4 ssthresh lock 5").ssthresh, Some(lock(5)));
    assert_eq!(metrics("window 6 initcwnd 7 initrwnd 8").window, Some(6));
    assert_eq!(metrics("window 6 initcwnd 7 initrwnd 8").initcwnd, Some(7));
    assert_eq!(metrics("window 6 initcwnd 7 initrwnd 8").initrwnd, Some(8));
    assert_eq!(metrics("hoplimit 255").hoplimit, Some(255));
    assert_eq!(metrics("quickack 0").quickack, Some(false));
    assert_eq!(metrics("fastopen_no_cookie 1").fastopen_no_cookie, Some(true));
    assert_eq!(
        metrics("congctl lock cubic").congctl,
        Some(lock("cubic".to_owned()))
    );
    assert_eq!(metrics("congctl reno").congctl, Some(free("reno".to_owned())));
    assert!(metrics("features ecn").ecn);
}

#[test]
fn times_have_units_and_bounds() {
    let rtt = |text: &str| {
        let (route, titles) = read(&format!("10.0.0.0/8 rtt {text}"));
        (
            route
                .and_then(|route| route.metrics.rtt)
                .map(|rtt| rtt.value.as_micros()),
            titles.len(),
        )
    };
    assert_eq!(rtt("2000"), (Some(250_000), 0), "eighths of a millisecond");
    assert_eq!(rtt("300ms"), (Some(300_000), 0));
    assert_eq!(rtt("300MSecs"), (Some(300_000), 0));
    assert_eq!(rtt("1.5s"), (Some(1_500_000), 0));
    assert_eq!(rtt("1.9995sec"), (Some(2_000_000), 1), "rounded to milliseconds");
    assert_eq!(rtt("120secs"), (Some(120_000_000), 0));
    assert_eq!(
        rtt("960s"),
        (Some(120_000_000), 1),
        "drawn back to the most TCP takes"
    );
    assert_eq!(
        rtt("100ms"),
        (Some(200_000), 1),
        "drawn back to the least TCP takes"
    );
    assert_eq!(rtt("961s"), (None, 1));
    assert_eq!(rtt("960001"), (None, 1));
    assert_eq!(rtt("1us"), (None, 1));
    assert_eq!(rtt("s"), (None, 1));
    assert_eq!(rtt("99999999999999999999s"), (None, 1));
    assert_eq!(rtt("0.00000000000000000000000000000000000001s"), (None, 1));
    assert_eq!(
        good("10.0.0.0/8 rttvar lock 2000").metrics.rttvar,
        Some(lock(Duration::from_millis(500)))
    );
    assert_eq!(
        good("10.0.0.0/8 rto_min 2000").metrics.rto_min,
        Some(free(Duration::from_secs(2)))
    );
    assert_eq!(
        good("10.0.0.0/8 rto_min 120s").metrics.rto_min,
        Some(free(Duration::from_mins(2)))
    );
    assert_eq!(read("10.0.0.0/8 rto_min 121s").0, None);
}

#[test]
fn next_hops_are_one_list() {
    let hop = |via: &str, dev: Option<&str>, weight| NextHop {
        via: via.parse().ok(),
        dev: dev.map(str::to_owned),
        weight,
        ..NextHop::new()
    };
    assert_eq!(
        good("10.0.0.0/8 via 1.0.0.1 dev a").next_hops,
        [hop("1.0.0.1", Some("a"), 1)]
    );
    assert_eq!(
        good("10.0.0.0/8 via inet 1.0.0.1 oif a").next_hops,
        [hop("1.0.0.1", Some("a"), 1)]
    );
    assert_eq!(
        good("2001:db8::/32 via inet6 fe80::1 dev a").next_hops,
        [hop("fe80::1", Some("a"), 1)]
    );
    assert_eq!(
        good("10.0.0.0/8 nexthop via 1.0.0.1 weight 256 nexthop via 1.0.0.2 dev b").next_hops,
        [hop("1.0.0.1", None, 256), hop("1.0.0.2", Some("b"), 1)]
    );
    assert_eq!(
        good("10.0.0.0/8 dev a nexthop via 1.0.0.1 nexthop via 1.0.0.2 dev b").next_hops,
        [hop("1.0.0.1", Some("a"), 1), hop("1.0.0.2", Some("b"), 1)]
    );
    let onlink = &good("10.0.0.0/8 nexthop via 1.0.0.1 onlink realms 3/here").next_hops[0];
    assert!(onlink.onlink);
    assert_eq!(
        onlink.realms,
        Some(Realms {
            source: 3,
            destination: 9
        })
    );
    let own = &good("10.0.0.0/8 via 1.0.0.1 onlink realms 5").next_hops[0];
    assert_eq!(
        (own.onlink, own.realms),
        (
            true,
            Some(Realms {
                source: 0,
                destination: 5
            })
        )
    );
    let (route, titles) = read("10.0.0.0/8 via 1.0.0.1 dev a or 1.0.0.2");
    assert_eq!(
        route.unwrap().next_hops,
        [hop("1.0.0.1", Some("a"), 1), hop("1.0.0.2", Some("a"), 1)]
    );
    assert_eq!(titles, ["`or` is deprecated"]);
    let (route, titles) = read("10.0.0.0/8 gw 1.0.0.1");
    assert_eq!(route.unwrap().next_hops, [hop("1.0.0.1", None, 1)]);
    assert_eq!(titles, ["`gw` is deprecated"]);
    let (route, titles) = read("10.0.0.0/8 via 1.0.0.1 nexthop via 1.0.0.2");
    assert_eq!(route.unwrap().next_hops, [hop("1.0.0.2", None, 1)]);
    assert_eq!(titles, ["`via` before `nexthop` has no effect"]);
}

#[test]
fn encapsulations_are_values() {
    let encap = |text: &str| {
        good(&format!("10.0.0.0/8 encap {text} dev a")).next_hops[0]
            .encap
            .clone()
    };
    assert_eq!(
        encap("ip id 18446744073709551615 dst 1.0.0.1 src 1.0.0.2 tos 4 ttl 255 flags 65535"),
        Some(Encap::Ip(IpEncap {
            id: Some(u64::MAX),
            dst: "1.0.0.1".parse().ok(),
            src: "1.0.0.2".parse().ok(),
            tos: Some(4),
            ttl: Some(255),
            flags: Some(65535),
        }))
    );
    assert_eq!(
        encap("ip6 id 5 dst fe80::1 src fe80::2 tc EF hoplimit 6 flags 0"),
        Some(Encap::Ip6(Ip6Encap {
            id: Some(5),
            dst: "fe80::1".parse().ok(),
            src: "fe80::2".parse().ok(),
            tc: Some(0xb8),
            hoplimit: Some(6),
            flags: Some(0),
        }))
    );
    assert_eq!(encap("mpls 1048575"), Some(Encap::Mpls(vec![1_048_575])));
    assert_eq!(encap("mpls 100/200"), Some(Encap::Mpls(vec![100, 200])));
    assert_eq!(encap("ila 2001:db8:0:1"), Some(Encap::Ila(0x2001_0db8_0000_0001)));
    let hops = good("10.0.0.0/8 nexthop encap mpls 7 via 1.0.0.1 dev a").next_hops;
    assert_eq!(hops[0].encap, Some(Encap::Mpls(vec![7])));
}

#[test]
fn a_line_that_is_not_understood_gives_no_route_and_says_why() {
    for (text, title) in [
        ("dev a", "the route has no destination"),
        ("foo dev a", "`foo` is no option of a route"),
        ("10.0.0.0/8 proto 5", "`proto` is no option of a route"),
        ("10.0.0.0/8 to foo", "`foo` is not an IP address"),
        ("10.0.0.0/33 dev a", "`33` is out of range"),
        ("10.0.0.0/x dev a", "`x` is not a number"),
        ("10.0.0.0/8 dev", "`dev` needs a value"),
        ("10.0.0.0/8 mtu lock", "`lock` needs a value"),
        ("10.0.0.0/8 blackhole", "`blackhole` needs a value"),
        ("10.0.0.0/8 src foo", "`foo` is not an IP address"),
        (
            "10.0.0.0/8 src fe80::1",
            "`fe80::1` is not of the same family as what comes before it",
        ),
        (
            "2001:db8::/32 via 1.0.0.1",
            "`1.0.0.1` is not of the same family as what comes before it",
        ),
        (
            "10.0.0.0/8 via inet6 fe80::1",
            "`inet6` is not of the same family as what comes before it",
        ),
        (
            "inet 2001:db8::/32",
            "`2001:db8::/32` is not of the same family as what comes before it",
        ),
        ("10.0.0.0/8 via 1.0.0.1/32", "`1.0.0.1/32` is not an IP address"),
        ("10.0.0.0/8 from 1.0.0.0/8", "`from` is for IPv6 only"),
        ("10.0.0.0/8 expires 30", "`expires` is for IPv6 only"),
        ("10.0.0.0/8 pref low", "`pref` is for IPv6 only"),
        ("2001:db8::/32 pref 256", "`256` is out of range"),
        ("2001:db8::/32 expires 4294967296", "`4294967296` is out of range"),
        ("2001:db8::/32 realms 5", "`realms` is for IPv4 only"),
        ("10.0.0.0/8 realms 256", "`256` are no realms"),
        ("10.0.0.0/8 realms 1/2/3", "`1/2/3` are no realms"),
        ("10.0.0.0/8 realms /5", "`/5` are no realms"),
        ("10.0.0.0/8 tos 256", "`256` is no type of service"),
        ("10.0.0.0/8 table green", "`green` is no routing table"),
        ("10.0.0.0/8 table 4294967296", "`4294967296` is no routing table"),
        ("10.0.0.0/8 protocol 256", "`256` is no routing protocol"),
        ("10.0.0.0/8 scope 256", "`256` is no scope"),
        ("10.0.0.0/8 metric 4294967296", "`4294967296` is out of range"),
        ("10.0.0.0/8 metric -1", "`-1` is out of range"),
        ("10.0.0.0/8 metric 5x", "`5x` is not a number"),
        ("10.0.0.0/8 mtu 4294967296", "`4294967296` is out of range"),
        ("10.0.0.0/8 hoplimit 256", "`256` is out of range"),
        ("10.0.0.0/8 window lock 5", "`lock` is not a number"),
        ("10.0.0.0/8 quickack 2", "`2` is out of range"),
        ("10.0.0.0/8 fastopen_no_cookie 2", "`2` is out of range"),
        ("10.0.0.0/8 encap", "`encap` without its type"),
        ("10.0.0.0/8 encap seg6", "unknown encapsulation `seg6`"),
        (
            "10.0.0.0/8 encap ip tos 4",
            "`encap ip` needs an address or an id",
        ),
        (
            "10.0.0.0/8 encap ip6 tc 4",
            "`encap ip6` needs an address or an id",
        ),
        (
            "10.0.0.0/8 encap ip id 18446744073709551616",
            "`18446744073709551616` is out of range",
        ),
        ("10.0.0.0/8 encap mpls", "`encap mpls` needs its labels"),
        ("10.0.0.0/8 encap mpls 1048576", "`1048576` are no MPLS labels"),
        ("10.0.0.0/8 encap mpls 1/2/3", "`1/2/3` are no MPLS labels"),
        ("10.0.0.0/8 encap mpls 1/", "`1/` are no MPLS labels"),
        ("10.0.0.0/8 encap ila 1:2:3", "`1:2:3` is no ILA locator"),
        (
            "10.0.0.0/8 encap ila 1:2:3:10000",
            "`1:2:3:10000` is no ILA locator",
        ),
        (
            "10.0.0.0/8 nexthop via 1.0.0.1 metric 5",
            "`metric` is no option of a next hop",
        ),
        (
            "10.0.0.0/8 nexthop via fe80::1",
            "`fe80::1` is not of the same family as what comes before it",
        ),
        (
            "10.0.0.0/8 track_group G track_group H",
            "`track_group` is already specified; the first one is kept",
        ),
    ] {
        let (route, titles) = read(text);
        assert_eq!(route, None, "{text}");
        assert!(titles.iter().any(|got| got == title), "{text}: {titles:?}");
    }
}

#[test]
fn what_keepalived_mends_is_mended_and_said() {
    for (text, title) in [
        (
            "10.0.0.1/8 dev a",
            "`10.0.0.1/8` has bits beyond its prefix length and 10.0.0.0/8 is used",
        ),
        ("10.0.0.0/8 features foo", "unknown feature `foo`"),
        (
            "10.0.0.0/8 ttl-propagate foo",
            "`foo` is neither `enabled` nor `disabled`",
        ),
        (
            "10.0.0.0/8 nexthop dev a weight 257",
            "`257` is no weight of a next hop and 1 is used",
        ),
        (
            "10.0.0.0/8 nexthop dev a weight 0",
            "`0` is no weight of a next hop and 1 is used",
        ),
        ("10.0.0.0/8 as to 1.2.3.4", "`as` is not supported and is ignored"),
        (
            "10.0.0.0/8 protocol static",
            "it is tracked by protocol 18 (keepalived), which is used instead of `static`",
        ),
    ] {
        let (route, titles) = read(text);
        assert_eq!(titles, [title], "{text}");
        let route = route.unwrap();
        assert_eq!(
            (route.destination, route.protocol),
            (prefix("10.0.0.0/8"), 18),
            "{text}"
        );
        assert!(route.next_hops.iter().all(|hop| hop.weight == 1), "{text}");
    }
}

#[test]
fn track_groups_are_for_static_routes() {
    let (route, report) = read_as(Usage::Virtual, "10.0.0.0/8 track_group G");
    assert_eq!(route, None);
    assert_eq!(report.exit_status(), ExitStatus::Errors);
}

#[test]
fn a_missing_value_ends_a_config_test_with_status_2() {
    for &option in super::line::OPTIONS {
        let flags = [
            "inet", "inet6", "onlink", "add", "prepend", "append", "nexthop", "no_track",
        ];
        let (_, report) = read_as(Usage::Static, &format!("10.0.0.0/8 {option}"));
        let expected = match option {
            "inet6" | "encap" => ExitStatus::Errors,
            flag if flags.contains(&flag) => ExitStatus::Ok,
            _ => ExitStatus::MissingParameter,
        };
        assert_eq!(report.exit_status(), expected, "{option}");
    }
}
