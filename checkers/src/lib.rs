//! The checker engine: probes as conversations, retries, quorum, weights, the wanted IPVS table. Pure: nothing here opens
//! a socket, reads a clock, a file or a random number. Events and instants come in, actions go out; chance is lent as a
//! seed.

pub mod action;
mod chance;
mod checker;
mod converse;
mod drain;
pub mod engine;
pub mod event;
mod label;
mod marks;
mod matcher;
pub mod news;
pub mod notice;
mod outbox;
mod patterns;
mod probe;
mod reload;
pub mod reply;
mod service;
mod snapshot;
pub mod standing;
pub mod table;
mod wanted;
mod weigh;

pub use action::{Action, Opening, Transport};
pub use clockwork::{Instant, ScriptOutcome};
pub use engine::Engine;
pub use event::{CheckerId, Connections, ConversationId, Event, Failure, ServerId, ServiceId};
pub use news::{Check, DrainEnd, Happening, News, Quorum};
pub use notice::{Mail, Notice};
pub use probe::Reason;
pub use reload::names;
pub use standing::{CheckerStanding, DrainStanding, ServerStanding, ServiceStanding};
pub use table::{Destination, Draining, Key, Marking, Settings, Table};
