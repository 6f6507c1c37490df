//! Packets that are not believed, each counted for its reason; and what a neighbour may ask of us.

use std::time::Duration;

use bfd::{Diagnostic, Packet, Refusal, State};

use crate::net::{A, B, Datagram, Net, ms};

fn packet(net: &mut Net) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        poll: false,
        final_: false,
        control_plane_independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: net.session(B).discriminator,
        your_discriminator: net.session(A).discriminator,
        desired_min_tx: ms(100),
        required_min_rx: ms(100),
        required_min_echo_rx: Duration::ZERO,
    }
}

fn datagram(payload: &[u8]) -> Datagram {
    Datagram {
        source: "192.0.2.2".parse().unwrap(),
        destination: "192.0.2.1".parse().unwrap(),
        multihop: false,
        hop_limit: 255,
        payload: payload.to_vec(),
    }
}

#[test]
fn every_refusal_can_be_had_and_touches_nothing() {
    let mut net = Net::pair("", "");
    net.settle();
    let good = packet(&mut net);
    let other = |change: &dyn Fn(&mut Packet)| {
        let mut packet = good;
        change(&mut packet);
        packet.encode()
    };
    let byte = |place: usize, value: u8| {
        let mut bytes = good.encode();
        bytes[place] = value;
        bytes
    };
    let got = good.your_discriminator;
    let mut cases = vec![
        (datagram(&good.encode()[..20]), Refusal::Truncated { got: 20 }),
        (datagram(&byte(0, 0x60)), Refusal::Version { got: 3 }),
        (datagram(&byte(3, 8)), Refusal::Length { got: 8 }),
        (datagram(&byte(2, 0)), Refusal::Multiplier),
        (datagram(&byte(1, 0xc1)), Refusal::Multipoint),
        (
            datagram(&other(&|packet| packet.my_discriminator = 0)),
            Refusal::MyDiscriminator,
        ),
        (
            datagram(&other(&|packet| packet.your_discriminator = 0)),
            Refusal::YourDiscriminator { state: State::Up },
        ),
        (
            datagram(&{
                let mut bytes = [&good.encode()[..], &[1, 2]].concat();
                (bytes[1], bytes[3]) = (0xc4, 26);
                bytes
            }),
            Refusal::Authentication,
        ),
        (
            datagram(&other(&|packet| packet.your_discriminator ^= 1)),
            Refusal::UnknownDiscriminator { got: got ^ 1 },
        ),
    ];
    let mut stranger = datagram(&other(&|packet| {
        (packet.your_discriminator, packet.state) = (0, State::Down);
    }));
    stranger.source = "192.0.2.9".parse().unwrap();
    cases.push((stranger.clone(), Refusal::UnknownNeighbor));
    stranger.payload = other(&|packet| packet.state = State::Down).to_vec();
    cases.push((stranger, Refusal::WrongPath { got }));
    let mut far = datagram(&other(&|packet| packet.state = State::Down));
    far.hop_limit = 254;
    let refusal = Refusal::HopLimit {
        got: 254,
        expected: 255,
    };
    cases.push((far.clone(), refusal));
    far.hop_limit = 255;
    far.multihop = true;
    cases.push((far, Refusal::WrongPath { got }));
    for (datagram, refusal) in cases {
        let before = (
            net.engine(A).refusals.count(refusal),
            net.engine(A).next_deadline(),
        );
        let log = net.nodes[A].log.len();
        net.deliver(A, &datagram);
        assert_eq!(net.engine(A).refusals.count(refusal), before.0 + 1, "{refusal:?}");
        assert_eq!(net.engine(A).next_deadline(), before.1);
        assert_eq!(net.states(), [State::Up, State::Up], "{refusal:?}");
        let line = format!("Discarding packet from {} ({refusal})", datagram.source);
        assert!(
            net.nodes[A].log[log..].iter().all(|told| told.starts_with(&line)),
            "{line}"
        );
    }
    assert_eq!(net.engine(A).refusals.total(), 13);
}

#[test]
fn hops_are_allowed_as_configured() {
    for (max_hops, ttl, hop_limit, believed) in [
        (0, 255, 254, false),
        (5, 255, 250, true),
        (5, 255, 249, false),
        (255, 255, 1, true),
        (-1, 255, 1, true),
        (0, 64, 64, true),
        (0, 64, 63, false),
        (5, 64, 59, true),
        (64, 64, 1, true),
    ] {
        let mut net = Net::pair(&format!("max_hops {max_hops}\n ttl {ttl}"), &format!("ttl {ttl}"));
        net.settle();
        let mut packet = packet(&mut net);
        packet.state = State::Down;
        let mut datagram = datagram(&packet.encode());
        datagram.hop_limit = hop_limit;
        net.deliver(A, &datagram);
        assert_eq!(
            net.session(A).state == State::Down,
            believed,
            "max_hops {max_hops}, ttl {ttl}, {hop_limit}"
        );
    }
}

#[test]
fn a_flood_of_forgeries_costs_a_few_lines() {
    let mut net = Net::pair("", "");
    net.settle();
    let mut packet = packet(&mut net);
    packet.state = State::Down;
    let lines = net.nodes[A].log.len();
    for number in 0..100_000 {
        packet.your_discriminator = number;
        let mut datagram = datagram(&packet.encode());
        datagram.hop_limit = 64;
        net.deliver(A, &datagram);
    }
    assert_eq!(net.states(), [State::Up, State::Up]);
    assert!(net.nodes[A].log.len() - lines < 40);
}

#[test]
fn a_poll_is_answered_at_once_without_one_of_ours() {
    let mut net = Net::pair("", "");
    net.settle();
    let mut packet = packet(&mut net);
    packet.poll = true;
    let (since, deadline) = (net.now, net.engine(A).next_deadline());
    net.deliver(A, &datagram(&packet.encode()));
    let answers = net.sent_since(A, since);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].packet.final_ && !answers[0].packet.poll);
    assert!(net.engine(A).next_deadline() >= deadline);
}

#[test]
fn a_neighbour_that_wants_silence_gets_it_until_it_wants_to_hear_again() {
    let mut net = Net::pair("", "");
    net.settle();
    net.kill(B);
    let heard = |net: &mut Net, packet: &Packet| {
        let since = net.now;
        // The neighbour speaks each 100 ms.
        for _ in 0..50 {
            net.deliver(A, &datagram(&packet.encode()));
            net.run_for(ms(100));
        }
        net.sent_since(A, since).len()
    };
    let mut packet = Packet {
        my_discriminator: 77,
        your_discriminator: net.session(A).discriminator,
        ..Packet::decode(&net.nodes[B].sent.last().unwrap().packet.encode()).unwrap()
    };
    assert!(heard(&mut net, &packet) > 40);
    packet.required_min_rx = Duration::ZERO;
    assert_eq!(heard(&mut net, &packet), 0);
    packet.required_min_rx = ms(1000);
    assert!((4..=7).contains(&heard(&mut net, &packet)));
    // RFC 5880 6.8.7: demand mode of the neighbour.
    packet.demand = true;
    assert_eq!(heard(&mut net, &packet), 0);
    assert_eq!(net.session(A).state, State::Up);
}
