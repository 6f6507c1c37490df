//! The sync daemon of IPVS that follows an instance (`lvs_sync_daemon IFACE inst NAME`): master while the instance is
//! master, backup in every other state.
//!
//! A thread of its own asks the kernel, which may take as long as loading a module does. It looks now and then whether what
//! was asked for is still so: a daemon that somebody stopped, or whose interface comes later, is started again.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use ipvs::{Error, Ipvs, OpenError, Role, SyncDaemon};
use parser::Config;
use parser::config::global_defs::LvsSyncDaemon;
use tokio::sync::{oneshot, watch};
use tracing::{error, warn};
use vrrp::{Engine, InstanceId};

use crate::sync_daemon;

/// How soon it is missed that a daemon does not run.
const LOOK: Duration = Duration::from_secs(1);

/// How soon a kernel without IPVS is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How long the end of the process waits for the end of the daemon.
const LAST: Duration = Duration::from_secs(2);

/// Switches the sync daemon.
pub(super) struct SyncFollower {
    /// The network namespace where IPVS is, if it is another one than the process's own.
    namespace: Option<Arc<OwnedFd>>,
    followed: Option<Followed>,
    hand: Option<Hand>,
}

/// What follows whom.
struct Followed {
    instance: InstanceId,
    settings: LvsSyncDaemon,
    /// The instance's VRID.
    default_id: u8,
    /// What was asked for last.
    role: Option<Role>,
}

/// The thread that asks the kernel.
struct Hand {
    wish: watch::Sender<Wish>,
    ended: oneshot::Receiver<()>,
}

/// What the kernel should run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Wish {
    /// That is for others to say.
    #[default]
    LeftAlone,
    /// No sync daemon.
    Nothing,
    /// This one, and none of the other role.
    Run(SyncDaemon),
}

impl SyncFollower {
    /// There is no daemon yet.
    pub(super) fn new(namespace: Option<OwnedFd>) -> Self {
        Self {
            namespace: namespace.map(Arc::new),
            followed: None,
            hand: None,
        }
    }

    /// Takes a configuration, at start and at every reload.
    pub(super) fn learn(&mut self, config: &Config, engine: &Engine) {
        let settings = sync_daemon::settings(config);
        let follows_nobody = |settings: &LvsSyncDaemon| settings.vrrp_instance.is_none();
        let checkers_take_over =
            settings.as_ref().is_some_and(follows_nobody) && !config.virtual_servers.is_empty();
        self.followed = settings.and_then(|settings| followed(settings, engine));
        let Some(hand) = &self.hand else { return };
        match &self.followed {
            Some(_) => {}
            None if checkers_take_over => hand.ask(Wish::LeftAlone),
            None => hand.ask(Wish::Nothing),
        }
    }

    /// Has the daemon be what the instance's state asks for. Returns at once.
    pub(super) fn follow(&mut self, engine: &Engine) {
        let Some(followed) = &mut self.followed else {
            return;
        };
        let is_master = engine
            .instance(followed.instance)
            .is_some_and(|instance| instance.state.is_master());
        let role = if is_master { Role::Master } else { Role::Backup };
        if followed.role.replace(role) == Some(role) {
            return;
        }
        let Some(daemon) = sync_daemon::daemon(&followed.settings, role, followed.default_id) else {
            self.followed = None;
            return;
        };
        if self.hand.is_none() {
            match Hand::start(self.namespace.clone()) {
                Ok(hand) => self.hand = Some(hand),
                Err(reason) => {
                    error!("IPVS: no sync daemon can follow an instance: {reason}");
                    self.followed = None;
                }
            }
        }
        if let Some(hand) = &self.hand {
            hand.ask(Wish::Run(daemon));
        }
    }

    /// Stops the daemon, and waits for that for a moment.
    pub(super) async fn finish(self) {
        let Some(Hand { wish, ended }) = self.hand else {
            return;
        };
        if self.followed.is_some() {
            wish.send_replace(Wish::Nothing);
        }
        drop(wish);
        // It ends without a word.
        if tokio::time::timeout(LAST, ended).await.is_err() {
            warn!("IPVS: the kernel does not say whether the sync daemon has ended");
        }
    }
}

fn followed(settings: LvsSyncDaemon, engine: &Engine) -> Option<Followed> {
    let name = settings.vrrp_instance.as_deref()?;
    let instance = engine.instances().find(|instance| &*instance.name == name);
    let Some(instance) = instance else {
        error!("lvs_sync_daemon is to follow instance {name}, but there is none: no sync daemon is started");
        return None;
    };
    Some(Followed {
        instance: instance.id,
        default_id: instance.config.virtual_router_id.get(),
        settings,
        role: None,
    })
}

impl Hand {
    fn start(namespace: Option<Arc<OwnedFd>>) -> io::Result<Self> {
        let (wish, wishes) = watch::channel(Wish::default());
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Builder::new().name("sync_daemon".to_owned()).spawn(move || {
            runtime.block_on(keep(wishes, namespace.as_deref()));
            drop(end);
        })?;
        Ok(Self { wish, ended })
    }

    fn ask(&self, wish: Wish) {
        self.wish.send_replace(wish);
    }
}

/// Why the kernel does not run what it should.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("Can't initialize ipvs: {0}")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Daemon(#[from] Error),
}

/// Keeps the kernel at the last wish until nobody has a wish any more.
async fn keep(mut wishes: watch::Receiver<Wish>, namespace: Option<&OwnedFd>) {
    let (mut ipvs, mut said, mut reached) = (None, None, Wish::default());
    loop {
        let wish = wishes.borrow_and_update().clone();
        let pause = match bring_about(&mut ipvs, &wish, namespace).await {
            Ok(started) => {
                said = None;
                if started > 0 && reached == wish {
                    warn!("IPVS: the sync daemon had been stopped by another program");
                }
                let lasts = matches!(wish, Wish::Run(_));
                reached = wish;
                if lasts { LOOK } else { Duration::MAX }
            }
            Err(trouble) => {
                let pause = match trouble {
                    Trouble::Open(_) => ASK_AGAIN,
                    Trouble::Daemon(_) => LOOK,
                };
                let words = trouble.to_string();
                if said.as_ref() != Some(&words) {
                    error!("IPVS: {words}; trying again, and connections are not synchronised meanwhile");
                    said = Some(words);
                }
                ipvs = None;
                pause
            }
        };
        tokio::select! {
            changed = wishes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn bring_about(
    ipvs: &mut Option<Ipvs>,
    wish: &Wish,
    namespace: Option<&OwnedFd>,
) -> Result<usize, Trouble> {
    let wanted = match wish {
        Wish::LeftAlone => return Ok(0),
        Wish::Nothing => None,
        Wish::Run(daemon) => Some(*daemon),
    };
    let ipvs = match ipvs {
        Some(ipvs) => ipvs,
        none => none.insert(match namespace {
            Some(namespace) => Ipvs::open_in(namespace).await?,
            None => Ipvs::open().await?,
        }),
    };
    Ok(sync_daemon::switch(ipvs, wanted.as_slice()).await?)
}
