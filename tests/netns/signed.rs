//! `auth_hmac` between two running nodes, mode by mode and key by key: nobody takes over on the way, and no advert is missed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Frame, Host, Node, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Scene, VIRTUAL, each, holdfast, ready};

/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an advert of one address with its headers: Ethernet, IPv4, VRRP.
const BARE: usize = 14 + 20 + 12;

/// Where the trailer begins, and where it names its key.
const TRAILER: usize = BARE;
const KEY: usize = TRAILER + 1;

const FIRST: &str = "key 1 0123456789abcdef0123456789abcdef";
const SECOND: &str = "key 2 fedcba9876543210fedcba9876543210";

struct Pair {
    scene: Scene,
    a: Node,
    b: Node,
    anti_replay: &'static str,
}

impl Pair {
    /// Both with this block; a is master.
    fn start(block: &str, anti_replay: &'static str) -> Self {
        let scene = Scene::new();
        let start = |host: &Host, priority| {
            let text = configuration(priority, block);
            holdfast().start(host, &text).unwrap()
        };
        let a = start(&scene.a, 200);
        eventually("a is master", || scene.lab.owners(VIRTUAL) == ["a"]);
        let b = start(&scene.b, 100);
        eventually("b follows", || b.said("master set to 192.0.2.11") == 1);
        Self {
            scene,
            a,
            b,
            anti_replay,
        }
    }

    /// Gives both nodes these lines, the backup first: the way to go, as the master speaks and the backup must understand.
    fn step(&self, lines: &str) {
        self.change(&self.scene.b, &self.b, 100, lines);
        self.change(&self.scene.a, &self.a, 200, lines);
    }

    fn change(&self, host: &Arc<Host>, node: &Node, priority: u8, lines: &str) {
        let block = format!("auth_hmac {{\n{lines}\n{}\n}}", self.anti_replay);
        let text = configuration(priority, &block);
        let done = node.said("Reload complete");
        host.write(CONFIGURATION, &text).unwrap();
        node.process.signal(Signal::SIGHUP);
        eventually("the reload is complete", || node.said("Reload complete") > done);
        let heard = self.sent().len() + 2;
        eventually("a speaks", || self.sent().len() >= heard);
    }

    /// The adverts of a.
    fn sent(&self) -> Vec<Frame> {
        let capture = &self.scene.lab.capture;
        capture.pick(|frame| &*frame.host == "a" && frame.advert().is_some())
    }

    /// The key with which a signed last; `None` if it did not.
    fn key(&self) -> Option<u8> {
        let last = self.sent().pop().unwrap();
        assert!([BARE, BARE + 28].contains(&last.bytes.len()), "{last:?}");
        last.bytes.get(KEY).copied()
    }

    /// a has been master all the time and has spoken in time.
    fn assert_calm(&self) {
        assert_eq!(self.scene.lab.owners(VIRTUAL), ["a"]);
        assert_eq!(self.b.said("Entering MASTER STATE"), 0, "b took over");
        assert_eq!(self.a.said("Entering BACKUP STATE"), 1, "a gave way");
        assert_eq!(self.b.said("rejected"), 0);
        for pair in self.sent().windows(2) {
            let gap = pair[1].at.duration_since(pair[0].at).unwrap();
            assert!(gap < Duration::from_millis(1900), "an advert is missing: {gap:?}");
        }
    }
}

fn configuration(priority: u8, block: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             version 3
             priority {priority}
             {block}
             virtual_ipaddress {{
                 {VIRTUAL}/24
             }}
         }}\n"
    )
}

fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, condition).is_some(), "{what}");
}

#[test]
fn a_running_pair_comes_to_sign_changes_its_keys_and_goes_back() {
    if !ready() {
        return;
    }
    each(&["", "anti_replay monotonic"], |anti_replay| {
        let pair = Pair::start("", anti_replay);
        assert_eq!(pair.key(), None);
        for (lines, key) in [
            (format!("{FIRST}\nactive_key 1\nmode receive-only"), None),
            (format!("{FIRST}\nactive_key 1\nmode permissive"), Some(1)),
            (format!("{FIRST}\nactive_key 1\nmode enforce"), Some(1)),
            // First everybody knows the new key, then everybody uses it, then the old one goes.
            (format!("{FIRST}\n{SECOND}\nactive_key 1"), Some(1)),
            (format!("{FIRST}\n{SECOND}\nactive_key 2"), Some(2)),
            (format!("{SECOND}\nactive_key 2"), Some(2)),
            (format!("{SECOND}\nactive_key 2\nmode permissive"), Some(2)),
            (format!("{SECOND}\nactive_key 2\nmode receive-only"), None),
        ] {
            pair.step(&lines);
            assert_eq!(pair.key(), key, "{lines}");
            pair.assert_calm();
        }
        let refused = ["HMAC", "too long"].map(|words| pair.b.said(words));
        assert_eq!(refused, [0, 0], "b refused an advert");
    });
}

#[test]
fn in_each_mode_the_other_takes_over_and_hands_back() {
    if !ready() {
        return;
    }
    each(&["enforce", "permissive", "receive-only"], |mode| {
        let block = format!("auth_hmac {{\n{FIRST}\nactive_key 1\nmode {mode}\n}}");
        let pair = Pair::start(&block, "");
        pair.assert_calm();
        let crash: SystemTime = pair.scene.a.crash();
        let owned_by = |host: &str| {
            eventually(&format!("{host} alone has the address"), || {
                pair.scene.lab.owners(VIRTUAL) == [host]
            });
        };
        owned_by("b");
        pair.scene.a.boot().unwrap();
        let _a = holdfast()
            .start(&pair.scene.a, &configuration(200, &block))
            .unwrap();
        owned_by("a");
        let back = pair.sent().into_iter().find(|frame| frame.at > crash).unwrap();
        let signs = *mode != "receive-only";
        assert_eq!(back.bytes.len(), if signs { BARE + 28 } else { BARE });
        assert_eq!(pair.b.said("HMAC"), 0, "b refused an advert");
    });
}

#[test]
fn who_signs_with_a_key_that_was_taken_away_is_not_believed() {
    if !ready() {
        return;
    }
    let block = format!("auth_hmac {{\n{FIRST}\n{SECOND}\nactive_key 1\n}}");
    let pair = Pair::start(&block, "");
    pair.assert_calm();
    let only_second = format!("{SECOND}\nactive_key 2");
    pair.change(&pair.scene.b, &pair.b, 100, &only_second);
    eventually("b does not believe a any more", || {
        pair.b.said("Entering MASTER STATE") == 1
    });
    eventually("b says why", || {
        pair.b.said("signed with HMAC key 1, which is not configured") >= 1
    });
    pair.change(&pair.scene.a, &pair.a, 200, &only_second);
    eventually("they agree again", || pair.scene.lab.owners(VIRTUAL) == ["a"]);
    eventually("b tells what it had not believed", || {
        pair.b.said("rejected") >= 1
    });
}
