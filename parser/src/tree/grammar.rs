//! Which keywords open a block, and where: what the tree needs to know to mend a missing brace.

use crate::config::checker;

/// What stands between the braces of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Settings.
    Keywords,
    /// Values, one on each line.
    List,
}

/// Whether and what kind of block `keyword` opens inside the block of `parent` (`None`: outside every block).
pub(crate) fn block_kind(parent: Option<&str>, keyword: &str) -> Option<BlockKind> {
    let known: &[(&str, BlockKind)] = match parent {
        None => {
            let list = LISTS.contains(&keyword);
            let kind = if list {
                BlockKind::List
            } else {
                BlockKind::Keywords
            };
            return TOP_LEVEL.contains(&keyword).then_some(kind);
        }
        // One line per block that has blocks inside.
        Some("global_defs") => &[("notification_email", BlockKind::List)],
        Some("vrrp_instance") => IN_VRRP_INSTANCE,
        Some("virtual_server") => &[("real_server", BlockKind::Keywords)],
        Some("real_server") => {
            return checker::BLOCKS.contains(&keyword).then_some(BlockKind::Keywords);
        }
        Some("HTTP_GET" | "SSL_GET") => &[("url", BlockKind::Keywords)],
        Some("SMTP_CHECK") => &[("host", BlockKind::Keywords)],
        Some("vrrp_sync_group") => IN_VRRP_SYNC_GROUP,
        Some("track_group") => &[("group", BlockKind::List)],
        Some("garp_group") => &[("interfaces", BlockKind::List)],
        Some(_) => &[],
    };
    known
        .iter()
        .find(|(name, _)| *name == keyword)
        .map(|(_, kind)| *kind)
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

/// Those of them that are lists of values.
const LISTS: &[&str] = &[
    "static_ipaddress",
    "static_routes",
    "static_rules",
    "linkbeat_interfaces",
    "interface_up_down_delays",
    "virtual_server_group",
];

const IN_VRRP_INSTANCE: &[(&str, BlockKind)] = &[
    ("unicast_peer", BlockKind::List),
    ("track_interface", BlockKind::List),
    ("track_script", BlockKind::List),
    ("track_file", BlockKind::List),
    ("track_process", BlockKind::List),
    ("track_bfd", BlockKind::List),
    ("virtual_ipaddress", BlockKind::List),
    ("virtual_ipaddress_excluded", BlockKind::List),
    ("virtual_routes", BlockKind::List),
    ("virtual_rules", BlockKind::List),
    ("authentication", BlockKind::Keywords),
    ("auth_hmac", BlockKind::Keywords),
];

const IN_VRRP_SYNC_GROUP: &[(&str, BlockKind)] = &[
    ("group", BlockKind::List),
    ("track_interface", BlockKind::List),
    ("track_script", BlockKind::List),
    ("track_file", BlockKind::List),
    ("track_process", BlockKind::List),
    ("track_bfd", BlockKind::List),
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
    // vrrp_script
    "script",
    // vrrp_instance
    "garp_extra_if", "kernel_rx_buf_size", "vmac_garp_intvl",
];
