//! A second master on the link: who it is, since when, and what became of its adverts; and who else sent packets that
//! were not believed. All of it in bounded memory, whatever is sent.

use std::net::IpAddr;
use std::time::Duration;

use crate::time::Instant;

/// So many other masters are told apart at a time; the adverts of more are refused or answered all the same.
pub(crate) const RIVALS: usize = 4;
/// So many senders of refused packets are told apart.
const SENDERS: usize = 16;

/// A second master on the link: the episode from its first advert to its silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Who.
    pub address: IpAddr,
    /// Its priority, as it says; 0 if its adverts were never understood.
    pub priority: u8,
    /// When its first advert came.
    pub since: Instant,
    /// When its latest advert came.
    pub heard_at: Instant,
    /// How many of its adverts were believed.
    pub adverts: u64,
    /// How many were not, by cause.
    pub rejected: Tally,
    /// When the episode counts as over, if nothing more comes.
    pub over_at: Instant,
    /// Two address owners: when this one gives way.
    pub give_way_at: Option<Instant>,
    /// When the log says that it is still there: after a minute, and each time after twice as long.
    pub report_at: Instant,
}

/// When an episode is told of for the first time while it lasts.
const FIRST_REPORT: Duration = Duration::from_mins(1);

impl Rival {
    pub(crate) fn new(address: IpAddr, now: Instant) -> Self {
        Self {
            address,
            priority: 0,
            since: now,
            heard_at: now,
            adverts: 0,
            rejected: Tally::default(),
            over_at: now,
            give_way_at: None,
            report_at: now + FIRST_REPORT,
        }
    }

    /// Whether the log is to say now that it is still there.
    pub(crate) fn reports(&mut self, now: Instant) -> bool {
        let is_due = self.report_at <= now;
        if is_due {
            self.report_at = now + (now - self.since).max(FIRST_REPORT);
        }
        is_due
    }

    pub(crate) fn hear(&mut self, silence: Duration, now: Instant) {
        self.heard_at = now;
        self.over_at = self.over_at.max(now + silence);
    }
}

/// The rival of this address, a new one if there is room.
pub(crate) fn rival_of(rivals: &mut Vec<Rival>, address: IpAddr, now: Instant) -> Option<&mut Rival> {
    let found = rivals.iter().position(|rival| rival.address == address);
    let index = match found {
        Some(index) => index,
        None if rivals.len() < RIVALS => {
            rivals.push(Rival::new(address, now));
            rivals.len() - 1
        }
        None => return None,
    };
    rivals.get_mut(index)
}

/// Packets counted by the cause for which they were not believed; as many entries as there are causes at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub Vec<(&'static str, u64)>);

impl Tally {
    pub(crate) fn count(&mut self, cause: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, count)) => *count += 1,
            None => self.0.push((cause, 1)),
        }
    }
}

/// Packets that were not believed, by sender and cause, since the process began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    /// The first sixteen senders.
    pub senders: Vec<(IpAddr, Tally)>,
    /// Packets of all others.
    pub others: Tally,
}

impl Rejections {
    pub(crate) fn count(&mut self, from: IpAddr, cause: &'static str) {
        let tally = match self.senders.iter().position(|(sender, _)| *sender == from) {
            Some(index) => &mut self.senders[index].1,
            None if self.senders.len() < SENDERS => {
                self.senders.push((from, Tally::default()));
                let last = self.senders.len() - 1;
                &mut self.senders[last].1
            }
            None => &mut self.others,
        };
        tally.count(cause);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_flood_of_senders_costs_no_memory() {
        let mut rejections = Rejections::default();
        let mut rivals = Vec::new();
        for sender in 0..10_000_u32 {
            let from = IpAddr::V4(Ipv4Addr::from_bits(sender));
            rejections.count(from, "a");
            rejections.count(from, "b");
            rejections.count(from, "a");
            rival_of(&mut rivals, from, Instant::default());
        }
        assert_eq!((rejections.senders.len(), rivals.len()), (SENDERS, RIVALS));
        assert_eq!(rejections.senders[3].1, Tally(vec![("a", 2), ("b", 1)]));
        assert_eq!(
            rejections.others,
            Tally(vec![("a", 2 * (10_000 - 16)), ("b", 10_000 - 16)])
        );
    }
}
