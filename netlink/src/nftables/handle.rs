//! The way to the kernel's tables.

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBufForce;

use std::fmt;

use netlink_packet_core::NetlinkSerializable;

use super::change::{NFTA_TABLE_USERDATA, SUBSYSTEM, TABLE, comment, plan, removal};
use super::watch::{HEADER_LEN, family_of};
use super::{Change, Family, Table};
use crate::attribute::Raw;
use crate::socket::frame::{attributes, text};
use crate::socket::{Error, KernelError, OpenError, ReceiveBuffer, Request, Socket, Unattached};

/// Room for a transaction of some 100,000 elements: it is one send.
const SEND_BUFFER: usize = 16 << 20;

/// Writes the tables of one network namespace that are its own, and knows what it has written.
#[derive(Debug)]
pub struct Nftables {
    socket: Socket,
    written: Vec<Table>,
}

impl Nftables {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, OpenError> {
        let buffer = ReceiveBuffer {
            bytes: 1 << 20,
            force: true,
        };
        let unattached = Unattached::open(libc::NETLINK_NETFILTER, buffer, &[])?;
        // Without the right to do so transactions are limited by net.core.wmem_max.
        let _ = setsockopt(&unattached.socket, SndBufForce, &SEND_BUFFER);
        Ok(Self {
            socket: Socket::attach(unattached)?,
            written: Vec::new(),
        })
    }

    /// Its address among netlink sockets: what it causes is told with it.
    pub fn port(&self) -> u32 {
        self.socket.port
    }

    /// Makes the table what `wanted` says, in one transaction. Another table of its name that was there is replaced.
    /// Answers with what was written; nothing, if it is so already.
    pub async fn apply(&mut self, wanted: &Table) -> Result<Vec<Change>, Error> {
        let place = self.place(wanted.family, &wanted.name);
        let present = place.map(|place| self.written.swap_remove(place));
        let mut changes = plan(present.as_ref(), wanted);
        let mut refused = self.transact(&changes).await?;
        if refused.is_some() && present.is_some() {
            // It was not as we left it.
            changes = plan(None, wanted);
            refused = self.transact(&changes).await?;
        }
        if let Some(error) = refused {
            return Err(Error::Refused(error));
        }
        self.written.push(wanted.clone());
        Ok(changes)
    }

    /// What was last written of this table, unless it was touched since.
    pub fn written(&self, family: Family, name: &str) -> Option<&Table> {
        Some(&self.written[self.place(family, name)?])
    }

    /// Somebody else has changed this table: it is written anew by the next [`Self::apply`].
    pub fn touched(&mut self, family: Family, name: &str) {
        self.written
            .retain(|table| (table.family, table.name.as_str()) != (family, name));
    }

    /// Removes a table, whether it is there or not.
    pub async fn remove(&mut self, family: Family, name: &str) -> Result<(), Error> {
        self.touched(family, name);
        let refused = self.transact(&removal(family, name)).await?;
        refused.map_or(Ok(()), |error| Err(Error::Refused(error)))
    }

    /// All tables of IPv4 and IPv6, whosever they are.
    pub async fn list(&mut self) -> Result<Vec<Named>, Error> {
        self.socket.dump(&ListTables, Named::read).await
    }

    /// Carries out all of the changes or none; answers why not.
    async fn transact(&mut self, changes: &[Change]) -> Result<Option<KernelError>, Error> {
        self.socket.transaction(SUBSYSTEM, changes).await
    }

    fn place(&self, family: Family, name: &str) -> Option<usize> {
        self.written
            .iter()
            .position(|table| table.family == family && table.name == name)
    }
}

/// A table that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Whose packets its chains see.
    pub family: Family,
    /// Unique in its family.
    pub name: String,
    /// Its comment, empty if it has none.
    pub comment: String,
}

impl Named {
    fn read(kind: u16, payload: &[u8]) -> Option<Self> {
        if kind != message_kind(libc::NFT_MSG_NEWTABLE) {
            return None;
        }
        let mut table = Self {
            family: family_of(payload)?,
            name: String::new(),
            comment: String::new(),
        };
        for attribute in attributes(payload.get(HEADER_LEN..)?) {
            match attribute.kind() {
                TABLE => table.name = text(attribute.value())?,
                NFTA_TABLE_USERDATA => table.comment = comment(attribute.value()).unwrap_or_default(),
                _ => {}
            }
        }
        Some(table)
    }
}

fn message_kind(kind: i32) -> u16 {
    SUBSYSTEM << 8 | u16::try_from(kind).unwrap_or_default()
}

/// Asks for all tables.
#[derive(Debug)]
struct ListTables;

impl fmt::Display for ListTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list the nftables tables")
    }
}

impl Request for ListTables {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        Raw::new(message_kind(libc::NFT_MSG_GETTABLE), &[0; HEADER_LEN])
    }
}
