//! Whether a packet is believed: everything about it is judged here, in keepalived's order, against one instance.
//!
//! Nothing here changes anything; what follows from the verdict is in [`crate::hear`].

use std::net::IpAddr;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Authentication;
use parser::units::Version;

use crate::event::Packet;
use crate::packet::{self, Advert, Malformed};
use crate::refusal::Refusal;

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
}

/// Judges a packet. `known_master` is the address of the master that the instance follows, if any.
pub(crate) fn judge(
    config: &VrrpInstance,
    known_master: Option<IpAddr>,
    packet: &Packet<'_>,
) -> Result<Verdict, Refusal> {
    let from = packet.source;
    // RFC 9568 7.1: MUST verify that the IPv4 TTL or IPv6 Hop Limit is 255.
    if packet.hop_limit != packet::HOP_LIMIT {
        return Err(Refusal::HopLimit {
            from,
            got: packet.hop_limit,
        });
    }
    let advert = Advert::decode(packet.payload, config.version, from, packet.destination)
        .map_err(|malformed| refuse_malformed(malformed, config.version, packet))?;
    if config.version == Version::V2 {
        authenticate(config, &advert, from)?;
        if advert.interval != config.advert_int {
            return Err(Refusal::Interval {
                from,
                mine: config.advert_int,
                got: advert.interval,
            });
        }
    }
    if !advert.is_advertisement() {
        return Err(Refusal::Type {
            from,
            got: advert.kind,
        });
    }
    if !advert.sum_is_right {
        return Err(Refusal::Checksum {
            from,
            version: config.version as u8,
        });
    }
    let destination = packet.destination;
    if destination != config.mcast_dst_ip {
        return Err(Refusal::Destination { from, destination });
    }
    let addresses_matter = !config.skip_check_adv_addr || known_master != Some(from);
    let remark = if addresses_matter {
        compare_addresses(config, &advert, from)
    } else {
        None
    };
    Ok(Verdict {
        remark: remark.or_else(|| compare_interval(config, &advert, from)),
        heard: Heard {
            from,
            priority: advert.priority,
            interval: advert.interval,
        },
    })
}

fn refuse_malformed(malformed: Malformed, version: Version, packet: &Packet<'_>) -> Refusal {
    let from = packet.source;
    let got_len = packet.payload.len();
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

/// RFC 2338 5.3.6, as keepalived keeps it.
fn authenticate(config: &VrrpInstance, advert: &Advert<'_>, from: IpAddr) -> Result<(), Refusal> {
    let (got, expected) = (advert.auth_type, packet::auth_type(&config.authentication));
    if got > 2 {
        return Err(Refusal::AuthTypeUnknown { from, got, expected });
    }
    if got != expected {
        return Err(Refusal::AuthTypeMismatch { from, got, expected });
    }
    match (&config.authentication, advert.auth_data) {
        (Authentication::Pass(ours), Some(theirs)) => {
            // Every byte is looked at, so that the time taken says nothing about the password.
            let difference = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
            if difference == 0 {
                Ok(())
            } else {
                Err(Refusal::Password { from })
            }
        }
        (Authentication::Pass(_), None) => Err(Refusal::Password { from }),
        (Authentication::None | Authentication::Ah(_), _) => Ok(()),
    }
}

fn compare_addresses(config: &VrrpInstance, advert: &Advert<'_>, from: IpAddr) -> Option<Refusal> {
    let expected = config.virtual_ipaddress.len();
    let got = advert.address_count();
    if got != expected {
        return Some(Refusal::AddressCount { from, got, expected });
    }
    let missing = config
        .virtual_ipaddress
        .iter()
        .find(|ours| !advert.lists(ours.address))?;
    Some(Refusal::AddressMissing {
        from,
        address: missing.address,
        vrid: advert.vrid,
    })
}

fn compare_interval(config: &VrrpInstance, advert: &Advert<'_>, from: IpAddr) -> Option<Refusal> {
    (advert.interval != config.advert_int).then_some(Refusal::LearnedInterval {
        from,
        mine: config.advert_int,
        got: advert.interval,
    })
}
