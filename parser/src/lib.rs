//! keepalived.conf: text to typed configuration, with a report of every mistake.
//!
//! Nothing here opens a socket, runs a program, or asks the machine anything beyond the files, the host name and the
//! environment variables that it is lent through a host trait.

pub mod config;
mod place;
pub mod report;
pub mod source;
pub mod tree;
pub mod units;
pub mod value;

pub use config::Config;
pub use place::{At, Place};
pub use report::Report;
