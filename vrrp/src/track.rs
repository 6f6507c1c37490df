//! Tracked files, processes and BFD sessions: what is known of each.
//!
//! Nothing here reads a file, looks for a process or speaks BFD; the shell does, and tells. What it amounts to for an
//! instance is in `weigh`; tracked scripts are in [`crate::script`].

use std::sync::Arc;

use parser::config::TrackProcess;
use thiserror::Error;

use crate::delayed::Delayed;
use crate::event::{FileId, ProcessId};
use crate::news::{Happening, News};
use crate::outbox::Outbox;
use crate::script::Health;
use crate::time::Instant;

/// What can be tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Script,
    Interface,
    File,
    Process,
    Bfd,
}

/// A `track_file` with the number in it.
#[derive(Clone, Debug)]
pub struct TrackedFile {
    /// Its index.
    pub id: FileId,
    /// Its name.
    pub name: Arc<str>,
    /// The number last read; `None` before the first reading.
    pub value: Option<i64>,
}

/// A `vrrp_track_process` with how many run.
#[derive(Clone, Debug)]
pub struct TrackedProcess {
    /// Its index.
    pub id: ProcessId,
    /// Its name.
    pub name: Arc<str>,
    /// Its configuration.
    pub config: TrackProcess,
    /// How many ran when last told; `None` before they were counted.
    pub count: Option<usize>,
    /// Whether there is a quorum, once it counts; `None` before they were counted.
    pub(crate) quorum: Option<Delayed>,
}

/// A `bfd_instance` with its state.
#[derive(Clone, Debug)]
pub struct TrackedSession {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is Up.
    pub up: bool,
}

impl TrackedProcess {
    pub(crate) fn new(id: ProcessId, config: &TrackProcess) -> Self {
        Self {
            id,
            name: config.name.as_str().into(),
            config: config.clone(),
            count: None,
            quorum: None,
        }
    }

    /// Whether the quorum is there.
    pub fn health(&self) -> Health {
        match &self.quorum {
            None => Health::Unknown,
            Some(Delayed { believed: true, .. }) => Health::Good,
            Some(Delayed { believed: false, .. }) => Health::Bad,
        }
    }

    /// They were counted. The first count is believed at once. Answers whether the health changed.
    pub(crate) fn counted(&mut self, count: usize, now: Instant, out: &mut Outbox) -> bool {
        self.count = Some(count);
        let good = self.config.is_good(count);
        let Some(quorum) = &mut self.quorum else {
            self.quorum = Some(Delayed::new(good));
            return true;
        };
        let delay = if good {
            self.config.fork_delay
        } else {
            self.config.terminate_delay
        };
        let changed = quorum.see(good, delay, now);
        self.told_if(changed, out)
    }

    /// Answers whether the health changed because a delay is over.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Outbox) -> bool {
        let changed = self.quorum.as_mut().is_some_and(|quorum| quorum.advance(now));
        self.told_if(changed, out)
    }

    fn told_if(&self, changed: bool, out: &mut Outbox) -> bool {
        if changed {
            let what = match self.health() {
                Health::Good => Happening::QuorumGained,
                Health::Bad | Health::Unknown => Happening::QuorumLost,
            };
            out.tell(News {
                subject: Arc::clone(&self.name),
                what,
            });
        }
        changed
    }
}

/// A number that no tracked file may hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0} is not within -2147483648 to 2147483648")]
pub struct OutOfRange(pub String);

/// The number at the beginning of a tracked file, as C's `strtol` reads it with base 0: blanks first, then a sign, then
/// `0x` for hexadecimal and `0` for octal digits; what follows does not matter, and no number at all is 0.
pub fn read_value(text: &[u8]) -> Result<i64, OutOfRange> {
    const RANGE: std::ops::RangeInclusive<i64> = -0x8000_0000..=0x8000_0000;
    let number = text.trim_ascii_start();
    let (negative, digits) = match number.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, number),
    };
    let is_hex = matches!(digits, [b'0', b'x' | b'X', first, ..] if first.is_ascii_hexdigit());
    let (radix, digits) = match digits {
        [_, _, rest @ ..] if is_hex => (16, rest),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let mut values = digits
        .iter()
        .map_while(|digit| char::from(*digit).to_digit(radix));
    let magnitude = values.try_fold(0_i64, |sum, digit| {
        sum.checked_mul(radix.into())?.checked_add(digit.into())
    });
    magnitude
        .map(|magnitude| if negative { -magnitude } else { magnitude })
        .filter(|value| RANGE.contains(value))
        .ok_or_else(|| {
            let end = number.iter().position(u8::is_ascii_whitespace);
            OutOfRange(String::from_utf8_lossy(&number[..end.unwrap_or(number.len())]).into_owned())
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let good = [
            ("", 0),
            ("5\n", 5),
            ("  -7 apples", -7),
            ("+12", 12),
            ("0x10abcxyz", 0x10_abc),
            ("0X1F", 31),
            ("0x", 0),
            ("0xg", 0),
            ("017", 15),
            ("019", 1),
            ("08", 0),
            ("abc", 0),
            ("- 5", 0),
            ("-0x10", -16),
            ("2147483648", 2_147_483_648),
            ("-2147483648", -2_147_483_648),
            ("\t\x0b 3", 0), // a vertical tab is no blank to us
        ];
        for (text, value) in good {
            assert_eq!(read_value(text.as_bytes()), Ok(value), "{text:?}");
        }
        for text in ["2147483649", "-2147483649", "99999999999999999999999999"] {
            assert_eq!(read_value(text.as_bytes()), Err(OutOfRange(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_file_is_read(text in any::<Vec<u8>>()) {
            if let Ok(value) = read_value(&text) {
                prop_assert!(value.unsigned_abs() <= 1 << 31);
            }
        }

        #[test]
        fn a_decimal_number_is_itself(value in any::<i32>()) {
            prop_assert_eq!(read_value(value.to_string().as_bytes()), Ok(value.into()));
        }
    }
}
