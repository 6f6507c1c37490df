//! Elections as an operator would tell them.

use std::time::Duration;

use parser::config::vrrp_instance::InitialState;
use parser::units::{Family, Priority, Version};
use vrrp::{Action, Notified};

use crate::fixture::{config, instance, line, ms};
use crate::lan::Lan;

#[test]
fn the_higher_priority_becomes_master_and_the_other_follows() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(ms(3415)); // 3 adverts of 1 s and a skew of 106/256 s
    assert_eq!(lan.masters(), ["a"]);
    lan.run_for(ms(60_000));
    assert_eq!(lan.masters(), ["a"]);
    assert_eq!(
        lan.log("a"),
        [
            "(VI_1) Entering BACKUP STATE (init)",
            "(VI_1) Receive advertisement timeout",
            "(VI_1) Entering MASTER STATE",
            "(VI_1) setting VIPs.",
        ]
    );
    assert_eq!(
        lan.log("b"),
        [
            "(VI_1) Entering BACKUP STATE (init)",
            "(VI_1) master set to 10.0.0.1"
        ]
    );
}

#[test]
fn a_backup_takes_over_when_the_master_crashes() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.crash("a");
    lan.run_for(ms(2600)); // the last advert was 0.586 s ago
    assert_eq!(lan.masters(), [""; 0]);
    lan.run_for(ms(1010)); // 3 adverts of 1 s and a skew of 156/256 s in all
    assert_eq!(lan.masters(), ["b"]);
}

#[test]
fn a_graceful_stop_hands_over_within_the_skew() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.take_actions("a");
    lan.stop("a");
    lan.run_for(ms(609));
    assert_eq!(lan.masters(), [""; 0]);
    lan.run_for(ms(2)); // 156/256 s
    assert_eq!(lan.masters(), ["b"]);
    assert_eq!(lan.log("a"), ["(VI_1) sent 0 priority", "(VI_1) removing VIPs."]);
    assert!(
        lan.log("b")
            .contains(&"(VI_1) Backup received priority 0 advertisement".to_owned())
    );
    lan.run_for(ms(10_000));
    assert_eq!(lan.masters(), ["b"], "stopped stays stopped");
}

#[test]
fn a_higher_router_that_comes_back_preempts() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.crash("a");
    lan.run_for(Duration::from_secs(5));
    assert_eq!(lan.masters(), ["b"]);
    lan.start("a");
    lan.run_for(ms(3420));
    assert_eq!(lan.masters(), ["a"]);
    let log = lan.log("b");
    let yielded = "(VI_1) Master received advert from 10.0.0.1 with higher priority 150, ours 100";
    assert!(log.contains(&yielded.to_owned()), "{log:?}");
    assert!(log.ends_with(&[
        "(VI_1) Entering BACKUP STATE".to_owned(),
        "(VI_1) removing VIPs.".to_owned()
    ]));
    assert_eq!(
        lan.log("a")
            .iter()
            .filter(|line| line.contains("discarding"))
            .count(),
        4,
        "one for each of b's adverts"
    );
}

#[test]
fn nopreempt_never_takes_from_a_living_master() {
    let nopreempt = parser::config::VrrpInstance {
        nopreempt: true,
        ..instance(150)
    };
    let mut lan = Lan::with([
        ("a", config(vec![nopreempt], vec![])),
        ("b", config(vec![instance(100)], vec![])),
    ]);
    lan.crash("a");
    lan.run_for(Duration::from_secs(5));
    lan.start("a");
    lan.run_for(Duration::from_mins(1));
    assert_eq!(lan.masters(), ["b"]);
    lan.crash("b");
    lan.run_for(ms(3420));
    assert_eq!(lan.masters(), ["a"], "but it takes over from a dead one");
}

#[test]
fn preempt_delay_endures_a_lower_master_for_that_long() {
    let patient = parser::config::VrrpInstance {
        preempt_delay: Duration::from_secs(10),
        ..instance(150)
    };
    let mut lan = Lan::with([
        ("a", config(vec![patient], vec![])),
        ("b", config(vec![instance(100)], vec![])),
    ]);
    lan.crash("a");
    lan.run_for(Duration::from_secs(5));
    lan.start("a");
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["b"]);
    assert!(
        lan.log("a")
            .contains(&"(VI_1) start preempt delay (10.000000)".to_owned())
    );
    lan.run_for(ms(4500));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn among_equals_the_higher_address_stays() {
    let mut lan = Lan::new([("a", 100), ("b", 100)]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters().len(), 1);
    lan.cut("a", "b");
    lan.run_for(Duration::from_secs(10));
    assert_eq!(
        lan.masters(),
        ["a", "b"],
        "a partition has a master on either side"
    );
    lan.heal();
    lan.run_for(Duration::from_secs(2));
    assert_eq!(lan.masters(), ["b"]);
    let log = lan.log("a");
    let line =
        "(VI_1) Master received advert from 10.0.0.2 with same priority 100 but higher IP address than ours";
    assert!(log.contains(&line.to_owned()), "{log:?}");
    lan.run_for(Duration::from_mins(1));
    assert_eq!(lan.log("a"), [""; 0], "and the other follows it");
}

#[test]
fn after_a_partition_the_winner_tells_the_neighbours_again() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.cut("a", "b");
    lan.run_for(ms(20_500)); // a advertises at 0.414 s of each second, b at 0.609 s
    assert_eq!(lan.masters(), ["a", "b"]);
    lan.take_actions("a");
    lan.heal();
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    let actions = lan.take_actions("a");
    let rx_lower = actions.iter().filter(
        |(_, action)| matches!(action, Action::Notify(told) if told.to == Notified::MasterRxLowerPri),
    );
    assert_eq!(rx_lower.count(), 1);
    let bursts: Vec<_> = actions
        .iter()
        .filter(|(_, action)| matches!(action, Action::Announce { repeat: 5, .. }))
        .map(|(when, _)| *when)
        .collect();
    assert_eq!(
        bursts.len(),
        3,
        "at once, when the other is silent, and after garp_lower_prio_delay"
    );
    assert_eq!(
        (bursts[1] - bursts[0], bursts[2] - bursts[0]),
        (ms(2000), ms(5000))
    );
    let said: Vec<String> = actions
        .into_iter()
        .filter_map(|(_, action)| match action {
            Action::Tell(news) => Some(news.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        said,
        [
            "(VI_1) Received advert from 10.0.0.2 with lower priority 100, ours 150, forcing new election",
            "(VI_1) 10.0.0.2 with priority 100 was MASTER beside us for 0.000 s, 1 adverts; it is silent now",
        ]
    );
}

#[test]
fn a_rival_that_resigns_ends_the_episode_at_once() {
    let mut lan = Lan::with([("a", config(vec![instance(255)], vec![]))]);
    let advert = |priority| crate::fixture::advert(&instance(100), 9, priority);
    lan.handle("a", crate::fixture::from(9, &advert(100)));
    lan.run_for(ms(500));
    lan.take_actions("a");
    lan.handle("a", crate::fixture::from(9, &advert(0)));
    let actions: Vec<_> = lan
        .take_actions("a")
        .into_iter()
        .map(|(_, action)| action)
        .collect();
    assert!(
        matches!(actions[0], Action::Send(_)),
        "RFC 9568 6.4.3: answer with an advert"
    );
    let id = vrrp::InstanceId(0);
    assert_eq!(
        actions[1],
        Action::Announce {
            instance: id,
            repeat: 5
        }
    );
}

#[test]
fn lower_prio_no_advert_waits_for_the_regular_advert() {
    let silent = parser::config::VrrpInstance {
        lower_prio_no_advert: true,
        ..instance(150)
    };
    let mut lan = Lan::with([
        ("a", config(vec![silent], vec![])),
        ("b", config(vec![instance(100)], vec![])),
    ]);
    lan.cut("a", "b");
    lan.run_for(ms(5500)); // a advertises at 0.414 s of each second, b at 0.609 s
    lan.heal();
    lan.run_for(ms(300));
    assert_eq!(lan.masters(), ["a", "b"], "heard b, said nothing");
    lan.run_for(ms(700));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn higher_prio_send_advert_speaks_once_more_before_it_yields() {
    let polite = parser::config::VrrpInstance {
        higher_prio_send_advert: true,
        ..instance(100)
    };
    let mut lan = Lan::with([
        ("a", config(vec![instance(150)], vec![])),
        ("b", config(vec![polite], vec![])),
    ]);
    lan.crash("a");
    lan.run_for(Duration::from_secs(5));
    let sent = |lan: &Lan| {
        lan.host("b")
            .engine
            .as_ref()
            .unwrap()
            .instances()
            .next()
            .unwrap()
            .stats
            .advert_sent
    };
    lan.start("a");
    lan.run_for(ms(3400));
    let before = sent(&lan);
    lan.run_for(ms(20));
    assert_eq!(lan.masters(), ["a"]);
    assert_eq!(sent(&lan), before + 1);
    let log = lan.log("a");
    assert!(
        log.contains(
            &"(VI_1) Received advert from 10.0.0.2 with lower priority 100, ours 150, forcing new election"
                .to_owned()
        ),
        "so that the winner knows of the loser and tells the neighbours: {log:?}"
    );
}

#[test]
fn state_master_waits_one_interval_only() {
    let eager = parser::config::VrrpInstance {
        initial_state: InitialState::Master,
        ..instance(150)
    };
    let mut lan = Lan::with([
        ("a", config(vec![eager], vec![])),
        ("b", config(vec![instance(100)], vec![])),
    ]);
    lan.run_for(ms(1003));
    assert_eq!(lan.masters(), [""; 0]);
    lan.run_for(ms(1)); // 1 s and 1/256 s
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn state_master_is_no_licence_to_take_from_a_higher_master() {
    let eager = parser::config::VrrpInstance {
        initial_state: InitialState::Master,
        ..instance(100)
    };
    let mut lan = Lan::with([
        ("a", config(vec![instance(150)], vec![])),
        ("b", config(vec![eager], vec![])),
    ]);
    lan.crash("b");
    lan.run_for(Duration::from_secs(5));
    lan.start("b");
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    assert!(!lan.log("b").contains(&"(VI_1) Entering MASTER STATE".to_owned()));
}

#[test]
fn the_owner_is_master_at_once_and_was_never_backup() {
    let mut lan = Lan::new([("a", 255), ("b", 254)]);
    assert_eq!(lan.masters(), ["a"]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    assert_eq!(
        lan.log("a")[..2],
        [
            "(VI_1) Receive advertisement timeout",
            "(VI_1) Entering MASTER STATE"
        ]
    );
    lan.crash("a");
    lan.run_for(Duration::from_secs(5));
    assert_eq!(lan.masters(), ["b"]);
    lan.start("a");
    lan.run_for(ms(1));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn of_two_owners_the_higher_address_stays() {
    let mut lan = Lan::new([("a", 255), ("b", 255)]);
    lan.run_for(Duration::from_secs(1));
    assert_eq!(lan.masters(), ["b"]);
}

#[test]
fn an_owner_gives_way_to_one_that_does_not_listen_and_returns_when_it_is_gone() {
    let mut lan = Lan::new([("a", 255), ("b", 255)]);
    lan.cut("a", "b");
    lan.crash("a");
    lan.run_for(Duration::from_secs(3));
    let deaf = crate::fixture::advert(&instance(255), 1, 255);
    for _ in 0..8 {
        lan.handle("b", crate::fixture::from(1, &deaf));
        lan.run_for(Duration::from_secs(1));
    }
    assert_eq!(lan.masters(), [""; 0]);
    let log = lan.log("b");
    assert!(
        log.contains(&"(VI_1) CONFIGURATION ERROR: local instance and 10.0.0.1 are both configured as address owner, please resolve".to_owned()),
        "{log:?}"
    );
    lan.run_for(ms(3100));
    assert_eq!(lan.masters(), ["b"]);
    let engine = lan.host("b").engine.as_ref().unwrap();
    assert_eq!(engine.instances().next().unwrap().priority, Priority::OWNER);
}

#[test]
fn version_3_learns_the_interval_of_its_master() {
    let v3 = |priority, advert_int| parser::config::VrrpInstance {
        version: Version::V3,
        advert_int,
        ..instance(priority)
    };
    let mut lan = Lan::with([
        ("a", config(vec![v3(150, ms(2000))], vec![])),
        ("b", config(vec![v3(100, ms(100))], vec![])),
    ]);
    lan.run_for(Duration::from_secs(30));
    assert_eq!(lan.masters(), ["a"]);
    lan.crash("a");
    lan.run_for(ms(5000));
    assert_eq!(
        lan.masters(),
        [""; 0],
        "b waits three of a's intervals, not of its own"
    );
    lan.run_for(ms(2300));
    assert_eq!(lan.masters(), ["b"]);
    let b = lan.host("b").engine.as_ref().unwrap().instances().next().unwrap();
    assert_eq!(b.master_interval, ms(100), "its own again");
}

#[test]
fn centisecond_routers_take_over_in_a_third_of_a_second() {
    let v3 = |priority| parser::config::VrrpInstance {
        version: Version::V3,
        advert_int: ms(100),
        ..instance(priority)
    };
    let mut lan = Lan::with([
        ("a", config(vec![v3(150)], vec![])),
        ("b", config(vec![v3(100)], vec![])),
    ]);
    lan.run_for(ms(1000));
    lan.crash("a");
    lan.run_for(ms(362));
    assert_eq!(lan.masters(), ["b"]);
}

#[test]
fn ipv6_routers_elect_as_well() {
    let six = |priority| parser::config::VrrpInstance {
        version: Version::V3,
        family: Family::Ipv6,
        mcast_dst_ip: vrrp::packet::GROUP_V6.into(),
        virtual_ipaddress: vec![
            line("fe80::100".parse().unwrap()),
            line("2001:db8::1".parse().unwrap()),
        ],
        ..instance(priority)
    };
    let mut lan = Lan::with([
        ("a", config(vec![six(150)], vec![])),
        ("b", config(vec![six(100)], vec![])),
    ]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    assert_eq!(
        lan.host("a")
            .engine
            .as_ref()
            .unwrap()
            .owned(vrrp::InstanceId(0))
            .count(),
        2
    );
    lan.crash("a");
    lan.run_for(ms(3610));
    assert_eq!(lan.masters(), ["b"]);
}

#[test]
fn a_lossy_link_keeps_one_master() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.loss = 10;
    lan.delay = ms(30);
    lan.run_for(Duration::from_mins(1));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn adverts_do_not_drift_and_a_stall_is_not_made_up_for() {
    let mut engine = crate::fixture::started(&config(vec![instance(255)], vec![]));
    let adverts = |engine: &mut vrrp::Engine, millis| {
        engine.handle_timeout(crate::fixture::at(millis));
        std::iter::from_fn(|| engine.next_action())
            .filter(|action| matches!(action, Action::Send(_)))
            .count()
    };
    assert_eq!(adverts(&mut engine, 0), 1);
    for second in 1..10 {
        assert_eq!(
            engine.next_deadline(),
            Some(crate::fixture::at(1000 * second)),
            "late by 3 ms each time"
        );
        assert_eq!(adverts(&mut engine, 1000 * second + 3), 1);
    }
    assert_eq!(adverts(&mut engine, 60_500), 1, "after a stall of 51 s");
    assert_eq!(
        engine.next_deadline(),
        Some(crate::fixture::at(61_000)),
        "back in step"
    );
}

#[test]
fn the_identification_counts_the_adverts_and_is_never_zero() {
    let mut engine = crate::fixture::started(&config(vec![instance(255)], vec![]));
    let mut expected = 1_u16;
    for second in 0..65_540 {
        engine.handle_timeout(crate::fixture::at(1000 * second));
        let Some(Action::Send(advert)) = engine.next_action() else {
            panic!("no advert in second {second}")
        };
        assert_eq!(advert.bytes[4..6], expected.to_be_bytes());
        expected = expected.checked_add(1).unwrap_or(1);
        while engine.next_action().is_some() {}
    }
}

#[test]
fn vrrp_startup_delay_comes_before_every_first_timer() {
    let delayed = |priority| {
        let mut config = config(vec![instance(priority)], vec![]);
        config.global.vrrp_startup_delay = Duration::from_secs(7);
        Lan::with([("a", config)])
    };
    let mut lan = delayed(100);
    lan.run_for(ms(10_609));
    assert_eq!(lan.masters(), [""; 0]);
    lan.run_for(ms(1));
    assert_eq!(lan.masters(), ["a"]);
    assert_eq!(
        lan.log("a")[..4],
        [
            "Delaying startup for 7 seconds",
            "(VI_1) Entering BACKUP STATE (init)",
            "Delayed start completed",
            "(VI_1) Receive advertisement timeout",
        ]
    );

    let mut lan = delayed(255);
    lan.run_for(ms(3000));
    lan.set_link("a", false);
    lan.set_link("a", true);
    lan.run_for(ms(3999));
    assert_eq!(lan.masters(), [""; 0], "not even an owner, whatever happens");
    lan.run_for(ms(1));
    assert_eq!(lan.masters(), ["a"]);
}

#[test]
fn a_master_that_is_silent_before_the_startup_delay_is_over_is_waited_for_after_it() {
    let last_words = |stops: bool| {
        let mut delayed = config(vec![instance(100)], vec![]);
        delayed.global.vrrp_startup_delay = Duration::from_secs(10);
        let mut lan = Lan::with([("a", config(vec![instance(255)], vec![])), ("b", delayed)]);
        lan.run_for(Duration::from_secs(4));
        if stops {
            lan.stop("a");
        } else {
            lan.crash("a");
        }
        lan.run_for(Duration::from_secs(6));
        assert_eq!(lan.masters(), [""; 0]);
        let started = lan.now;
        while lan.masters() != ["b"] {
            lan.run_for(ms(1));
        }
        lan.now - started
    };
    assert_eq!(last_words(false), ms(3610), "the whole time");
    assert_eq!(last_words(true), ms(610), "the skew, as it had resigned");
}

#[test]
fn the_world_is_notified_of_each_change_once_and_in_order() {
    let mut lan = Lan::new([("a", 150), ("b", 100)]);
    lan.run_for(Duration::from_secs(5));
    lan.stop("a");
    lan.run_for(Duration::from_secs(1));
    let notified = |lan: &mut Lan, name| {
        let told = |(_, action)| match action {
            Action::Notify(transition) => Some((transition.to.word(), transition.priority)),
            _ => None,
        };
        lan.take_actions(name)
            .into_iter()
            .filter_map(told)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        notified(&mut lan, "a"),
        [("BACKUP", 150), ("MASTER", 150), ("STOP", 150)]
    );
    assert_eq!(notified(&mut lan, "b"), [("BACKUP", 100), ("MASTER", 100)]);
}

#[test]
fn vrrp_delay_after_boot_counts_from_the_start_of_the_machine() {
    let booted = |millis| {
        let mut config = config(vec![instance(255)], vec![]);
        config.global.vrrp_delay_after_boot = Duration::from_mins(1);
        let now = crate::fixture::at(millis);
        let mut engine = vrrp::Engine::new(&config, "", now);
        engine.handle(vrrp::Event::Link(crate::fixture::eth0(5)), now);
        engine.handle_timeout(now);
        engine.next_deadline().unwrap()
    };
    assert_eq!(booted(20_000), crate::fixture::at(60_000));
    assert_eq!(
        booted(90_000),
        crate::fixture::at(91_000),
        "master already, the next advert"
    );
}

#[test]
fn a_master_that_slept_through_a_takeover_steps_down() {
    let sleepy = parser::config::VrrpInstance {
        nopreempt: true,
        timer_expired_backup: Priority::new(100),
        ..instance(150)
    };
    let asleep_until = |millis, packet: Option<u8>| {
        let mut engine = crate::fixture::started(&config(vec![sleepy.clone()], vec![]));
        engine.handle_timeout(crate::fixture::at(3500)); // master, and the next advert at 4500
        while engine.next_action().is_some() {}
        let now = crate::fixture::at(millis);
        if let Some(priority) = packet {
            let advert = crate::fixture::advert(&instance(100), 9, priority);
            engine.handle(crate::fixture::from(9, &advert), now);
        }
        engine.handle_timeout(now);
        let said: Vec<String> = std::iter::from_fn(|| engine.next_action())
            .filter_map(|action| match action {
                Action::Tell(news) => Some(news.to_string()),
                _ => None,
            })
            .collect();
        (engine.instances().next().unwrap().state.word(), said)
    };
    assert_eq!(asleep_until(7100, None).0, "MASTER");
    let (state, said) = asleep_until(7110, None); // 3 s and 156/256 s after the advert at 3500
    assert_eq!(state, "BACKUP");
    assert_eq!(said[0], "(VI_1) VRRP thread timer expired 2.610000 seconds ago");
    let (state, said) = asleep_until(7110, Some(100));
    assert_eq!(
        state, "BACKUP",
        "the lower one that took over is followed, not fought"
    );
    assert!(
        said.contains(&"(VI_1) master set to 10.0.0.9".to_owned()),
        "{said:?}"
    );
}

#[test]
fn down_timer_adverts_is_how_much_silence_is_endured() {
    let patient = parser::config::VrrpInstance {
        down_timer_adverts: 7,
        ..instance(100)
    };
    let mut lan = Lan::with([
        ("a", config(vec![instance(150)], vec![])),
        ("b", config(vec![patient], vec![])),
    ]);
    lan.run_for(Duration::from_secs(5));
    lan.crash("a"); // its last advert was 0.586 s ago
    lan.run_for(ms(7000));
    assert_eq!(lan.masters(), [""; 0]);
    lan.run_for(ms(100));
    assert_eq!(lan.masters(), ["b"]);
}

#[test]
fn strict_mode_stays_silent_over_a_lower_advert() {
    let strict = crate::fixture::parsed(
        "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\npriority 150\nstrict_mode\n\
         virtual_ipaddress {\n10.0.0.100\n}\n}\n",
    );
    let mut lan = Lan::with([("a", strict)]);
    lan.run_for(Duration::from_secs(5));
    lan.take_actions("a");
    let lower = crate::fixture::advert(&instance(100), 9, 100);
    lan.handle("a", crate::fixture::from(9, &lower));
    let answers: Vec<Action> = lan
        .take_actions("a")
        .into_iter()
        .map(|(_, action)| action)
        .filter(|action| matches!(action, Action::Send(_) | Action::Announce { .. }))
        .collect();
    assert_eq!(answers, []);
    assert_eq!(lan.masters(), ["a"]);
}
