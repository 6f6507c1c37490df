//! What two neighbours live through.

use std::time::Duration;

use bfd::{Diagnostic, State};

use crate::net::{A, B, Net, instance, ms};

#[test]
fn two_neighbours_come_up_and_negotiate_their_pace() {
    let mut net = Net::pair("min_tx 50", "min_rx 80");
    net.settle();
    assert_eq!(net.session(A).transmit_interval(), ms(80));
    assert_eq!(net.session(B).transmit_interval(), ms(100));
    assert_eq!(net.session(A).detection_time(), Some(ms(300)));
    assert_eq!(net.session(B).detection_time(), Some(ms(240)));
    let since = net.now;
    net.run_for(ms(10_000));
    for (node, interval) in [(A, 80.0), (B, 100.0)] {
        let sent = net.sent_since(node, since);
        for pair in sent.windows(2) {
            let gap = (pair[1].at - pair[0].at).as_secs_f64() * 1000.0;
            assert!(
                (0.75 * interval..=interval).contains(&gap),
                "{gap} ms of {interval}"
            );
        }
        assert!(sent.iter().all(|sent| !sent.packet.poll && !sent.packet.final_));
        assert!(sent.iter().all(|sent| sent.packet.state == State::Up));
    }
    assert_eq!(
        net.nodes[A].log,
        ["(b1) Entering Init state", "(b1) Entering Up state"]
    );
    let told: Vec<bool> = net.nodes[A].reports.iter().map(|(_, _, up)| *up).collect();
    assert_eq!(told, [false, true]);
}

#[test]
fn while_a_session_is_not_up_it_speaks_each_second_at_most() {
    let mut net = Net::pair("", "");
    net.kill(B);
    net.run_for(ms(20_000));
    let sent = &net.nodes[A].sent;
    assert!((20..=27).contains(&sent.len()), "{}", sent.len());
    assert!(sent.iter().all(|sent| sent.packet.desired_min_tx == ms(1000)));
    assert!(
        sent.iter()
            .all(|sent| sent.packet.state == State::Down && sent.packet.your_discriminator == 0)
    );
    assert_eq!(sent[0].at, net.start);
    net.reload(A, &instance("b1", "192.0.2.2", "idle_tx 5000"));
    let since = net.now;
    net.run_for(ms(20_000));
    assert!((3..=7).contains(&net.sent_since(A, since).len()));
}

#[test]
fn a_cut_is_noticed_within_the_detection_time_on_both_sides() {
    let mut net = Net::pair("", "");
    net.settle();
    let cut = net.now;
    (net.nodes[A].mute, net.nodes[B].mute) = (true, true);
    net.run_for(ms(1000));
    for node in [A, B] {
        let after = net.reported(node, false, cut).unwrap();
        assert!((ms(200)..=ms(301)).contains(&after), "{after:?}");
        assert_eq!(net.session(node).diagnostic, Diagnostic::EXPIRED);
        let log = &net.nodes[node].log;
        assert_eq!(log[2], "(b1) Expired after 300 ms (0 usec overdue)");
        assert_eq!(
            log[3],
            "(b1) Entering Down state (Local diagnostic - Control Detection Time Expired, Remote diagnostic - No Diagnostic)"
        );
    }
    (net.nodes[A].mute, net.nodes[B].mute) = (false, false);
    net.settle();
}

#[test]
fn a_way_that_is_broken_in_one_direction_is_down_for_both() {
    let mut net = Net::pair("", "");
    net.settle();
    let cut = net.now;
    net.nodes[A].mute = true;
    net.run_for(ms(400));
    // B hears nothing and says so; A hears that.
    let (b, a) = (
        net.reported(B, false, cut).unwrap(),
        net.reported(A, false, cut).unwrap(),
    );
    assert!(a > b && a < b + ms(1), "{a:?} {b:?}");
    assert_eq!(net.session(A).diagnostic, Diagnostic::NEIGHBOR_DOWN);
    net.run_for(ms(10_000));
    assert_eq!(net.states(), [State::Init, State::Down]);
    net.nodes[A].mute = false;
    net.settle();
}

#[test]
fn a_stop_is_told_and_is_no_failure() {
    let mut net = Net::pair("", "");
    net.settle();
    let since = net.now;
    net.stop(A);
    assert_eq!(net.engine(A).next_deadline(), None);
    assert_eq!(net.reported(A, false, since), None);
    net.kill(A);
    net.run_for(ms(1));
    assert_eq!(net.session(B).state, State::Down);
    assert_eq!(net.session(B).diagnostic, Diagnostic::NEIGHBOR_DOWN);
    assert_eq!(net.session(B).remote.diagnostic, Diagnostic::ADMIN_DOWN);
    // RFC 5882 3.2: nor is it one for those who follow the neighbour's session.
    assert_eq!(net.reported(B, false, since), None);
    let farewell = net.sent_since(A, since);
    assert_eq!(farewell.len(), 3);
    assert!(farewell.iter().all(|sent| sent.packet.state == State::AdminDown));
    assert_eq!(net.nodes[A].saved, "holdfast-bfd 1 0\n");
}

#[test]
fn a_passive_side_waits_to_be_spoken_to() {
    let mut net = Net::pair("passive", "passive");
    net.run_for(ms(10_000));
    assert!(net.nodes[A].sent.is_empty() && net.nodes[B].sent.is_empty());
    let mut net = Net::pair("passive", "");
    net.settle();
    net.kill(B);
    net.run_for(ms(400));
    assert_eq!(net.session(A).state, State::Down);
    let since = net.now;
    net.run_for(ms(10_000));
    assert!(net.sent_since(A, since).is_empty());
    net.boot(B, &instance("b1", "192.0.2.1", ""));
    net.settle();
}

#[test]
fn a_neighbour_that_restarted_is_recognised_by_its_address() {
    let mut net = Net::pair("", "");
    net.settle();
    let old = net.session(B).discriminator;
    net.kill(B);
    net.nodes[B].saved.clear();
    net.boot(B, &instance("b1", "192.0.2.1", ""));
    assert_ne!(net.session(B).discriminator, old);
    let since = net.now;
    net.run_for(ms(1));
    assert_eq!(
        net.reported(A, false, since).map(|after| after < ms(1)),
        Some(true)
    );
    net.settle();
    let known = net.session(A).remote.discriminator;
    assert_eq!(known, net.session(B).discriminator);
}

#[test]
fn a_successor_goes_on_and_the_neighbour_notices_nothing() {
    let mut net = Net::pair("", "");
    net.settle();
    let crash = net.now;
    net.kill(B);
    net.run_for(ms(150));
    net.boot(B, &instance("b1", "192.0.2.1", ""));
    net.run_for(ms(10_000));
    assert_eq!(net.reported(A, false, crash), None);
    assert_eq!(net.states(), [State::Up, State::Up]);
    assert_eq!(net.reported(B, true, crash), Some(ms(150)));
    assert_eq!(net.reported(B, false, crash), None);
    assert!(net.nodes[B].log.contains(&"(b1) Going on in Up state".to_owned()));
    // One that comes too late hears that the session is down.
    net.kill(B);
    net.run_for(ms(400));
    let late = net.now;
    net.boot(B, &instance("b1", "192.0.2.1", ""));
    net.run_for(ms(1500));
    assert!(net.reported(B, false, late).is_some());
    net.settle();
}

#[test]
fn ipv6_and_several_sessions_with_one_neighbour() {
    let two =
        |other: &str| instance("single", other, "") + &instance("multi", other, "multihop\n max_hops 10");
    let mut net = Net::of(&two("192.0.2.2"), &two("192.0.2.1"));
    net.settle();
    assert!(
        net.engine(A)
            .sessions
            .iter()
            .all(|session| session.state == State::Up)
    );
    let ports: Vec<u16> = net
        .engine(A)
        .sessions
        .iter()
        .map(|session| session.path.source_port)
        .collect();
    assert!(ports[0] != ports[1] && ports.iter().all(|port| *port >= 49152));

    let mut net = Net::of(
        &instance("b1", "192.0.2.2", "source_ip 192.0.2.1"),
        &instance("b1", "192.0.2.1", ""),
    );
    net.settle();
    let v6 = |other: &str| instance("b1", other, "ttl 255");
    let mut net = Net::of(&instance("b1", "192.0.2.2", ""), &instance("b1", "192.0.2.1", ""));
    (net.nodes[A].address, net.nodes[B].address) =
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    net.reload(A, &v6("2001:db8::2"));
    net.reload(B, &v6("2001:db8::1"));
    net.settle();
}

#[test]
fn a_multiplier_of_one_leaves_a_margin() {
    let mut net = Net::pair("multiplier 1", "multiplier 1");
    net.settle();
    let since = net.now;
    net.run_for(ms(60_000));
    assert_eq!(net.states(), [State::Up, State::Up]);
    assert_eq!(net.reported(A, false, since), None);
    for pair in net.sent_since(A, since).windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!((ms(75)..=ms(90)).contains(&gap), "{gap:?}");
    }
}

#[test]
fn a_thousand_sessions_at_ten_milliseconds_cost_little_per_packet() {
    let many: String = (0..1000_u32)
        .map(|number| {
            let neighbor = format!("10.0.{}.{}", number / 250, number % 250 + 1);
            instance(&format!("b{number}"), &neighbor, "min_tx 10")
        })
        .collect();
    let mut net = Net::of(&many, &instance("b1", "192.0.2.1", ""));
    let numbers: std::collections::BTreeSet<u32> = net
        .engine(A)
        .sessions
        .iter()
        .map(|session| session.discriminator)
        .collect();
    assert_eq!(numbers.len(), 1000);
    net.run_for(Duration::from_secs(2));
    assert!(net.nodes[A].sent.len() > 2000);
}
