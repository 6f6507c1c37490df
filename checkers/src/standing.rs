//! How virtual and real servers stand, for those who ask from outside. Absent: what follows from it.

use crate::engine::Engine;
use crate::event::{ServerId, ServiceId};

/// A virtual server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStanding {
    /// As `[10.0.0.1]:tcp:80`.
    pub label: String,
    /// Whether it has its quorum.
    pub quorum_up: bool,
    /// `ha_suspend`: the host does not have the address.
    pub suspended: bool,
    /// Its real servers, in the order of the configuration.
    pub servers: Vec<ServerStanding>,
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStanding {
    /// As `[10.0.0.2]:tcp:80`.
    pub label: String,
    /// Whether it is in the pool.
    pub alive: bool,
    /// Its weight with what checkers add.
    pub weight: u32,
    /// The checkers that hold it down, by keyword.
    pub failing: Vec<&'static str>,
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
            quorum_up: service.quorum_up,
            suspended: service.suspended,
            servers: service
                .servers
                .iter()
                .map(|server| self.server_standing(*server))
                .collect(),
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
        ServerStanding {
            label: self.server_label(id),
            alive: server.alive,
            weight: server.weight(real.weight),
            failing,
        }
    }
}
