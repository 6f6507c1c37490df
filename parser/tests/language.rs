//! The language around the keywords: what the files become before a keyword is read. Each expectation was seen with
//! keepalived 2.2.7, but where a comment says otherwise.

use parser::source::{Checks, FileKind, Memory};
use parser::{Options, Reading};

fn read(host: &Memory, patterns: &[&str]) -> Reading {
    parser::read(host, patterns, &Options::default())
}

/// The words of the flat text, line by line, without blank lines and markers.
fn flat(reading: &Reading) -> Vec<String> {
    let lines = reading.tree.text().lines().filter(|line| !line.starts_with('#'));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.filter(|line| !line.is_empty()).collect()
}

/// What a text becomes on a machine called `host.example.org`, lines joined by ` / `.
fn becomes(text: &str) -> String {
    let mut host = Memory::new([("/etc/k.conf", text)]);
    host.host_name = String::from("host.example.org");
    host.env.insert("NAME".to_owned(), "value # two".to_owned());
    flat(&read(&host, &["etc/k.conf"])).join(" / ")
}

#[test]
fn lines_hold_where_their_id_says() {
    for (text, lines) in [
        ("@host a b", "a b"),
        ("@other a b", ""),
        ("@^host a", ""),
        ("@^other a", "a"),
        ("  @host\ta", "a"),
        ("@host", ""),
        ("@Host a", ""),
        ("@host.example.org a", ""),
        ("@ a", ""),
        ("@^ a", "a"),
        ("@host $X=1\n@other $X=2\nx$X", "x1"),
        ("$IF=@other\n$IF a\nb", "b"),
        ("$IF=@^other\n$IF a", "a"),
        ("@host ~SEQ(i,2) x$i", "x1 / x2"),
        ("~SEQ(i,2) @other x$i", ""),
    ] {
        assert_eq!(becomes(text), lines, "{text}");
    }
    let options = Options {
        config_id: Some("b".to_owned()),
        ..Options::default()
    };
    let reading = parser::read(
        &Memory::new([("/k.conf", "@b yes\n@host no")]),
        &["k.conf"],
        &options,
    );
    assert_eq!(flat(&reading), ["yes"]);
}

#[test]
fn definitions_are_replaced_when_they_are_used() {
    for (text, lines) in [
        ("$A=x # y\nk$A z", "kx z"),
        ("$A=x\nk${A}z k$A,b (k$A) k$A", "kxz kx,b (kx) kx"),
        ("$A=x\nk$A_ k$Az k$A.", "k$A_ k$Az k$A."),
        ("$A=x\n$A_b=y\n$A_b", "y"),
        ("$A=x\n\"$A\" \"${A}\" \\$A", "\"$A\" \"x\" \\x"),
        ("$B=${A}z\n$A=1\n$B\n$A=2\n$B", "1z / 2z"),
        ("$A=\nkk${A}ll", "kkll"),
        ("$A=   lead\n${A}", "lead"),
        ("$A = 3\nx", "$A = 3 / x"),
        ("$1=2\n$F(=3", "$1=2 / $F(=3"),
        ("${NONE} $NONE", "${NONE} $NONE"),
        ("$A=\"q r\"\n${A}w", "\"q r\"w"),
        ("$_PWD=zz\na${_PWD}", "azz"),
    ] {
        assert_eq!(becomes(text), lines, "{text}");
    }
}

#[test]
fn multi_line_definitions_play_their_lines() {
    for (text, lines) in [
        (
            "$M=first \\\nsecond \\\nthird\n\nkw $M\nlast",
            "kw first / second / third / last",
        ),
        ("$N=\\\n aa\\\n bb\n$N", "aa / bb"),
        ("$N=a \\\n b\n\nkz $N trailing", "kz $N trailing"),
        ("$K=a b \\\n\n$K", "a b"),
        ("$L=x \\\n  # comment\\\ny\n$L", "x / y"),
        (
            "$M=a \\\n@host b \\\n@other c \\\n$X=v\\\n~SEQ(i,2) s$i $X\\\nlast\n$M\n$X",
            "a / b / s1 v / s2 v / last / v",
        ),
        (
            "$I=in1 \\\nin2\n\n$O=out1 \\\n$I \\\nout2\n\n$O",
            "out1 / in1 / in2 / out2",
        ),
        ("$M=a \\", ""),
    ] {
        assert_eq!(becomes(text), lines, "{text}");
    }
}

#[test]
fn sequences_repeat_their_line() {
    for (text, lines) in [
        (
            "~SEQ(i, 3) kw$i foo\nkw${i}z",
            "kw1 foo / kw2 foo / kw3 foo / kw3z",
        ),
        ("~SEQ(i,2) ~SEQ(j,2) x${i}y${j}", "x1y1 / x1y2 / x2y1 / x2y2"),
        ("~SEQ(i,2) ~LST(v,a,b) q${i}${v}", "q1a / q1b / q2a / q2b"),
        ("~SEQx(k,9,11) h$k", "h9 / ha / hb"),
        ("~LST({x,y},{a,1},{b}) l${x}-${y}", "la-1 / lb-"),
        ("$N=3\n~SEQ(i,$N) r$i", "r1 / r2 / r3"),
        ("~SEQ(i,2)u$i", "u1 / u2"),
        ("~SEQ(i,2) $X=v$i\nu$X", "uv2"),
        ("~FOO z", "~FOO z"),
        ("$S=~SEQ(i,2) s${i}\n$S", "s1 / s2"),
        ("  ~SEQ(i,1) a", "a"),
    ] {
        assert_eq!(becomes(text), lines, "{text}");
    }
}

#[test]
fn predefined_names_need_no_definition() {
    assert_eq!(becomes("${_PWD}/x ${_INSTANCE}"), "/etc/x host");
    assert_eq!(becomes("${_RANDOM 5 5} ${_RANDOM 9 5}"), "5 9");
    // keepalived 2.2.7 has no _ENV, _HASH and _BANG, and later versions cut the line at what they stand for.
    assert_eq!(becomes("a${_HASH}b ${_BANG}c ${_ENV NAME}"), "a#b !c value # two");
    assert_eq!(becomes("x${_ENV NONE}y"), "xy");
    let random = |seed: &str| becomes(&format!("{seed}\n${{_RANDOM}} ${{_RANDOM 1 1000000}}"));
    assert_eq!(random("random_seed 7"), random("random_seed 7"));
    assert_ne!(random("random_seed 7"), random("random_seed 8"));
}

#[test]
fn comments_go_and_what_looks_like_one_stays() {
    for (text, lines) in [
        ("a # b\n! c\nd!e", "a / d"),
        ("a \"# b\" # c", "a \"# b\""),
        ("a 'b # c'", "a 'b"),
        // keepalived's children cut these at the second reading.
        ("a\\#b c\\!d", "a#b c!d"),
        ("a\r\n\tb\r\nc", "a / b / c"),
        ("\u{feff}a", "a"),
    ] {
        assert_eq!(becomes(text), lines, "{text:?}");
    }
}

#[test]
fn a_hash_that_a_definition_made_survives_between_processes() {
    let text = "vrrp_script ${_HASH}1 {\nscript /x\n}\nvrrp_script 2\\#b {\nscript '/x ${_HASH}'\n}\n${_HASH} 3 0 x\n";
    let reading = read(&Memory::new([("/k.conf", text)]), &["k.conf"]);
    let names: Vec<_> = reading
        .config
        .vrrp_scripts
        .iter()
        .map(|script| script.name.as_str())
        .collect();
    assert_eq!(names, ["#1", "2#b"]);
    assert_eq!(reading.config.vrrp_scripts[1].script.words, ["/x", "#"]);
    assert_eq!(
        parser::parse_text(&Memory::new([]), reading.tree.text()).config,
        reading.config
    );
}

#[test]
fn included_files_stand_in_the_place_of_their_line() {
    let mut host = Memory::new([
        (
            "/etc/k.conf",
            "a ${_PWD}\ninclude d/*.conf\ninclude q.conf # comment\n$F=q.conf\ninclude $F\n include {q,zz}.conf\nz ${_PWD}",
        ),
        ("/etc/q.conf", "q"),
        ("/etc/d/2.conf", "two"),
        ("/etc/d/1.conf", "one ${_PWD}\ninclude e.inc\nback ${_PWD}"),
        ("/etc/d/e.inc", "e"),
        ("/etc/d/.hidden.conf", "hidden"),
        ("/etc/d/run.conf", "executable"),
        ("/etc/d/dir.conf/x", ""),
    ]);
    host.kinds.insert("/etc/d/run.conf".into(), FileKind::Executable);
    let reading = read(&host, &["etc/k.conf"]);
    assert_eq!(
        flat(&reading),
        [
            "a /etc",
            "one /etc/d",
            "e",
            "back /etc/d",
            "two",
            "q",
            "q",
            "q",
            "z /etc"
        ]
    );
    let names: Vec<_> = reading
        .sources
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "etc/k.conf",
            "d/1.conf",
            "e.inc",
            "d/2.conf",
            "q.conf",
            "q.conf",
            "q.conf"
        ]
    );
}

#[test]
fn include_checks_decide_what_a_missing_file_means() {
    let status = |text: &str, checks| {
        let host = Memory::new([("/k.conf", text), ("/x.conf", "use_pid_dir")]);
        let options = Options {
            checks,
            ..Options::default()
        };
        let reading = parser::read(&host, &["k.conf"], &options);
        (
            reading.report.exit_status() as u8,
            reading.config.daemon.use_pid_dir,
        )
    };
    for (text, expected) in [
        ("include missing.conf\ninclude x.conf", (0, true)),
        ("includer missing.conf\ninclude x.conf", (0, true)),
        ("includem missing.conf\ninclude x.conf", (6, false)),
        ("includew miss*.conf", (6, false)),
        ("includer miss*.conf", (0, false)),
        ("includea miss*.conf", (6, false)),
        ("includeb {x,y}.conf", (6, false)),
        ("include {x,y}.conf", (0, true)),
        ("include_check match\ninclude missing.conf", (6, false)),
        (
            "include_check match\ninclude_check -match\ninclude missing.conf",
            (0, false),
        ),
        ("include_check readable", (5, false)),
    ] {
        assert_eq!(status(text, Checks::default()), expected, "{text}");
    }
    assert_eq!(
        status("include missing.conf", Checks::ALL).0,
        6,
        "-e sets all checks"
    );
}

#[test]
fn checks_hold_to_the_end_of_the_file_that_sets_them() {
    let host = Memory::new([
        ("/k.conf", "include a.inc\ninclude gone\n"),
        ("/a.inc", "include_check\ninclude b.inc\n"),
        ("/b.inc", "x\n"),
    ]);
    assert_eq!(
        read(&host, &["k.conf"]).report.exit_status() as u8,
        5,
        "only the unknown word x"
    );
}

#[test]
fn several_main_files_are_read_as_one() {
    let host = Memory::new([("/a.conf", "use_pid_dir"), ("/b.conf", "instance b")]);
    let reading = read(&host, &["*.conf"]);
    assert_eq!(flat(&reading), ["use_pid_dir", "instance b"]);
    assert_eq!(reading.report.exit_status() as u8, 5);
    let reading = read(&host, &["none.conf"]);
    assert_eq!(
        (reading.report.exit_status() as u8, reading.sources.files.len()),
        (0, 0)
    );
}

#[test]
fn what_is_no_text_is_refused_line_by_line() {
    let mut host = Memory::new([]);
    host.files.insert(
        "/k.conf".into(),
        b"use_pid_dir # caf\xe9\nrouter_id caf\xe9\ninstance \0x\nchild_wait_time 3".to_vec(),
    );
    let reading = read(&host, &["k.conf"]);
    let lines: Vec<_> = reading
        .report
        .mistakes
        .iter()
        .map(|mistake| (mistake.place.line, mistake.reason.to_string()))
        .collect();
    assert_eq!(lines[0], (2, "the line is not UTF-8".to_owned()));
    assert_eq!(
        lines[2],
        (3, "the line contains a NUL byte and is ignored".to_owned())
    );
    assert_eq!(
        lines.len(),
        3,
        "router_id does not stand outside a block: {lines:?}"
    );
    assert!(reading.config.daemon.use_pid_dir);
}

#[test]
fn a_mistake_is_shown_however_long_its_word_is() {
    for length in [4, 1_000, 100_000] {
        let text = format!("static_ipaddress {{\n10.0.0.9/{}\n}}\n", "4".repeat(length));
        let reading = read(&Memory::new([("/k.conf", &*text)]), &["/k.conf"]);
        let [.., mistake] = &reading.report.mistakes[..] else {
            panic!("{length} digits are no prefix")
        };
        assert_eq!(mistake.column, "10.0.0.9/".len() + 1, "{length} digits");
        assert!(mistake.length >= 4, "{length} digits");
    }
}
