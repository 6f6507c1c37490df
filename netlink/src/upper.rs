//! Links on top of another link: macvlan and ipvlan. They are made, set and removed by name, many in one batch.

use std::fmt;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NetlinkSerializable};

use crate::attribute::Raw;
use crate::socket::Request;
use crate::socket::frame::attributes;

/// `sizeof(struct ifinfomsg)`
const HEADER_LEN: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
/// `IFLA_MACVLAN_MODE` and `IFLA_IPVLAN_MODE`
const MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const MACVLAN_MODE_PRIVATE: u32 = 1;
const IPVLAN_MODE_L2: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Which driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A macvlan that hears nothing from its siblings (mode private), with this link-layer address.
    Macvlan([u8; 6]),
    /// An ipvlan in L2 mode; it has its parent's link-layer address.
    Ipvlan(Siblings),
}

impl Kind {
    /// The kernel's name of it, as in [`crate::Link::kind`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
        }
    }

    /// From what the kernel tells of a link: its driver, its link-layer address and the driver's own attributes. `None`:
    /// another driver, or another mode of these.
    pub(crate) fn read(driver: &str, address: &[u8], attributes_of_it: &[u8]) -> Option<Self> {
        let find = |kind| attributes(attributes_of_it).find(|attribute| attribute.kind() == kind);
        let mode = find(MODE)?;
        match driver {
            "macvlan" if mode.value() == MACVLAN_MODE_PRIVATE.to_ne_bytes() => {
                Some(Self::Macvlan(address.try_into().ok()?))
            }
            "ipvlan" if mode.value() == IPVLAN_MODE_L2.to_ne_bytes() => {
                let flags = match find(IFLA_IPVLAN_FLAGS) {
                    Some(flags) => u16::from_ne_bytes(flags.value().try_into().ok()?),
                    // Kernels before 4.15 know bridges only, and do not say so.
                    None => 0,
                };
                let mut all = [Siblings::Bridge, Siblings::Private, Siblings::Vepa].into_iter();
                all.find(|it| *it as u16 == flags).map(Self::Ipvlan)
            }
            _ => None,
        }
    }
}

/// How an ipvlan reaches others on its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Siblings {
    /// Directly.
    Bridge = 0,
    /// Not at all.
    Private = 1,
    /// Through the switch.
    Vepa = 2,
}

/// What is set on a link after it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Index of the VRF to put it in; 0 takes it out of any.
    pub master: Option<u32>,
    /// A text kept with it (`ip link` shows it as alias), at most 255 bytes.
    pub alias: Option<String>,
    /// IPv6 makes no link-local address for it.
    pub no_generated_address: bool,
    /// `net.ipv4.conf.NAME.*`, each by its number in `include/uapi/linux/ip.h` ([`conf`]).
    pub ipv4: Vec<(u16, u32)>,
}

/// Numbers of `net.ipv4.conf.NAME.*` (`IPV4_DEVCONF_*`).
pub mod conf {
    /// `rp_filter`
    pub const RP_FILTER: u16 = 8;
    /// `arp_ignore`
    pub const ARP_IGNORE: u16 = 19;
    /// `promote_secondaries`
    pub const PROMOTE_SECONDARIES: u16 = 20;
    /// `accept_local`
    pub const ACCEPT_LOCAL: u16 = 23;
}

/// Makes, changes or removes a link by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// What is done.
    pub what: What,
}

/// What is done to a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is made, down.
    Create {
        /// Which driver.
        kind: Kind,
        /// Index of its parent.
        lower: u32,
        /// Its link group.
        group: u32,
    },
    /// It is set.
    Set(Settings),
    /// It is set up.
    Up,
    /// It is put into this link group.
    Join(u32),
    /// It is removed.
    Remove,
}

/// Removes all links of a group at once: the kernel waits for each of them only once, not one after the other.
#[derive(Debug)]
pub(crate) struct RemoveGroup(pub(crate) u32);

impl fmt::Display for RemoveGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remove the links of group {}", self.0)
    }
}

impl Request for RemoveGroup {
    fn flags(&self) -> u16 {
        0
    }

    fn message(&self) -> impl NetlinkSerializable {
        let mut raw = Raw::new(libc::RTM_DELLINK, &[0; HEADER_LEN]);
        raw.number(IFLA_GROUP, self.0);
        raw
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Create { kind, lower, .. } => {
                write!(f, "create the {} {} on link {lower}", kind.name(), self.name)
            }
            What::Set(_) => write!(f, "set the properties of {}", self.name),
            What::Join(group) => write!(f, "put {} into link group {group}", self.name),
            What::Up => write!(f, "set up {}", self.name),
            What::Remove => write!(f, "remove {}", self.name),
        }
    }
}

impl Request for Change {
    fn flags(&self) -> u16 {
        match self.what {
            What::Create { .. } => NLM_F_CREATE | NLM_F_EXCL,
            What::Set(_) | What::Up | What::Join(_) | What::Remove => 0,
        }
    }

    fn message(&self) -> impl NetlinkSerializable {
        let kind = match self.what {
            What::Remove => libc::RTM_DELLINK,
            What::Create { .. } | What::Set(_) | What::Up | What::Join(_) => libc::RTM_NEWLINK,
        };
        let mut header = [0; HEADER_LEN];
        if self.what == What::Up {
            let up = libc::IFF_UP.to_ne_bytes();
            header[8..12].copy_from_slice(&up);
            header[12..].copy_from_slice(&up);
        }
        let mut raw = Raw::new(kind, &header);
        raw.text(IFLA_IFNAME, &self.name);
        match &self.what {
            What::Create { kind, lower, group } => {
                raw.number(IFLA_LINK, *lower);
                raw.number(IFLA_GROUP, *group);
                if let Kind::Macvlan(address) = kind {
                    raw.put(IFLA_ADDRESS, address);
                }
                raw.nest(IFLA_LINKINFO, |info| write_info(info, *kind));
            }
            What::Set(settings) => settings.write(&mut raw),
            What::Join(group) => raw.number(IFLA_GROUP, *group),
            What::Up | What::Remove => {}
        }
        raw
    }
}

impl Settings {
    fn write(&self, to: &mut Raw) {
        if let Some(master) = self.master {
            to.number(IFLA_MASTER, master);
        }
        if let Some(alias) = &self.alias {
            to.put(IFLA_IFALIAS, alias.as_bytes());
        }
        if !self.no_generated_address && self.ipv4.is_empty() {
            return;
        }
        to.nest(IFLA_AF_SPEC, |spec| {
            if self.no_generated_address {
                spec.nest(AF_INET6, |inet6| {
                    inet6.put(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
                });
            }
            if !self.ipv4.is_empty() {
                spec.nest(AF_INET, |inet| {
                    inet.nest(IFLA_INET_CONF, |list| {
                        for (number, value) in &self.ipv4 {
                            list.number(*number, *value);
                        }
                    });
                });
            }
        });
    }
}

fn write_info(to: &mut Raw, kind: Kind) {
    to.text(IFLA_INFO_KIND, kind.name());
    to.nest(IFLA_INFO_DATA, |data| match kind {
        Kind::Macvlan(_) => data.number(MODE, MACVLAN_MODE_PRIVATE),
        Kind::Ipvlan(siblings) => {
            data.put(MODE, &IPVLAN_MODE_L2.to_ne_bytes());
            data.put(IFLA_IPVLAN_FLAGS, &(siblings as u16).to_ne_bytes());
        }
    });
}
