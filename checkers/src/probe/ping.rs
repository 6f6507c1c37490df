//! `PING_CHECK`: an ICMP (RFC 792) or `ICMPv6` (RFC 4443 4.1) echo comes back. The kernel fills in identifier and checksum.

use parser::config::checker::Connection;

use super::{Step, Verdict};

/// Types of request and reply.
const ICMP: (u8, u8) = (8, 0);
const ICMPV6: (u8, u8) = (128, 129);

/// What is sent along.
const PAYLOAD: &[u8; 32] = b"Holdfast: is anybody there? ....";

/// An echo.
#[derive(Debug)]
pub(crate) struct Talk {
    types: (u8, u8),
    sequence: u16,
}

impl Talk {
    /// The turn makes the sequence number.
    pub(super) fn new(connection: &Connection, turn: u32) -> Self {
        let [_, _, high, low] = turn.to_be_bytes();
        Self {
            types: if connection.address.is_ipv4() {
                ICMP
            } else {
                ICMPV6
            },
            sequence: u16::from_be_bytes([high, low]),
        }
    }

    pub(super) fn echo(&self) -> Vec<u8> {
        let [high, low] = self.sequence.to_be_bytes();
        let mut echo = vec![self.types.0, 0, 0, 0, 0, 0, high, low];
        echo.extend(PAYLOAD);
        echo
    }

    /// What is no echo of this request is skipped.
    pub(super) fn received(&self, bytes: &[u8]) -> Step {
        match *bytes {
            [kind, 0, _, _, _, _, high, low, ..]
                if kind == self.types.1 && u16::from_be_bytes([high, low]) == self.sequence =>
            {
                Step::Done(Verdict::Good)
            }
            _ => Step::Wait,
        }
    }
}
