//! Reload: what stays the same is not touched, what changed adapts, what is gone resigns.

use std::time::Duration;

use parser::config::{VrrpInstance, VrrpScript};
use vrrp::{Action, Engine, Event, InstanceId, Notified, ScriptId, ScriptOutcome};

use crate::fixture::{advert, at, config, from, instance, ip, line, ms, script, started, tracked, vrid};

fn drain(engine: &mut Engine) -> Vec<Action> {
    std::iter::from_fn(|| engine.next_action()).collect()
}

fn second(priority: u8) -> VrrpInstance {
    VrrpInstance {
        name: "VI_2".to_owned(),
        virtual_router_id: vrid(52),
        virtual_ipaddress: vec![line(ip(102))],
        ..instance(priority)
    }
}

fn words(engine: &Engine) -> Vec<(u32, &str, &str)> {
    engine
        .instances()
        .map(|instance| (instance.id.0, &*instance.name, instance.state.word()))
        .collect()
}

#[test]
fn an_unchanged_configuration_changes_nothing_and_says_nothing() {
    let tracking = VrrpInstance {
        track_script: vec![tracked("chk", -5)],
        ..second(100)
    };
    let same = config(vec![instance(255), tracking], vec![script("chk")]);
    let mut engine = started(&same);
    engine.handle_timeout(at(400));
    let ended = Event::ScriptEnded {
        script: ScriptId(0),
        outcome: ScriptOutcome::Exited(0),
    };
    engine.handle(ended, at(450));
    drain(&mut engine);
    let before: Vec<_> = engine
        .instances()
        .map(|instance| instance.state.clone())
        .collect();
    let deadline = engine.next_deadline();
    engine.reload(&same, at(500));
    assert_eq!(drain(&mut engine), []);
    let after: Vec<_> = engine
        .instances()
        .map(|instance| instance.state.clone())
        .collect();
    assert_eq!((after, engine.next_deadline()), (before, deadline));
}

#[test]
fn a_new_name_and_a_new_place_keep_state_and_number() {
    let mut engine = started(&config(vec![instance(255), second(255)], vec![]));
    drain(&mut engine);
    let renamed = VrrpInstance {
        name: "VI_NEW".to_owned(),
        ..instance(255)
    };
    engine.reload(&config(vec![second(255), renamed], vec![]), at(500));
    assert_eq!(drain(&mut engine), []);
    assert_eq!(words(&engine), [(1, "VI_2", "MASTER"), (0, "VI_NEW", "MASTER")]);
}

#[test]
fn what_is_gone_resigns_and_is_still_known_to_its_last_actions() {
    let mut engine = started(&config(vec![instance(255), second(255)], vec![]));
    drain(&mut engine);
    engine.reload(&config(vec![second(255)], vec![]), at(500));
    let actions = drain(&mut engine);
    let gone = InstanceId(0);
    assert!(matches!(&actions[0], Action::Send(advert) if advert.instance == gone && advert.bytes[22] == 0));
    assert_eq!(actions[1], Action::Reconcile(gone));
    assert!(
        matches!(&actions[4], Action::Notify(told) if told.whose == vrrp::Whose::Instance(gone) && told.to == Notified::Fault),
        "{actions:?}"
    );
    assert_eq!(actions.len(), 5, "two lines of log");
    assert_eq!(engine.owned(gone).count(), 0);
    assert_eq!(engine.instance(gone).unwrap().config.name, "VI_1");
    assert_eq!(words(&engine), [(1, "VI_2", "MASTER")]);
    engine.handle(from(9, &advert(&instance(100), 9, 200)), at(600));
    assert_eq!(engine.strays.unknown_vrid, 1, "nobody listens for it");
    engine.handle_timeout(at(600));
    engine.reload(&config(vec![second(255), instance(255)], vec![]), at(700));
    engine.handle_timeout(at(700));
    assert_eq!(
        words(&engine),
        [(1, "VI_2", "MASTER"), (0, "VI_1", "MASTER")],
        "its place is free again"
    );
}

#[test]
fn what_was_in_fault_leaves_without_a_word() {
    let missing = VrrpInstance {
        interface: "eth7".to_owned(),
        ..second(100)
    };
    let mut engine = started(&config(vec![instance(255), missing], vec![]));
    drain(&mut engine);
    engine.reload(&config(vec![instance(255)], vec![]), at(500));
    assert_eq!(drain(&mut engine), []);
}

#[test]
fn another_interface_is_another_instance() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    drain(&mut engine);
    let moved = VrrpInstance {
        interface: "eth1".to_owned(),
        ..instance(255)
    };
    engine.reload(&config(vec![moved], vec![]), at(500));
    engine.handle_timeout(at(500));
    assert_eq!(words(&engine), [(1, "VI_1", "FAULT")]);
    assert_eq!(engine.next_deadline(), Some(at(10_500)), "to look again");
    let actions = drain(&mut engine);
    assert!(
        actions.iter().any(|action| matches!(action, Action::Send(_))),
        "it resigns"
    );
    // The addresses are those of the new one now, which does not want them.
    assert!(actions.contains(&Action::Reconcile(InstanceId(1))), "{actions:?}");
    assert_eq!(engine.owned(InstanceId(1)).count(), 0);
}

#[test]
fn another_way_of_advertising_is_another_instance() {
    type Change = fn(&mut VrrpInstance);
    let changes: [Change; 4] = [
        |router| router.mcast_dst_ip = "224.0.0.99".parse().unwrap(),
        |router| router.unicast = true,
        |router| router.use_vmac_addr = true,
        |router| router.virtual_router_id = vrid(99),
    ];
    for change in changes {
        let mut engine = started(&config(vec![instance(255)], vec![]));
        drain(&mut engine);
        let mut other = instance(255);
        change(&mut other);
        engine.reload(&config(vec![other], vec![]), at(500));
        assert_eq!(engine.instance(InstanceId(0)).unwrap().state.word(), "DELETED");
        assert_eq!(engine.instances().next().unwrap().id, InstanceId(1));
    }
}

#[test]
fn a_new_instance_starts_like_any_other() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    engine.reload(&config(vec![instance(255), second(255)], vec![]), at(500));
    drain(&mut engine);
    engine.handle_timeout(at(500));
    assert_eq!(words(&engine), [(0, "VI_1", "MASTER"), (1, "VI_2", "MASTER")]);
    assert!(matches!(drain(&mut engine)[0], Action::Send(_)));
}

#[test]
fn a_changed_priority_and_interval_reach_the_next_advert() {
    let mut engine = started(&config(vec![instance(150)], vec![]));
    engine.handle_timeout(at(3500));
    drain(&mut engine);
    let changed = VrrpInstance {
        advert_int: Duration::from_secs(3),
        ..instance(120)
    };
    engine.reload(&config(vec![changed], vec![]), at(3600));
    let actions = drain(&mut engine);
    assert!(
        matches!(&actions[..], [Action::Tell(news), Action::Notify(told)]
            if news.to_string() == "(VI_1) Changing effective priority from 150 to 120"
                && (told.to, told.priority) == (Notified::MasterPriority, 120)),
        "{actions:?}"
    );
    engine.handle_timeout(at(4500));
    let Action::Send(advert) = &drain(&mut engine)[0] else {
        panic!("no advert")
    };
    assert_eq!((advert.bytes[22], advert.bytes[25]), (120, 3));
    assert_eq!(engine.next_deadline(), Some(at(7500)), "three seconds later");
}

#[test]
fn a_shorter_interval_is_kept_from_now_on() {
    let slow = VrrpInstance {
        advert_int: Duration::from_secs(100),
        ..instance(255)
    };
    let mut engine = started(&config(vec![slow], vec![]));
    engine.reload(&config(vec![instance(255)], vec![]), at(500));
    assert_eq!(engine.next_deadline(), Some(at(1500)));
}

#[test]
fn a_backup_s_timer_moves_with_the_interval() {
    let mut engine = started(&config(vec![instance(100)], vec![]));
    assert_eq!(
        engine.next_deadline(),
        Some(at(0) + Duration::from_micros(3_609_375))
    );
    let slow = VrrpInstance {
        advert_int: Duration::from_secs(2),
        ..instance(100)
    };
    engine.reload(&config(vec![slow], vec![]), at(500));
    assert_eq!(
        engine.next_deadline(),
        Some(at(0) + Duration::from_micros(6_609_375))
    );
}

#[test]
fn changed_addresses_of_a_master_are_reconciled_and_announced() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    drain(&mut engine);
    let more = VrrpInstance {
        virtual_ipaddress: vec![line(ip(100)), line(ip(101))],
        ..instance(255)
    };
    let id = InstanceId(0);
    engine.reload(&config(vec![more], vec![]), at(500));
    let actions = drain(&mut engine);
    assert_eq!(
        actions,
        [
            Action::Reconcile(id),
            Action::Announce {
                instance: id,
                repeat: 5
            }
        ]
    );
    assert_eq!(engine.owned(id).count(), 2);
    engine.reload(&config(vec![instance(255)], vec![]), at(600));
    assert_eq!(
        drain(&mut engine),
        [Action::Reconcile(id)],
        "nothing new to announce"
    );
}

#[test]
fn an_address_that_moves_is_taken_before_it_is_given() {
    let both = |first: &[u8], other: &[u8]| {
        let lines = |lasts: &[u8]| lasts.iter().map(|last| line(ip(*last))).collect();
        let one = VrrpInstance {
            virtual_ipaddress: lines(first),
            ..instance(255)
        };
        let two = VrrpInstance {
            virtual_ipaddress: lines(other),
            ..second(255)
        };
        config(vec![one, two], vec![])
    };
    let mut engine = started(&both(&[100], &[102, 103]));
    drain(&mut engine);
    engine.reload(&both(&[100, 103], &[102]), at(500));
    let reconciled: Vec<_> = drain(&mut engine)
        .into_iter()
        .filter_map(|action| match action {
            Action::Reconcile(id) => Some(id.0),
            _ => None,
        })
        .collect();
    assert_eq!(reconciled, [1, 0]);
}

#[test]
fn scripts_keep_their_results_by_name() {
    let tracking = |names: [&str; 2]| {
        let tracking = VrrpInstance {
            track_script: vec![tracked("chk", -20)],
            ..instance(100)
        };
        config(vec![tracking], names.map(script).to_vec())
    };
    let mut engine = started(&tracking(["chk", "idle"]));
    let ended = |id| Event::ScriptEnded {
        script: ScriptId(id),
        outcome: ScriptOutcome::Exited(1),
    };
    engine.handle(ended(0), at(20));
    drain(&mut engine);
    engine.reload(&tracking(["idle", "chk"]), at(500));
    assert_eq!(engine.instances().next().unwrap().priority.get(), 80);
    let said = drain(&mut engine);
    assert!(
        matches!(&said[..], [Action::Tell(news)] if news.to_string() == "VRRP_Script(chk) considered unsuccessful on reload"),
        "{said:?}"
    );
    engine.handle_timeout(at(1000));
    assert_eq!(
        drain(&mut engine),
        [Action::RunScript(ScriptId(1))],
        "under its new number, in its old step"
    );
}

#[test]
fn a_run_that_a_reload_ended_starts_again_at_once() {
    let tracking = VrrpInstance {
        track_script: vec![tracked("chk", -20)],
        ..instance(100)
    };
    let mut same = config(vec![tracking], vec![script("chk")]);
    let mut engine = started(&same);
    drain(&mut engine);
    engine.reload(&same, at(300));
    engine.handle_timeout(at(300));
    assert_eq!(drain(&mut engine), [Action::RunScript(ScriptId(0))]);
    let ended = Event::ScriptEnded {
        script: ScriptId(0),
        outcome: ScriptOutcome::Exited(0),
    };
    engine.handle(ended, at(310));
    drain(&mut engine);
    same.vrrp_scripts[0] = VrrpScript {
        interval: ms(100),
        ..script("chk")
    };
    engine.reload(&same, at(320));
    assert_eq!(
        engine.next_deadline(),
        Some(at(420)),
        "a shorter interval counts from now"
    );
}

#[test]
fn nothing_moves_a_stopped_engine() {
    let mut engine = started(&config(vec![instance(255)], vec![]));
    engine.handle(Event::Stop, at(100));
    assert_eq!(engine.next_deadline(), None);
    drain(&mut engine);
    engine.reload(&config(vec![instance(255), second(255)], vec![]), at(200));
    engine.handle_timeout(at(9000));
    engine.handle(Event::Stop, at(9000));
    assert_eq!(drain(&mut engine), []);
    assert_eq!(engine.next_deadline(), None);
    assert_eq!(words(&engine), [(0, "VI_1", "STOP")]);
}
