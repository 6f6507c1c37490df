//! What the writing thread is to do about the firewall, around the addresses that it is about.

use super::{Firewall, Subject};
use crate::nft_guard::Guard;
use crate::vrrp_process::vmac::make::Created;

/// What is to become of the tables.
#[derive(Debug)]
pub(in crate::vrrp_process) enum Order {
    /// They are to be about this.
    Keep { firewall: Firewall, subject: Subject },
    /// Those of this name are to go.
    Remove(String),
}

impl Order {
    /// Interfaces that have just been made.
    pub(in crate::vrrp_process) fn learn(&mut self, created: &Created) {
        if let Self::Keep { subject, .. } = self {
            subject.learn(created.macvlans.clone());
        }
    }

    /// Before addresses change: nothing is let in that will be refused or was.
    pub(in crate::vrrp_process) async fn before(&self, guard: &mut Guard) {
        if let Self::Keep { firewall, subject } = self {
            guard.widen(&firewall.tables(subject)).await;
        }
    }

    /// After addresses have changed.
    pub(in crate::vrrp_process) async fn after(self, guard: &mut Guard) {
        match self {
            Self::Keep { firewall, subject } => guard.keep(firewall.tables(&subject).into()).await,
            Self::Remove(name) => guard.remove(&name).await,
        }
    }
}
