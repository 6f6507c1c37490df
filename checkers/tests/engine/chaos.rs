//! Random lives of a cluster. [`check`] holds after every step, and after the stop nothing is left.

use std::collections::BTreeMap;
use std::net::IpAddr;

use checkers::{Connections, Event, Failure, ScriptOutcome};
use proptest::prelude::*;

use crate::lab::{Lab, Peer, ms, web};

#[derive(Clone, Debug)]
enum Deed {
    Alive(u8),
    Dead(u8),
    Mute(u8),
    Unreachable(u8),
    Script(u8),
    File(i64),
    Session(bool),
    Address(bool),
    Reload(Setup),
    /// So many connections of everything that drains.
    Connections(u32),
    Crash,
    Wait(u64),
}

#[derive(Clone, Debug)]
struct Setup {
    servers: u8,
    quorum: u8,
    hysteresis: u8,
    weight: u8,
    drain_timeout: u8,
    flags: [bool; 6],
}

fn setup() -> impl Strategy<Value = Setup> {
    (
        1_u8..5,
        1_u8..6,
        0_u8..3,
        0_u8..4,
        prop_oneof![Just(0), 1_u8..60],
        any::<[bool; 6]>(),
    )
        .prop_map(
            |(servers, quorum, hysteresis, weight, drain_timeout, flags)| Setup {
                servers,
                quorum,
                hysteresis,
                weight,
                drain_timeout,
                flags,
            },
        )
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 2_u8..7;
    prop_oneof![
        2 => who.clone().prop_map(Deed::Alive),
        2 => who.clone().prop_map(Deed::Dead),
        1 => who.clone().prop_map(Deed::Mute),
        1 => who.prop_map(Deed::Unreachable),
        1 => (0_u8..6).prop_map(Deed::Script),
        1 => prop_oneof![-4_i64..4, any::<i64>()].prop_map(Deed::File),
        1 => any::<bool>().prop_map(Deed::Session),
        1 => any::<bool>().prop_map(Deed::Address),
        1 => setup().prop_map(Deed::Reload),
        1 => (0_u32..3).prop_map(Deed::Connections),
        1 => Just(Deed::Crash),
        6 => (1_u64..30_000).prop_map(Deed::Wait),
    ]
}

fn text(setup: &Setup) -> String {
    let Setup {
        servers,
        quorum,
        hysteresis,
        weight,
        drain_timeout,
        flags: [sorry, sorry_inhibit, inhibit, alpha, ha_suspend, own_sorry],
    } = setup;
    let on = |flag: &bool, line: &'static str| if *flag { line } else { "" };
    let sorry = match (sorry, own_sorry) {
        (false, _) => "",
        (true, false) => "sorry_server 10.0.0.9 80",
        (true, true) => "sorry_server 10.0.0.2 80",
    };
    let sorry_inhibit = on(&(*sorry_inhibit && !sorry.is_empty()), "sorry_server_inhibit");
    let lines = format!(
        "quorum {quorum}\n hysteresis {hysteresis}\n drain_timeout {drain_timeout}\n {sorry}\n {sorry_inhibit}\n {}\n {}\n {}",
        on(inhibit, "inhibit_on_failure"),
        on(alpha, "alpha"),
        on(ha_suspend, "ha_suspend"),
    );
    let tcp = "TCP_CHECK {\n connect_timeout 2\n retry 1\n }";
    let bodies = [
        format!("weight {weight}\n {tcp}"),
        format!("{tcp}\n FILE_CHECK {{\n track_file f\n }}"),
        format!("MISC_CHECK {{\n misc_path /usr/bin/chk\n misc_dynamic\n }}\n {tcp}"),
        "BFD_CHECK {\n name b\n }".to_owned(),
    ];
    let bodies: Vec<&str> = bodies
        .iter()
        .take(usize::from(*servers))
        .map(String::as_str)
        .collect();
    format!(
        "track_file f {{\n file /tmp/f\n }}\n bfd_instance b {{\n neighbor_ip 10.0.0.5\n }}\n{}",
        web(&lines, &bodies)
    )
}

/// The rules of the pool, said once more in other words.
fn check(lab: &Lab) {
    let engine = &lab.engine;
    let service = engine.services().next().unwrap();
    let config = engine.service_config(service).unwrap();
    let table = engine.table(service);
    assert_eq!(table.keys.len(), 1);
    let has_quorum = engine.has_quorum(service).unwrap();
    let weights: BTreeMap<IpAddr, u32> = table
        .destinations
        .iter()
        .map(|destination| (destination.address, destination.weight))
        .collect();
    assert_eq!(weights.len(), table.destinations.len(), "each once");
    let sorry = config.sorry_server.as_ref();
    let stands_in = sorry.filter(|_| !has_quorum);
    for (_, real, alive) in engine.servers(service) {
        let is_sorry = sorry.is_some_and(|sorry| sorry.address == real.address);
        let inhibit = if is_sorry {
            sorry.unwrap().inhibit
        } else {
            real.inhibit_on_failure
        };
        let weight = weights.get(&real.address);
        match (stands_in.is_some(), alive) {
            (true, _) if is_sorry => assert_eq!(weight, Some(&1)),
            (false, true) => assert!(weight.is_some()),
            (true, _) | (false, false) => assert_eq!(weight, inhibit.then_some(&0)),
        }
    }
    if let Some(sorry) = sorry.filter(|sorry| sorry.address == IpAddr::from([10, 0, 0, 9])) {
        let expected = match (stands_in.is_some(), sorry.inhibit) {
            (true, _) => Some(&1),
            (false, true) => Some(&0),
            (false, false) => None,
        };
        assert_eq!(weights.get(&sorry.address), expected);
    }
    if has_quorum && stands_in.is_none() {
        let alive: u64 = engine
            .servers(service)
            .filter(|(_, _, alive)| *alive)
            .map(|(_, real, _)| u64::from(weights[&real.address]))
            .sum();
        assert!(alive > 0 && alive >= u64::from(config.quorum - config.hysteresis));
    }
    assert_eq!(lab.kernel.get(&service), Some(&table), "changed without a word");
    let latest = lab.now + config.drain_timeout;
    for drain in engine.standing(service).unwrap().draining {
        assert!(lab.now < drain.until && drain.until <= latest, "{drain:?}");
    }
    for draining in &table.draining {
        assert!(!weights.contains_key(&draining.address), "{draining:?} is in use");
    }
}

/// What is said of one thing takes turns.
fn check_lines(lab: &mut Lab, last: &mut BTreeMap<String, bool>) {
    for line in lab.take_lines() {
        let (name, state) = line.rsplit_once(' ').unwrap();
        let before = last.insert(name.to_owned(), state == "UP");
        assert_ne!(before, Some(state == "UP"), "{line} twice");
    }
}

fn perform(lab: &mut Lab, setup: &mut Setup, deed: &Deed) {
    match deed {
        Deed::Alive(who) => lab.alive(*who),
        Deed::Dead(who) => lab.peer(*who, Peer::Dead),
        Deed::Mute(who) => lab.peer(*who, Peer::Mute),
        Deed::Unreachable(who) => lab.peer(*who, Peer::Unreachable(Failure::NoSocket(24))),
        Deed::Script(status) => {
            lab.scripts
                .insert("/usr/bin/chk".to_owned(), ScriptOutcome::Exited(*status));
        }
        Deed::File(value) => lab.handle(Event::File {
            track_file: "f",
            value: *value,
        }),
        Deed::Session(up) => lab.handle(Event::Bfd {
            session: "b",
            up: *up,
        }),
        Deed::Address(present) => lab.handle(Event::Address {
            address: IpAddr::from([10, 0, 0, 1]),
            present: *present,
        }),
        Deed::Reload(next) => {
            *setup = next.clone();
            lab.reload(&text(setup));
        }
        Deed::Connections(active) => {
            let service = lab.engine.services().next().unwrap();
            for server in lab.engine.table(service).draining {
                let counted = Some(Connections {
                    active: *active,
                    inactive: 0,
                });
                lab.handle(Event::Connections {
                    service,
                    server,
                    counted,
                });
            }
        }
        Deed::Crash => {
            let (before, saved) = (lab.pool(), lab.engine.snapshot());
            let service = lab.engine.services().next().unwrap();
            let drains = lab.engine.table(service).draining;
            let next = Lab::resume_at(&text(setup), &saved, lab.now);
            assert_eq!(next.pool(), before, "{saved}");
            let service = next.engine.services().next().unwrap();
            assert_eq!(next.engine.table(service).draining, drains);
            assert!(next.notices.is_empty());
        }
        Deed::Wait(millis) => lab.run_for(ms(*millis)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_table_follows_the_rules_whatever_happens(
        first in setup(),
        deeds in proptest::collection::vec(deed(), 0..40),
    ) {
        let mut setup = first;
        let mut lab = Lab::new(&text(&setup));
        check(&lab);
        let mut last = BTreeMap::new();
        for deed in &deeds {
            perform(&mut lab, &mut setup, deed);
            check(&lab);
            if matches!(deed, Deed::Reload(_)) {
                // A server that left and came back begins anew.
                last.clear();
                lab.take_lines();
            }
            check_lines(&mut lab, &mut last);
        }
        let service = lab.engine.services().next().unwrap();
        lab.handle(Event::Stop);
        prop_assert!(lab.engine.table(service).keys.is_empty());
        prop_assert!(lab.kernel.get(&service).is_none_or(|table| table.keys.is_empty()));
        prop_assert_eq!(lab.conversations(), 0);
        prop_assert_eq!(lab.engine.next_deadline(), None);
    }
}
