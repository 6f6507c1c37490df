//! What `no_accept` refuses and what passes: forwarded packets, neighbour discovery, reports of multicast groups; the tables
//! beside keepalived's.

use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Daemon, Host, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Scene, beside_keepalived, expect, holdfast, ready};
use crate::vmac::run;

/// A machine that does other things too takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both families on VMACs, and an IPv6 instance without one.
const ALL: &str = "
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    priority 150
    use_vmac
    no_accept
    virtual_ipaddress {
        192.0.2.10/24
    }
}
vrrp_instance B {
    interface eth0
    virtual_router_id 52
    version 3
    priority 150
    use_vmac
    no_accept
    virtual_ipaddress {
        fe80::10/64
        2001:db8::10/64
    }
}
vrrp_instance C {
    interface eth0
    virtual_router_id 53
    version 3
    priority 150
    no_accept
    virtual_ipaddress {
        fe80::11/64
        2001:db8::11/64
    }
}
";

fn start(scene: &Scene, daemon: &Daemon, configuration: &str) -> holdfast::lab::Node {
    let node = daemon.start(&scene.a, configuration).unwrap();
    let masters = configuration.matches("vrrp_instance").count();
    let all = wait_until(PATIENCE, || {
        node.said("Entering MASTER STATE") == masters
            && node.said("setting VIPs.") == masters
            && run(&scene.a, "ip -o address show")
                .lines()
                .filter(|line| is_virtual(line))
                .count()
                == 5
    });
    assert!(all.is_some(), "every instance is master, with its addresses");
    node
}

fn is_virtual(line: &str) -> bool {
    let addresses = [
        "192.0.2.10",
        "fe80::10",
        "2001:db8::10",
        "fe80::11",
        "2001:db8::11",
    ];
    addresses
        .iter()
        .any(|address| line.contains(&format!(" {address}/")))
}

/// The part of a listing of nftables that begins with these words.
fn part(listing: &str, head: &str) -> Vec<String> {
    let mut lines = listing.lines().skip_while(|line| line.trim() != head);
    let mut part = Vec::new();
    for line in lines.by_ref() {
        part.push(line.trim().to_owned());
        if line.trim() == "}" {
            break;
        }
    }
    part.sort();
    part
}

#[test]
fn the_options_of_nftables_make_the_tables_that_keepalived_makes() {
    let settings = [
        "nftables refused\nnftables_priority -7\nnftables_counters\nnftables_ifindex\n",
        "nftables\n",
    ];
    for setting in settings {
        let configuration = format!("global_defs {{\n{setting}}}\n{ALL}");
        let Some((ours, theirs)) = beside_keepalived(|daemon| {
            let scene = Scene::new();
            let node = start(&scene, daemon, &configuration);
            let listing = run(&scene.a, "nft -s list ruleset");
            assert!(node.stop(PATIENCE).is_some());
            assert_eq!(run(&scene.a, "nft list ruleset"), "", "something stayed behind");
            let table = if setting.contains("refused") {
                "refused"
            } else {
                "keepalived"
            };
            let names = ["ip", "ip6"].map(|family| listing.contains(&format!("table {family} {table} {{")));
            assert_eq!(
                *daemon == holdfast() && !setting.contains("ifindex"),
                listing.contains("set vips_link_local_name {"),
                "{listing}"
            );
            // keepalived 2.2.7 goes by index in any case.
            let listing = [
                ("_name", ""),
                ("oifname", "oif"),
                ("iifname", "iif"),
                (". ifname", ". iface_index"),
            ]
            .iter()
            .fold(listing, |text, (name, index)| text.replace(name, index));
            let parts = [
                "set vips {",
                "set neighbor-discovery {",
                "set vips_link_local {",
                "chain in {",
                "chain in_link_local {",
                "chain out_link_local {",
            ];
            // keepalived says of one set that it never changes.
            let parts = parts.map(|head| {
                let mut lines = part(&listing, head);
                lines.retain(|line| line != "flags constant");
                assert!(lines.len() > 1, "{head} {listing}");
                lines
            });
            (names, parts)
        }) else {
            return;
        };
        assert_eq!(ours, theirs);
    }
}

/// Whether an echo request to this address is answered.
fn answers(host: &Host, address: &str) -> bool {
    let (family, protocol, request) = if address.contains(':') {
        ("AF_INET6", 58, "128,0,0,1,1")
    } else {
        ("AF_INET", 1, "8,0,0xf7fd,1,1")
    };
    let said = run(
        host,
        &format!(
            "python3 -c \"import socket,struct
s=socket.socket(socket.{family},socket.SOCK_RAW,{protocol})
s.settimeout(1)
s.connect(('{address}',0))
said='silence'
for _ in range(3):
    s.send(struct.pack('!BBHHH',{request}))
    try:
        while said=='silence':
            got=s.recv(200)
            said='answered' if got[0 if {protocol}==58 else (got[0]&15)*4] in (0,129) else said
        break
    except TimeoutError: pass
print(said)\""
        ),
    );
    assert!(["answered", "silence"].contains(&said.trim()), "{said}");
    said.trim() == "answered"
}

#[test]
fn a_router_forwards_what_comes_by_an_address_that_accepts_nothing() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let c = scene.lab.host("c", "192.0.2.13".parse().unwrap()).unwrap();
        run(
            &scene.a,
            "ip address add 198.51.100.11/24 dev eth0; ip address add 2001:db8:1::11/64 dev eth0 nodad;
             ip address add 2001:db8::1/64 dev eth0 nodad; cd /proc/sys/net; echo 1 > ipv4/ip_forward;
             echo 1 > ipv6/conf/all/forwarding",
        );
        run(
            &scene.b,
            "ip address add 2001:db8::12/64 dev eth0 nodad; ip route add 198.51.100.0/24 via 192.0.2.10;
             ip -6 route add 2001:db8:1::/64 via fe80::10 dev eth0",
        );
        run(
            &c,
            "ip address add 198.51.100.13/24 dev eth0; ip address add 2001:db8:1::13/64 dev eth0 nodad;
             ip address add 2001:db8::13/64 dev eth0 nodad",
        );
        let _a = start(&scene, daemon, ALL);
        for (far, virtual_address, hardware_address) in [
            ("198.51.100.13", "192.0.2.10", "00:00:5e:00:01:33"),
            ("2001:db8:1::13", "2001:db8::10", "00:00:5e:00:02:34"),
        ] {
            let passes = wait_until(PATIENCE, || answers(&scene.b, far));
            assert!(passes.is_some(), "{far} answers, through the router");
            assert!(
                !answers(&scene.b, virtual_address),
                "{virtual_address} is silent itself"
            );
            let neighbours = run(&scene.b, &format!("ip neigh show {virtual_address}"));
            // keepalived 2.2.7: the VMAC of the IPv6 instance answers for IPv4 addresses, too.
            if *daemon == holdfast() || virtual_address.contains(':') {
                assert!(neighbours.contains(hardware_address), "{neighbours}");
            }
        }
        let gateway = run(&scene.b, "ip neigh show fe80::10");
        assert!(gateway.contains("00:00:5e:00:02:34"), "{gateway}");
        assert!(!answers(&scene.b, "2001:db8::11"), "nor does one without a VMAC");
    });
}

#[test]
fn no_report_of_a_multicast_group_ever_leaves_by_a_vmac() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = start(&scene, &holdfast(), ALL);
    run(&scene.a, "ip link delete vrrp.52");
    expect("it is back", || {
        run(&scene.a, "ip -o -6 address show dev vrrp.52").contains("2001:db8::10/64")
    });
    scene.watch_adverts("a", 3);
    // EtherType and next header: IGMP, or ICMPv6 behind a hop-by-hop option.
    let is_report = |bytes: &[u8]| match bytes {
        [_, _, _, _, _, _, _, _, _, _, _, _, 8, 0, ip @ ..] => ip.get(9) == Some(&2),
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, ip @ ..] => {
            ip.get(6) == Some(&0) && matches!(ip.get(48), Some(130..=132 | 143))
        }
        _ => false,
    };
    let reports = scene
        .lab
        .capture
        .pick(|frame| &*frame.host == "a" && is_report(&frame.bytes));
    let from = |prefix: &[u8]| {
        let by = reports
            .iter()
            .filter(|frame| frame.bytes[6..].starts_with(prefix));
        by.count()
    };
    assert_eq!(from(&[0, 0, 0x5e, 0]), 0, "{reports:?}");
    assert!(from(&[]) > 0, "the parent reports for all");
    assert!(node.stop(PATIENCE).is_some());
}

#[test]
fn a_reload_may_not_move_the_tables_but_needs_them_no_more() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = start(&scene, &holdfast(), ALL);
    let reload = |configuration: &str| {
        scene.a.write(CONFIGURATION, configuration).unwrap();
        node.process.signal(Signal::SIGHUP);
    };
    reload(&format!("global_defs {{\nnftables other\n}}\n{ALL}"));
    expect("the reload is refused", || {
        node.said("Cannot change nftables table name at a reload - please restart keepalived") == 1
    });
    // That is its name anyway.
    reload(&format!("global_defs {{\nnftables keepalived\n}}\n{ALL}"));
    expect("the reload is made", || node.said("Reload complete") == 1);
    assert!(run(&scene.a, "nft list table ip keepalived").contains("{ 192.0.2.10 }"));
    assert_eq!(node.said("setting firewall drop rule"), 3);
    reload(&ALL.replace("    use_vmac\n", "").replace("    no_accept\n", ""));
    expect("the tables go when nothing needs them", || {
        run(&scene.a, "nft list ruleset").is_empty()
    });
    assert_eq!(node.said("Entering FAULT STATE"), 0);
    assert_eq!(
        node.said("removing firewall drop rule"),
        2,
        "of the VMACs' instances"
    );
}

#[test]
fn what_a_killed_daemon_left_goes_at_the_next_start_and_nothing_else() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let plain = ALL.replace("    use_vmac\n", "").replace("    no_accept\n", "");
    let node = start(&scene, &holdfast(), ALL);
    node.process.kill_all();
    drop(node);
    run(
        &scene.a,
        "ip link add other link eth0 type macvlan; ip link set other alias 'holdfast /elsewhere arp_ignore=0';
         nft add table ip other; nft add table ip6 theirs '{ comment \"holdfast /elsewhere\" ; }'",
    );
    assert_eq!(
        run(&scene.a, "cat /proc/sys/net/ipv4/conf/eth0/arp_ignore"),
        "1\n",
        "the daemon was killed"
    );
    let next = start(&scene, &holdfast(), &plain);
    let links = run(&scene.a, "ip -o link show type macvlan");
    assert!(links.contains("other@") && !links.contains("vrrp"), "{links}");
    assert_eq!(
        run(&scene.a, "nft list tables"),
        "table ip other\ntable ip6 theirs\n"
    );
    assert_eq!(
        run(&scene.a, "cat /proc/sys/net/ipv4/conf/eth0/arp_ignore"),
        "0\n"
    );
    assert_eq!(next.said("of an earlier run"), 4);
}
