//! `bfd_instance`: a session of bidirectional forwarding detection (RFC 5880) with one neighbour.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Place;
use crate::config::tracked::{Limit, Trackable, Weight};
use crate::report::{Reason, Report, VrrpReason};
use crate::tree::{Block, Line};
use crate::units::Family;
use crate::value::number::Decimal;

/// The keywords of the block.
pub(crate) const KEYWORDS: &[&str] = &[
    "source_ip",
    "neighbor_ip",
    "neighbour_ip",
    "min_rx",
    "min_tx",
    "idle_tx",
    "multiplier",
    "passive",
    "ttl",
    "hoplimit",
    "max_hops",
    "multihop",
    "weight",
    "vrrp",
    "checker",
];

/// One `bfd_instance` block, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct BfdInstance {
    /// The word after `bfd_instance`; unique, at most 31 bytes.
    pub name: String,
    /// `source_ip`, of the family of the neighbour. `None` leaves it to the kernel.
    pub source_ip: Option<IpAddr>,
    /// `neighbor_ip`.
    pub neighbor_ip: IpAddr,
    /// `min_rx`: how often we can hear (RFC 5880 4.1: Required Min RX Interval), 1 ms to 4294967 ms; 10 ms by default.
    pub min_rx: Duration,
    /// `min_tx`: how often we would like to speak (Desired Min TX Interval), 1 ms to 4294967 ms; 10 ms by default.
    pub min_tx: Duration,
    /// `idle_tx`: how often we speak while the session is not up, 1 s (RFC 5880 6.8.3) to 4294967 ms; 1 s by default.
    pub idle_tx: Duration,
    /// `multiplier`: packets that may be lost (Detect Mult), 1 to 255; 5 by default.
    pub multiplier: u8,
    /// `passive`: does not speak first.
    pub passive: bool,
    /// `ttl`/`hoplimit` sent, 1 to 255; 255 for IPv4 and 64 for IPv6 by default.
    pub ttl: u8,
    /// `max_hops`: what may be missing from a received TTL of 255; 0 by default. `None` (-1 or 255) means no check.
    pub max_hops: Option<u8>,
    /// `multihop`: UDP port 4784 (RFC 5883) instead of 3784.
    pub multihop: bool,
    /// `weight`, -253 to 253; 0 means that a session that is not up is a fault. Default for those who track it.
    pub weight: i16,
    /// `weight N reverse`.
    pub reverse: bool,
    /// Instances can track it: `vrrp` is written, or `checker` is not.
    pub for_vrrp: bool,
    /// Real servers can be checked by it: `checker` is written, or `vrrp` is not.
    pub for_checker: bool,
    /// Where the block starts.
    pub place: Place,
}

/// What a `bfd_instance` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    name: &'t str,
    source_ip: Option<IpAddr>,
    neighbor_ip: Option<IpAddr>,
    min_rx: Option<Duration>,
    min_tx: Option<Duration>,
    idle_tx: Option<Duration>,
    multiplier: Option<u8>,
    passive: bool,
    ttl: Option<u8>,
    max_hops: Option<i16>,
    multihop: bool,
    weight: Option<Weight>,
    vrrp: bool,
    checker: bool,
}

/// Names are kept in 32 bytes with their NUL.
const LONGEST_NAME: usize = 31;

const MOST_MILLIS: u64 = 4_294_967;
/// Intervals above this are legal and seldom meant.
const SENSIBLE: Duration = Duration::from_secs(10);

/// Reads a `bfd_instance` block.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let name = block.name(report)?;
    block.head.argument(report)?.name(LONGEST_NAME, report)?;
    let mut draft = Draft::new(block, name);
    for line in block.lines() {
        match line.keyword() {
            "source_ip" => draft.source_ip = line.setting(report).and_then(|word| word.address(report)),
            "neighbor_ip" | "neighbour_ip" => {
                draft.neighbor_ip = line.setting(report).and_then(|word| word.address(report));
            }
            "min_rx" => draft.min_rx = interval(line, 1, report).or(draft.min_rx),
            "min_tx" => draft.min_tx = interval(line, 1, report).or(draft.min_tx),
            "idle_tx" => draft.idle_tx = interval(line, 1000, report).or(draft.idle_tx),
            "multiplier" => draft.multiplier = line.number(1..=u8::MAX, report).or(draft.multiplier),
            "passive" => draft.passive = line.flag(report),
            "ttl" | "hoplimit" => draft.ttl = line.number(1..=u8::MAX, report).or(draft.ttl),
            "max_hops" => draft.max_hops = line.number(-1..=255, report).or(draft.max_hops),
            "multihop" => draft.multihop = line.boolean(report).unwrap_or(draft.multihop),
            "weight" => draft.weight = weight(line, report).or(draft.weight),
            "vrrp" => draft.vrrp = line.flag(report),
            "checker" => draft.checker = line.flag(report),
            _ => report.unknown_keyword(line, KEYWORDS),
        }
    }
    Some(draft)
}

/// Milliseconds with up to three decimals.
fn interval(line: Line<'_>, least: u64, report: &mut Report) -> Option<Duration> {
    let word = line.setting(report)?;
    let range: RangeInclusive<Duration> = Duration::from_millis(least)..=Duration::from_millis(MOST_MILLIS);
    let interval = word.seconds(range, Decimal::OfMillis, report)?;
    if interval > SENSIBLE {
        let got = word.text().to_owned();
        report.add(word.at(), VrrpReason::LongInterval { got }.into());
    }
    Some(interval)
}

/// keepalived ends with status 2 if there is no weight.
fn weight(line: Line<'_>, report: &mut Report) -> Option<Weight> {
    line.argument(report)?;
    Some(Weight::of_line(line, Limit::Strict, report))
}

impl<'t> Draft<'t> {
    fn new(block: Block<'t>, name: &'t str) -> Self {
        Self {
            block,
            name,
            source_ip: None,
            neighbor_ip: None,
            min_rx: None,
            min_tx: None,
            idle_tx: None,
            multiplier: None,
            passive: false,
            ttl: None,
            max_hops: None,
            multihop: false,
            weight: None,
            vrrp: false,
            checker: false,
        }
    }

    /// Its name, and what those who track it need to know.
    pub(super) fn trackable(&self) -> (&'t str, Trackable<'t>) {
        let weight = self.weight.unwrap_or_default();
        let (weight, reverse) = (weight.weight.unwrap_or(0), weight.reverse.unwrap_or(false));
        (
            self.name,
            Trackable {
                weight,
                reverse,
                defined: self.block.head,
            },
        )
    }

    /// Gives the defaults. A session without neighbour, or with one that `sessions` has already, is reported and
    /// dropped.
    pub(super) fn resolve(self, sessions: &[BfdInstance], report: &mut Report) -> Option<BfdInstance> {
        let (_, Trackable { weight, reverse, .. }) = self.trackable();
        let neighbor_ip = self.neighbor(report)?;
        if self
            .source_ip
            .is_some_and(|source| Family::of(source) != Family::of(neighbor_ip))
        {
            let reason = Reason::WrongFamily {
                expected: Family::of(neighbor_ip),
            };
            report.add(self.block.line_of("source_ip").at(), reason);
            return None;
        }
        let same = |other: &&BfdInstance| {
            other.neighbor_ip == neighbor_ip
                && other.multihop == self.multihop
                && (other.source_ip == self.source_ip
                    || other.source_ip.is_none()
                    || self.source_ip.is_none())
        };
        if let Some(other) = sessions.iter().find(same) {
            let reason = VrrpReason::SameSession {
                other: other.name.clone(),
            };
            report.add(self.block.head.at(), reason.into());
            return None;
        }
        let ttl = self.ttl.unwrap_or(match Family::of(neighbor_ip) {
            Family::Ipv4 => 255,
            Family::Ipv6 => 64,
        });
        Some(BfdInstance {
            name: self.name.to_owned(),
            source_ip: self.source_ip,
            neighbor_ip,
            min_rx: self.min_rx.unwrap_or(Duration::from_millis(10)),
            min_tx: self.min_tx.unwrap_or(Duration::from_millis(10)),
            idle_tx: self.idle_tx.unwrap_or(Duration::from_secs(1)),
            multiplier: self.multiplier.unwrap_or(5),
            passive: self.passive,
            ttl,
            max_hops: self.max_hops(ttl, report),
            multihop: self.multihop,
            weight,
            reverse,
            for_vrrp: self.vrrp || !self.checker,
            for_checker: self.checker || !self.vrrp,
            place: self.block.head.place(),
        })
    }

    /// The neighbour under either spelling.
    fn neighbor(&self, report: &mut Report) -> Option<IpAddr> {
        let written = self.block.find("neighbour_ip").is_some();
        if self.neighbor_ip.is_none() && written {
            return None;
        }
        report.require(self.block, "neighbor_ip", self.neighbor_ip)
    }

    /// It cannot be more than what is sent; 255 and -1 switch the check off.
    fn max_hops(&self, ttl: u8, report: &mut Report) -> Option<u8> {
        let hops = u8::try_from(self.max_hops.unwrap_or(0)).ok()?;
        if hops > ttl {
            let line = self.block.line_of("max_hops");
            let word = line.words().next().unwrap_or(line.keyword_word());
            report.add(
                word.at(),
                Reason::NotAllowed {
                    got: hops.to_string(),
                    used: ttl.to_string(),
                },
            );
        }
        Some(hops.min(ttl)).filter(|&hops| hops != u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{good, read, says};

    fn session(body: &str) -> BfdInstance {
        good(&format!("bfd_instance b {{\n{body}\n}}\n"))
            .bfd_instances
            .remove(0)
    }

    #[test]
    fn defaults_are_keepaliveds() {
        let plain = session("neighbor_ip 10.0.0.2");
        assert_eq!(plain.neighbor_ip.to_string(), "10.0.0.2");
        assert_eq!(
            (plain.min_rx, plain.min_tx),
            (Duration::from_millis(10), Duration::from_millis(10))
        );
        assert_eq!((plain.idle_tx, plain.multiplier), (Duration::from_secs(1), 5));
        assert_eq!(
            (plain.ttl, plain.max_hops, plain.multihop, plain.passive),
            (255, Some(0), false, false)
        );
        assert_eq!((plain.weight, plain.reverse, plain.source_ip), (0, false, None));
        assert!(plain.for_vrrp && plain.for_checker);
        assert_eq!(session("neighbour_ip fe80::1").ttl, 64);
    }

    #[test]
    fn every_setting_is_a_value() {
        let with = |line: &str| session(&format!("neighbor_ip 10.0.0.2\n{line}"));
        assert_eq!(with("source_ip 10.0.0.1").source_ip, "10.0.0.1".parse().ok());
        assert_eq!(with("min_rx 1.5").min_rx, Duration::from_micros(1500));
        assert_eq!(with("min_tx 10000").min_tx, Duration::from_secs(10));
        assert_eq!(with("idle_tx 1000").idle_tx, Duration::from_secs(1));
        assert_eq!(with("multiplier 255").multiplier, 255);
        assert_eq!((with("ttl 1").ttl, with("hoplimit 255").ttl), (1, 255));
        assert_eq!(with("max_hops 254").max_hops, Some(254));
        assert_eq!(
            (with("max_hops 255").max_hops, with("max_hops -1").max_hops),
            (None, None)
        );
        assert!(with("multihop").multihop && !with("multihop off").multihop && with("passive").passive);
        assert_eq!(
            (
                with("weight -253 reverse").weight,
                with("weight -253 reverse").reverse
            ),
            (-253, true)
        );
        assert!(with("vrrp").for_vrrp && !with("vrrp").for_checker);
        assert!(!with("checker").for_vrrp && with("checker").for_checker);
        assert!(with("vrrp\nchecker").for_vrrp && with("vrrp\nchecker").for_checker);
    }

    #[test]
    fn mistakes_in_lines() {
        says(
            "bfd_instance b",
            "neighbor_ip 10.0.0.2",
            &[
                ("neighbor_ip foo", &["`foo` is not an IP address"]),
                ("neighbor_ip", &["`neighbor_ip` needs a value"]),
                ("source_ip foo", &["`foo` is not an IP address"]),
                ("source_ip fe80::1", &["the address is not IPv4"]),
                ("min_rx 0", &["`0` is out of range"]),
                ("min_tx 4294968", &["`4294968` is out of range"]),
                ("min_tx 1.0001", &["`1.0001` has too many decimal places"]),
                ("min_rx 10001", &["`10001` is a long interval"]),
                ("idle_tx 999", &["`999` is out of range"]),
                ("multiplier 0", &["`0` is out of range"]),
                ("multiplier 256", &["`256` is out of range"]),
                ("ttl 0", &["`0` is out of range"]),
                ("hoplimit 256", &["`256` is out of range"]),
                ("max_hops -2", &["`-2` is out of range"]),
                ("max_hops 256", &["`256` is out of range"]),
                ("ttl 5\nmax_hops 6", &["`6` is not allowed, 5 is used"]),
                ("multihop maybe", &["`maybe` is not a boolean"]),
                ("weight 254", &["`254` is out of range"]),
                ("weight", &["`weight` needs a value"]),
                ("weight 5 noreverse", &["unknown option `noreverse` of `weight`"]),
                ("foo", &["unknown keyword `foo` in `bfd_instance`"]),
            ],
        );
    }

    #[test]
    fn sessions_that_cannot_be_told_apart_or_reached_are_dropped() {
        let two = |first: &str, second: &str| {
            let text = format!("bfd_instance a {{\n{first}\n}}\nbfd_instance b {{\n{second}\n}}\n");
            let (config, titles) = read(&text);
            (config.bfd_instances.len(), titles)
        };
        let same = vec!["`bfd_instance a` has the same addresses: this one is ignored".to_owned()];
        assert_eq!(
            two("neighbor_ip 10.0.0.2", "neighbor_ip 10.0.0.2"),
            (1, same.clone())
        );
        assert_eq!(
            two("neighbor_ip 10.0.0.2", "neighbor_ip 10.0.0.2\nsource_ip 10.0.0.1"),
            (1, same.clone())
        );
        assert_eq!(
            two("neighbor_ip 10.0.0.2", "neighbor_ip 10.0.0.2\nmultihop"),
            (2, vec![])
        );
        assert_eq!(
            two(
                "neighbor_ip 10.0.0.2\nsource_ip 10.0.0.1",
                "neighbor_ip 10.0.0.2\nsource_ip 10.0.0.3"
            ),
            (2, vec![])
        );
        assert_eq!(
            two("neighbor_ip 10.0.0.2", ""),
            (1, vec!["`bfd_instance` has no `neighbor_ip`".into()])
        );
    }

    #[test]
    fn names_are_unique_and_short() {
        let longest = "b".repeat(31);
        good(&format!("bfd_instance {longest} {{\nneighbor_ip 10.0.0.2\n}}\n"));
        let (config, titles) = read(&format!("bfd_instance {longest}b {{\nneighbor_ip 10.0.0.2\n}}\n"));
        assert_eq!((config.bfd_instances.len(), titles.len()), (0, 1));
        let (config, titles) =
            read("bfd_instance b {\nneighbor_ip 10.0.0.2\n}\nbfd_instance b {\nneighbor_ip 10.0.0.3\n}\n");
        assert_eq!(config.bfd_instances.len(), 1);
        assert_eq!(
            titles,
            ["`bfd_instance b` is already defined; this one is ignored"]
        );
    }
}
