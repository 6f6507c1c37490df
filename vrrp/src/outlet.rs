//! Where an instance's adverts leave the machine, and the adverts themselves, built ahead: sending one is a copy, a patch
//! and, where adverts are authenticated, a digest.

use std::net::IpAddr;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::{AuthHmac, Authentication, HmacMode};
use parser::units::Family;

use crate::action::{Datagram, Endpoint};
use crate::ah;
use crate::event::InstanceId;
use crate::ipv4;
use crate::judge::{secret, window};
use crate::packet::{self, Outgoing};
use crate::seal::Seal;
use crate::trailer::{self, Head, Subject};

#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    endpoint: Endpoint,
    pub(crate) source: IpAddr,
    /// `old_unicast_checksum`, configured or found out.
    pub(crate) sums_as_old: bool,
    /// How many addresses one datagram has room for.
    room: usize,
    /// The advert at the instance's priority, for each destination.
    adverts: Vec<Prepared>,
}

/// An advert to one destination, but for identification, sequence and digest.
#[derive(Clone, Debug)]
struct Prepared {
    destination: IpAddr,
    bytes: Vec<u8>,
}

impl Outlet {
    pub(crate) fn new(
        config: &VrrpInstance,
        priority: u8,
        endpoint: Endpoint,
        source: IpAddr,
        mtu: u32,
        sums_as_old: bool,
    ) -> Self {
        let mut outlet = Self {
            endpoint,
            source,
            sums_as_old,
            room: address_room(config, mtu),
            adverts: Vec::new(),
        };
        outlet.rebuild(config, priority);
        outlet
    }

    pub(crate) fn rebuild(&mut self, config: &VrrpInstance, priority: u8) {
        self.adverts = self.prepare(config, priority);
    }

    /// Bytes of one advert with the IP header.
    pub(crate) fn len(&self) -> usize {
        let ipv6_header = if self.source.is_ipv6() {
            packet::IPV6_HEADER_LEN
        } else {
            0
        };
        self.adverts
            .first()
            .map_or(0, |advert| advert.bytes.len() + ipv6_header)
    }

    /// The next advert, to each destination; none where the sequence numbers have run out.
    pub(crate) fn adverts(&self, config: &VrrpInstance, stamp: &mut Stamp<'_>) -> Vec<Datagram> {
        self.stamp(self.adverts.clone(), config, stamp)
    }

    /// The last advert of a master.
    pub(crate) fn resignation(&self, config: &VrrpInstance, stamp: &mut Stamp<'_>) -> Vec<Datagram> {
        self.stamp(self.prepare(config, 0), config, stamp)
    }

    fn prepare(&self, config: &VrrpInstance, priority: u8) -> Vec<Prepared> {
        let addresses: Vec<IpAddr> = config
            .virtual_ipaddress
            .iter()
            .map(|line| line.address)
            .take(self.room)
            .collect();
        let prepare = |destination| {
            let summed = if self.sums_as_old {
                config.mcast_dst_ip
            } else {
                destination
            };
            let advert = Outgoing {
                version: config.version,
                vrid: config.virtual_router_id,
                priority,
                interval: config.advert_int,
                authentication: &config.authentication,
                addresses: &addresses,
                source: self.source,
                destination: summed,
                bare_sum: config.v3_checksum_as_v2,
            };
            Prepared {
                destination,
                bytes: self.wrap(advert.encode(), config, destination),
            }
        };
        if config.unicast {
            let peers = config.unicast_peers.iter();
            peers.map(|peer| prepare(peer.address)).collect()
        } else {
            vec![prepare(config.mcast_dst_ip)]
        }
    }

    /// Puts around an advert what belongs there, digests still empty.
    fn wrap(&self, mut advert: Vec<u8>, config: &VrrpInstance, destination: IpAddr) -> Vec<u8> {
        if signs(config).is_some() {
            advert.resize(advert.len() + trailer::LEN, 0);
        }
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (self.source, destination) else {
            return advert;
        };
        let header = ipv4::Header {
            source,
            destination,
            ttl: hop_limit(config).unwrap_or(packet::HOP_LIMIT),
            protocol: self.endpoint.protocol,
        };
        match config.authentication {
            Authentication::Ah(_) => header.before(&ah::before(&advert, source)),
            Authentication::None | Authentication::Pass(_) => header.before(&advert),
        }
    }

    /// All copies of one advert are the same, as keepalived's: one identification, one sequence.
    fn stamp(
        &self,
        mut adverts: Vec<Prepared>,
        config: &VrrpInstance,
        stamp: &mut Stamp<'_>,
    ) -> Vec<Datagram> {
        if self.source.is_ipv4() {
            for advert in &mut adverts {
                ipv4::stamp(&mut advert.bytes, stamp.ip_id);
            }
        }
        if let Authentication::Ah(key) = &config.authentication {
            let Some(sequence) = stamp.seal.next_ah() else {
                return Vec::new();
            };
            for advert in &mut adverts {
                ah::seal(&mut advert.bytes, *key, sequence);
            }
        }
        if let Some(hmac) = signs(config) {
            self.sign(&mut adverts, config, hmac, stamp);
        }
        let datagram = |advert: Prepared| Datagram {
            instance: stamp.instance,
            endpoint: self.endpoint,
            source: self.source,
            destination: advert.destination,
            hop_limit: hop_limit(config),
            bytes: advert.bytes,
        };
        adverts.into_iter().map(datagram).collect()
    }

    fn sign(&self, adverts: &mut [Prepared], config: &VrrpInstance, hmac: &AuthHmac, stamp: &mut Stamp<'_>) {
        let head = Head {
            key: hmac.active_key,
            sequence: stamp.seal.next_trailer(stamp.utc, window(hmac)),
        };
        let start = match self.source {
            IpAddr::V4(_) => ipv4::HEADER_LEN,
            IpAddr::V6(_) => 0,
        };
        // The digest leaves out the checksum, in which alone the copies differ.
        let trailer = adverts.first().and_then(|advert| {
            let subject = Subject {
                version: config.version,
                vrid: config.virtual_router_id,
                source: self.source,
                packet: advert.bytes.get(start..advert.bytes.len() - trailer::LEN)?,
            };
            head.sign(&subject, secret(hmac, hmac.active_key)?)
        });
        for advert in adverts {
            if let (Some(trailer), Some(room)) = (&trailer, advert.bytes.last_chunk_mut()) {
                *room = *trailer;
            }
        }
    }
}

/// What is new about each advert.
pub(crate) struct Stamp<'a> {
    pub(crate) instance: InstanceId,
    pub(crate) ip_id: u16,
    /// The time of day.
    pub(crate) utc: Duration,
    pub(crate) seal: &'a mut Seal,
}

/// How many addresses fit into one advert of this instance on a link with this MTU (in bytes): those beyond are not
/// advertised.
pub fn address_room(config: &VrrpInstance, mtu: u32) -> usize {
    let seal = match (&config.authentication, signs(config)) {
        (Authentication::Ah(_), _) => ah::LEN,
        (_, Some(_)) => trailer::LEN,
        (Authentication::None | Authentication::Pass(_), None) => 0,
    };
    packet::address_room(mtu, config.version, config.family, seal)
}

/// `auth_hmac`, if our adverts carry a trailer.
fn signs(config: &VrrpInstance) -> Option<&AuthHmac> {
    config.auth_hmac.as_ref().filter(|hmac| match hmac.mode {
        HmacMode::Enforce | HmacMode::Permissive => true,
        HmacMode::ReceiveOnly => false,
    })
}

/// TTL or hop limit of the adverts; `None` is the kernel's, which keepalived leaves to IPv6 unicast.
fn hop_limit(config: &VrrpInstance) -> Option<u8> {
    match (config.unicast, config.family) {
        (false, _) => Some(packet::HOP_LIMIT),
        (true, Family::Ipv4) => Some(config.unicast_ttl.unwrap_or(packet::HOP_LIMIT)),
        (true, Family::Ipv6) => config.unicast_ttl,
    }
}
