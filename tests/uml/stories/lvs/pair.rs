//! The whole pair of `conf-examples/lvs-pair`: two directors, two real servers, one address, one client. The active director
//! is lost; the client's connection is not.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::thread;

use holdfast::lab::{Daemon, Host, Lab};
use ipvs::Ipvs;

use super::traffic::{in_the_table, prepare};
use super::web::{Connection, Web, page, pages};
use super::{holdfast, soon};
use crate::stories::{run, stories, wait_for};

stories![sociable: a_connection_survives_the_loss_of_the_active_director];

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const NODE1: &str = include_str!("../../../../conf-examples/lvs-pair/node1.conf");
const NODE2: &str = include_str!("../../../../conf-examples/lvs-pair/node2.conf");
const REAL_SERVER: &str = include_str!("../../../../conf-examples/lvs-dr/real_server.sh");

/// Us opposite ourselves, and with keepalived in either place, all at the same time.
fn a_connection_survives_the_loss_of_the_active_director() {
    run("/run/modprobe ip_vs");
    let pairings = [
        (holdfast(), holdfast()),
        (Daemon::Keepalived, holdfast()),
        (holdfast(), Daemon::Keepalived),
    ];
    thread::scope(|scope| {
        for (first, second) in &pairings {
            scope.spawn(move || survives(first, second));
        }
    });
}

fn survives(first: &Daemon, second: &Daemon) {
    let lab = Lab::new().unwrap();
    let host = |name, last| lab.host(name, Ipv4Addr::new(192, 0, 2, last)).unwrap();
    let (client, a, b) = (host("client", 100), host("a", 11), host("b", 12));
    let servers = [host("s1", 21), host("s2", 22)];
    let expect = |what: &str, condition: &mut dyn FnMut() -> bool| {
        let came = soon(condition);
        assert!(came.is_some(), "{first:?}, {second:?}: {what}\n{}", lab.report());
    };
    for server in &servers {
        prepare(server, REAL_SERVER);
    }
    let _web = [Web::start(&servers[0], 80), Web::start(&servers[1], 80)];
    let _one = first.start(&a, NODE1).unwrap();
    expect("the first director has the address", &mut || {
        lab.owners(VIRTUAL) == ["a"]
    });
    let _other = second.start(&b, NODE2).unwrap();
    expect("both directors know both servers", &mut || {
        in_the_table(&a) == 2 && in_the_table(&b) == 2
    });
    expect("one director tells", &mut || {
        daemons(&a) == [("master".to_owned(), 51)]
    });
    expect("the other one hears", &mut || {
        daemons(&b) == [("backup".to_owned(), 51)]
    });
    let lasting = Arc::new(Mutex::new(open(&client)));
    let server = ask(&client, &lasting);
    expect("the other director knows the connection", &mut || {
        // Packets bring a connection to the other director's knowledge.
        assert_eq!(ask(&client, &lasting), server);
        connections(&b) > 0
    });

    a.crash();
    expect("the other director has the address", &mut || {
        lab.owners(VIRTUAL) == ["b"]
    });
    assert_eq!(ask(&client, &lasting), server, "{}", lab.report());
    expect("it tells now", &mut || daemons(&b) == [("master".to_owned(), 51)]);
    expect("new connections are answered", &mut || {
        page(&client, VIRTUAL).is_ok()
    });
    let answers = pages(&client, VIRTUAL, 30);
    assert_eq!((answers["s1"], answers["s2"]), (20, 10));
    assert_eq!(ask(&client, &lasting), server);
}

fn open(client: &Host) -> Connection {
    client.run(|| Connection::open(VIRTUAL)).unwrap().unwrap()
}

/// The server that answers on an open connection.
fn ask(client: &Host, connection: &Arc<Mutex<Connection>>) -> String {
    let connection = Arc::clone(connection);
    let asked = client.run(move || connection.lock().unwrap().page("1.1"));
    asked.unwrap().unwrap()
}

/// The sync daemons of a host: the role and the id.
pub(super) fn daemons(host: &Host) -> Vec<(String, u8)> {
    let read = || wait_for(async { Ipvs::open().await.unwrap().daemons().await.unwrap() });
    let running = host.run(read).unwrap();
    running
        .iter()
        .map(|it| (it.role.to_string(), it.sync_id))
        .collect()
}

/// Established connections that a director knows.
fn connections(director: &Host) -> usize {
    let listed = director.run(|| run("ipvsadm -Lnc")).unwrap();
    listed.lines().filter(|line| line.contains("ESTABLISHED")).count()
}
