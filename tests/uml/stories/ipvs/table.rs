//! Plans carried out, and what the kernel and others say to that.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ipvs::{Change, Destination, Ipvs, Service, Wanted, plan};
use nix::errno::Errno;

use super::{apply, real, saved, tcp, wanted};
use crate::stories::{run, stories, wait_for};

stories![
    a_plan_is_carried_out_and_then_there_is_nothing_left_to_do,
    what_is_not_ours_stays,
    what_others_did_before_us_is_told_and_does_no_harm,
    refusals_say_what_and_why,
    a_drained_destination_keeps_its_connections,
    counters_count,
];

/// Carries out what is missing; how many writes that took.
pub(super) async fn mend(ipvs: &mut Ipvs, wanted: &[Wanted]) -> usize {
    let changes = plan(wanted, &ipvs.table().await.unwrap(), |_| false);
    apply(ipvs, &changes).await;
    let left = plan(wanted, &ipvs.table().await.unwrap(), |_| false);
    assert_eq!(left, []);
    changes.len()
}

fn a_plan_is_carried_out_and_then_there_is_nothing_left_to_do() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let service = tcp("192.0.2.1", 80);
        let (one, two) = (real("10.0.0.1", 80), real("10.0.0.2", 80));
        assert_eq!(mend(&mut ipvs, &[wanted(service, vec![one, two])]).await, 3);
        let heavier = Destination { weight: 3, ..two };
        assert_eq!(mend(&mut ipvs, &[wanted(service, vec![one, heavier])]).await, 1);
        let by_turns = Service {
            scheduler: "rr".parse().unwrap(),
            ..service
        };
        let three = real("10.0.0.3", 80);
        assert_eq!(
            mend(&mut ipvs, &[wanted(by_turns, vec![three, heavier])]).await,
            3
        );
        assert_eq!(
            saved(),
            [
                "-A -t 192.0.2.1:80 -s rr",
                "-a -t 192.0.2.1:80 -r 10.0.0.2:80 -m -w 3",
                "-a -t 192.0.2.1:80 -r 10.0.0.3:80 -m -w 1",
            ]
        );
        // Somebody clears the table.
        run("ipvsadm -C");
        assert_eq!(
            mend(&mut ipvs, &[wanted(by_turns, vec![three, heavier])]).await,
            3
        );
    });
}

fn what_is_not_ours_stays() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        run("ipvsadm -A -t 192.0.2.9:80 -s rr");
        run("ipvsadm -a -t 192.0.2.9:80 -r 10.9.9.9:80 -m");
        let foreign = saved();
        let service = tcp("192.0.2.1", 80);
        mend(&mut ipvs, &[wanted(service, vec![real("10.0.0.1", 80)])]).await;
        let away = plan(&[], &ipvs.table().await.unwrap(), |key| *key == service.key);
        assert_eq!(away, [Change::DeleteService(service.key)]);
        apply(&mut ipvs, &away).await;
        assert_eq!(saved(), foreign);
    });
}

fn what_others_did_before_us_is_told_and_does_no_harm() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let (service, destination) = (tcp("192.0.2.1", 80), real("10.0.0.1", 80));
        let adds = [
            Change::AddService(service),
            Change::AddDestination(service.key, destination),
        ];
        let deletes = [
            Change::DeleteDestination(service.key, destination.key),
            Change::DeleteService(service.key),
        ];
        for changes in [adds, deletes] {
            apply(&mut ipvs, &changes).await;
            let failures = ipvs.apply(&changes).await.unwrap();
            assert_eq!(failures.len(), 2);
            assert!(failures.iter().all(ipvs::Failure::is_done), "{failures:?}");
        }
    });
}

fn refusals_say_what_and_why() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let (service, destination) = (tcp("192.0.2.1", 80), real("10.0.0.1", 80));
        let unknown = Service {
            scheduler: "nosuch".parse().unwrap(),
            ..tcp("192.0.2.2", 80)
        };
        let not_there = tcp("192.0.2.3", 80);
        let overweight = Destination {
            weight: u32::MAX,
            ..destination
        };
        let crossed = Destination {
            lower_threshold: 2,
            upper_threshold: 1,
            ..destination
        };
        let changes = [
            Change::AddService(unknown),
            Change::EditService(not_there),
            Change::AddService(service),
            Change::AddDestination(service.key, overweight),
            Change::AddDestination(service.key, crossed),
            Change::AddDestination(service.key, real("2001:db8::1", 80)),
            Change::AddDestination(service.key, real("255.255.255.255", 80)),
            Change::EditDestination(service.key, destination),
            Change::AddDestination(not_there.key, destination),
            Change::AddDestination(service.key, destination),
        ];
        let failures = ipvs.apply(&changes).await.unwrap();
        let refused: Vec<_> = failures.iter().map(|failure| failure.error.errno).collect();
        assert_eq!(
            refused,
            [
                Errno::ENOENT,
                Errno::ESRCH,
                Errno::ERANGE,
                Errno::ERANGE,
                Errno::EINVAL,
                Errno::EINVAL,
                Errno::ENOENT,
                Errno::ESRCH,
            ]
        );
        assert_eq!(
            failures[0].to_string(),
            "cannot add service TCP 192.0.2.2:80: No such file or directory"
        );
        assert!(failures.iter().all(|failure| !failure.is_done()));
        // Those that could be made were made.
        assert_eq!(ipvs.destinations(&service.key).await.unwrap(), [destination]);
    });
}

/// A real server on this machine that answers with what it gets; the virtual service is 192.0.2.1:80.
fn echo() -> (Service, Destination) {
    run("ip addr add 192.0.2.1/32 dev lo");
    run("ip addr add 192.0.2.2/32 dev lo");
    let listener = TcpListener::bind("192.0.2.2:8080").unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..length]).unwrap();
                }
            });
        }
    });
    (tcp("192.0.2.1", 80), real("192.0.2.2", 8080))
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"are you there?").unwrap();
    stream.read_exact(&mut [0; 14]).unwrap();
}

fn a_drained_destination_keeps_its_connections() {
    let (service, destination) = echo();
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        mend(&mut ipvs, &[wanted(service, vec![destination])]).await;
        let mut client = TcpStream::connect("192.0.2.1:80").unwrap();
        ask(&mut client);
        let draining = Wanted {
            draining: vec![destination.key],
            ..wanted(service, Vec::new())
        };
        assert_eq!(mend(&mut ipvs, &[draining]).await, 1);
        ask(&mut client);
        let statistics = ipvs.destination_statistics(&service.key).await.unwrap();
        assert_eq!(
            (
                statistics[0].active_connections,
                statistics[0].inactive_connections
            ),
            (1, 0)
        );
        assert!(
            TcpStream::connect("192.0.2.1:80").is_err(),
            "a drained destination gets no new connections"
        );
        drop(client);
        assert_eq!(mend(&mut ipvs, &[wanted(service, Vec::new())]).await, 1);
        assert_eq!(saved(), ["-A -t 192.0.2.1:80 -s wlc"]);
    });
}

fn counters_count() {
    let (service, destination) = echo();
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        mend(&mut ipvs, &[wanted(service, vec![destination])]).await;
        let mut clients: Vec<_> = (0..3)
            .map(|_| TcpStream::connect("192.0.2.1:80").unwrap())
            .collect();
        clients.iter_mut().for_each(ask);
        // The kernel sums up every 2 s.
        let mut statistics = ipvs.statistics().await.unwrap();
        while statistics[0].counters.out_packets < 6 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            statistics = ipvs.statistics().await.unwrap();
        }
        let [of_service] = statistics.as_slice() else {
            panic!("one service");
        };
        let [of_destination] = of_service.destinations.as_slice() else {
            panic!("one destination");
        };
        assert_eq!(of_service.key, service.key);
        assert_eq!(of_destination.key, destination.key);
        assert_eq!(of_destination.active_connections, 3);
        for counters in [of_service.counters, of_destination.counters] {
            assert_eq!(counters.connections, 3);
            // A handshake and a question at the least, each way.
            assert!(
                counters.in_packets >= 9 && counters.out_packets >= 6,
                "{counters:?}"
            );
            assert!(counters.in_bytes > counters.in_packets * 40, "{counters:?}");
            assert!(counters.out_bytes > counters.out_packets * 40, "{counters:?}");
        }
        ipvs.zero(Some(service.key)).await.unwrap();
        let statistics = ipvs.statistics().await.unwrap();
        assert_eq!(statistics[0].counters.connections, 0);
    });
}
