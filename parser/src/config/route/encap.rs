//! `encap`: lightweight tunnels of a route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::report::{Report, RoutingReason};
use crate::tree::{Options, Word};
use crate::units::Family;
use crate::value::names::{NameKind, Names};
use crate::value::number;

/// What a packet is wrapped into (`LWTUNNEL_ENCAP_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encap {
    /// `encap ip`: an IPv4 tunnel without an interface of its own.
    Ip(IpEncap),
    /// `encap ip6`.
    Ip6(Ip6Encap),
    /// `encap mpls`: one or two labels, the outermost first, each 0 to 1048575.
    Mpls(Vec<u32>),
    /// `encap ila`: identifier locator addressing; the locator is the first 64 bits of the address.
    Ila(u64),
}

/// `encap ip`. `None` leaves a field to the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpEncap {
    /// `id`: tunnel key.
    pub id: Option<u64>,
    /// `dst`.
    pub dst: Option<Ipv4Addr>,
    /// `src`.
    pub src: Option<Ipv4Addr>,
    /// `tos`.
    pub tos: Option<u8>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// `flags`.
    pub flags: Option<u16>,
}

/// `encap ip6`. `None` leaves a field to the device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ip6Encap {
    /// `id`: tunnel key.
    pub id: Option<u64>,
    /// `dst`.
    pub dst: Option<Ipv6Addr>,
    /// `src`.
    pub src: Option<Ipv6Addr>,
    /// `tc`: traffic class.
    pub tc: Option<u8>,
    /// `hoplimit`.
    pub hoplimit: Option<u8>,
    /// `flags`.
    pub flags: Option<u16>,
}

/// The greatest MPLS label (RFC 3032 2.1: 20 bits).
const LABEL_MAX: u64 = (1 << 20) - 1;

/// Reads what follows `encap`.
pub(super) fn read(
    encap: Word<'_>,
    options: &mut Options<'_>,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<Encap> {
    let Some(kind) = options.take() else {
        report.add(encap.at(), RoutingReason::NoEncapsulation.into());
        return None;
    };
    match kind.text() {
        "ip" => ip(kind, options, names, report).map(Encap::Ip),
        "ip6" => ip6(kind, options, names, report).map(Encap::Ip6),
        "mpls" => labels(kind, options, report).map(Encap::Mpls),
        "ila" => locator(options.value(report)?, report).map(Encap::Ila),
        got => {
            let got = got.to_owned();
            report.add(kind.at(), RoutingReason::UnknownEncapsulation { got }.into());
            None
        }
    }
}

fn ip(kind: Word<'_>, options: &mut Options<'_>, names: &Names<'_>, report: &mut Report) -> Option<IpEncap> {
    let mut encap = IpEncap::default();
    while let Some(option) = options.take_any(&["id", "dst", "src", "tos", "ttl", "flags"]) {
        let value = options.value(report)?;
        match option.text() {
            "id" => encap.id = id(value, report),
            "dst" => encap.dst = address_v4(value, report),
            "src" => encap.src = address_v4(value, report),
            "tos" => encap.tos = tos(value, names, report),
            "ttl" => encap.ttl = value.number(0..=u8::MAX, report),
            _ => encap.flags = value.number(0..=u16::MAX, report),
        }
    }
    let something = encap.id.is_some() || encap.dst.is_some() || encap.src.is_some();
    something.then_some(encap).or_else(|| empty(kind, "ip", report))
}

fn ip6(
    kind: Word<'_>,
    options: &mut Options<'_>,
    names: &Names<'_>,
    report: &mut Report,
) -> Option<Ip6Encap> {
    let mut encap = Ip6Encap::default();
    while let Some(option) = options.take_any(&["id", "dst", "src", "tc", "hoplimit", "flags"]) {
        let value = options.value(report)?;
        match option.text() {
            "id" => encap.id = id(value, report),
            "dst" => encap.dst = address_v6(value, report),
            "src" => encap.src = address_v6(value, report),
            "tc" => encap.tc = tos(value, names, report),
            "hoplimit" => encap.hoplimit = value.number(0..=u8::MAX, report),
            _ => encap.flags = value.number(0..=u16::MAX, report),
        }
    }
    let something = encap.id.is_some() || encap.dst.is_some() || encap.src.is_some();
    something.then_some(encap).or_else(|| empty(kind, "ip6", report))
}

fn empty<T>(kind: Word<'_>, name: &'static str, report: &mut Report) -> Option<T> {
    report.add(kind.at(), RoutingReason::EmptyEncapsulation { kind: name }.into());
    None
}

fn id(word: Word<'_>, report: &mut Report) -> Option<u64> {
    let (id, reason) = number::long(word.text());
    if let Some(reason) = reason {
        report.add(word.at(), reason);
    }
    id
}

fn tos(word: Word<'_>, names: &Names<'_>, report: &mut Report) -> Option<u8> {
    names
        .byte(NameKind::Tos, word.text())
        .map_err(|reason| report.add(word.at(), reason.into()))
        .ok()
}

fn address_v4(word: Word<'_>, report: &mut Report) -> Option<Ipv4Addr> {
    match word.address(report)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => wrong_family(word, Family::Ipv4, report),
    }
}

fn address_v6(word: Word<'_>, report: &mut Report) -> Option<Ipv6Addr> {
    match word.address(report)? {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => wrong_family(word, Family::Ipv6, report),
    }
}

fn wrong_family<T>(word: Word<'_>, wanted: Family, report: &mut Report) -> Option<T> {
    let got = word.text().to_owned();
    report.add(word.at(), RoutingReason::WrongTunnelFamily { got, wanted }.into());
    None
}

fn labels(kind: Word<'_>, options: &mut Options<'_>, report: &mut Report) -> Option<Vec<u32>> {
    let Some(word) = options.take() else {
        report.add(kind.at(), RoutingReason::NoLabels.into());
        return None;
    };
    let label = |text| u32::try_from(number::digits(text, 10).filter(|&label| label <= LABEL_MAX)?).ok();
    let labels: Option<Vec<u32>> = word.text().split('/').map(label).collect();
    let labels = labels.filter(|labels| labels.len() <= 2);
    if labels.is_none() {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::BadLabels { got }.into());
    }
    labels
}

/// Four groups of up to four hexadecimal digits: the upper half of an IPv6 address.
fn locator(word: Word<'_>, report: &mut Report) -> Option<u64> {
    let group = |text: &str| u16::try_from(number::digits(text, 16)?).ok();
    let groups: Option<Vec<u16>> = word.text().split(':').map(group).collect();
    let locator = match groups.as_deref() {
        Some(groups @ [_, _, _, _]) => Some(
            groups
                .iter()
                .fold(0, |locator, &group| locator << 16 | u64::from(group)),
        ),
        _ => None,
    };
    if locator.is_none() {
        let got = word.text().to_owned();
        report.add(word.at(), RoutingReason::BadLocator { got }.into());
    }
    locator
}
