//! Links and addresses of the lab: a bridge for each segment, cables to them, an address at the end of each.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};

use netlink::link::LinkRequest;
use netlink::{Address, Change, Error, Netlink};

use super::LabError;

/// Makes the bridges of so many segments; the answer is the index of the last one, which no port is below.
pub(super) fn bridges(switch: &OwnedFd, segments: u32) -> Result<u32, LabError> {
    ask(switch, async |netlink| {
        let mut last = 0;
        for segment in 0..segments {
            let name = bridge(segment);
            netlink.change_link(&LinkRequest::create_bridge(&name)).await?;
            last = index(netlink, &name).await?;
        }
        Ok(last)
    })
}

/// Makes a cable from a new port of a segment to the host's interface there; the answer is the index of the port.
pub(super) fn cable(switch: &OwnedFd, port: &str, segment: u32, host: &OwnedFd) -> Result<u32, LabError> {
    ask(switch, async |netlink| {
        let link = link(segment);
        netlink
            .change_link(&LinkRequest::create_veth(port, &link))
            .await?;
        let inside = index(netlink, &link).await?;
        netlink
            .change_link(&LinkRequest::move_to(inside, host.as_fd()))
            .await?;
        let outside = index(netlink, port).await?;
        let bridge = index(netlink, &bridge(segment)).await?;
        netlink.change_link(&LinkRequest::join(outside, bridge)).await?;
        Ok(outside)
    })
}

/// Gives the host's interfaces their hardware addresses and addresses, and sets them and the loopback up.
pub(super) fn configure(host: &OwnedFd, address: Ipv4Addr, segments: u32) -> Result<(), LabError> {
    ask(host, async |netlink| {
        let loopback = index(netlink, "lo").await?;
        netlink.change_link(&LinkRequest::up(loopback)).await?;
        for segment in 0..segments {
            let address = Ipv4Addr::from_bits(address.to_bits() + (segment << 8));
            let link = index(netlink, &link(segment)).await?;
            let hardware = LinkRequest::hardware_address(link, &hardware_address(address));
            netlink.change_link(&hardware).await?;
            let change = Change::Add(Address::new(link, IpAddr::V4(address), 24).into());
            if let Some(failure) = netlink.apply(&[change]).await?.first() {
                return Err(LabError::Wire(failure.to_string()));
            }
            netlink.change_link(&LinkRequest::up(link)).await?;
        }
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

/// Name of a segment's bridge in the switch's namespace.
fn bridge(segment: u32) -> String {
    format!("switch{segment}")
}

/// Name of every host's interface on a segment.
fn link(segment: u32) -> String {
    format!("eth{segment}")
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
