//! Which keywords open a block, and where: what the tree needs to know to mend a missing brace.

/// Whether `keyword` opens a block inside the block of `parent` (`None`: outside every block).
pub(crate) fn opens_block(parent: Option<&str>, keyword: &str) -> bool {
    match parent {
        None => TOP_LEVEL.contains(&keyword),
        Some("global_defs") => keyword == "notification_email",
        Some("vrrp_instance") => IN_VRRP_INSTANCE.contains(&keyword),
        Some(_) => false,
    }
}

/// Every block that stands by itself.
pub(crate) const TOP_LEVEL: &[&str] = &[
    "global_defs",
    "track_group",
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "vrrp_sync_group",
    "garp_group",
    "linkbeat_interfaces",
    "interface_up_down_delays",
    "vrrp_instance",
    "vrrp_script",
    "vrrp_track_process",
    "track_file",
    "vrrp_track_file",
    "bfd_instance",
    "SSL",
    "virtual_server_group",
    "virtual_server",
];

const IN_VRRP_INSTANCE: &[&str] = &[
    "unicast_peer",
    "track_interface",
    "track_script",
    "track_file",
    "track_process",
    "track_bfd",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "virtual_routes",
    "virtual_rules",
    "authentication",
    "auth_hmac",
];

/// Whether keepalived itself counts the words of this keyword: without its value it is then an ordinary error. All
/// others end keepalived at once.
pub(super) fn counts_its_words(keyword: &str) -> bool {
    COUNT_THEIR_WORDS.contains(&keyword)
}

#[rustfmt::skip]
const COUNT_THEIR_WORDS: &[&str] = &[
    // Outside every block
    "instance", "net_namespace", "track_group", "vrrp_instance", "vrrp_sync_group", "bfd_instance",
    // global_defs
    "bfd_cpu_affinity", "bfd_priority", "bfd_rt_priority", "checker_cpu_affinity", "checker_priority",
    "checker_rt_priority", "dbus_no_interface_name", "dbus_service_name", "default_interface",
    "iproute_etc_dir", "iproute_usr_dir", "json_dump_file", "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs", "lvs_notify_fifo", "lvs_notify_fifo_script", "lvs_sync_daemon", "lvs_timeouts",
    "min_auto_priority_delay", "notification_email_from", "notify_fifo", "notify_fifo_script",
    "process_monitor_rcv_bufs", "reload_time_file", "router_id", "script_user", "shutdown_script",
    "shutdown_script_timeout", "snmp_socket", "startup_script", "startup_script_timeout", "state_dump_file",
    "stats_dump_file", "tmp_config_directory", "vrrp_cpu_affinity", "vrrp_garp_extra_if",
    "vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs", "vrrp_notify_fifo", "vrrp_notify_fifo_script",
    "vrrp_priority", "vrrp_rt_priority", "vrrp_rx_bufs_multiplier", "vrrp_rx_bufs_policy", "vrrp_vmac_garp_intvl",
    // vrrp_instance
    "garp_extra_if", "kernel_rx_buf_size", "vmac_garp_intvl",
];
