//! The state that a successor process on the same machine needs to go on: versioned text, a line for each instance and
//! tracker. What is foreign or damaged is worth nothing, and is never half believed.
//!
//! ```text
//! holdfast-vrrp 2 5
//! instance 51 4 eth0 multicast/224.0.0.18 MASTER 17 120000000 1000000000 0
//! script chk_http Good 2
//! file load 40
//! process nginx Good
//! bfd peer up
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Authentication;
use parser::units::Family;

use crate::action::Notified;
use crate::ah;
use crate::instance::Instance;
use crate::script::Health;
use crate::seal::Seal;
use crate::text;
use crate::time::Instant;
use crate::world::World;

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

/// Whether a reload takes these two for the same instance, which then goes on.
pub fn is_same(one: &VrrpInstance, other: &VrrpInstance) -> bool {
    identity(one) == identity(other)
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
    if config.use_ipvlan.is_some() {
        way.push_str("/use_ipvlan");
    }
    if config.use_vmac_addr {
        way.push_str("/use_vmac_addr");
    }
    Identity {
        vrid: config.virtual_router_id.get(),
        family: config.family,
        interface: config.parent.as_ref().unwrap_or(&config.interface).clone(),
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
    /// The last sequence that was sent: of AH, or of a trailer.
    pub(crate) sequence: u64,
}

impl Saved {
    /// What the successor's adverts go on from. Trailers count in time; of AH the predecessor has used more numbers since.
    pub(crate) fn seal(&self, config: &VrrpInstance, now: Instant) -> Seal {
        let intervals = (now - self.since).as_nanos() / config.advert_int.as_nanos().max(1);
        let used = u32::try_from(intervals)
            .unwrap_or(u32::MAX)
            .saturating_add(2)
            .saturating_mul(MOST_IN_INTERVAL);
        let ah = u32::try_from(self.sequence).unwrap_or(0).saturating_add(used);
        match config.authentication {
            Authentication::Ah(_) => Seal::after(ah.min(ah::LAST_SEQUENCE), 0),
            Authentication::None | Authentication::Pass(_) => Seal::after(0, self.sequence),
        }
    }
}

/// A master's adverts in one interval, answers to others included, with something to spare.
const MOST_IN_INTERVAL: u32 = 16;

/// What a predecessor left.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) instances: BTreeMap<Identity, Saved>,
    pub(crate) scripts: BTreeMap<String, (Health, u64)>,
    pub(crate) files: BTreeMap<String, i64>,
    /// Whether there is a quorum of them.
    pub(crate) processes: BTreeMap<String, bool>,
    /// Those that are up.
    pub(crate) sessions: BTreeSet<String>,
}

/// Writes what matters of instances and trackers; those that have not begun leave nothing.
pub(crate) fn write<'a>(instances: impl Iterator<Item = &'a Instance>, world: &World) -> String {
    let mut lines = String::new();
    for instance in instances {
        let Some(state @ (Notified::Backup | Notified::Master | Notified::Fault)) = instance.notified else {
            continue;
        };
        let sequence = instance.seal.sent.max(instance.seal.ah.into());
        let identity = identity(&instance.config);
        let _ = writeln!(
            lines,
            "instance {} {} {} {} {} {} {} {} {sequence}",
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
    write_trackers(world, &mut lines);
    format!("{MAGIC} {}\n{lines}", lines.lines().count())
}

fn write_trackers(world: &World, lines: &mut String) {
    for script in &world.scripts {
        if let Some(good) = is_good(script.health) {
            let (name, health) = (text::escape(&script.name), health_word(good));
            let _ = writeln!(lines, "script {name} {health} {}", script.result);
        }
    }
    for file in &world.files {
        if let Some(value) = file.value {
            let _ = writeln!(lines, "file {} {value}", text::escape(&file.name));
        }
    }
    for process in &world.processes {
        if let Some(good) = is_good(process.health()) {
            let _ = writeln!(
                lines,
                "process {} {}",
                text::escape(&process.name),
                health_word(good)
            );
        }
    }
    for session in world.sessions.iter().filter(|session| session.up) {
        let _ = writeln!(lines, "bfd {} up", text::escape(&session.name));
    }
}

fn is_good(health: Health) -> Option<bool> {
    match health {
        Health::Unknown => None,
        Health::Good => Some(true),
        Health::Bad => Some(false),
    }
}

fn health_word(good: bool) -> &'static str {
    if good { "Good" } else { "Bad" }
}

fn read_health(word: &str) -> Option<bool> {
    [true, false].into_iter().find(|good| health_word(*good) == word)
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
                ["instance", vrid, family, interface, way, ref saved @ ..] => {
                    let identity = Identity {
                        vrid: vrid.parse().ok()?,
                        family: read_family(family)?,
                        interface: text::unescape(interface)?,
                        way: text::unescape(way)?,
                    };
                    snapshot.instances.insert(identity, read_saved(saved)?);
                }
                ["script", name, health, result] => {
                    let health = if read_health(health)? {
                        Health::Good
                    } else {
                        Health::Bad
                    };
                    snapshot
                        .scripts
                        .insert(text::unescape(name)?, (health, result.parse().ok()?));
                }
                ["file", name, value] => {
                    let name = text::unescape(name)?;
                    snapshot.files.insert(name, value.parse().ok()?);
                }
                ["process", name, health] => {
                    let name = text::unescape(name)?;
                    snapshot.processes.insert(name, read_health(health)?);
                }
                ["bfd", name, "up"] => {
                    snapshot.sessions.insert(text::unescape(name)?);
                }
                _ => return None,
            }
        }
        Some(snapshot)
    }
}

fn read_saved(words: &[&str]) -> Option<Saved> {
    let &[state, ip_id, since, interval, sequence] = words else {
        return None;
    };
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
        sequence: sequence.parse().ok()?,
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

    const SOUND: &str = "holdfast-vrrp 2 2\ninstance 51 4 eth0 multicast/224.0.0.18 MASTER 17 120000000 1000000000 0\nscript chk Good 2\n";

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
                sequence: 0,
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
