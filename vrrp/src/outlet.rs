//! Where an instance's adverts leave the machine, and the advert itself, built ahead: sending one is a copy and a
//! patch.

use std::net::IpAddr;

use parser::config::VrrpInstance;
use parser::units::Priority;

use crate::action::Datagram;
use crate::event::{InstanceId, Link, LinkId};
use crate::packet::{self, Outgoing};

#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    pub(crate) link: LinkId,
    pub(crate) source: IpAddr,
    destination: IpAddr,
    /// How many addresses the link's MTU has room for.
    room: usize,
    /// The advert at the instance's priority.
    advert: Vec<u8>,
}

impl Outlet {
    pub(crate) fn new(config: &VrrpInstance, priority: Priority, link: &Link, source: IpAddr) -> Self {
        let mut outlet = Self {
            link: link.id,
            source,
            destination: config.mcast_dst_ip,
            room: packet::address_room(link.mtu, config.version, config.family),
            advert: Vec::new(),
        };
        outlet.rebuild(config, priority);
        outlet
    }

    pub(crate) fn rebuild(&mut self, config: &VrrpInstance, priority: Priority) {
        self.advert = self.build(config, priority.get());
    }

    /// The next advert.
    pub(crate) fn advert(&self, instance: InstanceId, ip_id: u16) -> Datagram {
        self.datagram(instance, self.advert.clone(), ip_id)
    }

    /// The last advert of a master.
    pub(crate) fn resignation(&self, instance: InstanceId, config: &VrrpInstance, ip_id: u16) -> Datagram {
        self.datagram(instance, self.build(config, 0), ip_id)
    }

    fn datagram(&self, instance: InstanceId, mut bytes: Vec<u8>, ip_id: u16) -> Datagram {
        if self.source.is_ipv4() {
            packet::stamp_ipv4_id(&mut bytes, ip_id);
        }
        Datagram {
            instance,
            link: self.link,
            source: self.source,
            destination: self.destination,
            bytes,
        }
    }

    fn build(&self, config: &VrrpInstance, priority: u8) -> Vec<u8> {
        let addresses: Vec<IpAddr> = config
            .virtual_ipaddress
            .iter()
            .map(|line| line.address)
            .take(self.room)
            .collect();
        let packet = Outgoing {
            version: config.version,
            vrid: config.virtual_router_id,
            priority,
            interval: config.advert_int,
            authentication: &config.authentication,
            addresses: &addresses,
            source: self.source,
            destination: self.destination,
        }
        .encode();
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                packet::with_ipv4_header(source, destination, &packet)
            }
            _ => packet,
        }
    }
}
