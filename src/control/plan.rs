//! What a reload would change: the running configuration and a new one, both in canonical form, block by block.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use parser::config::{VirtualServer, VrrpInstance};
use parser::show::virtual_server_head;
use parser::{Config, Secrets};
use serde_json::{Value, json};

use crate::control::VERSION;
use crate::supervisor::configuration::{Configuration, Usable};

/// The answer to the request: the changes, or why a reload would change nothing.
pub(crate) fn answer(running: &Usable, new: Configuration) -> Value {
    let judgement = new.judgement();
    match new.usable_after(running) {
        Ok(new) => {
            let changes = changes(&running.config(), &new.config());
            json!({"version": VERSION, "reply": "plan", "mistakes": judgement.mistakes, "objects": changes})
        }
        Err(refusal) => judgement.refused(&refusal),
    }
}

/// A block: its lines with the secrets, by which it is compared, and as they may be shown.
#[derive(Debug, Default)]
struct Block(Vec<(String, String)>);

/// Every block of both, in order: kept, changed, added or removed.
fn changes(running: &Config, new: &Config) -> Vec<Value> {
    let (before, order_before) = blocks(running);
    let (after, order_after) = blocks(new);
    let gone = order_before.iter().filter(|key| !after.contains_key(*key));
    order_after
        .iter()
        .chain(gone)
        .map(|key| {
            let (old, fresh) = (before.get(key), after.get(key));
            let (kind, name) = key.split_once(' ').unwrap_or((key, ""));
            let nothing = Block::default();
            let (minus, plus) = difference(old.unwrap_or(&nothing), fresh.unwrap_or(&nothing));
            let change = match (old, fresh) {
                (None, _) => "added",
                (_, None) => "removed",
                _ if minus.is_empty() && plus.is_empty() => "kept",
                _ => "changed",
            };
            let mut object = json!({"kind": kind, "name": name, "change": change});
            if change == "changed" {
                object["removed"] = minus.into();
                object["added"] = plus.into();
            }
            match kind {
                "vrrp_instance" => object["effect"] = effect(running, new, name).into(),
                "virtual_server" => object["effect"] = effect_on_service(running, new, name).into(),
                _ => {}
            }
            object
        })
        .collect()
}

/// The lines of each block, the words of the blocks that they are in before them; and the order of the blocks.
fn blocks(config: &Config) -> (BTreeMap<String, Block>, Vec<String>) {
    let (shown, masked) = (
        parser::show(config, Secrets::Shown),
        parser::show(config, Secrets::Masked),
    );
    let mut blocks: BTreeMap<String, Block> = BTreeMap::new();
    let mut order = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    for (line, masked) in shown.lines().zip(masked.lines()) {
        let (words, masked) = (line.trim(), masked.trim());
        if words == "}" {
            path.pop();
            continue;
        }
        let (opening, words) = match words.strip_suffix('{') {
            Some(words) => (true, words.trim_end()),
            None => (false, words),
        };
        if words.is_empty() {
            continue;
        }
        // What stands outside every block is one of its own.
        let key = path
            .first()
            .copied()
            .unwrap_or(if opening { words } else { "daemon" });
        if !blocks.contains_key(key) {
            order.push(key.to_owned());
        }
        let block = blocks.entry(key.to_owned()).or_default();
        if opening {
            path.push(words);
        } else {
            let within = path
                .iter()
                .skip(1)
                .fold(String::new(), |within, outer| within + outer + " > ");
            block
                .0
                .push((format!("{within}{words}"), format!("{within}{masked}")));
        }
    }
    (blocks, order)
}

/// Lines that only the old block has, and that only the new one has.
fn difference(old: &Block, new: &Block) -> (Vec<String>, Vec<String>) {
    let without = |of: &Block, other: &Block| -> Vec<String> {
        let others: std::collections::HashSet<&String> = other.0.iter().map(|(line, _)| line).collect();
        let own = of.0.iter().filter(|(line, _)| !others.contains(line));
        own.map(|(_, masked)| masked.clone()).collect()
    };
    (without(old, new), without(new, old))
}

/// What becomes of an instance.
fn effect(running: &Config, new: &Config, name: &str) -> &'static str {
    let named = |config: &'_ Config| config.vrrp_instances.iter().find(|one| one.name == name).cloned();
    let goes_on =
        |one: &VrrpInstance, in_: &Config| in_.vrrp_instances.iter().any(|other| vrrp::is_same(one, other));
    match (named(running), named(new)) {
        (Some(old), Some(fresh)) if vrrp::is_same(&old, &fresh) => "goes on in its state",
        (Some(old), None) if goes_on(&old, new) => "goes on in its state under another name",
        (None, Some(fresh)) if goes_on(&fresh, running) => "is one that runs under another name",
        (Some(_), Some(_)) => {
            "ends and begins anew: interface, virtual router, family or way of sending changed"
        }
        (Some(_), None) => "ends: it resigns and its addresses are removed",
        (None, _) => "begins as backup",
    }
}

/// What becomes of the virtual servers of a heading: several, of which each has a protocol of its own.
fn effect_on_service(running: &Config, new: &Config, head: &str) -> String {
    let (old, fresh) = (services(running, head), services(new, head));
    let kept: Vec<String> = old
        .iter()
        .filter_map(|(name, old)| Some(effect_on_servers(old, fresh.get(name)?)))
        .collect();
    match (old.is_empty(), fresh.is_empty(), kept.is_empty()) {
        (true, ..) => "begins".to_owned(),
        (_, true, _) => "ends: its connections are cut off".to_owned(),
        (false, false, true) => "ends and begins anew: the protocol changed".to_owned(),
        (false, false, false) => kept.join("; "),
    }
}

/// The virtual servers of a heading, by what they are called.
fn services<'a>(config: &'a Config, head: &str) -> BTreeMap<String, &'a VirtualServer> {
    checkers::names(config)
        .zip(&config.virtual_servers)
        .filter(|(_, service)| virtual_server_head(&service.service) == head)
        .collect()
}

/// What becomes of a virtual server that stays.
fn effect_on_servers(old: &VirtualServer, new: &VirtualServer) -> String {
    let names = |service: &VirtualServer| -> BTreeSet<(IpAddr, u16)> {
        let servers = service.real_servers.iter();
        servers.map(|server| (server.address, server.port)).collect()
    };
    let (before, after) = (names(old), names(new));
    let joining = match after.difference(&before).count() {
        0 => String::new(),
        count => format!(", real servers that join: {count}"),
    };
    let fate = match new.drain_timeout.as_secs() {
        0 => "their connections are cut off".to_owned(),
        seconds => format!("drained for {seconds} s at most"),
    };
    let leaving = match before.difference(&after).count() {
        0 => String::new(),
        count => format!(", real servers that leave: {count}, {fate}"),
    };
    format!("goes on{joining}{leaving}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        parser::parse_text(&parser::Machine, text).config
    }

    fn instance(name: &str, vrid: u8, more: &str) -> String {
        format!(
            "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n authentication {{\n auth_type PASS\n \
             auth_pass {more}\n }}\n virtual_ipaddress {{\n 192.0.2.{vrid}\n }}\n}}\n"
        )
    }

    #[test]
    fn what_becomes_of_a_virtual_server_is_told() {
        let service = |head: &str, more: &str, servers: &[u8]| {
            let server = |last| format!(" real_server 10.0.0.{last} 80 {{\n }}\n");
            let servers: String = servers.iter().map(server).collect();
            format!("virtual_server {head} {{\n lvs_sched rr\n lvs_method NAT\n {more}\n{servers}}}\n")
        };
        let (tcp, udp) = ("protocol TCP", "protocol UDP");
        let one = "192.0.2.1 80";
        for (before, after, effect) in [
            (String::new(), service(one, tcp, &[2]), "begins"),
            (
                service(one, tcp, &[2]),
                String::new(),
                "ends: its connections are cut off",
            ),
            (service(one, tcp, &[2]), service(one, tcp, &[2]), "goes on"),
            (
                service(one, tcp, &[2]),
                service(one, udp, &[2]),
                "ends and begins anew: the protocol changed",
            ),
            (
                service(one, tcp, &[2, 3]),
                service(one, tcp, &[3, 4, 5]),
                "goes on, real servers that join: 2, real servers that leave: 1, their connections are cut off",
            ),
            (
                service(one, tcp, &[2, 3]) + &service(one, udp, &[2]),
                service(one, "protocol TCP\n drain_timeout 60", &[3]) + &service(one, udp, &[2]),
                "goes on, real servers that leave: 1, drained for 60 s at most; goes on",
            ),
            (
                service("fwmark 7", "", &[2]),
                service("fwmark 7", "quorum 1", &[2]),
                "goes on",
            ),
        ] {
            let changes = changes(&config(&before), &config(&after));
            let told = changes.iter().find(|change| change["kind"] == "virtual_server");
            assert_eq!(told.unwrap()["effect"], effect, "{before}{after}");
        }
    }

    #[test]
    fn every_object_is_told_with_what_becomes_of_it_and_no_secret() {
        let before = instance("A", 1, "one")
            + &instance("B", 2, "two")
            + &instance("C", 3, "x")
            + &instance("D", 4, "x");
        let after = instance("A", 1, "one")
            + &instance("B", 2, "new")
            + &instance("D", 5, "x")
            + &instance("E", 6, "x");
        let changes = changes(&config(&before), &config(&after));
        let of = |name: &str| changes.iter().find(|change| change["name"] == name).unwrap();
        let told: Vec<_> = ["A", "B", "C", "D", "E"]
            .iter()
            .map(|name| {
                (
                    of(name)["change"].as_str().unwrap(),
                    of(name)["effect"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("kept", "goes on in its state"),
                ("changed", "goes on in its state"),
                ("removed", "ends: it resigns and its addresses are removed"),
                (
                    "changed",
                    "ends and begins anew: interface, virtual router, family or way of sending changed"
                ),
                ("added", "begins as backup"),
            ]
        );
        assert_eq!(of("B")["added"], json!(["authentication > auth_pass ****"]));
        assert!(
            of("D")["added"]
                .to_string()
                .contains("virtual_ipaddress > 192.0.2.5/32")
        );
    }
}
