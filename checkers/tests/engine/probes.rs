//! Every kind of checker opposite servers that behave, and servers that drip, flood, lie and hang.

use std::time::Duration;

use checkers::{Action, Engine, Event, Failure, Instant, Opening, ScriptOutcome, Transport};
use proptest::prelude::*;

use crate::lab::{Lab, Peer, Say, Talk, config, ms, say, seconds, web};

/// What one check of one server gives: the last line of the log, or nothing if it has not ended.
fn verdict(body: &str, talk: Talk) -> String {
    let mut lab = Lab::new(&web("", &[body]));
    lab.peer(2, Peer::Talk(talk));
    lab.take_log();
    lab.run_for(seconds(9));
    let log = lab.take_log();
    let line = log.first().cloned().unwrap_or_default();
    assert_eq!(lab.conversations(), 0, "{line}");
    line
}

const GOOD: &str = "Remote Web server [10.0.0.2]:tcp:80 succeed on service.";

fn bad(what: &str, reason: &str) -> String {
    format!("{what}_CHECK on service [10.0.0.2]:tcp:80 failed. ({reason})")
}

fn http(url: &str) -> String {
    format!("HTTP_GET {{\n connect_timeout 1\n url {{\n path /\n {url}\n }}\n }}")
}

#[test]
fn a_page_is_judged_by_status_digest_and_expression() {
    fn page(heard: &[u8]) -> Vec<Say> {
        match heard {
            b"" => vec![],
            _ => vec![say("HTTP/1.1 203 Ok\r\n\r\nhel"), say("lo"), Say::Close],
        }
    }
    let table = [
        ("", GOOD.to_owned()),
        ("status_code 200", bad("HTTP", "HTTP status code 203")),
        ("status_code 200 202-204", GOOD.to_owned()),
        ("digest 5d41402abc4b2a76b9719d911017c592", GOOD.to_owned()),
        (
            "digest 5d41402abc4b2a76b9719d911017c593",
            bad("HTTP", "MD5 digest 5d41402abc4b2a76b9719d911017c592"),
        ),
        ("regex \"^hello$\"", GOOD.to_owned()),
        ("regex \"^ello\"", bad("HTTP", "regex match failed")),
        (
            "regex \"hello\"\n regex_no_match",
            bad("HTTP", "regex match failed"),
        ),
        ("regex \"HELLO\"\n regex_no_match", GOOD.to_owned()),
        ("regex \"HELLO\"\n regex_options caseless", GOOD.to_owned()),
        (
            "regex \"l\"\n regex_min_offset 4",
            bad("HTTP", "regex match failed"),
        ),
        ("regex \"l\"\n regex_min_offset 3", GOOD.to_owned()),
    ];
    for (url, expected) in table {
        assert_eq!(verdict(&http(url), page), expected, "{url}");
    }
}

#[test]
fn a_request_says_what_keepalived_says() {
    let table = [
        (
            "",
            "",
            "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.2:80\r\n\r\n",
        ),
        (
            "http_protocol 1.0C",
            "",
            "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 10.0.0.2:80\r\n\r\n",
        ),
        (
            "http_protocol 1.1\n virtualhost a.example",
            "",
            "GET / HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: a.example\r\n\r\n",
        ),
        (
            "virtualhost a.example",
            "virtualhost b.example",
            "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: b.example\r\n\r\n",
        ),
    ];
    for (checker, url, request) in table {
        let body = http(url).replace("connect_timeout", &format!("{checker}\n connect_timeout"));
        let mut lab = Lab::new(&web("", &[&body]));
        lab.run_for(ms(1500));
        assert_eq!(String::from_utf8_lossy(&lab.sent[0]), request);
    }
}

#[test]
fn tls_is_asked_for_with_name_and_farewell() {
    let body = http("tls_compliant").replace("HTTP_GET {", "SSL_GET {\n sni_name a.example");
    let mut lab = Lab::new(&web("", &[&body]));
    lab.peer(
        2,
        Peer::Unreachable(Failure::Tls("alert: handshake_failure".to_owned())),
    );
    lab.run_for(ms(1500));
    let Opening { transport, .. } = &lab.opened[0].1;
    assert_eq!(
        *transport,
        Transport::Tls {
            server_name: Some("a.example".into()),
            close_notify: true
        }
    );
    assert!(lab.take_log().contains(&bad("SSL", "alert: handshake_failure")));
}

#[test]
fn pages_that_are_none_end_in_time() {
    let table: [(Talk, &str); 7] = [
        (|_| vec![], "read timeout"),
        (|_| vec![Say::Close], "no data received"),
        (
            |_| vec![say("HTTP/1.1 200 Ok\r\nA: b"), Say::Close],
            "no HTTP status code",
        ),
        (
            |_| vec![say("\0\u{1}\u{2}\r\n\r\n"), Say::Close],
            "no HTTP status code",
        ),
        (|_| vec![say("HTTP/1.1 200 Ok\r\n\r\nhello")], "read timeout"),
        (
            |_| {
                vec![
                    say("HTTP/1.1 200 Ok\r\n\r\nhello"),
                    Say::Fail(Failure::Network(104)),
                ]
            },
            "Connection reset by peer (os error 104)",
        ),
        (
            |heard| match heard {
                b"" => vec![],
                _ => vec![Say::Bytes(vec![b'x'; 100_000])],
            },
            "the head of the page does not end",
        ),
    ];
    for (talk, reason) in table {
        assert_eq!(verdict(&http(""), talk), bad("HTTP", reason));
    }
}

#[test]
fn a_wrong_length_is_only_told() {
    let mut lab = Lab::new(&web("", &[&http("")]));
    lab.peer(
        2,
        Peer::Talk(|heard| match heard {
            b"" => vec![],
            _ => vec![
                say("HTTP/1.1 200 Ok\r\nContent-Length: 9\r\n\r\nhello"),
                Say::Close,
            ],
        }),
    );
    lab.run_for(seconds(2));
    assert_eq!(
        lab.take_log(),
        [
            "http_check for RS [10.0.0.2]:tcp:80 VS [10.0.0.1]:tcp:80 url /: content_length (9) does not match \
             received bytes (5)",
            GOOD
        ]
    );
}

#[test]
fn a_drip_ends() {
    fn drip(_: &[u8]) -> Vec<Say> {
        let head = say("HTTP/1.1 200 Ok\r\n\r\n");
        let drops = (1..1000).map(|n| Say::Later(ms(n * 500), b"x".to_vec()));
        std::iter::once(head).chain(drops).collect()
    }
    let mut lab = Lab::new(&web("", &[&http("")]));
    lab.peer(2, Peer::Talk(drip));
    lab.run_for(seconds(10));
    assert_eq!(lab.pool(), [(2, 1)]);
    lab.run_for(seconds(1)); // delay_loop, the longer of the two limits
    assert!(lab.pool().is_empty());
    assert!(lab.take_log().contains(&bad("HTTP", "the answer takes too long")));
}

#[test]
fn a_flood_ends() {
    let text = web(
        "",
        &[&http(
            "regex \"(?s)never.*found\"\n digest 5d41402abc4b2a76b9719d911017c592",
        )],
    );
    let now = Instant::default() + seconds(1);
    let mut engine = Engine::new(std::sync::Arc::new(config(&text)), "", 0, Instant::default());
    engine.handle_timeout(now);
    let conversation = std::iter::from_fn(|| engine.next_action())
        .find_map(|action| match action {
            Action::Open(opening) => Some(opening.conversation),
            _ => None,
        })
        .unwrap();
    engine.handle(Event::Opened(conversation), now);
    let mut bytes = b"HTTP/1.0 200 Ok\r\n\r\n".to_vec();
    bytes.resize(1 << 20, b'.');
    let mut taken = 0;
    loop {
        engine.handle(
            Event::Received {
                conversation,
                bytes: &bytes,
            },
            now,
        );
        taken += 1;
        bytes.fill(b'.');
        if std::iter::from_fn(|| engine.next_action()).any(|action| action == Action::Close(conversation)) {
            break;
        }
    }
    assert_eq!(taken, 65, "64 MiB are too much");
}

#[test]
fn urls_take_turns_and_all_must_be_good() {
    fn only(bad: u8, heard: &[u8]) -> Vec<Say> {
        match heard.get(5) {
            None => vec![],
            Some(path) if *path == bad => vec![say("HTTP/1.0 500 x\r\n\r\n"), Say::Close],
            Some(_) => vec![say("HTTP/1.0 200 x\r\n\r\n"), Say::Close],
        }
    }

    let body = "HTTP_GET {\n retry 0\n url {\n path /a\n }\n url {\n path /b\n }\n url {\n path /c\n }\n }";
    let asked = |lab: &mut Lab| -> String {
        let sent = std::mem::take(&mut lab.sent);
        sent.iter().map(|request| char::from(request[5])).collect()
    };
    let good = Peer::Talk(|heard| only(b'-', heard));
    let mut lab = Lab::new(&web("", &[body]));
    lab.peer(2, good.clone());
    lab.run_for(seconds(45));
    assert_eq!(asked(&mut lab), "abcab");
    assert_eq!(lab.take_log().len(), 1, "one line when all three were good");
    lab.peer(2, Peer::Talk(|heard| only(b'b', heard)));
    lab.run_for(seconds(60));
    assert_eq!(asked(&mut lab), "cabbbb", "the bad one alone");
    assert!(lab.pool().is_empty());
    lab.peer(2, good.clone());
    lab.run_for(seconds(40));
    assert_eq!(asked(&mut lab), "babc", "then all from the first");
    let log = lab.take_log();
    let told: Vec<_> = log.iter().filter(|line| line.contains("success to")).collect();
    assert_eq!(told.len(), 4);
    assert_eq!(told[0], "HTTP status code success to [10.0.0.2]:tcp:80 url(/b)");
    assert_eq!(lab.pool(), [(2, 1)]);

    let fast = body.replace("retry 0", "retry 0\n fast_recovery\n alpha");
    let mut lab = Lab::new(&web("", &[&fast]));
    lab.peer(2, good);
    lab.run_for(ms(1100));
    assert_eq!(lab.pool(), [(2, 1)]);
    assert_eq!(asked(&mut lab), "abc");
}

#[test]
fn an_expression_that_cannot_be_compiled_is_left_out() {
    let mut lab = Lab::resume(&web("", &[&http("regex \"(?P>nowhere)\"")]), "");
    assert!(lab.take_log()[0].starts_with("Invalid regex: '(?P>nowhere)': "));
    lab.peer(
        2,
        Peer::Talk(|heard| match heard {
            b"" => vec![],
            _ => vec![say("HTTP/1.0 200 x\r\n\r\n"), Say::Close],
        }),
    );
    lab.run_for(seconds(2));
    assert!(lab.take_log().contains(&GOOD.to_owned()));
}

const SMTP: &str = "SMTP_CHECK {\n connect_timeout 1\n helo_name me.example\n }";

#[test]
fn a_mail_server_greets() {
    let table: [(Talk, &str); 7] = [
        (
            |heard| match heard {
                b"" => vec![say("220 hi\r\n")],
                b"HELO me.example\r\n" => vec![say("250 well met\r\n")],
                b"QUIT\r\n" => vec![say("221 bye\r\n")],
                _ => vec![Say::Close],
            },
            "Remote SMTP server [10.0.0.2]:tcp:80 succeed on service.",
        ),
        (
            |heard| match heard {
                b"" => vec![say("220-hi\r\n22"), say("0-there\r"), say("\n220\r\n")],
                b"HELO me.example\r\n" => vec![say("250-one\n250 two\n")],
                _ => vec![say("500 what?\n")],
            },
            "Remote SMTP server [10.0.0.2]:tcp:80 succeed on service.",
        ),
        (
            |_| vec![say("554 go away\r\n")],
            "SMTP_CHECK Bad greeting banner from server [10.0.0.2]:tcp:80",
        ),
        (
            |_| vec![say("2200\r\n")],
            "SMTP_CHECK Bad greeting banner from server [10.0.0.2]:tcp:80",
        ),
        (
            |heard| match heard {
                b"" => vec![say("220 hi\r\n")],
                _ => vec![say("501 who?\r\n")],
            },
            "SMTP_CHECK Bad HELO response from server [10.0.0.2]:tcp:80",
        ),
        (
            |_| vec![Say::Bytes(vec![b'2'; 3000])],
            "SMTP_CHECK the reply does not end from server [10.0.0.2]:tcp:80",
        ),
        (
            |_| vec![say("220 h"), Say::Close],
            "SMTP_CHECK connection closed from server [10.0.0.2]:tcp:80",
        ),
    ];
    for (talk, expected) in table {
        assert_eq!(verdict(SMTP, talk), expected);
    }
    assert_eq!(
        verdict(SMTP, |_| vec![Say::Bytes(b"220-x\n".repeat(20_000))]),
        "SMTP_CHECK the reply does not end from server [10.0.0.2]:tcp:80"
    );
}

/// The answer that a question asks for: its header with other flags.
fn answer(question: &[u8], flags: [u8; 2]) -> Vec<Say> {
    let Some(id) = question.get(..2) else {
        return vec![];
    };
    vec![Say::Bytes([id, &flags, &[0, 1, 0, 0, 0, 0, 0, 0]].concat())]
}

#[test]
fn a_name_server_answers() {
    let dns = "DNS_CHECK {\n connect_timeout 1\n }";
    let table: [(Talk, &str); 5] = [
        (
            |heard| answer(heard, [0x84, 0]),
            "DNS_CHECK ([10.0.0.2]:tcp:80) succeeded",
        ),
        (
            |heard| answer(heard, [0x84, 2]),
            "DNS_CHECK ([10.0.0.2]:tcp:80) read error occurred. (rcode = 2)",
        ),
        (
            |heard| answer(heard, [0x04, 0]),
            "DNS_CHECK ([10.0.0.2]:tcp:80) read timeout",
        ),
        (
            |_| answer(b"\0\0", [0x84, 0]),
            "DNS_CHECK ([10.0.0.2]:tcp:80) read timeout",
        ),
        (
            |heard| [vec![say("x")], answer(b"??", [0x84, 2]), answer(heard, [0x84, 0])].concat(),
            "DNS_CHECK ([10.0.0.2]:tcp:80) succeeded",
        ),
    ];
    for (talk, expected) in table {
        assert_eq!(verdict(dns, talk), expected);
    }
}

#[test]
fn a_question_is_put_as_rfc_1035_wants_it() {
    let types = [
        ("", 6),
        ("type A", 1),
        ("type NS", 2),
        ("type CNAME", 5),
        ("type MX", 15),
        ("type TXT", 16),
        ("type AAAA", 28),
        ("type RRSIG", 46),
        ("type DNSKEY", 48),
    ];
    for (kind, number) in types {
        let mut lab = Lab::new(&web(
            "",
            &[&format!("DNS_CHECK {{\n {kind}\n name www.a.example.\n }}")],
        ));
        lab.run_for(ms(1500));
        let expected = [
            b"\x01\0\0\x01\0\0\0\0\0\0\x03www\x01a\x07example\0\0".as_slice(),
            &[number, 0, 1],
        ]
        .concat();
        assert_eq!(lab.sent[0][2..], expected, "{kind}");
        assert_eq!(lab.opened[0].1.transport, Transport::Udp);
    }
    let mut lab = Lab::new(&web("", &["DNS_CHECK {\n }"]));
    lab.run_for(ms(1500));
    assert_eq!(lab.sent[0][2..], *b"\x01\0\0\x01\0\0\0\0\0\0\0\0\x06\0\x01");
}

#[test]
fn a_datagram_is_not_refused_or_answered() {
    let good = "UDP connection to [10.0.0.2]:tcp:80 success.".to_owned();
    let table: [(&str, Talk, String); 10] = [
        ("", |_| vec![], good.clone()),
        ("", |_| vec![say("x")], good.clone()),
        (
            "",
            |_| vec![Say::Fail(Failure::Network(111))],
            bad("UDP", "Connection refused (os error 111)"),
        ),
        ("require_reply", |_| vec![], bad("UDP", "read timeout")),
        ("require_reply", |_| vec![say("x")], good.clone()),
        (
            "require_reply\n min_reply_length 5",
            |_| vec![say("x")],
            good.clone(),
        ),
        ("require_reply 6X 62", |_| vec![say("abc")], good.clone()),
        ("require_reply 6162", |_| vec![say("a")], good),
        (
            "require_reply 6163",
            |_| vec![say("abc")],
            bad("UDP", "reply data mismatch"),
        ),
        (
            "require_reply 61\n max_reply_length 2",
            |_| vec![say("abc")],
            bad("UDP", "reply of 3 bytes"),
        ),
    ];
    for (lines, talk, expected) in table {
        let body = format!("UDP_CHECK {{\n connect_timeout 1\n {lines}\n }}");
        assert_eq!(verdict(&body, talk), expected, "{lines}");
    }
    let mut lab = Lab::new(&web(
        "",
        &["UDP_CHECK {\n payload 0102 ff\n }", "UDP_CHECK {\n }"],
    ));
    lab.run_for(ms(1500));
    assert_eq!(lab.sent[0], [1, 2, 255]);
    assert_eq!(lab.sent[1].len(), 32);
}

#[test]
fn an_echo_comes_back() {
    fn echo(heard: &[u8], kind: u8, sequence: u8) -> Vec<Say> {
        let mut back = heard.to_vec();
        if back.is_empty() {
            return vec![];
        }
        back[0] = kind;
        back[7] ^= sequence;
        vec![Say::Bytes(back)]
    }

    let ping = "PING_CHECK {\n connect_timeout 1\n }";
    let down = "ICMP CHECK on service [10.0.0.2]:tcp:80 failed. (read timeout)";
    let table: [(Talk, &str); 4] = [
        (
            |heard| echo(heard, 0, 0),
            "ICMP connection to [10.0.0.2]:tcp:80 success.",
        ),
        (|heard| echo(heard, 0, 1), down),
        (|heard| echo(heard, 8, 0), down),
        (|_| vec![say("x")], down),
    ];
    for (talk, expected) in table {
        assert_eq!(verdict(ping, talk), expected);
    }
    let mut lab = Lab::new(&web("", &["PING_CHECK {\n connect_ip 2001:db8::1\n }"]));
    lab.run_for(ms(1500));
    assert_eq!(lab.sent[0][0], 128);
    assert_eq!(lab.opened[0].1.transport, Transport::Icmp);
}

#[test]
fn a_program_says_how_it_is() {
    let table = [
        ("", ScriptOutcome::Exited(0), "succeeded"),
        ("", ScriptOutcome::Exited(3), "failed (exited with status 3)"),
        ("", ScriptOutcome::Signalled(9), "failed (due to signal 9)"),
        ("", ScriptOutcome::TimedOut, "timed out"),
        (
            "misc_dynamic",
            ScriptOutcome::Exited(1),
            "failed (exited with status 1)",
        ),
        ("misc_dynamic", ScriptOutcome::Exited(2), "succeeded"),
    ];
    for (lines, outcome, expected) in table {
        let mut lab = Lab::new(&web(
            "",
            &[&format!("MISC_CHECK {{\n misc_path /usr/bin/chk\n {lines}\n }}")],
        ));
        lab.scripts.insert("/usr/bin/chk".to_owned(), outcome);
        lab.run_for(seconds(2));
        assert_eq!(
            lab.take_log()[0],
            format!("Misc check for [[10.0.0.2]:tcp:80 VS [10.0.0.1]:tcp:80] by [/usr/bin/chk] {expected}.")
        );
    }
}

#[test]
fn a_program_runs_from_start_to_start() {
    let mut lab = Lab::new(&web("", &["MISC_CHECK {\n misc_path /usr/bin/chk\n }"]));
    lab.scripts
        .insert("/usr/bin/chk".to_owned(), ScriptOutcome::Exited(0));
    lab.run_for(seconds(45));
    let runs: Vec<Duration> = lab.runs.iter().map(|at| at.since(Instant::default())).collect();
    assert_eq!(runs, [1, 11, 21, 31, 41].map(seconds));
}

proptest! {
    #[test]
    fn no_bytes_confuse_a_probe(
        kind in 0_usize..6,
        pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..6),
        ends in any::<bool>(),
    ) {
        let bodies = [
            http("regex \"(a|b)*c\"\n digest 5d41402abc4b2a76b9719d911017c592"),
            SMTP.to_owned(),
            "DNS_CHECK {\n }".to_owned(),
            "UDP_CHECK {\n require_reply 6X\n }".to_owned(),
            "PING_CHECK {\n }".to_owned(),
            "TCP_CHECK {\n }".to_owned(),
        ];
        let text = web("", &[&bodies[kind]]);
        let now = Instant::default() + seconds(1);
        let mut engine = Engine::new(std::sync::Arc::new(config(&text)), "", 0, Instant::default());
        engine.handle_timeout(now);
        let opened = std::iter::from_fn(|| engine.next_action()).find_map(|action| match action {
            Action::Open(opening) => Some(opening.conversation),
            _ => None,
        });
        let conversation = opened.unwrap();
        engine.handle(Event::Opened(conversation), now);
        for bytes in &pieces {
            engine.handle(Event::Received { conversation, bytes }, now);
        }
        if ends {
            engine.handle(Event::Closed(conversation), now);
        }
        engine.handle_timeout(now + seconds(3600));
        prop_assert!(engine.next_deadline().is_some());
    }
}
