//! The engine: every virtual router of the process, driven by events and deadlines.
//!
//! It owns no socket, clock, file, thread or chance; the caller lends it bytes and `now`.

use std::collections::VecDeque;

use parser::Config;
use parser::config::VirtualAddress;

use crate::action::Action;
use crate::event::{Event, InstanceId, LinkId};
use crate::time::Instant;

/// Every virtual router of the process.
pub struct Engine {
    actions: VecDeque<Action>,
}

/// An address that should be on a link now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned<'a> {
    /// The link.
    pub link: LinkId,
    /// The address line.
    pub address: &'a VirtualAddress,
}

impl Engine {
    /// Routers of a configuration, all in INIT: they wait for their links and for the first results of their scripts.
    ///
    /// `saved` is what [`Engine::snapshot`] of a predecessor on this machine gave: routers that were master go on as
    /// master. An empty or foreign text is a start from nothing.
    pub fn new(_config: &Config, _saved: &str, _now: Instant) -> Self {
        Self {
            actions: VecDeque::new(),
        }
    }

    /// Something happened.
    pub fn handle(&mut self, _event: Event<'_>, _now: Instant) {}

    /// [`Engine::next_deadline`] has come, or any time has passed.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// A new configuration: what is unchanged keeps state, timers and addresses; what is gone resigns.
    pub fn reload(&mut self, _config: &Config, _now: Instant) {}

    /// When [`Engine::handle_timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do; ask until `None` after every event and timeout.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The addresses that an instance should have on the kernel's links now; empty unless it is master.
    pub fn owned(&self, _instance: InstanceId) -> impl Iterator<Item = Owned<'_>> {
        std::iter::empty()
    }

    /// The state that a successor needs to go on (one line per instance; versioned text).
    pub fn snapshot(&self) -> String {
        String::new()
    }
}
