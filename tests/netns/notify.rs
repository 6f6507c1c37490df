//! Notify scripts get the words that keepalived gives them, in its order.

use holdfast::lab::{Daemon, wait_until};

use crate::scene::{NODE1, SOON, Scene, beside_keepalived, expect};

const SCRIPT: &str = "#!/bin/sh\necho \"$*\" >>/run/told\n";

const NOTIFIES: &str = "
    notify_master \"/run/notify.sh 'I am' master\"
    notify_backup \"/run/notify.sh 'I am' backup\"
    notify_fault  \"/run/notify.sh 'I am' fault\"
    notify_stop   \"/run/notify.sh 'I am' stop\"
    notify        \"/run/notify.sh any\"
    virtual_ipaddress {
";

#[test]
fn scripts_hear_what_keepaliveds_scripts_hear() {
    let Some((ours, theirs)) = beside_keepalived(tell) else {
        return;
    };
    assert_eq!(ours, theirs);
    assert_eq!(
        ours.len(),
        12,
        "six changes, a particular script and the general one for each: {ours:?}"
    );
}

/// Start, election, fault, recovery, election, stop; the answer is what the scripts heard: first the particular ones
/// in their order, then the general one. Within one change they run at the same time.
fn tell(daemon: &Daemon) -> Vec<String> {
    let scene = Scene::new();
    scene.a.write_script("/run/notify.sh", SCRIPT).unwrap();
    let told = || scene.a.read("/run/told").unwrap_or_default();
    let heard = |what: &str, times: usize| {
        expect(&format!("{what} is told {times} times"), || {
            told().matches(what).count() == times
        });
    };

    let node = daemon
        .start(&scene.a, &NODE1.replace("virtual_ipaddress {", NOTIFIES))
        .unwrap();
    heard("any INSTANCE VI_1 MASTER", 1);
    heard("I am master", 1);
    scene.a.cable_out().unwrap();
    heard("any INSTANCE VI_1 FAULT", 1);
    heard("I am fault", 1);
    scene.a.cable_in().unwrap();
    heard("any INSTANCE VI_1 MASTER", 2);
    heard("I am master", 2);
    assert_eq!(node.stop(SOON).expect("the daemon ends").code(), Some(0));
    heard("any INSTANCE VI_1 STOP", 1);
    heard("I am stop", 1);
    assert!(
        wait_until(SOON, || told().lines().count() == 12).is_some(),
        "{}",
        told()
    );

    let told = told();
    let (general, particular): (Vec<&str>, Vec<&str>) =
        told.lines().partition(|line| line.starts_with("any"));
    particular.into_iter().chain(general).map(str::to_owned).collect()
}
