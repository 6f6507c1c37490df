//! Web servers on hosts of the lab, and a client that asks them. They live on threads of the story; only their sockets are
//! inside the hosts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, str};

use holdfast::lab::Host;

/// How long a client waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// A web server that answers every request with the name of its host. When it is dropped its port is closed.
pub(super) struct Web {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    pub(super) fn start(host: &Host, port: u16) -> Self {
        let listener = host
            .run(move || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
            .unwrap()
            .unwrap();
        listener.set_nonblocking(true).unwrap();
        let (ends, name) = (Arc::<AtomicBool>::default(), Arc::clone(&host.name));
        let until = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let name = Arc::clone(&name);
                        thread::spawn(move || answer(&stream, &name));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self {
            ends,
            thread: Some(thread),
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers one request after the other, until the client closes or speaks HTTP/1.0.
fn answer(stream: &TcpStream, name: &str) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let request = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let length = name.len();
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
        let mut stream = stream;
        stream.write_all(page.as_bytes()).ok()?;
        if request.ends_with("HTTP/1.0") {
            return Some(());
        }
    }
}

/// Which server answers a client's request to this address.
pub(super) fn page(client: &Host, address: Ipv4Addr) -> io::Result<String> {
    client
        .run(move || Connection::open(address)?.page("1.0"))
        .unwrap()
}

/// How often each server answers so many requests; each must be answered.
pub(super) fn pages(client: &Host, address: Ipv4Addr, count: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        *answers.entry(page(client, address).unwrap()).or_default() += 1;
    }
    answers
}

/// A client's connection, which stays open.
pub(super) struct Connection(TcpStream);

impl Connection {
    /// To be called inside the client.
    pub(super) fn open(address: Ipv4Addr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&SocketAddr::from((address, 80)), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Asks for the page once more.
    pub(super) fn page(&mut self, version: &str) -> io::Result<String> {
        write!(self.0, "GET / HTTP/{version}\r\nHost: www.example.com\r\n\r\n")?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = str::from_utf8(&head).unwrap();
        let (_, length) = head.split_once("Content-Length: ").unwrap();
        let mut body = vec![0; length.trim().parse().unwrap()];
        self.0.read_exact(&mut body)?;
        Ok(String::from_utf8(body).unwrap())
    }
}
