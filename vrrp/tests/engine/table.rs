//! Every state and every event: the whole table, each cell played.

use std::sync::Arc;
use std::time::Duration;

use vrrp::{Engine, Event, FileId, InstanceId, Link, ProcessId, ScriptId, ScriptOutcome};

use crate::fixture::{ETH0, advert, at, config, eth0, from, instance, parsed, script, tracked};

const ONLY: InstanceId = InstanceId(0);

/// I init, B backup, M master, F fault, S stopped.
const TABLE: &str = "
    event                     init/fresh init/script backup master fault stopped
    advert_higher             I          I           B      B      F     S
    advert_equal_above        I          I           B      B      F     S
    advert_equal_ours         I          I           B      M      F     S
    advert_equal_below        I          I           B      M      F     S
    advert_lower              I          I           B      M      F     S
    advert_zero               I          I           B      M      F     S
    advert_broken             I          I           B      M      F     S
    link_unchanged            I          I           B      M      F     S
    link_down                 I          F           F      F      F     S
    link_up                   I          I           B      M      F     S
    link_gone                 I          F           F      F      F     S
    link_without_address      I          F           F      F      F     S
    other_link_down           I          I           B      M      F     S
    script_good               I          B           B      M      B     S
    script_bad                I          F           F      F      F     S
    script_timed_out          I          F           F      F      F     S
    file_bad                  I          F           F      F      F     S
    file_good                 I          I           B      M      F     S
    processes_gained          I          I           B      M      F     S
    processes_lost            I          I           B      M      F     S
    bfd_up                    I          I           B      M      F     S
    bfd_down                  I          I           B      M      F     S
    bfd_of_a_stranger         I          I           B      M      F     S
    static_item_missing       I          F           F      F      F     S
    nothing_missing           I          I           B      M      F     S
    something_lost            I          I           B      M      F     S
    clock                     I          I           B      M      F     S
    timeout_now               I          I           B      M      F     S
    timeout_at_deadline       I          I           M      M      F     S
    timeout_in_an_hour        I          I           M      M      F     S
    stop                      S          S           S      S      S     S
    reload_same               I          I           B      M      F     S
    reload_lower_priority     I          I           B      M      F     S
    reload_without_tracking   I          B           B      M      B     S
";

/// 10.0.0.5 with priority 100, a script and a file without weight, processes and a session with one.
fn router() -> parser::Config {
    let trackers = "track_file stop {\nfile /run/stop\nweight 0\n}\n\
                    vrrp_track_process worker {\nprocess worker\nweight 10\n}\n\
                    bfd_instance peer {\nneighbor_ip 10.0.0.9\nweight 10\n}\n";
    let tracking = |list: &str, name: &str| format!("{list} {{\n{name}\n}}\n");
    let lists = tracking("track_file", "stop")
        + &tracking("track_process", "worker")
        + &tracking("track_bfd", "peer");
    let text = format!(
        "{trackers}vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 100\n\
         {lists}virtual_ipaddress {{\n10.0.0.100\n}}\n}}\n"
    );
    let mut router = parsed(&text);
    Arc::make_mut(&mut router.vrrp_instances[0]).track_script = vec![tracked("chk", 0)];
    router.vrrp_scripts = vec![script("chk")];
    router
}

fn ended(outcome: ScriptOutcome) -> Event<'static> {
    Event::ScriptEnded {
        script: ScriptId(0),
        outcome,
    }
}

fn file(value: i64) -> Event<'static> {
    let file = FileId(0);
    Event::File { file, value }
}

fn processes(count: usize) -> Event<'static> {
    let process = ProcessId(0);
    Event::Processes { process, count }
}

fn bfd(session: &str, up: bool) -> Event<'_> {
    Event::Bfd { session, up }
}

fn missing(items: &[&str]) -> Event<'static> {
    Event::Missing {
        instance: ONLY,
        items: items.iter().map(ToString::to_string).collect(),
    }
}

/// An engine in this state at second 10, a run of its script in progress.
fn reach(state: &str) -> Engine {
    let mut engine = Engine::new(&router(), "", at(0));
    engine.handle(Event::Link(eth0(5)), at(0));
    if state != "init/fresh" {
        engine.handle_timeout(at(0));
    }
    match state {
        "init/fresh" | "init/script" => {}
        "backup" => {
            engine.handle(ended(ScriptOutcome::Exited(0)), at(8000));
            engine.handle_timeout(at(8000));
        }
        "master" => {
            engine.handle(ended(ScriptOutcome::Exited(0)), at(1000));
            engine.handle_timeout(at(1000));
            engine.handle_timeout(at(6000));
        }
        "fault" => {
            engine.handle(ended(ScriptOutcome::Exited(3)), at(1000));
            engine.handle_timeout(at(1000));
        }
        "stopped" => engine.handle(Event::Stop, at(1000)),
        _ => panic!("{state}"),
    }
    while engine.next_action().is_some() {}
    engine
}

fn play(engine: &mut Engine, event: &str) {
    let now = at(10_000);
    let plain = instance(100);
    let mut hear = |host, priority| engine.handle(from(host, &advert(&plain, host, priority)), now);
    match event {
        "advert_higher" => hear(9, 200),
        "advert_equal_above" => hear(9, 100),
        "advert_equal_ours" => hear(5, 100),
        "advert_equal_below" => hear(1, 100),
        "advert_lower" => hear(9, 50),
        "advert_zero" => hear(9, 0),
        "advert_broken" => engine.handle(from(9, &[0x21, 51, 200]), now),
        "link_unchanged" => engine.handle(Event::Link(eth0(5)), now),
        "link_up" => {
            engine.handle(Event::Link(Link { mtu: 9000, ..eth0(5) }), now);
        }
        "link_down" => {
            let running = false;
            engine.handle(Event::Link(Link { running, ..eth0(5) }), now);
        }
        "link_gone" => engine.handle(Event::LinkGone(ETH0), now),
        "link_without_address" => engine.handle(
            Event::Link(Link {
                ipv4: None,
                ..eth0(5)
            }),
            now,
        ),
        "other_link_down" => {
            let id = vrrp::LinkId(7);
            let name = "eth7".to_owned();
            let running = false;
            let other = Link {
                id,
                name,
                running,
                ..eth0(5)
            };
            engine.handle(Event::Link(other), now);
        }
        "script_good" => engine.handle(ended(ScriptOutcome::Exited(0)), now),
        "script_bad" => engine.handle(ended(ScriptOutcome::Exited(1)), now),
        "script_timed_out" => engine.handle(ended(ScriptOutcome::TimedOut), now),
        "file_bad" => engine.handle(file(1), now),
        "file_good" => engine.handle(file(0), now),
        "processes_gained" => engine.handle(processes(1), now),
        "processes_lost" => engine.handle(processes(0), now),
        "bfd_up" => engine.handle(bfd("peer", true), now),
        "bfd_down" => engine.handle(bfd("peer", false), now),
        "bfd_of_a_stranger" => engine.handle(bfd("stranger", false), now),
        "static_item_missing" => engine.handle(missing(&["static route to 10.9.0.0/16"]), now),
        "nothing_missing" => engine.handle(missing(&[]), now),
        "something_lost" => engine.handle(Event::Lost { instance: ONLY }, now),
        "clock" => engine.handle(Event::Clock(Duration::from_secs(1_700_000_000)), now),
        "timeout_now" => engine.handle_timeout(now),
        "timeout_at_deadline" => {
            let deadline = engine.instances().next().unwrap().state.deadline();
            engine.handle_timeout(deadline.unwrap_or(now));
        }
        "timeout_in_an_hour" => engine.handle_timeout(at(3_600_000)),
        "stop" => engine.handle(Event::Stop, now),
        "reload_same" => engine.reload(&router(), now),
        "reload_lower_priority" => {
            let mut lower = router();
            Arc::make_mut(&mut lower.vrrp_instances[0]).priority = parser::units::Priority::new(1).unwrap();
            engine.reload(&lower, now);
        }
        "reload_without_tracking" => engine.reload(&config(vec![plain], vec![]), now),
        _ => panic!("{event}"),
    }
}

#[test]
fn every_cell_is_as_the_table_says() {
    let mut rows = TABLE
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    let states = rows.find(|row| !row.is_empty()).unwrap();
    let mut wrong = Vec::new();
    for row in rows.filter(|row| !row.is_empty()) {
        for (state, expected) in states.iter().zip(&row).skip(1) {
            let mut engine = reach(state);
            let name = |engine: &Engine| engine.instances().next().unwrap().state.word();
            assert_eq!(
                name(&engine)[..1].to_lowercase(),
                state[..1],
                "{state} is not where the story starts"
            );
            play(&mut engine, row[0]);
            if !name(&engine).starts_with(expected) {
                wrong.push(format!(
                    "{state} on {}: {}, not {expected}",
                    row[0],
                    name(&engine)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
