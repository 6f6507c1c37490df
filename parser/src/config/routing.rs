//! What route and rule lines need besides themselves.

use std::cell::Cell;

use crate::source::Host;
use crate::tree::{Tree, Word};
use crate::value::names::Names;

/// What all lines of routes and rules of a configuration share.
pub(super) struct Routing<'h> {
    /// Names of tables, protocols and the like.
    pub(super) names: Names<'h>,
    /// The preference of the next rule that has none.
    unnumbered: Cell<u32>,
}

impl<'h> Routing<'h> {
    /// Finds the directories of the names in `global_defs`, wherever that stands.
    pub(super) fn new(tree: &Tree, host: &'h dyn Host) -> Self {
        let global = || tree.lines().filter(|line| line.keyword() == "global_defs");
        let directory = |keyword| {
            let line = global().filter_map(|line| line.block().find(keyword)).last()?;
            line.words().next().map(Word::text)
        };
        let names = Names::new(host, directory("iproute_usr_dir"), directory("iproute_etc_dir"));
        Self {
            names,
            unnumbered: Cell::new(16384),
        }
    }

    /// Preferences of rules that have none count downwards over the whole configuration, as in keepalived.
    pub(super) fn next_preference(&self) -> u32 {
        let preference = self.unnumbered.get();
        self.unnumbered.set(preference.saturating_sub(1));
        preference
    }
}

/// Where a line of routes or rules stands, which decides about `track_group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// In `static_routes` or `static_rules`.
    Static,
    /// In a `vrrp_instance`.
    Virtual,
}
