//! Scripts whose weights decide where the address lives.

use holdfast::lab::Host;

use crate::scene::{Scene, each_pairing, expect};

const NODE1: &str = include_str!("../../conf-examples/script-weight-pair/node1.conf");
const NODE2: &str = include_str!("../../conf-examples/script-weight-pair/node2.conf");

const SERVICE: &str = "/run/service.up";
const MAINTENANCE: &str = "/run/maintenance";

#[test]
fn the_address_lives_where_the_sum_is_larger() {
    each_pairing(|first, second| {
        let scene = Scene::new();
        for host in [&scene.a, &scene.b] {
            touch(host, SERVICE);
        }
        let _a = first.start(&scene.a, NODE1).unwrap();
        let _b = second.start(&scene.b, NODE2).unwrap();
        // 100 + 20 against 90 + 20.
        scene.expect_owner("a");
        expect("a counts its service", || priority(&scene, "a") == Some(120));

        // 100 against 90 + 20.
        scene.a.remove(SERVICE).unwrap();
        expect("b is better", || priority(&scene, "b") == Some(110));
        scene.expect_owner("b");

        // 100 against 90 + 20 - 60.
        touch(&scene.b, MAINTENANCE);
        scene.expect_owner("a");
        assert_eq!(priority(&scene, "a"), Some(100));
    });
}

fn touch(host: &Host, file: &str) {
    host.write(file, "").unwrap();
}

/// Priority in the last advertisement of a host.
fn priority(scene: &Scene, host: &str) -> Option<u8> {
    scene
        .lab
        .capture
        .adverts(host)
        .pop()
        .map(|(_, advert)| advert.priority)
}
