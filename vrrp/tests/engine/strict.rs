//! `strict_mode`: rule by rule, what the standard does not describe is not done. Firewall and VMACs are the shell's.

use std::sync::Arc;

use parser::Config;
use parser::units::Priority;
use vrrp::{Action, Datagram, Engine, Event, FaultReason, Link};

use crate::fixture::{advert, at, eth0, from, instance, ms, parsed, started};
use crate::lan::Lan;

/// A strict instance on eth0 with these settings and addresses.
fn strict_with(addresses: &str, settings: &str) -> Config {
    parsed(&format!(
        "vrrp_instance VI_1 {{
             strict_mode
             interface eth0
             virtual_router_id 51
             virtual_ipaddress {{
                 {addresses}
             }}
             {settings}
         }}"
    ))
}

fn strict(settings: &str) -> Config {
    strict_with("10.0.0.100", settings)
}

fn faults(engine: &Engine) -> Vec<FaultReason> {
    let instance = engine.instances().next().unwrap();
    instance.faults.iter().cloned().collect()
}

fn actions(engine: &mut Engine) -> Vec<Action> {
    std::iter::from_fn(|| engine.next_action()).collect()
}

fn adverts(actions: Vec<Action>) -> Vec<Datagram> {
    let advert = |action| match action {
        Action::Send(advert) => Some(advert),
        _ => None,
    };
    actions.into_iter().filter_map(advert).collect()
}

/// A master of priority 150 on 10.0.0.5.
fn master(settings: &str) -> Engine {
    let mut engine = started(&strict(&format!("priority 150\n{settings}")));
    engine.handle_timeout(at(4000));
    assert!(engine.instances().next().unwrap().state.is_master());
    actions(&mut engine);
    engine
}

#[test]
fn an_instance_without_addresses_is_dropped() {
    let none = strict_with("", "no_virtual_ipaddress");
    assert!(none.vrrp_instances.is_empty());
}

#[test]
fn where_multicast_goes_peers_are_refused() {
    let config = strict("unicast_peer {\n10.0.0.9\n}");
    let mut engine = started(&config);
    let refused = FaultReason::StrictUnicast("eth0".into());
    assert_eq!(faults(&engine)[..], *std::slice::from_ref(&refused));
    let told = actions(&mut engine).into_iter().find_map(|action| match action {
        Action::Tell(news) if news.to_string().contains("entering FAULT") => Some(news.to_string()),
        _ => None,
    });
    assert_eq!(
        told.unwrap(),
        "(VI_1) entering FAULT state (interface eth0 supports multicast, so that strict mode allows no unicast peers)"
    );
    // Somebody takes multicast off the interface, and puts it on again.
    let link = |multicast| Event::Link(Link { multicast, ..eth0(5) });
    engine.handle(link(false), at(1));
    assert_eq!(faults(&engine), []);
    engine.handle_timeout(at(5000));
    assert!(engine.instances().next().unwrap().state.is_master());
    engine.handle(link(true), at(5001));
    assert_eq!(faults(&engine), [refused]);
    assert_eq!(engine.instances().next().unwrap().state.word(), "FAULT");
}

#[test]
fn where_multicast_does_not_go_peers_are_needed() {
    let mute = || {
        Event::Link(Link {
            multicast: false,
            ..eth0(5)
        })
    };
    let peer = "unicast_peer {\n10.0.0.9\n}";
    for (settings, expected) in [
        ("", vec![FaultReason::NoMulticast("eth0".into())]),
        (peer, vec![]),
    ] {
        for config in [strict(settings), {
            let mut lax = strict(settings);
            Arc::make_mut(&mut lax.vrrp_instances[0]).strict_mode = false;
            lax
        }] {
            let mut engine = Engine::new(&config, "", at(0));
            engine.handle(mute(), at(0));
            engine.handle_timeout(at(0));
            assert_eq!(faults(&engine), expected, "{settings}");
        }
    }
}

#[test]
fn ipv6_speaks_version_3_wherever_its_first_address_is() {
    let config = strict_with("2001:db8::1", "version 2\npriority 255");
    let mut engine = started(&config);
    let sent = adverts(actions(&mut engine));
    assert_eq!(sent[0].bytes[0], 0x31);
}

#[test]
fn only_an_address_owner_starts_as_master() {
    let mut engine = started(&strict("state MASTER\npriority 200"));
    engine.handle_timeout(at(1100));
    assert_eq!(engine.instances().next().unwrap().state.word(), "BACKUP");
    let engine = started(&strict("state BACKUP\npriority 255"));
    assert!(engine.instances().next().unwrap().state.is_master());
}

#[test]
fn there_is_no_password() {
    let password = "authentication {\nauth_type PASS\nauth_pass secret\n}";
    let mut lan = Lan::with([
        ("a", strict(&format!("priority 150\n{password}"))),
        ("b", strict("priority 100")),
    ]);
    lan.run_for(ms(10_000));
    assert_eq!(lan.masters(), ["a"], "b believes a");
    let sent = adverts(
        lan.take_actions("a")
            .into_iter()
            .map(|(_, action)| action)
            .collect(),
    );
    assert_eq!(sent[0].bytes[24], 0, "authentication type");
    assert_eq!(sent[0].bytes[32..], [0; 8], "authentication data");
}

#[test]
fn a_signature_is_demanded() {
    let signing = |mode: &str| {
        strict(&format!(
            "auth_hmac {{
                 key 1 0123456789abcdef0123456789abcdef
                 active_key 1
                 mode {mode}
             }}"
        ))
    };
    for mode in ["enforce", "permissive", "receive-only"] {
        let mut engine = started(&signing(mode));
        engine.handle(from(9, &advert(&instance(100), 9, 200)), at(1));
        let stats = engine.instances().next().unwrap().stats;
        assert_eq!((stats.advert_rcvd, stats.auth_ext_missing), (0, 1), "{mode}");
        engine.handle_timeout(at(4000));
        let sent = adverts(actions(&mut engine));
        assert_eq!(sent[0].bytes.len(), 20 + 20 + 28, "{mode}: it signs");
    }
}

#[test]
fn timers_are_the_standard_s() {
    let config = strict("priority 150\npreempt_delay 20\ndown_timer_adverts 10");
    let mut lan = Lan::with([("a", config), ("b", strict("priority 100"))]);
    lan.crash("a");
    lan.run_for(ms(5000));
    assert_eq!(lan.masters(), ["b"]);
    lan.start("a");
    lan.run_for(ms(3420));
    assert_eq!(lan.masters(), ["a"], "at once, and after three adverts");
}

#[test]
fn a_lower_master_is_neither_answered_nor_talked_over() {
    let mut engine = master(
        "lower_prio_no_advert off\ngarp_lower_prio_repeat 3\ngarp_lower_prio_delay 2\nhigher_prio_send_advert",
    );
    engine.handle(from(9, &advert(&instance(100), 9, 100)), at(4001));
    let answers = actions(&mut engine);
    let speaks = |action: &&Action| !matches!(action, Action::Tell(_) | Action::Notify(_));
    let spoken: Vec<&Action> = answers.iter().filter(speaks).collect();
    let silent = spoken
        .iter()
        .all(|action| matches!(action, Action::Announce { repeat: 0, .. }));
    assert!(silent, "{spoken:?}");
    let lines: Vec<String> = answers
        .iter()
        .filter_map(|action| match action {
            Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        lines,
        ["(VI_1) Received advert from 10.0.0.9 with lower priority 100, ours 150"],
        "no election is forced"
    );
    // A higher one is yielded to without a word.
    engine.handle(from(9, &advert(&instance(100), 9, 200)), at(4002));
    assert_eq!(adverts(actions(&mut engine)), []);
    assert_eq!(engine.instances().next().unwrap().state.word(), "BACKUP");
}

#[test]
fn an_owner_does_not_listen() {
    let mut lan = Lan::with([("a", strict("priority 255")), ("b", strict("priority 255"))]);
    lan.run_for(ms(20_000));
    assert_eq!(lan.masters(), ["a", "b"]);
    for host in ["a", "b"] {
        let engine = lan.host(host).engine.as_ref().unwrap();
        let instance = engine.instances().next().unwrap();
        assert_eq!(instance.priority, Priority::OWNER, "neither gives way");
        assert!(instance.config.accept, "an owner's addresses answer");
    }
    assert!(!strict("priority 200").vrrp_instances[0].accept);
}
