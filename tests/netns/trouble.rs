//! What is wrong is said, and the rest goes on.

use std::time::Duration;

use holdfast::lab::wait_until;

use crate::scene::{NODE1, SOON, Scene, VIRTUAL, beside_keepalived, expect};

#[test]
fn an_interface_that_is_not_there_is_named_and_ends_the_daemon() {
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        let node = daemon
            .start(&scene.a, &NODE1.replace("interface eth0", "interface eth9"))
            .unwrap();
        let status = node.process.wait(SOON).expect("the daemon ends");
        assert_eq!(
            status.code(),
            Some(2),
            "exit status for a configuration that cannot be used"
        );
        expect("the interface is named", || node.said("eth9") > 0);
    });
}

#[test]
fn bad_scripts_are_told_once_and_do_not_stop_the_rest() {
    const SCRIPTS: &str = "
        global_defs {
            enable_script_security
            script_user root
        }
        vrrp_script hangs {
            script \"/usr/bin/sleep 1000\"
            interval 1
            timeout 1
            weight -10
        }
        vrrp_script gone {
            script \"/run/nothing\"
        }
        vrrp_script locked {
            script \"/run/locked\"
        }
    ";
    const TRACKED: &str = "
        track_script {
            hangs
            gone
            locked
        }
        virtual_ipaddress {
    ";
    beside_keepalived(|daemon| {
        let scene = Scene::new();
        scene.a.write("/run/locked", "#!/bin/sh\n").unwrap();
        let configuration = NODE1.replace("virtual_ipaddress {", TRACKED);
        let node = daemon
            .start(&scene.a, &format!("{SCRIPTS}{configuration}"))
            .unwrap();
        scene.expect_owner("a");
        scene.watch_adverts("a", 3);

        let (_, advert) = scene.lab.capture.adverts("a").pop().unwrap();
        assert_eq!(advert.priority, 140, "a script that hangs is one that fails");
        for words in ["/run/nothing", "/run/locked", "VRRP_Script(hangs) timed_out"] {
            assert_eq!(node.said(words), 1, "{words}");
        }
        assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
        assert_eq!(scene.lab.owners(VIRTUAL), [] as [&str; 0]);
        let gone = wait_until(SOON, || sleepers(&scene) == 0);
        assert!(gone.is_some(), "the script outlives the daemon");
    });
}

/// Running scripts that hang.
fn sleepers(scene: &Scene) -> usize {
    let count = scene.a.spawn("count", "/usr/bin/pidof", &["sleep"]).unwrap();
    count.wait(Duration::from_secs(1));
    count
        .log
        .since(0)
        .iter()
        .map(|line| line.text.split(' ').count())
        .sum()
}
