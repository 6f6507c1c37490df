//! Sends gratuitous ARPs and unsolicited neighbour advertisements: whole Ethernet frames through one packet socket.

use std::fs;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, sendmmsg};
use socket2::{Domain, Socket, Type};
use vrrp::LinkId;
use vrrp::announce::{garp, unsolicited_na};

use crate::sys::net::link_address;

const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;
/// Frames given to the kernel in one call.
const BURST: usize = 256;

/// The packet socket; it hears nothing.
#[derive(Debug)]
pub(super) struct Announcer {
    socket: Socket,
}

/// One address to announce on one link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement {
    /// Link to announce on.
    pub(super) link: LinkId,
    /// Its link-layer address.
    pub(super) hardware_address: [u8; 6],
    /// The address that is there now.
    pub(super) address: IpAddr,
    /// Whether the link forwards IPv6: the router flag of an advertisement (RFC 4861 4.4).
    pub(super) router: bool,
}

/// Whether the kernel routes IPv6 that comes in on this link. Where there is no IPv6 it does not.
pub(super) fn forwards_ipv6(link: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{link}/forwarding"))
        .is_ok_and(|setting| setting.trim() != "0")
}

impl Announcer {
    /// Opens the packet socket. Needs `CAP_NET_RAW`.
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0: the kernel delivers no frame to this socket.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Sends every announcement `repeat` times, interleaved over the addresses. A frame that the kernel refuses does not
    /// hold up the others; answers how many were refused, and why the last of them was.
    pub(super) fn send(&self, announcements: &[Announcement], repeat: u32) -> Option<(usize, io::Error)> {
        let mut frames: Vec<(Vec<u8>, LinkAddr)> = announcements.iter().filter_map(frame).collect();
        let once = frames.len();
        for _ in 1..repeat {
            frames.extend_from_within(..once);
        }
        let slices: Vec<[IoSlice<'_>; 1]> = frames.iter().map(|(bytes, _)| [IoSlice::new(bytes)]).collect();
        let addresses: Vec<Option<LinkAddr>> = frames.iter().map(|(_, to)| Some(*to)).collect();
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(BURST.min(frames.len()), None);
        let mut refused = None;
        let mut at = 0;
        while at < frames.len() {
            let socket = self.socket.as_raw_fd();
            let flags = MsgFlags::MSG_DONTWAIT;
            match sendmmsg(socket, &mut headers, &slices[at..], &addresses[at..], [], flags) {
                // The kernel answers with an error only when it refused the first frame of the burst.
                Ok(sent) => at += sent.count().max(1),
                Err(error) => {
                    at += 1;
                    refused = Some((refused.map_or(1, |(count, _)| count + 1), error.into()));
                }
            }
        }
        refused
    }
}

fn frame(of: &Announcement) -> Option<(Vec<u8>, LinkAddr)> {
    let link = i32::try_from(of.link.0).ok()?;
    match of.address {
        IpAddr::V4(address) => {
            let bytes = garp(of.hardware_address, address).to_vec();
            Some((bytes, link_address(link, ETH_P_ARP, [0xff; 6])?))
        }
        IpAddr::V6(address) => {
            let bytes = unsolicited_na(of.hardware_address, address, of.router).to_vec();
            Some((bytes, link_address(link, ETH_P_IPV6, [0x33, 0x33, 0, 0, 0, 1])?))
        }
    }
}
