//! A recording, fed to a fresh engine, gives what the engine that was recorded gave.

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use vrrp::record::{self, Step};
use vrrp::{
    Action, Engine, Event, FileId, InstanceId, Instant, Link, LinkId, Packet, ProcessId, ScriptId,
    ScriptOutcome,
};

use crate::fixture::{advert, at, config, eth0, from, instance, packet_from};

#[test]
fn a_recorded_failover_replays_to_the_same_actions() {
    let config = config(vec![instance(100)], vec![]);
    let (high, zero) = (advert(&instance(100), 9, 200), advert(&instance(100), 9, 0));
    let steps = [
        (at(0), Step::Event(Event::Link(eth0(5)))),
        (at(0), Step::Timeout),
        (at(500), Step::Event(from(9, &high))),
        (at(900), Step::Event(from(9, &zero))),
        (at(1600), Step::Timeout),
        (at(2600), Step::Timeout),
        (at(2700), Step::Event(from(9, &high))),
        (at(3000), Step::Event(Event::Stop)),
    ];
    let recording: Vec<String> = steps
        .iter()
        .map(|(now, step)| record::write(step, *now))
        .collect();
    let replayed: Vec<_> = {
        let mut engine = Engine::new(&config, "", at(0));
        let replay = |line: &String| {
            let mut buffer = Vec::new();
            let (now, step) = record::read(line, &mut buffer).unwrap();
            feed(&mut engine, step, now)
        };
        recording.iter().flat_map(replay).collect()
    };
    let mut engine = Engine::new(&config, "", at(0));
    let first: Vec<_> = steps
        .into_iter()
        .flat_map(|(now, step)| feed(&mut engine, step, now))
        .collect();
    assert_eq!(replayed, first);
    assert!(first.iter().any(|action| matches!(action, Action::Send(_))));
}

fn feed(engine: &mut Engine, step: Step<'_>, now: Instant) -> Vec<Action> {
    match step {
        Step::Event(event) => engine.handle(event, now),
        Step::Timeout => engine.handle_timeout(now),
    }
    std::iter::from_fn(|| engine.next_action()).collect()
}

#[test]
fn the_lines_are_for_people_too() {
    let link = Link {
        name: "br lan".to_owned(),
        ipv6_link_local: None,
        ..eth0(5)
    };
    assert_eq!(
        record::write(&Step::Event(Event::Link(link)), at(1500)),
        "1.500000000 link 2 br%20lan up 020000000005 10.0.0.5 - 1500 10.0.0.5 multicast"
    );
    let packet = Step::Event(Event::Packet(packet_from(9, &[0x21, 0x33])));
    assert_eq!(
        record::write(&packet, at(2)),
        "0.002000000 packet 2 10.0.0.9 224.0.0.18 255 - 2133"
    );
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.%@ \n-]{0,15}", any::<String>()]
}

fn outcome() -> impl Strategy<Value = ScriptOutcome> {
    prop_oneof![
        any::<u8>().prop_map(ScriptOutcome::Exited),
        any::<i32>().prop_map(ScriptOutcome::Signalled),
        Just(ScriptOutcome::TimedOut),
        any::<i32>().prop_map(ScriptOutcome::NotStarted),
    ]
}

fn link() -> impl Strategy<Value = Event<'static>> {
    let addresses = (any::<Option<[u8; 4]>>(), any::<Option<u128>>());
    (
        any::<u32>(),
        name(),
        any::<bool>(),
        any::<Vec<u8>>(),
        addresses,
        any::<u32>(),
        any::<Vec<IpAddr>>(),
        any::<bool>(),
    )
        .prop_map(
            |(id, name, running, hardware_address, (ipv4, ipv6), mtu, addresses, multicast)| {
                Event::Link(Link {
                    id: LinkId(id),
                    name,
                    running,
                    hardware_address,
                    ipv4: ipv4.map(Into::into),
                    ipv6_link_local: ipv6.map(Into::into),
                    addresses,
                    mtu,
                    multicast,
                })
            },
        )
}

fn without_bytes() -> impl Strategy<Value = Step<'static>> {
    prop_oneof![
        Just(Step::Timeout),
        Just(Step::Event(Event::Stop)),
        any::<u32>().prop_map(|id| Step::Event(Event::LinkGone(LinkId(id)))),
        link().prop_map(Step::Event),
        any::<(u32, i64)>().prop_map(|(file, value)| {
            let file = FileId(file);
            Step::Event(Event::File { file, value })
        }),
        any::<(u32, usize)>().prop_map(|(process, count)| {
            let process = ProcessId(process);
            Step::Event(Event::Processes { process, count })
        }),
        any::<u64>().prop_map(|nanos| Step::Event(Event::Clock(Duration::from_nanos(nanos)))),
        (any::<u32>(), proptest::collection::vec(name(), 0..4)).prop_map(|(instance, items)| {
            let instance = InstanceId(instance);
            Step::Event(Event::Missing { instance, items })
        }),
        any::<u32>().prop_map(|instance| {
            let instance = InstanceId(instance);
            Step::Event(Event::Lost { instance })
        }),
        (any::<u32>(), outcome()).prop_map(|(script, outcome)| {
            let script = ScriptId(script);
            Step::Event(Event::ScriptEnded { script, outcome })
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(step in without_bytes(), nanos in any::<u64>()) {
        let now = Instant { nanos };
        let line = record::write(&step, now);
        prop_assert!(!line.contains('\n'));
        let mut buffer = Vec::new();
        prop_assert_eq!(record::read(&line, &mut buffer), Ok((now, step)));
    }

    #[test]
    fn packets_too(
        link in any::<Option<u32>>(), ends in any::<(IpAddr, IpAddr)>(), hop_limit in any::<u8>(),
        ip_header in any::<Vec<u8>>(), payload in any::<Vec<u8>>()
    ) {
        let packet = Packet {
            link: link.map(LinkId), source: ends.0, destination: ends.1, hop_limit, ip_header: &ip_header, payload: &payload,
        };
        let step = Step::Event(Event::Packet(packet));
        let mut buffer = Vec::new();
        prop_assert_eq!(record::read(&record::write(&step, at(7)), &mut buffer), Ok((at(7), step)));
    }

    #[test]
    fn sessions_too(session in name(), up in any::<bool>()) {
        let step = Step::Event(Event::Bfd { session: &session, up });
        let mut buffer = Vec::new();
        prop_assert_eq!(record::read(&record::write(&step, at(7)), &mut buffer), Ok((at(7), step)));
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        line in prop_oneof![".*", "[0-9]{1,25}\\.[0-9]{9} (link|packet|clock|script|stop|timeout|link-gone|file|processes|bfd|missing|lost)( [0-9a-f:.%-]{0,9}){0,8}"]
    ) {
        let (mut buffer, mut again) = (Vec::new(), Vec::new());
        if let Ok((now, step)) = record::read(&line, &mut buffer) {
            prop_assert_eq!(record::read(&record::write(&step, now), &mut again), Ok((now, step)));
        }
    }
}
