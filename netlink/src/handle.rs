//! The way in: one socket to ask the kernel with.

use std::collections::HashSet;
use std::fmt;
use std::os::fd::AsFd;

use netlink_packet_core::NetlinkSerializable;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;

use crate::address::Address;
use crate::attribute::Raw;
use crate::link::{Link, LinkRequest, ListLinks};
use crate::namespace;
use crate::plan::Change;
use crate::route::{self, Route};
use crate::rule::Rule;
use crate::socket::{Error, KernelError, OpenError, ReceiveBuffer, Request, Socket, Unattached};
use crate::upper;

/// Reads and changes the links and addresses of one network namespace.
#[derive(Debug)]
pub struct Netlink {
    /// Carries the requests; its `pace` and `time_out` may be set.
    pub socket: Socket,
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

impl Netlink {
    /// Room for the answers to the largest chunk, all of them refusals.
    pub const RECEIVE_BUFFER: ReceiveBuffer = ReceiveBuffer {
        bytes: 1 << 20,
        force: true,
    };

    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, OpenError> {
        Self::open_with(Self::RECEIVE_BUFFER)
    }

    /// The same with a receive buffer of another size.
    pub fn open_with(buffer: ReceiveBuffer) -> Result<Self, OpenError> {
        let socket = Socket::attach(Unattached::open(libc::NETLINK_ROUTE, buffer, &[])?)?;
        Ok(Self { socket })
    }

    /// Opens a socket in another network namespace.
    pub fn open_in(namespace: impl AsFd) -> Result<Self, OpenError> {
        let unattached = namespace::run_in(namespace, || {
            Unattached::open(libc::NETLINK_ROUTE, Self::RECEIVE_BUFFER, &[])
        });
        Ok(Self {
            socket: Socket::attach(unattached??)?,
        })
    }

    /// All links.
    pub async fn links(&mut self) -> Result<Vec<Link>, Error> {
        self.socket
            .dump(&ListLinks, |kind, payload| {
                (kind == libc::RTM_NEWLINK).then(|| Link::from_payload(payload))?
            })
            .await
    }

    /// The link of this name.
    pub async fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        Ok(self.links().await?.into_iter().find(|link| link.name == name))
    }

    /// All IPv4 and IPv6 addresses of all links.
    pub async fn addresses(&mut self) -> Result<Vec<Address>, Error> {
        self.socket
            .dump(&ListAddresses, |kind, payload| {
                (kind == libc::RTM_NEWADDR).then(|| Address::from_payload(payload))?
            })
            .await
    }

    /// All routes of IPv4 and IPv6 that this protocol (`RTPROT_*`) added, whatever their table, and each next hop of an
    /// IPv6 route as a route ([`Route::parts`]).
    pub async fn routes(&mut self, protocol: u8) -> Result<Vec<Route>, Error> {
        let decode =
            |kind, payload: &[u8]| (kind == libc::RTM_NEWROUTE).then(|| Route::from_payload(payload))?;
        let found = self.socket.dump(&ListRoutes(protocol), decode).await?;
        // A kernel before 4.20 does not select.
        let ours = found.into_iter().filter(|route| route.protocol == protocol);
        Ok(ours.flat_map(Route::parts).collect())
    }

    /// All policy rules of IPv4 and IPv6.
    pub async fn rules(&mut self) -> Result<Vec<Rule>, Error> {
        self.socket
            .dump(&ListRules, |kind, payload| {
                (kind == libc::RTM_NEWRULE).then(|| Rule::from_payload(payload))?
            })
            .await
    }

    /// Its address among netlink sockets: what it causes is told with it.
    pub fn port(&self) -> u32 {
        self.socket.port
    }

    /// Makes the changes in their order, in batches with turns of the runtime in between ([`crate::Pace`]), and returns those
    /// that the kernel refused; none is the common case. What is so already counts as done.
    ///
    /// After an `Err` it is unknown how far it came: read the addresses and plan again.
    pub async fn apply(&mut self, changes: &[Change]) -> Result<Vec<Failure>, Error> {
        let refused = self.socket.batch(changes).await?;
        let failures = refused.into_iter().map(|(place, error)| Failure {
            change: changes[place].clone(),
            error,
        });
        Ok(failures
            .filter(|failure| !failure.change.is_done_after(failure.error.errno))
            .collect())
    }

    /// Makes, changes or removes links on top of others, in order and in batches; returns what the kernel refused.
    pub async fn change_uppers(
        &mut self,
        changes: &[upper::Change],
    ) -> Result<Vec<(upper::Change, KernelError)>, Error> {
        let refused = self.socket.batch(changes).await?;
        Ok(refused
            .into_iter()
            .map(|(place, error)| (changes[place].clone(), error))
            .collect())
    }

    /// Removes links on top of others, all at once. Answers with those that the kernel would not find or let go.
    pub async fn remove_uppers(
        &mut self,
        names: &[String],
    ) -> Result<Vec<(upper::Change, KernelError)>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let taken: HashSet<u32> = self.links().await?.iter().map(|link| link.group).collect();
        let group = (1..u32::MAX)
            .rev()
            .find(|group| !taken.contains(group))
            .unwrap_or(u32::MAX);
        let join = |name: &String| upper::Change {
            name: name.clone(),
            what: upper::What::Join(group),
        };
        let joins: Vec<upper::Change> = names.iter().map(join).collect();
        let refused = self.change_uppers(&joins).await?;
        if refused.len() < names.len() {
            self.socket.request(&upper::RemoveGroup(group)).await?;
        }
        Ok(refused)
    }

    /// Makes, changes or removes a link.
    pub async fn change_link(&mut self, request: &LinkRequest) -> Result<(), Error> {
        self.socket.request(request).await
    }
}

/// Asks for all addresses.
#[derive(Debug)]
pub(crate) struct ListAddresses;

impl fmt::Display for ListAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list the addresses")
    }
}

impl Request for ListAddresses {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        RouteNetlinkMessage::GetAddress(AddressMessage::default())
    }
}

/// Asks for all routes of a protocol.
#[derive(Debug)]
struct ListRoutes(u8);

impl fmt::Display for ListRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list the routes")
    }
}

impl Request for ListRoutes {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        let mut header = [0; route::HEADER_LEN];
        header[5] = self.0;
        Raw::new(libc::RTM_GETROUTE, &header)
    }
}

/// Asks for all policy rules.
#[derive(Debug)]
struct ListRules;

impl fmt::Display for ListRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list the rules")
    }
}

impl Request for ListRules {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        Raw::new(libc::RTM_GETRULE, &[0; route::HEADER_LEN])
    }
}
