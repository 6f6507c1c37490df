//! Leaving a state and arriving in one: two full matches, so that no pair of states can skip what either of them owes.

use std::time::Duration;

use crate::action::{Notified, Transition, Whose};
use crate::instance::Instance;
use crate::news::Happening;
use crate::outbox::Outbox;
use crate::outlet::Stamp;
use crate::state::{Burst, Mastery, State};
use crate::time::Instant;

/// How often the reasons of a FAULT are looked at although nothing was heard of them.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Instance {
    pub(crate) fn become_backup(&mut self, take_over_at: Instant, now: Instant, out: &mut Outbox) {
        let state = State::Backup {
            take_over_at: Some(take_over_at),
            preempt_at: None,
        };
        self.change(state, now, out);
    }

    pub(crate) fn enter_fault(&mut self, now: Instant, out: &mut Outbox) {
        let look_again_at = now + LOOK_AGAIN;
        self.change(State::Fault { look_again_at }, now, out);
    }

    pub(crate) fn become_master(&mut self, now: Instant, out: &mut Outbox) {
        let garp = &self.config.garp;
        let state = State::Master(Mastery {
            advertise_at: now + self.config.advert_int,
            announce_again: (!garp.master_delay.is_zero()).then_some(Burst {
                at: now + garp.master_delay,
                repeat: garp.master_repeat.max(1),
            }),
            refresh_at: (!garp.master_refresh.is_zero()).then_some(now + garp.master_refresh),
            extra_at: (!garp.extra_if.period.is_zero()).then_some(now + garp.extra_if.period),
            rivals: Vec::new(),
            answer_at: now,
        });
        self.change(state, now, out);
    }

    pub(crate) fn change(&mut self, to: State, now: Instant, out: &mut Outbox) {
        let from = std::mem::replace(&mut self.state, to);
        self.since = now;
        self.told.clear();
        self.leave(&from, out);
        self.arrive(&from, out);
    }

    fn leave(&mut self, from: &State, out: &mut Outbox) {
        match from {
            State::Init { .. }
            | State::Backup { .. }
            | State::Fault { .. }
            | State::Stopped
            | State::Removed => {}
            State::Master(mastery) => {
                self.stats.release_master += 1;
                for rival in &mastery.rivals {
                    self.tell_rejected(rival, out);
                }
                match self.state {
                    // RFC 9568 6.4.3: on shutdown, send an advert with priority zero. keepalived also on a fault.
                    State::Fault { .. } | State::Stopped | State::Removed => self.resign(out),
                    State::Init { .. } | State::Backup { .. } | State::Master(_) => {}
                }
                out.reconcile(self.id);
            }
        }
    }

    fn arrive(&mut self, from: &State, out: &mut Outbox) {
        let init = matches!(from, State::Init { start_at: Some(_) });
        let left_master = from.is_master();
        match &self.state {
            State::Init { .. } => {}
            State::Backup { .. } => {
                self.tell(Happening::EnteringBackup { init }, out);
                self.tell_removing(left_master, out);
                self.notify(Notified::Backup, out);
            }
            State::Master(_) => self.arrive_master(out),
            State::Fault { .. } => {
                self.master = None;
                self.tell(Happening::EnteringFault { init }, out);
                self.tell_removing(left_master, out);
                self.notify(Notified::Fault, out);
            }
            State::Stopped => {
                self.tell_removing(left_master, out);
                self.notify(Notified::Stop, out);
            }
            State::Removed => {
                self.tell_removing(left_master, out);
                // keepalived: an instance taken out of the configuration ends in FAULT, unless it never began.
                if self.config.notify.report_deleted {
                    self.notify(Notified::Deleted, out);
                } else if self.notified.is_some() {
                    self.notify(Notified::Fault, out);
                }
            }
        }
    }

    /// The advert first: it alone keeps other routers from taking over.
    fn arrive_master(&mut self, out: &mut Outbox) {
        self.stats.become_master += 1;
        self.master = None;
        self.master_interval = self.config.advert_int;
        self.reclaim_ownership();
        self.advertise(out);
        out.reconcile(self.id);
        out.announce(self.id, self.config.garp.master_repeat.max(1));
        if self.notified == Some(Notified::Master) {
            self.tell(Happening::ResumingMaster, out);
        } else {
            self.tell(Happening::EnteringMaster, out);
        }
        let config = &self.config;
        for (is_there, what) in [
            (self.refuses_packets(), Happening::SettingFirewall),
            (!config.virtual_ipaddress.is_empty(), Happening::SettingAddresses),
            (
                !config.virtual_ipaddress_excluded.is_empty(),
                Happening::SettingExcluded,
            ),
            (!config.virtual_routes.is_empty(), Happening::SettingRoutes),
            (!config.virtual_rules.is_empty(), Happening::SettingRules),
        ] {
            if is_there {
                self.tell(what, out);
            }
        }
        self.notify(Notified::Master, out);
    }

    fn tell_removing(&self, left_master: bool, out: &mut Outbox) {
        let config = &self.config;
        for (is_there, what) in [
            (!config.virtual_rules.is_empty(), Happening::RemovingRules),
            (!config.virtual_routes.is_empty(), Happening::RemovingRoutes),
            (!config.virtual_ipaddress.is_empty(), Happening::RemovingAddresses),
            (
                !config.virtual_ipaddress_excluded.is_empty(),
                Happening::RemovingExcluded,
            ),
            (self.refuses_packets(), Happening::RemovingFirewall),
        ] {
            if left_master && is_there {
                self.tell(what, out);
            }
        }
    }

    /// Whether it has addresses that answer nobody.
    fn refuses_packets(&self) -> bool {
        !self.config.accept && self.addresses().next().is_some()
    }

    /// Sends the advert that is due.
    pub(crate) fn advertise(&mut self, out: &mut Outbox) {
        let Some(outlet) = &self.outlet else { return };
        let mut stamp = Stamp {
            instance: self.id,
            ip_id: self.ip_id,
            utc: out.utc,
            seal: &mut self.seal,
        };
        out.send(outlet.adverts(&self.config, &mut stamp));
        self.count_sent();
    }

    fn resign(&mut self, out: &mut Outbox) {
        let Some(outlet) = &self.outlet else { return };
        let mut stamp = Stamp {
            instance: self.id,
            ip_id: self.ip_id,
            utc: out.utc,
            seal: &mut self.seal,
        };
        out.send(outlet.resignation(&self.config, &mut stamp));
        self.count_sent();
        self.stats.pri_zero_sent += 1;
        self.tell(Happening::SentPriorityZero, out);
    }

    fn count_sent(&mut self) {
        self.stats.advert_sent += 1;
        // keepalived: the identification is never 0, which would ask the kernel to choose one.
        self.ip_id = self.ip_id.checked_add(1).unwrap_or(1);
    }

    /// Says it once: a successor process does not repeat what its predecessor said.
    fn notify(&mut self, to: Notified, out: &mut Outbox) {
        if self.notified == Some(to) {
            return;
        }
        self.notified = Some(to);
        self.notify_again(to, out);
    }

    pub(crate) fn notify_again(&self, to: Notified, out: &mut Outbox) {
        out.notify(Transition {
            whose: Whose::Instance(self.id),
            to,
            priority: self.priority.get(),
        });
    }
}
