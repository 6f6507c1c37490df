//! What IPVS has beside its table: connection timeouts (`lvs_timeouts`) and sync daemons (`lvs_sync_daemon`).
//!
//! What was there before us is remembered, so that it can be put back. Absent: a sync daemon that follows a VRRP
//! instance, which the VRRP process switches.

use std::time::Duration;

use ipvs::{Error, Ipvs, Role, SyncDaemon, Timeouts};
use parser::Config;
use tracing::error;

use crate::sync_daemon;

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
    /// The VRRP process switches the sync daemons: what runs is not ours to stop.
    follows: bool,
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
    pub(super) fn of(config: &Config) -> Self {
        let timeouts = &config.global.lvs_timeouts;
        let or_zero = |timeout: Option<Duration>| timeout.unwrap_or_default();
        let mut wish = Self {
            timeouts: Timeouts {
                tcp: or_zero(timeouts.tcp),
                tcp_fin: or_zero(timeouts.tcpfin),
                udp: or_zero(timeouts.udp),
            },
            ..Self::default()
        };
        if let Some(settings) = sync_daemon::settings(config) {
            wish.follows = settings.vrrp_instance.is_some();
            if !wish.follows {
                let daemons =
                    [Role::Master, Role::Backup].map(|role| sync_daemon::daemon(&settings, role, 0));
                wish.daemons.extend(daemons.into_iter().flatten());
            }
        }
        wish
    }
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
        if !self.wanted.daemons.is_empty() || self.originals.has_daemons && !self.wanted.follows {
            sync_daemon::switch(ipvs, &self.wanted.daemons).await?;
        }
        self.originals.has_daemons = !self.wanted.daemons.is_empty();
        Ok(())
    }
}
