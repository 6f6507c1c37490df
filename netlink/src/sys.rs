//! The one call here that the compiler cannot check.
#![expect(unsafe_code, reason = "set aside for system calls")]

use std::io;

use netlink_sys::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers the socket with the current runtime, for reading: a send to the kernel never waits.
pub(crate) fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the `AsyncFd` owns the socket and the socket owns its descriptor, which is closed when the socket is
    // dropped and neither replaced nor handed out before.
    let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    watched.map_err(io::Error::from)
}
