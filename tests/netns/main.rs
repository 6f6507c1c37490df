//! Real daemons on real interfaces: Holdfast with Debian's keepalived as the other node, in both roles, and with
//! itself. Hosts are network namespaces joined by a bridge; frames are seen there, addresses in the hosts.
//!
//! Everything here needs root and says "skipped: needs root" otherwise; with `CI=true` that is a failure.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests may, as the tests"
)]

mod announcements;
mod bfd;
mod chaos;
mod checks;
mod control;
mod databases;
mod demo;
mod dumps;
mod examples;
mod firewall;
mod floods;
mod forged;
mod frames;
mod frr;
mod groups;
mod interface;
mod logs;
mod marks;
mod nginx;
mod notify;
mod owned;
mod paced;
mod password;
mod process;
mod reload;
mod reloads;
mod repair;
mod restart;
mod rivals;
mod scene;
mod script;
mod secrets;
mod settings;
mod signed;
mod statics;
mod strict;
mod takeover;
mod telling;
mod timers;
mod trackers;
mod trouble;
mod view;
mod vmac;
mod wire;
mod world;
