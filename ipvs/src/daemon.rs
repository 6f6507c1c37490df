//! Connection synchronisation between directors.

use std::fmt;
use std::net::IpAddr;

use crate::name::Name;

/// Which half of the synchronisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `IP_VS_STATE_MASTER`: tells.
    Master,
    /// `IP_VS_STATE_BACKUP`: hears.
    Backup,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A sync daemon. What is `None` is left to the kernel when one is started; a running one has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    /// Which half; one of each may run.
    pub role: Role,
    /// Where it sends and hears.
    pub interface: Name,
    /// 0 to 255; a backup takes only messages with its own, 0 takes all.
    pub sync_id: u8,
    /// Longest message, in bytes; the kernel derives it from the interface's MTU, and fits what is asked for to that (a
    /// backup takes 1024 at the least). Linux 4.3 and later, as the rest.
    pub max_len: Option<u16>,
    /// Multicast group; 224.0.0.81 in the kernel.
    pub group: Option<IpAddr>,
    /// UDP port; 8848 in the kernel.
    pub port: Option<u16>,
    /// Time to live of multicast packets; 1 in the kernel.
    pub ttl: Option<u8>,
}

impl SyncDaemon {
    /// A daemon with the kernel's defaults.
    pub fn new(role: Role, interface: Name, sync_id: u8) -> Self {
        Self {
            role,
            interface,
            sync_id,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// Whether `running` is what starting this one would give: what is `None` here may be anything there, and so may
    /// `max_len`, which the kernel fits to the interface.
    pub fn is_met_by(&self, running: &Self) -> bool {
        fn met<T: PartialEq + Copy>(wanted: Option<T>, running: Option<T>) -> bool {
            wanted.is_none_or(|value| running == Some(value))
        }
        (self.role, self.interface, self.sync_id) == (running.role, running.interface, running.sync_id)
            && met(self.group, running.group)
            && met(self.port, running.port)
            && met(self.ttl, running.ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_the_kernel_is_met_by_whatever_it_chose() {
        let wanted = SyncDaemon::new(Role::Master, "eth0".parse().unwrap(), 7);
        let running = SyncDaemon {
            max_len: Some(1460),
            port: Some(8848),
            ttl: Some(1),
            ..wanted
        };
        assert!(wanted.is_met_by(&running));
        assert!(
            !SyncDaemon {
                ttl: Some(3),
                ..wanted
            }
            .is_met_by(&running)
        );
        assert!(!SyncDaemon { sync_id: 8, ..wanted }.is_met_by(&running));
    }
}
