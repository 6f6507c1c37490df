//! `keepalived.json`: keepalived's keys in keepalived's order.

use std::fmt::Write;

use parser::config::vrrp_instance::{Authentication, Tracked};
use parser::config::vrrp_track_process::ProcessMatch;
use vrrp::{Health, Instance, Stats, TrackedProcess};

use crate::dump::vrrp::View;
use crate::dump::{Lines, words};

/// `{"data":{...},"stats":{...}}` of an instance.
pub(super) fn instance(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(instance) = view.engine.instances().nth(item) else {
        return false;
    };
    let (data, stats) = (data(view, instance), stats(&instance.stats));
    if item > 0 {
        lines.raw(",");
    }
    lines.raw(&Object::default().put("data", &data).put("stats", &stats).end());
    true
}

/// An entry of `track_process`.
pub(super) fn process(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(process) = view.engine.processes().get(item) else {
        return false;
    };
    if item > 0 {
        lines.raw(",");
    }
    lines.raw(&of_process(process));
    true
}

fn data(view: &View<'_>, instance: &Instance) -> String {
    let config = &instance.config;
    let garp = &config.garp;
    let interface = config.interface.as_str();
    let device = view.device(config);
    let has_own = config.use_vmac.is_some() || config.use_ipvlan.is_some();
    let own_interface = if has_own { interface } else { "" };
    let flag = |on: bool| u8::from(on).to_string();
    let seconds = |duration: std::time::Duration| duration.as_secs().to_string();
    let fraction = |duration: std::time::Duration| duration.as_secs_f64().to_string();
    let mut object = Object::default()
        .text("iname", &instance.name)
        .put("dont_track_primary", &flag(config.dont_track_primary))
        .put("skip_check_adv_addr", &flag(config.skip_check_adv_addr))
        .put("strict_mode", &flag(config.strict_mode))
        .text("vmac_ifname", own_interface);
    if !interface.is_empty() {
        object = object.text("ifp_ifname", interface);
    }
    let followed = instance.master.map_or(0, |master| master.priority);
    let own = |tracked: &&Tracked, of_group: &[Tracked]| !of_group.contains(tracked);
    object = object
        .put("master_priority", &followed.to_string())
        .put(
            "last_transition",
            &words::seconds(view.wall.since_epoch(instance.since)).to_string(),
        )
        .put("garp_delay", &seconds(garp.master_delay))
        .put("garp_refresh", &seconds(garp.master_refresh))
        .put("garp_rep", &garp.master_repeat.to_string())
        .put("garp_refresh_rep", &garp.master_refresh_repeat.to_string())
        .put("garp_lower_prio_delay", &seconds(garp.lower_prio_delay))
        .put("garp_lower_prio_rep", &garp.lower_prio_repeat.to_string())
        .put("lower_prio_no_advert", &flag(config.lower_prio_no_advert))
        .put("higher_prio_send_advert", &flag(config.higher_prio_send_advert))
        .put("vrid", &config.virtual_router_id.get().to_string())
        .put("base_priority", &config.priority.get().to_string())
        .put("effective_priority", &instance.priority.get().to_string())
        .put("vipset", &instance.state.is_master().to_string())
        .put("promote_secondaries", &config.promote_secondaries.to_string())
        .put("adver_int", &fraction(config.advert_int))
        .put("master_adver_int", &fraction(instance.master_interval))
        .put("accept", &flag(config.accept))
        .put("nopreempt", &config.nopreempt.to_string())
        .put("preempt_delay", &seconds(config.preempt_delay))
        .put("state", &number(instance.state.word()).to_string())
        .put("wantstate", &number(View::wanted(instance)).to_string())
        .put("version", &(config.version as u8).to_string())
        .put("smtp_alert", &config.smtp_alert.to_string())
        .put("notify_deleted", &config.notify.report_deleted.to_string());
    let notify = &config.notify;
    for (key, script) in [
        ("script_backup", &notify.backup),
        ("script_master", &notify.master),
        ("script_fault", &notify.fault),
        ("script_stop", &notify.stop),
        ("script_deleted", &notify.deleted),
        ("script", &notify.any),
        ("script_master_rx_lower_pri", &notify.master_rx_lower_pri),
    ] {
        if let Some(script) = script {
            object = object.text(key, &words::command(script));
        }
    }
    let set = instance.state.is_master();
    let group = view.group_of(instance);
    let none = &[][..];
    let tracked_interfaces = config.track_interface.iter();
    let of_group = group.map_or(none, |group| &group.track_interface);
    let interfaces = tracked_interfaces.filter(|tracked| own(tracked, of_group));
    let of_group = group.map_or(none, |group| &group.track_script);
    let scripts = config
        .track_script
        .iter()
        .filter(|tracked| own(tracked, of_group));
    let scripts = scripts.filter_map(|tracked| {
        let known = view.engine.scripts().iter();
        known
            .map(|script| &script.config)
            .find(|script| script.name == tracked.name)
    });
    object = object
        .texts(
            "vips",
            config
                .virtual_ipaddress
                .iter()
                .map(|line| words::address(line, &device, set)),
        )
        .texts(
            "evips",
            config
                .virtual_ipaddress_excluded
                .iter()
                .map(|line| words::address(line, &device, set)),
        )
        .texts("vroutes", config.virtual_routes.iter().map(words::route))
        .texts("vrules", config.virtual_rules.iter().map(words::rule))
        .texts("track_ifp", interfaces.map(|tracked| tracked.name.clone()))
        .texts(
            "track_script",
            scripts.map(|script| words::command(&script.script)),
        );
    if view.config.global.json_version > 1 {
        object = object.texts(
            "track_process",
            config.track_process.iter().map(|tracked| tracked.name.clone()),
        );
    }
    match config.authentication {
        Authentication::None => object.put("auth_type", "0"),
        Authentication::Pass(_) => object.put("auth_type", "1").text("auth_data", "********"),
        Authentication::Ah(_) => object.put("auth_type", "2").text("auth_data", "********"),
    }
    .end()
}

/// keepalived's number of a state.
fn number(word: &str) -> u8 {
    match word {
        "BACKUP" => 1,
        "MASTER" => 2,
        "FAULT" => 3,
        _ => 0,
    }
}

fn stats(stats: &Stats) -> String {
    let counters = [
        ("advert_rcvd", stats.advert_rcvd),
        ("advert_sent", stats.advert_sent),
        ("become_master", stats.become_master),
        ("release_master", stats.release_master),
        ("packet_len_err", stats.packet_len_err),
        ("advert_interval_err", stats.advert_interval_err),
        ("ip_ttl_err", stats.ip_ttl_err),
        ("invalid_type_rcvd", stats.invalid_type_rcvd),
        ("addr_list_err", stats.addr_list_err),
        ("invalid_authtype", stats.invalid_authtype),
        ("authtype_mismatch", stats.authtype_mismatch),
        ("auth_failure", stats.auth_failure),
        ("auth_ext_missing", stats.auth_ext_missing),
        ("auth_ext_malformed", stats.auth_ext_malformed),
        ("auth_ext_unknown_key", stats.auth_ext_unknown_key),
        ("auth_ext_invalid_hmac", stats.auth_ext_invalid_hmac),
        ("auth_ext_stale", stats.auth_ext_stale),
        ("auth_ext_replay", stats.auth_ext_replay),
        ("pri_zero_rcvd", stats.pri_zero_rcvd),
        ("pri_zero_sent", stats.pri_zero_sent),
    ];
    let object = Object::default();
    counters
        .into_iter()
        .fold(object, |object, (key, count)| object.put(key, &count.to_string()))
        .end()
}

fn of_process(process: &TrackedProcess) -> String {
    let config = &process.config;
    let mut object = Object::default().text("process", config.process.first().map_or("", String::as_str));
    if config.process.len() > 1 {
        object = object.text("parameters", &config.process[1..].join(" "));
    }
    object = object.text(
        "param_match",
        match config.matching {
            ProcessMatch::Name | ProcessMatch::Exact => "EXACT",
            ProcessMatch::Initial => "INITIAL",
            ProcessMatch::Partial => "PARTIAL",
        },
    );
    object = object.put("min_processes", &config.quorum.start().to_string());
    if *config.quorum.end() != u16::MAX {
        object = object.put("max_processes", &config.quorum.end().to_string());
    }
    let weight = if config.reverse {
        -config.weight
    } else {
        config.weight
    };
    object
        .put("current_processes", &process.count.unwrap_or(0).to_string())
        .put("have_quorum", &(process.health() == Health::Good).to_string())
        .put("weight", &weight.to_string())
        .put(
            "terminate_delay",
            &config.terminate_delay.as_secs_f64().to_string(),
        )
        .put("fork_delay", &config.fork_delay.as_secs_f64().to_string())
        .put("fork_delay_timer_running", "false")
        .put("terminate_delay_timer_running", "false")
        .put(
            "full_command",
            &(config.matching != ProcessMatch::Name).to_string(),
        )
        .end()
}

/// A JSON object under way.
#[derive(Default)]
struct Object(String);

impl Object {
    /// A value that is JSON already.
    fn put(mut self, key: &str, value: &str) -> Self {
        let comma = if self.0.is_empty() { "{" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{comma}\"{key}\":{value}");
        self
    }

    fn text(self, key: &str, text: &str) -> Self {
        self.put(key, &quoted(text))
    }

    /// A list of texts; left out where it is empty.
    fn texts(self, key: &str, texts: impl Iterator<Item = String>) -> Self {
        let texts: Vec<String> = texts.map(|text| quoted(&text)).collect();
        if texts.is_empty() {
            return self;
        }
        self.put(key, &format!("[{}]", texts.join(",")))
    }

    fn end(self) -> String {
        self.0 + "}"
    }
}

/// A JSON string; a slash is escaped, as keepalived's writer does.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' | '/' => quoted.extend(['\\', character]),
            control if control.is_control() && control.is_ascii() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_reads_back_the_same() {
        for text in ["", "a/b \"c\" \\ d", "tab\tnul\0 end\u{7f}", "ü€"] {
            assert_eq!(serde_json::from_str::<String>(&quoted(text)).unwrap(), text);
        }
    }
}
