//! When checks run, how many failures are endured, and what is said of it.

use checkers::{Failure, ScriptOutcome};

use crate::lab::{Lab, Peer, TCP, ms, seconds, web};

const RS: &str = "[10.0.0.2]:tcp:80";

#[test]
fn a_server_that_works_is_said_to_once() {
    let mut lab = Lab::resume(&web("", &[TCP]), "");
    assert_eq!(
        lab.take_log(),
        [
            "Gained quorum 1+0=1 <= 1 for VS [10.0.0.1]:tcp:80".to_owned(),
            format!("Activating healthchecker for service {RS} for VS [10.0.0.1]:tcp:80"),
        ]
    );
    assert_eq!(lab.take_lines(), ["VS [10.0.0.1]:tcp:80 UP"]);
    assert_eq!(lab.pool(), [(2, 1)]);
    lab.run_for(ms(999));
    assert!(lab.opened.is_empty());
    lab.run_for(seconds(60));
    assert_eq!(lab.take_log(), [format!("TCP connection to {RS} success.")]);
    assert!(lab.take_lines().is_empty());
    assert_eq!(lab.opened.len(), 6, "every 10 s after the end of the last");
    assert_eq!(lab.conversations(), 0);
}

#[test]
fn the_first_failure_takes_a_server_down_at_once() {
    let mut lab = Lab::new(&web("", &[TCP, TCP]));
    lab.peer(2, Peer::Dead);
    lab.run_for(ms(1002));
    assert_eq!(lab.pool(), [(3, 1)]);
    assert_eq!(lab.take_lines(), [format!("RS {RS} [10.0.0.1]:tcp:80 DOWN")]);
    assert_eq!(
        lab.take_log(),
        [
            format!("TCP_CHECK on service {RS} failed. (Connection refused (os error 111))"),
            format!("Removing service {RS} from VS [10.0.0.1]:tcp:80"),
            "TCP connection to [10.0.0.3]:tcp:80 success.".to_owned(),
        ]
    );
}

#[test]
fn later_failures_are_endured_as_often_as_configured() {
    let mut lab = Lab::new(&web("", &[TCP, TCP]));
    lab.run_for(seconds(2));
    lab.take_log();
    lab.peer(2, Peer::Mute);
    // The next check begins at 11.001 s and each of three takes 3 s; a second lies between them.
    lab.run_for(ms(9001 + 3 * 3000 + 2 * 1000 - 1));
    assert_eq!(lab.pool(), [(2, 1), (3, 1)]);
    assert!(lab.take_log().is_empty());
    lab.run_for(ms(1));
    assert_eq!(lab.pool(), [(3, 1)]);
    assert_eq!(
        lab.take_log(),
        [
            format!("TCP_CHECK on service {RS} failed after 2 retries. (connection timeout)"),
            format!("Removing service {RS} from VS [10.0.0.1]:tcp:80"),
        ]
    );
    lab.alive(2);
    lab.run_for(seconds(11));
    assert_eq!(lab.pool(), [(2, 1), (3, 1)]);
    assert_eq!(
        lab.take_log(),
        [
            format!("TCP connection to {RS} success."),
            format!("Adding service {RS} to VS [10.0.0.1]:tcp:80"),
        ]
    );
    assert_eq!(
        lab.take_lines(),
        [
            format!("RS {RS} [10.0.0.1]:tcp:80 DOWN"),
            format!("RS {RS} [10.0.0.1]:tcp:80 UP"),
        ]
    );
}

#[test]
fn a_success_in_between_begins_the_count_anew() {
    let mut lab = Lab::new(&web("", &[TCP]));
    lab.run_for(seconds(2));
    for _ in 0..5 {
        lab.peer(2, Peer::Dead);
        lab.run_until_opened(2); // a failure and a retry; another would be one too many
        lab.run_for(ms(10));
        lab.alive(2);
        lab.run_until_opened(1);
        lab.run_for(ms(10));
    }
    assert_eq!(lab.pool(), [(2, 1)]);
    assert!(lab.take_lines().is_empty());
}

#[test]
fn log_all_failures_tells_what_is_endured() {
    let body = TCP.replace("retry 2", "retry 2\n log_all_failures");
    let mut lab = Lab::new(&web("", &[&body]));
    lab.run_for(seconds(2));
    lab.take_log();
    lab.peer(2, Peer::Mute);
    lab.run_for(seconds(30));
    assert_eq!(
        lab.take_log()[..3],
        [
            format!("TCP connection to {RS} timeout."),
            format!("TCP connection to {RS} timeout."),
            format!("TCP_CHECK on service {RS} failed after 2 retries. (connection timeout)"),
        ]
    );
}

#[test]
fn under_alpha_a_server_must_prove_itself() {
    let mut lab = Lab::resume(&web("alpha", &[TCP, TCP]), "");
    assert!(lab.pool().is_empty());
    assert_eq!(lab.take_lines(), ["VS [10.0.0.1]:tcp:80 DOWN"]);
    assert!(
        lab.take_log()
            .contains(&"Starting with quorum down 1-0=1 > 0 for VS [10.0.0.1]:tcp:80".to_owned())
    );
    lab.peer(3, Peer::Dead);
    lab.run_for(seconds(2));
    assert_eq!(lab.pool(), [(2, 1)]);
    assert_eq!(
        lab.take_lines(),
        [
            format!("RS {RS} [10.0.0.1]:tcp:80 UP"),
            "VS [10.0.0.1]:tcp:80 UP".to_owned(),
            // The first failure is told, though it was not in the pool.
            "RS [10.0.0.3]:tcp:80 [10.0.0.1]:tcp:80 DOWN".to_owned(),
        ]
    );
}

#[test]
fn all_checkers_of_a_server_must_be_up() {
    let two = format!("{TCP}\n MISC_CHECK {{\n misc_path /usr/bin/chk\n }}");
    let mut lab = Lab::new(&web("", &[&two]));
    lab.scripts
        .insert("/usr/bin/chk".to_owned(), ScriptOutcome::Exited(1));
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(2));
    assert!(lab.pool().is_empty());
    lab.alive(2);
    lab.run_for(seconds(20));
    assert!(lab.pool().is_empty(), "the script still says no");
    lab.scripts
        .insert("/usr/bin/chk".to_owned(), ScriptOutcome::Exited(0));
    lab.run_for(seconds(20));
    assert_eq!(lab.pool(), [(2, 1)]);
}

#[test]
fn a_check_that_cannot_even_try_is_put_off() {
    let mut lab = Lab::new(&web("", &[TCP]));
    lab.peer(2, Peer::Unreachable(Failure::Bind(99)));
    lab.run_for(seconds(12));
    assert_eq!(lab.pool(), [(2, 1)]);
    assert_eq!(lab.opened.len(), 2);
    assert_eq!(
        lab.take_log()[0],
        format!(
            "TCP socket bind failed. Rescheduling. ({RS}: Cannot assign requested address (os error 99))"
        )
    );
}

#[test]
fn warmup_spreads_the_first_checks() {
    let lines = "warmup 8";
    let bodies = vec!["TCP_CHECK {\n }"; 100];
    let mut lab = Lab::new(&web(lines, &bodies));
    lab.run_for(seconds(9));
    assert_eq!(lab.opened.len(), 100);
    for quarter in 0..4_u64 {
        let (from, to) = (1000 + quarter * 2000, 3000 + quarter * 2000);
        let inside = lab.opened.iter().filter(|(at, _)| {
            let at = at.nanos / 1_000_000;
            (from..to).contains(&at)
        });
        assert!((10..=40).contains(&inside.count()), "quarter {quarter}");
    }
}

#[test]
fn an_answer_of_an_earlier_conversation_is_none() {
    let mut lab = Lab::new(&web("", &[TCP]));
    lab.peer(2, Peer::Mute);
    lab.run_for(ms(1500));
    let stale = lab.open_ones()[0];
    lab.run_for(seconds(15));
    assert!(lab.pool().is_empty());
    lab.handle(checkers::Event::Opened(stale));
    assert!(lab.pool().is_empty());
}

#[test]
fn a_delay_of_nothing_is_no_busy_loop() {
    let body = "TCP_CHECK {\n retry 1000000\n delay_before_retry 0\n }";
    let text = web("", &[body])
        .replace("10.0.0.1 80 {", "fwmark 1 {")
        .replace("protocol TCP", "");
    let text = text.replace("real_server 10.0.0.2 80", "real_server 10.0.0.2");
    let mut lab = Lab::new(&text);
    lab.run_for(seconds(2));
    assert!(lab.pool().is_empty(), "there is no port to connect to");
}
