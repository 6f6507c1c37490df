//! The engine as a whole, on simulated time: stories, the table of states and events, chaos with invariants.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in tests; these are tests, their helpers too"
)]

mod announcing;
mod chaos;
mod crowd;
mod faults;
mod fixture;
mod grouped;
mod lan;
mod packets;
mod reasons;
mod recording;
mod reloading;
mod resuming;
mod rivals;
mod scripts;
mod sealed;
mod sequences;
mod stories;
mod strict;
mod table;
mod trackers;
mod unicast;
