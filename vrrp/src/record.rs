//! A recording: what the engine was fed, one line of text for each step, to be fed to it again. A bug report becomes a
//! test by moving a file.
//!
//! ```text
//! 12.000000000 link 2 eth0 up 0200000000aa 10.0.0.1 fe80::1 1500 10.0.0.1,fe80::1 multicast
//! 12.500000000 packet 2 10.0.0.2 224.0.0.18 255 45c0002c... 21336401...
//! 12.500000000 clock 1700000000.000000000
//! 12.600000000 timeout
//! ```

use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::event::{Event, FileId, InstanceId, Link, LinkId, Packet, ProcessId, ScriptId, ScriptOutcome};
use crate::text;
use crate::time::Instant;

/// What an engine is fed, but for its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A call of [`crate::Engine::handle`].
    Event(Event<'a>),
    /// A call of [`crate::Engine::handle_timeout`].
    Timeout,
}

/// A line that no recorder wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "this is no line of a recording: it must be SECONDS.NANOSECONDS, a word for what happened, and its values"
)]
pub struct NotRecorded;

/// One line, without its line feed.
pub fn write(step: &Step<'_>, now: Instant) -> String {
    let mut line = format!("{now} ");
    let _ = write_step(step, &mut line);
    line
}

/// Reads a line back. The bytes of a packet or a name are put into `buffer`, which the step borrows.
pub fn read<'a>(line: &str, buffer: &'a mut Vec<u8>) -> Result<(Instant, Step<'a>), NotRecorded> {
    try_read(line, buffer).ok_or(NotRecorded)
}

fn write_step(step: &Step<'_>, to: &mut String) -> fmt::Result {
    match step {
        Step::Timeout => to.write_str("timeout"),
        Step::Event(Event::Packet(packet)) => {
            let Packet {
                link,
                source,
                destination,
                hop_limit,
                ip_header,
                payload,
            } = packet;
            to.write_str("packet")?;
            write_option(link.map(|link| link.0), to)?;
            write!(to, " {source} {destination} {hop_limit} ")?;
            write_hex(ip_header, to)?;
            to.write_char(' ')?;
            write_hex(payload, to)
        }
        Step::Event(Event::Link(link)) => {
            let running = up_or_down(link.running);
            write!(to, "link {} {} {running} ", link.id.0, text::escape(&link.name))?;
            write_hex(&link.hardware_address, to)?;
            write_option(link.ipv4, to)?;
            write_option(link.ipv6_link_local, to)?;
            write!(to, " {} ", link.mtu)?;
            write_list(&link.addresses, to)?;
            to.write_str(if link.multicast { " multicast" } else { "" })
        }
        Step::Event(Event::LinkGone(id)) => write!(to, "link-gone {}", id.0),
        Step::Event(Event::ScriptEnded { script, outcome }) => {
            write!(to, "script {} ", script.0)?;
            match outcome {
                ScriptOutcome::Exited(status) => write!(to, "exited {status}"),
                ScriptOutcome::Signalled(signal) => write!(to, "signalled {signal}"),
                ScriptOutcome::TimedOut => to.write_str("timed-out"),
                ScriptOutcome::NotStarted(errno) => write!(to, "not-started {errno}"),
            }
        }
        Step::Event(Event::File { file, value }) => write!(to, "file {} {value}", file.0),
        Step::Event(Event::Processes { process, count }) => write!(to, "processes {} {count}", process.0),
        Step::Event(Event::Bfd { session, up }) => {
            write!(to, "bfd {} {}", text::escape(session), up_or_down(*up))
        }
        Step::Event(Event::Clock(utc)) => write!(to, "clock {}.{:09}", utc.as_secs(), utc.subsec_nanos()),
        Step::Event(Event::Missing { instance, items }) => {
            write!(to, "missing {}", instance.0)?;
            items
                .iter()
                .try_for_each(|item| write!(to, " {}", text::escape(item)))
        }
        Step::Event(Event::Lost { instance }) => write!(to, "lost {}", instance.0),
        Step::Event(Event::Stop) => to.write_str("stop"),
    }
}

fn up_or_down(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

/// No bytes are a dash, so that the line keeps its words.
fn write_hex(bytes: &[u8], to: &mut String) -> fmt::Result {
    if bytes.is_empty() {
        return to.write_char('-');
    }
    bytes.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
}

/// No address is a dash.
fn write_list(addresses: &[IpAddr], to: &mut String) -> fmt::Result {
    if addresses.is_empty() {
        return to.write_char('-');
    }
    let words: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    to.write_str(&words.join(","))
}

fn write_option(value: Option<impl fmt::Display>, to: &mut String) -> fmt::Result {
    match value {
        Some(value) => write!(to, " {value}"),
        None => to.write_str(" -"),
    }
}

fn try_read<'a>(recorded: &str, buffer: &'a mut Vec<u8>) -> Option<(Instant, Step<'a>)> {
    let mut words = recorded.split(' ');
    let at = read_instant(words.next()?)?;
    let words: Vec<&str> = words.collect();
    let event = match *words {
        ["timeout"] => return Some((at, Step::Timeout)),
        ["stop"] => Event::Stop,
        ["lost", instance] => Event::Lost {
            instance: InstanceId(instance.parse().ok()?),
        },
        ["missing", instance, ref items @ ..] => Event::Missing {
            instance: InstanceId(instance.parse().ok()?),
            items: items
                .iter()
                .map(|item| text::unescape(item))
                .collect::<Option<_>>()?,
        },
        ["link-gone", id] => Event::LinkGone(LinkId(id.parse().ok()?)),
        ["clock", utc] => Event::Clock(Duration::from_nanos(read_instant(utc)?.nanos)),
        ["packet", link, source, destination, hop_limit, ip_header, payload] => {
            *buffer = read_hex(ip_header)?;
            let header_len = buffer.len();
            buffer.extend(read_hex(payload)?);
            let (ip_header, payload) = buffer.split_at(header_len);
            Event::Packet(Packet {
                link: read_option(link).ok()?.map(LinkId),
                source: source.parse().ok()?,
                destination: destination.parse().ok()?,
                hop_limit: hop_limit.parse().ok()?,
                ip_header,
                payload,
            })
        }
        [
            "link",
            id,
            name,
            running,
            hardware,
            ipv4,
            ipv6,
            mtu,
            addresses,
            ref more @ ..,
        ] => Event::Link(Link {
            id: LinkId(id.parse().ok()?),
            name: text::unescape(name)?,
            running: read_up(running)?,
            hardware_address: read_hex(hardware)?,
            ipv4: read_option(ipv4).ok()?,
            ipv6_link_local: read_option(ipv6).ok()?,
            mtu: mtu.parse().ok()?,
            addresses: match addresses {
                "-" => Vec::new(),
                list => list.split(',').map(str::parse).collect::<Result<_, _>>().ok()?,
            },
            multicast: match *more {
                ["multicast"] => true,
                [] => false,
                _ => return None,
            },
        }),
        ["file", file, value] => Event::File {
            file: FileId(file.parse().ok()?),
            value: value.parse().ok()?,
        },
        ["processes", process, count] => Event::Processes {
            process: ProcessId(process.parse().ok()?),
            count: count.parse().ok()?,
        },
        ["bfd", session, state] => {
            *buffer = text::unescape(session)?.into_bytes();
            Event::Bfd {
                session: std::str::from_utf8(buffer).ok()?,
                up: read_up(state)?,
            }
        }
        ["script", script, ref outcome @ ..] => Event::ScriptEnded {
            script: ScriptId(script.parse().ok()?),
            outcome: match *outcome {
                ["exited", status] => ScriptOutcome::Exited(status.parse().ok()?),
                ["signalled", signal] => ScriptOutcome::Signalled(signal.parse().ok()?),
                ["timed-out"] => ScriptOutcome::TimedOut,
                ["not-started", errno] => ScriptOutcome::NotStarted(errno.parse().ok()?),
                _ => return None,
            },
        },
        _ => return None,
    };
    Some((at, Step::Event(event)))
}

fn read_up(word: &str) -> Option<bool> {
    match word {
        "up" => Some(true),
        "down" => Some(false),
        _ => None,
    }
}

fn read_instant(word: &str) -> Option<Instant> {
    let (seconds, nanos) = word.split_once('.').filter(|(_, nanos)| nanos.len() == 9)?;
    let seconds: u64 = seconds.parse().ok()?;
    Some(Instant {
        nanos: seconds
            .checked_mul(1_000_000_000)?
            .checked_add(nanos.parse().ok()?)?,
    })
}

fn read_hex(word: &str) -> Option<Vec<u8>> {
    match word {
        "-" => Some(Vec::new()),
        digits => text::hex(digits.as_bytes()),
    }
}

fn read_option<T: FromStr>(word: &str) -> Result<Option<T>, T::Err> {
    match word {
        "-" => Ok(None),
        value => value.parse().map(Some),
    }
}
