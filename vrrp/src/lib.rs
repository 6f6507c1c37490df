//! The VRRP engine: protocol, elections, tracking arithmetic. Pure: nothing here opens a socket, reads a clock, a file
//! or a random number. Events and instants come in, actions go out.

pub mod action;
pub mod engine;
pub mod event;
pub mod news;
pub mod time;

pub use action::{Action, Datagram, Notified, Transition};
pub use engine::{Engine, Owned};
pub use event::{Event, InstanceId, Link, LinkId, Packet, ScriptId, ScriptOutcome};
pub use news::News;
pub use time::Instant;
