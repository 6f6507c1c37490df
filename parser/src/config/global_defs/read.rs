//! The grammar of `global_defs`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{
    DynamicInterfaces, GlobalDefs, IpSets, Iptables, LvsFlushOnStop, LvsSyncDaemon, ReceivePolicy,
    ReloadFile, SmtpServer, process,
};
use crate::config::vrrp_instance::{GarpDraft, version};
use crate::report::{Reason, Report};
use crate::tree::{Block, Line};
use crate::value::number::{self, Decimal};

/// The keywords of the block.
#[rustfmt::skip]
pub(crate) const KEYWORDS: &[&str] = &[
    "bfd_cpu_affinity", "bfd_no_swap", "bfd_priority", "bfd_process_name", "bfd_rlimit_rtime", "bfd_rlimit_rttime",
    "bfd_rt_priority", "checker_cpu_affinity", "checker_log_all_failures", "checker_no_swap", "checker_priority",
    "checker_process_name", "checker_rlimit_rtime", "checker_rlimit_rttime", "checker_rt_priority", "config_save_dir",
    "data_use_instance", "dbus_no_interface_name", "dbus_service_name", "default_interface", "disable_local_igmp",
    "dynamic_interfaces", "enable_dbus", "enable_script_security", "enable_snmp_checker", "enable_snmp_keepalived",
    "enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3", "enable_snmp_vrrp", "enable_traps",
    "fifo_write_vrrp_states_on_reload", "include_check", "iproute_etc_dir", "iproute_usr_dir", "json_dump_file",
    "json_version", "log_unknown_vrids", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop",
    "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force", "lvs_netlink_monitor_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs_force", "lvs_notify_fifo", "lvs_notify_fifo_script", "lvs_process_name",
    "lvs_sync_daemon", "lvs_timeouts", "max_auto_priority", "min_auto_priority_delay", "nftables",
    "nftables_counters", "nftables_ifindex", "nftables_ipvs", "nftables_ipvs_priority",
    "nftables_ipvs_start_fwmark", "nftables_priority", "no_checker_emails", "no_email_faults",
    "notification_email", "notification_email_from", "notify_fifo", "notify_fifo_script",
    "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force", "process_name", "process_names", "random_seed",
    "reload_check_config", "reload_file", "reload_repeat", "reload_time_file", "router_id", "rs_init_notifies",
    "script_user", "set_supplementary_groups", "shutdown_script", "shutdown_script_timeout", "smtp_alert",
    "smtp_alert_checker", "smtp_alert_vrrp", "smtp_connect_timeout", "smtp_helo_name", "smtp_server",
    "snmp_rs_stats_update_interval", "snmp_socket", "snmp_vs_stats_update_interval", "startup_script",
    "startup_script_timeout", "state_dump_file", "stats_dump_file", "tmp_config_directory", "umask",
    "use_symlink_paths", "v3_checksum_as_v2", "vmac_addr_prefix", "vmac_prefix", "vrrp_check_unicast_src",
    "vrrp_cpu_affinity", "vrrp_delay_after_boot", "vrrp_down_timer_adverts", "vrrp_garp_extra_if",
    "vrrp_garp_interval", "vrrp_garp_lower_prio_delay", "vrrp_garp_lower_prio_repeat", "vrrp_garp_master_delay",
    "vrrp_garp_master_refresh", "vrrp_garp_master_refresh_repeat", "vrrp_garp_master_repeat", "vrrp_gna_interval",
    "vrrp_higher_prio_send_advert", "vrrp_ipsets", "vrrp_iptables", "vrrp_lower_prio_no_advert",
    "vrrp_mcast_group4", "vrrp_mcast_group6", "vrrp_min_garp", "vrrp_netlink_cmd_rcv_bufs",
    "vrrp_netlink_cmd_rcv_bufs_force", "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
    "vrrp_no_swap", "vrrp_notify_fifo", "vrrp_notify_fifo_script", "vrrp_notify_priority_changes",
    "vrrp_owner_ignore_adverts", "vrrp_priority", "vrrp_process_name", "vrrp_rlimit_rtime", "vrrp_rlimit_rttime",
    "vrrp_rt_priority", "vrrp_rx_bufs_multiplier", "vrrp_rx_bufs_policy", "vrrp_skip_check_adv_addr",
    "vrrp_startup_delay", "vrrp_strict", "vrrp_version", "vrrp_vmac_garp_intvl",
];

/// What the `global_defs` blocks say, before those defaults that depend on other settings.
#[derive(Debug, Default)]
pub(in crate::config) struct Draft {
    /// Everything whose default stands alone.
    defs: GlobalDefs,
    garp: GarpDraft,
    vmac_prefix: Option<String>,
    vmac_addr_prefix: Option<String>,
    snmp_rs_stats_update_interval: Option<Duration>,
}

impl Draft {
    /// Gives the defaults that depend on other settings.
    pub(in crate::config) fn resolve(self) -> GlobalDefs {
        let defs = self.defs;
        let garp = self.garp.resolve_global(defs.vrrp_min_garp);
        let vmac_prefix = self.vmac_prefix.unwrap_or(defs.vmac_prefix);
        GlobalDefs {
            garp,
            vmac_addr_prefix: self.vmac_addr_prefix.unwrap_or_else(|| vmac_prefix.clone()),
            vmac_prefix,
            snmp_rs_stats_update_interval: self
                .snmp_rs_stats_update_interval
                .unwrap_or(defs.snmp_vs_stats_update_interval),
            ..defs
        }
    }
}

/// Reads a `global_defs` block. Several blocks add up.
pub(in crate::config) fn parse(block: Block<'_>, draft: &mut Draft, report: &mut Report) {
    for line in block.lines() {
        let known = mail(line, draft, report)
            || scripts(line, draft, report)
            || vrrp(line, draft, report)
            || firewall(line, draft, report)
            || lvs(line, draft, report)
            || processes(line, draft, report)
            || buffers(line, draft, report)
            || outside(line, draft, report)
            || files(line, draft, report);
        if !known {
            report.unknown_keyword(line, KEYWORDS);
        }
    }
}

/// Replaces a setting by what was read, if it could be read.
fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn text(line: Line<'_>, report: &mut Report) -> Option<String> {
    line.word(report).map(str::to_owned)
}

fn mail(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "router_id" => set(&mut defs.router_id, text(line, report).map(Some)),
        "notification_email_from" => set(&mut defs.notification_email_from, text(line, report).map(Some)),
        "notification_email" => {
            // Every line is an address; its display name, if any, is part of it only inside quotes.
            defs.notification_email
                .extend(line.list(report).map(|line| line.keyword().to_owned()));
            if line.block().lines().next().is_none() {
                report.add(
                    line.at(),
                    Reason::EmptyBlock {
                        keyword: line.keyword().to_owned(),
                    },
                );
            }
        }
        "smtp_server" => set(&mut defs.smtp_server, smtp_server(line, report).map(Some)),
        // Without a word the default stands.
        "smtp_helo_name" => defs.smtp_helo_name = line.optional_word(report).map(str::to_owned),
        "smtp_connect_timeout" => {
            set(
                &mut defs.smtp_connect_timeout,
                line.at_least_one(4294, report).map(seconds),
            );
        }
        "smtp_alert" => set(&mut defs.smtp_alert, line.boolean(report).map(Some)),
        "smtp_alert_vrrp" => set(&mut defs.smtp_alert_vrrp, line.boolean(report).map(Some)),
        "smtp_alert_checker" => set(&mut defs.smtp_alert_checker, line.boolean(report).map(Some)),
        "no_email_faults" => defs.no_email_faults = line.flag(report),
        "no_checker_emails" => set(&mut defs.no_checker_emails, line.boolean(report)),
        _ => return false,
    }
    true
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn smtp_server(line: Line<'_>, report: &mut Report) -> Option<SmtpServer> {
    let host = text(line, report)?;
    let port = match line.words().nth(1) {
        Some(word) => word.number(1..=65535, report)?,
        None => 25,
    };
    Some(SmtpServer { host, port })
}

fn scripts(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "script_user" => set(&mut defs.script_user, line.run_as(report).map(Some)),
        "enable_script_security" => defs.enable_script_security = line.flag(report),
        "use_symlink_paths" => set(&mut defs.use_symlink_paths, line.boolean(report)),
        "set_supplementary_groups" => set(&mut defs.set_supplementary_groups, line.boolean(report)),
        "startup_script" => report.keep_first(line, &mut defs.startup_script, Line::script),
        "shutdown_script" => report.keep_first(line, &mut defs.shutdown_script, Line::script),
        "startup_script_timeout" => {
            set(
                &mut defs.startup_script_timeout,
                line.whole_seconds(1..=1000, report),
            );
        }
        "shutdown_script_timeout" => {
            set(
                &mut defs.shutdown_script_timeout,
                line.whole_seconds(1..=1000, report),
            );
        }
        "notify_fifo" => defs.notify_fifo.read_path(line, report),
        "notify_fifo_script" => defs.notify_fifo.read_script(line, report),
        "vrrp_notify_fifo" => defs.vrrp_notify_fifo.read_path(line, report),
        "vrrp_notify_fifo_script" => defs.vrrp_notify_fifo.read_script(line, report),
        "lvs_notify_fifo" => defs.lvs_notify_fifo.read_path(line, report),
        "lvs_notify_fifo_script" => defs.lvs_notify_fifo.read_script(line, report),
        "vrrp_notify_priority_changes" => set(&mut defs.vrrp_notify_priority_changes, line.boolean(report)),
        "fifo_write_vrrp_states_on_reload" => defs.fifo_write_vrrp_states_on_reload = line.flag(report),
        _ => return false,
    }
    true
}

fn vrrp(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "vrrp_version" => set(&mut defs.vrrp_version, version(line, report)),
        "vrrp_mcast_group4" => set(&mut defs.vrrp_mcast_group4, line.multicast4(report)),
        "vrrp_mcast_group6" => set(&mut defs.vrrp_mcast_group6, line.multicast6(report)),
        "vrrp_startup_delay" => set(
            &mut defs.vrrp_startup_delay,
            line.seconds(DELAY, Decimal::Micro, report),
        ),
        "vrrp_delay_after_boot" => {
            set(
                &mut defs.vrrp_delay_after_boot,
                line.seconds(DELAY, Decimal::Micro, report),
            );
        }
        "vrrp_down_timer_adverts" => set(&mut defs.vrrp_down_timer_adverts, line.number(1..=100, report)),
        "vrrp_garp_interval" => set(
            &mut defs.vrrp_garp_interval,
            line.seconds(GAP, Decimal::Micro, report),
        ),
        "vrrp_gna_interval" => set(
            &mut defs.vrrp_gna_interval,
            line.seconds(GAP, Decimal::Micro, report),
        ),
        "vrrp_min_garp" => set(&mut defs.vrrp_min_garp, line.boolean(report)),
        "vrrp_vmac_garp_intvl" => {
            report.deprecated(line, "vrrp_garp_extra_if");
            draft.garp.read("garp_extra_if", line, 1, report);
        }
        "vrrp_lower_prio_no_advert" => {
            set(
                &mut defs.vrrp_lower_prio_no_advert,
                line.boolean(report).map(Some),
            );
        }
        "vrrp_higher_prio_send_advert" => set(&mut defs.vrrp_higher_prio_send_advert, line.boolean(report)),
        "vrrp_owner_ignore_adverts" => {
            set(
                &mut defs.vrrp_owner_ignore_adverts,
                line.boolean(report).map(Some),
            );
        }
        "vrrp_check_unicast_src" => defs.vrrp_check_unicast_src = line.flag(report),
        "vrrp_skip_check_adv_addr" => set(&mut defs.vrrp_skip_check_adv_addr, line.boolean(report)),
        "vrrp_strict" => set(&mut defs.vrrp_strict, line.boolean(report)),
        "v3_checksum_as_v2" => defs.v3_checksum_as_v2 = line.flag(report), // any value is ignored
        "log_unknown_vrids" => defs.log_unknown_vrids = line.flag(report),
        "default_interface" => set(&mut defs.default_interface, line.interface(report)),
        "dynamic_interfaces" => defs.dynamic_interfaces = dynamic_interfaces(line, report),
        "disable_local_igmp" => defs.disable_local_igmp = line.flag(report),
        "vmac_prefix" => report.keep_first(line, &mut draft.vmac_prefix, text),
        "vmac_addr_prefix" => report.keep_first(line, &mut draft.vmac_addr_prefix, text),
        "vrrp_rx_bufs_policy" => rx_bufs_policy(line, &mut defs.vrrp_rx_bufs.policy, report),
        "vrrp_rx_bufs_multiplier" => set(
            &mut defs.vrrp_rx_bufs.multiplier,
            line.only_setting(report)
                .and_then(|word| word.number(1..=u32::MAX, report)),
        ),
        other => {
            return other
                .strip_prefix("vrrp_")
                .is_some_and(|name| draft.garp.read(name, line, 1, report));
        }
    }
    true
}

const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_micros(u32::MAX as u64);
const GAP: RangeInclusive<Duration> = Duration::from_micros(1)..=Duration::from_micros(u32::MAX as u64);

fn dynamic_interfaces(line: Line<'_>, report: &mut Report) -> DynamicInterfaces {
    line.no_block(report);
    match line.words().next() {
        Some(word) if word.text() == "allow_if_changes" => DynamicInterfaces::AllowedWithChanges,
        Some(word) => {
            report.unknown_option(word, line.keyword(), &["allow_if_changes"]);
            DynamicInterfaces::Allowed
        }
        None => DynamicInterfaces::Allowed,
    }
}

/// `MTU`, `ADVERT` or a number of bytes; a number wins over a policy and MTU over ADVERT.
fn rx_bufs_policy(line: Line<'_>, policy: &mut ReceivePolicy, report: &mut Report) {
    let Some(word) = line.only_setting(report) else {
        return;
    };
    let written = match word.text() {
        text if text.eq_ignore_ascii_case("mtu") => ReceivePolicy::Mtu,
        text if text.eq_ignore_ascii_case("advert") => ReceivePolicy::Advert,
        _ => match word.number(0..=u32::MAX, report) {
            Some(bytes) => ReceivePolicy::Bytes(bytes),
            None => return,
        },
    };
    match (*policy, written) {
        (ReceivePolicy::Bytes(_), ReceivePolicy::Mtu | ReceivePolicy::Advert)
        | (ReceivePolicy::Mtu, ReceivePolicy::Advert) => {}
        _ => *policy = written,
    }
}

fn firewall(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "vrrp_iptables" => report.keep_first(line, &mut defs.vrrp_iptables, iptables),
        "vrrp_ipsets" => set(&mut defs.vrrp_ipsets, ipsets(line, report).map(Some)),
        "nftables" => report.keep_first(line, &mut defs.nftables, |line, report| {
            table(line, "keepalived", report)
        }),
        "nftables_priority" => set(
            &mut defs.nftables_priority,
            line.number(i32::MIN..=i32::MAX, report),
        ),
        "nftables_counters" => defs.nftables_counters = line.flag(report),
        "nftables_ifindex" => defs.nftables_ifindex = line.flag(report),
        "nftables_ipvs" => {
            report.keep_first(line, &mut defs.nftables_ipvs, |line, report| {
                table(line, "keepalived_ipvs", report)
            });
        }
        "nftables_ipvs_priority" => {
            set(
                &mut defs.nftables_ipvs_priority,
                line.number(i32::MIN..=i32::MAX, report),
            );
        }
        "nftables_ipvs_start_fwmark" => {
            set(
                &mut defs.nftables_ipvs_start_fwmark,
                line.number(1..=u32::MAX, report),
            );
        }
        _ => return false,
    }
    true
}

fn table(line: Line<'_>, default: &str, report: &mut Report) -> Option<String> {
    line.no_block(report);
    match line.words().next() {
        Some(word) => word.name(254, report),
        None => Some(default.to_owned()),
    }
}

fn iptables(line: Line<'_>, report: &mut Report) -> Option<Iptables> {
    line.no_block(report);
    let names: Vec<String> = names(line, 2, 27, report)?;
    let mut names = names.into_iter();
    Some(match names.next() {
        Some(input) => Iptables {
            input,
            output: names.next(),
        },
        None => Iptables {
            input: "INPUT".to_owned(),
            output: Some("OUTPUT".to_owned()),
        },
    })
}

fn ipsets(line: Line<'_>, report: &mut Report) -> Option<IpSets> {
    line.no_block(report);
    let names = names(line, 6, 30, report)?;
    let Some(first) = names.first() else {
        return Some(IpSets::Off);
    };
    let derived = |index: usize, suffix: &str| {
        names
            .get(index)
            .cloned()
            .unwrap_or_else(|| format!("{first}{suffix}"))
    };
    Some(IpSets::Named {
        v4: first.clone(),
        v6: derived(1, "6"),
        v6_interface: derived(2, "_if6"),
        igmp: derived(3, "_igmp"),
        mld: derived(4, "_mld"),
        nd: derived(5, "_nd"),
    })
}

/// Up to `most` names after the keyword, all different.
fn names(line: Line<'_>, most: usize, longest: usize, report: &mut Report) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for word in line.words().take(most) {
        let name = word.name(longest, report)?;
        if names.contains(&name) {
            report.add(word.at(), Reason::SameName { name });
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn lvs(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "lvs_timeouts" => defs.lvs_timeouts.read(line, report),
        "lvs_flush" => defs.lvs_flush = line.flag(report),
        "lvs_flush_on_stop" | "lvs_flush_onstop" => {
            defs.lvs_flush_on_stop = LvsFlushOnStop::read(line, report);
        }
        "lvs_sync_daemon" => report.keep_first(line, &mut defs.lvs_sync_daemon, LvsSyncDaemon::read),
        "checker_log_all_failures" => set(&mut defs.checker_log_all_failures, line.boolean(report)),
        "rs_init_notifies" => set(&mut defs.rs_init_notifies, line.boolean(report)),
        _ => return false,
    }
    true
}

fn processes(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "process_names" => defs.process_names = line.flag(report),
        "process_name" => set(&mut defs.process_name, process::name(line, report).map(Some)),
        "vrrp_process_name" => set(&mut defs.vrrp_process_name, process::name(line, report).map(Some)),
        "checker_process_name" | "lvs_process_name" => {
            set(
                &mut defs.checker_process_name,
                process::name(line, report).map(Some),
            );
        }
        "bfd_process_name" => set(&mut defs.bfd_process_name, process::name(line, report).map(Some)),
        "max_auto_priority" => set(&mut defs.max_auto_priority, max_auto_priority(line, report)),
        "min_auto_priority_delay" => {
            let microseconds: Option<u32> = line.number(1..=10_000_000, report);
            set(
                &mut defs.min_auto_priority_delay,
                microseconds.map(|microseconds| Duration::from_micros(microseconds.into())),
            );
        }
        "vrrp_priority" => set(&mut defs.vrrp_priority, line.number(-20..=19, report)),
        "vrrp_rt_priority" => set(
            &mut defs.vrrp_rt_priority,
            process::rt_priority(line, report).map(Some),
        ),
        "vrrp_no_swap" => defs.vrrp_no_swap = line.flag(report),
        "vrrp_cpu_affinity" => defs.vrrp_cpu_affinity = process::cpu_affinity(line, report),
        "vrrp_rlimit_rttime" | "vrrp_rlimit_rtime" => {
            set(&mut defs.vrrp_rlimit_rttime, process::rlimit_rttime(line, report));
        }
        "checker_priority" => set(&mut defs.checker_priority, line.number(-20..=19, report)),
        "checker_rt_priority" => {
            set(
                &mut defs.checker_rt_priority,
                process::rt_priority(line, report).map(Some),
            );
        }
        "checker_no_swap" => defs.checker_no_swap = line.flag(report),
        "checker_cpu_affinity" => defs.checker_cpu_affinity = process::cpu_affinity(line, report),
        "checker_rlimit_rttime" | "checker_rlimit_rtime" => {
            set(
                &mut defs.checker_rlimit_rttime,
                process::rlimit_rttime(line, report),
            );
        }
        "bfd_priority" => set(&mut defs.bfd_priority, line.number(-20..=19, report)),
        "bfd_rt_priority" => set(
            &mut defs.bfd_rt_priority,
            process::rt_priority(line, report).map(Some),
        ),
        "bfd_no_swap" => defs.bfd_no_swap = line.flag(report),
        "bfd_cpu_affinity" => defs.bfd_cpu_affinity = process::cpu_affinity(line, report),
        "bfd_rlimit_rttime" | "bfd_rlimit_rtime" => {
            set(&mut defs.bfd_rlimit_rttime, process::rlimit_rttime(line, report));
        }
        _ => return false,
    }
    true
}

fn max_auto_priority(line: Line<'_>, report: &mut Report) -> Option<i8> {
    line.no_block(report);
    line.words()
        .next()
        .map_or(Some(99), |word| word.number(-1..=99, report))
}

fn buffers(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    let (name, force) = match line.keyword().strip_suffix("_force") {
        Some(name) => (name, true),
        None => (line.keyword(), false),
    };
    let buffer = match name {
        "vrrp_netlink_cmd_rcv_bufs" => &mut defs.vrrp_netlink_cmd_rcv_bufs,
        "vrrp_netlink_monitor_rcv_bufs" => &mut defs.vrrp_netlink_monitor_rcv_bufs,
        "lvs_netlink_cmd_rcv_bufs" => &mut defs.lvs_netlink_cmd_rcv_bufs,
        "lvs_netlink_monitor_rcv_bufs" => &mut defs.lvs_netlink_monitor_rcv_bufs,
        "process_monitor_rcv_bufs" => &mut defs.process_monitor_rcv_bufs,
        _ => return false,
    };
    if force {
        set(&mut buffer.force, line.boolean(report));
    } else {
        let bytes = line.number(0..=u32::MAX, report);
        set(&mut buffer.bytes, bytes.map(|bytes| (bytes > 0).then_some(bytes)));
    }
    true
}

fn outside(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "snmp_socket" => report.keep_first(line, &mut defs.snmp_socket, |line, report| {
            Some(line.only_setting(report)?.text().to_owned())
        }),
        "enable_traps" => defs.enable_traps = line.flag(report),
        "enable_snmp_vrrp" | "enable_snmp_keepalived" => defs.enable_snmp_vrrp = line.flag(report),
        "enable_snmp_checker" => defs.enable_snmp_checker = line.flag(report),
        "enable_snmp_rfc" => {
            defs.enable_snmp_rfcv2 = line.flag(report);
            defs.enable_snmp_rfcv3 = true;
        }
        "enable_snmp_rfcv2" => defs.enable_snmp_rfcv2 = line.flag(report),
        "enable_snmp_rfcv3" => defs.enable_snmp_rfcv3 = line.flag(report),
        "snmp_vs_stats_update_interval" => {
            set(
                &mut defs.snmp_vs_stats_update_interval,
                line.seconds(STATS, Decimal::Micro, report),
            );
        }
        "snmp_rs_stats_update_interval" => {
            set(
                &mut draft.snmp_rs_stats_update_interval,
                line.seconds(STATS, Decimal::Micro, report).map(Some),
            );
        }
        "enable_dbus" => defs.enable_dbus = line.flag(report),
        "dbus_service_name" => set(&mut defs.dbus_service_name, text(line, report)),
        "dbus_no_interface_name" => set(&mut defs.dbus_no_interface_name, text(line, report).map(Some)),
        _ => return false,
    }
    true
}

const STATS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(30);

fn files(line: Line<'_>, draft: &mut Draft, report: &mut Report) -> bool {
    let defs = &mut draft.defs;
    match line.keyword() {
        "umask" => set(&mut defs.umask, umask(line, report)),
        "random_seed" => set(&mut defs.random_seed, line.number(0..=u32::MAX, report).map(Some)),
        "reload_check_config" => {
            let log = line.optional_word(report).unwrap_or("/dev/null");
            defs.reload_check_config = Some(log.to_owned());
        }
        "reload_time_file" => {
            let path = line.only_setting(report);
            set(
                &mut defs.reload_time_file,
                path.map(|path| Some(path.text().to_owned())),
            );
        }
        "reload_repeat" => defs.reload_repeat = line.flag(report),
        "reload_file" => {
            let path = line.optional_word(report).map(str::to_owned);
            defs.reload_file = path.map_or(ReloadFile::InPidDirectory, ReloadFile::At);
        }
        "config_save_dir" => set(&mut defs.config_save_dir, text(line, report).map(Some)),
        "tmp_config_directory" => report.keep_first(line, &mut defs.tmp_config_directory, text),
        "data_use_instance" => set(&mut defs.data_use_instance, line.boolean(report)),
        "json_version" => set(&mut defs.json_version, line.number(1..=2, report)),
        "iproute_usr_dir" => set(&mut defs.iproute_usr_dir, text(line, report).map(Some)),
        "iproute_etc_dir" => set(&mut defs.iproute_etc_dir, text(line, report)),
        "state_dump_file" => set(&mut defs.state_dump_file, text(line, report).map(Some)),
        "stats_dump_file" => set(&mut defs.stats_dump_file, text(line, report).map(Some)),
        "json_dump_file" => set(&mut defs.json_dump_file, text(line, report).map(Some)),
        _ => return false,
    }
    true
}

/// `umask <octal|hex|dec>` or `umask BIT[|BIT...]`.
fn umask(line: Line<'_>, report: &mut Report) -> Option<u16> {
    let word = line.setting(report)?;
    if word.text().starts_with(|first: char| first.is_ascii_digit()) {
        let value = number::any_base(word.text()).and_then(|value| u16::try_from(value).ok());
        if value.is_none_or(|value| value > 0o777) {
            let (got, range) = (word.text().to_owned(), "0 to 0777".to_owned());
            report.add(word.at(), Reason::OutOfRange { got, range });
            return None;
        }
        return value;
    }
    if word.text().is_empty() {
        let (got, range) = (String::new(), "0 to 0777".to_owned());
        report.add(word.at(), Reason::NotANumber { got, range });
        return None;
    }
    let mut mask = 0;
    for word in line.words() {
        for name in word.text().split('|').filter(|name| !name.is_empty()) {
            let Some((_, bits)) = UMASK_BITS.iter().find(|(bit, _)| *bit == name) else {
                let known = UMASK_BITS.map(|(bit, _)| bit);
                report.unknown_option(word, line.keyword(), &known);
                return None;
            };
            mask |= bits;
        }
    }
    Some(mask)
}

const UMASK_BITS: [(&str, u16); 12] = [
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRWXU", 0o700),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IRWXG", 0o070),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
    ("IRWXO", 0o007),
];
