//! What holds for every file: reading ends, does not panic, and the flat text means what the files mean.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod common;

use std::fmt::Write;

use parser::source::{MAX_GENERATED_LINES, Memory};
use parser::{Options, Reading};
use proptest::prelude::*;

/// Pieces of the language, so that random sequences of them get past the first line.
const PIECES: &[&str] = &[
    "\n",
    "\n",
    "\n",
    " ",
    " ",
    "\t",
    "{",
    "}",
    " {\n",
    "\n}\n",
    "\"",
    "'",
    "\\",
    "\\\n",
    "#",
    "!",
    "\r\n",
    "\0",
    "é",
    "global_defs",
    "router_id",
    "notification_email",
    "vrrp_version",
    "script_user",
    "random_seed 5\n",
    "vrrp_script",
    "script",
    "interval",
    "weight",
    "vrrp_instance",
    "VI_1",
    "VI_2",
    "interface",
    "eth0",
    "virtual_router_id",
    "priority",
    "state",
    "MASTER",
    "advert_int",
    "virtual_ipaddress",
    "track_script",
    "authentication",
    "auth_type",
    "auth_pass",
    "unicast_peer",
    "10.0.0.1",
    "/24",
    "fe80::1",
    "dev",
    "brd",
    "+",
    "255",
    "0",
    "-1",
    "1.5",
    "99999999999999999999",
    "on",
    "off",
    "reverse",
    "$A",
    "${A}",
    "$B=",
    "$A=",
    "\n$A=",
    "\n$M=x \\\n",
    "${_HASH}",
    "${_BANG}",
    "${_ENV X}",
    "${_RANDOM 1 9}",
    "${_PWD}",
    "${_INSTANCE}",
    "\n~SEQ(i,3)",
    "\n~SEQ(A,2)",
    "\n~SEQx(i,9,11)",
    "\n~LST({x,y},{a,1},{b})",
    "${i}",
    "$x",
    "\n@host ",
    "\n@^host ",
    "\n@other ",
    "\ninclude k.conf\n",
    "\ninclude *.inc\n",
    "\ninclude a.inc\n",
    "include_check",
    "=",
    "(",
    ")",
    ",",
    "# 3 0 x\n",
    "# 7 1\n",
];

fn language() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..120).prop_map(|pieces| pieces.concat())
}

fn read(text: &[u8], included: &str) -> Reading {
    let mut host = Memory::new([("/a.inc", included), ("/b.inc", "priority 7\n")]);
    host.files.insert("/k.conf".into(), text.to_vec());
    host.env.insert("X".to_owned(), "a#b \"c\"\nd".to_owned());
    parser::read(&host, &["k.conf"], &Options::default())
}

/// Renders everything in every way, and reads the flat text again.
fn check(reading: &Reading) {
    let rendered = reading.report.render(&reading.sources, true);
    assert_eq!(rendered.is_empty(), reading.report.mistakes.is_empty());
    for mistake in &reading.report.mistakes {
        assert!(!mistake.one_line(&reading.sources).contains('\n'));
    }
    let json: serde_json::Value = serde_json::from_str(&reading.report.json(&reading.sources)).unwrap();
    assert!(json.as_array().unwrap().len() >= reading.report.mistakes.len());
    let again = parser::parse_text(&Memory::new([]), reading.tree.text());
    assert_eq!(again.config, reading.config, "{}", reading.tree.text());
    assert_eq!(again.tree.text(), reading.tree.text());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&read(&text, ""));
    }

    #[test]
    fn any_sequence_of_words_is_read(text in language(), included in language()) {
        check(&read(text.as_bytes(), &included));
    }

    #[test]
    fn any_text_between_processes_is_read(text in language()) {
        let reading = parser::parse_text(&Memory::new([]), &text);
        check(&reading);
    }

    #[test]
    fn places_point_into_the_files(text in language()) {
        let reading = read(text.as_bytes(), "");
        for mistake in reading.report.mistakes.iter().filter(|mistake| mistake.place.line > 0) {
            prop_assert!(reading.sources.line(mistake.place).is_some(), "{:?}", mistake);
        }
    }
}

fn mistakes(host: &Memory) -> Vec<String> {
    let reading = parser::read(host, &["k.conf"], &Options::default());
    let lines = reading
        .report
        .mistakes
        .iter()
        .map(|mistake| mistake.one_line(&reading.sources));
    lines.collect()
}

#[test]
fn files_that_include_one_another_end() {
    let host = Memory::new([
        ("/k.conf", "include l.conf\n"),
        ("/l.conf", "include m/../k.conf\ninclude k.conf\n"),
    ]);
    let mistakes = mistakes(&host);
    assert!(
        mistakes
            .iter()
            .any(|line| line == "l.conf:2:9: k.conf includes itself"),
        "{mistakes:?}"
    );
}

#[test]
fn a_name_that_hides_an_include_loop_ends_at_the_limit() {
    let mut host = Memory::new([("/k.conf", "include d/../k.conf\n")]);
    let mut path = String::from("/");
    for _ in 0..70 {
        path.push_str("d/../");
        host.files
            .insert(format!("{path}k.conf").into(), b"include d/../k.conf\n".to_vec());
    }
    let mistakes = mistakes(&host);
    assert!(
        mistakes[0].contains("is included more than 64 files deep"),
        "{mistakes:?}"
    );
}

#[test]
fn definitions_that_double_end() {
    let mut text = String::from("$A0=xxxxxxxxxxxxxxxx\n$E0=\n");
    for level in 1..40 {
        let below = level - 1;
        writeln!(
            text,
            "$A{level}=${{A{below}}}${{A{below}}}\n$E{level}=${{E{below}}}${{E{below}}}"
        )
        .unwrap();
    }
    text.push_str("router_id $A39\nrouter_id $E39\n");
    let mistakes = common::mistakes(&text);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(
        mistakes
            .iter()
            .all(|line| line.contains("definitions make the line too long")),
        "{mistakes:?}"
    );
}

#[test]
fn definitions_that_refer_to_themselves_are_named() {
    for text in [
        "$A=x${A}\n$A",
        "$A=${B}\n$B=${A}\n$A",
        "$A=a \\\n $A\n\n$A",
        "$A=a \\\n b $B\n\n$B=b \\\n $A\n\n$A",
    ] {
        let mistakes = common::mistakes(text);
        assert!(
            mistakes.iter().any(|line| line.contains("refers to itself")),
            "{text}: {mistakes:?}"
        );
    }
}

#[test]
fn a_million_fold_sequence_is_refused() {
    for text in [
        "~SEQ(i,1000000000) @nobody x$i",
        "~SEQ(i,9000000000000000000) ~SEQ(j,9000000000000000000) @nobody $X=$i",
        "$M=~SEQ(i,2000) @nobody x \\\n y\n\n~SEQ(j,1000) $M",
    ] {
        let reading = common::read(text);
        let told = reading.report.mistakes.iter().any(|mistake| {
            mistake
                .reason
                .to_string()
                .contains(&format!("more than {MAX_GENERATED_LINES} lines"))
        });
        assert!(told, "{text}");
    }
}

#[test]
fn definitions_within_definitions_end_at_the_limit() {
    let mut text = String::from("$A0=x\n");
    for level in 1..100 {
        writeln!(text, "$A{level}=${{A{}}}", level - 1).unwrap();
    }
    text.push_str("$A99\n");
    let mistakes = common::mistakes(&text);
    assert!(mistakes[0].contains("more than 64 deep"), "{mistakes:?}");
}

#[test]
fn giant_and_deep_texts_are_read_in_time() {
    let long = "x".repeat(1 << 16);
    for text in [
        "{".repeat(1 << 16),
        "}".repeat(1 << 16),
        "a{".repeat(1 << 16),
        "vrrp_instance ".repeat(1 << 15),
        "priority \"\n".repeat(1 << 15),
        "$".repeat(1 << 16),
        "${a".repeat(1 << 16),
        "$a".repeat(1 << 16),
        "${a}".repeat(1 << 16),
        format!("vrrp_instance {long} {{\nvirtual_router_id {long}\nadvert_int {long}\n{long}\n}}"),
        format!("include {}", "{".repeat(1 << 16)),
        format!("include {}", "{a,b}".repeat(1 << 16)),
        format!("~LST(v{}) x$v", ",a".repeat(1 << 16)),
        format!(
            "vrrp_instance V {{\ntrack_interface {{\n{}}}\n}}",
            (0..1 << 16).fold(String::new(), |text, n| text + &format!("e{n} weight 3\n"))
        ),
    ] {
        check(&common::read(&text));
    }
}
