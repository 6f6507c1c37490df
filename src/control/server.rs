//! The daemon's side of the control socket. Each client has a task; what it asks goes to the supervisor's loop, which
//! never waits for a client. Clients are few, lines are short, and who does not read is cut off.

use std::fs;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::unistd::geteuid;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;

use crate::control::{LONGEST, Request, VERSION};

/// So many clients at a time.
const CLIENTS: usize = 64;
/// So many events a client may be behind.
const EVENTS: usize = 1024;
/// How long a client may take to read an answer, or to ask.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_mins(1);

/// A request, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What is asked.
    pub(crate) request: Request,
    /// Takes the answer; to drop it is to say that the daemon stops.
    pub(crate) reply: oneshot::Sender<Value>,
}

/// The socket and its clients.
pub(crate) struct Control {
    listener: Option<(UnixListener, PathBuf)>,
    requests: (mpsc::Sender<Asked>, mpsc::Receiver<Asked>),
    events: broadcast::Sender<Arc<str>>,
    serving: bool,
}

impl Control {
    /// Makes the socket. Without it the daemon works all the same: what is wrong is told in the log.
    pub(crate) fn open(path: &Path) -> Self {
        let listener = listen(path).inspect_err(|error| {
            tracing::warn!("Unable to open the control socket {}: {error}", path.display());
        });
        Control {
            listener: listener.ok().map(|listener| (listener, path.to_owned())),
            requests: mpsc::channel(CLIENTS),
            events: broadcast::channel(EVENTS).0,
            serving: false,
        }
    }

    /// Waits for the next request. Cancelling the wait loses nothing.
    pub(crate) async fn next(&mut self) -> Asked {
        if !self.serving {
            self.serve();
        }
        match self.requests.1.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await, // never: a sender is kept here
        }
    }

    /// Whether somebody watches.
    pub(crate) fn is_watched(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Tells those who watch: lines of JSON.
    pub(crate) fn publish(&self, lines: &str) {
        for line in lines.lines() {
            // Nobody watching is no failure.
            let _ = self.events.send(format!("{line}\n").into());
        }
    }

    /// Tells those who watch of something that the supervisor did or saw.
    pub(crate) fn happened(&self, subject: &str, text: &str) {
        if self.is_watched() {
            let event = json!({"event": "daemon", "time": epoch(), "subject": subject, "text": text});
            self.publish(&event.to_string());
        }
    }

    fn serve(&mut self) {
        self.serving = true;
        let Some((listener, _)) = &self.listener else {
            return;
        };
        let listener = listener.try_clone().and_then(tokio::net::UnixListener::from_std);
        match listener {
            Ok(listener) => {
                tokio::spawn(accept(listener, self.requests.0.clone(), self.events.clone()));
            }
            Err(error) => tracing::warn!("Unable to serve the control socket: {error}"),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.listener {
            // It may be gone already.
            let _ = fs::remove_file(path);
        }
    }
}

/// Seconds since 1970 UTC, to the microsecond.
pub(crate) fn epoch() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs_f64()
}

/// The umask of the daemon keeps others out; whom it lets in is judged again when they come.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another daemon serves it",
        ));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(
    listener: tokio::net::UnixListener,
    requests: mpsc::Sender<Asked>,
    events: broadcast::Sender<Arc<str>>,
) {
    let room = Arc::new(tokio::sync::Semaphore::new(CLIENTS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("Unable to accept a client of the control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let permitted = stream.peer_cred().is_ok_and(|peer| is_permitted(peer.uid()));
        let place = Arc::clone(&room).try_acquire_owned();
        let (requests, events) = (requests.clone(), events.clone());
        tokio::spawn(async move {
            let (reading, mut writing) = stream.into_split();
            let refusal = match (permitted, &place) {
                (false, _) => "only root and the daemon's own user may ask",
                (true, Err(_)) => "too many clients",
                (true, Ok(_)) => {
                    // What ends the conversation early concerns the client alone.
                    let _ = converse(reading, &mut writing, &requests, &events).await;
                    return;
                }
            };
            let _ = send(&mut writing, &failure("refused", refusal)).await;
        });
    }
}

fn is_permitted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

async fn converse(
    reading: OwnedReadHalf,
    writing: &mut OwnedWriteHalf,
    requests: &mpsc::Sender<Asked>,
    events: &broadcast::Sender<Arc<str>>,
) -> io::Result<()> {
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reading).take(LONGEST as u64 + 1);
        if timeout(IDLE, limited.read_until(b'\n', &mut line)).await?? == 0 {
            return Ok(());
        }
        if line.len() > LONGEST {
            return send(writing, &failure("request", "the request is too long")).await;
        }
        match Request::parse(&line) {
            Err(error) => send(writing, &failure("request", &error.to_string())).await?,
            Ok(Request::Events) => {
                let mut events = events.subscribe();
                send(writing, &json!({"version": VERSION, "reply": "events"})).await?;
                return stream(&mut reading, writing, &mut events).await;
            }
            Ok(request) => {
                let (reply, answer) = oneshot::channel();
                let stopping = || failure("stopping", "the daemon is stopping");
                let answer = match requests.send(Asked { request, reply }).await {
                    Ok(()) => answer.await.unwrap_or_else(|_| stopping()),
                    Err(_) => stopping(),
                };
                send(writing, &answer).await?;
            }
        }
    }
}

/// Sends events until the client goes away, or is too slow.
async fn stream(
    reading: &mut BufReader<OwnedReadHalf>,
    writing: &mut OwnedWriteHalf,
    events: &mut broadcast::Receiver<Arc<str>>,
) -> io::Result<()> {
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            read = reading.read(&mut ignored) => if read? == 0 { return Ok(()) },
            event = events.recv() => match event {
                Ok(line) => write(writing, line.as_bytes()).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    return send(writing, &failure("slow", "events were not read in time")).await;
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// An answer that says what went wrong.
pub(crate) fn failure(kind: &str, text: &str) -> Value {
    json!({"version": VERSION, "reply": "error", "kind": kind, "error": text})
}

async fn send(writing: &mut OwnedWriteHalf, answer: &Value) -> io::Result<()> {
    write(writing, format!("{answer}\n").as_bytes()).await
}

async fn write(writing: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, writing.write_all(bytes)).await?
}
