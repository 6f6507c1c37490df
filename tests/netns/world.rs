//! Random configurations that two nodes share, and random changes of them: virtual routers with and without interfaces of
//! their own, groups, scripts, routes, rules, BFD sessions, virtual servers. One seed, one sequence.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Chance from a seed: `SplitMix64`.
#[derive(Debug)]
pub(crate) struct Chance(u64);

/// What both nodes are configured for.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) routers: Vec<Router>,
    /// The first two routers are a group.
    grouped: bool,
    /// Weight of the script that each router tracks, if it does; members of the group track it without weight.
    script: Option<i16>,
    session: bool,
    servers: u8,
    notify: bool,
}

/// A virtual router.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) vrid: u8,
    /// An interface of its own.
    pub(crate) vmac: bool,
    version: u8,
    /// Between advertisements, in milliseconds; whole seconds of version 2.
    interval: u64,
    /// Its addresses end so.
    addresses: BTreeSet<u8>,
    second_family: bool,
    unicast: bool,
    password: bool,
    nopreempt: bool,
    /// Of the first node and the second.
    priorities: [u8; 2],
    /// A virtual route and a virtual rule.
    route: bool,
}

/// Where the nodes are.
pub(crate) const NODES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];

/// The check script: it does what the file says.
pub(crate) const CHECK: &str =
    "#!/bin/sh\ncase $(cat /run/health) in\nwell) exit 0;;\nslow) sleep 20;;\nesac\nexit 1\n";

/// Virtual routers have these numbers.
const VRIDS: std::ops::RangeInclusive<u8> = 51..=56;

/// The longest interval between advertisements.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number less than that.
    pub(crate) fn below(&mut self, limit: u8) -> u8 {
        u8::try_from(self.next() % u64::from(limit)).unwrap()
    }

    /// In so many cases of a hundred.
    pub(crate) fn percent(&mut self, cases: u8) -> bool {
        self.below(100) < cases
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.below(u8::try_from(from.len()).unwrap()))]
    }
}

impl World {
    /// Two routers in a group and one with an interface of its own: everything that there is, once.
    pub(crate) fn first() -> Self {
        let router = |vrid: u8, vmac: bool| Router {
            vrid,
            vmac,
            version: if vrid.is_multiple_of(2) { 3 } else { 2 },
            interval: 1000,
            addresses: BTreeSet::from([0, 1]),
            second_family: true,
            unicast: vrid == 52,
            password: vrid == 51,
            nopreempt: false,
            priorities: [150, 100],
            route: true,
        };
        Self {
            routers: vec![router(51, false), router(52, false), router(53, true)],
            grouped: true,
            script: Some(0),
            session: true,
            servers: 2,
            notify: true,
        }
    }

    /// The same with one to four things changed.
    pub(crate) fn changed(&self, chance: &mut Chance) -> Self {
        let mut world = self.clone();
        for _ in 0..=chance.below(4) {
            world.change(chance);
        }
        world
    }

    fn change(&mut self, chance: &mut Chance) {
        match chance.below(10) {
            0 => self.come_or_go(chance),
            1 => self.grouped = !self.grouped,
            2 => self.script = chance.pick(&[None, Some(0), Some(-60), Some(10)]),
            3 => self.session = !self.session,
            4 => self.servers = chance.below(5),
            5 => self.notify = !self.notify,
            _ => {
                let last = u8::try_from(self.routers.len()).unwrap();
                self.routers[usize::from(chance.below(last))].change(chance);
            }
        }
    }

    /// A router comes, or one goes; at least two stay.
    fn come_or_go(&mut self, chance: &mut Chance) {
        let vrid = chance.pick(&VRIDS.collect::<Vec<u8>>());
        let place = self.routers.iter().position(|router| router.vrid == vrid);
        match place {
            Some(place) if self.routers.len() > 2 => drop(self.routers.remove(place)),
            Some(_) => {}
            None => self.routers.push(Router {
                vrid,
                vmac: chance.percent(30),
                version: 2,
                interval: 1000,
                addresses: BTreeSet::from([chance.below(9)]),
                second_family: false,
                unicast: false,
                password: false,
                nopreempt: false,
                priorities: [100, 150],
                route: false,
            }),
        }
    }

    /// The configuration of the node of this number.
    pub(crate) fn text(&self, node: usize) -> String {
        let mut text = String::from(
            "global_defs {\n enable_script_security\n script_user root\n process_names\n vrrp_garp_master_delay 1\n}\n\
             vrrp_script chk {\n script /run/check.sh\n interval 1\n timeout 2\n}\n",
        );
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, node);
        text
    }

    fn write(&self, text: &mut String, node: usize) -> std::fmt::Result {
        if self.session {
            let neighbor = NODES[1 - node];
            writeln!(
                text,
                "bfd_instance peer {{\n neighbor_ip {neighbor}\n min_rx 200\n min_tx 200\n weight 5\n}}"
            )?;
        }
        if self.grouped {
            let [first, second] = [self.routers[0].vrid, self.routers[1].vrid];
            writeln!(
                text,
                "vrrp_sync_group G {{\n group {{\n V{first}\n V{second}\n }}\n}}"
            )?;
        }
        for (number, router) in self.routers.iter().enumerate() {
            self.write_router(text, node, router, self.grouped && number < 2)?;
        }
        for server in 0..self.servers {
            writeln!(
                text,
                "virtual_server 192.0.2.2{server} 80 {{\n protocol TCP\n lvs_sched rr\n lvs_method DR\n delay_loop 1\n real_server 192.0.2.3{server} 80 {{\n \
                 TCP_CHECK {{\n connect_ip 127.0.0.1\n connect_port 1\n }}\n }}\n}}"
            )?;
        }
        Ok(())
    }

    fn write_router(
        &self,
        text: &mut String,
        node: usize,
        router: &Router,
        in_group: bool,
    ) -> std::fmt::Result {
        let vrid = router.vrid;
        let priority = router.priorities[node];
        write!(
            text,
            "vrrp_instance V{vrid} {{\n interface eth0\n virtual_router_id {vrid}\n priority {priority}\n version {}\n",
            router.version
        )?;
        #[expect(clippy::cast_precision_loss, reason = "a few hundred milliseconds")]
        let interval = router.interval as f64 / 1000.0;
        writeln!(text, " advert_int {interval}")?;
        if router.vmac {
            writeln!(text, " use_vmac")?;
        }
        if router.unicast {
            let (own, peer) = (NODES[node], NODES[1 - node]);
            let base = if router.vmac { " vmac_xmit_base\n" } else { "" };
            write!(
                text,
                "{base} unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}\n"
            )?;
        }
        if router.password && router.version == 2 {
            writeln!(
                text,
                " authentication {{\n auth_type PASS\n auth_pass secret\n }}"
            )?;
        }
        if router.nopreempt {
            writeln!(text, " nopreempt")?;
        }
        writeln!(text, " virtual_ipaddress {{")?;
        for address in router.own_addresses() {
            writeln!(text, "  {address}/24")?;
        }
        writeln!(text, " }}")?;
        if router.second_family {
            writeln!(
                text,
                " virtual_ipaddress_excluded {{\n  {}/64\n }}",
                router.second()
            )?;
        }
        if router.route {
            write!(
                text,
                " virtual_routes {{\n  10.{vrid}.0.0/16 via 192.0.2.1 dev eth0\n }}\n \
                 virtual_rules {{\n  from 10.{vrid}.0.0/16 table 100 priority 10{vrid}\n }}\n"
            )?;
        }
        if let Some(weight) = self.script {
            let weight = if in_group { 0 } else { weight };
            writeln!(text, " track_script {{\n  chk weight {weight}\n }}")?;
        }
        if self.session && !in_group {
            writeln!(text, " track_bfd {{\n  peer\n }}")?;
        }
        if self.notify {
            writeln!(text, " notify /run/notify.sh")?;
        }
        writeln!(text, "}}")
    }

    /// The groups of routers that must have one owner together.
    pub(crate) fn group(&self) -> &[Router] {
        if self.grouped { &self.routers[..2] } else { &[] }
    }

    /// Whether a process is needed for the sessions, and one for the virtual servers.
    pub(crate) fn needs(&self) -> (bool, bool) {
        (self.session, self.servers > 0)
    }
}

impl Router {
    fn change(&mut self, chance: &mut Chance) {
        match chance.below(10) {
            0 => self.vmac = !self.vmac,
            1 => {
                self.version = 5 - self.version;
                self.interval = 1000;
            }
            2 if self.version == 3 => self.interval = chance.pick(&[300, 500, 1000]),
            3 => self.second_family = !self.second_family,
            4 => self.unicast = !self.unicast,
            5 => self.nopreempt = !self.nopreempt,
            6 => self.priorities = chance.pick(&[[150, 100], [100, 150], [100, 100], [200, 90]]),
            7 => self.route = !self.route,
            8 => self.password = !self.password,
            _ => {
                let address = chance.below(10);
                if !self.addresses.remove(&address) || self.addresses.is_empty() {
                    self.addresses.insert(address);
                }
            }
        }
    }

    fn own_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        let first = 100 + 10 * (self.vrid - VRIDS.start());
        self.addresses
            .iter()
            .map(move |end| Ipv4Addr::new(192, 0, 2, first + end))
    }

    fn second(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, self.vrid.into())
    }

    /// All addresses that its master has.
    pub(crate) fn addresses(&self) -> BTreeSet<IpAddr> {
        let second = self.second_family.then(|| self.second().into());
        self.own_addresses().map(IpAddr::V4).chain(second).collect()
    }

    /// Whether its master has a route and a rule.
    pub(crate) fn has_routing(&self) -> bool {
        self.route
    }

    /// Beginning of the route.
    pub(crate) fn route(&self) -> String {
        format!("10.{}.0.0/16 ", self.vrid)
    }

    /// Preference of the rule.
    pub(crate) fn rule(&self) -> String {
        format!("10{}", self.vrid)
    }

    /// Name of its interface, if it has one of its own.
    pub(crate) fn interface(&self) -> Option<String> {
        self.vmac.then(|| format!("vrrp.{}", self.vrid))
    }
}
