//! The socket of syslog, connected again whenever the daemon behind it was restarted.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};

pub(super) struct Connection {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    /// It waits for a daemon that has not read yet what was sent before.
    is_patient: bool,
}

impl Connection {
    /// Datagrams that one system call sends.
    pub(super) const TOGETHER: usize = 64;

    /// Waits for a daemon that reads slowly.
    pub(super) fn patient(path: PathBuf) -> Self {
        Self {
            path,
            socket: None,
            is_patient: true,
        }
    }

    /// Waits for nothing.
    pub(super) fn hasty(path: PathBuf) -> Self {
        Self {
            path,
            socket: None,
            is_patient: false,
        }
    }

    /// Sends datagrams in their order; answers with how many of them the daemon took.
    pub(super) fn send(&mut self, datagrams: &[&[u8]]) -> usize {
        let (mut rest, mut sent, mut is_new) = (datagrams, 0, false);
        while let Some((_, after_first)) = rest.split_first() {
            let Some(socket) = &self.socket else {
                match self.connect() {
                    Ok(socket) => self.socket = Some(socket),
                    Err(_) => break,
                }
                is_new = true;
                continue;
            };
            match send_some(socket, rest) {
                Ok(count) => {
                    sent += count;
                    rest = rest.get(count.max(1)..).unwrap_or_default();
                    is_new = false;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                // Not for want of a daemon: this one cannot be sent.
                Err(_) if is_new => rest = after_first,
                // The daemon was restarted.
                Err(_) => self.socket = None,
            }
        }
        sent
    }

    fn connect(&self) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(!self.is_patient)?;
        socket.connect(&self.path)?;
        Ok(socket)
    }
}

fn send_some(socket: &UnixDatagram, datagrams: &[&[u8]]) -> nix::Result<usize> {
    let parts = datagrams.iter().take(Connection::TOGETHER);
    let parts: Vec<[IoSlice<'_>; 1]> = parts.map(|datagram| [IoSlice::new(datagram)]).collect();
    let mut headers = MultiHeaders::<()>::preallocate(parts.len(), None);
    let nowhere_else = vec![None; parts.len()];
    let flags = MsgFlags::MSG_NOSIGNAL;
    Ok(sendmmsg(socket.as_raw_fd(), &mut headers, &parts, nowhere_else, [], flags)?.count())
}
