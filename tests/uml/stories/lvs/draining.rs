//! `drain_timeout` with real packets: a client's connection through NAT goes on although its real server was removed.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::Node;
use nix::sys::signal::{Signal, kill};

use super::traffic::{Site, set_up};
use super::web::{Connection, Web, pages};
use super::{SOON, holdfast, reload, table};
use crate::stories::{run, stories};

stories![sociable:
    a_connection_outlives_the_removal_of_its_server_and_a_crash,
    a_server_whose_time_is_over_goes_with_its_connections,
];

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const BOTH: &[u8] = &[21, 22];
const FIRST: &[u8] = &[21];

/// A director with two web servers behind it.
struct Stage {
    site: Site,
    node: Node,
    _web: [Web; 2],
    timeout: u32,
}

impl Stage {
    fn new(timeout: u32) -> Self {
        let site = Site::behind_nat();
        set_up(
            &site.director,
            "ip address add 192.0.2.10/24 dev eth0
            ip address add 198.51.100.1/24 dev eth1",
        );
        let web = [
            Web::start(&site.servers[0], 8080),
            Web::start(&site.servers[1], 8080),
        ];
        let node = holdfast()
            .start(&site.director, &configuration(BOTH, timeout))
            .unwrap();
        let stage = Self {
            site,
            node,
            _web: web,
            timeout,
        };
        stage.expect_weights(&[(21, 1), (22, 1)]);
        stage
    }

    fn reload(&self, servers: &[u8]) {
        reload(
            &self.site.director,
            &self.node,
            &configuration(servers, self.timeout),
        );
    }

    /// The last number of each destination, and its weight.
    fn weights(&self) -> Vec<(u8, u32)> {
        let entries = table(&self.site.director);
        let mut weights: Vec<(u8, u32)> = entries
            .iter()
            .flat_map(|entry| &entry.destinations)
            .map(|destination| match destination.key.address {
                std::net::IpAddr::V4(address) => (address.octets()[3], destination.weight),
                std::net::IpAddr::V6(address) => panic!("{address} in the table"),
            })
            .collect();
        weights.sort_unstable();
        weights
    }

    fn expect_weights(&self, weights: &[(u8, u32)]) {
        self.site.expect(&format!("the weights are {weights:?}"), || {
            self.weights() == weights
        });
    }

    /// A connection to the second server, which stays open.
    fn connect_to_second(&self) -> Connection {
        loop {
            let open = || Connection::open(VIRTUAL);
            let mut connection = self.site.client.run(open).unwrap().unwrap();
            if connection.page("1.1").unwrap() == "s2" {
                return connection;
            }
        }
    }

    fn said_of_second(&self, what: &str) -> usize {
        let name = "service [198.51.100.22]:tcp:8080 of VS [192.0.2.10]:tcp:80";
        self.node.said(&what.replace("IT", name))
    }

    /// The connection serves for longer than two counts of connections take, and nobody else gets to its server.
    fn drains(&self, connection: &mut Connection) {
        self.expect_weights(&[(21, 1), (22, 0)]);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            let page = connection.page("1.1");
            assert_eq!(page.ok().as_deref(), Some("s2"), "{}", self.site.lab.report());
            thread::sleep(Duration::from_millis(200));
        }
        let others = pages(&self.site.client, VIRTUAL, 6)
            .into_iter()
            .collect::<Vec<_>>();
        assert_eq!(others, [("s1".to_owned(), 6)], "{}", self.site.lab.report());
        assert_eq!(self.weights(), [(21, 1), (22, 0)], "{}", self.site.lab.report());
    }
}

fn configuration(servers: &[u8], timeout: u32) -> String {
    let server = |last: &u8| {
        format!("real_server 198.51.100.{last} 8080 {{\n TCP_CHECK {{\n connect_timeout 3\n }}\n }}\n")
    };
    let servers: String = servers.iter().map(server).collect();
    format!(
        "virtual_server {VIRTUAL} 80 {{
            delay_loop 2
            lvs_sched rr
            lvs_method NAT
            protocol TCP
            drain_timeout {timeout}
            {servers}
        }}"
    )
}

fn a_connection_outlives_the_removal_of_its_server_and_a_crash() {
    let stage = Stage::new(600);
    let mut connection = stage.connect_to_second();
    stage.reload(FIRST);
    stage.drains(&mut connection);
    assert_eq!(stage.said_of_second("Draining IT: it gets no new connections"), 1);
    let ask = || run(concat!(env!("CARGO_BIN_EXE_holdfast"), " status"));
    let status = stage.site.director.run(ask).unwrap();
    let line = status
        .lines()
        .find(|line| line.contains("DRAINING"))
        .unwrap_or(&status);
    for words in ["[198.51.100.22]:tcp:8080", "1 connection, 5"] {
        assert!(line.contains(words), "{words} is not in {status}");
    }

    let checkers = stage.node.process.descendants()[0];
    kill(checkers, Signal::SIGKILL).unwrap();
    stage.site.expect("it has a successor", || {
        stage.node.said("Starting Healthcheck child process") == 2
    });
    stage.drains(&mut connection);

    stage.reload(BOTH);
    stage.expect_weights(&[(21, 1), (22, 1)]);
    assert_eq!(connection.page("1.1").unwrap(), "s2");
    assert_eq!(
        stage.said_of_second("Draining of IT has ended: it is in use again"),
        1
    );

    stage.reload(FIRST);
    stage.drains(&mut connection);
    let began = Instant::now();
    drop(connection);
    stage.expect_weights(&[(21, 1)]);
    println!(
        "gone {:.3?} after the end of its last connection",
        began.elapsed()
    );
    stage.site.expect("it is told", || {
        stage.said_of_second("Draining of IT has ended: no connection is left") == 1
    });
    assert!(stage.node.stop(SOON).is_some());
    assert_eq!(stage.weights(), []);
}

fn a_server_whose_time_is_over_goes_with_its_connections() {
    let stage = Stage::new(20);
    let mut connection = stage.connect_to_second();
    stage.reload(FIRST);
    stage.drains(&mut connection);
    stage.expect_weights(&[(21, 1)]);
    stage.site.expect("it is told", || {
        stage.said_of_second("Draining of IT has ended: its time is over, 1 connection is cut off") == 1
    });
    assert!(connection.page("1.1").is_err(), "{}", stage.site.lab.report());

    stage.reload(BOTH);
    stage.expect_weights(&[(21, 1), (22, 1)]);
    let _connection = stage.connect_to_second();
    stage.reload(FIRST);
    stage.expect_weights(&[(21, 1), (22, 0)]);
    assert!(stage.node.stop(SOON).is_some());
    assert_eq!(stage.weights(), [], "a stop waits for nobody");
}
