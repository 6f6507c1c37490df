//! `no_accept` and the multicast of VMACs: the tables that keep packets from addresses and reports off macvlans.
//!
//! [`Firewall::tables`] is pure. Absent: iptables and ipsets; whoever configures them gets the same rules by nftables.

pub(super) mod order;

use std::net::IpAddr;

use netlink::nftables::{
    Base, Chain, Expression, Family, Hook, HookPoint, Kind, MetaKey, Register, Set, Table, Verdict,
    interface_name,
};
use parser::Config;

/// Types of `ICMPv6` messages.
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const MULTICAST_REPORTS: [u8; 3] = [131, 132, 143];
const IPPROTO_IGMP: u8 = 2;
const IPPROTO_ICMPV6: u8 = 58;

/// Where in a packet its addresses stand, and how long they are.
const SOURCE_4: (u32, u32) = (12, 4);
const DESTINATION_4: (u32, u32) = (16, 4);
const SOURCE_6: (u32, u32) = (8, 16);
const DESTINATION_6: (u32, u32) = (24, 16);

const FIRST: Register = Register::word(0);
const SECOND: Register = Register::word(4);

/// How the tables are to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Firewall {
    table: String,
    /// Whose the tables are, for those who list them and for a later run.
    owner: String,
    priority: i32,
    counters: bool,
    by_index: bool,
}

/// What the tables are about, as things stand.
#[derive(Debug, Default)]
pub(super) struct Subject {
    /// Addresses that answer nobody, each with index and name of its interface.
    pub(super) refusing: Vec<(IpAddr, u32, String)>,
    /// Macvlans: index and name, index of the parent, the parent's link-local address.
    pub(super) macvlans: Vec<Macvlan>,
}

impl Subject {
    /// Macvlans as they have been found, in the place of what was known of those names.
    pub(super) fn learn(&mut self, found: Vec<Macvlan>) {
        self.macvlans
            .retain(|known| found.iter().all(|macvlan| macvlan.name != known.name));
        self.macvlans.extend(found);
    }
}

/// A macvlan of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Macvlan {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) parent: u32,
    pub(super) parent_link_local: Option<std::net::Ipv6Addr>,
}

impl Firewall {
    /// The tables that a configuration needs, if it needs any: as with keepalived, `no_accept` and `use_vmac` do.
    pub(super) fn of(config: &Config, owner: &str) -> Option<Self> {
        let global = &config.global;
        let needed = config
            .vrrp_instances
            .iter()
            .any(|instance| !instance.accept || instance.use_vmac.is_some());
        (needed || global.nftables.is_some()).then(|| Self {
            table: global.nftables.clone().unwrap_or_else(|| "keepalived".to_owned()),
            owner: owner.to_owned(),
            priority: global.nftables_priority,
            counters: global.nftables_counters,
            by_index: global.nftables_ifindex,
        })
    }

    /// Says in the log what a configuration does not say, or says of other firewalls.
    pub(super) fn note(config: &Config) {
        let global = &config.global;
        if global.nftables.is_some() || Self::of(config, "").is_none() {
            return;
        }
        if global.vrrp_iptables.is_some() || global.vrrp_ipsets.is_some() {
            tracing::info!(
                "vrrp_iptables and vrrp_ipsets: the same rules are made in nftables, table keepalived"
            );
        } else {
            tracing::info!(
                "use_vmac or no_accept/strict specified, but no firewall configured - using nftables"
            );
        }
    }

    /// The name of both tables.
    pub(super) fn name(&self) -> &str {
        &self.table
    }

    /// The tables for IPv4 and IPv6.
    pub(super) fn tables(&self, subject: &Subject) -> [Table; 2] {
        [self.ipv4(subject), self.ipv6(subject)]
    }

    fn ipv4(&self, subject: &Subject) -> Table {
        let vips = subject.refusing.iter().filter_map(|(address, ..)| match address {
            IpAddr::V4(address) => Some(address.octets().to_vec()),
            IpAddr::V6(_) => None,
        });
        let out = vec![
            [
                protocol(IPPROTO_IGMP),
                vec![load(Base::Network, DESTINATION_4, FIRST)],
                to_the_parent(),
            ]
            .concat(),
            vec![load(Base::Network, SOURCE_4, FIRST), in_set("vips"), drop_it()],
        ];
        let input = vec![vec![
            load(Base::Network, DESTINATION_4, FIRST),
            in_set("vips"),
            drop_it(),
        ]];
        Table {
            family: Family::V4,
            name: self.table.clone(),
            comment: self.owner.clone(),
            sets: vec![vmac_map(subject), Set::new("vips", &[Kind::Ipv4]).with(vips)],
            chains: vec![
                self.chain("out", Some(HookPoint::Output), out),
                self.chain("in", Some(HookPoint::Input), input),
            ],
        }
    }

    fn ipv6(&self, subject: &Subject) -> Table {
        let out = vec![
            [
                icmpv6(),
                is_type(NEIGHBOUR_ADVERTISEMENT),
                vec![
                    load(Base::Transport, (8, 16), FIRST),
                    Expression::Meta(MetaKey::OutputName, SECOND),
                    in_set("parent_link_local"),
                    drop_it(),
                ],
            ]
            .concat(),
            [
                icmpv6(),
                vec![
                    load(Base::Transport, (0, 1), FIRST),
                    in_set("mld-report"),
                    load(Base::Network, DESTINATION_6, FIRST),
                ],
                to_the_parent(),
            ]
            .concat(),
            [
                icmpv6(),
                is_type(ROUTER_SOLICITATION),
                vec![
                    Expression::Meta(MetaKey::OutputInterface, FIRST),
                    in_set("vmac_set"),
                    drop_it(),
                ],
            ]
            .concat(),
            accept_neighbour_discovery(),
            when_link_local(SOURCE_6, "out_link_local"),
            vec![load(Base::Network, SOURCE_6, FIRST), in_set("vips"), drop_it()],
        ];
        let input = vec![
            accept_neighbour_discovery(),
            when_link_local(DESTINATION_6, "in_link_local"),
            vec![
                load(Base::Network, DESTINATION_6, FIRST),
                in_set("vips"),
                drop_it(),
            ],
        ];
        let keys = if self.by_index {
            (MetaKey::InputInterface, MetaKey::OutputInterface)
        } else {
            (MetaKey::InputName, MetaKey::OutputName)
        };
        let link_local = |address, interface| {
            let interface = Expression::Meta(interface, SECOND);
            vec![vec![
                load(Base::Network, address, FIRST),
                interface,
                in_set(self.link_local_set()),
                drop_it(),
            ]]
        };
        Table {
            family: Family::V6,
            name: self.table.clone(),
            comment: self.owner.clone(),
            sets: self.sets_6(subject),
            chains: vec![
                self.chain("out_link_local", None, link_local(SOURCE_6, keys.1)),
                self.chain("in_link_local", None, link_local(DESTINATION_6, keys.0)),
                self.chain("out", Some(HookPoint::Output), out),
                self.chain("in", Some(HookPoint::Input), input),
            ],
        }
    }

    fn sets_6(&self, subject: &Subject) -> Vec<Set> {
        let (mut vips, mut link_local) = (Vec::new(), Vec::new());
        for (address, index, name) in &subject.refusing {
            let IpAddr::V6(address) = address else {
                continue;
            };
            if address.is_unicast_link_local() {
                let interface = if self.by_index {
                    index.to_ne_bytes().to_vec()
                } else {
                    interface_name(name)
                };
                link_local.push([address.octets().to_vec(), interface].concat());
            } else {
                vips.push(address.octets().to_vec());
            }
        }
        let interface = if self.by_index {
            Kind::Interface
        } else {
            Kind::InterfaceName
        };
        let macvlans = subject.macvlans.iter();
        let parents = macvlans.clone().filter_map(|it| {
            let address = it.parent_link_local?.octets().to_vec();
            Some([address, interface_name(&it.name)].concat())
        });
        vec![
            vmac_map(subject),
            Set::new("vmac_set", &[Kind::Interface])
                .with(macvlans.clone().map(|it| it.index.to_ne_bytes().to_vec())),
            Set::new("parent_link_local", &[Kind::Ipv6, Kind::InterfaceName]).with(parents),
            Set::new("vips", &[Kind::Ipv6]).with(vips),
            Set::new(self.link_local_set(), &[Kind::Ipv6, interface]).with(link_local),
            Set::new("neighbor-discovery", &[Kind::Icmpv6Type])
                .with([vec![NEIGHBOUR_SOLICITATION], vec![NEIGHBOUR_ADVERTISEMENT]]),
            Set::new("mld-report", &[Kind::Icmpv6Type]).with(MULTICAST_REPORTS.map(|it| vec![it])),
        ]
    }

    fn link_local_set(&self) -> &'static str {
        if self.by_index {
            "vips_link_local"
        } else {
            "vips_link_local_name"
        }
    }

    fn chain(&self, name: &str, point: Option<HookPoint>, mut rules: Vec<Vec<Expression>>) -> Chain {
        if self.counters {
            for rule in &mut rules {
                let verdict = rule.len() - 1;
                rule.insert(verdict, Expression::Counter);
            }
        }
        Chain {
            name: name.to_owned(),
            hook: point.map(|point| Hook {
                point,
                priority: self.priority,
            }),
            rules,
        }
    }
}

/// Leads from each macvlan to its parent.
fn vmac_map(subject: &Subject) -> Set {
    let pairs = subject
        .macvlans
        .iter()
        .map(|it| (it.index.to_ne_bytes().to_vec(), it.parent.to_ne_bytes().to_vec()));
    Set::map("vmac_map", &[Kind::Interface], Kind::Interface).mapping(pairs)
}

fn load(base: Base, (offset, length): (u32, u32), into: Register) -> Expression {
    Expression::Payload {
        base,
        offset,
        length,
        into,
    }
}

fn in_set(name: &str) -> Expression {
    Expression::InSet(FIRST, name.to_owned())
}

fn drop_it() -> Expression {
    Expression::Verdict(Verdict::Drop)
}

fn protocol(number: u8) -> Vec<Expression> {
    vec![
        load(Base::Network, (9, 1), FIRST),
        Expression::Equal(FIRST, vec![number]),
    ]
}

/// By what follows all extension headers: multicast reports come with a hop-by-hop option.
fn icmpv6() -> Vec<Expression> {
    vec![
        Expression::Meta(MetaKey::Protocol, FIRST),
        Expression::Equal(FIRST, vec![IPPROTO_ICMPV6]),
    ]
}

fn is_type(number: u8) -> Vec<Expression> {
    vec![
        load(Base::Transport, (0, 1), FIRST),
        Expression::Equal(FIRST, vec![number]),
    ]
}

/// Moves a packet that leaves by a macvlan of ours to its parent: switches must not learn the virtual address from a
/// backup. The first register has the destination.
fn to_the_parent() -> Vec<Expression> {
    vec![
        Expression::Meta(MetaKey::OutputKind, SECOND),
        Expression::Equal(SECOND, interface_name("macvlan")),
        Expression::Meta(MetaKey::OutputInterface, SECOND),
        Expression::Map {
            from: SECOND,
            map: "vmac_map".to_owned(),
            into: SECOND,
        },
        Expression::Duplicate {
            address: FIRST,
            interface: SECOND,
        },
        drop_it(),
    ]
}

fn accept_neighbour_discovery() -> Vec<Expression> {
    [
        icmpv6(),
        vec![
            load(Base::Transport, (0, 1), FIRST),
            in_set("neighbor-discovery"),
            Expression::Verdict(Verdict::Accept),
        ],
    ]
    .concat()
}

/// Has another chain decide about link-local addresses (`fe80::/10`).
fn when_link_local(address: (u32, u32), chain: &str) -> Vec<Expression> {
    let start = |bytes: [u8; 2]| [&bytes[..], &[0; 14]].concat();
    vec![
        load(Base::Network, address, FIRST),
        Expression::Mask(FIRST, start([0xff, 0xc0])),
        Expression::Equal(FIRST, start([0xfe, 0x80])),
        Expression::Verdict(Verdict::Goto(chain.to_owned())),
    ]
}
