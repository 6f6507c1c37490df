//! `MISC_CHECK`: what the end of a program says of the real server.

use clockwork::ScriptOutcome;
use parser::config::checker::Misc;

use super::{Reason, Verdict};

/// What a run says, and the weight that it asks for.
pub(crate) fn judge(misc: &Misc, outcome: ScriptOutcome) -> (Verdict, Option<u8>) {
    match outcome {
        ScriptOutcome::Exited(0) => (Verdict::Good, None),
        ScriptOutcome::Exited(status @ 2..) if misc.dynamic => (Verdict::Good, Some(status - 2)),
        other => (Verdict::Bad(Reason::Script(other)), None),
    }
}
