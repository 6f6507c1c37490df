//! What is known of the BFD sessions. It outlives the BFD process: while none runs its sessions are unknown, and those who
//! follow them keep to what was said last, as the death of a process of ours is no news of the network. Absent: the
//! sessions themselves.

use std::collections::BTreeMap;

use parser::config::BfdInstance;

use crate::message::BfdReport;

/// The last known state of each session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    up: BTreeMap<String, bool>,
}

impl Sessions {
    /// Keeps what is reported.
    pub(super) fn heard(&mut self, report: &BfdReport) {
        self.up.insert(report.session.clone(), report.up);
    }

    /// Forgets what is no longer configured: under the same name there may be another session one day.
    pub(super) fn retain(&mut self, configured: &[BfdInstance]) {
        self.up
            .retain(|name, _| configured.iter().any(|session| session.name == *name));
    }

    /// What someone who knows nothing must be told.
    pub(super) fn reports(&self) -> impl Iterator<Item = BfdReport> {
        self.up.iter().map(|(session, up)| BfdReport {
            session: session.clone(),
            up: *up,
        })
    }
}
