//! What is seen from outside: adverts and gratuitous ARPs at the bridges, addresses of the hosts.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use holdfast::lab::{Lab, Seen};

/// Everything seen since the eyes were opened or last blinked.
#[derive(Debug)]
pub(crate) struct Eyes<'a> {
    lab: &'a Lab,
    /// Address changes that have been looked at.
    changes_seen: usize,
    /// The addresses of the routers that are there now, and since when, with their host.
    pub(crate) present: HashMap<(Arc<str>, Ipv4Addr), SystemTime>,
    /// How many addresses have come or gone since the last blink.
    pub(crate) changes: u64,
    /// What was heard of each router since the last blink, with the host that sent it; a router goes by its first address.
    pub(crate) heard: HashMap<(Arc<str>, Ipv4Addr), Heard>,
    /// Between two adverts of a router: how much longer than the interval it was.
    pub(crate) lateness: Vec<Late>,
    /// The first gratuitous ARP for each address since the last blink.
    pub(crate) announced: HashMap<Ipv4Addr, SystemTime>,
}

/// The adverts of one router from one host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) last: SystemTime,
    pub(crate) count: u64,
}

/// One advert that came after another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub(crate) router: Ipv4Addr,
    /// In microseconds; below zero if it came early.
    pub(crate) micros: i64,
}

impl<'a> Eyes<'a> {
    /// Opens them.
    pub(crate) fn open(lab: &'a Lab) -> Self {
        Self {
            lab,
            changes_seen: 0,
            present: HashMap::new(),
            changes: 0,
            heard: HashMap::new(),
            lateness: Vec::new(),
            announced: HashMap::new(),
        }
    }

    /// Forgets what was seen, except which addresses are there.
    pub(crate) fn blink(&mut self) {
        self.look();
        self.changes = 0;
        self.heard.clear();
        self.lateness.clear();
        self.announced.clear();
    }

    /// Takes in what has come since the last look.
    pub(crate) fn look(&mut self) {
        for frame in self.lab.capture.drain() {
            match frame.seen {
                Seen::Advert(advert) => {
                    // A priority of 0 is a resignation, which comes when it comes.
                    if let (Some(router), true) = (advert.addresses.first(), advert.priority > 0) {
                        self.hear(frame.host, *router, frame.at, advert.interval);
                    }
                }
                Seen::Gratuitous(address) => drop(self.announced.entry(address).or_insert(frame.at)),
                Seen::EchoReply(_) | Seen::Other => {}
            }
        }
        let changes = self.lab.address_changes.since(self.changes_seen);
        self.changes_seen += changes.len();
        for change in changes {
            // The hosts' own addresses are others.
            if change.address.octets()[0] != 10 {
                continue;
            }
            self.changes += 1;
            let key = (change.host, change.address);
            if change.present {
                self.present.insert(key, change.at);
            } else {
                self.present.remove(&key);
            }
        }
    }

    fn hear(&mut self, host: Arc<str>, router: Ipv4Addr, at: SystemTime, interval: Duration) {
        let heard = self
            .heard
            .entry((host, router))
            .or_insert(Heard { last: at, count: 0 });
        if heard.count > 0 {
            self.lateness.push(Late {
                router,
                micros: micros(heard.last, at) - i64::try_from(interval.as_micros()).unwrap_or(i64::MAX),
            });
        }
        heard.last = at;
        heard.count += 1;
    }

    /// Since when each of these addresses is there on a host.
    pub(crate) fn owned(&self, host: &str, which: impl Fn(Ipv4Addr) -> bool) -> Vec<SystemTime> {
        let its = self
            .present
            .iter()
            .filter(|((at, address), _)| &**at == host && which(*address));
        its.map(|(_, since)| *since).collect()
    }

    /// Lateness of the adverts of these routers, sorted, in microseconds.
    pub(crate) fn late(&self, which: impl Fn(Ipv4Addr) -> bool) -> Vec<i64> {
        let its = self.lateness.iter().filter(|late| which(late.router));
        let mut micros: Vec<i64> = its.map(|late| late.micros.max(0)).collect();
        micros.sort_unstable();
        micros
    }
}

/// From `from` to `to` in microseconds, below zero if `to` came first.
pub(crate) fn micros(from: SystemTime, to: SystemTime) -> i64 {
    let (sign, between) = match to.duration_since(from) {
        Ok(between) => (1, between),
        Err(error) => (-1, error.duration()),
    };
    sign * i64::try_from(between.as_micros()).unwrap_or(i64::MAX)
}

/// The value that so many of a hundred are not above; 0 of nothing.
pub(crate) fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}
