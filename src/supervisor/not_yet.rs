//! What a configuration asks for that has no effect, be it that Holdfast does not do it yet or that there is nothing to do, so
//! that nobody trusts in it unknowingly.
//!
//! The lists name what works; everything else that the parser knows is told in the log. They go when all of it works.

use std::collections::BTreeMap;

use parser::config::is_keyword;
use parser::tree::{Block, Line, Tree};
use parser::{Place, Sources};

/// Blocks and settings outside every block that do what they say.
const OUTSIDE: &[&str] = &[
    "SSL",
    "bfd_instance",
    "child_wait_time",
    "garp_group",
    "global_defs",
    "instance",
    "interface_up_down_delays",
    "linkbeat_interfaces", // the kernel tells of the carrier: docs/differences.md
    "linkbeat_use_polling",
    "net_namespace",
    "net_namespace_ipvs",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "track_file",
    "track_group",
    "use_pid_dir",
    "virtual_server",
    "virtual_server_group",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "vrrp_track_file",
    "vrrp_track_process",
];

/// What is not needed here, and why.
const NEEDLESS: &[(&str, &str)] = &[
    (
        "namespace_with_ipsets",
        "sets are nftables', which every namespace has",
    ),
    (
        "tmp_config_directory",
        "the configuration is handed to the processes in memory, which they let go of",
    ),
];

/// The same for `global_defs`.
const GLOBAL_DEFS: &[&str] = &[
    "bfd_cpu_affinity",
    "bfd_no_swap",
    "bfd_priority",
    "bfd_process_name",
    "bfd_rlimit_rtime",
    "bfd_rlimit_rttime",
    "bfd_rt_priority",
    "checker_cpu_affinity",
    "checker_log_all_failures",
    "checker_no_swap",
    "checker_priority",
    "checker_process_name",
    "checker_rlimit_rtime",
    "checker_rlimit_rttime",
    "checker_rt_priority",
    "config_save_dir",
    "data_use_instance",
    "default_interface",
    "disable_local_igmp",
    "dynamic_interfaces",
    "enable_script_security",
    "fifo_write_vrrp_states_on_reload",
    "include_check",
    "iproute_etc_dir",
    "iproute_usr_dir",
    "json_dump_file", // without effect in keepalived too
    "json_version",
    "log_unknown_vrids",
    "lvs_flush",
    "lvs_flush_on_stop",
    "lvs_flush_onstop",
    "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_cmd_rcv_bufs_force",
    "lvs_netlink_monitor_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs_force",
    "lvs_notify_fifo",
    "lvs_notify_fifo_script",
    "lvs_process_name",
    "lvs_sync_daemon",
    "lvs_timeouts",
    "max_auto_priority",
    "min_auto_priority_delay",
    "nftables",
    "nftables_counters",
    "nftables_ifindex",
    "nftables_ipvs",
    "nftables_ipvs_priority",
    "nftables_ipvs_start_fwmark",
    "nftables_priority",
    "no_checker_emails",
    "no_email_faults",
    "notification_email",
    "notification_email_from",
    "notify_fifo",
    "notify_fifo_script",
    "process_monitor_rcv_bufs",
    "process_monitor_rcv_bufs_force",
    "process_name",
    "process_names",
    "random_seed",
    "reload_check_config",
    "reload_file",
    "reload_repeat",
    "reload_time_file",
    "router_id", // shows only in mails
    "rs_init_notifies",
    "script_user",
    "set_supplementary_groups",
    "shutdown_script",
    "shutdown_script_timeout",
    "smtp_alert",
    "smtp_alert_checker",
    "smtp_alert_vrrp",
    "smtp_connect_timeout",
    "smtp_helo_name",
    "smtp_server",
    "startup_script",
    "startup_script_timeout",
    "state_dump_file",
    "stats_dump_file", // without effect in keepalived too
    "umask",
    "use_symlink_paths", // links always stay as they are written: docs/differences.md
    "v3_checksum_as_v2",
    "vmac_addr_prefix",
    "vmac_prefix",
    "vrrp_check_unicast_src",
    "vrrp_cpu_affinity",
    "vrrp_delay_after_boot",
    "vrrp_down_timer_adverts",
    "vrrp_garp_extra_if",
    "vrrp_garp_interval",
    "vrrp_garp_lower_prio_delay",
    "vrrp_garp_lower_prio_repeat",
    "vrrp_garp_master_delay",
    "vrrp_garp_master_refresh",
    "vrrp_garp_master_refresh_repeat",
    "vrrp_garp_master_repeat",
    "vrrp_gna_interval",
    "vrrp_higher_prio_send_advert",
    "vrrp_ipsets",   // by nftables
    "vrrp_iptables", // by nftables
    "vrrp_lower_prio_no_advert",
    "vrrp_mcast_group4",
    "vrrp_mcast_group6",
    "vrrp_min_garp",
    "vrrp_netlink_cmd_rcv_bufs",
    "vrrp_netlink_cmd_rcv_bufs_force",
    "vrrp_netlink_monitor_rcv_bufs",
    "vrrp_netlink_monitor_rcv_bufs_force",
    "vrrp_no_swap",
    "vrrp_notify_fifo",
    "vrrp_notify_fifo_script",
    "vrrp_notify_priority_changes",
    "vrrp_owner_ignore_adverts",
    "vrrp_priority",
    "vrrp_process_name",
    "vrrp_rlimit_rtime",
    "vrrp_rlimit_rttime",
    "vrrp_rt_priority",
    "vrrp_rx_bufs_multiplier",
    "vrrp_rx_bufs_policy",
    "vrrp_skip_check_adv_addr",
    "vrrp_startup_delay",
    "vrrp_strict",
    "vrrp_version",
    "vrrp_vmac_garp_intvl",
];

/// The same for `vrrp_instance`.
const VRRP_INSTANCE: &[&str] = &[
    "accept",
    "advert_int",
    "auth_hmac",
    "authentication",
    "check_unicast_src",
    "debug", // without effect in keepalived too
    "dont_track_primary",
    "down_timer_adverts",
    "garp_extra_if",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
    "garp_master_delay",
    "garp_master_refresh",
    "garp_master_refresh_repeat",
    "garp_master_repeat",
    "higher_prio_send_advert",
    "interface",
    "kernel_rx_buf_size",
    "linkbeat_use_polling",
    "lower_prio_no_advert",
    "lvs_sync_daemon_interface",
    "mcast_dst_ip",
    "mcast_src_ip",
    "native_ipv6",
    "no_accept",
    "no_virtual_ipaddress",
    "nopreempt",
    "notify",
    "notify_backup",
    "notify_deleted",
    "notify_fault",
    "notify_master",
    "notify_master_rx_lower_pri",
    "notify_priority_changes",
    "notify_stop",
    "old_unicast_checksum",
    "owner_ignore_adverts",
    "preempt",
    "preempt_delay",
    "priority",
    "promote_secondaries",
    "skip_check_adv_addr",
    "smtp_alert",
    "state",
    "strict_mode",
    "thread_timer_expired",
    "timer_expired_backup",
    "track_bfd",
    "track_file",
    "track_interface",
    "track_process",
    "track_script",
    "track_src_ip",
    "unicast_fault_no_peer",
    "unicast_peer",
    "unicast_src_ip",
    "unicast_ttl",
    "use_ipvlan",
    "use_vmac",
    "use_vmac_addr",
    "v3_checksum_as_v2",
    "version",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "virtual_router_id",
    "virtual_routes",
    "virtual_rules",
    "vmac_garp_intvl",
    "vmac_xmit_base",
    "vrf",
];

/// The same for `vrrp_sync_group`.
const VRRP_SYNC_GROUP: &[&str] = &[
    "global_tracking",
    "group",
    "notify",
    "notify_backup",
    "notify_fault",
    "notify_master",
    "notify_priority_changes",
    "notify_stop",
    "smtp_alert",
    "sync_group_tracking_weight",
    "track_bfd",
    "track_file",
    "track_interface",
    "track_process",
    "track_script",
];

/// One sentence for each block or setting of a configuration that has no effect.
pub(super) fn not_yet(tree: &Tree, sources: &Sources) -> Vec<String> {
    let mut found: BTreeMap<String, (usize, Place)> = BTreeMap::new();
    let mut note = |line: Line<'_>, works: &[&str], inside: &str| {
        // What is no keyword at all is reported as a mistake.
        if is_keyword(line.keyword()) && !works.contains(&line.keyword()) {
            found
                .entry(format!("{}{inside}", line.keyword()))
                .or_insert((0, line.place()))
                .0 += 1;
        }
    };
    for line in tree.lines() {
        note(line, OUTSIDE, "");
        let (works, inside) = match line.keyword() {
            "global_defs" => (GLOBAL_DEFS, " in global_defs"),
            "vrrp_instance" => (VRRP_INSTANCE, " in vrrp_instance"),
            "vrrp_sync_group" => (VRRP_SYNC_GROUP, " in vrrp_sync_group"),
            _ => continue,
        };
        let block: Block<'_> = line.block();
        block.lines().for_each(|line| note(line, works, inside));
    }
    let sentence = |(what, (times, first)): (String, (usize, Place))| {
        let keyword = what.split(' ').next().unwrap_or_default();
        let needless = NEEDLESS.iter().find(|(needless, _)| *needless == keyword);
        let more = if times > 1 {
            format!(" (and {} more)", times - 1)
        } else {
            String::new()
        };
        let place = format!("({}: Line {}{more})", sources.name(first), first.line);
        match needless {
            Some((_, why)) => format!("{place} {what} is not needed and has no effect: {why}"),
            None => format!("{place} {what} is read, but has no effect yet"),
        }
    };
    found.into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let reading = parser::parse_text(&parser::Machine, text);
        not_yet(&reading.tree, &reading.sources)
    }

    #[test]
    fn what_works_is_not_told() {
        let text =
            "vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n";
        assert_eq!(told(text), [] as [&str; 0]);
    }

    #[test]
    fn what_is_not_needed_is_told_with_the_reason() {
        let told = told("global_defs {\ntmp_config_directory /var/tmp\n}\n");
        let words = "Line 2) tmp_config_directory in global_defs is not needed and has no effect: the configuration is";
        assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
    }

    #[test]
    fn what_does_not_is_told_once_with_its_first_place() {
        let text = "global_defs {\nenable_dbus\nenable_dbus\nenable_snmp_vrrp\nenable_dbuss\n}\n";
        let told = told(text);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0]
                .contains("Line 2 (and 1 more)) enable_dbus in global_defs is read, but has no effect yet"),
            "{told:?}"
        );
        assert!(
            told[1].contains("Line 4) enable_snmp_vrrp in global_defs"),
            "{told:?}"
        );
    }
}
