//! The `ipvs` crate on the real kernel, read back with `ipvsadm`.

mod forms;
mod module;
mod scale;
mod service_wide;
mod table;

use std::net::IpAddr;
use std::num::NonZeroU32;

use ipvs::{Change, Destination, DestinationKey, Family, Flags, Forwarding, Service, ServiceKey, Wanted};

use super::run;

pub(crate) fn stories() -> Vec<crate::Story> {
    [
        module::stories(),
        forms::stories(),
        service_wide::stories(),
        table::stories(),
        scale::stories(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A TCP service with the scheduler `wlc`.
fn tcp(address: &str, port: u16) -> Service {
    at(address, port, 6)
}

fn at(address: &str, port: u16, protocol: u8) -> Service {
    plain(ServiceKey::Address {
        address: address.parse().unwrap(),
        port,
        protocol,
    })
}

fn fwmark(mark: u32, family: Family) -> Service {
    let mark = NonZeroU32::new(mark).unwrap();
    plain(ServiceKey::Fwmark { mark, family })
}

fn plain(key: ServiceKey) -> Service {
    Service {
        key,
        scheduler: "wlc".parse().unwrap(),
        flags: Flags::default(),
        persistence: None,
    }
}

/// A destination with weight 1, by NAT.
fn real(address: &str, port: u16) -> Destination {
    let address: IpAddr = address.parse().unwrap();
    Destination {
        key: DestinationKey { address, port },
        forwarding: Forwarding::Masquerade,
        weight: 1,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn wanted(service: Service, destinations: Vec<Destination>) -> Wanted {
    Wanted {
        service,
        destinations,
        draining: Vec::new(),
    }
}

/// The table as `ipvsadm` would make it again.
fn saved() -> Vec<String> {
    run("ipvsadm -Sn")
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// Carries the changes out, every one of which must succeed.
async fn apply(ipvs: &mut ipvs::Ipvs, changes: &[Change]) {
    assert_eq!(ipvs.apply(changes).await.unwrap(), []);
}
