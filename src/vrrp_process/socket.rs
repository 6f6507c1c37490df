//! The raw sockets that adverts leave and come in by: one for each [`Endpoint`] that an instance needs.
//!
//! Bytes are carried, not read: beyond finding where the IP header ends, judging a packet is the engine's business.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg,
    sendmmsg, setsockopt,
};
use parser::units::Family;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use vrrp::{Datagram, Endpoint, LinkId, Packet};

use crate::sys::net::set_ipv6_checksum;
use crate::sys::watch;

/// Traffic class of adverts: network control precedence.
const TRAFFIC_CLASS: u32 = 0xc0;
/// Offset of the checksum in a VRRP packet, which the kernel fills in for IPv6.
const CHECKSUM_OFFSET: libc::c_int = 6;
/// Packets taken from the kernel, or given to it, in one call.
const BURST: usize = 32;
/// Bytes kept of one packet: the largest advert (8 + 255 x 16, a trailer, an IPv4 header) fits.
const PACKET: usize = 4608;

/// A received packet with the buffer that it stands in.
#[derive(Debug)]
pub(super) struct Received {
    link: Option<LinkId>,
    source: IpAddr,
    destination: IpAddr,
    hop_limit: u8,
    /// The IPv4 header, if any, and the packet after it.
    bytes: Vec<u8>,
    header_len: usize,
}

impl Received {
    /// As the engine takes it.
    pub(super) fn packet(&self) -> Packet<'_> {
        let (ip_header, payload) = self.bytes.split_at(self.header_len);
        Packet {
            link: self.link,
            source: self.source,
            destination: self.destination,
            hop_limit: self.hop_limit,
            ip_header,
            payload,
        }
    }
}

/// Every VRRP socket of the process, and the buffers they share.
pub(super) struct Sockets {
    open: BTreeMap<Endpoint, AsyncFd<Arc<OwnedFd>>>,
    buffers: Buffers,
}

struct Buffers {
    packets: Vec<[u8; PACKET]>,
}

impl Sockets {
    /// No socket yet.
    pub(super) fn new() -> Self {
        let buffers = Buffers {
            packets: vec![[0; PACKET]; BURST],
        };
        Self {
            open: BTreeMap::new(),
            buffers,
        }
    }

    /// Opens what is wanted and not there, each with a receive buffer of so many bytes, and closes what nobody wants any
    /// more. What stands already is kept. Answers for each socket that was to be opened how that went.
    pub(super) fn keep(&mut self, wanted: &BTreeMap<Endpoint, usize>) -> Vec<(Endpoint, io::Result<()>)> {
        self.open.retain(|endpoint, _| wanted.contains_key(endpoint));
        let missing: Vec<(Endpoint, usize)> = wanted
            .iter()
            .filter(|(endpoint, _)| !self.open.contains_key(endpoint))
            .map(|(endpoint, bytes)| (*endpoint, *bytes))
            .collect();
        let open = |(endpoint, bytes)| {
            let opened = open(endpoint, bytes).and_then(|socket| watch(Arc::new(socket.into())));
            let outcome = opened.map(|socket| drop(self.open.insert(endpoint, socket)));
            (endpoint, outcome)
        };
        missing.into_iter().map(open).collect()
    }

    /// Sends adverts, in as few calls as possible. Answers the outcome of each.
    pub(super) fn send(&self, adverts: &[Datagram]) -> Vec<io::Result<()>> {
        let alike = |a: &Datagram, b: &Datagram| {
            (a.endpoint, a.source, a.hop_limit) == (b.endpoint, b.source, b.hop_limit)
        };
        let batches = adverts.chunk_by(alike).flat_map(|batch| batch.chunks(BURST));
        batches.flat_map(|batch| self.send_batch(batch)).collect()
    }

    /// Adverts from one source over one socket.
    fn send_batch(&self, batch: &[Datagram]) -> Vec<io::Result<()>> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let socket = batch.first().and_then(|first| self.open.get(&first.endpoint));
        while let Some(rest) = batch.get(outcomes.len()..).filter(|rest| !rest.is_empty()) {
            let sent = match socket {
                Some(socket) => send_some(socket.get_ref(), rest),
                None => Err(io::ErrorKind::NotConnected.into()),
            };
            match sent {
                // A call that sends nothing and says nothing must not go on for ever.
                Ok(0) => outcomes.push(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => outcomes.extend((0..count).map(|_| Ok(()))),
                // The first of the rest cannot be sent; perhaps the next can.
                Err(error) => outcomes.push(Err(error)),
            }
        }
        outcomes
    }

    /// Waits for packets and takes a burst from every socket that has some, so that a flood on one link cannot starve
    /// another. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self, into: &mut Vec<Received>) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_receive(cx, into)).await
    }

    /// Takes what waits, without waiting for more.
    pub(super) fn receive_waiting(&mut self, into: &mut Vec<Received>) {
        for (endpoint, socket) in &self.open {
            // Whatever is wrong with the socket, the next wait for it tells.
            let _ = self.buffers.receive(socket.get_ref(), *endpoint, into);
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<Received>) -> Poll<io::Result<()>> {
        for (endpoint, socket) in &self.open {
            while let Poll::Ready(ready) = socket.poll_read_ready(cx) {
                let mut ready = ready?;
                match self.buffers.receive(socket.get_ref(), *endpoint, into) {
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
        endpoint: Endpoint,
        into: &mut Vec<Received>,
    ) -> Result<(), Errno> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .packets
            .iter_mut()
            .map(|packet| [IoSliceMut::new(packet)])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        // New ones each time: the kernel writes over their lengths, and an IPv4 packet leaves no room for what comes with
        // the next IPv6 packet.
        let control = cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let mut headers = MultiHeaders::preallocate(BURST, Some(control));
        let messages = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
        for message in messages {
            let Some(bytes) = message.iovs().next() else {
                continue;
            };
            into.extend(match Family::of(endpoint.local) {
                Family::Ipv4 => received_v4(endpoint.link, bytes),
                Family::Ipv6 => received_v6(endpoint.link, &message, bytes),
            });
        }
        Ok(())
    }
}

/// Hands as many adverts to the kernel as it takes. All are alike but for destination and bytes.
fn send_some(socket: &OwnedFd, adverts: &[Datagram]) -> io::Result<usize> {
    let Some(first) = adverts.first() else {
        return Ok(0);
    };
    let slices: Vec<[IoSlice<'_>; 1]> = adverts
        .iter()
        .map(|advert| [IoSlice::new(&advert.bytes)])
        .collect();
    let addresses: Vec<Option<SockaddrStorage>> = adverts
        .iter()
        .map(|advert| Some(address(advert.destination, first.endpoint.link)))
        .collect();
    let flags = if first.destination.is_multicast() {
        MsgFlags::from_bits_retain(libc::MSG_DONTROUTE) | MsgFlags::MSG_DONTWAIT
    } else {
        MsgFlags::MSG_DONTWAIT
    };
    // With IP_HDRINCL the source stands in the advert itself.
    let info = match first.source {
        IpAddr::V4(_) => None,
        IpAddr::V6(source) => Some(libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: source.octets(),
            },
            ipi6_ifindex: first.endpoint.link.map_or(0, |link| link.0),
        }),
    };
    let hop_limit = first.hop_limit.map(libc::c_int::from);
    let mut control = Vec::new();
    control.extend(info.as_ref().map(ControlMessage::Ipv6PacketInfo));
    control.extend(
        hop_limit
            .as_ref()
            .filter(|_| info.is_some())
            .map(ControlMessage::Ipv6HopLimit),
    );
    // The room is filled to the last byte: the kernel takes what is left empty for a broken message.
    let space = match control.len() {
        0 => None,
        1 => Some(cmsg_space!(libc::in6_pktinfo)),
        _ => Some(cmsg_space!(libc::in6_pktinfo, libc::c_int)),
    };
    let mut headers = MultiHeaders::preallocate(adverts.len(), space);
    let sent = sendmmsg(
        socket.as_raw_fd(),
        &mut headers,
        &slices,
        &addresses,
        control,
        flags,
    )?;
    Ok(sent.count())
}

/// Scoped to the interface where the address means something different on each.
fn address(destination: IpAddr, link: Option<LinkId>) -> SockaddrStorage {
    match destination {
        IpAddr::V4(destination) => SocketAddrV4::new(destination, 0).into(),
        IpAddr::V6(destination) => {
            let scoped = destination.is_unicast_link_local() || destination.is_multicast();
            let scope = link.filter(|_| scoped).map_or(0, |link| link.0);
            SocketAddrV6::new(destination, 0, 0, scope).into()
        }
    }
}

fn open(endpoint: Endpoint, receive_buffer: usize) -> io::Result<Socket> {
    let socket = match endpoint.local {
        IpAddr::V4(local) => open_v4(endpoint, local)?,
        IpAddr::V6(local) => open_v6(endpoint, local)?,
    };
    // Best effort: without CAP_NET_ADMIN the default size stays.
    let _ = setsockopt(&socket, RcvBufForce, &receive_buffer);
    Ok(socket)
}

fn raw(domain: Domain, protocol: u8) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open_v4(endpoint: Endpoint, local: Ipv4Addr) -> io::Result<Socket> {
    let socket = raw(Domain::IPV4, endpoint.protocol)?;
    let index = endpoint.link.and_then(|link| NonZeroU32::new(link.0));
    socket.bind_device_by_index_v4(index)?;
    // With IP_HDRINCL the source of the advert is what the engine wrote, also where the interface has no address.
    socket.set_header_included_v4(true)?;
    socket.set_multicast_all_v4(false)?;
    socket.set_multicast_loop_v4(false)?;
    if let Some(index) = index.filter(|_| local.is_multicast()) {
        socket.join_multicast_v4_n(&local, &InterfaceIndexOrAddress::Index(index.get()))?;
    }
    // The source address may come later than the daemon.
    socket.set_freebind_v4(true)?;
    socket.bind(&SocketAddrV4::new(local, 0).into())?;
    Ok(socket)
}

fn open_v6(endpoint: Endpoint, local: Ipv6Addr) -> io::Result<Socket> {
    let socket = raw(Domain::IPV6, endpoint.protocol)?;
    let index = endpoint.link.and_then(|link| NonZeroU32::new(link.0));
    socket.bind_device_by_index_v6(index)?;
    set_ipv6_checksum(&socket, CHECKSUM_OFFSET)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(&socket, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)?;
    let scope = index.map_or(0, NonZeroU32::get);
    if local.is_multicast() {
        socket.set_multicast_if_v6(scope)?;
        socket.join_multicast_v6(&local, scope)?;
    }
    socket.set_freebind_v6(true)?;
    socket.bind(&SocketAddrV6::new(local, 0, 0, scope).into())?;
    Ok(socket)
}

/// A raw IPv4 socket gives the datagram with its header, which the kernel has checked.
fn received_v4(link: Option<LinkId>, bytes: &[u8]) -> Option<Received> {
    let header_len = usize::from(bytes.first()? & 0x0f) * 4;
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    (header_len <= bytes.len()).then_some(Received {
        link,
        source: address(12)?,
        destination: address(16)?,
        hop_limit: *bytes.get(8)?,
        bytes: bytes.to_vec(),
        header_len,
    })
}

/// A raw IPv6 socket gives the payload; the rest comes as control messages.
fn received_v6(
    link: Option<LinkId>,
    message: &RecvMsg<'_, '_, SockaddrStorage>,
    bytes: &[u8],
) -> Option<Received> {
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
        bytes: bytes.to_vec(),
        header_len: 0,
    })
}
