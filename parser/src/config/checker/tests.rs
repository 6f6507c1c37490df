//! What checkers become.

use std::time::Duration;

use super::*;
use crate::config::RealServer;
use crate::report::{LvsReason, Reason};

/// The first real server of a text and what is said about the text.
fn read(text: &str) -> (RealServer, Vec<Reason>) {
    let reading = crate::parse_text(&crate::Machine, text);
    let reasons = reading
        .report
        .mistakes
        .into_iter()
        .map(|mistake| mistake.reason)
        .collect();
    let mut servers = reading.config.virtual_servers;
    assert_eq!(servers.len(), 1, "{reasons:?}");
    (servers.remove(0).real_servers.remove(0), reasons)
}

/// The checkers of a real server with these lines, in a virtual server with these.
fn checkers(outer: &str, body: &str) -> (Box<[Checker]>, Vec<Reason>) {
    let (server, reasons) = read(&format!(
        "virtual_server 10.0.0.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n{outer}\n\
         real_server 10.0.0.2 81 {{\n{body}\n}}\n}}\n"
    ));
    (server.checkers, reasons)
}

/// The only checker of a real server with this block.
fn checker(body: &str) -> (Checker, Vec<Reason>) {
    let (checkers, reasons) = checkers("", body);
    let [checker] = &checkers[..] else {
        panic!("{reasons:?}")
    };
    (checker.clone(), reasons)
}

fn url(body: &str) -> (Url, Vec<Reason>) {
    let (checker, reasons) = checker(&format!("HTTP_GET {{\nurl {{\npath /\n{body}\n}}\n}}"));
    let Probe::Http(http) = checker.probe else {
        panic!("no HTTP_GET")
    };
    (http.urls[0].clone(), reasons)
}

fn udp(body: &str) -> (Udp, Vec<Reason>) {
    let (checker, reasons) = checker(&format!("UDP_CHECK {{\n{body}\n}}"));
    let Probe::Udp(udp) = checker.probe else {
        panic!("no UDP_CHECK")
    };
    (*udp, reasons)
}

fn dns(body: &str) -> (Dns, Vec<Reason>) {
    let (checker, reasons) = checker(&format!("DNS_CHECK {{\n{body}\n}}"));
    let Probe::Dns(dns) = checker.probe else {
        panic!("no DNS_CHECK")
    };
    (*dns, reasons)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every kind with the least that it needs.
const KINDS: [(&str, &str, u32, Option<u64>); 8] = [
    ("TCP_CHECK", "", 1, Some(1)),
    ("PING_CHECK", "", 1, Some(1)),
    ("UDP_CHECK", "", 1, Some(1)),
    ("SMTP_CHECK", "", 1, Some(1)),
    ("HTTP_GET", "url {\npath /\n}", 1, Some(3)),
    ("SSL_GET", "url {\npath /\n}", 1, Some(3)),
    ("DNS_CHECK", "", 3, None),
    ("MISC_CHECK", "misc_path /x", 0, Some(1)),
];

#[test]
fn each_kind_has_its_own_pace() {
    for (keyword, body, retry, delay) in KINDS {
        let (checker, reasons) = checker(&format!("{keyword} {{\n{body}\n}}"));
        assert_eq!(reasons, [], "{keyword}");
        assert_eq!(checker.probe.keyword(), keyword);
        let timing = Timing {
            delay_loop: seconds(60),
            connect_timeout: seconds(5),
            retry,
            delay_before_retry: seconds(delay.unwrap_or(60)),
            warmup: seconds(60),
        };
        assert_eq!(*checker.timing, timing, "{keyword}");
        assert!(!checker.alpha && !checker.log_all_failures, "{keyword}");
    }
}

#[test]
fn the_pace_comes_from_the_nearest_that_says_it() {
    let outer = "delay_loop 7\nretry 9\nwarmup 2\nconnect_timeout 3\nalpha";
    for (keyword, body, ..) in KINDS {
        let block = |own: &str| format!("delay_loop 11\nconnect_timeout 4\n{keyword} {{\n{body}\n{own}\n}}");
        let (inherited, _) = checkers(outer, &block(""));
        let timing = &inherited[0].timing;
        assert_eq!(
            (timing.delay_loop, timing.retry, timing.warmup),
            (seconds(11), 9, seconds(2)),
            "{keyword}"
        );
        assert_eq!(timing.connect_timeout, seconds(4), "{keyword}");
        assert!(inherited[0].alpha, "{keyword}");
        let own = "delay_loop 13\nretry 0\nwarmup 0\ndelay_before_retry 0.5\nalpha off\nlog_all_failures";
        let (own, reasons) = checkers(outer, &block(own));
        let timing = &own[0].timing;
        assert_eq!(reasons, [], "{keyword}");
        assert_eq!(
            (timing.delay_loop, timing.retry, timing.warmup),
            (seconds(13), 0, Duration::ZERO),
            "{keyword}"
        );
        assert_eq!(timing.delay_before_retry, Duration::from_millis(500), "{keyword}");
        assert!(!own[0].alpha && own[0].log_all_failures, "{keyword}");
    }
    // DNS_CHECK waits its own delay_loop, whoever said it; so does the warmup.
    let (dns, _) = checkers("delay_loop 7", "DNS_CHECK {\ndelay_loop 13\n}");
    assert_eq!(
        (dns[0].timing.delay_before_retry, dns[0].timing.warmup),
        (seconds(13), seconds(13))
    );
}

#[test]
fn equal_timings_are_one() {
    let (checkers, _) = checkers(
        "",
        "TCP_CHECK {\n}\nPING_CHECK {\n}\nHTTP_GET {\nurl {\npath /\n}\n}\nSMTP_CHECK {\n}",
    );
    assert!(Arc::ptr_eq(&checkers[0].timing, &checkers[1].timing));
    assert!(Arc::ptr_eq(&checkers[0].timing, &checkers[3].timing));
}

#[test]
fn a_connection_goes_to_the_real_server_unless_it_says_otherwise() {
    let (plain, _) = checker("TCP_CHECK {\n}");
    let Probe::Tcp(connection) = plain.probe else {
        panic!("no TCP_CHECK")
    };
    assert_eq!(
        (connection.address, connection.port),
        ("10.0.0.2".parse().unwrap(), 81)
    );
    assert_eq!(connection.source, None);
    let (own, _) = checker(
        "TCP_CHECK {\nconnect_ip 2001:db8::5\nconnect_port 7\nbindto 2001:db8::6\nbind_port 8\nbind_if eth0\nfwmark 9\n}",
    );
    let Probe::Tcp(connection) = own.probe else {
        panic!("no TCP_CHECK")
    };
    assert_eq!(
        (connection.address, connection.port),
        ("2001:db8::5".parse().unwrap(), 7)
    );
    let source = connection.source.unwrap();
    assert_eq!(source.bindto, Some("2001:db8::6".parse().unwrap()));
    assert_eq!(
        (source.bind_port, source.bind_if.as_deref(), source.fwmark),
        (8, Some("eth0"), 9)
    );
}

#[test]
fn what_is_checked_is_the_port_that_was_written() {
    let port = |head: &str, method: &str, server: &str| {
        let protocol = if head.starts_with("fwmark") {
            ""
        } else {
            "protocol TCP"
        };
        let (server, reasons) = read(&format!(
            "virtual_server {head} {{\n{protocol}\nlvs_sched rr\nlvs_method {method}\n\
             real_server {server} {{\nTCP_CHECK {{\n}}\n}}\n}}"
        ));
        let Probe::Tcp(connection) = &server.checkers[0].probe else {
            panic!("no TCP_CHECK")
        };
        (connection.port, reasons.contains(&LvsReason::NoCheckPort.into()))
    };
    assert_eq!(port("10.0.0.1 80", "NAT", "10.0.0.2"), (80, false));
    assert_eq!(port("10.0.0.1 80", "DR", "10.0.0.2 81"), (81, false));
    assert_eq!(port("fwmark 1", "DR", "10.0.0.2 81"), (81, false));
    assert_eq!(port("fwmark 1", "NAT", "10.0.0.2"), (0, true));
}

#[test]
fn a_link_local_address_needs_an_interface() {
    let (none, reasons) = checkers("", "TCP_CHECK {\nconnect_ip fe80::1\n}");
    assert!(none.is_empty());
    assert!(matches!(&reasons[..], [Reason::Lvs(LvsReason::LinkLocal { .. })]));
    let (one, reasons) = checkers("", "TCP_CHECK {\nconnect_ip fe80::1\nbind_if eth0\n}");
    assert_eq!((one.len(), reasons), (1, vec![]));
}

#[test]
fn the_host_comes_from_the_nearest_virtualhost() {
    let hosts = |outer: &str, real: &str, own: &str, url: &str| {
        let body = format!("{real}\nSSL_GET {{\n{own}\nurl {{\npath /\n{url}\n}}\n}}");
        let (checkers, _) = checkers(outer, &body);
        let Probe::Http(http) = &checkers[0].probe else {
            panic!("no SSL_GET")
        };
        let url = &http.urls[0];
        (
            url.host.as_deref().map(str::to_owned),
            url.server_name.as_deref().map(str::to_owned),
        )
    };
    let both = |host: &str, name: &str| (Some(host.to_owned()), Some(name.to_owned()));
    let (vs, rs, ck, u) = (
        "virtualhost vs",
        "virtualhost rs",
        "virtualhost ck",
        "virtualhost url",
    );
    assert_eq!(hosts("", "", "", ""), (None, None));
    assert_eq!(hosts(vs, rs, "", ""), (Some("rs".to_owned()), None));
    assert_eq!(hosts(vs, "", "enable_sni", ""), both("vs", "vs"));
    // keepalived passes the real server over for the name in the handshake.
    assert_eq!(hosts(vs, rs, "enable_sni", ""), both("rs", "vs"));
    assert_eq!(hosts(vs, rs, &format!("enable_sni\n{ck}"), ""), both("ck", "ck"));
    assert_eq!(hosts(vs, rs, &format!("enable_sni\n{ck}"), u), both("url", "url"));
    assert_eq!(
        hosts(vs, rs, &format!("sni_name sni\n{ck}"), u),
        both("url", "sni")
    );
    assert_eq!(hosts("", "", "sni_name", u), both("url", "url"));
}

#[test]
fn http_settings_reach_the_model() {
    let (checker, reasons) = checker(
        "SSL_GET {\nhttp_protocol 1.0c\nfast_recovery\ntls_compliant\nurl {\npath /a\n}\nurl {\npath /b\ntls_compliant off\n}\n}",
    );
    assert_eq!(reasons, []);
    let Probe::Http(http) = checker.probe else {
        panic!("no SSL_GET")
    };
    assert_eq!(http.protocol, HttpProtocol::Http10Close);
    assert_eq!(http.tls, Some(Tls { sni: false }));
    assert!(http.fast_recovery);
    let urls: Vec<_> = http
        .urls
        .iter()
        .map(|url| (&*url.path, url.tls_compliant))
        .collect();
    assert_eq!(urls, [("/a", true), ("/b", false)]);
    assert!(Arc::ptr_eq(&http.urls[0].status, &http.urls[1].status));
    let (checker, reasons) = self::checker("HTTP_GET {\nnb_get_retry 4\nurl {\npath /\n}\n}");
    assert_eq!(checker.timing.retry, 4);
    assert!(matches!(&reasons[..], [Reason::Deprecated { .. }]));
}

#[test]
fn status_codes_add_up_and_digests_are_bytes() {
    let (plain, _) = url("");
    assert_eq!(*plain.status, [200..=299]);
    let (own, reasons) =
        url("status_code 200\nstatus_code 300-301 x 404\ndigest 9B3A0C85A887A256D6939DA88AABD8CD");
    assert_eq!(*own.status, [200..=200, 300..=301, 404..=404]);
    assert!(matches!(&reasons[..], [Reason::Lvs(LvsReason::NotAStatus { got })] if got == "x"));
    assert_eq!(own.digest.unwrap()[..4], [0x9b, 0x3a, 0x0c, 0x85]);
}

#[test]
fn an_expression_keeps_its_options_and_equal_ones_are_one() {
    let (checker, reasons) = checker(
        "HTTP_GET {\nurl {\npath /\nregex \"a b\\x41\\\\.\"\nregex_options dotall caseless\nregex_min_offset 5\n\
         regex_max_offset 9\nregex_stack 10 20\n}\nurl {\npath /\nregex 'a bA\\\\.'\nregex_options caseless\n\
         regex_options dotall caseless\nregex_no_match\n}\n}",
    );
    assert_eq!(reasons, []);
    let Probe::Http(http) = checker.probe else {
        panic!("no HTTP_GET")
    };
    let [first, second] = [0, 1].map(|index| http.urls[index].regex.clone().unwrap());
    assert_eq!(&*first.pattern.text, "a bA\\.");
    assert_eq!(
        *first.pattern.options,
        [RegexOption::Caseless, RegexOption::Dotall]
    );
    assert_eq!(
        (first.min_offset, first.max_offset, first.stack),
        (5, Some(9), Some((10, 20)))
    );
    assert!(!first.no_match && second.no_match);
    assert!(Arc::ptr_eq(&first.pattern, &second.pattern));
}

#[test]
fn a_bad_expression_is_noted_and_the_url_stays() {
    for body in ["regex (a", "regex a b", "regex", "regex_no_match"] {
        let (url, reasons) = url(body);
        assert_eq!(url.regex, None, "{body}");
        assert_eq!(reasons.len(), 1, "{body}: {reasons:?}");
        assert_eq!(reasons[0].class(), crate::report::Class::Note, "{body}");
    }
    for numbers in [
        "regex_min_offset 9\nregex_max_offset 9",
        "regex_max_offset x",
        "regex_stack 2 1",
        "regex_stack 2",
    ] {
        let (url, reasons) = url(&format!("regex a\n{numbers}"));
        let regex = url.regex.unwrap();
        assert_eq!(
            (regex.min_offset, regex.max_offset, regex.stack),
            (0, None, None),
            "{numbers}"
        );
        assert!(
            matches!(&reasons[..], [Reason::Lvs(LvsReason::BadOffsets { .. })]),
            "{numbers}: {reasons:?}"
        );
    }
    let (_, reasons) = url("regex a\nregex_options caselss");
    assert_eq!(reasons[0].help().unwrap(), "did you mean `caseless`?");
}

#[test]
fn each_mail_host_is_a_checker() {
    let (checkers, reasons) = checkers(
        "",
        "SMTP_CHECK {\nconnect_ip 10.0.0.5\nconnect_timeout 8\nretry 7\nhost {\nconnect_ip 10.0.0.6\n}\n\
         host {\nconnect_port 26\nretry 8\n}\nhelo_name me\n}",
    );
    assert_eq!(reasons, vec![Reason::Lvs(LvsReason::SmtpHost); 2]);
    let got: Vec<_> = checkers
        .iter()
        .map(|checker| {
            let Probe::Smtp(smtp) = &checker.probe else {
                panic!("no SMTP_CHECK")
            };
            assert_eq!(&*smtp.helo_name, "me");
            assert_eq!(checker.timing.connect_timeout, seconds(8));
            (
                smtp.connection.address.to_string(),
                smtp.connection.port,
                checker.timing.retry,
            )
        })
        .collect();
    let host = |address: &str, port, retry| (address.to_owned(), port, retry);
    assert_eq!(
        got,
        [
            host("10.0.0.5", 81, 7),
            host("10.0.0.6", 81, 7),
            host("10.0.0.2", 26, 8)
        ]
    );
    // A block that says nothing of its own connection is only its hosts.
    let (checkers, _) = self::checkers("", "SMTP_CHECK {\nhost {\nconnect_ip 10.0.0.6\n}\n}");
    assert_eq!(checkers.len(), 1);
    let Probe::Smtp(smtp) = &checkers[0].probe else {
        panic!("no SMTP_CHECK")
    };
    assert_eq!(&*smtp.helo_name, "smtpchecker.keepalived.org");
}

#[test]
fn questions_are_for_the_root_unless_they_say_otherwise() {
    let (plain, _) = dns("");
    assert_eq!((plain.kind, &*plain.name), (DnsType::Soa, ""));
    let (own, _) = dns("type aaaa\nname example.com.");
    assert_eq!((own.kind as u16, &*own.name), (28, "example.com"));
    for (name, good) in [
        (".", true),
        ("a.b", true),
        ("a..b", false),
        (".a", false),
        (&"a".repeat(63), true),
        (&"a".repeat(64), false),
        (&"abc.".repeat(63), true),
        (&"abc.".repeat(64), false),
    ] {
        let (_, reasons) = dns(&format!("name {name}"));
        assert_eq!(reasons.is_empty(), good, "{name}");
    }
}

#[test]
fn payloads_and_replies_are_free_form_hex() {
    let payload = |body: &str| udp(&format!("payload {body}")).0.payload.map(Vec::from);
    assert_eq!(
        payload("Ab12f 3 456 546443123"),
        Some(vec![0xab, 0x12, 0x0f, 3, 0x45, 6, 0x54, 0x64, 0x43, 0x12, 3])
    );
    assert_eq!(payload("\"ab cd\""), Some(vec![0xab, 0xcd]));
    assert_eq!(payload("abxd"), None);
    assert_eq!(
        udp("").0,
        Udp {
            reply: None,
            payload: None,
            ..udp("").0
        }
    );
    let reply = udp("require_reply abXd xF\nmin_reply_length 2\nmax_reply_length 77\nrequire_reply")
        .0
        .reply
        .unwrap();
    assert_eq!((reply.min_length, reply.max_length), (2, 77));
    let pattern = reply.pattern.unwrap();
    let fits = |bytes: [u8; 3]| {
        pattern
            .iter()
            .zip(bytes)
            .all(|(nibbles, byte)| nibbles.matches(byte))
    };
    assert!(fits([0xab, 0x7d, 0x3f]));
    assert!(!fits([0xab, 0x7d, 0x30]));
    assert!(!fits([0xab, 0x70, 0x3f]));
    let any = udp("require_reply").0.reply.unwrap();
    assert_eq!(
        any,
        UdpReply {
            pattern: None,
            min_length: 0,
            max_length: 255
        }
    );
}

#[test]
fn a_program_has_the_delay_loop_of_the_virtual_server_to_finish() {
    let misc = |own: &str| {
        let body = format!("delay_loop 11\nMISC_CHECK {{\nmisc_path \"/x a\" u\ndelay_loop 13\n{own}\n}}");
        let (checkers, reasons) = checkers("delay_loop 7", &body);
        assert_eq!(reasons, [], "{own}");
        let Probe::Misc(misc) = checkers[0].probe.clone() else {
            panic!("no MISC_CHECK")
        };
        misc
    };
    let plain = misc("");
    assert_eq!((plain.timeout, plain.dynamic), (seconds(7), false));
    assert_eq!(plain.script.words, ["/x", "a"]);
    assert_eq!(plain.script.run_as, None);
    assert_eq!(misc("misc_timeout 0").timeout, seconds(7));
    let own = misc("misc_timeout 4\nmisc_dynamic\nuser v :g");
    assert_eq!((own.timeout, own.dynamic), (seconds(4), true));
    assert_eq!(own.script.run_as.unwrap().user, "v");
}

#[test]
fn files_and_sessions_are_found_above() {
    let probes = |above: &str, body: &str, below: &str| {
        let (server, reasons) = read(&format!(
            "{above}\nvirtual_server 10.0.0.1 80 {{\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\n\
             real_server 10.0.0.2 80 {{\n{body}\n}}\n}}\n{below}\n"
        ));
        let lvs: Vec<_> = reasons
            .into_iter()
            .filter(|reason| matches!(reason, Reason::Lvs(_) | Reason::UnknownName { .. }))
            .collect();
        (
            server
                .checkers
                .iter()
                .map(|checker| checker.probe.clone())
                .collect::<Vec<_>>(),
            lvs,
        )
    };
    let file = "track_file f {\nfile /f\n}";
    let session = "bfd_instance b {\nneighbor_ip 10.0.0.2\n}";
    let follows_file = "FILE_CHECK {\ntrack_file f\n}";
    let follows_session = "BFD_CHECK {\nname b\n}";
    let (probes_of_file, reasons) = probes(file, follows_file, "");
    assert_eq!(reasons, []);
    let [Probe::File(found)] = &probes_of_file[..] else {
        panic!("no FILE_CHECK")
    };
    assert_eq!((&*found.track_file, found.weight, found.reverse), ("f", 1, false));
    let (own, _) = probes(
        file,
        "FILE_CHECK {\ntrack_file f\nweight -2147483647 reverse\n}",
        "",
    );
    assert!(matches!(&own[..], [Probe::File(file)] if (file.weight, file.reverse) == (-2_147_483_647, true)));
    let (followed, reasons) = probes(session, &format!("{follows_session}\n{follows_session}"), "");
    assert!(matches!(&followed[..], [Probe::Bfd(bfd)] if &*bfd.name == "b"));
    assert!(matches!(&reasons[..], [Reason::Lvs(LvsReason::BfdAgain { .. })]));
    for (body, below) in [(follows_file, file), (follows_session, session)] {
        let (none, reasons) = probes("", body, below);
        assert!(none.is_empty());
        assert!(
            matches!(&reasons[..], [Reason::Lvs(LvsReason::DefinedLater { .. })]),
            "{reasons:?}"
        );
        let (none, reasons) = probes("", body, "");
        assert!(none.is_empty());
        assert!(
            matches!(&reasons[..], [Reason::UnknownName { .. }]),
            "{reasons:?}"
        );
    }
}
