//! One checker: when it runs, how many failures it endures, what it believes of its real server.
//!
//! What is said and sent is the probe's; what follows for the real server is the engine's.

use std::time::Duration;

use clockwork::Instant;
use parser::config::pace::Timing;

use crate::event::{CheckerId, ConversationId, ServerId};
use crate::probe::Talk;

/// A checker with its results.
#[derive(Debug)]
pub(crate) struct Checker {
    pub(crate) id: CheckerId,
    pub(crate) server: ServerId,
    /// Its place among the checkers of the real server.
    pub(crate) at: u32,
    /// It is configured; otherwise its number waits for another.
    pub(crate) present: bool,
    /// What it believes.
    pub(crate) up: bool,
    /// It has come to a result; before, one failure is enough.
    pub(crate) has_run: bool,
    /// Failures in a row that were endured.
    pub(crate) failures: u32,
    /// What it adds to the weight.
    pub(crate) contribution: i64,
    /// `MISC_CHECK`: when the last run that ended had begun, and the exit status of the last that exited.
    pub(crate) last_run: Option<Box<(Instant, u8)>>,
    /// `HTTP_GET`: the url that is next, and whether it is the one that took the checker down.
    pub(crate) url: u16,
    pub(crate) url_failed: bool,
    /// The number of its last conversation.
    pub(crate) turn: u32,
    pub(crate) phase: Phase,
}

/// What a checker does now. Each phase holds its own deadlines.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Nothing: it is suspended, or waits for events.
    Idle,
    /// Waits for its next run.
    Waiting(Instant),
    /// Talks to the real server.
    Talking {
        talk: Talk,
        /// The way is open.
        opened: bool,
        /// The step must be over by then.
        step_by: Instant,
        /// The whole conversation must be over by then.
        end_by: Instant,
    },
    /// A script runs; the shell watches its time.
    Running {
        /// Since then.
        since: Instant,
    },
}

/// What a result amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As before, and that was said.
    Nothing,
    /// It is up, and that is worth a line.
    Up,
    /// It failed, and that is endured or was known: so many failures in a row.
    Endured(u32),
    /// It is down, and that is worth a line; so many failures were endured, `None` in the first run.
    Down(Option<u32>),
}

impl Checker {
    pub(crate) fn new(id: CheckerId, server: ServerId, at: u32, up: bool) -> Self {
        Self {
            id,
            server,
            at,
            present: true,
            up,
            has_run: false,
            failures: 0,
            contribution: 0,
            last_run: None,
            url: 0,
            url_failed: false,
            turn: 0,
            phase: Phase::Idle,
        }
    }

    /// When it must be looked at next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle | Phase::Running { .. } => None,
            Phase::Waiting(at) => Some(*at),
            Phase::Talking { step_by, end_by, .. } => Some(*step_by.min(end_by)),
        }
    }

    /// The conversation or run that it is in.
    pub(crate) fn conversation(&self) -> Option<ConversationId> {
        match self.phase {
            Phase::Idle | Phase::Waiting(_) => None,
            Phase::Talking { .. } | Phase::Running { .. } => Some(ConversationId {
                checker: self.id,
                turn: self.turn,
            }),
        }
    }

    /// A new name for the next conversation.
    pub(crate) fn next_conversation(&mut self) -> ConversationId {
        self.turn = self.turn.wrapping_add(1);
        ConversationId {
            checker: self.id,
            turn: self.turn,
        }
    }

    /// The check succeeded.
    pub(crate) fn succeed(&mut self) -> Outcome {
        self.failures = 0;
        let said = self.up && self.has_run;
        self.up = true;
        self.has_run = true;
        if said { Outcome::Nothing } else { Outcome::Up }
    }

    /// The check failed. Before the first result one failure is enough, as in keepalived.
    pub(crate) fn fail(&mut self, retry: u32) -> Outcome {
        let first = !self.has_run;
        self.has_run = true;
        if !first && (!self.up || self.failures < retry) {
            self.failures = self.failures.saturating_add(u32::from(self.up));
            return Outcome::Endured(self.failures);
        }
        self.up = false;
        let endured = std::mem::take(&mut self.failures);
        Outcome::Down((!first).then_some(endured))
    }
}

/// How long a conversation may take in all, whatever comes. keepalived has no such limit.
pub(crate) fn conversation_limit(timing: &Timing) -> Duration {
    timing.connect_timeout.saturating_mul(6).max(timing.delay_loop)
}
