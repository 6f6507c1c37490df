//! Why a packet was not believed: one variant for each reason, exact, counted, and not said too often.

use std::mem::{Discriminant, discriminant};

use crate::packet::State;

/// A reason to drop a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Shorter than it says, or than any packet is.
    #[error("{got} bytes are less than the packet says")]
    Truncated {
        /// Bytes received.
        got: usize,
    },
    /// Another version of the protocol.
    #[error("version {got} instead of 1")]
    Version {
        /// Its version.
        got: u8,
    },
    /// A length field below the least.
    #[error("a length field of {got}")]
    Length {
        /// The field.
        got: u8,
    },
    /// A detection multiplier of 0.
    #[error("a detection multiplier of 0")]
    Multiplier,
    /// The multipoint bit, which is for another protocol.
    #[error("the multipoint bit is set")]
    Multipoint,
    /// The sender does not name its session.
    #[error("my discriminator field is 0")]
    MyDiscriminator,
    /// The sender's session is further than it can be without having heard us.
    #[error("your discriminator field is 0 in state {state}")]
    YourDiscriminator {
        /// The state that it claims.
        state: State,
    },
    /// Authentication, of which we have none.
    #[error("auth bit is set, but no authentication is in use")]
    Authentication,
    /// No session has this number. After a restart of ours neighbours send some of these.
    #[error("session is not found - your discriminator field is {got:#010x}")]
    UnknownDiscriminator {
        /// The number.
        got: u32,
    },
    /// No session is configured with this sender.
    #[error("no session is configured with it")]
    UnknownNeighbor,
    /// The session of that number is with another neighbour, to another address of ours or over another kind of path.
    #[error("session {got:#010x} is not with it")]
    WrongPath {
        /// The number.
        got: u32,
    },
    /// It came over more hops than allowed.
    #[error("TTL/hop limit {got} is below {expected}")]
    HopLimit {
        /// TTL or hop limit received.
        got: u8,
        /// The least that is believed.
        expected: u8,
    },
    /// We are going away.
    #[error("session is in AdminDown state")]
    AdminDown,
}

/// How many packets were refused, by reason.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Vec<(Discriminant<Refusal>, u64)>);

impl Refusals {
    /// How many were refused for a reason, whatever its details.
    pub fn count(&self, refusal: Refusal) -> u64 {
        let kind = discriminant(&refusal);
        let found = self.0.iter().find(|(counted, _)| *counted == kind);
        found.map_or(0, |(_, count)| *count)
    }

    /// How many were refused in all.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Counts one. The answer is the count if it is worth a log line: 1, 2, 4, 8 and so on, so that a flood makes few.
    pub(crate) fn add(&mut self, refusal: Refusal) -> Option<u64> {
        let kind = discriminant(&refusal);
        let place = self.0.iter().position(|(counted, _)| *counted == kind);
        let place = place.unwrap_or_else(|| {
            self.0.push((kind, 0));
            self.0.len() - 1
        });
        let (_, count) = &mut self.0[place];
        *count = count.saturating_add(1);
        count.is_power_of_two().then_some(*count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_seldom_told() {
        let mut refusals = Refusals::default();
        let told = (0..1000)
            .filter(|_| {
                refusals
                    .add(Refusal::HopLimit {
                        got: 1,
                        expected: 255,
                    })
                    .is_some()
            })
            .count();
        assert_eq!(told, 10);
        assert_eq!(
            refusals.count(Refusal::HopLimit {
                got: 7,
                expected: 255
            }),
            1000
        );
        assert_eq!(refusals.count(Refusal::Multiplier), 0);
        assert_eq!(refusals.add(Refusal::Multiplier), Some(1));
        assert_eq!(refusals.total(), 1001);
    }
}
