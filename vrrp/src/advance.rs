//! What an instance does when a deadline of its state has come.

use crate::instance::Instance;
use crate::news::Happening;
use crate::outbox::Outbox;
use crate::state::{State, next_in_series};
use crate::time::Instant;
use crate::world::World;

impl Instance {
    /// Afterwards the state's deadline is later than `now`, or there is none.
    pub(crate) fn advance(&mut self, world: &World, now: Instant, out: &mut Outbox) {
        match &self.state {
            State::Init { start_at } => {
                if start_at.is_some_and(|at| at <= now) {
                    self.start(world, now, out);
                }
            }
            State::Backup { take_over_at, .. } => {
                if *take_over_at <= now {
                    self.tell(Happening::AdvertTimeout, out);
                    self.become_master(now, out);
                }
            }
            State::Master(_) => self.advance_master(now, out),
            State::Fault | State::Stopped | State::Removed => {}
        }
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
        let gone = mastery.rival.take_if(|rival| due(&rival.over_at));
        let stubborn = mastery.rival.as_mut().and_then(|rival| {
            rival.give_way_at.take_if(|at| due(at))?;
            Some(rival.address)
        });
        if advertises {
            self.advertise(out);
        }
        if let Some(rival) = gone {
            // What the other told the neighbours may be the last that they heard.
            out.announce(self.id, self.config.garp.master_repeat.max(1));
            let what = Happening::RivalGone {
                address: rival.address,
                priority: rival.priority,
                lasted: rival.heard_at - rival.since,
                adverts: rival.adverts,
            };
            self.tell(what, out);
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
