//! The BFD engine on simulated time: stories, what each packet does, and chaos with invariants.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may, as the tests")]

mod chaos;
mod net;
mod refusing;
mod reloading;
mod stories;
