//! `lvs_flush` and `lvs_flush_on_stop`: what becomes of services of others, opposite keepalived.

use holdfast::lab::Daemon;

use super::{Came, Scene, as_keepalived};
use crate::stories::{run, stories};

stories![sociable: each_way_to_flush];

fn each_way_to_flush() {
    as_keepalived(|daemon: &Daemon| {
        let mut came = Vec::new();
        for global in ["", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_on_stop VS"] {
            came.extend(with(daemon, global));
        }
        came
    });
}

fn with(daemon: &Daemon, global: &'static str) -> Vec<Came> {
    let mut scene = Scene::new();
    let text = format!(
        "global_defs {{
            {global}
        }}
        virtual_server 192.0.2.10 80 {{
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.21 80 {{
            }}
            real_server 192.0.2.22 80 {{
            }}
        }}"
    );
    scene
        .host
        .run(|| {
            run("ipvsadm -A -t 192.0.2.77:77 -s wlc");
            run("ipvsadm -a -t 192.0.2.77:77 -r 192.0.2.21 -g");
        })
        .unwrap();
    let node = daemon.start(&scene.host, &text).unwrap();
    scene.expect("our service is there", || {
        scene.table().iter().any(|line| line.contains("192.0.2.22:80"))
    });
    let mut came = vec![scene.after(global)];
    scene.stop(&node);
    came.push(scene.after("stop"));
    came
}
