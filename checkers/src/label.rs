//! What virtual and real servers are called in log lines, FIFO lines and mails.

use std::net::IpAddr;

use parser::config::virtual_server::{Protocol, Service, VirtualServer};

/// `[10.0.0.1]:tcp:80`, `FWM 7` or `[GROUP]:0`, where the number is the place among the virtual servers of the group.
pub(crate) fn of_service(service: &VirtualServer, place_in_group: u32) -> String {
    match &service.service {
        Service::Address { address, port, .. } => of_address(service, *address, *port),
        Service::Fwmark(mark) => format!("FWM {mark}"),
        Service::Group { group, .. } => format!("[{}]:{place_in_group}", group.name),
    }
}

/// `[10.0.0.2]:tcp:80`: an address and port of this virtual server, with its protocol.
pub(crate) fn of_address(service: &VirtualServer, address: IpAddr, port: u16) -> String {
    let protocol = match &service.service {
        Service::Address { protocol, .. } => word(*protocol),
        Service::Group { protocol, .. } => protocol.map_or("none", word),
        Service::Fwmark(_) => "none",
    };
    format!("[{address}]:{protocol}:{port}")
}

/// A protocol as labels and snapshots have it.
pub(crate) fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}
