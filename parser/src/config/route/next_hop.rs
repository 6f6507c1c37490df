//! Next hops: `via`, `dev`, `weight`, and what goes with them.

use std::net::IpAddr;

use crate::config::route::{Encap, encap, line};
use crate::report::{Report, RoutingReason};
use crate::tree::{Options, Word};
use crate::units::Family;
use crate::value::names::{NameKind, Names};

/// One way a packet may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// `via`: the gateway, of the family of the route. `None` means that the destination is on the link.
    pub via: Option<IpAddr>,
    /// `dev`: the interface. `None` leaves it to the kernel.
    pub dev: Option<String>,
    /// `weight` of a multipath route, 1 to 256; 1 by default.
    pub weight: u16,
    /// `onlink`: the gateway is on the link although no prefix of the link says so.
    pub onlink: bool,
    /// `encap`.
    pub encap: Option<Encap>,
    /// `realms`, IPv4 only.
    pub realms: Option<Realms>,
}

impl NextHop {
    /// A next hop that is not described yet.
    pub(super) fn new() -> Self {
        Self {
            weight: 1,
            ..Self::default()
        }
    }
}

/// `realms [SOURCE/]DESTINATION`, each 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Realms {
    /// Realm of the source; 0 where none is written.
    pub source: u8,
    /// Realm of the destination.
    pub destination: u8,
}

const OPTIONS: &[&str] = &[
    "via", "dev", "oif", "weight", "onlink", "encap", "realms", "as", "nexthop",
];

/// Reads everything after the first `nexthop`.
pub(super) fn list(
    options: &mut Options<'_>,
    family: &mut line::FamilyOf,
    names: &Names<'_>,
    report: &mut Report,
) -> Vec<NextHop> {
    let mut hops = vec![NextHop::new()];
    while let Some(option) = options.take() {
        let Some(hop) = hops.last_mut() else { break };
        match option.text() {
            "nexthop" => hops.push(NextHop::new()),
            "via" => hop.via = via(options, family, report),
            "dev" | "oif" => hop.dev = options.value(report).map(|word| word.text().to_owned()),
            "weight" => hop.weight = weight(options, report).unwrap_or(1),
            "onlink" => hop.onlink = true,
            "encap" => hop.encap = encap::read(option, options, names, report),
            "realms" => hop.realms = realms(option, options, family, names, report),
            "as" => skip_nat(option, options, report),
            got => {
                let reason = RoutingReason::UnknownOption {
                    got: got.to_owned(),
                    line: "next hop",
                    nearest: report.nearest(got, OPTIONS.iter().copied()),
                };
                report.add(option.at(), reason.into());
                break;
            }
        }
    }
    hops
}

/// `via [inet|inet6] ADDRESS`.
pub(super) fn via(
    options: &mut Options<'_>,
    family: &mut line::FamilyOf,
    report: &mut Report,
) -> Option<IpAddr> {
    family.word(options, report);
    family.address(options.value(report)?, report)
}

/// `realms [SOURCE/]DESTINATION`.
pub(super) fn realms(
    option: Word<'_>,
    options: &mut Options<'_>,
    family: &mut line::FamilyOf,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<Realms> {
    let word = options.value(report)?;
    family.only(Family::Ipv4, option, report);
    read_realms(word, names, report)
}

/// Reads `[SOURCE/]DESTINATION`.
pub(crate) fn read_realms(word: Word<'_>, names: &Names<'_>, report: &mut Report) -> Option<Realms> {
    let (source, destination) = word.text().split_once('/').unwrap_or(("0", word.text()));
    let realm = |text| names.byte(NameKind::Realm, text).ok();
    let realms = realm(source).zip(realm(destination));
    if realms.is_none() {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::BadRealms { got }.into());
    }
    realms.map(|(source, destination)| Realms { source, destination })
}

fn weight(options: &mut Options<'_>, report: &mut Report) -> Option<u16> {
    let word = options.value(report)?;
    let weight = word
        .text()
        .parse()
        .ok()
        .filter(|weight| (1..=256).contains(weight));
    if weight.is_none() {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::BadWeight { got }.into());
    }
    weight
}

/// `as [to] ADDRESS`.
pub(super) fn skip_nat(option: Word<'_>, options: &mut Options<'_>, report: &mut Report) {
    options.take_if("to");
    if options.value(report).is_some() {
        report.add(option.at(), RoutingReason::NatUnsupported.into());
    }
}
