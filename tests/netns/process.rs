//! How the daemon's processes stand with the kernel: priorities, names, namespaces, pid files, and the scripts before and
//! after everything.

use holdfast::lab::node::KEEPALIVED;
use holdfast::lab::{Daemon, Host, Process};
use nix::sys::signal::Signal;

use crate::owned::has;
use crate::scene::{SOON, Scene, VIRTUAL, beside_keepalived, expect, ready};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_holdfast");

const INSTANCE: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.10/24
    }
    notify /run/notify.sh
}
";

pub(crate) fn start(host: &Host, configuration: &str, options: &[&str]) -> Process {
    host.write("/run/node.conf", configuration).unwrap();
    let options = [&["-f", "/run/node.conf", "-n", "-l", "-D"], options].concat();
    let process = host.spawn("holdfast", PROGRAM, &options).unwrap();
    expect("it starts", || process.log.count("Startup complete") == 1);
    process
}

pub(crate) fn stop(process: &Process, status: i32) {
    process.signal(Signal::SIGTERM);
    assert_eq!(
        process.wait(2 * SOON).expect("the daemon ends").code(),
        Some(status)
    );
}

/// Priority, nice value, realtime priority and policy (proc(5)), and the processors.
fn standing(host: &Host, pid: &str) -> (String, String) {
    let stat = host.read(&format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let [nice, realtime, policy] = [19, 40, 41].map(|field| fields[field - 3]);
    let status = host.read(&format!("/proc/{pid}/status")).unwrap();
    let processors = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
    (
        format!("nice {nice} realtime {realtime} policy {policy}"),
        processors.unwrap().to_owned(),
    )
}

fn may_raise_limits() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:\t"))
        .unwrap();
    u64::from_str_radix(effective, 16).unwrap() & 1 << CAP_SYS_RESOURCE != 0
}

#[test]
fn priorities_and_names_are_the_process_s_and_not_its_scripts() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let script = "#!/bin/sh\ncat /proc/self/stat /proc/self/limits >/run/script.$3.new\n\
                  grep Cpus_allowed_list /proc/self/status >>/run/script.$3.new\nmv /run/script.$3.new /run/script.$3\n";
    host.write_script("/run/notify.sh", script).unwrap();
    let global = "global_defs {
        process_names
        process_name watchman
        vrrp_priority -7
        vrrp_rt_priority 3
        vrrp_no_swap
        vrrp_cpu_affinity 0
        vrrp_rlimit_rttime 500000
    }";
    let (_, all_processors) = standing(host, "1");
    let daemon = start(host, &format!("{global}{INSTANCE}"), &[]);
    let pid = host.read("/run/vrrp.pid").unwrap().trim().to_owned();
    assert_eq!(
        host.read(&format!("/proc/{pid}/comm")).unwrap(),
        "keepalived_vrrp\n"
    );
    let parent = host.read("/run/keepalived.pid").unwrap().trim().to_owned();
    assert_eq!(host.read(&format!("/proc/{parent}/comm")).unwrap(), "watchman\n");
    // SCHED_RR is 2.
    assert_eq!(
        standing(host, &pid),
        ("nice -7 realtime 3 policy 2".to_owned(), "0".to_owned())
    );
    let status = host.read(&format!("/proc/{pid}/status")).unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
    assert!(!locked.contains(" 0 kB"), "{locked}");

    expect("a script has run", || host.read("/run/script.MASTER").is_ok());
    let told = host.read("/run/script.MASTER").unwrap();
    let fields: Vec<&str> = told.split_once(") ").unwrap().1.split(' ').collect();
    assert_eq!([fields[16], fields[37], fields[38]], ["0", "0", "0"], "{told}");
    assert!(
        told.contains(&format!("Cpus_allowed_list:\t{all_processors}\n")),
        "{told}"
    );
    let limit = told
        .lines()
        .find(|line| line.starts_with("Max realtime timeout"))
        .unwrap();
    // Without CAP_SYS_RESOURCE a limit that was lowered stays; it means nothing to what is not realtime.
    assert!(limit.contains("unlimited") || !may_raise_limits(), "{limit}");

    // A reload takes all of it back.
    host.write("/run/node.conf", INSTANCE).unwrap();
    daemon.signal(Signal::SIGHUP);
    expect("it reloads", || daemon.log.count("Reload complete") == 1);
    assert_eq!(
        standing(host, &pid),
        ("nice 0 realtime 0 policy 0".to_owned(), all_processors)
    );
    stop(&daemon, 0);
}

#[test]
fn scripts_run_before_the_first_child_and_after_the_last() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let script = "#!/bin/sh\nls /run | grep -c vrrp.pid | sed \"s/^/$1 /\" >>/run/hooks\n\
                  [ ! -s /run/vrrp.pid ] && echo no child >>/run/hooks\n[ $1 = begin ] || sleep 60\n";
    host.write_script("/run/hook.sh", script).unwrap();
    let global = "global_defs {
        startup_script \"/run/hook.sh begin\"
        shutdown_script \"/run/hook.sh end\"
        shutdown_script_timeout 1
        umask 0133
    }
    instance blue";
    let daemon = start(host, &format!("{global}{INSTANCE}"), &[]);
    assert_eq!(host.read("/run/hooks").unwrap(), "begin 0\nno child\n");
    let name = host.read("/run/keepalived/keepalived_blue.pid").unwrap();
    assert_eq!(
        host.read(&format!("/proc/{}/comm", name.trim())).unwrap(),
        "holdfast\n"
    );
    let mode = host.run(|| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata("/run/keepalived/vrrp_blue.pid").map(|data| data.permissions().mode() & 0o777)
    });
    assert_eq!(mode.unwrap().unwrap(), 0o644);

    // What only a start can change is refused, by name.
    host.write(
        "/run/node.conf",
        &format!("{}{INSTANCE}", global.replace("blue", "green")),
    )
    .unwrap();
    daemon.signal(Signal::SIGHUP);
    expect("the reload is refused", || {
        daemon
            .log
            .count("Cannot change instance at a reload - please restart keepalived")
            == 1
    });
    stop(&daemon, 0);
    assert_eq!(
        host.read("/run/hooks").unwrap(),
        "begin 0\nno child\nend 0\nno child\n"
    );
    assert_eq!(daemon.log.count("took longer than 1 s and was ended"), 1);
}

#[test]
fn it_runs_in_the_namespace_it_is_told_with_files_of_its_own() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    for words in [
        "netns add east",
        "-n east link add eth0 type veth peer name far",
        "-n east link set eth0 up",
        "-n east link set far up",
        "-n east address add 198.51.100.1/24 dev eth0",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let ended = host.spawn("ip", "/sbin/ip", &words).unwrap().wait(SOON);
        assert!(ended.unwrap().success(), "ip {words:?}");
    }
    let by_keyword = format!("net_namespace east{INSTANCE}");
    let elsewhere = INSTANCE.replace("notify /run/notify.sh", "");
    for (configuration, options) in [(by_keyword, &[][..]), (elsewhere, &["-s", "east"])] {
        let daemon = start(host, &configuration, options);
        let pid = host
            .read("/run/keepalived/east/vrrp.pid")
            .unwrap()
            .trim()
            .to_owned();
        let network = |path: String| host.run(move || std::fs::read_link(path)).unwrap().unwrap();
        let its_own = network(format!("/proc/{pid}/ns/net"));
        assert_ne!(its_own, network("/proc/1/ns/net".to_owned()));
        expect("it is master there", || {
            daemon.log.count("Entering MASTER STATE") == 1
        });
        stop(&daemon, 0);
        assert!(host.read("/run/keepalived/east/vrrp.pid").is_err());
    }

    let lost = host
        .spawn(
            "holdfast",
            PROGRAM,
            &["-f", "/run/node.conf", "-nl", "-s", "nowhere"],
        )
        .unwrap();
    assert_eq!(lost.wait(SOON).unwrap().code(), Some(1));
    let said = "Unable to set network namespace nowhere - exiting";
    assert_eq!(lost.log.count(said), 1);
}

#[test]
fn the_core_pattern_is_put_back() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    // In place of the machine's own.
    host.write("/run/pattern", "as it was\n").unwrap();
    let bind = ["--bind", "/run/pattern", "/proc/sys/kernel/core_pattern"];
    assert!(
        host.spawn("mount", "/bin/mount", &bind)
            .unwrap()
            .wait(SOON)
            .unwrap()
            .success()
    );
    let daemon = start(host, INSTANCE, &["-M/run/core.%p"]);
    assert_eq!(host.read("/run/pattern").unwrap(), "/run/core.%p");
    let pid = host.read("/run/vrrp.pid").unwrap().trim().to_owned();
    let limits = host.read(&format!("/proc/{pid}/limits")).unwrap();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size"));
    assert!(cores.unwrap().contains("unlimited"), "{limits}");
    stop(&daemon, 0);
    assert_eq!(host.read("/run/pattern").unwrap(), "as it was\n");
}

#[test]
fn a_reload_is_tested_first_where_that_is_wished_and_addresses_are_reported() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write_script("/run/notify.sh", "#!/bin/sh\n").unwrap();
    let checked = format!(
        "global_defs {{\nreload_check_config /run/check.log\nreload_file /run/reloading\n}}{INSTANCE}"
    );
    let daemon = start(host, &checked, &["-a"]);
    for (word, told) in [("add", "added to"), ("del", "removed from")] {
        let words = ["address", word, "192.0.2.99/24", "dev", "eth0"];
        host.spawn("ip", "/sbin/ip", &words).unwrap().wait(SOON);
        let reported = format!("Netlink reports address 192.0.2.99 {told} eth0");
        expect("the address is reported", || daemon.log.count(&reported) == 1);
    }

    // The test finds what an ordinary reload lives with: scripts without enable_script_security.
    daemon.signal(Signal::SIGHUP);
    expect("the reload is refused", || {
        daemon
            .log
            .count("New config failed validation, see /run/check.log for details")
            == 1
    });
    assert!(
        host.read("/run/check.log")
            .unwrap()
            .contains("SECURITY VIOLATION")
    );
    let secure = checked.replace(
        "global_defs {",
        "global_defs {\nscript_user root\nenable_script_security",
    );
    host.write("/run/node.conf", &secure).unwrap();
    // Whoever reads the file meanwhile finds the mark; it stands for as long as the reading takes.
    let name = "/run/seen";
    let watch = "while [ ! -e /run/stop ]; do [ -e /run/reloading ] && touch /run/seen; done";
    let watcher = host.spawn("watch", "/bin/sh", &["-c", watch]).unwrap();
    let mut reloads = 0;
    expect("the mark is seen", || {
        daemon.signal(Signal::SIGHUP);
        reloads += 1;
        host.read(name).is_ok()
    });
    host.write("/run/stop", "").unwrap();
    watcher.wait(SOON);
    expect("it reloads", || daemon.log.count("Reload complete") >= 1);
    assert!(reloads > 0 && host.read("/run/reloading").is_err());
    stop(&daemon, 0);
}

#[test]
fn a_file_says_when_to_reload() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write_script("/run/notify.sh", "#!/bin/sh\n").unwrap();
    let configuration = format!("global_defs {{\nreload_time_file /run/when\n}}{INSTANCE}");
    let daemon = start(host, &configuration, &[]);
    let said = |words: &str| expect(words, || daemon.log.count(words) == 1);
    host.write("/run/when", "2001-01-01 10:00:00\n").unwrap();
    said("Reload date/time is in the past - ignoring");
    host.write("/run/when", "soon\n").unwrap();
    said("Invalid reload time 'soon' specified - ignoring");
    host.write("/run/when", "2999-01-01 10:00:00\n").unwrap();
    said("Scheduling reload for 2999-01-01 10:00:00");
    host.remove("/run/when").unwrap();
    said("Cancelling reload scheduled for 2999-01-01 10:00:00");
    assert_eq!(daemon.log.count("Reloading ..."), 0);
    let date = "date -u -d '+2 seconds' '+%F %TZ' >/run/when.new && mv /run/when.new /run/when";
    host.spawn("date", "/bin/sh", &["-c", date]).unwrap().wait(SOON);
    expect("it reloads", || daemon.log.count("Reload complete") == 1);
    assert!(host.read("/run/when").is_err(), "it came once");
    stop(&daemon, 0);
}

#[test]
fn a_process_that_is_late_raises_its_priority_as_far_as_it_may() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write_script("/run/notify.sh", "#!/bin/sh\n").unwrap();
    let global = "global_defs {\nmax_auto_priority 1\nmin_auto_priority_delay 500000\n}";
    let daemon = start(host, &format!("{global}{INSTANCE}"), &[]);
    expect("it is master", || daemon.log.count("Entering MASTER STATE") == 1);
    let pid = host.read("/run/vrrp.pid").unwrap().trim().to_owned();
    // Less than the watchdog's patience, and longer than an advert may be late.
    let freeze = format!("kill -STOP {pid}; sleep 2; kill -CONT {pid}");
    host.spawn("freeze", "/bin/sh", &["-c", &freeze])
        .unwrap()
        .wait(SOON);
    expect("it is realtime", || {
        standing(host, &pid).0 == "nice 0 realtime 1 policy 2"
    });
    assert_eq!(daemon.log.count("raising its priority"), 1);
    assert_eq!(
        host.read("/run/vrrp.pid").unwrap().trim(),
        pid,
        "nobody killed it"
    );
    stop(&daemon, 0);
}

#[test]
fn it_ends_and_prints_as_keepalived_does() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write("/run/good.conf", &INSTANCE.replace("notify /run/notify.sh", ""))
        .unwrap();
    host.write(
        "/run/bad.conf",
        "vrrp_instance V {\ninterface eth0\nvirtual_router_id\n}\n",
    )
    .unwrap();
    let keepalived = "/usr/sbin/keepalived";
    let mut differ = Vec::new();
    for line in [
        "-n -l -f /run/missing.conf",
        "-n -l -f /run/bad.conf",
        "-t -f /run/good.conf",
        "--no-such-option",
        "-f",
        "--use-file=",
        "-v",
        "-h",
        "--signum=STOP",
        "--signum=RELOAD",
        "--signum=DATA",
        "--signum=STATS",
        "--signum=STATS_CLEAR",
        "--signum=JSON",
        "--signum=NONE",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let ends = |program| {
            let process = host.spawn("it", program, &words).unwrap();
            let code = process
                .wait(2 * SOON)
                .unwrap_or_else(|| panic!("{program} {line} goes on"))
                .code();
            // What is printed, where it is the same by design.
            if line.starts_with("--signum") {
                expect("it prints", || !process.log.since(0).is_empty());
            }
            let printed = line.starts_with("--signum").then(|| {
                process
                    .log
                    .since(0)
                    .into_iter()
                    .map(|line| line.text)
                    .collect::<Vec<_>>()
            });
            (code, printed)
        };
        let (ours, theirs) = (ends(PROGRAM), ends(keepalived));
        if ours != theirs {
            differ.push(format!("{line}: {ours:?}, keepalived: {theirs:?}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    // A second instance ends well, whoever runs: the pid file is the same, and locked in the same way.
    for first in [PROGRAM, keepalived] {
        let running = host
            .spawn("first", first, &["-n", "-l", "-f", "/run/good.conf"])
            .unwrap();
        expect("it runs", || {
            host.read("/run/vrrp.pid").is_ok_and(|text| text.ends_with('\n'))
        });
        for second in [PROGRAM, keepalived] {
            let second = host
                .spawn("second", second, &["-n", "-l", "-f", "/run/good.conf"])
                .unwrap();
            assert_eq!(second.wait(2 * SOON).expect("it ends").code(), Some(0));
            expect("it says why", || {
                second.log.count("daemon is already running") == 1
            });
        }
        stop(&running, 0);
        for file in ["/run/keepalived.pid", "/run/vrrp.pid"] {
            assert!(host.read(file).is_err(), "{file} stays");
        }
    }
}

#[test]
fn a_configuration_may_be_handed_over_open() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    host.write("/run/open.conf", &INSTANCE.replace("notify /run/notify.sh", ""))
        .unwrap();
    let words = format!("exec {PROGRAM} -n -l --config-fd 7 7</run/open.conf");
    let daemon = host.spawn("holdfast", "/bin/sh", &["-c", &words]).unwrap();
    expect("it is master", || daemon.log.count("Entering MASTER STATE") == 1);
    // It is the open file, not the name, that counts.
    host.remove("/run/open.conf").unwrap();
    daemon.signal(Signal::SIGHUP);
    expect("it reloads", || daemon.log.count("Reload complete") == 1);
    stop(&daemon, 0);
}

/// What a daemon stopped with `-V` has left on its interface, and what the one after it leaves: addresses and routes, as `ip`
/// has them.
fn what_stays(daemon: &Daemon) -> [(bool, bool); 2] {
    const ROUTED: &str = "
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        192.0.2.10/24
    }
    virtual_routes {
        198.51.100.0/24 via 192.0.2.1 dev eth0
    }
}
";
    let scene = Scene::new();
    let host = &scene.a;
    let program = match daemon {
        Daemon::Holdfast(program) => program.clone(),
        Daemon::Keepalived => KEEPALIVED.into(),
    };
    host.write("/run/node.conf", ROUTED).unwrap();
    let left = || {
        let route = has(host, "/sbin/ip route show", "198.51.100.0/24 via 192.0.2.1");
        (host.addresses().contains(&VIRTUAL), route)
    };
    [&["-V"][..], &[]].map(|option| {
        let options = [&["-f", "/run/node.conf", "-n", "-l", "-D"], option].concat();
        let process = host.spawn("daemon", &program, &options).unwrap();
        expect("it is master", || {
            process.log.count("Entering MASTER STATE") == 1 && left() == (true, true)
        });
        process.signal(Signal::SIGTERM);
        process.wait(2 * SOON).expect("it ends");
        left()
    })
}

#[test]
fn what_it_has_stays_behind_where_that_is_asked_for_and_is_the_next_run_s() {
    if let Some((ours, theirs)) = beside_keepalived(what_stays) {
        assert_eq!(ours, theirs);
        assert_eq!(ours, [(true, true), (false, false)]);
    }
}
