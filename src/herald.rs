//! Telling the outside world of a transition of an instance or sync group, in keepalived's order: scripts, FIFO lines,
//! mail.
//!
//! Each way has its own pace: a script that takes long holds up neither a line nor a mail. Nothing here decides that
//! something is worth telling; the engine does, with a [`Transition`].

use std::collections::HashMap;
use std::time::Duration;

use nix::unistd::gethostname;
use parser::Config;
use vrrp::{Notified, Transition};

use crate::fifo::{Fifos, Writer};
use crate::mail::{Mail, Mailer};
use crate::notify::{Limits, Notifier, Party};
use crate::scripts::{Inspector, Runner};

/// How long the end of the daemon waits for mails under way.
const LAST_MAILS: Duration = Duration::from_secs(2);

/// Tells of instances and sync groups.
pub struct Herald {
    notifier: Notifier,
    fifos: Fifos,
    mailer: Mailer,
    parties: HashMap<Party, Told>,
    no_email_faults: bool,
}

/// What there is to tell of one party, and what was.
#[derive(Default)]
struct Told {
    /// `smtp_alert`
    alert: bool,
    /// `notify_priority_changes`
    priority_changes: bool,
    state: Option<Notified>,
    mailed: Option<Notified>,
    /// It is not configured any more.
    gone: bool,
}

impl Herald {
    /// Knows nobody yet. Scripts run on `runner`'s thread. Needs a tokio runtime.
    pub fn new(runner: &Runner) -> Self {
        Self {
            notifier: Notifier::new(runner, Limits::default()),
            fifos: Fifos::new(runner),
            mailer: Mailer::start(),
            parties: HashMap::new(),
            no_email_faults: false,
        }
    }

    /// Takes a configuration, at start and at every reload. Parties that are gone are remembered until the next one,
    /// since their end is still to be told.
    pub fn learn(&mut self, config: &Config, inspector: &mut Inspector) {
        self.parties.retain(|_, told| !told.gone);
        for told in self.parties.values_mut() {
            told.gone = true;
        }
        let mut order = Vec::new();
        let groups = config
            .vrrp_sync_groups
            .iter()
            .map(|group| (Party::Group(group.name.clone()), group.smtp_alert, false));
        let instances = config.vrrp_instances.iter().map(|instance| {
            let priority_changes = instance.notify_priority_changes == Some(true);
            (
                Party::Instance(instance.name.clone()),
                instance.smtp_alert,
                priority_changes,
            )
        });
        for (party, alert, priority_changes) in groups.chain(instances) {
            order.push(subject(&party));
            let told = self.parties.entry(party).or_default();
            *told = Told {
                alert,
                priority_changes,
                gone: false,
                ..*told
            };
        }
        self.no_email_faults = config.global.no_email_faults;
        self.notifier
            .learn(&config.vrrp_instances, &config.vrrp_sync_groups, inspector);
        self.fifos.learn(&config.global, Writer::Vrrp, inspector);
        self.fifos.set_order(order);
        let host = gethostname().unwrap_or_default();
        self.mailer.learn(&config.global, &host.to_string_lossy());
    }

    /// Takes what a predecessor process told last, of whom and with which priority: it is not told again, but to readers that
    /// begin anew.
    pub fn recall(&mut self, told: impl Iterator<Item = (Party, Notified, u8)>) {
        let lines = told.map(|(party, state, priority)| {
            let subject = subject(&party);
            let line = line(&subject, state, priority);
            let known = self.parties.entry(party).or_default();
            (known.state, known.mailed) = (Some(state), Some(state));
            (subject, line)
        });
        self.fifos.recall(lines);
    }

    /// Writes all states to the FIFOs again (`fifo_write_vrrp_states_on_reload`).
    pub fn tell_states(&self) {
        self.fifos.tell_states();
    }

    /// Tells everyone of a transition, and returns at once. Needs a tokio runtime.
    pub fn tell(&mut self, transition: &Transition, party: &Party) {
        self.notifier.tell(transition, party);
        let told = self.parties.entry(party.clone()).or_default();
        let Transition { to, priority, .. } = *transition;
        if to.is_state() {
            told.state = Some(to);
        }
        let subject = subject(party);
        if let Some(state) = told.state {
            self.fifos.remember(&subject, line(&subject, state, priority));
        }
        let is_priority = matches!(to, Notified::MasterPriority | Notified::BackupPriority);
        if !is_priority || told.priority_changes {
            self.fifos.write(&line(&subject, to, priority));
        }
        let is_unwanted = !told.alert || self.no_email_faults && to == Notified::Fault;
        if to.is_state() && !is_unwanted && told.mailed.replace(to) != Some(to) {
            self.mailer.send(mail(party, to));
        }
    }

    /// Waits for the last scripts, readers and mails when the daemon stops, for a few seconds.
    pub async fn finish(self) {
        tokio::join!(
            self.notifier.finish(),
            self.fifos.finish(),
            self.mailer.finish(LAST_MAILS)
        );
    }
}

/// How its FIFO lines begin.
fn subject(party: &Party) -> String {
    format!("{} \"{}\"", party.word(), party.name())
}

fn line(subject: &str, to: Notified, priority: u8) -> String {
    format!("{subject} {} {priority}\n", to.word())
}

/// keepalived's words.
fn mail(party: &Party, to: Notified) -> Mail {
    let what = match to {
        Notified::Stop => "Stopping".to_owned(),
        Notified::Deleted => "Deleted".to_owned(),
        _ => format!("Entering {} state", to.word()),
    };
    let (kind, body) = match party {
        Party::Instance(_) => ("Instance", instance_body(to).to_owned()),
        Party::Group(_) if to == Notified::Stop => (
            "Group",
            "=> All VRRP group instances are now stopping <=".to_owned(),
        ),
        Party::Group(_) => {
            let word = to.word();
            (
                "Group",
                format!("=> All VRRP group instances are now in {word} state <="),
            )
        }
    };
    Mail {
        subject: format!("VRRP {kind} {} - {what}", party.name()),
        body,
    }
}

fn instance_body(to: Notified) -> &'static str {
    match to {
        Notified::Master => "=> VRRP Instance is now owning VRRP VIPs <=",
        Notified::Stop => "=> VRRP Instance stopping <=",
        Notified::Deleted => "=> VRRP Deleted at reload <=",
        _ => "=> VRRP Instance is no longer owning VRRP VIPs <=",
    }
}
