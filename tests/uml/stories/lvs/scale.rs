//! Ten thousand destinations: how long they take to be in place and to go, beside Debian's keepalived in the same machine.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use holdfast::lab::Daemon;
use ipvs::{Ipvs, ServiceKey};

use super::{Scene, holdfast};
use crate::stories::{stories, wait_for};

stories![ten_thousand_destinations_come_and_go];

const SERVICES: u32 = 100;
const EACH: u32 = 100;

/// Longer than keepalived takes on this machine.
const LONG: Duration = Duration::from_secs(40);

fn configuration() -> String {
    let mut text = "global_defs {\n}\n".to_owned();
    for service in 0..SERVICES {
        let _ = writeln!(
            text,
            "virtual_server 172.16.0.{} 80 {{\n lvs_sched wlc\n lvs_method NAT\n protocol TCP",
            service + 1
        );
        for server in 0..EACH {
            let _ = writeln!(text, " real_server 10.0.{service}.{} 80 {{\n }}", server + 1);
        }
        text.push_str("}\n");
    }
    text
}

/// The service that is written last.
fn last() -> ServiceKey {
    ServiceKey::Address {
        address: [172, 16, 0, 100].into(),
        port: 80,
        protocol: 6,
    }
}

/// How long the daemon takes until all destinations are there, and until it has ended.
fn play(daemon: &Daemon, text: &str) -> (Duration, Duration) {
    let scene = Scene::new();
    let count = || {
        let look = || {
            wait_for(async {
                let mut ipvs = Ipvs::open().await.unwrap();
                let services = ipvs.services().await.unwrap();
                match services.iter().find(|service| service.key == last()) {
                    Some(service) => ipvs.destinations(&service.key).await.unwrap().len(),
                    None => 0,
                }
            })
        };
        scene.host.run(look).unwrap()
    };
    let until = |many: usize| {
        let began = Instant::now();
        while count() != many {
            assert!(
                began.elapsed() < LONG,
                "{} are there\n{}",
                count(),
                scene.lab.report()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let began = Instant::now();
    let node = daemon.start(&scene.host, text).unwrap();
    until(EACH as usize);
    let start = began.elapsed();
    let began = Instant::now();
    assert!(node.stop(LONG).is_some());
    let stop = began.elapsed();
    // keepalived kills its checker process where that has not ended within 5 s, and what it has not removed stays.
    if *daemon == holdfast() {
        assert_eq!(scene.table(), [] as [&str; 0]);
    }
    (start, stop)
}

fn ten_thousand_destinations_come_and_go() {
    let text = configuration();
    let theirs = play(&Daemon::Keepalived, &text);
    let ours = play(&holdfast(), &text);
    println!("keepalived: in place {:.3?}, stopped {:.3?}", theirs.0, theirs.1);
    println!("Holdfast:   in place {:.3?}, stopped {:.3?}", ours.0, ours.1);
}
