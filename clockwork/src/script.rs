//! How a run of a script ends. Nothing here starts one.

/// How a run of a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// Exit status, 0 to 255; 0 is success.
    Exited(u8),
    /// Killed by a signal that was not ours.
    Signalled(i32),
    /// Ran longer than its time limit and was ended.
    TimedOut,
    /// Could not be started at all: errno.
    NotStarted(i32),
}
