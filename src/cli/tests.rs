//! Command lines and what they mean, by table.

use std::path::PathBuf;

use super::*;

fn parse_words(line: &str) -> Result<Command, Refusal> {
    parse(line.split(' ').map(OsString::from))
}

fn options(line: &str) -> Options {
    match parse_words(line) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn without_arguments_everything_is_keepalived_s_default() {
    let defaults = Options {
        use_file: PathBuf::from("/etc/keepalived/keepalived.conf"),
        run_vrrp: true,
        run_checkers: true,
        run_bfd: true,
        all: false,
        log_console: false,
        log_detail: 0,
        log_facility: Facility::DAEMON,
        no_syslog: false,
        log_file: None,
        log_format: Format::Text,
        umask: None,
        release_vips: false,
        dont_release_vrrp: false,
        dont_release_ipvs: false,
        dont_respawn: false,
        dont_fork: false,
        dump_conf: false,
        pid: PathBuf::from("/run/keepalived.pid"),
        vrrp_pid: PathBuf::from("/run/vrrp.pid"),
        checkers_pid: PathBuf::from("/run/checkers.pid"),
        bfd_pid: PathBuf::from("/run/bfd.pid"),
        address_monitoring: false,
        snmp: false,
        snmp_agent_socket: None,
        namespace: None,
        core_dump: false,
        core_dump_pattern: None,
        all_config: false,
        config_id: None,
        ignore_sigint: false,
        config_test: None,
        format: Format::Text,
        unexpected: Vec::new(),
        remarks: Vec::new(),
    };
    assert_eq!(options("keepalived"), defaults);
    assert!(defaults.without_effect().is_empty());
}

#[test]
fn each_option_in_every_spelling() {
    type Change = fn(&mut Options);
    let table: &[(&[&str], Change)] = &[
        (
            &[
                "-f a.conf",
                "-fa.conf",
                "--use-file a.conf",
                "--use-file=a.conf",
                "--use a.conf",
                "-f b -f a.conf",
            ],
            |o| {
                o.use_file = "a.conf".into();
            },
        ),
        (&["-f -n", "-f-n", "--use-file -n", "--use-file=-n"], |o| {
            o.use_file = "-n".into();
        }),
        (&["-P", "--vrrp", "-PP"], |o| o.run_checkers = false),
        (&["-C", "--check"], |o| o.run_vrrp = false),
        (&["-B", "--no_bfd"], |o| o.run_bfd = false),
        (&["--all"], |o| o.all = true),
        (&["-l", "--log-console"], |o| o.log_console = true),
        (&["-D", "--log-detail"], |o| o.log_detail = 1),
        (&["-DD", "-D -D", "-DDD", "--log-detail -D"], |o| o.log_detail = 2),
        (&["-S 3", "-S3", "-S local3", "--log-facility=local3"], |o| {
            o.log_facility = Facility(19);
        }),
        (&["-S user", "--log-facility user"], |o| {
            o.log_facility = Facility(1);
        }),
        (&["-S daemon", "-S 1 -S daemon"], |_| ()),
        (&["-G", "--no-syslog"], |o| o.no_syslog = true),
        (
            &[
                "-g",
                "--log-file",
                "--log-file=keepalived.log",
                "-g --flush-log-file",
            ],
            |o| {
                o.log_file = Some("keepalived.log".into());
            },
        ),
        (&["-g/tmp/x.log", "--log-file=/tmp/x.log"], |o| {
            o.log_file = Some("/tmp/x.log".into());
        }),
        (&["-u 022", "-u022", "-u 18", "-u 0x12", "--umask=0X12"], |o| {
            o.umask = Some(0o22);
        }),
        (&["-X", "--release-vips"], |o| o.release_vips = true),
        (&["-V", "--dont-release-vrrp"], |o| o.dont_release_vrrp = true),
        (&["-I", "--dont-release-ipvs"], |o| o.dont_release_ipvs = true),
        (&["-R", "--dont-respawn"], |o| o.dont_respawn = true),
        (&["-n", "--dont-fork", "--dont-f"], |o| o.dont_fork = true),
        (&["-d", "--dump-conf"], |o| o.dump_conf = true),
        (&["-p x", "--pid x", "--pid=x"], |o| o.pid = "x".into()),
        (&["-r x", "--vrrp_pid x"], |o| o.vrrp_pid = "x".into()),
        (&["-c x", "--checkers_pid x"], |o| o.checkers_pid = "x".into()),
        (&["-b x", "--bfd_pid x"], |o| o.bfd_pid = "x".into()),
        (&["-a", "--address-monitoring"], |o| o.address_monitoring = true),
        (&["-x", "--snmp"], |o| o.snmp = true),
        (
            &["-A tcp:localhost:705", "--snmp-agent-socket=tcp:localhost:705"],
            |o| {
                o.snmp_agent_socket = Some("tcp:localhost:705".into());
            },
        ),
        (&["-s blue", "--namespace=blue"], |o| {
            o.namespace = Some("blue".into());
        }),
        (&["-m", "--core-dump"], |o| o.core_dump = true),
        (&["-M", "--core-dump-pattern"], |o| {
            (o.core_dump, o.core_dump_pattern) = (true, Some("core".into()));
        }),
        (&["-M/tmp/c", "--core-dump-pattern=/tmp/c"], |o| {
            (o.core_dump, o.core_dump_pattern) = (true, Some("/tmp/c".into()));
        }),
        (&["-e", "--all-config"], |o| o.all_config = true),
        (&["-i node1", "--config-id=node1"], |o| {
            o.config_id = Some("node1".into());
        }),
        (&["--ignore-sigint"], |o| o.ignore_sigint = true),
        (&["--config-fd=7", "--config-fd 7"], |o| {
            o.use_file = PathBuf::from("/proc/self/fd/7");
        }),
    ];
    for (spellings, change) in table {
        for spelling in *spellings {
            let mut expected = options("keepalived");
            change(&mut expected);
            assert_eq!(options(&format!("keepalived {spelling}")), expected, "{spelling}");
        }
    }
}

#[test]
fn a_config_test_implies_the_foreground_no_syslog_and_no_respawn() {
    let file = |name: &str| ConfigTest::ToFile(name.into());
    for (line, test, config) in [
        ("-t", ConfigTest::ToStderr, "/etc/keepalived/keepalived.conf"),
        (
            "--config-test",
            ConfigTest::ToStderr,
            "/etc/keepalived/keepalived.conf",
        ),
        (
            "--config-test=",
            ConfigTest::ToStderr,
            "/etc/keepalived/keepalived.conf",
        ),
        ("-t -f x.conf", ConfigTest::ToStderr, "x.conf"),
        ("-t/tmp/report -f x.conf", file("/tmp/report"), "x.conf"),
        ("-f x.conf -nlt/tmp/report", file("/tmp/report"), "x.conf"),
        (
            "--config-test=/tmp/report -fx.conf",
            file("/tmp/report"),
            "x.conf",
        ),
    ] {
        let options = options(&format!("keepalived {line}"));
        assert_eq!(options.config_test, Some(test), "{line}");
        assert_eq!(options.use_file, PathBuf::from(config), "{line}");
        assert!(
            options.dont_fork && options.dont_respawn && options.no_syslog,
            "{line}"
        );
    }
}

#[test]
fn bundles_are_read_letter_by_letter() {
    let expected = options("keepalived -n -l -D -D -G -f x.conf -p y.pid");
    for line in [
        "-nlDDG -f x.conf -p y.pid",
        "-nlDDGfx.conf -py.pid",
        "-lDn -DGf x.conf -p y.pid",
    ] {
        assert_eq!(options(&format!("keepalived {line}")), expected, "{line}");
    }
}

#[test]
fn words_that_are_no_options_are_kept_for_a_message() {
    let options = options("keepalived -n one - two -- -G");
    assert_eq!(options.unexpected, ["one", "-", "two", "-G"]);
    assert!(options.dont_fork && !options.no_syslog);
}

#[test]
fn unusable_arguments_count_as_not_given() {
    for (line, remark) in [
        ("-S 9", "Invalid log facility '9'"),
        ("-S local8", "Invalid log facility 'local8'"),
        ("-u zz", "Invalid --umask option zz"),
        ("-u 01777", "Invalid --umask option 01777"),
        ("-u -1", "Invalid --umask option -1"),
    ] {
        let given = options(&format!("keepalived {line}"));
        assert_eq!(given.remarks, [remark]);
        assert_eq!(
            Options {
                remarks: Vec::new(),
                ..given
            },
            options("keepalived"),
            "{line}"
        );
    }
}

#[test]
fn refusals_name_the_option_as_it_was_written() {
    let unknown = |option: &str| Refusal::UnknownOption(option.to_owned());
    let missing = |option: &str| Refusal::MissingParameter(option.to_owned());
    for (line, refusal) in [
        ("--foo", unknown("--foo")),
        ("-Z", unknown("-Z")),
        ("-lZ", unknown("-Z")),
        ("-n -=", unknown("-=")),
        ("--config -v", unknown("--config")), // config-test, config-id or config-fd?
        ("--log-console=3", unknown("--log-console")),
        ("-f", missing("-f")),
        ("-nlf", missing("-f")),
        ("--use-file", missing("--use-file")),
        ("--use-file=", missing("--use-file")),
        ("--vrrp_p", missing("--vrrp_pid")),
        ("-i", missing("-i")),
        ("--config-fd=x", missing("--config-fd")),
        ("--signum", missing("--signum")),
        ("--signum FOO", Refusal::UnknownSignal("FOO".to_owned())),
        ("--signum TDATA", Refusal::UnknownSignal("TDATA".to_owned())),
        ("-n -T -s host", Refusal::Genhash),
    ] {
        assert_eq!(parse_words(&format!("keepalived {line}")), Err(refusal), "{line}");
    }
    let empty = ["keepalived", "-p", ""].map(OsString::from);
    assert_eq!(parse(empty), Err(missing("-p")));
}

#[test]
fn genhash_goes_by_three_names() {
    let genhash = Ok(Command::Sub("genhash", vec!["-s".into(), "host".into()]));
    for line in [
        "keepalived -T -s host",
        "keepalived --genhash -s host",
        "/usr/bin/genhash -s host",
    ] {
        assert_eq!(parse_words(line), genhash, "{line}");
    }
}

#[test]
fn signals_by_name() {
    let table = [
        ("STOP", 15),
        ("RELOAD", 1),
        ("DATA", 10),
        ("STATS", 12),
        ("STATS_CLEAR", 63),
        ("JSON", 36),
    ];
    for (name, number) in table {
        assert_eq!(
            parse_words(&format!("keepalived --signum={name}")),
            Ok(Command::SignalNumber(number))
        );
        assert_eq!(
            parse_words(&format!("keepalived -n --signum {name}")),
            Ok(Command::SignalNumber(number))
        );
    }
}

#[test]
fn version_help_and_sub_commands() {
    assert_eq!(parse_words("keepalived -nv"), Ok(Command::Version));
    assert_eq!(parse_words("keepalived --version extra"), Ok(Command::Version));
    let Ok(Command::Help(text)) = parse_words("holdfast -h") else {
        panic!("no help")
    };
    for option in grammar().get_arguments().filter(|option| !option.is_hide_set()) {
        assert!(
            text.contains(&format!("--{}", option.get_long().unwrap())),
            "{option:?}"
        );
    }
    assert_eq!(
        parse_words("holdfast demo --slow -h"),
        Ok(Command::Sub("demo", vec!["--slow".into(), "-h".into()]))
    );
    // Only as first argument.
    assert_eq!(options("holdfast -n demo").unexpected, ["demo"]);
}

#[test]
fn options_without_effect_are_named() {
    let given = options("keepalived -aIx -s blue -A socket -M -d --config-fd 3");
    let expected = ["--snmp", "--snmp-agent-socket"];
    assert_eq!(given.without_effect(), expected);
}

#[test]
fn the_version_text_begins_as_scripts_expect() {
    let text = version_text();
    assert!(text.starts_with("Keepalived v2.4.3 (08/13,2026)\n\n"));
    assert!(text.contains(&format!("Holdfast v{}", env!("CARGO_PKG_VERSION"))));
    assert!(
        text.lines()
            .any(|line| line.starts_with("Config options:  ") && line.contains(" VRRP_AUTH"))
    );
    assert!(text.lines().any(|line| line.starts_with("Running on Linux ")));
}
