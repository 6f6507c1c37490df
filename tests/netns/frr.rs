//! Opposite FRR's vrrpd, in both roles, with version 3 over both families.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast::lab::{Host, Process, wait_until};

use crate::scene::{Scene, holdfast, ready};

const VRRPD: &str = "/usr/lib/frr/vrrpd";
const ZEBRA: &str = "/usr/lib/frr/zebra";

/// FRR makes no interfaces: each family gets a macvlan with the virtual router's hardware address.
const PREPARE: &str = "set -e
    ip link add v4 link eth0 address 00:00:5e:00:01:07 type macvlan mode bridge
    ip addr add 192.0.2.10/24 dev v4
    ip link set v4 up
    ip link add v6 link eth0 address 00:00:5e:00:02:07 type macvlan mode bridge
    ip link set v6 addrgenmode random
    ip addr add 2001:db8::10/64 dev v6 nodad
    ip link set v6 up";

const FRR: &str = "interface eth0
 vrrp 7 version 3
 vrrp 7 priority {priority}
 vrrp 7 advertisement-interval 500
 vrrp 7 ip 192.0.2.10
 vrrp 7 ipv6 2001:db8::10
";

const HOLDFAST: &str = "
    vrrp_instance V4 {
        interface eth0
        virtual_router_id 7
        version 3
        priority 150
        advert_int 0.5
        virtual_ipaddress {
            192.0.2.10/24
        }
    }
    vrrp_instance V6 {
        interface eth0
        virtual_router_id 7
        version 3
        priority 150
        advert_int 0.5
        virtual_ipaddress {
            2001:db8::10/64
        }
    }
";

#[test]
fn holdfast_follows_frr_takes_over_from_it_and_gives_back() {
    if !ready() || !has_frr() {
        return;
    }
    let scene = Scene::new();
    let mut frr = start_frr(&scene.a, 200);
    eventually("FRR advertises both", || adverts(&scene, "a") == [true, true]);
    let node = holdfast().start(&scene.b, HOLDFAST).unwrap();
    eventually("Holdfast follows FRR", || node.said("master set to") == 2);
    assert_eq!(node.said("Entering MASTER STATE"), 0);
    assert_eq!(
        (node.said("Invalid"), node.said("mismatch"), node.said("expected")),
        (0, 0, 0)
    );
    frr.clear();
    eventually("Holdfast takes over", || node.said("Entering MASTER STATE") == 2);
    let _again = start_daemons(&scene.a);
    eventually("FRR takes it back", || node.said("Entering BACKUP STATE") == 4);
}

#[test]
fn frr_yields_to_holdfast() {
    if !ready() || !has_frr() {
        return;
    }
    let scene = Scene::new();
    let _frr = start_frr(&scene.a, 100);
    eventually("FRR advertises both", || adverts(&scene, "a") == [true, true]);
    let node = holdfast().start(&scene.b, HOLDFAST).unwrap();
    eventually("Holdfast preempts", || node.said("Entering MASTER STATE") == 2);
    eventually("FRR falls silent", || {
        let start = std::time::SystemTime::now();
        std::thread::sleep(Duration::from_millis(1500));
        scene
            .lab
            .capture
            .pick(|frame| &*frame.host == "a" && frame.at > start && family(&frame.bytes).is_some())
            .is_empty()
    });
    assert_eq!(node.said("Entering BACKUP STATE"), 2, "Holdfast stays master");
}

fn has_frr() -> bool {
    if Path::new(VRRPD).exists() {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "nothing may be skipped here: needs frr"
    );
    println!("skipped: needs frr");
    false
}

fn start_frr(host: &Host, priority: u8) -> Vec<Process> {
    host.write("/run/zebra.conf", "hostname zebra\n").unwrap();
    host.write(
        "/run/vrrpd.conf",
        &FRR.replace("{priority}", &priority.to_string()),
    )
    .unwrap();
    let prepared = host.run(|| {
        let user = nix::unistd::User::from_name("frr").ok()??;
        std::fs::create_dir_all("/run/frr").ok()?;
        chown("/run/frr", Some(user.uid.as_raw()), Some(user.gid.as_raw())).ok()?;
        let status = Command::new("/bin/sh").args(["-c", PREPARE]).status().ok()?;
        status.success().then_some(())
    });
    prepared.unwrap().expect("the interfaces of FRR");
    start_daemons(host)
}

/// zebra, which knows the interfaces, and vrrpd. They end when dropped.
fn start_daemons(host: &Host) -> Vec<Process> {
    let start = |program: &str, name: &str| {
        let (configuration, pid) = (format!("/run/{name}.conf"), format!("/run/frr/{name}.pid"));
        let api = "/run/frr/zserv.api";
        let arguments = [
            "-f",
            &configuration,
            "-i",
            &pid,
            "-z",
            api,
            "--vty_socket",
            "/run/frr",
        ];
        host.spawn(name, program, &arguments).unwrap()
    };
    let zebra = start(ZEBRA, "zebra");
    let there = wait_until(Duration::from_secs(10), || {
        host.run(|| Path::new("/run/frr/zserv.api").exists()).unwrap()
    });
    assert!(there.is_some(), "zebra opens its socket");
    vec![start(VRRPD, "vrrpd"), zebra]
}

/// Whether a host has sent adverts over IPv4 and IPv6.
fn adverts(scene: &Scene, host: &str) -> [bool; 2] {
    let sent = scene.lab.capture.pick(|frame| &*frame.host == host);
    [4, 6].map(|wanted| sent.iter().any(|frame| family(&frame.bytes) == Some(wanted)))
}

fn family(frame: &[u8]) -> Option<u8> {
    match (frame.get(12..14)?, frame.get(23)?, frame.get(20)?) {
        ([0x08, 0x00], 112, _) => Some(4),
        ([0x86, 0xdd], _, 112) => Some(6),
        _ => None,
    }
}

fn eventually(what: &str, condition: impl FnMut() -> bool) {
    let limit = Duration::from_secs(20);
    assert!(
        wait_until(limit, condition).is_some(),
        "not so within {limit:?}: {what}"
    );
}
