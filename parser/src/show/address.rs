//! Lines of `virtual_ipaddress` and `static_ipaddress`.

use std::net::IpAddr;

use super::text::word;
use crate::config::VirtualAddress;

/// An address of an instance.
pub(super) fn of_instance(address: &VirtualAddress) -> String {
    let mut words = options(address);
    if address.use_vmac {
        words.push("use_vmac".to_owned());
    }
    words.join(" ")
}

/// A static address.
pub(super) fn of_static(address: &VirtualAddress) -> String {
    let mut words = options(address);
    // Virtual addresses have it whether or not it is written.
    if address.nodad {
        words.push("-nodad".to_owned());
    }
    if let Some(group) = &address.track_group {
        words.push(format!("track_group {}", word(group)));
    }
    words.join(" ")
}

fn options(of: &VirtualAddress) -> Vec<String> {
    // A prefix and `peer` do not go together.
    let mut words = vec![match of.peer {
        Some(_) => of.address.to_string(),
        None => with_prefix((of.address, of.prefix_len)),
    }];
    let valued = [
        ("peer", of.peer.map(with_prefix)),
        ("brd", of.broadcast.map(|address| address.to_string())),
        ("dev", of.dev.as_deref().map(word)),
        ("scope", (of.scope != 0).then(|| scope(of.scope))),
        ("label", of.label.as_deref().map(word)),
        ("preferred_lft", lifetime(of)),
    ];
    for (option, value) in valued {
        words.extend(value.map(|value| format!("{option} {value}")));
    }
    let flags = [
        ("home", of.home),
        ("mngtmpaddr", of.mngtmpaddr),
        ("noprefixroute", of.noprefixroute),
        ("autojoin", of.autojoin),
        ("no_track", of.no_track),
    ];
    words.extend(
        flags
            .iter()
            .filter(|(_, on)| *on)
            .map(|(flag, _)| (*flag).to_owned()),
    );
    words
}

/// The lifetime, if it is not the one that the address has by itself.
fn lifetime(of: &VirtualAddress) -> Option<String> {
    let default = VirtualAddress::new(of.address, of.prefix_len).preferred_lft;
    (of.preferred_lft != default).then(|| {
        of.preferred_lft
            .map_or("forever".to_owned(), |seconds| seconds.to_string())
    })
}

/// `ADDRESS/PREFIX`.
pub(super) fn with_prefix((address, prefix_len): (IpAddr, u8)) -> String {
    format!("{address}/{prefix_len}")
}

fn scope(scope: u8) -> String {
    match scope {
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        255 => "nowhere".to_owned(),
        other => other.to_string(),
    }
}
