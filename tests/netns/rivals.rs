//! Two masters on one link, and how the episode ends: the winner announces itself, and the log says who the other was, for
//! how long, and why it was not believed.

use std::time::{Duration, SystemTime};

use holdfast::lab::{Daemon, Frame, Host, Seen, wait_until};

use crate::scene::{NODE1, NODE2, SOON, Scene, VIRTUAL, each, expect, holdfast, ready};

/// Drops the adverts that come to a host, and lets them in again.
fn nft(host: &Host, words: &str) {
    let nft = host.spawn("nft", "/usr/sbin/nft", &[words]).unwrap();
    let status = nft.wait(SOON).expect("nft ends");
    assert!(status.success(), "{words}: {:?}", nft.log.since(0));
}

const CUT: &str = "add table ip cut; add chain ip cut in { type filter hook input priority 0; }; \
                   add rule ip cut in ip protocol 112 drop";

/// Gratuitous ARPs of a for the virtual address since then.
fn announced(scene: &Scene, since: SystemTime) -> usize {
    let wanted =
        |frame: &Frame| &*frame.host == "a" && frame.at > since && frame.seen == Seen::Gratuitous(VIRTUAL);
    scene.lab.capture.pick(wanted).len()
}

#[test]
fn after_a_partition_the_winner_announces_itself_and_says_who_the_other_was() {
    if !ready() {
        return;
    }
    each(&[Daemon::Keepalived, holdfast()], |second| {
        let scene = Scene::new();
        let (a, b) = scene.start_pair(&holdfast(), second);
        // The second burst of the start is over.
        scene.watch_adverts("a", 7);
        for host in [&scene.a, &scene.b] {
            nft(host, CUT);
        }
        expect("both are master", || scene.lab.owners(VIRTUAL) == ["a", "b"]);
        scene.watch_adverts("b", 2);
        assert_eq!(a.said("beside us"), 0, "nobody hears of it");
        let healed = SystemTime::now();
        // Who hears of it first is not left to chance.
        nft(&scene.a, "delete table ip cut");
        expect("a hears b", || {
            a.said("(VI_1) Received advert from 192.0.2.12 with lower priority 100, ours 150") > 0
        });
        nft(&scene.b, "delete table ip cut");
        scene.expect_owner("a");
        expect("a says who the other was", || {
            a.said("(VI_1) 192.0.2.12 with priority 100 was MASTER beside us for") == 1
        });
        expect("a announces itself", || announced(&scene, healed) >= 5);
        assert_eq!(
            b.said("(VI_1) Master received advert from 192.0.2.11 with higher priority 150, ours 100"),
            1
        );
        assert_eq!(a.said("Entering BACKUP STATE"), 1, "a stayed master");
    });
}

#[test]
fn whose_adverts_were_not_believed_is_told_with_their_number_and_the_reason() {
    if !ready() {
        return;
    }
    let reasons = [
        ("auth_pass 1111", "auth_pass 2222", "authentication mismatch"),
        ("advert_int 1", "advert_int 2", "advertisement interval mismatch"),
    ];
    each(&reasons, |(ours, theirs, reason)| {
        let scene = Scene::new();
        let a = holdfast().start(&scene.a, NODE1).unwrap();
        let other = NODE2.replace(ours, theirs);
        assert_ne!(other, NODE2);
        // keepalived 2.2.7 puts its own adverts off with each that it does not believe, and is hardly heard.
        let b = holdfast().start(&scene.b, &other).unwrap();
        let both = wait_until(3 * SOON, || scene.lab.owners(VIRTUAL) == ["a", "b"]);
        assert!(both.is_some(), "both are master");
        scene.watch_adverts("b", 3);
        let adverts = scene.lab.capture.adverts("b").len();
        let before = SystemTime::now();
        assert!(b.stop(SOON).is_some());
        let told = |words: &str| {
            a.process
                .log
                .since(0)
                .iter()
                .find(|line| line.text.contains(words))
                .cloned()
        };
        let limit = Duration::from_secs(30);
        assert!(
            wait_until(limit, || told("(VI_1) rejected ").is_some()).is_some(),
            "a says why"
        );
        let line = told("(VI_1) rejected ").unwrap().text;
        let (_, told_adverts) = line.split_once("rejected ").unwrap();
        let (count, rest) = told_adverts.split_once(' ').unwrap();
        assert_eq!(rest, format!("adverts from 192.0.2.12: {reason}"));
        let count: usize = count.parse().unwrap();
        // The resignation counts too; those before a was master do not.
        assert!((3..=adverts + 1).contains(&count), "{count} of {adverts}");
        assert!(told("(VI_1) 192.0.2.12, which we did not believe, was MASTER beside us for").is_some());
        expect("a announces itself", || announced(&scene, before) >= 5);
        scene.expect_owner("a");
    });
}
