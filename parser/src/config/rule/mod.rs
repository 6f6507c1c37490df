//! Rule lines of `static_rules` and `virtual_rules`: what `ip rule` would be given, as values.
//!
//! Names of tables, realms, groups and protocols are numbers here. Interfaces stay names.

mod line;

pub(in crate::config) use line::line;

use std::ops::RangeInclusive;

use crate::Place;
use crate::config::route::Realms;
use crate::units::Family;
use crate::value::prefix::Prefix;

/// One policy rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// IPv4 unless an address or `inet6` says otherwise.
    pub family: Family,
    /// `preference`/`order`/`priority`: rules with lower ones come first.
    pub preference: u32,
    /// What it takes for a packet to follow the rule.
    pub selector: Selector,
    /// What becomes of such a packet.
    pub action: RuleAction,
    /// `protocol` (`FRA_PROTOCOL`); 18 (keepalived) by default, and always while the rule is tracked.
    pub protocol: u8,
    /// `no_track`: its removal by someone else is not put right and is no reason to leave MASTER.
    pub no_track: bool,
    /// `track_group` of a static rule.
    pub track_group: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// What a packet must be like. `None` is anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `not`: the packets that do not match follow the rule.
    pub invert: bool,
    /// `from`.
    pub from: Option<Prefix>,
    /// `to`.
    pub to: Option<Prefix>,
    /// `tos`/`dsfield`; 0 matches any.
    pub tos: u8,
    /// `fwmark`.
    pub fwmark: Option<Mark>,
    /// `iif`/`dev`.
    pub iif: Option<String>,
    /// `oif`: of packets of this host.
    pub oif: Option<String>,
    /// `tunnel-id`.
    pub tunnel_id: Option<u64>,
    /// `uidrange`: users of sockets of this host.
    pub uid_range: Option<RangeInclusive<u32>>,
    /// `ipproto`.
    pub ip_protocol: Option<u8>,
    /// `sport`.
    pub sport: Option<RangeInclusive<u16>>,
    /// `dport`.
    pub dport: Option<RangeInclusive<u16>>,
}

/// `fwmark MARK[/MASK]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The mark.
    pub value: u32,
    /// The bits of the mark that count; all where none are written.
    pub mask: u32,
}

/// What a rule does (`FR_ACT_*` in `linux/fib_rules.h`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// `table`/`lookup` or `l3mdev`: look the route up there.
    Lookup(Lookup),
    /// `goto`: go on with the rule of this preference.
    Goto(u32),
    /// `nop`: go on with the next rule.
    Nop,
    /// `blackhole`: drop in silence.
    Blackhole,
    /// `unreachable`: drop with "network unreachable".
    Unreachable,
    /// `prohibit`: drop with "administratively prohibited".
    Prohibit,
}

/// Where a rule looks routes up, and which it passes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The table.
    pub table: LookupTable,
    /// `realms`, IPv4 only.
    pub realms: Option<Realms>,
    /// `suppress_prefixlength`: routes with prefixes of at most this length do not count.
    pub suppress_prefix_length: Option<u32>,
    /// `suppress_ifgroup`: routes through interfaces of this group do not count.
    pub suppress_if_group: Option<u32>,
}

/// The table of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupTable {
    /// By number, never 0.
    Id(u32),
    /// `l3mdev`: that of the VRF of the packet's interface.
    L3mdev,
}

#[cfg(test)]
mod tests;
