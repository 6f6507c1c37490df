//! `TCP_CHECK`: a connection can be opened. Nothing is said on it.

use super::{Step, Verdict};

/// It is open, and that is all.
pub(super) fn opened() -> Step {
    Step::Done(Verdict::Good)
}
