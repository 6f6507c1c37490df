//! What an instance does when a deadline of its state has come.

use crate::election;
use crate::instance::Instance;
use crate::news::Happening;
use crate::outbox::Outbox;
use crate::rival::Rival;
use crate::state::{State, next_in_series};
use crate::time::Instant;

impl Instance {
    /// Afterwards the state's deadline is later than `now`, or there is none.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Outbox) {
        match &mut self.state {
            State::Backup { take_over_at, .. } => {
                if take_over_at.take_if(|at| *at <= now).is_some() {
                    self.tell(Happening::AdvertTimeout, out);
                    if self.group.is_none() {
                        self.become_master(now, out);
                    }
                }
            }
            State::Master(_) => {
                if !self.expire(now, out) {
                    self.advance_master(now, out);
                }
            }
            State::Init { .. } | State::Fault { .. } | State::Stopped | State::Removed => {}
        }
    }

    /// Why the adverts of another master were not believed. As many lines as there were causes, once for each episode.
    pub(crate) fn tell_rejected(&self, rival: &Rival, out: &mut Outbox) {
        for (cause, count) in &rival.rejected.0 {
            let (from, cause, count) = (rival.address, *cause, *count);
            self.tell(Happening::Rejected { from, cause, count }, out);
        }
    }

    /// `timer_expired_backup`: this process was held up for so long that a backup of that priority may have taken over
    /// by now. Answers whether the instance gave up its mastery.
    pub(crate) fn expire(&mut self, now: Instant, out: &mut Outbox) -> bool {
        let (State::Master(mastery), Some(backup)) = (&self.state, self.config.timer_expired_backup) else {
            return false;
        };
        let interval = self.config.advert_int;
        let silent = now + interval - mastery.advertise_at;
        if silent <= election::master_down(self.config.version, 3, backup.get(), interval) {
            return false;
        }
        self.tell(Happening::TimerExpired(now - mastery.advertise_at), out);
        self.become_backup(now + self.master_down(), now, out);
        true
    }

    fn advance_master(&mut self, now: Instant, out: &mut Outbox) {
        if self.seal.is_exhausted() {
            self.begin_ah_anew(now, out);
            return;
        }
        let State::Master(mastery) = &mut self.state else {
            return;
        };
        let garp = &self.config.garp;
        let due = |at: &Instant| *at <= now;
        let advertises = due(&mastery.advertise_at);
        if advertises {
            mastery.advertise_at = next_in_series(mastery.advertise_at, self.config.advert_int, now);
        }
        if let Some(burst) = mastery.announce_again.take_if(|burst| due(&burst.at)) {
            out.announce(self.id, burst.repeat);
        }
        if let Some(at) = mastery.refresh_at.filter(due) {
            mastery.refresh_at = Some(next_in_series(at, garp.master_refresh, now));
            out.announce(self.id, garp.master_refresh_repeat.max(1));
        }
        if let Some(at) = mastery.extra_at.filter(due) {
            mastery.extra_at = Some(next_in_series(at, garp.extra_if.period, now));
            out.elsewhere.push(self.id);
        }
        let gone: Vec<Rival> = mastery
            .rivals
            .extract_if(.., |rival| due(&rival.over_at))
            .collect();
        let staying: Vec<Rival> = mastery
            .rivals
            .iter_mut()
            .filter_map(|rival| rival.reports(now).then(|| rival.clone()))
            .collect();
        let stubborn = mastery.rivals.iter_mut().find_map(|rival| {
            rival.give_way_at.take_if(|at| due(at))?;
            Some(rival.address)
        });
        if advertises {
            self.advertise(out);
        }
        if !gone.is_empty() {
            // What the other told the neighbours may be the last that they heard.
            out.announce(self.id, self.config.garp.master_repeat.max(1));
        }
        for rival in gone {
            let what = Happening::RivalGone {
                address: rival.address,
                priority: rival.priority,
                lasted: rival.heard_at - rival.since,
                adverts: rival.adverts,
            };
            self.tell_sparingly(what, now, out);
            self.tell_rejected(&rival, out);
        }
        for rival in staying {
            let (address, lasts) = (rival.address, now - rival.since);
            self.tell(Happening::RivalStays { address, lasts }, out);
            self.tell_rejected(&rival, out);
        }
        if let Some(other) = stubborn {
            self.give_way(other, now, out);
        }
    }

    /// The sequence numbers of AH have run out: another router is to be master, and this one goes on from its numbers.
    fn begin_ah_anew(&mut self, now: Instant, out: &mut Outbox) {
        self.tell(Happening::AhExhausted, out);
        self.become_backup(now + self.master_down(), now, out);
        self.seal.ah = 0;
    }
}
