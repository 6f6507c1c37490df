//! The runner: what a script finds when it starts, and how it ends.

use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::scripts::{Runner, prepare};
use nix::sys::prctl;
use vrrp::ScriptOutcome::{Exited, NotStarted, Signalled, TimedOut};

use crate::stage::{
    Log, Stage, as_ourselves, as_user, block_on, eventually, is_gone, is_root, secure, words,
};

const LONG: Duration = Duration::from_mins(1);

#[test]
fn words_arrive_exactly() {
    let stage = Stage::new();
    let path = stage.script("words", r#"printf '<%s>' "$0" "$@" > out"#);
    let script = prepare(
        &words(&[&path, "a b", "$HOME", "d'e", "", "*", "\"", "ü"]),
        &as_ourselves(),
    )
    .unwrap();
    block_on(async {
        let outcome = Runner::new()
            .unwrap()
            .run(&script, &["INSTANCE", "VI 1"], LONG)
            .await;
        assert_eq!(outcome, Exited(0));
    });
    assert_eq!(
        stage.read("out"),
        format!("<{path}><a b><$HOME><d'e><><*><\"><ü><INSTANCE><VI 1>")
    );
}

#[test]
fn a_script_without_interpreter_line_gets_the_same_words_from_the_shell() {
    let stage = Stage::new();
    let text = format!("printf '<%s>' \"$@\" > {}\n", stage.path("out"));
    let path = stage.file("plain", &text);
    let script = prepare(
        &words(&[&path, "a b", "$HOME", "d'e", "; exit 9", ""]),
        &as_ourselves(),
    )
    .unwrap();
    assert_eq!(
        script
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [format!(
            "Script {path} begins neither with #! nor as a program: it is run through /bin/sh. Please add a #! line."
        )]
    );
    block_on(async {
        let outcome = Runner::new()
            .unwrap()
            .run(&script, &["INSTANCE", "it's"], LONG)
            .await;
        assert_eq!(outcome, Exited(0));
    });
    assert_eq!(stage.read("out"), "<a b><$HOME><d'e><; exit 9><><INSTANCE><it's>");
}

#[test]
fn a_text_that_begins_with_less_asks_only_whether_the_file_opens() {
    let stage = Stage::new();
    stage.touch("flag");
    let script = prepare(&words(&[&format!("<{}", stage.path("flag"))]), &as_ourselves()).unwrap();
    block_on(async {
        let runner = Runner::new().unwrap();
        assert_eq!(runner.run(&script, &["ignored"], LONG).await, Exited(0));
        std::fs::remove_file(stage.path("flag")).unwrap();
        assert_ne!(runner.run(&script, &[], LONG).await, Exited(0));
    });
}

#[test]
fn the_environment_is_ours_without_what_could_hijack_a_script() {
    const INNER: &str = "HOLDFAST_TEST_ENVIRONMENT";
    if let Ok(out) = std::env::var(INNER) {
        let script = prepare(&words(&["/usr/bin/env", "-0"]), &as_ourselves()).unwrap();
        drop(script); // `env` writes to standard output, which is /dev/null: a script has to
        let stage = Stage::new();
        let script = stage.ready("env", &format!("env > {out}"));
        return block_on(async {
            assert_eq!(Runner::new().unwrap().run(&script, &[], LONG).await, Exited(0));
        });
    }
    let stage = Stage::new();
    let inner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "running::the_environment_is_ours_without_what_could_hijack_a_script",
        ])
        .envs([
            (INNER, stage.path("out").as_str()),
            ("KEPT", "as it is"),
            ("IFS", "x"),
            ("LD_LIBRARY_PATH", "/nonexistent"),
            ("LD_PRELOAD", ""),
        ])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(inner.success());
    let environment = stage.lines("out");
    assert!(
        environment.contains(&"KEPT=as it is".to_owned()),
        "{environment:?}"
    );
    for hijacker in ["IFS=", "LD_LIBRARY_PATH=", "LD_PRELOAD="] {
        assert!(
            !environment.iter().any(|line| line.starts_with(hijacker)),
            "{environment:?}"
        );
    }
}

#[test]
fn only_the_null_device_is_open() {
    let stage = Stage::new();
    // A descriptor that does not close itself on exec, as we may have been started with.
    let leak = nix::unistd::dup(std::fs::File::open("/etc/passwd").unwrap()).unwrap();
    let script = stage.ready(
        "descriptors",
        "for n in 0 1 2; do readlink /proc/$$/fd/$n | cat >> standard; done\nls -l /proc/self/fd | cat > all",
    );
    block_on(async {
        assert_eq!(Runner::new().unwrap().run(&script, &[], LONG).await, Exited(0));
    });
    assert_eq!(stage.lines("standard"), ["/dev/null"; 3]);
    let all = stage.read("all");
    assert!(
        !all.contains("/etc/passwd"),
        "descriptor {} leaked: {all}",
        leak.as_raw_fd()
    );
    // 0, 1, 2 and the directory that `ls` reads, under the line with the total.
    assert_eq!(all.lines().count(), 5, "{all}");
}

#[test]
fn it_leads_its_own_process_group_and_no_signal_is_blocked_or_ignored() {
    let stage = Stage::new();
    let script = stage.ready(
        "signals",
        "echo $$ $(cut -d' ' -f5 /proc/$$/stat) > group\ngrep -E '^Sig(Blk|Ign)' /proc/self/status > signals",
    );
    block_on(async {
        assert_eq!(Runner::new().unwrap().run(&script, &[], LONG).await, Exited(0));
    });
    let group = stage.read("group");
    let (leader, group) = group.trim().split_once(' ').unwrap();
    assert_eq!(leader, group);
    assert_eq!(
        stage.lines("signals"),
        ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"]
    );
}

#[test]
fn it_runs_as_the_user_and_group_it_names() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    stage.mode("", 0o777);
    let path = stage.script(
        "who",
        "id -u >> out; id -g >> out; id -G >> out; echo complaint > /dev/stderr",
    );
    let groups = Command::new("id").args(["-G", "nobody"]).output().unwrap().stdout;
    let groups = String::from_utf8(groups).unwrap().trim().to_owned();
    let table = [
        (
            as_user(words(&[&path]), "nobody", None, false),
            ["65534", "65534", "65534"],
        ),
        (
            as_user(words(&[&path]), "nobody", Some("77"), false),
            ["65534", "77", "77"],
        ),
        (
            as_user(words(&[&path]), "65534", Some("0"), false),
            ["65534", "0", "0"],
        ),
        (
            as_user(words(&[&path]), "4242", Some("4243"), false),
            ["4242", "4243", "4243"],
        ),
        (
            as_user(words(&[&path]), "nobody", None, true),
            ["65534", "65534", &groups],
        ),
        (as_user(words(&[&path]), "root", None, false), ["0", "0", "0"]),
    ];
    block_on(async {
        let runner = Runner::new().unwrap();
        for (script, expected) in table {
            let prepared = prepare(&script, &as_ourselves()).unwrap();
            assert_eq!(runner.run(&prepared, &[], LONG).await, Exited(0), "{script:?}");
            assert_eq!(stage.lines("out"), expected, "{script:?}");
            std::fs::remove_file(stage.path("out")).unwrap();
        }
        // Switching users in a child that shares our memory must not cost us our core dumps.
        eventually(|| prctl::get_dumpable() == Ok(true)).await;
    });
}

#[test]
fn when_the_daemon_is_killed_its_scripts_get_sigterm() {
    const INNER: &str = "HOLDFAST_TEST_DEATH";
    let body = "trap 'echo term > end; exit' TERM\necho $$ > pid\nwhile :; do sleep 0.01; done";
    if let Ok(path) = std::env::var(INNER) {
        let user = if nix::unistd::geteuid().is_root() {
            "nobody"
        } else {
            "4294967294"
        };
        let script = as_user(words(&[&path]), user, None, false);
        let script = prepare(&script, &as_ourselves())
            .unwrap_or_else(|_| prepare(&words(&[&path]), &as_ourselves()).unwrap());
        block_on(async { Runner::new().unwrap().run(&script, &[], LONG).await });
        return;
    }
    let stage = Stage::new();
    stage.mode("", 0o777);
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "running::when_the_daemon_is_killed_its_scripts_get_sigterm",
        ])
        .env(INNER, stage.script("waits", body))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    block_on(async {
        let pid = stage.pid_in("pid").await;
        inner.kill().unwrap();
        inner.wait().unwrap();
        eventually(|| is_gone(pid) || stage.read("end") == "term\n").await;
        assert_eq!(stage.read("end"), "term\n");
    });
}

#[test]
fn it_ends_with_its_status_or_its_signal() {
    let stage = Stage::new();
    let ready = |body: &str| stage.ready("ends", body);
    block_on(async {
        let runner = Runner::new().unwrap();
        assert_eq!(runner.run(&ready("exit 0"), &[], LONG).await, Exited(0));
        assert_eq!(runner.run(&ready("exit 3"), &[], LONG).await, Exited(3));
        assert_eq!(runner.run(&ready("exit 255"), &[], LONG).await, Exited(255));
        assert_eq!(runner.run(&ready("kill -9 $$"), &[], LONG).await, Signalled(9));
        assert_eq!(runner.run(&ready("kill -40 $$"), &[], LONG).await, Signalled(40)); // real-time
    });
}

#[test]
fn what_cannot_be_executed_ends_as_a_shell_says_it_and_is_logged_once() {
    let stage = Stage::new();
    let gone = stage.ready("gone", "");
    std::fs::remove_file(stage.path("gone")).unwrap();
    let closed = stage.ready("closed", "");
    stage.mode("closed", 0o644);
    stage.file("lost", "#!/no/such/interpreter\n");
    let lost = prepare(&words(&[&stage.path("lost")]), &as_ourselves()).unwrap();
    let log = Log::open();
    block_on(async {
        let runner = Runner::new().unwrap();
        for _ in 0..3 {
            assert_eq!(runner.run(&gone, &[], LONG).await, Exited(127));
            assert_eq!(runner.run(&closed, &[], LONG).await, Exited(126));
            assert_eq!(runner.run(&lost, &[], LONG).await, Exited(127));
        }
        assert_eq!(runner.run(&gone, &["a\0b"], LONG).await, NotStarted(22));
    });
    let path = |name| stage.path(name);
    assert_eq!(
        log.lines(),
        [
            format!(
                "ERROR Couldn't find command: {} (No such file or directory)",
                path("gone")
            ),
            format!(
                "ERROR Couldn't execute command: {} (Permission denied)",
                path("closed")
            ),
            format!(
                "ERROR Couldn't find command: the interpreter in the #! line of {} does not exist",
                path("lost")
            ),
            format!(
                "ERROR Script {} cannot be given a word with a NUL byte",
                path("gone")
            ),
        ]
    );
}

#[test]
fn what_others_can_change_by_now_is_not_run_as_root_until_that_is_put_right() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let path = stage.file("check", "#!/bin/sh\nexit 0\n");
    let script = prepare(&words(&[&path]), &secure()).unwrap();
    let careless = prepare(&words(&[&path]), &as_ourselves()).unwrap();
    let log = Log::open();
    block_on(async {
        let runner = Runner::new().unwrap();
        assert_eq!(runner.run(&script, &[], LONG).await, Exited(0));
        let mut bad = 0;
        let mut each_flaw = |words: &str| {
            bad += 1;
            assert_eq!(
                log.text().matches("not running it").count(),
                bad,
                "said once each:\n{}",
                log.text()
            );
            assert!(log.has(words), "{words} is not in:\n{}", log.text());
        };
        stage.mode("check", 0o757);
        for _ in 0..3 {
            assert_eq!(runner.run(&script, &[], LONG).await, Exited(126));
        }
        each_flaw(&format!(
            "Unsafe permissions found for script '{path}' - not running it. '{path}' can be written by everyone (owner 0:0, \
             mode 0757; fix: chmod o-w '{path}')"
        ));
        // Without enable_script_security it is only warned of, when the configuration is read.
        assert_eq!(runner.run(&careless, &[], LONG).await, Exited(0));
        stage.mode("check", 0o755);
        assert_eq!(runner.run(&script, &[], LONG).await, Exited(0));

        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert_eq!(runner.run(&script, &[], LONG).await, Exited(126));
        each_flaw(&format!(
            "'{path}' does not belong to root (owner 65534:0, mode 0755; fix: chown -h root '{path}')"
        ));
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        assert_eq!(runner.run(&script, &[], LONG).await, Exited(0));

        let directory = stage.path("");
        stage.mode("", 0o777);
        assert_eq!(runner.run(&script, &[], LONG).await, Exited(126));
        each_flaw(&format!(
            "'{}' can be written by everyone",
            directory.trim_end_matches('/')
        ));
    });
}

#[test]
fn a_time_out_ends_the_whole_process_group() {
    let stage = Stage::new();
    // The leader obeys SIGTERM and is gone before its grandchild, which ignores it.
    let script = stage.ready(
        "family",
        "(trap '' TERM; exec sleep 1000) &\necho $! > grandchild\necho $$ > leader\nwait",
    );
    block_on(async {
        let outcome = Runner::new()
            .unwrap()
            .run(&script, &[], Duration::from_secs(1))
            .await;
        assert_eq!(outcome, TimedOut);
        let (leader, grandchild) = (stage.pid_in("leader").await, stage.pid_in("grandchild").await);
        assert!(is_gone(leader), "not reaped");
        eventually(|| is_gone(grandchild)).await;
    });
}

#[test]
fn a_time_out_ends_even_those_that_ignore_sigterm() {
    let stage = Stage::new();
    // The grandchild inherits that SIGTERM is ignored.
    let script = stage.ready(
        "stubborn",
        "trap '' TERM\nsleep 1000 &\necho $! > grandchild\necho $$ > leader\nwhile :; do sleep 1000; done",
    );
    block_on(async {
        let start = Instant::now();
        let outcome = Runner::new()
            .unwrap()
            .run(&script, &[], Duration::from_secs(1))
            .await;
        assert_eq!(outcome, TimedOut);
        assert!(
            start.elapsed() >= Duration::from_secs(3),
            "SIGKILL came before the 2 s of grace"
        );
        let (leader, grandchild) = (stage.pid_in("leader").await, stage.pid_in("grandchild").await);
        assert!(is_gone(leader), "not reaped");
        eventually(|| is_gone(grandchild)).await;
    });
}

#[test]
fn what_a_script_leaves_in_the_background_lives_on() {
    let stage = Stage::new();
    let script = stage.ready("starter", "sleep 1000 &\necho $! > service");
    block_on(async {
        assert_eq!(Runner::new().unwrap().run(&script, &[], LONG).await, Exited(0));
    });
    let service = block_on(stage.pid_in("service"));
    assert!(!is_gone(service));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(service).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
}

#[test]
fn stopping_ends_all_runs_within_a_second_and_the_runner_goes_on() {
    let stage = Stage::new();
    let obedient = stage.ready("obedient", "echo $$ > pid1\nwhile :; do sleep 0.01; done");
    let stubborn = stage.ready(
        "stubborn",
        "trap '' TERM\necho $$ > pid2\nwhile :; do sleep 0.01; done",
    );
    let quick = stage.ready("quick", "exit 7");
    block_on(async {
        let runner = Runner::new().unwrap();
        let stop = async {
            let pids = [stage.pid_in("pid1").await, stage.pid_in("pid2").await];
            let start = Instant::now();
            runner.stop_all().await;
            (pids, start.elapsed())
        };
        let (first, second, (pids, took)) = tokio::join!(
            runner.run(&obedient, &[], LONG),
            runner.run(&stubborn, &[], LONG),
            stop
        );
        assert_eq!((first, second), (TimedOut, TimedOut));
        assert!(pids.into_iter().all(is_gone));
        assert!(
            took >= Duration::from_secs(1),
            "the stubborn one had less than its second"
        );
        assert!(took < Duration::from_secs(2), "stopping took {took:?}");
        assert_eq!(runner.run(&quick, &[], LONG).await, Exited(7));
    });
}

#[test]
fn stopping_one_runner_does_not_touch_its_sibling() {
    let stage = Stage::new();
    let script = stage.ready(
        "waits",
        "echo $$ > pid\nwhile [ ! -e go ]; do sleep 0.01; done\nexit 5",
    );
    block_on(async {
        let runner = Runner::new().unwrap();
        let sibling = runner.sibling();
        let stop = async {
            stage.pid_in("pid").await;
            runner.stop_all().await;
            stage.touch("go");
        };
        let (outcome, ()) = tokio::join!(sibling.run(&script, &[], LONG), stop);
        assert_eq!(outcome, Exited(5));
    });
}

#[test]
fn a_run_that_nobody_waits_for_is_killed_and_reaped() {
    let stage = Stage::new();
    let script = stage.ready(
        "waits",
        "trap '' TERM\necho $$ > pid\nwhile :; do sleep 0.01; done",
    );
    block_on(async {
        let runner = Runner::new().unwrap();
        let pid = tokio::select! {
            _ = runner.run(&script, &[], LONG) => unreachable!("it never ends"),
            pid = stage.pid_in("pid") => pid,
        };
        eventually(|| is_gone(pid)).await;
    });
}

#[test]
fn two_hundred_at_once_leave_no_zombie() {
    let stage = Stage::new();
    let script = prepare(
        &words(&[&stage.script("many", "echo $$ >> pids\nexit $1")]),
        &as_ourselves(),
    )
    .unwrap();
    block_on(async {
        let runner = std::sync::Arc::new(Runner::new().unwrap());
        let script = std::sync::Arc::new(script);
        let runs: Vec<_> = (0..200)
            .map(|number: u8| {
                let (runner, script) = (std::sync::Arc::clone(&runner), std::sync::Arc::clone(&script));
                tokio::spawn(async move { runner.run(&script, &[&number.to_string()], LONG).await })
            })
            .collect();
        for (number, run) in runs.into_iter().enumerate() {
            assert_eq!(run.await.unwrap(), Exited(u8::try_from(number).unwrap()));
        }
    });
    let pids = stage.lines("pids");
    assert_eq!(pids.len(), 200);
    assert!(pids.iter().all(|pid| is_gone(pid.parse().unwrap())));
}
