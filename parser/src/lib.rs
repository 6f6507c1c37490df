//! keepalived.conf: text to typed configuration, with a report of every mistake.
//!
//! Nothing here opens a socket, runs a program, or asks the machine anything beyond the files, the host name and the
//! environment variables that it is lent through a host trait.

pub mod config;
pub mod units;

pub use config::Config;

/// Where something stands in the configuration, for messages. Two places always compare equal, so that configurations
/// compare by meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// Index of the file in the source map.
    pub file: u32,
    /// Line, from 1; 0 means nowhere.
    pub line: u32,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}
