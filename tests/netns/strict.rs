//! Strict mode: what a strict master sends, refuses and keeps silent about, beside keepalived; elections opposite it.
//! keepalived 2.2.7 does not refuse unicast peers as 2.4.3 does.

use std::time::SystemTime;

use holdfast::lab::{Daemon, Frame, Host};

use crate::scene::{SOON, Scene, VIRTUAL, beside_keepalived, each, each_pairing, expect, holdfast, ready};

/// Much of it does not go with strict mode, and is to be passed over.
const LAX: &str = "
    authentication {
        auth_type PASS
        auth_pass secret
    }
    preempt_delay 30
    down_timer_adverts 9
    garp_lower_prio_repeat 4
    garp_lower_prio_delay 1
    lower_prio_no_advert off
    higher_prio_send_advert on
";

const V4: &str = "virtual_ipaddress {\n192.0.2.10/24\n192.0.2.20\n}";
const V6: &str = "virtual_ipaddress {\nfe80::100\n2001:db8::10/64\n}";

fn node(priority: u8, more: &str) -> String {
    format!(
        "global_defs {{
             vrrp_strict
         }}
         vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority {priority}
             {more}
         }}"
    )
}

/// What a command prints in a host, its lines sorted.
fn run(host: &Host, command: &str) -> Vec<String> {
    const OUTPUT: &str = "/run/output";
    let shell = format!("{{ {command} ; }} > {OUTPUT} 2>&1");
    let process = host.spawn("command", "/bin/sh", &["-c", &shell]).unwrap();
    process.wait(SOON).expect("the command ends");
    let mut lines: Vec<String> = host.read(OUTPUT).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Frames of IPv4 or IPv6 with VRRP in them that host a sent.
fn adverts(scene: &Scene) -> Vec<Frame> {
    scene.lab.capture.pick(|frame| {
        let protocol = match frame.bytes.get(12..14) {
            Some([8, 0]) => frame.bytes.get(23),
            Some([0x86, 0xdd]) => frame.bytes.get(20),
            _ => None,
        };
        frame.host.as_ref() == "a" && protocol == Some(&112)
    })
}

#[test]
fn a_strict_master_sends_and_refuses_what_keepaliveds_does() {
    for settings in [
        format!("{V4}\n{LAX}"),
        format!("version 3\n{V4}\n{LAX}"),
        V6.to_owned(),
    ] {
        let Some((ours, theirs)) = beside_keepalived(|daemon| {
            let scene = Scene::new();
            let node = daemon.start(&scene.a, &node(100, &settings)).unwrap();
            expect("two adverts", || adverts(&scene).len() >= 2);
            let bytes: Vec<String> = adverts(&scene)[..2].iter().map(hex).collect();
            // What refuses packets to the addresses is there before them.
            expect("the addresses", || {
                run(&scene.a, "ip address show eth0")
                    .iter()
                    .any(|line| line.contains("192.0.2.20") || line.contains("2001:db8::10"))
            });
            // Our tables have more, for VMACs and the other family: it is for addresses of which there are none.
            let family = if settings == V6 { "ip6" } else { "ip" };
            let vips = "'elements = { [0-9f]\\|@vips drop\\|policy'";
            let list = format!("nft list table {family} keepalived | grep {vips}");
            let table = run(&scene.a, &list);
            assert!(node.stop(SOON).is_some());
            (bytes, table)
        }) else {
            return;
        };
        assert_eq!(ours, theirs, "{settings}");
        assert!(ours.1.len() > 3, "{:?}", ours.1);
    }
}

/// Without the flow label of IPv6, which the kernel makes up.
fn hex(frame: &Frame) -> String {
    let mut bytes = frame.bytes.clone();
    if bytes[12..14] == [0x86, 0xdd] {
        bytes[15..18].fill(0);
    }
    format!("{bytes:02x?}")
}

#[test]
fn strict_nodes_elect_fail_over_and_preempt_at_once() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let settings = format!("{V4}\n{LAX}");
        let start = |daemon: &Daemon, host, priority| daemon.start(host, &node(priority, &settings)).unwrap();
        let b = start(second, &scene.b, 100);
        scene.expect_owner("b");
        let before = SystemTime::now();
        let _a = start(first, &scene.a, 200);
        // Neither `preempt_delay 30` nor `down_timer_adverts 9` counts.
        let got = scene.got_address("a", before);
        assert!(got.duration_since(before).unwrap() < 2 * SOON);
        scene.expect_owner("a");
        expect("b yields", || b.said("Entering BACKUP STATE") >= 2);
        let resigned = |frame: &Frame| frame.advert().is_some_and(|advert| advert.priority == 0);
        assert_eq!(scene.lab.capture.pick(resigned).len(), 0);
        scene.a.crash();
        scene.expect_owner("b");
    });
}

#[test]
fn a_strict_owner_answers_and_leads_at_once() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _a = daemon
            .start(&scene.a, &node(255, &format!("{V4}\nstate MASTER")))
            .unwrap();
        scene.expect_owner("a");
        expect("the address of its owner answers", || is_answered(&scene.b));
    });
}

#[test]
fn a_strict_master_of_others_addresses_does_not_answer() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let _a = daemon.start(&scene.a, &node(254, V4)).unwrap();
        scene.expect_owner("a");
        assert!(!is_answered(&scene.b));
        let neighbours = run(&scene.b, &format!("ip neigh show {VIRTUAL}"));
        assert!(neighbours[0].contains("lladdr"), "it answers ARP: {neighbours:?}");
    });
}

/// Whether the virtual address answers a ping.
fn is_answered(from: &Host) -> bool {
    const PING: &str = "python3 -c \"import socket,struct
s=socket.socket(socket.AF_INET,socket.SOCK_RAW,1)
s.settimeout(1)
s.sendto(struct.pack('!BBHHH',8,0,0xf7fd,1,1),('192.0.2.10',0))
try: s.recv(100); print('answered')
except TimeoutError: print('silence')\"";
    run(from, PING) == ["answered"]
}

#[test]
fn peers_are_refused_where_multicast_goes_and_needed_where_it_does_not() {
    if !ready() {
        return;
    }
    let peers = node(100, &format!("{V4}\nunicast_peer {{\n192.0.2.12\n}}"));
    let scene = Scene::new();
    let a = holdfast().start(&scene.a, &peers).unwrap();
    expect("strict mode refuses peers", || {
        a.said("entering FAULT state (interface eth0 supports multicast, so that strict mode allows no unicast peers)") == 1
    });
    assert_eq!(scene.lab.owners(VIRTUAL), [""; 0]);
    run(&scene.a, "ip link set eth0 multicast off");
    scene.expect_owner("a");
    drop(a);

    // Without peers nobody could hear it then, strict or not.
    let alone = node(100, V4);
    each(
        &[
            (holdfast(), alone.clone()),
            (holdfast(), alone.replace("vrrp_strict", "")),
            (Daemon::Keepalived, alone),
        ],
        |(daemon, text)| {
            let scene = Scene::new();
            run(&scene.a, "ip link set eth0 multicast off");
            let a = daemon.start(&scene.a, text).unwrap();
            expect("it says why it does not run", || {
                a.said("interface eth0 does not support multicast, specify unicast peers") == 1
            });
            assert_eq!(scene.lab.owners(VIRTUAL), [""; 0]);
        },
    );
}
