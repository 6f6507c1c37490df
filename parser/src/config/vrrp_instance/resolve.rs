//! Defaults of an instance, and what settings do to one another. Every mending is reported.

use std::collections::HashMap;
use std::mem::take;
use std::net::IpAddr;
use std::time::Duration;

use super::read::Draft;
use super::{Authentication, Garp, GarpDraft, HmacMode, InitialState, VrrpInstance};
use crate::config::address::VirtualAddress;
use crate::config::global_defs::GlobalDefs;
use crate::config::tracked::{self, Trackable, Tracked};
use crate::report::{Reason, Report};
use crate::tree::Line;
use crate::units::{Family, Priority, Version};

/// What instances can track, by name.
#[derive(Debug, Default)]
pub(in crate::config) struct Known<'t> {
    pub(in crate::config) scripts: HashMap<&'t str, Trackable<'t>>,
    pub(in crate::config) files: HashMap<&'t str, Trackable<'t>>,
    pub(in crate::config) processes: HashMap<&'t str, Trackable<'t>>,
    pub(in crate::config) bfds: HashMap<&'t str, Trackable<'t>>,
}

/// An advert carries the number of its addresses in one byte.
const MOST_ADDRESSES: usize = 255;

impl<'t> Draft<'t> {
    /// Gives the defaults and mends what does not go together. `None` if the instance cannot run at all.
    pub(in crate::config) fn resolve(
        mut self,
        global: &GlobalDefs,
        known: &Known<'t>,
        report: &mut Report,
    ) -> Option<VrrpInstance> {
        let vrid = report.require(self.block, "virtual_router_id", self.virtual_router_id);
        let interface = self.resolve_interface(report);
        let (vrid, interface) = (vrid?, interface?);
        let strict = self.strict_mode.unwrap_or(global.vrrp_strict);
        let family = self.family.0.unwrap_or(Family::Ipv4);
        let version = self.resolve_version(family, strict, global, report);
        let (addresses, excluded) = self.resolve_addresses(family, strict, report)?;
        let (state, priority) = self.resolve_election(strict, report);
        self.resolve_preemption(state, priority, strict, report);
        let advert_int = self.resolve_advert_int(version, report);
        let down_timer_adverts = self.resolve_down_timer(strict, global, report);
        let auth_hmac = self.auth_hmac.take();
        let mut auth_hmac = auth_hmac.and_then(|(line, draft)| draft.resolve(line, advert_int, report));
        let authentication =
            self.resolve_authentication(version, family, strict, auth_hmac.is_some(), report);
        if let Some(hmac) = auth_hmac
            .as_mut()
            .filter(|hmac| strict && hmac.mode != HmacMode::Enforce)
        {
            let at = self.block.line_of("auth_hmac").at();
            report.conflict(at, "this `mode`", "strict mode", "`enforce` is used");
            hmac.mode = HmacMode::Enforce;
        }
        let unicast = self.resolve_unicast(report);
        self.resolve_vmac(family, strict, unicast, report);
        let accept = self.resolve_accept(version, priority, strict, report);
        let owner_ignore_adverts = self.resolve_owner(priority, strict, global, report);
        let garp = self.resolve_garp(strict, &global.garp, report);
        let (lower, higher) = self.resolve_answers(strict, global, report);
        let [
            track_script,
            track_interface,
            track_file,
            track_process,
            track_bfd,
        ] = self.resolve_tracking(&interface, priority, known, report);
        let mcast_dst_ip = self.mcast_dst_ip.unwrap_or(match family {
            Family::Ipv4 => global.vrrp_mcast_group4.into(),
            Family::Ipv6 => global.vrrp_mcast_group6.into(),
        });
        Some(VrrpInstance {
            name: self.name.to_owned(),
            interface,
            vrf: self.vrf,
            virtual_router_id: vrid,
            version,
            family,
            initial_state: state,
            priority,
            advert_int,
            down_timer_adverts,
            nopreempt: self.nopreempt,
            preempt_delay: self.preempt_delay.unwrap_or_default(),
            timer_expired_backup: self.timer_expired_backup.and_then(Priority::new),
            strict_mode: strict,
            accept,
            owner_ignore_adverts,
            authentication,
            auth_hmac,
            virtual_ipaddress: addresses,
            virtual_ipaddress_excluded: excluded,
            virtual_routes: self.virtual_routes,
            virtual_rules: self.virtual_rules,
            promote_secondaries: self.promote_secondaries,
            mcast_src_ip: self.mcast_src_ip,
            mcast_dst_ip,
            unicast,
            unicast_src_ip: self.unicast_src_ip,
            unicast_peers: self.unicast_peers,
            unicast_ttl: self.unicast_ttl,
            unicast_fault_no_peer: self.unicast_fault_no_peer,
            check_unicast_src: self.check_unicast_src || global.vrrp_check_unicast_src,
            old_unicast_checksum: self.old_unicast_checksum.unwrap_or_default(),
            track_src_ip: self.track_src_ip,
            use_vmac: self.use_vmac.map(|draft| draft.resolve(vrid)),
            use_vmac_addr: self.use_vmac_addr,
            vmac_xmit_base: self.vmac_xmit_base,
            use_ipvlan: self.use_ipvlan,
            track_script,
            track_interface,
            track_file,
            track_process,
            track_bfd,
            dont_track_primary: self.dont_track_primary,
            v3_checksum_as_v2: self.v3_checksum_as_v2.unwrap_or(global.v3_checksum_as_v2),
            skip_check_adv_addr: self
                .skip_check_adv_addr
                .unwrap_or(global.vrrp_skip_check_adv_addr),
            lower_prio_no_advert: lower,
            higher_prio_send_advert: higher,
            garp,
            notify: self.notify,
            notify_priority_changes: self.notify_priority_changes,
            smtp_alert: self
                .smtp_alert
                .or(global.smtp_alert_vrrp)
                .or(global.smtp_alert)
                .unwrap_or(false),
            kernel_rx_buf_size: self.kernel_rx_buf_size,
            lvs_sync_daemon_interface: self.lvs_sync_daemon_interface,
            linkbeat_use_polling: self.linkbeat_use_polling,
            place: self.block.head.place(),
        })
    }

    /// Notes that a setting does not go with something, at the line of the setting.
    fn conflict(&self, keyword: &'static str, with: &'static str, effect: &'static str, report: &mut Report) {
        report.conflict(self.block.line_of(keyword).at(), keyword, with, effect);
    }

    /// The interface, which only a unicast instance with a source address can do without.
    fn resolve_interface(&mut self, report: &mut Report) -> Option<String> {
        if self.interface.is_some() && self.vrf.is_some() {
            self.conflict("vrf", "`interface`", "it is ignored", report);
            self.vrf = None;
        }
        match self.interface.take() {
            Some(interface) => Some(interface),
            None if self.unicast_src_ip.is_some() => Some(String::new()),
            None => report.require(self.block, "interface", None),
        }
    }

    fn resolve_version(
        &self,
        family: Family,
        strict: bool,
        global: &GlobalDefs,
        report: &mut Report,
    ) -> Version {
        match (family, self.version) {
            (Family::Ipv6, Some(Version::V2)) if strict => {
                self.conflict("version", "IPv6 in strict mode", "version 3 is used", report);
                Version::V3
            }
            (_, Some(version)) => version,
            (Family::Ipv4, None) => global.vrrp_version,
            (Family::Ipv6, None) => Version::V3,
        }
    }

    /// The addresses in the adverts and the others. `None` if strict mode forbids an instance without any.
    fn resolve_addresses(
        &mut self,
        family: Family,
        strict: bool,
        report: &mut Report,
    ) -> Option<(Vec<VirtualAddress>, Vec<VirtualAddress>)> {
        let mut addresses = take(&mut self.virtual_ipaddress);
        let mut excluded = take(&mut self.virtual_ipaddress_excluded);
        if strict && self.no_virtual_ipaddress {
            self.conflict("no_virtual_ipaddress", "strict mode", "it is ignored", report);
            self.no_virtual_ipaddress = false;
        }
        match addresses.first() {
            None if strict => {
                report.add(self.block.head.at(), Reason::NoVirtualAddress { required: true });
                return None;
            }
            None if !self.no_virtual_ipaddress => {
                report.add(self.block.head.at(), Reason::NoVirtualAddress { required: false });
            }
            // RFC 9568 5.2.9: the first IPv6 address is the link-local one.
            Some((line, first)) if strict && family == Family::Ipv6 && !is_link_local(first.address) => {
                report.add(line.keyword_word().at(), Reason::FirstNotLinkLocal);
            }
            _ => {}
        }
        if let Some((line, _)) = addresses.get(MOST_ADDRESSES) {
            let more = addresses.len() - MOST_ADDRESSES;
            report.add(
                line.at(),
                Reason::TooManyAddresses {
                    most: MOST_ADDRESSES,
                    more,
                },
            );
            excluded.extend(addresses.drain(MOST_ADDRESSES..).map(|(_, address)| address));
        }
        Some((
            addresses.into_iter().map(|(_, address)| address).collect(),
            excluded,
        ))
    }

    /// State and priority give each other's default. A priority that could not be read counts as 100.
    fn resolve_election(&self, strict: bool, report: &mut Report) -> (InitialState, Priority) {
        let wants_master = self.state == Some(InitialState::Master);
        let priority = self.priority.unwrap_or_else(|| {
            if wants_master && self.block.find("priority").is_none() {
                report.add(self.block.line_of("state").at(), Reason::MasterWithoutPriority);
                Priority::OWNER
            } else {
                Priority::DEFAULT
            }
        });
        let by_priority = if priority.is_owner() {
            InitialState::Master
        } else {
            InitialState::Backup
        };
        match self.state {
            Some(state) if strict && state != by_priority => {
                self.conflict(
                    "state",
                    "this priority in strict mode",
                    "the priority decides",
                    report,
                );
                (by_priority, priority)
            }
            state => (state.unwrap_or(by_priority), priority),
        }
    }

    fn resolve_preemption(
        &mut self,
        state: InitialState,
        priority: Priority,
        strict: bool,
        report: &mut Report,
    ) {
        if self.nopreempt && (priority.is_owner() || state == InitialState::Master) {
            let with = if priority.is_owner() {
                "priority 255"
            } else {
                "`state MASTER`"
            };
            self.conflict("nopreempt", with, "it is ignored", report);
            self.nopreempt = false;
        }
        if self.preempt_delay.is_some_and(|delay| !delay.is_zero()) {
            let with = if strict {
                Some("strict mode")
            } else if state == InitialState::Master {
                Some("`state MASTER`")
            } else if self.nopreempt {
                Some("`nopreempt`")
            } else {
                None
            };
            if let Some(with) = with {
                self.conflict("preempt_delay", with, "it is ignored", report);
                self.preempt_delay = None;
            }
        }
        if self.timer_expired_backup.is_some() && !self.nopreempt {
            self.conflict(
                "timer_expired_backup",
                "an instance without `nopreempt`",
                "it is ignored",
                report,
            );
            self.timer_expired_backup = None;
        }
    }

    /// Whole seconds in version 2, hundredths up to 40.95 s in version 3.
    fn resolve_advert_int(&self, version: Version, report: &mut Report) -> Duration {
        let Some(written) = self.advert_int else {
            return Duration::from_secs(1);
        };
        let grain = match version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => Duration::from_millis(10),
        };
        let steps = (written.as_micros() + grain.as_micros() / 2) / grain.as_micros();
        let most = if version == Version::V2 { 255 } else { 4095 };
        let used = grain * u32::try_from(steps).unwrap_or(most).clamp(1, most);
        if used != written {
            let at = self.block.line_of("advert_int").at();
            report.add(at, Reason::AdvertIntRounded { version, used });
        }
        used
    }

    fn resolve_down_timer(&self, strict: bool, global: &GlobalDefs, report: &mut Report) -> u8 {
        match self.down_timer_adverts {
            Some(adverts) if strict && adverts != 3 => {
                self.conflict("down_timer_adverts", "strict mode", "3 is used", report);
                3
            }
            Some(adverts) => adverts,
            None if strict => 3,
            None => global.vrrp_down_timer_adverts,
        }
    }

    fn resolve_authentication(
        &self,
        version: Version,
        family: Family,
        strict: bool,
        hmac: bool,
        report: &mut Report,
    ) -> Authentication {
        let Some((line, draft)) = self.authentication else {
            return Authentication::None;
        };
        let authentication = draft.resolve(line, report);
        let with = match authentication {
            Authentication::None => return authentication,
            _ if strict => "strict mode",
            _ if version == Version::V3 => "version 3",
            _ if hmac => "`auth_hmac`",
            Authentication::Ah(_) if family == Family::Ipv6 => "IPv6",
            _ => return authentication,
        };
        report.conflict(line.at(), "authentication", with, "it is ignored");
        Authentication::None
    }

    /// Whether adverts go to peers.
    fn resolve_unicast(&mut self, report: &mut Report) -> bool {
        const UNICAST: [&str; 4] = [
            "unicast_peer",
            "unicast_src_ip",
            "check_unicast_src",
            "old_unicast_checksum",
        ];
        let keyword = UNICAST
            .into_iter()
            .find(|keyword| self.block.find(keyword).is_some());
        let asked = keyword.is_some();
        let unicast = !self.unicast_peers.is_empty() || (asked && self.unicast_fault_no_peer);
        if let Some(keyword) = keyword.filter(|_| !unicast) {
            report.add(self.block.line_of(keyword).at(), Reason::UnicastWithoutPeers);
        }
        if self.unicast_ttl.is_some() && self.unicast_peers.is_empty() {
            self.conflict(
                "unicast_ttl",
                "an instance without unicast peers",
                "it is ignored",
                report,
            );
            self.unicast_ttl = None;
        }
        if self.mcast_dst_ip.is_some() && unicast {
            self.conflict("mcast_dst_ip", "unicast peers", "it is ignored", report);
            self.mcast_dst_ip = None;
        }
        // Either keyword sets the one source address.
        self.unicast_src_ip = self.unicast_src_ip.or(self.mcast_src_ip);
        self.mcast_src_ip = self.mcast_src_ip.or(self.unicast_src_ip);
        unicast
    }

    fn resolve_vmac(&mut self, family: Family, strict: bool, unicast: bool, report: &mut Report) {
        if self.use_vmac.is_some() && self.use_ipvlan.is_some() {
            self.conflict("use_vmac", "`use_ipvlan`", "it is ignored", report);
            self.use_vmac = None;
        }
        if strict
            && self
                .use_vmac
                .as_ref()
                .is_some_and(super::vmac::VmacDraft::has_mac)
        {
            self.conflict(
                "use_vmac",
                "a link-layer address in strict mode",
                "the address is ignored",
                report,
            );
            self.use_vmac = Some(super::vmac::VmacDraft::default());
        }
        let without = self.use_vmac.is_none() && self.use_ipvlan.is_none();
        if self.vmac_xmit_base && (without || strict) {
            let with = if without {
                "an instance without `use_vmac`"
            } else {
                "strict mode"
            };
            self.conflict("vmac_xmit_base", with, "it is ignored", report);
            self.vmac_xmit_base = false;
        }
        self.vmac_xmit_base |= unicast && self.use_vmac.is_some();
        if self.promote_secondaries && self.use_vmac.is_some() {
            self.conflict(
                "promote_secondaries",
                "`use_vmac`, which sets it anyway",
                "it is ignored",
                report,
            );
            self.promote_secondaries = false;
        }
        let no_address = self
            .use_ipvlan
            .as_ref()
            .is_some_and(|ipvlan| ipvlan.address.is_none());
        if no_address && family == Family::Ipv4 && self.mcast_src_ip.is_none() {
            report.add(
                self.block.line_of("use_ipvlan").at(),
                Reason::IpvlanWithoutAddress,
            );
        }
    }

    fn resolve_accept(
        &self,
        version: Version,
        priority: Priority,
        strict: bool,
        report: &mut Report,
    ) -> bool {
        match self.accept {
            Some(true) if strict && version == Version::V2 => {
                self.conflict(
                    "accept",
                    "version 2 in strict mode",
                    "only an address owner accepts",
                    report,
                );
                priority.is_owner()
            }
            Some(accept) => accept,
            None => !strict || priority.is_owner(),
        }
    }

    fn resolve_owner(
        &self,
        priority: Priority,
        strict: bool,
        global: &GlobalDefs,
        report: &mut Report,
    ) -> bool {
        let default = global.vrrp_owner_ignore_adverts.unwrap_or(strict);
        match self.owner_ignore_adverts {
            Some(true) if !priority.is_owner() => {
                self.conflict(
                    "owner_ignore_adverts",
                    "a priority below 255",
                    "it is ignored",
                    report,
                );
            }
            Some(false) if priority.is_owner() => {
                let effect = "the default is used";
                self.conflict(
                    "owner_ignore_adverts",
                    "priority 255, switched off",
                    effect,
                    report,
                );
            }
            Some(ignore) => return ignore,
            None => {}
        }
        default && priority.is_owner()
    }

    fn resolve_garp(&mut self, strict: bool, global: &Garp, report: &mut Report) -> Garp {
        let draft: GarpDraft = take(&mut self.garp);
        if !strict {
            return draft.resolve(global);
        }
        if draft.lower_prio_delay.is_some_and(|delay| !delay.is_zero()) {
            self.conflict("garp_lower_prio_delay", "strict mode", "0 is used", report);
        }
        if draft.lower_prio_repeat.is_some_and(|repeat| repeat > 0) {
            self.conflict("garp_lower_prio_repeat", "strict mode", "0 is used", report);
        }
        Garp {
            lower_prio_delay: Duration::ZERO,
            lower_prio_repeat: 0,
            ..draft.resolve(global)
        }
    }

    /// `lower_prio_no_advert` and `higher_prio_send_advert`.
    fn resolve_answers(&self, strict: bool, global: &GlobalDefs, report: &mut Report) -> (bool, bool) {
        if strict && self.lower_prio_no_advert == Some(false) {
            self.conflict(
                "lower_prio_no_advert",
                "strict mode, switched off",
                "it is on",
                report,
            );
        }
        if strict && self.higher_prio_send_advert == Some(true) {
            self.conflict("higher_prio_send_advert", "strict mode", "it is ignored", report);
        }
        let lower = self
            .lower_prio_no_advert
            .or(global.vrrp_lower_prio_no_advert)
            .unwrap_or(false);
        let higher = self
            .higher_prio_send_advert
            .unwrap_or(global.vrrp_higher_prio_send_advert);
        (lower || strict, higher && !strict)
    }

    /// Scripts, interfaces, files, processes and BFD sessions, in this order.
    fn resolve_tracking(
        &mut self,
        interface: &str,
        priority: Priority,
        known: &Known<'t>,
        report: &mut Report,
    ) -> [Vec<Tracked>; 5] {
        let mut interfaces = take(&mut self.track_interface);
        interfaces.retain(|draft| {
            let own = draft.line.keyword() == interface;
            if own {
                report.add(draft.line.at(), Reason::TracksOwnInterface);
            }
            !own
        });
        let interfaces = interfaces
            .into_iter()
            .map(|draft| (draft.line, draft.resolve(0, false)))
            .collect();
        let scripts = tracked::join(
            take(&mut self.track_script),
            "vrrp_script",
            &known.scripts,
            report,
        );
        let files = tracked::join(take(&mut self.track_file), "track_file", &known.files, report);
        let processes = tracked::join(
            take(&mut self.track_process),
            "vrrp_track_process",
            &known.processes,
            report,
        );
        let bfds = tracked::join(take(&mut self.track_bfd), "bfd_instance", &known.bfds, report);
        [scripts, interfaces, files, processes, bfds].map(|tracked| for_priority(tracked, priority, report))
    }
}

/// Without the weights that an address owner cannot have.
fn for_priority(tracked: Vec<(Line<'_>, Tracked)>, priority: Priority, report: &mut Report) -> Vec<Tracked> {
    let kept = tracked.into_iter().filter(|(line, tracked)| {
        let refused = priority.is_owner() && tracked.weight != 0;
        if refused {
            report.conflict(line.at(), "a weight", "priority 255", "it is not tracked");
        }
        !refused
    });
    kept.map(|(_, tracked)| tracked).collect()
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Whether two instances of one VRID on one interface would take each other's adverts for their own.
pub(in crate::config) fn clash(one: &VrrpInstance, other: &VrrpInstance) -> bool {
    let same_peer = || {
        let peers: Vec<_> = other.unicast_peers.iter().map(|peer| peer.address).collect();
        one.unicast_peers.iter().any(|peer| peers.contains(&peer.address))
    };
    let same_group = || one.mcast_dst_ip == other.mcast_dst_ip;
    one.family == other.family
        && one.unicast == other.unicast
        && if one.unicast { same_peer() } else { same_group() }
}
