//! The engine's way out: everything that it can ask of the shell, as one closed enum of plain values.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parser::config::Script;
use parser::config::checker::Source;

use crate::event::{ConversationId, ServiceId};
use crate::news::News;
use crate::notice::Notice;

/// Everything that the engine can ask. The shell carries the actions out in the order given.
///
/// The engine watches every time limit itself: a conversation that takes too long is closed by [`Action::Close`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Empty the kernel's whole table, foreign services included (`lvs_flush`, `lvs_flush_on_stop`).
    Flush,
    /// [`crate::Engine::table`] of this virtual server changed: make the kernel agree. Those that stand in a row are best
    /// planned as one, so that an entry that moves from one virtual server to another never vanishes.
    Reconcile(ServiceId),
    /// Begin a conversation; answer with [`crate::Event::Opened`] or [`crate::Event::Failed`].
    Open(Opening),
    /// Send these bytes: a part of the stream, or one datagram. Only after [`crate::Event::Opened`].
    Send {
        /// Where.
        conversation: ConversationId,
        /// What.
        bytes: Vec<u8>,
    },
    /// End a conversation, or a run of a script with its whole process group. No event of it is wanted any more. One that
    /// is over already, as after [`crate::Event::Failed`], is no mistake.
    Close(ConversationId),
    /// Start a run of a script; answer with [`crate::Event::ScriptEnded`].
    RunScript {
        /// The run.
        run: ConversationId,
        /// What to run.
        script: Script,
        /// The run is ended after so long, and answered with `TimedOut`.
        time_limit: Duration,
    },
    /// Say this in the log.
    Tell(News),
    /// Run the script, write the FIFO line, send the mail of this change.
    Notify(Notice),
}

/// A conversation to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its name.
    pub conversation: ConversationId,
    /// What carries the bytes.
    pub transport: Transport,
    /// The far end's address.
    pub address: IpAddr,
    /// The far end's port; of no use to [`Transport::Icmp`].
    pub port: u16,
    /// What the near end is bound to; `None` leaves all to the kernel.
    pub source: Option<Box<Source>>,
}

/// What carries the bytes of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP connection.
    Tcp,
    /// TLS over TCP, with the certificate and authorities of the `SSL` block if there is one. The peer's certificate is
    /// not verified (as in keepalived).
    Tls {
        /// Server name in the handshake; `None` sends none.
        server_name: Option<Arc<str>>,
        /// The end is told to the peer by `close_notify`.
        close_notify: bool,
    },
    /// A connected UDP socket: refusals come as [`crate::event::Failure::Network`].
    Udp,
    /// A connected `ICMP` or `ICMPv6` datagram socket (`SOCK_DGRAM` with `IPPROTO_ICMP`), by the family of the address. The
    /// kernel fills in identifier and checksum.
    Icmp,
}
