//! Every form of service and destination, both ways.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use ipvs::{
    Change, Destination, Entry, Family, Flags, Forwarding, Granularity, Ipvs, Persistence, Service, Tunnel,
    TunnelChecksum,
};

use super::{apply, at, fwmark, real, saved, tcp};
use crate::stories::{run, stories, wait_for};

stories![
    services_of_every_form_are_written_and_read,
    destinations_of_every_form_are_written_and_read,
];

/// Each service with what `ipvsadm` says of it.
fn services() -> Vec<(Service, &'static str)> {
    let persistence = |seconds, granularity| {
        Some(Persistence {
            timeout: Duration::from_secs(seconds),
            granularity,
            engine: None,
        })
    };
    let scheduled = |name: &str| Service {
        scheduler: name.parse().unwrap(),
        ..tcp("192.0.2.2", 80)
    };
    vec![
        (tcp("192.0.2.1", 80), "-A -t 192.0.2.1:80 -s wlc"),
        (at("192.0.2.1", 53, 17), "-A -u 192.0.2.1:53 -s wlc"),
        (
            at("192.0.2.1", 80, 132),
            "--add-service --sctp-service 192.0.2.1:80 -s wlc",
        ),
        (tcp("2001:db8::1", 443), "-A -t [2001:db8::1]:443 -s wlc"),
        (fwmark(7, Family::Ipv4), "-A -f 7 -s wlc"),
        (fwmark(7, Family::Ipv6), "-A -f 7 -6 -s wlc"),
        (scheduled("rr"), "-A -t 192.0.2.2:80 -s rr"),
    ]
}

fn services_of_every_form_are_written_and_read() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        println!("{:?}", ipvs.version().await.unwrap());
        for (service, words) in services() {
            apply(&mut ipvs, &[Change::AddService(service)]).await;
            println!("{:?}", saved());
            assert_eq!(ipvs.services().await.unwrap(), [service]);
            apply(&mut ipvs, &[Change::DeleteService(service.key)]).await;
        }
    });
}

fn destinations_of_every_form_are_written_and_read() {}
