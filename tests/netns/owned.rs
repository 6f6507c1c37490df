//! What an instance owns besides plain addresses: the same as keepalived's, put back when others take it away, untouched
//! by a reload that does not change it.

use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Daemon, Host, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{SOON, Scene, beside_keepalived, expect, holdfast, ready};

const RICH: &str = "\
track_group STATICS {
    group {
        VI_1
    }
}
static_ipaddress {
    10.50.0.1/24 dev dummy0 track_group STATICS
}
static_routes {
    10.60.0.0/16 via 10.50.0.9 dev dummy0 track_group STATICS
}
static_rules {
    from 10.77.0.0/24 table 100 priority 500
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 200
    promote_secondaries
    virtual_ipaddress {
        192.0.2.10/24 brd +
        10.8.0.10/32 label eth0:v scope link noprefixroute
    }
    virtual_ipaddress_excluded {
        2001:db8::10/64
        2001:db8::11 home
    }
    virtual_routes {
        10.80.0.0/24 via 192.0.2.99
        10.81.0.0/24 dev eth0 scope link
        10.82.0.0/24 via 192.0.2.98 metric 50 mtu lock 1400 rtt 300ms initcwnd 20 quickack 1
        blackhole 10.83.0.0/24
        10.84.0.0/24 nexthop via 192.0.2.98 weight 2 nexthop via 192.0.2.97 dev eth0
        10.85.0.0/24 dev eth0 src 192.0.2.10 table 300 no_track
        10.86.0.0/24 via 172.16.0.1 dev eth0 onlink
        default via 192.0.2.96 metric 9
        2001:db8:80::/64 via 2001:db8::1 metric 20
        2001:db8:84::/64 nexthop via 2001:db8::2 weight 3 nexthop via 2001:db8::3
    }
    virtual_rules {
        from 192.0.2.10 table 300 priority 90
        to 10.88.0.0/16 fwmark 5/0xff iif eth0 goto 800 priority 400
        iif eth0 sport 10-20 ipproto tcp table 200 suppress_prefixlength 8 priority 410
        from 2001:db8::/64 blackhole priority 420
        from all table main priority 800
    }
}
";

/// What a command prints in a host.
fn run(host: &Host, command: &str) -> Vec<String> {
    const OUTPUT: &str = "/run/output";
    let shell = format!("{command} > {OUTPUT}");
    let process = host.spawn("command", "/bin/sh", &["-c", &shell]).unwrap();
    let status = process.wait(SOON).expect("the command ends");
    assert!(status.success(), "{command}");
    let text = host.read(OUTPUT).unwrap();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Addresses, routes and rules as iproute2 tells them, without what differs from host to host.
fn everything(host: &Host) -> Vec<String> {
    let commands = [
        "/sbin/ip -o -4 address show",
        "/sbin/ip -o -6 address show scope global",
        "/sbin/ip route show table all proto 18",
        "/sbin/ip rule show",
        "/sbin/ip -6 rule show",
    ];
    let lines = commands.iter().flat_map(|command| run(host, command));
    lines
        .filter_map(|line| {
            line.split_once(": ")
                .map_or(Some(line.clone()), |(_, rest)| Some(rest.to_owned()))
        })
        .collect()
}

/// A host with another link, on which nothing is but what the daemon puts there.
fn prepare(host: &Host) {
    run(host, "/sbin/ip link add dummy0 type veth peer name dummy1");
    run(host, "/sbin/ip link set dummy1 up");
    run(host, "/sbin/ip link set dummy0 up");
}

/// Whether a line of what a command prints in a host has these words.
pub(crate) fn has(host: &Host, command: &str, words: &str) -> bool {
    run(host, command).iter().any(|line| line.contains(words))
}

fn start(scene: &Scene, daemon: &Daemon) -> holdfast::lab::Node {
    prepare(&scene.a);
    let node = daemon.start(&scene.a, RICH).unwrap();
    expect("the rules, which come last, are there", || {
        has(&scene.a, "/sbin/ip rule show", "800:")
    });
    node
}

#[test]
fn a_master_has_what_keepaliveds_master_has_and_leaves_as_little() {
    let story = |daemon: &Daemon| {
        let scene = Scene::new();
        let before = {
            prepare(&scene.a);
            everything(&scene.a)
        };
        let node = daemon.start(&scene.a, RICH).unwrap();
        expect("the rules, which come last, are there", || {
            has(&scene.a, "/sbin/ip rule show", "800:")
        });
        let master = everything(&scene.a);
        let words = [
            "setting VIPs.",
            "setting E-VIPs.",
            "setting Virtual Routes",
            "setting Virtual Rules",
        ];
        assert!(words.iter().all(|words| node.said(words) == 1));
        let promoted = run(
            &scene.a,
            "/bin/cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries",
        );
        assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
        assert_eq!(everything(&scene.a), before, "something stayed behind");
        (master, promoted)
    };
    if let Some((ours, theirs)) = beside_keepalived(story) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_others_take_away_comes_back_without_a_change_of_state() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = start(&scene, &holdfast());
    let whole = everything(&scene.a);
    for removal in [
        "/sbin/ip address del 192.0.2.10/24 dev eth0",
        "/sbin/ip route del 10.81.0.0/24",
        "/sbin/ip route replace 10.80.0.0/24 via 192.0.2.33",
        "/sbin/ip -6 route del 2001:db8:84::/64 via 2001:db8::2 dev eth0",
        "/sbin/ip rule del preference 400",
        "/sbin/ip address del 10.50.0.1/24 dev dummy0",
    ] {
        let before = node.said("was removed by another program");
        run(&scene.a, removal);
        expect(&format!("{removal} is told and undone"), || {
            node.said("was removed by another program") > before
                && sorted(everything(&scene.a)) == sorted(whole.clone())
        });
    }
    assert_eq!(node.said("Entering MASTER STATE"), 1);
    assert_eq!(node.said("Entering BACKUP STATE"), 1, "only the first one");
    // What else is under way is over by then.
    scene.watch_adverts("a", 2);
    run(&scene.a, "/sbin/ip route del 10.85.0.0/24 dev eth0 table 300");
    scene.watch_adverts("a", 2);
    assert!(
        !has(&scene.a, "/sbin/ip route show table all", "10.85.0.0/24"),
        "it is not tracked"
    );
}

#[test]
fn what_goes_while_something_else_is_put_back_is_told_and_comes_back_too() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = start(&scene, &holdfast());
    let whole = sorted(everything(&scene.a));
    let victims = [
        ("192.0.2.10/24 on eth0", "address del 192.0.2.10/24 dev eth0"),
        ("10.8.0.10/32 on eth0", "address del 10.8.0.10/32 dev eth0"),
        ("2001:db8::10/64 on eth0", "address del 2001:db8::10/64 dev eth0"),
        ("route to 10.81.0.0/24", "route del 10.81.0.0/24"),
        ("preference 420 from 2001:db8::/64", "-6 rule del preference 420"),
    ];
    let all: Vec<String> = victims
        .iter()
        .map(|(_, how)| format!("/sbin/ip {how}; "))
        .collect();
    for times in 1..=3 {
        run(&scene.a, &format!("{{ {} true; }}", all.concat()));
        for (what, how) in victims {
            expect(&format!("{how} is told"), || {
                node.said(&format!("{what} was removed by another program")) >= times
            });
        }
        expect("all is back", || sorted(everything(&scene.a)) == whole);
    }
    // Someone who does not leave off, and then does.
    let fight = "for i in $(seq 300); do /sbin/ip address del 10.8.0.10/32 dev eth0 2>/dev/null; done; true";
    run(&scene.a, fight);
    let back = wait_until(6 * SOON, || sorted(everything(&scene.a)) == whole);
    assert!(back.is_some(), "it is back when the fight is over");
    assert_eq!(node.said("Entering MASTER STATE"), 1);
}

/// A route that was put back may stand at another place in the list.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn a_static_item_that_cannot_be_there_is_a_fault_of_its_track_group() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = start(&scene, &holdfast());
    let whole = sorted(everything(&scene.a));
    run(&scene.a, "/sbin/ip link set dummy0 down");
    expect("the instance is in FAULT", || {
        node.said("Entering FAULT STATE") == 1
    });
    assert!(node.said("static address 10.50.0.1/24 is missing") > 0);
    run(&scene.a, "/sbin/ip link set dummy0 up");
    expect("it is master again, with everything", || {
        sorted(everything(&scene.a)) == whole
    });
    assert_eq!(node.said("Entering MASTER STATE"), 2);
}

#[test]
fn a_reload_writes_nothing_of_what_is_unchanged_and_only_the_difference_of_what_is_not() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let node = start(&scene, &holdfast());
    let whole = everything(&scene.a);
    let monitor = "exec /sbin/ip -o monitor address route rule > /run/heard";
    let _monitor = scene.a.spawn("monitor", "/bin/sh", &["-c", monitor]).unwrap();
    let heard = |words: &str| {
        let heard = scene.a.read("/run/heard").unwrap_or_default();
        heard.lines().filter(|line| line.contains(words)).count()
    };
    // The monitor hears when it hears something.
    expect("the monitor listens", || {
        run(&scene.a, "/sbin/ip route add 203.0.113.0/24 dev dummy0");
        run(&scene.a, "/sbin/ip route del 203.0.113.0/24 dev dummy0");
        heard("203.0.113.0/24") > 0
    });
    // A line more moves every place in the file.
    scene
        .a
        .write(CONFIGURATION, &format!("# unchanged\n{RICH}"))
        .unwrap();
    node.process.signal(Signal::SIGHUP);
    expect("it has reloaded", || node.said("Reloading") > 0);
    scene.watch_adverts("a", 2);
    assert_eq!(everything(&scene.a), whole);
    assert_eq!(
        (heard("proto keepalived"), heard("192.0.2.10/24")),
        (0, 0),
        "something was written"
    );

    let changed = RICH
        .replace("10.80.0.0/24 via 192.0.2.99", "10.80.0.0/24 via 192.0.2.95")
        .replace("        blackhole 10.83.0.0/24\n", "")
        .replace("10.77.0.0/24", "10.78.0.0/24")
        .replace("10.60.0.0/16", "10.61.0.0/16");
    scene.a.write(CONFIGURATION, &changed).unwrap();
    node.process.signal(Signal::SIGHUP);
    for (command, there, gone) in [
        ("/sbin/ip route show 10.80.0.0/24", "192.0.2.95", "192.0.2.99"),
        ("/sbin/ip rule show", "10.78.0.0/24", "10.77.0.0/24"),
        ("/sbin/ip route show", "10.61.0.0/16", "10.60.0.0/16"),
        ("/sbin/ip route show", "10.61.0.0/16", "10.83.0.0/24"),
    ] {
        expect(&format!("{there} instead of {gone}"), || {
            has(&scene.a, command, there) && !has(&scene.a, command, gone)
        });
    }
    assert_eq!(
        (heard("10.82.0.0/24"), heard("192.0.2.10/24")),
        (0, 0),
        "what stays was touched"
    );
    assert_eq!(node.said("Entering MASTER STATE"), 1);
}

#[test]
fn what_a_killed_daemon_left_is_removed_at_the_next_start_even_if_that_is_stopped_at_once() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    prepare(&scene.a);
    let before = everything(&scene.a);
    let node = holdfast().start(&scene.a, RICH).unwrap();
    expect("the rules, which come last, are there", || {
        has(&scene.a, "/sbin/ip rule show", "800:")
    });
    node.process.kill_all();
    drop(node);
    assert_ne!(everything(&scene.a), before);

    let next = holdfast().start(&scene.a, RICH).unwrap();
    expect("the VRRP process is started", || {
        next.said("Starting VRRP child process") == 1
    });
    assert_eq!(
        next.stop(Duration::from_secs(10))
            .expect("the daemon ends")
            .code(),
        Some(0)
    );
    assert_eq!(everything(&scene.a), before, "something stayed behind");
}

#[test]
fn every_option_of_an_address_is_what_the_kernel_is_told() {
    const OPTIONS: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 200
    virtual_ipaddress {
        192.0.2.10/24 brd 192.0.2.200 scope link label eth0:x
        192.0.2.21/32 no_track
        10.1.1.0/32 dev dummy0
        10.1.2.1/24 noprefixroute broadcast +
        10.1.3.1/24 brd -
    }
    virtual_ipaddress_excluded {
        2001:db8::10/64 home
        2001:db8::11/64 mngtmpaddr
        2001:db8::12/64 preferred_lft 0
        2001:db8::14/128
        2001:db8::15/128 preferred_lft forever
        239.1.1.1 autojoin
        PEER
    }
}
";
    let addresses = |host: &Host| -> Vec<String> {
        let lines = run(
            host,
            "/sbin/ip -d -o address show scope global; /sbin/ip -d -o address show scope link",
        );
        let inet6 = lines.into_iter().filter(|line| !line.contains(" fe80:"));
        let mut lines: Vec<String> = inet6
            .filter_map(|line| Some(line.split_once(": ")?.1.to_owned()))
            .collect();
        lines.sort();
        lines
    };
    let story = |daemon: &Daemon| {
        let scene = Scene::new();
        prepare(&scene.a);
        let node = daemon.start(&scene.a, &OPTIONS.replace("PEER", "")).unwrap();
        expect("the addresses are there, the last too", || {
            has(&scene.a, "/sbin/ip -o address show", "239.1.1.1/32")
        });
        let all = addresses(&scene.a);
        assert!(node.stop(SOON).is_some());
        all
    };
    let Some((ours, theirs)) = beside_keepalived(story) else {
        return;
    };
    assert_eq!(ours, theirs);

    // keepalived 2.2.7 leaves a peer out.
    let scene = Scene::new();
    prepare(&scene.a);
    let with_peer = OPTIONS.replace("PEER", "10.9.9.1 peer 10.9.9.2/32");
    let _node = holdfast().start(&scene.a, &with_peer).unwrap();
    expect("the peer is there", || {
        has(
            &scene.a,
            "/sbin/ip -o address show",
            "inet 10.9.9.1 peer 10.9.9.2/32",
        )
    });
    // What is not tracked stays away.
    run(&scene.a, "/sbin/ip address del 192.0.2.21/32 dev eth0");
    scene.watch_adverts("a", 2);
    assert!(!has(&scene.a, "/sbin/ip -o address show", "192.0.2.21/32"));
}

#[test]
fn routes_alone_are_work_for_the_daemon() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let text = "static_routes {\n    10.9.0.0/24 dev eth0\n}\n";
        let node = daemon.start(&scene.a, text).unwrap();
        expect("the route is there", || {
            has(
                &scene.a,
                "/sbin/ip route show",
                "10.9.0.0/24 dev eth0 proto keepalived",
            )
        });
        assert!(node.stop(SOON).is_some());
    });
}
