//! What the engine has to say, as values; their `Display` is the log line, worded as keepalived words it where it has
//! words for it.

use std::fmt;

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The line.
    text: String,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
