//! Log lines: from `tracing` events to syslog, to stderr and to a file, as keepalived writes them.
//!
//! A line is the event's plain message. `tracing::info!` is an ordinary line, `warn!` and `error!` are worse ones,
//! `debug!` is detail that `-D` shows and `trace!` extra detail that a second `-D` shows. Nothing here makes a process
//! wait: what a destination cannot take at once is dropped, counted, and the count is told when it takes lines again.

mod file;
mod stderr;
mod syslog;

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::cli::Options;
use file::LogFile;
use stderr::Stderr;
use syslog::Syslog;

/// The crates whose events are log lines; of others only warnings are.
const OURS: [&str; 7] = ["holdfast", "parser", "vrrp", "bfd", "checkers", "ipvs", "netlink"];

/// Sends the events of this process, and the last words of a panic, to where `options` ask. `ident` names the process in syslog: `Keepalived`,
/// `Keepalived_vrrp`. Called once; later calls change nothing.
pub fn start(options: &Options, ident: &'static str) {
    let mut destinations: Vec<Box<dyn Destination>> = Vec::new();
    if !options.no_syslog {
        destinations.push(Box::new(Syslog::new(
            Path::new("/dev/log"),
            options.log_facility,
            ident,
        )));
    }
    if options.log_console && options.dont_fork {
        destinations.push(Box::new(Stderr::new()));
    }
    let mut trouble = None;
    if let Some(path) = &options.log_file {
        match LogFile::open(path, ident) {
            Ok(file) => destinations.push(Box::new(file)),
            Err(error) => trouble = Some(error),
        }
    }
    let level = match options.log_detail {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let layer = Lines {
        destinations: Mutex::new(destinations),
        level,
    };
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    // A second subscriber is refused, which leaves the first at work.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    if let Some(error) = trouble {
        tracing::warn!("{error}");
    }
}

/// Where lines go.
trait Destination: Send {
    /// Writes one line, which has no end-of-line and no control characters. Never waits.
    fn write(&mut self, level: Level, line: &str);
}

/// Lines that a destination could not take.
#[derive(Default)]
struct Lost(u64);

impl Lost {
    fn count(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// The line that tells how many, once.
    fn tell(&mut self) -> Option<String> {
        let count = std::mem::take(&mut self.0);
        (count > 0).then(|| format!("{count} log messages could not be written in time and are lost"))
    }
}

struct Lines {
    destinations: Mutex<Vec<Box<dyn Destination>>>,
    level: LevelFilter,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let crate_name = metadata.target().split("::").next().unwrap_or_default();
        let limit = if OURS.contains(&crate_name) {
            self.level
        } else {
            LevelFilter::WARN
        };
        metadata.is_event() && *metadata.level() <= limit
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        // A poisoned lock only means that another thread panicked while it wrote a line.
        let mut destinations = self
            .destinations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for line in text.message.lines().map(printable) {
            for destination in destinations.iter_mut() {
                destination.write(*event.metadata().level(), &line);
            }
        }
    }
}

/// The message of an event; its other fields are not for log lines.
#[derive(Default)]
struct Text {
    message: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        }
    }
}

/// Shows control characters instead of sending them to a terminal: a line may quote a script's output.
fn printable(line: &str) -> String {
    line.chars()
        .fold(String::with_capacity(line.len()), |mut shown, letter| {
            match letter {
                '\t' => shown.push('\t'),
                letter if letter.is_control() => shown.extend(letter.escape_default()),
                letter => shown.push(letter),
            }
            shown
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Destination for Kept {
        fn write(&mut self, level: Level, line: &str) {
            self.0.lock().unwrap().push(format!("{level} {line}"));
        }
    }

    fn lines_of(level: LevelFilter, events: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let layer = Lines {
            destinations: Mutex::new(vec![Box::new(kept.clone())]),
            level,
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let lines = kept.0.lock().unwrap();
        lines.clone()
    }

    fn some_events() {
        let name = "VI_1";
        tracing::info!("({name}) Entering MASTER STATE");
        tracing::debug!(count = 3, "detail");
        tracing::trace!("extra detail");
        tracing::info!(target: "tokio::runtime", "chatter of a library");
        tracing::warn!(target: "netlink_proto", "a library's warning");
    }

    #[test]
    fn detail_is_shown_as_asked() {
        let plain = ["INFO (VI_1) Entering MASTER STATE", "WARN a library's warning"];
        assert_eq!(lines_of(LevelFilter::INFO, some_events), plain);
        assert_eq!(lines_of(LevelFilter::DEBUG, some_events)[1], "DEBUG detail");
        assert_eq!(lines_of(LevelFilter::TRACE, some_events)[2], "TRACE extra detail");
    }

    #[test]
    fn a_script_s_output_cannot_forge_lines_or_steer_a_terminal() {
        let lines = lines_of(LevelFilter::INFO, || {
            tracing::info!("first\nsecond \x1b[2J\tend\r");
        });
        assert_eq!(lines, ["INFO first", "INFO second \\u{1b}[2J\tend\\r"]);
    }
}
