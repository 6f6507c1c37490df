//! The stories of rule lines.

use super::*;
use crate::config::routing::{Routing, Usage};
use crate::report::{ExitStatus, Report};
use crate::source::Memory;
use crate::tree::Tree;

fn read_as(usage: Usage, text: &str) -> (Option<Rule>, Report) {
    let host = Memory::new([
        ("/etc/iproute2/rt_tables", "100 blue"),
        ("/etc/iproute2/group", "7 seven"),
    ]);
    let mut report = Report::default();
    let tree = Tree::read(format!("static_rules {{\n{text}\n}}\n"), &mut report);
    let block = tree.lines().next().unwrap();
    let line_of_rule = block.list(&mut report).next();
    let routing = Routing::new(&tree, &host);
    let rule = line_of_rule.and_then(|l| line(l, usage, &routing, &mut report));
    (rule, report)
}

fn read(text: &str) -> (Option<Rule>, Vec<String>) {
    let (rule, report) = read_as(Usage::Static, text);
    (
        rule,
        report
            .mistakes
            .iter()
            .map(|mistake| mistake.reason.to_string())
            .collect(),
    )
}

fn good(text: &str) -> Rule {
    let (rule, titles) = read(text);
    assert_eq!(titles, Vec::<String>::new(), "{text}");
    rule.unwrap_or_else(|| panic!("no rule: {text}"))
}

fn lookup(table: u32) -> Lookup {
    Lookup {
        table: LookupTable::Id(table),
        realms: None,
        suppress_prefix_length: None,
        suppress_if_group: None,
    }
}

fn prefix(text: &str) -> Option<Prefix> {
    let (address, length) = text.split_once('/')?;
    Some(Prefix {
        address: address.parse().ok()?,
        length: length.parse().ok()?,
    })
}

#[test]
fn a_rule_is_a_selector_and_an_action() {
    let rule = good("from 10.0.0.0/8 table blue preference 50");
    assert_eq!(
        (rule.family, rule.preference, rule.protocol),
        (Family::Ipv4, 50, 18)
    );
    assert_eq!(
        rule.selector,
        Selector {
            from: prefix("10.0.0.0/8"),
            ..Selector::default()
        }
    );
    assert_eq!(rule.action, RuleAction::Lookup(lookup(100)));
    assert_eq!((rule.no_track, rule.track_group), (false, None));
}

#[test]
fn every_selector_is_a_value() {
    let with = |text: &str| good(&format!("{text} table 5 order 50")).selector;
    let any = Selector::default;
    assert_eq!(with("from all"), any());
    assert_eq!(with("to any"), any());
    assert_eq!(with("from default"), any());
    assert_eq!(
        with("not from 10.0.0.0/8"),
        Selector {
            invert: true,
            from: prefix("10.0.0.0/8"),
            ..any()
        }
    );
    assert_eq!(
        with("to 10.0.0.0/8"),
        Selector {
            to: prefix("10.0.0.0/8"),
            ..any()
        }
    );
    assert_eq!(with("tos 16"), Selector { tos: 16, ..any() });
    assert_eq!(with("dsfield EF"), Selector { tos: 0xb8, ..any() });
    assert_eq!(
        with("fwmark 5").fwmark,
        Some(Mark {
            value: 5,
            mask: u32::MAX
        })
    );
    assert_eq!(with("fwmark 0x5/0xff").fwmark, Some(Mark { value: 5, mask: 255 }));
    assert_eq!(with("dev a").iif.as_deref(), Some("a"));
    assert_eq!(with("iif a").iif.as_deref(), Some("a"));
    assert_eq!(with("oif a").oif.as_deref(), Some("a"));
    assert_eq!(with("tunnel-id 18446744073709551615").tunnel_id, Some(u64::MAX));
    assert_eq!(with("uidrange 0-4294967295").uid_range, Some(0..=u32::MAX));
    assert_eq!(with("ipproto TCP").ip_protocol, Some(6));
    assert_eq!(with("ipproto 255").ip_protocol, Some(255));
    assert_eq!(with("sport 10").sport, Some(10..=10));
    assert_eq!(with("sport 10-20").sport, Some(10..=20));
    assert_eq!(with("dport 0-65535").dport, Some(0..=65535));
}

#[test]
fn every_action_is_a_value() {
    let action = |text: &str| good(&format!("preference 50 {text}")).action;
    assert_eq!(action("table main"), RuleAction::Lookup(lookup(254)));
    assert_eq!(action("lookup 4294967295"), RuleAction::Lookup(lookup(u32::MAX)));
    assert_eq!(
        action("l3mdev"),
        RuleAction::Lookup(Lookup {
            table: LookupTable::L3mdev,
            ..lookup(1)
        })
    );
    assert_eq!(action("goto 51"), RuleAction::Goto(51));
    assert_eq!(action("nop"), RuleAction::Nop);
    assert_eq!(action("blackhole"), RuleAction::Blackhole);
    assert_eq!(action("type prohibit"), RuleAction::Prohibit);
    assert_eq!(action("7"), RuleAction::Unreachable);
    let RuleAction::Lookup(all) = action("table 5 realms 1/2 sup_pl 0 sup_group seven") else {
        panic!()
    };
    assert_eq!(
        all.realms,
        Some(Realms {
            source: 1,
            destination: 2
        })
    );
    assert_eq!(
        (all.suppress_prefix_length, all.suppress_if_group),
        (Some(0), Some(7))
    );
    let RuleAction::Lookup(most) = action("table 5 suppress_prefixlength 2147483647 suppress_ifgroup 1")
    else {
        panic!()
    };
    assert_eq!(
        (most.suppress_prefix_length, most.suppress_if_group),
        (Some(i32::MAX.unsigned_abs()), Some(1))
    );
}

#[test]
fn family_preference_and_tracking() {
    assert_eq!(
        good("from 2001:db8::/32 table 5 priority 0x32").family,
        Family::Ipv6
    );
    assert_eq!(good("inet6 table 5 priority 062").family, Family::Ipv6);
    assert_eq!(good("inet table 5 priority 062").preference, 50);
    assert_eq!(good("table 5 priority 4294967295").preference, u32::MAX);
    assert_eq!(good("table 5 priority 1 protocol 5 no_track").protocol, 5);
    assert_eq!(
        good("table 5 priority 1 iif a track_group G")
            .track_group
            .as_deref(),
        Some("G")
    );
}

#[test]
fn rules_without_preference_count_downwards_from_16384() {
    let host = Memory::default();
    let mut report = Report::default();
    let tree = Tree::read(
        "static_rules {\ntable 1\ntable\ntable 2\n}\n".to_owned(),
        &mut report,
    );
    let routing = Routing::new(&tree, &host);
    let lines: Vec<_> = tree.lines().next().unwrap().list(&mut report).collect();
    let rules = lines
        .into_iter()
        .filter_map(|l| line(l, Usage::Static, &routing, &mut report));
    let preferences: Vec<u32> = rules.map(|rule| rule.preference).collect();
    assert_eq!(preferences, [16384, 16383]);
}

#[test]
fn a_line_that_is_not_understood_gives_no_rule_and_says_why() {
    for (text, title) in [
        ("from 10.0.0.0/8 priority 50", "the rule has no action"),
        ("from foo table 5", "`foo` is not an IP address"),
        ("from 10.0.0.0/33 table 5", "`33` is out of range"),
        (
            "from 10.0.0.0/8 to fe80::/64 table 5",
            "`fe80::/64` is not of the same family as what comes before it",
        ),
        (
            "inet6 from 10.0.0.0/8 table 5",
            "`10.0.0.0/8` is not of the same family as what comes before it",
        ),
        ("table 0 priority 5", "a rule cannot lead to table 0"),
        ("table green priority 5", "`green` is no routing table"),
        (
            "table 5 table 6 priority 5",
            "the rule has a second action `table`",
        ),
        (
            "l3mdev table 6 priority 5",
            "the rule has a second action `table`",
        ),
        (
            "table 6 l3mdev priority 5",
            "the rule has a second action `l3mdev`",
        ),
        (
            "nop blackhole priority 5",
            "the rule has a second action `blackhole`",
        ),
        ("table 5 priority 4294967296", "`4294967296` is not a number"),
        ("table 5 priority -1", "`-1` is not a number"),
        ("table 5 priority", "`priority` needs a value"),
        ("table 5 tos 256", "`256` is no type of service"),
        ("table 5 fwmark foo", "`foo` is no firewall mark"),
        ("table 5 fwmark 4294967296", "`4294967296` is no firewall mark"),
        ("table 5 fwmark 1/2/3", "`1/2/3` is no firewall mark"),
        ("inet6 table 5 realms 1", "`realms` is for IPv4 only"),
        ("table 5 realms foo", "`foo` are no realms"),
        ("priority 5 blackhole realms 1", "`realms` goes with a table only"),
        (
            "priority 5 nop sup_pl 1",
            "`suppress_prefixlength` goes with a table only",
        ),
        (
            "priority 5 nop sup_group 1",
            "`suppress_ifgroup` goes with a table only",
        ),
        ("table 5 sup_pl 2147483648", "`2147483648` is out of range"),
        ("table 5 sup_group foo", "`foo` is no group of interfaces"),
        (
            "table 5 tunnel-id 18446744073709551616",
            "`18446744073709551616` is out of range",
        ),
        ("table 5 tunnel-id 0x10", "`0x10` is not a number"),
        ("table 5 uidrange 5", "`5` is no range"),
        ("table 5 uidrange 0x5-0x6", "`0x5-0x6` is no range"),
        ("table 5 sport 65536", "`65536` is no range"),
        ("table 5 dport 10-", "`10-` is no range"),
        ("table 5 ipproto 256", "`256` is no IP protocol"),
        ("table 5 ip_proto tcp", "`ip_proto` is no option of a rule"),
        ("table 5 protocol static", "`static` is not a number"),
        ("table 5 protocol 256", "`256` is out of range"),
        ("throw priority 5", "`throw` is no action of a rule"),
        ("type foo priority 5", "`foo` is no option of a rule"),
        ("type", "`type` needs a value"),
        ("goto 60", "`goto 60` must lead to a rule after this one"),
        (
            "goto 60 priority 60",
            "`goto 60` must lead to a rule after this one",
        ),
        ("goto foo priority 60", "`foo` is not a number"),
        ("table 5 track_group G", "a track group needs `dev` on the line"),
        (
            "table 5 oif a track_group G",
            "a track group needs `dev` on the line",
        ),
        (
            "table 5 iif a track_group G track_group G",
            "`track_group` is already specified; the first one is kept",
        ),
    ] {
        let (rule, titles) = read(text);
        assert_eq!(rule, None, "{text}");
        assert!(titles.iter().any(|got| got == title), "{text}: {titles:?}");
    }
}

#[test]
fn what_keepalived_takes_but_nothing_can_match_is_pointed_out() {
    for (text, title) in [
        (
            "table 5 priority 5 sport 20-10",
            "no packet can match `sport 20-10`",
        ),
        (
            "table 5 priority 5 uidrange 6-5",
            "no packet can match `uidrange 6-5`",
        ),
        (
            "table 5 priority 5 fwmark 5/2",
            "no packet can match `fwmark 5/2`",
        ),
    ] {
        let (rule, report) = read_as(Usage::Static, text);
        assert!(rule.is_some(), "{text}");
        assert_eq!(report.mistakes[0].reason.to_string(), title);
        assert_eq!(report.exit_status(), ExitStatus::Ok);
    }
    let (rule, titles) = read("table 5 priority 5 protocol 4");
    assert_eq!(rule.unwrap().protocol, 18);
    assert_eq!(
        titles,
        ["it is tracked by protocol 18 (keepalived), which is used instead of `4`"]
    );
}

#[test]
fn track_groups_are_for_static_rules() {
    let (rule, report) = read_as(Usage::Virtual, "iif a table 5 priority 5 track_group G");
    assert_eq!(rule, None);
    assert_eq!(report.exit_status(), ExitStatus::Errors);
}
