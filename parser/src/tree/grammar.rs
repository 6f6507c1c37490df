//! Which keywords open a block, and where: what the tree needs to know to mend a missing brace.

use crate::config::checker;

/// Whether `keyword` opens a block inside the block of `parent` (`None`: outside every block).
pub(crate) fn opens_block(parent: Option<&str>, keyword: &str) -> bool {
    match parent {
        None => TOP_LEVEL.contains(&keyword),
        Some("global_defs") => keyword == "notification_email",
        Some("vrrp_instance") => IN_VRRP_INSTANCE.contains(&keyword),
        Some("virtual_server") => keyword == "real_server",
        Some("real_server") => checker::BLOCKS.contains(&keyword),
        Some("HTTP_GET" | "SSL_GET") => keyword == "url",
        Some("SMTP_CHECK") => keyword == "host",
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
