//! What all instances share: the links of the machine as last told, and everything that is tracked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parser::Config;
use parser::config::UpDownDelay;

use crate::delayed::Delayed;
use crate::event::{FileId, Link, LinkId, ProcessId, ScriptId};
use crate::script::Script;
use crate::snapshot::Snapshot;
use crate::time::Instant;
use crate::track::{Kind, TrackedFile, TrackedProcess, TrackedSession};
use crate::weigh::Standing;

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// `running` is what counts, after the delays.
    links: BTreeMap<LinkId, Link>,
    link_ids: BTreeMap<String, LinkId>,
    delays: BTreeMap<String, Delays>,
    /// Of the links that have delays.
    carriers: BTreeMap<LinkId, Delayed>,
    /// Indexed by [`crate::ScriptId`].
    pub(crate) scripts: Vec<Script>,
    /// Indexed by [`FileId`].
    pub(crate) files: Vec<TrackedFile>,
    /// Indexed by [`ProcessId`].
    pub(crate) processes: Vec<TrackedProcess>,
    pub(crate) sessions: Vec<TrackedSession>,
    /// Where each stands in its list, by name.
    places: BTreeMap<Kind, BTreeMap<String, usize>>,
}

/// `interface_up_down_delays` of one link, as far as they are effective.
#[derive(Clone, Copy, Debug)]
struct Delays {
    down: Duration,
    up: Duration,
}

impl World {
    /// The trackers of a configuration, nothing known of them yet.
    pub(crate) fn new(config: &Config) -> Self {
        let mut world = Self {
            scripts: (0..)
                .zip(&config.vrrp_scripts)
                .map(|(index, script)| Script::new(ScriptId(index), script))
                .collect(),
            files: (0..)
                .zip(&config.track_files)
                .map(|(index, file)| TrackedFile {
                    id: FileId(index),
                    name: file.name.as_str().into(),
                    value: None,
                })
                .collect(),
            processes: (0..)
                .zip(&config.track_processes)
                .map(|(index, process)| TrackedProcess::new(ProcessId(index), process))
                .collect(),
            sessions: config
                .bfd_instances
                .iter()
                .map(|session| TrackedSession {
                    name: session.name.as_str().into(),
                    up: false,
                })
                .collect(),
            delays: delays(config),
            ..Self::default()
        };
        world.places = BTreeMap::from([
            (
                Kind::Script,
                places(world.scripts.iter().map(|script| &script.name)),
            ),
            (Kind::File, places(world.files.iter().map(|file| &file.name))),
            (
                Kind::Process,
                places(world.processes.iter().map(|process| &process.name)),
            ),
            (
                Kind::Bfd,
                places(world.sessions.iter().map(|session| &session.name)),
            ),
        ]);
        world
    }

    /// Goes on with what a predecessor process knew.
    pub(crate) fn restore(&mut self, saved: &Snapshot) {
        for script in &mut self.scripts {
            if let Some((health, result)) = saved.scripts.get(script.name.as_ref()) {
                script.restore(*health, *result);
            }
        }
        for file in &mut self.files {
            file.value = saved.files.get(file.name.as_ref()).copied();
        }
        for process in &mut self.processes {
            let good = saved.processes.get(process.name.as_ref());
            process.quorum = good.map(|good| Delayed::new(*good));
        }
        for session in &mut self.sessions {
            session.up = saved.sessions.contains(session.name.as_ref());
        }
    }

    /// Goes on with what was known under an earlier configuration, but for the scripts, which adopt for themselves. What
    /// a file, processes or a session are now is told soon; until then they are what they were.
    pub(crate) fn adopt(&mut self, old: &mut Self) {
        self.links = std::mem::take(&mut old.links);
        self.link_ids = std::mem::take(&mut old.link_ids);
        self.carriers = std::mem::take(&mut old.carriers);
        for file in &mut self.files {
            file.value = old.file_named(&file.name).and_then(|file| file.value);
        }
        for process in &mut self.processes {
            if let Some(known) = old.process_named(&process.name) {
                process.count = known.count;
                process.quorum.clone_from(&known.quorum);
            }
        }
        for session in &mut self.sessions {
            session.up = old.session_named(&session.name).is_some_and(|session| session.up);
        }
    }

    pub(crate) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.get(self.link_ids.get(name)?)
    }

    /// Whether the link of this name, or any, has this address.
    pub(crate) fn has_address(&self, address: IpAddr, on: Option<&str>) -> bool {
        self.links
            .values()
            .filter(|link| on.is_none_or(|name| link.name == name))
            .any(|link| link.addresses.contains(&address))
    }

    pub(crate) fn script_named(&self, name: &str) -> Option<&Script> {
        self.scripts.get(self.place_of(Kind::Script, name)?)
    }

    fn file_named(&self, name: &str) -> Option<&TrackedFile> {
        self.files.get(self.place_of(Kind::File, name)?)
    }

    fn process_named(&self, name: &str) -> Option<&TrackedProcess> {
        self.processes.get(self.place_of(Kind::Process, name)?)
    }

    fn session_named(&self, name: &str) -> Option<&TrackedSession> {
        self.sessions.get(self.place_of(Kind::Bfd, name)?)
    }

    /// A session was told of. Answers whether that is news.
    pub(crate) fn set_session(&mut self, name: &str, up: bool) -> bool {
        let place = self.place_of(Kind::Bfd, name);
        let session = place.and_then(|place| self.sessions.get_mut(place));
        session.is_some_and(|session| std::mem::replace(&mut session.up, up) != up)
    }

    /// What something tracked is now.
    pub(crate) fn standing(&self, kind: Kind, name: &str) -> Standing {
        let known = match kind {
            Kind::Script => self.script_named(name).map(|script| script.health.into()),
            Kind::Interface => {
                let running = self.link_named(name).is_some_and(|link| link.running);
                Some(Standing::of(running))
            }
            Kind::File => self
                .file_named(name)
                .and_then(|file| file.value)
                .map(Standing::Value),
            Kind::Process => self.process_named(name).map(|process| process.health().into()),
            Kind::Bfd => self.session_named(name).map(|session| Standing::of(session.up)),
        };
        known.unwrap_or(Standing::Unknown)
    }

    /// Puts what counts in the place of what the kernel says of a link.
    pub(crate) fn delay(&mut self, link: &mut Link, now: Instant) {
        let Some(delays) = self.delays.get(&link.name) else {
            self.carriers.remove(&link.id);
            return;
        };
        let delay = if link.running { delays.up } else { delays.down };
        let carrier = self
            .carriers
            .entry(link.id)
            .or_insert_with(|| Delayed::new(link.running));
        carrier.see(link.running, delay, now);
        link.running = carrier.believed;
    }

    /// The links whose delay is over, as they count from now on.
    pub(crate) fn turned_links(&mut self, now: Instant) -> Vec<Link> {
        let carriers = self.carriers.iter_mut();
        let turned = carriers.filter_map(|(id, carrier)| {
            let running = carrier.advance(now).then_some(carrier.believed)?;
            Some(Link {
                running,
                ..self.links.get(id)?.clone()
            })
        });
        turned.collect()
    }

    /// When the next delay is over. Few things have delays, and fewer are in one.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let quorums = self
            .processes
            .iter()
            .filter_map(|process| process.quorum.as_ref());
        let turns = quorums.chain(self.carriers.values());
        turns.filter_map(|delayed| delayed.turns_at).min()
    }

    /// Takes a link as it counts now; answers what was known of it.
    pub(crate) fn put_link(&mut self, link: Link) -> Option<Link> {
        let old = self.take_out(link.id);
        self.link_ids.insert(link.name.clone(), link.id);
        self.links.insert(link.id, link);
        old
    }

    pub(crate) fn remove_link(&mut self, id: LinkId) -> Option<Link> {
        self.carriers.remove(&id);
        self.take_out(id)
    }

    fn take_out(&mut self, id: LinkId) -> Option<Link> {
        let old = self.links.remove(&id)?;
        if self.link_ids.get(&old.name) == Some(&id) {
            self.link_ids.remove(&old.name);
        }
        Some(old)
    }

    fn place_of(&self, kind: Kind, name: &str) -> Option<usize> {
        self.places.get(&kind)?.get(name).copied()
    }
}

fn places<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> BTreeMap<String, usize> {
    names
        .enumerate()
        .map(|(index, name)| (name.to_string(), index))
        .collect()
}

/// keepalived: a delay is effective only up to the time in which a backup would take over, less one interval.
fn delays(config: &Config) -> BTreeMap<String, Delays> {
    let effective = |line: &UpDownDelay| {
        let instances = config.vrrp_instances.iter();
        let limit = instances
            .filter(|instance| instance.interface == line.interface)
            .map(|instance| instance.advert_int * u32::from(instance.down_timer_adverts.saturating_sub(1)))
            .min()
            .unwrap_or(Duration::MAX);
        let (down, up) = (line.down.min(limit), line.up.min(limit));
        (line.interface.clone(), Delays { down, up })
    };
    config.interface_up_down_delays.iter().map(effective).collect()
}
