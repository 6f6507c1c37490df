//! A world for the engine: simulated time, real servers that answer as they are told, a log, a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use checkers::{
    Action, ConversationId, Engine, Event, Failure, Instant, Notice, Opening, ScriptOutcome, ServiceId, Table,
};
use parser::Config;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn config(text: &str) -> Config {
    parser::parse_text(&parser::Machine, text).config
}

/// `virtual_server 10.0.0.1 80` over TCP with round robin; `lines` are its own, each body one of `bodies` is the real
/// server 10.0.0.2, 10.0.0.3, ...
pub(crate) fn web(lines: &str, bodies: &[&str]) -> String {
    let mut text = format!(
        "virtual_server 10.0.0.1 80 {{\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n delay_loop 10\n warmup 0\n {lines}\n"
    );
    for (number, body) in (2..).zip(bodies) {
        writeln!(text, " real_server 10.0.0.{number} 80 {{\n {body}\n }}").unwrap();
    }
    text + "}\n"
}

pub(crate) const TCP: &str = "TCP_CHECK {\n connect_timeout 3\n retry 2\n delay_before_retry 1\n }";

/// What a real server does when somebody comes.
#[derive(Clone)]
pub(crate) enum Peer {
    /// Refuses.
    Dead,
    /// Never answers.
    Mute,
    /// This machine cannot even try.
    Unreachable(Failure),
    /// Opens, then says what the function gives for what it hears; first it hears nothing.
    Talk(Talk),
}

/// What is said on hearing something.
pub(crate) type Talk = fn(&[u8]) -> Vec<Say>;

/// What a real server says.
#[derive(Clone)]
pub(crate) enum Say {
    Bytes(Vec<u8>),
    /// After so much time.
    Later(Duration, Vec<u8>),
    Close,
    Fail(Failure),
}

pub(crate) fn say(text: &str) -> Say {
    Say::Bytes(text.as_bytes().to_vec())
}

enum Answer {
    Opened,
    Bytes(Vec<u8>),
    Close,
    Fail(Failure),
    Script(ScriptOutcome),
}

pub(crate) struct Lab {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    /// By address; those that are not here are alive and say nothing.
    pub(crate) peers: BTreeMap<IpAddr, Peer>,
    /// How runs of scripts end, by program; those that are not here hang.
    pub(crate) scripts: BTreeMap<String, ScriptOutcome>,
    pub(crate) log: Vec<String>,
    pub(crate) notices: Vec<Notice>,
    /// What was opened and sent, when.
    pub(crate) opened: Vec<(Instant, Opening)>,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) runs: Vec<Instant>,
    pub(crate) reconciled: Vec<ServiceId>,
    /// The kernel, if the shell does what it is asked to.
    pub(crate) kernel: BTreeMap<ServiceId, Table>,
    pub(crate) flushes: usize,
    open: BTreeMap<ConversationId, IpAddr>,
    running: BTreeMap<ConversationId, String>,
    coming: BTreeMap<(Instant, u64), (ConversationId, Answer)>,
    serial: u64,
}

impl Lab {
    /// Started; what was said of that is forgotten.
    pub(crate) fn new(text: &str) -> Self {
        let mut lab = Self::resume(text, "");
        lab.log.clear();
        lab.notices.clear();
        lab
    }

    pub(crate) fn resume(text: &str, saved: &str) -> Self {
        Self::resume_at(text, saved, Instant::default())
    }

    pub(crate) fn resume_at(text: &str, saved: &str, now: Instant) -> Self {
        let mut lab = Self {
            engine: Engine::new(Arc::new(config(text)), saved, 7, now),
            now,
            peers: BTreeMap::new(),
            scripts: BTreeMap::new(),
            log: Vec::new(),
            notices: Vec::new(),
            opened: Vec::new(),
            sent: Vec::new(),
            runs: Vec::new(),
            reconciled: Vec::new(),
            kernel: BTreeMap::new(),
            flushes: 0,
            open: BTreeMap::new(),
            running: BTreeMap::new(),
            coming: BTreeMap::new(),
            serial: 0,
        };
        lab.drain();
        lab
    }

    pub(crate) fn peer(&mut self, last: u8, peer: Peer) {
        self.peers.insert(IpAddr::from([10, 0, 0, last]), peer);
    }

    pub(crate) fn alive(&mut self, last: u8) {
        self.peer(last, Peer::Talk(|_| Vec::new()));
    }

    pub(crate) fn handle(&mut self, event: Event<'_>) {
        self.engine.handle(event, self.now);
        self.drain();
    }

    pub(crate) fn reload(&mut self, text: &str) {
        self.engine.reload(Arc::new(config(text)), self.now);
        self.drain();
    }

    /// Time goes by; what peers say and what is due comes in its order.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let answer = self.coming.first_key_value().map(|((at, _), _)| *at);
            let deadline = self.engine.next_deadline();
            let Some(next) = answer
                .into_iter()
                .chain(deadline)
                .min()
                .filter(|next| *next <= end)
            else {
                break;
            };
            assert!(next >= self.now, "time goes backwards");
            self.now = next;
            if answer == Some(next) {
                let (_, (id, answer)) = self.coming.pop_first().unwrap();
                self.answer(id, &answer);
            } else {
                self.engine.handle_timeout(self.now);
                assert!(
                    self.engine.next_deadline().is_none_or(|next| next > self.now),
                    "a busy loop"
                );
            }
            self.drain();
        }
        self.now = end;
    }

    /// Time goes by until so many more conversations were asked for.
    pub(crate) fn run_until_opened(&mut self, more: usize) {
        let wanted = self.opened.len() + more;
        while self.opened.len() < wanted {
            self.run_for(ms(10));
        }
    }

    /// The log since last asked.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The FIFO lines since last asked.
    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        let notices = std::mem::take(&mut self.notices);
        notices.into_iter().filter_map(|notice| notice.line).collect()
    }

    /// The pool of the first virtual server: last number of the address, and weight.
    pub(crate) fn pool(&self) -> Vec<(u8, u32)> {
        let Some(service) = self.engine.services().next() else {
            return Vec::new();
        };
        let table = self.engine.table(service);
        let pool = table.destinations.iter().map(|destination| {
            let IpAddr::V4(address) = destination.address else {
                panic!("not an IPv4 address");
            };
            (address.octets()[3], destination.weight)
        });
        pool.collect()
    }

    pub(crate) fn conversations(&self) -> usize {
        self.open.len() + self.running.len()
    }

    pub(crate) fn open_ones(&self) -> Vec<ConversationId> {
        self.open.keys().copied().collect()
    }

    fn answer(&mut self, conversation: ConversationId, answer: &Answer) {
        if !self.open.contains_key(&conversation) && !self.running.contains_key(&conversation) {
            return;
        }
        let event = match answer {
            Answer::Opened => Event::Opened(conversation),
            Answer::Bytes(bytes) => Event::Received { conversation, bytes },
            Answer::Close => Event::Closed(conversation),
            Answer::Fail(failure) => {
                self.open.remove(&conversation);
                Event::Failed {
                    conversation,
                    failure: failure.clone(),
                }
            }
            Answer::Script(outcome) => {
                self.running.remove(&conversation);
                Event::ScriptEnded {
                    run: conversation,
                    outcome: *outcome,
                }
            }
        };
        self.engine.handle(event, self.now);
        if matches!(answer, Answer::Opened) {
            self.hear(conversation, b"");
        }
    }

    fn hear(&mut self, conversation: ConversationId, bytes: &[u8]) {
        let Some(address) = self.open.get(&conversation) else {
            return;
        };
        let Some(Peer::Talk(talk)) = self.peers.get(address) else {
            return;
        };
        for say in talk(bytes) {
            match say {
                Say::Bytes(bytes) => self.come(ms(1), conversation, Answer::Bytes(bytes)),
                Say::Later(time, bytes) => self.come(time, conversation, Answer::Bytes(bytes)),
                Say::Close => self.come(ms(1), conversation, Answer::Close),
                Say::Fail(failure) => self.come(ms(1), conversation, Answer::Fail(failure)),
            }
        }
    }

    fn come(&mut self, after: Duration, conversation: ConversationId, answer: Answer) {
        self.serial += 1;
        self.coming
            .insert((self.now + after, self.serial), (conversation, answer));
    }

    fn drain(&mut self) {
        while let Some(action) = self.engine.next_action() {
            match action {
                Action::Flush => self.flushes += 1,
                Action::Reconcile(id) => {
                    self.reconciled.push(id);
                    self.kernel.insert(id, self.engine.table(id));
                }
                Action::Open(opening) => self.on_open(opening),
                Action::Send { conversation, bytes } => {
                    assert!(self.open.contains_key(&conversation), "sent on what is not open");
                    self.hear(conversation, &bytes);
                    self.sent.push(bytes);
                }
                Action::Close(conversation) => {
                    self.open.remove(&conversation);
                    self.running.remove(&conversation);
                }
                Action::RunScript { run, script, .. } => {
                    self.runs.push(self.now);
                    let program = script.words[0].clone();
                    if let Some(outcome) = self.scripts.get(&program).copied() {
                        self.come(ms(1), run, Answer::Script(outcome));
                    }
                    self.running.insert(run, program);
                }
                Action::Tell(news) => self.log.push(news.to_string()),
                Action::Notify(notice) => self.notices.push(notice),
            }
        }
    }

    fn on_open(&mut self, opening: Opening) {
        let (conversation, address) = (opening.conversation, opening.address);
        assert!(
            self.open.keys().all(|open| open.checker != conversation.checker),
            "two conversations at a time"
        );
        self.open.insert(conversation, address);
        self.opened.push((self.now, opening));
        match self.peers.get(&address) {
            Some(Peer::Dead) => self.come(ms(1), conversation, Answer::Fail(Failure::Network(111))),
            Some(Peer::Mute) => {}
            Some(Peer::Unreachable(failure)) => {
                let failure = failure.clone();
                self.come(Duration::ZERO, conversation, Answer::Fail(failure));
            }
            Some(Peer::Talk(_)) | None => self.come(ms(1), conversation, Answer::Opened),
        }
    }
}
