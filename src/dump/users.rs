//! Users and groups of scripts as numbers. They are looked up when a configuration is taken in, as looking up may take
//! its time.

use parser::Config;
use parser::config::checker::Probe;
use parser::config::{GlobalDefs, RunAs, Script};

use crate::scripts::{Identity, Policy};

/// What is known of who runs the scripts of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Users(Vec<(Option<RunAs>, (u32, u32))>);

impl Users {
    /// Looks up every user of the instances', groups' and tracked scripts.
    pub(crate) fn of(config: &Config) -> Self {
        Self::look_up(&config.global, scripts(config))
    }

    /// Looks up every user of the virtual and real servers'.
    pub(crate) fn of_checkers(config: &Config) -> Self {
        Self::look_up(&config.global, scripts_of_checkers(config))
    }

    fn look_up<'c>(global: &GlobalDefs, scripts: impl Iterator<Item = &'c Script>) -> Self {
        let mut users = Users::default();
        let policy = Policy::new(global);
        let default = policy.default_user.ok();
        users.0.extend(default.map(|identity| (None, ids(&identity))));
        for script in scripts {
            let Some(run_as) = &script.run_as else { continue };
            if users.0.iter().all(|(known, _)| known.as_ref() != Some(run_as))
                && let Ok(identity) = Identity::look_up(run_as)
            {
                users.0.push((Some(run_as.clone()), ids(&identity)));
            }
        }
        users
    }

    /// `UID:GID` of a script.
    pub(crate) fn of_script(&self, script: &Script) -> String {
        let found = self.0.iter().find(|(known, _)| *known == script.run_as);
        found.map_or_else(|| "?:?".to_owned(), |(_, (uid, gid))| format!("{uid}:{gid}"))
    }

    /// `UID:GID` of a script that names no user.
    pub(crate) fn default_user(&self) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| known.is_none());
        found.map(|(_, (uid, gid))| format!("{uid}:{gid}"))
    }
}

/// `UID:GID` of a script that names no user, looked up now.
pub(super) fn default_user(global: &GlobalDefs) -> Option<String> {
    let identity = Policy::new(global).default_user.ok()?;
    let (uid, gid) = ids(&identity);
    Some(format!("{uid}:{gid}"))
}

fn ids(identity: &Identity) -> (u32, u32) {
    (identity.credentials.uid, identity.credentials.gid)
}

fn scripts_of_checkers(config: &Config) -> impl Iterator<Item = &Script> {
    let quorums = config
        .virtual_servers
        .iter()
        .flat_map(|service| [&service.quorum_up, &service.quorum_down]);
    let servers = || {
        let services = config.virtual_servers.iter();
        services.flat_map(|service| &service.real_servers)
    };
    let changes = servers().flat_map(|server| [server.notify_up(), server.notify_down()]);
    let checks = servers()
        .flat_map(|server| &server.checkers)
        .filter_map(|checker| match &checker.probe {
            Probe::Misc(misc) => Some(&misc.script),
            _ => None,
        });
    quorums.flatten().chain(changes.flatten()).chain(checks)
}

fn scripts(config: &Config) -> impl Iterator<Item = &Script> {
    let instances = config.vrrp_instances.iter().flat_map(|instance| {
        let notify = &instance.notify;
        [
            &notify.master,
            &notify.backup,
            &notify.fault,
            &notify.stop,
            &notify.deleted,
            &notify.any,
            &notify.master_rx_lower_pri,
        ]
    });
    let groups = config.vrrp_sync_groups.iter().flat_map(|group| {
        let notify = &group.notify;
        [
            &notify.master,
            &notify.backup,
            &notify.fault,
            &notify.stop,
            &notify.any,
        ]
    });
    let tracked = config.vrrp_scripts.iter().map(|script| &script.script);
    instances
        .chain(groups)
        .flatten()
        .map(|script| &**script)
        .chain(tracked)
}
