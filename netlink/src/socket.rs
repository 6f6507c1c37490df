//! A netlink socket for one asker at a time: single requests, dumps, and batches of many requests in one send.
//!
//! The kernel carries a send out before it returns, so a batch is cut into chunks that take a bounded time, and the
//! runtime gets its turn between them. Only the last request of a chunk asks for an acknowledgement; errors are
//! answered always (`netlink_rcv_skb`).
//!
//! Absent: concurrency. Answers are read by whoever asked, so nothing can wait for an answer that went elsewhere.

mod error;
pub(crate) mod frame;
mod open;
mod pace;

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkHeader,
    NetlinkSerializable,
};
use netlink_sys::{Socket as RawSocket, SocketAddr};
use tokio::io::unix::AsyncFd;

use crate::attribute::Raw;
use crate::sys;

pub use error::{Error, KernelError, OpenError};
use frame::messages;
pub use open::{ReceiveBuffer, Unattached};
pub use pace::Pace;
use pace::{chunk_end, next_size};

/// What stands around the requests of a transaction (`include/uapi/linux/netfilter/nfnetlink.h`).
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;

/// Length of `struct nlmsghdr`.
const HEADER_LEN: usize = 16;

/// The kernel fills at most 32 KiB of a dump into one datagram; an event about a link with hundreds of virtual
/// functions can be larger than that.
const DATAGRAM_LEN: usize = 64 * 1024;

/// How often a dump is begun again because the table changed under it.
const DUMP_TRIES: u32 = 20;

/// A request to the kernel. Its `Display` says what is asked in words, for errors: `add 192.0.2.1/32 on link 3`.
pub trait Request: fmt::Display {
    /// `NLM_F_*` flags beside `NLM_F_REQUEST`, `NLM_F_ACK` and `NLM_F_DUMP`, which the socket adds.
    fn flags(&self) -> u16;

    /// What goes on the wire.
    fn message(&self) -> impl NetlinkSerializable;

    /// Whether the next request must follow at once, without a turn of the runtime in between.
    fn holds(&self, _next: &Self) -> bool {
        false
    }
}

/// A netlink socket on the current runtime.
#[derive(Debug)]
pub struct Socket {
    io: AsyncFd<RawSocket>,
    /// Our address: the kernel writes it into answers to us.
    pub(crate) port: u32,
    sequence: u32,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    /// How long the kernel may take for an answer.
    pub time_out: Duration,
    /// How batches are cut.
    pub pace: Pace,
}

impl Socket {
    /// Registers the socket with the current runtime.
    pub fn attach(unattached: Unattached) -> Result<Self, OpenError> {
        let io = sys::watch(unattached.socket).map_err(|source| OpenError::Socket {
            step: "register it with the runtime",
            source,
        })?;
        Ok(Self {
            io,
            port: unattached.port,
            sequence: 0,
            outgoing: Vec::new(),
            incoming: Vec::with_capacity(DATAGRAM_LEN),
            time_out: Duration::from_secs(5),
            pace: Pace::default(),
        })
    }

    /// Sends one request and waits for its acknowledgement.
    pub async fn request<R: Request>(&mut self, request: &R) -> Result<(), Error> {
        let failure = self.batch(std::slice::from_ref(request)).await?.pop();
        failure.map_or(Ok(()), |(_, error)| Err(Error::Refused(error)))
    }

    /// Sends all requests, in order, and returns those that the kernel refused with their place in `requests`.
    ///
    /// A refused request does not keep the kernel from those after it. After an `Err` it is unknown which were carried
    /// out: read the state and plan again. When this future is dropped, what has not been sent is not sent.
    pub async fn batch<R: Request>(&mut self, requests: &[R]) -> Result<Vec<(usize, KernelError)>, Error> {
        self.discard_stale()?;
        let mut refused = Vec::new();
        let mut size = self.pace.most.min(16);
        let mut from = 0;
        while from < requests.len() {
            let to = chunk_end(requests, from, size);
            let began = Instant::now();
            self.exchange(&requests[from..to], from, &mut refused).await?;
            size = next_size(self.pace, to - from, began.elapsed());
            from = to;
            if from < requests.len() {
                tokio::task::yield_now().await;
            }
        }
        Ok(refused)
    }

    /// Reads a whole table. `decode` gets message type and payload; what it has no use for is left out.
    pub async fn dump<R: Request, T>(
        &mut self,
        request: &R,
        decode: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.discard_stale()?;
        let mut entries = Vec::new();
        for attempt in 1..=DUMP_TRIES {
            entries.clear();
            if self.dump_once(request, &decode, &mut entries).await? {
                return Ok(entries);
            }
            tokio::time::sleep(Duration::from_millis(u64::from(attempt / 4))).await;
        }
        Err(Error::Unsettled {
            tries: DUMP_TRIES,
            request: request.to_string(),
        })
    }

    /// Asks a question that is not answered by a table. `decode` is as for [`Self::dump`].
    pub async fn get<R: Request, T>(
        &mut self,
        request: &R,
        decode: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        self.discard_stale()?;
        let sequence = self.begin(request, NLM_F_ACK)?;
        let mut answers = Vec::new();
        self.collect(sequence, request, &decode, &mut answers).await?;
        Ok(answers)
    }

    /// Asks for a dump and returns its sequence number; the answers come through [`Self::receive`].
    pub(crate) fn begin_dump<R: Request>(&mut self, request: &R) -> Result<u32, Error> {
        self.begin(request, NLM_F_DUMP)
    }

    /// Waits for the next datagram of the kernel. Nothing is lost when this future is dropped.
    pub(crate) async fn receive(&mut self) -> Result<&[u8], Error> {
        while !self.try_receive()? {
            // What came since is seen by the next `try_receive`, what comes later raises readiness again.
            self.io.readable().await?.clear_ready();
        }
        Ok(&self.incoming)
    }

    /// One chunk: one send, then answers until the last request's.
    async fn exchange<R: Request>(
        &mut self,
        chunk: &[R],
        offset: usize,
        refused: &mut Vec<(usize, KernelError)>,
    ) -> Result<(), Error> {
        let Some((last, others)) = chunk.split_last() else {
            return Ok(());
        };
        self.outgoing.clear();
        for request in others {
            self.push(request, 0);
        }
        let last_sequence = self.push(last, NLM_F_ACK);
        self.send()?;
        self.answers(chunk, offset, (last_sequence, false), refused).await
    }

    /// Reads the answers to a chunk whose last request has this sequence number, up to the answer to that. Before the chunk
    /// something may have been sent that begins a transaction.
    async fn answers<R: Request>(
        &mut self,
        chunk: &[R],
        offset: usize,
        (last_sequence, begun): (u32, bool),
        refused: &mut Vec<(usize, KernelError)>,
    ) -> Result<(), Error> {
        let port = self.port;
        let time_out = self.time_out;
        let answers = async {
            loop {
                for message in messages(self.receive().await?) {
                    let behind = last_sequence.wrapping_sub(message.sequence) as usize;
                    if message.port != port
                        || message.kind != NLMSG_ERROR
                        || behind >= chunk.len() + usize::from(begun)
                    {
                        continue; // the answer to a request that was given up
                    }
                    let Some(place) = chunk.len().checked_sub(1 + behind) else {
                        // What begins a transaction is refused for all of it.
                        if let Some(error) = chunk.first().and_then(|first| message.refusal(first)) {
                            refused.push((offset, error));
                            return Ok(());
                        }
                        continue;
                    };
                    if let Some(error) = message.refusal(&chunk[place]) {
                        refused.push((offset + place, error));
                    }
                    if behind == 0 {
                        return Ok(());
                    }
                }
            }
        };
        match tokio::time::timeout(time_out, answers).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::TimeOut {
                after: time_out,
                request: chunk.last().map(ToString::to_string).unwrap_or_default(),
            }),
        }
    }

    /// Carries out all requests of an nfnetlink subsystem (`NFNL_SUBSYS_*`), or none of them; answers why not.
    pub(crate) async fn transaction<R: Request>(
        &mut self,
        subsystem: u16,
        requests: &[R],
    ) -> Result<Option<KernelError>, Error> {
        let Some((last, others)) = requests.split_last() else {
            return Ok(None);
        };
        self.discard_stale()?;
        self.outgoing.clear();
        self.push_edge(NFNL_MSG_BATCH_BEGIN, subsystem);
        for request in others {
            self.push(request, 0);
        }
        // Kernels before 6.10 acknowledge no end of a batch.
        let last_sequence = self.push(last, NLM_F_ACK);
        self.push_edge(NFNL_MSG_BATCH_END, subsystem);
        self.send()?;
        let mut refused = Vec::new();
        self.answers(requests, 0, (last_sequence, true), &mut refused)
            .await?;
        Ok(refused.into_iter().next().map(|(_, error)| error))
    }

    /// Whether the dump is consistent: no change of the table came between its parts.
    async fn dump_once<R: Request, T>(
        &mut self,
        request: &R,
        decode: &impl Fn(u16, &[u8]) -> Option<T>,
        entries: &mut Vec<T>,
    ) -> Result<bool, Error> {
        let sequence = self.begin_dump(request)?;
        self.collect(sequence, request, decode, entries).await
    }

    /// Gathers the answers to one request up to the message that ends them; whether they are consistent.
    async fn collect<R: Request, T>(
        &mut self,
        sequence: u32,
        request: &R,
        decode: &impl Fn(u16, &[u8]) -> Option<T>,
        entries: &mut Vec<T>,
    ) -> Result<bool, Error> {
        let port = self.port;
        let time_out = self.time_out;
        let mut consistent = true;
        loop {
            let Ok(received) = tokio::time::timeout(time_out, self.receive()).await else {
                return Err(Error::TimeOut {
                    after: time_out,
                    request: request.to_string(),
                });
            };
            for message in messages(received?) {
                if message.sequence != sequence || message.port != port {
                    continue;
                }
                consistent &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        return message
                            .refusal(request)
                            .map_or(Ok(consistent), |error| Err(Error::Refused(error)));
                    }
                    kind => entries.extend(decode(kind, message.payload)),
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Sends one request and returns its sequence number.
    fn begin<R: Request>(&mut self, request: &R, flags: u16) -> Result<u32, Error> {
        self.outgoing.clear();
        let sequence = self.push(request, flags);
        self.send()?;
        Ok(sequence)
    }

    /// Reads away the answers to what was given up (a dropped future, a time-out), which also lets the kernel end a
    /// dump that was left half read.
    fn discard_stale(&mut self) -> Result<(), Error> {
        loop {
            match self.try_receive() {
                Ok(true) | Err(Error::Overrun) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Appends one request to what is to be sent and returns its sequence number.
    fn push<R: Request>(&mut self, request: &R, flags: u16) -> u32 {
        self.push_message(&request.message(), request.flags() | flags)
    }

    /// Appends what begins or ends a transaction.
    fn push_edge(&mut self, kind: u16, subsystem: u16) {
        // struct nfgenmsg: no family, no version, the subsystem in network byte order
        let [high, low] = subsystem.to_be_bytes();
        self.push_message(&Raw::new(kind, &[0, 0, high, low]), 0);
    }

    fn push_message(&mut self, message: &impl NetlinkSerializable, flags: u16) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER_LEN + message.buffer_len();
        let start = self.outgoing.len();
        self.outgoing.resize(start + length.next_multiple_of(4), 0);
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(length).unwrap_or(u32::MAX);
        header.message_type = message.message_type();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        header.emit(&mut self.outgoing[start..]);
        message.serialize(&mut self.outgoing[start + HEADER_LEN..start + length]);
        self.sequence
    }

    /// A send to the kernel never waits: it returns when the requests have been carried out.
    fn send(&self) -> Result<(), Error> {
        loop {
            match self
                .io
                .get_ref()
                .send_to(&self.outgoing, &SocketAddr::new(0, 0), 0)
            {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads one datagram into `incoming` if there is one.
    fn try_receive(&mut self) -> Result<bool, Error> {
        loop {
            self.incoming.clear();
            // With MSG_TRUNC the length is that of the datagram, also when it did not fit.
            match self.io.get_ref().recv_from(&mut self.incoming, libc::MSG_TRUNC) {
                Ok((length, _)) if length > self.incoming.len() => {
                    self.incoming.reserve(length);
                    return Err(Error::Overrun);
                }
                Ok((_, sender)) if sender.port_number() == 0 => return Ok(true),
                Ok(_) => {} // another process, not the kernel
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => return Ok(false),
                    Some(libc::EINTR) => {}
                    Some(libc::ENOBUFS) => return Err(Error::Overrun),
                    _ => return Err(error.into()),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_process_sends_is_not_heard() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let namespace = crate::namespace::create().unwrap();
        let story = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let buffer = ReceiveBuffer {
                    bytes: 1 << 16,
                    force: false,
                };
                let open = || Unattached::open(libc::NETLINK_ROUTE, buffer, &[libc::RTNLGRP_LINK]).unwrap();
                let (mut listener, stranger) = (Socket::attach(open()).unwrap(), open());
                let forged = [16u32.to_ne_bytes(), 0u32.to_ne_bytes(), [0; 4], [0; 4]].concat();
                stranger
                    .socket
                    .send_to(&forged, &SocketAddr::new(listener.port, 0), 0)
                    .unwrap();
                let mut netlink = crate::Netlink::open().unwrap();
                netlink
                    .change_link(&crate::link::LinkRequest::up(1))
                    .await
                    .unwrap();
                let heard: Vec<u16> = messages(listener.receive().await.unwrap())
                    .map(|it| it.kind)
                    .collect();
                assert_eq!(heard, [libc::RTM_NEWLINK]);
            });
        };
        crate::namespace::run_in(&namespace, story).unwrap();
    }
}
