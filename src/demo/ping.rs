//! A client that pings the virtual address twenty times a second. Whether it is answered is seen at the switch.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::{Host, LabError};

/// Time between two pings.
const INTERVAL: Duration = Duration::from_millis(50);

/// The pinging thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Pinger {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pinger {
    /// Pings `target` from `host`.
    pub(super) fn start(host: &Host, target: Ipv4Addr) -> Result<Self, LabError> {
        let socket = host.run(move || open(target))?.map_err(LabError::Io)?;
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut number: u16 = 0;
            while !stop.load(Ordering::Relaxed) {
                // A ping that cannot be sent is one that is not answered.
                let _ = socket.send(&echo_request(number));
                number = number.wrapping_add(1);
                thread::sleep(INTERVAL);
            }
        });
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Pinger {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed by itself.
            let _ = thread.join();
        }
    }
}

fn open(target: Ipv4Addr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.connect(&SocketAddrV4::new(target, 0).into())?;
    Ok(socket)
}

/// RFC 792, Echo: type 8, code 0, checksum, identifier 0, sequence number.
fn echo_request(number: u16) -> [u8; 8] {
    let [n0, n1] = number.to_be_bytes();
    let sum = u32::from(number) + 0x0800;
    let folded = (sum & 0xffff) + (sum >> 16);
    let [_, _, c0, c1] = (!folded).to_be_bytes();
    [8, 0, c0, c1, 0, 0, n0, n1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_makes_the_sum_all_ones() {
        for number in [0, 1, 0x1234, 0xf7ff, 0xf800, 0xffff] {
            let sum: u32 = echo_request(number)
                .chunks(2)
                .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
                .sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "number {number}");
        }
    }
}
