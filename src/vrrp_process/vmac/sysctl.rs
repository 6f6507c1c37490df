//! Sysctls of interfaces, and what they were before.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// What keepalived sets on the parent of an IPv4 macvlan: it must not answer for the macvlan's addresses.
const PARENT: [(&str, &str); 2] = [("arp_ignore", "1"), ("arp_filter", "1")];

/// What the alias of an interface of ours begins with.
pub(super) const MARK: &str = "holdfast ";

const ALL_RP_FILTER: &str = "ipv4/conf/all/rp_filter";

/// What sysctls were: path below `net` to value.
#[derive(Debug, Default)]
pub(super) struct Saved {
    changed: BTreeMap<String, Changed>,
}

#[derive(Debug)]
struct Changed {
    before: String,
    to: String,
}

impl Saved {
    /// Sets what the parent of an IPv4 macvlan needs. `alias` is that of a macvlan on it which an earlier run has made: it
    /// says what was before.
    pub(super) fn prepare_parent(&mut self, parent: &str, alias: Option<&str>) {
        for (name, value) in PARENT {
            let before = alias.and_then(|alias| word(alias, name));
            self.set(&format!("ipv4/conf/{parent}/{name}"), value, before);
        }
        if let Some(before) = alias.and_then(|alias| word(alias, "all.rp_filter")) {
            self.set(ALL_RP_FILTER, "0", Some(before));
        }
    }

    /// The stricter of `all` and an interface's own `rp_filter` counts: what `all` demands is moved to the interfaces.
    pub(super) fn move_rp_filter(&mut self) {
        let Some(demand) = read(ALL_RP_FILTER).and_then(|text| text.parse::<u32>().ok()) else {
            return;
        };
        if demand == 0 {
            return;
        }
        let Ok(interfaces) = fs::read_dir("/proc/sys/net/ipv4/conf") else {
            return;
        };
        for name in interfaces.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            let path = format!("ipv4/conf/{name}/rp_filter");
            let has = read(&path).and_then(|text| text.parse::<u32>().ok());
            if name != "all" && has.is_some_and(|has| has < demand) {
                self.set(&path, &demand.to_string(), None);
            }
        }
        self.set(ALL_RP_FILTER, "0", None);
    }

    /// What is to be kept with a macvlan on this parent for a successor that knows nothing.
    pub(super) fn alias(&self, parent: &str, owner: &str) -> String {
        let mut words = vec![owner.to_owned()];
        for (name, _) in PARENT {
            let changed = self.changed.get(&format!("ipv4/conf/{parent}/{name}"));
            words.push(format!("{name}={}", changed.map_or("0", |it| &it.before)));
        }
        if let Some(changed) = self.changed.get(ALL_RP_FILTER) {
            words.push(format!("all.rp_filter={}", changed.before));
        }
        words.join(" ")
    }

    /// Gives back what was, where nobody has set something else since.
    pub(super) fn restore(&mut self) {
        for (path, changed) in std::mem::take(&mut self.changed) {
            give_back(&path, &changed.to, Some(&changed.before));
        }
    }

    fn set(&mut self, path: &str, to: &str, before: Option<&str>) {
        let Some(present) = read(path) else {
            return;
        };
        self.changed.entry(path.to_owned()).or_insert_with(|| Changed {
            before: before.unwrap_or(&present).to_owned(),
            to: to.to_owned(),
        });
        if present != to
            && let Err(error) = write(path, to)
        {
            tracing::warn!("Unable to set net/{path} to {to}: {error}");
        }
    }
}

/// Gives the parent of an interface that a killed run has left what its alias says was before.
pub(super) fn restore(parent: &str, alias: &str) {
    for (name, set) in PARENT {
        let path = format!("ipv4/conf/{parent}/{name}");
        give_back(&path, set, word(alias, name));
    }
    give_back(ALL_RP_FILTER, "0", word(alias, "all.rp_filter"));
}

/// Unless somebody has set something else since.
fn give_back(path: &str, set: &str, before: Option<&str>) {
    if let Some(before) = before.filter(|_| read(path).is_some_and(|present| present == set)) {
        // The interface may be gone by now.
        let _ = write(path, before);
    }
}

/// Whether an alias says that an interface was made by this owner.
pub(super) fn is_marked(alias: &str, owner: &str) -> bool {
    alias
        .strip_prefix(owner)
        .is_some_and(|rest| rest.starts_with(' '))
}

/// Whether an interface has IPv6. One that needs none would greet the network with reports and solicitations.
pub(super) fn set_ipv6(interface: &str, has: bool) {
    let path = format!("ipv6/conf/{interface}/disable_ipv6");
    match write(&path, if has { "0" } else { "1" }) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("Unable to set net/{path}: {error}");
        }
        // Without IPv6 in the kernel there is none to disable.
        _ => {}
    }
}

fn word<'a>(alias: &'a str, name: &str) -> Option<&'a str> {
    let mut words = alias.strip_prefix(MARK)?.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/net/{path}")).ok()?;
    Some(text.trim().to_owned())
}

fn write(path: &str, value: &str) -> io::Result<()> {
    fs::write(format!("/proc/sys/net/{path}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_alias_keeps_is_found_again() {
        let mut saved = Saved::default();
        for (path, before, to) in [("ipv4/conf/e0/arp_ignore", "2", "1"), (ALL_RP_FILTER, "1", "0")] {
            let changed = Changed {
                before: before.to_owned(),
                to: to.to_owned(),
            };
            saved.changed.insert(path.to_owned(), changed);
        }
        let alias = saved.alias("e0", "holdfast /run/vrrp.pid");
        assert_eq!(
            alias,
            "holdfast /run/vrrp.pid arp_ignore=2 arp_filter=0 all.rp_filter=1"
        );
        assert!(is_marked(&alias, "holdfast /run/vrrp.pid"));
        assert!(!is_marked(&alias, "holdfast /run/vrrp"));
        assert_eq!(word(&alias, "arp_ignore"), Some("2"));
        assert_eq!(word(&alias, "all.rp_filter"), Some("1"));
        assert_eq!(word("uplink arp_ignore=2", "arp_ignore"), None);
    }
}
