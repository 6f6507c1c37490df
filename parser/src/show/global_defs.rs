//! `global_defs`.

use std::time::Duration;

use super::text::{Text, user, word};
use super::vrrp_instance::garp;
use crate::config::GlobalDefs;
use crate::config::global_defs::{
    DynamicInterfaces, Fifo, IpSets, LvsFlushOnStop, LvsSyncDaemon, LvsTimeouts, ReceivePolicy, ReloadFile,
};

pub(super) fn show(text: &mut Text, global: &GlobalDefs) {
    text.block("global_defs", |text| {
        mail(text, global);
        scripts(text, global);
        vrrp(text, global);
        interfaces(text, global);
        firewall(text, global);
        lvs(text, global);
        processes(text, global);
        buffers(text, global);
        outside(text, global);
        files(text, global);
    });
}

fn mail(text: &mut Text, global: &GlobalDefs) {
    text.word_some("router_id", global.router_id.as_deref());
    text.list("notification_email", &global.notification_email, |address| {
        word(address)
    });
    text.word_some(
        "notification_email_from",
        global.notification_email_from.as_deref(),
    );
    if let Some(server) = &global.smtp_server {
        text.set(
            "smtp_server",
            format_args!("{} {}", word(&server.host), server.port),
        );
    }
    text.word_some("smtp_helo_name", global.smtp_helo_name.as_deref());
    text.seconds("smtp_connect_timeout", global.smtp_connect_timeout);
    text.set_some("smtp_alert", global.smtp_alert);
    text.set_some("smtp_alert_vrrp", global.smtp_alert_vrrp);
    text.set_some("smtp_alert_checker", global.smtp_alert_checker);
    text.flag("no_email_faults", global.no_email_faults);
    text.set("no_checker_emails", global.no_checker_emails);
}

fn scripts(text: &mut Text, global: &GlobalDefs) {
    text.run_as("script_user", global.script_user.as_ref());
    text.flag("enable_script_security", global.enable_script_security);
    text.set("use_symlink_paths", global.use_symlink_paths);
    text.set("set_supplementary_groups", global.set_supplementary_groups);
    text.script("startup_script", global.startup_script.as_ref());
    text.seconds("startup_script_timeout", global.startup_script_timeout);
    text.script("shutdown_script", global.shutdown_script.as_ref());
    text.seconds("shutdown_script_timeout", global.shutdown_script_timeout);
    fifo(text, "notify_fifo", &global.notify_fifo);
    fifo(text, "vrrp_notify_fifo", &global.vrrp_notify_fifo);
    fifo(text, "lvs_notify_fifo", &global.lvs_notify_fifo);
    text.set(
        "vrrp_notify_priority_changes",
        global.vrrp_notify_priority_changes,
    );
    text.flag(
        "fifo_write_vrrp_states_on_reload",
        global.fifo_write_vrrp_states_on_reload,
    );
}

fn fifo(text: &mut Text, keyword: &str, fifo: &Fifo) {
    if let Some(path) = &fifo.path {
        let owner = fifo.owner.as_ref().map(|owner| format!(" {}", user(owner)));
        text.set(keyword, word(path) + owner.as_deref().unwrap_or_default());
    }
    text.script(&format!("{keyword}_script"), fifo.script.as_ref());
}

fn vrrp(text: &mut Text, global: &GlobalDefs) {
    text.set("vrrp_version", global.vrrp_version as u8);
    text.set("vrrp_mcast_group4", global.vrrp_mcast_group4);
    text.set("vrrp_mcast_group6", global.vrrp_mcast_group6);
    text.seconds_unless_zero("vrrp_startup_delay", global.vrrp_startup_delay);
    text.seconds_unless_zero("vrrp_delay_after_boot", global.vrrp_delay_after_boot);
    text.set("vrrp_down_timer_adverts", global.vrrp_down_timer_adverts);
    garp(text, "vrrp_", &global.garp);
    text.seconds_unless_zero("vrrp_garp_interval", global.vrrp_garp_interval);
    text.seconds_unless_zero("vrrp_gna_interval", global.vrrp_gna_interval);
    text.set("vrrp_min_garp", global.vrrp_min_garp);
    text.set_some("vrrp_lower_prio_no_advert", global.vrrp_lower_prio_no_advert);
    text.set(
        "vrrp_higher_prio_send_advert",
        global.vrrp_higher_prio_send_advert,
    );
    text.set_some("vrrp_owner_ignore_adverts", global.vrrp_owner_ignore_adverts);
    text.flag("vrrp_check_unicast_src", global.vrrp_check_unicast_src);
    text.set("vrrp_skip_check_adv_addr", global.vrrp_skip_check_adv_addr);
    text.set("vrrp_strict", global.vrrp_strict);
    text.flag("v3_checksum_as_v2", global.v3_checksum_as_v2);
    text.flag("log_unknown_vrids", global.log_unknown_vrids);
}

fn interfaces(text: &mut Text, global: &GlobalDefs) {
    text.word("default_interface", &global.default_interface);
    match global.dynamic_interfaces {
        DynamicInterfaces::No => {}
        DynamicInterfaces::Allowed => text.line("dynamic_interfaces"),
        DynamicInterfaces::AllowedWithChanges => text.line("dynamic_interfaces allow_if_changes"),
    }
    text.flag("disable_local_igmp", global.disable_local_igmp);
    text.word("vmac_prefix", &global.vmac_prefix);
    text.word("vmac_addr_prefix", &global.vmac_addr_prefix);
    match global.vrrp_rx_bufs.policy {
        ReceivePolicy::System => {}
        ReceivePolicy::Mtu => text.line("vrrp_rx_bufs_policy MTU"),
        ReceivePolicy::Advert => text.line("vrrp_rx_bufs_policy ADVERT"),
        ReceivePolicy::Bytes(bytes) => text.set("vrrp_rx_bufs_policy", bytes),
    }
    text.set("vrrp_rx_bufs_multiplier", global.vrrp_rx_bufs.multiplier);
}

fn firewall(text: &mut Text, global: &GlobalDefs) {
    if let Some(iptables) = &global.vrrp_iptables {
        let output = iptables
            .output
            .as_deref()
            .map(|output| format!(" {}", word(output)));
        text.set(
            "vrrp_iptables",
            word(&iptables.input) + output.as_deref().unwrap_or_default(),
        );
    }
    if let Some(sets) = &global.vrrp_ipsets {
        text.line(format!("vrrp_ipsets {}", ipsets(sets)).trim_end());
    }
    text.word_some("nftables", global.nftables.as_deref());
    text.set("nftables_priority", global.nftables_priority);
    text.flag("nftables_counters", global.nftables_counters);
    text.flag("nftables_ifindex", global.nftables_ifindex);
    text.word_some("nftables_ipvs", global.nftables_ipvs.as_deref());
    text.set("nftables_ipvs_priority", global.nftables_ipvs_priority);
    text.set("nftables_ipvs_start_fwmark", global.nftables_ipvs_start_fwmark);
}

/// The names, but for those at the end that follow from the first: they may be longer than what can be written.
fn ipsets(sets: &IpSets) -> String {
    let IpSets::Named {
        v4,
        v6,
        v6_interface,
        igmp,
        mld,
        nd,
    } = sets
    else {
        return String::new();
    };
    let derived = [
        (v6, "6"),
        (v6_interface, "_if6"),
        (igmp, "_igmp"),
        (mld, "_mld"),
        (nd, "_nd"),
    ];
    let last = derived
        .iter()
        .rposition(|(name, suffix)| **name != format!("{v4}{suffix}"))
        .map_or(0, |last| last + 1);
    let names = derived[..last].iter().map(|(name, _)| *name);
    let names: Vec<String> = std::iter::once(v4).chain(names).map(|name| word(name)).collect();
    names.join(" ")
}

fn lvs(text: &mut Text, global: &GlobalDefs) {
    let LvsTimeouts { tcp, tcpfin, udp } = global.lvs_timeouts;
    let timeouts: String = [("tcp", tcp), ("tcpfin", tcpfin), ("udp", udp)]
        .into_iter()
        .filter_map(|(name, timeout)| Some(format!(" {name} {}", timeout?.as_secs())))
        .collect();
    if !timeouts.is_empty() {
        text.line(format_args!("lvs_timeouts{timeouts}"));
    }
    text.flag("lvs_flush", global.lvs_flush);
    match global.lvs_flush_on_stop {
        LvsFlushOnStop::No => {}
        LvsFlushOnStop::Services => text.line("lvs_flush_on_stop VS"),
        LvsFlushOnStop::All => text.line("lvs_flush_on_stop"),
    }
    text.set_some(
        "lvs_sync_daemon",
        global.lvs_sync_daemon.as_ref().map(sync_daemon),
    );
    text.set("checker_log_all_failures", global.checker_log_all_failures);
    text.set("rs_init_notifies", global.rs_init_notifies);
}

fn sync_daemon(daemon: &LvsSyncDaemon) -> String {
    let options = [
        ("inst", daemon.vrrp_instance.as_deref().map(word)),
        ("id", daemon.id.map(|id| id.to_string())),
        ("maxlen", daemon.maxlen.map(|bytes| bytes.to_string())),
        ("port", Some(daemon.port.to_string())),
        ("ttl", daemon.ttl.map(|ttl| ttl.to_string())),
        ("group", Some(daemon.group.to_string())),
    ];
    let options = options
        .into_iter()
        .filter_map(|(option, value)| Some(format!(" {option} {}", value?)));
    word(&daemon.interface) + &options.collect::<String>()
}

fn processes(text: &mut Text, global: &GlobalDefs) {
    text.flag("process_names", global.process_names);
    text.word_some("process_name", global.process_name.as_deref());
    text.set("max_auto_priority", global.max_auto_priority);
    text.set(
        "min_auto_priority_delay",
        global.min_auto_priority_delay.as_micros(),
    );
    process(
        text,
        "vrrp",
        &Process {
            name: global.vrrp_process_name.as_deref(),
            priority: global.vrrp_priority,
            rt_priority: global.vrrp_rt_priority,
            no_swap: global.vrrp_no_swap,
            cpu_affinity: &global.vrrp_cpu_affinity,
            rlimit_rttime: global.vrrp_rlimit_rttime,
        },
    );
    process(
        text,
        "checker",
        &Process {
            name: global.checker_process_name.as_deref(),
            priority: global.checker_priority,
            rt_priority: global.checker_rt_priority,
            no_swap: global.checker_no_swap,
            cpu_affinity: &global.checker_cpu_affinity,
            rlimit_rttime: global.checker_rlimit_rttime,
        },
    );
    process(
        text,
        "bfd",
        &Process {
            name: global.bfd_process_name.as_deref(),
            priority: global.bfd_priority,
            rt_priority: global.bfd_rt_priority,
            no_swap: global.bfd_no_swap,
            cpu_affinity: &global.bfd_cpu_affinity,
            rlimit_rttime: global.bfd_rlimit_rttime,
        },
    );
}

/// What each of the three processes has.
struct Process<'a> {
    name: Option<&'a str>,
    priority: i8,
    rt_priority: Option<u8>,
    no_swap: bool,
    cpu_affinity: &'a [u16],
    rlimit_rttime: Duration,
}

fn process(text: &mut Text, prefix: &str, of: &Process<'_>) {
    text.word_some(&format!("{prefix}_process_name"), of.name);
    text.set(&format!("{prefix}_priority"), of.priority);
    text.set_some(&format!("{prefix}_rt_priority"), of.rt_priority);
    text.flag(&format!("{prefix}_no_swap"), of.no_swap);
    if !of.cpu_affinity.is_empty() {
        let processors: Vec<String> = of.cpu_affinity.iter().map(u16::to_string).collect();
        text.set(&format!("{prefix}_cpu_affinity"), processors.join(" "));
    }
    text.set(&format!("{prefix}_rlimit_rttime"), of.rlimit_rttime.as_micros());
}

fn buffers(text: &mut Text, global: &GlobalDefs) {
    for (keyword, buffer) in [
        ("vrrp_netlink_cmd_rcv_bufs", global.vrrp_netlink_cmd_rcv_bufs),
        (
            "vrrp_netlink_monitor_rcv_bufs",
            global.vrrp_netlink_monitor_rcv_bufs,
        ),
        ("lvs_netlink_cmd_rcv_bufs", global.lvs_netlink_cmd_rcv_bufs),
        (
            "lvs_netlink_monitor_rcv_bufs",
            global.lvs_netlink_monitor_rcv_bufs,
        ),
        ("process_monitor_rcv_bufs", global.process_monitor_rcv_bufs),
    ] {
        text.set_some(keyword, buffer.bytes);
        text.set(&format!("{keyword}_force"), buffer.force);
    }
}

fn outside(text: &mut Text, global: &GlobalDefs) {
    text.word_some("snmp_socket", global.snmp_socket.as_deref());
    text.flag("enable_traps", global.enable_traps);
    text.flag("enable_snmp_vrrp", global.enable_snmp_vrrp);
    text.flag("enable_snmp_checker", global.enable_snmp_checker);
    text.flag("enable_snmp_rfcv2", global.enable_snmp_rfcv2);
    text.flag("enable_snmp_rfcv3", global.enable_snmp_rfcv3);
    text.seconds(
        "snmp_vs_stats_update_interval",
        global.snmp_vs_stats_update_interval,
    );
    text.seconds(
        "snmp_rs_stats_update_interval",
        global.snmp_rs_stats_update_interval,
    );
    text.flag("enable_dbus", global.enable_dbus);
    text.word("dbus_service_name", &global.dbus_service_name);
    text.word_some("dbus_no_interface_name", global.dbus_no_interface_name.as_deref());
}

fn files(text: &mut Text, global: &GlobalDefs) {
    text.set("umask", format_args!("0{:o}", global.umask));
    text.set_some("random_seed", global.random_seed);
    text.word_some("reload_check_config", global.reload_check_config.as_deref());
    text.word_some("reload_time_file", global.reload_time_file.as_deref());
    text.flag("reload_repeat", global.reload_repeat);
    match &global.reload_file {
        ReloadFile::None => {}
        ReloadFile::InPidDirectory => text.line("reload_file"),
        ReloadFile::At(path) => text.word("reload_file", path),
    }
    text.word_some("config_save_dir", global.config_save_dir.as_deref());
    text.word_some("tmp_config_directory", global.tmp_config_directory.as_deref());
    text.set("data_use_instance", global.data_use_instance);
    text.set("json_version", global.json_version);
    text.word_some("iproute_usr_dir", global.iproute_usr_dir.as_deref());
    text.word("iproute_etc_dir", &global.iproute_etc_dir);
    text.word_some("state_dump_file", global.state_dump_file.as_deref());
    text.word_some("stats_dump_file", global.stats_dump_file.as_deref());
    text.word_some("json_dump_file", global.json_dump_file.as_deref());
}
