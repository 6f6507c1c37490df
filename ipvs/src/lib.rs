//! The kernel's IPVS table over generic netlink. Hands: nothing here knows the configuration.
//!
//! So far only the vocabulary stands that the plan will be written in.

use std::net::IpAddr;

/// How a virtual service is named in the kernel's table (`include/uapi/linux/ip_vs.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Address, port and protocol.
    Address {
        /// Virtual address.
        address: IpAddr,
        /// Port; 0 stands for every port of a persistent service.
        port: u16,
        /// IP protocol number: 6, 17 or 132.
        protocol: u8,
    },
    /// Firewall mark; never 0.
    Fwmark(u32),
}
