//! `net_namespace_ipvs`: the table is in another network namespace than the daemon, and only there.

use holdfast::lab::{Daemon, Host, Node};

use super::kept::configuration;
use super::{SOON, Scene, as_keepalived, holdfast};
use crate::stories::{run, stories};

stories![sociable:
    the_table_is_where_keepalived_has_it,
    the_table_elsewhere_outlives_processes_and_reloads,
];

/// A virtual server, and a sync daemon that follows an instance: two processes of the daemon have to do with IPVS.
fn text(global: &str) -> String {
    let instance = "vrrp_instance web {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress {
                192.0.2.10/24
            }
        }
        ";
    let sync = "global_defs {
            lvs_sync_daemon lo inst web id 5";
    format!(
        "{global}\n{instance}{}",
        configuration().replace("global_defs {", sync)
    )
}

/// The lines of the table and of the sync daemons in both namespaces of a host: the daemon's own, and `balance`.
fn both(host: &Host) -> [Vec<String>; 2] {
    ["", "ip netns exec balance "].map(|place| {
        let shown = |what: &str| {
            let command = format!("{place}ipvsadm {what}");
            host.run(move || run(&command)).unwrap()
        };
        let all = shown("-Sn") + &shown("-L --daemon");
        let mut lines: Vec<String> = all.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort();
        lines
    })
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    for command in ["ip netns add balance", "ip -n balance link set lo up"] {
        scene.host.run(move || run(command)).unwrap();
    }
    scene
}

/// The table and the sync daemon are in the place with this number, and nothing in the other.
fn expect(scene: &Scene, place: usize, what: &str) -> Vec<String> {
    let is_there = |host: &Host| {
        let both = both(host);
        let has = |words: &str| both[place].iter().filter(|line| line.contains(words)).count();
        both[1 - place].is_empty() && has("192.0.2.2") >= 3 && has("master sync daemon") == 1
    };
    scene.expect(what, || is_there(&scene.host));
    let mut both = both(&scene.host);
    std::mem::take(&mut both[place])
}

fn the_table_is_where_keepalived_has_it() {
    as_keepalived(|daemon: &Daemon| {
        let mut places = vec![("net_namespace_ipvs balance", 1)];
        if *daemon == holdfast() {
            // Without a name, which 2.2.7 does not take, it is where the daemon was started.
            places.push(("net_namespace balance\nnet_namespace_ipvs", 0));
        }
        for (global, place) in places {
            let scene = scene();
            // An instance there needs its interface.
            for command in [
                "ip -n balance link add eth0 type veth peer name far",
                "ip -n balance link set eth0 up",
                "ip -n balance link set far up",
                "ip -n balance address add 192.0.2.50/24 dev eth0",
            ] {
                scene.host.run(move || run(command)).unwrap();
            }
            let node = daemon.start(&scene.host, &text(global)).unwrap();
            expect(&scene, place, global);
            assert!(node.stop(SOON).is_some(), "{}", scene.lab.report());
            assert_eq!(both(&scene.host), [[""; 0]; 2], "{global}");
        }
        Vec::new()
    });
}

fn the_table_elsewhere_outlives_processes_and_reloads() {
    let mut scene = scene();
    let node = holdfast()
        .start(&scene.host, &text("net_namespace_ipvs balance"))
        .unwrap();
    let before = expect(&scene, 1, "all is in the other namespace");

    let said = node.said("by another program, putting it back");
    scene
        .host
        .run(|| run("ip netns exec balance ipvsadm -C"))
        .unwrap();
    scene.expect("what others remove comes back", || {
        node.said("by another program, putting it back") > said && both(&scene.host)[1] == before
    });

    for (role, pid_file) in [("Healthcheck", "/run/checkers.pid"), ("VRRP", "/run/vrrp.pid")] {
        kill(&scene.host, pid_file);
        scene.expect("it is replaced", || {
            node.said(&format!("Starting {role} child process")) == 2
        });
        assert_eq!(expect(&scene, 1, "all stays where it is"), before);
    }
    scene.dead("22");
    scene.expect("the successor writes there", || {
        !both(&scene.host)[1]
            .iter()
            .any(|line| line.contains("192.0.2.22"))
    });

    let reloaded = text("net_namespace_ipvs balance").replace("192.0.2.10 80", "192.0.2.12 80");
    scene.reload(&node, &reloaded);
    scene.expect("a reload reaches it", || {
        let there = both(&scene.host)[1].join("\n");
        there.contains("192.0.2.12:80") && !there.contains("192.0.2.10:80")
    });
    refuses(&scene, &node, &reloaded.replace("ipvs balance", "ipvs another"));

    assert!(node.stop(SOON).is_some(), "{}", scene.lab.report());
    assert_eq!(both(&scene.host), [[""; 0]; 2]);

    let lost = holdfast()
        .start(&scene.host, &text("net_namespace_ipvs nowhere"))
        .unwrap();
    assert_eq!(lost.process.wait(SOON).unwrap().code(), Some(1));
    assert_eq!(lost.said("Unable to set network namespace nowhere - exiting"), 1);
}

fn refuses(scene: &Scene, node: &Node, text: &str) {
    super::reload(&scene.host, node, text);
    scene.expect("another namespace takes a restart", || {
        node.said("Cannot change net_namespace_ipvs at a reload - please restart keepalived") == 1
    });
}

/// Kills the process with this pid file; hosts have process numbers of their own.
fn kill(host: &Host, pid_file: &str) {
    let pid = host.read(pid_file).unwrap();
    host.run(move || run(&format!("kill -KILL {}", pid.trim())))
        .unwrap();
}
