//! Unicast: peers, hop limits, sources; and instances that share a virtual router and a socket.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::units::Version;
use vrrp::packet::{self, Advert, Outgoing};
use vrrp::{Action, Datagram, Endpoint, Engine, Event, Happening, Link, Packet, Refusal, Stats};

use crate::fixture::{ETH0, at, config, eth0, ip, packet_from, started};
use crate::lan::Lan;
use crate::packets::number;

/// A unicast instance on eth0 with these lines.
fn unicast(priority: u8, lines: &str) -> VrrpInstance {
    parse(&format!(
        "interface eth0
         priority {priority}
         {lines}"
    ))
}

fn parse(lines: &str) -> VrrpInstance {
    let text = format!(
        "vrrp_instance VI_1 {{
             virtual_router_id 51
             virtual_ipaddress {{
                 10.0.0.100 dev eth0
             }}
             {lines}
         }}"
    );
    let report = parser::parse_text(&parser::Machine, &text);
    Arc::unwrap_or_clone(report.config.vrrp_instances.into_iter().next().unwrap())
}

fn peers(of: &[u8]) -> String {
    let lines: Vec<String> = of.iter().map(|host| format!("10.0.0.{host}")).collect();
    format!("unicast_peer {{\n{}\n}}", lines.join("\n"))
}

/// An advert of another host to 10.0.0.5.
fn advert(of: &VrrpInstance, host: u8, summed: IpAddr) -> Vec<u8> {
    Outgoing {
        version: of.version,
        vrid: of.virtual_router_id,
        priority: 250,
        interval: of.advert_int,
        authentication: &of.authentication,
        addresses: &[ip(100)],
        source: ip(host),
        destination: summed,
        bare_sum: false,
    }
    .encode()
}

fn hear(engine: &mut Engine, host: u8, payload: &[u8], change: impl Fn(&mut Packet<'_>)) -> Vec<Refusal> {
    let mut packet = Packet {
        destination: ip(5),
        ..packet_from(host, payload)
    };
    change(&mut packet);
    engine.handle(Event::Packet(packet), at(1));
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Tell(news) => match news.what {
                Happening::Refused(refusal) => Some(refusal),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn adverts(engine: &mut Engine) -> Vec<Datagram> {
    std::iter::from_fn(|| engine.next_action())
        .filter_map(|action| match action {
            Action::Send(datagram) => Some(datagram),
            _ => None,
        })
        .collect()
}

fn stats(engine: &Engine) -> Vec<Stats> {
    engine.instances().map(|instance| instance.stats).collect()
}

fn ttl_64(packet: &mut Packet<'_>) {
    packet.hop_limit = 64;
}

#[test]
fn adverts_go_to_each_peer_with_one_identification() {
    let of = unicast(255, &format!("unicast_ttl 9\n{}", peers(&[2, 3])));
    let mut engine = started(&config(vec![of], vec![]));
    let sent = adverts(&mut engine);
    let ends: Vec<_> = sent
        .iter()
        .map(|datagram| (datagram.source, datagram.destination))
        .collect();
    assert_eq!(ends, [(ip(5), ip(2)), (ip(5), ip(3))]);
    for datagram in &sent {
        assert_eq!((&datagram.bytes[4..6], datagram.bytes[8]), (&[0, 1][..], 9));
        let endpoint = Endpoint {
            protocol: 112,
            link: Some(ETH0),
            local: ip(5),
        };
        assert_eq!(datagram.endpoint, endpoint);
    }
}

#[test]
fn source_and_hop_limit_are_checked_whatever_else_is_set() {
    for flags in [
        "",
        "skip_check_adv_addr",
        "check_unicast_src",
        "check_unicast_src\nskip_check_adv_addr",
    ] {
        let of = unicast(
            100,
            &format!("{flags}\nunicast_peer {{\n10.0.0.9 min_ttl 250 max_ttl 254\n10.0.0.8\n}}"),
        );
        let mut engine = started(&config(vec![of.clone()], vec![]));
        let mut kinds = BTreeSet::new();
        let mut expect = |host: u8, hop_limit: u8, words: &str| {
            let refusals = hear(&mut engine, host, &advert(&of, host, ip(5)), |packet| {
                packet.hop_limit = hop_limit;
            });
            assert_eq!(refusals[0].to_string(), words);
            kinds.insert(number(&refusals[0]));
        };
        expect(
            7,
            255,
            "unicast advert from 10.0.0.7, which is not a unicast_peer. Add it there if it is one",
        );
        expect(
            9,
            255,
            "invalid TTL/HL from unicast peer 10.0.0.9. Received 255 and expect 250 to 254",
        );
        assert_eq!(kinds, [27, 28].into());
        assert_eq!(
            hear(&mut engine, 9, &advert(&of, 9, ip(5)), |packet| packet
                .hop_limit =
                250),
            []
        );
        assert_eq!(hear(&mut engine, 8, &advert(&of, 8, ip(5)), ttl_64), []);
        let stats = stats(&engine)[0];
        assert_eq!(
            (stats.not_a_peer, stats.ip_ttl_err, stats.advert_rcvd),
            (1, 1, 2),
            "{flags}"
        );
    }
}

#[test]
fn multicast_is_not_for_a_unicast_instance() {
    let of = unicast(100, &peers(&[9]));
    let mut engine = started(&config(vec![of.clone()], vec![]));
    let group = packet::GROUP_V4.into();
    let refusals = hear(&mut engine, 9, &advert(&of, 9, group), |packet| {
        packet.destination = group;
    });
    assert_eq!(
        refusals[0].to_string(),
        "received packet from 10.0.0.9 for 224.0.0.18, which is not our unicast address"
    );
}

#[test]
fn an_old_peer_s_checksum_is_found_out_and_answered_in_kind() {
    let group: IpAddr = packet::GROUP_V4.into();
    let of = |more: &str| unicast(100, &format!("version 3\n{more}\n{}", peers(&[9])));
    let old = advert(&of(""), 9, group);
    let mut engine = started(&config(vec![of("")], vec![]));
    assert_eq!(hear(&mut engine, 9, &old, ttl_64), []);
    assert_eq!(stats(&engine)[0].advert_rcvd, 1);
    engine.handle_timeout(at(9000));
    let sent = adverts(&mut engine).remove(0);
    let ours = Advert::decode(&sent.bytes[20..], Version::V3, parser::units::Family::Ipv4, false).unwrap();
    assert!(ours.sum_fits(ip(5), group) && !ours.sum_fits(ip(5), ip(9)));
    let checksum_err = |more: &str, payload: &[u8]| {
        let mut engine = started(&config(vec![of(more)], vec![]));
        hear(&mut engine, 9, payload, ttl_64);
        stats(&engine)[0].checksum_err
    };
    let new = advert(&of(""), 9, ip(5));
    assert_eq!([checksum_err("", &old), checksum_err("", &new)], [0, 0]);
    let never = "old_unicast_checksum never";
    assert_eq!([checksum_err(never, &old), checksum_err(never, &new)], [1, 0]);
    let always = "old_unicast_checksum";
    assert_eq!([checksum_err(always, &old), checksum_err(always, &new)], [0, 1]);
}

#[test]
fn v3_checksum_as_v2_reads_both_and_writes_the_bare_one() {
    let of = |more: &str| unicast(255, &format!("version 3\n{more}\n{}", peers(&[9])));
    let bare = of("v3_checksum_as_v2");
    let mut engine = started(&config(vec![bare.clone()], vec![]));
    let sent = adverts(&mut engine).remove(0).bytes.split_off(20);
    let decoded = Advert::decode(&sent, Version::V3, parser::units::Family::Ipv4, false).unwrap();
    assert!(decoded.bare_sum_fits() && !decoded.sum_fits(ip(5), ip(9)));
    let mut broken = sent.clone();
    broken[2] ^= 1;
    let wrong = |of: &VrrpInstance, payload: &[u8]| {
        let mut engine = started(&config(vec![of.clone()], vec![]));
        hear(&mut engine, 9, payload, ttl_64);
        stats(&engine)[0].checksum_err
    };
    let usual = advert(&bare, 9, ip(5));
    assert_eq!(
        [wrong(&bare, &sent), wrong(&bare, &usual), wrong(&bare, &broken)],
        [0, 0, 1]
    );
    assert_eq!([wrong(&of(""), &sent), wrong(&of(""), &usual)], [1, 0]);
}

#[test]
fn instances_without_an_interface_speak_from_their_source() {
    let lines = format!("unicast_src_ip 10.0.0.5\npriority 255\n{}", peers(&[9]));
    let mut engine = started(&config(vec![parse(&lines)], vec![]));
    let sent = adverts(&mut engine).remove(0);
    assert_eq!((sent.endpoint.link, sent.endpoint.local), (None, ip(5)));
    assert_eq!(engine.owned(sent.instance).count(), 1, "by its dev");
    let of = parse(&lines);
    let heard = |engine: &mut Engine, link| {
        hear(engine, 9, &advert(&of, 9, ip(5)), |packet| packet.link = link);
        stats(engine)[0].advert_rcvd
    };
    assert_eq!(heard(&mut engine, None), 1);
    assert_eq!(
        heard(&mut engine, Some(ETH0)),
        1,
        "the socket of another instance"
    );
}

#[test]
fn a_vrf_is_where_the_socket_is_bound() {
    let of = parse(&format!(
        "vrf red\nunicast_src_ip 10.0.0.5\npriority 255\n{}",
        peers(&[9])
    ));
    let mut engine = started(&config(vec![of], vec![]));
    let fault = |engine: &Engine| {
        let faults = &engine.instances().next().unwrap().faults;
        faults.first().map(ToString::to_string)
    };
    assert_eq!(fault(&engine).as_deref(), Some("interface red does not exist"));
    let red = vrrp::LinkId(7);
    engine.handle(
        Event::Link(Link {
            id: red,
            name: "red".to_owned(),
            ipv4: None,
            ..eth0(5)
        }),
        at(1),
    );
    assert_eq!(fault(&engine), None);
    assert_eq!(adverts(&mut engine)[0].endpoint.link, Some(red));
}

#[test]
fn a_tracked_source_that_is_gone_is_a_fault() {
    for place in ["interface eth0", ""] {
        let of = parse(&format!(
            "{place}\ntrack_src_ip\nunicast_src_ip 10.0.0.5\npriority 255\n{}",
            peers(&[9])
        ));
        let mut engine = started(&config(vec![of], vec![]));
        let word = |engine: &Engine| engine.instances().next().unwrap().state.word();
        assert_eq!(word(&engine), "MASTER");
        let without = Link {
            addresses: vec![ip(6)],
            ..eth0(5)
        };
        engine.handle(Event::Link(without), at(1));
        assert_eq!(word(&engine), "FAULT", "{place}");
        let faults = &engine.instances().next().unwrap().faults;
        assert_eq!(
            faults.first().unwrap().to_string(),
            "source address 10.0.0.5 missing"
        );
        engine.handle(Event::Link(eth0(5)), at(2));
        assert_eq!(word(&engine), "MASTER");
    }
}

#[test]
fn unicast_without_peers_is_a_fault_if_asked() {
    let of = unicast(
        100,
        "unicast_src_ip 10.0.0.5\nunicast_fault_no_peer\nunicast_peer {\n}",
    );
    assert!(of.unicast);
    let engine = started(&config(vec![of], vec![]));
    let instance = engine.instances().next().unwrap();
    assert_eq!(instance.state.word(), "FAULT");
    assert_eq!(
        instance.faults.first().unwrap().to_string(),
        "unicast without a unicast_peer"
    );
}

#[test]
fn of_two_instances_with_one_virtual_router_the_one_whose_peer_speaks_hears() {
    let first = unicast(100, &peers(&[8]));
    let second = VrrpInstance {
        name: "VI_2".to_owned(),
        ..unicast(100, &peers(&[9]))
    };
    let multicast = VrrpInstance {
        name: "VI_3".to_owned(),
        ..parse("interface eth0")
    };
    let mut engine = started(&config(vec![first.clone(), second, multicast], vec![]));
    let heard =
        |engine: &Engine| -> Vec<u64> { stats(engine).iter().map(|stats| stats.advert_rcvd).collect() };
    hear(&mut engine, 9, &advert(&first, 9, ip(5)), ttl_64);
    assert_eq!(heard(&engine), [0, 1, 0]);
    hear(&mut engine, 8, &advert(&first, 8, ip(5)), ttl_64);
    assert_eq!(heard(&engine), [1, 1, 0]);
    let group = packet::GROUP_V4.into();
    hear(&mut engine, 8, &advert(&first, 8, group), |packet| {
        packet.destination = group;
    });
    assert_eq!(heard(&engine), [1, 1, 1]);
}

#[test]
fn addresses_beyond_the_mtu_are_owned_but_not_missed() {
    let many: Vec<String> = (0..200).map(|last| format!("10.0.1.{last} dev eth0")).collect();
    let many = many.join("\n");
    let text = format!(
        "vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority 255
             virtual_ipaddress {{
                 {many}
             }}
         }}"
    );
    let crowded = parser::parse_text(&parser::Machine, &text).config;
    let mut engine = Engine::new(&crowded, "", at(0));
    engine.handle(Event::Link(Link { mtu: 576, ..eth0(5) }), at(0));
    engine.handle_timeout(at(0));
    let sent = adverts(&mut engine).remove(0);
    assert_eq!(engine.owned(sent.instance).count(), 200);
    engine.handle(
        Event::Packet(Packet {
            source: ip(9),
            ..packet_from(9, &sent.bytes[20..])
        }),
        at(1),
    );
    assert_eq!(stats(&engine)[0].addr_list_err, 0);
}

#[test]
fn a_unicast_pair_elects_fails_over_and_returns() {
    let of = |priority, peer| config(vec![unicast(priority, &peers(&[peer]))], vec![]);
    let mut lan = Lan::with([("a", of(150, 2)), ("b", of(100, 1))]);
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    lan.crash("a");
    lan.run_for(Duration::from_millis(3610));
    assert_eq!(lan.masters(), ["b"]);
    lan.start("a");
    lan.run_for(Duration::from_secs(10));
    assert_eq!(lan.masters(), ["a"]);
    assert_eq!(stats(lan.host("b").engine.as_ref().unwrap())[0].become_master, 1);
}
