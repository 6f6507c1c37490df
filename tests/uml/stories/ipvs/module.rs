//! The kernel's module: missing, not to be had, taken away. Told before there was traffic: connections that nobody ended
//! hold their network namespace, and that holds the module, for minutes.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use holdfast::lab::{Daemon, Lab, wait_until};
use ipvs::{Ipvs, Listing};

use super::table::mend;
use super::{real, tcp, wanted};
use crate::stories::{run, stories, wait_for};

stories![
    the_module_is_loaded_when_it_is_missing,
    a_kernel_that_cannot_load_it_says_so,
    without_it_routers_and_checks_go_on,
    the_module_comes_and_goes,
];

/// Where the kernel names the program that loads modules.
const LOADER: &str = "/proc/sys/kernel/modprobe";

/// Takes the module away, and its schedulers, which hold it.
fn unload() {
    let loaded = run("lsmod");
    let names = loaded.lines().filter_map(|line| line.split(' ').next());
    let (base, dependents): (Vec<_>, Vec<_>) = names
        .filter(|name| name.starts_with("ip_vs"))
        .partition(|name| *name == "ip_vs");
    for name in dependents.into_iter().chain(base) {
        // The network namespaces of earlier stories go away in the background, and hold it until then.
        let gone = wait_until(Duration::from_secs(20), || {
            Command::new("rmmod").arg(name).output().unwrap().status.success()
        });
        assert!(gone.is_some(), "{name} is in use");
    }
}

fn the_module_is_loaded_when_it_is_missing() {
    wait_for(async {
        unload();
        let mut ipvs = Ipvs::open().await.unwrap();
        assert_eq!(ipvs.version().await.unwrap().major, 1);
        assert!(run("lsmod").contains("ip_vs "));
    });
}

fn a_kernel_that_cannot_load_it_says_so() {
    wait_for(async {
        unload();
        let before = fs::read_to_string(LOADER).unwrap();
        fs::write(
            "/run/no-modprobe",
            "#!/bin/sh\necho \"FATAL: Module $1 not found\" >&2\nexit 1\n",
        )
        .unwrap();
        fs::set_permissions("/run/no-modprobe", fs::Permissions::from_mode(0o755)).unwrap();
        let mut told = Vec::new();
        for loader in ["/run/no-modprobe", "/run/nothing", ""] {
            fs::write(LOADER, format!("{loader}\n")).unwrap();
            told.push(Ipvs::open().await.unwrap_err().to_string());
        }
        fs::write(LOADER, before).unwrap();
        let because = "the kernel has no IPVS and its module cannot be loaded:";
        assert_eq!(
            told,
            [
                format!("{because} /run/no-modprobe ip_vs: FATAL: Module ip_vs not found"),
                format!("{because} cannot run /run/nothing: No such file or directory (os error 2)"),
                format!("{because} loading modules is switched off (/proc/sys/kernel/modprobe is empty)"),
            ]
        );
    });
}

fn without_it_routers_and_checks_go_on() {
    const CONFIGURATION: &str = "
        global_defs {
            script_user root
            lvs_sync_daemon eth0 inst web
        }
        vrrp_instance web {
            state MASTER
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                192.0.2.10/24
            }
        }
        virtual_server 192.0.2.10 80 {
            delay_loop 1
            warmup 0
            lvs_sched rr
            lvs_method DR
            protocol TCP
            real_server 192.0.2.21 80 {
                MISC_CHECK {
                    misc_path /usr/bin/false
                }
            }
        }
    ";
    let lab = Lab::new().unwrap();
    let host = lab.host("director", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
    unload();
    let before = fs::read_to_string(LOADER).unwrap();
    fs::write(LOADER, "\n").unwrap();
    let node = Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into())
        .start(&host, CONFIGURATION)
        .unwrap();
    let goes_on = wait_until(Duration::from_secs(30), || {
        lab.owners(Ipv4Addr::new(192, 0, 2, 10)) == ["director"]
            && node.said("Removing service [192.0.2.21]:tcp:80") == 1
            // Once of the table, once of the sync daemon.
            && node.said("Can't initialize ipvs: the kernel has no IPVS") == 2
    });
    fs::write(LOADER, before).unwrap();
    assert!(goes_on.is_some(), "{}", lab.report());
    assert!(
        node.stop(Duration::from_secs(30))
            .is_some_and(|status| status.success())
    );
}

fn the_module_comes_and_goes() {
    wait_for(async {
        let mut ipvs = Ipvs::open().await.unwrap();
        let web = [wanted(tcp("192.0.2.1", 80), vec![real("10.0.0.1", 80)])];
        mend(&mut ipvs, &web).await;
        let mut listing = Listing::open().unwrap();
        listing.glance().unwrap();
        run("ipvsadm -C"); // a service holds its scheduler
        unload();
        assert!(ipvs.table().await.is_err());
        assert!(listing.glance().is_err());
        run("/run/modprobe ip_vs");
        // The family has another number now; reading finds it.
        assert_eq!(ipvs.table().await.unwrap(), []);
        assert_eq!(mend(&mut ipvs, &web).await, 2);
    });
}
