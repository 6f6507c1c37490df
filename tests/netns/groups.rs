//! Sync groups: two virtual routers of one node that change hands together, whatever happens to one of them.

use std::net::Ipv4Addr;

use holdfast::lab::{Daemon, Host, Node};
use nix::sys::signal::Signal;

use crate::scene::{SOON, Scene, beside_keepalived, each_pairing, expect};

const FIRST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const SECOND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);

/// Two instances in a group; the second tracks eth1, a link of its own.
fn node(priorities: [u8; 2]) -> String {
    let instance = |name: &str, vrid: u8, priority: u8, address: Ipv4Addr, more: &str| {
        format!(
            "vrrp_instance {name} {{
                 interface eth0
                 virtual_router_id {vrid}
                 priority {priority}
                 advert_int 1
                 virtual_ipaddress {{
                     {address}/24
                 }}
                 notify \"/run/notify.sh /run/told.{name}\"
                 {more}
             }}\n"
        )
    };
    let [one, two] = priorities;
    let eth1 = "track_interface {\neth1\n}";
    format!(
        "global_defs {{
             script_user root
         }}
         vrrp_sync_group G1 {{
             group {{
                 VI_1
                 VI_2
             }}
             notify        \"/run/notify.sh /run/told.group\"
             notify_master \"/run/notify.sh /run/told.own master\"
             notify_backup \"/run/notify.sh /run/told.own backup\"
             notify_fault  \"/run/notify.sh /run/told.own fault\"
             notify_stop   \"/run/notify.sh /run/told.own stop\"
         }}\n{}{}",
        instance("VI_1", 51, one, FIRST, ""),
        instance("VI_2", 52, two, SECOND, eth1)
    )
}

const SCRIPT: &str = "#!/bin/sh\nfile=$1\nshift\necho \"$*\" >>\"$file\"\n";

/// Gives a host eth1, a script for its notifies, and starts a daemon.
fn start(host: &Host, daemon: &Daemon, priorities: [u8; 2]) -> Node {
    ip(host, "link add eth1 type veth peer name far1");
    ip(host, "link set eth1 up");
    far_end(host, "up");
    host.write_script("/run/notify.sh", SCRIPT).unwrap();
    daemon.start(host, &node(priorities)).unwrap()
}

/// The other end of eth1: down means that eth1 has no carrier.
fn far_end(host: &Host, state: &str) {
    ip(host, &format!("link set far1 {state}"));
}

fn ip(host: &Host, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let status = host.spawn("ip", "/sbin/ip", &words).unwrap().wait(SOON);
    assert_eq!(status.expect("ip ends").code(), Some(0), "{words:?}");
}

fn expect_both(scene: &Scene, host: &str) {
    expect(&format!("{host} alone has both addresses"), || {
        scene.lab.owners(FIRST) == [host] && scene.lab.owners(SECOND) == [host]
    });
}

#[test]
fn both_addresses_always_have_one_owner() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let a = start(&scene.a, first, [150, 140]);
        let b = start(&scene.b, second, [100, 90]);
        expect_both(&scene, "a");

        far_end(&scene.a, "down");
        expect_both(&scene, "b");
        far_end(&scene.a, "up");
        expect_both(&scene, "a");

        scene.a.cable_out().unwrap();
        expect("b has both addresses", || {
            [FIRST, SECOND]
                .iter()
                .all(|address| scene.b.addresses().contains(address))
        });
        scene.a.cable_in().unwrap();
        expect_both(&scene, "a");

        let masters = |node: &Node| node.said("Entering MASTER STATE");
        let all = (6, 4); // two instances each: the start, the cable of eth1, that of eth0
        expect("all elections are told", || (masters(&a), masters(&b)) == all);
        a.process.signal(Signal::SIGHUP);
        b.process.signal(Signal::SIGHUP);
        scene.watch_adverts("a", 6);
        expect_both(&scene, "a");
        assert_eq!((masters(&a), masters(&b)), all, "a reload moves nobody");

        scene.a.crash();
        drop(a);
        expect_both(&scene, "b");
        scene.a.boot().unwrap();
        let a = start(&scene.a, first, [150, 140]);
        expect_both(&scene, "a");

        assert_eq!(a.stop(SOON).expect("the daemon ends").code(), Some(0));
        expect_both(&scene, "b");
        assert_eq!(b.stop(SOON).expect("the daemon ends").code(), Some(0));
        assert!(scene.lab.owners(FIRST).is_empty() && scene.lab.owners(SECOND).is_empty());
    });
}

#[test]
fn scripts_of_group_and_members_hear_what_keepaliveds_hear() {
    let Some((ours, theirs)) = beside_keepalived(tell) else {
        return;
    };
    assert_eq!(ours, theirs);
    assert_eq!(
        ours[0].lines().next(),
        Some("GROUP G1 BACKUP 0"),
        "the words that keepalived gives: {ours:?}"
    );
}

/// Start, election, a fault of one member, recovery, election, stop: what was told of the group, to its particular
/// scripts, and of each member.
fn tell(daemon: &Daemon) -> [String; 4] {
    let scene = Scene::new();
    let read = |party: &str| scene.a.read(&format!("/run/told.{party}")).unwrap_or_default();
    let parties = ["group", "own", "VI_1", "VI_2"];
    // keepalived waits for no script before it starts the next.
    let heard = |what: &str, times: usize| {
        expect(&format!("everybody is told {what} {times} times"), || {
            parties
                .iter()
                .all(|party| read(party).to_uppercase().matches(what).count() == times)
        });
    };
    let node = start(&scene.a, daemon, [150, 140]);
    heard("MASTER", 1);
    far_end(&scene.a, "down");
    heard("FAULT", 1);
    far_end(&scene.a, "up");
    heard("MASTER", 2);
    assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
    heard("STOP", 1);
    expect("everybody is told of six changes", || {
        parties.iter().all(|party| read(party).lines().count() == 6)
    });
    parties.map(read)
}
