//! Every file of a configuration that has one of everything, line by line and key by key beside keepalived 2.2.7. Where
//! 2.4.3 is known to write otherwise, that counts.

use serde_json::Value;

use super::{send, whole};
use crate::scene::{Scene, beside_keepalived, expect, holdfast, ready};

const CONFIGURATION: &str = include_str!("rich.conf");

/// What depends on the moment, or is a number of the process's own.
const MOMENTARY: [&str; 9] = [
    "Last transition",
    "Read timeout",
    "fd_in",
    "local discriminator",
    "last_seen",
    "Not IPv6 forwarding",
    "Current processes",
    "Have quorum",
    "Init state",
];

/// Lines of 2.2.7 that 2.4.3 has in another form, and that form.
const RENAMED: [&str; 3] = [
    "Number of interface and track script faults",
    "Number of tracker faults",
    "Flags of interface faults",
];

/// What is keepalived's own: its library, how it remembers settings of the kernel, its threads and descriptors.
const ITS_OWN: [&str; 11] = [
    "libnftnl version",
    "Original arp_ignore",
    "Original arp_filter",
    "Original promote_secondaries",
    "Reset promote_secondaries counter",
    "rp_filter",
    "thread_",
    "sands_",
    "fd_out",
    "send error",
    "Timeout = ", // 2.2.7 says 0 where none is configured
];

/// In a process without instances keepalived has not filled in these defaults.
const OF_INSTANCES: &str = "Gratuitous ARP lower priority";

struct Files {
    data: String,
    parent: String,
    bfd: String,
    json: String,
    cleared: String,
}

#[test]
fn every_line_and_key_is_keepalived_s() {
    let Some((ours, theirs)) = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let node = daemon.start(&scene.a, CONFIGURATION).unwrap();
        expect("all are master", || node.said("Entering MASTER STATE") >= 4);
        scene.watch_adverts("a", 3);
        send(&node, "USR1");
        let [data, parent, bfd] =
            ["", "_parent", "_bfd"].map(|which| whole(&scene.a, &format!("/run/keepalived{which}.data")));
        send(&node, "36");
        let json = whole(&scene.a, "/run/keepalived.json");
        // The first time everything is told, and from then on counted anew.
        send(&node, "63");
        let told = whole(&scene.a, "/run/keepalived.stats");
        assert_eq!(told.matches("  Became master: 1\n").count(), 4, "{told}");
        scene.a.remove("/run/keepalived.stats").unwrap();
        send(&node, "USR2");
        let cleared = whole(&scene.a, "/run/keepalived.stats");
        Files {
            data,
            parent,
            bfd,
            json,
            cleared,
        }
    }) else {
        return;
    };
    same(&ours.data, &theirs.data, "");
    same(&ours.parent, &theirs.parent, OF_INSTANCES);
    same(&ours.bfd, &theirs.bfd, OF_INSTANCES);
    same_objects(&ours.json, &theirs.json);
    for stats in [&ours.cleared, &theirs.cleared] {
        assert_eq!(stats.matches("  Became master: 0\n").count(), 4, "{stats}");
    }
}

fn same(ours: &str, theirs: &str, but: &str) {
    let (ours, theirs) = (lines(ours, but), lines(theirs, but));
    for (number, (own, line)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(own, line, "after {:?}", &ours[number.saturating_sub(3)..number]);
    }
    assert_eq!(ours.len(), theirs.len());
}

/// The lines that can be compared. Interfaces come by their names: keepalived has them in the order in which it met them.
fn lines(text: &str, but: &str) -> Vec<String> {
    let counts = |line: &&str| {
        let line = line.trim_start();
        let mut others = MOMENTARY.iter().chain(&RENAMED).chain(&ITS_OWN);
        !others.any(|word| line.starts_with(word)) && (but.is_empty() || !line.starts_with(but))
    };
    let (text, interfaces) = text
        .split_once("------< Interfaces >------\n")
        .unwrap_or((text, ""));
    let mut interfaces: Vec<&str> = interfaces.split(" Name = ").collect();
    interfaces.sort_unstable();
    let all = text.lines().chain(interfaces.iter().flat_map(|it| it.lines()));
    all.filter(counts).map(str::to_owned).collect()
}

fn same_objects(ours: &str, theirs: &str) {
    let [ours, theirs]: [Vec<Value>; 2] = [ours, theirs].map(|text| serde_json::from_str(text).unwrap());
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for (key, value) in theirs["data"].as_object().unwrap() {
            if key != "last_transition" {
                assert_eq!(&ours["data"][key], value, "{key} of {}", theirs["data"]["iname"]);
            }
        }
        let keys = |object: &Value| -> Vec<String> {
            let keys = object["stats"].as_object().unwrap().keys().cloned();
            keys.filter(|key| !key.starts_with("auth_ext_")).collect()
        };
        assert_eq!(keys(ours), keys(theirs));
    }
}

/// Keys of 2.4.3, which 2.2.7 does not write.
const OF_PROCESSES: [&str; 11] = [
    "process",
    "param_match",
    "min_processes",
    "current_processes",
    "have_quorum",
    "weight",
    "terminate_delay",
    "fork_delay",
    "fork_delay_timer_running",
    "terminate_delay_timer_running",
    "full_command",
];

#[test]
fn the_second_version_of_json_has_the_processes_too() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let second = CONFIGURATION.replace("router_id LAB", "router_id LAB\n json_version 2");
    let node = holdfast().start(&scene.a, &second).unwrap();
    expect("all are master", || node.said("Entering MASTER STATE") >= 4);
    send(&node, "36");
    let json = whole(&scene.a, "/run/keepalived.json");
    assert_eq!(json.matches('\n').count(), 1, "one line");
    let parsed: Value = serde_json::from_str(&json).unwrap();
    let top: Vec<&String> = parsed.as_object().unwrap().keys().collect();
    assert_eq!(top.len(), 2, "{top:?}");
    assert!(json.starts_with("{\"vrrp\":[{\"data\":{\"iname\":\"V1\","));
    assert_eq!(parsed["vrrp"].as_array().unwrap().len(), 4);
    assert_eq!(
        parsed["vrrp"][2]["data"]["track_process"],
        serde_json::json!(["tp", "tq"])
    );
    let processes = parsed["track_process"].as_array().unwrap();
    assert_eq!(processes.len(), 2);
    let (_, text) = json.split_once("\"track_process\":[{").unwrap();
    let mut rest = text;
    for key in OF_PROCESSES {
        let quoted = format!("\"{key}\":");
        let (before, after) = rest.split_once(&quoted).unwrap();
        assert!(!before.contains('}'), "{key} comes in its place: {text}");
        rest = after;
    }
}
