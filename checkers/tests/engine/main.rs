//! The engine as a whole, on simulated time, opposite scripted servers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows them in tests; these are tests, their helpers too"
)]

mod chaos;
mod draining;
mod lab;
mod listening;
mod probes;
mod quorum;
mod reloading;
mod scheduling;
mod tables;
