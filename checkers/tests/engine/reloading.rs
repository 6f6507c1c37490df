//! A reload: what is unchanged goes on untouched, what changed adapts, what is gone leaves.

use crate::lab::{Lab, Peer, TCP, ms, seconds, web};

const VS: &str = "[10.0.0.1]:tcp:80";

#[test]
fn nothing_happens_where_nothing_changed() {
    let text = web(
        "sorry_server 10.0.0.9 80",
        &[
            TCP,
            &format!("{TCP}\n MISC_CHECK {{\n misc_path /usr/bin/chk\n }}"),
        ],
    );
    let mut lab = Lab::new(&text);
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(5));
    lab.peer(3, Peer::Mute);
    lab.run_for(seconds(7));
    let (pool, open, deadline) = (lab.pool(), lab.open_ones(), lab.engine.next_deadline());
    assert!(!open.is_empty());
    lab.take_log();
    lab.take_lines();
    lab.reconciled.clear();
    let running = lab.conversations();
    // The same further down in the file.
    lab.reload(&format!("\n\n! moved\n{text}"));
    assert_eq!(lab.pool(), pool);
    assert_eq!(lab.open_ones(), open);
    assert_eq!(lab.conversations(), running, "the script still runs");
    assert_eq!(lab.engine.next_deadline(), deadline);
    assert!(lab.reconciled.is_empty() && lab.log.is_empty() && lab.notices.is_empty());
}

#[test]
fn a_dead_server_stays_dead_over_a_reload() {
    let mut lab = Lab::new(&web("", &[TCP, TCP]));
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(2));
    assert_eq!(lab.pool(), [(3, 1)]);
    lab.reload(&web("", &[TCP, &format!("weight 4\n {TCP}"), TCP]));
    assert_eq!(lab.pool(), [(3, 4), (4, 1)]);
    assert_eq!(
        lab.reconciled.len(),
        3,
        "at the start, for the failure, for the reload"
    );
}

#[test]
fn a_server_is_drained_by_its_weight() {
    let mut lab = Lab::new(&web("", &[TCP, TCP]));
    lab.run_for(seconds(2));
    lab.take_log();
    lab.reload(&web("", &[&format!("weight 0\n {TCP}"), TCP]));
    assert_eq!(lab.pool(), [(2, 0), (3, 1)]);
    assert_eq!(
        lab.take_log(),
        [format!(
            "Changing weight from 1 to 0 for active service [10.0.0.2]:tcp:80 of VS {VS}"
        )]
    );
    let rest = web("", &["", TCP]).replace(" real_server 10.0.0.2 80 {\n \n }\n", "");
    lab.reload(&rest);
    assert_eq!(lab.pool(), [(3, 1)]);
    assert_eq!(
        lab.take_log(),
        [format!("Removing service [10.0.0.2]:tcp:80 from VS {VS}")]
    );
    assert_eq!(lab.take_lines(), [format!("RS [10.0.0.2]:tcp:80 {VS} DOWN")]);
}

#[test]
fn a_changed_checker_begins_anew_and_the_old_one_hangs_up() {
    let mut lab = Lab::new(&web("", &[TCP, TCP]));
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(5));
    lab.peer(3, Peer::Mute);
    lab.run_for(ms(7500));
    assert_eq!(lab.conversations(), 1);
    let other = "TCP_CHECK {\n connect_port 81\n }";
    lab.reload(&web("", &[other, other]));
    assert_eq!(lab.conversations(), 0);
    assert_eq!(
        lab.pool(),
        [(2, 1), (3, 1)],
        "new checkers without alpha believe the best"
    );
    lab.run_for(seconds(2));
    assert_eq!(lab.pool(), [(3, 1)]);
}

#[test]
fn a_shorter_delay_holds_at_once() {
    let mut lab = Lab::new(&web("", &[TCP]).replace("delay_loop 10", "delay_loop 3600"));
    lab.run_for(seconds(2));
    assert_eq!(lab.opened.len(), 1);
    lab.reload(&web("", &[TCP]).replace("delay_loop 10", "delay_loop 5"));
    lab.run_for(seconds(6));
    assert_eq!(lab.opened.len(), 2);
}

#[test]
fn the_quorum_is_judged_when_all_is_there() {
    let heavy = format!("weight 10\n {TCP}");
    let mut lab = Lab::new(&web("quorum 2", &[TCP, TCP]));
    lab.run_for(seconds(2));
    lab.take_lines();
    lab.reload(&web("quorum 20", &[&heavy, &heavy]));
    assert!(lab.take_lines().is_empty(), "no moment without quorum");
    lab.reload(&web("quorum 20", &[&heavy, &heavy.replace("10", "11")]).replace("weight 10", "weight 9"));
    assert!(lab.take_lines().is_empty());
}

#[test]
fn virtual_servers_come_and_go() {
    let one = web("", &[TCP]);
    let two = one.replace("10.0.0.1 80 {", "10.0.0.8 80 {");
    let mut lab = Lab::new(&one);
    let first = lab.engine.services().next().unwrap();
    lab.run_for(ms(1000));
    lab.reload(&two);
    let second = lab.engine.services().next().unwrap();
    assert_ne!(first, second);
    assert!(lab.engine.table(first).keys.is_empty());
    assert_eq!(lab.engine.table(second).keys.len(), 1);
    assert_eq!(lab.conversations(), 0, "whom the old one talked to");
    assert!(lab.take_log().contains(&format!("Removing Virtual Server {VS}")));
    lab.reload(&format!("{one}{two}"));
    assert_eq!(lab.engine.services().nth(1), Some(second));
    lab.run_for(seconds(20));
    assert_eq!(lab.conversations(), 0);
}

#[test]
fn ids_of_the_gone_are_not_mixed_up_with_those_of_the_new() {
    let mut lab = Lab::new(&web("", &[TCP]));
    lab.peer(2, Peer::Mute);
    lab.run_for(ms(1500));
    let stale = lab.open_ones()[0];
    let other = "TCP_CHECK {\n connect_port 81\n }";
    lab.reload(&web("", &[other]));
    lab.reload(&web("", &[other, other]));
    lab.run_for(ms(1500));
    for id in lab.open_ones() {
        assert_ne!(id, stale);
    }
}

#[test]
fn a_reload_that_lifts_the_suspension_starts_every_checker_once() {
    let mut lab = Lab::new(&web("ha_suspend", &[TCP]));
    lab.run_for(seconds(5));
    assert!(lab.opened.is_empty());
    lab.reload(&web(
        "",
        &[&format!("{TCP}\n TCP_CHECK {{\n connect_port 81\n }}"), TCP],
    ));
    let log = lab.take_log();
    let activating = log.iter().filter(|line| line.starts_with("Activating"));
    assert_eq!(activating.count(), 3, "{log:?}");
    lab.reload(&web("ha_suspend", &[TCP, TCP, TCP]));
    let log = lab.take_log();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("Suspending")).count(),
        2,
        "{log:?}"
    );
    assert_eq!(
        log.iter().filter(|line| line.starts_with("Deactivating")).count(),
        1,
        "{log:?}"
    );
    lab.run_for(seconds(60));
    assert!(lab.opened.is_empty());
}
