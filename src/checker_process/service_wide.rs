//! What IPVS has beside its table: connection timeouts (`lvs_timeouts`) and sync daemons (`lvs_sync_daemon`).
//!
//! What was there before us is remembered, so that it can be put back. Absent: a sync daemon that follows a VRRP
//! instance, which only the VRRP process can switch.

use std::time::Duration;

use ipvs::{Error, Ipvs, NameError, Role, SyncDaemon, Timeouts};
use nix::errno::Errno;
use parser::config::GlobalDefs;
use tracing::{error, warn};

/// What is wanted, and what was there before.
#[derive(Clone, Debug)]
pub(super) struct ServiceWide {
    pub(super) wanted: Wish,
    pub(super) originals: Originals,
}

/// What is wanted beside the table. Nothing, by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    /// Zero stands for what was there before.
    timeouts: Timeouts,
    daemons: Vec<SyncDaemon>,
}

/// What we found, and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Originals {
    /// The timeouts before we set ours.
    pub(super) timeouts: Option<Timeouts>,
    /// We started sync daemons.
    pub(super) has_daemons: bool,
}

impl Wish {
    /// What a configuration asks for. A daemon that cannot be is said in the log.
    pub(super) fn of(global: &GlobalDefs) -> Self {
        let timeouts = &global.lvs_timeouts;
        let or_zero = |timeout: Option<Duration>| timeout.unwrap_or_default();
        Self {
            timeouts: Timeouts {
                tcp: or_zero(timeouts.tcp),
                tcp_fin: or_zero(timeouts.tcpfin),
                udp: or_zero(timeouts.udp),
            },
            daemons: daemons(global).unwrap_or_else(|error| {
                error!("IPVS: lvs_sync_daemon cannot be started: {error}");
                Vec::new()
            }),
        }
    }
}

fn daemons(global: &GlobalDefs) -> Result<Vec<SyncDaemon>, NameError> {
    let Some(daemon) = &global.lvs_sync_daemon else {
        return Ok(Vec::new());
    };
    if let Some(instance) = &daemon.vrrp_instance {
        warn!("lvs_sync_daemon that follows instance {instance} is read, but has no effect yet");
        return Ok(Vec::new());
    }
    let interface = daemon.interface.parse()?;
    let of_role = |role| SyncDaemon {
        max_len: daemon.maxlen,
        group: Some(daemon.group),
        port: Some(daemon.port),
        ttl: daemon.ttl,
        ..SyncDaemon::new(role, interface, daemon.id.unwrap_or(0))
    };
    Ok([Role::Master, Role::Backup].map(of_role).to_vec())
}

impl ServiceWide {
    /// Brings about what is wanted. Answers whether all of it could be; the log says what could not.
    pub(super) async fn bring_about(&mut self, ipvs: &mut Ipvs) -> bool {
        let results = [self.set_timeouts(ipvs).await, self.switch_daemons(ipvs).await];
        for reason in results.iter().filter_map(|result| result.as_ref().err()) {
            error!("IPVS: {reason}");
        }
        results.iter().all(Result::is_ok)
    }

    async fn set_timeouts(&mut self, ipvs: &mut Ipvs) -> Result<(), Error> {
        let wanted = &self.wanted.timeouts;
        let nothing = *wanted == Timeouts::default();
        let original = match self.originals.timeouts {
            Some(original) => original,
            None if nothing => return Ok(()),
            None => ipvs.timeouts().await?,
        };
        let or_original = |wanted: Duration, original| if wanted.is_zero() { original } else { wanted };
        ipvs.set_timeouts(&Timeouts {
            tcp: or_original(wanted.tcp, original.tcp),
            tcp_fin: or_original(wanted.tcp_fin, original.tcp_fin),
            udp: or_original(wanted.udp, original.udp),
        })
        .await?;
        self.originals.timeouts = (!nothing).then_some(original);
        Ok(())
    }

    async fn switch_daemons(&mut self, ipvs: &mut Ipvs) -> Result<(), Error> {
        if self.wanted.daemons.is_empty() && !self.originals.has_daemons {
            return Ok(());
        }
        let running = ipvs.daemons().await?;
        for role in [Role::Master, Role::Backup] {
            let wanted = self.wanted.daemons.iter().find(|wanted| wanted.role == role);
            let running = running.iter().find(|running| running.role == role);
            switch_daemon(ipvs, role, wanted, running).await?;
        }
        self.originals.has_daemons = !self.wanted.daemons.is_empty();
        Ok(())
    }
}

/// Makes the sync daemon of a role what is wanted; one that is already is left alone.
async fn switch_daemon(
    ipvs: &mut Ipvs,
    role: Role,
    wanted: Option<&SyncDaemon>,
    running: Option<&SyncDaemon>,
) -> Result<(), Error> {
    if let (Some(wanted), Some(running)) = (wanted, running)
        && wanted.is_met_by(running)
    {
        return Ok(());
    }
    if running.is_some() {
        match ipvs.stop_daemon(role).await {
            Err(Error::Netlink(netlink::Error::Refused(refusal))) if refusal.errno == Errno::ESRCH => {
                warn!("IPVS: the {role} sync daemon was stopped by another program");
            }
            other => other?,
        }
    }
    match wanted {
        Some(wanted) => ipvs.start_daemon(wanted).await,
        None => Ok(()),
    }
}
