//! Links and addresses of the lab: a bridge, cables to it, an address at the end of each.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};

use netlink::link::LinkRequest;
use netlink::{Address, Change, Error, Netlink};

use super::{LINK, LabError};

/// Name of the bridge in the switch's namespace.
const BRIDGE: &str = "switch";

/// Makes the bridge.
pub(super) fn bridge(switch: &OwnedFd) -> Result<(), LabError> {
    ask(switch, async |netlink| {
        netlink.change_link(&LinkRequest::create_bridge(BRIDGE)).await?;
        Ok(())
    })
}

/// Makes a cable from a new port of the switch to [`LINK`] of the host; the answer is the index of the port.
pub(super) fn cable(switch: &OwnedFd, port: &str, host: &OwnedFd) -> Result<u32, LabError> {
    ask(switch, async |netlink| {
        netlink.change_link(&LinkRequest::create_veth(port, LINK)).await?;
        let inside = index(netlink, LINK).await?;
        netlink
            .change_link(&LinkRequest::move_to(inside, host.as_fd()))
            .await?;
        let outside = index(netlink, port).await?;
        let bridge = index(netlink, BRIDGE).await?;
        netlink.change_link(&LinkRequest::join(outside, bridge)).await?;
        Ok(outside)
    })
}

/// Gives the host's interface its hardware address and its address, and sets it and the loopback up.
pub(super) fn configure(host: &OwnedFd, address: Ipv4Addr) -> Result<(), LabError> {
    ask(host, async |netlink| {
        let link = index(netlink, LINK).await?;
        let hardware = LinkRequest::hardware_address(link, &hardware_address(address));
        netlink.change_link(&hardware).await?;
        let change = Change::Add(Address::new(link, IpAddr::V4(address), 24).into());
        if let Some(failure) = netlink.apply(&[change]).await?.first() {
            return Err(LabError::Wire(failure.to_string()));
        }
        let loopback = index(netlink, "lo").await?;
        netlink.change_link(&LinkRequest::up(loopback)).await?;
        netlink.change_link(&LinkRequest::up(link)).await?;
        Ok(())
    })
}

/// Sets a link up or down.
pub(super) fn set_link(namespace: &OwnedFd, name: &str, up: bool) -> Result<(), LabError> {
    ask(namespace, async |netlink| {
        let link = index(netlink, name).await?;
        let request = if up {
            LinkRequest::up(link)
        } else {
            LinkRequest::down(link)
        };
        Ok(netlink.change_link(&request).await?)
    })
}

/// Removes a link.
pub(super) fn remove(namespace: &OwnedFd, name: &str) -> Result<(), LabError> {
    ask(namespace, async |netlink| {
        let link = index(netlink, name).await?;
        Ok(netlink.change_link(&LinkRequest::remove(link)).await?)
    })
}

/// Hardware address of the host with this address: locally administered, and readable in a dump of frames.
fn hardware_address(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x00, a, b, c, d]
}

fn ask<T>(
    namespace: &OwnedFd,
    questions: impl AsyncFnOnce(&mut Netlink) -> Result<T, LabError>,
) -> Result<T, LabError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut netlink = Netlink::open_in(namespace).map_err(|error| LabError::Wire(error.to_string()))?;
        questions(&mut netlink).await
    })
}

async fn index(netlink: &mut Netlink, name: &str) -> Result<u32, LabError> {
    match netlink.link(name).await? {
        Some(link) => Ok(link.index),
        None => Err(LabError::Wire(format!("there is no link {name}"))),
    }
}

impl From<Error> for LabError {
    fn from(error: Error) -> Self {
        Self::Wire(error.to_string())
    }
}
