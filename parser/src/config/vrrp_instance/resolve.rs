//! Defaults of an instance, and what settings do to one another. Every mending is reported.

mod election;
mod network;
mod tracking;

use super::read::Draft;
use super::{Authentication, HmacMode, VrrpInstance};
use crate::config::global_defs::GlobalDefs;
use crate::report::Report;
use crate::units::{Family, Priority, Version};

pub(in crate::config) use tracking::{Known, clash};

impl<'t> Draft<'t> {
    /// Gives the defaults and mends what does not go together. `None` if the instance cannot run at all, but only after
    /// all else that is wrong with it has been reported.
    pub(in crate::config) fn resolve(
        mut self,
        global: &GlobalDefs,
        known: &Known<'t>,
        report: &mut Report,
    ) -> Option<VrrpInstance> {
        let vrid = report.require(self.block, "virtual_router_id", self.virtual_router_id);
        let interface = self.resolve_interface(report);
        let strict = self.strict_mode.unwrap_or(global.vrrp_strict);
        let family = self.family.0.unwrap_or(Family::Ipv4);
        let version = self.resolve_version(family, strict, global, report);
        let addresses = self.resolve_addresses(family, strict, report);
        let (state, priority) = self.resolve_election(strict, report);
        let advert_int = self.resolve_advert_int(version, report);
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
        let state = self.resolve_start(state, priority, &authentication, report);
        self.resolve_preemption(state, priority, strict, report);
        let down_timer_adverts = self.resolve_down_timer(strict, global, report);
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
        ] = self.resolve_tracking(interface.as_deref().unwrap_or_default(), priority, known, report);
        let (vrid, interface) = (vrid?, interface?);
        let (addresses, excluded) = addresses?;
        let mcast_dst_ip = self.mcast_dst_ip.unwrap_or(match family {
            Family::Ipv4 => global.vrrp_mcast_group4.into(),
            Family::Ipv6 => global.vrrp_mcast_group6.into(),
        });
        Some(VrrpInstance {
            name: self.name.to_owned(),
            interface,
            parent: None,
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
}
