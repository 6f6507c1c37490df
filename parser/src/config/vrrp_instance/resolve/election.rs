//! Version, state, priority, timers and what an instance answers.

use std::mem::take;
use std::time::Duration;

use crate::config::global_defs::GlobalDefs;
use crate::config::vrrp_instance::read::Draft;
use crate::config::vrrp_instance::{Authentication, Garp, GarpDraft, InitialState};
use crate::report::{Reason, Report};
use crate::units::{Family, Priority, Version};

impl Draft<'_> {
    pub(super) fn resolve_version(
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

    /// State and priority give each other's default. A priority that could not be read counts as 100.
    pub(super) fn resolve_election(&self, strict: bool, report: &mut Report) -> (InitialState, Priority) {
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

    /// AH: a router must have heard the others' sequence numbers before it may lead. An address owner leads all the same.
    pub(super) fn resolve_start(
        &self,
        state: InitialState,
        priority: Priority,
        authentication: &Authentication,
        report: &mut Report,
    ) -> InitialState {
        match (state, authentication) {
            (InitialState::Master, Authentication::Ah(_)) if !priority.is_owner() => {
                let effect = "the initial state is cleared to BACKUP";
                self.conflict("state", "AH authentication", effect, report);
                InitialState::Backup
            }
            _ => state,
        }
    }

    pub(super) fn resolve_preemption(
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
    pub(super) fn resolve_advert_int(&self, version: Version, report: &mut Report) -> Duration {
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

    pub(super) fn resolve_down_timer(&self, strict: bool, global: &GlobalDefs, report: &mut Report) -> u8 {
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

    pub(super) fn resolve_accept(
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

    pub(super) fn resolve_owner(
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

    pub(super) fn resolve_garp(&mut self, strict: bool, global: &Garp, report: &mut Report) -> Garp {
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
    pub(super) fn resolve_answers(
        &self,
        strict: bool,
        global: &GlobalDefs,
        report: &mut Report,
    ) -> (bool, bool) {
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
}
