//! Conversations: a checker's turn comes, it talks, and what came of it is judged.

use std::sync::Arc;
use std::time::Duration;

use clockwork::{Instant, ScriptOutcome};
use parser::Config;
use parser::config;
use parser::config::checker::{Connection, Http, Probe};

use crate::action::{Action, Opening};
use crate::checker::{Checker, Outcome, Phase, conversation_limit};
use crate::engine::Engine;
use crate::event::{CheckerId, ConversationId, Failure};
use crate::news::{Check, Happening};
use crate::probe::{self, Beginning, Reason, Step, Talk, Verdict};
use crate::service::{Server, Service};

/// keepalived: the first check comes a second after the start, and then some.
const FIRST: Duration = Duration::from_secs(1);

/// No check follows the one before sooner, whatever the configuration says: what fails at once would be a busy loop.
const A_MOMENT: Duration = Duration::from_millis(1);

impl Engine {
    /// A checker begins its life, or goes on after a pause.
    pub(crate) fn activate(&mut self, id: CheckerId, now: Instant) {
        let config = self.checker_config(id);
        let warmup = config.timing.warmup;
        match config.probe {
            Probe::File(_) | Probe::Bfd(_) => return,
            _ => {}
        }
        let at = now + FIRST + self.chance.below(warmup);
        self.wait_until(id, at);
    }

    /// A checker does nothing until it is activated.
    pub(crate) fn silence(&mut self, id: CheckerId) {
        self.hang_up(id);
        self.checkers[id.0 as usize].phase = Phase::Idle;
        self.deadlines.set(id.0, None);
    }

    pub(crate) fn on_deadline(&mut self, id: CheckerId, now: Instant) {
        let checker = &self.checkers[id.0 as usize];
        match &checker.phase {
            Phase::Waiting(_) => self.begin(id, now),
            Phase::Talking { opened, end_by, .. } => {
                let probe = &self.checker_config(id).probe;
                let step = if *opened && *end_by <= now {
                    Step::Done(Verdict::Bad(Reason::TakesTooLong))
                } else {
                    probe::timed_out(probe, *opened)
                };
                self.follow(id, step, now);
            }
            Phase::Idle | Phase::Running { .. } => self.deadlines.set(id.0, None),
        }
    }

    pub(crate) fn on_opened(&mut self, conversation: ConversationId, now: Instant) {
        self.converse(conversation, now, Talk::opened);
        if let Some(checker) = self.checkers.get_mut(conversation.checker.0 as usize)
            && checker.conversation() == Some(conversation)
            && let Phase::Talking { opened, .. } = &mut checker.phase
        {
            *opened = true;
        }
    }

    pub(crate) fn on_received(&mut self, conversation: ConversationId, bytes: &[u8], now: Instant) {
        self.converse(conversation, now, |talk, probe, url| {
            talk.received(probe, url, bytes)
        });
    }

    pub(crate) fn on_closed(&mut self, conversation: ConversationId, now: Instant) {
        self.converse(conversation, now, Talk::closed);
    }

    pub(crate) fn on_failed(&mut self, conversation: ConversationId, failure: Failure, now: Instant) {
        let id = conversation.checker;
        if !failure.is_local() {
            self.converse(conversation, now, |_, _, _| Step::bad(Reason::Failed(failure)));
        } else if self.is_current(conversation) {
            let config = self.checker_config(id);
            let (check, again) = (Check::of(&config.probe), now + config.timing.delay_loop);
            let server = self.checkers[id.0 as usize].server;
            self.wait_until(id, again);
            self.tell_server(server, Happening::PutOff { check, failure });
        }
    }

    pub(crate) fn on_script(&mut self, run: ConversationId, outcome: ScriptOutcome, now: Instant) {
        let id = run.checker;
        if !self.is_current(run) {
            return;
        }
        let Phase::Running { since } = self.checkers[id.0 as usize].phase else {
            return;
        };
        let checker = &mut self.checkers[id.0 as usize];
        let before = checker.last_run.as_deref().map_or(0, |(_, status)| *status);
        checker.last_run = Some(Box::new(match outcome {
            ScriptOutcome::Exited(status) => (since, status),
            _ => (since, before),
        }));
        let config = self.checker_config(id);
        let Probe::Misc(misc) = &config.probe else { return };
        let (verdict, weight) = probe::misc::judge(misc, outcome);
        // keepalived: the next run is delay_loop after the beginning of this one.
        let next = since + config.timing.delay_loop;
        let again = (now + config.timing.delay_before_retry, next.max(now));
        let at = self.conclude(id, verdict, again);
        self.wait_until(id, at.max(now + A_MOMENT));
        if let Some(weight) = weight {
            let server = &self.servers[self.checkers[id.0 as usize].server.0 as usize];
            let configured = i64::from(self.real(server).weight);
            self.contribute(id, i64::from(weight) - configured);
        }
    }

    /// Gives a talk something to chew on.
    fn converse(
        &mut self,
        conversation: ConversationId,
        now: Instant,
        chew: impl FnOnce(&mut Talk, &Probe, usize) -> Step,
    ) {
        if !self.is_current(conversation) {
            return;
        }
        let id = conversation.checker;
        let all = Arc::clone(&self.config);
        let checker = &mut self.checkers[id.0 as usize];
        let probe = &block(&all, &self.services, &self.servers, checker).probe;
        let Phase::Talking { talk, .. } = &mut checker.phase else {
            return;
        };
        let step = chew(talk, probe, checker.url.into());
        self.follow(id, step, now);
    }

    fn is_current(&self, conversation: ConversationId) -> bool {
        self.checkers
            .get(conversation.checker.0 as usize)
            .is_some_and(|checker| checker.conversation() == Some(conversation))
    }

    fn begin(&mut self, id: CheckerId, now: Instant) {
        let all = Arc::clone(&self.config);
        let checker = &mut self.checkers[id.0 as usize];
        let config = block(&all, &self.services, &self.servers, checker);
        let conversation = checker.next_conversation();
        if let Probe::Misc(misc) = &config.probe {
            checker.phase = Phase::Running { since: now };
            self.deadlines.set(id.0, None);
            self.out.carry(Action::RunScript {
                run: conversation,
                script: misc.script.clone(),
                time_limit: misc.timeout,
            });
            return;
        }
        let url = checker.url.into();
        let begun = probe::begin(
            &config.probe,
            url,
            conversation.turn,
            &self.patterns,
            &mut self.chance,
        );
        let Some(Beginning {
            transport,
            connection:
                Connection {
                    address,
                    port,
                    source,
                },
            talk,
        }) = begun
        else {
            return self.silence(id);
        };
        checker.phase = Phase::Talking {
            talk,
            opened: false,
            step_by: now + config.timing.connect_timeout,
            end_by: now + conversation_limit(&config.timing),
        };
        self.deadlines.set(id.0, checker.deadline());
        self.out.carry(Action::Open(Opening {
            conversation,
            transport,
            address: *address,
            port: *port,
            source: source.clone(),
        }));
        if *port == 0 && !matches!(config.probe, Probe::Ping(_)) {
            self.follow(id, Step::Done(Verdict::Bad(Reason::NoPort)), now);
        }
    }

    /// Does what a talk wants next.
    fn follow(&mut self, id: CheckerId, step: Step, now: Instant) {
        let limit = self.checker_config(id).timing.connect_timeout;
        let checker = &mut self.checkers[id.0 as usize];
        let Some(conversation) = checker.conversation() else {
            return;
        };
        if let Step::Send(_) | Step::Continue = step
            && let Phase::Talking { step_by, .. } = &mut checker.phase
        {
            *step_by = now + limit;
            self.deadlines.set(id.0, checker.deadline());
        }
        match step {
            Step::Wait | Step::Continue => {}
            Step::Send(bytes) => self.out.carry(Action::Send { conversation, bytes }),
            Step::Done(verdict) => self.on_verdict(id, verdict, now),
        }
    }

    fn on_verdict(&mut self, id: CheckerId, verdict: Verdict, now: Instant) {
        self.tell_length(id, &verdict);
        // A conversation that failed in the shell is gone there already; closing it again does no harm.
        self.hang_up(id);
        let all = Arc::clone(&self.config);
        let checker = &self.checkers[id.0 as usize];
        let config = block(&all, &self.services, &self.servers, checker);
        let timing = &config.timing;
        let at = match &config.probe {
            Probe::Http(http) => self.on_page(id, http, verdict, now),
            _ => self.conclude(
                id,
                verdict,
                (now + timing.delay_before_retry, now + timing.delay_loop),
            ),
        };
        self.wait_until(id, at.max(now + A_MOMENT));
    }

    /// One url is judged: the checker is up when all are good.
    fn on_page(&mut self, id: CheckerId, http: &Http, verdict: Verdict, now: Instant) -> Instant {
        let timing = Arc::clone(&self.checker_config(id).timing);
        let retry_at = now + timing.delay_before_retry;
        let checker = &mut self.checkers[id.0 as usize];
        if verdict != Verdict::Good {
            // keepalived: while down the longer of the two delays.
            let down_at = now + timing.delay_loop.max(timing.delay_before_retry);
            checker.url_failed = true;
            return self.conclude(id, verdict, (retry_at, down_at));
        }
        if !checker.up && checker.has_run {
            self.tell_page(id, http);
        }
        let checker = &mut self.checkers[id.0 as usize];
        let recovered = std::mem::take(&mut checker.url_failed) && !checker.up;
        let next = checker.url + 1;
        checker.failures = 0;
        if recovered && checker.url > 0 {
            // The one that took the checker down is well again: now all from the first.
            checker.url = 0;
        } else if usize::from(next) < http.urls.len() {
            checker.url = next;
        } else {
            checker.url = 0;
            let next = now + timing.delay_loop;
            return self.conclude(id, verdict, (next, next));
        }
        if http.fast_recovery && !checker.up {
            now
        } else {
            now + timing.delay_loop
        }
    }

    /// A check is judged; gives the time of the next: `(if the failure is endured, otherwise)`.
    fn conclude(&mut self, id: CheckerId, verdict: Verdict, again: (Instant, Instant)) -> Instant {
        let (retry, log_all) = {
            let config = self.checker_config(id);
            (config.timing.retry, config.log_all_failures)
        };
        let checker = &mut self.checkers[id.0 as usize];
        let server = checker.server;
        match verdict {
            Verdict::Good => {
                if checker.succeed() == Outcome::Up {
                    let check = Check::of(&self.checker_config(id).probe);
                    self.tell_server(server, Happening::Succeeded(check));
                    self.judge_server(id, None);
                }
                again.1
            }
            Verdict::Bad(reason) => match checker.fail(retry) {
                Outcome::Endured(failures) => {
                    let retry = if checker.up { retry } else { 0 };
                    let at = if checker.up { again.0 } else { again.1 };
                    if log_all {
                        let check = Check::of(&self.checker_config(id).probe);
                        self.tell_server(
                            server,
                            Happening::Endured {
                                check,
                                reason,
                                failures,
                                retry,
                            },
                        );
                    }
                    at
                }
                Outcome::Down(retries) => {
                    let check = Check::of(&self.checker_config(id).probe);
                    let what = Happening::Failed {
                        check,
                        reason: reason.clone(),
                        retries,
                    };
                    self.tell_server(server, what);
                    self.judge_server(id, Some(&reason));
                    again.1
                }
                Outcome::Nothing | Outcome::Up => again.1,
            },
        }
    }

    /// keepalived: while down, every page that is good is told.
    fn tell_page(&mut self, id: CheckerId, http: &Http) {
        let checker = &self.checkers[id.0 as usize];
        let Some(url) = http.urls.get(usize::from(checker.url)) else {
            return;
        };
        let by = match (&url.regex, url.digest) {
            (Some(_), _) => "Regex match",
            (None, Some(_)) => "MD5 digest",
            (None, None) => "HTTP status code",
        };
        let path = url.path.to_string();
        self.tell_server(checker.server, Happening::PageGood { path, by });
    }

    /// keepalived: a page of another length than it says is only told.
    fn tell_length(&mut self, id: CheckerId, verdict: &Verdict) {
        let checker = &self.checkers[id.0 as usize];
        let Phase::Talking { talk, .. } = &checker.phase else {
            return;
        };
        let (Verdict::Good, Some((said, received)), Probe::Http(http)) =
            (verdict, talk.length_mismatch(), &self.checker_config(id).probe)
        else {
            return;
        };
        let Some(url) = http.urls.get(usize::from(checker.url)) else {
            return;
        };
        let what = Happening::LengthMismatch {
            path: url.path.to_string(),
            said,
            received,
        };
        self.tell_server(checker.server, what);
    }

    fn hang_up(&mut self, id: CheckerId) {
        if let Some(conversation) = self.checkers[id.0 as usize].conversation() {
            self.out.carry(Action::Close(conversation));
            self.checkers[id.0 as usize].phase = Phase::Idle;
        }
    }

    fn wait_until(&mut self, id: CheckerId, at: Instant) {
        self.checkers[id.0 as usize].phase = Phase::Waiting(at);
        self.deadlines.set(id.0, Some(at));
    }
}

/// The block of a checker. Not a method, so that the checker can be changed meanwhile.
fn block<'c>(
    config: &'c Config,
    services: &[Service],
    servers: &[Server],
    checker: &Checker,
) -> &'c config::Checker {
    let server = &servers[checker.server.0 as usize];
    let service = &services[server.service.0 as usize];
    let real = &config.virtual_servers[service.at as usize].real_servers[server.at as usize];
    &real.checkers[checker.at as usize]
}
