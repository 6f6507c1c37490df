//! `keepalived_check.data` of a configuration that has one of everything, line by line beside keepalived 2.2.7.
//!
//! Results must not depend on the moment: scripts run at once and not again, all others not before a day has passed.

use std::os::unix::fs::PermissionsExt;
use std::thread;

use holdfast::lab::{Daemon, Host};
use nix::sys::signal::Signal;

use super::{Scene, holdfast};
use crate::stories::stories;

stories![sociable: every_line_of_the_dump_is_keepalived_s];

const CONFIGURATION: &str = include_str!("rich.conf");

const FILE: &str = "/run/keepalived_check.data";

/// What cannot be compared.
const OTHERWISE: [&str; 7] = [
    // keepalived has not filled in these defaults where there are no instances.
    "Gratuitous ARP lower priority",
    // Its library.
    "libnftnl version",
    // Masked here, as in 2.4; 2.2.7 shows it.
    "Password",
    // How it shares compiled expressions.
    "Regex ref count",
    // 2.2.7 lists every option that there is.
    "Regex options",
    // Of the moment.
    "Last ran = 1",
    // 2.2.7 says 0 of an SMTP_CHECK with `host` blocks.
    "Timeout",
];

fn every_line_of_the_dump_is_keepalived_s() {
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| dump(&Daemon::Keepalived));
        let ours = dump(&holdfast());
        (theirs.join().unwrap(), ours)
    });
    println!("{theirs}\n{ours}");
    assert!(!ours.contains("not-for-everybody"));
    for line in [
        " Password : ********",
        "     Regex options: caseless multiline",
        "     Timeout = 2.500000",
    ] {
        assert_eq!(ours.lines().filter(|own| *own == line).count(), 1, "{line}");
    }
    let (ours, theirs) = (lines(&ours), lines(&theirs));
    for (number, (own, line)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(own, line, "after {:#?}", &ours[number.saturating_sub(9)..number]);
    }
    assert_eq!(ours.len(), theirs.len());
}

/// The whole file, once it is there.
fn dump(daemon: &Daemon) -> String {
    let mut scene = Scene::new();
    scene.alive("21");
    scene.host.write("/run/load", "4\n").unwrap();
    let identity = rcgen::generate_simple_self_signed(vec!["lb1.example".to_owned()]).unwrap();
    let (certificate, key) = (identity.cert.pem(), identity.signing_key.serialize_pem());
    scene.host.write("/run/certificate.pem", &certificate).unwrap();
    scene.host.write("/run/key.pem", &key).unwrap();
    let node = scene.start(daemon, CONFIGURATION);
    scene.expect("the scripts have run", || {
        let all = scene.host.read("/run/checks").unwrap();
        ["21", "22"]
            .iter()
            .all(|server| all.lines().any(|line| line == *server))
    });
    // Nothing is counted any more: what comes to rest has come to its results.
    scene.suspended();
    scene.after("the results are in");
    node.process.signal(Signal::SIGUSR1);
    scene.expect("the dump is written", || is_whole(&scene.host));
    let mode = scene
        .host
        .run(|| std::fs::metadata(FILE).unwrap().permissions().mode());
    assert_eq!(mode.unwrap() & 0o7777, 0o600);
    scene.host.read(FILE).unwrap()
}

/// keepalived writes its file bit by bit; the sessions come last.
fn is_whole(host: &Host) -> bool {
    host.read(FILE)
        .is_ok_and(|text| text.contains("  Tracking RS :\n   ["))
}

fn lines(text: &str) -> Vec<String> {
    let counts = |line: &&str| {
        let line = line.trim_start();
        !OTHERWISE.iter().any(|word| line.starts_with(word))
    };
    text.lines().filter(counts).map(str::to_owned).collect()
}
