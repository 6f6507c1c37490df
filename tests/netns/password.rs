//! A node with another password is not believed.

use crate::scene::{NODE1, NODE2, Scene, VIRTUAL, each_pairing};

#[test]
fn a_wrong_password_is_not_believed() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        let a = first.start(&scene.a, NODE1).unwrap();
        let b = second
            .start(&scene.b, &NODE2.replace("auth_pass 1111", "auth_pass 2222"))
            .unwrap();
        scene.expect("both are master", || scene.lab.owners(VIRTUAL) == ["a", "b"]);
        scene.watch_adverts("a", 4);
        scene.watch_adverts("b", 1);
        assert_eq!(scene.lab.owners(VIRTUAL), ["a", "b"], "one believed the other");
        for node in [&a, &b] {
            let said = node.said("invalid passwd");
            assert_eq!(said, 1, "each says once that it does not believe the other");
        }
    });
}
