//! Addresses, routes, rules and links over rtnetlink. Hands: nothing here knows the configuration or VRRP.
//!
//! * [`Netlink`] asks the kernel: what links, addresses, routes and rules are there, make these changes.
//! * [`plan`](plan()) finds the fewest changes between what is wanted and what is present; it is pure.
//! * [`Monitor`] tells what changes about links and addresses, whoever changed it; [`Removals`] which routes and rules
//!   others took away.
//! * [`socket::Socket`] carries all of it: batches, exact errors, a time-out always.
//! * [`nftables`] writes tables of a firewall, whole or not at all.
//! * [`upper`] are links on top of others: macvlan and ipvlan.
//! * [`namespace`] makes and enters network namespaces.
//!
//! Addresses and links are written with `netlink-packet-route`'s types, routes and rules attribute by attribute. What is read is decoded here, attribute by
//! attribute: those decoders refuse a whole message for one attribute of an unknown shape, and a newer kernel must not
//! make us blind to a link.
//!
//! Everything runs on the caller's tokio runtime, which needs its I/O and time drivers.

pub mod address;
mod attribute;
mod handle;
pub mod link;
pub mod monitor;
pub mod namespace;
pub mod nftables;
mod plan;
mod removals;
pub mod route;
pub mod rule;
pub mod socket;
mod sys;
pub mod upper;

pub use address::Address;
pub use handle::{Failure, Netlink};
pub use link::Link;
pub use monitor::{Event, Monitor};
pub use plan::{Change, Object, Objects, plan};
pub use removals::{Removal, Removals};
pub use route::Route;
pub use rule::Rule;
pub use socket::{Error, KernelError, OpenError, Pace, ReceiveBuffer};
