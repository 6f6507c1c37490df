//! Answers that wait: for what the children say of themselves, for a reload to be in force.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::control::VERSION;
use crate::control::server::epoch;
use crate::supervisor::configuration::{Judgement, Unusable, Usable};
use crate::supervisor::running::Phase;
use crate::supervisor::slot::Slot;

/// How long the children have to say how they stand.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asking the children for their status. Who asks while they are being asked gets the answer of the next round.
#[derive(Debug, Default)]
pub(super) struct Round {
    asking: Vec<oneshot::Sender<Value>>,
    next: Vec<oneshot::Sender<Value>>,
    /// By slot: whether its answer is awaited, and what it was.
    parts: Vec<(bool, Option<String>)>,
    give_up_at: Option<Instant>,
}

impl Round {
    /// Somebody asks. Answers whether the children must be asked now.
    pub(super) fn join(
        &mut self,
        reply: oneshot::Sender<Value>,
        running: impl Iterator<Item = bool>,
        now: Instant,
    ) -> bool {
        if self.give_up_at.is_some() {
            self.next.push(reply);
            return false;
        }
        self.asking.push(reply);
        self.parts = running.map(|running| (running, None)).collect();
        self.give_up_at = Some(now + PATIENCE);
        true
    }

    /// A child says how it stands.
    pub(super) fn answered(&mut self, index: usize, status: Option<String>) {
        if let Some(part) = self.parts.get_mut(index) {
            *part = (false, status);
        }
    }

    /// When to go on without those who are silent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.give_up_at
    }

    /// Answers those who wait, if everyone has spoken or the time is over. Answers whether the children must be asked
    /// again, for those who came meanwhile.
    pub(super) fn finish(&mut self, now: Instant, slots: &[Slot], phase: &Phase) -> bool {
        let Some(give_up_at) = self.give_up_at else {
            return false;
        };
        let awaited = |index: usize, awaited: bool| awaited && slots[index].pid.is_some();
        let speaking = (self.parts.iter().enumerate()).any(|(index, part)| awaited(index, part.0));
        if speaking && now < give_up_at {
            return false;
        }
        let answer = self.answer(slots, phase);
        for reply in self.asking.drain(..) {
            // Whoever asked may have gone away.
            let _ = reply.send(answer.clone());
        }
        self.asking = std::mem::take(&mut self.next);
        self.give_up_at = (!self.asking.is_empty()).then_some(now + PATIENCE);
        self.parts = slots.iter().map(|slot| (slot.pid.is_some(), None)).collect();
        self.give_up_at.is_some()
    }

    fn answer(&self, slots: &[Slot], phase: &Phase) -> Value {
        let mut object = Map::new();
        let phase = match phase {
            Phase::Changing { .. } => "changing",
            Phase::Settled => "settled",
            Phase::Stopping { .. } => "stopping",
        };
        let processes: Vec<Value> = slots
            .iter()
            .filter_map(|slot| Some(json!({"role": slot.role.word(), "pid": slot.pid?.as_raw()})))
            .collect();
        object.insert("version".to_owned(), VERSION.into());
        object.insert("reply".to_owned(), "status".into());
        object.insert("holdfast".to_owned(), env!("CARGO_PKG_VERSION").into());
        object.insert("time".to_owned(), epoch().into());
        object.insert("pid".to_owned(), std::process::id().into());
        object.insert("phase".to_owned(), phase.into());
        object.insert("processes".to_owned(), processes.into());
        for (slot, (awaited, part)) in slots.iter().zip(&self.parts) {
            let part = match part {
                Some(text) => serde_json::from_str(text).unwrap_or(Value::Null),
                None if *awaited => json!({"error": "the process did not answer in time"}),
                None => Value::Null,
            };
            object.insert(slot.role.word().to_owned(), part);
        }
        object.into()
    }
}

/// Those who asked for a reload.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    waiting: Vec<oneshot::Sender<Value>>,
    under_way: Vec<oneshot::Sender<Value>>,
}

impl Reloads {
    /// Somebody asks for one.
    pub(super) fn wait(&mut self, reply: oneshot::Sender<Value>) {
        self.waiting.push(reply);
    }

    /// The files are being read: what those who wait asked for.
    pub(super) fn begun(&mut self) {
        self.under_way.append(&mut self.waiting);
    }

    /// Everything is in force.
    pub(super) fn settled(&mut self, configuration: &Usable) {
        let mistakes = configuration.mistakes();
        self.answer(&json!({"version": VERSION, "reply": "reload", "mistakes": mistakes}));
    }

    /// The files cannot be used.
    pub(super) fn refused(&mut self, refusal: &Unusable, judgement: Judgement) {
        self.answer(&judgement.refused(refusal));
    }

    fn answer(&mut self, answer: &Value) {
        for reply in self.under_way.drain(..) {
            // Whoever asked may have gone away.
            let _ = reply.send(answer.clone());
        }
    }
}
