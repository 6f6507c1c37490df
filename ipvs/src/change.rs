//! One write to the table.

use std::fmt;

use nix::errno::Errno;

use crate::destination::{Destination, DestinationKey};
use crate::service::{Service, ServiceKey};

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `IPVS_CMD_NEW_SERVICE`.
    AddService(Service),
    /// `IPVS_CMD_SET_SERVICE`: the service keeps its destinations and connections.
    EditService(Service),
    /// `IPVS_CMD_DEL_SERVICE`: its destinations go with it.
    DeleteService(ServiceKey),
    /// `IPVS_CMD_NEW_DEST`.
    AddDestination(ServiceKey, Destination),
    /// `IPVS_CMD_SET_DEST`: the destination keeps its connections.
    EditDestination(ServiceKey, Destination),
    /// `IPVS_CMD_DEL_DEST`: connections to it are cut, or hang until they time out.
    DeleteDestination(ServiceKey, DestinationKey),
}

impl Change {
    /// The service that it is about.
    pub fn service(&self) -> ServiceKey {
        match self {
            Self::AddService(service) | Self::EditService(service) => service.key,
            Self::DeleteService(key)
            | Self::AddDestination(key, _)
            | Self::EditDestination(key, _)
            | Self::DeleteDestination(key, _) => *key,
        }
    }

    /// Whether the kernel's refusal only says that somebody did it already: keepalived logs that and goes on. What is
    /// there may differ from what was to be added; reading the table and planning again mends it.
    pub fn is_done_after(&self, errno: Errno) -> bool {
        match self {
            Self::AddService(_) | Self::AddDestination(..) => errno == Errno::EEXIST,
            Self::DeleteService(_) => errno == Errno::ESRCH,
            // ESRCH: the service is gone, and its destinations with it.
            Self::DeleteDestination(..) => matches!(errno, Errno::ENOENT | Errno::ESRCH),
            Self::EditService(_) | Self::EditDestination(..) => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {}", service.key),
            Self::EditService(service) => write!(f, "edit service {}", service.key),
            Self::DeleteService(key) => write!(f, "delete service {key}"),
            Self::AddDestination(key, destination) => {
                write!(f, "add destination {} to service {key}", destination.key)
            }
            Self::EditDestination(key, destination) => {
                write!(f, "edit destination {} of service {key}", destination.key)
            }
            Self::DeleteDestination(key, destination) => {
                write!(f, "delete destination {destination} from service {key}")
            }
        }
    }
}
