//! What the outside world is told of a change: one value for script, FIFO and mail, so that all say the same.
//!
//! Nothing here runs, writes or sends.

use parser::config::Script;

use crate::event::{ServerId, ServiceId};

/// A real server entered or left the pool, or a virtual server gained or lost its quorum. Script, line and mail go out
/// in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The virtual server.
    pub service: ServiceId,
    /// The real server; `None` if the quorum is meant.
    pub server: Option<ServerId>,
    /// It came up.
    pub up: bool,
    /// `notify_up`, `notify_down`, `quorum_up` or `quorum_down`; no words are added to it.
    pub script: Option<Script>,
    /// The FIFO line without its end. keepalived ends LVS lines with a line feed and a NUL byte. `None` if only the mail
    /// is due.
    pub line: Option<String>,
    /// The mail, if `smtp_alert` asks for one.
    pub mail: Option<Mail>,
}

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Subject without the `[router_id] ` that all subjects begin with.
    pub subject: String,
    /// The one line of the body.
    pub body: String,
}
