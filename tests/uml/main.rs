//! Stories on a kernel that has what the machine's own may lack: IPVS, ipvlan, VRF, MPLS. Debian's User-Mode Linux is booted
//! once for all chosen stories, with the machine's files (read-only) as its root; each story is a process in a
//! network namespace of its own, and is reported by itself when it has ended. Sociable ones, which mostly wait, are played
//! some at a time.
//!
//! This program has three lives: outside it boots the machine and reports ([`outside`]); as the machine's first process it
//! plays the stories ([`inside`]); and it is each story.
//!
//! To add a story, write a function without arguments that panics when it fails, in a file of `stories/`, and name it in
//! that file's `stories!`. What it prints is shown when it fails, and with `--nocapture`. Arguments choose stories as
//! those of other tests do: `cargo test --test uml -- timeouts`.
//!
//! It is one slow CPU: figures from here are good for comparisons in one run, for nothing else.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests may, as the tests"
)]

mod inside;
mod outside;
mod stories;

use std::process::ExitCode;

/// A story: it fails by panicking.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) play: fn(),
    /// It may be played beside others: all it starts is in hosts of a lab, and it mostly waits.
    pub(crate) sociable: bool,
}

fn main() -> ExitCode {
    if std::process::id() == 1 {
        inside::first_process()
    } else if let Ok(name) = std::env::var(inside::STORY) {
        inside::play(&name)
    } else {
        outside::run()
    }
}
