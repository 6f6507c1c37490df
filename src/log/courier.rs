//! The thread that carries lines to syslog. Ten thousand lines at once, as at the end of a large configuration, then neither hold up the
//! process nor are lost because the daemon behind the socket reads them more slowly than they come.
//!
//! Each line is a datagram of its own, in the order in which it was said; those that wait together are sent by one system call. Absent:
//! what a line looks like.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Level;

use super::connection::Connection;
use super::syslog::write_datagram;
use crate::cli::Facility;
use crate::log::{Line, Lost};
use crate::sys::{self, capability};

/// Bytes that wait at most: the daemon behind the socket stands still, or nearly so.
const WAITING: usize = 4 * 1024 * 1024;

/// How long a line waits for others to go with it.
const COMPANY: Duration = Duration::from_millis(1);

/// How long the end of the process waits while no line is taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// Its stack may be locked into memory.
const STACK: usize = 64 * 1024;

/// The way to the thread. It lives as long as the process.
pub(super) struct Courier {
    desk: Arc<Desk>,
    pid: u32,
}

/// Where lines are left for the thread.
#[derive(Default)]
struct Desk {
    pile: Mutex<Pile>,
    /// There is something to do, or to be done sooner.
    filled: Condvar,
    /// Some were carried, or could not be.
    carried: Condvar,
}

#[derive(Default)]
struct Pile {
    lot: Lot,
    /// The name in syslog, as the last line had it.
    ident: String,
    /// The thread waits for lines.
    is_idle: bool,
    /// The process ends: no line waits for others.
    hurry: bool,
    /// Lots that were carried.
    lots: u64,
    lost: Lost,
}

/// Datagrams, one behind the other.
#[derive(Default)]
struct Lot {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Lot {
    /// Adds the datagram that `write` appends.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn datagrams(&self) -> Vec<&[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins
            .zip(&self.ends)
            .filter_map(|(begin, end)| self.bytes.get(begin..*end))
            .collect()
    }
}

impl Courier {
    /// Starts the thread, which has none of the process's privileges and hears none of its signals if those are blocked already.
    pub(super) fn start(path: PathBuf, facility: Facility) -> io::Result<Self> {
        let (desk, pid) = (Arc::new(Desk::default()), std::process::id());
        let theirs = Arc::clone(&desk);
        thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK)
            .spawn(move || theirs.serve(Connection::patient(path), facility, pid))?;
        Ok(Self { desk, pid })
    }

    /// Leaves a line for the thread. Never waits.
    pub(super) fn take(&self, facility: Facility, line: &Line<'_>) {
        let pile = &mut *self.desk.lock();
        if pile.lot.bytes.len() >= WAITING {
            return pile.lost.count();
        }
        if pile.ident != line.ident {
            line.ident.clone_into(&mut pile.ident);
        }
        pile.lot
            .add(|bytes| write_datagram(bytes, facility, line, self.pid));
        if std::mem::take(&mut pile.is_idle) {
            self.desk.filled.notify_one();
        }
    }

    /// Waits until all lines are carried, or nobody takes them.
    pub(super) fn finish(&self) {
        let mut pile = self.desk.lock();
        pile.hurry = true;
        self.desk.filled.notify_one();
        while !pile.is_idle {
            let before = pile.lots;
            let stands_still = |pile: &mut Pile| !pile.is_idle && pile.lots == before;
            let waited = self.desk.carried.wait_timeout_while(pile, PATIENCE, stands_still);
            let (now, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            pile = now;
            if timed_out.timed_out() {
                return;
            }
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Pile> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut connection: Connection, facility: Facility, pid: u32) {
        // Without a kernel that can it goes on as it is.
        let _ = capability::keep_only(&[]);
        loop {
            let lot = self.next_lot();
            let mut is_heard = false;
            for some in lot.datagrams().chunks(Connection::TOGETHER) {
                let sent = connection.send(some);
                is_heard |= sent > 0;
                let mut pile = self.lock();
                pile.lost.count_all(some.len() - sent);
                pile.lots += 1;
                self.carried.notify_all();
            }
            if is_heard {
                self.tell_loss(&mut connection, facility, pid);
            }
        }
    }

    fn next_lot(&self) -> Lot {
        let mut pile = self.lock();
        while pile.lot.ends.is_empty() {
            pile.is_idle = true;
            self.carried.notify_all();
            pile = self.filled.wait(pile).unwrap_or_else(PoisonError::into_inner);
        }
        pile.is_idle = false;
        let alone = |pile: &mut Pile| !pile.hurry;
        let waited = self.filled.wait_timeout_while(pile, COMPANY, alone);
        let (mut pile, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut pile.lot)
    }

    /// The daemon takes lines again: it hears how many it has missed.
    fn tell_loss(&self, connection: &mut Connection, facility: Facility, pid: u32) {
        let (lost, ident) = {
            let mut pile = self.lock();
            (pile.lost.tell(), pile.ident.clone())
        };
        let Some(lost) = lost else { return };
        let line = Line {
            level: Level::WARN,
            message: &lost,
            fields: &serde_json::Map::new(),
            time: sys::local_time(),
            ident: &ident,
            process: "",
        };
        let mut datagram = Vec::new();
        write_datagram(&mut datagram, facility, &line, pid);
        connection.send(&[&datagram]);
    }
}
