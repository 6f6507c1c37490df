//! BFD sessions opposite Debian's keepalived, FRR's bfdd and ourselves: over a switch, over a router, in both families.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Host, Log, Node, Process, wait_until};
use nix::sys::signal::{Signal, kill};

use crate::scene::{SOON, Scene, VIRTUAL, each_pairing, expect, holdfast, ready};

const IP: &str = "/usr/sbin/ip";
const ZEBRA: &str = "/usr/lib/frr/zebra";
const BFDD: &str = "/usr/lib/frr/bfdd";
const VTYSH: &str = "/usr/bin/vtysh";

/// Three packets of 100 ms.
const DETECTION: Duration = Duration::from_millis(300);

/// How late a detection may be seen on a busy machine.
const LATE: Duration = Duration::from_millis(150);

const UP: &str = "(b1) Entering Up state";
const DOWN: &str = "(b1) Entering Down state";

/// One `bfd_instance` with this neighbour, 100 ms three times, and these lines more.
fn session(neighbor: &str, more: &str) -> String {
    format!(
        "bfd_instance b1 {{\n neighbor_ip {neighbor}\n min_rx 100\n min_tx 100\n multiplier 3\n {more}\n}}\n"
    )
}

/// Starts a daemon on each host with a session between them, and waits until both are up.
fn pair(scene: &Scene, first: &Daemon, second: &Daemon) -> (Node, Node) {
    let nodes = (
        first.start(&scene.a, &session("192.0.2.12", "")).unwrap(),
        second.start(&scene.b, &session("192.0.2.11", "")).unwrap(),
    );
    expect("both sessions are up", || {
        nodes.0.said(UP) == 1 && nodes.1.said(UP) == 1
    });
    nodes
}

/// How long after `since` a log said this first.
fn said_after(log: &Log, words: &str, since: SystemTime) -> Duration {
    let mut found = None;
    expect(words, || {
        let mut lines = log.since(0).into_iter();
        found = lines.find(|line| line.at > since && line.text.contains(words));
        found.is_some()
    });
    found.unwrap().at.duration_since(since).unwrap()
}

/// Runs a program in a host to its end; the answer is what it has been heard to say by then.
fn run(host: &Host, program: &str, arguments: &[&str]) -> Vec<String> {
    let process = host.spawn("command", program, arguments).unwrap();
    let status = process.wait(SOON).expect("it ends");
    let lines = process.log.since(0).into_iter();
    let lines: Vec<String> = lines.map(|line| line.text).collect();
    assert!(status.success(), "{program} {arguments:?}: {lines:?}");
    lines
}

fn ip(host: &Host, words: &str) {
    run(host, IP, &words.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn sessions_come_up_go_down_with_the_cable_and_come_back() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let (a, b) = pair(&scene, first, second);
        // Both have negotiated their pace when this much later nothing has expired.
        std::thread::sleep(3 * DETECTION);
        assert_eq!((a.said(DOWN), b.said(DOWN)), (0, 0));

        let cut = SystemTime::now();
        scene.b.cable_out().unwrap();
        for (node, daemon) in [(&a, first), (&b, second)] {
            let took = said_after(&node.process.log, DOWN, cut);
            assert!(took < DETECTION + LATE || *daemon != holdfast(), "{took:?}");
            assert_eq!(node.said("Local diagnostic - Control Detection Time Expired"), 1);
        }
        scene.b.cable_in().unwrap();
        expect("both sessions are up again", || {
            a.said(UP) == 2 && b.said(UP) == 2
        });

        let stop = SystemTime::now();
        assert_eq!(a.stop(SOON).unwrap().code(), Some(0));
        said_after(&b.process.log, DOWN, stop);
    });
}

#[test]
fn a_stop_is_told_to_the_neighbour() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = pair(&scene, &holdfast(), &Daemon::Keepalived);
    let stop = SystemTime::now();
    assert_eq!(a.stop(SOON).unwrap().code(), Some(0));
    let took = said_after(&b.process.log, DOWN, stop);
    assert!(took < DETECTION, "{took:?}");
    let told = "Local diagnostic - Neighbor Signaled Session Down, Remote diagnostic - Administratively Down";
    assert_eq!(b.said(told), 1);
}

#[test]
fn the_neighbour_does_not_notice_that_our_process_died() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let slower = |neighbor: &str| session(neighbor, "min_rx 300\n min_tx 300");
    let a = holdfast().start(&scene.a, &slower("192.0.2.12")).unwrap();
    let b = Daemon::Keepalived.start(&scene.b, &slower("192.0.2.11")).unwrap();
    expect("both sessions are up", || a.said(UP) == 1 && b.said(UP) == 1);
    let children = a.process.descendants();
    assert_eq!(children.len(), 1, "the BFD process alone");
    kill(children[0], Signal::SIGKILL).unwrap();
    expect("its successor goes on", || {
        a.said("(b1) Going on in Up state") == 1
    });
    // Longer than the neighbour would wait.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!((a.said(DOWN), b.said(DOWN)), (0, 0));
    // And it can tell a real failure.
    scene.b.cable_out().unwrap();
    expect("the successor sees the cut", || a.said(DOWN) == 1);
}

#[test]
fn a_reload_changes_the_pace_and_loses_nothing() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = pair(&scene, &holdfast(), &Daemon::Keepalived);
    scene
        .a
        .write(
            holdfast::lab::node::CONFIGURATION,
            &session("192.0.2.12", "min_tx 400\n min_rx 400"),
        )
        .unwrap();
    a.process.signal(Signal::SIGHUP);
    expect("the reload ends", || a.said("Reload complete") == 1);
    // The poll sequence, and then longer than three packets of either pace.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((a.said(DOWN), b.said(DOWN)), (0, 0));
    let cut = SystemTime::now();
    scene.b.cable_out().unwrap();
    // keepalived's own 100 ms are as slow as we can hear: 400 ms, three times, less what has passed since the last.
    let took = said_after(&a.process.log, DOWN, cut);
    assert!(took > Duration::from_millis(700), "{took:?}");
}

#[test]
fn ipv6_opposite_keepalived_and_ourselves() {
    // A hop limit of 64 is keepalived's default, 255 what others ask for.
    for more in ["", "hoplimit 255"] {
        over_ipv6(more);
    }
}

fn over_ipv6(more: &str) {
    each_pairing(|first, second| {
        let scene = Scene::new();
        ip(&scene.a, "addr add 2001:db8::11/64 dev eth0 nodad");
        ip(&scene.b, "addr add 2001:db8::12/64 dev eth0 nodad");
        let a = first.start(&scene.a, &session("2001:db8::12", more)).unwrap();
        let b = second.start(&scene.b, &session("2001:db8::11", more)).unwrap();
        expect("both sessions are up", || a.said(UP) == 1 && b.said(UP) == 1);
        let cut = SystemTime::now();
        scene.b.cable_out().unwrap();
        said_after(&a.process.log, DOWN, cut);
    });
}

/// Two ends, 192.0.2.11 on `a` and 198.51.100.12 on `b`, with a router between them.
fn with_router(scene: &Scene) {
    let router = scene.lab.host("router", Ipv4Addr::new(192, 0, 2, 1)).unwrap();
    ip(&router, "addr add 198.51.100.1/24 dev eth0");
    ip(&scene.b, "addr add 198.51.100.12/24 dev eth0");
    for (name, value) in [
        ("all/send_redirects", "0"),
        ("eth0/send_redirects", "0"),
        ("all/forwarding", "1"),
    ] {
        router
            .write(&format!("/proc/sys/net/ipv4/conf/{name}"), value)
            .unwrap();
    }
    ip(&scene.a, "route add 198.51.100.0/24 via 192.0.2.1");
    ip(&scene.b, "addr del 192.0.2.12/24 dev eth0");
    ip(&scene.b, "route add 192.0.2.0/24 via 198.51.100.1");
}

#[test]
fn over_a_router() {
    // Debian's keepalived does not know the keyword `multihop`; it allows hops on the port of single-hop sessions.
    each_pairing(|first, second| across(first, second, "max_hops 1"));
    if ready() {
        across(&holdfast(), &holdfast(), "max_hops 1\n multihop");
    }
}

fn across(first: &Daemon, second: &Daemon, more: &str) {
    let scene = Scene::new();
    with_router(&scene);
    let end = |neighbor: &str, source: &str| session(neighbor, &format!("source_ip {source}\n {more}"));
    let a = first
        .start(&scene.a, &end("198.51.100.12", "192.0.2.11"))
        .unwrap();
    let b = second
        .start(&scene.b, &end("192.0.2.11", "198.51.100.12"))
        .unwrap();
    expect("both sessions are up", || a.said(UP) == 1 && b.said(UP) == 1);
    scene.b.cable_out().unwrap();
    expect("the cut is seen", || a.said(DOWN) == 1);
}

#[test]
fn a_hop_too_many_is_not_believed() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    with_router(&scene);
    let a = holdfast()
        .start(
            &scene.a,
            &session("198.51.100.12", "source_ip 192.0.2.11\n multihop"),
        )
        .unwrap();
    let _b = holdfast()
        .start(
            &scene.b,
            &session("192.0.2.11", "source_ip 198.51.100.12\n multihop"),
        )
        .unwrap();
    expect("it is refused", || {
        a.said("Discarding packet from 198.51.100.12 (TTL/hop limit 254 is below 255)") == 1
    });
    assert_eq!(a.said(UP), 0);
}

/// FRR's bfdd with zebra, which tells it the interfaces.
struct Frr<'a> {
    host: &'a Host,
    _zebra: Process,
    _bfdd: Process,
}

impl<'a> Frr<'a> {
    /// On a host, with these peers; `None` if it is not installed.
    fn start(host: &'a Host, peers: &str) -> Option<Frr<'a>> {
        if !Path::new(BFDD).exists() {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "nothing may be skipped here: {BFDD}"
            );
            println!("skipped: needs {BFDD}");
            return None;
        }
        // The daemons give up root and write here as the user `frr`.
        host.run(|| {
            fs::create_dir("/run/frr").unwrap();
            fs::set_permissions("/run/frr", Permissions::from_mode(0o777)).unwrap();
        })
        .unwrap();
        host.write("/run/frr/zebra.conf", "").unwrap();
        host.write("/run/frr/bfdd.conf", &format!("bfd\n{peers}\n"))
            .unwrap();
        let start = |name: &str, program: &str, more: &[&str]| {
            let (pid, config) = (format!("/run/frr/{name}.pid"), format!("/run/frr/{name}.conf"));
            let mut arguments = vec!["-z", "/run/frr/zserv.api", "--vty_socket", "/run/frr", "-P", "0"];
            arguments.extend(["-i", &pid, "-f", &config, "--log", "stdout"]);
            arguments.extend(more);
            let process = host.spawn(name, program, &arguments).unwrap();
            let socket = format!("/run/frr/{name}.vty");
            expect(&format!("{name} listens"), || {
                let socket = socket.clone();
                host.run(move || Path::new(&socket).exists()).unwrap()
            });
            process
        };
        let zebra = start("zebra", ZEBRA, &[]);
        let bfdd = start("bfdd", BFDD, &["--bfdctl", "/run/frr/bfdd.sock"]);
        Some(Frr {
            host,
            _zebra: zebra,
            _bfdd: bfdd,
        })
    }

    /// What its command line says.
    fn tell(&self, commands: &[&str]) -> String {
        let mut arguments = vec!["--vty_socket", "/run/frr"];
        arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
        run(self.host, VTYSH, &arguments).join("\n")
    }

    fn shows(&self, words: &str) -> bool {
        self.tell(&["show bfd peers json"])
            .replace(' ', "")
            .contains(words)
    }

    fn expect(&self, words: &str) {
        expect(words, || self.shows(words));
    }
}

#[test]
fn opposite_frr() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let a = holdfast()
        .start(&scene.a, &session("192.0.2.12", "min_tx 50\n min_rx 150"))
        .unwrap();
    let peer = " peer 192.0.2.11\n  detect-multiplier 4\n  receive-interval 200\n  transmit-interval 100\n !";
    let Some(frr) = Frr::start(&scene.b, peer) else {
        return;
    };
    expect("our session is up", || a.said(UP) == 1);
    frr.expect("\"status\":\"up\"");
    // What each knows of the other's intervals after the poll sequences.
    for words in [
        "\"remote-detect-multiplier\":3",
        "\"remote-receive-interval\":150",
        "\"remote-transmit-interval\":50",
    ] {
        frr.expect(words);
    }

    let cut = SystemTime::now();
    scene.b.cable_out().unwrap();
    // FRR sends each 150 ms as we asked, and tells us to wait for four of these.
    let took = said_after(&a.process.log, DOWN, cut);
    assert!(took < Duration::from_millis(600) + LATE, "{took:?}");
    scene.b.cable_in().unwrap();
    expect("our session is up again", || a.said(UP) == 2);
    frr.expect("\"status\":\"up\"");

    frr.tell(&["configure terminal", "bfd", "peer 192.0.2.11", "shutdown"]);
    // FRR 8.4 says AdminDown without the diagnostic that goes with it.
    expect("we hear of the shutdown", || {
        a.said("Local diagnostic - Neighbor Signaled Session Down") == 1
    });
    frr.tell(&["configure terminal", "bfd", "peer 192.0.2.11", "no shutdown"]);
    expect("our session is up once more", || a.said(UP) == 3);

    assert_eq!(a.stop(SOON).unwrap().code(), Some(0));
    frr.expect("\"status\":\"down\"");
    frr.expect("\"remote-diagnostic\":\"administrativelydown\"");
}

#[test]
fn opposite_frr_over_ipv6_and_over_a_router() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    with_router(&scene);
    ip(&scene.a, "addr add 2001:db8::11/64 dev eth0 nodad");
    ip(&scene.b, "addr add 2001:db8::12/64 dev eth0 nodad");
    let text = session("198.51.100.12", "source_ip 192.0.2.11\n multihop\n max_hops 1")
        + &session("2001:db8::12", "hoplimit 255").replace("b1", "b2");
    let a = holdfast().start(&scene.a, &text).unwrap();
    let peers = " peer 192.0.2.11 multihop local-address 198.51.100.12\n  minimum-ttl 254\n !\n \
                 peer 2001:db8::11 local-address 2001:db8::12\n !";
    let Some(frr) = Frr::start(&scene.b, peers) else {
        return;
    };
    expect("both sessions are up", || {
        a.said(UP) == 1 && a.said("(b2) Entering Up state") == 1
    });
    for peer in ["192.0.2.11", "2001:db8::11"] {
        expect("FRR's session is up", || {
            let shown = frr.tell(&["show bfd peers json"]).replace([' ', '\n'], "");
            let peers: Vec<&str> = shown.split("\"multihop\"").collect();
            peers
                .iter()
                .any(|shown| shown.contains(peer) && shown.contains("\"status\":\"up\""))
        });
    }
    // FRR's timers are 300 ms by default.
    let seen = wait_until(Duration::from_secs(1), || {
        a.said(DOWN) > 0 || a.said("(b2) Entering Down state") > 0
    });
    assert_eq!(seen, None);
}

#[test]
fn the_address_leaves_the_node_that_lost_its_gateway() {
    const NODE1: &str = include_str!("../../conf-examples/bfd-pair/node1.conf");
    const NODE2: &str = include_str!("../../conf-examples/bfd-pair/node2.conf");
    each_pairing(|first, second| {
        let scene = Scene::new();
        // A gateway for each, so that one can lose its own.
        let gateway1 = scene.lab.host("gateway1", Ipv4Addr::new(192, 0, 2, 1)).unwrap();
        let gateway2 = scene.lab.host("gateway2", Ipv4Addr::new(192, 0, 2, 2)).unwrap();
        let gate1 = holdfast().start(&gateway1, &session("192.0.2.11", "")).unwrap();
        let gate2 = holdfast().start(&gateway2, &session("192.0.2.12", "")).unwrap();
        let a = first.start(&scene.a, NODE1).unwrap();
        let _b = second
            .start(
                &scene.b,
                &NODE2.replace("neighbor_ip 192.0.2.1\n", "neighbor_ip 192.0.2.2\n"),
            )
            .unwrap();
        expect("the sessions with the gateways are up", || {
            gate1.said(UP) == 1 && gate2.said(UP) == 1
        });
        scene.expect_owner("a");
        let lost = gateway1.crash();
        drop(gate1);
        scene.expect_owner("b");
        if *first == holdfast() {
            let took = said_after(&a.process.log, "Entering FAULT STATE", lost);
            assert!(took < DETECTION + LATE, "{took:?}");
        }
        gateway1.boot().unwrap();
        let _gate1 = holdfast().start(&gateway1, &session("192.0.2.11", "")).unwrap();
        assert!(
            wait_until(2 * SOON, || scene.lab.owners(VIRTUAL) == ["a"]).is_some(),
            "the preferred node returns with its session"
        );
    });
}
