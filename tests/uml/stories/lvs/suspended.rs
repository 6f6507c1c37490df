//! Checks that wait for the address (`ha_suspend`) and that follow a BFD session (`BFD_CHECK`), opposite keepalived.

use std::net::Ipv4Addr;

use holdfast::lab::Daemon;

use super::traffic::in_the_table;
use super::{Came, Scene, as_keepalived, holdfast, server};
use crate::stories::{run, stories};

stories![sociable:
    checks_wait_for_the_address,
    a_server_follows_its_bfd_session,
];

fn checks_wait_for_the_address() {
    as_keepalived(|daemon: &Daemon| {
        let mut scene = Scene::new();
        let text = format!(
            "global_defs {{
                script_user root
            }}
            virtual_server 192.0.2.10 80 {{
                delay_loop 1
                warmup 0
                ha_suspend
                protocol TCP
                lvs_sched rr
                lvs_method DR
                {}{}
            }}",
            server(21, ""),
            server(22, "")
        );
        let mut came: Vec<Came> = Vec::new();
        scene.alive("21");
        let node = scene.start(daemon, &text);
        scene.suspended();
        came.push(scene.after("start without the address: nobody is checked"));
        address(&scene, "add");
        scene.learn(&text);
        came.push(scene.after("the address comes, one is dead"));
        address(&scene, "del");
        scene.suspended();
        // A check under way ends.
        came.push(scene.after("the address goes"));
        scene.dead("21");
        scene.alive("22");
        came.push(scene.after("nobody looks"));
        address(&scene, "add");
        scene.learn(&text);
        came.push(scene.after("the address is back"));
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}

fn address(scene: &Scene, word: &'static str) {
    let command = format!("ip address {word} 192.0.2.10/32 dev eth0");
    scene.host.run(move || run(&command)).unwrap();
}

fn a_server_follows_its_bfd_session() {
    as_keepalived(|daemon: &Daemon| {
        let mut scene = Scene::new();
        let neighbor = scene.lab.host("s1", Ipv4Addr::new(192, 0, 2, 21)).unwrap();
        let session = |from: u8, to: u8| {
            format!(
                "bfd_instance peer {{
                    source_ip 192.0.2.{from}
                    neighbor_ip 192.0.2.{to}
                    min_rx 100
                    min_tx 100
                    idle_tx 1000
                    multiplier 10
                }}\n"
            )
        };
        let text = format!(
            "global_defs {{
                script_user root
            }}
            {}
            virtual_server 192.0.2.10 80 {{
                protocol TCP
                lvs_sched rr
                lvs_method DR
                quorum_up \"/run/tell quorum up\"
                quorum_down \"/run/tell quorum down\"
                real_server 192.0.2.21 80 {{
                    notify_up \"/run/tell up 21\"
                    notify_down \"/run/tell down 21\"
                    BFD_CHECK {{
                        name peer
                    }}
                }}
            }}",
            session(11, 21)
        );
        let mut came: Vec<Came> = Vec::new();
        let first = holdfast().start(&neighbor, &session(21, 11)).unwrap();
        let node = scene.start(daemon, &text);
        scene.expect("the session is up", || node.said(") is UP") > 0);
        came.push(scene.after("start"));
        first.process.kill_all();
        scene.expect("the server is taken out", || in_the_table(&scene.host) == 0);
        came.push(scene.after("the neighbor falls silent"));
        let _second = holdfast().start(&neighbor, &session(21, 11)).unwrap();
        scene.expect("it returns", || in_the_table(&scene.host) == 1);
        came.push(scene.after("it is back"));
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}
