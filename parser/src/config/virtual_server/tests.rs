//! What virtual servers become.

use std::net::Ipv4Addr;

use super::*;
use crate::config::forwarding::{Tunnel, TunnelChecksum};
use crate::report::{LvsReason, Reason};

/// The virtual servers of a text and what is said about them.
fn read(text: &str) -> (Vec<VirtualServer>, Vec<Reason>) {
    let reading = crate::parse_text(&crate::Machine, text);
    let reasons = reading
        .report
        .mistakes
        .into_iter()
        .map(|mistake| mistake.reason)
        .collect();
    (reading.config.virtual_servers, reasons)
}

/// One virtual server with these words after its keyword and these lines in it.
fn server(head: &str, body: &str) -> (VirtualServer, Vec<Reason>) {
    let (mut servers, reasons) = read(&format!("virtual_server {head} {{\n{body}\n}}\n"));
    assert_eq!(servers.len(), 1, "{reasons:?}");
    (servers.remove(0), reasons)
}

fn lvs(reasons: impl IntoIterator<Item = LvsReason>) -> Vec<Reason> {
    reasons.into_iter().map(Reason::Lvs).collect()
}

const USUAL: &str = "protocol TCP\nlvs_sched rr\nlvs_method NAT\n";
const SERVER: &str = "real_server 10.0.0.2 80 {\n}\n";

#[test]
fn an_empty_virtual_server_gets_every_default() {
    let (server, reasons) = server("10.0.0.1 80", SERVER);
    assert_eq!(
        reasons,
        lvs([LvsReason::NoProtocol, LvsReason::NoScheduler, LvsReason::NoMethod])
    );
    let address = "10.0.0.1".parse().unwrap();
    assert_eq!(
        server.service,
        Service::Address {
            address,
            port: 80,
            protocol: Protocol::Udp
        }
    );
    assert_eq!(
        (server.scheduler, server.forwarding),
        (Scheduler::Wlc, Forwarding::Nat)
    );
    assert_eq!((server.quorum, server.hysteresis, server.weight), (1, 0, 1));
    assert_eq!(
        (server.alpha, server.omega, server.smtp_alert, server.ha_suspend),
        (false, false, false, false)
    );
    assert_eq!((server.persistence, server.one_packet), (None, false));
    assert_eq!(*server.pace, Pace::default());
    let real = &server.real_servers[0];
    assert_eq!(
        (real.address, real.port, real.weight),
        ("10.0.0.2".parse().unwrap(), 80, 1)
    );
    // The only smtp_alert that is on by default.
    assert!(real.smtp_alert);
    assert!(real.checkers.is_empty());
}

#[test]
fn every_setting_reaches_the_model() {
    let body = "lvs_sched sh\nsh-port\nsh-fallback\nflag-3\nlvs_method TUN type gue port 7 csum\nprotocol sctp\n\
        persistence_timeout 50\npersistence_granularity 255.255.255.0\npersistence_engine sip\nha_suspend\nsmtp_alert\n\
        virtualhost v\nsnmp_name s\nalpha\nomega\nquorum 5\nhysteresis 2\nweight 6\ninhibit_on_failure\n\
        quorum_up \"/up a\" u\nquorum_down /down\nsorry_server 10.0.0.9 81\nsorry_server_inhibit\n\
        sorry_server_lvs_method NAT\nreal_server 10.0.0.2 80 {\n}";
    let (server, reasons) = server("10.0.0.1 80", body);
    assert_eq!(reasons, []);
    assert_eq!(server.scheduler, Scheduler::Sh);
    assert_eq!(
        server.flags,
        SchedulerFlags {
            flag_1: true,
            flag_2: true,
            flag_3: true
        }
    );
    let tunnel = Tunnel::Gue {
        port: 7,
        checksum: TunnelChecksum::Full,
    };
    assert_eq!(server.forwarding, Forwarding::Tunnel(tunnel));
    let persistence = server.persistence.unwrap();
    assert_eq!(persistence.timeout.as_secs(), 50);
    assert_eq!(
        persistence.granularity,
        Granularity::Netmask(Ipv4Addr::new(255, 255, 255, 0))
    );
    assert_eq!(server.persistence_engine.as_deref(), Some("sip"));
    assert_eq!(
        (server.virtualhost.as_deref(), server.snmp_name.as_deref()),
        (Some("v"), Some("s"))
    );
    assert!(
        server.ha_suspend && server.smtp_alert && server.alpha && server.omega && server.inhibit_on_failure
    );
    assert_eq!((server.quorum, server.hysteresis, server.weight), (5, 2, 6));
    assert_eq!(server.quorum_up.unwrap().words, ["/up", "a"]);
    assert_eq!(server.quorum_down.unwrap().words, ["/down"]);
    let sorry = server.sorry_server.unwrap();
    assert_eq!(
        (sorry.port, sorry.forwarding, sorry.inhibit),
        (81, Forwarding::Nat, true)
    );
    let real = &server.real_servers[0];
    assert_eq!(
        (real.weight, real.alpha, real.inhibit_on_failure),
        (6, true, true)
    );
    assert_eq!(real.forwarding, server.forwarding);
}

#[test]
fn a_real_server_says_otherwise() {
    let body = "protocol TCP\nlvs_sched rr\nlvs_method NAT\nalpha\ninhibit_on_failure\nweight 6\nreal_server 10.0.0.2 80 {\n\
        weight 0\nlvs_method DR\nuthreshold 9\nlthreshold 3\ninhibit_on_failure off\nalpha no\nsmtp_alert false\n\
        notify_up /up\nnotify_down /down\nvirtualhost v\nsnmp_name s\ndelay_loop 7\n}\nreal_server 10.0.0.3 80 {\n}";
    let (server, reasons) = server("10.0.0.1 80", body);
    assert_eq!(reasons, []);
    let real = &server.real_servers[0];
    assert_eq!(
        (real.weight, real.upper_threshold, real.lower_threshold),
        (0, 9, 3)
    );
    assert_eq!(real.forwarding, Forwarding::Direct);
    assert!(!real.inhibit_on_failure && !real.alpha && !real.smtp_alert);
    assert_eq!(real.notify_up().unwrap().words, ["/up"]);
    assert_eq!(real.notify_down().unwrap().words, ["/down"]);
    let extras = real.extras.as_ref().unwrap();
    assert_eq!(
        (extras.virtualhost.as_deref(), extras.snmp_name.as_deref()),
        (Some("v"), Some("s"))
    );
    assert_eq!(real.pace.delay_loop.as_secs(), 7);
    assert!(Arc::ptr_eq(&server.real_servers[1].pace, &server.pace));
}

#[test]
fn mail_follows_the_checker_setting_before_the_general_one() {
    for (global, virtual_on, real_on) in [
        ("", false, true),
        ("smtp_alert", true, true),
        ("smtp_alert off", false, false),
        ("smtp_alert\nsmtp_alert_checker off", false, false),
        ("smtp_alert_checker", true, true),
    ] {
        // The global settings may follow.
        let text =
            format!("virtual_server 10.0.0.1 80 {{\n{USUAL}{SERVER}}}\nglobal_defs {{\n{global}\n}}\n");
        let (servers, reasons) = read(&text);
        assert_eq!(reasons, [], "{global}");
        let got = (servers[0].smtp_alert, servers[0].real_servers[0].smtp_alert);
        assert_eq!(got, (virtual_on, real_on), "{global}");
    }
}

#[test]
fn ports_follow_the_method() {
    let mismatch = |got| vec![LvsReason::PortMismatch { got, port: 80 }];
    let of_mark = |got| vec![LvsReason::PortOfFwmark { got }];
    for (head, method, written, port, reasons) in [
        ("10.0.0.1 80", "NAT", "", 80, vec![]),
        ("10.0.0.1 80", "NAT", "81", 81, vec![]),
        ("10.0.0.1 80", "DR", "", 80, vec![]),
        ("10.0.0.1 80", "DR", "81", 80, mismatch(81)),
        ("10.0.0.1 80", "TUN", "81", 80, mismatch(81)),
        ("fwmark 1", "NAT", "", 0, vec![]),
        ("fwmark 1", "NAT", "81", 81, vec![]),
        ("fwmark 1", "DR", "", 0, vec![]),
        ("fwmark 1", "DR", "81", 0, of_mark(81)),
    ] {
        let protocol = if head.starts_with("fwmark") {
            ""
        } else {
            "protocol TCP"
        };
        let body =
            format!("{protocol}\nlvs_sched rr\nlvs_method {method}\nreal_server 10.0.0.2 {written} {{\n}}\n");
        let (server, got) = server(head, &body);
        assert_eq!(
            (server.real_servers[0].port, got),
            (port, lvs(reasons)),
            "{head} {method} {written}"
        );
        let body =
            body.replace("real_server", "sorry_server").replace(" {\n}", "") + "real_server 10.0.0.3 {\n}";
        let (server, _) = self::server(head, &body);
        assert_eq!(
            server.sorry_server.unwrap().port,
            port,
            "sorry server, {head} {method} {written}"
        );
    }
}

#[test]
fn servers_of_a_group_keep_each_entrys_port() {
    let group = "virtual_server_group g {\n10.0.1.1 80\n10.0.1.2 443\n}\n";
    let body =
        format!("{USUAL}real_server 10.0.0.2 {{\n}}\nreal_server 10.0.0.3 8080 {{\nlvs_method DR\n}}\n");
    let (servers, reasons) = read(&format!("{group}virtual_server group g {{\n{body}}}\n"));
    assert_eq!(
        reasons,
        lvs([LvsReason::PortMismatchInGroup {
            got: 8080,
            group: "g".to_owned()
        }])
    );
    let ports: Vec<_> = servers[0].real_servers.iter().map(|real| real.port).collect();
    assert_eq!(ports, [0, 0]);
    let Service::Group { group, protocol } = &servers[0].service else {
        panic!("no group")
    };
    assert_eq!((group.entries.len(), *protocol), (2, Some(Protocol::Tcp)));
}

#[test]
fn a_server_that_is_there_twice_is_dropped() {
    let again = |as_written| LvsReason::RealServerAgain {
        address: "10.0.0.2".parse().unwrap(),
        port: 80,
        as_written,
    };
    let twice = |second: &str| {
        server(
            "10.0.0.1 80",
            &format!("{USUAL}{SERVER}real_server {second} {{\nweight 9\n}}"),
        )
    };
    for (second, reason) in [("10.0.0.2 80", again(true)), ("10.0.0.2", again(false))] {
        let (server, reasons) = twice(second);
        assert_eq!(
            (server.real_servers.len(), reasons),
            (1, lvs([reason])),
            "{second}"
        );
        assert_eq!(server.real_servers[0].weight, 1);
    }
    assert_eq!(twice("10.0.0.2 81").0.real_servers.len(), 2);
}

#[test]
fn quorum_and_hysteresis_can_be_reached() {
    for (body, quorum, hysteresis) in [
        ("", 1, 0),
        ("quorum 2\nhysteresis 1", 2, 1),
        ("quorum 4\nhysteresis 7", 2, 1),
        ("hysteresis 1", 1, 0),
        ("quorum 0\n", 1, 0),
        ("quorum 7\nweight 5", 7, 0),
        ("quorum 4294967295", 2, 0),
    ] {
        let (server, _) = server(
            "10.0.0.1 80",
            &format!("{USUAL}{body}\n{SERVER}real_server 10.0.0.3 80 {{\n}}"),
        );
        assert_eq!((server.quorum, server.hysteresis), (quorum, hysteresis), "{body}");
    }
    let (server, reasons) = server(
        "10.0.0.1 80",
        &format!("{USUAL}real_server 10.0.0.2 80 {{\nweight 0\n}}"),
    );
    assert_eq!((server.quorum, server.hysteresis), (1, 0));
    assert_eq!(reasons, lvs([LvsReason::QuorumTooHigh { quorum: 1, most: 1 }]));
}

#[test]
fn the_family_comes_from_what_is_said_first() {
    let six = "real_server 2001:db8::2 {\n}\n";
    let four = "real_server 10.0.0.2 {\n}\n";
    for (body, family, servers) in [
        (format!("{four}{six}"), Family::Ipv4, 1),
        (format!("{six}{four}"), Family::Ipv6, 1),
        (format!("ip_family inet6\n{four}{six}"), Family::Ipv6, 1),
        (
            format!("persistence_granularity 64\n{four}{six}"),
            Family::Ipv6,
            1,
        ),
        (
            format!("persistence_granularity 255.0.0.0\n{four}{six}"),
            Family::Ipv4,
            1,
        ),
        (format!("lvs_method TUN\n{four}{six}"), Family::Ipv4, 2),
        (format!("lvs_method TUN\n{six}"), Family::Ipv6, 1),
        (format!("lvs_method TUN\nip_family inet\n{six}"), Family::Ipv4, 1),
        (
            format!("lvs_method TUN\n{six}sorry_server 10.0.0.9"),
            Family::Ipv4,
            1,
        ),
    ] {
        let (server, _) = server("fwmark 1", &body);
        assert_eq!(
            (server.family, server.real_servers.len()),
            (family, servers),
            "{body}"
        );
    }
}

#[test]
fn a_group_of_the_other_family_needs_tunnels() {
    let group = "virtual_server_group g {\n10.0.1.1 80\n2001:db8::1 80\n}\n";
    let with = |method: &str| {
        let body = format!("protocol TCP\nlvs_sched rr\nlvs_method {method}\n{SERVER}");
        read(&format!("{group}virtual_server group g {{\n{body}}}\n"))
    };
    assert!(matches!(&with("TUN"), (servers, reasons) if servers.len() == 1 && reasons.is_empty()));
    let (servers, reasons) = with("NAT");
    assert!(servers.is_empty());
    assert_eq!(
        reasons,
        lvs([LvsReason::FamilyOfGroup {
            group: "g".to_owned(),
            family: Family::Ipv4
        }])
    );
}

#[test]
fn persistence_is_switched_on_by_what_needs_it() {
    let timeout = |head: &str, body: &str| {
        let (server, reasons) = server(head, &format!("{USUAL}{body}\n{SERVER}"));
        (
            server
                .persistence
                .map(|persistence| persistence.timeout.as_secs()),
            reasons,
        )
    };
    assert_eq!(timeout("10.0.0.1 80", ""), (None, vec![]));
    assert_eq!(timeout("10.0.0.1 80", "persistence_timeout"), (Some(360), vec![]));
    assert_eq!(
        timeout("10.0.0.1 80", "persistence_granularity 255.0.0.0"),
        (Some(360), vec![])
    );
    assert_eq!(
        timeout("10.0.0.1", ""),
        (Some(360), lvs([LvsReason::PortNeedsPersistence]))
    );
    assert_eq!(timeout("10.0.0.1", "persistence_timeout 7"), (Some(7), vec![]));
    let (server, _) = server(
        "2001:db8::1 80",
        &format!("{USUAL}persistence_timeout\nreal_server 2001:db8::2 80 {{\n}}"),
    );
    assert_eq!(
        server.persistence.unwrap().granularity,
        Granularity::PrefixLen(128)
    );
}

#[test]
fn a_prefix_length_for_a_netmask_is_taken_and_noted() {
    let (server, reasons) = server(
        "10.0.0.1 80",
        &format!("{USUAL}persistence_granularity 24\n{SERVER}"),
    );
    let netmask = Ipv4Addr::new(0, 0, 0, 24);
    assert_eq!(
        server.persistence.unwrap().granularity,
        Granularity::Netmask(netmask)
    );
    assert_eq!(
        reasons,
        lvs([LvsReason::NetmaskExpected {
            got: "24".to_owned(),
            netmask
        }])
    );
    assert_eq!(reasons[0].help().unwrap(), "did you mean 255.255.255.0?");
}

#[test]
fn flags_of_the_wrong_scheduler_have_no_effect() {
    for body in [
        "sh-port\nlvs_sched sh",
        "lvs_sched mh\nsh-port",
        "lvs_sched rr\nmh-fallback",
        "hashed\nlvs_sched sh",
    ] {
        let (server, reasons) = server(
            "10.0.0.1 80",
            &format!("protocol TCP\n{body}\nlvs_method NAT\n{SERVER}"),
        );
        assert_eq!(server.flags, SchedulerFlags::default(), "{body}");
        assert_eq!(reasons.len(), 1, "{body}");
    }
}

#[test]
fn what_needs_an_address_or_udp_is_switched_off_without() {
    let (marked, reasons) = server("fwmark 1", &format!("{USUAL}ops\nha_suspend\n{SERVER}"));
    assert!(marked.one_packet && !marked.ha_suspend);
    assert_eq!(
        reasons,
        lvs([LvsReason::ProtocolOfFwmark, LvsReason::HaSuspendOfFwmark])
    );
    let (tcp, reasons) = server("10.0.0.1 80", &format!("{USUAL}ops\n{SERVER}"));
    assert!(!tcp.one_packet);
    assert_eq!(reasons, lvs([LvsReason::OpsNeedsUdp]));
}

#[test]
fn what_comes_too_early_for_the_sorry_server_is_ignored() {
    let body = format!(
        "{USUAL}sorry_server_inhibit\nsorry_server_lvs_method DR\nsorry_server 10.0.0.9 80\n{SERVER}"
    );
    let (server, reasons) = server("10.0.0.1 80", &body);
    let sorry = server.sorry_server.unwrap();
    assert_eq!((sorry.inhibit, sorry.forwarding), (false, Forwarding::Nat));
    assert!(matches!(
        &reasons[..],
        [Reason::Lvs(LvsReason::NoSorryServerYet { .. }), _]
    ));
}

#[test]
fn every_scheduler_has_the_name_it_is_written_with() {
    for (name, scheduler) in Scheduler::ALL {
        assert_eq!(scheduler.name(), name);
        let (server, _) = server(
            "10.0.0.1 80",
            &format!("protocol TCP\nlb_algo {name}\nlb_kind NAT\n{SERVER}"),
        );
        assert_eq!(server.scheduler, scheduler);
    }
}
