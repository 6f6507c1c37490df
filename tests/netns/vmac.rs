//! Virtual link-layer addresses and `no_accept`: the same on the wire as keepalived's, changed by a reload, gone at the end.

mod settings;

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Daemon, Host, Node, Seen};
use nix::sys::signal::{Signal, kill};

use crate::scene::{SOON, Scene, VIRTUAL, beside_keepalived, each_pairing, expect, holdfast, ready};

pub(crate) const NODE1: &str = include_str!("../../conf-examples/vmac-pair/node1.conf");
pub(crate) const NODE2: &str = include_str!("../../conf-examples/vmac-pair/node2.conf");

/// RFC 9568 7.3, VRID 51.
const VIRTUAL_MAC: [u8; 6] = [0, 0, 0x5e, 0, 1, 51];

/// What a command prints in a host.
pub(crate) fn run(host: &Host, command: &str) -> String {
    const OUTPUT: &str = "/run/output";
    let shell = format!("{{ {command} ; }} > {OUTPUT} 2>&1");
    let process = host.spawn("command", "/bin/sh", &["-c", &shell]).unwrap();
    process.wait(SOON).expect("the command ends");
    host.read(OUTPUT).unwrap()
}

const SYSCTLS: &str = "cd /proc/sys/net/ipv4/conf; grep . */arp_ignore */arp_filter */rp_filter */accept_local \
                       */promote_secondaries";

/// All of the parent's and the VMAC's settings.
const WHOLE: &str = "cd /proc/sys/net; grep -s . ipv4/conf/eth0/* ipv4/conf/vrrp.51/* ipv6/conf/eth0/* \
                     ipv6/conf/vrrp.51/* | grep -v stable_secret";

/// Tells the interface's index.
const INDEX: &str = "ip -o link show vrrp.51 | cut -d: -f1";

/// The pair of the example: Holdfast has the address, keepalived waits.
struct Pair {
    a: Node,
    b: Node,
    /// Sysctls of the first host before the daemon was there.
    before: String,
    scene: Scene,
}

impl Pair {
    /// `None` where stories cannot be played.
    fn new() -> Option<Self> {
        let scene = ready().then(Scene::new)?;
        let before = run(&scene.a, SYSCTLS);
        let a = holdfast().start(&scene.a, NODE1).unwrap();
        let b = Daemon::Keepalived.start(&scene.b, NODE2).unwrap();
        scene.expect_owner("a");
        Some(Self { a, b, before, scene })
    }
}

/// Sources of the frames from a host that `wanted` picks, in Ethernet and, for ARP, in the packet.
fn sources(scene: &Scene, host: &str, wanted: fn(&Seen) -> bool) -> BTreeSet<Vec<u8>> {
    let frames = scene
        .lab
        .capture
        .pick(|frame| &*frame.host == host && wanted(&frame.seen));
    frames.iter().map(|frame| frame.bytes[6..12].to_vec()).collect()
}

#[test]
fn adverts_and_announcements_carry_the_virtual_address_and_sysctls_and_tables_are_keepaliveds() {
    let Some((ours, theirs)) = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let node = daemon.start(&scene.a, NODE1).unwrap();
        scene.expect_owner("a");
        scene.watch_adverts("a", 2);
        let adverts = sources(&scene, "a", |seen| matches!(seen, Seen::Advert(_)));
        let announcements = sources(&scene, "a", |seen| matches!(seen, Seen::Gratuitous(_)));
        assert_eq!(adverts, BTreeSet::from([VIRTUAL_MAC.to_vec()]));
        assert_eq!(announcements, adverts);
        let sysctls = run(&scene.a, SYSCTLS) + &run(&scene.a, WHOLE);
        let mut table: Vec<String> = run(&scene.a, "nft list table ip keepalived")
            .lines()
            .map(str::to_owned)
            // Ours says whose it is.
            .filter(|line| !line.contains("comment"))
            .collect();
        table.sort();
        let link = run(&scene.a, "ip -o -d link show vrrp.51");
        let link =
            ["macvlan mode private", "addrgenmode none", "00:00:5e:00:01:33"].map(|it| link.contains(it));
        let address = run(&scene.a, "ip -o -4 address show vrrp.51 | cut -d' ' -f2-");
        assert!(node.stop(SOON).is_some());
        (sysctls, table, link, address)
    }) else {
        return;
    };
    assert_eq!(ours, theirs);
}

#[test]
fn the_parent_is_told_of_anew_where_that_is_wished() {
    if !ready() {
        return;
    }
    for (wish, is_told) in [("", false), (" netlink_notify_msg", true)] {
        let scene = Scene::new();
        let monitor = "exec ip -o monitor link > /run/heard";
        let _monitor = scene.a.spawn("monitor", "/bin/sh", &["-c", monitor]).unwrap();
        let heard = || scene.a.read("/run/heard").unwrap_or_default();
        // The monitor hears when it hears something.
        expect("the monitor listens", || {
            run(&scene.a, "ip link set lo down; ip link set lo up");
            !heard().is_empty()
        });
        let text = NODE1.replace("use_vmac", &format!("use_vmac{wish}"));
        assert!(text.contains(&format!("use_vmac{wish}\n")), "{text}");
        let _node = holdfast().start(&scene.a, &text).unwrap();
        scene.expect_owner("a");
        scene.watch_adverts("a", 1);
        let heard = heard();
        let (_, after) = heard.split_once("vrrp.51@eth0: <BROADCAST,MULTICAST,UP").unwrap();
        assert_eq!(after.contains(": eth0@"), is_told, "use_vmac{wish}: {heard}");
    }
}

#[test]
fn the_other_node_takes_the_address_over_with_its_link_layer_address() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let a = first.start(&scene.a, NODE1).unwrap();
        let _b = second.start(&scene.b, NODE2).unwrap();
        scene.expect_owner("a");
        a.process.kill_all();
        expect("b takes over", || {
            scene.lab.owners(VIRTUAL).contains(&"b".to_owned())
        });
        scene.watch_adverts("b", 2);
        let adverts = sources(&scene, "b", |seen| matches!(seen, Seen::Advert(_)));
        assert_eq!(adverts, BTreeSet::from([VIRTUAL_MAC.to_vec()]));
    });
}

#[test]
fn an_address_that_accepts_nothing_answers_arp_but_no_ping() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _a = daemon.start(&scene.a, NODE1).unwrap();
        scene.expect_owner("a");
        let ping = "python3 -c \"import socket,struct
s=socket.socket(socket.AF_INET,socket.SOCK_RAW,1)
s.settimeout(1)
s.sendto(struct.pack('!BBHHH',8,0,0xf7fd,1,1),('192.0.2.10',0))
try: s.recv(100); print('answered')
except TimeoutError: print('silence')\"";
        assert_eq!(run(&scene.b, ping).trim(), "silence");
        let neighbours = run(&scene.b, "ip neigh show 192.0.2.10");
        assert!(neighbours.contains("lladdr 00:00:5e:00:01:33"), "{neighbours}");
    });
}

#[test]
fn the_end_of_the_vrrp_process_leaves_the_interface_to_its_successor() {
    let Some(Pair { a, b, before, scene }) = Pair::new() else {
        return;
    };
    let index = run(&scene.a, INDEX);
    let [child] = a.process.descendants()[..] else {
        panic!("one child expected")
    };
    kill(child, Signal::SIGKILL).unwrap();
    scene.watch_adverts("a", 4);
    assert_eq!(run(&scene.a, INDEX), index);
    assert_eq!(b.said("Entering MASTER STATE"), 0, "the other node took over");
    expect("packets to the address are refused", || {
        run(&scene.a, "nft list set ip keepalived vips").contains("{ 192.0.2.10 }")
    });
    // What the sysctls were before is known to the successor too.
    assert!(a.stop(SOON).is_some());
    assert_eq!(run(&scene.a, SYSCTLS), before);
}

#[test]
fn a_stop_leaves_nothing_and_a_parent_that_goes_down_is_a_fault() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let before = (run(&scene.a, SYSCTLS), run(&scene.a, "ip -o link | wc -l"));
    let a = holdfast().start(&scene.a, NODE1).unwrap();
    scene.expect_owner("a");
    scene.a.cable_out().unwrap();
    expect("a fault", || a.said("Entering FAULT STATE") == 1);
    scene.a.cable_in().unwrap();
    scene.watch_adverts("a", 1);
    assert!(run(&scene.a, SYSCTLS).contains("eth0/arp_ignore:1"));
    assert_eq!(
        a.stop(SOON + Duration::from_secs(1)).and_then(|it| it.code()),
        Some(0)
    );
    assert_eq!(run(&scene.a, "nft list ruleset"), "");
    assert_eq!(
        (run(&scene.a, SYSCTLS), run(&scene.a, "ip -o link | wc -l")),
        before
    );
}

#[test]
fn a_reload_changes_the_interface_without_a_fault() {
    let Some(Pair { a, b, scene, .. }) = Pair::new() else {
        return;
    };
    scene.watch_adverts("a", 1);
    let vmac = |setting: &str| NODE1.replace("    use_vmac\n", setting);
    let reload = |configuration: &str, carrier: &str| {
        scene.a.write(CONFIGURATION, configuration).unwrap();
        a.process.signal(Signal::SIGHUP);
        expect(&format!("{carrier} has the address, and no other"), || {
            let addresses = run(&scene.a, "ip -o -4 address show to 192.0.2.10");
            addresses.lines().count() == 1 && addresses.contains(&format!(" {carrier} "))
        });
    };
    // It stays the same router, as with keepalived: no change of state, whatever carries the address.
    for (setting, carrier) in [
        ("    use_vmac mine\n", "mine"),
        ("    use_vmac vrrp.51\n    vmac_xmit_base\n", "vrrp.51"),
        ("    use_vmac vrrp.51\n", "vrrp.51"),
    ] {
        reload(&vmac(setting), carrier);
        scene.watch_adverts("a", 2);
    }
    assert_eq!(a.said("Entering MASTER STATE"), 1);
    assert_eq!(a.said("sent 0 priority"), 0);
    assert_eq!(b.said("Entering MASTER STATE"), 0, "the other node took over");
    let links = run(&scene.a, "ip -o link show type macvlan");
    assert_eq!(links.lines().count(), 1, "{links}");
    // With and without a VMAC are two routers, as with keepalived: the old one resigns.
    reload(&vmac(""), "eth0");
    assert_eq!(run(&scene.a, "ip -o link show type macvlan"), "");
    assert_eq!(a.said("sent 0 priority"), 1);
    scene.watch_adverts("a", 1);
    reload(NODE1, "vrrp.51");
    assert_eq!(a.said("sent 0 priority"), 2);
    assert_eq!(a.said("Entering FAULT STATE"), 0);
    assert_eq!(a.said("by another program"), 0, "it was our own doing");
}

#[test]
fn a_reload_gives_the_interface_another_link_layer_address_and_ipv6() {
    let Some(Pair { a, b, scene, .. }) = Pair::new() else {
        return;
    };
    let reload = |configuration: &str, looks: &str, shows: &str| {
        scene.a.write(CONFIGURATION, configuration).unwrap();
        a.process.signal(Signal::SIGHUP);
        expect(&format!("{looks} shows {shows}"), || {
            run(&scene.a, looks).contains(shows)
                && run(&scene.a, "ip -o -4 address show").contains("vrrp.51    inet 192.0.2.10/24")
        });
        scene.watch_adverts("a", 2);
    };
    let link = "ip -o link show vrrp.51";
    let named = |address: &str| NODE1.replace("use_vmac", &format!("use_vmac vrrp.51 {address}"));
    reload(&named("02:00:00:00:00:51"), link, "02:00:00:00:00:51");
    reload(&named(""), link, "00:00:5e:00:01:33");
    let six = "    virtual_ipaddress_excluded {\n        2001:db8::10/64\n    }\n    virtual_ipaddress {";
    let with_ipv6 = NODE1.replace("    virtual_ipaddress {", six);
    let addresses = "ip -o -6 address show dev vrrp.51";
    reload(&with_ipv6, addresses, "2001:db8::10/64");
    reload(NODE1, "cat /proc/sys/net/ipv6/conf/vrrp.51/disable_ipv6", "1");
    assert_eq!(a.said("Entering MASTER STATE"), 1);
    assert_eq!(a.said("Entering FAULT STATE"), 0);
    assert_eq!(a.said("by another program"), 0, "it was our own doing");
    assert_eq!(b.said("Entering MASTER STATE"), 0, "the other node took over");
}

#[test]
fn an_interface_that_is_renamed_is_another_one() {
    if !ready() {
        return;
    }
    let plain = "
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    virtual_ipaddress {
        192.0.2.20/24
    }
}
";
    // Kernels before 6.2 rename only what is down.
    let rename = |from: &str, to: &str| {
        format!(
            "ip link set {from} name {to} 2>/dev/null || {{ ip link set {from} down; ip link set {from} name {to}; \
             ip link set {to} up; }}"
        )
    };
    for global in ["", "global_defs {\ndynamic_interfaces\n}\n"] {
        let scene = Scene::new();
        let both = format!("{global}{NODE1}{plain}");
        let a = holdfast().start(&scene.a, &both).unwrap();
        let has = |address: &str| run(&scene.a, "ip -o -4 address show").contains(address);
        let has_both = || has("vrrp.51    inet 192.0.2.10/24") && has("eth0    inet 192.0.2.20/24");
        expect("it has both addresses", has_both);
        run(&scene.a, &rename("eth0", "wan"));
        expect("neither instance runs, nothing of theirs is left", || {
            a.said("Entering FAULT STATE") == 2
                && !has("192.0.2.10/24")
                && !has("192.0.2.20/24")
                && run(&scene.a, "ip -o link show type macvlan").is_empty()
        });
        assert!(has("wan    inet 192.0.2.11/24"), "what is the host's stays");
        assert_eq!(a.said("by another program"), 0, "it was our own doing");
        run(&scene.a, &rename("wan", "eth0"));
        expect("it has both addresses again", has_both);
    }
}
