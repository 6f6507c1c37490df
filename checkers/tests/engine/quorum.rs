//! Quorum, hysteresis, the sorry server, weights, and what the outside is told.

use std::net::IpAddr;

use checkers::{Event, ScriptOutcome};

use crate::lab::{Lab, Peer, TCP, ms, seconds, web};

const VS: &str = "[10.0.0.1]:tcp:80";

#[test]
fn the_sorry_server_stands_in_while_the_quorum_is_missing() {
    let lines = "quorum 2\n sorry_server 10.0.0.9 80";
    let mut lab = Lab::new(&web(lines, &[TCP, TCP, TCP]));
    lab.run_for(seconds(2));
    lab.take_log();
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(13));
    assert_eq!(lab.pool(), [(3, 1), (4, 1)]);
    lab.take_log();
    lab.take_lines();
    lab.peer(3, Peer::Dead);
    lab.run_for(seconds(13));
    assert_eq!(lab.pool(), [(9, 1)], "the living one makes way");
    assert_eq!(
        lab.take_log()[1..],
        [
            format!("Removing service [10.0.0.3]:tcp:80 from VS {VS}"),
            format!("Lost quorum 2-0=2 > 1 for VS {VS}"),
            format!("Adding sorry server [10.0.0.9]:tcp:80 to VS {VS}"),
            format!("Removing alive servers from the pool for VS {VS}"),
        ]
    );
    assert_eq!(
        lab.take_lines(),
        [format!("RS [10.0.0.3]:tcp:80 {VS} DOWN"), format!("VS {VS} DOWN")]
    );
    lab.alive(2);
    lab.run_for(seconds(13));
    assert_eq!(lab.pool(), [(2, 1), (4, 1)]);
    assert_eq!(
        lab.take_log()[2..],
        [
            format!("Gained quorum 2+0=2 <= 2 for VS {VS}"),
            format!("Removing sorry server [10.0.0.9]:tcp:80 from VS {VS}"),
            format!("Adding alive servers to the pool for VS {VS}"),
        ]
    );
}

#[test]
fn hysteresis_dampens_both_ways() {
    let lines = "quorum 3\n hysteresis 1";
    let mut lab = Lab::new(&web(lines, &[TCP; 5]));
    lab.run_for(seconds(2));
    for last in 2..=5 {
        lab.peer(last, Peer::Dead);
    }
    lab.run_for(seconds(15));
    assert_eq!(
        lab.take_lines().last().unwrap(),
        &format!("VS {VS} DOWN"),
        "one of 3-1=2"
    );
    for last in 2..=3 {
        lab.alive(last);
    }
    lab.run_for(seconds(15));
    assert!(
        lab.take_lines().iter().all(|line| line.starts_with("RS")),
        "three of 3+1=4"
    );
    lab.alive(4);
    lab.run_for(seconds(15));
    assert_eq!(lab.take_lines().last().unwrap(), &format!("VS {VS} UP"));
}

#[test]
fn what_is_inhibited_stays_without_weight() {
    let lines = "inhibit_on_failure\n sorry_server 10.0.0.9 80\n sorry_server_inhibit";
    let mut lab = Lab::new(&web(lines, &[TCP, TCP]));
    assert_eq!(lab.pool(), [(2, 1), (3, 1), (9, 0)]);
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(2));
    assert_eq!(lab.pool(), [(2, 0), (3, 1), (9, 0)]);
    assert!(
        lab.take_log()
            .contains(&format!("Disabling service [10.0.0.2]:tcp:80 of VS {VS}"))
    );
    lab.peer(3, Peer::Dead);
    lab.run_for(seconds(15));
    assert_eq!(lab.pool(), [(2, 0), (3, 0), (9, 1)]);
    assert!(
        lab.take_log()
            .contains(&format!("Enabling sorry server [10.0.0.9]:tcp:80 to VS {VS}"))
    );
}

#[test]
fn a_real_server_can_be_the_sorry_server_too() {
    let lines = "sorry_server 10.0.0.2 80\n quorum 2";
    let mut lab = Lab::new(&web(lines, &[TCP, TCP]));
    lab.peer(3, Peer::Dead);
    lab.run_for(seconds(2));
    assert_eq!(lab.pool(), [(2, 1)]);
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(20));
    assert_eq!(lab.pool(), [(2, 1)], "it stands in, dead or alive");
}

#[test]
fn a_script_moves_the_weight() {
    let body = "weight 5\n MISC_CHECK {\n misc_path /usr/bin/chk\n misc_dynamic\n }";
    let mut lab = Lab::new(&web("quorum 4", &[body]));
    let run = |lab: &mut Lab, status| {
        lab.scripts
            .insert("/usr/bin/chk".to_owned(), ScriptOutcome::Exited(status));
        lab.run_for(seconds(10));
        lab.pool()
    };
    assert_eq!(run(&mut lab, 12), [(2, 10)]);
    assert!(lab.take_log().contains(&format!(
        "Changing weight from 5 to 10 for active service [10.0.0.2]:tcp:80 of VS {VS}"
    )));
    assert_eq!(run(&mut lab, 0), [(2, 10)], "0 leaves the weight");
    assert_eq!(run(&mut lab, 5), [(2, 3)]);
    assert_eq!(
        lab.take_lines(),
        [format!("VS {VS} DOWN")],
        "3 is below the quorum"
    );
    assert_eq!(run(&mut lab, 1), []);
    assert_eq!(run(&mut lab, 2), [(2, 0)]);
    assert_eq!(run(&mut lab, 255), [(2, 253)]);
    assert_eq!(lab.take_lines().last().unwrap(), &format!("VS {VS} UP"));
}

#[test]
fn notices_carry_script_line_and_mail() {
    let body = format!("notify_down /usr/bin/down.sh\n {TCP}");
    let lines = "smtp_alert\n quorum_down /usr/bin/lost.sh";
    let mut lab = Lab::new(&web(lines, &[&body]));
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(2));
    let [server, quorum] = &lab.notices[..] else {
        panic!("{:?}", lab.notices)
    };
    assert_eq!(server.script.as_ref().unwrap().words, ["/usr/bin/down.sh"]);
    let mail = server.mail.as_ref().unwrap();
    assert_eq!(
        mail.subject,
        format!("Realserver [10.0.0.2]:tcp:80 of virtual server {VS} - DOWN")
    );
    assert_eq!(mail.body, "=> TCP CHECK failed on service <=");
    assert_eq!(quorum.script.as_ref().unwrap().words, ["/usr/bin/lost.sh"]);
    let mail = quorum.mail.as_ref().unwrap();
    assert_eq!(mail.subject, format!("Virtualserver {VS} - DOWN"));
    assert_eq!(mail.body, "=> Lost quorum 1-0=1 > 0 <=");
}

#[test]
fn mails_about_checkers_alone_can_be_switched_off() {
    let two = format!("{TCP}\n TCP_CHECK {{\n connect_port 81\n }}");
    for (switch, mails) in [("", 2), ("global_defs {\n no_checker_emails\n }\n", 0)] {
        let mut lab = Lab::new(&format!("{switch}{}", web("", &[&two])));
        lab.run_for(seconds(2));
        assert_eq!(lab.notices.len(), mails, "{switch}");
    }
}

#[test]
fn at_the_end_the_table_is_empty_and_only_omega_speaks() {
    for (omega, lines) in [
        ("", vec![]),
        (
            "omega",
            vec![format!("RS [10.0.0.2]:tcp:80 {VS} DOWN"), format!("VS {VS} DOWN")],
        ),
    ] {
        let mut lab = Lab::new(&web(omega, &[TCP]));
        lab.run_for(ms(1000));
        lab.take_log();
        lab.reconciled.clear();
        assert_eq!(lab.conversations(), 1);
        lab.handle(Event::Stop);
        assert_eq!(lab.conversations(), 0);
        let service = lab.engine.services().next().unwrap();
        assert_eq!(lab.reconciled, [service]);
        assert!(lab.engine.table(service).keys.is_empty());
        assert_eq!(
            lab.take_log(),
            [format!("Shutting down service [10.0.0.2]:tcp:80 from VS {VS}")]
        );
        assert_eq!(lab.take_lines(), lines);
        assert_eq!(lab.engine.next_deadline(), None);
    }
}

#[test]
fn the_table_is_flushed_when_asked_for() {
    let flush = format!(
        "global_defs {{\n lvs_flush\n lvs_flush_on_stop\n }}\n{}",
        web("", &[TCP])
    );
    let mut lab = Lab::new(&flush);
    assert_eq!(lab.flushes, 1);
    let saved = lab.engine.snapshot();
    lab.handle(Event::Stop);
    assert_eq!(lab.flushes, 2);
    assert_eq!(
        Lab::resume(&flush, &saved).flushes,
        0,
        "a successor finds its own entries"
    );
}

#[test]
fn without_the_address_checks_pause() {
    let mut lab = Lab::resume(&web("ha_suspend", &[TCP]), "");
    assert_eq!(
        lab.take_log()[1..],
        [format!(
            "Deactivating healthchecker for service [10.0.0.2]:tcp:80 for VS {VS}"
        )]
    );
    lab.run_for(seconds(100));
    assert!(lab.opened.is_empty());
    let address = IpAddr::from([10, 0, 0, 1]);
    lab.handle(Event::Address {
        address,
        present: true,
    });
    assert_eq!(
        lab.take_log(),
        [format!(
            "Activating healthchecker for service [10.0.0.2]:tcp:80 for VS {VS}"
        )]
    );
    lab.peer(2, Peer::Mute);
    lab.run_for(seconds(2));
    assert_eq!(lab.conversations(), 1);
    lab.handle(Event::Address {
        address,
        present: false,
    });
    assert_eq!(lab.conversations(), 0);
    assert_eq!(
        lab.take_log(),
        [format!(
            "Suspending healthchecker for service [10.0.0.2]:tcp:80 for VS {VS}"
        )]
    );
    lab.run_for(seconds(100));
    assert_eq!(lab.pool(), [(2, 1)], "what it believes stays");
}

#[test]
fn a_successor_goes_on_where_its_predecessor_was() {
    let text = web("sorry_server 10.0.0.9 80\n quorum 2", &[TCP, TCP]);
    let mut lab = Lab::new(&text);
    lab.peer(2, Peer::Dead);
    lab.run_for(seconds(2));
    let before = lab.pool();
    assert_eq!(before, [(9, 1)]);
    let mut next = Lab::resume(&text, &lab.engine.snapshot());
    assert_eq!(next.pool(), before);
    assert!(next.notices.is_empty());
    assert!(next.take_log().iter().all(|line| line.starts_with("Activating")));
    next.run_for(seconds(2));
    assert_eq!(next.pool(), [(2, 1), (3, 1)]);
}
