//! The running daemon: one loop over signals, messages of the children and deadlines.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use nix::sys::signal::Signal as ProcessSignal;

use crate::child::Role;
use crate::child::text;
use crate::cli::Options;
use crate::control::server::{Asked, Control};
use crate::control::{Request, plan};
use crate::dump::{self, Kind, Place, Writer};
use crate::message::{BfdReport, FromChild, ToChild};
use crate::signal::{Signal, Signals};
use crate::supervisor::answers::{Reloads, Round};
use crate::supervisor::configuration::{Configuration, Usable};
use crate::supervisor::copies::Copies;
use crate::supervisor::end;
use crate::supervisor::pid_file::PidFile;
use crate::supervisor::reload_time::ReloadTime;
use crate::supervisor::sessions::Sessions;
use crate::supervisor::slot::Slot;
use crate::supervisor::surroundings::KernelSetting;
use crate::supervisor::systemd::Systemd;
use crate::supervisor::watch::{Due, End, Fate};
use crate::sys;

/// After this long a configuration that a child has not confirmed holds the next one up no more.
const CONFIRMATION_TIME: Duration = Duration::from_secs(30);

/// A successor that starts within this time goes on where its predecessor was; after a longer one the other node has
/// taken over, and to go on as master would only disturb it.
const ADOPTABLE: Duration = Duration::from_secs(2);

/// The daemon at work.
pub(super) struct Running {
    pub(super) options: Options,
    pub(super) signals: Signals,
    pub(super) slots: Vec<Slot>,
    pub(super) systemd: Systemd,
    pub(super) configuration: Usable,
    pub(super) sessions: Sessions,
    pub(super) phase: Phase,
    pub(super) control: Control,
    /// The status that is being asked of the children.
    pub(super) round: Round,
    pub(super) reloads: Reloads,
    pub(super) reload_time: ReloadTime,
    /// Writes the supervisor's own dump, and copies of configurations.
    pub(super) writer: Writer,
    pub(super) copies: Copies,
    /// Where IPVS is, if that is another network namespace than the daemon's own. Held open, it is the same one for
    /// every successor of a process, whatever becomes of its name.
    pub(super) ipvs_namespace: Option<OwnedFd>,
    /// Held for as long as the daemon runs.
    pub(super) _pid_file: PidFile,
    /// The same.
    pub(super) _settings: Vec<KernelSetting>,
}

/// What the daemon is about.
pub(super) enum Phase {
    /// The children take up their first configuration, or a new one. Further orders to reload wait, and become one.
    Changing { what: &'static str, reload_wanted: bool },
    /// Nothing.
    Settled,
    /// The children let go of everything.
    Stopping { status: u8, kill_at: Option<Instant> },
}

enum Happening {
    Signal(Signal),
    Said(usize, FromChild, Option<OwnedFd>),
    Asked(Asked),
    Deadline,
}

impl Running {
    /// Starts the processes that the configuration needs.
    pub(super) fn start_children(&mut self) {
        self.copies.make(&self.configuration, &mut self.writer);
        if self.needed().next().is_none() {
            tracing::warn!("Warning - keepalived has no configuration to run");
        }
        for index in self.needed().collect::<Vec<usize>>() {
            self.start_child(index);
        }
        self.settle();
    }

    /// Works until the last child is gone after an order to stop; answers with the exit status of the daemon.
    pub(super) async fn until_stopped(&mut self) -> u8 {
        loop {
            if let Phase::Stopping { status, .. } = self.phase
                && self.slots.iter().all(|slot| slot.pid.is_none())
            {
                return status;
            }
            match self.next().await {
                Happening::Signal(signal) => self.signalled(signal),
                Happening::Said(index, message, beside) => self.said(index, message, beside),
                Happening::Asked(asked) => self.asked(asked),
                Happening::Deadline => self.deadline(Instant::now()),
            }
        }
    }

    /// What children say comes before deadlines: a beat that has arrived counts, however late it is read.
    async fn next(&mut self) -> Happening {
        let deadline = self.next_deadline();
        let deadline = async {
            match deadline {
                Some(instant) => tokio::time::sleep_until(instant.into()).await,
                None => std::future::pending().await,
            }
        };
        let words = self.slots.iter_mut().map(|slot| Box::pin(slot.hear()));
        tokio::select! {
            biased;
            // Without its signals the daemon could never be stopped.
            signal = self.signals.next() => Happening::Signal(signal.unwrap_or(Signal::Stop)),
            ((message, beside), index, _) = select_all(words) => Happening::Said(index, message, beside),
            asked = self.control.next() => Happening::Asked(asked),
            () = deadline => Happening::Deadline,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let kill_at = match self.phase {
            Phase::Stopping { kill_at, .. } => kill_at,
            Phase::Changing { .. } | Phase::Settled => None,
        };
        let of_slots = self
            .slots
            .iter()
            .flat_map(|slot| [slot.watch.deadline(), confirmation_deadline(slot)]);
        let others = [
            kill_at,
            self.systemd.feed_at(),
            self.round.deadline(),
            self.reload_time
                .deadline(self.configuration.global.reload_time_file.is_some()),
        ];
        of_slots.chain(others).flatten().min()
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::Stop => self.stop(0),
            Signal::Reload => self.reload(),
            Signal::Data => {
                let config = self.configuration.config();
                let temporary = std::env::var_os("TMPDIR");
                let place = Place::of(&config, temporary.as_deref().map(Path::new));
                let text = dump::parent(&config);
                self.writer.write(place.path(Kind::Parent), move || text);
                self.order(&ToChild::Data);
            }
            Signal::Stats => self.order(&ToChild::Stats),
            Signal::StatsClear => self.order(&ToChild::StatsClear),
            Signal::Json => self.order(&ToChild::Json),
            Signal::ChildEnded => self.reap(),
            Signal::CpuTime => tracing::info!("SIGXCPU received: rlimit_rttime may need raising"),
        }
    }

    fn said(&mut self, index: usize, message: FromChild, beside: Option<OwnedFd>) {
        let slot = &mut self.slots[index];
        slot.watch.heard(Instant::now());
        slot.awaited.take_if(|awaited| awaited.message == message);
        if matches!(message, FromChild::Ready | FromChild::Reloaded) {
            slot.left = None;
        }
        if std::mem::take(&mut slot.behind) {
            self.tell_sessions(index);
        }
        match message {
            FromChild::Bfd(report) => self.bfd_said(&report),
            FromChild::Status => self.round.answered(index, read_text(beside)),
            FromChild::Events if self.control.is_watched() => {
                self.control.publish(&read_text(beside).unwrap_or_default());
            }
            FromChild::Events
            | FromChild::Ready
            | FromChild::Beat
            | FromChild::Reloaded
            | FromChild::Stopped => {}
        }
        self.finish_status(Instant::now());
        self.settle();
    }

    /// What the BFD process says reaches those who follow sessions. Those that a stop takes down are no news: everything
    /// is being let go of.
    fn bfd_said(&mut self, report: &BfdReport) {
        self.sessions.heard(report);
        if let Phase::Stopping { .. } = self.phase {
            return;
        }
        for slot in &mut self.slots {
            slot.tell_bfd(report.clone());
        }
    }

    /// Tells one process all that is known of the BFD sessions.
    fn tell_sessions(&mut self, index: usize) {
        for report in self.sessions.reports() {
            self.slots[index].tell_bfd(report);
        }
    }

    fn deadline(&mut self, now: Instant) {
        if let Phase::Stopping { kill_at, .. } = &mut self.phase
            && kill_at.take_if(|kill_at| now >= *kill_at).is_some()
        {
            for slot in self.slots.iter_mut().filter(|slot| slot.pid.is_some()) {
                tracing::error!("{} process failed to die - forcing termination", slot.role);
                slot.kill(ProcessSignal::SIGKILL);
            }
        }
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            match slot.watch.due(now) {
                Some(Due::Start)
                    if slot.left.is_some() || self.configuration.needs(slot.role, &self.options) =>
                {
                    self.start_child(index);
                }
                Some(Due::Kill(silence)) => {
                    tracing::error!(
                        "{} process has been silent for {silence:.1?} - killing it",
                        slot.role
                    );
                    slot.kill(ProcessSignal::SIGKILL);
                }
                Some(Due::Start) | None => {}
            }
            let slot = &mut self.slots[index];
            if confirmation_deadline(slot).is_some_and(|deadline| now >= deadline) {
                slot.awaited = None;
                tracing::error!(
                    "{} process has not confirmed its configuration in time",
                    slot.role
                );
            }
        }
        self.finish_status(now);
        self.look_for_reload_time(now);
        let well = self.slots.iter().all(|slot| slot.watch.is_well(now));
        self.systemd.feed(well, now);
        self.settle();
    }

    /// Reloads if the file of `reload_time_file` says so.
    fn look_for_reload_time(&mut self, now: Instant) {
        let global = &self.configuration.global;
        let path = global.reload_time_file.as_deref();
        if self.reload_time.is_due(path, global.reload_repeat, now) {
            self.reload();
        }
    }

    /// Sees whether the children have done what the daemon waits for.
    fn settle(&mut self) {
        let Phase::Changing { what, reload_wanted } = self.phase else {
            return;
        };
        if self.awaits_confirmation() {
            return;
        }
        let restarting = |slot: &Slot| slot.pid.is_none() && slot.watch.deadline().is_some();
        if self.slots.iter().any(restarting) {
            self.phase = Phase::Changing {
                what,
                reload_wanted: false,
            };
        } else {
            tracing::info!("{what} complete");
            self.control.happened("daemon", &format!("{what} complete"));
            self.reloads.settled(&self.configuration);
            self.systemd.ready();
            self.phase = Phase::Settled;
        }
        if reload_wanted {
            self.reload();
        }
    }

    fn awaits_confirmation(&self) -> bool {
        self.slots.iter().any(|slot| slot.awaited.is_some())
    }

    /// Judges the files first: unless they can be used, nothing changes.
    fn reload(&mut self) {
        let awaits_confirmation = self.awaits_confirmation();
        match &mut self.phase {
            Phase::Stopping { .. } => return,
            Phase::Changing { reload_wanted, .. } if awaits_confirmation => {
                *reload_wanted = true;
                return;
            }
            Phase::Changing { .. } | Phase::Settled => {}
        }
        tracing::info!("Reloading ...");
        self.control.happened("daemon", "Reloading");
        self.reloads.begun();
        self.systemd.reloading();
        let mark = self.configuration.reload_mark(&self.options);
        let mut configuration = Configuration::read(&self.options);
        drop(mark);
        configuration.log(&self.options);
        let log = self.configuration.global.reload_check_config.as_deref();
        let tested = configuration.test(&self.options, log);
        let judgement = configuration.judgement();
        match tested.and_then(|()| configuration.usable_after(&self.configuration)) {
            Ok(configuration) => self.hand_over(configuration),
            Err(refusal) => {
                tracing::error!("{refusal} - the configuration stays as it was");
                self.control.happened("daemon", &refusal.to_string());
                self.reloads.refused(&refusal, judgement);
                self.systemd.ready();
            }
        }
    }

    fn hand_over(&mut self, configuration: Usable) {
        let before = std::mem::replace(&mut self.configuration, configuration);
        self.copies.make(&self.configuration, &mut self.writer);
        sys::give_back_memory();
        self.sessions.retain(&self.configuration.bfd_instances);
        self.phase = Phase::Changing {
            what: "Reload",
            reload_wanted: false,
        };
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot.pid.is_some() || slot.watch.deadline().is_some() {
                slot.left.get_or_insert_with(|| before.text.clone());
            }
            if slot.pid.is_none() {
                slot.watch.rest(); // it may have died of the old configuration: no reason to wait longer
            } else if let Err(error) = slot.reload(&self.configuration.text) {
                tracing::error!("{} process cannot be given its configuration: {error}", slot.role);
            } else {
                self.tell_sessions(index); // it may follow sessions now that meant nothing to it before
            }
        }
        let without_process = |index: &usize| self.slots[*index].pid.is_none();
        for index in self.needed().filter(without_process).collect::<Vec<usize>>() {
            self.start_child(index);
        }
        self.settle();
    }

    /// Somebody asks over the control socket.
    fn asked(&mut self, asked: Asked) {
        match asked.request {
            Request::Status => {
                let all = self.slots.iter().map(|slot| slot.pid.is_some());
                if self.round.join(asked.reply, all, Instant::now()) {
                    self.order(&ToChild::Status);
                }
                self.finish_status(Instant::now());
            }
            Request::Reload => {
                self.reloads.wait(asked.reply);
                self.reload();
            }
            Request::Plan { file } => {
                let mut options = self.options.clone();
                if let Some(file) = file {
                    options.use_file = file.into();
                }
                let new = Configuration::read(&options);
                let answer = plan::answer(&self.configuration, new);
                // Whoever asked may have gone away.
                let _ = asked.reply.send(answer);
            }
            // The server serves these by itself.
            Request::Events => {}
        }
    }

    fn finish_status(&mut self, now: Instant) {
        let slots = &self.slots;
        let again = self.round.finish(now, slots, &self.phase);
        if again {
            self.order(&ToChild::Status);
        }
    }

    fn order(&self, order: &ToChild) {
        for slot in &self.slots {
            slot.order(order);
        }
    }

    /// The slots whose role the configuration needs, or whose last process has left something.
    fn needed(&self) -> impl Iterator<Item = usize> {
        let needed = |slot: &Slot| slot.left.is_some() || self.configuration.needs(slot.role, &self.options);
        self.slots
            .iter()
            .enumerate()
            .filter(move |(_, slot)| needed(slot))
            .map(|(index, _)| index)
    }

    fn start_child(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let Err(error) = slot.lock_pid_file(&self.options) {
            tracing::error!("Unable to start {} child process: {error}", slot.role);
        } else if let Err(error) = slot.start(&self.configuration.text, self.ipvs_namespace.as_ref()) {
            tracing::error!("Unable to start {} child process: {error}", slot.role);
            let fate = slot.watch.ended(End::NotStarted, Instant::now());
            self.meet(fate, index);
        } else {
            self.tell_sessions(index);
        }
    }

    fn reap(&mut self) {
        // Processes that a dead child left behind were handed to us; only our own matter.
        while let Some((pid, status)) = sys::reap() {
            let end = match (status.code(), status.signal()) {
                (Some(status), _) => End::Exited(status),
                (None, signal) => End::Killed(signal.unwrap_or_default()),
            };
            if let Some(index) = self.slots.iter().position(|slot| slot.pid == Some(pid)) {
                self.ended(index, end);
            }
        }
    }

    fn ended(&mut self, index: usize, end: End) {
        let slot = &mut self.slots[index];
        let Some(pid) = slot.pid else { return };
        let killed_by_us = slot.killed;
        slot.reaped();
        if let Phase::Stopping { kill_at, .. } = self.phase {
            if end == End::Killed(libc::SIGKILL) && !killed_by_us && kill_at.is_some() {
                self.clear_up(index);
            }
            return;
        }
        let fate = slot.watch.ended(end, Instant::now());
        end::report(pid, end, killed_by_us);
        self.control
            .happened("daemon", &format!("{} child process({pid}) died", slot.role));
        match fate {
            Fate::Respawn(_) => tracing::error!("{} child process({pid}) died: Respawning", slot.role),
            Fate::Exit => tracing::error!("{} child process({pid}) died: Exiting", slot.role),
            Fate::Terminate(_) => {}
        }
        if slot.role == Role::Bfd {
            tracing::warn!("BFD sessions count as they were until they are reported again");
        }
        self.meet(fate, index);
        self.settle();
    }

    fn meet(&mut self, fate: Fate, index: usize) {
        match fate {
            Fate::Respawn(delay) => {
                let (role, seconds) = (self.slots[index].role, delay.as_secs());
                tracing::info!("Restart of {role} process delayed {seconds} seconds to limit respawn rate");
                // What checkers found is no claim to be master: a later successor may go on with it too.
                if delay > ADOPTABLE && role != Role::Checkers {
                    self.slots[index].forget_state();
                }
            }
            Fate::Exit => self.stop(0),
            Fate::Terminate(permanent) => {
                self.systemd.failed(end::errno_of(permanent));
                self.stop(permanent as u8);
            }
        }
    }

    fn stop(&mut self, status: u8) {
        if let Phase::Stopping { .. } = self.phase {
            return;
        }
        tracing::info!("Stopping");
        self.systemd.stopping();
        self.phase = Phase::Stopping {
            status,
            kill_at: Some(Instant::now() + self.configuration.daemon.child_wait_time),
        };
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if slot.pid.is_none() && slot.watch.deadline().is_some() {
                self.clear_up(index);
            } else {
                self.slots[index].stop();
            }
        }
    }

    /// A process died with what it had in the kernel, and the daemon stops: a successor starts, and lets go of it.
    fn clear_up(&mut self, index: usize) {
        let role = self.slots[index].role;
        if self.configuration.needs(role, &self.options) {
            self.start_child(index);
        }
        self.slots[index].stop();
    }
}

fn confirmation_deadline(slot: &Slot) -> Option<Instant> {
    slot.awaited
        .as_ref()
        .map(|awaited| awaited.since + CONFIRMATION_TIME)
}

fn read_text(beside: Option<OwnedFd>) -> Option<String> {
    beside.and_then(|sealed| text::read(sealed).ok())
}
