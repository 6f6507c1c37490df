//! Alert mails (`smtp_alert`): one after the other, in the order of the events, through the relay that `smtp_server` names.
//!
//! A mail that cannot be delivered is dropped with a line in the log; nothing waits for it. Nothing here decides that
//! something is worth a mail, or words it.

mod dialogue;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parser::config::GlobalDefs;
use parser::config::global_defs::SmtpServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::sys::{LocalTime, local_time};
use dialogue::{Dialogue, Envelope, Refused, Step};

/// Mails that wait for the one before them; more are dropped, counted and said.
pub const WAITING_AT_MOST: usize = 256;

/// Longest subject and body in characters, as keepalived cuts them.
const LONGEST_SUBJECT: usize = 255;
const LONGEST_BODY: usize = 511;

/// What to tell by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What follows `[router_id] ` in the subject.
    pub subject: String,
    /// The one line of the body.
    pub body: String,
}

/// Sends mails beside the loop that asks for them.
pub struct Mailer {
    settings: Mutex<Option<Arc<Settings>>>,
    queue: mpsc::Sender<Job>,
    lost: AtomicU64,
    task: tokio::task::JoinHandle<()>,
}

/// What `global_defs` says about mail.
#[derive(Debug)]
struct Settings {
    server: SmtpServer,
    helo: String,
    from: String,
    to: Vec<String>,
    /// `router_id`
    router: String,
    /// For each step of the conversation.
    patience: Duration,
}

struct Job {
    settings: Arc<Settings>,
    subject: String,
    envelope: Envelope,
}

/// Why a mail was not delivered.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("no answer for {} s", .0.as_secs())]
    Silence(Duration),
    #[error("the server closed the connection")]
    Closed,
}

impl Mailer {
    /// Nothing is sent before [`Mailer::learn`]. Needs a tokio runtime.
    pub fn start() -> Self {
        let (queue, mut jobs) = mpsc::channel::<Job>(WAITING_AT_MOST);
        let task = tokio::spawn(async move {
            while let Some(job) = jobs.recv().await {
                job.carry_out().await;
            }
        });
        Self {
            settings: Mutex::new(None),
            queue,
            lost: AtomicU64::new(0),
            task,
        }
    }

    /// Takes the settings of a configuration, at start and at every reload. `host` is this machine's name. Without
    /// `smtp_server` or without `notification_email` there is no mail.
    pub fn learn(&self, global: &GlobalDefs, host: &str) {
        let settings = Settings::of(global, host).map(Arc::new);
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Sends a mail to everyone in `notification_email`; returns at once.
    pub fn send(&self, mail: Mail) {
        let settings = self
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(settings) = settings else {
            return;
        };
        let job = Job {
            envelope: settings.envelope(&mail, &local_time()),
            subject: mail.subject,
            settings,
        };
        match self.queue.try_send(job) {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    warn!("{lost} alert mails were dropped because the mail server is too slow");
                }
            }
            Err(_) => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Waits for the mails under way when the daemon stops, at most for `limit`.
    pub async fn finish(self, limit: Duration) {
        let Self { queue, mut task, .. } = self;
        drop(queue);
        if timeout(limit, &mut task).await.is_err() {
            task.abort();
            warn!("Alert mails that were still waiting for the mail server are dropped");
        }
    }
}

impl Settings {
    fn of(global: &GlobalDefs, host: &str) -> Option<Self> {
        let server = global.smtp_server.clone()?;
        let to = global.notification_email.clone();
        if to.is_empty() {
            return None;
        }
        let named = |name: &Option<String>, default: &str| name.clone().unwrap_or_else(|| default.to_owned());
        Some(Self {
            server,
            to,
            helo: named(&global.smtp_helo_name, host),
            from: named(&global.notification_email_from, &format!("keepalived@{host}")),
            router: named(&global.router_id, host),
            patience: global.smtp_connect_timeout,
        })
    }

    fn envelope(&self, mail: &Mail, at: &LocalTime) -> Envelope {
        let subject = one_line(&format!("[{}] {}", self.router, mail.subject), LONGEST_SUBJECT);
        let body = one_line(&mail.body, LONGEST_BODY);
        let to: Vec<String> = self.to.iter().map(|to| one_line(to, usize::MAX)).collect();
        let from = one_line(&self.from, usize::MAX);
        Envelope {
            helo: one_line(&self.helo, usize::MAX),
            from: address(&from).to_owned(),
            to: to.iter().map(|to| address(to).to_owned()).collect(),
            message: format!(
                "Date: {}\nFrom: {from}\nSubject: {subject}\nX-Mailer: Keepalived\nTo: {}\n\n{body}\n",
                at.mail(),
                to.join(",\n ")
            ),
        }
    }
}

impl Job {
    async fn carry_out(&self) {
        let Settings { server, .. } = &*self.settings;
        match self.deliver().await {
            Ok(refused) => {
                for (recipient, reply) in refused {
                    warn!(
                        "SMTP server {}:{} refused recipient {recipient}: {reply}",
                        server.host, server.port
                    );
                }
                info!(
                    "Remote SMTP server [{}]:{} took the alert `{}`",
                    server.host, server.port, self.subject
                );
            }
            Err(reason) => warn!(
                "Unable to send the alert `{}` through SMTP server [{}]:{}: {reason}",
                self.subject, server.host, server.port
            ),
        }
    }

    /// Answers with the recipients that the server did not want.
    async fn deliver(&self) -> Result<Vec<(String, String)>, Undelivered> {
        let Settings { server, patience, .. } = &*self.settings;
        let silence = |_| Undelivered::Silence(*patience);
        let connecting = TcpStream::connect((server.host.as_str(), server.port));
        let mut stream = timeout(*patience, connecting).await.map_err(silence)??;
        let mut dialogue = Dialogue::new(self.envelope.clone());
        let mut buffer = [0; 1024];
        // A reply that drips in must be whole in time.
        let mut deadline = Instant::now() + *patience;
        loop {
            let count = timeout_at(deadline, stream.read(&mut buffer))
                .await
                .map_err(silence)??;
            if count == 0 {
                return Err(Undelivered::Closed);
            }
            let (said, taken) = match dialogue.hear(buffer.get(..count).unwrap_or_default())? {
                Step::Wait => continue,
                Step::Say(text) => (text, false),
                Step::Taken(text) => (text, true),
                Step::Done => break,
            };
            deadline = Instant::now() + *patience;
            timeout_at(deadline, stream.write_all(said.as_bytes()))
                .await
                .map_err(silence)??;
            if taken {
                break;
            }
        }
        Ok(dialogue.refused)
    }
}

/// The address in `Name <user@host>`, or the whole.
fn address(written: &str) -> &str {
    let inside = written.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(written, |(address, _)| address)
}

/// Without control characters, which would end a header or a command, and cut to length.
fn one_line(text: &str, longest: usize) -> String {
    let shown = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(shown).take(longest).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    fn mail(subject: &str) -> Mail {
        Mail {
            subject: subject.to_owned(),
            body: "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
        }
    }

    fn global(port: u16) -> GlobalDefs {
        GlobalDefs {
            smtp_server: Some(SmtpServer {
                host: Ipv4Addr::LOCALHOST.to_string(),
                port,
            }),
            notification_email: vec!["Admin <root@example.org>".to_owned(), "b@example.org".to_owned()],
            router_id: Some("lb1".to_owned()),
            smtp_connect_timeout: Duration::from_secs(2),
            ..GlobalDefs::default()
        }
    }

    /// A server that answers every line as a real one would, and hands back all it was told, until the peers are gone.
    async fn serve(listener: TcpListener, connections: usize) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (reading, mut writing) = stream.split();
            writing.write_all(b"220 here\r\n").await.unwrap();
            let mut lines = BufReader::new(reading).lines();
            let mut in_message = false;
            while let Some(line) = lines.next_line().await.unwrap() {
                in_message = line == "DATA" || in_message && line != ".";
                let reply: &[u8] = match line.as_str() {
                    "DATA" => b"354 go\r\n",
                    _ if in_message => b"",
                    _ => b"250 ok\r\n",
                };
                writing.write_all(reply).await.unwrap();
                told.push(line);
            }
        }
        told
    }

    #[tokio::test]
    async fn alerts_arrive_in_order_and_the_end_waits_for_them() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(serve(listener, 2));
        let mailer = Mailer::start();
        mailer.learn(&global(port), "host.example.org");
        mailer.send(mail("VRRP Instance VI_1 - Entering BACKUP state"));
        mailer.send(mail("VRRP Instance VI_1 - Entering MASTER state"));
        mailer.finish(Duration::from_secs(10)).await;
        let told = server.await.unwrap();
        let subjects: Vec<&String> = told.iter().filter(|line| line.starts_with("Subject")).collect();
        assert_eq!(
            subjects,
            [
                "Subject: [lb1] VRRP Instance VI_1 - Entering BACKUP state",
                "Subject: [lb1] VRRP Instance VI_1 - Entering MASTER state"
            ]
        );
        for line in [
            "HELO host.example.org",
            "MAIL FROM:<keepalived@host.example.org>",
            "RCPT TO:<root@example.org>",
            "To: Admin <root@example.org>,",
            " b@example.org",
            "=> VRRP Instance is now owning VRRP VIPs <=",
        ] {
            assert!(told.iter().any(|told| told == line), "{line} is not in {told:#?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_does_not_hold_the_end_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mailer = Mailer::start();
        mailer.learn(&global(listener.local_addr().unwrap().port()), "host");
        for _ in 0..1000 {
            mailer.send(mail("x"));
        }
        assert!(
            mailer.lost.load(Ordering::Relaxed) > 0,
            "a thousand fit into the queue"
        );
        mailer.finish(Duration::from_millis(50)).await;
    }

    #[test]
    fn names_cannot_add_headers() {
        let settings = Settings::of(&global(25), "host").unwrap();
        let envelope = settings.envelope(&mail("x\r\nBcc: all@example.org"), &local_time());
        assert!(
            envelope
                .message
                .contains("Subject: [lb1] x  Bcc: all@example.org\n"),
            "{}",
            envelope.message
        );
    }

    #[test]
    fn without_a_server_or_recipients_there_is_no_mail() {
        assert!(Settings::of(&GlobalDefs::default(), "host").is_none());
        let nobody = GlobalDefs {
            notification_email: Vec::new(),
            ..global(25)
        };
        assert!(Settings::of(&nobody, "host").is_none());
    }
}
