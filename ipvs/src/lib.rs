//! The kernel's IPVS table over generic netlink. Hands: nothing here knows the configuration or the checkers.
//!
//! * [`Ipvs`] asks the kernel: what services and destinations are there, make these changes, timeouts, sync daemons,
//!   statistics.
//! * [`plan`](plan()) finds the fewest changes between what is wanted and what is present; it is pure.
//! * [`Service`], [`Destination`] and their kin are the table's vocabulary (`include/uapi/linux/ip_vs.h`).
//!
//! Messages are built and read with `neli`'s types and carried by [`netlink::socket::Socket`].
//!
//! Absent: events. IPVS has none; who wants to know what others change looks now and then ([`Listing`]), and reads the
//! table ([`Ipvs::table`]) and plans when it looks different.

mod change;
mod daemon;
mod destination;
mod glance;
mod handle;
mod module;
mod name;
mod plan;
mod service;
mod statistics;
mod timeouts;
mod wire;

pub use change::Change;
pub use daemon::{Role, SyncDaemon};
pub use destination::{Destination, DestinationKey, Forwarding, Tunnel, TunnelChecksum};
pub use glance::{Glance, Listing};
pub use handle::{Error, Failure, Ipvs, OpenError, Version};
pub use module::ModuleError;
pub use name::{Name, NameError};
pub use plan::{Entry, Wanted, plan};
pub use service::{Family, Flags, Granularity, Persistence, Service, ServiceKey};
pub use statistics::{Counters, DestinationStatistics, ServiceStatistics};
pub use timeouts::Timeouts;
pub use wire::{DecodeError, EncodeError};
