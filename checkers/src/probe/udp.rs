//! `UDP_CHECK`: a datagram is not refused, or answered.

use parser::config::checker::Udp;

use super::{Reason, Step, Verdict};
use crate::chance::Chance;

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Talk {
    payload: Box<[u8]>,
}

impl Talk {
    /// Without `payload`: 32 bytes by chance.
    pub(super) fn new(udp: &Udp, chance: &mut Chance) -> Self {
        let payload = udp.payload.clone();
        Self {
            payload: payload.unwrap_or_else(|| (0..4).flat_map(|_| chance.next().to_be_bytes()).collect()),
        }
    }

    pub(super) fn payload(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.payload).into_vec()
    }
}

/// A datagram came. As in keepalived lengths count only with a pattern, and a pattern only as far as the datagram goes.
pub(super) fn received(udp: &Udp, bytes: &[u8]) -> Step {
    let Some((reply, pattern)) = udp
        .reply
        .as_ref()
        .and_then(|reply| Some((reply, reply.pattern.as_ref()?)))
    else {
        return Step::Done(Verdict::Good);
    };
    let lengths = usize::from(reply.min_length)..=usize::from(reply.max_length);
    if !lengths.contains(&bytes.len()) {
        return Step::bad(Reason::Length(bytes.len()));
    }
    if pattern
        .iter()
        .zip(bytes)
        .all(|(nibbles, byte)| nibbles.matches(*byte))
    {
        Step::Done(Verdict::Good)
    } else {
        Step::bad(Reason::Mismatch)
    }
}
