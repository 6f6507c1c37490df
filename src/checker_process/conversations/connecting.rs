//! TCP connections that are being opened, watched together: a few system calls each and no task.
//!
//! Absent: the sockets, which are their conversations'. One that is closed is forgotten by the kernel.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use checkers::{CheckerId, ConversationId, Failure, Opening};
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::{AT_ONCE, errno, near_end, network};
use crate::sys::watch;

/// The watch over them.
pub(super) struct Connecting {
    epoll: Epoll,
    /// The same, for waiting: tokio asks for a descriptor that `Epoll` does not show.
    alarm: AsyncFd<Arc<OwnedFd>>,
}

impl Connecting {
    /// Watches nothing yet. Must be called inside the runtime.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let alarm = watch(Arc::new(epoll.0.try_clone()?))?;
        Ok(Self { epoll, alarm })
    }

    /// Begins to open a connection.
    pub(super) fn begin(&self, opening: &Opening) -> Result<Socket, Failure> {
        let socket = near_end(opening, Type::STREAM, Protocol::TCP)?;
        match socket.connect(&SocketAddr::new(opening.address, opening.port).into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(network(&error)),
            Ok(()) | Err(_) => {}
        }
        // Said once: open, or failed.
        let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLONESHOT;
        self.epoll
            .add(&socket, EpollEvent::new(flags, number(opening.conversation)))
            .map_err(|error| Failure::NoSocket(errno(&error.into())))?;
        Ok(socket)
    }

    /// Waits for the next that are open or have failed. Cancelling the wait loses nothing.
    pub(super) async fn next(&self) -> Vec<ConversationId> {
        loop {
            let Ok(mut ready) = self.alarm.readable().await else {
                // The runtime is ending.
                return std::future::pending().await;
            };
            let mut events = [EpollEvent::empty(); AT_ONCE];
            let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
            if count < AT_ONCE {
                // Nothing more is there now; what comes raises readiness again.
                ready.clear_ready();
            }
            if count > 0 {
                return events
                    .iter()
                    .take(count)
                    .map(|event| name(event.data()))
                    .collect();
            }
        }
    }
}

/// A conversation's name as the kernel keeps it.
fn number(name: ConversationId) -> u64 {
    u64::from(name.checker.0) << 32 | u64::from(name.turn)
}

fn name(number: u64) -> ConversationId {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
    ConversationId {
        checker: CheckerId(half(number >> 32)),
        turn: half(number),
    }
}
