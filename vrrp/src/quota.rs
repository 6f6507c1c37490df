//! How much one instance may say about the packets that it hears: a storm of them must not become a storm of lines.

use std::time::Duration;

use crate::time::Instant;

/// Lines in a window; a rival, a flood, a broken neighbour still shows itself within the first.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// A window of time with a number of lines left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quota {
    window_ends: Instant,
    said: u32,
    /// Lines that were not said since the last that was.
    pub(crate) swallowed: u64,
}

impl Quota {
    /// Whether one more line may be said now.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        if now >= self.window_ends {
            self.window_ends = now + WINDOW;
            self.said = 0;
        }
        if self.said < LINES {
            self.said += 1;
            true
        } else {
            self.swallowed += 1;
            false
        }
    }
}
