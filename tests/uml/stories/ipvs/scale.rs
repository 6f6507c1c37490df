//! Ten thousand destinations: how long they take to come, to be looked over and to go, beside Debian's keepalived in the
//! same machine.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::lab::node::KEEPALIVED;
use ipvs::{Ipvs, Listing, Wanted, plan};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{apply, real, tcp, wanted};
use crate::stories::{listen_to_the_log, run, stories, wait_for};

stories![
    ten_thousand_destinations_of_one_service,
    ten_thousand_destinations_of_a_hundred_services,
    a_cleared_table_is_back_within_a_second,
];

/// Services with so many destinations each.
fn many(services: u32, each: u32) -> Vec<Wanted> {
    let address = |base: [u8; 4], n: u32| Ipv4Addr::from(u32::from_be_bytes(base) + n).to_string();
    let service = |n| {
        let destinations = (0..each).map(|i| real(&address([10, 0, 0, 1], n * each + i), 80));
        wanted(tcp(&address([172, 16, 0, 1], n), 80), destinations.collect())
    };
    (0..services).map(service).collect()
}

fn configuration(table: &[Wanted]) -> String {
    let mut text = "global_defs {\n}\n".to_owned();
    for wanted in table {
        let ipvs::ServiceKey::Address { address, port, .. } = wanted.service.key else {
            panic!("these have addresses");
        };
        writeln!(
            text,
            "virtual_server {address} {port} {{\n lvs_sched wlc\n lvs_method NAT\n protocol TCP"
        )
        .unwrap();
        for destination in &wanted.destinations {
            writeln!(text, " real_server {} 80 {{\n }}", destination.key.address).unwrap();
        }
        text.push_str("}\n");
    }
    text
}

/// How long keepalived takes from its start until the whole table is there, and from SIGTERM until its last process has ended.
async fn keepalived(ipvs: &mut Ipvs, table: &[Wanted]) -> (Duration, Duration) {
    fs::write("/run/many.conf", configuration(table)).unwrap();
    listen_to_the_log();
    let (last, began) = (table.last().unwrap(), Instant::now());
    let mut daemon = Command::new(KEEPALIVED)
        .args(["-f", "/run/many.conf", "-n", "-C"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It writes in order; looking costs time of the same processor.
    let each = last.destinations.len();
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if ipvs.destinations(&last.service.key).await.unwrap().len() == each {
            break;
        }
    }
    let start = began.elapsed();
    let began = Instant::now();
    kill(Pid::from_raw(daemon.id().cast_signed()), Signal::SIGTERM).unwrap();
    daemon.wait().unwrap();
    // Its checker process may go on with the table when its parent has ended.
    while is_running("keepalived") {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "keepalived does not end"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (start, began.elapsed())
}

/// Whether there is a process of this name.
fn is_running(name: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        // It may end meanwhile.
        fs::read_to_string(entry.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    })
}

/// Waits until the kernel has nothing left to do: it frees what was removed long after it said so, on the only processor.
async fn settle() {
    // proc_stat(5): the fourth number of the first line is the time spent in the idle task, in hundredths of a second.
    let idle = || -> u64 {
        let text = fs::read_to_string("/proc/stat").unwrap();
        text.split_ascii_whitespace().nth(4).unwrap().parse().unwrap()
    };
    loop {
        let before = idle();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if idle() - before >= 40 {
            return;
        }
    }
}

/// How long it takes us to put the table in place, to look it over with nothing to do, and to take it away.
async fn ours(ipvs: &mut Ipvs, table: &[Wanted]) -> (Duration, Duration, Duration) {
    let began = Instant::now();
    let changes = plan(table, &ipvs.table().await.unwrap(), |_| false);
    apply(ipvs, &changes).await;
    let start = began.elapsed();
    let began = Instant::now();
    let present = ipvs.table().await.unwrap();
    let read = began.elapsed();
    assert!(plan(table, &present, |_| true).is_empty());
    let look = began.elapsed();
    let mut listing = Listing::open().unwrap();
    let began = Instant::now();
    let glance = listing.glance().unwrap();
    let took = began.elapsed();
    println!("  this crate: reads the table in {read:.3?}, takes a glance at it in {took:.3?}");
    assert_eq!(listing.glance().unwrap(), glance);
    let began = Instant::now();
    let changes = plan(&[], &present, |_| true);
    apply(ipvs, &changes).await;
    (start, look, began.elapsed())
}

fn beside_keepalived(services: u32, each: u32) {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let table = many(services, each);
        println!("{services} services of {each} destinations:");
        let (their_start, their_stop) = keepalived(&mut ipvs, &table).await;
        // It kills its checker process where that has not ended within 5 s, and what it has not removed stays.
        ipvs.flush().await.unwrap();
        settle().await;
        let (start, look, stop) = ours(&mut ipvs, &table).await;
        println!("  keepalived: in place {their_start:.3?}, stopped {their_stop:.3?}");
        println!("  this crate: in place {start:.3?}, stopped {stop:.3?}, looked over {look:.3?}");
        println!(
            "  ratios: in place {:.2} (demanded: 0.5), stopped {:.2} (demanded: 0.33)",
            start.as_secs_f64() / their_start.as_secs_f64(),
            stop.as_secs_f64() / their_stop.as_secs_f64()
        );
        assert!(ipvs.services().await.unwrap().is_empty());
    });
}

fn ten_thousand_destinations_of_one_service() {
    beside_keepalived(1, 10_000);
}

fn ten_thousand_destinations_of_a_hundred_services() {
    beside_keepalived(100, 100);
}

fn a_cleared_table_is_back_within_a_second() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let table = many(10, 100);
        let mend = async |ipvs: &mut Ipvs| {
            let changes = plan(&table, &ipvs.table().await.unwrap(), |_| false);
            apply(ipvs, &changes).await;
            changes.len()
        };
        assert_eq!(mend(&mut ipvs).await, 1010);
        let mut listing = Listing::open().unwrap();
        // As a process would: it looks four times a second, whatever else it does.
        let glance = listing.glance().unwrap();
        let mut clock = tokio::time::interval(Duration::from_millis(250));
        clock.tick().await;
        clock.tick().await;
        assert_eq!(listing.glance().unwrap(), glance);
        run("ipvsadm -C");
        let began = Instant::now();
        loop {
            clock.tick().await;
            if listing.glance().unwrap() != glance {
                assert_eq!(mend(&mut ipvs).await, 1010);
                break;
            }
        }
        let back = began.elapsed();
        println!("1000 destinations were back after {back:?}");
        // A look and a mending take a quarter of a second; a busy machine gets more time.
        assert!(back < Duration::from_secs(3), "{back:?}");
        assert_eq!(run("ipvsadm -Ln").lines().count(), 3 + 1010);
    });
}
