//! The control socket of a running daemon: who may ask, what is answered, and that asking disturbs nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use holdfast::control::Request;
use holdfast::control::client::{Client, ClientError};
use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Host, wait_until};
use serde_json::Value;

use crate::scene::{NODE1, SOON, Scene, expect, holdfast, ready};

const SOCKET: &str = "/run/holdfast.sock";

pub(crate) fn ask(host: &Host, request: Request) -> Result<Value, String> {
    host.run(move || {
        let answer = Client::connect(Path::new(SOCKET)).and_then(|mut client| client.ask(&request));
        answer.map_err(|error| match error {
            ClientError::Refused { text, .. } => text,
            other => other.to_string(),
        })
    })
    .unwrap()
}

fn state(host: &Host) -> String {
    let status = ask(host, Request::Status).unwrap();
    status["vrrp"]["instances"][0]["state"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn it_says_how_things_stand_what_a_reload_would_do_and_does_it() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let _nodes = scene.start_pair(&holdfast(), &holdfast());
    assert_eq!(
        (state(&scene.a), state(&scene.b)),
        ("MASTER".to_owned(), "BACKUP".to_owned())
    );
    let status = ask(&scene.b, Request::Status).unwrap();
    assert_eq!(status["vrrp"]["instances"][0]["master"]["address"], "192.0.2.11");

    let plan = || ask(&scene.a, Request::Plan { file: None });
    let changes = |plan: &Value, change: &str| -> Vec<String> {
        let objects = plan["objects"].as_array().unwrap().iter();
        objects
            .filter(|object| object["change"] == change)
            .map(|object| object["name"].to_string())
            .collect()
    };
    assert!(changes(&plan().unwrap(), "changed").is_empty());
    scene
        .a
        .write(
            CONFIGURATION,
            &NODE1.replace("192.0.2.10/24\n", "192.0.2.10/24\n192.0.2.20/24\n"),
        )
        .unwrap();
    let planned = plan().unwrap();
    assert_eq!(changes(&planned, "changed").len(), 1, "{planned:#}");
    assert!(planned.to_string().contains("virtual_ipaddress > 192.0.2.20/24"));
    assert!(planned.to_string().contains("goes on in its state"));
    assert_eq!(scene.a.addresses().len(), 2, "nothing is done");

    ask(&scene.a, Request::Reload).unwrap();
    expect("the address is there", || scene.a.addresses().len() == 3);
    assert!(changes(&plan().unwrap(), "changed").is_empty());

    scene.a.write(CONFIGURATION, "vrrp_instance {").unwrap();
    for request in [Request::Reload, Request::Plan { file: None }] {
        assert!(ask(&scene.a, request).unwrap_err().contains("not taken"));
    }
    assert_eq!(state(&scene.a), "MASTER");

    scene.a.set_link(false).unwrap();
    expect("the reason for the fault is told", || {
        let status = ask(&scene.a, Request::Status).unwrap();
        status["vrrp"]["instances"][0]["faults"]
            .to_string()
            .contains("interface eth0 down")
    });
}

#[test]
fn a_refusal_shows_every_mistake() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let program = env!("CARGO_BIN_EXE_holdfast");
    let _node = holdfast().start(&scene.a, NODE1).unwrap();
    expect("it answers", || ask(&scene.a, Request::Status).is_ok());
    let broken = NODE1
        .replace("priority 150", "priority many")
        .replace("virtual_router_id 51", "virtual_router_id 300");
    scene.a.write(CONFIGURATION, &broken).unwrap();
    for command in ["plan", "reload"] {
        let asked = |words: &[&str]| {
            let asked = scene.a.spawn(command, program, words).unwrap();
            assert_eq!(asked.wait(SOON).unwrap().code(), Some(1));
            let lines = asked.log.since(0);
            lines
                .iter()
                .map(|line| line.text.as_str())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let text = asked(&[command]);
        for words in [
            "many",
            "300",
            "^^^",
            ".conf:",
            &format!("holdfast {command}: The new configuration is not taken"),
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
        let json = asked(&[command, "--json"]);
        // Beside it, on standard error, stands the sentence for people.
        let (start, end) = (json.find('{').unwrap(), json.rfind("\n}").unwrap() + 2);
        let whole: Vec<&str> = json[start..end]
            .lines()
            .filter(|line| !line.starts_with("holdfast "))
            .collect();
        let answer: Value = serde_json::from_str(&whole.join("\n")).unwrap();
        assert_eq!(
            (&answer["reply"], &answer["kind"]),
            (&"error".into(), &"refused".into())
        );
        assert!(answer["mistakes"].as_array().unwrap().len() >= 2, "{answer:#}");
        assert!(answer["mistakes"][0]["line"].is_u64());
    }
}

#[test]
fn others_are_refused_and_a_missing_daemon_is_named() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let program = env!("CARGO_BIN_EXE_holdfast");
    let missing = scene.a.spawn("status", program, &["status"]).unwrap();
    assert_eq!(missing.wait(SOON).unwrap().code(), Some(1));
    expect("it is said", || missing.log.count("is holdfast running?") == 1);

    let _node = holdfast().start(&scene.a, NODE1).unwrap();
    expect("root is answered", || ask(&scene.a, Request::Status).is_ok());
    let nobody = [
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        program,
        "status",
    ];
    let refused = scene.a.spawn("status", "/usr/bin/setpriv", &nobody).unwrap();
    assert_eq!(refused.wait(SOON).unwrap().code(), Some(1));
    expect("it is said", || refused.log.count("permission denied") == 1);
}

#[test]
fn requests_and_clients_that_never_read_delay_no_advert() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let _nodes = scene.start_pair(&holdfast(), &holdfast());
    let before = SystemTime::now();
    // Asks and asks, and reads nothing.
    let deaf = scene
        .a
        .run(|| {
            let mut stream = UnixStream::connect(SOCKET).unwrap();
            stream.set_nonblocking(true).unwrap();
            let line = Request::Status.line().repeat(1000);
            let _ = stream.write(line.as_bytes()).unwrap();
            stream
        })
        .unwrap();
    for _ in 0..200 {
        assert_eq!(state(&scene.a), "MASTER");
    }
    scene.watch_adverts("a", 2);
    let adverts = scene
        .lab
        .capture
        .adverts("a")
        .into_iter()
        .filter(|(at, _)| *at > before);
    let times: Vec<SystemTime> = adverts.map(|(at, _)| at).collect();
    let gaps = times
        .windows(2)
        .map(|pair| pair[1].duration_since(pair[0]).unwrap());
    let latest = gaps.max().unwrap();
    println!("the longest gap between adverts was {latest:?}");
    assert!(latest < Duration::from_millis(1100), "{latest:?}");
    drop(deaf);
}

#[test]
fn garbage_is_answered_with_what_is_wrong_and_a_flood_is_cut() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let _node = holdfast().start(&scene.a, NODE1).unwrap();
    expect("it answers", || ask(&scene.a, Request::Status).is_ok());
    let answers = scene
        .a
        .run(|| {
            let mut stream = BufReader::new(UnixStream::connect(SOCKET).unwrap());
            let answers: [String; 3] = [
                &b"\xff\xfe{\n"[..],
                b"{\"version\":9}\n",
                b"{\"version\":1,\"request\":\"fly\"}\n",
            ]
            .map(|line| {
                stream.get_mut().write_all(line).unwrap();
                let mut answer = String::new();
                stream.read_line(&mut answer).unwrap();
                answer
            });
            stream.get_mut().write_all(&vec![b'x'; 20_000]).unwrap();
            let mut rest = String::new();
            // The rest of the flood is not read: the connection may end with a reset after the answer.
            let _ = stream.read_to_string(&mut rest);
            (answers, rest)
        })
        .unwrap();
    let ([form, version, kind], flood) = answers;
    assert!(
        form.contains("a JSON object") && version.contains("version") && kind.contains("no such request")
    );
    assert!(flood.is_empty() || flood.contains("too long"), "{flood}");
    assert!(ask(&scene.a, Request::Status).is_ok());
}

#[test]
fn a_failover_is_told_as_it_happens() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let (a, _b) = scene.start_pair(&holdfast(), &holdfast());
    let program = env!("CARGO_BIN_EXE_holdfast");
    let events = scene.b.spawn("events", program, &["events", "--json"]).unwrap();
    let socket_is_open = || state(&scene.b) == "BACKUP";
    expect("b serves", socket_is_open);
    // Whether the stream is open is not told on its output: something is made to happen until it is.
    let open = wait_until(SOON, || {
        ask(&scene.b, Request::Reload).unwrap();
        events.log.count("Reload complete") > 0
    });
    assert!(open.is_some());
    a.stop(SOON).unwrap();
    expect("b is master", || {
        let lines = events.log.count("\"event\":\"transition\"");
        lines > 0 && events.log.count("\"state\":\"MASTER\"") > 0
    });
    assert_eq!(state(&scene.b), "MASTER");
}
