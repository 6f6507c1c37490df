//! Answers. An attribute that we do not know is passed over: a newer kernel must not make us blind.

use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use neli::FromBytesWithInput;
use neli::consts::genl::{CtrlAttr, NlAttrType};
use neli::genl::{Genlmsghdr, Nlattr};
use neli::types::{Buffer, GenlBuffer};

use super::{Attr, DaemonAttr, DecodeError, DestAttr, FAMILY_NAME, InfoAttr, ServiceAttr, StatsAttr, number};
use crate::daemon::{Role, SyncDaemon};
use crate::destination::{Destination, DestinationKey, Forwarding, Tunnel, TunnelChecksum};
use crate::handle::Version;
use crate::name::Name;
use crate::service::{Family, Flags, Granularity, Persistence, Service, ServiceKey};
use crate::statistics::{Counters, DestinationStatistics};
use crate::timeouts::Timeouts;

type Decoded<T> = Result<T, DecodeError>;

/// The number of our family, if the answer is about it.
pub(crate) fn family_id(payload: &[u8]) -> Option<u16> {
    let attributes = Attributes::<CtrlAttr>::of_message(payload, "a family").ok()?;
    let name = attributes.find(CtrlAttr::FamilyName)?;
    let is_ours = name.strip_suffix(&[0]) == Some(FAMILY_NAME.as_bytes());
    is_ours.then(|| attributes.u16(CtrlAttr::FamilyId, "FAMILY_ID").ok())?
}

pub(crate) fn service(payload: &[u8]) -> Decoded<Service> {
    let attributes = service_attributes(payload)?;
    let key = service_key(&attributes)?;
    let flags = attributes.u32(ServiceAttr::Flags, "FLAGS")?;
    let has = |flag| flags & flag != 0;
    Ok(Service {
        key,
        scheduler: Name::reported(attributes.bytes(ServiceAttr::SchedName, "SCHED_NAME")?),
        flags: Flags {
            one_packet: has(number::ONE_PACKET),
            sched_1: has(number::SCHED_1),
            sched_2: has(number::SCHED_2),
            sched_3: has(number::SCHED_3),
        },
        persistence: has(number::PERSISTENT)
            .then(|| persistence(&attributes, key.family()))
            .transpose()?,
    })
}

/// Which service, and what it has counted.
pub(crate) fn service_counters(payload: &[u8]) -> Decoded<(ServiceKey, Counters)> {
    let attributes = service_attributes(payload)?;
    let counters = counters(&attributes, ServiceAttr::Stats64, ServiceAttr::Stats)?;
    Ok((service_key(&attributes)?, counters))
}

/// A destination of a service of this family; kernels before 3.18 do not say which family an address is of.
pub(crate) fn destination(payload: &[u8], family: Family) -> Decoded<Destination> {
    let attributes = destination_attributes(payload)?;
    Ok(Destination {
        key: destination_key(&attributes, family)?,
        forwarding: forwarding(&attributes)?,
        weight: attributes.u32(DestAttr::Weight, "WEIGHT")?,
        upper_threshold: attributes.u32(DestAttr::UThresh, "U_THRESH")?,
        lower_threshold: attributes.u32(DestAttr::LThresh, "L_THRESH")?,
    })
}

pub(crate) fn destination_statistics(payload: &[u8], family: Family) -> Decoded<DestinationStatistics> {
    let attributes = destination_attributes(payload)?;
    Ok(DestinationStatistics {
        key: destination_key(&attributes, family)?,
        active_connections: attributes.u32(DestAttr::ActiveConns, "ACTIVE_CONNS")?,
        inactive_connections: attributes.u32(DestAttr::InactConns, "INACT_CONNS")?,
        persistent_connections: attributes.u32(DestAttr::PersistConns, "PERSIST_CONNS")?,
        counters: counters(&attributes, DestAttr::Stats64, DestAttr::Stats)?,
    })
}

pub(crate) fn daemon(payload: &[u8]) -> Decoded<SyncDaemon> {
    let about = "a sync daemon";
    let outer = Attributes::<Attr>::of_message(payload, about)?;
    let attributes: Attributes<DaemonAttr> = outer.nested(Attr::Daemon, "DAEMON")?;
    let value = |attribute| DecodeError::Value { about, attribute };
    let role = match attributes.u32(DaemonAttr::State, "STATE")? {
        number::MASTER => Role::Master,
        number::BACKUP => Role::Backup,
        _ => return Err(value("STATE")),
    };
    let group4 = attributes.optional(DaemonAttr::McastGroup, "MCAST_GROUP", ip4)?;
    let group6 = attributes.optional(DaemonAttr::McastGroup6, "MCAST_GROUP6", ip6)?;
    Ok(SyncDaemon {
        role,
        interface: Name::reported(attributes.bytes(DaemonAttr::McastIfn, "MCAST_IFN")?),
        sync_id: u8::try_from(attributes.u32(DaemonAttr::SyncId, "SYNC_ID")?)
            .map_err(|_| value("SYNC_ID"))?,
        max_len: attributes.optional(DaemonAttr::SyncMaxlen, "SYNC_MAXLEN", u16_ne)?,
        group: group4.or(group6),
        port: attributes.optional(DaemonAttr::McastPort, "MCAST_PORT", u16_ne)?,
        ttl: attributes.optional(DaemonAttr::McastTtl, "MCAST_TTL", |bytes| bytes.first().copied())?,
    })
}

pub(crate) fn timeouts(payload: &[u8]) -> Decoded<Timeouts> {
    let attributes = Attributes::<Attr>::of_message(payload, "timeouts")?;
    let seconds = |kind, name| {
        attributes
            .u32(kind, name)
            .map(|seconds| Duration::from_secs(seconds.into()))
    };
    Ok(Timeouts {
        tcp: seconds(Attr::TimeoutTcp, "TIMEOUT_TCP")?,
        tcp_fin: seconds(Attr::TimeoutTcpFin, "TIMEOUT_TCP_FIN")?,
        udp: seconds(Attr::TimeoutUdp, "TIMEOUT_UDP")?,
    })
}

pub(crate) fn version(payload: &[u8]) -> Decoded<Version> {
    let attributes = Attributes::<InfoAttr>::of_message(payload, "itself")?;
    let [_, major, minor, patch] = attributes.u32(InfoAttr::Version, "VERSION")?.to_be_bytes();
    Ok(Version {
        major,
        minor,
        patch,
        connection_table_size: attributes.u32(InfoAttr::ConnTabSize, "CONN_TAB_SIZE")?,
    })
}

fn service_attributes(payload: &[u8]) -> Decoded<Attributes<ServiceAttr>> {
    Attributes::<Attr>::of_message(payload, "a service")?.nested(Attr::Service, "SERVICE")
}

fn service_key(attributes: &Attributes<ServiceAttr>) -> Decoded<ServiceKey> {
    let family = attributes.family(ServiceAttr::Af, "AF")?;
    if let Some(mark) = attributes.optional(ServiceAttr::Fwmark, "FWMARK", u32_ne)? {
        let mark = NonZeroU32::new(mark).ok_or(attributes.value("FWMARK"))?;
        return Ok(ServiceKey::Fwmark { mark, family });
    }
    let protocol = attributes.u16(ServiceAttr::Protocol, "PROTOCOL")?;
    Ok(ServiceKey::Address {
        address: attributes.address(ServiceAttr::Addr, "ADDR", family)?,
        port: attributes.u16(ServiceAttr::Port, "PORT").map(u16::from_be)?,
        protocol: u8::try_from(protocol).map_err(|_| attributes.value("PROTOCOL"))?,
    })
}

fn persistence(attributes: &Attributes<ServiceAttr>, family: Family) -> Decoded<Persistence> {
    let seconds = attributes.u32(ServiceAttr::Timeout, "TIMEOUT")?;
    let mask = attributes.u32(ServiceAttr::Netmask, "NETMASK")?;
    let granularity = match family {
        Family::Ipv4 => Granularity::Netmask(Ipv4Addr::from_octets(mask.to_ne_bytes())),
        Family::Ipv6 => Granularity::PrefixLen(u8::try_from(mask).map_err(|_| attributes.value("NETMASK"))?),
    };
    Ok(Persistence {
        timeout: Duration::from_secs(seconds.into()),
        granularity,
        engine: attributes.find(ServiceAttr::PeName).map(Name::reported),
    })
}

fn destination_attributes(payload: &[u8]) -> Decoded<Attributes<DestAttr>> {
    Attributes::<Attr>::of_message(payload, "a destination")?.nested(Attr::Dest, "DEST")
}

fn destination_key(attributes: &Attributes<DestAttr>, family: Family) -> Decoded<DestinationKey> {
    let family = match attributes.find(DestAttr::AddrFamily) {
        Some(_) => attributes.family(DestAttr::AddrFamily, "ADDR_FAMILY")?,
        None => family,
    };
    Ok(DestinationKey {
        address: attributes.address(DestAttr::Addr, "ADDR", family)?,
        port: attributes.u16(DestAttr::Port, "PORT").map(u16::from_be)?,
    })
}

fn forwarding(attributes: &Attributes<DestAttr>) -> Decoded<Forwarding> {
    Ok(match attributes.u32(DestAttr::FwdMethod, "FWD_METHOD")? {
        number::MASQUERADE => Forwarding::Masquerade,
        number::DIRECT => Forwarding::Direct,
        number::TUNNEL => Forwarding::Tunnel(tunnel(attributes)?),
        other => Forwarding::Other(u8::try_from(other).map_err(|_| attributes.value("FWD_METHOD"))?),
    })
}

/// Kernels before 5.2 know no other tunnel than IP in IP and say nothing of it.
fn tunnel(attributes: &Attributes<DestAttr>) -> Decoded<Tunnel> {
    let kind = attributes.optional(DestAttr::TunType, "TUN_TYPE", |bytes| bytes.first().copied())?;
    let kind = kind.unwrap_or(number::IPIP);
    let port = attributes.optional(DestAttr::TunPort, "TUN_PORT", u16_ne)?;
    let port = port.map(u16::from_be).unwrap_or_default();
    let flags = attributes.optional(DestAttr::TunFlags, "TUN_FLAGS", u16_ne)?;
    let flags = flags.unwrap_or_default();
    let checksum = match flags {
        number::NO_CHECKSUM => Some(TunnelChecksum::None),
        number::CHECKSUM => Some(TunnelChecksum::Full),
        number::REMOTE_CHECKSUM => Some(TunnelChecksum::Remote),
        _ => None,
    };
    Ok(match (kind, NonZeroU16::new(port), checksum) {
        (number::IPIP, ..) => Tunnel::Ipip,
        (number::GUE, Some(port), Some(checksum)) => Tunnel::Gue { port, checksum },
        (number::GRE, _, Some(checksum)) => Tunnel::Gre { checksum },
        _ => Tunnel::Other { kind, port, flags },
    })
}

/// The wide counters, or on old kernels the narrow ones.
fn counters<T: NlAttrType>(attributes: &Attributes<T>, wide: T, narrow: T) -> Decoded<Counters> {
    let stats: Attributes<StatsAttr> = match attributes.find(wide) {
        Some(_) => attributes.nested(wide, "STATS64")?,
        None => attributes.nested(narrow, "STATS")?,
    };
    Ok(Counters {
        connections: stats.count(StatsAttr::Conns, "CONNS")?,
        in_packets: stats.count(StatsAttr::Inpkts, "INPKTS")?,
        out_packets: stats.count(StatsAttr::Outpkts, "OUTPKTS")?,
        in_bytes: stats.count(StatsAttr::Inbytes, "INBYTES")?,
        out_bytes: stats.count(StatsAttr::Outbytes, "OUTBYTES")?,
        connection_rate: stats.count(StatsAttr::Cps, "CPS")?,
        in_packet_rate: stats.count(StatsAttr::Inpps, "INPPS")?,
        out_packet_rate: stats.count(StatsAttr::Outpps, "OUTPPS")?,
        in_byte_rate: stats.count(StatsAttr::Inbps, "INBPS")?,
        out_byte_rate: stats.count(StatsAttr::Outbps, "OUTBPS")?,
    })
}

/// Attributes of one level, and what they are about.
struct Attributes<T> {
    about: &'static str,
    list: GenlBuffer<T, Buffer>,
}

impl<T: NlAttrType> Attributes<T> {
    fn of_message(payload: &[u8], about: &'static str) -> Decoded<Self> {
        let header = Genlmsghdr::<u8, T>::from_bytes_with_input(&mut Cursor::new(payload), payload.len());
        header
            .map(|header| Self {
                about,
                list: header.attrs().iter().cloned().collect(),
            })
            .map_err(|error| malformed(about, &error))
    }

    fn nested<S: NlAttrType>(&self, kind: T, name: &'static str) -> Decoded<Attributes<S>> {
        let bytes = self.bytes(kind, name)?;
        GenlBuffer::from_bytes_with_input(&mut Cursor::new(bytes), bytes.len())
            .map(|list| Attributes {
                about: self.about,
                list,
            })
            .map_err(|error| malformed(self.about, &error))
    }

    fn find(&self, kind: T) -> Option<&[u8]> {
        let mut all = self.list.iter();
        all.find(|attribute| *attribute.nla_type().nla_type() == kind)
            .map(|attribute: &Nlattr<T, Buffer>| attribute.nla_payload().as_ref())
    }

    fn bytes(&self, kind: T, name: &'static str) -> Decoded<&[u8]> {
        self.find(kind).ok_or(DecodeError::Missing {
            about: self.about,
            attribute: name,
        })
    }

    fn optional<V>(
        &self,
        kind: T,
        name: &'static str,
        read: impl Fn(&[u8]) -> Option<V>,
    ) -> Decoded<Option<V>> {
        self.find(kind)
            .map(|bytes| read(bytes).ok_or(self.value(name)))
            .transpose()
    }

    fn u16(&self, kind: T, name: &'static str) -> Decoded<u16> {
        u16_ne(self.bytes(kind, name)?).ok_or(self.value(name))
    }

    fn u32(&self, kind: T, name: &'static str) -> Decoded<u32> {
        u32_ne(self.bytes(kind, name)?).ok_or(self.value(name))
    }

    /// A counter, 32 or 64 bits wide.
    fn count(&self, kind: T, name: &'static str) -> Decoded<u64> {
        let bytes = self.bytes(kind, name)?;
        let wide = bytes.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
        wide.or(u32_ne(bytes).map(u64::from)).ok_or(self.value(name))
    }

    fn family(&self, kind: T, name: &'static str) -> Decoded<Family> {
        match self.u16(kind, name)? {
            number::IPV4 => Ok(Family::Ipv4),
            number::IPV6 => Ok(Family::Ipv6),
            _ => Err(self.value(name)),
        }
    }

    fn address(&self, kind: T, name: &'static str, family: Family) -> Decoded<IpAddr> {
        let bytes = self.bytes(kind, name)?;
        match family {
            Family::Ipv4 => ip4(bytes),
            Family::Ipv6 => ip6(bytes),
        }
        .ok_or(self.value(name))
    }

    fn value(&self, attribute: &'static str) -> DecodeError {
        DecodeError::Value {
            about: self.about,
            attribute,
        }
    }
}

fn malformed(about: &'static str, error: &neli::err::DeError) -> DecodeError {
    DecodeError::Malformed {
        about,
        reason: error.to_string(),
    }
}

fn u16_ne(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_ne(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn ip4(bytes: &[u8]) -> Option<IpAddr> {
    bytes
        .first_chunk()
        .map(|bytes| Ipv4Addr::from_octets(*bytes).into())
}

fn ip6(bytes: &[u8]) -> Option<IpAddr> {
    bytes
        .first_chunk()
        .map(|bytes| Ipv6Addr::from_octets(*bytes).into())
}
