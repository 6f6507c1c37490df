//! Interfaces of our own on kernels that have all of them: every mode of an ipvlan, changed by a reload; VRFs that an interface
//! leaves while its instance is master. Beside keepalived where it does the same.

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Daemon, Host, wait_until};
use nix::sys::signal::Signal;

use super::places::{OTHER, Pair, SOON, VIRTUAL, on, ours};
use super::stories;

stories![sociable:
    an_ipvlan_is_made_in_every_mode,
    an_ipv6_instance_has_an_ipvlan,
    a_reload_goes_from_one_kind_of_interface_to_another,
    an_ipv6_instance_lives_in_a_vrf,
    an_interface_leaves_its_vrf_while_its_instance_is_master,
    a_vmac_leaves_the_vrf_with_its_parent,
    a_vrf_is_removed_while_an_ipv6_instance_in_it_is_master,
];

/// An IPv6 instance, with an IPv4 address by which its master is known.
const IPV6: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    version 3
    priority 100
    virtual_ipaddress {
        fe80::10/64
        2001:db8::10/64
    }
    virtual_ipaddress_excluded {
        192.0.2.10/24
    }
}
";

/// A configuration of the preferred node, with these lines more.
fn preferred(configuration: &str, more: &str) -> String {
    configuration.replace("priority 100", &format!("priority 150\n{more}"))
}

/// How a link was made, without what differs from run to run.
fn link(host: &Host, name: &str) -> String {
    let shown = on(host, &format!("ip -d -o link show {name}"));
    let (_, shown) = shown.split_once(&format!("{name}@")).unwrap();
    let kinds = [
        "macvlan mode private",
        "mode l2 bridge",
        "mode l2 private",
        "mode l2 vepa",
    ];
    let kind = kinds.into_iter().find(|kind| shown.contains(kind));
    let is_up = shown.contains(",UP,");
    let vrf = shown.contains("master red");
    format!("{kind:?} up: {is_up} in the VRF: {vrf}")
}

/// Every address of a link, but for the numbers that a kernel makes of its hardware address.
fn addresses(host: &Host, name: &str) -> Vec<String> {
    let shown = on(host, &format!("ip -o address show dev {name}"));
    let words = shown
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(3));
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    words.sort();
    words
}

/// Settings of a link.
fn settings(host: &Host, name: &str) -> Vec<String> {
    let mut all = Vec::new();
    for family in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{family}/conf/{name}");
        let files = host.run(move || {
            let mut read = Vec::new();
            for entry in std::fs::read_dir(&path).unwrap() {
                let path = entry.unwrap().path();
                let value = std::fs::read_to_string(&path).unwrap_or_default();
                read.push(format!("{}={}", path.display(), value.trim()));
            }
            read
        });
        all.extend(files.unwrap());
    }
    all.retain(|line| !line.contains("stable_secret"));
    all.sort();
    all
}

fn an_ipvlan_is_made_in_every_mode() {
    for mode in ["bridge", "private", "vepa"] {
        let [mine, theirs] = [ours(), Daemon::Keepalived].map(|daemon| {
            let pair = Pair::new();
            let text = preferred(OTHER, &format!("use_ipvlan ipv0 192.0.2.21/24 {mode}"));
            let node = daemon.start(&pair.a, &text).unwrap();
            pair.owned_by("a");
            let shown = (
                link(&pair.a, "ipv0"),
                addresses(&pair.a, "ipv0"),
                addresses(&pair.a, "eth0"),
                settings(&pair.a, "ipv0"),
            );
            assert!(shown.0.contains(mode), "{shown:?}");
            assert!(node.stop(SOON).is_some(), "{}", pair.lab.report());
            assert_eq!(on(&pair.a, "ip -o link show type ipvlan"), "");
            shown
        });
        assert_eq!(mine, theirs, "{mode}");
    }
}

fn an_ipv6_instance_has_an_ipvlan() {
    let [mine, theirs] = [ours(), Daemon::Keepalived].map(|daemon| {
        let pair = Pair::new();
        let mut shown = None;
        pair.play(&daemon, &preferred(IPV6, "use_ipvlan ipv0"), IPV6, |host| {
            shown = Some((
                link(host, "ipv0"),
                addresses(host, "ipv0").len(),
                addresses(host, "eth0"),
                settings(host, "ipv0"),
            ));
        });
        shown.unwrap()
    });
    assert_eq!(mine, theirs);
}

fn a_reload_goes_from_one_kind_of_interface_to_another() {
    let pair = Pair::new();
    let node = ours().start(&pair.a, &preferred(OTHER, "")).unwrap();
    pair.owned_by("a");
    for (setting, name, shows) in [
        ("use_ipvlan up0 192.0.2.21/24", "up0", "mode l2 bridge"),
        ("use_ipvlan up0 192.0.2.21/24 private", "up0", "mode l2 private"),
        ("use_ipvlan up0 192.0.2.22/24 private", "up0", "192.0.2.22/24"),
        ("use_vmac up0", "up0", "macvlan mode private"),
        ("use_ipvlan other 192.0.2.21/24 vepa", "other", "mode l2 vepa"),
        ("use_vmac up0", "up0", "macvlan mode private"),
        ("", "eth0", "192.0.2.10/24"),
    ] {
        pair.a.write(CONFIGURATION, &preferred(OTHER, setting)).unwrap();
        node.process.signal(Signal::SIGHUP);
        let uppers = || {
            let links =
                on(&pair.a, "ip -o link show type ipvlan") + &on(&pair.a, "ip -o link show type macvlan");
            links.lines().count()
        };
        let whole = wait_until(SOON, || {
            uppers() == usize::from(name != "eth0")
                && on(&pair.a, "ip -o link show").contains(&format!(": {name}@"))
                && on(&pair.a, &format!("ip -d address show dev {name}")).contains(shows)
                && pair.lab.owners(VIRTUAL) == ["a"]
                && !on(&pair.a, "ip -o -4 address show").contains(if setting.contains(".22") {
                    "192.0.2.21/"
                } else {
                    "192.0.2.22/"
                })
        });
        assert!(
            whole.is_some(),
            "\"{setting}\" makes {shows}\n{}",
            pair.lab.report()
        );
    }
    assert_eq!(node.said("by another program"), 0, "{}", pair.lab.report());
    assert!(node.stop(SOON).is_some(), "{}", pair.lab.report());
}

fn an_ipv6_instance_lives_in_a_vrf() {
    for more in ["", "use_vmac"] {
        for daemon in [ours(), Daemon::Keepalived] {
            let pair = Pair::new();
            pair.enslave();
            pair.play(&daemon, &preferred(IPV6, more), IPV6, |host| {
                let routes = on(host, "ip -6 route show table 10");
                assert!(routes.contains("2001:db8::/64"), "{routes}");
                if !more.is_empty() {
                    assert!(
                        link(host, "vrrp.51").contains("in the VRF: true"),
                        "{}",
                        link(host, "vrrp.51")
                    );
                }
            });
        }
    }
}

fn an_interface_leaves_its_vrf_while_its_instance_is_master() {
    for daemon in [ours(), Daemon::Keepalived] {
        leaves(&daemon, OTHER, "", "ip link set eth0 nomaster");
    }
}

fn a_vmac_leaves_the_vrf_with_its_parent() {
    for daemon in [ours(), Daemon::Keepalived] {
        leaves(&daemon, OTHER, "use_vmac", "ip link set eth0 nomaster");
    }
}

fn a_vrf_is_removed_while_an_ipv6_instance_in_it_is_master() {
    // keepalived 2.2.7 has the IPv4 address on the interface below the VMAC.
    leaves(&ours(), IPV6, "use_vmac", "ip link del red");
}

/// Whatever the kernel does to the interface on the way, a master has all that is its own, in the main table.
fn leaves(daemon: &Daemon, configuration: &str, more: &str, command: &str) {
    let pair = Pair::new();
    pair.enslave();
    let other = Daemon::Keepalived.start(&pair.b, configuration).unwrap();
    pair.owned_by("b");
    let node = daemon.start(&pair.a, &preferred(configuration, more)).unwrap();
    pair.owned_by("a");
    on(&pair.a, command);
    let carrier = if more.is_empty() { "eth0" } else { "vrrp.51" };
    let is_ipv6 = configuration == IPV6;
    let whole = wait_until(SOON, || {
        let addresses = on(&pair.a, &format!("ip -o address show dev {carrier}"));
        let routes = on(&pair.a, "ip route show table main") + &on(&pair.a, "ip -6 route show table main");
        pair.lab.owners(VIRTUAL) == ["a"]
            && !on(&pair.a, &format!("ip -o link show {carrier}")).contains("master")
            && addresses.contains("192.0.2.10/24")
            && routes.contains(&format!("192.0.2.0/24 dev {carrier}"))
            && (!is_ipv6 || addresses.contains("fe80::10/64") && addresses.contains("2001:db8::10/64"))
    });
    assert!(whole.is_some(), "{command}\n{}", pair.lab.report());
    // Its adverts arrive: the other node stays where it is.
    let masters = other.said("Entering MASTER STATE");
    let before = pair.lab.capture.look(<[_]>::len);
    let from_a = || {
        let frames = pair.lab.capture.since(before);
        // IPv4 or IPv6, protocol 112.
        let is_advert = |bytes: &[u8]| bytes.get(23) == Some(&112) || bytes.get(20) == Some(&112);
        let adverts = frames
            .iter()
            .filter(|frame| &*frame.host == "a" && is_advert(&frame.bytes));
        adverts.count()
    };
    let speaks = wait_until(SOON, || from_a() >= 5);
    assert!(speaks.is_some(), "{command}\n{}", pair.lab.report());
    assert_eq!(
        other.said("Entering MASTER STATE"),
        masters,
        "{}",
        pair.lab.report()
    );
    assert_eq!(pair.lab.owners(VIRTUAL), ["a"]);
    assert!(node.stop(SOON).is_some(), "{}", pair.lab.report());
    pair.owned_by("b");
    assert!(
        !on(&pair.a, "ip -o link show").contains("vrrp.51"),
        "something stayed behind"
    );
}
