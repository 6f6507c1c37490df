//! A tracked script: when it runs, and what its results amount to (rise, fall, `init_fail`).
//!
//! Nothing here starts a process; the shell does, and says how the run ended.

use std::sync::Arc;
use std::time::Duration;

use parser::config::VrrpScript;

use crate::event::{ScriptId, ScriptOutcome};
use crate::news::{Happening, News};
use crate::outbox::Outbox;
use crate::state::next_in_series;
use crate::time::Instant;

/// What a script is believed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// No run has ended yet.
    Unknown,
    /// Good.
    Good,
    /// Bad.
    Bad,
}

/// A `vrrp_script` with its results.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its index.
    pub id: ScriptId,
    /// Its name.
    pub name: Arc<str>,
    /// Its configuration.
    pub config: VrrpScript,
    /// Good, bad, or not known yet.
    pub health: Health,
    /// keepalived's result counter: 0 to rise + fall - 1, good from `rise` on.
    pub result: u64,
    /// How the last run ended.
    pub last_outcome: Option<ScriptOutcome>,
    /// A run has been asked for and has not ended.
    pub running: bool,
    /// The next start; `None` while nobody tracks the script.
    pub(crate) run_at: Option<Instant>,
    /// The last start that was due was skipped, because a run had not ended.
    skipped: bool,
    /// That has been said, and not a single interval was kept since.
    skip_told: bool,
}

impl Script {
    pub(crate) fn new(id: ScriptId, config: &VrrpScript) -> Self {
        let rise = u64::from(config.rise.max(1));
        Self {
            id,
            name: config.name.as_str().into(),
            health: if config.init_fail {
                Health::Bad
            } else {
                Health::Unknown
            },
            // A single success brings it up; with `init_fail` it takes `rise` of them.
            result: if config.init_fail { 0 } else { rise - 1 },
            config: config.clone(),
            last_outcome: None,
            running: false,
            run_at: None,
            skipped: false,
            skip_told: false,
        }
    }

    /// Goes on with what was known under an earlier configuration. Runs that were in progress count as ended without
    /// a result: the shell ends them on reload.
    pub(crate) fn adopt(&mut self, old: &Self, now: Instant, out: &mut Outbox) {
        self.health = old.health;
        self.result = match old.health {
            _ if (old.config.rise, old.config.fall) == (self.config.rise, self.config.fall) => old.result,
            Health::Unknown => self.rise() - 1,
            Health::Good => self.best(),
            Health::Bad => 0,
        };
        self.last_outcome = old.last_outcome;
        self.skip_told = old.skip_told;
        self.skipped = old.skipped;
        self.run_at = if old.running || old.config.script != self.config.script {
            Some(now)
        } else {
            old.run_at.map(|at| at.min(now + self.interval()))
        };
        if self.health == Health::Bad {
            self.tell(Happening::ScriptBadOnReload, out);
        }
    }

    /// Goes on with what a predecessor process knew.
    pub(crate) fn restore(&mut self, health: Health, result: u64) {
        self.health = health;
        self.result = result.min(self.best());
    }

    /// The next start is due.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Outbox) {
        let Some(due) = self.run_at.filter(|at| *at <= now) else {
            return;
        };
        self.run_at = Some(next_in_series(due, self.interval(), now));
        // A script that hangs is late every other time: said once, until it keeps its interval again.
        self.skip_told &= self.skipped || self.running;
        self.skipped = self.running;
        if !self.running {
            self.running = true;
            out.run(self.id);
        } else if !self.skip_told {
            self.skip_told = true;
            self.tell(Happening::ScriptSkipped, out);
        }
    }

    /// A run ended. Answers whether the script's health changed. An end without a run is none of ours.
    pub(crate) fn end(&mut self, outcome: ScriptOutcome, out: &mut Outbox) -> bool {
        if !self.running {
            return false;
        }
        self.running = false;
        if let ScriptOutcome::Exited(status) = outcome
            && status != last_status(self.last_outcome)
        {
            self.tell(Happening::ScriptReturning(status), out);
        }
        self.last_outcome = Some(outcome);
        let before = self.health;
        if outcome == ScriptOutcome::Exited(0) {
            self.succeed();
        } else {
            self.fail();
        }
        if self.health == before {
            return false;
        }
        let what = if self.health == Health::Good {
            Happening::ScriptSucceeded
        } else {
            Happening::ScriptFailed(outcome)
        };
        self.tell(what, out);
        true
    }

    fn succeed(&mut self) {
        if self.result + 1 < self.rise() {
            self.result += 1;
        } else {
            self.result = self.best();
            self.health = Health::Good;
        }
    }

    fn fail(&mut self) {
        if self.result > self.rise() {
            self.result -= 1;
        } else {
            self.result = 0;
            self.health = Health::Bad;
        }
    }

    fn rise(&self) -> u64 {
        self.config.rise.max(1).into()
    }

    fn best(&self) -> u64 {
        self.rise() + u64::from(self.config.fall.max(1)) - 1
    }

    /// Never zero, which would be a busy loop.
    fn interval(&self) -> Duration {
        self.config.interval.max(Duration::from_millis(1))
    }

    fn tell(&self, what: Happening, out: &mut Outbox) {
        out.tell(News {
            subject: Arc::clone(&self.name),
            what,
        });
    }
}

/// The exit status before; a script that has not exited yet counts as 0, as with keepalived.
fn last_status(outcome: Option<ScriptOutcome>) -> u8 {
    match outcome {
        Some(ScriptOutcome::Exited(status)) => status,
        Some(ScriptOutcome::Signalled(_) | ScriptOutcome::TimedOut | ScriptOutcome::NotStarted(_)) | None => {
            0
        }
    }
}
