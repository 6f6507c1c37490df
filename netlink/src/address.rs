//! An address on a link, as the kernel knows it.

use std::net::{IpAddr, Ipv4Addr};

/// An address on a link: what `ip address add` would be given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Interface index.
    pub link: u32,
    /// Local address.
    pub local: IpAddr,
    /// Prefix length.
    pub prefix_len: u8,
    /// rtnetlink scope (`RT_SCOPE_*`): 0 universe, 253 link, 254 host.
    pub scope: u8,
    /// Label, IPv4 only.
    pub label: Option<String>,
    /// Broadcast address, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// Peer address of a point-to-point link.
    pub peer: Option<(IpAddr, u8)>,
    /// `IFA_F_*` flags that matter (`include/uapi/linux/if_addr.h`).
    pub flags: u32,
    /// Preferred life time in seconds; `u32::MAX` is for ever.
    pub preferred_lft: u32,
}
