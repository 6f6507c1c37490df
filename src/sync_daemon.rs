//! `lvs_sync_daemon`: the sync daemons of IPVS that a configuration asks for, and having the kernel run just those.
//!
//! Absent: when. The checker process runs those of the whole host, the VRRP process the one that follows an instance.

use ipvs::{Error, Ipvs, Role, SyncDaemon};
use nix::errno::Errno;
use parser::Config;
use parser::config::global_defs::LvsSyncDaemon;
use tracing::{error, info, warn};

/// What a configuration says of the sync daemons, be it in the old way (`lvs_sync_daemon_interface` of an instance).
pub(crate) fn settings(config: &Config) -> Option<LvsSyncDaemon> {
    let of_instance = || {
        config.vrrp_instances.iter().find_map(|instance| {
            let interface = instance.lvs_sync_daemon_interface.as_deref()?;
            Some(LvsSyncDaemon {
                vrrp_instance: Some(instance.name.clone()),
                ..LvsSyncDaemon::new(interface)
            })
        })
    };
    config.global.lvs_sync_daemon.clone().or_else(of_instance)
}

/// The daemon of a role; `id` where the settings have none. One that cannot be is said in the log.
pub(crate) fn daemon(settings: &LvsSyncDaemon, role: Role, id: u8) -> Option<SyncDaemon> {
    let interface = settings.interface.parse().inspect_err(|reason| {
        error!(
            "IPVS: no sync daemon can be on interface {}: {reason}",
            settings.interface
        );
    });
    Some(SyncDaemon {
        max_len: settings.maxlen,
        group: Some(settings.group),
        port: Some(settings.port),
        ttl: settings.ttl,
        ..SyncDaemon::new(role, interface.ok()?, settings.id.unwrap_or(id))
    })
}

/// Has the kernel run these daemons and no others; what runs as it should is left alone. Answers with how many were
/// started.
pub(crate) async fn switch(ipvs: &mut Ipvs, wanted: &[SyncDaemon]) -> Result<usize, Error> {
    let running = ipvs.daemons().await?;
    let is_met = |wanted: &SyncDaemon| running.iter().any(|running| wanted.is_met_by(running));
    // Who goes, goes first: there is room for one of each role.
    for daemon in &running {
        if !wanted.iter().any(|wanted| wanted.is_met_by(daemon)) {
            stop(ipvs, daemon).await?;
        }
    }
    let mut started = 0;
    for daemon in wanted.iter().filter(|wanted| !is_met(wanted)) {
        ipvs.start_daemon(daemon).await?;
        let SyncDaemon {
            role,
            interface,
            sync_id,
            ..
        } = daemon;
        info!("IPVS: the {role} sync daemon {sync_id} on {interface} has begun");
        started += 1;
    }
    Ok(started)
}

async fn stop(ipvs: &mut Ipvs, daemon: &SyncDaemon) -> Result<(), Error> {
    let SyncDaemon { role, interface, .. } = daemon;
    match ipvs.stop_daemon(*role).await {
        Err(Error::Netlink(netlink::Error::Refused(refusal))) if refusal.errno == Errno::ESRCH => {
            warn!("IPVS: the {role} sync daemon was stopped by another program");
        }
        other => {
            other?;
            info!("IPVS: the {role} sync daemon on {interface} has ended");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        parser::parse_text(&parser::Machine, text).config
    }

    #[test]
    fn the_old_way_follows_the_instance_that_it_stands_in() {
        let text =
            "vrrp_instance V {\ninterface eth0\nvirtual_router_id 51\nlvs_sync_daemon_interface eth1\n}\n";
        let old = settings(&config(text)).unwrap();
        let new = format!("global_defs {{\nlvs_sync_daemon eth1 inst V\n}}\n{text}");
        assert_eq!(settings(&config(&new)), Some(old.clone()));
        assert_eq!(
            (old.interface.as_str(), old.vrrp_instance.as_deref()),
            ("eth1", Some("V"))
        );
        let daemon = daemon(&old, Role::Backup, 51).unwrap();
        assert_eq!((daemon.sync_id, daemon.port), (51, Some(8848)));
    }

    #[test]
    fn what_is_written_holds_over_the_instance() {
        let text = "global_defs {\nlvs_sync_daemon eth1 inst V id 7 maxlen 1400 port 9000 ttl 3 group 224.0.0.99\n}\n";
        let settings = settings(&config(text)).unwrap();
        let expected = SyncDaemon {
            max_len: Some(1400),
            group: Some("224.0.0.99".parse().unwrap()),
            port: Some(9000),
            ttl: Some(3),
            ..SyncDaemon::new(Role::Master, "eth1".parse().unwrap(), 7)
        };
        assert_eq!(daemon(&settings, Role::Master, 51), Some(expected));
    }
}
