//! Some six hundred small configurations, good and bad, and the exit status of a config test with each. The same table
//! is held against the real keepalived by a test that needs root: `cargo test -p parser --test verdicts -- --ignored`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when it cannot go on"
)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

struct Case {
    text: String,
    /// Of this program, and of keepalived 2.4.3.
    status: u8,
    /// Of keepalived 2.2.7, which Debian 12 has.
    old_status: u8,
}

const TABLES: &[&str] = &[
    include_str!("verdicts.tsv"),
    include_str!("verdicts/bfd_instance.tsv"),
    include_str!("verdicts/links.tsv"),
    include_str!("verdicts/outside.tsv"),
    include_str!("verdicts/static_routes.tsv"),
    include_str!("verdicts/static_rules.tsv"),
    include_str!("verdicts/statics.tsv"),
    include_str!("verdicts/track_file.tsv"),
    include_str!("verdicts/trackers.tsv"),
    include_str!("verdicts/virtual_routes.tsv"),
    include_str!("verdicts/virtual_rules.tsv"),
    include_str!("verdicts/vrrp_sync_group.tsv"),
    include_str!("verdicts/vrrp_track_process.tsv"),
];

fn cases() -> Vec<Case> {
    let rows = TABLES
        .iter()
        .flat_map(|table| table.lines())
        .filter(|row| !row.starts_with('#'));
    let cases = rows.map(|row| {
        let [block, status, text] = row.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}")
        };
        let text = text
            .replace("\\n", "\n")
            .replace("\\r", "\r")
            .replace("\\t", "\t");
        let (status, old_status) = status.split_once('/').unwrap_or((status, status));
        Case {
            text: wrap(block, &text),
            status: status.parse().unwrap(),
            old_status: old_status.parse().unwrap(),
        }
    });
    cases.collect()
}

fn wrap(block: &str, text: &str) -> String {
    let bare = "vrrp_instance V {\ninterface fxa0\nvirtual_router_id 51\n";
    match block {
        "top" => format!("{text}\n"),
        "global" => format!("global_defs {{\n{text}\n}}\n"),
        "script" => format!("vrrp_script S {{\nscript /usr/bin/nosuch\n{text}\n}}\n"),
        "bare" => format!("{bare}{text}\n}}\n"),
        "instance" => format!("{bare}virtual_ipaddress {{\n10.0.0.9\n}}\n{text}\n}}\n"),
        "address" => format!("{bare}virtual_ipaddress {{\n{text}\n}}\n}}\n"),
        "static_routes" | "static_rules" => format!("{block} {{\n{text}\n}}\n"),
        "virtual_routes" | "virtual_rules" => {
            format!("{bare}virtual_ipaddress {{\n10.0.0.9\n}}\n{block} {{\n{text}\n}}\n}}\n")
        }
        "members" => format!("{text}\n{}", members()),
        "tracking_group" => format!(
            "{TRACKABLE}vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\nsync_group_tracking_weight\n{text}\n}}\n{}",
            members()
        ),
        "tracking_instance" => {
            format!("{TRACKABLE}{bare}virtual_ipaddress {{\n10.0.0.9\n}}\n{text}\n}}\n")
        }
        other => common::lvs(other, text).unwrap_or_else(|| panic!("no such block: {other}")),
    }
}

/// One thing of each kind that can be tracked.
const TRACKABLE: &str = "global_defs {\nenable_script_security\nscript_user root\n}\n\
    vrrp_script S {\nscript /bin/true\nweight 5\n}\ntrack_file F {\nfile /tmp/tracked\n}\n\
    vrrp_track_process P {\nprocess sleep\n}\nbfd_instance D {\nneighbor_ip 10.9.0.2\n}\n";

/// Two instances.
fn members() -> String {
    let instance = |name, vrid| {
        format!(
            "vrrp_instance {name} {{\ninterface fxa0\nvirtual_router_id {vrid}\n\
             virtual_ipaddress {{\n10.9.0.{vrid}\n}}\n}}\n"
        )
    };
    instance("A", 5) + &instance("B", 6)
}

#[test]
fn small_configurations_get_keepalived_s_exit_status() {
    let mut failures = Vec::new();
    for case in cases() {
        let status = common::read(&case.text).report.exit_status() as u8;
        if status != case.status {
            failures.push(format!(
                "{status}, not {}: {:?}: {:?}",
                case.status,
                case.text,
                common::mistakes(&case.text)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
#[ignore = "needs root, iproute2 and keepalived 2.2.7"]
fn keepalived_itself_gives_the_same_exit_status() {
    let namespace = Namespace::new();
    let file = std::env::temp_dir().join(format!("{}.conf", namespace.name));
    let mut failures = Vec::new();
    for case in cases() {
        std::fs::write(&file, &case.text).unwrap();
        let status = namespace.keepalived(&file);
        if status != Some(i32::from(case.old_status)) {
            failures.push(format!("{status:?}, not {}: {:?}", case.old_status, case.text));
        }
    }
    std::fs::remove_file(&file).unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A network namespace with the interfaces `fxa0` and `fxb0`.
struct Namespace {
    name: String,
}

impl Namespace {
    fn new() -> Self {
        let namespace = Self {
            name: format!("verdicts{}", std::process::id()),
        };
        namespace.ip(&["netns", "add", &namespace.name]);
        namespace.ip(&[
            "-n",
            &namespace.name,
            "link",
            "add",
            "fxa0",
            "type",
            "veth",
            "peer",
            "name",
            "fxb0",
        ]);
        for interface in ["lo", "fxa0", "fxb0"] {
            namespace.ip(&["-n", &namespace.name, "link", "set", interface, "up"]);
        }
        namespace
    }

    fn ip(&self, arguments: &[&str]) {
        let status = Command::new("ip").args(arguments).status().unwrap();
        assert!(status.success(), "ip {arguments:?} in {}", self.name);
    }

    fn keepalived(&self, file: &Path) -> Option<i32> {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "keepalived", "-t", "-f"])
            .arg(file);
        command.stderr(Stdio::null()).status().unwrap().code()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.ip(&["netns", "del", &self.name]);
    }
}
