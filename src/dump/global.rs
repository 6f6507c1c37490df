//! The section `Global definitions`, with which every data dump begins.

use std::fmt::Display;

use parser::Config;
use parser::config::GlobalDefs;
use parser::config::global_defs::{
    DynamicInterfaces, LvsFlushOnStop, LvsSyncDaemon, LvsTimeouts, ReceiveBuffer,
};

use crate::dump::users::{self, Users};
use crate::dump::{Lines, words};
use crate::sync_daemon;

/// Whose dump it is.
pub(super) enum Whose<'a> {
    /// The supervisor's.
    Parent,
    /// The VRRP process's.
    Vrrp {
        /// Who runs scripts.
        users: &'a Users,
        /// Packets to some addresses are refused by nftables.
        has_firewall: bool,
    },
    /// The checker process's.
    Checkers(&'a Users),
    /// The BFD process's.
    Bfd,
}

/// Writes the section.
pub(super) fn section(lines: &mut Lines, config: &Config, whose: &Whose<'_>) {
    let Config { global, daemon, .. } = config;
    lines.section("Global definitions");
    let mut pair = |key: &str, value: &dyn Display| lines.pair(1, key, value);
    let or = |name: &Option<String>, other: &str| name.clone().unwrap_or_else(|| other.to_owned());
    pair("Network namespace", &or(&daemon.net_namespace, "(default)"));
    let ipvs = match &daemon.net_namespace_ipvs {
        parser::config::daemon::IpvsNamespace::Named(name) => name,
        parser::config::daemon::IpvsNamespace::Same | parser::config::daemon::IpvsNamespace::Initial => {
            "(main namespace)"
        }
    };
    pair("Network namespace ipvs", &ipvs);
    if let Some(instance) = &daemon.instance {
        pair("Instance name", instance);
    }
    pair("Router ID", &or(&global.router_id, &words::host_name()));
    if let Some(server) = &global.smtp_server {
        pair("Smtp server", &server.host);
        pair("Smtp server port", &server.port);
        pair("Smtp HELO name", &or(&global.smtp_helo_name, &words::host_name()));
        pair(
            "Smtp server connection timeout",
            &global.smtp_connect_timeout.as_secs(),
        );
    }
    if let Some(from) = &global.notification_email_from {
        pair("Email notification from", from);
    }
    if !global.notification_email.is_empty() {
        lines.list(1, "Email notification to:", &global.notification_email);
    }
    let mut pair = |key: &str, value: &dyn Display| lines.pair(1, key, value);
    pair("Default smtp_alert", &unset(global.smtp_alert));
    pair("Default smtp_alert_vrrp", &unset(global.smtp_alert_vrrp));
    pair("Default smtp_alert_checker", &unset(global.smtp_alert_checker));
    pair("Checkers log all failures", &global.checker_log_all_failures);
    let test = match &global.reload_check_config {
        Some(log) => format!("Test config before reload, log to {log}"),
        None => "No test config before reload".to_owned(),
    };
    lines.line(1, format_args!("{test}"));
    let mut pair = |key: &str, value: &dyn Display| lines.pair(1, key, value);
    pair(
        "Dynamic interfaces",
        &(global.dynamic_interfaces != DynamicInterfaces::No),
    );
    lvs_timeouts(lines, &global.lvs_timeouts);
    let mut pair = |key: &str, value: &dyn Display| lines.pair(1, key, value);
    if matches!(whose, Whose::Vrrp { .. }) {
        pair("Default interface", &global.default_interface);
    }
    pair("Disable local IGMP", &words::yes_no(global.disable_local_igmp));
    lvs_sync_daemon(lines, config);
    let mut pair = |key: &str, value: &dyn Display| lines.pair(1, key, value);
    pair("LVS flush", &global.lvs_flush);
    let on_stop = match global.lvs_flush_on_stop {
        LvsFlushOnStop::No => "disabled",
        LvsFlushOnStop::Services => "VS",
        LvsFlushOnStop::All => "full",
    };
    pair("LVS flush on stop", &on_stop);
    for (key, fifo) in [
        ("Global notify fifo", &global.notify_fifo),
        ("VRRP notify fifo", &global.vrrp_notify_fifo),
        ("LVS notify fifo", &global.lvs_notify_fifo),
    ] {
        if let Some(path) = &fifo.path {
            pair(key, path);
        }
        if let Some(script) = &fifo.script {
            pair(&format!("{key} script"), &words::command(script));
        }
    }
    pair(
        "FIFO write vrrp states on reload",
        &global.fifo_write_vrrp_states_on_reload,
    );
    pair(
        "VRRP notify priority changes",
        &global.vrrp_notify_priority_changes,
    );
    pair("VRRP IPv4 mcast group", &global.vrrp_mcast_group4);
    pair("VRRP IPv6 mcast group", &global.vrrp_mcast_group6);
    announcements(lines, global, whose);
    processes(lines, global);
    management(lines, global);
    let security = if global.enable_script_security {
        "enabled"
    } else {
        "disabled"
    };
    lines.line(1, format_args!("Script security {security}"));
    let user = match whose {
        Whose::Vrrp { users, .. } | Whose::Checkers(users) => users.default_user(),
        Whose::Parent | Whose::Bfd => users::default_user(global),
    };
    if let Some(user) = user {
        lines.line(1, format_args!("Default script uid:gid {user}"));
    }
    buffers(lines, global);
    lines.pair(1, "rs_init_notifies", u8::from(global.rs_init_notifies));
    lines.pair(1, "no_checker_emails", u8::from(global.no_checker_emails));
    lines.pair(1, "rx_bufs_multiples", global.vrrp_rx_bufs.multiplier);
    lines.pair(1, "umask", format!("0{:o}", global.umask));
}

fn lvs_timeouts(lines: &mut Lines, timeouts: &LvsTimeouts) {
    for (key, timeout) in [
        ("LVS TCP timeout", timeouts.tcp),
        ("LVS TCP FIN timeout", timeouts.tcpfin),
        ("LVS UDP timeout", timeouts.udp),
    ] {
        if let Some(timeout) = timeout {
            lines.pair(1, key, timeout.as_secs());
        }
    }
}

/// What is left at its default is not told of, but for the number.
fn lvs_sync_daemon(lines: &mut Lines, config: &Config) {
    let Some(daemon) = sync_daemon::settings(config) else {
        return;
    };
    let followed = config
        .vrrp_instances
        .iter()
        .find(|instance| daemon.vrrp_instance.as_ref() == Some(&instance.name));
    let id = daemon
        .id
        .unwrap_or_else(|| followed.map_or(0, |instance| instance.virtual_router_id.get()));
    let plain = LvsSyncDaemon::new(&daemon.interface);
    if let Some(instance) = &daemon.vrrp_instance {
        lines.pair(1, "LVS syncd vrrp name", instance);
    }
    lines.pair(1, "LVS syncd interface", &daemon.interface);
    lines.pair(1, "LVS syncd syncid", id);
    if let Some(longest) = daemon.maxlen {
        lines.pair(1, "LVS syncd maxlen", longest);
    }
    if daemon.group != plain.group {
        lines.line(1, format_args!("LVS mcast group {}", daemon.group));
    }
    if daemon.port != plain.port {
        lines.pair(1, "LVS syncd mcast port", daemon.port);
    }
    if let Some(ttl) = daemon.ttl {
        lines.pair(1, "LVS syncd mcast ttl", ttl);
    }
}

fn announcements(lines: &mut Lines, global: &GlobalDefs, whose: &Whose<'_>) {
    let garp = &global.garp;
    let mut pair = |key: &str, value: &dyn Display| lines.pair(1, key, value);
    pair("Gratuitous ARP delay", &garp.master_delay.as_secs());
    pair("Gratuitous ARP repeat", &garp.master_repeat);
    pair("Gratuitous ARP refresh timer", &garp.master_refresh.as_secs());
    pair("Gratuitous ARP refresh repeat", &garp.master_refresh_repeat);
    pair(
        "Gratuitous ARP lower priority delay",
        &garp.lower_prio_delay.as_secs(),
    );
    pair("Gratuitous ARP lower priority repeat", &garp.lower_prio_repeat);
    pair("Num adverts before down", &global.vrrp_down_timer_adverts);
    let extra = format!("{}s", garp.extra_if.period.as_secs());
    pair("Gratuitous ARP for each secondary VMAC", &extra);
    pair(
        "Send advert after receive lower priority advert",
        &!global.vrrp_lower_prio_no_advert.unwrap_or(false),
    );
    pair(
        "Send advert after receive higher priority advert",
        &global.vrrp_higher_prio_send_advert,
    );
    pair(
        "Gratuitous ARP interval",
        &words::seconds(global.vrrp_garp_interval),
    );
    pair(
        "Gratuitous NA interval",
        &words::seconds(global.vrrp_gna_interval),
    );
    pair("VRRP default protocol version", &(global.vrrp_version as u8));
    if let Whose::Vrrp {
        has_firewall: true, ..
    } = whose
    {
        let table = global.nftables.as_deref().unwrap_or("keepalived");
        lines.pair(1, "nftables table name", table);
        lines.pair(1, "nftables base chain priority", global.nftables_priority);
        let force = if global.nftables_ifindex { "" } else { "don't " };
        lines.line(
            1,
            format_args!("nftables {force}force use ifindex for link local IPv6"),
        );
    }
    let counters = if global.nftables_counters {
        "with"
    } else {
        "without"
    };
    lines.line(1, format_args!("nftables {counters} counters"));
    lines.pair(1, "VRRP check unicast_src", global.vrrp_check_unicast_src);
    lines.pair(
        1,
        "VRRP skip check advert addresses",
        global.vrrp_skip_check_adv_addr,
    );
    lines.pair(1, "VRRP strict mode", global.vrrp_strict);
}

fn processes(lines: &mut Lines, global: &GlobalDefs) {
    lines.pair(1, "Max auto priority", global.max_auto_priority);
    let delay = format!("{} usecs", global.min_auto_priority_delay.as_micros());
    lines.pair(1, "Min auto priority delay", delay);
    for (name, nice, no_swap, realtime, limit) in [
        (
            "VRRP",
            global.vrrp_priority,
            global.vrrp_no_swap,
            global.vrrp_rt_priority,
            global.vrrp_rlimit_rttime,
        ),
        (
            "Checker",
            global.checker_priority,
            global.checker_no_swap,
            global.checker_rt_priority,
            global.checker_rlimit_rttime,
        ),
        (
            "BFD",
            global.bfd_priority,
            global.bfd_no_swap,
            global.bfd_rt_priority,
            global.bfd_rlimit_rttime,
        ),
    ] {
        lines.pair(1, &format!("{name} process priority"), nice);
        lines.pair(1, &format!("{name} don't swap"), no_swap);
        lines.pair(1, &format!("{name} realtime priority"), realtime.unwrap_or(0));
        lines.pair(1, &format!("{name} realtime limit"), limit.as_micros());
    }
}

fn management(lines: &mut Lines, global: &GlobalDefs) {
    let able = |on: bool| if on { "enabled" } else { "disabled" };
    for (name, on) in [
        ("SNMP vrrp", global.enable_snmp_vrrp),
        ("SNMP checker", global.enable_snmp_checker),
        ("SNMP RFCv2", global.enable_snmp_rfcv2),
        ("SNMP RFCv3", global.enable_snmp_rfcv3),
        ("SNMP traps", global.enable_traps),
    ] {
        lines.line(1, format_args!("{name} {}", able(on)));
    }
    let socket = global
        .snmp_socket
        .as_deref()
        .unwrap_or("default (unix:/var/agentx/master)");
    lines.pair(1, "SNMP socket", socket);
    lines.line(1, format_args!("DBus {}", able(global.enable_dbus)));
    // keepalived tells a name that was written.
    let name = &global.dbus_service_name;
    let is_default = *name == GlobalDefs::default().dbus_service_name;
    lines.pair(1, "DBus service name", if is_default { "" } else { name });
}

fn buffers(lines: &mut Lines, global: &GlobalDefs) {
    let all: [(&str, &ReceiveBuffer); 5] = [
        ("vrrp_netlink_cmd_rcv_bufs", &global.vrrp_netlink_cmd_rcv_bufs),
        (
            "vrrp_netlink_monitor_rcv_bufs",
            &global.vrrp_netlink_monitor_rcv_bufs,
        ),
        ("process_monitor_rcv_bufs", &global.process_monitor_rcv_bufs),
        ("lvs_netlink_cmd_rcv_bufs", &global.lvs_netlink_cmd_rcv_bufs),
        (
            "lvs_netlink_monitor_rcv_bufs",
            &global.lvs_netlink_monitor_rcv_bufs,
        ),
    ];
    for (keyword, buffer) in all {
        lines.pair(1, keyword, buffer.bytes.unwrap_or(0));
        lines.pair(1, &format!("{keyword}_force"), u8::from(buffer.force));
    }
}

fn unset(alert: Option<bool>) -> &'static str {
    match alert {
        None => "unset",
        Some(true) => "on",
        Some(false) => "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(settings: &str) -> Vec<String> {
        let instance = "vrrp_instance VI {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 192.0.2.9\n }\n}\n";
        let text = format!("global_defs {{\n {settings}\n}}\n{instance}");
        let mut lines = Lines::default();
        section(
            &mut lines,
            &parser::parse_text(&parser::Machine, &text).config,
            &Whose::Bfd,
        );
        let text = lines.into_text();
        let told = text.lines().filter(|line| line.starts_with(" LVS "));
        let told = told.filter(|line| !line.contains("flush"));
        told.map(|line| line.trim_start().to_owned()).collect()
    }

    // Seen in dumps of 2.2.7, which calls the last timeout `LVS TCP timeout` too.
    #[test]
    fn what_ipvs_has_beside_its_table_is_told_as_keepalived_tells_it() {
        assert!(told("").is_empty());
        assert_eq!(
            told("lvs_timeouts tcp 100 tcpfin 20 udp 10"),
            [
                "LVS TCP timeout = 100",
                "LVS TCP FIN timeout = 20",
                "LVS UDP timeout = 10"
            ]
        );
        assert_eq!(
            told("lvs_sync_daemon eth1"),
            ["LVS syncd interface = eth1", "LVS syncd syncid = 0"]
        );
        assert_eq!(
            told("lvs_sync_daemon eth1 inst VI"),
            [
                "LVS syncd vrrp name = VI",
                "LVS syncd interface = eth1",
                "LVS syncd syncid = 51"
            ]
        );
        assert_eq!(
            told("lvs_sync_daemon eth1 id 5 maxlen 1000 port 99 ttl 3 group 224.0.0.99"),
            [
                "LVS syncd interface = eth1",
                "LVS syncd syncid = 5",
                "LVS syncd maxlen = 1000",
                "LVS mcast group 224.0.0.99",
                "LVS syncd mcast port = 99",
                "LVS syncd mcast ttl = 3"
            ]
        );
    }
}
