//! What a child process says of itself: how everything stands, and what happened, as JSON.

use std::net::IpAddr;

use parser::units::Family;
use serde_json::{Value, json};
use vrrp::{Engine, Health, Instance, Notified};

use crate::control::server::epoch;
use crate::dump::{Lines, Wall};

/// One part after another of the VRRP process's status, item by item; `None` past the last part.
pub(crate) fn vrrp(
    engine: &Engine,
    statics_lost: u64,
    wall: Wall,
    part: usize,
    item: usize,
    lines: &mut Lines,
) -> Option<bool> {
    let once = |lines: &mut Lines, text: &str| {
        if item == 0 {
            lines.raw(text);
        }
        item == 0
    };
    let list = |lines: &mut Lines, value: Option<Value>| {
        let Some(value) = value else { return false };
        if item > 0 {
            lines.raw(",");
        }
        lines.raw(&value.to_string());
        true
    };
    Some(match part {
        0 => once(lines, "{\"instances\":["),
        1 => list(lines, engine.instances().nth(item).map(|instance| of_instance(engine, instance, wall))),
        2 => once(lines, "],\"groups\":["),
        3 => list(lines, engine.groups.get(item).map(|group| {
            json!({
                "name": &*group.name,
                "state": group.state.map_or("INIT", Notified::word),
                "members": group.config.members,
            })
        })),
        4 => once(lines, "],\"scripts\":["),
        5 => list(lines, engine.scripts().get(item).map(|script| {
            json!({"name": &*script.name, "status": health(script.health), "running": script.running})
        })),
        6 => once(lines, &format!("],\"static_objects_lost\":{statics_lost}}}")),
        _ => return None,
    })
}

fn of_instance(engine: &Engine, instance: &Instance, wall: Wall) -> Value {
    let config = &instance.config;
    let mut groups = engine.groups.iter();
    let group = groups.find(|group| group.members.contains(&instance.id));
    let addresses: Vec<Value> = instance
        .addresses()
        .map(|line| {
            let dev = line.dev.as_deref().unwrap_or(&config.interface);
            json!({"address": format!("{}/{}", line.address, line.prefix_len), "dev": dev})
        })
        .collect();
    let faults: Vec<String> = instance.faults.iter().map(ToString::to_string).collect();
    let rejected: Vec<Value> = instance
        .rejections
        .senders
        .iter()
        .flat_map(|(from, tally)| {
            tally
                .0
                .iter()
                .map(move |(cause, count)| rejection(Some(*from), cause, *count))
        })
        .chain(
            instance
                .rejections
                .others
                .0
                .iter()
                .map(|(cause, count)| rejection(None, cause, *count)),
        )
        .collect();
    json!({
        "name": &*instance.name,
        "interface": config.interface,
        "virtual_router_id": config.virtual_router_id.get(),
        "family": if config.family == Family::Ipv4 { "inet" } else { "inet6" },
        "vrrp_version": config.version as u8,
        "state": instance.state.word(),
        "since": wall.since_epoch(instance.since).as_secs_f64(),
        "priority": instance.priority.get(),
        "base_priority": config.priority.get(),
        "group": group.map(|group| &*group.name),
        "master": instance.master.map(|master| json!({"address": master.address, "priority": master.priority})),
        "addresses": addresses,
        "faults": faults,
        "rejected": rejected,
        "advertisements_sent": instance.stats.advert_sent,
        "advertisements_received": instance.stats.advert_rcvd,
        "transitions_to_master": instance.stats.become_master,
        "objects_lost": instance.stats.objects_lost,
    })
}

fn rejection(from: Option<IpAddr>, cause: &str, count: u64) -> Value {
    json!({"from": from, "cause": cause, "count": count})
}

fn health(health: Health) -> &'static str {
    match health {
        Health::Unknown => "unknown",
        Health::Good => "good",
        Health::Bad => "bad",
    }
}

/// The BFD process's status.
pub(crate) fn bfd(engine: &bfd::Engine) -> String {
    let sessions: Vec<Value> = engine
        .sessions
        .iter()
        .map(|session| {
            json!({
                "name": &*session.name,
                "neighbor": session.config.neighbor_ip,
                "state": format!("{:?}", session.state),
                "remote_state": format!("{:?}", session.remote.state),
                "diagnostic": session.diagnostic.to_string(),
            })
        })
        .collect();
    json!({"sessions": sessions}).to_string()
}

/// One item after another of the checker process's status.
pub(crate) fn checkers(
    engine: &checkers::Engine,
    part: usize,
    item: usize,
    lines: &mut Lines,
) -> Option<bool> {
    match part {
        0 => {
            if item == 0 {
                lines.raw("{\"virtual_servers\":[");
            }
            Some(item == 0)
        }
        1 => {
            let Some(service) = engine.services().nth(item) else {
                return Some(false);
            };
            if item > 0 {
                lines.raw(",");
            }
            let standing = engine.standing(service);
            lines.raw(
                &standing
                    .map_or(Value::Null, |standing| of_service(&standing))
                    .to_string(),
            );
            Some(true)
        }
        2 => {
            if item == 0 {
                lines.raw("]}");
            }
            Some(item == 0)
        }
        _ => None,
    }
}

fn of_service(service: &checkers::ServiceStanding) -> Value {
    let now = crate::timer::now();
    let draining: Vec<Value> = service
        .draining
        .iter()
        .map(|server| {
            json!({
                "name": server.label,
                "connections": server.connections,
                "seconds_left": server.until.since(now).as_secs(),
            })
        })
        .collect();
    let servers: Vec<Value> = service
        .servers
        .iter()
        .map(|server| {
            json!({
                "name": server.label,
                "alive": server.alive,
                "weight": server.weight,
                "failing": server.failing,
            })
        })
        .collect();
    json!({
        "name": service.label,
        "fwmark": service.fwmark,
        "quorum": service.quorum_up,
        "suspended": service.suspended,
        "real_servers": servers,
        "draining": draining,
    })
}

/// Bytes of events that are to be sent, though more may follow at once.
const LARGE: usize = 64 * 1024;

/// Events that are told together.
#[derive(Debug, Default)]
pub(crate) struct Events {
    lines: String,
    /// When they happened: those of one turn of a loop at the same time.
    time: Option<f64>,
}

impl Events {
    /// An instance or a sync group changed its state.
    pub(crate) fn transition(&mut self, whose: &str, name: &str, to: Notified, priority: u8) {
        let time = self.time();
        self.add(&json!({
            "event": "transition", "time": time, "subject": name, "of": whose, "state": to.word(), "priority": priority,
        }));
    }

    /// A line of the log.
    pub(crate) fn news(&mut self, of: &str, subject: &str, text: &str) {
        let time = self.time();
        self.add(&json!({"event": of, "time": time, "subject": subject, "text": text}));
    }

    /// Another turn of the loop begins.
    pub(crate) fn begin_turn(&mut self) {
        self.time = None;
    }

    fn time(&mut self) -> f64 {
        *self.time.get_or_insert_with(epoch)
    }

    /// Whether it is time to send what has come together.
    pub(crate) fn is_large(&self) -> bool {
        self.lines.len() >= LARGE
    }

    /// What has come together, to be sent.
    pub(crate) fn take(&mut self) -> Option<String> {
        Some(std::mem::take(self).lines).filter(|lines| !lines.is_empty())
    }

    fn add(&mut self, event: &Value) {
        self.lines.push_str(&event.to_string());
        self.lines.push('\n');
    }
}
