//! The tables of verdicts: small configurations, good and bad, and the exit status of a config test with each.
//!
//! A row is a block, `STATUS[/STATUS OF 2.2.7]`, and what is written in the block (`\n`, `\r`, `\t` stand for
//! themselves). The first status is that of this program and of keepalived 2.4.3; where Debian's 2.2.7 has another, or
//! this program differs knowingly, its own follows.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lvs;

/// One row.
pub(crate) struct Row {
    /// Table, block and what is written, for messages.
    pub(crate) name: String,
    /// The whole configuration; its interfaces are `eth0` and `eth1`.
    pub(crate) text: String,
    /// Of this program, and of keepalived 2.4.3.
    pub(crate) status: u8,
    /// Of keepalived 2.2.7.
    pub(crate) old_status: u8,
}

/// Every row of every table; `folder` is that of the parser's tests.
pub(crate) fn rows(folder: &Path) -> Vec<Row> {
    let mut tables: Vec<PathBuf> = fs::read_dir(folder.join("verdicts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    tables.push(folder.join("verdicts.tsv"));
    tables.sort();
    tables.iter().flat_map(|table| rows_of(table)).collect()
}

fn rows_of(table: &Path) -> Vec<Row> {
    let name = table.file_name().unwrap().display();
    let text = fs::read_to_string(table).unwrap();
    let rows = text.lines().filter(|row| !row.starts_with('#'));
    let rows = rows.map(|row| {
        let [block, status, written] = row.splitn(3, '\t').collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}")
        };
        let (status, old_status) = status.split_once('/').unwrap_or((status, status));
        let text = written
            .replace("\\n", "\n")
            .replace("\\r", "\r")
            .replace("\\t", "\t");
        Row {
            name: format!("{name}: {block}: `{written}`"),
            text: wrap(block, &text),
            status: status.parse().unwrap(),
            old_status: old_status.parse().unwrap(),
        }
    });
    rows.collect()
}

fn wrap(block: &str, text: &str) -> String {
    let bare = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\n";
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
        other => lvs::around(other, text).unwrap_or_else(|| panic!("no such block: {other}")),
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
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n\
             virtual_ipaddress {{\n10.9.0.{vrid}\n}}\n}}\n"
        )
    };
    instance("A", 5) + &instance("B", 6)
}
