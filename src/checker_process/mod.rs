//! The checker process: carries the engine's probes, keeps the kernel's IPVS table as the engine wants it, and tells the
//! outside world of what changed.
//!
//! One thread, one loop. Absent: every judgement about a server, which is the engine's, and the fewest writes, which are
//! the plan's.

mod conversations;
mod keeper;
mod mapping;
mod tls;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use checkers::{Action, ConversationId, Engine, Event, News, ScriptOutcome, ServiceId};
use ipvs::Wanted;
use parser::Config;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;
use tracing::{debug, error, info, warn};

use crate::child::{Child, Order};
use crate::message::BEAT_INTERVAL;
use crate::scripts::{Inspector, Policy, Runner};
use crate::timer::{Timer, now};
use conversations::{Conversations, Happened};
use keeper::Keeper;
use tls::Tls;

/// `ENOENT`, for a script that may not run: why was said when the configuration was read.
const NOT_ADMITTED: i32 = nix::libc::ENOENT;

/// Runs the checker process until the supervisor says stop; answers with its exit status.
pub fn run(child: Child) -> ExitCode {
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CheckerProcessError::Start)
        .and_then(|runtime| runtime.block_on(async { Process::start(child).await?.serve().await }));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            ExitCode::from(3) // nothing that the configuration could mend: another may fare better
        }
    }
}

/// Why the checker process cannot run.
#[derive(Debug, thiserror::Error)]
pub enum CheckerProcessError {
    /// The runtime, the timer or the thread of scripts could not be made.
    #[error("cannot start the checker process: {0}")]
    Start(#[from] io::Error),
    /// The TLS library has no way to make connections.
    #[error("cannot start the checker process: TLS: {0}")]
    Tls(#[from] rustls::Error),
}

struct Process {
    child: Child,
    config: Arc<Config>,
    engine: Engine,
    timer: Timer,
    conversations: Conversations,
    keeper: Keeper,
    scripts: Inspector,
    runner: Runner,
    runs: HashMap<ConversationId, AbortHandle>,
    ended: Ended,
    stopping: bool,
}

/// Where the runs of scripts tell how they ended.
struct Ended {
    tell: mpsc::UnboundedSender<(ConversationId, ScriptOutcome)>,
    hear: mpsc::UnboundedReceiver<(ConversationId, ScriptOutcome)>,
}

impl Process {
    async fn start(child: Child) -> Result<Self, CheckerProcessError> {
        let runner = Runner::new()?;
        let config = Arc::new(parser::parse_text(&parser::Machine, &child.config_text()).config);
        let (tls, complaint) = Tls::new(config.ssl.as_ref())?;
        if let Some(complaint) = complaint {
            warn!("{complaint}");
        }
        let seed = RandomState::new().build_hasher().finish();
        let saved = child.saved_state();
        let (tell, hear) = mpsc::unbounded_channel();
        Ok(Self {
            engine: Engine::new(Arc::clone(&config), &saved, seed, now()),
            timer: Timer::new()?,
            conversations: Conversations::new(tls),
            keeper: Keeper::open(BTreeSet::new()).await,
            scripts: Inspector::new(Policy::new(&config.global)),
            runner,
            runs: HashMap::new(),
            ended: Ended { tell, hear },
            stopping: false,
            config,
            child,
        })
    }

    async fn serve(mut self) -> Result<(), CheckerProcessError> {
        let mut beat = tokio::time::interval(BEAT_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.turn().await?;
        self.child.ready();
        while !(self.stopping && self.keeper.is_idle()) {
            tokio::select! {
                rung = self.timer.rings() => rung?,
                (conversation, happened) = self.conversations.next() => self.happened(conversation, happened),
                Some((run, outcome)) = self.ended.hear.recv() => {
                    self.runs.remove(&run);
                    self.engine.handle(Event::ScriptEnded { run, outcome }, now());
                }
                done = self.keeper.done() => self.keeper.finish(done, std::time::Instant::now()),
                order = self.child.next_order() => self.order(order),
                _ = beat.tick() => self.child.beat(),
            }
            self.turn().await?;
        }
        self.runner.stop_all().await;
        self.child.stopped();
        Ok(())
    }

    /// What follows every event: deadlines that have come, what the engine asks, the next round, the next alarm.
    async fn turn(&mut self) -> io::Result<()> {
        let now = now();
        if self.engine.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.engine.handle_timeout(now);
        }
        self.carry_out();
        let engine = &self.engine;
        self.keeper.begin(|service| wanted(engine, service), std::time::Instant::now()).await;
        self.timer.arm(self.engine.next_deadline())
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Flush => self.keeper.flush(),
                Action::Reconcile(_) if self.stopping && self.child.options.dont_release_ipvs => {}
                Action::Reconcile(service) => self.keeper.reconcile(service),
                Action::Open(opening) => self.conversations.open(opening),
                Action::Send { conversation, bytes } => self.conversations.send(conversation, bytes),
                Action::Close(conversation) => {
                    self.conversations.close(conversation);
                    if let Some(run) = self.runs.remove(&conversation) {
                        // The runner ends what is dropped, with its process group.
                        run.abort();
                    }
                }
                Action::RunScript { run, script, time_limit } => self.run_script(run, &script, time_limit),
                Action::Tell(news) => tell(&news),
                Action::Notify(_notice) => {}
            }
        }
    }
}
