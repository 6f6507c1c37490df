//! How a socket comes to be, in whatever network namespace the thread is in.

use std::io;

use netlink_sys::Socket;
use nix::sys::socket::{setsockopt, sockopt};

use super::OpenError;

/// Size of a socket's receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// Bytes. A limit, not an allocation; the kernel doubles it for its own bookkeeping.
    pub bytes: usize,
    /// Go above `net.core.rmem_max` (`SO_RCVBUFFORCE`, needs `CAP_NET_ADMIN`). Without the right to do so the size is
    /// capped by that limit.
    pub force: bool,
}

/// A netlink socket that is not yet part of a runtime, so that it can be opened on a thread inside another namespace.
#[derive(Debug)]
pub struct Unattached {
    pub(crate) socket: Socket,
    pub(super) port: u32,
}

impl Unattached {
    /// Opens a socket of this protocol (`NETLINK_ROUTE` ...) in the network namespace of the calling thread.
    pub fn open(protocol: i32, buffer: ReceiveBuffer, groups: &[u32]) -> Result<Self, OpenError> {
        let step = |name: &'static str| move |source: io::Error| OpenError::Socket { step: name, source };
        let mut socket = Socket::new(protocol as isize).map_err(step("create the socket"))?;
        socket
            .set_non_blocking(true)
            .map_err(step("make it non-blocking"))?;
        set_receive_buffer(&socket, buffer).map_err(step("set its receive buffer"))?;
        // A kernel that lacks one of these (4.3, 4.12, 4.20 have them) says less in its errors, and that is all.
        let _longer = socket.set_cap_ack(true);
        let _terser = socket.set_ext_ack(true);
        let _laxer = socket.set_netlink_get_strict_chk(true);
        let port = socket.bind_auto().map_err(step("bind it"))?.port_number();
        Self { socket, port }.subscribe(groups)
    }

    /// Has it hear the events of these groups.
    pub(crate) fn subscribe(self, groups: &[u32]) -> Result<Self, OpenError> {
        for group in groups {
            self.socket
                .add_membership(*group)
                .map_err(|source| OpenError::Socket {
                    step: "subscribe to its events",
                    source,
                })?;
        }
        Ok(self)
    }
}

fn set_receive_buffer(socket: &Socket, buffer: ReceiveBuffer) -> io::Result<()> {
    if buffer.force && setsockopt(socket, sockopt::RcvBufForce, &buffer.bytes).is_ok() {
        return Ok(());
    }
    Ok(setsockopt(socket, sockopt::RcvBuf, &buffer.bytes)?)
}
