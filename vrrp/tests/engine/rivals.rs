//! Two masters on one link: who wins, what the neighbours are told, and what the log says of it.

use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Authentication;
use vrrp::{Action, Event};

use crate::fixture::{advert, config, from, instance, ms, packet_from};
use crate::lan::Lan;

fn announcements(lan: &mut Lan) -> (Vec<u32>, Vec<String>) {
    let (mut bursts, mut said) = (Vec::new(), Vec::new());
    for (_, action) in lan.take_actions("a") {
        match action {
            Action::Announce { repeat, .. } => bursts.push(repeat),
            Action::Tell(news) => said.push(news.to_string()),
            _ => {}
        }
    }
    (bursts, said)
}

fn owner() -> Lan {
    let mut lan = Lan::with([("a", config(vec![instance(255)], vec![]))]);
    lan.run_for(Duration::from_secs(20));
    lan.take_actions("a");
    lan
}

#[test]
fn who_was_not_believed_is_told_with_the_cause_when_it_falls_silent() {
    let mut lan = owner();
    let stranger = VrrpInstance {
        authentication: Authentication::Pass(*b"secret\0\0"),
        ..instance(100)
    };
    for _ in 0..30 {
        lan.handle("a", from(9, &advert(&stranger, 9, 100)));
        lan.run_for(Duration::from_secs(1));
    }
    let (bursts, said) = announcements(&mut lan);
    assert_eq!(bursts, [0; 0]);
    assert_eq!(
        said,
        ["(VI_1) authentication type mismatch from 10.0.0.9. Received 1 and expect 0"],
        "once"
    );
    lan.run_for(Duration::from_secs(10));
    let (bursts, said) = announcements(&mut lan);
    assert_eq!(bursts, [5], "the neighbours may believe the other");
    assert_eq!(
        said,
        [
            "(VI_1) 10.0.0.9, which we did not believe, was MASTER beside us for 29.000 s; it is silent now",
            "(VI_1) rejected 30 adverts from 10.0.0.9: authentication type mismatch",
        ]
    );
    let engine = lan.host("a").engine.as_ref().unwrap();
    let rejections = &engine.instances().next().unwrap().rejections;
    assert_eq!(rejections.senders.len(), 1);
    assert_eq!(rejections.senders[0].1.0, [("authentication type mismatch", 30)]);
}

#[test]
fn an_episode_that_does_not_end_is_told_of_ever_more_seldom() {
    let mut lan = owner();
    let mut packet_of = |seconds: u64| {
        let plain = advert(&instance(100), 9, 100);
        let mut said = Vec::new();
        for _ in 0..seconds {
            let mut packet = packet_from(9, &plain);
            packet.hop_limit = 64;
            lan.handle("a", Event::Packet(packet));
            lan.run_for(Duration::from_secs(1));
            said.extend(announcements(&mut lan).1);
        }
        said
    };
    assert_eq!(packet_of(59).len(), 1, "the refusal");
    assert_eq!(
        packet_of(1),
        [
            "(VI_1) 10.0.0.9 has been MASTER beside us for 60.000 s",
            "(VI_1) rejected 60 adverts from 10.0.0.9: TTL or hop limit mismatch"
        ]
    );
    assert_eq!(packet_of(3600 * 3).len(), 2 * 7, "after 2, 4 ... 128 minutes");
}

#[test]
fn each_of_two_rivals_has_an_episode_of_its_own() {
    let mut lan = owner();
    for _ in 0..3 {
        lan.handle("a", from(8, &advert(&instance(100), 8, 80)));
        lan.handle("a", from(9, &advert(&instance(100), 9, 90)));
        lan.run_for(Duration::from_secs(1));
    }
    lan.take_actions("a");
    lan.run_for(Duration::from_secs(5));
    let (_, said) = announcements(&mut lan);
    assert_eq!(
        said,
        [
            "(VI_1) 10.0.0.8 with priority 80 was MASTER beside us for 2.000 s, 3 adverts; it is silent now",
            "(VI_1) 10.0.0.9 with priority 90 was MASTER beside us for 2.000 s, 3 adverts; it is silent now",
        ]
    );
}

#[test]
fn who_yields_says_what_it_had_not_believed() {
    let mut lan = Lan::with([("a", config(vec![instance(100)], vec![]))]);
    lan.run_for(Duration::from_secs(10));
    let far = advert(&instance(100), 9, 200);
    for _ in 0..4 {
        let mut packet = packet_from(9, &far);
        packet.hop_limit = 64;
        lan.handle("a", Event::Packet(packet));
    }
    lan.take_actions("a");
    lan.handle("a", from(9, &far));
    let (_, said) = announcements(&mut lan);
    assert!(
        said.contains(&"(VI_1) rejected 4 adverts from 10.0.0.9: TTL or hop limit mismatch".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_flood_of_strangers_says_little() {
    let mut lan = owner();
    let plain = advert(&instance(100), 9, 100);
    for host in 0..=255 {
        let mut packet = packet_from(host, &plain);
        packet.hop_limit = 1;
        for _ in 0..20 {
            lan.handle("a", Event::Packet(packet));
        }
    }
    lan.run_for(Duration::from_mins(1));
    let (bursts, said) = announcements(&mut lan);
    assert_eq!(bursts, [5], "one burst after all of them");
    assert_eq!(
        said.len(),
        9,
        "the refusal, and two lines for each of four: {said:?}"
    );
}

#[test]
fn an_owner_may_ignore_all_adverts() {
    let deaf = VrrpInstance {
        owner_ignore_adverts: true,
        ..instance(255)
    };
    let mut lan = Lan::with([("a", config(vec![deaf], vec![]))]);
    lan.run_for(Duration::from_secs(10));
    lan.take_actions("a");
    lan.handle("a", from(200, &advert(&instance(255), 200, 255)));
    lan.handle("a", from(9, &advert(&instance(255), 9, 0)));
    assert_eq!(announcements(&mut lan), (vec![], vec![]));
    assert_eq!(lan.masters(), ["a"]);
    let engine = lan.host("a").engine.as_ref().unwrap();
    assert_eq!(engine.instances().next().unwrap().stats.advert_rcvd, 2);
}

#[test]
fn our_own_address_with_our_priority_is_a_warning_and_no_more() {
    let mut lan = owner();
    lan.handle("a", from(1, &advert(&instance(255), 1, 255)));
    let (_, said) = announcements(&mut lan);
    assert_eq!(
        said,
        ["(VI_1) WARNING - equal priority advert received from remote host with our IP address."]
    );
    lan.run_for(ms(500));
    assert_eq!(lan.masters(), ["a"]);
}
