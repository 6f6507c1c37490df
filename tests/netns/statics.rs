//! Static addresses, routes and rules: those of a track group are a fault of its instances while they cannot be there, and
//! all come back when what they need does. Addresses that do not last.

use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Host, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Scene, VIRTUAL, beside_keepalived, expect, holdfast, ready};
use crate::vmac::run;

/// A machine that does other things too takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

const STATICS: &str = "\
track_group ONE {
    group {
        VI_1
    }
}
static_ipaddress {
    10.50.0.1/24 dev lan0 ADDRESS
}
static_routes {
    10.60.0.0/16 via 10.50.0.9 dev lan0 ROUTE
}
static_rules {
    from 10.77.0.0/24 iif lan0 table 100 priority 500 RULE
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 200
    virtual_ipaddress {
        192.0.2.10/24
    }
}
";

/// A link that the daemon does not know of.
fn add_lan(host: &Host) {
    let command = "ip link add lan0 type veth peer name lan1 && ip link set lan1 up && ip link set lan0 up";
    assert_eq!(run(host, command), "");
}

fn has_all(host: &Host) -> bool {
    run(host, "ip -o address show dev lan0").contains(" 10.50.0.1/24 ")
        && run(host, "ip route show 10.60.0.0/16").contains("via 10.50.0.9 dev lan0 proto keepalived")
        && run(host, "ip rule show").contains("from 10.77.0.0/24 iif lan0 lookup 100 proto keepalived")
}

fn patiently(what: &str, condition: impl FnMut() -> bool) {
    let held = wait_until(PATIENCE, condition);
    assert!(held.is_some(), "not so within {PATIENCE:?}: {what}");
}

#[test]
fn who_tracks_something_static_is_in_fault_while_its_interface_is_gone() {
    for (tracked, missing) in [
        ("ADDRESS", "static address 10.50.0.1/24 is missing"),
        ("ROUTE", "static route to 10.60.0.0/16 is missing"),
        ("RULE", "static rule of preference 500 is missing"),
        ("", ""),
    ] {
        let mut text = STATICS.to_owned();
        for item in ["ADDRESS", "ROUTE", "RULE"] {
            text = text.replace(item, if item == tracked { "track_group ONE" } else { "" });
        }
        let ended = beside_keepalived(|daemon| {
            let scene = Scene::new();
            add_lan(&scene.a);
            let node = daemon.start(&scene.a, &text).unwrap();
            let is_master = || scene.lab.owners(VIRTUAL) == ["a"] && has_all(&scene.a);
            patiently("a master with everything", is_master);
            for times in 1..=2 {
                run(&scene.a, "ip link del lan0");
                if missing.is_empty() {
                    scene.watch_adverts("a", 2);
                    assert_eq!(node.said("Entering FAULT STATE"), 0);
                } else {
                    patiently(missing, || {
                        node.said("Entering FAULT STATE") == times
                            && scene.a.addresses().iter().all(|it| *it != VIRTUAL)
                    });
                    assert!(*daemon != holdfast() || node.said(missing) > 0, "{tracked}");
                }
                add_lan(&scene.a);
                patiently("a master with everything again", is_master);
            }
        });
        if ended.is_none() {
            return;
        }
    }
}

#[test]
fn something_static_that_others_remove_is_no_fault_of_those_who_track_it() {
    if !ready() {
        return;
    }
    let text = ["ADDRESS", "ROUTE", "RULE"]
        .iter()
        .fold(STATICS.to_owned(), |text, item| {
            text.replace(item, "track_group ONE")
        });
    let scene = Scene::new();
    add_lan(&scene.a);
    let node = holdfast().start(&scene.a, &text).unwrap();
    patiently("a master with everything", || {
        scene.lab.owners(VIRTUAL) == ["a"] && has_all(&scene.a)
    });
    for command in [
        "ip address del 10.50.0.1/24 dev lan0",
        "ip route del 10.60.0.0/16",
        "ip rule del preference 500",
        "ip address flush dev lan0; ip route flush proto keepalived; ip rule del preference 500",
    ] {
        let said = node.said("(static)");
        assert_eq!(run(&scene.a, command), "", "{command}");
        patiently(command, || node.said("(static)") > said && has_all(&scene.a));
    }
    scene.watch_adverts("a", 2);
    assert_eq!(node.said("Entering FAULT STATE"), 0);
    assert_eq!(node.said("Entering MASTER STATE"), 1);
    assert!(node.stop(PATIENCE).is_some());
    assert!(!has_all(&scene.a));
}

const MORTAL: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 200
    virtual_ipaddress {
        192.0.2.10/24 preferred_lft 5
        192.0.2.21/24
    }
    virtual_ipaddress_excluded {
        2001:db8::10/64 preferred_lft 5
        2001:db8::11/64 preferred_lft 100000
    }
}
";

/// The virtual addresses with their life times; of long ones, that they are long.
fn lives(host: &Host) -> Vec<String> {
    let addresses = ["192.0.2.10/24", "2001:db8::10/64", "2001:db8::11/64"];
    let shown = run(host, "ip -d -o address show dev eth0");
    let lines = shown.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = addresses.into_iter().find(|address| words.contains(address))?;
        let at = words.iter().position(|word| *word == "preferred_lft")?;
        let is_deprecated = words.contains(&"deprecated");
        let left = match words.get(at + 1)?.strip_suffix("sec") {
            Some(seconds) if seconds.parse::<u32>().ok()? > 90_000 => "long",
            Some("0") => "over",
            Some(_) => "short",
            None => words[at + 1],
        };
        let valid = words.get(at - 1)?;
        Some(format!(
            "{address} valid {valid} preferred {left} {is_deprecated}"
        ))
    });
    lines.collect()
}

#[test]
fn a_preferred_life_time_ends_as_with_keepalived_and_nothing_is_written_anew() {
    let Some((ours, theirs)) = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let node = daemon.start(&scene.a, MORTAL).unwrap();
        patiently("the addresses are there", || lives(&scene.a).len() == 3);
        let monitor = "exec ip -o monitor address > /run/heard";
        let _monitor = scene.a.spawn("monitor", "/bin/sh", &["-c", monitor]).unwrap();
        patiently("one of them is over", || {
            lives(&scene.a).iter().any(|line| line.ends_with("over true"))
        });
        let lives_at_last = lives(&scene.a);
        if *daemon != holdfast() {
            return lives_at_last;
        }
        let heard = || {
            let heard = scene.a.read("/run/heard").unwrap_or_default();
            let lines = heard.lines().filter(|line| line.contains("2001:db8::1"));
            lines.filter(|line| !line.contains("deprecated")).count()
        };
        // A round about the same instance, and a reload.
        run(&scene.a, "ip address del 192.0.2.21/24 dev eth0");
        expect("what was removed is back", || {
            run(&scene.a, "ip -o -4 address show dev eth0").contains("192.0.2.21/24")
        });
        scene
            .a
            .write(CONFIGURATION, &format!("# the same\n{MORTAL}"))
            .unwrap();
        node.process.signal(Signal::SIGHUP);
        expect("the reload is made", || node.said("Reload complete") == 1);
        scene.watch_adverts("a", 2);
        assert_eq!(heard(), 0, "{}", scene.a.read("/run/heard").unwrap());
        assert_eq!(lives(&scene.a), lives_at_last);
        // Another life time is another wish.
        let longer = MORTAL.replace(
            "2001:db8::10/64 preferred_lft 5",
            "2001:db8::10/64 preferred_lft 100000",
        );
        scene.a.write(CONFIGURATION, &longer).unwrap();
        node.process.signal(Signal::SIGHUP);
        expect("the reload is made", || {
            lives(&scene.a).contains(&"2001:db8::10/64 valid forever preferred long false".to_owned())
        });
        lives_at_last
    }) else {
        return;
    };
    assert_eq!(ours, theirs);
}
