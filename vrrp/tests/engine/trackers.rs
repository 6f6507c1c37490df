//! Tracked files, processes, BFD sessions and interfaces: what they weigh, when they are a fault, what is remembered.

use std::time::Duration;

use parser::Config;
use vrrp::{Action, Engine, Event, FileId, Instant, Link, LinkId, ProcessId, ScriptId, ScriptOutcome};

use crate::fixture::{at, eth0, started};
use crate::lan::Lan;

const FILE: &str = "track_file f {\nfile /run/f\n}\n";
const PROCESS: &str = "vrrp_track_process p {\nprocess p\n";
const SESSION: &str = "bfd_instance b {\nneighbor_ip 10.0.0.9\n}\n";

/// An instance of priority 100 that tracks what is said here, after the blocks above it.
fn tracking(blocks: &str, list: &str, line: &str) -> Config {
    parsed(&format!(
        "{blocks}{}",
        router("VI_1", 51, 100, &format!("{list} {{\n{line}\n}}"))
    ))
}

fn router(name: &str, vrid: u8, priority: u8, more: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\npriority {priority}\n\
         virtual_ipaddress {{\n10.0.0.1{vrid}\n}}\n{more}\n}}\n"
    )
}

fn parsed(text: &str) -> Config {
    parser::parse_text(&parser::Machine, text).config
}

fn file(value: i64) -> Event<'static> {
    let file = FileId(0);
    Event::File { file, value }
}

fn processes(count: usize) -> Event<'static> {
    let process = ProcessId(0);
    Event::Processes { process, count }
}

fn bfd(up: bool) -> Event<'static> {
    Event::Bfd { session: "b", up }
}

/// The priority after this happened, or the reasons why it may not run.
fn after(config: &Config, event: Event<'static>) -> String {
    let mut engine = started(config);
    engine.handle(event, at(10));
    standing(&engine)
}

fn standing(engine: &Engine) -> String {
    let instance = engine.instances().next().unwrap();
    let faults: Vec<String> = instance.faults.iter().map(ToString::to_string).collect();
    if faults.is_empty() {
        instance.priority.get().to_string()
    } else {
        assert_eq!(instance.state.word(), "FAULT");
        faults.join(", ")
    }
}

fn said(engine: &mut Engine) -> Vec<String> {
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Tell(news) if !news.is_detail() => Some(news.to_string()),
            _ => None,
        })
        .collect()
}

#[test]
fn the_number_in_a_file_times_the_weight_moves_the_priority() {
    let worth = |line: &str, value| after(&tracking(FILE, "track_file", line), file(value));
    assert_eq!(worth("f", 0), "100");
    assert_eq!(worth("f", 40), "140", "weight 1 by default");
    assert_eq!(worth("f weight 2", -20), "60");
    assert_eq!(worth("f weight -2", -20), "140");
    assert_eq!(worth("f weight 2 reverse", 20), "60");
    assert_eq!(worth("f", 254), "254", "253 at most, and 254 altogether");
    assert_eq!(worth("f", -253), "1");
    assert_eq!(worth("f", -254), "tracked file f holds -254");
    assert_eq!(worth("f weight -254", 1), "tracked file f holds 1");
    assert_eq!(
        worth("f weight 254 reverse", 1 << 31),
        "tracked file f holds 2147483648"
    );
    assert_eq!(worth("f weight -254 reverse", 1 << 31), "254");
}

#[test]
fn a_file_without_weight_is_a_fault_unless_it_holds_zero() {
    let worth = |line: &str, value| after(&tracking(FILE, "track_file", line), file(value));
    assert_eq!(worth("f weight 0", 0), "100");
    assert_eq!(worth("f weight 0", -1), "tracked file f holds -1");
    assert_eq!(worth("f weight 0 reverse", 7), "100");
    assert_eq!(worth("f weight 0 reverse", 0), "tracked file f holds 0");
    let unread = started(&tracking(FILE, "track_file", "f weight 0 reverse"));
    assert_eq!(standing(&unread), "100", "what was never read is no fault");
}

#[test]
fn a_weight_is_added_only_up_to_253_before_it_is_summed() {
    let config = parsed(&format!(
        "{FILE}track_file g {{\nfile /run/g\n}}\n{}",
        router("VI_1", 51, 100, "track_file {\nf\ng\n}")
    ));
    let mut engine = started(&config);
    engine.handle(file(1000), at(1));
    let other = Event::File {
        file: FileId(1),
        value: -250,
    };
    engine.handle(other, at(2));
    assert_eq!(standing(&engine), "103");
    assert_eq!(engine.instances().next().unwrap().total_priority, 103);
}

#[test]
fn a_quorum_of_processes_has_a_least_and_a_most() {
    let worth = |block: &str, line: &str, count| {
        after(
            &tracking(&format!("{PROCESS}{block}\n}}\n"), "track_process", line),
            processes(count),
        )
    };
    assert_eq!(
        [worth("", "p weight 7", 0), worth("", "p weight 7", 1)],
        ["100", "107"]
    );
    assert_eq!(
        [worth("", "p weight -7", 0), worth("", "p weight -7", 1)],
        ["93", "100"]
    );
    assert_eq!(
        [
            worth("", "p weight 7 reverse", 1),
            worth("", "p weight -7 reverse", 0)
        ],
        ["93", "107"]
    );
    let range = "quorum 2\nquorum_max 3";
    let lost = "tracked process p quorum not achieved";
    assert_eq!(
        [1, 2, 3, 4].map(|count| worth(range, "p", count)),
        [lost, "100", "100", lost]
    );
    assert_eq!(
        worth("", "p weight 0 reverse", 1),
        "tracked process p quorum achieved, reversed"
    );
    assert_eq!(
        [0, 1].map(|count| worth("quorum_max 0", "p", count)),
        ["100", lost]
    );
}

#[test]
fn a_quorum_counts_once_it_has_held_and_a_lost_one_is_endured_for_as_long_as_asked() {
    let block = format!("{PROCESS}fork_delay 2\nterminate_delay 0.5\nweight 10\n}}\n");
    let mut engine = started(&tracking(&block, "track_process", "p"));
    said(&mut engine);
    let mut step = |millis, count: Option<usize>| {
        engine.handle_timeout(at(millis));
        if let Some(count) = count {
            engine.handle(processes(count), at(millis));
        }
        let lines = said(&mut engine).into_iter();
        let about = lines.filter(|line| line.contains("priority") || line.contains("Quorum"));
        (standing(&engine), about.collect())
    };
    let same = |priority: &str| (priority.to_owned(), Vec::<String>::new());
    assert_eq!(step(10, Some(0)), same("100"));
    assert_eq!(step(20, Some(1)), same("100"), "not for two seconds");
    assert_eq!(step(1000, Some(0)), same("100"));
    assert_eq!(step(2900, None), same("100"), "the first delay is forgotten");
    assert_eq!(step(3000, Some(2)), same("100"));
    assert_eq!(step(4000, Some(1)), same("100"), "still a quorum");
    let (priority, lines) = step(5000, None);
    assert_eq!(priority, "110");
    assert_eq!(
        lines,
        [
            "Quorum gained for tracked process p",
            "(VI_1) Changing effective priority from 100 to 110"
        ]
    );
    assert_eq!(step(6000, Some(0)), same("110"));
    assert_eq!(step(6400, Some(1)), same("110"), "back in time");
    assert_eq!(step(7000, Some(0)), same("110"));
    let (priority, lines) = step(7500, None);
    assert_eq!(
        (priority.as_str(), lines[0].as_str()),
        ("100", "Quorum lost for tracked process p")
    );
}

#[test]
fn a_session_is_down_until_it_is_told_to_be_up() {
    let worth = |line: &str, up| after(&tracking(SESSION, "track_bfd", line), bfd(up));
    assert_eq!(
        [worth("b", false), worth("b", true)],
        ["BFD session b down", "100"]
    );
    assert_eq!(
        [
            worth("b weight 0 reverse", false),
            worth("b weight 0 reverse", true)
        ],
        ["100", "BFD session b up, reversed"]
    );
    assert_eq!(
        [worth("b weight 20", false), worth("b weight 20", true)],
        ["100", "120"]
    );
    assert_eq!(
        [worth("b weight -20", false), worth("b weight -20", true)],
        ["80", "100"]
    );
    assert_eq!(
        [
            worth("b weight -20 reverse", false),
            worth("b weight 20 reverse", true)
        ],
        ["120", "80"]
    );
    let untold = started(&tracking(SESSION, "track_bfd", "b"));
    assert_eq!(standing(&untold), "BFD session b down");
    let other = Event::Bfd {
        session: "x",
        up: true,
    };
    assert_eq!(
        after(&tracking(SESSION, "track_bfd", "b"), other),
        "BFD session b down"
    );
}

#[test]
fn a_master_whose_session_breaks_resigns_and_comes_back_with_it() {
    let tracked = parsed(&format!(
        "{SESSION}{}",
        router("VI_1", 51, 150, "track_bfd {\nb\n}")
    ));
    let plain = parsed(&router("VI_1", 51, 100, ""));
    let mut lan = Lan::with([("a", tracked), ("b", plain)]);
    lan.handle("a", bfd(true));
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    lan.log("a");
    lan.handle("a", bfd(false));
    lan.run_for(Duration::from_millis(700));
    assert_eq!(lan.masters(), ["b"], "within the skew");
    assert_eq!(
        lan.log("a")[0],
        "(VI_1) entering FAULT state (BFD session b down)"
    );
    lan.handle("a", bfd(true));
    lan.run_for(Duration::from_secs(5));
    assert_eq!(lan.masters(), ["a"]);
}

/// eth1, tracked beside eth0.
fn eth1(running: bool) -> Event<'static> {
    Event::Link(Link {
        id: LinkId(3),
        name: "eth1".to_owned(),
        running,
        ..eth0(5)
    })
}

#[test]
fn interfaces_weigh_while_up_or_while_down() {
    let worth = |line: &str, up| after(&tracking("", "track_interface", line), eth1(up));
    assert_eq!(
        [worth("eth1", true), worth("eth1", false)],
        ["100", "tracked interface eth1 down"]
    );
    assert_eq!(
        [worth("eth1 weight 9", true), worth("eth1 weight 9", false)],
        ["109", "100"]
    );
    assert_eq!(
        [worth("eth1 weight -9", true), worth("eth1 weight -9", false)],
        ["100", "91"]
    );
    assert_eq!(
        [
            worth("eth1 weight 9 reverse", true),
            worth("eth1 weight -9 reverse", false)
        ],
        ["91", "109"]
    );
    assert_eq!(
        [
            worth("eth1 weight 0 reverse", true),
            worth("eth1 weight 0 reverse", false)
        ],
        ["tracked interface eth1 up, reversed", "100"]
    );
}

#[test]
fn interfaces_come_go_and_change_their_names() {
    let mut engine = started(&tracking("", "track_interface", "eth1"));
    assert_eq!(standing(&engine), "tracked interface eth1 down", "there is none");
    engine.handle(eth1(true), at(1));
    assert_eq!(standing(&engine), "100");
    let renamed = Event::Link(Link {
        id: LinkId(3),
        name: "wan".to_owned(),
        ..eth0(5)
    });
    engine.handle(renamed, at(2));
    assert_eq!(standing(&engine), "tracked interface eth1 down");
    let another = Event::Link(Link {
        id: LinkId(4),
        name: "eth1".to_owned(),
        ..eth0(5)
    });
    engine.handle(another, at(3));
    assert_eq!(standing(&engine), "100");
    engine.handle(Event::LinkGone(LinkId(3)), at(4));
    assert_eq!(standing(&engine), "100");
    engine.handle(Event::LinkGone(LinkId(4)), at(5));
    assert_eq!(standing(&engine), "tracked interface eth1 down");
}

#[test]
fn a_cable_that_is_out_for_a_moment_is_endured() {
    const DELAYS: &str = "interface_up_down_delays {\neth0 1.5 0.5\n}\n";
    let mut lan = Lan::with([
        ("a", parsed(&format!("{DELAYS}{}", router("VI_1", 51, 150, "")))),
        ("b", parsed(&router("VI_1", 51, 100, ""))),
    ]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    lan.log("a");
    lan.set_link("a", false);
    lan.run_for(Duration::from_millis(1400));
    lan.set_link("a", true);
    lan.run_for(Duration::from_secs(5));
    assert_eq!(
        (lan.masters(), lan.log("a")),
        (vec!["a"], vec![]),
        "nobody noticed"
    );

    lan.set_link("a", false);
    lan.run_for(Duration::from_millis(1600));
    assert_eq!(lan.host("a").state().unwrap().word(), "FAULT");
    assert_eq!(lan.log("a")[0], "Netlink reports eth0 down");
    lan.set_link("a", true);
    lan.run_for(Duration::from_millis(400));
    assert_eq!(
        lan.host("a").state().unwrap().word(),
        "FAULT",
        "not up for long enough"
    );
    lan.run_for(Duration::from_millis(200));
    assert_eq!(lan.host("a").state().unwrap().word(), "BACKUP");
}

#[test]
fn a_delay_ends_before_a_backup_would_take_over() {
    let mut engine = started(&parsed(&format!(
        "interface_up_down_delays {{\neth0 200\n}}\n{}",
        router("VI_1", 51, 255, "")
    )));
    let down = Link {
        running: false,
        ..eth0(5)
    };
    engine.handle(Event::Link(down), at(1000));
    engine.handle_timeout(at(2999));
    assert_eq!(standing(&engine), "255");
    engine.handle_timeout(at(3000));
    assert_eq!(
        standing(&engine),
        "interface eth0 down",
        "after two of three intervals"
    );
}

#[test]
fn a_link_that_goes_away_is_no_matter_of_delays() {
    let mut engine = started(&parsed(&format!(
        "interface_up_down_delays {{\neth0 1\n}}\n{}",
        router("VI_1", 51, 255, "")
    )));
    let down = Link {
        running: false,
        ..eth0(5)
    };
    engine.handle(Event::Link(down), at(1000));
    engine.handle(Event::LinkGone(LinkId(2)), at(1100));
    assert_eq!(standing(&engine), "interface eth0 does not exist");
    engine.handle(Event::Link(eth0(5)), at(1200));
    engine.handle_timeout(at(5000));
    assert_eq!(standing(&engine), "255");
}

/// Everything that can be tracked, each with a weight of its own.
fn everything() -> Config {
    parsed(&format!(
        "vrrp_script s {{\nscript /bin/true\n}}\n{FILE}{PROCESS}}}\n{SESSION}{}",
        router(
            "VI_1",
            51,
            100,
            "track_script {\ns weight 1\n}\ntrack_file {\nf\n}\ntrack_process {\np weight 4\n}\n\
             track_bfd {\nb weight 8\n}\ntrack_interface {\neth1 weight 16\n}"
        )
    ))
}

/// The engine that knows all of it to be good, and the file to hold 2.
fn knowing(config: &Config) -> Engine {
    let mut engine = started(config);
    let (script, outcome) = (ScriptId(0), ScriptOutcome::Exited(0));
    for event in [
        Event::ScriptEnded { script, outcome },
        file(2),
        processes(1),
        bfd(true),
        eth1(true),
    ] {
        engine.handle(event, at(10));
    }
    assert_eq!(standing(&engine), "131");
    engine
}

#[test]
fn everything_adds_up() {
    knowing(&everything());
}

#[test]
fn a_successor_knows_what_its_predecessor_knew() {
    let saved = knowing(&everything()).snapshot();
    let mut engine = Engine::new(&everything(), &saved, at(20));
    engine.handle(Event::Link(eth0(5)), at(20));
    engine.handle(eth1(true), at(20));
    engine.handle_timeout(at(20));
    assert_eq!(standing(&engine), "131");
    let mut faulty = started(&tracking(FILE, "track_file", "f weight 0"));
    faulty.handle(file(1), at(10));
    let saved = faulty.snapshot();
    let mut engine = Engine::new(&tracking(FILE, "track_file", "f weight 0"), &saved, at(20));
    engine.handle(Event::Link(eth0(5)), at(20));
    engine.handle_timeout(at(20));
    assert_eq!(standing(&engine), "tracked file f holds 1");
}

#[test]
fn a_reload_forgets_nothing_that_is_still_tracked() {
    let mut engine = knowing(&everything());
    said(&mut engine);
    engine.reload(&everything(), at(20));
    assert_eq!(standing(&engine), "131");
    assert_eq!(said(&mut engine), [] as [&str; 0]);
    // The numbers are those of the new configuration.
    let swapped = parsed(&format!(
        "track_file g {{\nfile /run/g\n}}\n{FILE}{}",
        router("VI_1", 51, 100, "track_file {\nf\n}")
    ));
    engine.reload(&swapped, at(30));
    assert_eq!(standing(&engine), "102");
    engine.handle(file(50), at(40));
    assert_eq!(standing(&engine), "102", "that was g");
}

#[test]
fn a_group_with_consent_lends_its_weights_to_its_members() {
    let groups = |consent: &str| {
        parsed(&format!(
            "{FILE}{}{}vrrp_sync_group G {{\ngroup {{\nVI_1\nVI_2\n}}\n{consent}\ntrack_file {{\nf\n}}\n}}\n",
            router("VI_1", 51, 100, ""),
            router("VI_2", 52, 90, "")
        ))
    };
    let priorities = |config: &Config, value| {
        let mut engine = started(config);
        engine.handle(file(value), at(10));
        let all = engine.instances().map(|instance| instance.priority.get());
        (all.collect::<Vec<_>>(), standing(&engine))
    };
    let (weighed, _) = priorities(&groups("sync_group_tracking_weight"), 20);
    assert_eq!(weighed, [120, 110]);
    let (unweighed, reason) = priorities(&groups(""), 20);
    assert_eq!(unweighed, [100, 90], "without consent there are no weights");
    assert!(reason.starts_with("tracked file f holds 20, "), "{reason}");
}

#[test]
fn what_is_tracked_by_nobody_or_does_not_exist_changes_nothing() {
    let mut engine = started(&parsed(&format!(
        "{FILE}{SESSION}{}",
        router("VI_1", 51, 100, "")
    )));
    said(&mut engine);
    let deadline = engine.next_deadline();
    let strangers = [
        file(5),
        processes(3),
        bfd(true),
        Event::File {
            file: FileId(9),
            value: 1,
        },
    ];
    for event in strangers {
        engine.handle(event, at(10));
    }
    assert_eq!((standing(&engine), said(&mut engine)), ("100".to_owned(), vec![]));
    assert_eq!(engine.next_deadline(), deadline);
}

#[test]
fn nothing_is_awaited_after_a_stop() {
    let block = format!("{PROCESS}fork_delay 2\n}}\n");
    let mut engine = started(&tracking(&block, "track_process", "p"));
    engine.handle(processes(0), at(10));
    engine.handle(processes(1), at(20));
    engine.handle(Event::Stop, at(30));
    assert_eq!(engine.next_deadline(), None::<Instant>);
}
