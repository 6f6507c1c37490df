//! Answers read back from our own requests, which have the same form, and answers that were damaged on the way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::change::Change;
use crate::destination::{Destination, DestinationKey, Forwarding, Tunnel};
use crate::service::{Family, Flags, Service, ServiceKey};

const SERVICE: ServiceKey = ServiceKey::Address {
    address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    port: 80,
    protocol: 6,
};

fn web() -> Service {
    Service {
        key: SERVICE,
        scheduler: "wlc".parse().unwrap(),
        flags: Flags::default(),
        persistence: None,
    }
}

fn real() -> Destination {
    Destination {
        key: DestinationKey {
            address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            port: 8080,
        },
        forwarding: Forwarding::Tunnel(Tunnel::Ipip),
        weight: 7,
        upper_threshold: 9,
        lower_threshold: 8,
    }
}

/// What a kernel 6.1 answered: one line each, what about and in hexadecimal what follows the netlink header.
const ANSWERS: &str = include_str!("answers.txt");

fn answers() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = |hexadecimal: &str| {
        let digits: Vec<u32> = hexadecimal
            .chars()
            .map(|digit| digit.to_digit(16).unwrap())
            .collect();
        digits
            .chunks(2)
            .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
            .collect()
    };
    ANSWERS
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(about, hexadecimal)| (about, bytes(hexadecimal)))
        .collect()
}

/// Reads with every decoder; how many could make something of it.
fn read(payload: &[u8]) -> usize {
    let readings = [
        family_id(payload).is_some(),
        service(payload).is_ok(),
        service_counters(payload).is_ok(),
        destination(payload, Family::Ipv4).is_ok(),
        destination_statistics(payload, Family::Ipv6).is_ok(),
        daemon(payload).is_ok(),
        timeouts(payload).is_ok(),
        version(payload).is_ok(),
    ];
    readings.into_iter().filter(|read| *read).count()
}

#[test]
fn what_a_kernel_answered_is_read() {
    for (about, payload) in answers() {
        match about {
            "service" => drop(service(&payload).unwrap()),
            "destination" => drop(destination(&payload, Family::Ipv4).unwrap()),
            "daemon" => drop(daemon(&payload).unwrap()),
            "timeouts" => drop(timeouts(&payload).unwrap()),
            "version" => drop(version(&payload).unwrap()),
            "family" => assert!(family_id(&payload).is_some()),
            other => panic!("{other} is nothing that can be read"),
        }
    }
}

#[test]
fn what_we_write_is_what_we_read() {
    let written = change(30, &Change::AddService(web())).unwrap();
    assert_eq!(written.family, 30);
    assert_eq!(service(&written.bytes).unwrap(), web());
    let written = change(30, &Change::AddDestination(SERVICE, real())).unwrap();
    assert_eq!(destination(&written.bytes, Family::Ipv4).unwrap(), real());
}

#[test]
fn every_cut_of_an_answer_is_read_without_harm() {
    for (_, payload) in answers() {
        for cut in 0..payload.len() {
            read(&payload[..cut]);
        }
    }
}

#[test]
fn what_is_missing_or_cannot_be_is_named() {
    let lacking = change(30, &Change::DeleteService(SERVICE)).unwrap();
    assert_eq!(
        service(&lacking.bytes).unwrap_err().to_string(),
        "the kernel's answer about a service lacks attribute FLAGS"
    );
    let mut strange = change(30, &Change::AddService(web())).unwrap();
    // Generic netlink's header, that of the nest, that of the first attribute: then comes the family.
    strange.bytes[12] = 99;
    assert_eq!(
        service(&strange.bytes).unwrap_err().to_string(),
        "the kernel's answer about a service has attribute AF with a value that it cannot have"
    );
    assert!(matches!(service(&[1, 1]), Err(DecodeError::Malformed { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(bytes in vec(prop_oneof![0..40u8, any::<u8>()], 0..300)) {
        read(&bytes);
    }

    #[test]
    fn damaged_answers_are_read_to_an_end(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), prop_oneof![0..40u8, any::<u8>()]), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let answers = answers();
        let mut payload = answers[which.index(answers.len())].1.clone();
        for (place, byte) in damage {
            let place = place.index(payload.len());
            payload[place] = byte;
        }
        read(&payload);
        read(&payload[..cut.index(payload.len())]);
    }
}
