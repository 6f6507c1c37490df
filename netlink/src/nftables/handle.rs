//! The way to the kernel's tables.

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBufForce;

use super::change::{plan, removal};
use super::{Change, Family, Table};
use crate::socket::{Error, KernelError, OpenError, ReceiveBuffer, Socket, Unattached};

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

    /// Carries out all of the changes or none; answers why not.
    async fn transact(&mut self, changes: &[Change]) -> Result<Option<KernelError>, Error> {
        self.socket.transaction(super::change::SUBSYSTEM, changes).await
    }

    fn place(&self, family: Family, name: &str) -> Option<usize> {
        self.written
            .iter()
            .position(|table| table.family == family && table.name == name)
    }
}
