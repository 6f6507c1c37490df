//! `UDP_CHECK`: a datagram is not refused, or answered.

use std::net::IpAddr;

use super::{Common, Connection, Heritage, all, connection, set};
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line};

/// `UDP_CHECK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Where the datagram goes.
    pub connection: Connection,
    /// `payload`. `None` means 32 bytes at random.
    pub payload: Option<Box<[u8]>>,
    /// `require_reply`. `None` means that silence is good too.
    pub reply: Option<UdpReply>,
}

/// What a reply must look like. Without a pattern any reply will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpReply {
    /// What it must begin with, as far as it goes.
    pub pattern: Option<Box<[Nibbles]>>,
    /// `min_reply_length` in bytes; 0 by default. Checked with a pattern only.
    pub min_length: u16,
    /// `max_reply_length` in bytes; 255 by default. Checked with a pattern only.
    pub max_length: u16,
}

/// One byte of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nibbles {
    /// The bits that count.
    pub mask: u8,
    /// What they must be; 0 where they do not count.
    pub value: u8,
}

impl Nibbles {
    /// Whether a byte fits.
    pub fn matches(self, byte: u8) -> bool {
        byte & self.mask == self.value
    }
}

/// The keywords of the block.
pub(in crate::config) const KEYWORDS: [&str; 17] = all(&[
    &["payload", "require_reply", "min_reply_length", "max_reply_length"],
    &connection::KEYWORDS,
]);

/// What the block says.
#[derive(Debug, Default)]
pub(super) struct Draft {
    connection: connection::Draft,
    payload: Option<Box<[Nibbles]>>,
    require_reply: bool,
    pattern: Option<Box<[Nibbles]>>,
    min_length: Option<u16>,
    max_length: Option<u16>,
}

/// Reads a `UDP_CHECK` block.
pub(super) fn parse(
    block: Block<'_>,
    server: IpAddr,
    common: &mut Common,
    report: &mut Report,
) -> Option<Draft> {
    let mut draft = Draft::default();
    for line in block.lines() {
        match line.keyword() {
            "payload" => {
                if line.value(report).is_some() {
                    draft.payload = hex(line, false, report);
                }
            }
            "require_reply" => {
                line.no_block(report);
                draft.require_reply = true;
                if line.words().len() > 0 {
                    draft.pattern = hex(line, true, report);
                }
            }
            "min_reply_length" => set(&mut draft.min_length, line.number(0..=u16::MAX, report)),
            "max_reply_length" => set(&mut draft.max_length, line.number(0..=u16::MAX, report)),
            _ if draft.connection.read(line, server, common, report) => {}
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    let (min, max) = draft.lengths();
    if min > max {
        report.add(
            block.line_of("min_reply_length").at(),
            LvsReason::ReplyLengths { min, max }.into(),
        );
    }
    draft.connection.can_work(block, server, report).then_some(draft)
}

impl Draft {
    fn lengths(&self) -> (u16, u16) {
        (self.min_length.unwrap_or(0), self.max_length.unwrap_or(255))
    }

    /// Gives the defaults.
    pub(super) fn resolve(self, block: Block<'_>, heritage: &Heritage<'_, '_>, report: &mut Report) -> Udp {
        let (min_length, max_length) = self.lengths();
        let payload = self
            .payload
            .map(|bytes| bytes.iter().map(|nibbles| nibbles.value).collect());
        Udp {
            connection: self.connection.resolve(block, heritage, report),
            payload,
            reply: self.require_reply.then_some(UdpReply {
                pattern: self.pattern,
                min_length,
                max_length,
            }),
        }
    }
}

/// Hexadecimal digits with blanks wherever one likes; a digit alone before a blank is a byte.
fn hex(line: Line<'_>, wildcards: bool, report: &mut Report) -> Option<Box<[Nibbles]>> {
    let mut bytes = Vec::new();
    for word in line.words() {
        for part in word.text().split_ascii_whitespace() {
            for pair in part.as_bytes().chunks(2) {
                let byte = match *pair {
                    [high, low] => nibble(high, wildcards).zip(nibble(low, wildcards)),
                    [low] => nibble(low, wildcards).map(|low| (Nibbles { mask: 0xf, value: 0 }, low)),
                    _ => None,
                };
                let Some((high, low)) = byte else {
                    report.add(word.at(), LvsReason::NotHex { got: part.to_owned() }.into());
                    return None;
                };
                bytes.push(Nibbles {
                    mask: high.mask << 4 | low.mask,
                    value: high.value << 4 | low.value,
                });
            }
        }
    }
    Some(bytes.into())
}

/// One digit, or `X` for any.
fn nibble(digit: u8, wildcards: bool) -> Option<Nibbles> {
    match char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
    {
        Some(value) => Some(Nibbles { mask: 0xf, value }),
        None if wildcards && digit.eq_ignore_ascii_case(&b'x') => Some(Nibbles { mask: 0, value: 0 }),
        None => None,
    }
}
