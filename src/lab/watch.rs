//! When addresses come to the hosts' interfaces and go, as the kernel tells everyone.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// An address came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressChange {
    /// When the lab was told.
    pub at: SystemTime,
    /// The host.
    pub host: Arc<str>,
    /// The address.
    pub address: Ipv4Addr,
    /// Whether it is there now.
    pub present: bool,
}

/// The changes seen so far in all hosts.
#[derive(Debug, Default)]
pub struct AddressChanges {
    changes: Mutex<Vec<AddressChange>>,
}

impl AddressChanges {
    /// The changes from number `first` (from 0) on.
    pub fn since(&self, first: usize) -> Vec<AddressChange> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(first..).unwrap_or_default().to_vec()
    }
}
