//! Scripts on the real machine: judged, run, ended, and told of transitions. What needs another user needs root.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may, as the tests")]

mod fifos;
mod notifying;
mod preparing;
mod running;
mod stage;
