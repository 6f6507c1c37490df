//! `promote_secondaries`: the kernel keeps the other addresses of a subnet when the first one goes. The setting of an
//! interface is given back when no instance asks for it any more.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use tracing::warn;

/// The interfaces whose setting we have changed.
#[derive(Debug, Default)]
pub(super) struct Promoted {
    changed: BTreeSet<String>,
    /// Interfaces that are as they should be, changed or not, and those of which the log has told that they are not.
    settled: BTreeSet<String>,
}

impl Promoted {
    /// These interfaces should have it, as far as they exist; the others get back what they had.
    pub(super) fn want(&mut self, interfaces: &BTreeSet<&str>) {
        let over: Vec<String> = self
            .changed
            .iter()
            .filter(|name| !interfaces.contains(name.as_str()))
            .cloned()
            .collect();
        for name in over {
            self.changed.remove(&name);
            // An interface that is gone has nothing to give back.
            let _ = fs::write(path(&name), "0");
        }
        self.settled.retain(|name| interfaces.contains(name.as_str()));
        for name in interfaces {
            if self.settled.contains(*name) {
                continue;
            }
            match switch_on(name) {
                Ok(changed) => {
                    self.settled.insert((*name).to_owned());
                    if changed {
                        self.changed.insert((*name).to_owned());
                    }
                }
                // It comes later.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.settled.insert((*name).to_owned());
                    warn!("Unable to set promote_secondaries on {name}: {error}");
                }
            }
        }
    }

    /// The interface is gone; one of this name that comes later is another one.
    pub(super) fn forget(&mut self, interface: &str) {
        self.changed.remove(interface);
        self.settled.remove(interface);
    }
}

/// Whether it was off.
fn switch_on(interface: &str) -> io::Result<bool> {
    let path = path(interface);
    if fs::read_to_string(&path)?.trim() != "0" {
        return Ok(false);
    }
    fs::write(path, "1")?;
    Ok(true)
}

fn path(interface: &str) -> String {
    format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries")
}
