//! `nftables_ipvs` on a kernel that need not have IPVS: which packets carry the mark of a group, and what becomes of the tables
//! through reloads, other programs, a stop and a kill.

use std::net::UdpSocket;
use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Host, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Scene, holdfast, ready};
use crate::vmac::run;

/// A machine that does other things too takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

const MARKED: &str = "
global_defs {
    nftables_ipvs
    nftables_ipvs_start_fwmark 2000
}
virtual_server_group web {
    192.0.2.30-32 5300
    192.0.2.34 5300
}
virtual_server_group six {
    2001:db8::30-32 5300
}
virtual_server_group every {
    192.0.2.32
}
virtual_server group web {
    protocol UDP
    lvs_sched rr
    lvs_method NAT
    real_server 192.0.2.21 5300 {
    }
}
virtual_server group six {
    protocol UDP
    lvs_sched rr
    lvs_method NAT
    real_server 2001:db8::21 5300 {
    }
}
virtual_server group every {
    protocol UDP
    lvs_sched rr
    lvs_method NAT
    persistence_timeout 50
    real_server 192.0.2.21 {
    }
}
";

/// Remembers marks and destinations of what comes in, and of what leaves where IPVS would see it.
const OBSERVER: &str = "
nft -f - <<'END'
table inet observer {
    set came { type mark . inet_service; flags dynamic; size 100; }
    set came4 { type mark . ipv4_addr . inet_service; flags dynamic; size 100; }
    set left { type mark . inet_service; flags dynamic; size 100; }
    chain in {
        type filter hook input priority 0;
        meta nfproto ipv6 udp dport 5300-5399 update @came { meta mark . udp dport }
        meta nfproto ipv4 udp dport 5300-5399 update @came4 { meta mark . ip daddr . udp dport }
    }
    chain out {
        type filter hook output priority -98;
        udp dport 5300-5399 update @left { meta mark . udp dport }
    }
}
END
for last in 30 31 32 33 34; do
    ip address add 192.0.2.$last/24 dev eth0
    ip address add 2001:db8::$last/64 dev eth0 nodad
done";

fn send(from: &Host, to: &'static str) {
    let send = move || {
        let local = if to.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        UdpSocket::bind(local)?.send_to(b"knock", to)
    };
    from.run(send).unwrap().unwrap();
}

fn listing(host: &Host, what: &str) -> String {
    let shown = run(host, &format!("nft list {what}"));
    shown.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn expect(scene: &Scene, what: &str, mut condition: impl FnMut() -> bool) {
    let came = wait_until(PATIENCE, &mut condition);
    let shown = run(&scene.a, "nft list ruleset");
    assert!(came.is_some(), "{what}\n{shown}\n{}", scene.lab.report());
}

#[test]
fn packets_to_a_group_carry_its_mark() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    run(&scene.a, OBSERVER);
    run(&scene.b, "ip address add 2001:db8::12/64 dev eth0 nodad");
    let node = holdfast().start(&scene.a, MARKED).unwrap();
    expect(&scene, "the tables are there", || {
        run(&scene.a, "nft list tables").contains("ip6 keepalived_ipvs")
    });
    for to in [
        "192.0.2.30:5300",
        "192.0.2.32:5300",
        "192.0.2.33:5300",
        "192.0.2.30:5301",
        "192.0.2.32:5301",
        "[2001:db8::31]:5300",
        "[2001:db8::33]:5301",
    ] {
        send(&scene.b, to);
    }
    for (set, elements) in [
        (
            "came4",
            &[
                "0x000007d0 . 192.0.2.30 . 5300",
                "0x000007d0 . 192.0.2.32 . 5300",
                "0x00000000 . 192.0.2.33 . 5300",
                "0x00000000 . 192.0.2.30 . 5301",
                "0x000007d2 . 192.0.2.32 . 5301",
            ][..],
        ),
        ("came", &["0x000007d1 . 5300", "0x00000000 . 5301"][..]),
    ] {
        for element in elements {
            expect(&scene, element, || {
                listing(&scene.a, &format!("set inet observer {set}")).contains(element)
            });
        }
        let shown = listing(&scene.a, &format!("set inet observer {set}"));
        assert_eq!(shown.matches("0x").count(), elements.len(), "{shown}");
    }
    send(&scene.a, "192.0.2.30:5300");
    send(&scene.a, "192.0.2.30:5301");
    let left = listing(&scene.a, "set inet observer left");
    for element in ["0x000007d0 . 5300", "0x00000000 . 5301"] {
        assert!(left.contains(element), "{element}: {left}");
    }

    scene
        .a
        .write(CONFIGURATION, &MARKED.replace("192.0.2.30-32", "192.0.2.31-32"))
        .unwrap();
    node.process.signal(Signal::SIGHUP);
    expect(&scene, "a reload takes an address out", || {
        listing(&scene.a, "map ip keepalived_ipvs udp_map").contains("192.0.2.31-192.0.2.32 . 5300")
    });
    run(&scene.a, "nft flush ruleset");
    expect(&scene, "what others remove comes back", || {
        let tables = run(&scene.a, "nft list tables");
        tables == "table ip keepalived_ipvs\ntable ip6 keepalived_ipvs\n"
    });
    assert!(node.stop(PATIENCE).is_some());
    assert_eq!(run(&scene.a, "nft list tables"), "", "they go with the daemon");
}

#[test]
fn a_crash_of_the_checker_process_leaves_the_marks() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = holdfast().start(&scene.a, MARKED).unwrap();
    let tables = || run(&scene.a, "nft list ruleset");
    let number = || run(&scene.a, "cat /run/checkers.pid || true");
    expect(&scene, "the tables are there", || {
        tables().contains("table ip6 keepalived_ipvs") && !number().is_empty()
    });
    let (before, first) = (tables(), number());
    run(&scene.a, "kill -9 $(cat /run/checkers.pid)");
    assert_eq!(tables(), before, "nothing happens to them");
    expect(&scene, "there is a successor", || {
        let now = number();
        !now.is_empty() && now != first
    });
    run(&scene.a, "nft flush ruleset");
    expect(&scene, "it keeps the tables", || tables() == before);
    assert!(node.stop(PATIENCE).is_some());
    assert_eq!(tables(), "");
}

#[test]
fn what_a_killed_daemon_left_goes_at_the_next_start() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    run(&scene.a, "nft add table ip other");
    let both = "table ip other\ntable ip keepalived_ipvs\ntable ip6 keepalived_ipvs\n";
    let killed = holdfast().start(&scene.a, MARKED).unwrap();
    expect(&scene, "the tables are there", || {
        run(&scene.a, "nft list tables") == both
    });
    killed.process.kill_all();
    drop(killed);
    assert_eq!(run(&scene.a, "nft list tables"), both);
    let next = holdfast()
        .start(&scene.a, &MARKED.replace("nftables_ipvs\n", "\n"))
        .unwrap();
    expect(&scene, "they are gone", || {
        run(&scene.a, "nft list tables") == "table ip other\n"
    });
    assert_eq!(next.said("of an earlier run"), 2);
}
