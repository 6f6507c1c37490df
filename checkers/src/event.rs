//! The engine's way in: everything that can happen to it, as one closed enum of plain values.

use std::fmt;
use std::net::IpAddr;

use clockwork::ScriptOutcome;

use crate::table::Draining;

/// Names a virtual server for as long as it is configured, over reloads too. After it was removed the number is not
/// given away before the next reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u32);

/// Names a real server for as long as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u32);

/// Names a checker for as long as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckerId(pub u32);

/// Names one conversation or one run of a script. A checker has at most one at a time; what comes late from an earlier
/// one is recognised by its turn and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId {
    /// Whose.
    pub checker: CheckerId,
    /// Which of its conversations; wraps around.
    pub turn: u32,
}

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// What [`crate::Action::Open`] asked for stands: TCP is connected, TLS has shaken hands, a datagram socket is
    /// connected.
    Opened(ConversationId),
    /// Bytes came: some of a stream (of TLS, after decryption), or exactly one datagram.
    Received {
        /// Where.
        conversation: ConversationId,
        /// The bytes; of [`crate::action::Transport::Icmp`] from the ICMP header on.
        bytes: &'a [u8],
    },
    /// The peer will send no more: end of stream, of TLS with or without `close_notify`.
    Closed(ConversationId),
    /// The conversation broke off or never began. Nothing follows; the shell has closed it.
    Failed {
        /// Which.
        conversation: ConversationId,
        /// Why.
        failure: Failure,
    },
    /// A run asked for with [`crate::Action::RunScript`] ended.
    ScriptEnded {
        /// Which.
        run: ConversationId,
        /// How.
        outcome: ScriptOutcome,
    },
    /// The number in a tracked file: at the start for each `track_file`, and after every change. A file that is missing,
    /// empty or no number counts as 0.
    File {
        /// Name of the `track_file`.
        track_file: &'a str,
        /// The number, -2147483648 to 2147483648.
        value: i64,
    },
    /// A BFD session came up or went down.
    Bfd {
        /// Name of the `bfd_instance`.
        session: &'a str,
        /// It is up.
        up: bool,
    },
    /// The host has an address now, or has it no more (`ha_suspend`). Telling it again unchanged is harmless.
    Address {
        /// The address.
        address: IpAddr,
        /// The host has it.
        present: bool,
    },
    /// What the kernel counts for a destination that drains: told about once a second while there are any.
    Connections {
        /// The virtual server.
        service: ServiceId,
        /// One of [`crate::Table::draining`].
        server: Draining,
        /// Of all services of the virtual server together; `None` if none of them has the destination.
        counted: Option<Connections>,
    },
    /// The daemon stops: the tables empty.
    Stop,
}

/// Connections of a destination, as the kernel counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Of TCP and SCTP: those that are established or on the way to it.
    pub active: u32,
    /// All others: of TCP and SCTP such as one side has closed, and all of other protocols.
    pub inactive: u32,
}

/// Why a conversation ended without its peer's will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no socket to try with (`EMFILE`, `EPERM`, ...): errno. Says nothing of the real server.
    NoSocket(i32),
    /// The near end cannot be bound to address, port, interface or mark: errno. Says nothing of the real server.
    Bind(i32),
    /// Connecting, sending or receiving failed (`ECONNREFUSED`, `EHOSTUNREACH`, `ECONNRESET`, ...): errno.
    Network(i32),
    /// The TLS handshake or a record failed: what the library says, on one line.
    Tls(String),
}

impl Failure {
    /// Whether it is about this machine alone: the check is put off, not failed.
    pub fn is_local(&self) -> bool {
        match self {
            Self::NoSocket(_) | Self::Bind(_) => true,
            Self::Network(_) | Self::Tls(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSocket(errno) | Self::Bind(errno) | Self::Network(errno) => {
                write!(f, "{}", std::io::Error::from_raw_os_error(*errno))
            }
            Self::Tls(text) => f.write_str(text),
        }
    }
}
