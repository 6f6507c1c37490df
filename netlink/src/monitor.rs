//! What changes on the host, whoever changed it: one stream of events, first the state, then the changes in order.
//!
//! State and changes come through one socket, subscribed before the state is read, so their order is the kernel's:
//! what comes before the first answer of a dump is older than the dump, what comes after it may be newer. The monitor
//! remembers what it has told and tells differences only, so when messages were lost (`ENOBUFS`) it reads the state
//! anew and nobody else has to sort out what is gone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::os::fd::AsFd;

use netlink_packet_core::{NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR};

use crate::address::{Address, Key};
use crate::handle::ListAddresses;
use crate::link::{Link, ListLinks};
use crate::namespace;
use crate::socket::frame::{Message, messages};
use crate::socket::{Error, OpenError, ReceiveBuffer, Socket, Unattached};

const GROUPS: [u32; 3] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV6_IFADDR,
];

/// What the monitor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link is there, or something about it changed.
    Link(Link),
    /// The link with this index is gone from this namespace.
    LinkGone(u32),
    /// An address is there, or something about it changed.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// The state is complete: everything that is there has been told. Comes once at the start and after each `Overrun`.
    Settled,
    /// The kernel dropped events because they were not read in time. What differs follows, up to `Settled`.
    Overrun,
}

/// The stream of events of one network namespace.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    picture: Picture,
}

impl Monitor {
    /// Room for the events of some 30,000 addresses.
    pub const RECEIVE_BUFFER: ReceiveBuffer = ReceiveBuffer {
        bytes: 32 << 20,
        force: true,
    };

    /// Opens the stream of the calling thread's network namespace.
    pub fn open() -> Result<Self, OpenError> {
        Self::open_with(Self::RECEIVE_BUFFER)
    }

    /// The same with a receive buffer of another size.
    pub fn open_with(buffer: ReceiveBuffer) -> Result<Self, OpenError> {
        Self::attach(Unattached::open(libc::NETLINK_ROUTE, buffer, &GROUPS)?)
    }

    /// Opens the stream of another network namespace.
    pub fn open_in(namespace: impl AsFd) -> Result<Self, OpenError> {
        let open = || Unattached::open(libc::NETLINK_ROUTE, Self::RECEIVE_BUFFER, &GROUPS);
        Self::attach(namespace::run_in(namespace, open)??)
    }

    /// The links that are there, as far as events have been read.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.picture.links.values()
    }

    /// The addresses that are there, as far as events have been read.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.picture.addresses.values()
    }

    /// The address with this identity, as far as events have been read.
    pub fn address(&self, key: Key) -> Option<&Address> {
        self.picture.addresses.get(&key)
    }

    /// Waits for the next event. Nothing is lost when this future is dropped.
    ///
    /// After an `Err` the stream goes on: with the next call it reads the state anew, as after an `Overrun`.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.picture.ready.pop_front() {
                return Ok(event);
            }
            if let Phase::Unread(table) = self.picture.phase {
                self.picture.phase = Phase::Reading(Dump::begin(table, &mut self.socket)?);
            }
            match self.read().await {
                Ok(()) => {}
                Err(Error::Overrun) => self.picture.overrun(),
                Err(error) => {
                    self.picture.phase = Phase::Unread(Table::Links);
                    return Err(error);
                }
            }
        }
    }

    fn attach(unattached: Unattached) -> Result<Self, OpenError> {
        Ok(Self {
            socket: Socket::attach(unattached)?,
            picture: Picture::default(),
        })
    }

    /// Takes in one datagram. Its only waits come before and after, so it is taken in whole or not at all.
    async fn read(&mut self) -> Result<(), Error> {
        let (port, after) = (self.socket.port, self.socket.time_out);
        let reading = if let Phase::Reading(dump) = &self.picture.phase {
            Some(dump.table)
        } else {
            None
        };
        let datagram = match reading {
            None => self.socket.receive().await?,
            Some(table) => match tokio::time::timeout(after, self.socket.receive()).await {
                Ok(datagram) => datagram?,
                Err(_) => {
                    return Err(Error::TimeOut {
                        after,
                        request: table.request().to_owned(),
                    });
                }
            },
        };
        for message in messages(datagram) {
            self.picture.take_in(&message, port)?;
        }
        if reading.is_some() {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// What can be read in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Links,
    Addresses,
}

impl Table {
    /// The table that the event is about.
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Link(_) | Event::LinkGone(_) => Some(Self::Links),
            Event::Address(_) | Event::AddressGone(_) => Some(Self::Addresses),
            Event::Settled | Event::Overrun => None,
        }
    }

    fn request(self) -> &'static str {
        match self {
            Self::Links => "list the links",
            Self::Addresses => "list the addresses",
        }
    }
}

/// Where the monitor stands: the links are read, then the addresses, then changes are told as they come.
#[derive(Debug)]
enum Phase {
    /// This table and those after it are to be read.
    Unread(Table),
    Reading(Dump),
    Settled,
}

/// A table that is being read.
#[derive(Debug)]
struct Dump {
    table: Table,
    sequence: u32,
    /// The first answer has come: events from here on may be newer than what the dump says.
    begun: bool,
    /// The table changed between two parts of the dump: entries may be missing.
    interrupted: bool,
    /// Events were lost since it began.
    overrun: bool,
    /// What the dump says.
    state: Vec<Event>,
    /// What happened to this table since.
    later: Vec<Event>,
}

impl Dump {
    fn begin(table: Table, socket: &mut Socket) -> Result<Self, Error> {
        let sequence = match table {
            Table::Links => socket.begin_dump(&ListLinks)?,
            Table::Addresses => socket.begin_dump(&ListAddresses)?,
        };
        Ok(Self {
            table,
            sequence,
            begun: false,
            interrupted: false,
            overrun: false,
            state: Vec::new(),
            later: Vec::new(),
        })
    }
}

/// What has been told, and what is about to be.
#[derive(Debug)]
struct Picture {
    phase: Phase,
    links: HashMap<u32, Link>,
    addresses: HashMap<Key, Address>,
    ready: VecDeque<Event>,
}

impl Default for Picture {
    fn default() -> Self {
        Self {
            phase: Phase::Unread(Table::Links),
            links: HashMap::new(),
            addresses: HashMap::new(),
            ready: VecDeque::new(),
        }
    }
}

impl Picture {
    /// One message: an answer to our dump, or an event that somebody caused (with his sequence number and port).
    fn take_in(&mut self, message: &Message<'_>, port: u32) -> Result<(), Error> {
        match &mut self.phase {
            Phase::Reading(dump) if (message.sequence, message.port) == (dump.sequence, port) => {
                if !dump.begun {
                    dump.begun = true;
                    dump.later.clear();
                }
                dump.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        if let Some(refusal) = message.refusal(dump.table.request()) {
                            return Err(Error::Refused(refusal));
                        }
                        self.finish();
                    }
                    _ => dump.state.extend(event_in(message)),
                }
            }
            _ => {
                if let Some(event) = event_in(message) {
                    self.hear(event);
                }
            }
        }
        Ok(())
    }

    /// A change. What a dump still to come will say is not worth telling; what one on its way may or may not say waits
    /// for its end.
    fn hear(&mut self, event: Event) {
        let about = Table::of(&event);
        match &mut self.phase {
            Phase::Reading(dump) if about == Some(dump.table) => dump.later.push(event),
            Phase::Settled => self.tell(event),
            Phase::Reading(Dump {
                table: Table::Addresses,
                ..
            })
            | Phase::Unread(Table::Addresses)
                if about == Some(Table::Links) =>
            {
                self.tell(event);
            }
            Phase::Reading(_) | Phase::Unread(_) => {}
        }
    }

    /// The end of a dump: its differences to what has been told are told, if the dump can be trusted.
    fn finish(&mut self) {
        let Phase::Reading(dump) = mem::replace(&mut self.phase, Phase::Unread(Table::Links)) else {
            return;
        };
        if dump.overrun {
            return;
        }
        if dump.interrupted {
            self.phase = Phase::Unread(dump.table);
            return;
        }
        for event in self.gone(&dump).into_iter().chain(dump.state).chain(dump.later) {
            self.tell(event);
        }
        self.phase = match dump.table {
            Table::Links => Phase::Unread(Table::Addresses),
            Table::Addresses => {
                self.ready.push_back(Event::Settled);
                Phase::Settled
            }
        };
    }

    /// What has been told of and is in the dump no more.
    fn gone(&self, dump: &Dump) -> Vec<Event> {
        match dump.table {
            Table::Links => {
                let still = |event: &Event| {
                    if let Event::Link(link) = event {
                        Some(link.index)
                    } else {
                        None
                    }
                };
                let still: HashSet<u32> = dump.state.iter().filter_map(still).collect();
                self.links
                    .keys()
                    .filter(|index| !still.contains(*index))
                    .copied()
                    .map(Event::LinkGone)
                    .collect()
            }
            Table::Addresses => {
                let still = |event: &Event| {
                    if let Event::Address(it) = event {
                        Some(it.key())
                    } else {
                        None
                    }
                };
                let still: HashSet<Key> = dump.state.iter().filter_map(still).collect();
                let gone = self.addresses.iter().filter(|(key, _)| !still.contains(*key));
                gone.map(|(_, address)| Event::AddressGone(address.clone()))
                    .collect()
            }
        }
    }

    /// Tells the event if it is news: the kernel says some things several times.
    fn tell(&mut self, event: Event) {
        let news = match &event {
            Event::Link(link) => self.links.insert(link.index, link.clone()).as_ref() != Some(link),
            Event::LinkGone(index) => self.links.remove(index).is_some(),
            Event::Address(address) => {
                self.addresses.insert(address.key(), address.clone()).as_ref() != Some(address)
            }
            Event::AddressGone(address) => self.addresses.remove(&address.key()).is_some(),
            Event::Settled | Event::Overrun => true,
        };
        if news {
            self.ready.push_back(event);
        }
    }

    /// Events were lost. A dump on its way is read to its end, the kernel begins no other before; then all is read.
    fn overrun(&mut self) {
        match &mut self.phase {
            Phase::Reading(Dump { overrun: true, .. }) => return,
            Phase::Reading(dump) => dump.overrun = true,
            phase => *phase = Phase::Unread(Table::Links),
        }
        self.ready.push_back(Event::Overrun);
    }
}

fn event_in(message: &Message<'_>) -> Option<Event> {
    match message.kind {
        libc::RTM_NEWLINK => Link::from_payload(message.payload).map(Event::Link),
        libc::RTM_DELLINK => Link::from_payload(message.payload).map(|link| Event::LinkGone(link.index)),
        libc::RTM_NEWADDR => Address::from_payload(message.payload).map(Event::Address),
        libc::RTM_DELADDR => Address::from_payload(message.payload).map(Event::AddressGone),
        _ => None,
    }
}
