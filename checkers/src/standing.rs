//! How virtual and real servers stand, for those who ask from outside. Absent: what follows from it.

use std::num::NonZeroU32;

use clockwork::Instant;
use parser::config::Checker as Configured;
use parser::config::checker::Probe;
use parser::config::virtual_server::Service as Served;

use crate::engine::Engine;
use crate::event::{ServerId, ServiceId};
use crate::service::Service;

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStanding {
    /// As `[10.0.0.1]:tcp:80`.
    pub label: String,
    /// With `nftables_ipvs`: the firewall mark that its group was given.
    pub fwmark: Option<NonZeroU32>,
    /// Whether it has its quorum.
    pub quorum_up: bool,
    /// `ha_suspend`: the host does not have the address.
    pub suspended: bool,
    /// Its real servers, in the order of the configuration.
    pub servers: Vec<ServerStanding>,
    /// Those that a reload removed and that keep their connections for a while.
    pub draining: Vec<DrainStanding>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStanding {
    /// As `[10.0.0.2]:tcp:80`.
    pub label: String,
    /// Whether it is in the pool.
    pub alive: bool,
    /// Its weight with what checkers add, as the kernel can have it.
    pub weight: u32,
    /// The same as the sum is; it may be negative.
    pub effective_weight: i64,
    /// It is in the kernel's table, be it without weight.
    pub placed: bool,
    /// The checkers that hold it down, by keyword.
    pub failing: Vec<&'static str>,
}

/// A real server that drains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainStanding {
    /// As `[10.0.0.2]:tcp:80`.
    pub label: String,
    /// The connections that it had when they were last counted.
    pub connections: Option<u32>,
    /// When it goes, whatever it has.
    pub until: Instant,
}

/// A checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckerStanding<'e> {
    /// Its block.
    pub config: &'e Configured,
    /// It is not suspended.
    pub enabled: bool,
    /// What it believes of its real server.
    pub up: bool,
    /// It has come to a result.
    pub has_run: bool,
    /// Failures in a row that were endured.
    pub failures: u32,
    /// What it adds to the weight of its real server.
    pub contribution: i64,
    /// `MISC_CHECK`: when the last run that ended had begun, and the exit status of the last that exited. A successor
    /// process does not know of earlier runs.
    pub last_run: Option<(Instant, u8)>,
}

impl Engine {
    /// How a virtual server stands; `None` after it was removed.
    pub fn standing(&self, id: ServiceId) -> Option<ServiceStanding> {
        let service = self
            .services
            .get(id.0 as usize)
            .filter(|service| service.present)?;
        Some(ServiceStanding {
            label: self.service_label(id),
            fwmark: self.mark_of(service),
            quorum_up: service.quorum_up,
            suspended: service.suspended,
            servers: service
                .servers
                .iter()
                .map(|server| self.server_standing(*server))
                .collect(),
            draining: self
                .drains
                .of(id)
                .map(|(server, drain)| DrainStanding {
                    label: self.drain_label(id, server),
                    connections: drain.connections,
                    until: drain.until,
                })
                .collect(),
        })
    }

    fn mark_of(&self, service: &Service) -> Option<NonZeroU32> {
        match &self.virtual_of(service).service {
            Served::Group {
                group,
                protocol: Some(protocol),
            } => self.marks.get(&group.name, *protocol),
            Served::Group { protocol: None, .. } | Served::Address { .. } | Served::Fwmark(_) => None,
        }
    }

    /// How the checkers of a real server stand, in the order of the configuration.
    pub fn checkers(&self, server: ServerId) -> impl Iterator<Item = CheckerStanding<'_>> {
        let server = self
            .servers
            .get(server.0 as usize)
            .filter(|server| server.present);
        let suspended = server.is_some_and(|server| self.services[server.service.0 as usize].suspended);
        let checkers = server.into_iter().flat_map(|server| &server.checkers);
        checkers.map(move |id| {
            let checker = &self.checkers[id.0 as usize];
            let config = self.checker_config(*id);
            let waits_for_events = matches!(config.probe, Probe::Bfd(_) | Probe::File(_));
            CheckerStanding {
                config,
                enabled: waits_for_events || !suspended,
                up: checker.up,
                has_run: checker.has_run,
                failures: checker.failures,
                contribution: checker.contribution,
                last_run: checker.last_run.as_deref().copied(),
            }
        })
    }

    fn server_standing(&self, id: ServerId) -> ServerStanding {
        let server = &self.servers[id.0 as usize];
        let real = self.real(server);
        let down = server.checkers.iter().map(|id| &self.checkers[id.0 as usize]);
        let failing = down
            .filter(|checker| !checker.up)
            .filter_map(|checker| real.checkers.get(checker.at as usize))
            .map(|config| config.probe.keyword())
            .collect();
        let service = &self.services[server.service.0 as usize];
        let stands_in = !service.quorum_up && self.virtual_of(service).sorry_server.is_some();
        ServerStanding {
            label: self.server_label(id),
            alive: server.alive,
            weight: server.weight(real.weight),
            effective_weight: i64::from(real.weight).saturating_add(server.contribution),
            placed: server.alive && !stands_in || self.inhibits(id),
            failing,
        }
    }
}
