//! Random lives of two neighbours, and what must hold in all of them.

use bfd::{Packet, State};
use proptest::prelude::*;

use crate::net::{A, B, Datagram, Net, instance, ms};

#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Mute(usize, bool),
    Restart(usize, bool),
    Reload(usize, u64, u64, u8),
    Forge(usize, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..3000).prop_map(Step::Run),
        2 => (0usize..2, any::<bool>()).prop_map(|(node, mute)| Step::Mute(node, mute)),
        1 => (0usize..2, any::<bool>()).prop_map(|(node, remembers)| Step::Restart(node, remembers)),
        2 => (0usize..2, 1u64..500, 1u64..500, 1u8..5)
            .prop_map(|(node, rx, tx, multiplier)| Step::Reload(node, rx, tx, multiplier)),
        1 => (0usize..2, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(node, bytes)| Step::Forge(node, bytes)),
    ]
}

fn text(node: usize, intervals: (u64, u64, u8)) -> String {
    let neighbor = ["192.0.2.2", "192.0.2.1"][node];
    let (rx, tx, multiplier) = intervals;
    instance(
        "b1",
        neighbor,
        &format!("min_rx {rx}\n min_tx {tx}\n multiplier {multiplier}"),
    )
}

/// What every packet that leaves must be.
fn check(net: &Net) {
    for node in [A, B] {
        for sent in &net.nodes[node].sent {
            let Packet {
                poll, final_, state, ..
            } = sent.packet;
            assert!(!(poll && final_), "RFC 5880 6.5: never both");
            if state != State::Up {
                assert!(sent.packet.desired_min_tx >= ms(1000), "RFC 5880 6.8.3");
            }
        }
        // The reports tell of each change once.
        let reports = &net.nodes[node].reports;
        if let Some((_, _, up)) = reports.last()
            && let Some(engine) = &net.nodes[node].engine
        {
            assert_eq!(*up, engine.sessions[0].state == State::Up);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_a_healed_way_is_up_and_stays_up(
        steps in proptest::collection::vec(step(), 1..25),
        losses in 0u32..40,
    ) {
        let mut intervals = [(100, 100, 3); 2];
        let mut net = Net::pair("", "");
        let mut draw = 1u32;
        net.loses = Box::new(move || {
            draw = draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            draw >> 16 & 0x7f < losses
        });
        for step in steps {
            match step {
                Step::Run(time) => net.run_for(ms(time)),
                Step::Mute(node, mute) => net.nodes[node].mute = mute,
                Step::Restart(node, remembers) => {
                    net.kill(node);
                    net.run_for(ms(40));
                    if !remembers {
                        net.nodes[node].saved.clear();
                    }
                    net.boot(node, &text(node, intervals[node]));
                }
                Step::Reload(node, rx, tx, multiplier) => {
                    intervals[node] = (rx, tx, multiplier);
                    net.reload(node, &text(node, intervals[node]));
                }
                Step::Forge(node, payload) => {
                    let datagram = Datagram {
                        source: net.nodes[1 - node].address,
                        destination: net.nodes[node].address,
                        multihop: false,
                        hop_limit: 255,
                        payload,
                    };
                    net.deliver(node, &datagram);
                }
            }
            check(&net);
        }
        net.loses = Box::new(|| false);
        (net.nodes[A].mute, net.nodes[B].mute) = (false, false);
        net.run_for(ms(10_000));
        prop_assert_eq!(net.states(), [State::Up, State::Up]);
        let since = net.now;
        net.run_for(ms(20_000));
        prop_assert_eq!(net.reported(A, false, since), None);
        prop_assert_eq!(net.reported(B, false, since), None);
        // What was negotiated is what both configurations ask for.
        let (a, b) = (intervals[A], intervals[B]);
        prop_assert_eq!(net.session(A).transmit_interval(), ms(a.1.max(b.0)));
        prop_assert_eq!(net.session(B).transmit_interval(), ms(b.1.max(a.0)));
        prop_assert_eq!(net.session(A).detection_time(), Some(ms(b.1.max(a.0)) * b.2.into()));
        check(&net);
    }
}
