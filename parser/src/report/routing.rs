//! What can be wrong with a line of routes, rules or static addresses.

use thiserror::Error;

use crate::report::Class;
use crate::units::Family;
use crate::value::names::NameKind;

/// What is wrong with a route or a rule, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RoutingReason {
    /// Neither a name of its kind nor a number in range.
    #[error("`{got}` is no {}", noun(*.kind))]
    UnknownName {
        /// As written.
        got: String,
        /// What it should name.
        kind: NameKind,
    },
    /// Neither the name of an IP protocol nor a number.
    #[error("`{got}` is no IP protocol")]
    UnknownIpProtocol {
        /// As written.
        got: String,
    },
    /// Neither an option nor a destination.
    #[error("`{got}` is no option of a {line}")]
    UnknownOption {
        /// As written.
        got: String,
        /// `route`, `next hop`, `rule`, `ip encapsulation`, ...
        line: &'static str,
        /// The option that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A route without destination.
    #[error("the route has no destination")]
    NoDestination,
    /// IPv4 and IPv6 addresses together.
    #[error("`{got}` is not of the same family as what comes before it")]
    MixedFamilies {
        /// As written.
        got: String,
    },
    /// An option for routes of the other family.
    #[error("`{option}` is for {wanted} only")]
    WrongFamily {
        /// The option.
        option: String,
        /// The family it is for.
        wanted: Family,
    },
    /// An encapsulation ends at an address of its own family.
    #[error("`{got}` is no address for a tunnel over {wanted}")]
    WrongTunnelFamily {
        /// As written.
        got: String,
        /// The family of the tunnel.
        wanted: Family,
    },
    /// Neither `REALM` nor `SOURCE/DESTINATION`.
    #[error("`{got}` are no realms")]
    BadRealms {
        /// As written.
        got: String,
    },
    /// An encapsulation that is not known.
    #[error("unknown encapsulation `{got}`")]
    UnknownEncapsulation {
        /// As written.
        got: String,
    },
    /// `encap` with nothing after it.
    #[error("`encap` without its type")]
    NoEncapsulation,
    /// `encap ip` without any of the values it exists for.
    #[error("`encap {kind}` needs an address or an id")]
    EmptyEncapsulation {
        /// `ip` or `ip6`.
        kind: &'static str,
    },
    /// `encap mpls` without labels.
    #[error("`encap mpls` needs its labels")]
    NoLabels,
    /// Not one or two MPLS labels.
    #[error("`{got}` are no MPLS labels")]
    BadLabels {
        /// As written.
        got: String,
    },
    /// Not four groups of hexadecimal digits.
    #[error("`{got}` is no ILA locator")]
    BadLocator {
        /// As written.
        got: String,
    },
    /// A feature other than `ecn`.
    #[error("unknown feature `{got}`")]
    UnknownFeature {
        /// As written.
        got: String,
    },
    /// `ttl-propagate` takes `enabled` and `disabled`.
    #[error("`{got}` is neither `enabled` nor `disabled`")]
    BadTtlPropagate {
        /// As written.
        got: String,
    },
    /// A weight that no next hop can have.
    #[error("`{got}` is no weight of a next hop and 1 is used")]
    BadWeight {
        /// As written.
        got: String,
    },
    /// `as [to] ADDRESS`.
    #[error("`as` is not supported and is ignored")]
    NatUnsupported,
    /// `or` for the second time.
    #[error("a second `or` is ignored")]
    SecondOr,
    /// `or` and `nexthop` on one line.
    #[error("`or` and `nexthop` exclude each other")]
    OrWithNextHop,
    /// `via` before `nexthop`, which the kernel refuses together.
    #[error("`{option}` before `nexthop` has no effect")]
    BesideNextHops {
        /// The option.
        option: &'static str,
    },
    /// A time outside what TCP accepts, drawn back to its bound.
    #[error("TCP takes {bound} for `{got}`")]
    TimeClamped {
        /// As written.
        got: String,
        /// The bound that is used.
        bound: &'static str,
    },
    /// Bits beyond the length of a prefix.
    #[error("`{got}` has bits beyond its prefix length and {meant} is used")]
    HostBits {
        /// As written.
        got: String,
        /// The masked prefix.
        meant: String,
    },
    /// Routes and rules are recognised by their protocol.
    #[error("it is tracked by protocol 18 (keepalived), which is used instead of `{got}`")]
    ProtocolReset {
        /// As written.
        got: String,
    },
    /// A rule without `preference`.
    #[error("the rule has no preference, {preference} is used")]
    NoPreference {
        /// The one it gets.
        preference: u32,
    },
    /// A rule that says nothing of what to do.
    #[error("the rule has no action")]
    NoAction,
    /// Several of `table`, `goto`, `nop`, `blackhole`, ...
    #[error("the rule has a second action `{got}`")]
    SecondAction {
        /// As written.
        got: String,
    },
    /// A route type that is no action of a rule.
    #[error("`{got}` is no action of a rule")]
    BadAction {
        /// As written.
        got: String,
    },
    /// Table 0 means nothing in a rule.
    #[error("a rule cannot lead to table 0")]
    TableZero,
    /// `goto` leads backwards or nowhere.
    #[error("`goto {target}` must lead to a rule after this one")]
    GotoBackwards {
        /// As written.
        target: u32,
    },
    /// `realms` and suppressors go with a table.
    #[error("`{option}` goes with a table only")]
    NeedsTable {
        /// The option.
        option: &'static str,
    },
    /// Not `FIRST-LAST`.
    #[error("`{got}` is no range")]
    BadRange {
        /// As written.
        got: String,
        /// What is allowed.
        range: &'static str,
    },
    /// Not `MARK[/MASK]`.
    #[error("`{got}` is no firewall mark")]
    BadMark {
        /// As written.
        got: String,
    },
    /// A selector that no packet has.
    #[error("no packet can match `{option} {got}`")]
    NeverMatches {
        /// The option.
        option: String,
        /// As written.
        got: String,
    },
    /// A rule with a track group is tracked by its interface.
    #[error("a track group needs `{option}` on the line")]
    TrackGroupNeeds {
        /// The option.
        option: &'static str,
    },
}

impl RoutingReason {
    /// How severe it is. A line with anything but notes and warnings is not used.
    pub fn class(&self) -> Class {
        match self {
            Self::TimeClamped { .. }
            | Self::HostBits { .. }
            | Self::NeverMatches { .. }
            | Self::BesideNextHops { .. } => Class::Note,
            Self::UnknownFeature { .. }
            | Self::BadTtlPropagate { .. }
            | Self::BadWeight { .. }
            | Self::NatUnsupported
            | Self::SecondOr
            | Self::ProtocolReset { .. }
            | Self::NoPreference { .. } => Class::Warning,
            _ => Class::General,
        }
    }

    /// What stands below the underlined words: what was expected there.
    pub fn expected(&self) -> Option<String> {
        Some(match self {
            Self::UnknownName { kind, .. } => {
                format!(
                    "expected a name from {} or a number up to {}",
                    kind.file(),
                    kind.max()
                )
            }
            Self::UnknownIpProtocol { .. } => {
                "expected a name from /etc/protocols or a number up to 255".to_owned()
            }
            Self::BadRealms { .. } => "expected REALM or SOURCE/DESTINATION, each up to 255".to_owned(),
            Self::UnknownEncapsulation { .. } | Self::NoEncapsulation => {
                "expected ip, ip6, mpls or ila".to_owned()
            }
            Self::BadLabels { .. } => "expected LABEL or LABEL/LABEL, each up to 1048575".to_owned(),
            Self::BadLocator { .. } => {
                "expected four groups of hexadecimal digits, as 2001:db8:0:1".to_owned()
            }
            Self::UnknownFeature { .. } => "expected ecn".to_owned(),
            Self::BadWeight { .. } => "expected a number from 1 to 256".to_owned(),
            Self::BadAction { .. } => "expected blackhole, prohibit or unreachable".to_owned(),
            Self::BadRange { range, .. } => format!("expected {range}"),
            Self::BadMark { .. } => "expected MARK or MARK/MASK".to_owned(),
            _ => return None,
        })
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownOption {
                nearest: Some(nearest),
                ..
            } => format!("did you mean `{nearest}`?"),
            Self::NoPreference { .. } => "give it `preference N`".to_owned(),
            Self::ProtocolReset { .. } => "add `no_track` to keep the protocol".to_owned(),
            _ => return None,
        })
    }
}

fn noun(kind: NameKind) -> &'static str {
    match kind {
        NameKind::Table => "routing table",
        NameKind::Protocol => "routing protocol",
        NameKind::Scope => "scope",
        NameKind::Tos => "type of service",
        NameKind::Realm => "realm",
        NameKind::Group => "group of interfaces",
    }
}
