//! The checker engine: probes as conversations, retries, quorum, weights. Pure: nothing here opens a socket or reads a
//! clock.
//!
//! So far only its door stands. No configuration names a virtual server yet, so the engine has nothing to watch.

use std::time::Instant;

use parser::Config;

/// Everything that can happen to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The daemon stops.
    Stop,
}

/// Every probe and virtual server of the process.
#[derive(Debug, Default)]
pub struct Engine {}

impl Engine {
    /// The checkers of a configuration.
    pub fn new(_config: &Config, _now: Instant) -> Self {
        Self {}
    }

    /// Something happened.
    pub fn handle(&mut self, event: &Event, _now: Instant) {
        match event {
            Event::Stop => {}
        }
    }

    /// When the engine must be called next; `None` while there is nothing to watch.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }
}
