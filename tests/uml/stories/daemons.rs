//! Daemons in this machine: Debian's keepalived drives its IPVS, and hosts of the lab work here as they do outside.

use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast::lab::{Daemon, Lab, wait_until};
use ipvs::Ipvs;

use super::{run, stories, wait_for};

stories![
    keepalived_puts_real_servers_into_the_table_that_we_read,
    a_pair_of_hosts_fails_over,
];

const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const SOON: Duration = Duration::from_secs(30);

fn keepalived_puts_real_servers_into_the_table_that_we_read() {
    let lab = Lab::new().unwrap();
    let host = lab.host("director", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
    let configuration = "
        virtual_server 192.0.2.10 80 {
            lvs_sched wrr
            lvs_method DR
            protocol TCP
            persistence_timeout 50
            real_server 192.0.2.21 80 {
                weight 2
            }
            real_server 192.0.2.22 80 {
                weight 3
                uthreshold 100
                lthreshold 50
            }
        }
    ";
    let node = Daemon::Keepalived.start(&host, configuration).unwrap();
    let there = wait_until(SOON, || {
        host.run(|| run("ipvsadm -Sn").lines().count()).unwrap() == 3
    });
    assert!(there.is_some(), "{}", lab.report());
    let table = host
        .run(|| wait_for(async { Ipvs::open().await.unwrap().table().await.unwrap() }))
        .unwrap();
    println!("{table:?}");
    assert_eq!(table.len(), 1);
    assert_eq!(table[0].service.scheduler.to_string(), "wrr");
    assert_eq!(
        table[0].service.persistence.unwrap().timeout,
        Duration::from_secs(50)
    );
    let mut weights: Vec<_> = table[0]
        .destinations
        .iter()
        .map(|it| (it.weight, it.upper_threshold, it.lower_threshold))
        .collect();
    weights.sort_unstable();
    assert_eq!(weights, [(2, 0, 0), (3, 100, 50)]);
    assert!(node.stop(SOON).is_some());
    assert_eq!(host.run(|| run("ipvsadm -Sn")).unwrap(), "");
}

fn a_pair_of_hosts_fails_over() {
    let lab = Lab::new().unwrap();
    let a = lab.host("a", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
    let b = lab.host("b", Ipv4Addr::new(192, 0, 2, 12)).unwrap();
    let ours = Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into());
    let node1 = include_str!("../../../conf-examples/pair/node1.conf");
    let node2 = include_str!("../../../conf-examples/pair/node2.conf");
    let _first = ours.start(&a, node1).unwrap();
    let _second = Daemon::Keepalived.start(&b, node2).unwrap();
    let owned = wait_until(SOON, || lab.owners(VIRTUAL) == ["a"]);
    assert!(owned.is_some(), "{}", lab.report());
    a.crash();
    let taken = wait_until(SOON, || lab.owners(VIRTUAL) == ["b"]);
    assert!(taken.is_some(), "{}", lab.report());
    println!("taken over within {taken:?}");
}
