//! No password and no key ever leaves the configuration: not in a log, a dump, an answer of the control socket, nor in the report of a
//! mistake, however the line with the secret is mistaken.

use std::fmt::Write as _;
use std::process::Command;

use holdfast::lab::Host;

use crate::scene::{SOON, Scene, expect, ready};

const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

/// In every secret, plain, in hexadecimal and in base64.
const MARKS: [&str; 4] = ["hush", "HUSH", "68757368", "aHVzaGh1"];

const GOOD: &str = "
global_defs {
    enable_script_security
}
SSL {
    password hushPassphrase
    ca /etc/ssl/certs/ca-certificates.crt
}
$AUTH=hushDefi
vrrp_instance PASS {
    interface eth0
    virtual_router_id 51
    authentication {
        auth_type PASS
        auth_pass hush4711
    }
    virtual_ipaddress {
        192.0.2.10/24
    }
}
vrrp_instance AH {
    interface eth0
    virtual_router_id 52
    authentication {
        auth_type AH
        auth_pass $AUTH
    }
    virtual_ipaddress {
        192.0.2.20/24
    }
}
vrrp_instance HMAC {
    interface eth0
    version 3
    virtual_router_id 53
    auth_hmac {
        key 1 hushhushhushhushhushhushhushhush
        key 2 hex:6875736868757368687573686875736868757368687573686875736868757368
        active_key 1
    }
    virtual_ipaddress {
        192.0.2.30/24
    }
}
";

/// Lines of [`GOOD`], and mistaken ones in their place.
const SLIPS: &[(&str, &[&str])] = &[
    (
        "        auth_pass hush4711\n",
        &[
            "auth_pas hush4711",
            "auht_pass hush4711",
            "authpass hush4711",
            "AUTH_PASS hush4711",
            "pass hush4711",
            "auth_pss = hush4711",
            "xyzzy hush4711",
            "auth_pass\n hush4711",
            "auth_pass hushhushhush",
            "auth_pass my hush4711",
            "auth_pass \"my hush4711",
            "auth_pass 'hush4711",
            "auth_pass hush4711 {",
            "auth_pass \"\" hush4711",
            "auth_pass $HUSH_NONE hush4711",
            "auth_pass hush4711 }",
            "auth_type hush4711",
        ],
    ),
    (
        "    authentication {\n",
        &["authentification {", "authentication", "auth {"],
    ),
    (
        "        key 1 hushhushhushhushhushhushhushhush\n",
        &[
            "key hushhushhushhushhushhushhushhush",
            "key 1 hush",
            "key 999 hushhushhushhushhushhushhushhush",
            "key one hushhushhushhushhushhushhushhush",
            "kye 1 hushhushhushhushhushhushhushhush",
            "keys 1 hushhushhushhushhushhushhushhush",
            "key 1 hushhushhushhush hushhushhushhush",
            "key 2 hushhushhushhushhushhushhushhush",
            "key 1 \"hushhushhushhushhushhushhushhush",
            "key 1 hex:68757368",
            "key 1 hex:68757368686875736868757368zz",
            "key 1 base64:aHVzaGh1c2hodXNoaHVzaGh1c2hodXNoaHVzaGh1c2g=",
            "key\n 1 hushhushhushhushhushhushhushhush",
            "secret 1 hushhushhushhushhushhushhushhush",
        ],
    ),
    (
        "    password hushPassphrase\n",
        &[
            "pasword hushPassphrase",
            "passphrase hushPassphrase",
            "password hushPassphrase and hushMore",
            "password \"hushPassphrase",
            "password hushPassphrase\n password hushSecond",
            "password\n hushPassphrase",
        ],
    ),
    ("$AUTH=hushDefi\n", &["$AUTH_PASS hushDefi", "AUTH_PASS=hushDefi"]),
];

fn slips() -> impl Iterator<Item = String> {
    SLIPS.iter().flat_map(|(good, slips)| {
        assert!(GOOD.contains(good), "{good}");
        slips
            .iter()
            .map(move |slip| GOOD.replacen(good, &format!("{slip}\n"), 1))
    })
}

fn assert_silent(of: &str, text: &str) {
    let told: Vec<&str> = text
        .lines()
        .filter(|line| MARKS.iter().any(|mark| line.contains(mark)))
        .collect();
    assert!(told.is_empty(), "{of} tells a secret:\n{}", told.join("\n"));
}

#[test]
fn no_report_quotes_a_secret_however_its_line_is_mistaken() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("keepalived.conf");
    let name = file.to_str().unwrap();
    for text in slips().chain([GOOD.to_owned()]) {
        std::fs::write(&file, &text).unwrap();
        for command in [
            &["-t", "-f", name][..],
            &["-t", "--format", "json", "-f", name],
            &["config", "show", "-f", name],
            &["config", "lint", "-f", name],
            &["config", "lint", "--format", "json", "-f", name],
        ] {
            let output = Command::new(PROGRAM).args(command).output().unwrap();
            for told in [output.stdout, output.stderr] {
                let told = String::from_utf8_lossy(&told);
                assert_silent(&format!("{command:?} of\n{text}\n"), &told);
            }
        }
    }
}

/// Waits for the end of a shell's work in the host.
fn shell(host: &Host, words: &str) -> String {
    let process = host.spawn("sh", "/bin/sh", &["-c", words]).unwrap();
    assert!(process.wait(SOON * 20).is_some(), "{words} does not end");
    process.log.since(0).iter().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "{}", line.text);
        all
    })
}

#[test]
fn no_running_daemon_tells_a_secret() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write("/run/node.conf", GOOD).unwrap();
    shell(host, "mkdir -m 700 /run/out /run/configs");
    let daemon = host
        .spawn(
            "holdfast",
            "/usr/bin/env",
            &[
                "TMPDIR=/run/out",
                PROGRAM,
                "-n",
                "-l",
                "-D",
                "-D",
                "-d",
                "-f",
                "/run/node.conf",
                "-g/run/out/log.txt",
                "--log-format=json",
            ],
        )
        .unwrap();
    expect("it starts", || daemon.log.count("Startup complete") == 1);
    let events = host.spawn("events", PROGRAM, &["events", "--json"]).unwrap();
    for (number, text) in slips().enumerate() {
        host.write(&format!("/run/configs/{number:02}"), &text).unwrap();
    }
    let told = shell(
        host,
        &format!(
            "for file in /run/configs/*; do cp $file /run/node.conf; for command in plan reload status; do
               {PROGRAM} $command; {PROGRAM} $command --json; done; done 2>&1
             for signal in USR1 USR2 36 63; do kill -$signal $(cat /run/keepalived.pid); done; sleep 1; echo all asked"
        ),
    );
    assert!(
        told.contains("all asked") && told.contains("\"reply\": \"error\""),
        "{told}"
    );
    assert!(
        told.contains("****"),
        "what is wrong with a secret's line is shown, masked:\n{told}"
    );
    expect("dumps are there", || {
        shell(host, "ls /run/out").contains("keepalived.data")
            && host.read("/run/out/keepalived.json").is_ok()
    });
    let files = shell(host, "for file in /run/out/*; do echo $file; cat $file; done");
    assert!(
        files.contains("/run/out/log_vrrp.txt") && files.contains("keepalived_parent.data"),
        "{files}"
    );
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(daemon.wait(SOON).is_some());
    assert_silent("an answer", &told);
    assert_silent("a file", &files);
    for log in [&daemon.log, &events.log] {
        let lines = log.since(0);
        assert_silent(
            "a log",
            &lines
                .iter()
                .map(|line| line.text.as_str())
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
}
