//! Who changes tables: a stream of those that somebody else has touched.

use super::Family;
use super::change::{SUBSYSTEM, TABLE};
use crate::socket::frame::{Message, attributes, messages, text};
use crate::socket::{Error, OpenError, ReceiveBuffer, Socket, Unattached};

/// `NFNLGRP_NFTABLES`
const GROUP: u32 = 7;

/// `sizeof(struct nfgenmsg)`
pub(super) const HEADER_LEN: usize = 4;

/// What somebody else did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Something about this table is not what it was.
    Table(Family, String),
    /// The kernel dropped events because they were not read in time: any table may have been touched.
    Any,
}

/// The stream of one network namespace.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
    /// Tables in the last datagram that are not told yet.
    ready: Vec<Touched>,
}

impl Watch {
    /// Opens the stream of the calling thread's network namespace.
    pub fn open() -> Result<Self, OpenError> {
        let buffer = ReceiveBuffer {
            bytes: 1 << 20,
            force: true,
        };
        let unattached = Unattached::open(libc::NETLINK_NETFILTER, buffer, &[GROUP])?;
        Ok(Self {
            socket: Socket::attach(unattached)?,
            ready: Vec::new(),
        })
    }

    /// Waits until a table is touched by another socket than that with port `except`. Nothing is lost when this future is
    /// dropped.
    pub async fn next(&mut self, except: u32) -> Result<Touched, Error> {
        loop {
            if let Some(touched) = self.ready.pop() {
                return Ok(touched);
            }
            match self.socket.receive().await {
                Ok(datagram) => {
                    let others = messages(datagram).filter(|message| message.port != except);
                    self.ready.extend(others.filter_map(|message| table_of(&message)));
                    self.ready.dedup();
                }
                Err(Error::Overrun) => return Ok(Touched::Any),
                Err(error) => return Err(error),
            }
        }
    }
}

fn table_of(message: &Message<'_>) -> Option<Touched> {
    let family = family_of(message.payload)?;
    let about_tables =
        message.kind >> 8 == SUBSYSTEM && i32::from(message.kind & 0xff) != libc::NFT_MSG_NEWGEN;
    let name = attributes(message.payload.get(HEADER_LEN..)?).find(|attribute| attribute.kind() == TABLE)?;
    about_tables.then_some(Touched::Table(family, text(name.value())?))
}

/// IPv4 or IPv6, as the head of a message says.
pub(super) fn family_of(payload: &[u8]) -> Option<Family> {
    match i32::from(*payload.first()?) {
        libc::AF_INET => Some(Family::V4),
        libc::AF_INET6 => Some(Family::V6),
        _ => None,
    }
}
