//! What happens to a supervised daemon.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::daemon::{Daemon, Files, Guard, instance, is_running, mode, send, wait_until};

pub(crate) const ALL: &[(&str, fn())] = &[
    ("a_life_from_start_to_stop", a_life_from_start_to_stop),
    (
        "a_killed_child_is_replaced_and_its_successor_finds_its_state",
        a_killed_child_is_replaced,
    ),
    (
        "who_died_before_the_end_has_a_successor_that_clears_up",
        who_died_before_the_end_has_a_successor_that_clears_up,
    ),
    (
        "who_is_killed_at_the_end_has_a_successor_that_clears_up",
        who_is_killed_at_the_end_has_a_successor_that_clears_up,
    ),
    (
        "a_frozen_child_is_noticed_killed_and_replaced",
        a_frozen_child_is_noticed_killed_and_replaced,
    ),
    (
        "a_child_in_an_endless_loop_is_noticed_killed_and_replaced",
        a_child_in_an_endless_loop_is_noticed_killed_and_replaced,
    ),
    ("any_signal_may_kill_a_child", any_signal_may_kill_a_child),
    ("a_panic_is_told", a_panic_is_told),
    (
        "a_permanent_error_ends_the_daemon_with_its_status",
        a_permanent_error_ends_the_daemon_with_its_status,
    ),
    (
        "without_respawn_a_dead_child_ends_the_daemon",
        without_respawn_a_dead_child_ends_the_daemon,
    ),
    ("a_reload_reaches_the_child", a_reload_reaches_the_child),
    ("a_bad_file_changes_nothing", a_bad_file_changes_nothing),
    (
        "a_file_that_was_good_enough_to_begin_with_can_be_reloaded",
        a_file_that_was_good_enough_to_begin_with_can_be_reloaded,
    ),
    ("many_reloads_become_few", many_reloads_become_few),
    (
        "a_reload_starts_a_child_that_is_now_needed",
        a_reload_starts_a_child_that_is_now_needed,
    ),
    (
        "static_addresses_and_all_need_a_child_too",
        static_addresses_and_all_need_a_child_too,
    ),
    (
        "a_reload_cures_a_child_that_cannot_live",
        a_reload_cures_a_child_that_cannot_live,
    ),
    ("signals_are_passed_on", signals_are_passed_on),
    (
        "signals_sent_to_the_child_itself_work_too",
        signals_sent_to_the_child_itself_work_too,
    ),
    (
        "a_second_daemon_ends_without_harm",
        a_second_daemon_ends_without_harm,
    ),
    ("a_daemon_leaves_the_terminal", a_daemon_leaves_the_terminal),
    (
        "a_child_that_will_not_stop_is_killed",
        a_child_that_will_not_stop_is_killed,
    ),
    (
        "the_child_stops_when_the_supervisor_dies",
        the_child_stops_when_the_supervisor_dies,
    ),
    ("systemd_is_told", systemd_is_told),
    (
        "the_watchdog_is_fed_only_while_every_child_beats",
        the_watchdog_is_fed_only_while_every_child_beats,
    ),
    ("sigint_stops_unless_ignored", sigint_stops_unless_ignored),
    ("orphans_of_a_child_are_reaped", orphans_of_a_child_are_reaped),
    (
        "three_children_live_side_by_side",
        three_children_live_side_by_side,
    ),
    (
        "bfd_states_reach_those_who_follow_them",
        bfd_states_reach_those_who_follow_them,
    ),
];

/// Something to do for every child.
fn everything() -> String {
    instance("WELL")
        + "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 192.0.2.2 80 {\n }\n}\n\
           bfd_instance b1 {\n neighbor_ip 192.0.2.3\n}\n"
}

fn with_everything() -> Daemon {
    let files = Files::of_instance("WELL");
    files.write(&everything());
    let mut daemon = Daemon::start(files, "-nlD");
    daemon.says("Startup complete");
    daemon
}

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;
const SIGSTOP: i32 = 19;

fn a_life_from_start_to_stop() {
    let mut daemon = Daemon::with_instance("WELL");
    assert!(daemon.heard[0].ends_with("Starting Keepalived v2.4.3 (08/13,2026), Holdfast v0.1.0"));
    for (earlier, later) in [
        ("Starting Keepalived", "Running on Linux"),
        ("Running on Linux", "Command line: '"),
        (
            "Command line: '",
            "NOTICE: setting config option max_auto_priority",
        ),
        (
            "NOTICE: setting config option max_auto_priority should result in better keepalived performance",
            "Starting VRRP child process, pid=",
        ),
        ("Starting VRRP child process, pid=", "Startup complete"),
    ] {
        assert!(daemon.place(earlier) < daemon.place(later), "{later}");
    }
    let (own, vrrp) = (daemon.files.path("keepalived.pid"), daemon.files.path("vrrp.pid"));
    assert_eq!(
        daemon.files.pid("keepalived.pid").as_raw().cast_unsigned(),
        daemon.process.id()
    );
    assert!(daemon.heard[daemon.place("Starting VRRP")].ends_with(&format!("pid={}", daemon.child())));
    assert_eq!((mode(&own), mode(&vrrp)), (0o600, 0o600));

    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
    assert!(daemon.place("Stopping") < daemon.place("child stops"));
    assert!(daemon.place("child stops") < daemon.place("Stopped Keepalived v2.4.3"));
    assert!(!own.exists() && !vrrp.exists());
}

fn a_killed_child_is_replaced() {
    let mut daemon = Daemon::with_instance("WELL");
    let first = daemon.child();
    assert_eq!(daemon.said("child WELL finds ''"), 1);
    send(first, SIGKILL);
    daemon.says(&format!("pid {first} exited due to signal 9 (Killed)"));
    daemon.says(&format!("VRRP child process({first}) died: Respawning"));
    daemon.says("Restart of VRRP process delayed 0 seconds to limit respawn rate");
    daemon.says(&format!("child WELL finds 'left by {first}'"));
    let second = daemon.child();
    assert_ne!(first, second);
    // The next to die so soon is replaced after a delay.
    let start = Instant::now();
    send(second, SIGKILL);
    daemon.says("Restart of VRRP process delayed 1 seconds to limit respawn rate");
    assert_eq!(
        std::fs::read_to_string(daemon.files.path("vrrp.pid")).unwrap(),
        ""
    );
    daemon.says(&format!("child WELL finds 'left by {second}'"));
    assert!(start.elapsed() >= Duration::from_secs(1));
}

/// What it had in the kernel would stay there.
fn who_died_before_the_end_has_a_successor_that_clears_up() {
    let mut daemon = Daemon::with_instance("WELL");
    send(daemon.child(), SIGKILL);
    daemon.says("child WELL finds 'left by");
    let second = daemon.child();
    send(second, SIGKILL);
    daemon.says("Restart of VRRP process delayed 1 seconds to limit respawn rate");
    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
    assert!(daemon.place("Stopping") < daemon.place(&format!("child WELL finds 'left by {second}'")));
    assert_eq!(daemon.said("child stops"), 1);
}

fn who_is_killed_at_the_end_has_a_successor_that_clears_up() {
    let mut daemon = Daemon::with_instance("STUBBORN");
    let first = daemon.child();
    daemon.signal(SIGTERM);
    daemon.says("Stopping");
    send(first, SIGKILL);
    daemon.says(&format!("child STUBBORN finds 'left by {first}'"));
    assert_eq!(daemon.ends(), 0);
}

fn a_frozen_child_is_noticed_killed_and_replaced() {
    let mut daemon = Daemon::with_instance("WELL");
    let frozen = daemon.child();
    send(frozen, SIGSTOP);
    let start = Instant::now();
    daemon.says("VRRP process has been silent for 3.");
    assert!(
        start.elapsed() < Duration::from_millis(3500),
        "{:?}",
        start.elapsed()
    );
    daemon.says(&format!("VRRP child process({frozen}) died: Respawning"));
    daemon.says(&format!("child WELL finds 'left by {frozen}'"));
    assert!(!is_running(frozen));
}

/// It runs, and does nothing else: to who waits for its beats that is the same as one that does not run.
fn a_child_in_an_endless_loop_is_noticed_killed_and_replaced() {
    let mut daemon = Daemon::with_instance("ENDLESS");
    let endless = daemon.child();
    daemon.signal(SIGUSR1);
    daemon.says("VRRP process has been silent for 3.");
    daemon.says(&format!("VRRP child process({endless}) died: Respawning"));
    daemon.says(&format!("child ENDLESS finds 'left by {endless}'"));
    assert!(!is_running(endless));
}

fn any_signal_may_kill_a_child() {
    let mut daemon = Daemon::with_instance("WELL");
    send(daemon.child(), 40);
    daemon.says("exited due to signal 40");
    daemon.says("child WELL finds 'left by");
    // Asked to stop behind the supervisor's back, it does; the supervisor wants one all the same.
    send(daemon.child(), SIGTERM);
    daemon.says("child stops");
    daemon.says("died: Respawning");
    daemon.says("child WELL finds 'left by");
}

fn a_panic_is_told() {
    let mut daemon = Daemon::start(Files::of_instance("PANIC"), "-nl");
    daemon.says("the child's last words");
    daemon.says("exited with status 101");
    daemon.says("This is a defect of Holdfast");
    daemon.says("died: Respawning");
}

fn a_permanent_error_ends_the_daemon_with_its_status() {
    for (name, status, words) in [
        ("EXIT_1", 1, "FATAL"),
        ("EXIT_2", 2, "CONFIG"),
        ("EXIT_4", 4, "missing permission"),
    ] {
        let mut daemon = Daemon::start(Files::of_instance(name), "-nl");
        assert_eq!(daemon.ends(), status);
        let told = daemon.place(&format!("exited with permanent error {words}. Terminating"));
        assert!(told < daemon.place("Stopping"));
        assert_eq!(daemon.said("Starting VRRP child process"), 1);
        assert!(!daemon.files.path("keepalived.pid").exists());
    }
}

fn without_respawn_a_dead_child_ends_the_daemon() {
    let mut daemon = Daemon::start(Files::of_instance("WELL"), "-nl -R");
    daemon.says("Startup complete");
    let child = daemon.child();
    send(child, SIGKILL);
    assert_eq!(daemon.ends(), 0);
    assert!(daemon.place(&format!("VRRP child process({child}) died: Exiting")) < daemon.place("Stopping"));
    assert_eq!(daemon.said("Starting VRRP child process"), 1);
}

fn a_reload_reaches_the_child() {
    let mut daemon = Daemon::with_instance("WELL");
    let child = daemon.child();
    daemon.files.write(&instance("BETTER"));
    daemon.signal(SIGHUP);
    daemon.says("Reloading ...");
    daemon.says("child reloads BETTER");
    daemon.says("Reload complete");
    assert_eq!(daemon.child(), child);
    // A successor begins with the new configuration.
    send(child, SIGKILL);
    daemon.says(&format!("child BETTER finds 'left by {child}'"));
}

fn a_bad_file_changes_nothing() {
    let mut daemon = Daemon::with_instance("WELL");
    let well = instance("WORSE");
    for (text, reason) in [
        (
            well[..well.len() - 2].to_owned(),
            "the block of `vrrp_instance` is not closed",
        ),
        (
            well.replace("priority 100", "priority 1000"),
            "keepalived.conf: Line 4) ",
        ),
        (
            well.replace(" priority 100", " router_id \"x"),
            "keepalived.conf: Line 4) ",
        ),
    ] {
        daemon.files.write(&text);
        daemon.signal(SIGHUP);
        daemon.says("Reloading ...");
        let refusal = daemon.says("the configuration stays as it was");
        assert!(
            refusal.contains("The new configuration is not taken: (") && refusal.contains(reason),
            "{refusal}"
        );
    }
    std::fs::remove_file(daemon.files.path("keepalived.conf")).unwrap();
    daemon.signal(SIGHUP);
    daemon.says("No usable configuration file");
    let child = daemon.child();
    send(child, SIGKILL);
    daemon.says(&format!("child WELL finds 'left by {child}'"));
    assert_eq!(daemon.said("child reloads"), 0);
}

fn a_file_that_was_good_enough_to_begin_with_can_be_reloaded() {
    let files = Files::of_instance("WELL");
    let flawed = |name: &str| {
        format!(
            "nonsense\n{}",
            instance(name).replace(" priority 100", " priority 1000")
        )
    };
    files.write(&flawed("WELL"));
    let mut daemon = Daemon::start(files, "-nl");
    daemon.says("keepalived.conf: Line 1) unknown keyword `nonsense`");
    daemon.says("keepalived.conf: Line 5) ");
    daemon.says("Startup complete");
    daemon.files.write(&flawed("BETTER"));
    daemon.signal(SIGHUP);
    daemon.says("child reloads BETTER");
    // A keyword of another version is no slip.
    daemon
        .files
        .write(&format!("brand_new_keyword\n{}", flawed("MODERN")));
    daemon.signal(SIGHUP);
    daemon.says("child reloads MODERN");
}

fn many_reloads_become_few() {
    let mut daemon = Daemon::with_instance("WELL");
    daemon.files.write(&instance("THOUGHTFUL"));
    daemon.signal(SIGHUP);
    daemon.says("child reloads THOUGHTFUL");
    for _ in 0..20 {
        daemon.signal(SIGHUP);
    }
    daemon.files.write(&instance("LAST"));
    daemon.signal(SIGHUP);
    daemon.signal(SIGUSR1);
    daemon.says("Reload complete");
    daemon.says("child reloads LAST");
    daemon.says("Reload complete");
    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
    assert_eq!(daemon.said("Reloading ..."), 2);
}

fn a_reload_starts_a_child_that_is_now_needed() {
    let files = Files::of_instance("WELL");
    files.write("");
    let mut daemon = Daemon::start(files, "-nl");
    daemon.says("Warning - keepalived has no configuration to run");
    daemon.says("Startup complete");
    assert!(!daemon.files.path("vrrp.pid").exists());
    daemon.files.write(&instance("LATE"));
    daemon.signal(SIGHUP);
    daemon.says("Starting VRRP child process, pid=");
    daemon.says("Reload complete");
    daemon.child();
}

fn static_addresses_and_all_need_a_child_too() {
    let files = Files::of_instance("WELL");
    files.write("static_ipaddress {\n 192.0.2.1 dev eth0\n}\n");
    Daemon::start(files, "-nl").says("Starting VRRP child process, pid=");
    let files = Files::of_instance("WELL");
    files.write("");
    Daemon::start(files, "-nl --all").says("Starting VRRP child process, pid=");
    let mut without = Daemon::start(Files::of_instance("WELL"), "-nl --check");
    without.says("Warning - keepalived has no configuration to run");
}

fn a_reload_cures_a_child_that_cannot_live() {
    let mut daemon = Daemon::start(Files::of_instance("EXIT_3"), "-nl");
    daemon.says("Restart of VRRP process delayed 2 seconds");
    assert_eq!(daemon.said("Startup complete"), 0);
    daemon.files.write(&instance("WELL"));
    let start = Instant::now();
    daemon.signal(SIGHUP);
    daemon.says("Reload complete");
    assert!(
        start.elapsed() < Duration::from_millis(1500),
        "{:?}",
        start.elapsed()
    );
    assert!(daemon.place("Reloading ...") < daemon.place("child WELL finds"));
}

fn signals_are_passed_on() {
    let mut daemon = Daemon::with_instance("WELL");
    for (number, order) in [(10, "Data"), (12, "Stats"), (63, "StatsClear"), (36, "Json")] {
        daemon.signal(number);
        daemon.says(&format!("child is ordered {order}"));
    }
    // SIGPIPE and the end of a terminal hurt nobody.
    daemon.signal(13);
    send(daemon.child(), 13);
    daemon.signal(SIGUSR1);
    daemon.says("child is ordered Data");
}

fn signals_sent_to_the_child_itself_work_too() {
    let mut daemon = Daemon::with_instance("WELL");
    for (number, order) in [(10, "Data"), (12, "Stats"), (63, "StatsClear"), (36, "Json")] {
        send(daemon.child(), SIGHUP);
        send(daemon.child(), number);
        daemon.says(&format!("child is ordered {order}"));
    }
    assert_eq!(daemon.said("child reloads"), 0);
}

fn a_second_daemon_ends_without_harm() {
    let mut daemon = Daemon::with_instance("WELL");
    for options in ["-nl", ""] {
        let second = daemon.files.command(options).output().unwrap();
        assert_eq!(second.status.code(), Some(0));
        let lines = String::from_utf8(second.stderr).unwrap();
        assert_eq!(
            lines.contains("daemon is already running"),
            !options.is_empty(),
            "{lines}"
        );
    }
    assert_eq!(
        daemon.files.pid("keepalived.pid").as_raw().cast_unsigned(),
        daemon.process.id()
    );
    daemon.signal(SIGUSR1);
    daemon.says("child is ordered Data");
    // Killed, it leaves files behind that hinder nobody.
    daemon.signal(SIGKILL);
    let child = daemon.child();
    wait_until("the child ends with its supervisor", || !is_running(child));
    let mut next = daemon.files.command("-nl").spawn().unwrap();
    wait_until("the next daemon writes its pid", || {
        std::fs::read_to_string(daemon.files.path("keepalived.pid")).unwrap() == format!("{}\n", next.id())
    });
    next.kill().unwrap();
    next.wait().unwrap();
}

fn a_daemon_leaves_the_terminal() {
    let files = Files::of_instance("WELL");
    let log = files.path("keepalived.log");
    let status = files
        .command(&format!("-g{}", log.display()))
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    // At once: whoever waited for the first process may read the files.
    let daemon = files.pid("keepalived.pid");
    let _guard = Guard(daemon);
    let child = files.pid("vrrp.pid");
    let stat = std::fs::read_to_string(format!("/proc/{daemon}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let (session, terminal) = (fields[3], fields[4]);
    assert!(session != daemon.to_string() && terminal == "0", "{stat}");
    for stream in 0..3 {
        let target = std::fs::read_link(format!("/proc/{daemon}/fd/{stream}")).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"));
    }
    wait_until("the start completes", || {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains("Startup complete")
    });
    assert!(
        std::fs::read_to_string(files.path("keepalived_vrrp.log"))
            .unwrap()
            .contains("child WELL finds ''")
    );
    send(daemon, SIGTERM);
    wait_until("the daemon ends", || !is_running(daemon) && !is_running(child));
    assert!(!files.path("keepalived.pid").exists() && !files.path("vrrp.pid").exists());
}

fn a_child_that_will_not_stop_is_killed() {
    let mut daemon = Daemon::with_instance("STUBBORN");
    let child = daemon.child();
    let start = Instant::now();
    daemon.signal(SIGTERM);
    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
    let time = start.elapsed();
    assert!((5.0..7.0).contains(&time.as_secs_f64()), "{time:?}");
    assert_eq!(daemon.said("VRRP process failed to die - forcing termination"), 1);
    assert_eq!(daemon.said("Stopping"), 1);
    assert!(!is_running(child));
}

fn the_child_stops_when_the_supervisor_dies() {
    let mut daemon = Daemon::with_instance("WELL");
    let child = daemon.child();
    daemon.signal(SIGKILL);
    daemon.says("child stops");
    wait_until("the child ends", || !is_running(child));
}

fn systemd_is_told() {
    let files = Files::of_instance("WELL");
    let systemd = UnixDatagram::bind(files.path("notify")).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let anything = || {
        let mut bytes = [0; 256];
        let length = systemd.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    let told = || loop {
        let told = anything();
        if told != "WATCHDOG=1" {
            return told;
        }
    };
    let mut command = files.command("-nl");
    command.env("NOTIFY_SOCKET", files.path("notify"));
    command.env("WATCHDOG_USEC", "600000");
    let mut daemon = Daemon::run(files, command);
    let ready = format!("READY=1\nMAINPID={}", daemon.process.id());
    assert_eq!(told(), ready);
    daemon.says("Startup complete");
    assert_eq!(daemon.said("in its environment"), 0);
    assert_eq!(anything(), "WATCHDOG=1");
    assert_eq!(anything(), "WATCHDOG=1");
    daemon.signal(SIGHUP);
    assert!(told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(), ready);
    std::fs::remove_file(daemon.files.path("keepalived.conf")).unwrap();
    daemon.signal(SIGHUP);
    assert!(told().starts_with("RELOADING=1\n"));
    assert_eq!(told(), ready);
    daemon.signal(SIGTERM);
    assert_eq!(told(), "STOPPING=1");
    assert_eq!(daemon.ends(), 0);
}

/// A frozen child is given up after 3 s; well before that nobody vouches for it, though the other two go on beating.
fn the_watchdog_is_fed_only_while_every_child_beats() {
    let files = Files::of_instance("WELL");
    files.write(&everything());
    let systemd = UnixDatagram::bind(files.path("notify")).unwrap();
    let mut command = files.command("-nl");
    command.env("NOTIFY_SOCKET", files.path("notify"));
    // Three times in this time, so that a pause shows.
    command.env("WATCHDOG_USEC", "300000");
    let mut daemon = Daemon::run(files, command);
    daemon.says("Startup complete");
    let is_fed_within = |time: Duration| {
        systemd.set_read_timeout(Some(time)).unwrap();
        let mut bytes = [0; 256];
        while let Ok(length) = systemd.recv(&mut bytes) {
            if bytes[..length] == *b"WATCHDOG=1" {
                return true;
            }
        }
        false
    };
    for pid_file in ["bfd.pid", "checkers.pid"] {
        assert!(is_fed_within(Duration::from_secs(20)), "all are well");
        let frozen = daemon.child_of(pid_file);
        send(frozen, SIGSTOP);
        wait_until("a pause", || !is_fed_within(Duration::from_secs(1)));
        assert!(is_fed_within(Duration::from_secs(20)), "it was replaced");
        daemon.says("process has been silent for");
        assert_ne!(daemon.child_of(pid_file), frozen);
    }
    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
}

fn sigint_stops_unless_ignored() {
    let mut daemon = Daemon::with_instance("WELL");
    daemon.signal(SIGINT);
    assert_eq!(daemon.ends(), 0);

    let mut daemon = Daemon::start(Files::of_instance("WELL"), "-nl --ignore-sigint");
    daemon.says("Startup complete");
    daemon.signal(SIGINT);
    send(daemon.child(), SIGINT);
    daemon.signal(SIGUSR1);
    daemon.says("child is ordered Data");
    assert_eq!(daemon.said("Stopping"), 0);
}

fn orphans_of_a_child_are_reaped() {
    let mut daemon = Daemon::with_instance("PARENT");
    let line = daemon.heard[daemon.place("child has a child")].clone();
    let grandchild = nix::unistd::Pid::from_raw(line.rsplit(' ').next().unwrap().parse().unwrap());
    send(daemon.child(), SIGKILL);
    daemon.says("died: Respawning");
    assert!(is_running(grandchild));
    send(grandchild, SIGKILL);
    wait_until("the orphan is reaped", || {
        !std::path::Path::new(&format!("/proc/{grandchild}")).exists()
    });
}

fn three_children_live_side_by_side() {
    let mut daemon = with_everything();
    let order = [
        "Starting Healthcheck",
        "Starting VRRP",
        "Starting BFD",
        "Startup complete",
    ];
    for pair in order.windows(2) {
        assert!(daemon.place(pair[0]) < daemon.place(pair[1]), "{pair:?}");
    }
    for file in ["checkers.pid", "vrrp.pid", "bfd.pid"] {
        assert!(is_running(daemon.child_of(file)), "{file}");
    }
    let bfd = daemon.child_of("bfd.pid");
    send(bfd, SIGKILL);
    daemon.says(&format!("BFD child process({bfd}) died: Respawning"));
    daemon.says("Starting BFD child process, pid=");
    assert_eq!(daemon.said("died"), 1);
    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
    for file in ["checkers.pid", "vrrp.pid", "bfd.pid"] {
        assert!(!daemon.files.path(file).exists(), "{file}");
    }
    for (options, role) in [("-nl -P", "Healthcheck"), ("-nl -C", "VRRP"), ("-nl -B", "BFD")] {
        let files = Files::of_instance("WELL");
        files.write(&everything());
        let mut daemon = Daemon::start(files, options);
        daemon.says("Startup complete");
        assert_eq!(daemon.said(&format!("Starting {role}")), 0, "{options}");
        assert_eq!(daemon.said("child process, pid="), 2, "{options}");
    }
}

fn bfd_states_reach_those_who_follow_them() {
    let mut daemon = with_everything();
    let both_hear = |daemon: &mut Daemon, words: &str| {
        for role in ["VRRP", "Healthcheck"] {
            wait_until(words, || {
                if daemon.said(&format!("{role} child hears {words}")) == 0 {
                    daemon.says("child hears");
                }
                daemon.said(&format!("{role} child hears {words}")) > 0
            });
        }
        daemon.heard.clear();
    };
    both_hear(&mut daemon, "b1 true");
    daemon.signal(SIGUSR1);
    both_hear(&mut daemon, "b1 false");
    // A process that begins anew is told at once, without the BFD process.
    send(daemon.child(), SIGKILL);
    daemon.says("VRRP child hears b1 false");
    // While no BFD process runs nothing is news.
    daemon.heard.clear();
    send(daemon.child_of("bfd.pid"), SIGKILL);
    daemon.says("BFD sessions count as they were");
    assert_eq!(daemon.said("child hears"), 0);
    both_hear(&mut daemon, "b1 true");
    // Nor when everything ends; and a session that is no longer configured is forgotten.
    daemon.files.write(&instance("WELL"));
    daemon.signal(SIGHUP);
    daemon.says("Reload complete");
    daemon.heard.clear();
    send(daemon.child(), SIGKILL);
    daemon.says("child WELL finds");
    daemon.signal(SIGTERM);
    assert_eq!(daemon.ends(), 0);
    assert_eq!(daemon.said("child hears"), 0);
}
