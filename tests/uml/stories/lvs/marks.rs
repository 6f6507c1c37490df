//! `nftables_ipvs`: a group of virtual servers is one service by mark, opposite keepalived. The kernel here has no nftables for
//! IP: which packets get the mark is told in `tests/netns/marks.rs`, on the machine's own.

use holdfast::lab::Daemon;

use super::{Came, Scene, as_keepalived, holdfast, server};
use crate::stories::{run, stories};

stories![sociable: groups_are_services_by_mark, what_cannot_be_marked_is_said];

fn group(name: &str, protocol: &str, server: &str) -> String {
    format!(
        "virtual_server group {name} {{
            delay_loop 1
            protocol {protocol}
            lvs_sched rr
            lvs_method NAT
            {server}
        }}
"
    )
}

fn text(more: &str) -> String {
    let groups = "global_defs {
            nftables_ipvs
            nftables_ipvs_start_fwmark 500
        }
        virtual_server_group G {
            192.0.2.10 80
            192.0.2.12-14 443
        }
        virtual_server_group H {
            192.0.2.50 53
        }
";
    let retry = "retry 0\ndelay_before_retry 1";
    let first = group("G", "TCP", &server(21, retry));
    let second = group("G", "UDP", &server(22, retry));
    format!("{groups}{first}{second}{more}")
}

fn groups_are_services_by_mark() {
    as_keepalived(|daemon: &Daemon| -> Vec<Came> {
        let mut scene = Scene::new();
        scene.all_alive(&["21", "22"]);
        let node = scene.start(daemon, &text(""));
        let mut came = vec![scene.after("start")];
        scene.dead("21");
        came.push(scene.after("a real server fails"));
        scene.alive("21");
        came.push(scene.after("it returns"));
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}

fn what_cannot_be_marked_is_said() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    let node = scene.start(
        &holdfast(),
        &text(&group("H", "UDP", "real_server 192.0.2.23 53 {\n}")),
    );
    scene.expect("the log says so", || {
        node.said("Unable to have nftables mark the packets to groups of virtual servers") == 1
    });
    scene.expect("the services are there", || {
        let table = scene.table();
        [500, 501, 502]
            .iter()
            .all(|mark| table.contains(&format!("-A -f {mark} -s rr")))
    });
    let ask = || run(concat!(env!("CARGO_BIN_EXE_holdfast"), " status"));
    let status = scene.host.run(ask).unwrap();
    for words in ["firewall mark 500", "firewall mark 501", "firewall mark 502"] {
        assert!(status.contains(words), "{words} is not in {status}");
    }
    scene.stop(&node);
}
