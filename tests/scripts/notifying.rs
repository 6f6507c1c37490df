//! Notify scripts: their words, their order, their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::notify::{Limits, Notifier, Party, WAITING_AT_MOST};
use holdfast::scripts::{Inspector, Runner};
use parser::config::Script;
use parser::config::vrrp_instance::{Notify, VrrpInstance};
use vrrp::{InstanceId, Notified, Transition, Whose};

use crate::stage::{Log, Stage, as_ourselves, block_on, eventually, is_gone, words};

fn instance(name: &str, notify: Notify) -> Arc<VrrpInstance> {
    let text = format!("vrrp_instance \"{name}\" {{\ninterface eth0\nvirtual_router_id 51\n}}\n");
    let mut instance = parser::parse_text(&parser::Machine, &text)
        .config
        .vrrp_instances
        .remove(0);
    Arc::make_mut(&mut instance).notify = notify;
    instance
}

/// A notifier that knows these instances.
fn notifier(instances: &[Arc<VrrpInstance>], limits: Limits) -> Notifier {
    let notifier = Notifier::new(&Runner::new().unwrap(), limits);
    notifier.learn(instances, &[], &mut Inspector::new(as_ourselves()));
    notifier
}

fn tell(notifier: &Notifier, instance: &VrrpInstance, to: Notified, priority: u8) {
    notifier.tell(
        &Transition {
            whose: Whose::Instance(InstanceId(0)),
            to,
            priority,
        },
        &Party::Instance(instance.name.clone()),
    );
}

#[expect(clippy::unnecessary_box_returns, reason = "a configuration holds them so")]
fn script(stage: &Stage, name: &str, body: &str, more: &[&str]) -> Box<Script> {
    let path = stage.script(name, body);
    Box::new(words(&[&[path.as_str()], more].concat()))
}

/// Appends its words to `told`.
#[expect(clippy::unnecessary_box_returns, reason = "a configuration holds them so")]
fn teller(stage: &Stage, name: &str) -> Box<Script> {
    script(stage, name, "echo \"$@\" >> told", &[name])
}

#[test]
fn each_transition_runs_its_script_and_then_the_generic_one_with_four_words_more() {
    let stage = Stage::new();
    let vi = instance(
        "VI 1",
        Notify {
            master: Some(teller(&stage, "master")),
            backup: Some(teller(&stage, "backup")),
            fault: Some(teller(&stage, "fault")),
            stop: Some(teller(&stage, "stop")),
            any: Some(teller(&stage, "generic")),
            master_rx_lower_pri: Some(teller(&stage, "lower")),
            ..Notify::default()
        },
    );
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        tell(&notifier, &vi, Notified::Backup, 100);
        tell(&notifier, &vi, Notified::Master, 98);
        tell(&notifier, &vi, Notified::MasterRxLowerPri, 98);
        tell(&notifier, &vi, Notified::Fault, 255);
        eventually(|| stage.lines("told").len() == 7).await;
        tell(&notifier, &vi, Notified::Stop, 1);
        notifier.finish().await;
    });
    assert_eq!(
        stage.lines("told"),
        [
            "backup",
            "generic INSTANCE VI 1 BACKUP 100",
            "master",
            "generic INSTANCE VI 1 MASTER 98",
            "lower",
            "fault",
            "generic INSTANCE VI 1 FAULT 255",
            "stop",
            "generic INSTANCE VI 1 STOP 1",
        ]
    );
}

#[test]
fn a_group_has_scripts_of_its_own_even_under_the_name_of_an_instance() {
    let stage = Stage::new();
    let any = |name| Notify {
        any: Some(teller(&stage, name)),
        ..Notify::default()
    };
    let member = instance("A", any("member"));
    let text = "vrrp_sync_group A {\ngroup {\nA\n}\n}\n\
                vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n";
    let mut group = parser::parse_text(&parser::Machine, text)
        .config
        .vrrp_sync_groups
        .remove(0);
    group.notify.master = Some(teller(&stage, "group_master"));
    group.notify.any = Some(teller(&stage, "group"));
    block_on(async {
        let notifier = Notifier::new(&Runner::new().unwrap(), Limits::default());
        notifier.learn(&[member], &[group], &mut Inspector::new(as_ourselves()));
        let transition = Transition {
            whose: Whose::Group("A".into()),
            to: Notified::Master,
            priority: 0,
        };
        notifier.tell(&transition, &Party::Group("A".to_owned()));
        notifier.finish().await;
    });
    assert_eq!(stage.lines("told"), ["group_master", "group GROUP A MASTER 0"]);
}

#[test]
fn a_slow_script_holds_up_its_own_instance_only() {
    let stage = Stage::new();
    let slow = instance(
        "slow",
        Notify {
            backup: Some(script(
                &stage,
                "wait",
                "while [ ! -e go ]; do sleep 0.01; done; echo waited >> told",
                &[],
            )),
            any: Some(teller(&stage, "generic")),
            ..Notify::default()
        },
    );
    let quick = instance(
        "quick",
        Notify {
            any: Some(teller(&stage, "other")),
            ..Notify::default()
        },
    );
    block_on(async {
        let notifier = notifier(&[slow.clone(), quick.clone()], Limits::default());
        tell(&notifier, &slow, Notified::Backup, 100);
        tell(&notifier, &slow, Notified::Master, 100);
        tell(&notifier, &quick, Notified::Master, 50);
        eventually(|| stage.lines("told") == ["other INSTANCE quick MASTER 50"]).await;
        stage.touch("go");
        eventually(|| stage.lines("told").len() == 4).await;
    });
    assert_eq!(
        stage.lines("told")[1..],
        [
            "waited",
            "generic INSTANCE slow BACKUP 100",
            "generic INSTANCE slow MASTER 100"
        ]
    );
}

#[test]
fn a_failing_script_is_logged_with_what_it_said() {
    let stage = Stage::new();
    let vi = instance(
        "VI_1",
        Notify {
            master: Some(script(
                &stage,
                "fails",
                "echo no >&2; echo 'such\tthing' > /dev/stderr; exit 3",
                &[],
            )),
            backup: Some(script(&stage, "dies", "kill -9 $$", &[])),
            fault: Some(script(&stage, "chatty", "echo all is well >&2", &[])),
            any: Some(teller(&stage, "generic")),
            ..Notify::default()
        },
    );
    let log = Log::open();
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        for state in [Notified::Master, Notified::Backup, Notified::Fault] {
            tell(&notifier, &vi, state, 100);
        }
        eventually(|| stage.lines("told").len() == 3).await;
    });
    let (fails, dies) = (stage.path("fails"), stage.path("dies"));
    assert_eq!(
        log.lines(),
        [
            format!("WARN (VI_1) notify_master script {fails} exited with status 3, saying: no | such thing"),
            format!("WARN (VI_1) notify_backup script {dies} ended due to signal 9"),
        ]
    );
}

#[test]
fn a_script_can_say_more_than_is_kept() {
    let stage = Stage::new();
    let body = "head -c 3000000 /dev/zero | tr '\\0' x >&2\necho done >> told; exit 1";
    let vi = instance(
        "VI_1",
        Notify {
            master: Some(script(&stage, "verbose", body, &[])),
            ..Notify::default()
        },
    );
    let log = Log::open();
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        tell(&notifier, &vi, Notified::Master, 100);
        eventually(|| log.lines().len() == 1).await;
    });
    assert_eq!(stage.lines("told"), ["done"]);
    let line = log.lines().remove(0);
    assert_eq!(line.split_once("saying: ").unwrap().1, "x".repeat(4096));
}

#[test]
fn a_service_left_in_the_background_survives_us_and_may_go_on_complaining() {
    let stage = Stage::new();
    let body = "(echo started > service; while [ ! -e go ]; do sleep 0.01; done; \
                echo late >&2 && echo alive > service) &";
    let vi = instance(
        "VI_1",
        Notify {
            master: Some(script(&stage, "starter", body, &[])),
            ..Notify::default()
        },
    );
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        tell(&notifier, &vi, Notified::Master, 100);
        eventually(|| stage.read("service") == "started\n").await;
        notifier.finish().await;
    }); // the reader of its standard error is gone with the runtime
    stage.touch("go");
    block_on(eventually(|| stage.read("service") == "alive\n"));
}

#[test]
fn a_script_that_hangs_is_ended_once_another_transition_waits() {
    let stage = Stage::new();
    let vi = instance(
        "VI_1",
        Notify {
            master: Some(script(
                &stage,
                "hangs",
                "echo $$ > pid\nwhile :; do sleep 0.01; done",
                &[],
            )),
            any: Some(teller(&stage, "generic")),
            ..Notify::default()
        },
    );
    let log = Log::open();
    block_on(async {
        let limits = Limits {
            waited_for: Duration::from_millis(50),
            ..Limits::default()
        };
        let notifier = notifier(std::slice::from_ref(&vi), limits);
        tell(&notifier, &vi, Notified::Master, 100);
        let pid = stage.pid_in("pid").await;
        eventually(|| log.lines().len() == 1).await;
        assert!(!is_gone(pid), "ended although nothing waited for it");
        tell(&notifier, &vi, Notified::Backup, 100);
        eventually(|| stage.lines("told").len() == 2).await;
        assert!(is_gone(pid));
    });
    assert_eq!(
        stage.lines("told"),
        [
            "generic INSTANCE VI_1 MASTER 100",
            "generic INSTANCE VI_1 BACKUP 100"
        ]
    );
    assert_eq!(
        log.lines()[1],
        format!(
            "WARN (VI_1) notify_master script {} took too long and was ended",
            stage.path("hangs")
        )
    );
}

#[test]
fn when_too_many_wait_the_oldest_are_dropped_but_never_the_last_state() {
    let stage = Stage::new();
    let vi = instance(
        "VI_1",
        Notify {
            backup: Some(script(
                &stage,
                "wait",
                "echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done",
                &[],
            )),
            master_rx_lower_pri: Some(teller(&stage, "lower")),
            any: Some(teller(&stage, "generic")),
            ..Notify::default()
        },
    );
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        tell(&notifier, &vi, Notified::Backup, 100);
        stage.pid_in("pid").await;
        for priority in 1..=50 {
            tell(&notifier, &vi, Notified::Fault, priority);
        }
        tell(&notifier, &vi, Notified::Master, 51);
        for _ in 0..50 {
            tell(&notifier, &vi, Notified::MasterRxLowerPri, 51);
        }
        stage.touch("go");
        eventually(|| stage.lines("told").len() == 1 + WAITING_AT_MOST).await;
    });
    let told = stage.lines("told");
    assert_eq!(
        told[..2],
        [
            "generic INSTANCE VI_1 BACKUP 100",
            "generic INSTANCE VI_1 MASTER 51"
        ]
    );
    assert!(told[2..].iter().all(|line| line == "lower"), "{told:?}");
}

#[test]
fn stopping_waits_one_second_for_each_script_and_leaves_nothing_running() {
    let stage = Stage::new();
    let hangs = |name: &str| {
        let body =
            format!("trap '' TERM\necho $$ > {name}.pid\nsleep 1000 & echo $! > {name}.child\nwait\nwait");
        Some(script(&stage, name, &body, &[]))
    };
    let vi = instance(
        "VI_1",
        Notify {
            master: hangs("master"),
            stop: hangs("stop"),
            any: Some(teller(&stage, "generic")),
            ..Notify::default()
        },
    );
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        tell(&notifier, &vi, Notified::Master, 100);
        let mut pids = vec![
            stage.pid_in("master.pid").await,
            stage.pid_in("master.child").await,
        ];
        tell(&notifier, &vi, Notified::Backup, 100); // overtaken by the stop
        tell(&notifier, &vi, Notified::Stop, 100);
        let start = Instant::now();
        notifier.finish().await;
        let took = start.elapsed();
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_secs(3),
            "took {took:?}"
        );
        pids.extend([stage.pid_in("stop.pid").await, stage.pid_in("stop.child").await]);
        eventually(|| pids.iter().all(|&pid| is_gone(pid))).await;
    });
    assert_eq!(
        stage.lines("told"),
        [
            "generic INSTANCE VI_1 MASTER 100",
            "generic INSTANCE VI_1 STOP 100"
        ]
    );
}

#[test]
fn what_may_not_run_is_said_and_the_rest_runs() {
    let stage = Stage::new();
    let missing = stage.path("missing");
    let vi = instance(
        "VI_1",
        Notify {
            master: Some(Box::new(words(&[&missing]))),
            any: Some(teller(&stage, "generic")),
            ..Notify::default()
        },
    );
    let log = Log::open();
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&vi), Limits::default());
        tell(&notifier, &vi, Notified::Master, 100);
        eventually(|| stage.lines("told").len() == 1).await;
    });
    assert_eq!(
        log.lines(),
        [
            format!(
                "WARN Script {missing} cannot be accessed - No such file or directory: '{missing}' does not exist"
            ),
            "WARN Disabling (VI_1) notify_master script since not found/accessible".to_owned(),
        ]
    );
}

#[test]
fn a_reload_changes_the_scripts_and_keeps_what_is_queued() {
    let stage = Stage::new();
    let wait = script(
        &stage,
        "wait",
        "echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done",
        &[],
    );
    let old = instance(
        "VI_1",
        Notify {
            backup: Some(wait),
            any: Some(teller(&stage, "old")),
            ..Notify::default()
        },
    );
    let new = instance(
        "VI_1",
        Notify {
            any: Some(teller(&stage, "new")),
            ..Notify::default()
        },
    );
    block_on(async {
        let notifier = notifier(std::slice::from_ref(&old), Limits::default());
        tell(&notifier, &old, Notified::Backup, 100);
        stage.pid_in("pid").await;
        notifier.learn(
            std::slice::from_ref(&new),
            &[],
            &mut Inspector::new(as_ourselves()),
        );
        tell(&notifier, &new, Notified::Master, 100);
        stage.touch("go");
        eventually(|| stage.lines("told").len() == 2).await;
        // The end of an instance that a reload takes away is told, and nothing after the next reload.
        notifier.learn(&[], &[], &mut Inspector::new(as_ourselves()));
        tell(&notifier, &new, Notified::Fault, 100);
        eventually(|| stage.lines("told").len() == 3).await;
        notifier.learn(&[], &[], &mut Inspector::new(as_ourselves()));
        tell(&notifier, &new, Notified::Backup, 100);
        notifier.finish().await;
    });
    assert_eq!(
        stage.lines("told"),
        [
            "old INSTANCE VI_1 BACKUP 100",
            "new INSTANCE VI_1 MASTER 100",
            "new INSTANCE VI_1 FAULT 100"
        ]
    );
}
