//! `DNS_CHECK`: one question (RFC 1035 4.1); any answer without an error will do, whatever it says.

use parser::config::checker::Dns;

use super::{Reason, Step, Verdict};
use crate::chance::Chance;

/// Bytes of a header.
const HEADER: usize = 12;
/// Header flags: recursion desired.
const RD: u16 = 0x0100;
/// Header flags: this is a response (first byte of the two).
const QR: u8 = 0x80;
/// Class IN.
const IN: u16 = 1;

/// A question.
#[derive(Debug)]
pub(crate) struct Talk {
    id: u16,
}

impl Talk {
    /// Its number is by chance, so that nobody answers it unasked.
    pub(super) fn new(chance: &mut Chance) -> Self {
        let [high, low, ..] = chance.next().to_be_bytes();
        Self {
            id: u16::from_be_bytes([high, low]),
        }
    }

    pub(super) fn query(&self, dns: &Dns) -> Vec<u8> {
        let mut query = Vec::with_capacity(HEADER + dns.name.len() + 6);
        for field in [self.id, RD, 1, 0, 0, 0] {
            query.extend(field.to_be_bytes());
        }
        for label in dns.name.split('.').filter(|label| !label.is_empty()) {
            // The parser keeps labels at 63 bytes.
            query.push(u8::try_from(label.len()).unwrap_or(63));
            query.extend(label.bytes().take(63));
        }
        query.push(0);
        query.extend((dns.kind as u16).to_be_bytes());
        query.extend(IN.to_be_bytes());
        query
    }

    /// What is no answer to the question is skipped.
    pub(super) fn received(&self, bytes: &[u8]) -> Step {
        let Some(&[high, low, flags, more_flags]) = bytes.get(..4).filter(|_| bytes.len() >= HEADER) else {
            return Step::Wait;
        };
        if u16::from_be_bytes([high, low]) != self.id || flags & QR == 0 {
            return Step::Wait;
        }
        match more_flags & 0x0f {
            0 => Step::Done(Verdict::Good),
            rcode => Step::bad(Reason::Rcode(rcode)),
        }
    }
}
