//! The table stays what it should be, whoever meddles and whatever dies.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::{SOON, Scene, holdfast, server};
use crate::stories::{run, stories};

stories![
    what_others_remove_comes_back_soon_and_the_rest_is_theirs,
    a_killed_checker_process_changes_nothing,
    a_frozen_checker_process_changes_nothing,
    the_end_of_the_supervisor_takes_the_table_away,
    the_end_with_dont_release_ipvs_leaves_the_table,
    timeouts_and_sync_daemons_are_set_and_put_back,
];

pub(super) fn configuration() -> String {
    format!(
        "global_defs {{
            script_user root
        }}
        virtual_server 192.0.2.10 80 {{
            delay_loop 1
            warmup 0
            lvs_sched rr
            lvs_method DR
            protocol TCP
            {}{}{}
        }}",
        server(21, ""),
        server(22, "uthreshold 10"),
        server(23, "inhibit_on_failure")
    )
}

fn what_others_remove_comes_back_soon_and_the_rest_is_theirs() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    let node = scene.start(&holdfast(), &configuration());
    let before = scene.after("start").table;
    assert_eq!(before.len(), 4, "{before:?}");
    for meddling in [
        "ipvsadm -C",
        "ipvsadm -d -t 192.0.2.10:80 -r 192.0.2.21",
        "ipvsadm -e -t 192.0.2.10:80 -r 192.0.2.21 -g -w 5",
        "ipvsadm -E -t 192.0.2.10:80 -s wlc",
        "ipvsadm -a -t 192.0.2.10:80 -r 192.0.2.66 -g",
    ] {
        let said = node.said("by another program, putting it back");
        scene.host.run(move || run(meddling)).unwrap();
        let began = Instant::now();
        // It may be back before one can look.
        scene.expect(&format!("all is as before after {meddling}"), || {
            node.said("by another program, putting it back") > said && scene.table() == before
        });
        let took = began.elapsed();
        println!("{meddling}: put back within {took:.3?}");
        // IPVS tells nobody of a change, so the table is glanced at every 300 ms; one reading and one write follow. 365 to
        // 483 ms were seen on a quiet machine, which keeps the promised second; the bound is for one that others use too.
        assert!(
            took < Duration::from_secs(3),
            "{meddling} lasted for {took:?}\n{}",
            scene.lab.report()
        );
        assert_eq!(node.said("by another program, putting it back"), said + 1);
    }
    assert_eq!(node.said("5 so far"), 1, "{}", scene.lab.report());

    let foreign = "-A -t 192.0.2.77:77 -s rr";
    scene
        .host
        .run(move || run(&format!("ipvsadm {foreign}")))
        .unwrap();
    scene.dead("21");
    scene.expect("the dead server is taken out", || {
        !scene.table().iter().any(|line| line.contains("192.0.2.21"))
    });
    assert!(node.stop(SOON).is_some());
    assert_eq!(scene.table(), [foreign]);
}

fn a_killed_checker_process_changes_nothing() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    let node = scene.start(&holdfast(), &configuration());
    let before = scene.after("start");
    scene.dead("22");
    let before = (before.table, scene.after("one dies").table);
    assert_ne!(before.0, before.1);
    let told = scene.host.read("/run/told").unwrap();

    let checkers = node
        .process
        .descendants()
        .into_iter()
        .find(|pid| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("holdfast")
        })
        .unwrap();
    kill(checkers, Signal::SIGKILL).unwrap();
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        assert_eq!(scene.table(), before.1, "{}", scene.lab.report());
    }
    assert_eq!(node.said("Starting Healthcheck child process"), 2);
    assert_eq!(scene.host.read("/run/told").unwrap(), told);

    scene.alive("22");
    scene.expect("the successor checks", || scene.table() == before.0);
    scene.dead("21");
    assert!(
        scene.after("another dies").told.contains(&"down 21".to_owned()),
        "the successor tells"
    );
    assert!(node.stop(SOON).is_some());
    assert_eq!(scene.table(), [] as [&str; 0]);
}

fn a_frozen_checker_process_changes_nothing() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    let node = scene.start(&holdfast(), &configuration());
    let before = scene.after("start").table;
    kill(node.process.descendants()[0], Signal::SIGSTOP).unwrap();
    scene.expect("it is replaced", || {
        assert_eq!(scene.table(), before, "{}", scene.lab.report());
        node.said("Starting Healthcheck child process") == 2
    });
    assert_eq!(scene.after("its successor has begun").table, before);
    scene.dead("22");
    scene.expect("the successor checks", || {
        !scene.table().iter().any(|line| line.contains("192.0.2.22"))
    });
}

fn the_end_of_the_supervisor_takes_the_table_away() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    let node = scene.start(&holdfast(), &configuration());
    node.process.signal(Signal::SIGKILL);
    scene.expect("the table is empty", || scene.table().is_empty());
}

fn the_end_with_dont_release_ipvs_leaves_the_table() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22", "23"]);
    scene.host.write("/run/node.conf", &configuration()).unwrap();
    let program = env!("CARGO_BIN_EXE_holdfast");
    let start = || {
        let words = ["-f", "/run/node.conf", "-n", "-l", "-D", "-I"];
        scene.host.spawn("holdfast", program, &words).unwrap()
    };
    let first = start();
    scene.expect("the table is there", || scene.table().len() == 4);
    let before = scene.table();
    first.signal(Signal::SIGTERM);
    assert!(first.wait(SOON).is_some());
    assert_eq!(scene.table(), before);
    let _second = start();
    let came = scene.after("taken over");
    assert_eq!(came.table, before);
}

fn timeouts_and_sync_daemons_are_set_and_put_back() {
    let mut scene = Scene::new();
    let host = std::sync::Arc::clone(&scene.host);
    scene.host.run(|| run("ipvsadm --set 700 70 7")).unwrap();
    let shown = |what: &'static str| host.run(move || run(&format!("ipvsadm -L --{what}"))).unwrap();
    let before = shown("timeout");
    let global = "global_defs {
        script_user root
        lvs_timeouts tcp 100 udp 10
        lvs_sync_daemon eth0 id 5
    ";
    let text = configuration().replace("global_defs {", global);
    let node = scene.start(&holdfast(), &text);
    scene.expect("timeouts are set", || {
        shown("timeout").contains("(tcp tcpfin udp): 100 70 10")
    });
    scene.expect("both daemons run", || {
        let daemons = shown("daemon");
        daemons.contains("master sync daemon") && daemons.contains("backup sync daemon")
    });
    assert!(shown("daemon").contains("syncid=5"), "{}", shown("daemon"));
    assert!(node.stop(SOON).is_some());
    assert_eq!(shown("timeout"), before);
    assert_eq!(shown("daemon").trim(), "");
}
