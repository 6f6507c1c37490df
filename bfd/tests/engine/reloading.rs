//! New configurations, and intervals that change while a session is up (RFC 5880 6.5, 6.8.3).

use bfd::State;

use crate::net::{A, B, Net, instance, ms};

#[test]
fn an_unchanged_session_notices_nothing() {
    let mut net = Net::pair("", "");
    net.settle();
    let since = net.now;
    let (number, deadline) = (net.session(A).discriminator, net.engine(A).next_deadline());
    net.reload(A, &format!("\n\n{}", instance("b1", "192.0.2.2", "")));
    assert_eq!(net.session(A).discriminator, number);
    assert_eq!(net.engine(A).next_deadline(), deadline);
    assert!(net.sent_since(A, since).is_empty());
    net.run_for(ms(1000));
    assert_eq!(net.reported(B, false, since), None);
    assert_eq!(net.reported(A, true, since), None);
}

#[test]
fn a_slower_pace_waits_until_the_neighbour_knows() {
    let mut net = Net::pair("", "");
    net.settle();
    net.nodes[B].mute = true; // no answer yet
    net.reload(A, &instance("b1", "192.0.2.2", "min_tx 2000"));
    assert_eq!(net.session(A).transmit_interval(), ms(100));
    let since = net.now;
    net.run_for(ms(150));
    let asked = net.sent_since(A, since);
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|sent| sent.packet.poll && sent.packet.desired_min_tx == ms(2000))
    );
    net.nodes[B].mute = false;
    net.run_for(ms(500));
    assert_eq!(net.session(A).transmit_interval(), ms(2000));
    assert_eq!(net.session(B).detection_time(), Some(ms(6000)));
    net.run_for(ms(20_000));
    assert_eq!(net.reported(B, false, since), None);
    let late = net.sent_since(A, net.now.minus(ms(10_000)));
    assert!((5..=7).contains(&late.len()) && late.iter().all(|sent| !sent.packet.poll));
}

#[test]
fn a_shorter_detection_time_waits_until_the_neighbour_knows() {
    let mut net = Net::pair("min_rx 1000", "min_tx 50");
    net.settle();
    assert_eq!(net.session(B).transmit_interval(), ms(1000));
    assert_eq!(net.session(A).detection_time(), Some(ms(3000)));
    let since = net.now;
    net.reload(A, &instance("b1", "192.0.2.2", "min_rx 50"));
    assert_eq!(net.session(A).detection_time(), Some(ms(3000)));
    net.run_for(ms(1200));
    assert_eq!(net.session(A).detection_time(), Some(ms(150)));
    assert_eq!(net.session(B).transmit_interval(), ms(50));
    net.run_for(ms(10_000));
    assert_eq!(net.reported(A, false, since), None);
}

#[test]
fn a_second_change_asks_again() {
    let mut net = Net::pair("", "");
    net.settle();
    net.nodes[B].mute = true;
    net.reload(A, &instance("b1", "192.0.2.2", "min_tx 200"));
    net.run_for(ms(50));
    net.reload(A, &instance("b1", "192.0.2.2", "min_tx 400"));
    net.run_for(ms(50));
    net.nodes[B].mute = false;
    net.run_for(ms(3000));
    assert_eq!(net.session(A).transmit_interval(), ms(400));
    assert_eq!(net.session(B).detection_time(), Some(ms(1200)));
}

#[test]
fn sessions_come_and_go_by_their_addresses() {
    let mut net = Net::pair("", "");
    net.settle();
    let number = net.session(A).discriminator;
    let since = net.now;
    // Under another name it is still the same session.
    net.reload(
        A,
        &(instance("new", "192.0.2.3", "") + &instance("renamed", "192.0.2.2", "")),
    );
    assert_eq!(net.session(A).state, State::Down);
    assert_eq!(net.engine(A).sessions[1].discriminator, number);
    let told: Vec<_> = net.nodes[A]
        .reports
        .iter()
        .filter(|(at, ..)| *at >= since)
        .collect();
    assert_eq!(told.len(), 2);
    assert!((&*told[0].1, told[0].2) == ("new", false) && (&*told[1].1, told[1].2) == ("renamed", true));
    net.run_for(ms(1000));
    assert_eq!(net.reported(B, false, since), None);
    // Without it the neighbour is told.
    net.reload(A, &instance("new", "192.0.2.3", ""));
    net.run_for(ms(1));
    assert_eq!(net.session(B).state, State::Down);
    assert_eq!(net.session(B).remote.state, State::AdminDown);
}
