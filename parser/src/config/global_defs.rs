//! `global_defs`: what holds for the whole daemon, and the defaults of instances. Fields are named as the keywords.

mod fifo;
mod lvs;
mod process;
mod read;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::config::script::{RunAs, Script};
use crate::config::vrrp_instance::Garp;
use crate::units::Version;

pub use fifo::Fifo;
pub use lvs::{LvsFlushOnStop, LvsSyncDaemon, LvsTimeouts};
pub(crate) use read::KEYWORDS;
pub(super) use read::{Draft, parse};

/// The `global_defs` blocks together, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalDefs {
    /// `process_names`: the children are called `keepalived_vrrp`, `keepalived_lvs` and `keepalived_bfd`.
    pub process_names: bool,
    /// `process_name` of the parent, at most 15 bytes.
    pub process_name: Option<String>,
    /// `vrrp_process_name`, at most 15 bytes.
    pub vrrp_process_name: Option<String>,
    /// `checker_process_name`, at most 15 bytes.
    pub checker_process_name: Option<String>,
    /// `bfd_process_name`, at most 15 bytes.
    pub bfd_process_name: Option<String>,

    /// `router_id`: identity in mail subjects. `None` means the local host name.
    pub router_id: Option<String>,
    /// `notification_email_from`. `None` means `keepalived@<local host name>`.
    pub notification_email_from: Option<String>,
    /// `notification_email`: recipients of mail.
    pub notification_email: Vec<String>,
    /// `smtp_server`. `None` means that no mail is sent.
    pub smtp_server: Option<SmtpServer>,
    /// `smtp_helo_name`. `None` means the local host name.
    pub smtp_helo_name: Option<String>,
    /// `smtp_connect_timeout`, 1 to 4294 s; 30 s by default.
    pub smtp_connect_timeout: Duration,
    /// `smtp_alert`: default of every `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `smtp_alert_vrrp`: default of `smtp_alert` in instances and groups.
    pub smtp_alert_vrrp: Option<bool>,
    /// `smtp_alert_checker`: default of `smtp_alert` in virtual and real servers.
    pub smtp_alert_checker: Option<bool>,
    /// `no_email_faults`: no mail on FAULT.
    pub no_email_faults: bool,
    /// `no_checker_emails`: mail only when a real server comes or goes, not for each of its checkers.
    pub no_checker_emails: bool,

    /// `script_user`. `None` means `keepalived_script` if that user exists, else the daemon's own user.
    pub script_user: Option<RunAs>,
    /// `enable_script_security`: refuse scripts run as root whose path someone else can write.
    pub enable_script_security: bool,
    /// `use_symlink_paths`: keep symbolic links in script paths.
    pub use_symlink_paths: bool,
    /// `set_supplementary_groups`: the default of every script.
    pub set_supplementary_groups: bool,
    /// `startup_script`.
    pub startup_script: Option<Script>,
    /// `startup_script_timeout`, 1 to 1000 s; 10 s by default.
    pub startup_script_timeout: Duration,
    /// `shutdown_script`.
    pub shutdown_script: Option<Script>,
    /// `shutdown_script_timeout`, 1 to 1000 s; 10 s by default.
    pub shutdown_script_timeout: Duration,

    /// `notify_fifo`: every event.
    pub notify_fifo: Fifo,
    /// `vrrp_notify_fifo`: events of instances and groups.
    pub vrrp_notify_fifo: Fifo,
    /// `lvs_notify_fifo`: events of virtual and real servers.
    pub lvs_notify_fifo: Fifo,
    /// `vrrp_notify_priority_changes`: lines on a changed priority too.
    pub vrrp_notify_priority_changes: bool,
    /// `fifo_write_vrrp_states_on_reload`: states are written again after a reload.
    pub fifo_write_vrrp_states_on_reload: bool,

    /// `vrrp_version`, 2 by default; IPv6 instances use 3 whatever it says.
    pub vrrp_version: Version,
    /// `vrrp_mcast_group4`, 224.0.0.18 by default.
    pub vrrp_mcast_group4: Ipv4Addr,
    /// `vrrp_mcast_group6`, `ff02::12` by default.
    pub vrrp_mcast_group6: Ipv6Addr,
    /// `vrrp_startup_delay`: how long instances wait before they start; zero by default.
    pub vrrp_startup_delay: Duration,
    /// `vrrp_delay_after_boot`: no instance starts before the machine has been up so long; zero by default.
    pub vrrp_delay_after_boot: Duration,
    /// `vrrp_down_timer_adverts`, 1 to 100; 3 by default.
    pub vrrp_down_timer_adverts: u8,
    /// `vrrp_garp_master_delay`, `vrrp_garp_master_repeat` and their kin: defaults for every instance.
    pub garp: Garp,
    /// `vrrp_garp_interval`: least gap between gratuitous ARPs on an interface; zero by default.
    pub vrrp_garp_interval: Duration,
    /// `vrrp_gna_interval`: least gap between unsolicited neighbour advertisements on an interface; zero by default.
    pub vrrp_gna_interval: Duration,
    /// `vrrp_min_garp`: one frame and no second burst, where nothing else is written. `garp` has it already.
    pub vrrp_min_garp: bool,
    /// `vrrp_lower_prio_no_advert`. `None` means off, but on in strict mode.
    pub vrrp_lower_prio_no_advert: Option<bool>,
    /// `vrrp_higher_prio_send_advert`.
    pub vrrp_higher_prio_send_advert: bool,
    /// `vrrp_owner_ignore_adverts`. `None` means off, but on in strict mode.
    pub vrrp_owner_ignore_adverts: Option<bool>,
    /// `vrrp_check_unicast_src`.
    pub vrrp_check_unicast_src: bool,
    /// `vrrp_skip_check_adv_addr`.
    pub vrrp_skip_check_adv_addr: bool,
    /// `vrrp_strict`.
    pub vrrp_strict: bool,
    /// `v3_checksum_as_v2`: VRRPv3 over IPv4 sums without the pseudo header.
    pub v3_checksum_as_v2: bool,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `default_interface` of addresses without `dev`; `eth0` by default.
    pub default_interface: String,
    /// `dynamic_interfaces`: interfaces that do not exist yet are allowed.
    pub dynamic_interfaces: DynamicInterfaces,
    /// `disable_local_igmp`: no IGMP reports for 224.0.0.0/24.
    pub disable_local_igmp: bool,
    /// `vmac_prefix`: how names of macvlans begin; `vrrp` by default.
    pub vmac_prefix: String,
    /// `vmac_addr_prefix`: how names of macvlans for addresses begin; `vmac_prefix` by default.
    pub vmac_addr_prefix: String,
    /// `vrrp_rx_bufs_policy` and `vrrp_rx_bufs_multiplier`.
    pub vrrp_rx_bufs: ReceiveBuffers,

    /// `vrrp_iptables`.
    pub vrrp_iptables: Option<Iptables>,
    /// `vrrp_ipsets`.
    pub vrrp_ipsets: Option<IpSets>,
    /// `nftables`: name of the table, `keepalived` if none is written.
    pub nftables: Option<String>,
    /// `nftables_priority` of the base chains; -1 by default.
    pub nftables_priority: i32,
    /// `nftables_counters`.
    pub nftables_counters: bool,
    /// `nftables_ifindex`: interface numbers instead of names in the sets of link-local addresses.
    pub nftables_ifindex: bool,
    /// `nftables_ipvs`: name of the table that gives groups of virtual servers their firewall mark, `keepalived_ipvs`
    /// if none is written.
    pub nftables_ipvs: Option<String>,
    /// `nftables_ipvs_priority` of the base chains; -1 by default.
    pub nftables_ipvs_priority: i32,
    /// `nftables_ipvs_start_fwmark`: the first mark; 1000 by default.
    pub nftables_ipvs_start_fwmark: u32,

    /// `lvs_timeouts`.
    pub lvs_timeouts: LvsTimeouts,
    /// `lvs_flush`: empty the IPVS table at start.
    pub lvs_flush: bool,
    /// `lvs_flush_on_stop`.
    pub lvs_flush_on_stop: LvsFlushOnStop,
    /// `lvs_sync_daemon`.
    pub lvs_sync_daemon: Option<LvsSyncDaemon>,
    /// `checker_log_all_failures`: every failure of a check is logged.
    pub checker_log_all_failures: bool,
    /// `rs_init_notifies`: notify scripts run when real servers start up.
    pub rs_init_notifies: bool,

    /// `max_auto_priority`: ceiling of automatic realtime priority; 0 (none) by default, -1 silences the notice.
    pub max_auto_priority: i8,
    /// `min_auto_priority_delay`: lateness that raises the priority, 1 us to 10 s; 1 s by default.
    pub min_auto_priority_delay: Duration,
    /// `vrrp_priority`: nice value of the VRRP process, -20 to 19.
    pub vrrp_priority: i8,
    /// `vrrp_rt_priority`: `SCHED_RR` priority of the VRRP process, 1 to 99.
    pub vrrp_rt_priority: Option<u8>,
    /// `vrrp_no_swap`: lock the VRRP process into memory.
    pub vrrp_no_swap: bool,
    /// `vrrp_cpu_affinity`: processors of the VRRP process; empty means all.
    pub vrrp_cpu_affinity: Vec<u16>,
    /// `vrrp_rlimit_rttime`: `RLIMIT_RTTIME` of the VRRP process, at least 2 us; 10 ms by default.
    pub vrrp_rlimit_rttime: Duration,
    /// `checker_priority`: nice value of the checker process, -20 to 19.
    pub checker_priority: i8,
    /// `checker_rt_priority`: `SCHED_RR` priority of the checker process, 1 to 99.
    pub checker_rt_priority: Option<u8>,
    /// `checker_no_swap`: lock the checker process into memory.
    pub checker_no_swap: bool,
    /// `checker_cpu_affinity`: processors of the checker process; empty means all.
    pub checker_cpu_affinity: Vec<u16>,
    /// `checker_rlimit_rttime`: `RLIMIT_RTTIME` of the checker process, at least 2 us; 10 ms by default.
    pub checker_rlimit_rttime: Duration,
    /// `bfd_priority`: nice value of the BFD process, -20 to 19.
    pub bfd_priority: i8,
    /// `bfd_rt_priority`: `SCHED_RR` priority of the BFD process, 1 to 99.
    pub bfd_rt_priority: Option<u8>,
    /// `bfd_no_swap`: lock the BFD process into memory.
    pub bfd_no_swap: bool,
    /// `bfd_cpu_affinity`: processors of the BFD process; empty means all.
    pub bfd_cpu_affinity: Vec<u16>,
    /// `bfd_rlimit_rttime`: `RLIMIT_RTTIME` of the BFD process, at least 2 us; 10 ms by default.
    pub bfd_rlimit_rttime: Duration,

    /// `vrrp_netlink_cmd_rcv_bufs` and `_force`.
    pub vrrp_netlink_cmd_rcv_bufs: ReceiveBuffer,
    /// `vrrp_netlink_monitor_rcv_bufs` and `_force`.
    pub vrrp_netlink_monitor_rcv_bufs: ReceiveBuffer,
    /// `lvs_netlink_cmd_rcv_bufs` and `_force`.
    pub lvs_netlink_cmd_rcv_bufs: ReceiveBuffer,
    /// `lvs_netlink_monitor_rcv_bufs` and `_force`.
    pub lvs_netlink_monitor_rcv_bufs: ReceiveBuffer,
    /// `process_monitor_rcv_bufs` and `_force`.
    pub process_monitor_rcv_bufs: ReceiveBuffer,

    /// `snmp_socket`: the `AgentX` master; `unix:/var/agentx/master` by default.
    pub snmp_socket: Option<String>,
    /// `enable_traps`: send SNMP notifications.
    pub enable_traps: bool,
    /// `enable_snmp_vrrp`: serve the vrrp branch of KEEPALIVED-MIB.
    pub enable_snmp_vrrp: bool,
    /// `enable_snmp_checker`: serve the check branch of KEEPALIVED-MIB.
    pub enable_snmp_checker: bool,
    /// `enable_snmp_rfcv2` or `enable_snmp_rfc`: serve VRRP-MIB (RFC 2787).
    pub enable_snmp_rfcv2: bool,
    /// `enable_snmp_rfcv3` or `enable_snmp_rfc`: serve VRRPV3-MIB (RFC 6527).
    pub enable_snmp_rfcv3: bool,
    /// `snmp_vs_stats_update_interval`, 1 ms to 30 s; 5 s by default.
    pub snmp_vs_stats_update_interval: Duration,
    /// `snmp_rs_stats_update_interval`, 1 ms to 30 s; `snmp_vs_stats_update_interval` by default.
    pub snmp_rs_stats_update_interval: Duration,
    /// `enable_dbus`.
    pub enable_dbus: bool,
    /// `dbus_service_name`; `org.keepalived.Vrrp1` by default.
    pub dbus_service_name: String,
    /// `dbus_no_interface_name`: path element of instances without an interface.
    pub dbus_no_interface_name: Option<String>,

    /// `umask` of files that the daemon makes; 0o177 by default.
    pub umask: u16,
    /// `random_seed`: `${_RANDOM}` gives the same numbers at every load.
    pub random_seed: Option<u32>,
    /// `reload_check_config`: a new configuration is checked before a reload, with the log in this file.
    pub reload_check_config: Option<String>,
    /// `reload_time_file`: absolute path of a file with the time of the next reload.
    pub reload_time_file: Option<String>,
    /// `reload_repeat`: that file is kept and read daily.
    pub reload_repeat: bool,
    /// `reload_file`: absolute path of a file that exists while the configuration is read.
    pub reload_file: ReloadFile,
    /// `config_save_dir`: where the configuration is saved around reloads.
    pub config_save_dir: Option<String>,
    /// `tmp_config_directory`: where the flattened configuration is kept; `None` means in memory.
    pub tmp_config_directory: Option<String>,
    /// `data_use_instance`: names of dumps carry namespace and instance.
    pub data_use_instance: bool,
    /// `json_version` of the JSON dump, 1 or 2; 1 by default.
    pub json_version: u8,
    /// `iproute_usr_dir`: the vendor's iproute2 tables.
    pub iproute_usr_dir: Option<String>,
    /// `iproute_etc_dir`: the machine's iproute2 tables; `/etc/iproute2` by default.
    pub iproute_etc_dir: String,
    /// `state_dump_file`: template of the `keepalived*.data` files.
    pub state_dump_file: Option<String>,
    /// `stats_dump_file`: meant for `keepalived.stats`; keepalived 2.4.3 reads it and does nothing with it.
    pub stats_dump_file: Option<String>,
    /// `json_dump_file`: meant for `keepalived.json`; keepalived 2.4.3 reads it and does nothing with it.
    pub json_dump_file: Option<String>,
}

impl Default for GlobalDefs {
    /// What holds without a `global_defs` block.
    fn default() -> Self {
        Self {
            process_names: false,
            process_name: None,
            vrrp_process_name: None,
            checker_process_name: None,
            bfd_process_name: None,
            router_id: None,
            notification_email_from: None,
            notification_email: Vec::new(),
            smtp_server: None,
            smtp_helo_name: None,
            smtp_connect_timeout: Duration::from_secs(30),
            smtp_alert: None,
            smtp_alert_vrrp: None,
            smtp_alert_checker: None,
            no_email_faults: false,
            no_checker_emails: false,
            script_user: None,
            enable_script_security: false,
            use_symlink_paths: false,
            set_supplementary_groups: false,
            startup_script: None,
            startup_script_timeout: Duration::from_secs(10),
            shutdown_script: None,
            shutdown_script_timeout: Duration::from_secs(10),
            notify_fifo: Fifo::default(),
            vrrp_notify_fifo: Fifo::default(),
            lvs_notify_fifo: Fifo::default(),
            vrrp_notify_priority_changes: false,
            fifo_write_vrrp_states_on_reload: false,
            vrrp_version: Version::V2,
            vrrp_mcast_group4: Ipv4Addr::new(224, 0, 0, 18),
            vrrp_mcast_group6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
            vrrp_startup_delay: Duration::ZERO,
            vrrp_delay_after_boot: Duration::ZERO,
            vrrp_down_timer_adverts: 3,
            garp: Garp::default(),
            vrrp_garp_interval: Duration::ZERO,
            vrrp_gna_interval: Duration::ZERO,
            vrrp_min_garp: false,
            vrrp_lower_prio_no_advert: None,
            vrrp_higher_prio_send_advert: false,
            vrrp_owner_ignore_adverts: None,
            vrrp_check_unicast_src: false,
            vrrp_skip_check_adv_addr: false,
            vrrp_strict: false,
            v3_checksum_as_v2: false,
            log_unknown_vrids: false,
            default_interface: "eth0".to_owned(),
            dynamic_interfaces: DynamicInterfaces::No,
            disable_local_igmp: false,
            vmac_prefix: "vrrp".to_owned(),
            vmac_addr_prefix: "vrrp".to_owned(),
            vrrp_rx_bufs: ReceiveBuffers::default(),
            vrrp_iptables: None,
            vrrp_ipsets: None,
            nftables: None,
            nftables_priority: -1,
            nftables_counters: false,
            nftables_ifindex: false,
            nftables_ipvs: None,
            nftables_ipvs_priority: -1,
            nftables_ipvs_start_fwmark: 1000,
            lvs_timeouts: LvsTimeouts::default(),
            lvs_flush: false,
            lvs_flush_on_stop: LvsFlushOnStop::No,
            lvs_sync_daemon: None,
            checker_log_all_failures: false,
            rs_init_notifies: false,
            max_auto_priority: 0,
            min_auto_priority_delay: Duration::from_secs(1),
            vrrp_priority: 0,
            vrrp_rt_priority: None,
            vrrp_no_swap: false,
            vrrp_cpu_affinity: Vec::new(),
            vrrp_rlimit_rttime: Duration::from_millis(10),
            checker_priority: 0,
            checker_rt_priority: None,
            checker_no_swap: false,
            checker_cpu_affinity: Vec::new(),
            checker_rlimit_rttime: Duration::from_millis(10),
            bfd_priority: 0,
            bfd_rt_priority: None,
            bfd_no_swap: false,
            bfd_cpu_affinity: Vec::new(),
            bfd_rlimit_rttime: Duration::from_millis(10),
            vrrp_netlink_cmd_rcv_bufs: ReceiveBuffer::default(),
            vrrp_netlink_monitor_rcv_bufs: ReceiveBuffer::default(),
            lvs_netlink_cmd_rcv_bufs: ReceiveBuffer::default(),
            lvs_netlink_monitor_rcv_bufs: ReceiveBuffer::default(),
            process_monitor_rcv_bufs: ReceiveBuffer::default(),
            snmp_socket: None,
            enable_traps: false,
            enable_snmp_vrrp: false,
            enable_snmp_checker: false,
            enable_snmp_rfcv2: false,
            enable_snmp_rfcv3: false,
            snmp_vs_stats_update_interval: Duration::from_secs(5),
            snmp_rs_stats_update_interval: Duration::from_secs(5),
            enable_dbus: false,
            dbus_service_name: "org.keepalived.Vrrp1".to_owned(),
            dbus_no_interface_name: None,
            umask: 0o177,
            random_seed: None,
            reload_check_config: None,
            reload_time_file: None,
            reload_repeat: false,
            reload_file: ReloadFile::None,
            config_save_dir: None,
            tmp_config_directory: None,
            data_use_instance: false,
            json_version: 1,
            iproute_usr_dir: None,
            iproute_etc_dir: "/etc/iproute2".to_owned(),
            state_dump_file: None,
            stats_dump_file: None,
            json_dump_file: None,
        }
    }
}

/// `smtp_server <HOST|IP> [<PORT>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpServer {
    /// Host name or address.
    pub host: String,
    /// TCP port; 25 by default.
    pub port: u16,
}

/// `dynamic_interfaces [allow_if_changes]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynamicInterfaces {
    /// Every interface must exist.
    No,
    /// They may come and go.
    Allowed,
    /// They may also change their kind.
    AllowedWithChanges,
}

/// Size of a receive buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// Bytes; `None` means the system's default.
    pub bytes: Option<u32>,
    /// Beyond the system's limit (`SO_RCVBUFFORCE`).
    pub force: bool,
}

/// `vrrp_rx_bufs_policy` and `vrrp_rx_bufs_multiplier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffers {
    /// What the size is counted in.
    pub policy: ReceivePolicy,
    /// Times that; at least 1, 3 by default.
    pub multiplier: u32,
}

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self {
            policy: ReceivePolicy::System,
            multiplier: 3,
        }
    }
}

/// `vrrp_rx_bufs_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceivePolicy {
    /// The system's default.
    System,
    /// The interface's MTU for each instance.
    Mtu,
    /// The size of an advert for each instance.
    Advert,
    /// So many bytes.
    Bytes(u32),
}

/// `vrrp_iptables [<IN_CHAIN> [<OUT_CHAIN>]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iptables {
    /// `INPUT` by default.
    pub input: String,
    /// `OUTPUT` if no chain is written, none if only one is.
    pub output: Option<String>,
}

/// `vrrp_ipsets`: names of the sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpSets {
    /// No name was written: sets are not used.
    Off,
    /// The names.
    Named {
        /// IPv4 addresses.
        v4: String,
        /// IPv6 addresses.
        v6: String,
        /// IPv6 link-local addresses with their interface.
        v6_interface: String,
        /// IGMP reports.
        igmp: String,
        /// MLD reports.
        mld: String,
        /// Neighbour discovery.
        nd: String,
    },
}

/// `reload_file [<ABS PATH>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadFile {
    /// None.
    None,
    /// `keepalived.reload` in the directory of the pid files.
    InPidDirectory,
    /// This one.
    At(String),
}
