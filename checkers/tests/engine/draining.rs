//! `drain_timeout`: a real server that a reload removes keeps its connections for a while.

use checkers::table::Draining;
use checkers::{Connections, Event};

use crate::lab::{Lab, Peer, TCP, ms, seconds, web};

const VS: &str = "[10.0.0.1]:tcp:80";
const BOTH: [&str; 2] = [TCP, TCP];

/// 10.0.0.2 and 10.0.0.3, of which the second is to be removed.
fn before() -> String {
    web("", &BOTH)
}

/// 10.0.0.2 alone; what leaves is drained for so many seconds.
fn after(timeout: u64) -> String {
    web(&format!("drain_timeout {timeout}"), &[TCP])
}

fn server(last: u8) -> Draining {
    Draining {
        address: [10, 0, 0, last].into(),
        port: 80,
    }
}

fn connections(active: u32, inactive: u32) -> Connections {
    Connections { active, inactive }
}

impl Lab {
    fn counted(&mut self, last: u8, counted: Option<Connections>) {
        let service = self.engine.services().next().unwrap();
        self.handle(Event::Connections {
            service,
            server: server(last),
            counted,
        });
    }

    /// What drains in the first virtual server.
    fn draining(&self) -> Vec<Draining> {
        let service = self.engine.services().next().unwrap();
        let table = self.engine.table(service);
        let kernel = self.kernel.get(&service);
        assert_eq!(kernel, Some(&table), "changed without a word");
        let all = self.engine.draining_services();
        assert_eq!(all.contains(&service), !table.draining.is_empty());
        table.draining
    }
}

/// Both servers live, then one is removed, to be drained for 30 s.
fn begun(before: &str, after: &str) -> Lab {
    let mut lab = Lab::new(before);
    lab.run_for(seconds(2));
    lab.take_log();
    lab.take_lines();
    lab.reload(after);
    lab
}

fn begins() -> String {
    format!(
        "Draining service [10.0.0.3]:tcp:80 of VS {VS}: it gets no new connections and goes when it has none left, after 30 s at \
         the latest"
    )
}

fn ended(why: &str) -> String {
    format!("Draining of service [10.0.0.3]:tcp:80 of VS {VS} has ended: {why}")
}

#[test]
fn it_stays_without_weight_until_its_last_connection_has_ended() {
    let mut lab = begun(&before(), &after(30));
    assert_eq!(lab.pool(), [(2, 1)]);
    assert_eq!(lab.draining(), [server(3)]);
    assert_eq!(
        lab.take_log(),
        [
            format!("Removing service [10.0.0.3]:tcp:80 from VS {VS}"),
            begins()
        ]
    );
    assert_eq!(
        lab.take_lines(),
        [format!("RS [10.0.0.3]:tcp:80 {VS} DOWN")],
        "told at once"
    );
    for active in [2, 1, 0, 1] {
        lab.run_for(seconds(1));
        lab.counted(3, Some(connections(active, 5)));
        assert_eq!(lab.draining(), [server(3)]);
    }
    lab.counted(3, Some(connections(0, 5)));
    assert_eq!(lab.draining(), [server(3)], "its closing may be under way");
    lab.counted(3, Some(connections(0, 5)));
    assert_eq!(lab.draining(), []);
    assert_eq!(lab.take_log(), [ended("no connection is left")]);
    assert!(lab.take_lines().is_empty());
    let asked = lab
        .opened
        .iter()
        .filter(|(_, opening)| opening.address == server(3).address);
    assert_eq!(asked.count(), 1, "it is checked no more");
}

#[test]
fn it_goes_when_its_time_is_over() {
    for (counted, end) in [
        (None, "its time is over"),
        (Some(0), "its time is over"),
        (Some(1), "its time is over, 1 connection is cut off"),
        (Some(7), "its time is over, 7 connections are cut off"),
    ] {
        let mut lab = begun(&before(), &after(30));
        if let Some(active) = counted {
            lab.counted(3, Some(connections(active, 0)));
        }
        lab.run_for(ms(29_999));
        assert_eq!(lab.draining(), [server(3)]);
        lab.take_log();
        lab.run_for(ms(1));
        assert_eq!(lab.draining(), []);
        assert_eq!(lab.take_log(), [ended(end)]);
    }
}

#[test]
fn without_the_setting_it_goes_at_once() {
    for text in [after(0), web("", &[TCP])] {
        let mut lab = begun(&before(), &text);
        assert_eq!(lab.draining(), []);
        let log = lab.take_log();
        assert_eq!(log, [format!("Removing service [10.0.0.3]:tcp:80 from VS {VS}")]);
    }
}

#[test]
fn one_that_comes_back_is_a_destination_again_at_once() {
    let mut lab = begun(&before(), &after(30));
    lab.counted(3, Some(connections(4, 0)));
    lab.take_log();
    lab.reload(&web("drain_timeout 30", &BOTH));
    assert_eq!(lab.pool(), [(2, 1), (3, 1)]);
    assert_eq!(lab.draining(), []);
    assert!(lab.take_log().contains(&ended("it is in use again")));
    lab.run_for(seconds(60));
    assert_eq!(lab.pool(), [(2, 1), (3, 1)], "nothing is left of its deadline");
}

#[test]
fn one_that_comes_back_and_must_prove_itself_first_drains_until_then() {
    let mut lab = begun(&before(), &after(30));
    lab.peer(3, Peer::Dead);
    lab.reload(&web("drain_timeout 30\n alpha", &BOTH));
    lab.run_for(seconds(5));
    assert_eq!(lab.pool(), [(2, 1)]);
    assert_eq!(lab.draining(), [server(3)]);
    lab.take_log();
    lab.alive(3);
    lab.run_for(seconds(20));
    assert_eq!(lab.pool(), [(2, 1), (3, 1)]);
    assert_eq!(lab.draining(), []);
    assert!(lab.take_log().contains(&ended("it is in use again")));
}

#[test]
fn a_reload_shortens_the_time_and_never_prolongs_it() {
    let mut lab = begun(&before(), &after(30));
    lab.run_for(seconds(10));
    lab.reload(&after(300));
    lab.run_for(ms(19_999));
    assert_eq!(lab.draining(), [server(3)]);
    lab.run_for(ms(1));
    assert_eq!(lab.draining(), []);

    let mut lab = begun(&before(), &after(30));
    lab.reload(&after(5));
    lab.run_for(seconds(5));
    assert_eq!(lab.draining(), []);

    let mut lab = begun(&before(), &after(30));
    lab.reload(&after(0));
    assert_eq!(lab.draining(), []);
}

#[test]
fn only_what_is_in_the_table_is_drained() {
    let mut lab = Lab::new(&before());
    lab.peer(3, Peer::Dead);
    lab.run_for(seconds(2));
    lab.reload(&after(30));
    assert_eq!(lab.draining(), [], "its connections were given up when it failed");

    let inhibited = format!("inhibit_on_failure\n {TCP}");
    let mut lab = Lab::new(&web("", &[TCP, &inhibited]));
    lab.peer(3, Peer::Dead);
    lab.run_for(seconds(2));
    lab.reload(&after(30));
    assert_eq!(lab.draining(), [server(3)]);
}

#[test]
fn the_sorry_server_is_drained_too_and_a_server_that_becomes_one() {
    let with_sorry = |last: u8| {
        web(
            &format!("drain_timeout 30\n sorry_server 10.0.0.{last} 80"),
            &[TCP],
        )
    };
    let mut lab = Lab::new(&with_sorry(9));
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(2));
    assert_eq!(lab.pool(), [(9, 1)]);
    lab.reload(&with_sorry(8));
    assert_eq!(lab.pool(), [(8, 1)]);
    assert_eq!(lab.draining(), [server(9)]);

    let lab = begun(&before(), &with_sorry(3));
    assert_eq!(lab.pool(), [(2, 1)]);
    assert_eq!(lab.draining(), [server(3)]);

    let inhibited = with_sorry(3).replace(
        "sorry_server 10.0.0.3 80",
        "sorry_server 10.0.0.3 80\n sorry_server_inhibit",
    );
    let lab = begun(&before(), &inhibited);
    assert_eq!(lab.pool(), [(2, 1), (3, 0)]);
    assert_eq!(lab.draining(), [], "it stays anyway");
}

#[test]
fn a_sorry_server_that_is_needed_again_drains_no_more() {
    let sorry = |last: u8| {
        web(
            &format!("drain_timeout 30\n sorry_server 10.0.0.{last} 80"),
            &[TCP],
        )
    };
    let mut lab = begun(&before(), &after(30));
    lab.reload(&sorry(3));
    assert_eq!(lab.draining(), [server(3)], "the pool has its quorum");
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(20));
    assert_eq!(lab.pool(), [(3, 1)]);
    assert_eq!(lab.draining(), []);
}

#[test]
fn of_protocols_without_states_every_connection_counts() {
    let udp = |text: &str| text.replace("protocol TCP", "protocol UDP");
    let mark = |text: &str| {
        text.replace("virtual_server 10.0.0.1 80", "virtual_server fwmark 7")
            .replace(" protocol TCP", "")
    };
    let group = |text: &str, entry: &str| {
        let text = text.replace("virtual_server 10.0.0.1 80", "virtual_server group g");
        format!("virtual_server_group g {{\n 10.0.0.1 80\n {entry}\n}}\n{text}")
    };
    let holds = |before: &str, after: &str| {
        let mut lab = begun(before, after);
        for _ in 0..2 {
            lab.counted(3, Some(connections(0, 1)));
        }
        !lab.draining().is_empty()
    };
    assert!(!holds(&before(), &after(30)));
    assert!(holds(&udp(&before()), &udp(&after(30))));
    assert!(holds(&mark(&before()), &mark(&after(30))));
    assert!(!holds(&group(&before(), ""), &group(&after(30), "")));
    assert!(holds(
        &group(&before(), "fwmark 7"),
        &group(&after(30), "fwmark 7")
    ));
}

#[test]
fn what_the_kernel_does_not_have_drains_no_more() {
    let mut lab = begun(&before(), &after(30));
    lab.take_log();
    lab.counted(3, None);
    assert_eq!(lab.draining(), []);
    assert_eq!(lab.take_log(), [ended("the kernel does not have it any more")]);
    lab.counted(3, Some(connections(0, 0)));
    assert!(lab.take_log().is_empty(), "too late");
}

#[test]
fn a_successor_goes_on_to_the_same_deadline() {
    let mut lab = begun(&before(), &after(30));
    lab.run_for(seconds(10));
    lab.counted(3, Some(connections(2, 0)));
    let mut next = Lab::resume_at(&after(30), &lab.engine.snapshot(), lab.now);
    assert_eq!(next.draining(), [server(3)]);
    assert!(
        !next.log.iter().any(|line| line.contains("rain")),
        "it was told before: {:?}",
        next.log
    );
    next.run_for(ms(19_999));
    assert_eq!(next.draining(), [server(3)]);
    next.run_for(ms(1));
    assert_eq!(next.draining(), []);

    let back = Lab::resume_at(&web("drain_timeout 30", &BOTH), &lab.engine.snapshot(), lab.now);
    assert_eq!(back.pool(), [(2, 1), (3, 1)]);
    assert_eq!(back.draining(), []);
}

#[test]
fn a_stop_and_the_end_of_its_virtual_server_take_it_along() {
    let mut lab = begun(&before(), &after(30));
    let service = lab.engine.services().next().unwrap();
    lab.reload(&after(30).replace("10.0.0.1 80 {", "10.0.0.8 80 {"));
    assert!(lab.kernel[&service].draining.is_empty() && lab.kernel[&service].keys.is_empty());
    assert!(lab.engine.draining_services().is_empty());

    let mut lab = begun(&before(), &after(30));
    lab.handle(Event::Stop);
    let service = lab.engine.services().next().unwrap();
    assert!(lab.kernel[&service].draining.is_empty() && lab.kernel[&service].keys.is_empty());
    assert_eq!(lab.engine.next_deadline(), None);
}

#[test]
fn how_it_stands_can_be_asked() {
    let mut lab = begun(&before(), &after(30));
    let standing = |lab: &Lab| {
        let service = lab.engine.services().next().unwrap();
        lab.engine.standing(service).unwrap().draining.remove(0)
    };
    let first = standing(&lab);
    assert_eq!(first.label, "[10.0.0.3]:tcp:80");
    assert_eq!((first.connections, first.until), (None, lab.now + seconds(30)));
    lab.counted(3, Some(connections(3, 9)));
    assert_eq!(standing(&lab).connections, Some(3));
}
