//! When addresses come to the hosts' interfaces and go, as the kernel tells everyone.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::SystemTime;

use netlink::{Event, Monitor};
use tokio::sync::oneshot;

use super::{LabError, lock};

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

/// The thread that listens in one host, until dropped.
#[derive(Debug)]
pub(super) struct Watch {
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AddressChanges {
    /// The changes from number `first` (from 0) on.
    pub fn since(&self, first: usize) -> Vec<AddressChange> {
        let changes = lock(&self.changes);
        changes.get(first..).unwrap_or_default().to_vec()
    }

    fn add(&self, host: &Arc<str>, event: Event) {
        let (address, present) = match event {
            Event::Address(address) => (address.local, true),
            Event::AddressGone(address) => (address.local, false),
            Event::Link(_) | Event::LinkGone(_) | Event::Settled | Event::Overrun => return,
        };
        let IpAddr::V4(address) = address else { return };
        let change = AddressChange {
            at: SystemTime::now(),
            host: Arc::clone(host),
            address,
            present,
        };
        lock(&self.changes).push(change);
    }
}

impl Watch {
    /// Listens in the network namespace of a host.
    pub(super) fn start(
        host: &Arc<str>,
        network: &OwnedFd,
        changes: Arc<AddressChanges>,
    ) -> Result<Self, LabError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let monitor = {
            let _context = runtime.enter();
            Monitor::open_in(network).map_err(|error| LabError::Wire(error.to_string()))?
        };
        let (over, ended) = oneshot::channel();
        let host = Arc::clone(host);
        let thread = Builder::new().name(format!("watch {host}")).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    () = listen(monitor, &host, &changes) => {}
                }
            });
        })?;
        Ok(Self {
            over: Some(over),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed by itself.
            let _ = thread.join();
        }
    }
}

async fn listen(mut monitor: Monitor, host: &Arc<str>, changes: &AddressChanges) {
    while let Ok(event) = monitor.next().await {
        changes.add(host, event);
    }
}
