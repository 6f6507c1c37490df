//! The plan on a model of the kernel's table, with its refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use nix::errno::Errno;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::destination::{Forwarding, Tunnel, TunnelChecksum};
use crate::service::{Family, Flags, Granularity, Persistence};

type Row = (Service, BTreeMap<DestinationKey, Destination>);

/// The kernel's table, as `ip_vs_ctl.c` keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kernel(BTreeMap<ServiceKey, Row>);

impl Kernel {
    fn apply(&mut self, change: &Change) -> Result<(), Errno> {
        match change {
            Change::AddService(service) => {
                if self.0.contains_key(&service.key) {
                    return Err(Errno::EEXIST);
                }
                accept(service)?;
                self.0.insert(service.key, (*service, BTreeMap::new()));
            }
            Change::EditService(service) => {
                accept(service)?;
                self.row(&service.key)?.0 = *service;
            }
            Change::DeleteService(key) => drop(self.0.remove(key).ok_or(Errno::ESRCH)?),
            Change::AddDestination(key, destination) => {
                let (_, destinations) = self.row(key)?;
                accept_destination(*key, destination)?;
                if destinations.insert(destination.key, *destination).is_some() {
                    return Err(Errno::EEXIST);
                }
            }
            Change::EditDestination(key, destination) => {
                let (_, destinations) = self.row(key)?;
                accept_destination(*key, destination)?;
                *destinations.get_mut(&destination.key).ok_or(Errno::ENOENT)? = *destination;
            }
            Change::DeleteDestination(key, destination) => {
                self.row(key)?.1.remove(destination).ok_or(Errno::ENOENT)?;
            }
        }
        Ok(())
    }

    fn row(&mut self, key: &ServiceKey) -> Result<&mut Row, Errno> {
        self.0.get_mut(key).ok_or(Errno::ESRCH)
    }

    fn entries(&self) -> Vec<Entry> {
        let entries = self.0.values().map(|(service, destinations)| Entry {
            service: *service,
            destinations: destinations.values().copied().collect(),
        });
        entries.collect()
    }

    /// Whether a new connection finds a destination.
    fn serves(&self, key: &ServiceKey) -> bool {
        let row = self.0.get(key);
        row.is_some_and(|(_, destinations)| destinations.values().any(|it| it.weight > 0))
    }
}

fn accept(service: &Service) -> Result<(), Errno> {
    let Some(persistence) = service.persistence else {
        return Ok(());
    };
    match (service.key.family(), persistence.granularity) {
        (Family::Ipv4, Granularity::Netmask(_)) | (Family::Ipv6, Granularity::PrefixLen(1..=128)) => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

fn accept_destination(service: ServiceKey, destination: &Destination) -> Result<(), Errno> {
    let mixed = service.family() != Family::of(destination.key.address);
    if mixed && !matches!(destination.forwarding, Forwarding::Tunnel(_)) {
        return Err(Errno::EINVAL);
    }
    if destination.weight > i32::MAX.unsigned_abs()
        || destination.lower_threshold > destination.upper_threshold
    {
        return Err(Errno::ERANGE);
    }
    Ok(())
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    let address =
        (address(), 0..2u16, prop_oneof![Just(6), Just(17)]).prop_map(|(address, port, protocol)| {
            ServiceKey::Address {
                address,
                port,
                protocol,
            }
        });
    let mark = (1..3u32, family).prop_map(|(mark, family)| ServiceKey::Fwmark {
        mark: NonZeroU32::new(mark).unwrap(),
        family,
    });
    prop_oneof![address, mark]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..3u8).prop_map(|last| Ipv4Addr::new(192, 0, 2, last).into()),
        (0..3u16).prop_map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into()),
    ]
}

fn service(key: ServiceKey) -> impl Strategy<Value = Service> {
    let flags = any::<[bool; 4]>().prop_map(|[one_packet, sched_1, sched_2, sched_3]| Flags {
        one_packet,
        sched_1,
        sched_2,
        sched_3,
    });
    let granularity = match key.family() {
        Family::Ipv4 => prop_oneof![
            Just(Granularity::host(Family::Ipv4)),
            Just(Granularity::Netmask(Ipv4Addr::new(255, 0, 255, 0)))
        ],
        Family::Ipv6 => prop_oneof![
            Just(Granularity::host(Family::Ipv6)),
            Just(Granularity::PrefixLen(64))
        ],
    };
    let engine = prop_oneof![Just(None), Just(Some("sip".parse().unwrap()))];
    let persistence = (1..3u64, granularity, engine).prop_map(|(seconds, granularity, engine)| Persistence {
        timeout: Duration::from_secs(seconds),
        granularity,
        engine,
    });
    (
        prop_oneof![Just("rr"), Just("wlc")],
        flags,
        proptest::option::of(persistence),
    )
        .prop_map(move |(scheduler, flags, persistence)| Service {
            key,
            scheduler: scheduler.parse().unwrap(),
            flags,
            persistence,
        })
}

fn destination(service: ServiceKey, key: DestinationKey) -> impl Strategy<Value = Destination> {
    let tunnels = [
        Tunnel::Ipip,
        Tunnel::Gre {
            checksum: TunnelChecksum::Full,
        },
        Tunnel::Gue {
            port: NonZeroU16::MIN,
            checksum: TunnelChecksum::Remote,
        },
    ];
    let mut forwarding: Vec<_> = tunnels.map(Forwarding::Tunnel).to_vec();
    if Family::of(key.address) == service.family() {
        forwarding.extend([Forwarding::Masquerade, Forwarding::Direct]);
    }
    (prop::sample::select(forwarding), 0..3u32, 0..3u32, 0..2u32).prop_map(
        move |(forwarding, weight, lower_threshold, more)| Destination {
            key,
            forwarding,
            weight,
            upper_threshold: lower_threshold + more,
            lower_threshold,
        },
    )
}

fn destination_key() -> impl Strategy<Value = DestinationKey> {
    (address(), 0..2u16).prop_map(|(address, port)| DestinationKey { address, port })
}

fn destinations(service: ServiceKey) -> impl Strategy<Value = Vec<Destination>> {
    vec(destination_key(), 0..6).prop_flat_map(move |keys| {
        keys.into_iter()
            .map(|key| destination(service, key))
            .collect::<Vec<_>>()
    })
}

fn wish() -> impl Strategy<Value = Wanted> {
    service_key().prop_flat_map(|key| {
        (service(key), destinations(key), vec(destination_key(), 0..3)).prop_map(
            |(service, destinations, draining)| Wanted {
                service,
                destinations,
                draining,
            },
        )
    })
}

fn wishes() -> impl Strategy<Value = Vec<Wanted>> {
    vec(wish(), 0..6)
}

fn kernel() -> impl Strategy<Value = Kernel> {
    let row = |key| {
        (service(key), destinations(key)).prop_map(|(service, destinations)| {
            (service, destinations.into_iter().map(|it| (it.key, it)).collect())
        })
    };
    btree_set(service_key(), 0..6)
        .prop_flat_map(move |keys| {
            keys.into_iter()
                .map(|key| (Just(key), row(key)))
                .collect::<Vec<_>>()
        })
        .prop_map(|rows| Kernel(rows.into_iter().collect()))
}

/// What should be there in the end, by the words of [`plan`].
fn aim(wanted: &[Wanted], before: &Kernel, ours: &BTreeSet<ServiceKey>) -> Kernel {
    let mut aim = Kernel::default();
    for wish in wanted {
        let present = before.0.get(&wish.service.key);
        let mut destinations = BTreeMap::new();
        for destination in &wish.destinations {
            destinations.entry(destination.key).or_insert(*destination);
        }
        for key in &wish.draining {
            if let Some(found) = present.and_then(|(_, destinations)| destinations.get(key)) {
                destinations
                    .entry(*key)
                    .or_insert(Destination { weight: 0, ..*found });
            }
        }
        aim.0
            .entry(wish.service.key)
            .or_insert((wish.service, destinations));
    }
    for (key, row) in &before.0 {
        if !ours.contains(key) {
            aim.0.entry(*key).or_insert_with(|| row.clone());
        }
    }
    aim
}

proptest! {
    #[test]
    fn a_plan_carried_out_gives_what_is_wanted_and_then_there_is_nothing_left_to_do(
        wanted in wishes(), before in kernel(), ours in btree_set(service_key(), 0..6),
    ) {
        let mut kernel = before.clone();
        for change in plan(&wanted, &kernel.entries(), |key| ours.contains(key)) {
            prop_assert_eq!(kernel.apply(&change), Ok(()), "{}", change);
        }
        prop_assert_eq!(&kernel, &aim(&wanted, &before, &ours));
        prop_assert_eq!(plan(&wanted, &kernel.entries(), |key| ours.contains(key)), []);
    }

    #[test]
    fn at_no_step_does_a_service_vanish_change_hands_or_stop_serving(
        wanted in wishes(), before in kernel(), ours in btree_set(service_key(), 0..6),
    ) {
        let after = aim(&wanted, &before, &ours);
        let mut kernel = before.clone();
        for change in plan(&wanted, &before.entries(), |key| ours.contains(key)) {
            kernel.apply(&change).unwrap();
            for (key, (_, destinations)) in &before.0 {
                let Some((_, destinations_after)) = after.0.get(key) else {
                    continue;
                };
                let (_, now) = &kernel.0[key];
                for destination in destinations.keys().filter(|it| destinations_after.contains_key(it)) {
                    prop_assert!(now.contains_key(destination), "{}: {} has gone", change, destination);
                }
                if before.serves(key) && after.serves(key) {
                    prop_assert!(kernel.serves(key), "{}: {} serves nobody", change, key);
                }
                if wanted.iter().all(|wish| wish.service.key != *key) {
                    prop_assert_eq!(&kernel.0[key], &before.0[key]);
                }
            }
        }
    }

    #[test]
    fn what_drains_loses_its_weight_and_nothing_else(
        wanted in wishes(), before in kernel(),
    ) {
        let mut first = BTreeSet::new();
        for wish in wanted.iter().filter(|wish| first.insert(wish.service.key)) {
            let stays = |key: &DestinationKey| wish.destinations.iter().any(|it| it.key == *key);
            let drains = |key: &DestinationKey| wish.draining.contains(key) && !stays(key);
            for change in plan(&wanted, &before.entries(), |_| true) {
                match change {
                    Change::EditDestination(service, after) if service == wish.service.key && drains(&after.key) => {
                        let before = before.0[&service].1[&after.key];
                        prop_assert!(before.weight > 0);
                        prop_assert_eq!(after, Destination { weight: 0, ..before });
                    }
                    Change::AddDestination(service, Destination { key, .. })
                    | Change::DeleteDestination(service, key) => {
                        prop_assert!(service != wish.service.key || !drains(&key), "{}", change);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn each_entry_is_written_once_at_most(
        wanted in wishes(), before in kernel(), ours in btree_set(service_key(), 0..6),
    ) {
        let mut written = BTreeSet::new();
        for change in plan(&wanted, &before.entries(), |key| ours.contains(key)) {
            let destination = match change {
                Change::AddDestination(_, it) | Change::EditDestination(_, it) => Some(it.key),
                Change::DeleteDestination(_, key) => Some(key),
                Change::AddService(_) | Change::EditService(_) | Change::DeleteService(_) => None,
            };
            prop_assert!(written.insert((change.service(), destination)), "{} is written twice", change);
        }
    }
}

fn web(destinations: &[(u8, u32)]) -> Wanted {
    Wanted {
        service: Service {
            key: ServiceKey::Address {
                address: Ipv4Addr::new(192, 0, 2, 10).into(),
                port: 80,
                protocol: 6,
            },
            scheduler: "wrr".parse().unwrap(),
            flags: Flags::default(),
            persistence: None,
        },
        destinations: destinations
            .iter()
            .map(|(last, weight)| real(*last, *weight))
            .collect(),
        draining: Vec::new(),
    }
}

fn real(last: u8, weight: u32) -> Destination {
    Destination {
        key: DestinationKey {
            address: Ipv4Addr::new(10, 0, 0, last).into(),
            port: 80,
        },
        forwarding: Forwarding::Masquerade,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn there(wanted: &Wanted) -> Vec<Entry> {
    vec![Entry {
        service: wanted.service,
        destinations: wanted.destinations.clone(),
    }]
}

#[test]
fn a_weight_is_edited_in_place() {
    let (before, after) = (web(&[(1, 1), (2, 1)]), web(&[(1, 1), (2, 3)]));
    let key = after.service.key;
    let changes = plan(&[after], &there(&before), |_| true);
    assert_eq!(changes, [Change::EditDestination(key, real(2, 3))]);
}

#[test]
fn the_sorry_server_is_there_before_the_others_go() {
    let (before, after) = (web(&[(1, 1), (2, 1)]), web(&[(1, 0), (9, 1)]));
    let key = after.service.key;
    let changes = plan(&[after], &there(&before), |_| true);
    assert_eq!(
        changes,
        [
            Change::AddDestination(key, real(9, 1)),
            Change::EditDestination(key, real(1, 0)),
            Change::DeleteDestination(key, real(2, 1).key),
        ]
    );
}

#[test]
fn a_drained_destination_first_loses_its_weight_and_goes_when_it_is_wished_away() {
    let before = web(&[(1, 1), (2, 1)]);
    let (key, leaving) = (before.service.key, real(2, 1).key);
    let mut draining = web(&[(1, 1)]);
    draining.draining.push(leaving);
    let present = there(&before);
    let drained = real(2, 0);
    assert_eq!(
        plan(std::slice::from_ref(&draining), &present, |_| true),
        [Change::EditDestination(key, drained)]
    );
    let present = there(&web(&[(1, 1), (2, 0)]));
    assert_eq!(plan(std::slice::from_ref(&draining), &present, |_| true), []);
    assert_eq!(
        plan(&[web(&[(1, 1)])], &present, |_| true),
        [Change::DeleteDestination(key, leaving)]
    );
    let back = web(&[(1, 1), (2, 3)]);
    assert_eq!(
        plan(&[back], &present, |_| true),
        [Change::EditDestination(key, real(2, 3))],
        "never removed and added again"
    );
    let gone = there(&web(&[(1, 1)]));
    assert_eq!(plan(&[draining], &gone, |_| true), []);
}

#[test]
fn a_service_goes_with_its_destinations_in_one_write() {
    let before = web(&[(1, 1), (2, 1)]);
    assert_eq!(
        plan(&[], &there(&before), |_| true),
        [Change::DeleteService(before.service.key)]
    );
    assert_eq!(plan(&[], &there(&before), |_| false), []);
}
