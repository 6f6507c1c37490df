//! Adverts that are authenticated: AH and `auth_hmac`, each way to fail, and clocks that are put right.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Authentication;
use vrrp::{Action, Datagram, Engine, Event, Happening, Instant, Packet, Refusal, Stats};

use crate::fixture::{ETH0, at, config, eth0, instance, ip, packet_from, started};
use crate::lan::Lan;
use crate::packets::number;

const NOON: u64 = 1_700_000_000;

pub(crate) fn with_ah(priority: u8, password: [u8; 8]) -> VrrpInstance {
    VrrpInstance {
        authentication: Authentication::Ah(password),
        ..instance(priority)
    }
}

/// An instance with this `auth_hmac` block, keys 1 and 2 known to it.
pub(crate) fn with_hmac(priority: u8, more: &str) -> VrrpInstance {
    let text = format!(
        "vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority {priority}
             virtual_ipaddress {{
                 10.0.0.100
             }}
             auth_hmac {{
                 key 1 0123456789abcdef0123456789abcdef
                 key 2 hex:{}
                 {more}
             }}
         }}",
        "a5".repeat(32)
    );
    let mut config = parser::parse_text(&parser::Machine, &text).config;
    Arc::unwrap_or_clone(config.vrrp_instances.remove(0))
}

/// A master on 10.0.0.9 that has just begun: its first advert, as it left.
fn first_advert(of: &VrrpInstance, utc: u64) -> Datagram {
    let mut sender = Engine::new(&config(vec![of.clone()], vec![]), "", at(0));
    sender.handle(Event::Clock(Duration::from_secs(utc)), at(0));
    sender.handle(Event::Link(eth0(9)), at(0));
    sender.handle_timeout(at(0));
    sender.handle_timeout(at(5000));
    sent(&mut sender).swap_remove(0)
}

fn sent(engine: &mut Engine) -> Vec<Datagram> {
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Send(datagram) => Some(datagram),
            _ => None,
        })
        .collect()
}

/// A backup on 10.0.0.5 whose clock says the same.
fn backup(of: VrrpInstance, utc: u64) -> Engine {
    let mut engine = started(&config(vec![of], vec![]));
    engine.handle(Event::Clock(Duration::from_secs(utc)), at(5000));
    engine
}

fn hear(engine: &mut Engine, bytes: &[u8], now: Instant) -> Option<Refusal> {
    let (ip_header, payload) = bytes.split_at(20);
    engine.handle(
        Event::Packet(Packet {
            ip_header,
            ..packet_from(9, payload)
        }),
        now,
    );
    std::iter::from_fn(|| engine.next_action()).find_map(|action| match action {
        Action::Tell(news) => match news.what {
            Happening::Refused(refusal) => Some(refusal),
            _ => None,
        },
        _ => None,
    })
}

fn stats(engine: &Engine) -> Stats {
    engine.instances().next().unwrap().stats
}

/// The packet with a bit turned, the IP header left as it is.
fn turned(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn each_reason_to_refuse_ah_is_raised_and_counted() {
    let secret = with_ah(100, *b"secret\0\0");
    let good = first_advert(&secret, NOON).bytes;
    let plain = first_advert(&instance(100), NOON).bytes;
    let mut kinds = BTreeSet::new();
    let mut expect = |of: VrrpInstance, bytes: &[u8], words: &str, counter: fn(&Stats) -> u64| {
        let mut engine = backup(of, NOON);
        let refusal = hear(&mut engine, bytes, at(5000)).unwrap_or_else(|| panic!("not refused: {words}"));
        assert_eq!(refusal.to_string(), words);
        assert_eq!(
            (counter(&stats(&engine)), stats(&engine).advert_rcvd),
            (1, 0),
            "{words}"
        );
        kinds.insert(number(&refusal));
    };
    let failure: fn(&Stats) -> u64 = |stats| stats.auth_failure;
    let mismatch: fn(&Stats) -> u64 = |stats| stats.authtype_mismatch;
    expect(
        secret.clone(),
        &plain,
        "authentication header (AH) from 10.0.0.9: received none and expect one",
        mismatch,
    );
    expect(
        instance(100),
        &good,
        "authentication header (AH) from 10.0.0.9: received one and expect none",
        mismatch,
    );
    expect(
        secret.clone(),
        &turned(&good, 21),
        "malformed authentication header (AH) from 10.0.0.9",
        failure,
    );
    expect(
        secret.clone(),
        &turned(&good, 27),
        "AH SPI from 10.0.0.9 is 10.0.0.8 and expect 10.0.0.9",
        failure,
    );
    let digest = "AH digest from 10.0.0.9 is wrong. Another auth_pass, or the packet was changed on its way";
    expect(secret.clone(), &turned(&good, 31), digest, failure);
    expect(with_ah(100, *b"Secret\0\0"), &good, digest, failure);

    let mut engine = backup(secret, NOON);
    assert_eq!(hear(&mut engine, &good, at(5000)), None);
    let refusal = hear(&mut engine, &good, at(5001)).unwrap();
    assert_eq!(
        refusal.to_string(),
        "AH sequence number 1 from 10.0.0.9 was used already, the last one is 1"
    );
    kinds.insert(number(&refusal));
    assert_eq!(stats(&engine).auth_failure, 1);
    assert_eq!(kinds, (15..20).collect());
}

#[test]
fn each_reason_to_refuse_a_trailer_is_raised_and_counted() {
    let secret = || with_hmac(100, "active_key 1");
    let good = first_advert(&secret(), NOON).bytes;
    assert_eq!(
        (good.len(), &good[2..4], &good[40..44]),
        (20 + 20 + 28, &[0, 68][..], &[1, 1, 0, 0][..]),
        "the IP length counts the trailer"
    );
    let mut kinds = BTreeSet::new();
    let mut expect = |of: VrrpInstance, bytes: &[u8], utc: u64, words: &str, counter: fn(&Stats) -> u64| {
        let mut engine = backup(of, utc);
        let refusal = hear(&mut engine, bytes, at(5000)).unwrap_or_else(|| panic!("not refused: {words}"));
        assert_eq!(refusal.to_string(), words);
        let believed = u64::from(refusal.is_remark());
        assert_eq!(
            (counter(&stats(&engine)), stats(&engine).advert_rcvd),
            (1, believed),
            "{words}"
        );
        kinds.insert(number(&refusal));
    };
    // The sender's clock has gone on for the five seconds of its first wait.
    let utc = NOON + 5;
    let plain = first_advert(&instance(100), NOON).bytes;
    expect(
        secret(),
        &plain,
        utc,
        "advert without HMAC trailer from 10.0.0.9",
        |stats| stats.auth_ext_missing,
    );
    expect(
        secret(),
        &turned(&good, 40),
        utc,
        "malformed HMAC trailer from 10.0.0.9",
        |stats| stats.auth_ext_malformed,
    );
    let other = with_hmac(100, "active_key 2").auth_hmac.map(|mut hmac| {
        hmac.keys.remove(0);
        hmac
    });
    let unknowing = VrrpInstance {
        auth_hmac: other,
        ..secret()
    };
    expect(
        unknowing,
        &good,
        utc,
        "advert from 10.0.0.9 is signed with HMAC key 1, which is not configured",
        |stats| stats.auth_ext_unknown_key,
    );
    for at in [22, 34, 49, 67] {
        expect(
            secret(),
            &turned(&good, at),
            utc,
            "invalid HMAC from 10.0.0.9 with key 1",
            |stats| stats.auth_ext_invalid_hmac,
        );
    }
    for utc in [utc - 6, utc + 6] {
        expect(
            secret(),
            &good,
            utc,
            "stale HMAC trailer from 10.0.0.9: its clock and ours are 6 sec apart, the window is 5 sec. Check both clocks",
            |stats| stats.auth_ext_stale,
        );
    }
    expect(
        secret(),
        &good,
        utc + 4,
        "authentication clock skew 4 sec from 10.0.0.9 approaching window 5 sec",
        |stats| stats.clock_skew,
    );
    let mut engine = backup(secret(), utc);
    assert_eq!(hear(&mut engine, &good, at(5000)), None);
    let refusal = hear(&mut engine, &good, at(5001)).unwrap();
    assert_eq!(refusal.to_string(), "replayed HMAC trailer from 10.0.0.9");
    assert_eq!(stats(&engine).auth_ext_replay, 1);
    kinds.insert(number(&refusal));
    assert_eq!(kinds, (20..27).collect());
}

#[test]
fn a_trailer_for_one_who_asks_for_none_is_too_long() {
    let good = first_advert(&with_hmac(100, "active_key 1"), NOON).bytes;
    let refusal = hear(&mut backup(instance(100), NOON), &good, at(5000)).unwrap();
    assert_eq!(
        refusal.to_string(),
        "vrrp packet from 10.0.0.9 too long, length 48 and expect 20"
    );
}

#[test]
fn a_pair_migrates_to_hmac_mode_by_mode() {
    let mode = |mode: &str| with_hmac(100, &format!("active_key 1\nmode {mode}"));
    let believes = |sender: &VrrpInstance, receiver: VrrpInstance| {
        let bytes = first_advert(sender, NOON).bytes;
        hear(&mut backup(receiver, NOON + 5), &bytes, at(5000)).is_none()
    };
    // First every node gets `receive-only`, then `permissive`, then `enforce`.
    let steps = [
        instance(100),
        mode("receive-only"),
        mode("permissive"),
        mode("enforce"),
    ];
    for pair in steps.windows(2) {
        assert!(believes(&pair[0], pair[1].clone()), "{:?}", pair[1].auth_hmac);
        assert!(believes(&pair[1], pair[0].clone()), "{:?}", pair[1].auth_hmac);
    }
    assert!(
        !believes(&steps[1], steps[3].clone()),
        "enforce believes none without a trailer"
    );
}

#[test]
fn keys_rotate_without_a_lost_advert() {
    let one = with_hmac(200, "active_key 1");
    let two = with_hmac(200, "active_key 2");
    let mut lan = Lan::with([
        ("a", config(vec![one], vec![])),
        ("b", config(vec![with_hmac(100, "active_key 1")], vec![])),
    ]);
    lan.set_clock("a", NOON);
    lan.set_clock("b", NOON);
    lan.run_for(Duration::from_secs(10));
    lan.take_actions("a");
    lan.reload("a", config(vec![two], vec![]));
    lan.run_for(Duration::from_secs(10));
    let keys: BTreeSet<u8> = lan
        .take_actions("a")
        .into_iter()
        .filter_map(|(_, action)| match action {
            Action::Send(datagram) => Some(datagram.bytes[41]),
            _ => None,
        })
        .collect();
    assert_eq!(keys, [2].into());
    assert_eq!(lan.masters(), ["a"]);
    let b = stats(lan.host("b").engine.as_ref().unwrap());
    assert_eq!((b.become_master, b.auth_ext_unknown_key), (0, 0));
}

/// a is master and both clocks say noon; then they are set, one after the other, half a minute apart.
fn after_steps(mode: &str, steps: &[(&'static str, i64)]) -> Vec<&'static str> {
    let of = |priority| {
        config(
            vec![with_hmac(priority, &format!("active_key 1\n{mode}"))],
            vec![],
        )
    };
    let mut lan = Lan::with([("a", of(200)), ("b", of(100))]);
    let start = lan.now;
    for (host, by) in [("a", 0), ("b", 0)].iter().chain(steps) {
        let elapsed = i64::try_from((lan.now - start).as_secs()).unwrap();
        lan.set_clock(host, (1_700_000_000 + elapsed + by).cast_unsigned());
        lan.run_for(Duration::from_secs(if *by == 0 && *host == "a" && elapsed == 0 {
            0
        } else {
            30
        }));
    }
    lan.masters()
}

#[test]
fn clocks_that_step_and_agree_again_leave_one_master() {
    for by in [2, 4, 60, 3600, 86_400 * 365, -2, -4, -60, -3600, -86_400 * 365] {
        for steps in [
            [("a", by), ("b", by)],
            [("b", by), ("a", by)],
            [("a", by), ("a", 0)],
            [("b", by), ("b", 0)],
        ] {
            assert_eq!(after_steps("", &steps), ["a"], "{steps:?}");
            assert_eq!(
                after_steps("anti_replay monotonic", &steps),
                ["a"],
                "monotonic, {steps:?}"
            );
        }
        let there_and_back = [("a", by), ("b", by), ("b", 0), ("a", 0)];
        assert_eq!(after_steps("", &there_and_back), ["a"], "{by}");
    }
    for small in [1, 2, 4, -1, -2, -4] {
        assert_eq!(
            after_steps("", &[("a", small)]),
            ["a"],
            "within the window, for good"
        );
        assert_eq!(
            after_steps("", &[("b", small)]),
            ["a"],
            "within the window, for good"
        );
    }
}

/// keepalived keeps no number over a restart: it begins with the time of day, and believes whom it hears first.
#[test]
fn a_daemon_that_is_started_anew_counts_from_the_time_of_day() {
    let of = |priority| {
        config(
            vec![with_hmac(priority, "active_key 1\nanti_replay monotonic")],
            vec![],
        )
    };
    let restarted = |by: i64| {
        let mut lan = Lan::with([("a", of(200)), ("b", of(100))]);
        for host in ["a", "b"] {
            lan.set_clock(host, NOON);
        }
        lan.run_for(Duration::from_secs(100));
        lan.crash("a");
        lan.run_for(Duration::from_secs(10));
        lan.start("a");
        lan.set_clock("a", (NOON + 110).strict_add_signed(by));
        lan.run_for(Duration::from_secs(10));
        lan
    };
    // Its clock went on, or forward: its first advert is newer than its last one was.
    for by in [0, 1, 86_400] {
        assert_eq!(restarted(by).masters(), ["a"], "{by}");
    }
    // A clock set back while the daemon was down: it is taken for a replay until it is where it was.
    let mut lan = restarted(-60);
    assert_eq!(lan.masters(), ["a", "b"]);
    assert!(
        lan.log("b")
            .contains(&"(VI_1) replayed HMAC trailer from 10.0.0.1".to_owned())
    );
    lan.run_for(Duration::from_secs(50));
    assert_eq!(lan.masters(), ["a"]);
    // Who was started anew has heard nobody yet.
    let old = first_advert(
        &with_hmac(200, "active_key 1\nanti_replay monotonic"),
        NOON - 86_400,
    );
    let mut engine = started(&of(100));
    engine.handle(Event::Clock(Duration::from_secs(NOON)), at(1));
    hear(&mut engine, &old.bytes, at(2));
    assert_eq!(stats(&engine).auth_ext_replay, 0);
    hear(&mut engine, &old.bytes, at(2));
    assert_eq!(stats(&engine).auth_ext_replay, 1);
}

/// A process that succeeds another of the same daemon goes on from its last number, whatever the clock says.
#[test]
fn a_successor_process_signs_on_from_the_last_number() {
    let of = |priority| {
        config(
            vec![with_hmac(priority, "active_key 1\nanti_replay monotonic")],
            vec![],
        )
    };
    let mut lan = Lan::with([("a", of(200)), ("b", of(100))]);
    for host in ["a", "b"] {
        lan.set_clock(host, NOON);
    }
    lan.run_for(Duration::from_secs(100));
    let saved = lan.host("a").engine.as_ref().unwrap().snapshot();
    lan.crash("a");
    lan.set_clock("b", NOON + 100);
    lan.start_from("a", &saved);
    lan.set_clock("a", NOON - 3600);
    lan.run_for(Duration::from_secs(30));
    assert_eq!(lan.masters(), ["a"]);
    let engine = lan.host("b").engine.as_ref().unwrap();
    assert_eq!(stats(engine).auth_ext_replay, 0);
}

#[test]
fn an_ah_pair_elects_preempts_and_goes_on_from_one_another_s_numbers() {
    let of = |priority| config(vec![with_ah(priority, *b"secret\0\0")], vec![]);
    let mut lan = Lan::with([("a", of(200)), ("b", of(100))]);
    lan.run_for(Duration::from_secs(20));
    assert_eq!(lan.masters(), ["a"]);
    lan.crash("a");
    lan.run_for(Duration::from_secs(20));
    assert_eq!(lan.masters(), ["b"]);
    // A fresh a, whose numbers would begin at 1, hears b first.
    lan.start("a");
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    lan.cut("a", "b");
    lan.run_for(Duration::from_mins(1));
    assert_eq!(lan.masters(), ["a", "b"]);
    lan.heal();
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn a_successor_process_uses_no_number_of_ah_twice() {
    let of = |priority| config(vec![with_ah(priority, *b"secret\0\0")], vec![]);
    let mut lan = Lan::with([("a", of(200)), ("b", of(100))]);
    lan.run_for(Duration::from_secs(4));
    let saved = lan.host("a").engine.as_ref().unwrap().snapshot();
    lan.run_for(Duration::from_mins(10));
    lan.crash("a");
    lan.start_from("a", &saved);
    lan.run_for(Duration::from_secs(30));
    assert_eq!(lan.masters(), ["a"]);
    let b = stats(lan.host("b").engine.as_ref().unwrap());
    assert_eq!((b.become_master, b.auth_failure), (0, 0));
}

#[test]
fn when_the_numbers_of_ah_end_another_takes_over() {
    let of = |priority| config(vec![with_ah(priority, *b"secret\0\0")], vec![]);
    let saved = format!(
        "holdfast-vrrp 2 1\ninstance 51 4 eth0 multicast/224.0.0.18 MASTER 17 {} 1000000000 {}\n",
        Duration::from_hours(1).as_nanos(),
        u32::MAX - 60
    );
    let mut lan = Lan::with([("a", of(200))]);
    lan.crash("a");
    lan.start_from("a", &saved);
    assert_eq!(lan.masters(), ["a"]);
    lan.run_for(Duration::from_secs(27));
    let log = lan.log("a");
    assert!(
        log.contains(&"(VI_1) AH sequence numbers have run out, another router should take over".to_owned()),
        "{log:?}"
    );
}

#[test]
fn a_key_that_the_shell_could_not_read_is_a_fault() {
    let text = "vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        virtual_ipaddress {
            10.0.0.100
        }
        auth_hmac {
            key 3 file:/no/such/file
            active_key 3
        }
    }";
    let config = parser::parse_text(&parser::Machine, text).config;
    let engine = started(&config);
    let instance = engine.instances().next().unwrap();
    assert_eq!(instance.state.word(), "FAULT");
    assert_eq!(
        instance.faults.first().unwrap().to_string(),
        "HMAC key 3 cannot be read"
    );
    assert_eq!((ETH0, ip(5)), (instance.link.unwrap(), ip(5)));
}
