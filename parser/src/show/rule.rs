//! Rule lines.

use std::ops::RangeInclusive;

use super::route::{Words, prefix, realms};
use super::text::word;
use super::virtual_server_group::family;
use crate::config::Rule;
use crate::config::rule::{Lookup, LookupTable, RuleAction};

pub(super) fn line(rule: &Rule) -> String {
    let mut words = Words::default();
    let selector = &rule.selector;
    words.flag(family(rule.family), true);
    words.flag("not", selector.invert);
    words.option("from", selector.from.map(prefix));
    words.option("to", selector.to.map(prefix));
    words.option("tos", (selector.tos != 0).then_some(selector.tos));
    let mark = selector
        .fwmark
        .map(|mark| format!("{:#x}/{:#x}", mark.value, mark.mask));
    words.option("fwmark", mark);
    words.option("iif", selector.iif.as_deref().map(word));
    words.option("oif", selector.oif.as_deref().map(word));
    words.option("tunnel-id", selector.tunnel_id);
    words.option("uidrange", selector.uid_range.as_ref().map(range));
    words.option("ipproto", selector.ip_protocol);
    words.option("sport", selector.sport.as_ref().map(range));
    words.option("dport", selector.dport.as_ref().map(range));
    words.option("preference", Some(rule.preference));
    words.option("protocol", Some(rule.protocol));
    action(&mut words, &rule.action);
    words.flag("no_track", rule.no_track);
    words.option("track_group", rule.track_group.as_deref().map(word));
    words.0.join(" ")
}

fn range<T: std::fmt::Display>(range: &RangeInclusive<T>) -> String {
    format!("{}-{}", range.start(), range.end())
}

fn action(words: &mut Words, action: &RuleAction) {
    match action {
        RuleAction::Lookup(lookup) => look_up(words, lookup),
        RuleAction::Goto(target) => words.option("goto", Some(target)),
        RuleAction::Nop => words.flag("nop", true),
        RuleAction::Blackhole => words.flag("blackhole", true),
        RuleAction::Unreachable => words.flag("unreachable", true),
        RuleAction::Prohibit => words.flag("prohibit", true),
    }
}

fn look_up(words: &mut Words, lookup: &Lookup) {
    match lookup.table {
        LookupTable::Id(id) => words.option("table", Some(id)),
        LookupTable::L3mdev => words.flag("l3mdev", true),
    }
    words.option("realms", lookup.realms.map(realms));
    words.option("suppress_prefixlength", lookup.suppress_prefix_length);
    words.option("suppress_ifgroup", lookup.suppress_if_group);
}
