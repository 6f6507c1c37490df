//! Packets that are not to be believed, by the thousand.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::{Frame, Host, Node};
use socket2::{Domain, Protocol, Socket, Type};

use crate::scene::{Scene, VIRTUAL, expect, holdfast, ready};

const FORGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);

/// Packets of each kind.
const MANY: usize = 500;

/// Lines that a node may log about all of it.
const FEW: usize = 60;

#[test]
fn forged_packets_change_nothing_and_are_not_worth_many_lines() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, b) = scene.start_pair(&holdfast(), &holdfast());
    let forger = scene.lab.host("forger", FORGER).unwrap();
    let socket = forger.run(open).unwrap().unwrap();
    scene.watch_adverts("a", 2);
    let (lines_a, lines_b) = (a.process.log.since(0).len(), b.process.log.since(0).len());
    let (memory_a, memory_b) = (memory(&a), memory(&b));

    for packet in forgeries() {
        send(&socket, &packet);
    }

    scene.watch_adverts("a", 4);
    assert_eq!(scene.lab.owners(VIRTUAL), ["a"]);
    assert_eq!(
        a.said("Entering BACKUP STATE"),
        1,
        "a gave way to a forged packet"
    );
    assert_eq!(b.said("Entering MASTER STATE"), 0, "b was cut off from a");
    let adverts = scene.lab.capture.adverts("a");
    for pair in adverts.windows(2) {
        let gap = pair[1].0.duration_since(pair[0].0).unwrap();
        assert!(
            gap < Duration::from_millis(1200),
            "an advertisement came {gap:?} after the one before"
        );
    }
    for (node, lines, memory_before) in [(&a, lines_a, memory_a), (&b, lines_b, memory_b)] {
        let more = node.process.log.since(lines);
        assert!(
            more.len() <= FEW,
            "{} lines about forged packets, as {:?}",
            more.len(),
            more.last()
        );
        let grown = memory(node).saturating_sub(memory_before);
        assert!(grown < 2048, "{grown} KiB of memory for forged packets");
    }

    // What was spoiled in the others makes the difference: unspoiled, the same packet is believed.
    send(&socket, &Forgery::default().bytes());
    expect("a believes a good packet", || {
        a.said("Entering BACKUP STATE") == 2
    });
}

/// Datagrams of the flood, sent at ten thousand a second.
const FLOOD: usize = 20_000;

/// A pair that speaks AH by unicast. `{own}` and `{peer}` are put in.
const UNICAST: &str = "
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority {priority}
        authentication {
            auth_type AH
            auth_pass secret
        }
        unicast_src_ip {own}
        unicast_peer {
            {peer} min_ttl 255
        }
        virtual_ipaddress {
            192.0.2.10/24
        }
    }
";

#[test]
fn a_flood_at_a_unicast_pair_costs_nothing() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let start = |host: &Host, priority: &str, peer: Ipv4Addr| {
        let text = UNICAST
            .replace("{priority}", priority)
            .replace("{own}", &host.address.to_string())
            .replace("{peer}", &peer.to_string());
        holdfast().start(host, &text).unwrap()
    };
    let a = start(&scene.a, "200", scene.b.address);
    let b = start(&scene.b, "100", scene.a.address);
    let forger = scene.lab.host("forger", FORGER).unwrap();
    let sockets = [51, 112].map(|protocol| forger.run(move || open_for(protocol)).unwrap().unwrap());
    scene.expect_owner("a");
    let true_adverts = || -> Vec<Frame> {
        scene
            .lab
            .capture
            .pick(|frame| frame.host.as_ref() == "a" && frame.bytes.get(23) == Some(&51))
    };
    expect("adverts of a", || true_adverts().len() >= 2);
    let replayed = true_adverts()[0].bytes[14..].to_vec();
    let (lines_a, lines_b) = (a.process.log.since(0).len(), b.process.log.since(0).len());

    let began = Instant::now();
    for n in 0..FLOOD {
        let (victim, peer) = if n % 2 == 0 {
            (&scene.b, &scene.a)
        } else {
            (&scene.a, &scene.b)
        };
        let packet = forged_unicast(n, victim.address, peer.address, &replayed);
        let socket = &sockets[usize::from(packet[9] == 112)];
        socket
            .send_to(&packet, &SocketAddrV4::new(victim.address, 0).into())
            .unwrap();
        let due = Duration::from_micros(100) * u32::try_from(n).unwrap();
        thread::sleep(due.saturating_sub(began.elapsed()));
    }

    let before = true_adverts().len();
    expect("a goes on", || true_adverts().len() >= before + 3);
    assert_eq!(scene.lab.owners(VIRTUAL), ["a"]);
    assert_eq!(b.said("Entering MASTER STATE"), 0, "b was cut off from a");
    assert_eq!(
        a.said("Entering BACKUP STATE"),
        1,
        "a gave way to a forged packet"
    );
    for pair in true_adverts().windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at).unwrap();
        assert!(
            gap < Duration::from_millis(1200),
            "an advertisement came {gap:?} after the one before"
        );
    }
    for (node, lines) in [(&a, lines_a), (&b, lines_b)] {
        let more = node.process.log.since(lines);
        assert!(
            (1..=FEW).contains(&more.len()),
            "{} lines about forged packets",
            more.len()
        );
    }
}

/// From a stranger; from the peer with a wrong digest, of the highest priority or a resignation; from too far away; without
/// AH; oversized; and a true advert, once more.
fn forged_unicast(n: usize, victim: Ipv4Addr, peer: Ipv4Addr, replayed: &[u8]) -> Vec<u8> {
    let advert = |priority: u8, sequence: u8, size: usize| {
        let mut bytes = vec![112, 4, 0, 0];
        bytes.extend(peer.octets());
        bytes.extend([255, 255, 255, sequence]);
        bytes.extend([low(n); 12]);
        bytes.extend([0x21, 51, priority, 1, 2, 1, 0, 0, 192, 0, 2, 10]);
        bytes.resize(size, 0);
        bytes
    };
    let with_header = |source: Ipv4Addr, ttl: u8, protocol: u8, payload: &[u8]| {
        let mut bytes = vec![0x45, 0xc0, 0, 0, 0, 1, 0, 0, ttl, protocol, 0, 0];
        bytes.extend(source.octets());
        bytes.extend(victim.octets());
        bytes.extend(payload);
        bytes
    };
    match (n / 2) % 7 {
        0 => with_header(FORGER, 255, 51, &advert(255, low(n), 44)),
        1 => with_header(peer, 255, 51, &advert(255, low(n), 44)),
        2 => with_header(peer, 255, 51, &advert(0, low(n), 44)),
        3 => with_header(peer, 64, 51, &advert(255, low(n), 44)),
        4 => with_header(peer, 255, 112, &advert(255, low(n), 44)[24..]),
        5 => with_header(peer, 255, 51, &advert(255, low(n), 1400)),
        _ => replayed.to_vec(),
    }
}

/// An advertisement of a router that should be master, to be spoiled.
#[derive(Clone)]
pub(crate) struct Forgery {
    ttl: u8,
    /// From the version on, without the checksum.
    pub(crate) payload: Vec<u8>,
    checksum: fn(u16) -> u16,
}

impl Default for Forgery {
    fn default() -> Self {
        let mut payload = vec![0x21, 51, 200, 1, 1, 1, 0, 0];
        payload.extend(VIRTUAL.octets());
        payload.extend(b"1111\0\0\0\0");
        Self {
            ttl: 255,
            payload,
            checksum: |right| right,
        }
    }
}

impl Forgery {
    pub(crate) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut forgery = Self::default();
        change(&mut forgery);
        forgery
    }

    /// The datagram from its IP header on; the kernel fills in the header's length and checksum.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x45, 0xc0, 0, 0, 0, 1, 0, 0, self.ttl, 112, 0, 0];
        bytes.extend(FORGER.octets());
        bytes.extend(GROUP.octets());
        let mut payload = self.payload.clone();
        if let Some(checksum) = payload.get_mut(6..8) {
            checksum.fill(0);
            let sum = (self.checksum)(internet_checksum(&payload));
            payload[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        bytes.extend(payload);
        bytes
    }
}

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

fn forgeries() -> Vec<Vec<u8>> {
    let kinds: [&dyn Fn(usize) -> Forgery; 13] = [
        // Truncated anywhere, with a right checksum of what is there.
        &|n| Forgery::with(|it| it.payload.truncate(n % 20)),
        // Too long, by more than what keepalived takes for the padding of a short Ethernet frame (2 or 6 bytes).
        &|n| Forgery::with(|it| it.payload.resize(27 + n % 1400, 0)),
        // Fewer and more addresses than the packet has room for.
        &|n| Forgery::with(|it| it.payload[3] = if low(n) == 1 { 2 } else { low(n) }),
        &|_| Forgery::with(|it| it.checksum = |right| right ^ 0x0400),
        &|n| Forgery::with(|it| it.ttl = low(n % 255)),
        // Of virtual routers that do not live here.
        &|n| Forgery::with(|it| it.payload[1] = 52 + low(n % 200)),
        &|n| Forgery::with(|it| it.payload[0] = [0x31, 0x01, 0x11, 0xf1][n % 4]),
        &|n| Forgery::with(|it| it.payload[0] = [0x20, 0x22, 0x2f][n % 3]),
        // Authentication: none, AH, unknown; another password.
        &|n| Forgery::with(|it| it.payload[4] = [0, 2, 3, 255][n % 4]),
        &|n| Forgery::with(|it| it.payload[12 + n % 8] ^= 0x20),
        // Another interval.
        &|n| Forgery::with(|it| it.payload[5] = [0, 2, 100, 255][n % 4]),
        // A resignation with another password does not make a backup hurry.
        &|_| Forgery::with(|it| (it.payload[2], it.payload[12]) = (0, b'x')),
        // Something else altogether.
        &|n| Forgery::with(|it| it.payload = (0..n).map(|i| low(i * n)).collect()),
    ];
    (0..MANY)
        .flat_map(|n| kinds.map(|kind| kind(n).bytes()))
        .collect()
}

fn low(n: usize) -> u8 {
    n.to_le_bytes()[0]
}

pub(crate) fn open() -> io::Result<Socket> {
    open_for(112)
}

fn open_for(protocol: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(protocol)))?;
    socket.set_header_included_v4(true)?;
    socket.set_multicast_if_v4(&FORGER)?;
    Ok(socket)
}

/// Sends, at a pace that does not overrun what lies between.
pub(crate) fn send(socket: &Socket, packet: &[u8]) {
    socket
        .send_to(packet, &SocketAddrV4::new(GROUP, 0).into())
        .unwrap();
    thread::sleep(Duration::from_micros(50));
}

/// RFC 1071.
pub(crate) fn internet_checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// Resident memory of a node's processes, in KiB.
fn memory(node: &Node) -> u64 {
    let mut processes = node.process.descendants();
    processes.push(node.process.pid);
    let resident = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap()
            .to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    processes.into_iter().map(resident).sum()
}
