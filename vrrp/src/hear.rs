//! What an instance makes of a packet: refuse it, follow its sender, yield to it, or stand against it.

use std::cmp::Ordering;
use std::mem;
use std::net::IpAddr;
use std::time::Duration;

use parser::units::{Priority, Version};

use crate::action::Notified;
use crate::election;
use crate::event::Packet;
use crate::instance::{Followed, Instance};
use crate::judge::Heard;
use crate::news::Happening;
use crate::outbox::Outbox;
use crate::refusal::Refusal;
use crate::rival::rival_of;
use crate::seal;
use crate::state::{Burst, State};
use crate::time::Instant;

/// A rival is answered at most this often in each of our advert intervals: a flood must not be echoed.
const ANSWERS_PER_INTERVAL: u32 = 10;
/// A rival that has been silent for so many of its intervals has yielded.
const SILENT_INTERVALS: u32 = 2;
/// Who is not believed is silent only after a longer time: its packets may have lost their way for a while.
const REFUSED_SILENCE: Duration = Duration::from_secs(10);

impl Instance {
    /// A packet for this virtual router came in. Answers whether the neighbours were told anew, because a lower master
    /// spoke: the other members of the sync group tell them too then.
    pub(crate) fn hear(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Outbox) -> bool {
        match self.state {
            State::Init { .. } | State::Fault { .. } | State::Stopped | State::Removed => return false,
            State::Backup { .. } | State::Master(_) => {}
        }
        // A packet that waited while the process was held up is not to be answered as if nothing had happened.
        self.expire(now, out);
        let verdict = match self.judge(packet, out.utc) {
            Ok(verdict) => verdict,
            Err(refusal) => {
                self.refuse(refusal, packet.source, now, out);
                return false;
            }
        };
        self.seal.spend(packet.source, verdict.proof, self.senders());
        if verdict.sums_as_old {
            self.sum_as_old(out);
        }
        self.stats.advert_rcvd += 1;
        if verdict.heard.priority == 0 {
            self.stats.pri_zero_rcvd += 1;
        }
        if self.config.owner_ignore_adverts && self.config.priority.is_owner() {
            return false;
        }
        let stood = match self.state {
            State::Backup { preempt_at, .. } => {
                self.hear_as_backup(verdict.heard, preempt_at, now, out);
                false
            }
            State::Master(_) => self.hear_as_master(verdict.heard, now, out),
            State::Init { .. } | State::Fault { .. } | State::Stopped | State::Removed => false,
        };
        if let Some(remark) = verdict.remark {
            self.refuse(remark, packet.source, now, out);
        }
        stood
    }

    /// Of how many senders sequences are remembered.
    fn senders(&self) -> usize {
        if self.config.unicast {
            self.config.unicast_peers.len()
        } else {
            seal::MULTICAST_SENDERS
        }
    }

    /// A peer is an old keepalived: the checksum is written and read its way from now on.
    fn sum_as_old(&mut self, out: &mut Outbox) {
        self.sums_as_old = true;
        self.tell(Happening::OldUnicastChecksum, out);
        if let Some(outlet) = &mut self.outlet {
            outlet.sums_as_old = true;
            outlet.rebuild(&self.config, self.priority.get());
        }
    }

    /// Counts a refusal or remark, and says it unless its kind has been said since state or master changed.
    fn refuse(&mut self, refusal: Refusal, from: IpAddr, now: Instant, out: &mut Outbox) {
        refusal.count(&mut self.stats);
        if !refusal.is_remark() {
            self.rejections.count(from, refusal.cause());
            self.note_refused_rival(&refusal, from, now);
        }
        let kind = mem::discriminant(&refusal);
        if !self.told.contains(&kind) {
            self.told.push(kind);
            self.tell_sparingly(Happening::Refused(refusal), now, out);
        }
    }

    /// Who sends what we do not believe may be master beside us all the same.
    fn note_refused_rival(&mut self, refusal: &Refusal, from: IpAddr, now: Instant) {
        let State::Master(mastery) = &mut self.state else {
            return;
        };
        let Some(rival) = rival_of(&mut mastery.rivals, from, now) else {
            return;
        };
        let interval = match refusal {
            Refusal::Interval { got, .. } => self.config.advert_int.max(*got),
            _ => self.config.advert_int,
        };
        rival.rejected.count(refusal.cause());
        rival.hear((interval * SILENT_INTERVALS).max(REFUSED_SILENCE), now);
    }

    /// Says what a packet caused, within the quota.
    pub(crate) fn tell_sparingly(&mut self, what: Happening, now: Instant, out: &mut Outbox) {
        if self.quota.allow(now) {
            match mem::take(&mut self.quota.swallowed) {
                0 => {}
                lines => self.tell(Happening::Swallowed(lines), out),
            }
            self.tell(what, out);
        }
    }

    fn hear_as_backup(&mut self, heard: Heard, preempt_at: Option<Instant>, now: Instant, out: &mut Outbox) {
        if heard.priority == 0 {
            self.tell_sparingly(Happening::BackupHeardResignation, now, out);
            // RFC 9568 6.4.2: set the Active_Down_Timer to Skew_Time. Never later than it was: resignations that do
            // not end would put off the takeover for ever.
            let skew = election::skew(self.config.version, self.priority.get(), self.master_interval);
            if let State::Backup {
                take_over_at: Some(at),
                ..
            } = &mut self.state
            {
                *at = (*at).min(now.max(self.not_before) + skew);
            }
            return;
        }
        let is_lower = heard.priority < self.priority.get();
        let preempt_at = if is_lower {
            self.endure(preempt_at, now, out)
        } else {
            None
        };
        // RFC 9568 6.4.2: follow if Preempt_Mode is false or the priority is not lower than ours. keepalived:
        // a lower one also while preempt_delay runs.
        let follows = !is_lower || self.config.nopreempt || preempt_at.is_some_and(|at| now < at);
        if follows {
            self.follow(heard, now, out);
            // What was heard while `vrrp_startup_delay` ran is listened for once more after it.
            let take_over_at = now.max(self.not_before) + self.master_down();
            self.state = State::Backup {
                take_over_at: Some(take_over_at),
                preempt_at,
            };
        } else {
            let Heard { from, priority, .. } = heard;
            self.tell_sparingly(Happening::DiscardingLower { from, priority }, now, out);
        }
    }

    /// When a lower master will be preempted, if `preempt_delay` asks for patience.
    fn endure(&mut self, preempt_at: Option<Instant>, now: Instant, out: &mut Outbox) -> Option<Instant> {
        let delay = self.config.preempt_delay;
        if preempt_at.is_some() || delay.is_zero() || self.config.nopreempt {
            return preempt_at;
        }
        self.tell_sparingly(Happening::PreemptDelay(delay), now, out);
        Some(now + delay)
    }

    fn follow(&mut self, heard: Heard, now: Instant, out: &mut Outbox) {
        let Heard {
            from: address,
            priority,
            interval,
        } = heard;
        let before = self.master.replace(Followed { address, priority });
        if self.config.version == Version::V3 {
            // RFC 9568 6.4.2: the master's interval is learned. Zero would be no interval at all.
            self.master_interval = interval.max(Duration::from_millis(10));
        }
        let what = match before {
            Some(before) if before.address == address => return,
            Some(before) => Happening::MasterChanged {
                from: before.address,
                to: address,
            },
            None => Happening::MasterSet(address),
        };
        self.told.clear();
        self.tell_sparingly(what, now, out);
    }

    fn hear_as_master(&mut self, heard: Heard, now: Instant, out: &mut Outbox) -> bool {
        let Heard { from, priority, .. } = heard;
        let ours = self.priority.get();
        if priority == 0 {
            self.hear_resignation_as_master(from, now, out);
            return false;
        }
        let address = self.outlet.as_ref().map_or(from, |outlet| outlet.source);
        match (priority.cmp(&ours), from.cmp(&address)) {
            (Ordering::Greater, _) => {
                self.yield_to(heard, Happening::HigherAdvert { from, priority, ours }, now, out);
            }
            // RFC 9568 6.4.3: equal priorities are decided by the greater address.
            (Ordering::Equal, Ordering::Greater) => {
                self.yield_to(heard, Happening::EqualAdvert { from, priority }, now, out);
            }
            (Ordering::Equal, Ordering::Equal) => self.refuse(Refusal::OwnAddress { from }, from, now, out),
            (Ordering::Less, _) | (Ordering::Equal, Ordering::Less) => {
                let what = Happening::LowerAdvert {
                    from,
                    priority,
                    ours,
                    answered: !self.config.lower_prio_no_advert,
                };
                return self.stand_against(heard, what, now, out);
            }
        }
        false
    }

    fn yield_to(&mut self, heard: Heard, what: Happening, now: Instant, out: &mut Outbox) {
        self.tell_sparingly(what, now, out);
        if self.config.higher_prio_send_advert {
            self.advertise(out);
        }
        self.follow(heard, now, out);
        self.become_backup(now + self.master_down(), now, out);
    }

    /// Stays master, and lets the other and the neighbours know.
    fn stand_against(&mut self, heard: Heard, what: Happening, now: Instant, out: &mut Outbox) -> bool {
        self.note_rival(heard, now);
        if !self.may_answer(now) {
            return false;
        }
        self.tell_sparingly(what, now, out);
        if !self.config.lower_prio_no_advert {
            self.advertise(out);
        }
        self.announce_over_lower(now, out);
        self.notify_again(Notified::MasterRxLowerPri, out);
        true
    }

    /// RFC 9568 6.4.3: another resigned, so say at once who is master.
    fn hear_resignation_as_master(&mut self, from: IpAddr, now: Instant, out: &mut Outbox) {
        if let State::Master(mastery) = &mut self.state {
            let mut rivals = mastery.rivals.iter_mut();
            if let Some(rival) = rivals.find(|rival| rival.address == from) {
                rival.over_at = now;
            }
        }
        if self.may_answer(now) {
            self.tell_sparingly(Happening::MasterHeardResignation, now, out);
            self.advertise(out);
        }
    }

    /// Whether another master is to be answered now.
    fn may_answer(&mut self, now: Instant) -> bool {
        let pause = self.config.advert_int / ANSWERS_PER_INTERVAL;
        match &mut self.state {
            State::Master(mastery) if mastery.answer_at <= now => {
                mastery.answer_at = now + pause;
                true
            }
            State::Master(_)
            | State::Init { .. }
            | State::Backup { .. }
            | State::Fault { .. }
            | State::Stopped
            | State::Removed => false,
        }
    }

    /// Keeps account of the other master.
    fn note_rival(&mut self, heard: Heard, now: Instant) {
        let mine = self.config.advert_int;
        let interval = heard.interval.max(mine);
        let owners = self.priority.is_owner() && heard.priority == Priority::OWNER.get();
        let State::Master(mastery) = &mut self.state else {
            return;
        };
        let Some(rival) = rival_of(&mut mastery.rivals, heard.from, now) else {
            return;
        };
        rival.priority = heard.priority;
        rival.adverts += 1;
        rival.hear(interval * SILENT_INTERVALS, now);
        if owners && rival.give_way_at.is_none() {
            // keepalived: two of the other's adverts and 1.2 times the longer interval.
            rival.give_way_at = Some(now + heard.interval * 2 + interval + interval / 5);
        }
    }

    /// The lower master may have told the neighbours that the addresses are its own.
    pub(crate) fn announce_over_lower(&mut self, now: Instant, out: &mut Outbox) {
        if !self.state.is_master() {
            return;
        }
        let garp = &self.config.garp;
        let repeat = garp.lower_prio_repeat;
        out.announce(self.id, repeat);
        if repeat == 0 || garp.lower_prio_delay.is_zero() {
            return;
        }
        let at = now + garp.lower_prio_delay;
        if let State::Master(mastery) = &mut self.state {
            // A burst that stands already is not put off: adverts that do not end would put it off for ever.
            let burst = mastery.announce_again.get_or_insert(Burst { at, repeat });
            burst.repeat = burst.repeat.max(repeat);
        }
    }

    /// Two owners: this one gives way, until it is master again because the other is gone.
    pub(crate) fn give_way(&mut self, to: IpAddr, now: Instant, out: &mut Outbox) {
        self.gave_way = true;
        self.tell(Happening::TwoOwners(to), out);
        if let Some(below) = Priority::new(Priority::OWNER.get() - 1) {
            self.change_priority(below, now, out);
        }
    }

    pub(crate) fn reclaim_ownership(&mut self) {
        if !mem::take(&mut self.gave_way) {
            return;
        }
        self.priority = self.config.priority;
        if let Some(outlet) = &mut self.outlet {
            outlet.rebuild(&self.config, self.priority.get());
        }
    }
}
