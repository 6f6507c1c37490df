//! A link (network interface): `struct ifinfomsg` and the attributes that matter here, and the requests that make and
//! change links.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NetlinkSerializable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use rtnetlink::{LinkBridge, LinkDummy, LinkUnspec, LinkVeth};

use crate::socket::Request;
use crate::socket::frame::{attributes, number, text};
use crate::upper;

/// `sizeof(struct ifinfomsg)`
const HEADER_LEN: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_VRF_TABLE: u16 = 1;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface index, unique in its namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Set up by the administrator (`IFF_UP`).
    pub up: bool,
    /// Up and with carrier (`IFF_RUNNING`): packets can pass.
    pub running: bool,
    /// A loopback link (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Has multicast (`IFF_MULTICAST`).
    pub multicast: bool,
    /// Resolves neighbours (not `IFF_NOARP`).
    pub arp: bool,
    /// `ARPHRD_*`: 1 is Ethernet.
    pub hardware_type: u16,
    /// Hardware address; empty where the link has none. 6 bytes on Ethernet, 20 on InfiniBand.
    pub hardware_address: Vec<u8>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Driver kind of a virtual link: `veth`, `bridge`, `macvlan` ...
    pub kind: Option<String>,
    /// Index of the bridge, bond or VRF that it belongs to.
    pub master: Option<u32>,
    /// What kind of master that is: `bridge`, `bond`, `vrf` ...
    pub master_kind: Option<String>,
    /// Index of the link below it in the same namespace: a VLAN's or macvlan's parent, a veth's other end.
    pub lower: Option<u32>,
    /// Its link group.
    pub group: u32,
    /// A text that was given to it.
    pub alias: Option<String>,
    /// Routing table of a VRF.
    pub vrf_table: Option<u32>,
    /// What it is if it is on top of another link as [`upper`] makes them.
    pub upper: Option<upper::Kind>,
}

impl Link {
    /// Reads the payload of `RTM_NEWLINK` or `RTM_DELLINK`. `None`: no word about a link as such (a bridge's about its
    /// port, which comes as address family `AF_BRIDGE`; a wireless event, which has no name).
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let &[family, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = payload.first_chunk::<HEADER_LEN>()?;
        if i32::from(family) != libc::AF_UNSPEC {
            return None;
        }
        let flags = i32::from_ne_bytes([f0, f1, f2, f3]);
        let mut link = Self {
            index: u32::from_ne_bytes([i0, i1, i2, i3]),
            name: String::new(),
            up: flags & libc::IFF_UP != 0,
            running: flags & libc::IFF_UP != 0 && flags & libc::IFF_RUNNING != 0,
            loopback: flags & libc::IFF_LOOPBACK != 0,
            multicast: flags & libc::IFF_MULTICAST != 0,
            arp: flags & libc::IFF_NOARP == 0,
            hardware_type: u16::from_ne_bytes([t0, t1]),
            hardware_address: Vec::new(),
            mtu: 0,
            kind: None,
            master: None,
            master_kind: None,
            lower: None,
            group: 0,
            alias: None,
            vrf_table: None,
            upper: None,
        };
        let mut lower_is_elsewhere = false;
        let mut info = None;
        for attribute in attributes(&payload[HEADER_LEN..]) {
            let value = attribute.value();
            match attribute.kind() {
                IFLA_IFNAME => link.name = text(value)?,
                IFLA_ADDRESS => link.hardware_address = value.to_vec(),
                IFLA_MTU => link.mtu = number(value)?,
                IFLA_LINK => link.lower = number(value).filter(|lower| ![0, link.index].contains(lower)),
                IFLA_LINK_NETNSID => lower_is_elsewhere = true,
                IFLA_MASTER => link.master = number(value).filter(|master| *master != 0),
                IFLA_IFALIAS => link.alias = text(value),
                IFLA_GROUP => link.group = number(value)?,
                IFLA_LINKINFO => info = Some(attribute),
                _ => {}
            }
        }
        if let Some(info) = info {
            link.read_info(info.value());
        }
        if lower_is_elsewhere {
            link.lower = None;
        }
        (!link.name.is_empty()).then_some(link)
    }

    fn read_info(&mut self, value: &[u8]) {
        let mut data = None;
        for attribute in attributes(value) {
            match attribute.kind() {
                IFLA_INFO_KIND => self.kind = text(attribute.value()),
                IFLA_INFO_DATA => data = Some(attribute),
                IFLA_INFO_SLAVE_KIND => self.master_kind = text(attribute.value()),
                _ => {}
            }
        }
        let (Some(kind), Some(data)) = (self.kind.as_deref(), data) else {
            return;
        };
        if kind == "vrf" {
            self.vrf_table = attributes(data.value())
                .find(|attribute| attribute.kind() == IFLA_VRF_TABLE)
                .and_then(|attribute| number(attribute.value()));
        }
        self.upper = upper::Kind::read(kind, &self.hardware_address, data.value());
    }
}

/// Asks for all links.
#[derive(Debug)]
pub(crate) struct ListLinks;

impl fmt::Display for ListLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("list the links")
    }
}

impl Request for ListLinks {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        let mut message = LinkMessage::default();
        // The counters are three quarters of the answer.
        message
            .attributes
            .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        RouteNetlinkMessage::GetLink(message)
    }
}

/// Makes a link, changes one or removes one.
#[derive(Debug)]
pub struct LinkRequest {
    words: String,
    verb: Verb,
    message: LinkMessage,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Create,
    Change,
    Remove,
}

impl LinkRequest {
    /// Two Ethernet links, each the other's cable. Both are down.
    pub fn create_veth(name: &str, peer: &str) -> Self {
        Self {
            words: format!("create the veth pair {name} and {peer}"),
            verb: Verb::Create,
            message: LinkVeth::new(name, peer).build(),
        }
    }

    /// A bridge without ports, up.
    pub fn create_bridge(name: &str) -> Self {
        Self {
            words: format!("create the bridge {name}"),
            verb: Verb::Create,
            message: LinkBridge::new(name).build(),
        }
    }

    /// A link that swallows what is sent. It is down.
    pub fn create_dummy(name: &str) -> Self {
        Self {
            words: format!("create the dummy link {name}"),
            verb: Verb::Create,
            message: LinkDummy::new(name).build(),
        }
    }

    /// Gives it another hardware address.
    pub fn hardware_address(index: u32, address: &[u8]) -> Self {
        let message = LinkUnspec::new_with_index(index)
            .address(address.to_vec())
            .build();
        Self::change(index, "set the hardware address of link", message)
    }

    /// Sets it up.
    pub fn up(index: u32) -> Self {
        Self::change(
            index,
            "set up link",
            LinkUnspec::new_with_index(index).up().build(),
        )
    }

    /// Sets it down.
    pub fn down(index: u32) -> Self {
        Self::change(
            index,
            "set down link",
            LinkUnspec::new_with_index(index).down().build(),
        )
    }

    /// Makes it a port of this bridge, bond or VRF.
    pub fn join(index: u32, master: u32) -> Self {
        let message = LinkUnspec::new_with_index(index).controller(master).build();
        Self {
            words: format!("make link {index} a port of link {master}"),
            verb: Verb::Change,
            message,
        }
    }

    /// Takes it out of its bridge, bond or VRF.
    pub fn leave(index: u32) -> Self {
        Self::change(
            index,
            "take from its master link",
            LinkUnspec::new_with_index(index).nocontroller().build(),
        )
    }

    /// Moves it to another network namespace, where it comes up with the same name, down, with a new index if that one
    /// is taken. The descriptor must stay open until the request has been sent.
    pub fn move_to(index: u32, namespace: BorrowedFd<'_>) -> Self {
        let message = LinkUnspec::new_with_index(index)
            .setns_by_fd(namespace.as_raw_fd())
            .build();
        Self::change(index, "move to another network namespace link", message)
    }

    /// Gives it another name, of at most 15 bytes.
    pub fn rename(index: u32, name: &str) -> Self {
        let message = LinkUnspec::new_with_index(index).name(name).build();
        Self {
            words: format!("rename link {index} to {name}"),
            verb: Verb::Change,
            message,
        }
    }

    /// Removes it; the other end of a veth goes too.
    pub fn remove(index: u32) -> Self {
        Self {
            words: format!("remove link {index}"),
            verb: Verb::Remove,
            message: LinkUnspec::new_with_index(index).build(),
        }
    }

    fn change(index: u32, what: &str, message: LinkMessage) -> Self {
        Self {
            words: format!("{what} {index}"),
            verb: Verb::Change,
            message,
        }
    }
}

impl fmt::Display for LinkRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Request for LinkRequest {
    fn flags(&self) -> u16 {
        match self.verb {
            Verb::Create => NLM_F_CREATE | NLM_F_EXCL,
            Verb::Change | Verb::Remove => 0,
        }
    }

    fn message(&self) -> impl NetlinkSerializable {
        let message = self.message.clone();
        match self.verb {
            Verb::Create | Verb::Change => RouteNetlinkMessage::NewLink(message),
            Verb::Remove => RouteNetlinkMessage::DelLink(message),
        }
    }
}
