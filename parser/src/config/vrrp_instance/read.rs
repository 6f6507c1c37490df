//! The grammar of `vrrp_instance`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::authentication::{AuthenticationDraft, HmacDraft};
use super::unicast::{self, FamilyChoice, OldUnicastChecksum, UnicastPeer};
use super::vmac::{Ipvlan, VmacDraft};
use super::{GarpDraft, InitialState, Notify};
use crate::config::address::{self, VirtualAddress};
use crate::config::routing::{Routing, Usage};
use crate::config::tracked::{self, Limit, TrackedDraft};
use crate::config::{Route, Rule, members, route, rule};
use crate::report::{Reason, Report};
use crate::tree::{Block, Line};
use crate::units::{Family, Priority, Version, Vrid};
use crate::value::number::Decimal;

/// The keywords of the block.
#[rustfmt::skip]
pub(crate) const KEYWORDS: &[&str] = &[
    "accept", "advert_int", "auth_hmac", "authentication", "check_unicast_src", "debug", "dont_track_primary",
    "down_timer_adverts", "garp_extra_if", "garp_lower_prio_delay", "garp_lower_prio_repeat", "garp_master_delay",
    "garp_master_refresh", "garp_master_refresh_repeat", "garp_master_repeat", "higher_prio_send_advert",
    "interface", "kernel_rx_buf_size", "linkbeat_use_polling", "lower_prio_no_advert",
    "lvs_sync_daemon_interface", "mcast_dst_ip", "mcast_src_ip", "native_ipv6", "no_accept",
    "no_virtual_ipaddress", "nopreempt", "notify", "notify_backup", "notify_deleted", "notify_fault",
    "notify_master", "notify_master_rx_lower_pri", "notify_priority_changes", "notify_stop",
    "old_unicast_checksum", "owner_ignore_adverts", "preempt", "preempt_delay", "priority", "promote_secondaries",
    "skip_check_adv_addr", "smtp_alert", "state", "strict_mode", "thread_timer_expired", "timer_expired_backup",
    "track_bfd", "track_file", "track_interface", "track_process", "track_script", "track_src_ip",
    "unicast_fault_no_peer", "unicast_peer", "unicast_src_ip", "unicast_ttl", "use_ipvlan", "use_vmac",
    "use_vmac_addr", "v3_checksum_as_v2", "version", "virtual_ipaddress", "virtual_ipaddress_excluded",
    "virtual_router_id", "virtual_routes", "virtual_rules", "vmac_garp_intvl", "vmac_xmit_base", "vrf",
];

/// What a `vrrp_instance` block says, before defaults.
#[derive(Debug)]
pub(in crate::config) struct Draft<'t> {
    pub(super) block: Block<'t>,
    pub(super) name: &'t str,
    pub(super) interface: Option<String>,
    pub(super) vrf: Option<String>,
    pub(super) virtual_router_id: Option<Vrid>,
    pub(super) version: Option<Version>,
    pub(super) family: FamilyChoice,
    pub(super) state: Option<InitialState>,
    pub(super) priority: Option<Priority>,
    pub(super) advert_int: Option<Duration>,
    pub(super) down_timer_adverts: Option<u8>,
    pub(super) nopreempt: bool,
    pub(super) preempt_delay: Option<Duration>,
    pub(super) timer_expired_backup: Option<u8>,
    pub(super) strict_mode: Option<bool>,
    pub(super) accept: Option<bool>,
    pub(super) authentication: Option<(Line<'t>, AuthenticationDraft)>,
    pub(super) auth_hmac: Option<(Line<'t>, HmacDraft)>,
    pub(super) virtual_ipaddress: Vec<(Line<'t>, VirtualAddress)>,
    pub(super) virtual_ipaddress_excluded: Vec<VirtualAddress>,
    pub(super) no_virtual_ipaddress: bool,
    pub(super) promote_secondaries: bool,
    pub(super) mcast_src_ip: Option<IpAddr>,
    pub(super) mcast_dst_ip: Option<IpAddr>,
    pub(super) unicast_src_ip: Option<IpAddr>,
    pub(super) unicast_peers: Vec<UnicastPeer>,
    pub(super) unicast_ttl: Option<u8>,
    pub(super) unicast_fault_no_peer: bool,
    pub(super) check_unicast_src: bool,
    pub(super) old_unicast_checksum: Option<OldUnicastChecksum>,
    pub(super) track_src_ip: bool,
    pub(super) use_vmac: Option<VmacDraft>,
    pub(super) use_vmac_addr: bool,
    pub(super) vmac_xmit_base: bool,
    pub(super) use_ipvlan: Option<Ipvlan>,
    pub(super) dont_track_primary: bool,
    pub(super) virtual_routes: Vec<Route>,
    pub(super) virtual_rules: Vec<Rule>,
    pub(super) track_interface: Vec<TrackedDraft<'t>>,
    pub(super) track_script: Vec<TrackedDraft<'t>>,
    pub(super) track_file: Vec<TrackedDraft<'t>>,
    pub(super) track_process: Vec<TrackedDraft<'t>>,
    pub(super) track_bfd: Vec<TrackedDraft<'t>>,
    pub(super) v3_checksum_as_v2: Option<bool>,
    pub(super) skip_check_adv_addr: Option<bool>,
    pub(super) lower_prio_no_advert: Option<bool>,
    pub(super) higher_prio_send_advert: Option<bool>,
    pub(super) owner_ignore_adverts: Option<bool>,
    pub(super) garp: GarpDraft,
    pub(super) notify: Notify,
    pub(super) notify_priority_changes: Option<bool>,
    pub(super) smtp_alert: Option<bool>,
    pub(super) kernel_rx_buf_size: Option<u32>,
    pub(super) lvs_sync_daemon_interface: Option<String>,
    pub(super) linkbeat_use_polling: bool,
}

/// Reads a `vrrp_instance` block.
pub(in crate::config) fn parse<'t>(
    block: Block<'t>,
    routing: &Routing<'_>,
    report: &mut Report,
) -> Option<Draft<'t>> {
    let mut draft = Draft::new(block, members::only_name(block, report)?);
    for line in block.lines() {
        let known = draft.election(line, report)
            || draft.addresses(line, report)
            || draft.network(line, report)
            || draft.routing(line, routing, report)
            || draft.tracking(line, report)
            || draft.behaviour(line, report)
            || draft.notifications(line, report);
        if !known {
            report.unknown_keyword(line, KEYWORDS);
        }
    }
    Some(draft)
}

/// `version 2|3`, also of `vrrp_version`.
pub(in crate::config) fn version(line: Line<'_>, report: &mut Report) -> Option<Version> {
    Some(if line.number(2..=3u8, report)? == 2 {
        Version::V2
    } else {
        Version::V3
    })
}

const ADVERT_INT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(255);
const PREEMPT_DELAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1000);

impl<'t> Draft<'t> {
    /// The line that opens the block.
    pub(in crate::config) fn head(&self) -> Line<'t> {
        self.block.head
    }

    fn election(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "virtual_router_id" => self.virtual_router_id = line.number(1..=255, report).and_then(Vrid::new),
            "version" => self.read_version(line, report),
            "native_ipv6" => self.native_ipv6(line, report),
            "state" => self.read_state(line, report),
            "priority" => self.priority = line.number(1..=255, report).and_then(Priority::new),
            "advert_int" => self.advert_int = line.seconds(ADVERT_INT, Decimal::Micro, report),
            "down_timer_adverts" => self.down_timer_adverts = line.number(1..=100, report),
            "preempt" => self.nopreempt = !line.flag(report),
            "nopreempt" => self.nopreempt = line.flag(report),
            "preempt_delay" => self.preempt_delay = line.seconds(PREEMPT_DELAY, Decimal::Micro, report),
            "timer_expired_backup" => self.timer_expired_backup = timer_expired_backup(line, report),
            "thread_timer_expired" => {
                report.deprecated(line, "timer_expired_backup");
                self.timer_expired_backup = timer_expired_backup(line, report);
            }
            "strict_mode" => self.strict_mode = line.boolean(report),
            "accept" => self.accept = Some(line.flag(report)),
            "no_accept" => self.accept = Some(!line.flag(report)),
            "authentication" => {
                let (_, draft) = self
                    .authentication
                    .get_or_insert((line, AuthenticationDraft::default()));
                draft.read(line.block(), report);
            }
            "auth_hmac" => {
                let (_, draft) = self.auth_hmac.get_or_insert((line, HmacDraft::default()));
                draft.read(line.block(), report);
            }
            _ => return false,
        }
        true
    }

    fn read_version(&mut self, line: Line<'t>, report: &mut Report) {
        let version = version(line, report);
        if version == Some(Version::V2) && self.family.0 == Some(Family::Ipv6) {
            report.conflict(
                line.at(),
                "`version 2`",
                "IPv6 addresses above it",
                "version 3 is used",
            );
        } else {
            self.version = version;
        }
    }

    fn native_ipv6(&mut self, line: Line<'t>, report: &mut Report) {
        line.no_block(report);
        if self.family.0 == Some(Family::Ipv4) {
            report.conflict(line.at(), "`native_ipv6`", "IPv4 addresses", "it is ignored");
        } else {
            self.family.0 = Some(Family::Ipv6);
            self.version = Some(Version::V3);
        }
    }

    fn read_state(&mut self, line: Line<'t>, report: &mut Report) {
        let Some(word) = line.setting(report) else { return };
        match word.text() {
            "MASTER" => self.state = Some(InitialState::Master),
            "BACKUP" if self.state == Some(InitialState::Master) => report.first_is_kept(line),
            "BACKUP" => self.state = Some(InitialState::Backup),
            _ => {
                report.unknown_option(word, "state", &["MASTER", "BACKUP"]);
                self.state = Some(InitialState::Backup);
            }
        }
    }

    fn addresses(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "virtual_ipaddress" => {
                for line in line.list(report) {
                    let Some(address) = address::parse(line, report) else {
                        continue;
                    };
                    match self.family.admit(address.address) {
                        Ok(()) => self.virtual_ipaddress.push((line, address)),
                        Err(reason) => report.add(line.keyword_word().at(), reason),
                    }
                }
            }
            "virtual_ipaddress_excluded" => {
                let lines = line.list(report).filter_map(|line| address::parse(line, report));
                self.virtual_ipaddress_excluded.extend(lines.collect::<Vec<_>>());
            }
            "no_virtual_ipaddress" => self.no_virtual_ipaddress = line.flag(report),
            "promote_secondaries" => self.promote_secondaries = line.flag(report),
            _ => return false,
        }
        true
    }

    fn network(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "interface" => self.interface = own_interface(line, report),
            "vrf" => self.vrf = line.interface(report),
            "dont_track_primary" => self.dont_track_primary = line.flag(report),
            "mcast_src_ip" => self.mcast_src_ip = self.own_address(line, report),
            "unicast_src_ip" => self.unicast_src_ip = self.own_address(line, report),
            "mcast_dst_ip" => self.mcast_dst_ip = self.group(line, report),
            "track_src_ip" => self.track_src_ip = line.flag(report),
            "unicast_peer" => {
                for line in line.list(report) {
                    let Some((peer, check)) = unicast::peer(line, report) else {
                        continue;
                    };
                    match self.family.admit(peer.address) {
                        Ok(()) => self.unicast_peers.push(peer),
                        Err(reason) => report.add(line.keyword_word().at(), reason),
                    }
                    self.check_unicast_src |= check;
                }
            }
            "unicast_ttl" => self.unicast_ttl = line.number(0..=255, report),
            "unicast_fault_no_peer" => self.unicast_fault_no_peer = line.flag(report),
            "check_unicast_src" => self.check_unicast_src = line.flag(report),
            "old_unicast_checksum" => self.old_unicast_checksum = Some(unicast::old_checksum(line, report)),
            "use_vmac" => self.use_vmac.get_or_insert_default().read(line, report),
            "use_vmac_addr" => self.use_vmac_addr = line.flag(report),
            "vmac_xmit_base" => self.vmac_xmit_base = line.flag(report),
            "use_ipvlan" => {
                report.keep_first(line, &mut self.use_ipvlan, |line, report| {
                    Some(Ipvlan::read(line, report))
                });
            }
            "kernel_rx_buf_size" => {
                self.kernel_rx_buf_size = line
                    .only_setting(report)
                    .and_then(|word| word.number(0..=u32::MAX, report));
            }
            "linkbeat_use_polling" => {
                report.deprecated(line, "linkbeat_interfaces");
                self.linkbeat_use_polling = line.flag(report);
            }
            "lvs_sync_daemon_interface" => {
                report.deprecated(line, "lvs_sync_daemon");
                self.lvs_sync_daemon_interface = line.interface(report);
            }
            _ => return false,
        }
        true
    }

    /// A source address, which must be of the instance's family.
    fn own_address(&mut self, line: Line<'t>, report: &mut Report) -> Option<IpAddr> {
        let word = line.setting(report)?;
        let address = word.address(report)?;
        self.family
            .admit(address)
            .map_err(|reason| report.add(word.at(), reason))
            .ok()?;
        Some(address)
    }

    /// A multicast group, which must be of the instance's family; in IPv6 it must be link-local.
    fn group(&mut self, line: Line<'t>, report: &mut Report) -> Option<IpAddr> {
        let word = line.setting(report)?;
        let group = word.multicast(report)?;
        self.family
            .admit(group)
            .map_err(|reason| report.add(word.at(), reason))
            .ok()?;
        if matches!(group, IpAddr::V6(group) if group.segments()[0] & 0xf != 2) {
            report.add(word.at(), Reason::GroupNotLinkLocal);
            return None;
        }
        Some(group)
    }

    fn routing(&mut self, block: Line<'t>, routing: &Routing<'_>, report: &mut Report) -> bool {
        match block.keyword() {
            "virtual_routes" => {
                let lines = block.list(report);
                let routes =
                    lines.filter_map(|line| route::line(line, Usage::Virtual, &routing.names, report));
                self.virtual_routes.extend(routes);
            }
            "virtual_rules" => {
                let lines = block.list(report);
                let rules = lines.filter_map(|line| rule::line(line, Usage::Virtual, routing, report));
                self.virtual_rules.extend(rules);
            }
            _ => return false,
        }
        true
    }

    fn tracking(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        let (tracked, limit) = match line.keyword() {
            "track_interface" => (&mut self.track_interface, Limit::Lowered254),
            "track_script" => (&mut self.track_script, Limit::Lowered254),
            "track_file" => (&mut self.track_file, Limit::Full),
            "track_process" => (&mut self.track_process, Limit::Full),
            "track_bfd" => (&mut self.track_bfd, Limit::Strict),
            _ => return false,
        };
        tracked::read(tracked, line, limit, report);
        true
    }

    fn behaviour(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "v3_checksum_as_v2" => self.v3_checksum_as_v2 = line.boolean(report),
            "skip_check_adv_addr" => self.skip_check_adv_addr = line.boolean(report),
            "lower_prio_no_advert" => self.lower_prio_no_advert = line.boolean(report),
            "higher_prio_send_advert" => self.higher_prio_send_advert = line.boolean(report),
            "owner_ignore_adverts" => self.owner_ignore_adverts = line.boolean(report),
            "debug" => drop(line.number(0..=4u8, report)), // keepalived reserves it and does nothing with it
            "vmac_garp_intvl" => {
                report.deprecated(line, "garp_extra_if");
                self.garp.read("garp_extra_if", line, 0, report);
            }
            other => return self.garp.read(other, line, 0, report),
        }
        true
    }

    fn notifications(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        let notify = &mut self.notify;
        let script = match line.keyword() {
            "notify_master" => &mut notify.master,
            "notify_backup" => &mut notify.backup,
            "notify_fault" => &mut notify.fault,
            "notify_stop" => &mut notify.stop,
            "notify" => &mut notify.any,
            "notify_master_rx_lower_pri" => &mut notify.master_rx_lower_pri,
            "notify_deleted" => {
                let was_reported = std::mem::replace(&mut notify.report_deleted, true);
                if line.words().len() == 0 {
                    line.no_block(report);
                    if was_reported {
                        report.first_is_kept(line);
                    }
                    return true;
                }
                &mut notify.deleted
            }
            "smtp_alert" => {
                self.smtp_alert = line.boolean(report);
                return true;
            }
            "notify_priority_changes" => {
                self.notify_priority_changes = line.boolean(report);
                return true;
            }
            _ => return false,
        };
        report.keep_first(line, script, Line::rare_script);
        true
    }

    fn new(block: Block<'t>, name: &'t str) -> Self {
        Self {
            block,
            name,
            interface: None,
            vrf: None,
            virtual_router_id: None,
            version: None,
            family: FamilyChoice::default(),
            state: None,
            priority: None,
            advert_int: None,
            down_timer_adverts: None,
            nopreempt: false,
            preempt_delay: None,
            timer_expired_backup: None,
            strict_mode: None,
            accept: None,
            authentication: None,
            auth_hmac: None,
            virtual_ipaddress: Vec::new(),
            virtual_ipaddress_excluded: Vec::new(),
            no_virtual_ipaddress: false,
            promote_secondaries: false,
            mcast_src_ip: None,
            mcast_dst_ip: None,
            unicast_src_ip: None,
            unicast_peers: Vec::new(),
            unicast_ttl: None,
            unicast_fault_no_peer: false,
            check_unicast_src: false,
            old_unicast_checksum: None,
            track_src_ip: false,
            use_vmac: None,
            use_vmac_addr: false,
            vmac_xmit_base: false,
            use_ipvlan: None,
            dont_track_primary: false,
            virtual_routes: Vec::new(),
            virtual_rules: Vec::new(),
            track_interface: Vec::new(),
            track_script: Vec::new(),
            track_file: Vec::new(),
            track_process: Vec::new(),
            track_bfd: Vec::new(),
            v3_checksum_as_v2: None,
            skip_check_adv_addr: None,
            lower_prio_no_advert: None,
            higher_prio_send_advert: None,
            owner_ignore_adverts: None,
            garp: GarpDraft::default(),
            notify: Notify::default(),
            notify_priority_changes: None,
            smtp_alert: None,
            kernel_rx_buf_size: None,
            lvs_sync_daemon_interface: None,
            linkbeat_use_polling: false,
        }
    }
}

/// The interface of the instance; adverts do not travel on the loopback.
fn own_interface(line: Line<'_>, report: &mut Report) -> Option<String> {
    let name = line.interface(report)?;
    if name == "lo" {
        report.add(line.at(), Reason::Loopback);
        return None;
    }
    Some(name)
}

fn timer_expired_backup(line: Line<'_>, report: &mut Report) -> Option<u8> {
    line.no_block(report);
    line.words()
        .next()
        .map_or(Some(254), |word| word.number(1..=254, report))
}
