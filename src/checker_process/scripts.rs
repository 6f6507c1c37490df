//! The scripts of the checker process: those of `MISC_CHECK`, whose end the engine is told, and those that are told of
//! changes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use checkers::{ConversationId, Engine, Notice, ScriptOutcome};
use nix::libc;
use parser::Config;
use parser::config::checker::Probe;
use parser::config::{Checker, Script};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::fifo::{Fifos, Writer};
use crate::notify::{Limits, Notifier};
use crate::scripts::{Inspector, Policy, Runner};

/// Runs them.
pub(super) struct Scripts {
    inspector: Inspector,
    runner: Arc<Runner>,
    notifier: Notifier,
    fifos: Fifos,
    /// `-C` is not given.
    may_run_vrrp: bool,
    runs: HashMap<ConversationId, AbortHandle>,
    tell: mpsc::UnboundedSender<(ConversationId, ScriptOutcome)>,
    hear: mpsc::UnboundedReceiver<(ConversationId, ScriptOutcome)>,
}

impl Scripts {
    /// Knows no script yet. `may_run_vrrp`: a VRRP process runs if there is something for it to do.
    pub(super) fn start(may_run_vrrp: bool) -> io::Result<Self> {
        let runner = Runner::new()?;
        let (tell, hear) = mpsc::unbounded_channel();
        Ok(Self {
            inspector: Inspector::new(Policy::new(&parser::config::GlobalDefs::default())),
            notifier: Notifier::new(&runner, Limits::default()),
            fifos: Fifos::new(&runner),
            may_run_vrrp,
            runner: Arc::new(runner),
            runs: HashMap::new(),
            tell,
            hear,
        })
    }

    /// Takes the scripts of a configuration and answers with it: checkers whose script may not run are left out, as in
    /// keepalived.
    pub(super) fn learn(&mut self, text: &str) -> Config {
        let mut config = parser::parse_text(&parser::Machine, text).config;
        let mut inspector = Inspector::new(Policy::new(&config.global));
        let mut admit = |keyword: &str, script: Option<&Script>| {
            script.is_none_or(|script| inspector.admit(&format!("{keyword} script"), script).is_some())
        };
        for service in &mut config.virtual_servers {
            admit("quorum_up", service.quorum_up.as_ref());
            admit("quorum_down", service.quorum_down.as_ref());
            for server in &mut service.real_servers {
                admit("notify_up", server.notify_up());
                admit("notify_down", server.notify_down());
                let mut may_run = |checker: &Checker| match &checker.probe {
                    Probe::Misc(misc) => admit("MISC_CHECK", Some(&misc.script)),
                    _ => true,
                };
                let checkers = std::mem::take(&mut server.checkers).into_vec();
                server.checkers = checkers.into_iter().filter(|it| may_run(it)).collect();
            }
        }
        inspector.say_violation();
        self.notifier.learn(&[], &[], &mut inspector);
        let beside_vrrp = self.may_run_vrrp && !config.vrrp_instances.is_empty();
        let writer = Writer::Checkers { beside_vrrp };
        self.fifos.learn(&config.global, writer, &mut inspector);
        self.inspector = inspector;
        config
    }

    /// Starts a run of a checker's script beside the loop.
    pub(super) fn run(&mut self, run: ConversationId, script: &Script, time_limit: Duration) {
        let (runner, tell) = (Arc::clone(&self.runner), self.tell.clone());
        let (judged, _) = self.inspector.judge(script);
        let task = tokio::spawn(async move {
            let outcome = match judged {
                Ok(prepared) => runner.run(&prepared, &[], time_limit).await,
                Err(_) => ScriptOutcome::NotStarted(libc::ENOENT),
            };
            // Nobody hears it when the process is ending.
            let _ = tell.send((run, outcome));
        });
        self.runs.insert(run, task.abort_handle());
    }

    /// Ends a run with its whole process group, if it has not ended.
    pub(super) fn end(&mut self, run: ConversationId) {
        if let Some(task) = self.runs.remove(&run) {
            // The runner ends what is dropped.
            task.abort();
        }
    }

    /// Waits for the next run that ends. Cancelling the wait loses nothing.
    pub(super) async fn ended(&mut self) -> (ConversationId, ScriptOutcome) {
        match self.hear.recv().await {
            Some((run, outcome)) => {
                self.runs.remove(&run);
                (run, outcome)
            }
            None => std::future::pending().await, // `tell` is ours: this cannot be
        }
    }

    /// Runs the script of a change, after those of the changes before it, and writes its FIFO line.
    pub(super) fn notify(&mut self, notice: &Notice) {
        self.run_script_of(notice);
        if let Some(line) = notice.line.as_ref().filter(|_| self.fifos.are_wanted()) {
            let whole = line_of(line);
            if let Some((subject, _)) = line.rsplit_once(' ') {
                self.fifos.remember(subject, whole.clone());
            }
            self.fifos.write(&whole);
        }
    }

    /// Takes the servers whose states are told anew to a FIFO's reader that knows nothing.
    pub(super) fn set_order(&self, engine: &Engine) {
        if !self.fifos.are_wanted() {
            return;
        }
        let standings = engine.services().filter_map(|id| engine.standing(id));
        let subjects = standings.flat_map(|service| {
            let servers = service.servers.iter();
            let servers = servers.map(|server| format!("RS {} {}", server.label, service.label));
            std::iter::once(format!("VS {}", service.label))
                .chain(servers)
                .collect::<Vec<_>>()
        });
        self.fifos.set_order(subjects.collect());
    }

    /// Takes what a predecessor knew of the servers, for readers of FIFOs that begin anew.
    pub(super) fn recall(&self, engine: &Engine) {
        if !self.fifos.are_wanted() {
            return;
        }
        let line = |subject: String, up: bool| {
            let line = line_of(&format!("{subject} {}", if up { "UP" } else { "DOWN" }));
            (subject, line)
        };
        let standings = engine.services().filter_map(|id| engine.standing(id));
        let told = standings.flat_map(|service| {
            let servers = service.servers.iter();
            let servers = servers.map(|it| line(format!("RS {} {}", it.label, service.label), it.alive));
            std::iter::once(line(format!("VS {}", service.label), service.quorum_up))
                .chain(servers)
                .collect::<Vec<_>>()
        });
        self.fifos.recall(told);
    }

    /// Ends the runs of checkers, and waits a moment for the scripts of the last changes.
    pub(super) async fn finish(&self) {
        self.runner.stop_all().await;
        tokio::join!(self.notifier.finish(), self.fifos.finish());
    }

    fn run_script_of(&mut self, notice: &Notice) {
        let (Some(script), Some(line)) = (&notice.script, &notice.line) else {
            return;
        };
        let Ok(script) = self.inspector.judge(script).0 else {
            return;
        };
        let owner = line.rsplit_once(' ').map_or(line.as_str(), |(owner, _)| owner);
        let (word, keyword) = match (notice.up, notice.server) {
            (true, None) => ("UP", "quorum_up"),
            (false, None) => ("DOWN", "quorum_down"),
            (true, Some(_)) => ("UP", "notify_up"),
            (false, Some(_)) => ("DOWN", "notify_down"),
        };
        self.notifier.run(owner, word, keyword, script);
    }
}

/// A line as keepalived writes it: with the NUL byte that ends its own string.
fn line_of(words: &str) -> String {
    format!("{words}\n\0")
}
