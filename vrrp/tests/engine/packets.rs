//! Packets that must not be believed: each refused for its own reason, counted, said once; floods of them contained.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Authentication;
use parser::units::Version;
use vrrp::{Action, Engine, Event, Happening, Packet, Refusal, Stats};

use crate::fixture::{
    ETH0, advert, at, config, eth0, from, instance, ip, line, ms, packet_from, started, vrid,
};

/// What the engine says about a packet, and what it counts.
fn judged(
    config_of: VrrpInstance,
    change: impl Fn(&mut Packet<'_>),
    payload: &[u8],
) -> (Option<Refusal>, Stats) {
    let mut engine = started(&config(vec![config_of], vec![]));
    while engine.next_action().is_some() {}
    let mut packet = packet_from(9, payload);
    change(&mut packet);
    engine.handle(Event::Packet(packet), at(1));
    engine.handle(Event::Packet(packet), at(2));
    let mut refusals = refusals(&mut engine);
    assert!(refusals.len() < 2, "said once: {refusals:?}");
    (refusals.pop(), engine.instances().next().unwrap().stats)
}

fn refusals(engine: &mut Engine) -> Vec<Refusal> {
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Tell(news) => Some(news.what),
            _ => None,
        })
        .filter_map(|what| match what {
            Happening::Refused(refusal) => Some(refusal),
            _ => None,
        })
        .collect()
}

fn with_password(password: [u8; 8]) -> VrrpInstance {
    VrrpInstance {
        authentication: Authentication::Pass(password),
        ..instance(100)
    }
}

/// The checksum put right after the bytes were changed.
fn resummed(mut payload: Vec<u8>) -> Vec<u8> {
    payload[6..8].fill(0);
    let words = payload
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    payload[6..8].copy_from_slice(&sum.to_be_bytes());
    payload
}

fn changed(mut payload: Vec<u8>, at: usize, to: u8) -> Vec<u8> {
    payload[at] = to;
    resummed(payload)
}

#[test]
fn each_reason_to_refuse_is_raised_counted_and_worded() {
    let plain = || instance(100);
    let secret = || with_password(*b"1111\0\0\0\0");
    let good = advert(&plain(), 9, 200);
    let unchanged = |_: &mut Packet<'_>| {};
    let v3 = || VrrpInstance {
        version: Version::V3,
        ..plain()
    };
    let slower = advert(
        &VrrpInstance {
            advert_int: Duration::from_secs(2),
            ..v3()
        },
        9,
        200,
    );
    let other_address = advert(
        &VrrpInstance {
            virtual_ipaddress: vec![line(ip(7))],
            ..plain()
        },
        9,
        200,
    );
    let two_addresses = advert(
        &VrrpInstance {
            virtual_ipaddress: vec![line(ip(100)), line(ip(101))],
            ..plain()
        },
        9,
        200,
    );
    let elsewhere: IpAddr = "10.0.0.5".parse().unwrap();
    let mut kinds = BTreeSet::new();
    let mut expect = |(refusal, stats): (Option<Refusal>, Stats), words: &str, counter: fn(&Stats) -> u64| {
        let refusal = refusal.unwrap_or_else(|| panic!("not refused: {words}"));
        assert_eq!(refusal.to_string(), words);
        assert_eq!(counter(&stats), 2, "{words}");
        let is_believed = refusal.is_remark() || matches!(refusal, Refusal::OwnAddress { .. });
        assert_eq!(stats.advert_rcvd, if is_believed { 2 } else { 0 }, "{words}");
        kinds.insert(number(&refusal));
    };
    expect(
        judged(plain(), |packet| packet.hop_limit = 64, &good),
        "invalid TTL/HL from 10.0.0.9. Received 64 and expect 255",
        |stats| stats.ip_ttl_err,
    );
    expect(
        judged(v3(), unchanged, &good),
        "wrong VRRP version from 10.0.0.9. Received 2 and expect 3",
        |stats| stats.version_err,
    );
    expect(
        judged(plain(), unchanged, &good[..19]),
        "vrrp packet from 10.0.0.9 too short, length 19 and expect 20",
        |stats| stats.packet_len_err,
    );
    expect(
        judged(plain(), unchanged, &[&good[..], &[0]].concat()),
        "vrrp packet from 10.0.0.9 too long, length 21 and expect 20",
        |stats| stats.packet_len_err,
    );
    expect(
        judged(plain(), unchanged, &changed(good.clone(), 4, 7)),
        "received an invalid auth type 7 from 10.0.0.9. expect 0",
        |stats| stats.invalid_authtype,
    );
    expect(
        judged(plain(), unchanged, &advert(&secret(), 9, 200)),
        "authentication type mismatch from 10.0.0.9. Received 1 and expect 0",
        |stats| stats.authtype_mismatch,
    );
    expect(
        judged(
            secret(),
            unchanged,
            &advert(&with_password(*b"2222\0\0\0\0"), 9, 200),
        ),
        "received an invalid passwd from 10.0.0.9!",
        |stats| stats.auth_failure,
    );
    expect(
        judged(plain(), unchanged, &changed(good.clone(), 5, 2)),
        "advertisement interval mismatch with 10.0.0.9 mine=1 sec rcv'd=2 sec",
        |stats| stats.advert_interval_err,
    );
    expect(
        judged(plain(), unchanged, &changed(good.clone(), 0, 0x22)),
        "invalid packet type from 10.0.0.9. Received 2 and expect 1",
        |stats| stats.invalid_type_rcvd,
    );
    expect(
        judged(plain(), unchanged, &{
            let mut broken = good.clone();
            broken[6] ^= 1;
            broken
        }),
        "Invalid VRRPv2 checksum from 10.0.0.9",
        |stats| stats.checksum_err,
    );
    expect(
        judged(plain(), |packet| packet.destination = elsewhere, &good),
        "received packet from 10.0.0.9 for 10.0.0.5, which is not our multicast group",
        |stats| stats.destination_err,
    );
    expect(
        // RFC 9568 6.4.3 has no answer to one's own address and priority; 10.0.0.5 is ours.
        judged(
            instance(255),
            |packet| packet.source = elsewhere,
            &advert(&plain(), 5, 255),
        ),
        "WARNING - equal priority advert received from remote host with our IP address.",
        |stats| stats.own_address_err,
    );
    expect(
        judged(plain(), unchanged, &two_addresses),
        "expected 1 VIPs but received 2",
        |stats| stats.addr_list_err,
    );
    expect(
        judged(plain(), unchanged, &other_address),
        "ip address associated with VRID 51 not present in advert from 10.0.0.9: 10.0.0.100",
        |stats| stats.addr_list_err,
    );
    expect(
        judged(v3(), unchanged, &slower),
        "advertisement interval mismatch with 10.0.0.9 mine=1000 milli-sec rcv'd=2000 milli-sec",
        |stats| stats.advert_interval_err,
    );
    assert_eq!(
        kinds,
        (0..15).collect(),
        "every variant that needs neither AH, HMAC nor unicast"
    );
}

/// A new variant asks for a new number here and a new case above, or in `sealed` or `unicast`.
pub(crate) fn number(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::HopLimit { .. } => 0,
        Refusal::Version { .. } => 1,
        Refusal::TooShort { .. } => 2,
        Refusal::TooLong { .. } => 3,
        Refusal::AuthTypeUnknown { .. } => 4,
        Refusal::AuthTypeMismatch { .. } => 5,
        Refusal::Password { .. } => 6,
        Refusal::Interval { .. } => 7,
        Refusal::Type { .. } => 8,
        Refusal::Checksum { .. } => 9,
        Refusal::Destination { .. } => 10,
        Refusal::OwnAddress { .. } => 11,
        Refusal::AddressCount { .. } => 12,
        Refusal::AddressMissing { .. } => 13,
        Refusal::LearnedInterval { .. } => 14,
        Refusal::AhPresence { .. } => 15,
        Refusal::AhMalformed { .. } => 16,
        Refusal::AhSpi { .. } => 17,
        Refusal::AhDigest { .. } => 18,
        Refusal::AhReplay { .. } => 19,
        Refusal::TrailerMissing { .. } => 20,
        Refusal::TrailerMalformed { .. } => 21,
        Refusal::TrailerKey { .. } => 22,
        Refusal::TrailerDigest { .. } => 23,
        Refusal::TrailerStale { .. } => 24,
        Refusal::TrailerReplay { .. } => 25,
        Refusal::ClockSkew { .. } => 26,
        Refusal::NotAPeer { .. } => 27,
        Refusal::PeerHopLimit { .. } => 28,
    }
}

#[test]
fn a_good_packet_is_refused_by_nobody() {
    let secret = with_password(*b"1111\0\0\0\0");
    let (refusal, stats) = judged(secret.clone(), |_| {}, &advert(&secret, 9, 200));
    assert_eq!(refusal, None);
    assert_eq!(stats.advert_rcvd, 2);
}

#[test]
fn skip_check_adv_addr_looks_only_at_a_new_master() {
    let mut skipping = instance(100);
    skipping.skip_check_adv_addr = true;
    let mut other = instance(100);
    other.virtual_ipaddress = vec![line(ip(7))];
    let (refusal, stats) = judged(skipping, |_| {}, &advert(&other, 9, 200));
    assert!(matches!(refusal, Some(Refusal::AddressMissing { .. })));
    assert_eq!(stats.addr_list_err, 1, "the first packet only");
}

#[test]
fn what_was_said_is_said_again_after_the_master_changed() {
    let mut engine = started(&config(vec![instance(100)], vec![]));
    let mut broken = advert(&instance(100), 9, 200);
    broken[6] ^= 1;
    let mut said = |host: u8, payload: &[u8]| {
        engine.handle(from(host, payload), at(1));
        refusals(&mut engine).len()
    };
    assert_eq!([said(9, &broken), said(9, &broken)], [1, 0]);
    said(8, &advert(&instance(100), 8, 150));
    assert_eq!([said(9, &broken), said(9, &broken)], [1, 0]);
}

#[test]
fn what_was_said_is_said_again_in_another_state() {
    let mut engine = started(&config(vec![instance(100)], vec![]));
    let mut broken = advert(&instance(100), 9, 200);
    broken[6] ^= 1;
    engine.handle(from(9, &broken), at(1));
    engine.handle_timeout(at(5000));
    assert_eq!(engine.instances().next().unwrap().state.word(), "MASTER");
    engine.handle(from(9, &broken), at(5001));
    assert_eq!(refusals(&mut engine).len(), 2);
}

#[test]
fn of_two_instances_with_one_virtual_router_the_first_is_heard() {
    let again = VrrpInstance {
        name: "VI_2".to_owned(),
        ..instance(100)
    };
    let mut engine = started(&config(vec![instance(100), again], vec![]));
    engine.handle(Event::Link(vrrp::Link { mtu: 9000, ..eth0(5) }), at(1));
    engine.handle(from(9, &advert(&instance(100), 9, 200)), at(2));
    let heard: Vec<_> = engine
        .instances()
        .map(|instance| instance.stats.advert_rcvd)
        .collect();
    assert_eq!(heard, [1, 0]);
}

#[test]
fn an_interval_of_nothing_is_not_learned() {
    let v3 = VrrpInstance {
        version: Version::V3,
        ..instance(100)
    };
    let hasty = VrrpInstance {
        advert_int: Duration::ZERO,
        ..v3.clone()
    };
    let mut engine = started(&config(vec![v3], vec![]));
    engine.handle(from(9, &advert(&hasty, 9, 200)), at(1));
    assert_eq!(engine.instances().next().unwrap().master_interval, ms(10));
}

#[test]
fn an_advert_fits_into_the_link_s_mtu() {
    let crowded = VrrpInstance {
        virtual_ipaddress: (0..200).map(|last| line(ip(last))).collect(),
        ..instance(255)
    };
    let mut engine = Engine::new(&config(vec![crowded], vec![]), "", at(0));
    engine.handle(Event::Link(vrrp::Link { mtu: 576, ..eth0(5) }), at(0));
    engine.handle_timeout(at(0));
    let Some(Action::Send(advert)) = engine.next_action() else {
        panic!("no advert")
    };
    assert_eq!((advert.bytes.len(), advert.bytes[23]), (560, 131));
    let line = "(VI_1) Number of VIPs (200) exceeds maximum/space available in packet (max 131 addresses) - \
                excess moved to eVIPs";
    let mut told = |mtu| -> Vec<String> {
        engine.handle(Event::Link(vrrp::Link { mtu, ..eth0(5) }), at(1));
        std::iter::from_fn(|| engine.next_action())
            .filter_map(|action| match action {
                Action::Tell(news) => Some(news.to_string()),
                _ => None,
            })
            .filter(|line| line.contains("exceeds"))
            .collect()
    };
    assert_eq!(told(576), [line], "at the start");
    assert_eq!(told(1500), [""; 0], "all fit");
    assert_eq!(told(576), [line]);
    assert_eq!(told(577), [""; 0], "no news");
}

#[test]
fn packets_for_nobody_are_counted_and_named_on_request() {
    let mut wanted = config(vec![instance(100)], vec![]);
    wanted.global.log_unknown_vrids = true;
    let mut engine = started(&wanted);
    while engine.next_action().is_some() {}
    let mut stranger = instance(100);
    stranger.virtual_router_id = vrid(9);
    engine.handle(from(9, &advert(&stranger, 9, 200)), at(1));
    engine.handle(from(9, &[0x21]), at(1));
    engine.handle(from(9, &[]), at(1));
    let Some(Action::Tell(news)) = engine.next_action() else {
        panic!("nothing said")
    };
    assert_eq!(
        news.to_string(),
        "Unknown VRID(9) received on interface(eth0). ignoring..."
    );
    assert_eq!((engine.strays.unknown_vrid, engine.strays.truncated), (1, 2));
}

/// Forged adverts with a right sum: of every priority, from every address, and broken ones in between.
fn storm(engine: &mut Engine, start: u64, kinds: &[u8]) -> (BTreeSet<&'static str>, usize, usize) {
    let mut states = BTreeSet::new();
    let (mut lines, mut adverts) = (0, 0);
    for number in 0..10_000_u64 {
        let host = u8::try_from(number % 200).unwrap() + 20;
        let kind = kinds[usize::try_from(number).unwrap() % kinds.len()];
        let mut payload = advert(&instance(100), host, kind);
        if number % 3 == 1 {
            let place = usize::try_from(number).unwrap() % payload.len();
            payload[place] ^= 0x40;
        }
        let now = at(start) + Duration::from_micros(100 * number);
        if engine.next_deadline().is_some_and(|next| next <= now) {
            engine.handle_timeout(now);
        }
        engine.handle(from(host, &payload), now);
        states.insert(engine.instances().next().unwrap().state.word());
        while let Some(action) = engine.next_action() {
            match action {
                Action::Tell(_) => lines += 1,
                Action::Send(_) => adverts += 1,
                _ => {}
            }
        }
    }
    (states, lines, adverts)
}

#[test]
fn ten_thousand_lower_adverts_in_a_second_cost_a_master_nothing() {
    let mut engine = started(&config(vec![instance(200)], vec![]));
    engine.handle_timeout(at(5000));
    while engine.next_action().is_some() {}
    let (states, lines, adverts) = storm(&mut engine, 5000, &[100, 1, 199]);
    assert_eq!(states, ["MASTER"].into());
    assert!(lines <= 25, "{lines} lines");
    assert!((1..=12).contains(&adverts), "{adverts} adverts");
}

#[test]
fn ten_thousand_forged_masters_in_a_second_leave_a_bounded_log() {
    let mut engine = started(&config(vec![instance(200)], vec![]));
    let (states, lines, _) = storm(&mut engine, 1000, &[255, 200, 201]);
    assert_eq!(states, ["BACKUP"].into());
    assert!(lines <= 25, "{lines} lines");
    engine.handle_timeout(at(30_000));
    while engine.next_action().is_some() {}
    engine.handle(from(9, &advert(&instance(100), 9, 201)), at(30_001));
    let said: Vec<String> = std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .collect();
    assert!(
        said[0].ends_with("more lines about received packets were not written"),
        "{said:?}"
    );
}

#[test]
fn resignations_that_do_not_end_do_not_put_off_the_takeover() {
    let mut engine = started(&config(vec![instance(200)], vec![]));
    let zero = advert(&instance(100), 9, 0);
    for number in 0..100 {
        engine.handle(from(9, &zero), at(10 * number));
        engine.handle_timeout(at(10 * number));
    }
    assert_eq!(
        engine.instances().next().unwrap().state.word(),
        "MASTER",
        "after 56/256 s"
    );
}

#[test]
fn a_second_instance_on_the_link_has_its_own_packets() {
    let mut other = instance(100);
    other.name = "VI_2".to_owned();
    other.virtual_router_id = vrid(52);
    let mut engine = started(&config(vec![instance(100), other.clone()], vec![]));
    engine.handle(from(9, &advert(&other, 9, 200)), at(1000));
    let masters: Vec<_> = engine
        .instances()
        .map(|instance| instance.master.is_some())
        .collect();
    assert_eq!(masters, [false, true]);
    engine.handle(
        Event::Packet(Packet {
            link: Some(vrrp::LinkId(ETH0.0 + 1)),
            ..packet_from(9, &advert(&instance(100), 9, 200))
        }),
        at(1000),
    );
    assert!(
        engine.instances().next().unwrap().master.is_none(),
        "came in on another link"
    );
    engine.handle_timeout(at(0) + ms(3610));
    let words: Vec<_> = engine.instances().map(|instance| instance.state.word()).collect();
    assert_eq!(words, ["MASTER", "BACKUP"]);
}
