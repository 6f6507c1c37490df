//! Links and addresses of the lab.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::process::Command;

use super::LabError;

fn ip(words: &str) -> Result<(), LabError> {
    let out = Command::new("ip").args(words.split(' ')).output()?;
    if out.status.success() { Ok(()) } else { Err(LabError::Wire(format!("{words}: {}", String::from_utf8_lossy(&out.stderr)))) }
}

pub(super) fn bridge() -> Result<(), LabError> {
    ip("link add switch type bridge")?;
    ip("link set switch up")
}

pub(super) fn cable(port: &str, network: &OwnedFd, hardware: [u8; 6]) -> Result<u32, LabError> {
    use std::os::fd::AsRawFd;
    let [a, b, c, d, e, f] = hardware;
    // temporary
    let pid = std::process::id();
    let path = format!("/proc/{pid}/fd/{}", network.as_raw_fd());
    ip(&format!("link add name {port} type veth peer name eth0 address {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} netns {path}"))?;
    ip(&format!("link set dev {port} master switch"))?;
    nix::net::if_::if_nametoindex(port).map_err(|error| LabError::Wire(error.to_string()))
}

pub(super) fn configure(address: Ipv4Addr) -> Result<(), LabError> {
    ip("link set lo up")?;
    ip(&format!("address add {address}/24 dev eth0"))?;
    ip("link set eth0 up")
}

pub(super) fn set_link(name: &str, up: bool) -> Result<(), LabError> {
    ip(&format!("link set dev {name} {}", if up { "up" } else { "down" }))
}

pub(super) fn remove(name: &str) -> Result<(), LabError> {
    ip(&format!("link delete dev {name}"))
}

/// A locally administered address that shows the IPv4 address.
pub(super) fn hardware_address(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x00, a, b, c, d]
}
