//! `BFD_CHECK`: the real server is up while its BFD session is.

use super::{Reason, Verdict};

/// What the state of the session says.
pub(crate) fn judge(up: bool) -> Verdict {
    if up {
        Verdict::Good
    } else {
        Verdict::Bad(Reason::SessionDown)
    }
}
