//! Everything that the hosts send, seen at the switch with the kernel's time.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType,
    recvmmsg, setsockopt, socket,
};
use nix::sys::time::{TimeSpec, TimeVal};
use socket2::{SockFilter, SockRef};

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

    /// Takes out all frames that have come since the last time; the others of these functions see them no more.
    pub fn drain(&self) -> Vec<Frame> {
        std::mem::take(&mut *lock(&self.frames))
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
    /// A socket that hears what comes in by every interface of the network namespace of the calling thread whose index is
    /// above `last_bridge`.
    pub(super) fn open(last_bridge: u32) -> io::Result<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        SockRef::from(&socket).attach_filter(&incoming_above(last_bridge))?;
        setsockopt(&socket, RcvBufForce, &(64 << 20))?;
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

/// The filter of a packet socket that takes each frame that a host sends once: neither the copies that the bridges
/// forward to other ports (`PACKET_OUTGOING` of `linux/if_packet.h`) nor those that they keep for themselves.
fn incoming_above(last_bridge: u32) -> [SockFilter; 6] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const ABOVE: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let ancillary = |offset: i32| (libc::SKF_AD_OFF + offset).cast_unsigned();
    let step = |code: u32, k: u32, jt: u8, jf: u8| {
        // All codes fit in 16 bits.
        let code = u16::try_from(code).unwrap_or_default();
        SockFilter::new(code, jt, jf, k)
    };
    [
        step(LOAD, ancillary(libc::SKF_AD_PKTTYPE), 0, 0),
        step(EQUAL, u32::from(libc::PACKET_OUTGOING), 3, 0),
        step(LOAD, ancillary(libc::SKF_AD_IFINDEX), 0, 0),
        step(ABOVE, last_bridge, 0, 1),
        step(RETURN, u32::MAX, 0, 0),
        step(RETURN, 0, 0, 0),
    ]
}

/// Frames taken in one call.
const BURST: usize = 64;
/// Room for one frame: more than an Ethernet frame without jumbo extensions.
const FRAME: usize = 2048;

fn read_all(socket: &OwnedFd, capture: &Capture) {
    let mut room = vec![[0; FRAME]; BURST];
    while !capture.over.load(Ordering::Relaxed) {
        match read_burst(socket, capture, &mut room) {
            // Many frames are worth a call; their times are the kernel's.
            Ok(count) if count < BURST => thread::sleep(PAUSE),
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => {}
            Err(_) => return,
        }
    }
}

fn read_burst(socket: &OwnedFd, capture: &Capture, room: &mut [[u8; FRAME]]) -> Result<usize, Errno> {
    let mut slices: Vec<[IoSliceMut<'_>; 1]> =
        room.iter_mut().map(|frame| [IoSliceMut::new(frame)]).collect();
    // New ones for each burst: the kernel writes over their lengths.
    let mut headers = MultiHeaders::<LinkAddr>::preallocate(BURST, Some(cmsg_space!(TimeSpec)));
    let flags = MsgFlags::MSG_WAITFORONE;
    let messages = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
    let mut count = 0;
    for message in messages {
        count += 1;
        if let (Some(from), Some(bytes)) = (message.address, message.iovs().next()) {
            capture.add(stamp(&message), from.ifindex(), bytes);
        }
    }
    Ok(count)
}

/// How long frames may wait for each other.
const PAUSE: Duration = Duration::from_millis(2);

fn stamp(message: &nix::sys::socket::RecvMsg<'_, '_, LinkAddr>) -> SystemTime {
    let kernel = message.cmsgs().ok().and_then(|mut all| {
        all.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(SystemTime::UNIX_EPOCH + Duration::from(time)),
            _ => None,
        })
    });
    kernel.unwrap_or_else(SystemTime::now)
}
