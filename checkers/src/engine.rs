//! The engine: every virtual server, real server and checker of the process, driven by events and deadlines.
//!
//! It owns no socket, clock, file, thread or chance; the caller lends it bytes, `now` and a seed. What it hands out is
//! decided by what it was told and nothing else: the same events at the same instants give the same actions.

use std::sync::Arc;

use clockwork::Instant;
use parser::Config;

use crate::action::Action;
use crate::event::{Event, ServiceId};
use crate::table::{Marking, Table};

/// Every virtual server of the process.
///
/// The caller's part: right after [`Engine::new`] tell the host's addresses, the numbers of all tracked files and the
/// state of all BFD sessions; hand over what waits at the sockets before a timeout; ask [`Engine::next_action`] until
/// `None` after [`Engine::new`] and after every event, timeout and reload.
pub struct Engine {
    config: Arc<Config>,
}

impl Engine {
    /// The virtual servers of a configuration. `seed` is chance: it spreads the first checks.
    ///
    /// `saved` is what [`Engine::snapshot`] of a predecessor on this machine gave: its verdicts are adopted without a word
    /// to the outside, so that the kernel's table stays as it is. An empty or foreign text is a start from nothing.
    pub fn new(config: Arc<Config>, saved: &str, seed: u64, now: Instant) -> Self {
        let _ = (saved, seed, now);
        Self { config }
    }

    /// Something happened.
    pub fn handle(&mut self, event: Event<'_>, now: Instant) {
        let _ = (event, now);
    }

    /// [`Engine::next_deadline`] has come, or any time has passed. Afterwards the next deadline is later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Engine::handle_timeout`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do; ask until `None`.
    ///
    /// Whatever one call made of many checkers comes sorted: the table first, then conversations and script runs in
    /// their order, the log, the notices.
    pub fn next_action(&mut self) -> Option<Action> {
        None
    }

    /// A new configuration: what is unchanged keeps its state, its conversations and its entries in the kernel; what is
    /// gone leaves the table. Names ([`ServiceId`] and its kin) stay with what they name.
    pub fn reload(&mut self, config: Arc<Config>, now: Instant) {
        let _ = now;
        self.config = config;
    }

    /// The configured virtual servers, in the order of the configuration.
    pub fn services(&self) -> impl ExactSizeIterator<Item = ServiceId> {
        (0..u32::try_from(self.config.virtual_servers.len()).unwrap_or(u32::MAX))
            .map(ServiceId)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// What the kernel should have for a virtual server now; empty for one that was removed, and after
    /// [`Event::Stop`]. Whoever writes it remembers which keys it wrote for whom.
    pub fn table(&self, service: ServiceId) -> Table {
        let _ = service;
        Table::default()
    }

    /// With `nftables_ipvs`: what nftables is to mark. Changes only at [`Engine::new`] and [`Engine::reload`].
    pub fn markings(&self) -> Vec<Marking> {
        Vec::new()
    }

    /// The state that a successor needs to go on (versioned text).
    pub fn snapshot(&self) -> String {
        String::new()
    }
}
