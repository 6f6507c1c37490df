//! Everything that the hosts send, seen at the switch with the kernel's time.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::{TimeSpec, TimeVal};

use super::frame::{Advert, Frame, decode};
use super::lock;

/// The frames seen so far; they stay after the end of the lab's hosts.
#[derive(Debug, Default)]
pub struct Capture {
    frames: Mutex<Vec<Frame>>,
    ports: Mutex<HashMap<usize, Arc<str>>>,
    over: AtomicBool,
}

/// The thread that reads the socket; dropping it ends the capture.
#[derive(Debug)]
pub(super) struct Sniffer {
    capture: Arc<Capture>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Looks at all frames in the order in which they came.
    pub fn look<T>(&self, look: impl FnOnce(&[Frame]) -> T) -> T {
        look(&lock(&self.frames))
    }

    /// The frames from number `first` (from 0) on.
    pub fn since(&self, first: usize) -> Vec<Frame> {
        self.look(|frames| frames.get(first..).unwrap_or_default().to_vec())
    }

    /// The frames that `wanted` picks.
    pub fn pick(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        self.look(|frames| frames.iter().filter(|frame| wanted(frame)).cloned().collect())
    }

    /// The advertisements that a host has sent.
    pub fn adverts(&self, host: &str) -> Vec<(SystemTime, Advert)> {
        self.look(|frames| {
            let its = frames.iter().filter(|frame| &*frame.host == host);
            its.filter_map(|frame| Some((frame.at, frame.advert()?.clone())))
                .collect()
        })
    }

    /// From now on, what comes in through this interface of the switch is from this host.
    pub(super) fn plugged(&self, port: u32, host: &Arc<str>) {
        let mut ports = lock(&self.ports);
        ports.insert(port as usize, Arc::clone(host));
    }

    fn add(&self, at: SystemTime, port: usize, bytes: &[u8]) {
        let ports = lock(&self.ports);
        let Some(host) = ports.get(&port) else { return };
        let frame = Frame {
            at,
            host: Arc::clone(host),
            bytes: bytes.to_vec(),
            seen: decode(bytes),
        };
        lock(&self.frames).push(frame);
    }
}

impl Sniffer {
    /// A socket that hears every interface of the network namespace of the calling thread.
    pub(super) fn open() -> io::Result<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&socket, RcvBufForce, &(16 << 20))?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        // So that the thread sees now and then whether it is over.
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(0, 50_000))?;
        Ok(socket)
    }

    /// Reads the socket until dropped.
    pub(super) fn start(socket: OwnedFd, capture: Arc<Capture>) -> io::Result<Self> {
        let to = Arc::clone(&capture);
        let thread = Builder::new()
            .name("sniffer".to_owned())
            .spawn(move || read_all(&socket, &to))?;
        Ok(Self {
            capture,
            thread: Some(thread),
        })
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.capture.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed by itself.
            let _ = thread.join();
        }
    }
}

/// `PACKET_OUTGOING` of `linux/if_packet.h`: a copy of what this namespace itself sends, here what the bridge
/// forwards to the other ports.
const PACKET_OUTGOING: u8 = 4;

fn read_all(socket: &OwnedFd, capture: &Capture) {
    let mut bytes = vec![0; 65_536];
    let mut control = cmsg_space!(TimeSpec);
    while !capture.over.load(Ordering::Relaxed) {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg::<LinkAddr>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        );
        let (at, from, len) = match received {
            Ok(message) => (stamp(&message), message.address, message.bytes),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => continue,
            Err(_) => return,
        };
        let Some(from) = from.filter(|from| from.pkttype() != PACKET_OUTGOING) else {
            continue;
        };
        capture.add(at, from.ifindex(), bytes.get(..len).unwrap_or_default());
    }
}

fn stamp(message: &nix::sys::socket::RecvMsg<'_, '_, LinkAddr>) -> SystemTime {
    let kernel = message.cmsgs().ok().and_then(|mut all| {
        all.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(SystemTime::UNIX_EPOCH + Duration::from(time)),
            _ => None,
        })
    });
    kernel.unwrap_or_else(SystemTime::now)
}
