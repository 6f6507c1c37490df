//! A node with another password is not believed.

use crate::scene::{NODE1, NODE2, Scene, VIRTUAL, each_pairing, expect, holdfast};

#[test]
fn a_wrong_password_is_not_believed() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let a = first.start(&scene.a, NODE1).unwrap();
        let b = second
            .start(&scene.b, &NODE2.replace("auth_pass 1111", "auth_pass 2222"))
            .unwrap();
        expect("both are master", || scene.lab.owners(VIRTUAL) == ["a", "b"]);
        // A keepalived 2.2.7 that hears what it does not believe forgets to advertise, so only we are waited for.
        for (daemon, host) in [(first, "a"), (second, "b")] {
            if *daemon == holdfast() {
                scene.watch_adverts(host, 4);
            }
        }
        assert_eq!(scene.lab.owners(VIRTUAL), ["a", "b"], "one believed the other");
        for (daemon, node) in [(first, &a), (second, &b)] {
            if *daemon == holdfast() {
                // Again when the state has changed, as keepalived does.
                assert!(
                    (1..=2).contains(&node.said("invalid passwd")),
                    "said once in each state"
                );
            }
        }
    });
}
