//! Whether a packet is believed: everything about it is judged here, in keepalived's order, against one instance.
//!
//! Nothing here changes anything; what follows from the verdict is in [`crate::hear`].

use std::net::IpAddr;
use std::time::Duration;

use parser::config::vrrp_instance::{
    AntiReplay, AuthHmac, Authentication, HmacMode, HmacSecret, OldUnicastChecksum,
};
use parser::units::{Family, Version};

use crate::ah;
use crate::event::Packet;
use crate::instance::Instance;
use crate::packet::{self, Advert, Malformed};
use crate::refusal::Refusal;
use crate::seal::{self, Proof};
use crate::trailer::{Head, Subject};

/// What an election needs to know of an advert that was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) from: IpAddr,
    /// 0: the sender resigns.
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
}

/// A believed advert, and what there is to grumble about it.
pub(crate) struct Verdict {
    pub(crate) heard: Heard,
    pub(crate) remark: Option<Refusal>,
    /// What made it authentic, to be used up.
    pub(crate) proof: Proof,
    /// Its checksum is that of an old keepalived, and ours should be too from now on.
    pub(crate) sums_as_old: bool,
}

/// How the checksum of an advert fits.
enum Sum {
    Right,
    /// Only with the multicast group in place of the unicast destination.
    Old,
    Wrong,
}

impl Instance {
    /// Judges a packet. `utc` is the time of day.
    pub(crate) fn judge(&self, packet: &Packet<'_>, utc: Duration) -> Result<Verdict, Refusal> {
        let (config, from) = (&self.config, packet.source);
        let (sealed, vrrp) = self.unwrap_ah(packet)?;
        if vrrp.len() < packet::HEADER_LEN {
            let (got, expected) = (vrrp.len(), packet::HEADER_LEN);
            return Err(Refusal::TooShort { from, got, expected });
        }
        // RFC 9568 7.1: MUST verify that the IPv4 TTL or IPv6 Hop Limit is 255. Unicast may pass routers.
        let got = packet.hop_limit;
        if !config.unicast && got != packet::HOP_LIMIT {
            return Err(Refusal::HopLimit { from, got });
        }
        let advert = Advert::decode(vrrp, config.version, config.family, config.auth_hmac.is_some())
            .map_err(|malformed| refuse_malformed(malformed, config.version, from, vrrp.len()))?;
        let signed = match &config.auth_hmac {
            Some(hmac) => self.check_trailer(hmac, &advert, from, utc)?,
            None => Signed::default(),
        };
        let mut proof = signed.proof;
        if config.version == Version::V2 {
            self.check_auth(&advert, from)?;
            if let Some(header) = sealed {
                proof = self.check_ah(packet, header)?;
            }
            if advert.interval != config.advert_int {
                let (mine, got) = (config.advert_int, advert.interval);
                return Err(Refusal::Interval { from, mine, got });
            }
        }
        if !advert.is_advertisement() {
            let got = advert.kind;
            return Err(Refusal::Type { from, got });
        }
        let sum = self.check_sum(&advert, packet);
        if let Sum::Wrong = sum {
            let version = config.version as u8;
            return Err(Refusal::Checksum { from, version });
        }
        self.check_destination(packet)?;
        self.check_peer(packet)?;
        Ok(Verdict {
            remark: self
                .compare_addresses(&advert, from)
                .or_else(|| self.compare_interval(&advert, from))
                .or(signed.remark),
            proof,
            sums_as_old: matches!(sum, Sum::Old),
            heard: Heard {
                from,
                priority: advert.priority,
                interval: advert.interval,
            },
        })
    }

    /// How well a packet suits this instance, of several that have its virtual router and socket; less is better.
    pub(crate) fn unfitness(&self, packet: &Packet<'_>) -> u8 {
        let config = &self.config;
        let is_peer = || {
            config
                .unicast_peers
                .iter()
                .any(|peer| peer.address == packet.source)
        };
        match self.check_destination(packet) {
            Ok(()) if !config.unicast || is_peer() => 0,
            Ok(()) => 1,
            Err(_) => 2,
        }
    }

    /// Takes AH off, where it must be, and only there.
    fn unwrap_ah<'a>(&self, packet: &Packet<'a>) -> Result<(Option<ah::Received>, &'a [u8]), Refusal> {
        let from = packet.source;
        let wanted = matches!(self.config.authentication, Authentication::Ah(_));
        match (packet.is_ah(), wanted) {
            (false, false) => Ok((None, packet.payload)),
            (true, true) => {
                let header = ah::read(packet.payload).map_err(|_| Refusal::AhMalformed { from })?;
                Ok((Some(header), packet.vrrp()))
            }
            (got, _) => Err(Refusal::AhPresence { from, got }),
        }
    }

    fn check_ah(&self, packet: &Packet<'_>, header: ah::Received) -> Result<Proof, Refusal> {
        let from = packet.source;
        let Authentication::Ah(key) = &self.config.authentication else {
            return Ok(Proof::None);
        };
        if IpAddr::V4(header.spi) != from {
            let got = header.spi;
            return Err(Refusal::AhSpi { from, got });
        }
        if !ah::is_sealed(packet.ip_header, packet.payload, *key) {
            return Err(Refusal::AhDigest { from });
        }
        // Only now: a forged sequence number must not shut out the true ones.
        if header.sequence <= self.seal.ah {
            let (got, last) = (header.sequence, self.seal.ah);
            return Err(Refusal::AhReplay { from, got, last });
        }
        Ok(Proof::Ah(header.sequence))
    }

    fn check_trailer(
        &self,
        hmac: &AuthHmac,
        advert: &Advert<'_>,
        from: IpAddr,
        utc: Duration,
    ) -> Result<Signed, Refusal> {
        let Some(trailer) = advert.trailer else {
            return match hmac.mode {
                HmacMode::Enforce => Err(Refusal::TrailerMissing { from }),
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(Signed::default()),
            };
        };
        let Head { key, sequence } = Head::read(trailer).map_err(|_| Refusal::TrailerMalformed { from })?;
        let window = window(hmac);
        let skew = seal::skew(sequence, utc);
        if let Some(window) = window.filter(|window| skew > *window) {
            return Err(Refusal::TrailerStale { from, skew, window });
        }
        let Some(secret) = secret(hmac, key) else {
            return Err(Refusal::TrailerKey { from, key });
        };
        let subject = Subject {
            version: self.config.version,
            vrid: self.config.virtual_router_id,
            source: from,
            packet: advert.packet,
        };
        if !subject.is_signed(trailer, secret) {
            return Err(Refusal::TrailerDigest { from, key });
        }
        if self.seal.is_replay(from, sequence, utc, window) {
            return Err(Refusal::TrailerReplay { from });
        }
        let drifts = window.filter(|window| skew > *window / 2);
        Ok(Signed {
            proof: Proof::Trailer(sequence),
            remark: drifts.map(|window| Refusal::ClockSkew { from, skew, window }),
        })
    }

    /// RFC 2338 5.3.6, as keepalived keeps it.
    fn check_auth(&self, advert: &Advert<'_>, from: IpAddr) -> Result<(), Refusal> {
        let authentication = &self.config.authentication;
        let (got, expected) = (advert.auth_type, packet::auth_type(authentication));
        if got > 2 {
            return Err(Refusal::AuthTypeUnknown { from, got, expected });
        }
        if got != expected {
            return Err(Refusal::AuthTypeMismatch { from, got, expected });
        }
        match (authentication, advert.auth_data) {
            (Authentication::Pass(ours), Some(theirs)) => {
                // Every byte is looked at, so that the time taken says nothing about the password.
                let difference = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
                if difference == 0 {
                    Ok(())
                } else {
                    Err(Refusal::Password { from })
                }
            }
            // Version 2 over IPv6 has no room for a password: keepalived then asks for none.
            (Authentication::Pass(_), None) | (Authentication::None | Authentication::Ah(_), _) => Ok(()),
        }
    }

    fn check_sum(&self, advert: &Advert<'_>, packet: &Packet<'_>) -> Sum {
        let config = &self.config;
        let (from, to) = (packet.source, packet.destination);
        let over_addresses = config.version == Version::V3 && config.family == Family::Ipv4;
        let old = || config.unicast && over_addresses && advert.sum_fits(from, config.mcast_dst_ip);
        if self.sums_as_old {
            return if old() { Sum::Right } else { Sum::Wrong };
        }
        if advert.sum_fits(from, to) || (config.v3_checksum_as_v2 && over_addresses && advert.bare_sum_fits())
        {
            Sum::Right
        } else if config.old_unicast_checksum == OldUnicastChecksum::Auto && old() {
            Sum::Old
        } else {
            Sum::Wrong
        }
    }

    fn check_destination(&self, packet: &Packet<'_>) -> Result<(), Refusal> {
        let (from, destination) = (packet.source, packet.destination);
        let unicast = self.config.unicast;
        let is_right = if unicast {
            self.endpoint.is_none_or(|endpoint| endpoint.local == destination)
        } else {
            destination == self.config.mcast_dst_ip
        };
        if is_right {
            Ok(())
        } else {
            Err(Refusal::Destination {
                from,
                destination,
                unicast,
            })
        }
    }

    /// Whatever else is set: unicast adverts come from a peer, by as many hops as that peer may be away.
    fn check_peer(&self, packet: &Packet<'_>) -> Result<(), Refusal> {
        let (from, got) = (packet.source, packet.hop_limit);
        if !self.config.unicast {
            return Ok(());
        }
        let mut peers = self.config.unicast_peers.iter();
        let Some(peer) = peers.find(|peer| peer.address == from) else {
            return Err(Refusal::NotAPeer { from });
        };
        let (min, max) = (peer.min_ttl, peer.max_ttl);
        if (min..=max).contains(&got) {
            Ok(())
        } else {
            Err(Refusal::PeerHopLimit { from, got, min, max })
        }
    }

    fn compare_addresses(&self, advert: &Advert<'_>, from: IpAddr) -> Option<Refusal> {
        let config = &self.config;
        let known_master = self.master.map(|master| master.address);
        if config.skip_check_adv_addr && known_master == Some(from) {
            return None;
        }
        let ours = self.advertised();
        let (got, expected) = (advert.address_count(), ours.len());
        if got != expected {
            return Some(Refusal::AddressCount { from, got, expected });
        }
        let missing = ours.iter().find(|ours| !advert.lists(ours.address))?;
        Some(Refusal::AddressMissing {
            from,
            address: missing.address,
            vrid: advert.vrid,
        })
    }

    fn compare_interval(&self, advert: &Advert<'_>, from: IpAddr) -> Option<Refusal> {
        let (mine, got) = (self.config.advert_int, advert.interval);
        (got != mine).then_some(Refusal::LearnedInterval { from, mine, got })
    }
}

/// What a good trailer is worth.
struct Signed {
    proof: Proof,
    remark: Option<Refusal>,
}

impl Default for Signed {
    fn default() -> Self {
        Self {
            proof: Proof::None,
            remark: None,
        }
    }
}

/// How far a trailer's time may be from ours; `None` where only the order counts.
pub(crate) fn window(hmac: &AuthHmac) -> Option<Duration> {
    match hmac.anti_replay {
        AntiReplay::Time => Some(hmac.time_window),
        AntiReplay::Monotonic => None,
    }
}

/// The bytes of a key. A file that the shell could not read leaves none.
pub(crate) fn secret(hmac: &AuthHmac, id: u8) -> Option<&[u8]> {
    hmac.keys
        .iter()
        .find(|key| key.id == id)
        .and_then(|key| match &key.secret {
            HmacSecret::Inline(bytes) => Some(bytes.as_slice()),
            HmacSecret::File(_) => None,
        })
}

fn refuse_malformed(malformed: Malformed, version: Version, from: IpAddr, got_len: usize) -> Refusal {
    match malformed {
        Malformed::TooShort { expected } => Refusal::TooShort {
            from,
            got: got_len,
            expected,
        },
        Malformed::TooLong { expected } => Refusal::TooLong {
            from,
            got: got_len,
            expected,
        },
        Malformed::Version { got } => Refusal::Version {
            from,
            got,
            expected: version as u8,
        },
    }
}
