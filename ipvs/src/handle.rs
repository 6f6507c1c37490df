//! The way in: one socket to ask the kernel with.

use std::fmt;
use std::os::fd::AsFd;

use netlink::namespace;
use netlink::socket::{Request, Socket, Unattached};
use netlink::{KernelError, Netlink, ReceiveBuffer};
use netlink_packet_core::NetlinkSerializable;
use nix::errno::Errno;

use crate::change::Change;
use crate::daemon::{Role, SyncDaemon};
use crate::destination::Destination;
use crate::module::{self, ModuleError};
use crate::plan::Entry;
use crate::service::{Service, ServiceKey};
use crate::statistics::{DestinationStatistics, ServiceStatistics};
use crate::timeouts::Timeouts;
use crate::wire::{self, DecodeError, EncodeError, Message};

/// Reads and changes the IPVS table of one network namespace. It needs `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Ipvs {
    /// Carries the requests; its `pace` and `time_out` may be set.
    pub socket: Socket,
    /// Number of the generic netlink family; another one after the module was unloaded and loaded again.
    family: u16,
}

/// IPVS cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No socket.
    #[error(transparent)]
    Socket(#[from] netlink::OpenError),
    /// The kernel has no IPVS, and loading it failed.
    #[error("the kernel has no IPVS and its module cannot be loaded: {0}")]
    NoModule(#[from] ModuleError),
    /// The module was loaded, and still the kernel has no IPVS.
    #[error("the kernel has no IPVS although its module ip_vs was loaded")]
    NoFamily,
    /// Asking for it failed.
    #[error(transparent)]
    Ask(#[from] Error),
}

/// An operation on the table failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel said no, or cannot be reached.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    /// The question could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The answer could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The answer did not hold what was asked for.
    #[error("the kernel gave no answer to: {0}")]
    Nothing(&'static str),
}

/// A change that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What should have been done.
    pub change: Change,
    /// Why it was not.
    pub error: KernelError,
}

impl Failure {
    /// Whether somebody had done it already: to be logged, else no harm ([`Change::is_done_after`]).
    pub fn is_done(&self) -> bool {
        self.change.is_done_after(self.error.errno)
    }
}

/// Version of IPVS, and the size of its connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// 1 since 2003.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Patch.
    pub patch: u8,
    /// Buckets of the connection table.
    pub connection_table_size: u32,
}

impl Ipvs {
    /// Opens a socket in the calling thread's network namespace; loads the kernel's module if it is not there. That
    /// blocks for as long as `modprobe` takes.
    pub async fn open() -> Result<Self, OpenError> {
        Self::attach(Self::socket(Netlink::RECEIVE_BUFFER)?).await
    }

    /// The same in another network namespace, which takes `CAP_SYS_ADMIN`.
    pub async fn open_in(namespace: impl AsFd) -> Result<Self, OpenError> {
        let socket = namespace::run_in(namespace, || Self::socket(Netlink::RECEIVE_BUFFER));
        Self::attach(socket.map_err(netlink::OpenError::from)??).await
    }

    /// The first half of [`Self::open`]: a socket for [`Self::attach`] in the calling thread's network namespace, which it
    /// belongs to whatever thread uses it.
    pub fn socket(buffer: ReceiveBuffer) -> Result<Unattached, netlink::OpenError> {
        Unattached::open(libc::NETLINK_GENERIC, buffer, &[])
    }

    /// The other half: asks the kernel for IPVS over the socket, on the current runtime, and loads its module if it is not
    /// there.
    pub async fn attach(unattached: Unattached) -> Result<Self, OpenError> {
        let mut socket = Socket::attach(unattached)?;
        let mut family = find_family(&mut socket).await?;
        if family.is_none() {
            ask_by_name(&mut socket).await?;
            family = find_family(&mut socket).await?;
        }
        if family.is_none() {
            // It says why not.
            module::load()?;
            family = find_family(&mut socket).await?;
        }
        let family = family.ok_or(OpenError::NoFamily)?;
        Ok(Self { socket, family })
    }

    /// Version and size of the connection table.
    pub async fn version(&mut self) -> Result<Version, Error> {
        let answers = self
            .get("tell the version of IPVS", wire::get_info, wire::version)
            .await?;
        answers.ok_or(Error::Nothing("tell the version of IPVS"))
    }

    /// All services and their destinations.
    ///
    /// Somebody may be writing meanwhile, and IPVS does not say when a list changed while it was read: what is planned from
    /// the answer may be refused, or undone by the next reading.
    pub async fn table(&mut self) -> Result<Vec<Entry>, Error> {
        let services = self.services().await?;
        let mut table = Vec::with_capacity(services.len());
        for service in services {
            let destinations = self.destinations(&service.key).await?;
            table.push(Entry {
                service,
                destinations,
            });
        }
        Ok(table)
    }

    /// All services.
    pub async fn services(&mut self) -> Result<Vec<Service>, Error> {
        self.list("list the services", wire::get_services, wire::service)
            .await
    }

    /// The destinations of a service; none if there is no such service.
    pub async fn destinations(&mut self, of: &ServiceKey) -> Result<Vec<Destination>, Error> {
        self.list(
            "list the destinations of a service",
            |family| wire::get_destinations(family, *of),
            |payload| wire::destination(payload, of.family()),
        )
        .await
    }

    /// What the kernel has counted for each service and destination.
    pub async fn statistics(&mut self) -> Result<Vec<ServiceStatistics>, Error> {
        let services = self
            .list("list the services", wire::get_services, wire::service_counters)
            .await?;
        let mut statistics = Vec::with_capacity(services.len());
        for (key, counters) in services {
            let destinations = self.destination_statistics(&key).await?;
            statistics.push(ServiceStatistics {
                key,
                counters,
                destinations,
            });
        }
        Ok(statistics)
    }

    /// What the kernel has counted for the destinations of a service.
    pub async fn destination_statistics(
        &mut self,
        of: &ServiceKey,
    ) -> Result<Vec<DestinationStatistics>, Error> {
        self.list(
            "list the destinations of a service",
            |family| wire::get_destinations(family, *of),
            |payload| wire::destination_statistics(payload, of.family()),
        )
        .await
    }

    /// Sets the counters of a service and its destinations to zero; of all services without one.
    pub async fn zero(&mut self, of: Option<ServiceKey>) -> Result<(), Error> {
        self.tell("zero the counters", |family| wire::zero(family, of))
            .await
    }

    /// Makes the changes in their order, in batches with turns of the runtime in between ([`netlink::Pace`]), and returns
    /// those that the kernel refused; none is the common case. A refusal does not keep it from the changes after it.
    ///
    /// After an `Err` it is unknown how far it came: read the table and plan again.
    pub async fn apply(&mut self, changes: &[Change]) -> Result<Vec<Failure>, Error> {
        let family = self.family;
        let requests: Result<Vec<_>, EncodeError> = changes
            .iter()
            .map(|change| {
                Ok(Ask {
                    message: wire::change(family, change)?,
                    words: change,
                })
            })
            .collect();
        let refused = self.socket.batch(&requests?).await?;
        let failures = refused.into_iter().map(|(place, error)| Failure {
            change: changes[place],
            error,
        });
        Ok(failures.collect())
    }

    /// Empties the whole table, foreign services included.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.tell("flush the table of IPVS", wire::flush).await
    }

    /// The connection timeouts.
    pub async fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let answer = self
            .get("tell the timeouts of IPVS", wire::get_config, wire::timeouts)
            .await?;
        answer.ok_or(Error::Nothing("tell the timeouts of IPVS"))
    }

    /// Sets the connection timeouts; one that is zero stays as it is.
    pub async fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.tell("set the timeouts of IPVS", |family| {
            wire::set_timeouts(family, timeouts)
        })
        .await
    }

    /// The sync daemons that run.
    pub async fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.list("list the sync daemons", wire::get_daemons, wire::daemon)
            .await
    }

    /// Starts a sync daemon. `EEXIST`: one of that role runs.
    pub async fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        let words = format!(
            "start the {} sync daemon {} on {}",
            daemon.role, daemon.sync_id, daemon.interface
        );
        self.tell(words, |family| wire::new_daemon(family, daemon)).await
    }

    /// Stops a sync daemon. `ESRCH`: none of that role runs.
    pub async fn stop_daemon(&mut self, role: Role) -> Result<(), Error> {
        // The kernel says nothing of a daemon that is stopped before it first ran (`kthread_stop` gives EINTR, for which
        // `netlink_rcv_skb` sends no acknowledgement), so it is the next question's that we wait for.
        let requests = [wire::del_daemon(self.family, role)?, wire::get_info(self.family)?].map(|message| {
            Together(Ask {
                message,
                words: format!("stop the {role} sync daemon"),
            })
        });
        let refused = self.socket.batch(&requests).await?.into_iter().next();
        refused.map_or(Ok(()), |(_, error)| Err(netlink::Error::Refused(error).into()))
    }

    /// Reads a list. Where the family has gone (`ENOENT`: the module was unloaded), it is looked for again: whoever polls the
    /// table finds the new one.
    async fn list<T>(
        &mut self,
        words: &'static str,
        message: impl Fn(u16) -> Result<Message, EncodeError>,
        decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, Error> {
        let ask = |family| message(family).map(|message| Ask { message, words });
        let family = self.family;
        let first = self
            .socket
            .dump(&ask(family)?, |kind, payload| {
                (kind == family).then(|| decode(payload))
            })
            .await;
        let answers = match first {
            Err(netlink::Error::Refused(error)) if error.errno == Errno::ENOENT => {
                let Some(family) = find_family(&mut self.socket).await? else {
                    return Err(netlink::Error::Refused(error).into());
                };
                self.family = family;
                self.socket
                    .dump(&ask(family)?, |kind, payload| {
                        (kind == family).then(|| decode(payload))
                    })
                    .await?
            }
            other => other?,
        };
        Ok(answers.into_iter().collect::<Result<_, _>>()?)
    }

    /// Asks what has one answer.
    async fn get<T>(
        &mut self,
        words: &'static str,
        message: impl Fn(u16) -> Result<Message, EncodeError>,
        decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, Error> {
        let family = self.family;
        let message = message(family)?;
        let ask = Ask { message, words };
        let answers = self
            .socket
            .get(&ask, |kind, payload| (kind == family).then(|| decode(payload)))
            .await?;
        Ok(answers.into_iter().next().transpose()?)
    }

    async fn tell(
        &mut self,
        words: impl fmt::Display,
        message: impl Fn(u16) -> Result<Message, EncodeError>,
    ) -> Result<(), Error> {
        let message = message(self.family)?;
        Ok(self.socket.request(&Ask { message, words }).await?)
    }
}

/// The number of the family, if the kernel has it.
async fn find_family(socket: &mut Socket) -> Result<Option<u16>, Error> {
    let ask = Ask {
        message: wire::get_families()?,
        words: "list the families of generic netlink",
    };
    let numbers = socket.dump(&ask, |_, payload| wire::family_id(payload)).await?;
    Ok(numbers.first().copied())
}

/// Asks for the family by its name, for which the kernel loads the module, with rights of its own: a process may have let go
/// of `CAP_SYS_MODULE` for good (`no_new_privs`). What came of it is seen in the list.
async fn ask_by_name(socket: &mut Socket) -> Result<(), Error> {
    let ask = Ask {
        message: wire::get_family()?,
        words: "tell the family of IPVS",
    };
    match socket.request(&ask).await {
        Ok(()) | Err(netlink::Error::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A message and what it asks in words.
struct Ask<W> {
    message: Message,
    words: W,
}

impl<W: fmt::Display> fmt::Display for Ask<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.fmt(f)
    }
}

impl<W: fmt::Display> Request for Ask<W> {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        &self.message
    }
}

/// One of several that are sent in one piece.
struct Together<W>(Ask<W>);

impl<W: fmt::Display> fmt::Display for Together<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<W: fmt::Display> Request for Together<W> {
    fn flags(&self) -> u16 {
        self.0.flags()
    }

    fn message(&self) -> impl NetlinkSerializable {
        self.0.message()
    }

    fn holds(&self, _next: &Self) -> bool {
        true
    }
}
