//! The log: its lines as JSON, the names in syslog beside keepalived's, and what is said over and over.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use holdfast::lab::{Host, Process, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::scene::{NODE1, SOON, Scene, expect, ready};

const HOLDFAST: &str = env!("CARGO_BIN_EXE_holdfast");

fn run(host: &Host, name: &str, program: &str, words: &[&str]) -> Process {
    host.spawn(name, program, words).unwrap()
}

fn shell(host: &Host, words: &str) {
    let ended = run(host, "sh", "/bin/sh", &["-ec", words]).wait(SOON);
    assert!(ended.is_some_and(|ended| ended.success()), "{words}");
}

#[test]
fn every_line_is_a_json_object_where_that_is_wished() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write(
        "/run/node.conf",
        &NODE1.replace("priority", "prority 1\n priority"),
    )
    .unwrap();
    let options = [
        "-nlD",
        "-f",
        "/run/node.conf",
        "-g/run/log.json",
        "--log-format",
        "json",
    ];
    let daemon = run(host, "holdfast", HOLDFAST, &options);
    expect("it becomes master", || {
        daemon.log.count("Entering MASTER STATE") == 1
    });
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait(SOON).is_some());
    let lines: Vec<Value> = daemon
        .log
        .since(0)
        .iter()
        .map(|line| serde_json::from_str(&line.text).unwrap_or_else(|_| panic!("no JSON: {}", line.text)))
        .collect();
    let processes: BTreeSet<&str> = lines.iter().filter_map(|line| line["process"].as_str()).collect();
    assert_eq!(processes, BTreeSet::from(["supervisor", "vrrp"]));
    for line in &lines {
        let has_all = line["time"].as_str().is_some_and(|time| time.ends_with('Z'))
            && ["error", "warn", "info", "debug"].contains(&line["level"].as_str().unwrap())
            && line["pid"].is_u64()
            && line["message"].is_string();
        assert!(has_all, "{line}");
    }
    let master = lines
        .iter()
        .find(|line| line["message"] == "(VI_1) Entering MASTER STATE");
    assert_eq!(master.unwrap()["fields"]["subject"], "VI_1");
    for file in ["/run/log.json", "/run/log_vrrp.json"] {
        let text = host.read(file).unwrap();
        assert!(
            text.lines().count() > 3
                && text
                    .lines()
                    .all(|line| serde_json::from_str::<Value>(line).is_ok())
        );
    }
}

#[test]
fn syslog_names_namespace_and_instance_as_keepalived_does() {
    if !ready() {
        return;
    }
    let idents = [HOLDFAST, "/usr/sbin/keepalived"].map(|program| {
        let scene = Scene::new();
        let host = &scene.a;
        shell(
            host,
            "ip netns add east; ip -n east link add eth0 type veth peer name far; ip -n east link set eth0 up
             ip -n east link set far up; ip -n east address add 198.51.100.1/24 dev eth0
             mkdir /run/dev; for node in null urandom; do cp -a /dev/$node /run/dev/; done",
        );
        let syslog = host.run(|| UnixDatagram::bind("/run/dev/log")).unwrap().unwrap();
        syslog.set_nonblocking(true).unwrap();
        shell(host, "mount --bind /run/dev /dev");
        host.write("/run/node.conf", &format!("instance blue\n{NODE1}"))
            .unwrap();
        let daemon = run(
            host,
            "daemon",
            program,
            &["-n", "-D", "-f", "/run/node.conf", "-s", "east"],
        );
        let mut text = String::new();
        let mut hear = |words: &str| {
            let mut bytes = [0; 4096];
            while let Ok(length) = syslog.recv(&mut bytes) {
                text.push_str(&String::from_utf8_lossy(&bytes[..length]));
                text.push('\n');
            }
            text.contains(words)
        };
        assert!(
            wait_until(6 * SOON, || hear("Entering MASTER STATE")).is_some(),
            "{text}"
        );
        daemon.signal(Signal::SIGTERM);
        // Who logs to a socket that nobody reads waits.
        let ended = wait_until(3 * SOON, || {
            hear("");
            daemon.status().is_some()
        });
        assert!(ended.is_some(), "{text}");
        hear("");
        let idents = text.lines().filter_map(|line| {
            let (before, _) = line.split_once('[')?;
            before.rsplit(' ').next().map(str::to_owned)
        });
        idents.collect::<BTreeSet<String>>()
    });
    let [ours, theirs] = idents;
    assert!(
        ours.contains("Keepalived_vrrp_east_blue") && ours.contains("Keepalived_east_blue"),
        "{ours:?}"
    );
    assert_eq!(ours, theirs);
}

const FLAPPING: &str = "
global_defs {
    smtp_server 127.0.0.1 2525
    notification_email {
        admin@example.org
    }
    smtp_alert true
    vrrp_notify_fifo /run/fifo
}
vrrp_script flap {
    script \"/run/flap.sh\"
    interval 0.05
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    advert_int 0.1
    version 3
    virtual_ipaddress {
        192.0.2.10/24
    }
    track_script {
        flap
    }
    notify \"/run/complain.sh\"
}
";

#[test]
fn a_script_that_flaps_with_all_that_follows_from_it_fills_no_log() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    // Every other run fails, and each notify script complains in other words; no mail server takes a mail.
    host.write_script(
        "/run/flap.sh",
        "#!/bin/sh\nrm /run/up 2>/dev/null && exit 1\n: >/run/up\n",
    )
    .unwrap();
    host.write_script(
        "/run/complain.sh",
        "#!/bin/sh\ncat /proc/sys/kernel/random/uuid >&2\nexit 3\n",
    )
    .unwrap();
    host.write("/run/node.conf", FLAPPING).unwrap();
    shell(host, "ip link set lo up");
    let daemon = run(host, "holdfast", HOLDFAST, &["-n", "-l", "-f", "/run/node.conf"]);
    expect("it starts", || daemon.log.count("Startup complete") == 1);
    // Counted by the FIFO: so many changes of state.
    let fifo = run(host, "fifo", "/bin/cat", &["/run/fifo"]);
    let flapped = wait_until(Duration::from_mins(1), || fifo.log.count("FAULT") >= 60);
    assert!(flapped.is_some(), "{} times", fifo.log.count("FAULT"));
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait(3 * SOON).is_some());
    for (words, kinds) in [
        ("VRRP_Script(flap) failed", 1),
        ("Entering FAULT STATE", 1),
        ("notify script /run/complain.sh exited with status 3", 1),
        ("Unable to send the alert", 4),
    ] {
        let lines = daemon
            .log
            .since(0)
            .into_iter()
            .filter(|line| line.text.contains(words));
        let (sums, lines): (Vec<_>, Vec<_>) = lines.partition(|line| line.text.contains("more like this in"));
        // Each kind has its ten lines, and one in each further minute.
        assert!(lines.len() <= 12 * kinds, "{words}: {} lines", lines.len());
        assert!(!sums.is_empty(), "{words} is not summed up");
    }
}
