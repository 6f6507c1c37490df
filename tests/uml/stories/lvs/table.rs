//! Servers die and return, configurations change, the daemon stops.

use holdfast::lab::Daemon;

use super::{Came, LAST_WORDS, Scene, as_keepalived, holdfast, server};
use crate::stories::stories;

stories![sociable:
    servers_die_and_return,
    a_quorum_has_its_sorry_server,
    a_reload_changes_what_is_changed,
    services_of_every_kind,
    tunnels_of_every_kind_and_families_mixed,
];

const HEAD: &str = "
global_defs {
    script_user root
}
virtual_server 192.0.2.10 80 {
    delay_loop 1
    warmup 0
    protocol TCP
";

fn servers_die_and_return() {
    as_keepalived(|daemon| {
        let mut scene = Scene::new();
        let mut came = Vec::new();
        let servers = [
            server(21, "weight 2"),
            server(22, "inhibit_on_failure"),
            server(23, ""),
        ];
        let text = format!(
            "{HEAD} lvs_sched wrr
            lvs_method NAT
            persistence_timeout 50
            quorum_up \"/run/tell quorum up\"
            quorum_down \"/run/tell quorum down\"
            {}
        }}",
            servers.concat()
        );
        scene.all_alive(&["21", "22"]);
        let node = scene.start(daemon, &text);
        came.push(scene.after("start, one dead"));
        scene.dead("21");
        came.push(scene.after("another dies"));
        scene.dead("22");
        came.push(scene.after("the last dies, and is kept without weight"));
        scene.alive("23");
        came.push(scene.after("the first dead returns"));
        scene.alive("22");
        scene.alive("21");
        came.push(scene.after("all return"));
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}

fn a_quorum_has_its_sorry_server() {
    as_keepalived(|daemon| {
        let mut scene = Scene::new();
        let mut came = Vec::new();
        let servers = [
            server(21, "weight 2"),
            server(22, "inhibit_on_failure"),
            server(23, ""),
        ];
        let text = format!(
            "{HEAD} lvs_sched rr
            lvs_method DR
            alpha
            omega
            quorum 3
            hysteresis 1
            quorum_up \"/run/tell quorum up\"
            quorum_down \"/run/tell quorum down\"
            sorry_server 192.0.2.99 80
            {}
        }}",
            servers.concat()
        );
        let node = scene.start(daemon, &text);
        came.push(scene.after("start with all dead"));
        scene.alive("21");
        came.push(scene.after("one is not enough"));
        scene.alive("22");
        came.push(scene.after("two are not enough against the hysteresis"));
        scene.alive("23");
        came.push(scene.after("all"));
        scene.dead("22");
        came.push(scene.after("one dies within the hysteresis"));
        scene.dead("21");
        came.push(scene.after("too few"));
        scene.all_alive(&["21", "22"]);
        came.push(scene.after("all again"));
        scene.stop(&node);
        came.push(scene.after(LAST_WORDS));
        if *daemon == holdfast() {
            let told = &came.last().unwrap().told;
            assert_eq!(told[..], ["down 21", "down 22", "down 23", "quorum down"]);
        }
        came
    });
}

fn a_reload_changes_what_is_changed() {
    as_keepalived(|daemon| {
        let mut scene = Scene::new();
        let mut came = Vec::new();
        let first = format!(
            "{HEAD} lvs_sched wrr
            lvs_method DR
            {}{}{}
        }}
        virtual_server 192.0.2.12 80 {{
            delay_loop 1
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.24 80 {{
            }}
        }}",
            server(21, ""),
            server(22, ""),
            server(23, "")
        );
        let second = format!(
            "{HEAD} lvs_sched wlc
            lvs_method DR
            {}{}{}
        }}
        virtual_server 192.0.2.13 80 {{
            delay_loop 1
            protocol TCP
            lvs_sched rr
            lvs_method DR
            real_server 192.0.2.24 80 {{
            }}
        }}",
            server(21, "weight 7"),
            server(23, ""),
            server(25, "")
        );
        scene.all_alive(&["21", "22", "25"]);
        let node = scene.start(daemon, &first);
        came.push(scene.after("start"));
        scene.reload(&node, &second);
        came.push(scene.after("one heavier, one gone, one dead, one new; another service"));
        scene.reload(&node, &first);
        came.push(scene.after("as before"));
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}

/// Protocols, families, marks, groups, tunnels, thresholds, schedulers and their flags.
const EVERY_KIND: &str = "
virtual_server_group web {
    192.0.2.30 80
    192.0.2.31-33 443
}
virtual_server_group marks {
    fwmark 8
    fwmark 9
}
virtual_server group marks {
    lvs_sched wrr
    lvs_method DR
    ip_family inet6
    real_server 2001:db8::24 80 {
    }
}
virtual_server group web {
    lvs_sched sh
    sh-port
    lvs_method TUN
    protocol TCP
    real_server 192.0.2.24 80 {
        weight 3
    }
}
virtual_server 192.0.2.10 53 {
    lvs_sched wrr
    ops
    lvs_method NAT
    protocol UDP
    real_server 192.0.2.24 5353 {
        uthreshold 100
        lthreshold 50
    }
}
virtual_server 2001:db8::10 80 {
    lvs_sched mh
    mh-port
    mh-fallback
    lvs_method DR
    protocol SCTP
    real_server 2001:db8::24 80 {
    }
}
virtual_server fwmark 7 {
    lvs_sched lc
    lvs_method DR
    persistence_timeout 600
    persistence_granularity 255.255.255.0
    real_server 192.0.2.24 0 {
        weight 0
    }
}
virtual_server 192.0.2.14 0 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    persistence_timeout 360
    real_server 192.0.2.24 0 {
    }
    sorry_server 192.0.2.99 0
}
";

fn services_of_every_kind() {
    as_keepalived(|daemon: &Daemon| {
        let mut scene = Scene::new();
        let node = scene.start(daemon, EVERY_KIND);
        let mut came: Vec<Came> = vec![scene.after("start")];
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}

/// Encapsulations with their checksums, real servers of the other family, a persistence engine.
const TUNNELS: &str = "
virtual_server 192.0.2.10 80 {
    lvs_sched rr
    lvs_method TUN
    protocol TCP
    real_server 192.0.2.21 80 {
        lvs_method TUN type ipip
    }
    real_server 192.0.2.22 80 {
        lvs_method TUN type gue port 6080
    }
    real_server 192.0.2.23 80 {
        lvs_method TUN type gue port 6081 nocsum
    }
    real_server 192.0.2.24 80 {
        lvs_method TUN type gue port 6082 csum
    }
    real_server 192.0.2.25 80 {
        lvs_method TUN type gue port 6083 remcsum
    }
    real_server 192.0.2.26 80 {
        lvs_method TUN type gre
    }
    real_server 192.0.2.27 80 {
        lvs_method TUN type gre csum
    }
    real_server 2001:db8::28 80 {
    }
}
virtual_server 2001:db8::10 80 {
    lvs_sched wrr
    lvs_method TUN type gre csum
    protocol TCP
    persistence_timeout 50
    persistence_granularity 64
    real_server 192.0.2.21 80 {
        weight 3
    }
    real_server 2001:db8::22 80 {
        lvs_method TUN
    }
}
virtual_server fwmark 9 {
    ip_family inet6
    lvs_sched lc
    lvs_method TUN
    real_server 192.0.2.21 {
    }
}
virtual_server 192.0.2.10 5060 {
    lvs_sched rr
    lvs_method NAT
    protocol UDP
    ops
    persistence_timeout 30
    persistence_engine sip
    real_server 192.0.2.21 5060 {
    }
}
";

fn tunnels_of_every_kind_and_families_mixed() {
    as_keepalived(|daemon: &Daemon| {
        let mut scene = Scene::new();
        let node = scene.start(daemon, TUNNELS);
        let mut came: Vec<Came> = vec![scene.after("start")];
        assert_eq!(came[0].table.len(), 16, "{}", scene.lab.report());
        scene.stop(&node);
        came.push(scene.after("stop"));
        came
    });
}
