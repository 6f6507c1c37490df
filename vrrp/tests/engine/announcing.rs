//! When the neighbours are told.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Garp;
use vrrp::{Action, Event, Instant, Link, LinkId};

use crate::fixture::{advert, config, eth0, from, instance, ip, ms, parsed};
use crate::lan::Lan;

/// Milliseconds after becoming master, and frames for each address.
fn bursts(garp: Garp, time: Duration) -> Vec<(u128, u32)> {
    let owner = VrrpInstance {
        garp,
        ..instance(255)
    };
    let mut lan = Lan::with([("a", config(vec![owner], vec![]))]);
    let start = lan.now;
    lan.run_for(time);
    announced(&mut lan, start)
}

fn announced(lan: &mut Lan, start: Instant) -> Vec<(u128, u32)> {
    lan.take_actions("a")
        .into_iter()
        .filter_map(|(when, action)| match action {
            Action::Announce { repeat, .. } => Some(((when - start).as_millis(), repeat)),
            _ => None,
        })
        .collect()
}

#[test]
fn by_default_five_at_once_and_five_after_five_seconds() {
    assert_eq!(
        bursts(Garp::default(), Duration::from_mins(1)),
        [(0, 5), (5000, 5)]
    );
}

#[test]
fn a_delay_of_zero_means_no_second_burst() {
    let garp = Garp {
        master_delay: Duration::ZERO,
        master_repeat: 2,
        ..Garp::default()
    };
    assert_eq!(bursts(garp, Duration::from_mins(1)), [(0, 2)]);
}

#[test]
fn a_lower_advert_strengthens_the_burst_that_stands() {
    let garp = Garp {
        master_repeat: 1,
        lower_prio_repeat: 3,
        ..Garp::default()
    };
    let owner = VrrpInstance {
        garp,
        ..instance(255)
    };
    let mut lan = Lan::with([("a", config(vec![owner], vec![]))]);
    let start = lan.now;
    lan.run_for(ms(1000));
    lan.handle("a", from(9, &advert(&instance(100), 9, 100)));
    lan.run_for(ms(10_000));
    assert_eq!(
        announced(&mut lan, start),
        [(0, 1), (1000, 3), (3000, 1), (5000, 3)]
    );
}

#[test]
fn the_refresh_goes_on_for_ever() {
    let garp = Garp {
        master_delay: ms(1000),
        master_refresh: ms(10_000),
        master_refresh_repeat: 3,
        ..Garp::default()
    };
    assert_eq!(
        bursts(garp, ms(30_500)),
        [(0, 5), (1000, 5), (10_000, 3), (20_000, 3), (30_000, 3)]
    );
}

/// Owners with these addresses, `text` before them; what they announce in `time`: milliseconds, place in the list of
/// instances, last byte of the address.
fn paced(text: &str, instances: &[(&str, u8, &[u8])], time: Duration) -> Vec<(u128, u32, u8)> {
    let mut all = text.to_owned();
    for (index, (name, priority, addresses)) in instances.iter().enumerate() {
        let lines = addresses.iter().fold(String::new(), |mut lines, last| {
            let _ = writeln!(lines, "10.0.0.{last} dev {name}");
            lines
        });
        let _ = write!(
            all,
            "vrrp_instance VI_{index} {{
                 interface eth0
                 virtual_router_id {}
                 priority {priority}
                 garp_master_repeat 2
                 garp_master_delay 0
                 virtual_ipaddress {{
                     {lines}
                 }}
             }}\n",
            index + 1
        );
    }
    let mut lan = Lan::with([("a", parsed(&all))]);
    let start = lan.now;
    let other = Link {
        id: LinkId(7),
        name: "eth1".to_owned(),
        ..eth0(1)
    };
    lan.handle("a", Event::Link(other));
    lan.run_for(time);
    lan.take_actions("a")
        .into_iter()
        .filter_map(|(when, action)| match action {
            Action::AnnounceAddress {
                instance,
                address: IpAddr::V4(address),
                repeat: 1,
                ..
            } => Some(((when - start).as_millis(), instance.0, address.octets()[3])),
            Action::Announce { .. } | Action::AnnounceAddress { .. } => panic!("not paced: {action:?}"),
            _ => None,
        })
        .collect()
}

#[test]
fn vrrp_garp_interval_parts_the_frames_of_an_interface() {
    let text = "global_defs {\nvrrp_garp_interval 0.1\n}\n";
    assert_eq!(
        paced(text, &[("eth0", 255, &[101, 102])], ms(5000)),
        [(0, 0, 101), (100, 0, 102), (200, 0, 101), (300, 0, 102)]
    );
}

#[test]
fn a_garp_group_parts_the_frames_of_all_its_interfaces() {
    let text = "garp_group {\ngarp_interval 0.5\ninterfaces {\neth0 eth1\n}\n}\n";
    assert_eq!(
        paced(text, &[("eth0", 255, &[101]), ("eth1", 255, &[102])], ms(5000)),
        [(0, 0, 101), (500, 0, 101), (1000, 1, 102), (1500, 1, 102)]
    );
    let apart = "global_defs {\nvrrp_garp_interval 0.5\n}\n";
    assert_eq!(
        paced(apart, &[("eth0", 255, &[101]), ("eth1", 255, &[102])], ms(5000)),
        [(0, 0, 101), (0, 1, 102), (500, 0, 101), (500, 1, 102)],
        "without a group each interface has its own pace"
    );
}

#[test]
fn what_waits_ends_with_the_mastery() {
    let text = "garp_group {\ngarp_interval 1\ninterface eth0\n}\n
        vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\npriority 255\n
        virtual_ipaddress {\n10.0.0.100\n}\n}\n";
    let mut lan = Lan::with([("a", parsed(text))]);
    lan.run_for(ms(1500));
    lan.set_link("a", false);
    lan.take_actions("a");
    lan.run_for(ms(5000));
    let late = lan
        .take_actions("a")
        .into_iter()
        .filter(|(_, action)| matches!(action, Action::AnnounceAddress { .. }));
    assert_eq!(late.count(), 0);
}

#[test]
fn garp_extra_if_reaches_the_other_interfaces() {
    let text = "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\npriority 255\n
        garp_master_delay 0\ngarp_extra_if all 10\n
        virtual_ipaddress {\n10.0.0.100\n10.0.0.101 dev eth1\n10.0.0.102 dev eth1\n}\n}\n";
    let mut lan = Lan::with([("a", parsed(text))]);
    let other = Link {
        id: LinkId(7),
        name: "eth1".to_owned(),
        ..eth0(1)
    };
    lan.handle("a", Event::Link(other));
    let start = lan.now;
    lan.run_for(ms(25_000));
    let extra: Vec<_> = lan
        .take_actions("a")
        .into_iter()
        .filter_map(|(when, action)| match action {
            Action::AnnounceAddress {
                link,
                address,
                repeat: 1,
                ..
            } => Some(((when - start).as_millis(), link.0, address)),
            _ => None,
        })
        .collect();
    assert_eq!(extra, [(10_000, 7, ip(101)), (20_000, 7, ip(101))]);
}

#[test]
fn garp_extra_if_without_all_reaches_macvlans_only() {
    let extra = |lines: &str, there: &str| {
        let text = format!(
            "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 255\ngarp_master_delay 0\n\
             garp_extra_if 10\n{lines}\nvirtual_ipaddress {{\n10.0.0.100\n10.0.0.101 dev eth1 {there}\n}}\n}}\n"
        );
        let mut lan = Lan::with([("a", parsed(&text))]);
        let other = Link {
            id: LinkId(7),
            name: "eth1".to_owned(),
            ..eth0(1)
        };
        lan.handle("a", Event::Link(other));
        lan.run_for(ms(25_000));
        let actions = lan.take_actions("a").into_iter();
        actions
            .filter(|(_, action)| matches!(action, Action::AnnounceAddress { .. }))
            .count()
    };
    assert_eq!(extra("", ""), 0);
    assert_eq!(
        extra("use_vmac", ""),
        0,
        "the instance's own macvlan is no other link"
    );
    assert_eq!(extra("", "use_vmac"), 2);
    assert_eq!(extra("use_vmac\nuse_vmac_addr", ""), 2);
    assert_eq!(extra("use_vmac\nvmac_xmit_base", ""), 2);
}

#[test]
fn lower_prio_settings_and_their_absence() {
    let garp = Garp {
        lower_prio_repeat: 2,
        lower_prio_delay: ms(3000),
        master_delay: Duration::ZERO,
        ..Garp::default()
    };
    let answers = |garp: Garp| {
        let owner = VrrpInstance {
            garp,
            ..instance(255)
        };
        let mut lan = Lan::with([("a", config(vec![owner], vec![]))]);
        lan.run_for(ms(500));
        lan.take_actions("a");
        let start = lan.now;
        lan.handle("a", from(9, &advert(&instance(100), 9, 100)));
        lan.run_for(ms(10_000));
        announced(&mut lan, start)
    };
    assert_eq!(answers(garp.clone()), [(0, 2), (2000, 5), (3000, 2)]);
    let silent = Garp {
        lower_prio_repeat: 0,
        lower_prio_delay: Duration::ZERO,
        ..garp
    };
    assert_eq!(
        answers(silent),
        [(2000, 5)],
        "strict mode: only once the other is gone"
    );
}
