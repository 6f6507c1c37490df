//! Sync groups: instances that change state together.

use std::time::Duration;

use parser::Config;
use vrrp::{Action, Engine, Event, FaultReason, Notified, ScriptId, ScriptOutcome, Whose};

use crate::fixture::{advert, at, eth0, from, instance, ms, parsed, vrid};
use crate::lan::Lan;

/// `VI_1` and `VI_2` of these priorities on eth0, virtual routers 51 and 52, in group G1; each tracks a script of its
/// own; `more` stands in the first, `group` in the group.
fn pair(priorities: [u8; 2], more: &str, group: &str) -> Config {
    let [one, two] = priorities;
    parsed(&format!(
        "vrrp_script chk1 {{
             script /usr/bin/chk1
         }}
         vrrp_script chk2 {{
             script /usr/bin/chk2
         }}
         vrrp_sync_group G1 {{
             group {{
                 VI_1
                 VI_2
             }}
             {group}
         }}
         vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority {one}
             track_script {{
                 chk1
             }}
             virtual_ipaddress {{
                 10.0.0.101
             }}
             {more}
         }}
         vrrp_instance VI_2 {{
             interface eth0
             virtual_router_id 52
             priority {two}
             track_script {{
                 chk2
             }}
             virtual_ipaddress {{
                 10.0.0.102
             }}
         }}"
    ))
}

fn nodes() -> Lan {
    Lan::with([("a", pair([150, 140], "", "")), ("b", pair([100, 90], "", ""))])
}

/// The states of the members of one host.
fn states(lan: &Lan, host: &str) -> String {
    let engine = lan.host(host).engine.as_ref().unwrap();
    let words: Vec<&str> = engine.instances().map(|member| member.state.word()).collect();
    words.join(" ")
}

fn told(actions: impl IntoIterator<Item = Action>) -> Vec<String> {
    actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Notify(transition) => Some(match transition.whose {
                Whose::Instance(id) => {
                    format!("VI_{} {} {}", id.0 + 1, transition.to.word(), transition.priority)
                }
                Whose::Group(name) => format!("{name} {} {}", transition.to.word(), transition.priority),
            }),
            _ => None,
        })
        .collect()
}

fn notified(lan: &mut Lan, host: &str) -> Vec<String> {
    told(lan.take_actions(host).into_iter().map(|(_, action)| action))
}

fn fail(lan: &mut Lan, host: &'static str, script: u32, status: u8) {
    let name = format!("chk{}", script + 1);
    lan.host_mut(host)
        .scripts
        .insert(name, Some(ScriptOutcome::Exited(status)));
    lan.run_for(ms(1100));
}

#[test]
fn all_become_master_when_the_last_of_them_would_be() {
    let mut lan = nodes();
    lan.run_for(ms(3450)); // VI_1 would be master after 3.414 s and a script's run of 20 ms
    assert_eq!(states(&lan, "a"), "BACKUP BACKUP");
    lan.run_for(ms(30)); // VI_2 after 3.453 s
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
    let actions = lan.take_actions("a");
    let log: Vec<String> = actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .filter(|line| !line.contains("cript"))
        .collect();
    assert_eq!(
        log,
        [
            "(VI_2) Entering BACKUP STATE",
            "(VI_1) Entering BACKUP STATE",
            "(VI_1) Receive advertisement timeout",
            "(VI_2) Receive advertisement timeout",
            "(VI_2) Entering MASTER STATE",
            "(VI_2) setting VIPs.",
            "VRRP_Group(G1) Syncing instances to MASTER state",
            "(VI_1) Entering MASTER STATE",
            "(VI_1) setting VIPs.",
        ]
    );
    // keepalived's FIFO has these lines in this order.
    assert_eq!(
        told(actions.into_iter().map(|(_, action)| action)),
        [
            "G1 BACKUP 0",
            "VI_2 BACKUP 140",
            "VI_1 BACKUP 150",
            "VI_2 MASTER 140",
            "VI_1 MASTER 150",
            "G1 MASTER 0"
        ]
    );
    lan.run_for(Duration::from_mins(1));
    assert_eq!(states(&lan, "b"), "BACKUP BACKUP");
}

#[test]
fn a_fault_of_one_is_the_fault_of_all_until_it_ends() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    lan.take_actions("a");
    fail(&mut lan, "a", 0, 1);
    assert_eq!(states(&lan, "a"), "FAULT FAULT");
    let engine = lan.host("a").engine.as_ref().unwrap();
    let reasons: Vec<_> = engine
        .instances()
        .map(|member| member.faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        .collect();
    assert_eq!(
        reasons,
        [
            ["script chk1 failed"],
            ["VI_1 of the same sync group is in FAULT state"]
        ]
    );
    let actions: Vec<Action> = lan
        .take_actions("a")
        .into_iter()
        .map(|(_, action)| action)
        .collect();
    let resigned = actions
        .iter()
        .filter(|action| matches!(action, Action::Send(advert) if advert.bytes[22] == 0));
    assert_eq!(resigned.count(), 2, "the other node need not wait for either");
    let log: Vec<String> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        log[2..],
        [
            "(VI_1) entering FAULT state (script chk1 failed)",
            "(VI_1) sent 0 priority",
            "(VI_1) Entering FAULT STATE",
            "(VI_1) removing VIPs.",
            "VRRP_Group(G1) Syncing instances to FAULT state",
            "(VI_2) sent 0 priority",
            "(VI_2) Entering FAULT STATE",
            "(VI_2) removing VIPs.",
        ]
    );
    assert_eq!(told(actions), ["VI_1 FAULT 150", "VI_2 FAULT 140", "G1 FAULT 0"]);
    lan.run_for(ms(1000));
    assert_eq!(states(&lan, "b"), "MASTER MASTER");
    lan.take_actions("b");

    fail(&mut lan, "a", 1, 1);
    assert_eq!(notified(&mut lan, "a"), [""; 0], "one more reason is no news");
    fail(&mut lan, "a", 0, 0);
    assert_eq!(states(&lan, "a"), "FAULT FAULT");
    fail(&mut lan, "a", 1, 0);
    assert_eq!(states(&lan, "a"), "BACKUP BACKUP");
    assert_eq!(
        notified(&mut lan, "a"),
        ["VI_2 BACKUP 140", "VI_1 BACKUP 150", "G1 BACKUP 0"]
    );
    lan.run_for(ms(4000));
    assert_eq!(
        (states(&lan, "a"), states(&lan, "b")),
        ("MASTER MASTER".to_owned(), "BACKUP BACKUP".to_owned())
    );
    assert_eq!(
        notified(&mut lan, "b"),
        ["VI_2 BACKUP 90", "VI_1 BACKUP 100", "G1 BACKUP 0"],
        "one member yields, all are backup, then the group"
    );
}

#[test]
fn one_that_yields_takes_the_others_with_it() {
    let mut engine = Engine::new(&pair([150, 140], "", ""), "", at(0));
    engine.handle(Event::Link(eth0(5)), at(0));
    engine.handle_timeout(at(0));
    for script in [0, 1] {
        let outcome = ScriptOutcome::Exited(0);
        let script = ScriptId(script);
        engine.handle(Event::ScriptEnded { script, outcome }, at(10));
    }
    engine.handle_timeout(at(4000));
    assert!(engine.instances().all(|member| member.state.is_master()));
    while engine.next_action().is_some() {}
    let mut second = instance(200);
    second.virtual_router_id = vrid(52);
    engine.handle(from(9, &advert(&second, 9, 200)), at(5000));
    assert!(engine.instances().all(|member| member.state.word() == "BACKUP"));
    let actions: Vec<Action> = std::iter::from_fn(|| engine.next_action()).collect();
    assert!(
        !actions.iter().any(|action| matches!(action, Action::Send(_))),
        "who yields does not resign"
    );
    assert_eq!(
        told(actions),
        ["VI_2 BACKUP 140", "VI_1 BACKUP 150", "G1 BACKUP 0"]
    );
    // VI_1 hears nobody and would be master, but VI_2 follows.
    engine.handle(from(9, &advert(&second, 9, 200)), at(8000));
    engine.handle_timeout(at(9000));
    let words: Vec<_> = engine.instances().map(|member| member.state.clone()).collect();
    assert!(words[0].wants_master() && !words[0].is_master(), "{words:?}");
    assert!(!words[1].wants_master());
    assert!(engine.next_deadline().unwrap() > at(9000));
    engine.handle_timeout(at(12_000));
    assert!(engine.instances().all(|member| member.state.is_master()));
}

#[test]
fn a_crash_a_stop_and_a_return_move_all_members() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    lan.crash("a");
    lan.run_for(ms(3700));
    assert_eq!(states(&lan, "b"), "MASTER MASTER");
    lan.start("a");
    lan.run_for(ms(3600));
    assert_eq!(
        (states(&lan, "a"), states(&lan, "b")),
        ("MASTER MASTER".to_owned(), "BACKUP BACKUP".to_owned())
    );
    lan.take_actions("a");
    lan.stop("a");
    assert_eq!(
        notified(&mut lan, "a"),
        ["VI_1 STOP 150", "VI_2 STOP 140", "G1 STOP 0"]
    );
    lan.run_for(ms(700));
    assert_eq!(states(&lan, "b"), "MASTER MASTER");
}

#[test]
fn a_successor_goes_on_as_master_and_tells_nobody() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    let saved = lan.host("a").engine.as_ref().unwrap().snapshot();
    lan.crash("a");
    lan.take_actions("a");
    lan.start_from("a", &saved);
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
    assert_eq!(notified(&mut lan, "a"), [""; 0]);
    assert_eq!(
        lan.host("a").engine.as_ref().unwrap().groups[0].state,
        Some(Notified::Master)
    );
}

#[test]
fn a_successor_of_members_that_stood_apart_begins_as_backup() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    let saved = lan.host("a").engine.as_ref().unwrap().snapshot();
    let apart = saved.replacen("MASTER", "BACKUP", 1);
    lan.crash("a");
    lan.take_actions("a");
    lan.start_from("a", &apart);
    assert_eq!(states(&lan, "a"), "BACKUP BACKUP");
    lan.run_for(ms(4000));
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
}

#[test]
fn owners_lead_at_once_only_if_all_are_owners() {
    let lan = Lan::with([("a", parsed(&OWNERS.replace("LAST", "255")))]);
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
    let mut lan = Lan::with([("a", parsed(&OWNERS.replace("LAST", "100")))]);
    assert_eq!(states(&lan, "a"), "BACKUP BACKUP");
    assert!(
        lan.log("a")
            .contains(&"(VI_1) Receive advertisement timeout".to_owned())
    );
    lan.run_for(ms(3610));
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
}

const OWNERS: &str = "
    vrrp_sync_group G1 {
        group {
            VI_1
            VI_2
        }
    }
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 255
        virtual_ipaddress {
            10.0.0.101
        }
    }
    vrrp_instance VI_2 {
        interface eth0
        virtual_router_id 52
        priority LAST
        virtual_ipaddress {
            10.0.0.102
        }
    }";

#[test]
fn state_master_waits_the_whole_time_in_a_group() {
    let mut lan = Lan::with([("a", pair([150, 140], "state MASTER", ""))]);
    lan.run_for(ms(2000));
    let engine = lan.host("a").engine.as_ref().unwrap();
    assert!(!engine.instances().next().unwrap().state.wants_master());
}

#[test]
fn nobody_begins_before_all_scripts_have_ended_once() {
    let mut lan = nodes();
    lan.crash("a");
    lan.host_mut("a").scripts.insert("chk2".to_owned(), None);
    lan.start("a");
    lan.run_for(ms(500));
    assert_eq!(states(&lan, "a"), "INIT INIT");
    let engine = lan.host("a").engine.as_ref().unwrap();
    let first = engine.instances().next().unwrap();
    assert_eq!(
        Vec::from_iter(first.faults.clone()),
        [FaultReason::AwaitingMember("VI_2".into())]
    );
    fail(&mut lan, "a", 0, 1);
    assert_eq!(states(&lan, "a"), "FAULT FAULT");
}

#[test]
fn weights_count_where_the_group_consents() {
    let group = "sync_group_tracking_weight\ntrack_interface {\neth1 weight -50\n}\n";
    let mut lan = Lan::with([
        ("a", pair([150, 140], "", group)),
        ("b", pair([110, 105], "", "")),
    ]);
    // a's eth1 is not there: priorities 100 and 90.
    lan.run_for(ms(10_000));
    assert_eq!(
        (states(&lan, "a"), states(&lan, "b")),
        ("BACKUP BACKUP".to_owned(), "MASTER MASTER".to_owned())
    );
    let up = vrrp::Link {
        id: vrrp::LinkId(7),
        name: "eth1".to_owned(),
        ..eth0(1)
    };
    lan.handle("a", Event::Link(up));
    lan.run_for(ms(5000));
    assert_eq!(
        (states(&lan, "a"), states(&lan, "b")),
        ("MASTER MASTER".to_owned(), "BACKUP BACKUP".to_owned())
    );
}

#[test]
fn a_lower_master_has_all_members_announce_themselves() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    lan.run_for(ms(10_000));
    lan.take_actions("a");
    let plain = instance(100);
    lan.handle("a", from(9, &advert(&plain, 9, 20)));
    let announced: Vec<u32> = lan
        .take_actions("a")
        .into_iter()
        .filter_map(|(_, action)| match action {
            Action::Announce { instance, .. } => Some(instance.0),
            _ => None,
        })
        .collect();
    assert_eq!(announced, [0, 1]);
}

#[test]
fn a_pulled_cable_is_told_once_for_the_group() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    lan.take_actions("a");
    lan.set_link("a", false);
    assert_eq!(states(&lan, "a"), "FAULT FAULT");
    let log = lan.log("a");
    assert!(
        !log.iter().any(|line| line.contains("sent 0 priority")),
        "nothing leaves a dead link: {log:?}"
    );
    assert_eq!(log.iter().filter(|line| line.contains("Syncing")).count(), 1);
    lan.set_link("a", true);
    assert_eq!(states(&lan, "a"), "BACKUP BACKUP");
}

#[test]
fn a_reload_changes_who_is_in_the_group() {
    let mut lan = nodes();
    lan.run_for(ms(5000));
    lan.take_actions("a");
    let same = pair([150, 140], "", "");
    lan.reload("a", same.clone());
    lan.run_for(ms(10));
    let disturbed = lan
        .take_actions("a")
        .into_iter()
        .filter(|(_, action)| !matches!(action, Action::RunScript(_)));
    assert_eq!(disturbed.count(), 0, "unchanged is not touched");

    // Out of the group: each on its own.
    let mut apart = same.clone();
    apart.vrrp_sync_groups.clear();
    lan.reload("a", apart.clone());
    assert_eq!(notified(&mut lan, "a"), [""; 0]);
    fail(&mut lan, "a", 0, 1);
    assert_eq!(states(&lan, "a"), "FAULT MASTER");
    fail(&mut lan, "a", 0, 0);
    lan.run_for(ms(4000));
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
    assert_eq!(
        states(&lan, "b"),
        "BACKUP BACKUP",
        "b's group waits: one of them follows"
    );

    // Together again, while both are master: nothing but the group has news.
    lan.take_actions("a");
    lan.reload("a", same);
    assert_eq!(notified(&mut lan, "a"), ["G1 MASTER 0"]);
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
}

#[test]
fn who_joins_a_master_group_listens_first_and_stops_nobody() {
    let both = pair([150, 140], "", "");
    let mut alone = both.clone();
    alone.vrrp_instances.pop();
    alone.vrrp_sync_groups[0].members.pop();
    let mut lan = Lan::with([("a", alone), ("b", pair([100, 90], "", ""))]);
    lan.run_for(ms(3500));
    assert_eq!(states(&lan, "a"), "MASTER");
    lan.run_for(ms(6000));
    assert_eq!(
        states(&lan, "b"),
        "BACKUP BACKUP",
        "VI_2 of b would be master, VI_1 follows"
    );
    lan.reload("a", both);
    lan.run_for(ms(1000));
    assert_eq!(states(&lan, "a"), "MASTER BACKUP");
    lan.run_for(ms(3000));
    assert_eq!(states(&lan, "a"), "MASTER MASTER");
}

#[test]
fn who_leaves_a_group_that_waited_waits_no_more() {
    let mut lan = Lan::with([("a", pair([150, 140], "", "")), ("b", pair([100, 90], "", ""))]);
    // On the segment of VI_2 another router is master, so that nobody of group G1 may be.
    let mut other = instance(200);
    other.virtual_router_id = vrid(52);
    for _ in 0..8 {
        lan.handle("a", from(9, &advert(&other, 9, 200)));
        lan.handle("b", from(9, &advert(&other, 9, 200)));
        lan.run_for(ms(1000));
    }
    assert_eq!(states(&lan, "a"), "BACKUP BACKUP");
    let mut apart = pair([150, 140], "", "");
    apart.vrrp_sync_groups.clear();
    lan.reload("a", apart);
    lan.run_for(ms(1));
    assert_eq!(states(&lan, "a"), "MASTER BACKUP");
}

/// What befalls `VI_1`, and what both members are then: W is backup that would be master and waits for the other.
const TABLE: &str = "
    event           init backup waiting master fault
    advert_higher   II   BB     BB      BB     FF
    advert_equal    II   BB     BB      BB     FF
    advert_lower    II   BB     WB      MM     FF
    advert_zero     II   BB     WB      MM     FF
    script_good     BB   BB     WB      MM     BB
    script_bad      FF   FF     FF      FF     FF
    link_down       FF   FF     FF      FF     FF
    link_gone       FF   FF     FF      FF     FF
    timeout         II   MM     WB      MM     FF
    stop            SS   SS     SS      SS     SS
    reload          II   BB     WB      MM     FF
    reload_apart    IB   BB     BB      MM     FB
";

/// 10.0.0.5 at second 10, `VI_2` hearing a master of its own where the state needs one.
fn reach(state: &str) -> Engine {
    let mut engine = Engine::new(&pair([100, 100], "", ""), "", at(0));
    engine.handle(Event::Link(eth0(5)), at(0));
    engine.handle_timeout(at(0));
    let mut end = |script, status, millis| {
        let (script, outcome) = (ScriptId(script), ScriptOutcome::Exited(status));
        engine.handle(Event::ScriptEnded { script, outcome }, at(millis));
    };
    let start = if state == "backup" { 8000 } else { 1000 };
    end(1, 0, start);
    if state != "init" {
        end(0, u8::from(state == "fault"), start);
    }
    if state == "waiting" {
        let mut other = instance(200);
        other.virtual_router_id = vrid(52);
        for millis in [3000, 6000, 9000] {
            engine.handle_timeout(at(millis));
            engine.handle(from(9, &advert(&other, 9, 200)), at(millis));
        }
    }
    engine.handle_timeout(at(9900));
    while engine.next_action().is_some() {}
    engine
}

fn letters(engine: &Engine) -> String {
    let letter = |state: &vrrp::State| match state {
        vrrp::State::Backup {
            take_over_at: None, ..
        } => 'W',
        state => state.word().chars().next().unwrap(),
    };
    engine.instances().map(|member| letter(&member.state)).collect()
}

fn befall(engine: &mut Engine, event: &str) {
    let now = at(10_000);
    let plain = instance(100);
    let mut hear = |priority| engine.handle(from(9, &advert(&plain, 9, priority)), now);
    let ended = |status| Event::ScriptEnded {
        script: ScriptId(0),
        outcome: ScriptOutcome::Exited(status),
    };
    let mut apart = pair([100, 100], "", "");
    match event {
        "advert_higher" => hear(200),
        "advert_equal" => hear(100),
        "advert_lower" => hear(50),
        "advert_zero" => hear(0),
        "script_good" => engine.handle(ended(0), now),
        "script_bad" => engine.handle(ended(1), now),
        "link_down" => {
            let running = false;
            engine.handle(Event::Link(vrrp::Link { running, ..eth0(5) }), now);
        }
        "link_gone" => engine.handle(Event::LinkGone(crate::fixture::ETH0), now),
        "timeout" => {
            let first = engine.instances().next().unwrap().state.deadline();
            engine.handle_timeout(first.unwrap_or(now));
        }
        "stop" => engine.handle(Event::Stop, now),
        "reload" => engine.reload(&apart, now),
        "reload_apart" => {
            apart.vrrp_sync_groups.clear();
            engine.reload(&apart, now);
        }
        _ => panic!("{event}"),
    }
}

#[test]
fn every_cell_of_a_group_is_as_the_table_says() {
    let mut rows = TABLE
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    let states = rows.find(|row| !row.is_empty()).unwrap();
    let mut wrong = Vec::new();
    for row in rows.filter(|row| !row.is_empty()) {
        for (state, expected) in states.iter().zip(&row).skip(1) {
            let mut engine = reach(state);
            befall(&mut engine, row[0]);
            let got = letters(&engine);
            if got != *expected {
                wrong.push(format!("{state} on {}: {got}, not {expected}", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
