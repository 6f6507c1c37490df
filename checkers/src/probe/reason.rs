//! Why a check failed: every way there is.

use std::fmt;

use clockwork::ScriptOutcome;

use crate::event::Failure;

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The connection was not there within `connect_timeout`.
    ConnectTimeout,
    /// No answer came within `connect_timeout`.
    ReadTimeout,
    /// The answer comes, but does not end.
    TakesTooLong,
    /// The connection broke off or was refused.
    Failed(Failure),
    /// The real server hung up before its answer was whole.
    Closed,
    /// There is no port to connect to.
    NoPort,
    /// A page without a byte.
    NoData,
    /// The head of a page does not end.
    EndlessHead,
    /// The body of a page does not end.
    EndlessBody,
    /// `status_code`: another one, or none.
    Status(Option<u16>),
    /// `digest`: another one.
    Digest([u8; 16]),
    /// `regex`: not found, or found with `regex_no_match`.
    Regex,
    /// `regex`: it takes more steps than are allowed.
    RegexTooHard,
    /// The mail server's greeting is not 220.
    Greeting,
    /// The answer to `HELO` is not 250.
    Helo,
    /// A line or a reply of a mail server does not end.
    EndlessReply,
    /// The name server answers with this error (RFC 1035 4.1.1).
    Rcode(u8),
    /// A datagram shorter or longer than it should be: bytes.
    Length(usize),
    /// A datagram with something else in it.
    Mismatch,
    /// The program says no, or says nothing.
    Script(ScriptOutcome),
    /// The BFD session is not up.
    SessionDown,
    /// The number in a tracked file.
    FileNumber(i64),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectTimeout => f.write_str("connection timeout"),
            Self::ReadTimeout => f.write_str("read timeout"),
            Self::TakesTooLong => f.write_str("the answer takes too long"),
            Self::Failed(failure) => write!(f, "{failure}"),
            Self::Closed => f.write_str("connection closed"),
            Self::NoPort => f.write_str("no port to connect to"),
            Self::NoData => f.write_str("no data received"),
            Self::EndlessHead => f.write_str("the head of the page does not end"),
            Self::EndlessBody => f.write_str("the body of the page does not end"),
            Self::Status(Some(status)) => write!(f, "HTTP status code {status}"),
            Self::Status(None) => f.write_str("no HTTP status code"),
            Self::Digest(digest) => write!(f, "MD5 digest {:032x}", u128::from_be_bytes(*digest)),
            Self::Regex => f.write_str("regex match failed"),
            Self::RegexTooHard => f.write_str("regex needs too many steps"),
            Self::Greeting => f.write_str("Bad greeting banner"),
            Self::Helo => f.write_str("Bad HELO response"),
            Self::EndlessReply => f.write_str("the reply does not end"),
            Self::Rcode(rcode) => write!(f, "read error occurred. (rcode = {rcode})"),
            Self::Length(length) => write!(f, "reply of {length} bytes"),
            Self::Mismatch => f.write_str("reply data mismatch"),
            Self::Script(ScriptOutcome::Exited(status)) => write!(f, "exited with status {status}"),
            Self::Script(ScriptOutcome::Signalled(signal)) => write!(f, "due to signal {signal}"),
            Self::Script(ScriptOutcome::TimedOut) => f.write_str("timed out"),
            Self::Script(ScriptOutcome::NotStarted(errno)) => {
                write!(
                    f,
                    "could not be started: {}",
                    std::io::Error::from_raw_os_error(*errno)
                )
            }
            Self::SessionDown => f.write_str("session down"),
            Self::FileNumber(number) => write!(f, "file says {number}"),
        }
    }
}
