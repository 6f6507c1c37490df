//! The UDP sockets of BFD: one that hears for each family and port, one that speaks for each session.
//!
//! Bytes are carried, not read: judging a packet is the engine's business.

use std::collections::btree_map::Entry as Listening;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use bfd::{Path, Received};
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv4RecvTtl, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, setsockopt,
};
use parser::units::Family;
use socket2::{Domain, Socket, Type};
use tokio::io::unix::AsyncFd;
use tracing::{info, warn};

use crate::sys::watch;

/// Port of single-hop control packets (RFC 5881 4).
const SINGLE_HOP: u16 = 3784;
/// Port of multihop control packets (RFC 5883 5).
const MULTIHOP: u16 = 4784;
/// Source ports (RFC 5881 4).
const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;
/// How many of them are tried when the session's own is taken.
const TRIES: usize = 64;
/// Traffic class: network control precedence.
const TRAFFIC_CLASS: u32 = 0xc0;
/// Packets taken from the kernel in one call.
const BURST: usize = 32;
/// Bytes kept of one datagram; a longer one is no control packet that we could believe.
const DATAGRAM: usize = 256;

/// A received datagram with the buffer that it stands in.
#[derive(Debug)]
pub(super) struct Datagram {
    source: IpAddr,
    destination: IpAddr,
    multihop: bool,
    hop_limit: u8,
    payload: Vec<u8>,
}

impl Datagram {
    /// As the engine takes it.
    pub(super) fn received(&self) -> Received<'_> {
        Received {
            source: self.source,
            destination: self.destination,
            multihop: self.multihop,
            hop_limit: self.hop_limit,
            payload: &self.payload,
        }
    }
}

/// Every socket of the process.
pub(super) struct Sockets {
    hearing: BTreeMap<(Family, bool), Ear>,
    speaking: HashMap<Path, Socket>,
    /// What the log has been told that it does not work.
    deaf: BTreeSet<(Family, bool)>,
    mute: HashSet<Path>,
    datagrams: Vec<[u8; DATAGRAM]>,
}

/// A socket that hears.
struct Ear {
    socket: AsyncFd<Arc<OwnedFd>>,
    /// Its own: the kernel leaves there how much room the last message took, and one of another family needs more.
    headers: MultiHeaders<SockaddrStorage>,
}

impl Sockets {
    /// No socket yet.
    pub(super) fn new() -> Self {
        Self {
            hearing: BTreeMap::new(),
            speaking: HashMap::new(),
            deaf: BTreeSet::new(),
            mute: HashSet::new(),
            datagrams: vec![[0; DATAGRAM]; BURST],
        }
    }

    /// Opens the ports of these kinds of session (family, multihop) and closes those of others. What cannot be opened is
    /// said once, and tried again at the next call: another daemon may give the port back.
    pub(super) fn listen(&mut self, kinds: &BTreeSet<(Family, bool)>) {
        self.hearing.retain(|kind, _| kinds.contains(kind));
        for &kind in kinds {
            let Listening::Vacant(place) = self.hearing.entry(kind) else {
                continue;
            };
            let (family, multihop) = kind;
            let port = port(multihop);
            match hearing(family, port).and_then(|socket| watch(Arc::new(socket.into()))) {
                Ok(socket) => {
                    let control = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
                    let headers = MultiHeaders::preallocate(BURST, Some(control));
                    place.insert(Ear { socket, headers });
                    if self.deaf.remove(&kind) {
                        info!("Able to hear BFD packets on {family} port {port} again");
                    }
                }
                Err(error) => {
                    if self.deaf.insert(kind) {
                        warn!("Unable to hear BFD packets on {family} port {port}: {error}; trying again");
                    }
                }
            }
        }
    }

    /// Sends a control packet. A failure is said once for each session; the next packet tries anew.
    pub(super) fn send(&mut self, path: &Path, bytes: &[u8]) {
        match self.try_send(path, bytes) {
            Ok(()) => {
                if self.mute.remove(path) {
                    info!("Able to send BFD packets to {} again", path.neighbor);
                }
            }
            Err(error) => {
                // Its address may be gone, and may come back.
                self.speaking.remove(path);
                if self.mute.insert(path.clone()) {
                    warn!("Unable to send BFD packets to {}: {error}", path.neighbor);
                }
            }
        }
    }

    fn try_send(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let socket = match self.speaking.get(path) {
            Some(socket) => socket,
            None => self.speaking.entry(path.clone()).or_insert(speaking(path)?),
        };
        let to = SocketAddr::new(path.neighbor, port(path.multihop));
        socket.send_to(bytes, &to.into()).map(|_| ())
    }

    /// Closes the sockets of sessions that are gone.
    pub(super) fn retain(&mut self, stays: impl Fn(&Path) -> bool) {
        self.speaking.retain(|path, _| stays(path));
        self.mute.retain(|path| stays(path));
    }

    /// Waits for datagrams and takes a burst from every socket that has some. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self, into: &mut Vec<Datagram>) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_receive(cx, into)).await
    }

    /// Takes what waits, without waiting for more.
    pub(super) fn receive_waiting(&mut self, into: &mut Vec<Datagram>) {
        for (&(_, multihop), ear) in &mut self.hearing {
            // Whatever is wrong with the socket, the next wait for it tells.
            let _ = receive(
                ear.socket.get_ref(),
                &mut ear.headers,
                &mut self.datagrams,
                multihop,
                into,
            );
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, into: &mut Vec<Datagram>) -> Poll<io::Result<()>> {
        for (&(_, multihop), Ear { socket, headers }) in &mut self.hearing {
            while let Poll::Ready(ready) = socket.poll_read_ready(cx) {
                let mut ready = ready?;
                match receive(socket.get_ref(), headers, &mut self.datagrams, multihop, into) {
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

fn receive(
    socket: &OwnedFd,
    headers: &mut MultiHeaders<SockaddrStorage>,
    buffers: &mut [[u8; DATAGRAM]],
    multihop: bool,
    into: &mut Vec<Datagram>,
) -> Result<(), Errno> {
    let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers
        .iter_mut()
        .map(|datagram| [IoSliceMut::new(datagram)])
        .collect();
    let flags = MsgFlags::MSG_DONTWAIT;
    let messages = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), flags, None)?;
    into.extend(messages.filter_map(|message| datagram(&message, multihop)));
    Ok(())
}

fn datagram(message: &RecvMsg<'_, '_, SockaddrStorage>, multihop: bool) -> Option<Datagram> {
    let address = message.address?;
    let source = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => IpAddr::V4(v4.ip()),
        (_, Some(v6)) => IpAddr::V6(v6.ip()),
        (None, None) => return None,
    };
    let (mut destination, mut hop_limit) = (None, None);
    for control in message.cmsgs().ok()? {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                destination = Some(IpAddr::V4(u32::from_be(info.ipi_addr.s_addr).into()));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                destination = Some(IpAddr::V6(info.ipi6_addr.s6_addr.into()));
            }
            ControlMessageOwned::Ipv4Ttl(limit) | ControlMessageOwned::Ipv6HopLimit(limit) => {
                hop_limit = u8::try_from(limit).ok();
            }
            _ => {}
        }
    }
    Some(Datagram {
        source,
        destination: destination?,
        multihop,
        hop_limit: hop_limit?,
        payload: message.iovs().next()?.to_vec(),
    })
}

fn port(multihop: bool) -> u16 {
    if multihop { MULTIHOP } else { SINGLE_HOP }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn udp(family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::Ipv4 => Domain::IPV4,
        Family::Ipv6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    if family == Family::Ipv6 {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn hearing(family: Family, port: u16) -> io::Result<Socket> {
    let socket = udp(family)?;
    match family {
        Family::Ipv4 => {
            setsockopt(&socket, Ipv4RecvTtl, &true)?;
            setsockopt(&socket, Ipv4PacketInfo, &true)?;
        }
        Family::Ipv6 => {
            socket.set_recv_hoplimit_v6(true)?;
            setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
        }
    }
    socket.bind(&SocketAddr::new(unspecified(family), port).into())?;
    Ok(socket)
}

fn speaking(path: &Path) -> io::Result<Socket> {
    let family = Family::of(path.neighbor);
    let socket = udp(family)?;
    match family {
        Family::Ipv4 => {
            socket.set_ttl_v4(path.hop_limit.into())?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
        }
        Family::Ipv6 => {
            socket.set_unicast_hops_v6(path.hop_limit.into())?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        }
    }
    let address = path.source.unwrap_or(unspecified(family));
    let mut ports = SOURCE_PORTS
        .cycle()
        .skip_while(|port| *port != path.source_port)
        .take(TRIES);
    let bound = ports.find_map(|port| match socket.bind(&SocketAddr::new(address, port).into()) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
        result => Some(result),
    });
    bound.unwrap_or_else(|| Err(io::ErrorKind::AddrInUse.into()))?;
    Ok(socket)
}
