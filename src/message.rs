//! What crosses between the supervisor and a child: one closed enum each way, and the socket they travel on.
//!
//! A message is two bytes, [`VERSION`] and a kind, and for some kinds a few more, in one datagram of a `SOCK_SEQPACKET`
//! pair: never torn, never merged, and the end of either process is seen at once. Longer matter (the text of a
//! configuration) travels beside it as a sealed memfd. Absent: what a message makes either side do.

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

/// Largest datagram either side reads; every message is shorter, as the names of sessions have at most 31 bytes.
const LONGEST: usize = 64;

/// From the supervisor to a child.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
    /// The last known state of a BFD session, which may have been told before.
    Bfd(BfdReport),
    /// Tell how you stand: answer with [`FromChild::Status`].
    Status,
    /// Remove what your predecessor left in the kernel under the configuration in the memfd beside this message.
    Inherit,
}

/// From a child to the supervisor.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum FromChild {
    /// The configuration is taken up and the work has begun.
    Ready,
    /// The child's loop turns.
    Beat,
    /// The configuration of the last [`ToChild::Reload`] is in force.
    Reloaded,
    /// Everything is let go of; the process ends now.
    Stopped,
    /// A BFD session came up or went down.
    Bfd(BfdReport),
    /// How the process stands: a JSON object, in the memfd beside this message.
    Status,
    /// What happened: lines of JSON, in the memfd beside this message.
    Events,
}

/// What is known of a BFD session. It is named, not numbered: two processes may be at different configurations.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct BfdReport {
    /// The name of its `bfd_instance`, at most 31 bytes.
    pub session: String,
    /// Whether it is in state Up.
    pub up: bool,
}

/// Why a datagram is not a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MessageError {
    /// Not even the two bytes that each message has.
    #[error("a message of {0} bytes instead of at least 2")]
    Length(usize),
    /// Written by another version of the program.
    #[error("a message of version {0}, this is version {VERSION}")]
    Version(u8),
    /// No such message.
    #[error("no message has the number {0}")]
    Kind(u8),
    /// The message of this number has other matter.
    #[error("message {0} with matter that it does not have")]
    Matter(u8),
}

/// A message of one direction.
pub trait Message: Sized + 'static {
    /// The number on the wire.
    fn kind(&self) -> u8;

    /// The message of a number, with the report that stands in it, if one does.
    fn of_kind(kind: u8, report: Option<BfdReport>) -> Result<Self, MessageError>;

    /// What goes beside the number.
    fn report(&self) -> Option<&BfdReport>;

    /// The bytes on the wire.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.kind()];
        if let Some(report) = self.report() {
            bytes.push(u8::from(report.up));
            bytes.extend_from_slice(report.session.as_bytes());
        }
        bytes
    }

    /// Reads the bytes of one datagram.
    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let &[version, kind, ref matter @ ..] = bytes else {
            return Err(MessageError::Length(bytes.len()));
        };
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        let report = match matter {
            [] => None,
            [up @ 0..=1, session @ ..] => Some(BfdReport {
                session: str::from_utf8(session)
                    .map_err(|_| MessageError::Matter(kind))?
                    .to_owned(),
                up: *up == 1,
            }),
            _ => return Err(MessageError::Matter(kind)),
        };
        Self::of_kind(kind, report)
    }
}

impl Message for ToChild {
    fn kind(&self) -> u8 {
        match self {
            ToChild::Reload => 0,
            ToChild::Stop => 1,
            ToChild::Data => 2,
            ToChild::Stats => 3,
            ToChild::StatsClear => 4,
            ToChild::Json => 5,
            ToChild::Bfd(_) => 6,
            ToChild::Status => 7,
            ToChild::Inherit => 8,
        }
    }

    fn of_kind(kind: u8, report: Option<BfdReport>) -> Result<Self, MessageError> {
        match (kind, report) {
            (0, None) => Ok(ToChild::Reload),
            (1, None) => Ok(ToChild::Stop),
            (2, None) => Ok(ToChild::Data),
            (3, None) => Ok(ToChild::Stats),
            (4, None) => Ok(ToChild::StatsClear),
            (5, None) => Ok(ToChild::Json),
            (6, Some(report)) => Ok(ToChild::Bfd(report)),
            (7, None) => Ok(ToChild::Status),
            (8, None) => Ok(ToChild::Inherit),
            (0..=8, _) => Err(MessageError::Matter(kind)),
            _ => Err(MessageError::Kind(kind)),
        }
    }

    fn report(&self) -> Option<&BfdReport> {
        match self {
            ToChild::Bfd(report) => Some(report),
            _ => None,
        }
    }
}

impl Message for FromChild {
    fn kind(&self) -> u8 {
        match self {
            FromChild::Ready => 0,
            FromChild::Beat => 1,
            FromChild::Reloaded => 2,
            FromChild::Stopped => 3,
            FromChild::Bfd(_) => 4,
            FromChild::Status => 5,
            FromChild::Events => 6,
        }
    }

    fn of_kind(kind: u8, report: Option<BfdReport>) -> Result<Self, MessageError> {
        match (kind, report) {
            (0, None) => Ok(FromChild::Ready),
            (1, None) => Ok(FromChild::Beat),
            (2, None) => Ok(FromChild::Reloaded),
            (3, None) => Ok(FromChild::Stopped),
            (4, Some(report)) => Ok(FromChild::Bfd(report)),
            (5, None) => Ok(FromChild::Status),
            (6, None) => Ok(FromChild::Events),
            (0..=6, _) => Err(MessageError::Matter(kind)),
            _ => Err(MessageError::Kind(kind)),
        }
    }

    fn report(&self) -> Option<&BfdReport> {
        match self {
            FromChild::Bfd(report) => Some(report),
            _ => None,
        }
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
    pub fn send<M: Message>(&self, message: &M, beside: Option<BorrowedFd<'_>>) -> io::Result<()> {
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

    fn round_trip<M: Message + Debug + PartialEq>(kinds: u8) {
        let report = || BfdReport {
            session: "b".repeat(31),
            up: true,
        };
        for kind in 0..kinds {
            let message = M::of_kind(kind, None)
                .or_else(|_| M::of_kind(kind, Some(report())))
                .unwrap();
            assert_eq!(message.kind(), kind);
            assert!(message.encode().len() <= LONGEST);
            assert_eq!(M::decode(&message.encode()), Ok(message));
        }
        assert_eq!(M::of_kind(kinds, None), Err(MessageError::Kind(kinds)));
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        round_trip::<ToChild>(9);
        round_trip::<FromChild>(7);
    }

    #[test]
    fn what_is_not_a_message_is_refused_with_the_reason() {
        for (bytes, error) in [
            (&[][..], MessageError::Length(0)),
            (&[VERSION], MessageError::Length(1)),
            (&[VERSION + 1, 0], MessageError::Version(VERSION + 1)),
            (&[VERSION, 200], MessageError::Kind(200)),
            (&[VERSION, 0, 0], MessageError::Matter(0)),
            (&[VERSION, 4], MessageError::Matter(4)),
            (&[VERSION, 4, 2, b'a'], MessageError::Matter(4)),
            (&[VERSION, 4, 1, 0xff], MessageError::Matter(4)),
        ] {
            assert_eq!(FromChild::decode(bytes), Err(error));
        }
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
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
        ours.send(&ToChild::Reload, Some(beside.as_fd())).unwrap();
        ours.send(&ToChild::Stop, None).unwrap();
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
            .take_while(|_| child.send(&FromChild::Beat, None).is_ok())
            .count();
        assert!((100..100_000).contains(&sent), "{sent}");
        drop(supervisor);
        assert!(child.send(&FromChild::Beat, None).is_err());
    }
}
