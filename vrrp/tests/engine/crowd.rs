//! Many routers at once: whoever is master advertises on time while the others take over.

use std::fmt::Write as _;

use vrrp::{Action, Engine, Instant, TURN};

use crate::fixture::{at, ms, parsed, started};

const CROWD: usize = 200;

/// A crowd of routers that may take over, and one, VRID 250, that is master at once.
fn crowd() -> Engine {
    let mut text = String::new();
    for vrid in (1..=CROWD).chain([250]) {
        let owner = if vrid == 250 {
            "priority 255\n state MASTER\n"
        } else {
            ""
        };
        let _ = write!(
            text,
            "vrrp_instance VI_{vrid} {{\n interface eth0\n virtual_router_id {vrid}\n {owner} advert_int 1\n
             virtual_ipaddress {{\n 10.1.0.{vrid}\n }}\n}}\n"
        );
    }
    let mut engine = started(&parsed(&text));
    while engine.next_deadline().is_some_and(|deadline| deadline <= at(0)) {
        engine.handle_timeout(at(0));
    }
    actions(&mut engine);
    engine
}

fn actions(engine: &mut Engine) -> Vec<Action> {
    std::iter::from_fn(|| engine.next_action()).collect()
}

/// The virtual routers whose adverts are handed out, in that order.
fn advertisers(engine: &mut Engine) -> Vec<u8> {
    actions(engine)
        .iter()
        .filter_map(|action| match action {
            // After the IPv4 header.
            Action::Send(advert) => Some(advert.bytes[21]),
            _ => None,
        })
        .collect()
}

#[test]
fn a_crowd_takes_over_in_turns_and_adverts_come_first_in_each() {
    let mut engine = crowd();
    let mut now = at(0);
    let mut seen = Vec::new();
    // Up to the deadline of the crowd the owner advertises alone.
    while engine
        .instances()
        .filter(|instance| instance.state.is_master())
        .count()
        == 1
    {
        now = engine.next_deadline().unwrap();
        engine.handle_timeout(now);
        seen = advertisers(&mut engine);
    }
    assert_eq!(seen.len(), TURN, "the first turn");
    assert_eq!(
        engine.next_deadline(),
        Some(now),
        "the rest waits, the longest waiting first"
    );

    // The owner's advert falls due while most of the crowd still waits: it is the first.
    let later = Instant { nanos: now.nanos } + ms(1000);
    engine.handle_timeout(later);
    let seen = advertisers(&mut engine);
    let owner = seen.iter().position(|vrid| *vrid == 250).unwrap();
    assert_eq!(
        owner, 0,
        "it waited longest, and the crowd comes after the masters"
    );
    let masters = |engine: &Engine| {
        engine
            .instances()
            .filter(|instance| instance.state.is_master())
            .count()
    };
    assert_eq!(masters(&engine), 1 + 2 * TURN);

    // And everyone is served in the end.
    let mut turns = 2;
    while engine.next_deadline().is_some_and(|deadline| deadline <= later) {
        engine.handle_timeout(later);
        turns += 1;
    }
    assert_eq!(masters(&engine), CROWD + 1);
    assert_eq!(turns, CROWD.div_ceil(TURN));
}
