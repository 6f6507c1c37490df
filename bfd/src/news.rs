//! What is worth a log line, as values. The sentences are keepalived's where it has one.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::packet::{Diagnostic, State};
use crate::refusal::Refusal;

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// The session; empty if it concerns none.
    pub session: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// The session changed its state.
    Entered {
        /// The new state.
        state: State,
        /// Why our side last went down.
        local: Diagnostic,
        /// Why the neighbour's last did.
        remote: Diagnostic,
    },
    /// Nothing was heard for the detection time.
    Expired {
        /// The detection time.
        after: Duration,
        /// How much later this was seen.
        overdue: Duration,
    },
    /// The session of an earlier process goes on.
    Resumed,
    /// A packet was dropped.
    Refused {
        /// Its sender.
        from: IpAddr,
        /// Why.
        refusal: Refusal,
        /// How many there were for this reason.
        count: u64,
    },
}

impl News {
    /// Whether only who looks for details cares.
    pub fn is_detail(&self) -> bool {
        matches!(self.what, Happening::Refused { .. })
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.session.is_empty() {
            write!(f, "({}) ", self.session)?;
        }
        match &self.what {
            Happening::Entered {
                state: state @ (State::Down | State::AdminDown),
                local,
                remote,
            } => write!(
                f,
                "Entering {state} state (Local diagnostic - {local}, Remote diagnostic - {remote})"
            ),
            Happening::Entered { state, .. } => write!(f, "Entering {state} state"),
            Happening::Expired { after, overdue } => write!(
                f,
                "Expired after {} ms ({} usec overdue)",
                after.as_millis(),
                overdue.as_micros()
            ),
            Happening::Resumed => f.write_str("Going on in Up state"),
            Happening::Refused { from, refusal, count } => {
                write!(f, "Discarding packet from {from} ({refusal})")?;
                if *count > 1 {
                    write!(f, ", {count} so far")?;
                }
                Ok(())
            }
        }
    }
}
