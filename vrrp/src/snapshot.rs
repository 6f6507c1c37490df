//! The state that a successor process on the same machine needs to go on: versioned text, a line for each instance and
//! script. What is foreign or damaged is worth nothing, and is never half believed.
//!
//! ```text
//! holdfast-vrrp 2 2
//! instance 51 4 eth0 multicast/224.0.0.18 MASTER 17 120000000 1000000000
//! script chk_http Good 2
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::units::Family;

use crate::action::Notified;
use crate::instance::Instance;
use crate::script::{Health, Script};
use crate::text;
use crate::time::Instant;

const MAGIC: &str = "holdfast-vrrp 2";

/// What makes two instances the same over a reload or a restart; the name is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    vrid: u8,
    family: Family,
    interface: String,
    /// How its adverts travel, as one word: `multicast/GROUP` or `unicast/SOURCE`, and what it uses of VMACs.
    way: String,
}

pub(crate) fn identity(config: &VrrpInstance) -> Identity {
    let mut way = if config.unicast {
        let source = config.unicast_src_ip.map(|source| source.to_string());
        format!("unicast/{}", source.unwrap_or_default())
    } else {
        format!("multicast/{}", config.mcast_dst_ip)
    };
    if config.use_vmac.is_some() {
        way.push_str("/use_vmac");
    }
    if config.use_vmac_addr {
        way.push_str("/use_vmac_addr");
    }
    Identity {
        vrid: config.virtual_router_id.get(),
        family: config.family,
        interface: config.interface.clone(),
        way,
    }
}

/// What a predecessor left of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Its state, as the world was last told.
    pub(crate) notified: Notified,
    pub(crate) ip_id: u16,
    pub(crate) since: Instant,
    pub(crate) master_interval: Duration,
}

/// What a predecessor left.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) instances: BTreeMap<Identity, Saved>,
    pub(crate) scripts: BTreeMap<String, (Health, u64)>,
}

/// Writes what matters of instances and scripts; those that have not begun leave nothing.
pub(crate) fn write<'a>(
    instances: impl Iterator<Item = &'a Instance>,
    scripts: impl Iterator<Item = &'a Script>,
) -> String {
    let mut lines = String::new();
    let mut count = 0_usize;
    for instance in instances {
        let state = match instance.notified {
            Some(state @ (Notified::Backup | Notified::Master | Notified::Fault)) => state,
            Some(Notified::Stop | Notified::MasterRxLowerPri) | None => continue,
        };
        count += 1;
        let identity = identity(&instance.config);
        let _ = writeln!(
            lines,
            "instance {} {} {} {} {} {} {} {}",
            identity.vrid,
            family_digit(identity.family),
            text::escape(&identity.interface),
            text::escape(&identity.way),
            state.word(),
            instance.ip_id,
            instance.since.nanos,
            instance.master_interval.as_nanos(),
        );
    }
    for script in scripts {
        let health = match script.health {
            Health::Unknown => continue,
            Health::Good => "Good",
            Health::Bad => "Bad",
        };
        count += 1;
        let _ = writeln!(
            lines,
            "script {} {health} {}",
            text::escape(&script.name),
            script.result
        );
    }
    format!("{MAGIC} {count}\n{lines}")
}

impl Snapshot {
    /// Reads what [`write()`] wrote; anything else is a start from nothing.
    pub(crate) fn read(text: &str) -> Self {
        Self::try_read(text).unwrap_or_default()
    }

    fn try_read(text: &str) -> Option<Self> {
        let (head, body) = text.strip_prefix(MAGIC)?.split_once('\n')?;
        let count: usize = head.strip_prefix(' ')?.parse().ok()?;
        if body.lines().count() != count || !(body.is_empty() || body.ends_with('\n')) {
            return None;
        }
        let mut snapshot = Self::default();
        for line in body.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words {
                [
                    "instance",
                    vrid,
                    family,
                    interface,
                    way,
                    state,
                    ip_id,
                    since,
                    interval,
                ] => {
                    let identity = Identity {
                        vrid: vrid.parse().ok()?,
                        family: read_family(family)?,
                        interface: text::unescape(interface)?,
                        way: text::unescape(way)?,
                    };
                    snapshot
                        .instances
                        .insert(identity, read_saved(state, ip_id, since, interval)?);
                }
                ["script", name, health, result] => {
                    let health = match health {
                        "Good" => Health::Good,
                        "Bad" => Health::Bad,
                        _ => return None,
                    };
                    snapshot
                        .scripts
                        .insert(text::unescape(name)?, (health, result.parse().ok()?));
                }
                _ => return None,
            }
        }
        Some(snapshot)
    }
}

fn read_saved(state: &str, ip_id: &str, since: &str, interval: &str) -> Option<Saved> {
    let master_interval = Duration::from_nanos(interval.parse().ok()?);
    // Longer than any that the wire can carry, or none at all.
    if master_interval.is_zero() || master_interval > Duration::from_secs(255) {
        return None;
    }
    Some(Saved {
        notified: [Notified::Backup, Notified::Master, Notified::Fault]
            .into_iter()
            .find(|notified| notified.word() == state)?,
        ip_id: ip_id.parse().ok().filter(|id| *id != 0)?,
        since: Instant {
            nanos: since.parse().ok()?,
        },
        master_interval,
    })
}

fn family_digit(family: Family) -> char {
    match family {
        Family::Ipv4 => '4',
        Family::Ipv6 => '6',
    }
}

fn read_family(digit: &str) -> Option<Family> {
    match digit {
        "4" => Some(Family::Ipv4),
        "6" => Some(Family::Ipv6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "holdfast-vrrp 2 2\ninstance 51 4 eth0 multicast/224.0.0.18 MASTER 17 120000000 1000000000\nscript chk Good 2\n";

    #[test]
    fn a_sound_text_is_read() {
        let snapshot = Snapshot::read(SOUND);
        assert_eq!(
            snapshot.instances[&Identity {
                vrid: 51,
                family: Family::Ipv4,
                interface: "eth0".to_owned(),
                way: "multicast/224.0.0.18".to_owned(),
            }],
            Saved {
                notified: Notified::Master,
                ip_id: 17,
                since: Instant { nanos: 120_000_000 },
                master_interval: Duration::from_secs(1),
            }
        );
        assert_eq!(snapshot.scripts["chk"], (Health::Good, 2));
    }

    #[test]
    fn a_damaged_text_is_worth_nothing() {
        let damaged = [
            String::new(),
            "x".to_owned(),
            SOUND.replace("vrrp 2", "vrrp 3"),
            SOUND.replace("2 2\n", "2 3\n"),
            SOUND.replace("MASTER", "master"),
            SOUND.replace(" 17 ", " 0 "),
            SOUND.replace(" 17 ", " 99999 "),
            SOUND.replace("1000000000", "0"),
            SOUND.replace("1000000000", "256000000000"),
            SOUND.replace("Good", "good"),
            SOUND.replace("eth0", "eth%zz"),
            SOUND.replace("script chk", "scripts chk"),
        ];
        for text in damaged {
            let snapshot = Snapshot::read(&text);
            assert!(
                snapshot.instances.is_empty() && snapshot.scripts.is_empty(),
                "{text}"
            );
        }
        for len in 0..SOUND.len() {
            assert!(Snapshot::read(&SOUND[..len]).instances.is_empty(), "cut at {len}");
        }
    }
}
