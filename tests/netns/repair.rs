//! What others take away from a master is put back.

use std::time::{Duration, SystemTime};

use holdfast::control::Request;
use holdfast::lab::{Daemon, Seen, wait_until};

use crate::control::ask;
use crate::scene::{Scene, VIRTUAL, expect, holdfast, ready};
use crate::vmac::{self, run};

#[test]
fn an_address_removed_by_hand_is_put_back_and_announced() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = scene.start_pair(&holdfast(), &Daemon::Keepalived);
    scene.watch_adverts("a", 1);

    let removal = SystemTime::now();
    let ip = scene
        .a
        .spawn(
            "ip",
            "/sbin/ip",
            &["address", "del", "192.0.2.10/24", "dev", "eth0"],
        )
        .unwrap();
    assert!(
        ip.wait(Duration::from_secs(1))
            .is_some_and(|status| status.success())
    );
    let away = scene.got_address("a", removal).duration_since(removal).unwrap();
    assert!(away < Duration::from_secs(1), "it was away for {away:?}");
    expect("it is announced", || {
        let announced = Seen::Gratuitous(VIRTUAL);
        !scene
            .lab
            .capture
            .pick(|frame| frame.at > removal && frame.seen == announced)
            .is_empty()
    });

    let status = ask(&scene.a, Request::Status).unwrap();
    assert_eq!(status["vrrp"]["instances"][0]["objects_lost"], 1, "it is counted");

    scene.watch_adverts("a", 2);
    assert_eq!(a.said("Entering BACKUP STATE"), 1, "it was no reason to give up");
    assert_eq!(b.said("Entering MASTER STATE"), 0);
    assert_eq!(scene.lab.owners(VIRTUAL), ["a"]);
}

/// A machine that does other things too takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

const STATICS: &str = "
static_ipaddress {
    10.50.0.1/24 dev eth0
}
static_routes {
    10.60.0.0/16 via 10.50.0.9
}
static_rules {
    from 10.77.0.0/24 table 100 priority 500
}
";

const ROUTING: &str = "
    virtual_routes {
        10.81.0.0/24 via 192.0.2.99
    }
    virtual_rules {
        from 192.0.2.10 table 300 priority 90
    }
}
";

/// Something is taken away: how, what the log says of it, whether an instance counts it, where it is seen, and as what.
struct Theft {
    command: &'static str,
    said: &'static str,
    is_virtual: bool,
    look: &'static str,
    shows: &'static str,
}

const fn of_master(
    command: &'static str,
    said: &'static str,
    look: &'static str,
    shows: &'static str,
) -> Theft {
    Theft {
        command,
        said,
        is_virtual: true,
        look,
        shows,
    }
}

const fn of_statics(
    command: &'static str,
    said: &'static str,
    look: &'static str,
    shows: &'static str,
) -> Theft {
    Theft {
        is_virtual: false,
        ..of_master(command, said, look, shows)
    }
}

const THEFTS: [Theft; 12] = [
    of_master(
        "ip address del 192.0.2.10/24 dev vrrp.51",
        "(VI_1) 192.0.2.10/24 on vrrp.51 was removed",
        "ip -o -4 address show dev vrrp.51",
        " 192.0.2.10/24 ",
    ),
    of_master(
        "ip route del 10.81.0.0/24",
        "(VI_1) route to 10.81.0.0/24 was removed",
        "ip route show 10.81.0.0/24",
        "via 192.0.2.99",
    ),
    of_master(
        "ip route replace 10.81.0.0/24 via 192.0.2.98",
        "(VI_1) route to 10.81.0.0/24 was removed",
        "ip route show 10.81.0.0/24",
        "via 192.0.2.99",
    ),
    of_master(
        "ip rule del preference 90",
        "(VI_1) IPv4 rule of preference 90 from 192.0.2.10/32 to table 300 was removed",
        "ip rule show",
        "90:",
    ),
    of_statics(
        "ip address del 10.50.0.1/24 dev eth0",
        "(static) 10.50.0.1/24 on eth0 was removed",
        "ip -o -4 address show dev eth0",
        " 10.50.0.1/24 ",
    ),
    of_statics(
        "ip route del 10.60.0.0/16",
        "(static) route to 10.60.0.0/16 was removed",
        "ip route show 10.60.0.0/16",
        "via 10.50.0.9",
    ),
    of_statics(
        "ip rule del preference 500",
        "(static) IPv4 rule of preference 500 from 10.77.0.0/24 to table 100 was removed",
        "ip rule show",
        "500:",
    ),
    of_master(
        "nft delete element ip keepalived vips '{ 192.0.2.10 }'",
        "nftables table ip keepalived was changed",
        "nft list set ip keepalived vips",
        "{ 192.0.2.10 }",
    ),
    of_master(
        "nft delete element ip keepalived vmac_map '{ \"vrrp.51\" : \"eth0\" }'",
        "nftables table ip keepalived was changed",
        "nft list map ip keepalived vmac_map",
        "{ \"vrrp.51\" : \"eth0\" }",
    ),
    of_master(
        "nft flush ruleset",
        "nftables table ip keepalived was changed",
        "nft list table ip keepalived",
        "{ \"vrrp.51\" : \"eth0\" }",
    ),
    of_master(
        "ip link del vrrp.51",
        "VMAC interface vrrp.51 was removed by another program",
        "ip -o -4 address show dev vrrp.51 up",
        " 192.0.2.10/24 ",
    ),
    of_master(
        "ip link set vrrp.51 down",
        "VMAC interface vrrp.51 was set down",
        "ip -o -4 address show dev vrrp.51 up",
        " 192.0.2.10/24 ",
    ),
];

#[test]
fn whatever_others_take_away_comes_back_is_counted_and_logged_and_the_master_stays() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let instance = vmac::NODE1.trim_end().strip_suffix('}').unwrap();
    let configuration = [STATICS, instance, ROUTING].concat();
    let a = holdfast().start(&scene.a, &configuration).unwrap();
    let b = Daemon::Keepalived.start(&scene.b, vmac::NODE2).unwrap();
    let is_there = |theft: &Theft| run(&scene.a, theft.look).contains(theft.shows);
    let all = wait_until(PATIENCE, || THEFTS.iter().all(is_there));
    assert!(all.is_some(), "a master has all of it");
    scene.watch_adverts("a", 1);
    let counted = |is_virtual: bool| {
        let vrrp = &ask(&scene.a, Request::Status).unwrap()["vrrp"];
        let lost = if is_virtual {
            &vrrp["instances"][0]["objects_lost"]
        } else {
            &vrrp["static_objects_lost"]
        };
        lost.as_u64().unwrap()
    };
    for theft in &THEFTS {
        let (said, count) = (a.said(theft.said), counted(theft.is_virtual));
        assert_eq!(run(&scene.a, theft.command), "", "{}", theft.command);
        let back = wait_until(PATIENCE, || {
            a.said(theft.said) == said + 1 && THEFTS.iter().all(is_there)
        });
        assert!(
            back.is_some(),
            "{} is told as \"{}\" and undone",
            theft.command,
            theft.said
        );
        let is_counted = wait_until(PATIENCE, || counted(theft.is_virtual) > count);
        assert!(is_counted.is_some(), "{} is counted", theft.command);
    }
    // An interface that is removed is set down first.
    let again =
        "VMAC interface vrrp.51 was set down by another program, putting it back in 125ms (time number 2)";
    assert_eq!(a.said(again), 1, "who does it again is answered later");
    scene.watch_adverts("a", 2);
    assert_eq!(a.said("Entering MASTER STATE"), 1, "it stays master");
    assert_eq!(a.said("Entering BACKUP STATE"), 1, "only the first one");
    assert_eq!(a.said("Entering FAULT STATE"), 0);
    assert_eq!(b.said("Entering MASTER STATE"), 0, "the other node took over");
}
