//! Telling the outside world of transitions: the notify scripts of an instance, sync group, virtual or real server, one
//! after the other, in order.
//!
//! Nothing here decides that something is worth telling; the engines do, with a [`Transition`] or a [`checkers::Notice`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use parser::config::{Script, VrrpInstance, VrrpSyncGroup};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};
use vrrp::{Notified, ScriptOutcome, Transition};

use crate::scripts::runner::Overdue;
use crate::scripts::{Inspector, Prepared, Runner};

/// How long notify scripts may run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// While a later transition of the same instance waits: SIGTERM to the process group then, SIGKILL 2 s later.
    /// 60 s by default. A script may run as long as it likes while nothing waits for it: starting a large service is a
    /// reason to be slow.
    pub waited_for: Duration,
    /// Once the daemon stops: SIGKILL to the process group then. 1 s by default, as keepalived.
    pub stopping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waited_for: Duration::from_mins(1),
            stopping: Duration::from_secs(1),
        }
    }
}

/// Transitions of one owner that wait for their scripts; if there were more, the oldest are dropped, but never the
/// last state.
pub const WAITING_AT_MOST: usize = 16;

/// Runs the notify scripts of all owners (instances, sync groups, virtual and real servers): those of one in order and one
/// at a time, those of different ones beside each other.
pub struct Notifier {
    shared: Arc<Shared>,
}

impl Notifier {
    /// Knows no script yet. Runs them on `runner`'s thread, but [`Runner::stop_all`] does not end them.
    pub fn new(runner: &Runner, limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                runner: runner.sibling(),
                limits,
                lanes: Mutex::default(),
                busy: watch::Sender::new(0),
                stopping: watch::Sender::new(false),
            }),
        }
    }

    /// Takes the notify scripts of a configuration, at start and at every reload. What is queued already still runs
    /// as it was; instances that are gone keep their scripts until the next reload, since their end is still to be told.
    pub fn learn(
        &self,
        instances: &[Arc<VrrpInstance>],
        groups: &[VrrpSyncGroup],
        inspector: &mut Inspector,
    ) {
        let mut lanes = self.shared.lanes();
        lanes.retain(|_, lane| lane.busy || !lane.gone);
        for lane in lanes.values_mut() {
            if lane.gone {
                // Its last script still runs; no other shall.
                lane.scripts = Scripts::default();
            }
            lane.gone = true;
        }
        let mut learn = |party: Party, scripts: Scripts| {
            let owner = party.to_string();
            // A thousand instances without scripts need no lanes; but one that had some has them no more.
            if !scripts.is_empty() || lanes.contains_key(&owner) {
                let lane = lanes.entry(owner).or_default();
                lane.scripts = scripts;
                lane.gone = false;
            }
        };
        for instance in instances {
            let party = Party::Instance(instance.name.clone());
            learn(party, Scripts::of_instance(instance, inspector));
        }
        for group in groups {
            let party = Party::Group(group.name.clone());
            learn(party, Scripts::of_group(group, inspector));
        }
    }

    /// Queues the scripts of a transition, and returns at once. Needs a tokio runtime.
    pub fn tell(&self, transition: &Transition, party: &Party) {
        let owner = party.to_string();
        let mut lanes = self.shared.lanes();
        let Some(lane) = lanes.get_mut(&owner) else {
            return;
        };
        let job = Job {
            word: transition.to.word(),
            is_state: transition.to.is_state(),
            runs: lane.scripts.runs(transition, party),
        };
        self.queue(lane, job, &owner);
    }

    /// Queues a script of a virtual or real server, and returns at once. `owner` is the start of its FIFO line, `word` the
    /// end: its state. Needs a tokio runtime.
    pub fn run(&self, owner: &str, word: &'static str, keyword: &'static str, script: Arc<Prepared>) {
        let run = Run {
            keyword,
            script,
            args: Vec::new(),
        };
        let job = Job {
            word,
            is_state: true,
            runs: vec![run],
        };
        let mut lanes = self.shared.lanes();
        self.queue(lanes.entry(owner.to_owned()).or_default(), job, owner);
    }

    /// Waits for the last scripts when the daemon stops: each has [`Limits::stopping`], then its process group is
    /// killed. Of what still waits only the last state is run.
    pub async fn finish(&self) {
        self.shared.stopping.send_replace(true);
        for lane in self.shared.lanes().values_mut() {
            lane.keep_last_state();
        }
        let mut busy = self.shared.busy.subscribe();
        // Two scripts of what runs already, two of the last state, and time for the kernel to bury them.
        if timeout(
            self.shared.limits.stopping * 5,
            busy.wait_for(|&count| count == 0),
        )
        .await
        .is_err()
        {
            error!(
                "{} notify scripts do not end on SIGKILL",
                *self.shared.busy.borrow()
            );
        }
    }

    fn queue(&self, lane: &mut Lane, job: Job, owner: &str) {
        if job.runs.is_empty() {
            return;
        }
        lane.queue(job, owner);
        if !lane.busy {
            lane.busy = true;
            self.shared.busy.send_modify(|count| *count += 1);
            tokio::spawn(Arc::clone(&self.shared).work_off(owner.to_owned()));
        }
    }
}

struct Shared {
    runner: Runner,
    limits: Limits,
    /// By owner, as log lines begin.
    lanes: Mutex<HashMap<String, Lane>>,
    /// Lanes that have a task.
    busy: watch::Sender<usize>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    /// Never held over an await.
    fn lanes(&self) -> MutexGuard<'_, HashMap<String, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task of one lane: runs what is queued until nothing is.
    async fn work_off(self: Arc<Self>, owner: String) {
        while let Some((job, waiting)) = self.next_job(&owner) {
            for run in &job.runs {
                self.carry_out(run, &owner, waiting.clone()).await;
            }
        }
        self.busy.send_modify(|count| *count -= 1);
    }

    fn next_job(&self, owner: &str) -> Option<(Job, watch::Receiver<usize>)> {
        let mut lanes = self.lanes();
        let lane = lanes.get_mut(owner)?;
        let Some(job) = lane.jobs.pop_front() else {
            lane.busy = false;
            return None;
        };
        lane.waiting.send_replace(lane.jobs.len());
        Some((job, lane.waiting.subscribe()))
    }

    async fn carry_out(&self, run: &Run, owner: &str, waiting: watch::Receiver<usize>) {
        let args: Vec<&str> = run.args.iter().map(String::as_str).collect();
        let overdue = self.overdue(run, owner, waiting);
        let ended = self.runner.supervise(&run.script, &args, true, overdue).await;
        let script = format!("{owner} {} script {}", run.keyword, run.script);
        let how = match ended.outcome {
            ScriptOutcome::Exited(0) => return,
            _ if ended.reported => return,
            ScriptOutcome::Exited(status) => format!("exited with status {status}"),
            ScriptOutcome::Signalled(signal) => format!("ended due to signal {signal}"),
            ScriptOutcome::TimedOut => "took too long and was ended".to_owned(),
            ScriptOutcome::NotStarted(errno) => format!("was lost (errno {errno})"),
        };
        // What it says may differ each time: it is the same failure.
        warn!(kind = script, owner, "{script} {how}{}", Said(&ended.stderr));
    }

    async fn overdue(&self, run: &Run, owner: &str, mut waiting: watch::Receiver<usize>) -> Overdue {
        let waited_for = async {
            sleep(self.limits.waited_for).await;
            if waiting.borrow().eq(&0) {
                let (keyword, script, limit) = (run.keyword, &run.script, self.limits.waited_for.as_secs());
                warn!("{owner} {keyword} script {script} still runs after {limit} s");
            }
            let _ = waiting.wait_for(|&count| count > 0).await;
        };
        let mut stopping = self.stopping.subscribe();
        let stopped = async {
            let _ = stopping.wait_for(|&stopping| stopping).await;
            sleep(self.limits.stopping).await;
        };
        tokio::select! {
            () = waited_for => Overdue::Terminate,
            () = stopped => Overdue::Kill,
        }
    }
}

/// Whose scripts: instances and sync groups may bear the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The `vrrp_instance` of this name.
    Instance(String),
    /// The `vrrp_sync_group` of this name.
    Group(String),
}

impl Party {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Instance(name) | Self::Group(name) => name,
        }
    }

    /// The first word that keepalived appends to `notify`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Instance(_) => "INSTANCE",
            Self::Group(_) => "GROUP",
        }
    }
}

impl std::fmt::Display for Party {
    /// How log lines begin.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "({name})"),
            Self::Group(name) => write!(f, "VRRP_Group({name})"),
        }
    }
}

/// The scripts of one owner, and what is queued of them.
#[derive(Default)]
struct Lane {
    scripts: Scripts,
    jobs: VecDeque<Job>,
    /// Length of `jobs`, for the script that runs.
    waiting: watch::Sender<usize>,
    /// There is a task that works it off.
    busy: bool,
    /// Its owner is not configured any more.
    gone: bool,
}

impl Lane {
    fn queue(&mut self, job: Job, owner: &str) {
        self.jobs.push_back(job);
        if self.jobs.len() > WAITING_AT_MOST {
            let last_state = self.last_state();
            let oldest = usize::from(last_state == Some(0));
            if let Some(dropped) = self.jobs.remove(oldest) {
                let (word, most) = (dropped.word, WAITING_AT_MOST);
                warn!("{owner} more than {most} transitions wait for a notify script, {word} is not told");
            }
        }
        self.waiting.send_replace(self.jobs.len());
    }

    fn keep_last_state(&mut self) {
        let last = self.last_state().and_then(|index| self.jobs.remove(index));
        for job in std::mem::replace(&mut self.jobs, last.into_iter().collect()) {
            debug!("stopping: scripts of {} are not run any more", job.word);
        }
        self.waiting.send_replace(self.jobs.len());
    }

    fn last_state(&self) -> Option<usize> {
        self.jobs.iter().rposition(|job| job.is_state)
    }
}

/// The scripts of one transition, in order.
struct Job {
    /// What is told.
    word: &'static str,
    /// It is a state, not an event within one.
    is_state: bool,
    runs: Vec<Run>,
}

/// One script to run.
struct Run {
    /// The keyword of the configuration.
    keyword: &'static str,
    script: Arc<Prepared>,
    args: Vec<String>,
}

/// The notify scripts of an instance or sync group, those that may run.
#[derive(Default)]
struct Scripts {
    master: Option<Arc<Prepared>>,
    backup: Option<Arc<Prepared>>,
    fault: Option<Arc<Prepared>>,
    stop: Option<Arc<Prepared>>,
    deleted: Option<Arc<Prepared>>,
    master_rx_lower_pri: Option<Arc<Prepared>>,
    any: Option<Arc<Prepared>>,
}

impl Scripts {
    fn of_instance(instance: &VrrpInstance, inspector: &mut Inspector) -> Self {
        let notify = &instance.notify;
        let mut admit = |keyword: &str, script: &Option<Box<Script>>| {
            let what = format!("({}) {keyword} script", instance.name);
            script
                .as_deref()
                .and_then(|script| inspector.admit(&what, script))
        };
        Self {
            master: admit("notify_master", &notify.master),
            backup: admit("notify_backup", &notify.backup),
            fault: admit("notify_fault", &notify.fault),
            stop: admit("notify_stop", &notify.stop),
            deleted: admit("notify_deleted", &notify.deleted),
            master_rx_lower_pri: admit("notify_master_rx_lower_pri", &notify.master_rx_lower_pri),
            any: admit("notify", &notify.any),
        }
    }

    fn of_group(group: &VrrpSyncGroup, inspector: &mut Inspector) -> Self {
        let notify = &group.notify;
        let mut admit = |keyword: &str, script: &Option<Box<Script>>| {
            let what = format!("VRRP_Group({}) {keyword} script", group.name);
            script
                .as_deref()
                .and_then(|script| inspector.admit(&what, script))
        };
        Self {
            master: admit("notify_master", &notify.master),
            backup: admit("notify_backup", &notify.backup),
            fault: admit("notify_fault", &notify.fault),
            stop: admit("notify_stop", &notify.stop),
            deleted: None,
            master_rx_lower_pri: None,
            any: admit("notify", &notify.any),
        }
    }

    fn is_empty(&self) -> bool {
        let Self {
            master,
            backup,
            fault,
            stop,
            deleted,
            master_rx_lower_pri,
            any,
        } = self;
        let all = [master, backup, fault, stop, deleted, master_rx_lower_pri, any];
        all.into_iter().all(Option::is_none)
    }

    /// The specific script, then the generic one with keepalived's four words.
    fn runs(&self, transition: &Transition, party: &Party) -> Vec<Run> {
        let (keyword, specific) = match transition.to {
            Notified::Master => ("notify_master", &self.master),
            Notified::Backup => ("notify_backup", &self.backup),
            Notified::Fault => ("notify_fault", &self.fault),
            Notified::Stop => ("notify_stop", &self.stop),
            Notified::Deleted => ("notify_deleted", &self.deleted),
            Notified::MasterRxLowerPri => ("notify_master_rx_lower_pri", &self.master_rx_lower_pri),
            Notified::MasterPriority | Notified::BackupPriority => return Vec::new(),
        };
        let specific = specific.iter().map(|script| Run {
            keyword,
            script: Arc::clone(script),
            args: Vec::new(),
        });
        let words = [
            party.word(),
            party.name(),
            transition.to.word(),
            &transition.priority.to_string(),
        ];
        let any = self
            .any
            .iter()
            .filter(|_| transition.to.is_state())
            .map(|script| Run {
                keyword: "notify",
                script: Arc::clone(script),
                args: words.map(str::to_owned).to_vec(),
            });
        specific.chain(any).collect()
    }
}

/// What a script said on standard error, as the end of a log line.
pub(crate) struct Said<'a>(pub(crate) &'a [u8]);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = String::from_utf8_lossy(self.0);
        for (index, line) in text.trim().lines().enumerate() {
            f.write_str(if index == 0 { ", saying: " } else { " | " })?;
            line.chars()
                .try_for_each(|char| write!(f, "{}", if char.is_control() { ' ' } else { char }))?;
        }
        Ok(())
    }
}
