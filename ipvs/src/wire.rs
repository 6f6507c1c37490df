//! The generic netlink family `IPVS` in `neli`'s types: commands, attributes, and what carries them.
//!
//! Byte orders as in `net/netfilter/ipvs/ip_vs_ctl.c`: ports and IPv4 masks are in network order, all else in host
//! order; an address always takes 16 bytes.

mod decode;
mod encode;

use netlink_packet_core::NetlinkSerializable;

pub(crate) use decode::{
    daemon, destination, destination_statistics, family_id, service, service_counters, timeouts, version,
};
pub(crate) use encode::{
    change, del_daemon, flush, get_config, get_daemons, get_destinations, get_families, get_family, get_info,
    get_services, new_daemon, set_timeouts, zero,
};

/// `IPVS_GENL_NAME`.
pub(crate) const FAMILY_NAME: &str = "IPVS";

/// `IPVS_GENL_VERSION`.
const VERSION: u8 = 1;

/// `IPVS_CMD_*`.
#[neli::neli_enum(serialized_type = "u8")]
pub enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    NewDaemon = 9,
    DelDaemon = 10,
    GetDaemon = 11,
    SetConfig = 12,
    GetConfig = 13,
    SetInfo = 14,
    GetInfo = 15,
    Zero = 16,
    Flush = 17,
}
impl neli::consts::genl::Cmd for Command {}

/// `IPVS_CMD_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub enum Attr {
    Service = 1,
    Dest = 2,
    Daemon = 3,
    TimeoutTcp = 4,
    TimeoutTcpFin = 5,
    TimeoutUdp = 6,
}
impl neli::consts::genl::NlAttrType for Attr {}

/// `IPVS_SVC_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub enum ServiceAttr {
    Af = 1,
    Protocol = 2,
    Addr = 3,
    Port = 4,
    Fwmark = 5,
    SchedName = 6,
    Flags = 7,
    Timeout = 8,
    Netmask = 9,
    Stats = 10,
    PeName = 11,
    Stats64 = 12,
}
impl neli::consts::genl::NlAttrType for ServiceAttr {}

/// `IPVS_DEST_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub enum DestAttr {
    Addr = 1,
    Port = 2,
    FwdMethod = 3,
    Weight = 4,
    UThresh = 5,
    LThresh = 6,
    ActiveConns = 7,
    InactConns = 8,
    PersistConns = 9,
    Stats = 10,
    AddrFamily = 11,
    Stats64 = 12,
    TunType = 13,
    TunPort = 14,
    TunFlags = 15,
}
impl neli::consts::genl::NlAttrType for DestAttr {}

/// `IPVS_DAEMON_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub enum DaemonAttr {
    State = 1,
    McastIfn = 2,
    SyncId = 3,
    SyncMaxlen = 4,
    McastGroup = 5,
    McastGroup6 = 6,
    McastPort = 7,
    McastTtl = 8,
}
impl neli::consts::genl::NlAttrType for DaemonAttr {}

/// `IPVS_STATS_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub enum StatsAttr {
    Conns = 1,
    Inpkts = 2,
    Outpkts = 3,
    Inbytes = 4,
    Outbytes = 5,
    Cps = 6,
    Inpps = 7,
    Outpps = 8,
    Inbps = 9,
    Outbps = 10,
}
impl neli::consts::genl::NlAttrType for StatsAttr {}

/// `IPVS_INFO_ATTR_*`.
#[neli::neli_enum(serialized_type = "u16")]
pub enum InfoAttr {
    Version = 1,
    ConnTabSize = 2,
}
impl neli::consts::genl::NlAttrType for InfoAttr {}

/// Numbers of `include/uapi/linux/ip_vs.h` that stand inside attributes.
mod number {
    pub(super) const PERSISTENT: u32 = 0x1;
    pub(super) const ONE_PACKET: u32 = 0x4;
    pub(super) const SCHED_1: u32 = 0x8;
    pub(super) const SCHED_2: u32 = 0x10;
    pub(super) const SCHED_3: u32 = 0x20;

    pub(super) const MASQUERADE: u32 = 0;
    pub(super) const TUNNEL: u32 = 2;
    pub(super) const DIRECT: u32 = 3;

    pub(super) const IPIP: u8 = 0;
    pub(super) const GUE: u8 = 1;
    pub(super) const GRE: u8 = 2;

    pub(super) const NO_CHECKSUM: u16 = 0;
    pub(super) const CHECKSUM: u16 = 1;
    pub(super) const REMOTE_CHECKSUM: u16 = 2;

    pub(super) const MASTER: u32 = 1;
    pub(super) const BACKUP: u32 = 2;

    /// `AF_INET` and `AF_INET6`, as wide as the attributes are.
    pub(super) const IPV4: u16 = 2;
    pub(super) const IPV6: u16 = 10;
}

/// A request could not be written: `neli` refused a value.
#[derive(Debug, thiserror::Error)]
#[error("cannot write a netlink message to IPVS: {0}")]
pub struct EncodeError(pub(crate) String);

/// The kernel's answer could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not built as netlink messages are.
    #[error("the kernel's answer about {about} cannot be read: {reason}")]
    Malformed {
        /// What it is about.
        about: &'static str,
        /// `neli`'s words.
        reason: String,
    },
    /// Something is missing in it.
    #[error("the kernel's answer about {about} lacks attribute {attribute}")]
    Missing {
        /// What it is about.
        about: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// Something in it is not a value that it can have.
    #[error("the kernel's answer about {about} has attribute {attribute} with a value that it cannot have")]
    Value {
        /// What it is about.
        about: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
}

/// A generic netlink message ready to be sent: header and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Number of the family.
    pub(crate) family: u16,
    pub(crate) bytes: Vec<u8>,
}

impl NetlinkSerializable for &Message {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        self.bytes.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.bytes);
    }
}

#[cfg(test)]
mod tests;
