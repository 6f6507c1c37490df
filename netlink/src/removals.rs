//! Who takes routes and rules away: a stream of what others removed or replaced.
//!
//! A socket of its own, so that address bursts are not slowed, with a filter in the kernel: of the routes that come and
//! go with every address and of those of a routing daemon nothing arrives here. Nothing is remembered either; what is
//! there is read when it matters ([`crate::Netlink::routes`]).
//!
//! Not every loss is told: when a link goes down, or the last IPv4 address of a link goes, the kernel drops routes
//! without a word (`fib_table_flush`). Whoever needs to know asks again after such an event.

use netlink_packet_core::NLM_F_REPLACE;

use crate::route::{self, Route};
use crate::rule::Rule;
use crate::socket::frame::messages;
use crate::socket::{Error, OpenError, ReceiveBuffer, Socket, Unattached};
use crate::sys;

/// What the stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A route of the protocol was removed.
    Route(Box<Route>),
    /// A route was put in the place of the one that had its destination and metric, which may have been of any protocol.
    Replaced(Box<Route>),
    /// A rule of the protocol was removed.
    Rule(Box<Rule>),
    /// The kernel dropped events because they were not read in time: anything may be gone.
    Overrun,
}

/// The stream of one network namespace.
#[derive(Debug)]
pub struct Removals {
    socket: Socket,
    protocol: u8,
    /// Messages of one datagram that are not told yet.
    ready: Vec<Removal>,
}

const GROUPS: [u32; 4] = [
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_ROUTE,
    libc::RTNLGRP_IPV4_RULE,
    RTNLGRP_IPV6_RULE,
];

const RTNLGRP_IPV6_RULE: u32 = 19;

impl Removals {
    /// Room for what is removed while nobody reads: some ten thousand routes.
    pub const RECEIVE_BUFFER: ReceiveBuffer = ReceiveBuffer {
        bytes: 4 << 20,
        force: true,
    };

    /// Opens the stream about routes and rules of this protocol in the calling thread's network namespace.
    pub fn open(protocol: u8) -> Result<Self, OpenError> {
        Self::open_with(protocol, Self::RECEIVE_BUFFER)
    }

    /// The same with a receive buffer of another size.
    pub fn open_with(protocol: u8, buffer: ReceiveBuffer) -> Result<Self, OpenError> {
        let unattached = Unattached::open(libc::NETLINK_ROUTE, buffer, &[])?;
        let step = |name: &'static str| move |source| OpenError::Socket { step: name, source };
        sys::filter(&unattached.socket, &only(protocol)).map_err(step("attach its filter"))?;
        Ok(Self {
            socket: Socket::attach(unattached.subscribe(&GROUPS)?)?,
            protocol,
            ready: Vec::new(),
        })
    }

    /// Waits for the next removal that the socket with port `except` did not cause: one's own [`crate::Netlink`]. Nothing
    /// is lost when this future is dropped.
    pub async fn next(&mut self, except: u32) -> Result<Removal, Error> {
        loop {
            if let Some(removal) = self.ready.pop() {
                return Ok(removal);
            }
            match self.socket.receive().await {
                Ok(datagram) => {
                    for message in messages(datagram).filter(|message| message.port != except) {
                        let removal = match message.kind {
                            libc::RTM_DELROUTE => {
                                Route::from_payload(message.payload).map(|it| Removal::Route(Box::new(it)))
                            }
                            libc::RTM_NEWROUTE if message.flags & NLM_F_REPLACE != 0 => {
                                Route::from_payload(message.payload).map(|it| Removal::Replaced(Box::new(it)))
                            }
                            libc::RTM_DELRULE => Rule::from_payload(message.payload)
                                .filter(|rule| rule.protocol == self.protocol)
                                .map(|it| Removal::Rule(Box::new(it))),
                            _ => None,
                        };
                        self.ready.extend(removal);
                    }
                    self.ready.reverse();
                }
                Err(Error::Overrun) => return Ok(Removal::Overrun),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Offsets in the datagram of an event, which is one message.
const TYPE: u32 = 4;
const FLAGS: u32 = 6;
const ROUTE_PROTOCOL: u32 = 16 + 5;

/// The classic BPF program that lets through what is worth reading.
fn only(protocol: u8) -> Vec<libc::sock_filter> {
    const _: () = assert!(route::HEADER_LEN == 12);
    const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const IF_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    // The filter reads in network byte order what the kernel wrote in that of the host.
    let half = |number: u16| u32::from(number.to_be());
    vec![
        op(LOAD_HALF, 0, 0, TYPE),
        op(IF_EQUAL, 4, 0, half(libc::RTM_DELROUTE)),
        op(IF_EQUAL, 0, 6, half(libc::RTM_NEWROUTE)),
        op(LOAD_HALF, 0, 0, FLAGS),
        op(IF_BITS, 4, 0, half(NLM_F_REPLACE)),
        op(RETURN, 0, 0, 0),
        op(LOAD_BYTE, 0, 0, ROUTE_PROTOCOL),
        op(IF_EQUAL, 1, 0, protocol.into()),
        op(RETURN, 0, 0, 0),
        op(RETURN, 0, 0, u32::MAX),
    ]
}
