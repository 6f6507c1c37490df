//! The BFD engine: sessions of bidirectional forwarding detection (RFC 5880) with single-hop (RFC 5881) and multihop
//! (RFC 5883) neighbours, in asynchronous mode.
//!
//! [`Engine::handle`], [`Engine::handle_timeout`], [`Engine::next_deadline`], [`Engine::next_action`]: the whole interface. The
//! engine is lent bytes, time and chance; nothing here opens a socket, reads a clock or draws a random number. Absent too:
//! authentication, the echo function, demand mode of our own (a neighbour may use it), which keepalived does not have either.

mod action;
mod chance;
mod engine;
mod hear;
mod news;
mod packet;
mod refusal;
mod session;
mod snapshot;

pub use action::{Action, Path};
pub use engine::{Engine, Event, Received};
pub use news::{Happening, News};
pub use packet::{Diagnostic, LENGTH, Packet, State};
pub use refusal::{Refusal, Refusals};
pub use session::{Remote, Session};
