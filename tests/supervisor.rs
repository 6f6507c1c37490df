//! The supervisor with real processes and signals. This test program is also the daemon under test and, executed again
//! by it, the child process, whose behaviour is the name of the VRRP instance in its configuration. Needs no root.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a story must end it"
)]

#[path = "supervisor/child.rs"]
mod child;
#[path = "supervisor/daemon.rs"]
mod daemon;
#[path = "supervisor/stories.rs"]
mod stories;

use std::process::ExitCode;
use std::thread;

use daemon::DAEMON_VARIABLE;

fn main() -> ExitCode {
    if std::env::var_os(DAEMON_VARIABLE).is_some() {
        return holdfast::run_with(child::work);
    }
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let chosen = stories::ALL.iter().filter(|(name, _)| name.contains(&filter));
    let running: Vec<_> = chosen
        .map(|(name, story)| (name, thread::spawn(*story)))
        .collect();
    println!("\nrunning {} stories", running.len());
    let mut failed = 0;
    for (name, story) in running {
        let outcome = if story.join().is_ok() { "ok" } else { "FAILED" };
        println!("story {name} ... {outcome}");
        failed += usize::from(outcome == "FAILED");
    }
    println!("\n{failed} failed\n");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
