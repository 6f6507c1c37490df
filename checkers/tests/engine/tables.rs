//! What the kernel should have for each form of virtual server.

use std::num::NonZeroU32;

use checkers::{Key, Table};
use parser::config::forwarding::{Forwarding, Tunnel};
use parser::config::virtual_server::{Granularity, Protocol, Scheduler};
use parser::units::Family;

use crate::lab::{Lab, web};

fn table(text: &str) -> Table {
    let lab = Lab::new(text);
    let service = lab.engine.services().next().unwrap();
    lab.engine.table(service)
}

fn group(entries: &str, server: &str) -> String {
    format!(
        "virtual_server_group web {{\n {entries}\n }}\n virtual_server group web {{\n lvs_sched rr\n lvs_method DR\n \
         protocol TCP\n {server}\n }}\n"
    )
}

fn key(address: &str, port: u16) -> Key {
    Key::Address {
        address: address.parse().unwrap(),
        port,
        protocol: Protocol::Tcp,
    }
}

fn mark(mark: u32, family: Family) -> Key {
    Key::Fwmark {
        mark: mark.try_into().unwrap(),
        family,
    }
}

const SERVER: &str = "real_server 10.0.0.2 {\n }";

#[test]
fn settings_and_servers_arrive_as_configured() {
    let lines = "lvs_sched wrr\n flag-2\n persistence_timeout 50\n persistence_granularity 255.255.255.0\n \
                 persistence_engine sip\n lvs_method TUN type gue port 6080";
    let text = web(lines, &["weight 7\n uthreshold 90\n lthreshold 10"]).replace("lvs_method NAT\n", "");
    let table = table(&text.replace("lvs_sched rr\n", ""));
    assert_eq!(table.keys, [key("10.0.0.1", 80)]);
    assert_eq!(table.settings.scheduler, Scheduler::Wrr);
    assert!(table.settings.flags.flag_2);
    assert_eq!(table.settings.persistence_engine.as_deref(), Some("sip"));
    let persistence = table.settings.persistence_in(Family::Ipv4).unwrap();
    assert_eq!(persistence.timeout.as_secs(), 50);
    assert_eq!(
        persistence.granularity,
        Granularity::Netmask([255, 255, 255, 0].into())
    );
    let other = table.settings.persistence_in(Family::Ipv6).unwrap();
    assert_eq!(other.granularity, Granularity::PrefixLen(128));
    let [server] = table.destinations[..] else {
        panic!()
    };
    assert_eq!(
        (server.weight, server.upper_threshold, server.lower_threshold),
        (7, 90, 10)
    );
    assert!(matches!(
        server.forwarding,
        Forwarding::Tunnel(Tunnel::Gue { port: 6080, .. })
    ));
}

#[test]
fn every_address_of_a_group_is_a_service() {
    let entries = "10.0.1.1-3 80\n 10.0.2.0/31 81\n 10.0.1.2 80\n fwmark 5\n fwmark 6";
    let table = table(&group(entries, SERVER));
    assert_eq!(
        table.keys,
        [
            key("10.0.1.1", 80),
            key("10.0.1.2", 80),
            key("10.0.1.3", 80),
            key("10.0.2.0", 81),
            key("10.0.2.1", 81),
            mark(5, Family::Ipv4),
            mark(6, Family::Ipv4),
        ]
    );
    let ports: Vec<u16> = table
        .keys
        .iter()
        .map(|key| table.destinations[0].port_in(key))
        .collect();
    assert_eq!(ports, [80, 80, 80, 81, 81, 0, 0]);
}

#[test]
fn a_group_of_both_families_is_served_through_tunnels() {
    let text = group("10.0.1.1 80\n 2001:db8::1 80", SERVER).replace("DR", "TUN");
    let table = table(&text);
    assert_eq!(table.keys, [key("10.0.1.1", 80), key("2001:db8::1", 80)]);
    assert_eq!(
        table.keys.iter().map(Key::family).collect::<Vec<_>>(),
        [Family::Ipv4, Family::Ipv6]
    );
}

#[test]
fn a_prefix_without_end_is_cut_off() {
    let text = group("2001:db8::/64 80", "real_server 2001:db8:1::1 {\n }");
    let mut lab = Lab::resume(&text, "");
    let service = lab.engine.services().next().unwrap();
    assert_eq!(lab.engine.table(service).keys.len(), 65_536);
    assert!(lab.take_log().contains(
        &"[web]:0: the group names more addresses than can be served, the first 65536 are".to_owned()
    ));
}

#[test]
fn with_nftables_a_group_is_one_service_by_mark() {
    let global = "global_defs {\n nftables_ipvs\n nftables_ipvs_start_fwmark 1000\n }\n virtual_server fwmark 1001 {\n \
                  lvs_sched rr\n lvs_method DR\n real_server 10.0.0.2 {\n }\n }\n";
    let one = group("10.0.1.0/24 80\n 10.0.3.1 80\n fwmark 7", SERVER);
    let two = one.replace("web", "mail");
    let text = format!("{global}{one}{two}");
    let mut lab = Lab::new(&text);
    let keys = |lab: &Lab| -> Vec<_> {
        let services = lab.engine.services().skip(1);
        services
            .flat_map(|service| lab.engine.table(service).keys)
            .collect()
    };
    let expected = [
        mark(1000, Family::Ipv4),
        mark(7, Family::Ipv4),
        mark(1002, Family::Ipv4),
        mark(7, Family::Ipv4),
    ];
    assert_eq!(keys(&lab), expected, "1001 is taken");
    let markings = |lab: &Lab| -> Vec<_> {
        let markings = lab.engine.markings().into_iter();
        markings
            .map(|marking| (marking.group, marking.mark.get()))
            .collect()
    };
    assert_eq!(
        markings(&lab),
        [("mail".to_owned(), 1002), ("web".to_owned(), 1000)]
    );
    let standings = lab.engine.services().filter_map(|id| lab.engine.standing(id));
    let marks: Vec<_> = standings
        .map(|standing| standing.fwmark.map_or(0, NonZeroU32::get))
        .collect();
    assert_eq!(marks, [0, 1000, 1002]);

    let swapped = format!("{global}{two}{one}");
    let next = Lab::resume(&swapped, &lab.engine.snapshot());
    assert_eq!(
        markings(&next),
        markings(&lab),
        "a successor gives the same marks"
    );
    lab.reload(&swapped);
    assert_eq!(markings(&lab), markings(&next), "so does a reload");
}

#[test]
fn labels_are_those_of_keepalived() {
    let text = format!(
        "{}{}virtual_server fwmark 9 {{\n lvs_sched rr\n lvs_method DR\n {SERVER}\n }}\n",
        group("10.0.1.1 80", SERVER),
        group("10.0.1.1 80", SERVER)
            .replace("TCP", "UDP")
            .split_once("}\n")
            .unwrap()
            .1
    );
    let mut lab = Lab::resume(&format!("global_defs {{\n rs_init_notifies\n }}\n{text}"), "");
    assert_eq!(
        lab.take_lines(),
        [
            "RS [10.0.0.2]:tcp:0 [web]:0 UP",
            "VS [web]:0 UP",
            "RS [10.0.0.2]:udp:0 [web]:1 UP",
            "VS [web]:1 UP",
            "RS [10.0.0.2]:none:0 FWM 9 UP",
            "VS FWM 9 UP",
        ]
    );
}
