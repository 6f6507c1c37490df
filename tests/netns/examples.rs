//! Every shipped example is a configuration that both daemons accept.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast::lab::node::KEEPALIVED;

use crate::scene::{SOON, Scene, ready};

#[test]
fn both_daemons_accept_every_example() {
    if !ready() {
        return;
    }
    let examples = examples(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/conf-examples")));
    assert!(examples.len() >= 9, "{examples:?}");
    let scene = Scene::new();
    for script in ["/run/check_nginx.sh", "/run/check_database.sh"] {
        scene.a.write_script(script, "#!/bin/sh\n").unwrap();
    }
    let far = ["link", "add", "eth1", "type", "veth", "peer", "name", "far"];
    let second = scene.a.spawn("ip", "/usr/sbin/ip", &far).unwrap();
    assert!(second.wait(SOON).is_some_and(|status| status.success()));
    for example in examples {
        let text = fs::read_to_string(&example).unwrap();
        assert!(
            text.starts_with("# What it is for: "),
            "{} does not say what it is for",
            example.display()
        );
        scene
            .a
            .write("/run/example.conf", &text.replace("/etc/keepalived/", "/run/"))
            .unwrap();
        // Debian's keepalived is older than auth_hmac, and no keepalived drains.
        let is_unknown = ["auth_hmac", "drain_timeout"]
            .iter()
            .any(|word| text.contains(word));
        let daemons: &[&str] = if is_unknown {
            &[env!("CARGO_BIN_EXE_holdfast")]
        } else {
            &[env!("CARGO_BIN_EXE_holdfast"), KEEPALIVED]
        };
        for daemon in daemons {
            let check = scene
                .a
                .spawn("test", daemon, &["-t", "-f", "/run/example.conf"])
                .unwrap();
            let status = check.wait(SOON).expect("a test of a configuration ends");
            let said = check.log.since(0);
            assert_eq!(
                status.code(),
                Some(0),
                "{daemon} -t of {}: {said:?}",
                example.display()
            );
        }
    }
}

fn examples(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(examples(&path));
        } else if path.extension().is_some_and(|extension| extension == "conf") {
            found.push(path);
        }
    }
    found.sort();
    found
}
