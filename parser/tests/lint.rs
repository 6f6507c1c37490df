//! Every lint finds what it is for, and nothing in a pair of files that fit.
#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

use parser::source::Memory;
use parser::{Options, Reading, lint};

fn read(text: &str) -> Reading {
    let host = Memory::new([("/k.conf", text)]);
    parser::read(&host, &["k.conf"], &Options::default())
}

/// An instance with more lines in it.
fn instance(name: &str, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n10.0.0.9\n}}\n{lines}\n}}\n"
    )
}

/// A script with this timing, tracked with this weight.
fn scripted(script: &str, lines: &str, weight: &str) -> String {
    let track = format!("{lines}\ntrack_script {{\nchk {weight}\n}}");
    format!(
        "vrrp_script chk {{\nscript /bin/true\n{script}\n}}\n{}",
        instance("V", &track)
    )
}

/// `LINE: NAME` of each finding.
fn findings(own: &str, other: Option<&str>) -> Vec<String> {
    let other = other.map(read);
    let report = lint(&read(own), other.as_ref());
    let finding = |mistake: &parser::report::Mistake| {
        let message = mistake.reason.to_string();
        let name = message
            .rsplit_once('[')
            .unwrap()
            .1
            .trim_end_matches(']')
            .to_owned();
        format!("{}: {name}", mistake.place.line)
    };
    report.mistakes.iter().map(finding).collect()
}

#[test]
fn each_lint_of_one_file_finds_its_line() {
    let unicast = |lines: &str| {
        instance(
            "V",
            &format!("unicast_src_ip 10.0.0.1\nunicast_peer {{\n10.0.0.2\n}}\n{lines}"),
        )
    };
    let cases: [(String, &[&str]); 12] = [
        (
            scripted("interval 2\ntimeout 3", "", ""),
            &["4: interval-shorter-than-timeout"],
        ),
        (scripted("interval 2\ntimeout 2", "", ""), &[]),
        (
            scripted("interval 9\ntimeout 9", "", ""),
            &["4: script-slower-than-takeover"],
        ),
        (unicast(""), &["8: unicast-from-anyone"]),
        (unicast("check_unicast_src"), &[]),
        (
            unicast("check_unicast_src\nunicast_peer {\n10.0.0.1\n}"),
            &["13: peer-is-self"],
        ),
        (
            instance("V", "") + &instance("W", "mcast_dst_ip 224.0.0.99"),
            &["11: vrid-shared", "12: address-twice"],
        ),
        (
            instance("V", "") + &instance("W", "").replace("eth0", "eth1"),
            &[],
        ),
        (
            scripted("", "priority 254", "weight 5"),
            &["13: weight-without-effect"],
        ),
        (
            scripted("", "priority 1", "weight -5"),
            &["13: weight-without-effect"],
        ),
        (scripted("", "priority 100", "weight 5"), &[]),
        (scripted("", "priority 254", "weight -5"), &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(&text, None), expected, "{text}");
    }
}

#[test]
fn each_lint_of_two_files_finds_its_line() {
    let own = instance("V", "version 2\npriority 100\nstate BACKUP\nadvert_int 1");
    let fits = own.replace("priority 100", "priority 90");
    assert_eq!(findings(&own, Some(&fits)), Vec::<String>::new());
    for (from, to, expected) in [
        ("virtual_router_id 51", "virtual_router_id 52", "3: vrid-mismatch"),
        ("version 2", "version 3", "7: version-mismatch"),
        ("advert_int 1", "advert_int 2", "10: advert-interval-mismatch"),
        ("10.0.0.9", "10.0.0.8", "4: addresses-mismatch"),
        ("priority 90", "priority 100", "8: equal-priorities"),
        (
            "state BACKUP",
            "authentication {\nauth_type PASS\nauth_pass x\n}",
            "1: authentication-mismatch",
        ),
        (
            "state BACKUP",
            "unicast_peer {\n10.0.0.1\n}",
            "1: unicast-mismatch",
        ),
    ] {
        assert_eq!(findings(&own, Some(&fits.replace(from, to))), [expected], "{to}");
    }
    let master = |text: &str| text.replace("BACKUP", "MASTER");
    assert_eq!(findings(&master(&own), Some(&fits)), Vec::<String>::new());
    assert_eq!(findings(&master(&own), Some(&master(&fits))), ["9: both-master"]);

    let peer = |from: &str, to: &str, priority: &str| {
        instance(
            "V",
            &format!(
                "priority {priority}\ncheck_unicast_src\nunicast_src_ip {from}\nunicast_peer {{\n{to}\n}}"
            ),
        )
    };
    let (own, fits) = (
        peer("10.0.0.1", "10.0.0.2", "100"),
        peer("10.0.0.2", "10.0.0.1", "90"),
    );
    assert_eq!(findings(&own, Some(&fits)), Vec::<String>::new());
    assert_eq!(
        findings(&own, Some(&fits.replace("src_ip 10.0.0.2", "src_ip 10.0.0.3"))),
        ["10: not-a-peer"]
    );
}

#[test]
fn a_weight_must_reach_the_other_node() {
    let own = scripted("", "priority 150", "weight -20");
    let other = |lines: &str| instance("V", lines);
    assert_eq!(
        findings(&own, Some(&other("priority 100"))),
        ["13: weight-without-effect"]
    );
    assert_eq!(findings(&own, Some(&other("priority 140"))), Vec::<String>::new());
    // The other node's own weights count.
    let lifted = scripted("", "priority 100", "weight 40");
    assert_eq!(findings(&own, Some(&lifted)), Vec::<String>::new());
}

#[test]
fn the_shipped_pair_is_clean() {
    let one = include_str!("../../conf-examples/pair/node1.conf");
    let two = include_str!("../../conf-examples/pair/node2.conf");
    assert_eq!(findings(one, Some(two)), Vec::<String>::new());
    assert_eq!(findings(two, Some(one)), Vec::<String>::new());
}

#[test]
fn what_the_reading_mends_has_the_name_of_a_lint() {
    let lines = "state MASTER\npriority 100\nnopreempt\nadvert_int 0.5\ncheck_unicast_src\n\
        authentication {\nauth_type PASS\nauth_pass 123456789\n}";
    let reading = read(&instance("V", lines));
    let told = reading.report.mistakes.len();
    let report = parser::named(reading.report);
    let messages: Vec<String> = report
        .mistakes
        .iter()
        .map(|mistake| mistake.reason.to_string())
        .collect();
    for name in [
        "nopreempt-ignored",
        "advert-int-rounded",
        "unicast-without-peers",
        "value-truncated",
    ] {
        let name = format!("[{name}]");
        assert_eq!(
            messages.iter().filter(|message| message.ends_with(&name)).count(),
            1,
            "{messages:?}"
        );
    }
    assert_eq!(messages.len(), told);
}
