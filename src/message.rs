//! What crosses between the supervisor and a child: one closed enum each way, and the socket they travel on.
//!
//! A message is two bytes, [`VERSION`] and a kind, in one datagram of a `SOCK_SEQPACKET` pair: never torn, never
//! merged, and the end of either process is seen at once. Longer matter (the text of a configuration) travels beside it
//! as a sealed memfd. Absent: what a message makes either side do.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};

use crate::reactor::Watched;
use crate::sys;

/// Version of the messages; both sides must speak the same.
pub const VERSION: u8 = 1;

/// How often a child's loop shows that it is alive.
pub const BEAT_INTERVAL: Duration = Duration::from_millis(500);

/// Largest datagram either side reads; every message is shorter.
const LONGEST: usize = 64;

/// From the supervisor to a child.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ToChild {
    /// Take up the configuration whose text is in the memfd beside this message.
    Reload,
    /// Let go of everything in order, then exit with status 0.
    Stop,
    /// Write the data dump (`SIGUSR1`).
    Data,
    /// Write the statistics (`SIGUSR2`).
    Stats,
    /// Write the statistics, then set them to zero (`SIGRTMAX - 1`).
    StatsClear,
    /// Write the JSON dump (signal 36).
    Json,
}

/// From a child to the supervisor.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FromChild {
    /// The configuration is taken up and the work has begun.
    Ready,
    /// The child's loop turns.
    Beat,
    /// The configuration of the last [`ToChild::Reload`] is in force.
    Reloaded,
    /// Everything is let go of; the process ends now.
    Stopped,
}

/// Why a datagram is not a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MessageError {
    /// Not the two bytes of a message.
    #[error("a message of {0} bytes instead of 2")]
    Length(usize),
    /// Written by another version of the program.
    #[error("a message of version {0}, this is version {VERSION}")]
    Version(u8),
    /// No such message.
    #[error("no message has the number {0}")]
    Kind(u8),
}

/// A message of one direction.
pub trait Message: Copy + 'static {
    /// Every message of this direction.
    const ALL: &'static [Self];

    /// The number on the wire.
    fn kind(self) -> u8;

    /// The bytes on the wire.
    fn encode(self) -> [u8; 2] {
        [VERSION, self.kind()]
    }

    /// Reads the bytes of one datagram.
    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let &[version, kind] = bytes else {
            return Err(MessageError::Length(bytes.len()));
        };
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        let mut all = Self::ALL.iter().copied();
        all.find(|message| message.kind() == kind)
            .ok_or(MessageError::Kind(kind))
    }
}

impl Message for ToChild {
    const ALL: &'static [ToChild] = &[
        ToChild::Reload,
        ToChild::Stop,
        ToChild::Data,
        ToChild::Stats,
        ToChild::StatsClear,
        ToChild::Json,
    ];

    fn kind(self) -> u8 {
        self as u8
    }
}

impl Message for FromChild {
    const ALL: &'static [FromChild] = &[
        FromChild::Ready,
        FromChild::Beat,
        FromChild::Reloaded,
        FromChild::Stopped,
    ];

    fn kind(self) -> u8 {
        self as u8
    }
}

/// One end of the socket pair. Nothing on it ever blocks.
pub struct Link {
    socket: Watched,
}

/// What was waiting on the link.
pub enum Received<M> {
    /// A message, with the descriptor that came beside it.
    Message(M, Option<OwnedFd>),
    /// A datagram that is not a message.
    Nonsense(MessageError),
    /// The other process is gone.
    End,
}

impl Link {
    /// A connected pair: this process's end and the one to hand over, both close-on-exec.
    pub fn pair() -> io::Result<(Link, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Link::new(ours), theirs))
    }

    /// The end that was handed over.
    pub fn new(socket: OwnedFd) -> Link {
        Link {
            socket: Watched::new(socket),
        }
    }

    /// Sends without waiting, with a descriptor beside the message if one is given. `WouldBlock` means that the other
    /// side has read nothing for hundreds of messages.
    pub fn send<M: Message>(&self, message: M, beside: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = message.encode();
        let numbers = beside.map(|fd| [fd.as_raw_fd()]);
        let rights = numbers
            .as_ref()
            .map(|numbers| [ControlMessage::ScmRights(numbers)]);
        let control: &[ControlMessage<'_>] = rights.as_ref().map_or(&[], |rights| rights);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let socket = self.socket.as_fd().as_raw_fd();
        sendmsg::<()>(socket, &[IoSlice::new(&bytes)], control, flags, None)?;
        Ok(())
    }

    /// Waits for the next datagram. Cancelling the wait loses nothing.
    pub async fn receive<M: Message>(&mut self) -> io::Result<Received<M>> {
        self.socket.ready(receive_now).await
    }
}

fn receive_now<M: Message>(socket: BorrowedFd<'_>) -> io::Result<Received<M>> {
    let mut bytes = [0; LONGEST];
    let mut control = nix::cmsg_space!(OwnedFd);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let (length, beside) = match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
        Ok(message) => {
            let mut rights = message.cmsgs()?.filter_map(|control| match control {
                ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
                _ => None,
            });
            (message.bytes, rights.next().map(sys::take_fd).transpose()?)
        }
        Err(Errno::ECONNRESET) => return Ok(Received::End),
        Err(error) => return Err(error.into()),
    };
    if length == 0 {
        return Ok(Received::End);
    }
    Ok(match M::decode(&bytes[..length]) {
        Ok(message) => Received::Message(message, beside),
        Err(error) => Received::Nonsense(error),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    fn round_trip<M: Message + Debug + PartialEq>() {
        for message in M::ALL {
            assert_eq!(M::decode(&message.encode()).unwrap(), *message);
        }
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        round_trip::<ToChild>();
        round_trip::<FromChild>();
    }

    #[test]
    fn what_is_not_a_message_is_refused_with_the_reason() {
        assert_eq!(FromChild::decode(&[]), Err(MessageError::Length(0)));
        assert_eq!(FromChild::decode(&[VERSION, 0, 0]), Err(MessageError::Length(3)));
        assert_eq!(
            FromChild::decode(&[VERSION + 1, 0]),
            Err(MessageError::Version(VERSION + 1))
        );
        assert_eq!(FromChild::decode(&[VERSION, 200]), Err(MessageError::Kind(200)));
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..8)) {
            if let Ok(message) = ToChild::decode(&bytes) {
                prop_assert_eq!(&message.encode()[..], &bytes[..]);
            }
            if let Ok(message) = FromChild::decode(&bytes) {
                prop_assert_eq!(&message.encode()[..], &bytes[..]);
            }
        }
    }

    #[tokio::test]
    async fn messages_arrive_in_order_each_with_its_descriptor() {
        let (ours, theirs) = Link::pair().unwrap();
        let mut child = Link::new(theirs);
        let beside = tempfile::tempfile().unwrap();
        ours.send(ToChild::Reload, Some(beside.as_fd())).unwrap();
        ours.send(ToChild::Stop, None).unwrap();
        let Received::Message(ToChild::Reload, Some(_)) = child.receive().await.unwrap() else {
            panic!("no reload")
        };
        let Received::Message(ToChild::Stop, None) = child.receive().await.unwrap() else {
            panic!("no stop")
        };
        drop(ours);
        let Received::End = child.receive::<ToChild>().await.unwrap() else {
            panic!("no end")
        };
    }

    #[tokio::test]
    async fn a_side_that_does_not_read_delays_nobody() {
        let (supervisor, theirs) = Link::pair().unwrap();
        let child = Link::new(theirs);
        let sent = (0..100_000)
            .take_while(|_| child.send(FromChild::Beat, None).is_ok())
            .count();
        assert!((100..100_000).contains(&sent), "{sent}");
        drop(supervisor);
        assert!(child.send(FromChild::Beat, None).is_err());
    }
}
