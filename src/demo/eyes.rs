//! What the lab has seen, told as rows of the chart.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::VIRTUAL;
use super::chart::{Bar, Lane, Row, Tone};
use crate::lab::{Advert, Frame, Host, Lab, Seen};

/// How far everything has been looked at, and the rows that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Eyes {
    frames: usize,
    changes: usize,
    /// By host and number of the log.
    lines: HashMap<(Arc<str>, usize), usize>,
    answers: Answers,
    rows: Vec<Row>,
}

/// The client's view.
#[derive(Debug, Default)]
struct Answers {
    last: Option<(SystemTime, Arc<str>)>,
    silent: bool,
    /// The longest time between two answers since it was last asked for.
    gap: Duration,
}

impl Eyes {
    /// Looks at everything that is new.
    pub(super) fn look(&mut self, lab: &Lab, nodes: &[&Host]) {
        for frame in lab.capture.since(self.frames) {
            self.frames += 1;
            self.frame(&frame);
        }
        for change in lab.address_changes.since(self.changes) {
            self.changes += 1;
            if change.address == VIRTUAL {
                let (text, tone, bar) = if change.present {
                    (format!("has {VIRTUAL}"), Tone::Good, Bar::Owner)
                } else {
                    (format!("{VIRTUAL} removed"), Tone::Plain, Bar::On)
                };
                self.row(change.at, &change.host, text, tone, Some(bar));
            }
        }
        for host in nodes {
            self.read_logs(host);
        }
        self.mind_the_silence();
    }

    /// Something that the play itself did to a node.
    pub(super) fn note(&mut self, at: SystemTime, host: &str, text: &str, tone: Tone, bar: Bar) {
        self.row(at, host, text.to_owned(), tone, Some(bar));
    }

    /// The rows up to `until`, in their order in time. What is younger waits for what is seen late but was earlier.
    pub(super) fn take(&mut self, until: SystemTime) -> Vec<Row> {
        self.rows.sort_by_key(|row| row.at);
        let due = self.rows.partition_point(|row| row.at <= until);
        let mut taken: Vec<(Row, usize)> = Vec::new();
        for row in self.rows.drain(..due) {
            let burst = taken
                .iter_mut()
                .rev()
                .find(|(first, _)| is_one_burst(first, &row));
            match burst {
                Some((_, times)) => *times += 1,
                None => taken.push((row, 1)),
            }
        }
        let tell = |(mut row, times): (Row, usize)| {
            if times > 1 {
                row.text = format!("{times} x {}", row.text);
            }
            row
        };
        taken.into_iter().map(tell).collect()
    }

    /// The longest time without an answer that the client has seen since the last call.
    pub(super) fn take_gap(&mut self) -> Duration {
        std::mem::take(&mut self.answers.gap)
    }

    fn frame(&mut self, frame: &Frame) {
        match &frame.seen {
            Seen::Advert(Advert { priority: 0, .. }) => {
                self.row(
                    frame.at,
                    &frame.host,
                    "advert, priority 0".to_owned(),
                    Tone::Bad,
                    None,
                );
            }
            Seen::Advert(Advert { priority, .. }) => {
                self.row(
                    frame.at,
                    &frame.host,
                    format!("advert, priority {priority}"),
                    Tone::Dim,
                    None,
                );
            }
            Seen::Gratuitous(VIRTUAL) => {
                self.row(
                    frame.at,
                    &frame.host,
                    "gratuitous ARP".to_owned(),
                    Tone::Dim,
                    None,
                );
            }
            Seen::EchoReply(VIRTUAL) => self.answered(frame),
            Seen::Gratuitous(_) | Seen::EchoReply(_) | Seen::Other => {}
        }
    }

    fn answered(&mut self, frame: &Frame) {
        let before = self.answers.last.replace((frame.at, Arc::clone(&frame.host)));
        let gap = before
            .as_ref()
            .map(|(last, _)| frame.at.duration_since(*last).unwrap_or_default());
        self.answers.gap = self.answers.gap.max(gap.unwrap_or_default());
        let same = before.is_some_and(|(_, host)| host == frame.host);
        if !same || self.answers.silent {
            let text = format!("answered by {}", frame.host);
            self.client(frame.at, text, Tone::Good);
        }
        self.answers.silent = false;
    }

    /// Says once that the pings are not answered any more.
    fn mind_the_silence(&mut self) {
        let Some((last, _)) = &self.answers.last else {
            return;
        };
        let noticed = *last + SILENCE;
        if !self.answers.silent && SystemTime::now() > noticed {
            self.answers.silent = true;
            self.client(noticed, "no answer".to_owned(), Tone::Bad);
        }
    }

    fn read_logs(&mut self, host: &Host) {
        for (number, log) in host.logs().iter().enumerate() {
            let known = self.lines.entry((Arc::clone(&host.name), number)).or_default();
            let lines = log.since(*known);
            *known += lines.len();
            for line in lines {
                if let Some(state) = state(line.message()) {
                    let tone = match state {
                        "MASTER" => Tone::Good,
                        "FAULT" => Tone::Bad,
                        _ => Tone::Plain,
                    };
                    self.row(line.at, &host.name, state.to_owned(), tone, None);
                }
            }
        }
    }

    fn row(&mut self, at: SystemTime, host: &str, text: String, tone: Tone, bar: Option<Bar>) {
        let lane = match host {
            "node1" => Lane::Node1,
            "node2" => Lane::Node2,
            _ => Lane::Client,
        };
        self.rows.push(Row {
            at,
            lane,
            text,
            tone,
            bar,
        });
    }

    fn client(&mut self, at: SystemTime, text: String, tone: Tone) {
        self.row(at, "client", text, tone, None);
    }
}

/// Without an answer for so long, a client that pings every 50 ms is in the dark.
const SILENCE: Duration = Duration::from_millis(250);

/// Whether the two are the same thing repeated in no time, as gratuitous ARPs are.
fn is_one_burst(first: &Row, later: &Row) -> bool {
    first.lane == later.lane && first.text == later.text && later.at < first.at + Duration::from_millis(20)
}

/// The state in `(VI_1) Entering MASTER STATE`.
fn state(message: &str) -> Option<&str> {
    let (_, after) = message.split_once(") Entering ")?;
    let (state, _) = after.split_once(" STATE")?;
    Some(state)
}
