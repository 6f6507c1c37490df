//! The VRRP engine: protocol, elections, tracking arithmetic. Pure: nothing here opens a socket, reads a clock, a file
//! or a random number. Events and instants come in, actions go out.

pub mod action;
mod advance;
mod ah;
pub mod announce;
mod delayed;
mod election;
pub mod engine;
pub mod event;
pub mod fault;
pub mod group;
mod hear;
pub mod instance;
mod ipv4;
mod judge;
pub mod news;
mod outbox;
mod outlet;
mod pace;
pub mod packet;
mod quota;
pub mod record;
pub mod refusal;
mod reload;
pub mod rival;
pub mod script;
mod seal;
mod snapshot;
pub mod state;
pub mod stats;
mod timers;
pub mod track;
mod trailer;
mod transition;
mod weigh;
mod world;

pub use clockwork::time;
use clockwork::{deadlines, text};

pub use action::{Action, Datagram, Endpoint, Notified, Transition, Whose};
pub use engine::{Engine, Owned, Strays, TURN};
pub use event::{Event, FileId, InstanceId, Link, LinkId, Packet, ProcessId, ScriptId, ScriptOutcome};
pub use fault::FaultReason;
pub use group::Group;
pub use instance::{Followed, Instance};
pub use news::{Happening, News};
pub use outlet::address_room;
pub use refusal::Refusal;
pub use rival::{Rejections, Rival, Tally};
pub use script::{Health, Script};
pub use snapshot::is_same;
pub use state::{Mastery, State};
pub use stats::Stats;
pub use time::Instant;
pub use track::{TrackedFile, TrackedProcess, TrackedSession};
