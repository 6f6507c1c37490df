//! The state that a successor process on the same machine needs to go on: versioned text, a line for each session that is
//! up. What is foreign or damaged is worth nothing, and is never half believed.
//!
//! ```text
//! holdfast-bfd 1 1
//! 192.0.2.2 - single 1234567890 49152 987654321 3 300000 300000 300000 300000
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::{FromStr, SplitWhitespace};
use std::time::Duration;

use clockwork::Instant;
use parser::config::BfdInstance;

use crate::packet::{Diagnostic, State};
use crate::session::{Poll, Remote, Session};

const MAGIC: &str = "holdfast-bfd 1";

/// What makes two sessions the same over a reload or a restart; the name is no part of it.
pub(crate) type Identity = (IpAddr, Option<IpAddr>, bool);

pub(crate) fn identity(config: &BfdInstance) -> Identity {
    (config.neighbor_ip, config.source_ip, config.multihop)
}

/// What a predecessor left of a session that was up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saved {
    pub(crate) discriminator: u32,
    pub(crate) source_port: u16,
    remote_discriminator: u32,
    remote_multiplier: u8,
    remote_min_rx: Duration,
    remote_desired_min_tx: Duration,
    tx: Duration,
    rx: Duration,
}

impl Saved {
    /// Makes the session what it was, with a detection time from now on. That a poll was under way is not known, and
    /// another does no harm.
    pub(crate) fn restore(&self, session: &mut Session, now: Instant) {
        session.state = State::Up;
        session.remote = Remote {
            discriminator: self.remote_discriminator,
            state: State::Up,
            diagnostic: Diagnostic::NONE,
            multiplier: self.remote_multiplier,
            min_rx: self.remote_min_rx,
            desired_min_tx: self.remote_desired_min_tx,
            demand: false,
        };
        (session.desired_min_tx, session.required_min_rx) = (self.tx, self.rx);
        (session.tx, session.rx) = (self.tx, self.rx);
        session.poll = Poll::Asking;
        session.expire_at = session.detection_time().map(|time| now + time);
    }
}

pub(crate) fn write(sessions: &[Session]) -> String {
    let up: Vec<&Session> = sessions
        .iter()
        .filter(|session| session.state == State::Up)
        .collect();
    let mut text = format!("{MAGIC} {}\n", up.len());
    for session in up {
        let (neighbor, source, multihop) = identity(&session.config);
        let source = source.map_or("-".to_owned(), |source| source.to_string());
        let remote = &session.remote;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{neighbor} {source} {} {} {} {} {} {} {} {} {}",
            if multihop { "multi" } else { "single" },
            session.discriminator,
            session.path.source_port,
            remote.discriminator,
            remote.multiplier,
            remote.min_rx.as_micros(),
            remote.desired_min_tx.as_micros(),
            session.tx.as_micros(),
            session.rx.as_micros(),
        );
    }
    text
}

pub(crate) fn read(text: &str) -> BTreeMap<Identity, Saved> {
    read_all(text).unwrap_or_default()
}

fn read_all(text: &str) -> Option<BTreeMap<Identity, Saved>> {
    let (head, lines) = text.strip_suffix('\n')?.split_once('\n')?;
    let count: usize = head.strip_prefix(MAGIC)?.trim_start().parse().ok()?;
    let all: BTreeMap<Identity, Saved> = lines.lines().map(read_line).collect::<Option<_>>()?;
    (all.len() == count).then_some(all)
}

fn read_line(line: &str) -> Option<(Identity, Saved)> {
    let mut words = line.split_whitespace();
    let neighbor = number(&mut words)?;
    let source = match words.next()? {
        "-" => None,
        address => Some(address.parse().ok()?),
    };
    let multihop = match words.next()? {
        "single" => false,
        "multi" => true,
        _ => return None,
    };
    let saved = Saved {
        discriminator: number(&mut words).filter(|number| *number != 0)?,
        source_port: number(&mut words)?,
        remote_discriminator: number(&mut words).filter(|number| *number != 0)?,
        remote_multiplier: number(&mut words).filter(|number| *number != 0)?,
        remote_min_rx: micros(&mut words)?,
        remote_desired_min_tx: micros(&mut words)?,
        tx: micros(&mut words)?,
        rx: micros(&mut words)?,
    };
    words
        .next()
        .is_none()
        .then_some(((neighbor, source, multihop), saved))
}

fn number<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Option<T> {
    words.next()?.parse().ok()
}

fn micros(words: &mut SplitWhitespace<'_>) -> Option<Duration> {
    number::<u32>(words).map(|micros| Duration::from_micros(micros.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "192.0.2.2 - single 12 49152 34 3 300000 200000 100000 50000";

    #[test]
    fn a_text_is_believed_whole_or_not_at_all() {
        let text = format!("{MAGIC} 1\n{LINE}\n");
        let all = read(&text);
        let saved = &all[&("192.0.2.2".parse().unwrap(), None, false)];
        assert_eq!((saved.discriminator, saved.remote_discriminator), (12, 34));
        assert_eq!(
            (saved.tx, saved.rx),
            (Duration::from_millis(100), Duration::from_millis(50))
        );
        for cut in 0..text.len() {
            assert!(read(&text[..cut]).is_empty(), "{cut}");
        }
        for foreign in [
            "",
            "holdfast-vrrp 1 0\n",
            &format!("{MAGIC} 2\n{LINE}\n"),
            &format!("{MAGIC} 1\n{LINE} more\n"),
            &text.replace(" 12 ", " 0 "),
            &text.replace("single", "both"),
            &text.replace(" 3 ", " 300 "),
        ] {
            assert!(read(foreign).is_empty(), "{foreign}");
        }
    }
}
