//! The checker engine: probes as conversations, retries, quorum, weights, the wanted IPVS table. Pure: nothing here opens
//! a socket, reads a clock, a file or a random number. Events and instants come in, actions go out; chance is lent as a
//! seed.

pub mod action;
pub mod engine;
pub mod event;
pub mod news;
pub mod notice;
pub mod table;

pub use action::{Action, Opening, Transport};
pub use clockwork::{Instant, ScriptOutcome};
pub use engine::Engine;
pub use event::{CheckerId, ConversationId, Event, Failure, ServerId, ServiceId};
pub use news::News;
pub use notice::{Mail, Notice};
pub use table::{Destination, Key, Marking, Settings, Table};
