//! A successor process goes on where its predecessor was killed.

use std::time::Duration;

use parser::config::VrrpInstance;
use proptest::prelude::*;
use vrrp::{Action, Engine, Event, ScriptId, ScriptOutcome};

use crate::fixture::{at, config, eth0, instance, ms, script, started, tracked};
use crate::lan::Lan;

fn resumed(config: &parser::Config, saved: &str, millis: u64) -> (Engine, Vec<Action>) {
    let mut engine = Engine::new(config, saved, at(millis));
    engine.handle(Event::Link(eth0(5)), at(millis));
    engine.handle_timeout(at(millis));
    let actions = std::iter::from_fn(|| engine.next_action()).collect();
    (engine, actions)
}

#[test]
fn a_master_goes_on_as_master_without_a_word_to_the_outside() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    let engine = lan.host("a").engine.as_ref().unwrap();
    let (saved, since) = (engine.snapshot(), engine.instances().next().unwrap().since);
    lan.crash("a");
    lan.run_for(Duration::from_secs(1));
    lan.take_actions("a");
    lan.start_from("a", &saved);
    assert_eq!(lan.masters(), ["a"]);
    let actions = lan.take_actions("a");
    let Action::Send(advert) = &actions[0].1 else {
        panic!("the advert first")
    };
    assert_eq!(
        advert.bytes[4..6],
        3_u16.to_be_bytes(),
        "the identification goes on"
    );
    assert!(
        !actions
            .iter()
            .any(|(_, action)| matches!(action, Action::Notify(_)))
    );
    let engine = lan.host("a").engine.as_ref().unwrap();
    assert_eq!(engine.instances().next().unwrap().since, since);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    assert!(
        !lan.log("b").iter().any(|line| line.contains("MASTER")),
        "b noticed nothing"
    );
}

#[test]
fn a_backup_goes_on_as_backup_with_the_interval_that_it_learned() {
    let v3 = VrrpInstance {
        version: parser::units::Version::V3,
        ..instance(100)
    };
    let slow = VrrpInstance {
        advert_int: Duration::from_secs(4),
        ..v3.clone()
    };
    let config = config(vec![v3], vec![]);
    let mut engine = started(&config);
    engine.handle(
        crate::fixture::from(9, &crate::fixture::advert(&slow, 9, 200)),
        at(100),
    );
    let (successor, actions) = resumed(&config, &engine.snapshot(), 200);
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Notify(_) | Action::Send(_)))
    );
    assert!(successor.next_deadline() > Some(at(12_200)));
}

#[test]
fn state_master_hastens_the_first_start_only() {
    let eager = VrrpInstance {
        initial_state: parser::config::vrrp_instance::InitialState::Master,
        ..instance(100)
    };
    let config = config(vec![eager], vec![]);
    let first = started(&config);
    assert!(first.next_deadline() < Some(at(1010)));
    let (successor, _) = resumed(&config, &first.snapshot(), 0);
    assert!(successor.next_deadline() > Some(at(3600)));
}

#[test]
fn a_successor_does_not_wait_for_scripts_whose_results_are_known() {
    let tracking = VrrpInstance {
        track_script: vec![tracked("chk", 0)],
        ..instance(255)
    };
    let config = config(vec![tracking], vec![script("chk")]);
    let mut engine = started(&config);
    let ended = Event::ScriptEnded {
        script: ScriptId(0),
        outcome: ScriptOutcome::Exited(0),
    };
    engine.handle(ended, at(20));
    let (successor, _) = resumed(&config, &engine.snapshot(), 100);
    assert_eq!(successor.instances().next().unwrap().state.word(), "MASTER");
}

#[test]
fn a_master_whose_link_went_down_meanwhile_is_in_fault_and_says_so() {
    let config = config(vec![instance(255)], vec![]);
    let saved = started(&config).snapshot();
    let mut engine = Engine::new(&config, &saved, at(10));
    let down = vrrp::Link {
        running: false,
        ..eth0(5)
    };
    engine.handle(Event::Link(down), at(10));
    engine.handle_timeout(at(10));
    let told = std::iter::from_fn(|| engine.next_action()).filter(
        |action| matches!(action, Action::Notify(transition) if transition.to == vrrp::Notified::Fault),
    );
    assert_eq!(told.count(), 1);
    engine.handle(Event::Link(eth0(5)), at(20));
    assert_eq!(
        engine.instances().next().unwrap().state.word(),
        "MASTER",
        "an owner"
    );
}

#[test]
fn a_master_that_was_in_fault_meanwhile_begins_again_as_backup() {
    let config = config(vec![instance(100)], vec![]);
    let mut engine = started(&config);
    engine.handle_timeout(at(4000));
    let saved = engine.snapshot();
    assert!(saved.contains("MASTER"));
    let mut engine = Engine::new(&config, &saved, at(4010));
    engine.handle_timeout(at(4010));
    engine.handle(Event::Link(eth0(5)), at(4020));
    assert_eq!(engine.instances().next().unwrap().state.word(), "BACKUP");
}

#[test]
fn what_a_startup_delay_holds_back_is_not_what_a_predecessor_began() {
    let mut delayed = config(vec![instance(255)], vec![]);
    let saved = started(&delayed).snapshot();
    delayed.global.vrrp_startup_delay = Duration::from_mins(1);
    let (engine, _) = resumed(&delayed, &saved, 10);
    assert_eq!(engine.instances().next().unwrap().state.word(), "MASTER");
}

proptest! {
    #[test]
    fn any_text_is_a_start_at_worst(saved in "(holdfast-vrrp 2 [0-9]\n)?(instance [0-9 a-zA-Z%]{0,40}\n|script .{0,20}\n|.{0,20}\n){0,4}") {
        let config = config(vec![instance(100)], vec![script("chk")]);
        let (engine, _) = resumed(&config, &saved, 10);
        prop_assert_eq!(engine.instances().next().unwrap().state.word(), "BACKUP");
        prop_assert!(engine.next_deadline() <= Some(at(10) + ms(3610)));
    }
}
