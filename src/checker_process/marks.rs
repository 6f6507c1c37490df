//! `nftables_ipvs`: the tables that give packets to the groups of virtual servers their firewall marks. Pure.
//!
//! Absent: which mark stands for which group, which is the engine's; writing the tables, which is [`super::marker`]'s.

use std::collections::BTreeMap;
use std::net::IpAddr;

use checkers::table::Marking;
use netlink::nftables::{
    Base, Chain, Expression, Family, Hook, HookPoint, Kind, MetaKey, Register, Set, Table, Verdict,
};
use parser::Config;
use parser::config::virtual_server::Protocol;
use parser::config::virtual_server_group::GroupEntry;

/// Protocols of groups, each with the map from address and port to the mark. The names are keepalived's.
const MAPS: [(Protocol, &str); 3] = [
    (Protocol::Tcp, "tcp_map"),
    (Protocol::Udp, "udp_map"),
    (Protocol::Sctp, "sctp_map"),
];

/// From protocol and address to the mark, for what stands for every port. A port of its own is looked for first, as in
/// IPVS.
const EVERY_PORT: &str = "every_port_map";

const FIRST: Register = Register::word(0);

/// IPVS looks at packets of this host at `NF_IP_PRI_NAT_DST` (-100) + 2: they must have their mark before.
const BEFORE_IPVS: i32 = -101;

/// The tables for IPv4 and IPv6, if the configuration asks for any. `owner` is their comment.
pub(super) fn tables(config: &Config, markings: &[Marking], owner: &str) -> Option<[Table; 2]> {
    let global = &config.global;
    let mut name = global.nftables_ipvs.clone()?;
    if global.nftables.as_deref().unwrap_or("keepalived") == name {
        // That one is the firewall of the VRRP process.
        name.push_str("_ipvs");
    }
    let table = |family, marked: &Marked| {
        let (sets, rules): (Vec<Set>, Vec<Vec<Expression>>) = marked.maps(family).into_iter().unzip();
        let chain = |chain: &str, point, priority| Chain {
            name: chain.to_owned(),
            hook: Some(Hook { point, priority }),
            rules: rules.clone(),
        };
        let priority = global.nftables_ipvs_priority;
        Table {
            family,
            name: name.clone(),
            comment: owner.to_owned(),
            sets,
            chains: vec![
                chain("in", HookPoint::Input, priority),
                chain("out", HookPoint::Output, priority.min(BEFORE_IPVS)),
            ],
        }
    };
    let [v4, v6] = Marked::of(config, markings);
    Some([table(Family::V4, &v4), table(Family::V6, &v6)])
}

/// Ranges of addresses that do not overlap: the first, and the last with the mark.
#[derive(Debug, Default)]
struct Ranges(BTreeMap<u128, (u128, u32)>);

impl Ranges {
    /// What has a mark keeps it: the first in the file counts.
    fn add(&mut self, first: u128, last: u128, mark: u32) {
        let before = self.0.range(..=last).rev();
        let mut overlapping: Vec<(u128, u128)> = before
            .map(|(start, (end, _))| (*start, *end))
            .take_while(|(_, end)| *end >= first)
            .collect();
        overlapping.reverse();
        let mut from = first;
        for (start, end) in overlapping {
            if from < start {
                self.0.insert(from, (start - 1, mark));
            }
            if end >= last {
                return;
            }
            from = end + 1;
        }
        self.0.insert(from, (last, mark));
    }

    fn elements(&self, key: impl Fn(u128) -> Vec<u8>) -> Vec<Element> {
        let ranges = self.0.iter();
        ranges
            .map(|(first, (last, mark))| (key(*first), key(*last), *mark))
            .collect()
    }
}

/// What is marked in one family, by protocol and port.
#[derive(Debug, Default)]
struct Marked(BTreeMap<(Protocol, u16), Ranges>);

impl Marked {
    /// Of IPv4 and IPv6.
    fn of(config: &Config, markings: &[Marking]) -> [Self; 2] {
        let [mut v4, mut v6] = <[Self; 2]>::default();
        for (group, protocol) in config.groups_by_protocol() {
            let given = markings
                .iter()
                .find(|marking| marking.group == group.name && marking.protocol == protocol);
            let Some(mark) = given.map(|marking| marking.mark.get()) else {
                continue;
            };
            for entry in &group.entries {
                let GroupEntry::Addresses { first, last, port } = *entry else {
                    continue;
                };
                let (family, first, last) = match (first, last) {
                    (IpAddr::V4(first), IpAddr::V4(last)) => {
                        (&mut v4, first.to_bits().into(), last.to_bits().into())
                    }
                    (IpAddr::V6(first), IpAddr::V6(last)) => (&mut v6, first.to_bits(), last.to_bits()),
                    _ => continue,
                };
                let ranges = family.0.entry((protocol, port)).or_default();
                ranges.add(first, last, mark);
            }
        }
        [v4, v6]
    }

    /// The maps that are needed, each with its rule, in the order in which they are asked.
    fn maps(&self, family: Family) -> Vec<(Set, Vec<Expression>)> {
        let kind = match family {
            Family::V4 => Kind::Ipv4,
            Family::V6 => Kind::Ipv6,
        };
        let of = |protocol| {
            self.0
                .iter()
                .filter(move |((one, port), _)| *one == protocol && *port != 0)
        };
        let mut maps = Vec::new();
        for (protocol, name) in MAPS {
            let elements = of(protocol).flat_map(|((_, port), ranges)| {
                let port = [&port.to_be_bytes()[..], &[0, 0]].concat();
                let key = move |bits| [address(family, bits), port.clone()].concat();
                ranges.elements(key)
            });
            let set = Set::map(name, &[kind, Kind::Port], Kind::Mark);
            maps.push((filled(set, elements.collect()), of_port(family, protocol, name)));
        }
        let every_port = self.0.iter().filter(|((_, port), _)| *port == 0);
        let elements = every_port.flat_map(|((protocol, _), ranges)| {
            let protocol = vec![*protocol as u8, 0, 0, 0];
            ranges.elements(move |bits| [protocol.clone(), address(family, bits)].concat())
        });
        let set = Set::map(EVERY_PORT, &[Kind::Protocol, kind], Kind::Mark);
        maps.push((filled(set, elements.collect()), of_every_port(family)));
        maps.retain(|(set, _)| !set.elements.is_empty());
        maps
    }
}

/// The lowest and the highest key of a range, and its mark.
type Element = (Vec<u8>, Vec<u8>, u32);

/// Older kernels know no ranges: they are asked for only where there are any.
fn filled(mut set: Set, elements: Vec<Element>) -> Set {
    set.has_ranges = elements.iter().any(|(lowest, highest, _)| lowest != highest);
    for (mut key, highest, mark) in elements {
        if set.has_ranges {
            key.extend(highest);
        }
        set.elements.insert(key, mark.to_ne_bytes().to_vec());
    }
    set
}

fn address(family: Family, bits: u128) -> Vec<u8> {
    let length = place(family).1 as usize;
    bits.to_be_bytes()[16 - length..].to_vec()
}

/// Where the destination stands in an IP header, and how long it is.
fn place(family: Family) -> (u32, u32) {
    match family {
        Family::V4 => (16, 4),
        Family::V6 => (24, 16),
    }
}

/// Loads the destination into the words from this one on.
fn destination(family: Family, word: u32) -> Expression {
    let (offset, length) = place(family);
    Expression::Payload {
        base: Base::Network,
        offset,
        length,
        into: Register::word(word),
    }
}

/// Gives a packet of this protocol the mark that the map has for address and port.
fn of_port(family: Family, protocol: Protocol, map: &str) -> Vec<Expression> {
    let mut rule = vec![
        Expression::Meta(MetaKey::Protocol, FIRST),
        Expression::Equal(FIRST, vec![protocol as u8]),
        destination(family, 0),
        Expression::Payload {
            base: Base::Transport,
            offset: 2,
            length: 2,
            into: Register::word(place(family).1 / 4),
        },
    ];
    rule.extend(marked_by(map));
    rule
}

/// Gives a packet the mark that the map of all ports has for protocol and address.
fn of_every_port(family: Family) -> Vec<Expression> {
    let mut rule = vec![Expression::Meta(MetaKey::Protocol, FIRST), destination(family, 1)];
    rule.extend(marked_by(EVERY_PORT));
    rule
}

fn marked_by(map: &str) -> [Expression; 3] {
    [
        Expression::Map {
            from: FIRST,
            map: map.to_owned(),
            into: FIRST,
        },
        Expression::SetMark(FIRST),
        Expression::Verdict(Verdict::Accept),
    ]
}

#[cfg(test)]
mod tests {
    use checkers::{Engine, Instant};
    use netlink::nftables::Table;
    use parser::{Config, Machine, parse_text};

    use super::{BEFORE_IPVS, Ranges, tables};

    fn config(global: &str, groups: &[(&str, &str)]) -> Config {
        let mut text = format!("global_defs {{\n{global}\n}}\n");
        for (name, entries) in groups {
            let server = if entries.contains("::") {
                "2001:db8::21"
            } else {
                "192.0.2.21"
            };
            let group = format!(
                "virtual_server_group {name} {{\n{entries}\n}}\nvirtual_server group {name} {{\nprotocol TCP\n\
                 lvs_sched rr\nlvs_method NAT\npersistence_timeout 50\nreal_server {server} 80 {{\n}}\n}}\n"
            );
            text.push_str(&group);
        }
        parse_text(&Machine, &text).config
    }

    fn written(config: &Config) -> Option<[Table; 2]> {
        let now = Instant { nanos: 0 };
        let engine = Engine::new(config.clone().into(), "", 1, now);
        tables(config, &engine.markings(), "holdfast /run/checkers.pid")
    }

    fn elements(table: &Table, set: usize) -> Vec<(Vec<u8>, u32)> {
        let mark = |data: &Vec<u8>| u32::from_ne_bytes(data[..].try_into().unwrap());
        let pairs = table.sets[set].elements.iter();
        pairs.map(|(key, data)| (key.clone(), mark(data))).collect()
    }

    #[test]
    fn without_the_setting_there_are_no_tables() {
        assert_eq!(written(&config("", &[("G", "192.0.2.10 80")])), None);
    }

    #[test]
    fn a_mark_stands_for_the_addresses_of_a_group() {
        let groups = [("G", "192.0.2.10 80\n192.0.2.20"), ("H", "192.0.2.11 443")];
        let [v4, v6] = written(&config("nftables_ipvs", &groups)).unwrap();
        assert_eq!(v4.name, "keepalived_ipvs");
        assert_eq!(v4.comment, "holdfast /run/checkers.pid");
        assert_eq!(
            elements(&v4, 0),
            [
                (vec![192, 0, 2, 10, 0, 80, 0, 0], 1000),
                (vec![192, 0, 2, 11, 1, 0xbb, 0, 0], 1001),
            ]
        );
        assert_eq!(elements(&v4, 1), [(vec![6, 0, 0, 0, 192, 0, 2, 20], 1000)]);
        assert!(
            v4.sets.iter().all(|set| !set.has_ranges),
            "nor need they be known"
        );
        let names: Vec<_> = v4.sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(
            names,
            ["tcp_map", "every_port_map"],
            "what is not needed is not there"
        );
        assert_eq!(v6.sets, []);
    }

    #[test]
    fn ranges_need_not_be_counted_out() {
        let groups = [("G", "2001:db8::/64 80\n2001:db9::1 80\n2001:db9::2")];
        let [_, v6] = written(&config("nftables_ipvs", &groups)).unwrap();
        assert!(v6.sets[0].has_ranges && !v6.sets[1].has_ranges);
        let lengths: Vec<_> = elements(&v6, 0).iter().map(|(key, _)| key.len()).collect();
        assert_eq!(lengths, [40, 40], "each from a lowest key to a highest");
    }

    #[test]
    fn packets_of_this_host_are_marked_before_ipvs_sees_them() {
        for (priority, output) in [(-1, BEFORE_IPVS), (-150, -150)] {
            let global = format!("nftables_ipvs\nnftables_ipvs_priority {priority}");
            let [v4, _] = written(&config(&global, &[("G", "192.0.2.10 80")])).unwrap();
            let found: Vec<_> = v4.chains.iter().map(|it| it.hook.unwrap().priority).collect();
            assert_eq!(found, [priority, output]);
        }
    }

    #[test]
    fn the_firewall_keeps_its_table() {
        let groups = [("G", "192.0.2.10 80")];
        let same = "nftables mine\nnftables_ipvs mine";
        for (global, name) in [
            (same, "mine_ipvs"),
            ("nftables_ipvs keepalived", "keepalived_ipvs"),
        ] {
            assert_eq!(written(&config(global, &groups)).unwrap()[0].name, name);
        }
    }

    #[test]
    fn of_ranges_that_overlap_the_first_counts() {
        let found = |ranges: &[(u128, u128)]| {
            let mut all = Ranges::default();
            for ((first, last), mark) in ranges.iter().zip(1..) {
                all.add(*first, *last, mark);
            }
            all.0.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(found(&[(5, 9), (5, 9)]), [(5, (9, 1))]);
        assert_eq!(found(&[(5, 9), (6, 7)]), [(5, (9, 1))]);
        assert_eq!(
            found(&[(5, 9), (3, 12)]),
            [(3, (4, 2)), (5, (9, 1)), (10, (12, 2))]
        );
        assert_eq!(
            found(&[(5, 9), (11, 12), (0, 11), (9, 20)]),
            [
                (0, (4, 3)),
                (5, (9, 1)),
                (10, (10, 3)),
                (11, (12, 2)),
                (13, (20, 4))
            ]
        );
        let end = u128::MAX;
        assert_eq!(
            found(&[(end, end), (0, end)]),
            [(0, (end - 1, 2)), (end, (end, 1))]
        );
    }
}
