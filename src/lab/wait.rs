//! Waiting for a condition, never for a time.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// Something that was waited for did not come about.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("not so within {limit:?}: {what}\n{report}")]
pub struct NotYet {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub limit: Duration,
    /// The lab as it was then.
    pub report: String,
}

/// Text as it is, so that `unwrap` shows the report and not one long escaped line.
impl fmt::Debug for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Asks until the answer is yes, for at most `limit`; the answer is how long it took, or `None`.
pub fn wait_until(limit: Duration, mut condition: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    loop {
        if condition() {
            return Some(start.elapsed());
        }
        if start.elapsed() >= limit {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(3);
