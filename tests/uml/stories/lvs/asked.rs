//! `holdfast status` and `holdfast plan` on a host whose kernel balances.

use serde_json::{Value, json};

use super::{Scene, holdfast, server};
use crate::stories::{run, stories};

stories![sociable: status_and_plan_know_virtual_and_real_servers];

fn configuration(weight: u8, more: &str) -> String {
    format!(
        "global_defs {{
            script_user root
        }}
        virtual_server 192.0.2.10 80 {{
            delay_loop 1
            warmup 0
            protocol TCP
            lvs_sched wrr
            lvs_method DR
            quorum 3
            {}{}
        }}
        {more}",
        server(21, &format!("weight {weight}")),
        server(22, "inhibit_on_failure")
    )
}

const ANOTHER: &str = "virtual_server fwmark 9 {
    lvs_sched rr
    lvs_method DR
    real_server 192.0.2.21 {
    }
}";

fn ask(scene: &Scene, words: &'static str) -> Value {
    let program = env!("CARGO_BIN_EXE_holdfast");
    let told = scene
        .host
        .run(move || run(&format!("{program} {words}")))
        .unwrap();
    serde_json::from_str(&told).unwrap()
}

fn status_and_plan_know_virtual_and_real_servers() {
    let mut scene = Scene::new();
    scene.all_alive(&["21", "22"]);
    let node = scene.start(&holdfast(), &configuration(2, ""));
    let servers = |scene: &Scene| ask(scene, "status --json")["checkers"]["virtual_servers"].clone();
    let standing = |quorum: bool, second_alive: bool| {
        let failing = if second_alive {
            json!([])
        } else {
            json!(["MISC_CHECK"])
        };
        json!([{
            "name": "[192.0.2.10]:tcp:80",
            "fwmark": null,
            "quorum": quorum,
            "suspended": false,
            "real_servers": [
                {"name": "[192.0.2.21]:tcp:80", "alive": true, "weight": 2, "failing": []},
                {"name": "[192.0.2.22]:tcp:80", "alive": second_alive, "weight": 1, "failing": failing},
            ],
            "draining": [],
        }])
    };
    scene.expect("all is well", || servers(&scene) == standing(true, true));
    scene.dead("22");
    scene.after("one dies");
    assert_eq!(servers(&scene), standing(false, false));
    let program = env!("CARGO_BIN_EXE_holdfast");
    let shown = scene.host.run(move || run(&format!("{program} status"))).unwrap();
    println!("{shown}");
    for words in ["[192.0.2.10]:tcp:80", "[192.0.2.22]:tcp:80", "MISC_CHECK"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }

    scene
        .host
        .write("/run/new.conf", &configuration(5, ANOTHER))
        .unwrap();
    let planned = ask(&scene, "plan --json --use-file /run/new.conf");
    let changes: Vec<_> = planned["objects"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|object| object["kind"] == "virtual_server")
        .map(|object| {
            (
                object["name"].as_str().unwrap(),
                object["change"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        changes,
        [("192.0.2.10 80", "changed"), ("fwmark 9", "added")],
        "{planned}"
    );
    let text = planned.to_string();
    assert!(text.contains("real_server 192.0.2.21 80 > weight 5"), "{text}");
    let table = scene.table();
    assert!(
        table.iter().any(|line| line.contains("192.0.2.21:80 -g -w 2")),
        "{table:?}"
    );
    scene.stop(&node);
}
