//! `global_defs`: what holds for the whole daemon, and the defaults of instances.

use std::time::Duration;

use crate::config::script::RunAs;
use crate::units::Version;

/// The `global_defs` block, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalDefs {
    /// `router_id`: identity in mail subjects. `None` means the local host name.
    pub router_id: Option<String>,
    /// `script_user`. `None` means `keepalived_script` if that user exists, else the daemon's own user.
    pub script_user: Option<RunAs>,
    /// `enable_script_security`: refuse scripts run as root whose path someone else can write.
    pub enable_script_security: bool,
    /// `vrrp_version`, 2 by default; IPv6 instances use 3 whatever it says.
    pub vrrp_version: Version,
    /// `vrrp_startup_delay`: how long instances wait before they start; zero by default.
    pub vrrp_startup_delay: Duration,
    /// `vrrp_garp_master_delay`, `vrrp_garp_master_repeat` and their kin: defaults for every instance.
    pub garp: super::vrrp_instance::Garp,
    /// `vrrp_skip_check_adv_addr`.
    pub vrrp_skip_check_adv_addr: bool,
    /// `vrrp_strict`.
    pub vrrp_strict: bool,
    /// `vrrp_priority`: nice value of the VRRP process, -20 to 19.
    pub vrrp_priority: i8,
    /// `vrrp_rt_priority`: SCHED_RR priority of the VRRP process, 1 to 99.
    pub vrrp_rt_priority: Option<u8>,
    /// `vrrp_no_swap`: lock the VRRP process into memory.
    pub vrrp_no_swap: bool,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
}
