//! `nftables_ipvs`: which firewall mark stands for the addresses of which group and protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use parser::Config;
use parser::config::virtual_server::{Protocol, Service};
use parser::config::virtual_server_group::GroupEntry;

use crate::label;
use crate::table::Marking;

/// The marks given out; none without `nftables_ipvs`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    given: BTreeMap<(String, Protocol), NonZeroU32>,
}

impl Marks {
    /// The marks of a configuration; those that are `known` stay.
    pub(crate) fn of(config: &Config, known: &Self) -> Self {
        let mut marks = Self::default();
        if config.global.nftables_ipvs.is_none() {
            return marks;
        }
        let mut taken: BTreeSet<u32> = written(config).collect();
        taken.extend(known.given.values().map(|mark| mark.get()));
        let mut next = config.global.nftables_ipvs_start_fwmark.max(1);
        for (group, protocol) in config.groups_by_protocol() {
            let key = (group.name.clone(), protocol);
            if let Some(mark) = known.given.get(&key) {
                marks.given.insert(key, *mark);
            } else if !marks.given.contains_key(&key) {
                while !taken.insert(next) {
                    next = next.saturating_add(1);
                }
                marks.given.extend(NonZeroU32::new(next).map(|mark| (key, mark)));
            }
        }
        marks
    }

    /// What a snapshot says; of no use where the configuration does not ask for it.
    pub(crate) fn restored(saved: &[(String, Protocol, NonZeroU32)]) -> Self {
        let given = saved
            .iter()
            .map(|(group, protocol, mark)| ((group.clone(), *protocol), *mark));
        Self {
            given: given.collect(),
        }
    }

    pub(crate) fn get(&self, group: &str, protocol: Protocol) -> Option<NonZeroU32> {
        self.given.get(&(group.to_owned(), protocol)).copied()
    }

    pub(crate) fn markings(&self) -> Vec<Marking> {
        let marking = |((group, protocol), mark): (&(String, Protocol), &NonZeroU32)| Marking {
            mark: *mark,
            group: group.clone(),
            protocol: *protocol,
        };
        self.given.iter().map(marking).collect()
    }

    /// Group, protocol and mark, as words of a snapshot.
    pub(crate) fn words(&self) -> impl Iterator<Item = (&str, &'static str, NonZeroU32)> {
        self.given
            .iter()
            .map(|((group, protocol), mark)| (group.as_str(), label::word(*protocol), *mark))
    }
}

/// The marks that the configuration names itself; they are not given out.
fn written(config: &Config) -> impl Iterator<Item = u32> {
    let alone = config
        .virtual_servers
        .iter()
        .filter_map(|service| match &service.service {
            Service::Fwmark(mark) => Some(mark.get()),
            Service::Address { .. } | Service::Group { .. } => None,
        });
    let entries = config
        .virtual_server_groups
        .iter()
        .flat_map(|group| &group.entries);
    alone.chain(entries.filter_map(|entry| match entry {
        GroupEntry::Fwmark { mark, .. } => Some(mark.get()),
        GroupEntry::Addresses { .. } => None,
    }))
}
