//! What all instances share: the links of the machine as last told, and the tracked scripts.

use std::collections::BTreeMap;

use crate::event::{Link, LinkId};
use crate::script::Script;

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    links: BTreeMap<LinkId, Link>,
    link_ids: BTreeMap<String, LinkId>,
    /// Indexed by [`crate::ScriptId`].
    pub(crate) scripts: Vec<Script>,
    script_ids: BTreeMap<String, usize>,
}

impl World {
    pub(crate) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(crate) fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.get(self.link_ids.get(name)?)
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.link_named(name).is_some_and(|link| link.running)
    }

    pub(crate) fn script_named(&self, name: &str) -> Option<&Script> {
        self.scripts.get(*self.script_ids.get(name)?)
    }

    pub(crate) fn set_scripts(&mut self, scripts: Vec<Script>) {
        let named = scripts.iter().enumerate();
        self.script_ids = named
            .map(|(index, script)| (script.config.name.clone(), index))
            .collect();
        self.scripts = scripts;
    }

    /// Takes a link as it is now; answers what was known of it.
    pub(crate) fn put_link(&mut self, link: Link) -> Option<Link> {
        let old = self.remove_link(link.id);
        self.link_ids.insert(link.name.clone(), link.id);
        self.links.insert(link.id, link);
        old
    }

    pub(crate) fn remove_link(&mut self, id: LinkId) -> Option<Link> {
        let old = self.links.remove(&id)?;
        if self.link_ids.get(&old.name) == Some(&id) {
            self.link_ids.remove(&old.name);
        }
        Some(old)
    }
}
