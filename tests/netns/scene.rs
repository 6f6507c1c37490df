//! What the stories share: two hosts and who runs on them, with the lab's report when one fails.

use std::net::Ipv4Addr;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use holdfast::lab::node::KEEPALIVED;
use holdfast::lab::{Advert, Daemon, Host, Lab, Node, wait_until};

/// The virtual address of the examples.
pub(crate) const VIRTUAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// Longer than any takeover with an advertisement each second lasts.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// How late a takeover may be.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(100);

/// Preferred node of `conf-examples/pair`.
pub(crate) const NODE1: &str = include_str!("../../conf-examples/pair/node1.conf");
/// The other node of `conf-examples/pair`.
pub(crate) const NODE2: &str = include_str!("../../conf-examples/pair/node2.conf");

/// Two hosts on a switch; when a story fails, the lab is shown.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) a: Arc<Host>,
    pub(crate) b: Arc<Host>,
}

/// Whether stories can be played here; says why not.
pub(crate) fn ready() -> bool {
    let missing = if !nix::unistd::geteuid().is_root() {
        "root"
    } else if !Path::new(KEEPALIVED).exists() {
        "keepalived"
    } else {
        return true;
    };
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "nothing may be skipped here: needs {missing}"
    );
    println!("skipped: needs {missing}");
    false
}

/// The daemon under test.
pub(crate) fn holdfast() -> Daemon {
    Daemon::Holdfast(env!("CARGO_BIN_EXE_holdfast").into())
}

/// Plays a story with Holdfast in each role opposite keepalived, and opposite itself, all at the same time.
pub(crate) fn each_pairing(story: impl Fn(&Daemon, &Daemon) + Sync) {
    if !ready() {
        return;
    }
    let pairings = [
        (holdfast(), Daemon::Keepalived),
        (Daemon::Keepalived, holdfast()),
        (holdfast(), holdfast()),
    ];
    each(&pairings, |(first, second)| story(first, second));
}

/// Plays a story with Holdfast and with keepalived, at the same time; what came of it, in this order.
pub(crate) fn beside_keepalived<R: Send>(story: impl Fn(&Daemon) -> R + Sync) -> Option<(R, R)> {
    if !ready() {
        return None;
    }
    let mut came = each(&[holdfast(), Daemon::Keepalived], story).into_iter();
    Some((came.next()?, came.next()?))
}

/// Does the same with each, at the same time; fails if one fails.
pub(crate) fn each<T: Sync, R: Send>(all: &[T], story: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let story = &story;
    thread::scope(|scope| {
        let playing: Vec<_> = all.iter().map(|one| scope.spawn(move || story(one))).collect();
        // All are joined before one of them fails the test.
        let ended: Vec<_> = playing.into_iter().map(thread::ScopedJoinHandle::join).collect();
        ended
            .into_iter()
            .map(|end| end.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with_segments(1)
    }

    /// The same with an interface of each host in each of so many segments.
    pub(crate) fn with_segments(segments: u32) -> Self {
        let lab = Lab::with_segments(segments).unwrap();
        let a = lab.host("a", Ipv4Addr::new(192, 0, 2, 11)).unwrap();
        let b = lab.host("b", Ipv4Addr::new(192, 0, 2, 12)).unwrap();
        Self { lab, a, b }
    }

    /// Starts the pair of the example on both hosts and waits until the preferred node has the address.
    pub(crate) fn start_pair(&self, first: &Daemon, second: &Daemon) -> (Node, Node) {
        let nodes = (
            first.start(&self.a, NODE1).unwrap(),
            second.start(&self.b, NODE2).unwrap(),
        );
        self.expect_owner("a");
        nodes
    }

    /// Waits until this host alone has the virtual address.
    pub(crate) fn expect_owner(&self, host: &str) {
        expect(&format!("{host} alone has {VIRTUAL}"), || {
            self.lab.owners(VIRTUAL) == [host]
        });
    }

    /// Waits until a host has sent this many more advertisements.
    pub(crate) fn watch_adverts(&self, host: &str, more: usize) {
        let before = self.lab.capture.adverts(host).len();
        let limit = SOON + Duration::from_secs(more as u64);
        let seen = wait_until(limit, || self.lab.capture.adverts(host).len() >= before + more);
        assert!(
            seen.is_some(),
            "{host} should send {more} more advertisements within {limit:?}"
        );
    }

    /// `to` took over from `from`: how long that was after the last advertisement of `from`, and the first one of `to`.
    pub(crate) fn takeover(&self, from: &str, to: &str) -> (Duration, Advert) {
        let (last, _) = self.lab.capture.adverts(from).pop().unwrap();
        let (first, advert) = self.first_advert(to, last);
        (first.duration_since(last).unwrap(), advert)
    }

    /// The first advertisement of a host after that time.
    pub(crate) fn first_advert(&self, host: &str, after: SystemTime) -> (SystemTime, Advert) {
        let mut found = None;
        expect(&format!("{host} advertises"), || {
            let mut adverts = self.lab.capture.adverts(host).into_iter();
            found = adverts.find(|(at, _)| *at > after);
            found.is_some()
        });
        found.unwrap()
    }

    /// When this host got the virtual address for the first time after `after`.
    pub(crate) fn got_address(&self, host: &str, after: SystemTime) -> SystemTime {
        let mut found = None;
        expect(&format!("{host} gets {VIRTUAL}"), || {
            let mut changes = self.lab.address_changes.since(0).into_iter();
            found = changes.find(|change| {
                &*change.host == host && change.address == VIRTUAL && change.present && change.at > after
            });
            found.is_some()
        });
        found.unwrap().at
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.lab.report());
        }
    }
}

/// Waits until `condition` holds, which must be soon.
pub(crate) fn expect(what: &str, condition: impl FnMut() -> bool) {
    assert!(
        wait_until(SOON, condition).is_some(),
        "not so within {SOON:?}: {what}"
    );
}

/// `daemon` took over after `took`: what the protocol asks for, and when it is us not more than the tolerance above it.
/// On a busy machine keepalived is later than that.
pub(crate) fn assert_on_time(daemon: &Daemon, took: Duration, bound: Duration) {
    // A daemon's timer starts when it reads the advertisement, a moment after the switch saw it, so it cannot be early.
    assert!(
        took >= bound,
        "took {took:?}, which is less than the protocol's {bound:?}"
    );
    if *daemon == holdfast() {
        assert!(
            took <= bound + TOLERANCE,
            "took {took:?}, the protocol's bound is {bound:?}"
        );
    }
}
