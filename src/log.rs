//! Log lines: from `tracing` events to syslog, to stderr and to a file, as keepalived writes them or as JSON.
//!
//! A line is the event's plain message; its fields are shown in JSON only. `tracing::info!` is an ordinary line, `warn!` and `error!` are
//! worse ones, `debug!` is detail that `-D` shows and `trace!` extra detail that a second `-D` shows. Nothing here makes a process
//! wait before its end: lines for syslog wait for a slow daemon with a thread (`courier`); what a destination cannot take is dropped,
//! counted, and the count is told when it takes lines again. What is said over and over is counted and summed up (`flood`).

mod connection;
mod courier;
mod file;
mod flood;
mod stderr;
mod syslog;

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::child::Role;
use crate::cli::{Format, Options};
use crate::sys::{self, LocalTime};
use file::LogFile;
use flood::{Flood, Verdict};
use stderr::Stderr;
use syslog::Syslog;

/// The crates whose events are log lines; of others only warnings are.
const OURS: [&str; 7] = ["holdfast", "parser", "vrrp", "bfd", "checkers", "ipvs", "netlink"];

/// Whose lines are never summed up: what the supervisor says answers an order, or is paced by the back-off of its children.
const PACED: &str = "holdfast::supervisor";

/// A field that is not shown: of events with the same one only some are, however their messages differ.
const KIND: &str = "kind";

/// The lines of this process.
static OUTPUT: OnceLock<Mutex<Output>> = OnceLock::new();

/// Sends the events of this process, the supervisor or a child in this role, and the last words of a panic, to where `options` ask.
/// Called once; later calls change nothing.
pub fn start(options: &Options, role: Option<Role>) {
    let ident = role.map_or("Keepalived", Role::syslog_ident);
    let mut destinations: Vec<Box<dyn Destination>> = Vec::new();
    if !options.no_syslog {
        let syslog = Syslog::new(Path::new("/dev/log"), options.log_facility);
        destinations.push(Box::new(syslog));
    }
    if options.log_console && options.dont_fork {
        destinations.push(Box::new(Stderr::new(options.log_format)));
    }
    let mut trouble = None;
    if let Some(path) = &options.log_file {
        match LogFile::open(path, ident, options.log_format) {
            Ok(file) => destinations.push(Box::new(file)),
            Err(error) => trouble = Some(error),
        }
    }
    let level = match options.log_detail {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let process = role.map_or("supervisor", Role::word);
    let output = OUTPUT.get_or_init(|| Mutex::new(Output::new(destinations, ident, process)));
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        finish();
    }));
    // A second subscriber is refused, which leaves the first at work.
    let _ =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Lines { output, level }));
    if let Some(error) = trouble {
        tracing::warn!("{error}");
    }
}

/// Appends the network namespace and the instance to the name in syslog, as keepalived does, once they are known.
pub fn qualify(namespace: Option<&str>, instance: Option<&str>) {
    if let Some(output) = OUTPUT.get() {
        let output = &mut *lock(output);
        output.ident.clone_from(&output.plain_ident);
        for name in [namespace, instance].into_iter().flatten() {
            output.ident.push('_');
            output.ident.push_str(name);
        }
    }
}

/// Tells what was counted long enough; to be called now and then, since otherwise only the next line does it.
pub fn catch_up() {
    if let Some(output) = OUTPUT.get() {
        lock(output).catch_up(Instant::now(), false);
    }
}

/// Lets a thread carry lines from now on, so that none is lost when many come at once. Only where the process will fork no more.
pub fn carry() {
    if let Some(output) = OUTPUT.get() {
        for destination in &mut lock(output).destinations {
            destination.carry();
        }
    }
}

/// Tells all that was counted, and waits until what was said is written: the process ends.
pub fn finish() {
    if let Some(output) = OUTPUT.get() {
        let output = &mut *lock(output);
        output.catch_up(Instant::now(), true);
        for destination in &mut output.destinations {
            destination.finish();
        }
    }
}

/// Where lines go.
trait Destination: Send {
    /// Writes one line. Never waits.
    fn write(&mut self, line: &Line<'_>);

    /// The process may have threads from now on.
    fn carry(&mut self) {}

    /// Waits until all lines are written, or will not be.
    fn finish(&mut self) {}
}

/// One line.
struct Line<'a> {
    level: Level,
    /// Has no end-of-line and no control characters.
    message: &'a str,
    fields: &'a Map<String, Value>,
    time: LocalTime,
    /// The name in syslog.
    ident: &'a str,
    /// `supervisor`, or the role of a child.
    process: &'a str,
}

impl Line<'_> {
    /// The line as stderr or a file shows it, its end included; `time` begins a line of text.
    fn shown(&self, format: Format, time: impl fmt::Display) -> String {
        match format {
            Format::Text => format!("{time}: {}\n", self.message),
            Format::Json => self.json(SystemTime::now()),
        }
    }

    fn json(&self, now: SystemTime) -> String {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut object = json!({
            "time": sys::rfc3339(now),
            "level": self.level.as_str().to_ascii_lowercase(),
            "process": self.process,
            "pid": std::process::id(),
            "message": self.message,
        });
        if !self.fields.is_empty() {
            object["fields"] = self.fields.clone().into();
        }
        format!("{object}\n")
    }

    /// The same process says something of its own.
    fn instead<'l>(&'l self, message: &'l str) -> Line<'l> {
        Line { message, ..*self }
    }
}

/// Lines that a destination could not take.
#[derive(Default)]
struct Lost(u64);

impl Lost {
    fn count(&mut self) {
        self.count_all(1);
    }

    fn count_all(&mut self, lines: usize) {
        self.0 = self.0.saturating_add(lines as u64);
    }

    /// The line that tells how many, once.
    fn tell(&mut self) -> Option<String> {
        let count = std::mem::take(&mut self.0);
        (count > 0).then(|| format!("{count} log messages could not be written in time and are lost"))
    }
}

/// What the lines of a process go through.
struct Output {
    destinations: Vec<Box<dyn Destination>>,
    flood: Flood,
    plain_ident: String,
    ident: String,
    process: &'static str,
    clock: Clock,
}

/// The time of day, read now and then: of ten thousand lines at once not each asks the kernel for two times.
struct Clock {
    read: Instant,
    /// What was read then, since 1970 UTC.
    time: Duration,
}

impl Clock {
    /// How long a reading counts.
    const COUNTS: Duration = Duration::from_millis(100);

    fn read(now: Instant) -> Self {
        Self {
            read: now,
            time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    fn time(&mut self, now: Instant) -> LocalTime {
        if now.duration_since(self.read) >= Self::COUNTS {
            *self = Self::read(now);
        }
        let time = self.time + now.duration_since(self.read);
        LocalTime::at(time.as_secs(), time.subsec_nanos())
    }
}

impl Output {
    fn new(destinations: Vec<Box<dyn Destination>>, ident: &str, process: &'static str) -> Self {
        Self {
            destinations,
            flood: Flood::default(),
            plain_ident: ident.to_owned(),
            ident: ident.to_owned(),
            process,
            clock: Clock::read(Instant::now()),
        }
    }

    fn take(&mut self, level: Level, text: &Text, is_paced: bool, now: Instant) {
        self.catch_up(now, false);
        let key = text.kind.as_deref().unwrap_or(&text.message);
        if !is_paced
            && level <= Level::INFO
            && self.flood.judge(level, key, &text.message, now) == Verdict::Hold
        {
            return;
        }
        for message in text.message.lines().map(printable) {
            self.write(level, &message, &text.fields, now);
        }
    }

    fn catch_up(&mut self, now: Instant, all: bool) {
        for held in self.flood.release(now, all) {
            let message = held.message.lines().map(printable).next().unwrap_or_default();
            let (count, seconds) = (held.count, held.during.max(Duration::from_secs(1)).as_secs());
            let message = format!("{message} - {count} more like this in {seconds} s");
            let fields = Map::from_iter([("repeated".to_owned(), Value::from(count))]);
            self.write(held.level, &message, &fields, now);
        }
    }

    fn write(&mut self, level: Level, message: &str, fields: &Map<String, Value>, now: Instant) {
        let line = Line {
            level,
            message,
            fields,
            time: self.clock.time(now),
            ident: &self.ident,
            process: self.process,
        };
        for destination in &mut self.destinations {
            destination.write(&line);
        }
    }
}

/// A poisoned lock only means that another thread panicked while it wrote a line.
fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Lines<'o> {
    output: &'o Mutex<Output>,
    level: LevelFilter,
}

impl<S: Subscriber> Layer<S> for Lines<'static> {
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
        let metadata = event.metadata();
        let is_paced = metadata.target().starts_with(PACED);
        lock(self.output).take(*metadata.level(), &text, is_paced, Instant::now());
    }
}

/// What an event says.
#[derive(Default)]
struct Text {
    message: String,
    fields: Map<String, Value>,
    /// The field [`KIND`].
    kind: Option<String>,
}

impl Text {
    fn note(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            (KIND, Value::String(kind)) => self.kind = Some(kind),
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.note(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value.into());
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

    /// A line of the process called `Keepalived`.
    pub(super) fn with_line(level: Level, message: &str, see: impl FnOnce(&Line<'_>)) {
        let fields = Map::from_iter([("instance".to_owned(), "VI_1".into())]);
        see(&Line {
            level,
            message,
            fields: &fields,
            time: sys::local_time(),
            ident: "Keepalived",
            process: "supervisor",
        });
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Destination for Kept {
        fn write(&mut self, line: &Line<'_>) {
            let json = line.json(SystemTime::now());
            let fields = serde_json::from_str::<Value>(&json).unwrap()["fields"].to_string();
            self.0
                .lock()
                .unwrap()
                .push(format!("{} {} {fields}", line.level, line.message));
        }
    }

    fn lines_of(level: LevelFilter, events: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        let output = Output::new(vec![Box::new(kept.clone())], "Keepalived", "supervisor");
        let output = Box::leak(Box::new(Mutex::new(output)));
        let layer = Lines { output, level };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let lines = kept.0.lock().unwrap();
        lines.clone()
    }

    fn some_events() {
        let name = "VI_1";
        tracing::info!("({name}) Entering MASTER STATE");
        tracing::debug!(count = 3, instance = name, "detail");
        tracing::trace!("extra detail");
        tracing::info!(target: "tokio::runtime", "chatter of a library");
        tracing::warn!(target: "netlink_proto", "a library's warning");
    }

    #[test]
    fn detail_is_shown_as_asked() {
        let plain = [
            "INFO (VI_1) Entering MASTER STATE null",
            "WARN a library's warning null",
        ];
        assert_eq!(lines_of(LevelFilter::INFO, some_events), plain);
        assert_eq!(
            lines_of(LevelFilter::DEBUG, some_events)[1],
            "DEBUG detail {\"count\":3,\"instance\":\"VI_1\"}"
        );
        assert_eq!(
            lines_of(LevelFilter::TRACE, some_events)[2],
            "TRACE extra detail null"
        );
    }

    #[test]
    fn a_script_s_output_cannot_forge_lines_or_steer_a_terminal() {
        let lines = lines_of(LevelFilter::INFO, || {
            tracing::info!("first\nsecond \x1b[2J\tend\r");
        });
        assert_eq!(lines, ["INFO first null", "INFO second \\u{1b}[2J\tend\\r null"]);
    }

    #[test]
    fn what_is_said_over_and_over_is_counted_but_not_the_supervisor_s_answers() {
        let lines = lines_of(LevelFilter::DEBUG, || {
            for round in 0..1000 {
                tracing::warn!("it does not work");
                tracing::warn!(kind = "script", "script says {round}");
                tracing::info!(target: "holdfast::supervisor::running", "Reload complete");
                tracing::debug!("detail was asked for");
            }
        });
        let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
        assert_eq!(count("it does not work"), 10);
        assert_eq!(count("script says"), 10);
        assert_eq!((count("Reload complete"), count("detail")), (1000, 1000));
    }

    #[test]
    fn a_json_line_is_one_object() {
        with_line(Level::WARN, "a \"quoted\" \\u{1b} word", |line| {
            let json = line.json(UNIX_EPOCH + Duration::new(1_795_358_719, 42_000));
            assert_eq!(json.lines().count(), 1);
            let object: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(
                object,
                json!({
                    "time": "2026-11-22T14:45:19.000042Z",
                    "level": "warn",
                    "process": "supervisor",
                    "pid": std::process::id(),
                    "message": "a \"quoted\" \\u{1b} word",
                    "fields": {"instance": "VI_1"},
                })
            );
        });
    }
}
