//! What the two common Prometheus exporters make of the files, by their own rules: `gen2brain/keepalived_exporter` and
//! `mehdy/keepalived-exporter`. The same as of keepalived's.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Dumps, dumps_of};
use crate::scene::beside_keepalived;

/// Words by their keys.
type Found = BTreeMap<String, String>;

#[test]
fn they_find_in_our_files_what_they_find_in_keepalived_s() {
    let Some((ours, theirs)) = beside_keepalived(dumps_of) else {
        return;
    };
    let [mehdy, expected] = [&ours, &theirs].map(|dumps| mehdy_data(&dumps.data));
    assert_eq!(mehdy, expected);
    let first = &mehdy["V1"];
    for (key, value) in [
        ("State", "MASTER"),
        ("Wantstate", "MASTER"),
        ("Interface", "eth0"),
        ("Virtual Router ID", "51"),
        ("Gratuitous ARP delay", "5"),
        ("VIP 10.99.0.10/24", "eth0"),
    ] {
        assert_eq!(first[key], value);
    }
    assert_eq!(mehdy_scripts(&ours.data), mehdy_scripts(&theirs.data));
    assert_eq!(mehdy_scripts(&ours.data)["chk"].0, "GOOD");
    assert_eq!(gen2brain_data(&ours.data), gen2brain_data(&theirs.data));
    for read in [stats, gen2brain_json] {
        let [ours, theirs] = [&ours, &theirs].map(read);
        assert_eq!(ours.len(), 3);
        let keys = |found: &BTreeMap<String, BTreeMap<String, i64>>| -> Vec<Vec<String>> {
            let instances = found.values();
            instances
                .map(|counters| counters.keys().cloned().collect())
                .collect()
        };
        assert_eq!(keys(&ours), keys(&theirs));
    }
}

#[test]
fn they_learn_version_and_signals_from_the_program() {
    let holdfast = || Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let version = holdfast().arg("-v").output().unwrap();
    let text = String::from_utf8(version.stderr).unwrap();
    // The second word of the first line, without its first letter, is numbers and points.
    let word = text.lines().next().unwrap().split(' ').nth(1).unwrap();
    assert!(
        word[1..].split('.').all(|part| part.parse::<u32>().is_ok()),
        "{word}"
    );
    for (name, number) in [("DATA", 10), ("STATS", 12), ("JSON", 36), ("STATS_CLEAR", 63)] {
        let answer = holdfast().arg(format!("--signum={name}")).output().unwrap();
        let answer = String::from_utf8(answer.stdout).unwrap();
        assert_eq!(answer.trim().parse::<i32>().unwrap(), number, "{name}");
    }
}

/// What stands before the first of these, and what between it and the next.
fn split(line: &str, by: char) -> (&str, &str) {
    let mut parts = line.trim().split(by);
    let key = parts.next().unwrap_or_default();
    (key.trim(), parts.next().unwrap_or_default().trim())
}

/// mehdy, `keepalived.data`: three blanks are a line of the instance, five an item of what the last line with `=` or `:`
/// named.
fn mehdy_data(text: &str) -> BTreeMap<String, Found> {
    let mut all: BTreeMap<String, Found> = BTreeMap::new();
    let (mut instance, mut key) = (String::new(), String::new());
    for line in text.lines() {
        if line.starts_with(" VRRP Instance") && line.contains('=') {
            split(line, '=').1.clone_into(&mut instance);
            all.insert(instance.clone(), Found::new());
        } else if line.starts_with("   ") && !instance.is_empty() {
            let found = all.get_mut(&instance).unwrap();
            let value = if line.starts_with("     ") {
                line.trim()
            } else {
                let by = if line.contains('=') { '=' } else { ':' };
                if !line.contains(by) {
                    continue;
                }
                let (word, value) = split(line, by);
                word.clone_into(&mut key);
                value
            };
            if key.starts_with("Virtual IP (") && !value.is_empty() {
                let words: Vec<&str> = value.split(' ').collect();
                found.insert(format!("VIP {}", words[0]), words[2].to_owned());
            }
            match key.as_str() {
                "State" | "Wantstate" => {
                    assert!(["INIT", "BACKUP", "MASTER", "FAULT"].contains(&value), "{line}");
                    found.insert(key.clone(), value.to_owned());
                }
                "Gratuitous ARP delay" | "Virtual Router ID" => {
                    value.parse::<i64>().unwrap();
                    found.insert(key.clone(), value.to_owned());
                }
                "Interface" => drop(found.insert(key.clone(), value.to_owned())),
                _ => {}
            }
        } else if !line.starts_with(" VRRP Version") && !line.starts_with(" VRRP Script") {
            instance.clear();
        }
    }
    all
}

/// mehdy, `keepalived.data`: status and state of each script, out of words that it knows.
fn mehdy_scripts(text: &str) -> BTreeMap<String, (String, String)> {
    let mut all: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut script = String::new();
    for line in text.lines() {
        if line.starts_with(" VRRP Script") && line.contains('=') {
            split(line, '=').1.clone_into(&mut script);
            all.insert(script.clone(), Default::default());
        } else if line.starts_with("   ") && !script.is_empty() {
            let found = all.get_mut(&script).unwrap();
            let (key, value) = split(line, '=');
            match key {
                "Status" => value.clone_into(&mut found.0),
                "State" => value.clone_into(&mut found.1),
                _ => {}
            }
        } else if !line.starts_with("    ") {
            script.clear();
        }
    }
    for (status, state) in all.values_mut() {
        assert!(["BAD", "GOOD"].contains(&status.as_str()), "{status}");
        let states = ["idle", "running", "requested termination", "forcing termination"];
        assert!(states.contains(&state.as_str()), "{state}");
        // Whether it runs right now is chance.
        state.clear();
    }
    all
}

/// gen2brain, `keepalived.data`: an instance ends at a line that is neither its own nor the head of the next.
fn gen2brain_data(text: &str) -> Vec<Found> {
    let (mut all, mut found) = (Vec::new(), Found::new());
    for line in text.lines() {
        if line.starts_with(" VRRP Instance") && line.contains('=') {
            found.insert("name".to_owned(), split(line, '=').1.to_owned());
        } else if line.starts_with("   ") && line.contains('=') && found.contains_key("name") {
            let (key, value) = split(line, '=');
            match key {
                "Last transition" => {
                    let seconds: f64 = value.split(' ').next().unwrap().parse().unwrap();
                    assert!(seconds > 1e9, "{line}");
                }
                "Virtual Router ID" => assert!(value.parse::<i64>().is_ok(), "{line}"),
                _ => {}
            }
            if ["Interface", "Virtual Router ID", "State", "Wantstate"].contains(&key) {
                found.insert(key.to_owned(), value.to_owned());
            }
        } else if !line.starts_with(" VRRP Version") && !found.is_empty() {
            all.push(std::mem::take(&mut found));
        }
    }
    all
}

/// Both, `keepalived.stats`: a section ends with a colon, its counters stand two blanks further in.
fn stats(dumps: &Dumps) -> BTreeMap<String, BTreeMap<String, i64>> {
    let mut all: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let (mut instance, mut section) = (String::new(), String::new());
    for line in dumps.stats.lines() {
        let (key, value) = split(line, ':');
        if line.starts_with("VRRP Instance") {
            value.clone_into(&mut instance);
        } else if line.starts_with("  ") && line.ends_with(':') {
            key.clone_into(&mut section);
        } else if line.starts_with("  ") {
            let is_counter_of_section = line.starts_with("    ");
            let of = if is_counter_of_section { &section } else { "" };
            // A section of 2.4.3 that they do not know.
            if of != "Authentication Extension Errors" {
                let counters = all.entry(instance.clone()).or_default();
                counters.insert(format!("{of}/{key}"), value.parse().unwrap());
            }
        }
    }
    all
}

/// gen2brain and mehdy, `keepalived.json`: whole numbers of these names, in one list.
fn gen2brain_json(dumps: &Dumps) -> BTreeMap<String, BTreeMap<String, i64>> {
    let list: Vec<serde_json::Value> = serde_json::from_str(&dumps.json).unwrap();
    let read = |object: &serde_json::Value| {
        let (data, stats) = (&object["data"], &object["stats"]);
        assert!(data["ifp_ifname"].is_string() && data["last_transition"].is_number());
        let numbers = ["vrid", "state", "wantstate"].map(|key| (key.to_owned(), data[key].as_i64().unwrap()));
        let counters = [
            "advert_rcvd",
            "advert_sent",
            "become_master",
            "release_master",
            "packet_len_err",
            "advert_interval_err",
            "ip_ttl_err",
            "invalid_type_rcvd",
            "addr_list_err",
            "invalid_authtype",
            "authtype_mismatch",
            "auth_failure",
            "pri_zero_rcvd",
            "pri_zero_sent",
        ];
        let counters = counters.map(|key| (key.to_owned(), stats[key].as_i64().unwrap()));
        let name = data["iname"].as_str().unwrap().to_owned();
        (name, numbers.into_iter().chain(counters).collect())
    };
    list.iter().map(read).collect()
}
