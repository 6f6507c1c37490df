//! What the engine has to say, as values; their `Display` is the log line, worded as keepalived words it.

use std::fmt;
use std::sync::Arc;

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Name of the instance, or of the script.
    pub subject: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What can happen that is worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Became master.
    EnteringMaster,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Happening::EnteringMaster => write!(f, "({}) Entering MASTER STATE", self.subject),
        }
    }
}

impl News {
    /// Whether the line is for `-D` (`--log-detail`) only.
    pub fn is_detail(&self) -> bool {
        match self.what {
            Happening::EnteringMaster => false,
        }
    }
}
