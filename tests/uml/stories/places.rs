//! Where an instance can live besides on an interface of its own: in a VRF, without an interface, on an ipvlan. Opposite
//! keepalived, which is master whenever Holdfast is not.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use holdfast::lab::{Daemon, Host, Lab, Node, wait_until};

use super::{run, stories};

stories![
    a_member_of_a_vrf_carries_an_instance,
    a_vmac_is_in_the_vrf_of_its_parent,
    a_unicast_instance_needs_no_interface_but_may_have_a_vrf,
    an_ipvlan_sends_the_adverts_and_its_parent_has_the_address,
];

pub(super) const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// It is one slow processor.
pub(super) const SOON: Duration = Duration::from_secs(30);

pub(super) const OTHER: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.10/24
    }
}
";

pub(super) struct Pair {
    pub(super) lab: Lab,
    pub(super) a: Arc<Host>,
    pub(super) b: Arc<Host>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let lab = Lab::new().unwrap();
        let a = lab.host("a", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
        let b = lab.host("b", Ipv4Addr::new(192, 0, 2, 12)).unwrap();
        Self { lab, a, b }
    }

    /// The first host's link becomes a member of a VRF, as which it keeps its addresses.
    pub(super) fn enslave(&self) {
        for command in [
            "ip link add red type vrf table 10",
            "ip link set red up",
            "ip link set eth0 master red",
        ] {
            on(&self.a, command);
        }
    }

    /// Plays it: the second host has the address when the first has not, and the first leaves nothing behind.
    pub(super) fn play(
        &self,
        daemon: &Daemon,
        text: &str,
        other: &str,
        as_master: impl FnOnce(&Host),
    ) -> Node {
        let before = links(&self.a);
        let second = Daemon::Keepalived.start(&self.b, other).unwrap();
        self.owned_by("b");
        let first = daemon.start(&self.a, text).unwrap();
        self.owned_by("a");
        as_master(&self.a);
        assert!(first.stop(SOON).is_some(), "{}", self.lab.report());
        self.owned_by("b");
        assert_eq!(links(&self.a), before, "something stayed behind");
        second
    }

    pub(super) fn owned_by(&self, host: &str) {
        let owned = wait_until(SOON, || self.lab.owners(VIRTUAL) == [host]);
        assert!(
            owned.is_some(),
            "{host} alone should have the address\n{}",
            self.lab.report()
        );
    }
}

pub(super) fn ours() -> Daemon {
    Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into())
}

pub(super) fn on(host: &Host, command: &str) -> String {
    let command = command.to_owned();
    host.run(move || run(&command)).unwrap()
}

fn links(host: &Host) -> String {
    on(host, "ip -o -br link show")
}

fn a_member_of_a_vrf_carries_an_instance() {
    for daemon in [ours(), Daemon::Keepalived] {
        let pair = Pair::new();
        pair.enslave();
        let text = OTHER.replace("priority 100", "priority 150");
        pair.play(&daemon, &text, OTHER, |host| {
            let routes = on(host, "ip route show table 10");
            assert!(routes.contains("192.0.2.0/24"), "{routes}");
        });
    }
}

fn a_vmac_is_in_the_vrf_of_its_parent() {
    for daemon in [ours(), Daemon::Keepalived] {
        let pair = Pair::new();
        pair.enslave();
        let text = OTHER.replace("priority 100", "priority 150\nuse_vmac");
        pair.play(&daemon, &text, OTHER, |host| {
            let link = on(host, "ip -d -o link show vrrp.51");
            assert!(
                link.contains("master red") && link.contains("macvlan mode private"),
                "{link}"
            );
        });
    }
}

/// keepalived 2.2.7 does not know such instances: only the other node is one.
fn a_unicast_instance_needs_no_interface_but_may_have_a_vrf() {
    let other = OTHER.replace("priority 100", "priority 100\nunicast_peer {\n192.0.2.11\n}");
    for vrf in ["", "vrf red"] {
        let pair = Pair::new();
        if !vrf.is_empty() {
            pair.enslave();
        }
        let text = format!(
            "vrrp_instance VI_1 {{
                {vrf}
                virtual_router_id 51
                priority 150
                unicast_src_ip 192.0.2.11
                unicast_peer {{
                    192.0.2.12
                }}
                virtual_ipaddress {{
                    192.0.2.10/24 dev eth0
                }}
            }}
            "
        );
        pair.play(&ours(), &text, &other, |_| {});
    }
}

fn an_ipvlan_sends_the_adverts_and_its_parent_has_the_address() {
    let shown = [ours(), Daemon::Keepalived].map(|daemon| {
        let pair = Pair::new();
        let text = OTHER.replace("priority 100", "priority 150\nuse_ipvlan ipv0 192.0.2.21/24");
        let mut shown = Vec::new();
        let other = pair.play(&daemon, &text, OTHER, |host| {
            let link = on(host, "ip -d -o link show ipv0");
            assert!(link.contains("mode l2 bridge"), "{link}");
            for name in ["eth0", "ipv0"] {
                let addresses = on(host, &format!("ip -o -4 address show dev {name}"));
                let words = addresses.split_ascii_whitespace();
                let own = words.filter(|word| word.starts_with("192.0.2.1") || word.starts_with("192.0.2.2"));
                shown.push((name, own.map(str::to_owned).collect::<Vec<_>>()));
            }
        });
        assert!(
            other.said("Master received advert from 192.0.2.21 with higher priority 150") > 0,
            "{}",
            pair.lab.report()
        );
        shown
    });
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0][1].1, ["192.0.2.21/24"]);
}
