//! Becoming a daemon. Comes before the first thread and the runtime: only the forking thread lives on in a fork.

use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::sys;

/// The process that the user started, waiting to end until the daemon has begun its work.
#[must_use = "the process that the user started waits for it"]
pub(super) struct Starter(PipeWriter);

/// Leaves the terminal and the process that started us: forks twice, with a session of its own in between. Only the
/// daemon returns. The working directory stays, so that files named relative to it are found at a reload.
///
/// The first process ends with status 0 once [`Starter::release`] is called, so that whoever waits for it finds the pid
/// files written; with status 1 if the daemon dies before.
pub(super) fn detach() -> io::Result<Starter> {
    let (reader, writer) = io::pipe()?;
    if let ForkResult::Parent { .. } = sys::fork_single_threaded()? {
        drop(writer);
        std::process::exit(wait_for_daemon(reader));
    }
    drop(reader);
    setsid()?;
    if let ForkResult::Parent { .. } = sys::fork_single_threaded()? {
        std::process::exit(0);
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(Starter(writer))
}

impl Starter {
    /// Lets the first process end.
    pub(super) fn release(mut self) {
        // If it is gone, nobody waits.
        let _ = self.0.write_all(&[0]);
    }
}

fn wait_for_daemon(mut reader: PipeReader) -> i32 {
    let mut byte = [1];
    match reader.read_exact(&mut byte) {
        Ok(()) => byte[0].into(),
        Err(_) => 1,
    }
}
