//! Conversations of checks: a socket each. Bytes go both ways unread, carried by a task each.
//!
//! A TCP connection gets its task only when there is more to do than to open it: ten thousand `TCP_CHECK`s a second are ten
//! thousand sockets in [`connecting`], and nothing else.
//!
//! Nothing here watches a time limit or judges an answer: the engine does. Every conversation ends with
//! [`Conversations::close`], or by itself after [`Happened::Failed`].

mod connecting;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use checkers::{ConversationId, Failure, Opening, Transport};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::tls::Tls;
use connecting::Connecting;

/// What waits for the loop at most; tasks with more to tell wait, and their peers with them.
const WAITING: usize = 128;

/// What is heard of it in one turn of the loop.
const AT_ONCE: usize = 64;

/// Bytes of a stream read at a time.
const PORTION: usize = 4096;

/// Largest datagram, as IP can carry.
const LARGEST_DATAGRAM: usize = 65_535;

/// What is left of a conversation that ends with `close_notify` ends after this, whatever it is at.
const FAREWELL: Duration = Duration::from_secs(1);

thread_local! {
    /// Where a datagram is received: one place for all conversations.
    static DATAGRAM: RefCell<Box<[u8]>> = RefCell::new(vec![0; LARGEST_DATAGRAM].into());
}

/// What a conversation has to tell the engine.
#[derive(Debug)]
pub(crate) enum Happened {
    /// [`checkers::Event::Opened`]
    Opened,
    /// [`checkers::Event::Received`]
    Received(Vec<u8>),
    /// [`checkers::Event::Closed`]
    Closed,
    /// [`checkers::Event::Failed`]
    Failed(Failure),
}

/// Every conversation under way.
pub(crate) struct Conversations {
    live: HashMap<ConversationId, Live>,
    connecting: Connecting,
    /// Failed before they began; yet to be told.
    failed: Vec<(ConversationId, Happened)>,
    /// Told as open a moment ago; those that are not closed at once go on in a task.
    opened: Vec<ConversationId>,
    tls: Arc<Tls>,
    tell: mpsc::Sender<(ConversationId, Happened)>,
    hear: mpsc::Receiver<(ConversationId, Happened)>,
}

/// How far a conversation is.
enum Live {
    /// It has failed, which is yet to be told.
    Failed,
    /// A TCP connection that is being opened, or is open and without a task.
    Socket(Socket),
    /// Carried by a task.
    Carried {
        say: mpsc::UnboundedSender<Vec<u8>>,
        task: AbortHandle,
        /// The task goes on for a moment when `say` is dropped.
        says_farewell: bool,
    },
}

impl Conversations {
    /// None yet. Needs a tokio runtime.
    pub(crate) fn new(tls: Tls) -> io::Result<Self> {
        let (tell, hear) = mpsc::channel(WAITING);
        Ok(Self {
            live: HashMap::new(),
            connecting: Connecting::new()?,
            failed: Vec::new(),
            opened: Vec::new(),
            tls: Arc::new(tls),
            tell,
            hear,
        })
    }

    /// Makes connections that begin from now on with this.
    pub(crate) fn set_tls(&mut self, tls: Tls) {
        self.tls = Arc::new(tls);
    }

    /// Begins a conversation. Needs a tokio runtime.
    pub(crate) fn open(&mut self, opening: Opening) {
        let id = opening.conversation;
        let live = match opening.transport {
            Transport::Tcp => match self.connecting.begin(&opening) {
                Ok(socket) => Live::Socket(socket),
                Err(failure) => {
                    self.failed.push((id, Happened::Failed(failure)));
                    Live::Failed
                }
            },
            Transport::Tls { close_notify, .. } => {
                let tls = Arc::clone(&self.tls);
                self.carry(id, close_notify, |end| carry(opening, tls, end))
            }
            Transport::Udp | Transport::Icmp => {
                let tls = Arc::clone(&self.tls);
                self.carry(id, false, |end| carry(opening, tls, end))
            }
        };
        self.live.insert(id, live);
    }

    /// Sends bytes; those for a conversation that is over are dropped.
    pub(crate) fn send(&mut self, id: ConversationId, bytes: Vec<u8>) {
        self.carry_on(id);
        if let Some(Live::Carried { say, .. }) = self.live.get(&id) {
            // The task is gone when the conversation has just failed, which is told.
            let _ = say.send(bytes);
        }
    }

    /// Ends a conversation.
    pub(crate) fn close(&mut self, id: ConversationId) {
        let Some(Live::Carried {
            task, says_farewell, ..
        }) = self.live.remove(&id)
        else {
            return;
        };
        if says_farewell {
            tokio::spawn(async move {
                sleep(FAREWELL).await;
                task.abort();
            });
        } else {
            task.abort();
        }
    }

    /// Waits for the next things to tell, and adds them to `heard`. Cancelling the wait loses nothing.
    pub(crate) async fn next(&mut self, heard: &mut Vec<(ConversationId, Happened)>) {
        for id in std::mem::take(&mut self.opened) {
            self.carry_on(id);
        }
        if !self.failed.is_empty() {
            heard.append(&mut self.failed);
            return;
        }
        tokio::select! {
            _ = self.hear.recv_many(heard, AT_ONCE) => {}
            ready = self.connecting.next() => self.connected(&ready, heard),
        }
    }

    /// Whether what was heard still matters: its conversation has not been closed meanwhile.
    pub(crate) fn takes(&mut self, (id, happened): &(ConversationId, Happened)) -> bool {
        match happened {
            Happened::Failed(_) => self.live.remove(id).is_some(),
            Happened::Opened | Happened::Received(_) | Happened::Closed => self.live.contains_key(id),
        }
    }

    /// TCP connections that are open, or failed.
    fn connected(&mut self, ready: &[ConversationId], heard: &mut Vec<(ConversationId, Happened)>) {
        for id in ready {
            // One that was closed meanwhile has no socket any more.
            let Some(Live::Socket(socket)) = self.live.get(id) else {
                continue;
            };
            match socket.take_error() {
                Ok(None) => {
                    self.opened.push(*id);
                    heard.push((*id, Happened::Opened));
                }
                Ok(Some(error)) | Err(error) => heard.push((*id, Happened::Failed(network(&error)))),
            }
        }
    }

    /// Gives an open TCP connection its task, if it has none.
    fn carry_on(&mut self, id: ConversationId) {
        let Some(live) = self.live.remove(&id) else {
            return;
        };
        let live = match live {
            Live::Socket(socket) => self.carry(id, false, |end| carry_connected(socket, end)),
            other => other,
        };
        self.live.insert(id, live);
    }

    fn carry<F>(&self, id: ConversationId, says_farewell: bool, work: impl FnOnce(End) -> F) -> Live
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (say, said) = mpsc::unbounded_channel();
        let end = End {
            id,
            said,
            tell: self.tell.clone(),
        };
        Live::Carried {
            say,
            task: tokio::spawn(work(end)).abort_handle(),
            says_farewell,
        }
    }
}

/// The task's end of a conversation.
struct End {
    id: ConversationId,
    said: mpsc::UnboundedReceiver<Vec<u8>>,
    tell: mpsc::Sender<(ConversationId, Happened)>,
}

impl End {
    async fn tell(&self, happened: Happened) {
        // Nobody hears it when the process is ending.
        let _ = self.tell.send((self.id, happened)).await;
    }
}

/// Goes on with a connection that was told as open.
async fn carry_connected(socket: Socket, mut end: End) {
    let result = match TcpStream::from_std(socket.into()) {
        Ok(stream) => stream_both_ways(stream, false, &mut end).await,
        Err(error) => Err(Failure::NoSocket(errno(&error))),
    };
    if let Err(failure) = result {
        end.tell(Happened::Failed(failure)).await;
    }
}

async fn carry(opening: Opening, tls: Arc<Tls>, mut end: End) {
    let result = match &opening.transport {
        Transport::Tls {
            server_name,
            close_notify,
        } => match shake_hands(&opening, &tls, server_name.as_deref()).await {
            Ok(stream) => {
                end.tell(Happened::Opened).await;
                stream_both_ways(stream, *close_notify, &mut end).await
            }
            Err(failure) => Err(failure),
        },
        Transport::Tcp | Transport::Udp | Transport::Icmp => match datagrams(&opening) {
            Ok(socket) => datagrams_both_ways(&socket, &mut end).await,
            Err(failure) => Err(failure),
        },
    };
    if let Err(failure) = result {
        end.tell(Happened::Failed(failure)).await;
    }
}

async fn tcp(opening: &Opening) -> Result<TcpStream, Failure> {
    let socket = near_end(opening, Type::STREAM, Protocol::TCP)?;
    TcpSocket::from_std_stream(socket.into())
        .connect(SocketAddr::new(opening.address, opening.port))
        .await
        .map_err(|error| network(&error))
}

async fn shake_hands(
    opening: &Opening,
    tls: &Tls,
    server_name: Option<&str>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Failure> {
    let (connector, name) = tls.connector(server_name).map_err(Failure::Tls)?;
    let stream = tcp(opening).await?;
    connector
        .connect(name, stream)
        .await
        .map_err(|error| broken(&error))
}

fn datagrams(opening: &Opening) -> Result<UdpSocket, Failure> {
    let (protocol, port) = match (&opening.transport, opening.address) {
        (Transport::Icmp, IpAddr::V4(_)) => (Protocol::ICMPV4, 0),
        (Transport::Icmp, IpAddr::V6(_)) => (Protocol::ICMPV6, 0),
        (Transport::Udp | Transport::Tcp | Transport::Tls { .. }, _) => (Protocol::UDP, opening.port),
    };
    let socket = near_end(opening, Type::DGRAM, protocol)?;
    socket
        .connect(&SocketAddr::new(opening.address, port).into())
        .map_err(|error| network(&error))?;
    UdpSocket::from_std(socket.into()).map_err(|error| Failure::NoSocket(errno(&error)))
}

/// A non-blocking socket, bound as asked.
fn near_end(opening: &Opening, kind: Type, protocol: Protocol) -> Result<Socket, Failure> {
    let socket = Socket::new(
        Domain::for_address(SocketAddr::new(opening.address, 0)),
        kind.nonblocking(),
        Some(protocol),
    )
    .map_err(|error| Failure::NoSocket(errno(&error)))?;
    let Some(source) = &opening.source else {
        return Ok(socket);
    };
    let bind = || -> io::Result<()> {
        if source.fwmark != 0 {
            socket.set_mark(source.fwmark)?;
        }
        if let Some(interface) = &source.bind_if {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if source.bindto.is_some() || source.bind_port != 0 {
            let any = match opening.address {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            // A port of our own must be free again for the next check at once.
            socket.set_reuse_address(source.bind_port != 0)?;
            socket.bind(&SocketAddr::new(source.bindto.unwrap_or(any), source.bind_port).into())?;
        }
        Ok(())
    };
    bind().map_err(|error| Failure::Bind(errno(&error)))?;
    Ok(socket)
}

async fn stream_both_ways(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    farewell: bool,
    end: &mut End,
) -> Result<(), Failure> {
    let mut portion = vec![0; PORTION];
    let mut open = true;
    loop {
        tokio::select! {
            read = stream.read(&mut portion), if open => match read {
                Ok(0) => {
                    open = false;
                    end.tell(Happened::Closed).await;
                }
                Ok(count) => end.tell(Happened::Received(portion.get(..count).unwrap_or_default().to_vec())).await,
                // A TLS peer that hangs up without close_notify.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    open = false;
                    end.tell(Happened::Closed).await;
                }
                Err(error) => return Err(broken(&error)),
            },
            bytes = end.said.recv() => match bytes {
                Some(bytes) => stream.write_all(&bytes).await.map_err(|error| broken(&error))?,
                None => break,
            },
        }
    }
    if farewell {
        // A peer that does not take it has lost nothing.
        let _ = stream.shutdown().await;
    }
    Ok(())
}

async fn datagrams_both_ways(socket: &UdpSocket, end: &mut End) -> Result<(), Failure> {
    end.tell(Happened::Opened).await;
    loop {
        tokio::select! {
            ready = socket.ready(Interest::READABLE | Interest::ERROR) => {
                if ready.map_err(|error| network(&error))?.is_error() {
                    refused(socket)?;
                }
                if let Some(datagram) = receive(socket)? {
                    end.tell(Happened::Received(datagram)).await;
                }
            }
            said = end.said.recv() => match said {
                Some(bytes) => drop(socket.send(&bytes).await.map_err(|error| network(&error))?),
                None => return Ok(()),
            },
        }
    }
}

/// What ICMP said of a datagram that was sent: the socket is in error then, but there is nothing to read.
fn refused(socket: &UdpSocket) -> Result<(), Failure> {
    let error = socket.try_io(Interest::ERROR, || {
        socket.take_error()?.ok_or(io::ErrorKind::WouldBlock.into())
    });
    match error {
        Err(none) if none.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Ok(error) | Err(error) => Err(network(&error)),
    }
}

fn receive(socket: &UdpSocket) -> Result<Option<Vec<u8>>, Failure> {
    DATAGRAM.with_borrow_mut(|bytes| match socket.try_recv(bytes) {
        Ok(count) => Ok(Some(bytes.get(..count).unwrap_or_default().to_vec())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(network(&error)),
    })
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A failure of the way or of the far end, unless this machine has run out of something.
fn network(error: &io::Error) -> Failure {
    match errno(error) {
        out @ (libc::EADDRNOTAVAIL | libc::EADDRINUSE) => Failure::Bind(out),
        out @ (libc::ENOBUFS | libc::ENOMEM) => Failure::NoSocket(out),
        errno => Failure::Network(errno),
    }
}

/// Why a stream broke: the network, or TLS.
fn broken(error: &io::Error) -> Failure {
    match (error.raw_os_error(), error.kind()) {
        (Some(_), _) => network(error),
        (None, io::ErrorKind::UnexpectedEof) => Failure::Tls("the peer hung up in the handshake".to_owned()),
        (None, _) => Failure::Tls(error.to_string().replace(['\n', '\r'], " ")),
    }
}
