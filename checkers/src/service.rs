//! Virtual servers and real servers with what is known of them.

use crate::event::{CheckerId, ServerId, ServiceId};

/// A virtual server.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) id: ServiceId,
    /// Its place in the configuration.
    pub(crate) at: u32,
    /// It is configured; otherwise its number waits for another.
    pub(crate) present: bool,
    /// Its place among the virtual servers of its group.
    pub(crate) place_in_group: u32,
    /// In the order of the configuration.
    pub(crate) servers: Vec<ServerId>,
    /// Enough weight is there. If not, the sorry server stands in for all.
    pub(crate) quorum_up: bool,
    /// `ha_suspend`: the host does not have the address.
    pub(crate) suspended: bool,
}

/// A real server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) service: ServiceId,
    /// Its place in the virtual server.
    pub(crate) at: u32,
    /// It is configured; otherwise its number waits for another.
    pub(crate) present: bool,
    /// All its checkers are up: it is in the pool.
    pub(crate) alive: bool,
    /// The outside has heard of it.
    pub(crate) is_told: bool,
    /// In the order of the configuration.
    pub(crate) checkers: Box<[CheckerId]>,
    /// What its checkers add to its weight.
    pub(crate) contribution: i64,
}

impl Server {
    /// The weight for the kernel, given the configured one.
    pub(crate) fn weight(&self, configured: u32) -> u32 {
        let effective = i64::from(configured).saturating_add(self.contribution);
        // keepalived: clamped to what the kernel can count.
        u32::try_from(effective.clamp(0, i32::MAX.into())).unwrap_or(0)
    }
}
