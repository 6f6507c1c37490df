//! The three classical set-ups with real packets, as the examples document them: NAT, direct routing, tunnels.

use std::net::Ipv4Addr;
use std::sync::Arc;

use holdfast::lab::{Host, Lab};
use ipvs::Ipvs;

use super::web::{Web, page, pages};
use super::{SOON, holdfast, soon, table};
use crate::stories::{run, stories, wait_for};

stories![sociable:
    nat_with_the_director_as_the_gateway,
    direct_routing_with_the_address_on_the_loopback,
    tunnels_of_ip_in_ip,
];

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// A client, a director, two real servers.
pub(super) struct Site {
    pub(super) lab: Lab,
    pub(super) client: Arc<Host>,
    pub(super) director: Arc<Host>,
    pub(super) servers: [Arc<Host>; 2],
}

impl Site {
    pub(super) fn new(segments: u32) -> Self {
        run("/run/modprobe ip_vs");
        let lab = Lab::with_segments(segments).unwrap();
        let host = |name, last| lab.host(name, Ipv4Addr::new(192, 0, 2, last)).unwrap();
        Self {
            client: host("client", 100),
            director: host("director", 11),
            servers: [host("s1", 21), host("s2", 22)],
            lab,
        }
    }

    /// The real servers, 198.51.100.21 and .22, have 198.51.100.1 as their gateway, which is to be the director.
    pub(super) fn behind_nat() -> Self {
        let site = Self::new(2);
        set_up(&site.client, "ip link set eth1 down");
        set_up(
            &site.director,
            "ip address add 198.51.100.11/24 dev eth1
            sysctl -qw net.ipv4.ip_forward=1",
        );
        let behind = "ip link set eth0 down
            ip address add ADDRESS/24 dev eth1
            ip route add default via 198.51.100.1";
        for (server, address) in site.servers.iter().zip(["198.51.100.21", "198.51.100.22"]) {
            set_up(server, behind.replace("ADDRESS", address).leak());
        }
        site
    }

    pub(super) fn expect(&self, what: &str, condition: impl FnMut() -> bool) {
        let came = soon(condition);
        assert!(
            came.is_some(),
            "{what}\n{}\n{}",
            self.director.run(|| run("ipvsadm -Ln --stats")).unwrap(),
            self.lab.report()
        );
    }
}

/// Runs commands in a host, one on each line.
pub(super) fn set_up(host: &Host, commands: &'static str) {
    host.run(move || commands.trim().lines().for_each(|command| drop(run(command))))
        .unwrap();
}

/// Runs the script of an example in a host.
pub(super) fn prepare(host: &Host, script: &str) {
    host.write_script("/run/prepare.sh", script).unwrap();
    host.run(|| run("/run/prepare.sh")).unwrap();
}

/// How many real servers a director's table has.
pub(super) fn in_the_table(director: &Host) -> usize {
    table(director).iter().map(|entry| entry.destinations.len()).sum()
}

/// The director of an example balances 2:1, spares the dead server, and takes it back. Answers with the packets that it
/// handed back to the client.
fn balances(site: &Site, example: &str, port: u16) -> u64 {
    let Site {
        client,
        director,
        servers,
        ..
    } = site;
    let _first = Web::start(&servers[0], port);
    let second = Web::start(&servers[1], port);
    let node = holdfast().start(director, example).unwrap();
    site.expect("the service answers", || page(client, VIRTUAL).is_ok());
    site.expect("both are there", || in_the_table(director) == 2);
    let count = |many| pages(client, VIRTUAL, many).into_iter().collect::<Vec<_>>();
    let both = [("s1".to_owned(), 20), ("s2".to_owned(), 10)];
    assert_eq!(count(30), both, "weights are 2:1\n{}", site.lab.report());

    drop(second);
    site.expect("the dead one is taken out", || in_the_table(director) == 1);
    assert_eq!(count(12), [("s1".to_owned(), 12)], "{}", site.lab.report());

    let _second = Web::start(&servers[1], port);
    site.expect("it returns", || in_the_table(director) == 2);
    assert_eq!(count(30), both, "{}", site.lab.report());

    let handed_back = director
        .run(|| wait_for(async { Ipvs::open().await.unwrap().statistics().await.unwrap() }))
        .unwrap();
    assert!(node.stop(SOON).is_some());
    assert_eq!(in_the_table(director), 0);
    handed_back[0].counters.out_packets
}

fn nat_with_the_director_as_the_gateway() {
    let site = Site::behind_nat();
    let example = include_str!("../../../../conf-examples/lvs-nat/director.conf");
    assert!(balances(&site, example, 8080) > 0);
}

fn direct_routing_with_the_address_on_the_loopback() {
    let site = Site::new(1);
    for server in &site.servers {
        prepare(
            server,
            include_str!("../../../../conf-examples/lvs-dr/real_server.sh"),
        );
    }
    let example = include_str!("../../../../conf-examples/lvs-dr/director.conf");
    assert_eq!(
        balances(&site, example, 80),
        0,
        "answers do not pass the director"
    );
}

fn tunnels_of_ip_in_ip() {
    run("/run/modprobe ipip");
    let site = Site::new(1);
    for server in &site.servers {
        prepare(
            server,
            include_str!("../../../../conf-examples/lvs-tun/real_server.sh"),
        );
    }
    let example = include_str!("../../../../conf-examples/lvs-tun/director.conf");
    assert_eq!(
        balances(&site, example, 80),
        0,
        "answers do not pass the director"
    );
    for server in &site.servers {
        let counted = server.run(|| run("ip -s link show tunl0")).unwrap();
        let (_, received) = counted.split_once("RX:").unwrap();
        // The line below its heading: bytes, packets, ...
        let packets = received.lines().nth(1).unwrap().split_ascii_whitespace().nth(1);
        assert_ne!(packets, Some("0"), "{} unpacks: {counted}", server.name);
    }
}
