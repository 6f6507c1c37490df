//! The kernel's process connector: a netlink socket on which it tells of every fork, exec and exit (`linux/cn_proc.h`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recvfrom, sendto, setsockopt, sockopt};
use parser::config::global_defs::ReceiveBuffer;
use socket2::{Domain, Protocol, Socket, Type};

/// `CN_IDX_PROC` and `CN_VAL_PROC`, which are also the multicast group.
const PROC: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`
const LISTEN: u32 = 1;
/// `sizeof(struct nlmsghdr)`, `sizeof(struct cn_msg)`: before the event.
const HEADERS: usize = 16 + 20;

const PROC_EVENT_FORK: u32 = 1;
const PROC_EVENT_EXEC: u32 = 2;
const PROC_EVENT_COMM: u32 = 0x200;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// How long the kernel may take to say that it listens. Outside its first process namespace it says nothing.
const ANSWER: u16 = 200; // ms

/// The socket; everything told between [`Connector::open`] and a look through `/proc` waits in it.
#[derive(Debug)]
pub(super) struct Connector(OwnedFd);

/// Why the kernel tells nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectorError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer, as in a container")]
    NoAnswer,
}

/// What was in the socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Word(Word),
    /// Something of no interest here.
    Other,
    /// Nothing more for now.
    Nothing,
    /// Events were lost.
    Overrun,
}

/// What the kernel tells. Threads are left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// There is a new process.
    Forked { parent: i32, child: i32 },
    /// A process runs another program, or has another name.
    Changed(i32),
    /// A process ended.
    Ended(i32),
}

impl Connector {
    pub(super) fn open(buffer: ReceiveBuffer) -> Result<Self, ConnectorError> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let protocol = Protocol::from(libc::NETLINK_CONNECTOR);
        let socket: OwnedFd = Socket::new(Domain::from(libc::AF_NETLINK), kind, Some(protocol))?.into();
        set_buffer(&socket, buffer);
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, PROC)).map_err(io::Error::from)?;
        sendto(
            socket.as_raw_fd(),
            &request(),
            &NetlinkAddr::new(0, 0),
            MsgFlags::empty(),
        )
        .map_err(io::Error::from)?;
        let connector = Self(socket);
        connector.await_answer()?;
        Ok(connector)
    }

    /// What came next. Only the kernel is believed.
    pub(super) fn read(&self) -> io::Result<Heard> {
        let mut buffer = [0; 256];
        match recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut buffer) {
            Ok((length, Some(sender))) if sender.pid() == 0 => {
                Ok(decode(&buffer[..length]).map_or(Heard::Other, Heard::Word))
            }
            Ok(_) | Err(Errno::EINTR) => Ok(Heard::Other),
            Err(Errno::EAGAIN) => Ok(Heard::Nothing),
            Err(Errno::ENOBUFS) => Ok(Heard::Overrun),
            Err(error) => Err(error.into()),
        }
    }

    /// Whatever comes, an event or the answer to our request, shows that the kernel speaks to us.
    fn await_answer(&self) -> Result<(), ConnectorError> {
        let mut watched = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, ANSWER).map_err(io::Error::from)? {
            0 => Err(ConnectorError::NoAnswer),
            _ => Ok(()),
        }
    }
}

/// What the kernel refuses here it gives back as an overrun, after which everything is looked at anew.
fn set_buffer(socket: &OwnedFd, buffer: ReceiveBuffer) {
    const DEFAULT: usize = 1 << 20; // bytes: some thousand events
    let bytes = buffer.bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let force = buffer.force || bytes.is_none();
    let bytes = bytes.unwrap_or(DEFAULT);
    if !force || setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        let _ = setsockopt(socket, sockopt::RcvBuf, &bytes);
    }
}

impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `struct nlmsghdr`, `struct cn_msg` and the operation.
fn request() -> Vec<u8> {
    let length = HEADERS + 4;
    let mut bytes = Vec::with_capacity(length);
    let wide = |bytes: &mut Vec<u8>, word: u32| bytes.extend(word.to_ne_bytes());
    let narrow = |bytes: &mut Vec<u8>, word: u16| bytes.extend(word.to_ne_bytes());
    wide(&mut bytes, 40); // nlmsg_len
    narrow(&mut bytes, 3); // nlmsg_type: NLMSG_DONE
    narrow(&mut bytes, 0); // nlmsg_flags
    wide(&mut bytes, 0); // nlmsg_seq
    wide(&mut bytes, 0); // nlmsg_pid
    wide(&mut bytes, PROC); // id.idx
    wide(&mut bytes, PROC); // id.val
    wide(&mut bytes, 0); // seq
    wide(&mut bytes, 0); // ack
    narrow(&mut bytes, 4); // len
    narrow(&mut bytes, 0); // flags
    wide(&mut bytes, LISTEN);
    bytes
}

/// Reads a message of the connector: behind the headers a `struct proc_event`, which begins with what happened, the CPU
/// and the time.
fn decode(message: &[u8]) -> Option<Word> {
    let event = message.get(HEADERS..)?;
    let word = |index: usize| Some(u32::from_ne_bytes(*event.get(index * 4..)?.first_chunk()?));
    let number = |index: usize| word(index).map(u32::cast_signed);
    // The words 4 to 7: number and thread group of the process, or of parent and child.
    let is_process = |index| Some(number(index)? == number(index + 1)?);
    match word(0)? {
        PROC_EVENT_FORK if is_process(6)? => Some(Word::Forked {
            parent: number(5)?,
            child: number(7)?,
        }),
        PROC_EVENT_EXEC => Some(Word::Changed(number(5)?)),
        PROC_EVENT_COMM if is_process(4)? => Some(Word::Changed(number(5)?)),
        PROC_EVENT_EXIT if is_process(4)? => Some(Word::Ended(number(5)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as the kernel sends it, with these words after what happened, CPU and time.
    fn message(what: u32, words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; HEADERS];
        for word in [what, 0, 0, 0].iter().chain(words) {
            bytes.extend(word.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn events_of_processes_are_told_apart_from_those_of_threads() {
        let fork = |child, group| decode(&message(PROC_EVENT_FORK, &[12, 10, child, group]));
        assert_eq!(
            fork(20, 20),
            Some(Word::Forked {
                parent: 10,
                child: 20
            })
        );
        assert_eq!(fork(21, 20), None, "a thread");
        // exec ends all other threads: whichever called it is the process afterwards.
        let exec = decode(&message(PROC_EVENT_EXEC, &[21, 20]));
        assert_eq!(exec, Some(Word::Changed(20)));
        let comm = |pid| decode(&message(PROC_EVENT_COMM, &[pid, 20, 0, 0, 0, 0]));
        assert_eq!((comm(20), comm(21)), (Some(Word::Changed(20)), None));
        let exit = |pid| decode(&message(PROC_EVENT_EXIT, &[pid, 20, 0, 0]));
        assert_eq!((exit(20), exit(21)), (Some(Word::Ended(20)), None));
        assert_eq!(decode(&message(0x4000_0000, &[20, 20])), None, "a core dump");
    }

    #[test]
    fn what_is_cut_short_is_no_event() {
        let whole = message(PROC_EVENT_FORK, &[10, 10, 20, 20]);
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn the_request_is_as_long_as_it_says() {
        let request = request();
        assert_eq!(request.len(), HEADERS + 4);
        assert_eq!(request[..4], u32::try_from(request.len()).unwrap().to_ne_bytes());
    }
}
