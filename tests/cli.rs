//! The program itself, as a script calls it: what it prints where, and its exit status.
#![expect(clippy::unwrap_used, reason = "a failed step of a test must end it")]

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

fn holdfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn place_with(configuration: &str) -> (TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("keepalived.conf");
    fs::write(&path, configuration).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (place, path)
}

/// Serves one page and answers with what it was asked.
fn serve_one_page(page: &'static [u8]) -> (u16, std::thread::JoinHandle<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 1024];
        let count = stream.read(&mut request).unwrap();
        stream.write_all(page).unwrap();
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    (port, asked)
}

#[test]
fn genhash_prints_the_digest_that_keepalived_s_does() {
    // Seen with Debian's genhash: what exceeds Content-Length is not counted.
    let page = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabcdef";
    for first in ["genhash", "-T", "--genhash"] {
        let (port, asked) = serve_one_page(page);
        let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
            .args([
                first,
                "-s",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-u",
                "/x",
                "-P",
                "1.0c",
            ])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "900150983cd24fb0d6963f7d28e17f72\n"
        );
        assert!(output.status.success());
        let expected = format!(
            "GET /x HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        );
        assert_eq!(asked.join().unwrap(), expected);
    }
}

#[test]
fn genhash_says_why_there_is_no_digest() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["genhash", "-s", "127.0.0.1", "-p", &free.to_string(), "-u", "/"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Connection failed: Connection refused"));
}

#[test]
fn version_and_help_are_on_stderr() {
    let version = holdfast(&["-v"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(stdout(&version), "");
    assert!(stderr(&version).starts_with("Keepalived v2.4.3 ("));
    let help = holdfast(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert_eq!(stdout(&help), "");
    assert!(stderr(&help).contains("-f, --use-file"));
}

#[test]
fn the_number_of_a_signal_is_on_stdout() {
    for (name, number) in [("STOP", "15\n"), ("JSON", "36\n"), ("STATS_CLEAR", "63\n")] {
        let output = holdfast(&["--signum", name]);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(0), number)
        );
    }
    let output = holdfast(&["--signum=FOO"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "Unknown sigfunc FOO\n");
}

#[test]
fn what_is_no_option_is_named() {
    for (arguments, message) in [
        (["-n", "--foo"], "Unknown option --foo\n"),
        (["-n", "-lZ"], "Unknown option -Z\n"),
        (["-n", "-f"], "Missing parameter for option -f\n"),
        (["-n", "--use-file="], "Missing parameter for option --use-file\n"),
    ] {
        let output = holdfast(&arguments);
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(1), message)
        );
    }
}

#[test]
fn without_a_configuration_the_daemon_does_not_begin() {
    let missing = "/nonexistent/keepalived.conf";
    for arguments in [&["-nlG", "-f", missing][..], &["-G", "-f", missing]] {
        let output = holdfast(arguments);
        assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
        if arguments[0] == "-nlG" {
            assert!(stderr(&output).contains(missing), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_pid_file_that_cannot_be_written_is_named() {
    let (_place, configuration) = place_with("");
    let output = holdfast(&["-nlG", "-f", &configuration, "-p", "/nonexistent/keepalived.pid"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("pid file /nonexistent/keepalived.pid: No such file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn unusable_and_unknown_words_are_told_and_ignored() {
    let (_place, configuration) = place_with("");
    let output = holdfast(&["-t", "-S", "9", "-u", "zz", "-f", &configuration, "one", "two"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "Unexpected argument(s): one two\n");
    assert_eq!(
        stderr(&output),
        "Invalid log facility '9'\nInvalid --umask option zz\n"
    );
}

const WELL: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.1
    }
}
global_defs {
    dynamic_interfaces
}
";

#[test]
fn a_config_test_says_nothing_of_a_good_file() {
    let (_place, configuration) = place_with(WELL);
    let output = holdfast(&["-t", "-f", &configuration]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(stdout(&output), "");
}

#[test]
fn a_config_test_underlines_every_mistake() {
    let (_place, configuration) = place_with(&WELL.replace("priority 100", "prioritty 100\n    nonsense"));
    let output = holdfast(&["-t", "-f", &configuration]);
    assert_eq!(output.status.code(), Some(5));
    let report = stderr(&output);
    for words in [
        "    prioritty 100\n",
        "    ^^^^^^^^^\n",
        "    nonsense\n",
        "    ^^^^^^^^\n",
        "keepalived.conf:4:5",
        ":5:5",
    ] {
        assert!(report.contains(words), "{words:?} is missing in:\n{report}");
    }
}

#[test]
fn a_config_test_of_what_cannot_be_used_has_its_own_status() {
    let (_place, configuration) = place_with(&WELL.replace("virtual_router_id 51", "virtual_router_id"));
    assert_eq!(holdfast(&["-t", "-f", &configuration]).status.code(), Some(2));
    let missing = holdfast(&["-t", "-f", "/nonexistent/keepalived.conf"]);
    assert_eq!(missing.status.code(), Some(6));
    assert!(stderr(&missing).contains("Config files missing '/nonexistent/keepalived.conf'."));
}

#[test]
fn the_report_of_a_config_test_goes_to_the_end_of_a_file() {
    let (place, configuration) = place_with("nonsense\n");
    let report = place.path().join("report");
    fs::write(&report, "before\n").unwrap();
    for option in [
        format!("-t{}", report.display()),
        format!("--config-test={}", report.display()),
    ] {
        let output = holdfast(&[&option, "-f", &configuration]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(5), ""));
    }
    let text = fs::read_to_string(&report).unwrap();
    assert!(
        text.starts_with("before\n") && text.matches("unknown keyword `nonsense`").count() == 2,
        "{text}"
    );

    let output = holdfast(&["-t/nonexistent/report", "-f", &configuration]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output)
            .starts_with("Unable to open config-test log file /nonexistent/report 2 - No such file")
    );
    // A link is not followed.
    let link = place.path().join("link");
    std::os::unix::fs::symlink(&report, &link).unwrap();
    let output = holdfast(&[&format!("-t{}", link.display()), "-f", &configuration]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&report).unwrap(), text);
}

#[test]
fn a_report_as_json_is_read_back() {
    let (_place, configuration) =
        place_with(&WELL.replace("priority 100", "prioritty 100\n    state \"M\\x\""));
    let output = holdfast(&["-t", "--format", "json", "-f", &configuration]);
    assert_eq!(output.status.code(), Some(5));
    let report: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
    let mistakes = report.as_array().unwrap();
    assert_eq!(mistakes.len(), 2, "{report}");
    assert_eq!(mistakes[0]["file"], configuration);
    assert_eq!(mistakes[0]["line"], 4);
    assert_eq!(mistakes[0]["column"], 5);
    assert_eq!(mistakes[0]["severity"], "error");
    assert_eq!(mistakes[0]["class"], "UnknownKeyword");
    assert_eq!(mistakes[0]["help"], "did you mean `priority`?");
    assert_eq!(mistakes[0]["included_from"], serde_json::json!([]));
    assert!(
        mistakes[1]["message"].as_str().unwrap().contains("M\\x"),
        "{report}"
    );

    let (_place, good) = place_with(WELL);
    let output = holdfast(&["-t", "--format=json", "-f", &good]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "[]\n")
    );
}

#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let secret = "    authentication {\n auth_type PASS\n auth_pass hush\n }\n}\n";
    let (_place, configuration) = place_with(&WELL.replacen("\n}\n", &format!("\n{secret}"), 1));
    let masked = holdfast(&["config", "show", "-f", &configuration]);
    assert_eq!((masked.status.code(), stderr(&masked).as_str()), (Some(0), ""));
    assert!(
        stdout(&masked).contains("        auth_pass ****\n"),
        "{}",
        stdout(&masked)
    );
    assert!(stdout(&masked).contains("    virtual_router_id 51\n"));
    let shown = holdfast(&["config", "show", "--secrets", "-f", &configuration]);
    assert!(
        stdout(&shown).contains("        auth_pass hush\n"),
        "{}",
        stdout(&shown)
    );

    let (_place, again) = place_with(&stdout(&shown));
    assert_eq!(
        stdout(&holdfast(&["config", "show", "--secrets", "-f", &again])),
        stdout(&shown)
    );
}

#[test]
fn the_linter_compares_two_nodes() {
    let (_one, configuration) = place_with(WELL);
    let clean = holdfast(&["config", "lint", "-f", &configuration]);
    assert_eq!((clean.status.code(), stdout(&clean).as_str()), (Some(0), ""));
    let (_two, other) = place_with(&WELL.replace("192.0.2.1", "192.0.2.2"));
    let output = holdfast(&["config", "lint", "-f", &configuration, &other]);
    assert_eq!(output.status.code(), Some(1));
    let report = stdout(&output);
    for words in [
        "[equal-priorities]",
        "[addresses-mismatch]",
        "keepalived.conf:4:5",
        "192.0.2.2",
    ] {
        assert!(report.contains(words), "{words:?} is missing in:\n{report}");
    }
    let json = holdfast(&["config", "lint", "--format", "json", "-f", &configuration, &other]);
    let findings: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(findings.as_array().unwrap().len(), 2, "{findings}");
    let missing = holdfast(&["config", "lint", "-f", "/nonexistent/keepalived.conf"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("Config files missing"));
}

#[test]
fn a_child_cannot_be_started_by_hand() {
    for variable in [
        "",
        "vrrp",
        "vrrp:1:2",
        "vrrp:a:b:c",
        "dance:3:4:5",
        "vrrp:900:901:902",
        "vrrp:0:1:2",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        let output = command
            .env("HOLDFAST_CHILD", variable)
            .arg("-n")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{variable}");
        // Descriptor 2 may be the one that it was told to take for itself.
        let complaint = stderr(&output);
        assert!(
            complaint.contains("HOLDFAST_CHILD") || complaint.contains("inherited"),
            "{variable}: {complaint}"
        );
    }
}
