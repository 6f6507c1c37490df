//! What a configuration, or the name of the program, makes of the daemon's processes and of the kernel around them.

use std::os::unix::fs::PermissionsExt;

use holdfast::lab::node::KEEPALIVED;
use holdfast::lab::wait_until;
use nix::sys::signal::Signal;

use crate::process::{PROGRAM, start, stop};
use crate::scene::{SOON, Scene, beside_keepalived, expect, holdfast, ready};

const QUIET: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.10/24
    }
}
";

/// Through a link the program is keepalived to everyone who looks: `pidof`, `ps`, syslog, scripts that read pid files.
#[test]
fn under_keepalived_s_name_it_is_keepalived() {
    let seen = beside_keepalived(|daemon| {
        let scene = Scene::new();
        let host = &scene.a;
        host.write(
            "/run/node.conf",
            &format!("global_defs {{\nprocess_names\n}}{QUIET}"),
        )
        .unwrap();
        let mut program = KEEPALIVED.to_owned();
        if *daemon == holdfast() {
            program = "/run/keepalived".to_owned();
            host.run(|| std::os::unix::fs::symlink(PROGRAM, "/run/keepalived"))
                .unwrap()
                .unwrap();
        }
        let mut seen = Vec::new();
        for configuration in ["/run/node.conf", "/run/plain.conf"] {
            host.write("/run/plain.conf", QUIET).unwrap();
            let node = host
                .spawn("daemon", &program, &["-n", "-l", "-D", "-f", configuration])
                .unwrap();
            expect("it is master", || node.log.count("Entering MASTER STATE") == 1);
            for file in ["keepalived", "vrrp"] {
                let pid = host.read(&format!("/run/{file}.pid")).unwrap();
                let of_process = |what: &str| host.read(&format!("/proc/{}/{what}", pid.trim())).unwrap();
                let words = of_process("cmdline").replace('\0', " ");
                seen.push(format!(
                    "{}{}",
                    of_process("comm"),
                    words.replace("/usr/sbin", "/run")
                ));
            }
            // Whoever starts another one hears that there is one.
            let other = host
                .spawn("other", &program, &["-n", "-l", "-f", configuration])
                .unwrap();
            assert_eq!(other.wait(SOON).expect("it ends").code(), Some(0));
            expect("it says why", || {
                other.log.count("daemon is already running") == 1
            });
            stop(&node, 0);
        }
        let version = host.spawn("version", &program, &["-v"]).unwrap();
        assert_eq!(version.wait(SOON).unwrap().code(), Some(0));
        expect("it tells its version", || !version.log.since(0).is_empty());
        let first = version.log.since(0)[0].text.clone();
        seen.push(first.split(['.', ' ']).take(2).collect::<Vec<_>>().join(" "));
        seen
    });
    if let Some((ours, theirs)) = seen {
        assert_eq!(ours, theirs);
        assert!(
            ours[1].starts_with("keepalived_vrrp\n") && ours[3].starts_with("keepalived\n"),
            "{ours:?}"
        );
    }
}

#[test]
fn the_notice_about_priorities_is_keepalived_s() {
    let said = beside_keepalived(|daemon| {
        ["", "max_auto_priority -1", "max_auto_priority 20"].map(|setting| {
            let scene = Scene::new();
            let text = format!("global_defs {{\nrouter_id lab\n{setting}\n}}{QUIET}");
            let node = daemon.start(&scene.a, &text).unwrap();
            expect("it is master", || node.said("Entering MASTER STATE") == 1);
            let notice =
                "NOTICE: setting config option max_auto_priority should result in better keepalived performance";
            node.said(notice)
        })
    });
    if let Some((ours, theirs)) = said {
        assert_eq!(ours, [1, 0, 0]);
        assert_eq!(ours, theirs);
    }
}

#[test]
fn local_memberships_are_not_reported_where_that_is_wished() {
    const SETTING: &str = "/proc/sys/net/ipv4/igmp_link_local_mcast_reports";
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let setting = || host.run(|| std::fs::read_to_string(SETTING)).unwrap().unwrap();
    assert_eq!(setting(), "1\n");
    let daemon = start(
        host,
        &format!("global_defs {{\ndisable_local_igmp\n}}{QUIET}"),
        &[],
    );
    assert_eq!(setting(), "0\n");
    host.write("/run/node.conf", QUIET).unwrap();
    daemon.signal(Signal::SIGHUP);
    expect("the reload is refused", || {
        daemon
            .log
            .count("Cannot change disable_local_igmp at a reload - please restart keepalived")
            == 1
    });
    stop(&daemon, 0);
    assert_eq!(setting(), "1\n", "it is put back");
}

/// The kernel doubles what it is asked for.
#[test]
fn the_kernel_s_words_have_the_room_that_is_asked_for() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let global = "global_defs {
        vrrp_netlink_cmd_rcv_bufs 77000
        vrrp_netlink_monitor_rcv_bufs 9000000
        vrrp_netlink_monitor_rcv_bufs_force
        lvs_netlink_monitor_rcv_bufs 88000
    }";
    // It follows the host's addresses.
    let service = "virtual_server 192.0.2.77 80 {
        ha_suspend
        real_server 192.0.2.78 80 {
        }
    }
";
    let daemon = start(host, &format!("{global}{QUIET}{service}"), &[]);
    let buffers = || {
        let ss = host
            .spawn("ss", "/bin/ss", &["-a", "-m", "-f", "netlink"])
            .unwrap();
        assert!(ss.wait(SOON).unwrap().success());
        ss
    };
    for bytes in [77_000, 9_000_000, 88_000] {
        let words = format!(",rb{},", 2 * bytes);
        expect(&words, || {
            let ss = buffers();
            wait_until(SOON / 10, || ss.log.has(&words)).is_some()
        });
    }
    stop(&daemon, 0);
}

#[test]
fn a_copy_of_each_configuration_is_kept_where_that_is_wished() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let host = &scene.a;
    let first = format!("global_defs {{\nconfig_save_dir /run/saved\n}}{QUIET}");
    let daemon = start(host, &first, &[]);
    let second = first.replace("192.0.2.10", "192.0.2.20");
    host.write("/run/node.conf", &second).unwrap();
    daemon.signal(Signal::SIGHUP);
    expect("it reloads", || daemon.log.count("Reload complete") == 1);
    let pid = host.read("/run/keepalived.pid").unwrap().trim().to_owned();
    for (number, address) in ["192.0.2.10/24", "192.0.2.20/24"].iter().enumerate() {
        let path = format!("/run/saved/keepalived.conf.{pid}.{number}");
        let mut text = String::new();
        expect(&path, || {
            text = host.read(&path).unwrap_or_default();
            !text.is_empty()
        });
        assert!(
            text.contains(address) && text.contains("config_save_dir"),
            "{text}"
        );
        for (path, mode) in [(path, 0o600), ("/run/saved".to_owned(), 0o700)] {
            let found = host.run(move || std::fs::metadata(path).unwrap().permissions().mode());
            assert_eq!(found.unwrap() & 0o7777, mode);
        }
    }
    stop(&daemon, 0);
}
