//! The raw sockets that adverts leave and come in by: one for each interface and multicast group.
//!
//! Bytes are carried, not read: beyond finding where the IP header ends, judging a packet is the engine's business.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, setsockopt,
};
use parser::units::Family;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::io::unix::AsyncFd;
use vrrp::{Datagram, LinkId, Packet};

use crate::sys::net::set_ipv6_checksum;
use crate::sys::watch;

/// IP protocol number of VRRP (RFC 9568 5.1.1.4).
const IPPROTO_VRRP: i32 = 112;
/// TTL and hop limit of every advert (RFC 9568 5.1.1.3).
const HOP_LIMIT: u32 = 255;
/// Traffic class of adverts: network control precedence.
const TRAFFIC_CLASS: u32 = 0xc0;
/// Offset of the checksum in a VRRP packet, which the kernel fills in for IPv6.
const CHECKSUM_OFFSET: libc::c_int = 6;
/// Receive buffer in bytes: half a second of adverts from a thousand routers at 10 ms.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Packets taken from the kernel in one call.
const BURST: usize = 32;
/// Bytes kept of one packet: the largest advert (8 + 255 x 16, a trailer, an IPv4 header) fits.
const PACKET: usize = 4608;

/// A received packet with the buffer that it stands in.
#[derive(Debug)]
pub(super) struct Received {
    link: LinkId,
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    /// The VRRP packet, after the IP header.
    payload: Vec<u8>,
}

impl Received {
    /// As the engine takes it.
    pub(super) fn packet(&self) -> Packet<'_> {
        Packet {
            link: self.link,
            source: self.source,
            destination: self.destination,
            hop_limit: self.hop_limit,
            payload: &self.payload,
        }
    }
}

/// Every VRRP socket of the process, and the buffers they share.
pub(super) struct Sockets {
    open: HashMap<(LinkId, IpAddr), AsyncFd<Arc<OwnedFd>>>,
    buffers: Buffers,
}

struct Buffers {
    packets: Vec<[u8; PACKET]>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Sockets {
    /// No socket yet.
    pub(super) fn new() -> Self {
        let control = cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let buffers = Buffers {
            packets: vec![[0; PACKET]; BURST],
            headers: MultiHeaders::preallocate(BURST, Some(control)),
        };
        Self {
            open: HashMap::new(),
            buffers,
        }
    }

    /// Opens a socket on a link, joined to the multicast group; one that stands already is kept.
    pub(super) fn open(&mut self, link: LinkId, group: IpAddr) -> io::Result<()> {
        if let Entry::Vacant(place) = self.open.entry((link, group)) {
            place.insert(watch(Arc::new(open(link, group)?.into()))?);
        }
        Ok(())
    }

    /// Closes what was open on a link that is gone.
    pub(super) fn close(&mut self, link: LinkId) {
        self.open.retain(|(open, _), _| *open != link);
    }

    /// Sends an advert.
    pub(super) fn send(&self, advert: &Datagram) -> io::Result<()> {
        let socket = self
            .open
            .get(&(advert.link, advert.destination))
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let flags = if advert.destination.is_multicast() {
            libc::MSG_DONTROUTE
        } else {
            0
        };
        let to = SocketAddr::new(advert.destination, 0).into();
        SockRef::from(socket.get_ref())
            .send_to_with_flags(&advert.bytes, &to, flags)
            .map(|_| ())
    }

    /// Waits for packets and takes a burst from every socket that has some, so that a flood on one link cannot starve
    /// another. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self, into: &mut Vec<Received>) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_receive(cx, into)).await
    }

    /// Takes what waits, without waiting for more.
    pub(super) fn receive_waiting(&mut self, into: &mut Vec<Received>) {
        for (&(link, group), socket) in &self.open {
            // Whatever is wrong with the socket, the next wait for it tells.
            let _ = self
                .buffers
                .receive(socket.get_ref(), link, Family::of(group), into);
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<Received>) -> Poll<io::Result<()>> {
        for (&(link, group), socket) in &self.open {
            while let Poll::Ready(ready) = socket.poll_read_ready(cx) {
                let mut ready = ready?;
                match self
                    .buffers
                    .receive(socket.get_ref(), link, Family::of(group), into)
                {
                    // A burst of nothing intelligible: look again, so that the waker gets registered.
                    Ok(()) if into.is_empty() => {}
                    Ok(()) => break,
                    Err(Errno::EAGAIN) => ready.clear_ready(),
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
        }
        if into.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl Buffers {
    fn receive(
        &mut self,
        socket: &OwnedFd,
        link: LinkId,
        family: Family,
        into: &mut Vec<Received>,
    ) -> Result<(), Errno> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .packets
            .iter_mut()
            .map(|packet| [IoSliceMut::new(packet)])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            flags,
            None,
        )?;
        for message in messages {
            let Some(bytes) = message.iovs().next() else {
                continue;
            };
            into.extend(match family {
                Family::Ipv4 => received_v4(link, bytes),
                Family::Ipv6 => received_v6(link, &message, bytes),
            });
        }
        Ok(())
    }
}

fn open(link: LinkId, group: IpAddr) -> io::Result<Socket> {
    let socket = match group {
        IpAddr::V4(group) => open_v4(link, group)?,
        IpAddr::V6(group) => open_v6(link, group)?,
    };
    // Best effort: without CAP_NET_ADMIN the default size stays.
    let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    Ok(socket)
}

fn raw(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(IPPROTO_VRRP)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open_v4(link: LinkId, group: Ipv4Addr) -> io::Result<Socket> {
    let socket = raw(Domain::IPV4)?;
    socket.bind_device_by_index_v4(NonZeroU32::new(link.0))?;
    // With IP_HDRINCL the source of the advert is what the engine wrote, also where the interface has no address.
    socket.set_header_included_v4(true)?;
    socket.set_multicast_all_v4(false)?;
    socket.set_multicast_loop_v4(false)?;
    socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(link.0))?;
    Ok(socket)
}

fn open_v6(link: LinkId, group: Ipv6Addr) -> io::Result<Socket> {
    let socket = raw(Domain::IPV6)?;
    socket.bind_device_by_index_v6(NonZeroU32::new(link.0))?;
    set_ipv6_checksum(&socket, CHECKSUM_OFFSET)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_if_v6(link.0)?;
    socket.set_multicast_hops_v6(HOP_LIMIT)?;
    socket.set_unicast_hops_v6(HOP_LIMIT)?;
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(&socket, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)?;
    socket.join_multicast_v6(&group, link.0)?;
    Ok(socket)
}

/// A raw IPv4 socket gives the datagram with its header, which the kernel has checked.
fn received_v4(link: LinkId, bytes: &[u8]) -> Option<Received> {
    let header_len = usize::from(bytes.first()? & 0x0f) * 4;
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    Some(Received {
        link,
        source: address(12)?,
        destination: address(16)?,
        hop_limit: *bytes.get(8)?,
        payload: bytes.get(header_len..)?.to_vec(),
    })
}

/// A raw IPv6 socket gives the payload; the rest comes as control messages.
fn received_v6(link: LinkId, message: &RecvMsg<'_, '_, SockaddrStorage>, bytes: &[u8]) -> Option<Received> {
    let source = IpAddr::V6(message.address?.as_sockaddr_in6()?.ip());
    let mut destination = None;
    let mut hop_limit = None;
    for control in message.cmsgs().ok()? {
        match control {
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                destination = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
            }
            ControlMessageOwned::Ipv6HopLimit(limit) => hop_limit = u8::try_from(limit).ok(),
            _ => {}
        }
    }
    Some(Received {
        link,
        source,
        destination: destination?,
        hop_limit: hop_limit?,
        payload: bytes.to_vec(),
    })
}
