//! Tracked scripts: rise and fall, weights, the first result, overruns.

use std::sync::Arc;
use std::time::Duration;

use parser::Config;
use parser::config::{VrrpInstance, VrrpScript};
use vrrp::{Action, Engine, Event, ScriptId, ScriptOutcome};

use crate::fixture::{at, config, instance, ms, script, started, tracked};
use crate::lan::Lan;

const GOOD: ScriptOutcome = ScriptOutcome::Exited(0);
const BAD: ScriptOutcome = ScriptOutcome::Exited(1);

fn tracking(priority: u8, weight: i16, script: VrrpScript) -> Config {
    let tracking = VrrpInstance {
        track_script: vec![tracked(&script.name, weight)],
        ..instance(priority)
    };
    config(vec![tracking], vec![script])
}

fn end(engine: &mut Engine, second: u64, outcome: ScriptOutcome) -> Vec<String> {
    engine.handle_timeout(at(1000 * second));
    let event = Event::ScriptEnded {
        script: ScriptId(0),
        outcome,
    };
    engine.handle(event, at(1000 * second + 5));
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Tell(news) if !news.is_detail() => Some(news.to_string()),
            _ => None,
        })
        .collect()
}

fn priority(engine: &Engine) -> u8 {
    engine.instances().next().unwrap().priority.get()
}

#[test]
fn a_failing_script_lowers_the_master_and_the_other_takes_over() {
    let mut lan = Lan::with([
        ("a", tracking(101, -2, script("chk"))),
        ("b", tracking(100, -2, script("chk"))),
    ]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    lan.host_mut("a").scripts.insert("chk".to_owned(), Some(BAD));
    lan.run_for(Duration::from_secs(8));
    assert_eq!(lan.masters(), ["b"]);
    lan.host_mut("b").scripts.insert("chk".to_owned(), Some(BAD));
    lan.run_for(Duration::from_secs(8));
    assert_eq!(lan.masters(), ["a"], "99 against 98");
}

#[test]
fn a_script_without_weight_is_a_fault_and_resigns_at_once() {
    let mut lan = Lan::with([
        ("a", tracking(150, 0, script("chk"))),
        ("b", config(vec![instance(100)], vec![])),
    ]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    lan.log("a");
    lan.host_mut("a").scripts.insert("chk".to_owned(), Some(BAD));
    lan.run_for(ms(1700));
    assert_eq!(lan.masters(), ["b"]);
    assert_eq!(
        lan.log("a")[..5],
        [
            "Script `chk` now returning 1",
            "VRRP_Script(chk) failed (exited with status 1)",
            "(VI_1) entering FAULT state (script chk failed)",
            "(VI_1) sent 0 priority",
            "(VI_1) Entering FAULT STATE",
        ]
    );
    lan.host_mut("a").scripts.clear();
    lan.run_for(Duration::from_secs(6));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn it_waits_in_init_for_the_first_result_of_a_script_without_weight() {
    let mut engine = started(&tracking(100, 0, script("chk")));
    let word = |engine: &Engine| engine.instances().next().unwrap().state.word();
    assert_eq!(word(&engine), "INIT");
    assert_eq!(
        engine.next_action(),
        Some(Action::RunScript(ScriptId(0))),
        "and says nothing"
    );
    assert_eq!(engine.next_action(), None);
    let reason = engine
        .instances()
        .next()
        .unwrap()
        .faults
        .first()
        .unwrap()
        .to_string();
    assert_eq!(reason, "waiting for the first result of script chk");
    assert_eq!(
        end(&mut engine, 0, GOOD),
        ["VRRP_Script(chk) succeeded", "(VI_1) Entering BACKUP STATE"]
    );
    assert_eq!(word(&engine), "BACKUP");
}

#[test]
fn rise_and_fall_count_in_a_row() {
    let slow = VrrpScript {
        rise: 2,
        fall: 3,
        ..script("chk")
    };
    let mut engine = started(&tracking(100, -20, slow));
    let mut after = |second, outcome| {
        end(&mut engine, second, outcome);
        priority(&engine)
    };
    assert_eq!(after(0, GOOD), 100, "a single success is enough at the start");
    assert_eq!([after(1, BAD), after(2, BAD)], [100, 100]);
    assert_eq!(after(3, GOOD), 100, "starts the count again");
    assert_eq!([after(4, BAD), after(5, BAD), after(6, BAD)], [100, 100, 80]);
    assert_eq!([after(7, GOOD), after(8, BAD)], [80, 80]);
    assert_eq!([after(9, GOOD), after(10, GOOD)], [80, 100]);
}

#[test]
fn the_first_failure_takes_a_script_down_whatever_fall_says() {
    let patient = VrrpScript {
        fall: 5,
        ..script("chk")
    };
    let mut engine = started(&tracking(100, -20, patient));
    assert_eq!(
        end(&mut engine, 0, BAD),
        [
            "(VI_1) Entering BACKUP STATE (init)",
            "Script `chk` now returning 1",
            "VRRP_Script(chk) failed (exited with status 1)",
            "(VI_1) Changing effective priority from 100 to 80",
        ]
    );
}

#[test]
fn init_fail_is_bad_until_it_has_risen() {
    let suspicious = VrrpScript {
        init_fail: true,
        rise: 2,
        ..script("chk")
    };
    let mut engine = started(&tracking(100, -20, suspicious.clone()));
    assert_eq!(priority(&engine), 80, "before any run");
    end(&mut engine, 0, GOOD);
    assert_eq!(priority(&engine), 80);
    end(&mut engine, 1, GOOD);
    assert_eq!(priority(&engine), 100);

    let engine = started(&tracking(100, 0, suspicious));
    assert_eq!(engine.instances().next().unwrap().state.word(), "FAULT");
}

#[test]
fn weights_count_while_good_or_while_bad_and_reverse_turns_the_sign() {
    let weigh = |weight, reverse, outcome| {
        let mut config = tracking(100, weight, script("chk"));
        Arc::make_mut(&mut config.vrrp_instances[0]).track_script[0].reverse = reverse;
        let mut engine = started(&config);
        assert_eq!(priority(&engine), 100, "an unknown result weighs nothing");
        end(&mut engine, 0, outcome);
        priority(&engine)
    };
    assert_eq!([weigh(7, false, GOOD), weigh(7, false, BAD)], [107, 100]);
    assert_eq!([weigh(7, true, GOOD), weigh(7, true, BAD)], [93, 100]);
    assert_eq!([weigh(-7, false, GOOD), weigh(-7, false, BAD)], [100, 93]);
    assert_eq!([weigh(-7, true, GOOD), weigh(-7, true, BAD)], [100, 107]);
    assert_eq!([weigh(253, false, GOOD), weigh(-253, false, BAD)], [254, 1]);
}

#[test]
fn a_reversed_script_without_weight_is_a_fault_while_it_succeeds() {
    let mut config = tracking(100, 0, script("chk"));
    Arc::make_mut(&mut config.vrrp_instances[0]).track_script[0].reverse = true;
    let mut engine = started(&config);
    end(&mut engine, 0, BAD);
    assert_eq!(engine.instances().next().unwrap().state.word(), "BACKUP");
    end(&mut engine, 1, GOOD);
    assert_eq!(engine.instances().next().unwrap().state.word(), "FAULT");
}

#[test]
fn the_owner_s_priority_moves_for_no_script() {
    let mut engine = started(&tracking(255, -100, script("chk")));
    end(&mut engine, 0, BAD);
    assert_eq!(priority(&engine), 255);
}

#[test]
fn a_running_master_down_timer_moves_with_the_priority() {
    let mut engine = started(&tracking(100, -56, script("chk")));
    let deadline = |engine: &Engine| engine.instances().next().unwrap().state.deadline().unwrap();
    let before = deadline(&engine);
    end(&mut engine, 1, BAD);
    assert_eq!(
        deadline(&engine) - before,
        Duration::from_micros(218_750),
        "56/256 s later"
    );
    end(&mut engine, 2, GOOD);
    assert_eq!(deadline(&engine), before);
}

#[test]
fn every_way_to_fail_has_its_words() {
    let said = |outcome| {
        let mut engine = started(&tracking(255, 1, script("chk")));
        end(&mut engine, 0, outcome).pop().unwrap()
    };
    assert_eq!(
        said(ScriptOutcome::Exited(3)),
        "VRRP_Script(chk) failed (exited with status 3)"
    );
    assert_eq!(
        said(ScriptOutcome::Signalled(9)),
        "VRRP_Script(chk) failed (due to signal 9)"
    );
    assert_eq!(said(ScriptOutcome::TimedOut), "VRRP_Script(chk) timed_out");
    assert_eq!(
        said(ScriptOutcome::NotStarted(2)),
        "VRRP_Script(chk) failed (could not be started: No such file or directory (os error 2))"
    );
}

#[test]
fn runs_start_every_interval_and_never_two_at_a_time() {
    let mut lan = Lan::with([("a", tracking(100, 5, script("chk")))]);
    lan.host_mut("a").scripts.insert("chk".to_owned(), None); // from now on it hangs
    lan.run_for(ms(4500));
    let runs = |lan: &mut Lan| {
        let is_run = |(_, action): &(_, Action)| matches!(action, Action::RunScript(_));
        lan.take_actions("a")
            .into_iter()
            .filter(is_run)
            .map(|(when, _)| when)
            .collect::<Vec<_>>()
    };
    let said: Vec<_> = lan
        .host("a")
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .filter(|line| line.starts_with("Track script"))
        .collect();
    assert_eq!(
        said,
        ["Track script chk is already running, expect idle - skipping run"],
        "once for the run"
    );
    assert_eq!(runs(&mut lan).len(), 2, "one before it hung");
    lan.host_mut("a").scripts.clear();
    let timed_out = Event::ScriptEnded {
        script: ScriptId(0),
        outcome: ScriptOutcome::TimedOut,
    };
    lan.handle("a", timed_out);
    lan.run_for(ms(3000));
    let starts = runs(&mut lan);
    assert_eq!(starts.len(), 3);
    assert_eq!(
        starts[2] - starts[0],
        Duration::from_secs(2),
        "in step with the interval"
    );
}

#[test]
fn a_script_that_is_always_late_is_said_to_be_so_once_until_it_keeps_its_interval() {
    let mut engine = started(&tracking(100, 5, script("chk")));
    let mut skips = Vec::new();
    // Every run takes one and a half intervals up to the tenth second, then half of one, then again too long.
    for half in 0..80_u64 {
        let now = at(500 * half);
        let ends = match half / 2 {
            10..20 => half % 2 == 1,
            _ => half % 4 == 3,
        };
        if ends {
            let event = Event::ScriptEnded {
                script: ScriptId(0),
                outcome: ScriptOutcome::TimedOut,
            };
            engine.handle(event, now);
        }
        engine.handle_timeout(now);
        let said = std::iter::from_fn(|| engine.next_action()).any(
            |action| matches!(action, Action::Tell(news) if news.what == vrrp::Happening::ScriptSkipped),
        );
        if said {
            skips.push(half / 2);
        }
    }
    assert_eq!(skips, [1, 21]);
}

#[test]
fn an_end_without_a_run_and_a_script_that_nobody_tracks_change_nothing() {
    let mut engine = started(&config(vec![instance(255)], vec![script("idle")]));
    while let Some(action) = engine.next_action() {
        assert!(!matches!(action, Action::RunScript(_)));
    }
    for index in 0..2 {
        let event = Event::ScriptEnded {
            script: ScriptId(index),
            outcome: BAD,
        };
        engine.handle(event, at(1));
    }
    assert_eq!(engine.next_action(), None);
}
