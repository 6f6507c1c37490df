//! The dump files beside keepalived's, of the same configuration at the same moment, and as the two common exporters
//! read them.

mod exporters;
mod rich;

use std::process::Command;

use holdfast::lab::{Daemon, Host, Node};
use serde_json::Value;

use crate::scene::{Scene, beside_keepalived, expect, holdfast, ready};

const CONFIGURATION: &str = "\
global_defs {
    router_id LAB
    enable_script_security
    script_user root
}
vrrp_script chk {
    script \"/usr/bin/true\"
    interval 1
    weight 5
}
vrrp_sync_group G1 {
    group {
        V1
        V2
    }
    notify_master \"/usr/bin/true g\"
}
vrrp_instance V1 {
    interface eth0
    state MASTER
    virtual_router_id 51
    priority 100
    authentication {
        auth_type PASS
        auth_pass secret12
    }
    virtual_ipaddress {
        10.99.0.10/24
        10.99.0.11 label eth0:x
    }
    virtual_ipaddress_excluded {
        10.99.0.12/24
        fd00::5/64
    }
    notify \"/usr/bin/true a b\"
    notify_master \"/usr/bin/true 'm x'\"
    notify_backup /usr/bin/true
    garp_master_refresh 60
}
vrrp_instance V2 {
    interface eth0
    virtual_router_id 52
    version 3
    advert_int 0.5
    priority 90
    preempt_delay 5
    unicast_src_ip 192.0.2.11
    unicast_peer {
        192.0.2.99
    }
    virtual_ipaddress {
        10.99.0.20
    }
}
vrrp_instance V3 {
    interface eth0
    virtual_router_id 53
    version 3
    nopreempt
    virtual_ipaddress {
        fe80::53
        fd00::53/64
    }
    track_script {
        chk
    }
}
";

/// The files of one daemon.
struct Dumps {
    json: String,
    stats: String,
    data: String,
}

const FILES: [&str; 3] = [
    "/run/keepalived.json",
    "/run/keepalived.stats",
    "/run/keepalived.data",
];

fn dumps_of(daemon: &Daemon) -> Dumps {
    let scene = Scene::new();
    let node = daemon.start(&scene.a, CONFIGURATION).unwrap();
    expect("all are master", || node.said("Entering MASTER STATE") >= 3);
    let [json, stats, data] = dumped(&scene.a, &node);
    Dumps { json, stats, data }
}

/// Asks for every dump, one after another as keepalived wants it, and reads them.
fn dumped(host: &Host, node: &Node) -> [String; 3] {
    let signals = ["36", "USR2", "USR1"];
    std::array::from_fn(|file| {
        send(node, signals[file]);
        whole(host, FILES[file])
    })
}

/// Sends the daemon a signal that has no name in every library.
fn send(node: &Node, signal: &str) {
    let kill = Command::new("kill")
        .args([&format!("-{signal}"), &node.process.pid.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// A file that keepalived may still be writing.
fn whole(host: &Host, file: &str) -> String {
    let mut text = String::new();
    let mut before = String::new();
    expect(&format!("{file} is whole"), || {
        std::mem::swap(&mut before, &mut text);
        text = host.read(file).unwrap_or_default();
        !text.is_empty() && text == before && text.ends_with('\n')
    });
    text
}

#[test]
fn the_files_say_what_keepalived_says() {
    let Some((ours, theirs)) = beside_keepalived(dumps_of) else {
        return;
    };
    same_json(&ours.json, &theirs.json);
    same_stats(&ours.stats, &theirs.stats);
    same_data(&ours.data, &theirs.data);
    assert!(!ours.data.contains("secret12") && !ours.json.contains("secret12"));
}

/// What depends on the moment, and the password, which keepalived 2.2 still tells.
const MOMENTARY: [&str; 3] = ["last_transition", "auth_data", "master_adver_int"];

fn same_json(ours: &str, theirs: &str) {
    // Keys of 2.4.3 that Debian's 2.2 does not have.
    let known: Vec<&str> = keys(ours)
        .into_iter()
        .filter(|key| !key.starts_with("auth_ext_"))
        .collect();
    assert_eq!(known, keys(theirs), "the same keys in the same order");
    let (ours, theirs): (Vec<Value>, Vec<Value>) = (
        serde_json::from_str(ours).unwrap(),
        serde_json::from_str(theirs).unwrap(),
    );
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for (key, value) in theirs["data"].as_object().unwrap() {
            if !MOMENTARY.contains(&key.as_str()) {
                assert_eq!(&ours["data"][key], value, "{key} of {}", theirs["data"]["iname"]);
            }
        }
    }
}

/// Every key, in the order of the text.
fn keys(json: &str) -> Vec<&str> {
    let parts: Vec<&str> = json.split('"').collect();
    let followed = parts.windows(2).filter(|pair| pair[1].starts_with(':'));
    followed.map(|pair| pair[0]).collect()
}

fn same_stats(ours: &str, theirs: &str) {
    let shape = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned());
        lines.collect()
    };
    let mut known = shape(ours);
    // A section of 2.4.3.
    while let Some(at) = known
        .iter()
        .position(|line| line.contains("Authentication Extension Errors"))
    {
        known.drain(at..at + 7);
    }
    assert_eq!(known, shape(theirs));
}

/// Values of the moment, of the machine, or of the form of 2.4.3.
const OTHERWISE: [&str; 9] = [
    "Last transition",
    "Read timeout",
    "Password",
    "Number of interface and track script faults",
    "Number of tracker faults",
    "Flags",
    "Using src_ip",
    "Multicast address ff02",
    "fd_in ",
];

fn same_data(ours: &str, theirs: &str) {
    let sections = |text: &str| -> Vec<String> {
        let headings = text.lines().filter(|line| line.starts_with("------<"));
        headings.map(str::to_owned).collect()
    };
    assert_eq!(sections(ours), sections(theirs));
    let lines = |text: &str| -> Vec<String> {
        let topology = text.split("------< VRRP Topology >------\n").nth(1).unwrap();
        let topology = topology.split("------<").next().unwrap();
        let counts = |line: &&str| !OTHERWISE.iter().any(|word| line.trim_start().starts_with(word));
        topology.lines().filter(counts).map(str::to_owned).collect()
    };
    assert_eq!(lines(ours), lines(theirs));
}

#[test]
fn a_file_is_its_owners_alone_and_a_link_in_its_place_is_not_followed() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    scene.a.write("/run/precious", "precious").unwrap();
    scene
        .a
        .run(|| FILES.map(|file| std::os::unix::fs::symlink("/run/precious", file).unwrap()))
        .unwrap();
    let node = holdfast().start(&scene.a, CONFIGURATION).unwrap();
    expect("it is master", || node.said("(V1) Entering MASTER STATE") > 0);
    let is_file = |host: &Host| {
        host.run(|| {
            FILES.map(|file| {
                let found = std::fs::symlink_metadata(file).unwrap();
                (
                    found.is_file(),
                    std::os::unix::fs::MetadataExt::mode(&found) & 0o777,
                )
            })
        })
        .unwrap()
    };
    for signal in ["36", "USR2", "USR1"] {
        send(&node, signal);
    }
    expect("all are files, 0600", || is_file(&scene.a) == [(true, 0o600); 3]);
    assert_eq!(scene.a.read("/run/precious").unwrap(), "precious");
}
