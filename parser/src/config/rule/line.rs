//! The reader of one rule line.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::config::route::{FamilyOf, Realms, RouteType, Target, read_realms};
use crate::config::routing::{Routing, Usage};
use crate::config::rule::{Lookup, LookupTable, Mark, Rule, RuleAction, Selector};
use crate::report::{Reason, Report, RoutingReason};
use crate::tree::{Line, Options, Word};
use crate::units::Family;
use crate::value::names::{NameKind, Names, PROTOCOL_KEEPALIVED};
use crate::value::number;
use crate::value::prefix::Prefix;

/// Every option of a rule line.
const OPTIONS: &[&str] = &[
    "inet",
    "inet6",
    "from",
    "to",
    "table",
    "lookup",
    "not",
    "preference",
    "order",
    "priority",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "dev",
    "iif",
    "oif",
    "tunnel-id",
    "uidrange",
    "l3mdev",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "no_track",
    "track_group",
    "type",
    "goto",
    "nop",
    "blackhole",
    "prohibit",
    "unreachable",
];

/// Words for any address.
const ANY: &[&str] = &["all", "any", "default"];

/// Reads one rule line. A line with a mistake that is more than a warning gives no rule.
pub(in crate::config) fn line(
    line: Line<'_>,
    usage: Usage,
    routing: &Routing<'_>,
    report: &mut Report,
) -> Option<Rule> {
    let mark = report.mark();
    line.no_block(report);
    let mut draft = Draft::new(line, &routing.names);
    let mut options = line.options();
    // keepalived gives a line up at its first mistake.
    while !report.is_spoilt_since(mark)
        && let Some(option) = options.take()
    {
        draft.option(option, &mut options, usage, report);
    }
    if report.is_spoilt_since(mark) {
        return None;
    }
    let rule = draft.finish(routing, report)?;
    (!report.is_spoilt_since(mark)).then_some(rule)
}

struct Draft<'t, 'n> {
    line: Line<'t>,
    names: &'n Names<'n>,
    family: FamilyOf,
    preference: Option<u32>,
    selector: Selector,
    action: Option<(RuleAction, Word<'t>)>,
    realms: Option<(Realms, Word<'t>)>,
    suppress_prefix_length: Option<(u32, Word<'t>)>,
    suppress_if_group: Option<(u32, Word<'t>)>,
    protocol: Option<(u8, Word<'t>)>,
    no_track: bool,
    track_group: Option<(&'t str, Word<'t>)>,
}

impl<'t, 'n> Draft<'t, 'n> {
    fn new(line: Line<'t>, names: &'n Names<'n>) -> Self {
        Self {
            line,
            names,
            family: FamilyOf::default(),
            preference: None,
            selector: Selector::default(),
            action: None,
            realms: None,
            suppress_prefix_length: None,
            suppress_if_group: None,
            protocol: None,
            no_track: false,
            track_group: None,
        }
    }

    /// Reads one option.
    fn option(&mut self, option: Word<'t>, options: &mut Options<'t>, usage: Usage, report: &mut Report) {
        match option.text() {
            "inet" => self.family.agree(Family::Ipv4, option, report),
            "inet6" => self.family.agree(Family::Ipv6, option, report),
            "not" => self.selector.invert = true,
            "nop" => self.act(RuleAction::Nop, option, report),
            "l3mdev" => self.look_up(LookupTable::L3mdev, option, report),
            "no_track" => self.no_track = true,
            "type" => {
                if let Some(word) = options.value(report) {
                    self.named_action(word, report);
                }
            }
            text if !OPTIONS.contains(&text) || RouteType::read(text).is_some() => {
                self.named_action(option, report);
            }
            "track_group" if usage == Usage::Virtual => self.named_action(option, report),
            _ => {
                if let Some(value) = options.value(report) {
                    self.value(option, value, report);
                }
            }
        }
    }

    /// Reads an option that has a value.
    fn value(&mut self, option: Word<'t>, word: Word<'t>, report: &mut Report) {
        match option.text() {
            "from" => self.selector.from = self.prefix(word, report),
            "to" => self.selector.to = self.prefix(word, report),
            "table" | "lookup" => self.table(option, word, report),
            "goto" => {
                if let Some(target) = word.number(0..=u32::MAX, report) {
                    self.act(RuleAction::Goto(target), option, report);
                }
            }
            "preference" | "order" | "priority" => self.preference = preference(word, report),
            "tos" | "dsfield" => {
                self.selector.tos = self.name(NameKind::Tos, word, report).unwrap_or(0);
            }
            "fwmark" => self.selector.fwmark = mark(option, word, report),
            "realms" => {
                self.family.only(Family::Ipv4, option, report);
                self.realms = read_realms(word, self.names, report).zip(Some(option));
            }
            "suppress_prefixlength" | "sup_pl" => {
                let length = word.number(0..=i32::MAX.unsigned_abs(), report);
                self.suppress_prefix_length = length.zip(Some(option));
            }
            "suppress_ifgroup" | "sup_group" => {
                self.suppress_if_group = self.name(NameKind::Group, word, report).zip(Some(option));
            }
            "dev" | "iif" => self.selector.iif = Some(word.text().to_owned()),
            "oif" => self.selector.oif = Some(word.text().to_owned()),
            "tunnel-id" => self.selector.tunnel_id = tunnel_id(word, report),
            "uidrange" => {
                self.selector.uid_range =
                    range(option, word, RangeForm::Pair, "FIRST-LAST, two user ids", report);
            }
            "protocol" => self.protocol = word.number(0..=u8::MAX, report).zip(Some(word)),
            "ipproto" => {
                let number = self.names.ip_protocol(word.text());
                self.selector.ip_protocol =
                    number.map_err(|reason| report.add(word.at(), reason.into())).ok();
            }
            "sport" => self.selector.sport = range(option, word, RangeForm::OneOrPair, PORTS, report),
            "dport" => self.selector.dport = range(option, word, RangeForm::OneOrPair, PORTS, report),
            _ => self.track_group(option, word, report),
        }
    }

    fn prefix(&mut self, word: Word<'t>, report: &mut Report) -> Option<Prefix> {
        match self.family.target(word, ANY, report)? {
            Target::Everything => None,
            Target::Within(prefix) => Some(prefix),
        }
    }

    /// `blackhole` and the like, by name or number; with or without `type` before it.
    fn named_action(&mut self, word: Word<'t>, report: &mut Report) {
        let action = match RouteType::read(word.text()) {
            Some(RouteType::Blackhole) => RuleAction::Blackhole,
            Some(RouteType::Unreachable) => RuleAction::Unreachable,
            Some(RouteType::Prohibit) => RuleAction::Prohibit,
            Some(_) => {
                let got = word.text().to_owned();
                report.add(word.at(), RoutingReason::BadAction { got }.into());
                return;
            }
            None => {
                let reason = RoutingReason::UnknownOption {
                    got: word.text().to_owned(),
                    line: "rule",
                    nearest: report.nearest(word.text(), OPTIONS.iter().copied()),
                };
                report.add(word.at(), reason.into());
                return;
            }
        };
        self.act(action, word, report);
    }

    fn act(&mut self, action: RuleAction, word: Word<'t>, report: &mut Report) {
        if self.action.is_some() {
            let got = word.text().to_owned();
            report.add(word.at(), RoutingReason::SecondAction { got }.into());
        } else {
            self.action = Some((action, word));
        }
    }

    fn look_up(&mut self, table: LookupTable, option: Word<'t>, report: &mut Report) {
        let lookup = Lookup {
            table,
            realms: None,
            suppress_prefix_length: None,
            suppress_if_group: None,
        };
        self.act(RuleAction::Lookup(lookup), option, report);
    }

    fn table(&mut self, option: Word<'t>, word: Word<'t>, report: &mut Report) {
        match self.names.number(NameKind::Table, word.text()) {
            Ok(0) => report.add(word.at(), RoutingReason::TableZero.into()),
            Ok(id) => self.look_up(LookupTable::Id(id), option, report),
            Err(reason) => report.add(word.at(), reason.into()),
        }
    }

    fn name<T: TryFrom<u32>>(&self, kind: NameKind, word: Word<'t>, report: &mut Report) -> Option<T> {
        let number = self.names.number(kind, word.text());
        number
            .map_err(|reason| report.add(word.at(), reason.into()))
            .ok()
            .and_then(|number| T::try_from(number).ok())
    }

    fn track_group(&mut self, option: Word<'t>, word: Word<'t>, report: &mut Report) {
        if self.track_group.is_some() {
            let keyword = option.text().to_owned();
            report.add(option.at(), Reason::AlreadySpecified { keyword });
        } else {
            self.track_group = Some((word.text(), option));
        }
    }

    fn finish(mut self, routing: &Routing<'_>, report: &mut Report) -> Option<Rule> {
        let line = self.line;
        let Some((action, action_word)) = self.action.take() else {
            report.add(line.at(), RoutingReason::NoAction.into());
            return None;
        };
        if let RuleAction::Goto(target) = action
            && self.preference.is_none_or(|preference| preference >= target)
        {
            report.add(action_word.at(), RoutingReason::GotoBackwards { target }.into());
            return None;
        }
        if let Some((_, word)) = self.track_group
            && self.selector.iif.is_none()
        {
            report.add(word.at(), RoutingReason::TrackGroupNeeds { option: "dev" }.into());
        }
        let action = self.with_table_options(action, report);
        let preference = self.preference.unwrap_or_else(|| {
            let preference = routing.next_preference();
            report.add(line.at(), RoutingReason::NoPreference { preference }.into());
            preference
        });
        Some(Rule {
            family: self.family.get(),
            preference,
            protocol: self.tracked_protocol(report),
            selector: self.selector,
            action,
            no_track: self.no_track,
            track_group: self.track_group.map(|(name, _)| name.to_owned()),
            place: line.place(),
        })
    }

    /// Realms and suppressors belong to the table they stand beside.
    fn with_table_options(&self, action: RuleAction, report: &mut Report) -> RuleAction {
        if let RuleAction::Lookup(lookup) = action {
            return RuleAction::Lookup(Lookup {
                realms: self.realms.map(|(realms, _)| realms),
                suppress_prefix_length: self.suppress_prefix_length.map(|(length, _)| length),
                suppress_if_group: self.suppress_if_group.map(|(group, _)| group),
                ..lookup
            });
        }
        for (option, word) in [
            ("realms", self.realms.map(|(_, word)| word)),
            (
                "suppress_prefixlength",
                self.suppress_prefix_length.map(|(_, word)| word),
            ),
            ("suppress_ifgroup", self.suppress_if_group.map(|(_, word)| word)),
        ] {
            if let Some(word) = word {
                report.add(word.at(), RoutingReason::NeedsTable { option }.into());
            }
        }
        action
    }

    /// A tracked rule is recognised by its protocol, so that it must be keepalived's.
    fn tracked_protocol(&self, report: &mut Report) -> u8 {
        match self.protocol {
            Some((protocol, _)) if self.no_track || protocol == PROTOCOL_KEEPALIVED => protocol,
            Some((_, word)) => {
                let got = word.text().to_owned();
                report.add(word.at(), RoutingReason::ProtocolReset { got }.into());
                PROTOCOL_KEEPALIVED
            }
            None => PROTOCOL_KEEPALIVED,
        }
    }
}

/// A number in C's notation.
fn preference(word: Word<'_>, report: &mut Report) -> Option<u32> {
    let preference = number::any_base(word.text()).and_then(|number| u32::try_from(number).ok());
    if preference.is_none() {
        let (got, range) = (word.text().to_owned(), format!("a number from 0 to {}", u32::MAX));
        report.add(word.at(), Reason::NotANumber { got, range });
    }
    preference
}

/// `MARK[/MASK]`, both in C's notation.
fn mark(option: Word<'_>, word: Word<'_>, report: &mut Report) -> Option<Mark> {
    let number = |text: &str| u32::try_from(number::any_base(text)?).ok();
    // keepalived takes a mask that is left out after the slash for 0.
    let mask = |text: &str| if text.is_empty() { Some(0) } else { number(text) };
    let written = match word.text().split_once('/') {
        Some((value, bits)) => number(value).zip(mask(bits)),
        None => number(word.text()).zip(Some(u32::MAX)),
    };
    let Some((value, mask)) = written else {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::BadMark { got }.into());
        return None;
    };
    if value & !mask != 0 {
        never_matches(option, word, report);
    }
    Some(Mark { value, mask })
}

fn tunnel_id(word: Word<'_>, report: &mut Report) -> Option<u64> {
    let (id, reason) = number::long(word.text());
    if let Some(reason) = reason {
        report.add(word.at(), reason);
    }
    id
}

const PORTS: &str = "PORT or FIRST-LAST, each up to 65535";

/// Whether a single number is a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RangeForm {
    Pair,
    OneOrPair,
}

/// `FIRST-LAST`. One that is empty is kept, as keepalived keeps it, and pointed out.
fn range<T: Copy + FromStr + PartialOrd>(
    option: Word<'_>,
    word: Word<'_>,
    form: RangeForm,
    allowed: &'static str,
    report: &mut Report,
) -> Option<RangeInclusive<T>> {
    let number = |text: &str| number::digits(text, 10).and_then(|_| text.parse::<T>().ok());
    let bounds = match word.text().split_once('-') {
        Some((first, last)) => number(first).zip(number(last)),
        None if form == RangeForm::OneOrPair => number(word.text()).map(|port| (port, port)),
        None => None,
    };
    let Some((first, last)) = bounds else {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::BadRange { got, range: allowed }.into());
        return None;
    };
    if first > last {
        never_matches(option, word, report);
    }
    Some(first..=last)
}

fn never_matches(option: Word<'_>, word: Word<'_>, report: &mut Report) {
    let (option, got) = (option.text().to_owned(), word.text().to_owned());
    report.add(word.at(), RoutingReason::NeverMatches { option, got }.into());
}
