//! Address lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use std::net::{IpAddr, Ipv4Addr};

/// One address line: `IPADDR[/PREFIX] [brd BRD] [dev IF] [scope S] [label L] ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 where none is written.
    pub prefix_len: u8,
    /// `dev`: `None` means the instance's own interface.
    pub dev: Option<String>,
    /// `scope`: rtnetlink scope number (`global` 0, `site` 200, `link` 253, `host` 254).
    pub scope: u8,
    /// `label`, at most 15 bytes, IPv4 only.
    pub label: Option<String>,
    /// `brd`/`broadcast`, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// `peer`.
    pub peer: Option<(IpAddr, u8)>,
    /// `home`.
    pub home: bool,
    /// `-nodad`/`dad`: duplicate address detection is off by default for virtual addresses.
    pub nodad: bool,
    /// `mngtmpaddr`.
    pub mngtmpaddr: bool,
    /// `noprefixroute`.
    pub noprefixroute: bool,
    /// `autojoin`.
    pub autojoin: bool,
    /// `preferred_lft` in seconds; `None` means for ever. 0 marks the address deprecated.
    pub preferred_lft: Option<u32>,
    /// `no_track`: its removal by someone else is not put right.
    pub no_track: bool,
}
