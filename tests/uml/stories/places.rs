//! Where an instance can live besides on an interface of its own: in a VRF, without an interface, on an ipvlan. Opposite
//! keepalived, which is master whenever Holdfast is not.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Daemon, Host, Lab, Node, wait_until};
use nix::sys::signal::Signal;

use super::{run, stories};

stories![
    a_member_of_a_vrf_carries_an_instance,
    a_vmac_is_in_the_vrf_of_its_parent,
    a_reload_leaves_what_is_in_a_vrf_alone,
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

fn a_reload_leaves_what_is_in_a_vrf_alone() {
    const SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
    let pair = Pair::new();
    pair.enslave();
    let of = |priority: &str, more: &str| {
        let first = OTHER.replace("priority 100", priority);
        let second = first.replace("VI_1", "VI_2").replace("id 51", "id 52");
        let second = second.replace("192.0.2.10", "192.0.2.20");
        format!(
            "{first}{}",
            second.replace(priority, &format!("{priority}\n{more}"))
        )
    };
    let _b = Daemon::Keepalived
        .start(&pair.b, &of("priority 100", ""))
        .unwrap();
    let text = of("priority 150", "use_vmac");
    let a = ours().start(&pair.a, &text).unwrap();
    pair.owned_by("a");
    let both = wait_until(SOON, || pair.lab.owners(SECOND) == ["a"]);
    assert!(both.is_some(), "{}", pair.lab.report());
    let words = ["monitor", "link", "address", "route", "rule"];
    let monitor = pair.a.spawn("monitor", "/sbin/ip", &words).unwrap();
    let heard = || monitor.log.since(0).len();
    let listens = wait_until(SOON, || {
        on(&pair.a, "ip link set lo down");
        on(&pair.a, "ip link set lo up");
        heard() > 0
    });
    assert!(listens.is_some(), "the monitor hears nothing");
    let adverts = || pair.lab.capture.adverts("a").len();
    let more = |count: usize| {
        let wanted = adverts() + count;
        let sent = wait_until(SOON, || adverts() >= wanted);
        assert!(sent.is_some(), "{}", pair.lab.report());
    };
    // The second burst of announcements is over then.
    more(14);
    let (heard_before, adverts_before) = (heard(), adverts());
    for times in 1..=3 {
        let again = format!("{}{text}", "# unchanged\n".repeat(times));
        pair.a.write(CONFIGURATION, &again).unwrap();
        a.process.signal(Signal::SIGHUP);
        let done = wait_until(SOON, || a.said("Reload complete") == times);
        assert!(done.is_some(), "{}", pair.lab.report());
        more(6);
    }
    assert_eq!(monitor.log.since(heard_before), [], "written anew");
    for vrid in [51, 52] {
        let all = pair.lab.capture.adverts("a").into_iter().skip(adverts_before);
        let own: Vec<_> = all.filter(|(_, advert)| advert.vrid == vrid).collect();
        for two in own.windows(2) {
            let gap = two[1].0.duration_since(two[0].0).unwrap();
            assert!(
                gap < Duration::from_millis(1900),
                "{vrid}: {gap:?} without an advert"
            );
        }
    }
    assert_eq!(a.said("Entering MASTER STATE"), 2);
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
