//! What can go wrong between us and the kernel.

use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;

use crate::namespace;

/// The socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A system call failed.
    #[error("cannot open a netlink socket: {step}: {source}")]
    Socket {
        /// Which step of opening it.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The network namespace where it was to be opened cannot be entered.
    #[error(transparent)]
    Namespace(#[from] namespace::Error),
}

/// A netlink operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel said no.
    #[error(transparent)]
    Refused(KernelError),
    /// `ENOBUFS`: the receive buffer was too small for what the kernel had to say, and some of it is lost. Read the
    /// state and plan again.
    #[error("the kernel dropped netlink messages, the receive buffer is too small (ENOBUFS)")]
    Overrun,
    /// The answer did not come.
    #[error("the kernel did not answer within {after:?}: {request}")]
    TimeOut {
        /// How long we waited.
        after: Duration,
        /// What was asked.
        request: String,
    },
    /// Somebody changed the table each time that it was read. Try again later.
    #[error("the table changed under every one of {tries} attempts: {request}")]
    Unsettled {
        /// Attempts made.
        tries: u32,
        /// What was asked.
        request: String,
    },
    /// A system call on the socket failed.
    #[error("netlink socket: {0}")]
    Socket(#[from] io::Error),
}

/// The kernel's refusal of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// The error number.
    pub errno: Errno,
    /// The kernel's own words (extended acknowledgement), where it has some.
    pub message: Option<String>,
    /// What was asked, in words.
    pub request: String,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.request, self.reason())
    }
}

impl KernelError {
    /// Why, for who says himself what could not be done.
    pub fn reason(&self) -> String {
        let why = self.errno.desc();
        match &self.message {
            Some(message) => format!("{why} ({message})"),
            None => why.to_owned(),
        }
    }
}

impl std::error::Error for KernelError {}
