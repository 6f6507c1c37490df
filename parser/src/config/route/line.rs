//! The reader of one route line.

use std::net::IpAddr;

use crate::config::route::metrics::Metrics;
use crate::config::route::{Insertion, NextHop, Route, RouteTable, RouteType, encap, next_hop};
use crate::config::routing::Usage;
use crate::report::{Reason, Report, RoutingReason};
use crate::tree::{Line, Options, Word};
use crate::units::Family;
use crate::value::names::{NameKind, Names, PROTOCOL_KEEPALIVED};
use crate::value::prefix::Prefix;

/// Every option of a route line, besides those of [`Metrics::OPTIONS`] and the names of route types.
pub(super) const OPTIONS: &[&str] = &[
    "to",
    "inet",
    "inet6",
    "src",
    "as",
    "via",
    "gw",
    "from",
    "tos",
    "dsfield",
    "table",
    "protocol",
    "scope",
    "metric",
    "priority",
    "preference",
    "dev",
    "oif",
    "onlink",
    "encap",
    "expires",
    "realms",
    "pref",
    "ttl-propagate",
    "add",
    "prepend",
    "append",
    "or",
    "nexthop",
    "no_track",
    "track_group",
    "vrf",
];

/// Reads one route line. A line with a mistake that is more than a warning gives no route.
pub(in crate::config) fn line(
    line: Line<'_>,
    usage: Usage,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<Route> {
    let mark = report.mark();
    line.no_block(report);
    let mut draft = Draft::new(line, names);
    let mut options = line.options();
    // keepalived gives a line up at its first mistake.
    while !report.is_spoilt_since(mark)
        && let Some(option) = options.take()
    {
        if !draft.metrics.read(option, &mut options, report) {
            draft.option(option, &mut options, usage, report);
        }
    }
    if draft.destination.is_none() && !report.is_spoilt_since(mark) {
        report.add(line.at(), RoutingReason::NoDestination.into());
    }
    let route = draft.finish(report)?;
    (!report.is_spoilt_since(mark)).then_some(route)
}

/// The family of a line: that of the first word which has one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FamilyOf(Option<Family>);

impl FamilyOf {
    /// The family; IPv4 if nothing says otherwise.
    pub(crate) fn get(self) -> Family {
        self.0.unwrap_or(Family::Ipv4)
    }

    /// Holds another word against the family, or lets it decide.
    pub(crate) fn agree(&mut self, family: Family, word: Word<'_>, report: &mut Report) {
        if *self.0.get_or_insert(family) != family {
            let got = word.text().to_owned();
            report.add(word.at(), RoutingReason::MixedFamilies { got }.into());
        }
    }

    /// Takes `inet` or `inet6` if it comes next.
    pub(crate) fn word(&mut self, options: &mut Options<'_>, report: &mut Report) {
        if let Some(word) = options.take_any(&["inet", "inet6"]) {
            let family = if word.text() == "inet" {
                Family::Ipv4
            } else {
                Family::Ipv6
            };
            self.agree(family, word, report);
        }
    }

    /// Reads an address of the family.
    pub(crate) fn address(&mut self, word: Word<'_>, report: &mut Report) -> Option<IpAddr> {
        let address = word.address(report)?;
        self.agree(Family::of(address), word, report);
        Some(address)
    }

    /// Reads a prefix of the family and drops the bits beyond its length.
    pub(crate) fn target(&mut self, word: Word<'_>, all: &[&str], report: &mut Report) -> Option<Target> {
        if all.contains(&word.text()) {
            return Some(Target::Everything);
        }
        let (address, length) = word.address_with_prefix(report)?;
        let prefix = Prefix { address, length };
        self.agree(prefix.family(), word, report);
        let masked = prefix.masked();
        if masked != prefix {
            let (got, meant) = (
                word.text().to_owned(),
                format!("{}/{}", masked.address, masked.length),
            );
            report.add(word.at(), RoutingReason::HostBits { got, meant }.into());
        }
        Some(Target::Within(masked))
    }

    /// Holds an option of one family against that of the line, or lets it decide.
    pub(crate) fn only(&mut self, wanted: Family, option: Word<'_>, report: &mut Report) {
        if *self.0.get_or_insert(wanted) != wanted {
            let text = option.text().to_owned();
            report.add(
                option.at(),
                RoutingReason::WrongFamily { option: text, wanted }.into(),
            );
        }
    }
}

/// Where packets go to or come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// `default` and the like: anywhere, in either family.
    Everything,
    /// A prefix.
    Within(Prefix),
}

impl Target {
    fn prefix(self, family: Family) -> Prefix {
        match self {
            Self::Everything => Prefix::everything(family),
            Self::Within(prefix) => prefix,
        }
    }
}

struct Draft<'t, 'n> {
    line: Line<'t>,
    names: &'n Names<'n>,
    family: FamilyOf,
    kind: RouteType,
    destination: Option<Target>,
    source: Option<Prefix>,
    tos: u8,
    table: RouteTable,
    protocol: Option<(u8, Word<'t>)>,
    scope: Option<u8>,
    metric: Option<u32>,
    preferred_source: Option<IpAddr>,
    /// What stands on the line itself.
    own_hop: NextHop,
    /// `or ADDRESS`.
    or: Option<IpAddr>,
    /// After `nexthop`.
    next_hops: Vec<NextHop>,
    metrics: Metrics,
    expires: Option<u32>,
    preference: Option<u8>,
    ttl_propagate: Option<bool>,
    insertion: Insertion,
    no_track: bool,
    track_group: Option<String>,
}

impl<'t, 'n> Draft<'t, 'n> {
    fn new(line: Line<'t>, names: &'n Names<'n>) -> Self {
        Self {
            line,
            names,
            family: FamilyOf::default(),
            kind: RouteType::Unicast,
            destination: None,
            source: None,
            tos: 0,
            table: RouteTable::MAIN,
            protocol: None,
            scope: None,
            metric: None,
            preferred_source: None,
            own_hop: NextHop::new(),
            or: None,
            next_hops: Vec::new(),
            metrics: Metrics::default(),
            expires: None,
            preference: None,
            ttl_propagate: None,
            insertion: Insertion::default(),
            no_track: false,
            track_group: None,
        }
    }

    /// Reads one option.
    fn option(&mut self, option: Word<'t>, options: &mut Options<'t>, usage: Usage, report: &mut Report) {
        match option.text() {
            "inet" => self.family.agree(Family::Ipv4, option, report),
            "inet6" => self.family.agree(Family::Ipv6, option, report),
            "to" => {
                if let Some(word) = options.value(report) {
                    self.destination = self.family.target(word, DEFAULT, report);
                }
            }
            "src" => self.preferred_source = self.address(options, report),
            "via" => self.own_hop.via = next_hop::via(options, &mut self.family, report),
            "gw" => {
                report.add(
                    option.at(),
                    Reason::Deprecated {
                        keyword: "gw".to_owned(),
                        instead: "via",
                    },
                );
                self.own_hop.via = self.address(options, report);
            }
            "or" => self.or(option, options, report),
            "as" => next_hop::skip_nat(option, options, report),
            "from" => self.from(option, options, report),
            "tos" | "dsfield" => self.tos = self.byte(NameKind::Tos, options, report).unwrap_or(0),
            "table" => self.table(options, report),
            "vrf" => {
                if let Some(word) = options.value(report) {
                    self.table = RouteTable::Vrf(word.text().to_owned());
                }
            }
            "protocol" => {
                let word = options.peek();
                self.protocol = self.byte(NameKind::Protocol, options, report).zip(word);
            }
            "scope" => self.scope = self.byte(NameKind::Scope, options, report),
            "metric" | "priority" | "preference" => {
                self.metric = options
                    .value(report)
                    .and_then(|word| word.number(0..=u32::MAX, report));
            }
            "dev" | "oif" => self.own_hop.dev = options.value(report).map(|word| word.text().to_owned()),
            "onlink" => self.own_hop.onlink = true,
            "encap" => self.own_hop.encap = encap::read(option, options, self.names, report),
            "realms" => {
                self.own_hop.realms = next_hop::realms(option, options, &mut self.family, self.names, report);
            }
            "expires" => {
                self.family.only(Family::Ipv6, option, report);
                self.expires = options
                    .value(report)
                    .and_then(|word| word.number(0..=u32::MAX, report));
            }
            "pref" => {
                self.family.only(Family::Ipv6, option, report);
                self.preference = options.value(report).and_then(|word| preference(word, report));
            }
            "ttl-propagate" => {
                self.ttl_propagate = options.value(report).and_then(|word| ttl_propagate(word, report));
            }
            "add" => self.insertion = Insertion::Add,
            "prepend" => self.insertion = Insertion::Prepend,
            "append" => self.insertion = Insertion::Append,
            "nexthop" => self.next_hops(option, options, report),
            "no_track" => self.no_track = true,
            "track_group" if usage == Usage::Static => self.track_group(option, options, report),
            text => self.type_or_destination(text, option, options, report),
        }
    }

    /// A word that is no option: a route type if something follows, or the destination.
    fn type_or_destination(
        &mut self,
        text: &str,
        word: Word<'t>,
        options: &mut Options<'t>,
        report: &mut Report,
    ) {
        if let Some(kind) = RouteType::read(text) {
            self.kind = kind;
            if options.peek().is_none() {
                let keyword = text.to_owned();
                report.add(word.at(), Reason::MissingParameter { keyword });
            }
            return;
        }
        let address = text.split('/').next().unwrap_or(text);
        if text != "default" && address.parse::<IpAddr>().is_err() {
            let nearest = report.nearest(text, OPTIONS.iter().copied());
            let nearest = nearest.or_else(|| report.nearest(text, Metrics::OPTIONS.iter().copied()));
            let reason = RoutingReason::UnknownOption {
                got: text.to_owned(),
                line: "route",
                nearest,
            };
            report.add(word.at(), reason.into());
            return;
        }
        self.destination = self.family.target(word, DEFAULT, report);
    }

    fn address(&mut self, options: &mut Options<'t>, report: &mut Report) -> Option<IpAddr> {
        self.family.address(options.value(report)?, report)
    }

    fn byte(&self, kind: NameKind, options: &mut Options<'t>, report: &mut Report) -> Option<u8> {
        let word = options.value(report)?;
        let number = self.names.byte(kind, word.text());
        number.map_err(|reason| report.add(word.at(), reason.into())).ok()
    }

    fn table(&mut self, options: &mut Options<'t>, report: &mut Report) {
        let Some(word) = options.value(report) else { return };
        match self.names.number(NameKind::Table, word.text()) {
            Ok(id) => self.table = RouteTable::Id(id),
            Err(reason) => report.add(word.at(), reason.into()),
        }
    }

    fn from(&mut self, option: Word<'t>, options: &mut Options<'t>, report: &mut Report) {
        let Some(word) = options.value(report) else { return };
        let source = self.family.target(word, DEFAULT, report);
        self.family.only(Family::Ipv6, option, report);
        self.source = source.map(|source| source.prefix(Family::Ipv6));
    }

    fn or(&mut self, option: Word<'t>, options: &mut Options<'t>, report: &mut Report) {
        report.add(
            option.at(),
            Reason::Deprecated {
                keyword: "or".to_owned(),
                instead: "nexthop",
            },
        );
        let address = self.address(options, report);
        if self.or.is_some() {
            report.add(option.at(), RoutingReason::SecondOr.into());
        } else {
            self.or = address;
        }
    }

    fn next_hops(&mut self, option: Word<'t>, options: &mut Options<'t>, report: &mut Report) {
        if self.or.is_some() {
            report.add(option.at(), RoutingReason::OrWithNextHop.into());
        }
        let own = &self.own_hop;
        for (option_text, written) in [
            ("via", own.via.is_some()),
            ("onlink", own.onlink),
            ("encap", own.encap.is_some()),
            ("realms", own.realms.is_some()),
        ] {
            if written {
                report.add(
                    option.at(),
                    RoutingReason::BesideNextHops { option: option_text }.into(),
                );
            }
        }
        self.next_hops = next_hop::list(options, &mut self.family, self.names, report);
    }

    fn track_group(&mut self, option: Word<'t>, options: &mut Options<'t>, report: &mut Report) {
        let name = options.value(report).map(|word| word.text().to_owned());
        if self.track_group.is_some() {
            let keyword = option.text().to_owned();
            report.add(option.at(), Reason::AlreadySpecified { keyword });
        } else {
            self.track_group = name;
        }
    }

    fn finish(mut self, report: &mut Report) -> Option<Route> {
        let destination = self.destination?;
        let protocol = self.tracked_protocol(report);
        let next_hops = self.all_hops();
        Some(Route {
            kind: self.kind,
            destination: destination.prefix(self.family.get()),
            source: self.source,
            tos: self.tos,
            table: self.table,
            protocol,
            scope: self.scope,
            metric: self.metric,
            preferred_source: self.preferred_source,
            next_hops,
            metrics: self.metrics,
            expires: self.expires,
            preference: self.preference,
            ttl_propagate: self.ttl_propagate,
            insertion: self.insertion,
            no_track: self.no_track,
            track_group: self.track_group,
            place: self.line.place(),
        })
    }

    /// A tracked route is recognised by its protocol, so that it must be keepalived's.
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

    fn all_hops(&mut self) -> Vec<NextHop> {
        let own = std::mem::replace(&mut self.own_hop, NextHop::new());
        if !self.next_hops.is_empty() {
            // An interface before the first `nexthop` is that of every hop without its own.
            let mut hops = std::mem::take(&mut self.next_hops);
            for hop in &mut hops {
                hop.dev = hop.dev.take().or_else(|| own.dev.clone());
            }
            return hops;
        }
        let alternative = self.or.map(|via| NextHop {
            via: Some(via),
            ..own.clone()
        });
        let first = (own.via.is_some() || alternative.is_none()).then_some(own);
        first
            .into_iter()
            .chain(alternative)
            .filter(|hop| *hop != NextHop::new())
            .collect()
    }
}

/// The word for every destination.
const DEFAULT: &[&str] = &["default"];

/// `pref low|medium|high|NUMBER` (RFC 4191 2.1).
fn preference(word: Word<'_>, report: &mut Report) -> Option<u8> {
    match word.text() {
        "medium" => Some(0),
        "high" => Some(1),
        "low" => Some(3),
        _ => word.number(0..=u8::MAX, report),
    }
}

fn ttl_propagate(word: Word<'_>, report: &mut Report) -> Option<bool> {
    match word.text() {
        "enabled" => Some(true),
        "disabled" => Some(false),
        got => {
            let got = got.to_owned();
            report.add(word.at(), RoutingReason::BadTtlPropagate { got }.into());
            None
        }
    }
}
