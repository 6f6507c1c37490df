//! Files, interfaces and processes whose weights decide where the address lives: the same owner and the same priority
//! on the wire as with keepalived after each step.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::time::SystemTime;

use holdfast::lab::{Daemon, Host, Node, wait_until};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};

use crate::scene::{SOON, Scene, beside_keepalived, each, each_pairing, expect, holdfast, ready};

/// A node of this priority with these trackers.
fn node(blocks: &str, priority: u8, tracks: &str) -> String {
    format!(
        "{blocks}vrrp_instance VI_1 {{\n    interface eth0\n    virtual_router_id 51\n    priority {priority}\n\
         {tracks}    virtual_ipaddress {{\n        192.0.2.10/24\n    }}\n}}\n"
    )
}

/// One that tracks a number, a stop sign and a second interface.
fn tracking(priority: u8) -> String {
    node(
        "track_file load {\n    file /run/load\n}\ntrack_file stop {\n    file /run/stop\n    weight 0\n}\n",
        priority,
        "    track_file {\n        load\n        stop\n    }\n    track_interface {\n        wan weight 20\n    }\n",
    )
}

#[test]
fn files_and_interfaces_weigh_what_they_weigh_with_keepalived() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        for host in [&scene.a, &scene.b] {
            ip(host, "link add wan type veth peer name far");
            ip(host, "link set far up");
            ip(host, "link set wan up");
        }
        let _a = first.start(&scene.a, &tracking(100)).unwrap();
        let _b = second.start(&scene.b, &tracking(90)).unwrap();
        expect_master(&scene, "a", 120);

        scene.a.write("/run/load", "-25\n").unwrap();
        expect_master(&scene, "b", 110);
        ip(&scene.b, "link set wan down");
        expect_master(&scene, "a", 95);

        // Replaced at once, as a careful program does it.
        scene.a.write("/run/next", " 0x21 of 254").unwrap();
        rename(&scene.a, "/run/next", "/run/load");
        expect_master(&scene, "a", 153);
        scene.a.remove("/run/load").unwrap();
        expect_master(&scene, "a", 120);
        scene.a.write("/run/load", "1000").unwrap();
        expect_master(&scene, "a", 254);

        // More than any priority, downwards: a fault.
        scene.a.write("/run/load", "-254").unwrap();
        expect_master(&scene, "b", 90);
        scene.a.write("/run/load", "0").unwrap();
        expect_master(&scene, "a", 120);

        scene.a.write("/run/stop", "1").unwrap();
        expect_master(&scene, "b", 90);
        scene.a.remove("/run/stop").unwrap();
        expect_master(&scene, "a", 120);
    });
}

#[test]
fn a_session_that_breaks_takes_its_weight_with_it() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let tracking = |neighbor: &str, priority| {
            let session = format!(
                "bfd_instance peer {{\n    neighbor_ip {neighbor}\n    min_rx 100\n    min_tx 100\n    weight 20\n}}\n"
            );
            node(&session, priority, "    track_bfd {\n        peer\n    }\n")
        };
        let _a = first.start(&scene.a, &tracking("192.0.2.12", 100)).unwrap();
        let b = second.start(&scene.b, &tracking("192.0.2.11", 90)).unwrap();
        expect_master(&scene, "a", 120);
        b.process.kill_all();
        expect_master(&scene, "a", 100);
    });
}

#[test]
fn interfaces_come_go_and_change_their_names() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let text = node(
            "global_defs {\n    dynamic_interfaces\n}\n",
            100,
            "    track_interface {\n        wan weight 20\n    }\n",
        );
        let _a = daemon.start(&scene.a, &text).unwrap();
        expect_master(&scene, "a", 100);
        ip(&scene.a, "link add wan type veth peer name far");
        ip(&scene.a, "link set far up");
        ip(&scene.a, "link set wan up");
        expect_priority(&scene, "a", 120);
        ip(&scene.a, "link set wan down");
        ip(&scene.a, "link set wan name lan");
        ip(&scene.a, "link set lan up");
        expect_priority(&scene, "a", 100);
        ip(&scene.a, "link set lan down");
        ip(&scene.a, "link set lan name wan");
        ip(&scene.a, "link set wan up");
        expect_priority(&scene, "a", 120);
        ip(&scene.a, "link del wan");
        expect_priority(&scene, "a", 100);
    });
}

/// keepalived hears of processes in the first namespaces only, so it has no such tracker here.
#[test]
fn processes_are_counted_in_a_container_too() {
    if !ready() {
        return;
    }
    each(&[Daemon::Keepalived, holdfast()], |second| {
        let counting = node(
            "vrrp_track_process worker {\n    process sleep\n    weight 20\n}\n",
            100,
            "    track_process {\n        worker\n    }\n",
        );
        let scene = Scene::new();
        let a = holdfast().start(&scene.a, &counting).unwrap();
        let _b = second.start(&scene.b, &node("", 110, "")).unwrap();
        expect_master(&scene, "b", 110);
        assert_eq!(a.said("Process events are not available"), 1);

        let worker = scene.a.spawn("worker", "/bin/sleep", &["1000"]).unwrap();
        expect_master(&scene, "a", 120);
        assert_eq!(a.said("Quorum gained for tracked process worker"), 1);
        worker.signal(Signal::SIGKILL);
        expect_master(&scene, "b", 110);
        assert_eq!(a.said("Quorum lost for tracked process worker"), 1);
    });
}

#[test]
fn what_was_tracked_is_known_after_the_end_of_the_vrrp_process() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let text = tracking(100).replace("wan weight 20", "lo weight 20 reverse");
    let text = text.replace("file /run/load\n", "file /run/load\n    init_file 7 overwrite\n");
    let a = holdfast().start(&scene.a, &text).unwrap();
    expect_priority(&scene, "a", 87);
    scene.a.write("/run/load", "50").unwrap();
    expect_priority(&scene, "a", 130);
    // The state is saved twice a second at most.
    scene.watch_adverts("a", 2);

    let before = SystemTime::now();
    end_child(&a);
    scene.watch_adverts("a", 5);
    let adverts = scene.lab.capture.adverts("a").into_iter();
    let others: Vec<_> = adverts
        .filter(|(at, advert)| *at > before && advert.priority != 130)
        .collect();
    assert!(others.is_empty(), "it forgot what it knew: {others:?}");
    assert_eq!(
        scene.a.read("/run/load").unwrap(),
        "50",
        "init_file is for the first start"
    );
}

#[test]
fn a_file_system_that_hangs_holds_up_no_other_reading() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let server = scene.a.run(hang).unwrap().unwrap();
    let text = node(
        "track_file hung {\n    file /run/hung/load\n}\ntrack_file load {\n    file /run/load\n}\n",
        100,
        "    track_file {\n        hung weight 1\n        load weight 1\n    }\n",
    );
    let a = holdfast().start(&scene.a, &text).unwrap();
    expect_priority(&scene, "a", 100);
    scene.a.write("/run/load", "20").unwrap();
    expect_priority(&scene, "a", 120);
    a.process.signal(Signal::SIGHUP);
    expect("it has reloaded", || a.said("Reloading") > 0);
    scene.a.write("/run/load", "30").unwrap();
    expect_priority(&scene, "a", 130);

    // Without its server the file system answers, if with an error.
    drop(server);
    expect("the file cannot be read", || {
        a.said("Unable to read track file /run/hung/load") > 0
    });
    expect_priority(&scene, "a", 130);
    assert_eq!(a.stop(SOON).expect("the daemon ends").code(), Some(0));
}

/// A file system at `/run/hung` whose server, in user space, never answers; it ends when what is returned is closed.
fn hang() -> io::Result<File> {
    std::fs::create_dir("/run/hung")?;
    let server = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
    mount(
        Some("hung"),
        "/run/hung",
        Some("fuse"),
        MsFlags::empty(),
        Some(options.as_str()),
    )?;
    Ok(server)
}

fn end_child(node: &Node) {
    let children = node.process.descendants();
    assert_eq!(children.len(), 1, "{children:?}");
    kill(children[0], Signal::SIGKILL).unwrap();
}

/// Waits until this host alone has the address and advertises this priority.
fn expect_master(scene: &Scene, host: &str, priority: u8) {
    expect_priority(scene, host, priority);
    scene.expect_owner(host);
}

fn expect_priority(scene: &Scene, host: &str, priority: u8) {
    let last = || {
        scene
            .lab
            .capture
            .adverts(host)
            .pop()
            .map(|(_, advert)| advert.priority)
    };
    // The other node may have to fall silent first.
    let seen = wait_until(2 * SOON, || last() == Some(priority));
    assert!(
        seen.is_some(),
        "{host} should advertise {priority}, and not {:?}",
        last()
    );
}

fn ip(host: &Host, arguments: &str) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let ip = host.spawn("ip", "/usr/bin/ip", &arguments).unwrap();
    let status = ip.wait(SOON).expect("ip ends");
    assert!(status.success(), "ip {arguments:?}: {:?}", ip.log.since(0));
}

fn rename(host: &Host, from: &'static str, to: &'static str) {
    host.run(move || std::fs::rename(from, to)).unwrap().unwrap();
}
