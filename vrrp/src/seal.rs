//! What authentication remembers: the sequence numbers that were sent and heard, so that an advert is believed once.
//!
//! AH has one counter for both directions, as keepalived: a backup follows its master's, and goes on from there when it
//! takes over. `auth_hmac` counts in time; each sender has its own.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

use crate::ah;

/// Senders of multicast whose sequences are remembered; keepalived's figure.
pub(crate) const MULTICAST_SENDERS: usize = 4;

/// The memory of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seal {
    /// AH: the last sequence number, sent or believed.
    pub(crate) ah: u32,
    /// `auth_hmac`: the last sequence sent.
    pub(crate) sent: u64,
    /// `auth_hmac`: the last sequence of each sender, the latest heard first.
    heard: Vec<(IpAddr, u64)>,
}

/// What makes an advert authentic; it is worth something only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing, or a password.
    None,
    /// This sequence number of AH.
    Ah(u32),
    /// This sequence of a trailer.
    Trailer(u64),
}

impl Seal {
    /// That of a predecessor whose last sequences were these.
    pub(crate) fn after(ah: u32, sent: u64) -> Self {
        Self {
            ah,
            sent,
            heard: Vec::new(),
        }
    }

    /// The AH sequence number of the next advert; `None` once they are used up.
    pub(crate) fn next_ah(&mut self) -> Option<u32> {
        if self.is_exhausted() {
            return None;
        }
        self.ah += 1;
        Some(self.ah)
    }

    /// AH: no number is left.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.ah >= ah::LAST_SEQUENCE
    }

    /// The trailer sequence of the next advert: the time, but later than the last.
    ///
    /// Where the clock went back by more than `window` nobody can have believed the last one, and the time counts.
    pub(crate) fn next_trailer(&mut self, utc: Duration, window: Option<Duration>) -> u64 {
        let time = sequence_at(utc);
        let stale = window.is_some_and(|window| is_beyond(self.sent, utc, window));
        self.sent = if stale || self.sent == 0 || is_later(time, self.sent) {
            time
        } else {
            self.sent.wrapping_add(1)
        };
        self.sent
    }

    /// Whether a trailer's sequence was believed already. One that lies further ahead than `window` was believed under
    /// another time, and says nothing about this one.
    pub(crate) fn is_replay(
        &self,
        from: IpAddr,
        sequence: u64,
        utc: Duration,
        window: Option<Duration>,
    ) -> bool {
        let known = self.heard.iter().find(|(sender, _)| *sender == from);
        known.is_some_and(|(_, last)| {
            !is_later(sequence, *last) && !window.is_some_and(|window| is_beyond(*last, utc, window))
        })
    }

    /// Remembers what has been believed; of so many senders.
    pub(crate) fn spend(&mut self, from: IpAddr, proof: Proof, senders: usize) {
        match proof {
            Proof::None => {}
            Proof::Ah(sequence) => self.ah = sequence,
            Proof::Trailer(sequence) => {
                self.heard.retain(|(sender, _)| *sender != from);
                self.heard.insert(0, (from, sequence));
                self.heard.truncate(senders);
            }
        }
    }
}

/// How far a trailer's time is from ours.
pub(crate) fn skew(sequence: u64, utc: Duration) -> Duration {
    let ahead = seconds_of(sequence)
        .wrapping_sub(seconds_of(sequence_at(utc)))
        .cast_signed();
    Duration::from_secs(ahead.unsigned_abs().into())
}

/// Seconds, 1/65536 of them, and a counter that is zero.
fn sequence_at(utc: Duration) -> u64 {
    let fraction = (u64::from(utc.subsec_nanos()) << 16) / 1_000_000_000;
    utc.as_secs() << 32 | fraction << 16
}

fn seconds_of(sequence: u64) -> u32 {
    let [a, b, c, d, ..] = sequence.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// RFC 1982 3.2: serial numbers compare by the shorter way round.
fn is_later(sequence: u64, than: u64) -> bool {
    sequence.wrapping_sub(than).cast_signed().cmp(&0) == Ordering::Greater
}

/// Whether a sequence lies more than a window ahead of the time.
fn is_beyond(sequence: u64, utc: Duration, window: Duration) -> bool {
    is_later(sequence, sequence_at(utc + window + Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Option<Duration> = Some(Duration::from_secs(5));

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn sequences_are_the_time_and_always_rise() {
        let mut seal = Seal::default();
        let at = |ago: u64| Duration::from_millis(1_700_000_000_500 - 1000 * ago);
        let noon = at(0);
        let first = seal.next_trailer(noon, WINDOW);
        assert_eq!(first, 1_700_000_000 << 32 | 0x8000 << 16);
        assert_eq!(seal.next_trailer(noon, WINDOW), first + 1, "the counter");
        // Back by less than the window: nobody may take it for a replay.
        assert_eq!(seal.next_trailer(at(4), WINDOW), first + 2);
        // Back by more: the time counts again, in time mode only.
        let back = at(60);
        assert_eq!(seal.clone().next_trailer(back, None), first + 3);
        assert_eq!(seal.next_trailer(back, WINDOW), sequence_at(back));
    }

    #[test]
    fn a_sequence_is_believed_once_and_by_sender() {
        let mut seal = Seal::default();
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let (now, hour_ago) = (secs(1_003_600), secs(1_000_000));
        let sequence = sequence_at(now);
        assert!(!seal.is_replay(a, sequence, now, WINDOW));
        seal.spend(a, Proof::Trailer(sequence), 4);
        for old in [sequence, sequence - 1, sequence_at(secs(1_003_597))] {
            assert!(seal.is_replay(a, old, now, WINDOW));
        }
        assert!(!seal.is_replay(a, sequence + 1, now, WINDOW));
        assert!(!seal.is_replay(b, sequence, now, WINDOW));
        // The clock was wrong by an hour and is put right.
        assert!(!seal.is_replay(a, sequence_at(hour_ago), hour_ago, WINDOW));
        assert!(
            seal.is_replay(a, sequence_at(hour_ago), hour_ago, None),
            "monotonic"
        );
    }

    #[test]
    fn the_sender_heard_longest_ago_is_forgotten_first() {
        let mut seal = Seal::default();
        let now = secs(1_000_000);
        let from = |host: u8| IpAddr::from([10, 0, 0, host]);
        for host in [1, 2, 3, 4, 1, 5] {
            seal.spend(from(host), Proof::Trailer(sequence_at(now)), MULTICAST_SENDERS);
        }
        let known: Vec<bool> = (1..=5)
            .map(|host| seal.is_replay(from(host), 1, now, None))
            .collect();
        assert_eq!(known, [true, false, true, true, true]);
    }

    #[test]
    fn ah_numbers_end() {
        let mut seal = Seal {
            ah: ah::LAST_SEQUENCE - 1,
            ..Seal::default()
        };
        assert_eq!(seal.next_ah(), Some(0xffff_fffd));
        assert_eq!(seal.next_ah(), None);
    }

    #[test]
    fn the_seconds_may_wrap() {
        let (before, after) = (
            Duration::from_secs(u64::from(u32::MAX)),
            Duration::from_secs(1 << 32),
        );
        assert!(is_later(sequence_at(after), sequence_at(before)));
        assert_eq!(skew(sequence_at(before), after), secs(1));
    }
}
