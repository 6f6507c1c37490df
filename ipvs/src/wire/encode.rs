//! Requests.

use std::io::Cursor;
use std::net::IpAddr;
use std::time::Duration;

use neli::consts::genl::{Cmd, CtrlAttr, CtrlCmd, NlAttrType};
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, Nlattr, NlattrBuilder};
use neli::types::{Buffer, GenlBuffer};
use neli::{Size, ToBytes};

use super::{
    Attr, Command, DaemonAttr, DestAttr, EncodeError, FAMILY_NAME, Message, ServiceAttr, VERSION, number,
};
use crate::change::Change;
use crate::daemon::{Role, SyncDaemon};
use crate::destination::{Destination, DestinationKey, Forwarding, Tunnel, TunnelChecksum};
use crate::service::{Family, Granularity, Service, ServiceKey};
use crate::timeouts::Timeouts;

/// `GENL_ID_CTRL`: the family that knows all families.
const CONTROLLER: u16 = 0x10;

type Attributes<T> = GenlBuffer<T, Buffer>;
type Encoded<T> = Result<T, EncodeError>;

pub(crate) fn change(family: u16, change: &Change) -> Encoded<Message> {
    let (command, attributes) = match change {
        Change::AddService(it) => (Command::NewService, vec![service(it)?]),
        Change::EditService(it) => (Command::SetService, vec![service(it)?]),
        Change::DeleteService(key) => (Command::DelService, vec![service_key(*key)?]),
        Change::AddDestination(key, it) => (Command::NewDest, vec![service_key(*key)?, destination(it)?]),
        Change::EditDestination(key, it) => (Command::SetDest, vec![service_key(*key)?, destination(it)?]),
        Change::DeleteDestination(key, it) => {
            let attributes = nest(Attr::Dest, destination_key(*it)?)?;
            (Command::DelDest, vec![service_key(*key)?, attributes])
        }
    };
    message(family, command, attributes)
}

/// Asks for all families of generic netlink, ours among them.
pub(crate) fn get_families() -> Encoded<Message> {
    message::<_, CtrlAttr>(CONTROLLER, CtrlCmd::Getfamily, Vec::new())
}

/// Asks for our family by its name, for which the kernel loads the module that has it.
pub(crate) fn get_family() -> Encoded<Message> {
    let name: Vec<u8> = FAMILY_NAME.bytes().chain([0]).collect();
    let attributes = vec![attribute(CtrlAttr::FamilyName, name.as_slice())?];
    message(CONTROLLER, CtrlCmd::Getfamily, attributes)
}

pub(crate) fn get_services(family: u16) -> Encoded<Message> {
    bare(family, Command::GetService)
}

pub(crate) fn get_destinations(family: u16, of: ServiceKey) -> Encoded<Message> {
    message(family, Command::GetDest, vec![service_key(of)?])
}

pub(crate) fn get_daemons(family: u16) -> Encoded<Message> {
    bare(family, Command::GetDaemon)
}

pub(crate) fn get_config(family: u16) -> Encoded<Message> {
    bare(family, Command::GetConfig)
}

pub(crate) fn get_info(family: u16) -> Encoded<Message> {
    bare(family, Command::GetInfo)
}

pub(crate) fn flush(family: u16) -> Encoded<Message> {
    bare(family, Command::Flush)
}

/// Zeroes the counters of this service, of all without one.
pub(crate) fn zero(family: u16, of: Option<ServiceKey>) -> Encoded<Message> {
    let attributes = of.map(service_key).transpose()?;
    message(family, Command::Zero, attributes.into_iter().collect())
}

pub(crate) fn set_timeouts(family: u16, timeouts: &Timeouts) -> Encoded<Message> {
    let attributes = vec![
        attribute(Attr::TimeoutTcp, seconds(timeouts.tcp))?,
        attribute(Attr::TimeoutTcpFin, seconds(timeouts.tcp_fin))?,
        attribute(Attr::TimeoutUdp, seconds(timeouts.udp))?,
    ];
    message(family, Command::SetConfig, attributes)
}

pub(crate) fn new_daemon(family: u16, daemon: &SyncDaemon) -> Encoded<Message> {
    let mut attributes = Attributes::new();
    attributes.push(attribute(DaemonAttr::State, state(daemon.role))?);
    attributes.push(attribute(DaemonAttr::McastIfn, daemon.interface.with_zero())?);
    attributes.push(attribute(DaemonAttr::SyncId, u32::from(daemon.sync_id))?);
    if let Some(max_len) = daemon.max_len {
        attributes.push(attribute(DaemonAttr::SyncMaxlen, max_len)?);
    }
    match daemon.group {
        Some(IpAddr::V4(group)) => attributes.push(attribute(DaemonAttr::McastGroup, group.octets())?),
        Some(IpAddr::V6(group)) => attributes.push(attribute(DaemonAttr::McastGroup6, group.octets())?),
        None => {}
    }
    if let Some(port) = daemon.port {
        attributes.push(attribute(DaemonAttr::McastPort, port)?);
    }
    if let Some(ttl) = daemon.ttl {
        attributes.push(attribute(DaemonAttr::McastTtl, ttl)?);
    }
    message(family, Command::NewDaemon, vec![nest(Attr::Daemon, attributes)?])
}

pub(crate) fn del_daemon(family: u16, role: Role) -> Encoded<Message> {
    let attributes = [attribute(DaemonAttr::State, state(role))?].into_iter().collect();
    message(family, Command::DelDaemon, vec![nest(Attr::Daemon, attributes)?])
}

fn service(service: &Service) -> Encoded<Nlattr<Attr, Buffer>> {
    let (mut timeout, mut engine) = (Duration::ZERO, None);
    let mut granularity = Granularity::host(service.key.family());
    let flag = |set, flag| if set { flag } else { 0 };
    let mut flags = flag(service.flags.one_packet, number::ONE_PACKET)
        | flag(service.flags.sched_1, number::SCHED_1)
        | flag(service.flags.sched_2, number::SCHED_2)
        | flag(service.flags.sched_3, number::SCHED_3);
    if let Some(persistence) = &service.persistence {
        flags |= number::PERSISTENT;
        (timeout, engine) = (persistence.timeout, persistence.engine);
        granularity = persistence.granularity;
    }
    let mut attributes = key(service.key)?;
    attributes.push(attribute(ServiceAttr::SchedName, service.scheduler.with_zero())?);
    attributes.push(attribute(ServiceAttr::Flags, flags_and_mask(flags).as_slice())?);
    attributes.push(attribute(ServiceAttr::Timeout, seconds(timeout))?);
    attributes.push(match granularity {
        Granularity::Netmask(mask) => attribute(ServiceAttr::Netmask, mask.octets())?,
        Granularity::PrefixLen(length) => attribute(ServiceAttr::Netmask, u32::from(length))?,
    });
    if let Some(engine) = &engine {
        attributes.push(attribute(ServiceAttr::PeName, engine.with_zero())?);
    }
    nest(Attr::Service, attributes)
}

/// `struct ip_vs_flags`: all flags are set as given.
fn flags_and_mask(flags: u32) -> [u8; 8] {
    let mut bytes = [0xff; 8];
    bytes[..4].copy_from_slice(&flags.to_ne_bytes());
    bytes
}

fn service_key(of: ServiceKey) -> Encoded<Nlattr<Attr, Buffer>> {
    nest(Attr::Service, key(of)?)
}

fn key(key: ServiceKey) -> Encoded<Attributes<ServiceAttr>> {
    let mut attributes = Attributes::new();
    attributes.push(attribute(ServiceAttr::Af, family_number(key.family()))?);
    match key {
        ServiceKey::Address {
            address,
            port,
            protocol,
        } => {
            attributes.push(attribute(ServiceAttr::Protocol, u16::from(protocol))?);
            attributes.push(attribute(ServiceAttr::Addr, address_bytes(address))?);
            attributes.push(attribute(ServiceAttr::Port, port.to_be_bytes())?);
        }
        ServiceKey::Fwmark { mark, .. } => attributes.push(attribute(ServiceAttr::Fwmark, mark.get())?),
    }
    Ok(attributes)
}

fn destination(destination: &Destination) -> Encoded<Nlattr<Attr, Buffer>> {
    let mut attributes = destination_key(destination.key)?;
    let (method, tunnel) = match destination.forwarding {
        Forwarding::Masquerade => (number::MASQUERADE, None),
        Forwarding::Direct => (number::DIRECT, None),
        Forwarding::Tunnel(tunnel) => (number::TUNNEL, Some(tunnel_numbers(tunnel))),
        Forwarding::Other(method) => (method.into(), None),
    };
    attributes.push(attribute(DestAttr::FwdMethod, method)?);
    attributes.push(attribute(DestAttr::Weight, destination.weight)?);
    attributes.push(attribute(DestAttr::UThresh, destination.upper_threshold)?);
    attributes.push(attribute(DestAttr::LThresh, destination.lower_threshold)?);
    if let Some((kind, port, flags)) = tunnel {
        attributes.push(attribute(DestAttr::TunType, kind)?);
        attributes.push(attribute(DestAttr::TunPort, port.to_be_bytes())?);
        attributes.push(attribute(DestAttr::TunFlags, flags)?);
    }
    nest(Attr::Dest, attributes)
}

fn destination_key(key: DestinationKey) -> Encoded<Attributes<DestAttr>> {
    let mut attributes = Attributes::new();
    attributes.push(attribute(
        DestAttr::AddrFamily,
        family_number(Family::of(key.address)),
    )?);
    attributes.push(attribute(DestAttr::Addr, address_bytes(key.address))?);
    attributes.push(attribute(DestAttr::Port, key.port.to_be_bytes())?);
    Ok(attributes)
}

fn tunnel_numbers(tunnel: Tunnel) -> (u8, u16, u16) {
    let flags = |checksum| match checksum {
        TunnelChecksum::None => number::NO_CHECKSUM,
        TunnelChecksum::Full => number::CHECKSUM,
        TunnelChecksum::Remote => number::REMOTE_CHECKSUM,
    };
    match tunnel {
        Tunnel::Ipip => (number::IPIP, 0, 0),
        Tunnel::Gue { port, checksum } => (number::GUE, port.get(), flags(checksum)),
        Tunnel::Gre { checksum } => (number::GRE, 0, flags(checksum)),
        Tunnel::Other { kind, port, flags } => (kind, port, flags),
    }
}

fn state(role: Role) -> u32 {
    match role {
        Role::Master => number::MASTER,
        Role::Backup => number::BACKUP,
    }
}

fn family_number(family: Family) -> u16 {
    match family {
        Family::Ipv4 => number::IPV4,
        Family::Ipv6 => number::IPV6,
    }
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// Whole seconds; what no attribute can hold becomes the most that one can.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn bare(family: u16, command: Command) -> Encoded<Message> {
    message::<_, Attr>(family, command, Vec::new())
}

fn message<C: Cmd, T: NlAttrType>(
    family: u16,
    command: C,
    attributes: Vec<Nlattr<T, Buffer>>,
) -> Encoded<Message> {
    let header: Genlmsghdr<C, T> = GenlmsghdrBuilder::default()
        .cmd(command)
        .version(VERSION)
        .attrs(attributes.into_iter().collect())
        .build()
        .map_err(refused)?;
    let mut bytes = Cursor::new(Vec::with_capacity(header.padded_size()));
    header.to_bytes(&mut bytes).map_err(refused)?;
    Ok(Message {
        family,
        bytes: bytes.into_inner(),
    })
}

fn attribute<T: NlAttrType>(kind: T, payload: impl Size + ToBytes) -> Encoded<Nlattr<T, Buffer>> {
    build(kind, false, payload)
}

fn nest<T: NlAttrType>(kind: T, attributes: Attributes<impl NlAttrType>) -> Encoded<Nlattr<T, Buffer>> {
    build(kind, true, attributes)
}

fn build<T: NlAttrType>(kind: T, nested: bool, payload: impl Size + ToBytes) -> Encoded<Nlattr<T, Buffer>> {
    let kind = AttrTypeBuilder::default()
        .nla_type(kind)
        .nla_nested(nested)
        .build()
        .map_err(refused)?;
    NlattrBuilder::default()
        .nla_type(kind)
        .nla_payload(payload)
        .build()
        .map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> EncodeError {
    EncodeError(error.to_string())
}
