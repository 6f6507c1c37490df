//! Ten thousand forged packets a second at routers of version 3, IPv4 and IPv6, that sign what they say: no takeover, no
//! advert missed, few lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use holdfast::lab::{Frame, Host, wait_until};
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};

use crate::forged::internet_checksum;
use crate::scene::{Scene, holdfast, ready};

/// Packets of a flood, sent at ten thousand a second.
const FLOOD: usize = 20_000;

/// Lines that a node may log about all of it.
const FEW: usize = 60;

/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// IP protocol number of VRRP.
const VRRP: u8 = 112;

/// The addresses of a family: what is virtual, the forger's, and the group.
struct Family {
    addresses: &'static [&'static str],
    forger: &'static str,
    group: &'static str,
}

const V4: Family = Family {
    addresses: &["192.0.2.10/24"],
    forger: "192.0.2.66",
    group: "224.0.0.18",
};

const V6: Family = Family {
    addresses: &["fe80::100", "2001:db8::10/64"],
    forger: "fe80::66",
    group: "ff02::12",
};

impl Family {
    fn configuration(&self, priority: u8) -> String {
        format!(
            "vrrp_instance VI_1 {{
                 interface eth0
                 virtual_router_id 51
                 version 3
                 priority {priority}
                 auth_hmac {{
                     key 1 0123456789abcdef0123456789abcdef
                     active_key 1
                 }}
                 virtual_ipaddress {{
                     {}
                 }}
             }}\n",
            self.addresses.join("\n")
        )
    }

    fn group(&self) -> IpAddr {
        self.group.parse().unwrap()
    }

    /// A socket that sends packets with their IP header, and where to.
    fn open(&self) -> (Socket, SocketAddr) {
        let protocol = Some(Protocol::from(i32::from(VRRP)));
        match self.group() {
            IpAddr::V4(group) => {
                let socket = Socket::new(Domain::IPV4, Type::RAW, protocol).unwrap();
                socket.set_header_included_v4(true).unwrap();
                socket
                    .set_multicast_if_v4(&self.forger.parse::<Ipv4Addr>().unwrap())
                    .unwrap();
                (socket, (group, 0).into())
            }
            IpAddr::V6(group) => {
                let link = if_nametoindex("eth0").unwrap();
                let socket = Socket::new(Domain::IPV6, Type::RAW, protocol).unwrap();
                socket.set_header_included_v6(true).unwrap();
                socket.set_multicast_if_v6(link).unwrap();
                (socket, SocketAddrV6::new(group, 0, 0, link).into())
            }
        }
    }

    /// One packet of each kind in turn: from strangers and from the two themselves, of the highest priority or resignations,
    /// unsigned, signed by nobody, replayed, from too far away, with a wrong sum, too long, of another version.
    fn forge(&self, n: usize, routers: &[IpAddr; 2], replayed: &[u8]) -> Vec<u8> {
        let router = routers[n % 2];
        let mut packet = Packet {
            source: router,
            group: self.group(),
            hop_limit: 255,
            vrrp: vec![
                0x31,
                51,
                255,
                u8::try_from(self.addresses.len()).unwrap(),
                0,
                100,
                0,
                0,
            ],
            trailer: trailer(n),
        };
        for address in self.addresses {
            let (address, _) = address.split_once('/').unwrap_or((address, ""));
            match address.parse().unwrap() {
                IpAddr::V4(address) => packet.vrrp.extend(address.octets()),
                IpAddr::V6(address) => packet.vrrp.extend(address.octets()),
            }
        }
        match n / 2 % 9 {
            0 => packet.source = self.forger.parse().unwrap(),
            1 => packet.trailer.clear(),
            2 => (packet.trailer, packet.vrrp[2]) = (Vec::new(), 0),
            3 => packet.vrrp[2] = 0,
            4 => packet.hop_limit = 254,
            5 => packet.trailer.resize(1300, 0),
            6 => packet.vrrp[0] = 0x21,
            7 => return packet.bytes(0x0400),
            _ => return replayed.to_vec(),
        }
        packet.bytes(0)
    }
}

/// A trailer of now with a digest of nobody.
fn trailer(n: usize) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut trailer = vec![1, 1, 0, 0];
    trailer.extend(u32::try_from(now.as_secs()).unwrap().to_be_bytes());
    trailer.extend([n.to_le_bytes()[0]; 20]);
    trailer
}

struct Packet {
    source: IpAddr,
    group: IpAddr,
    hop_limit: u8,
    vrrp: Vec<u8>,
    trailer: Vec<u8>,
}

impl Packet {
    /// From the IP header on. The checksum is wrong by `spoilt`.
    fn bytes(mut self, spoilt: u16) -> Vec<u8> {
        let ends = [self.source, self.group].map(|end| match end {
            IpAddr::V4(end) => end.octets().to_vec(),
            IpAddr::V6(end) => end.octets().to_vec(),
        });
        // The kernel of who hears IPv6 sums up all of the payload.
        let is_v6 = self.source.is_ipv6();
        let rest = if is_v6 { self.trailer.len() } else { 0 };
        let length = u16::try_from(self.vrrp.len() + rest).unwrap();
        let mut summed = ends.concat();
        summed.extend([0, VRRP]);
        summed.extend(length.to_be_bytes());
        summed.extend(&self.vrrp);
        summed.extend(&self.trailer[..rest]);
        let sum = internet_checksum(&summed) ^ spoilt;
        self.vrrp[6..8].copy_from_slice(&sum.to_be_bytes());
        let payload = [self.vrrp, self.trailer].concat();
        let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let header = if is_v6 {
            vec![0x6c, 0, 0, 0, high, low, VRRP, self.hop_limit]
        } else {
            vec![0x45, 0xc0, 0, 0, 0, 1, 0, 0, self.hop_limit, VRRP, 0, 0]
        };
        [header, ends.concat(), payload].concat()
    }
}

#[test]
fn a_flood_at_a_pair_of_version_3_costs_nothing() {
    flood(&V4);
}

#[test]
fn a_flood_at_a_pair_of_ipv6_costs_nothing() {
    flood(&V6);
}

fn flood(family: &'static Family) {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let forger = scene.lab.host("forger", V4.forger.parse().unwrap()).unwrap();
    let (socket, group) = forger.run(|| family.open()).unwrap();
    let start = |host: &Host, priority| holdfast().start(host, &family.configuration(priority)).unwrap();
    let a = start(&scene.a, 200);
    let b = start(&scene.b, 100);
    let states = || {
        let said = |words| [a.said(words), b.said(words)];
        [said("Entering BACKUP STATE"), said("Entering MASTER STATE")]
    };
    // a alone is master, and what b was before a came does not matter.
    eventually("a is master", || adverts(&scene, "a").len() >= 3);
    let before = adverts(&scene, "a").pop().unwrap();
    let resigned = adverts(&scene, "b")
        .into_iter()
        .filter(|frame| frame.at > before.at);
    assert_eq!(resigned.count(), 0);
    let (states_before, lines) = (states(), [&a, &b].map(|node| node.process.log.since(0).len()));
    let routers = [source(&before), source_of_host(&scene.b, family)];
    let replayed = before.bytes[14..].to_vec();

    let began = Instant::now();
    for n in 0..FLOOD {
        socket
            .send_to(&family.forge(n, &routers, &replayed), &group.into())
            .unwrap();
        let due = Duration::from_micros(100) * u32::try_from(n).unwrap();
        thread::sleep(due.saturating_sub(began.elapsed()));
    }

    let heard = adverts(&scene, "a").len();
    eventually("a goes on", || adverts(&scene, "a").len() >= heard + 3);
    assert_eq!(states(), states_before, "somebody believed a forged packet");
    let own = adverts(&scene, "a");
    let since = own.iter().skip_while(|frame| frame.at < before.at);
    for pair in since.collect::<Vec<_>>().windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at).unwrap();
        assert!(gap < Duration::from_millis(1900), "an advert is missing: {gap:?}");
    }
    for (node, lines) in [&a, &b].into_iter().zip(lines) {
        let more = node.process.log.since(lines);
        assert!(
            (1..=FEW).contains(&more.len()),
            "{} lines about forged packets",
            more.len()
        );
        for reason in ["invalid HMAC", "invalid TTL/HL"] {
            assert!(node.said(reason) > 0, "{reason}: {more:?}");
        }
    }
    assert!(b.said("replayed HMAC trailer") > 0);
}

fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, condition).is_some(), "{what}");
}

/// What a host sent with VRRP in it.
fn adverts(scene: &Scene, host: &str) -> Vec<Frame> {
    scene.lab.capture.pick(|frame| {
        let protocol = match frame.bytes.get(12..14) {
            Some([8, 0]) => frame.bytes.get(23),
            Some([0x86, 0xdd]) => frame.bytes.get(20),
            _ => None,
        };
        &*frame.host == host && protocol == Some(&VRRP)
    })
}

/// Who sent a frame.
fn source(frame: &Frame) -> IpAddr {
    if frame.bytes[12..14] == [8, 0] {
        IpAddr::from(*frame.bytes[26..].first_chunk::<4>().unwrap())
    } else {
        IpAddr::from(*frame.bytes[22..].first_chunk::<16>().unwrap())
    }
}

/// From where a host would send adverts.
fn source_of_host(host: &Host, family: &Family) -> IpAddr {
    if family.group().is_ipv4() {
        return host.address.into();
    }
    let all = host.run(|| nix::ifaddrs::getifaddrs().unwrap().collect::<Vec<_>>());
    let addresses = all.unwrap().into_iter().filter_map(|entry| {
        let address = entry.address?.as_sockaddr_in6()?.ip();
        (entry.interface_name == "eth0").then_some(address)
    });
    let own = |address: &Ipv6Addr| address.is_unicast_link_local();
    addresses.into_iter().find(own).unwrap().into()
}
