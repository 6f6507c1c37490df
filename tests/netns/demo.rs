//! `holdfast demo`, as someone with a fresh machine runs it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use holdfast::lab::wait_until;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::scene::{SOON, Scene, each, expect, ready};

const HOLDFAST: &str = env!("CARGO_BIN_EXE_holdfast");

/// User and group `nobody`.
const NOBODY: u32 = 65534;

#[test]
fn the_demonstration_shows_a_takeover() {
    if !ready() {
        return;
    }
    each(
        &[
            &["demo"] as &[&str],
            &["demo", "--quick"],
            &["demo", "--opposite-keepalived"],
        ],
        |words| {
            let scene = Scene::new();
            let demo = scene.a.spawn("demo", HOLDFAST, words).unwrap();
            let status = demo.wait(Duration::from_secs(40)).expect("it comes to an end");
            assert_eq!(status.code(), Some(0));
            assert!(demo.log.has("node2 took over"), "{words:?} shows no takeover");
            assert!(demo.log.has("are gone"), "{words:?} does not clean up");
        },
    );
}

#[test]
fn an_interrupted_demonstration_leaves_nothing() {
    if !ready() {
        return;
    }
    let ends = [
        (Signal::SIGINT, Some(130)),
        (Signal::SIGTERM, Some(130)),
        (Signal::SIGKILL, None),
    ];
    each(&ends, |&(signal, code)| {
        let scene = Scene::new();
        let demo = scene.a.spawn("demo", HOLDFAST, &["demo"]).unwrap();
        expect("both nodes run", || demo.log.has("MASTER"));
        let processes = demo.descendants();
        demo.signal(signal);
        assert_eq!(demo.wait(SOON).expect("it ends").code(), code);
        let left = || processes.iter().copied().filter(|pid| runs(*pid)).count();
        assert!(
            wait_until(SOON, || left() == 0).is_some(),
            "{} processes are left after {signal}",
            left()
        );
    });
}

#[test]
fn without_root_the_demonstration_says_so() {
    if !ready() {
        return;
    }
    let mut demo = Command::new(HOLDFAST);
    let out = demo.arg("demo").uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_ne!(out.status.code(), Some(0));
    assert_eq!(said.lines().count(), 1, "one sentence is enough: {said}");
    assert!(said.contains("run it as root"), "{said}");
}

/// Whether the process is there and not merely waiting to be reaped.
fn runs(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}
