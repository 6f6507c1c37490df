//! Very many reloads, each with something else changed: afterwards everything is as it was before, down to the memory.
//!
//! `HOLDFAST_RELOADS` says how many (default 100), `HOLDFAST_RELOADS_SEED` from which seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Host, Node, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Scene, holdfast, ready};
use crate::view::{View, descriptors};
use crate::world::{CHECK, Chance, World};

/// On a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Reloads before the first look, after which memory is as large as it is going to be.
const WARM: u64 = 40;

/// How long adverts and wake-ups are counted.
const WINDOW: Duration = Duration::from_secs(4);

const PROCESSES: [&str; 4] = ["keepalived", "vrrp", "bfd", "checkers"];

/// What one process has, and does in [`WINDOW`].
#[derive(Debug)]
struct Holding {
    pid: String,
    /// Memory of its own in KiB, what is mapped from files aside: others share that.
    memory: u64,
    descriptors: BTreeMap<String, usize>,
    threads: usize,
    /// How often timers and others woke it.
    wakes: u64,
}

struct Stage {
    host: Arc<Host>,
    node: Node,
    scene: Scene,
}

#[test]
fn memory_descriptors_timers_and_addresses_are_as_they_were() {
    if !ready() {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = number("HOLDFAST_RELOADS").unwrap_or(100);
    let seed = number("HOLDFAST_RELOADS_SEED").unwrap_or(1);
    let mut chance = Chance::new(seed);
    let stage = Stage::new();
    let first = View::of(&stage.host);

    stage.change(WARM, &mut chance);
    stage.back_to(&first);
    let (before, adverts_before) = stage.holdings();
    stage.change(count, &mut chance);
    stage.back_to(&first);
    let (after, adverts_after) = stage.holdings();

    println!("adverts {adverts_before:?}, {adverts_after:?}");
    for (before, after) in before.iter().zip(&after) {
        println!("{before:?}\n{after:?}");
    }
    for ((vrid, before), after) in adverts_before.iter().zip(adverts_after.values()) {
        assert!(
            before.abs_diff(*after) <= 1,
            "adverts of {vrid}: {before}, {after}"
        );
    }
    assert_eq!(adverts_before.len(), adverts_after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.pid, after.pid, "no process ended");
        assert_eq!(before.descriptors, after.descriptors);
        assert_eq!(before.threads, after.threads);
        // A reload that leaves a hundred bytes behind would show after a thousand; the allocator's own play is less than this.
        assert!(
            after.memory <= before.memory + before.memory / 20 + 300,
            "KiB of memory: {} before, {} after {count} reloads",
            before.memory,
            after.memory
        );
        // A timer that is left behind goes on waking.
        assert!(
            after.wakes <= before.wakes + before.wakes / 2 + 20,
            "wakes: {} before, {} after",
            before.wakes,
            after.wakes
        );
    }
}

impl Stage {
    fn new() -> Self {
        let scene = Scene::new();
        let host = Arc::clone(&scene.a);
        host.write_script("/run/check.sh", CHECK).unwrap();
        host.write_script("/run/notify.sh", "#!/bin/sh\nexit 0\n")
            .unwrap();
        host.write("/run/health", "well").unwrap();
        let world = World::first();
        let node = holdfast().start(&host, &world.text(0)).unwrap();
        let stage = Self { host, node, scene };
        expect("all is there", || stage.is_there(&world));
        stage
    }

    fn is_there(&self, world: &World) -> bool {
        let view = View::of(&self.host);
        let mut routers = world.routers.iter();
        self.node.said("Startup complete") == 1
            && routers.all(|router| {
                router.addresses().is_subset(&view.addresses)
                    && view.has_route(&router.route()) == router.has_routing()
            })
    }

    /// So many reloads, each a few changes from the one before.
    fn change(&self, count: u64, chance: &mut Chance) {
        let mut world = World::first();
        for _ in 0..count {
            world = world.changed(chance);
            self.reload(&world);
        }
    }

    fn reload(&self, world: &World) {
        let done = self.node.said("Reload complete");
        self.host.write(CONFIGURATION, &world.text(0)).unwrap();
        self.node.process.signal(Signal::SIGHUP);
        expect("the reload is complete", || {
            self.node.said("Reload complete") > done
        });
        assert_eq!(self.node.said("the configuration stays as it was"), 0);
    }

    /// The first configuration again, and the host looks as it did.
    fn back_to(&self, first: &View) {
        self.reload(&World::first());
        let mut now = View::default();
        let same = wait_until(PATIENCE, || {
            now = View::of(&self.host);
            now == *first
        });
        assert!(same.is_some(), "{now:#?}\nwas\n{first:#?}");
    }

    /// What each process has, and the adverts of each router in a while.
    fn holdings(&self) -> (Vec<Holding>, BTreeMap<u8, usize>) {
        let pids = PROCESSES.map(|name| self.host.read(&format!("/run/{name}.pid")).unwrap());
        let wakes = |pid: &str| self.number(pid, "status", "voluntary_ctxt_switches:");
        let woken = pids.each_ref().map(|pid| wakes(pid.trim()));
        self.scene.lab.capture.drain();
        thread::sleep(WINDOW);
        let mut adverts = BTreeMap::new();
        for frame in self.scene.lab.capture.drain() {
            if let Some(advert) = frame.advert() {
                *adverts.entry(advert.vrid).or_default() += 1;
            }
        }
        let holdings = pids.iter().zip(woken).map(|(pid, woken)| {
            let pid = pid.trim();
            Holding {
                pid: pid.to_owned(),
                memory: self.number(pid, "smaps_rollup", "Pss_Anon:"),
                descriptors: descriptors(&self.host, pid),
                threads: usize::try_from(self.number(pid, "status", "Threads:")).unwrap(),
                wakes: wakes(pid) - woken,
            }
        });
        (holdings.collect(), adverts)
    }

    /// The number after a word in a file of a process.
    fn number(&self, pid: &str, file: &str, word: &str) -> u64 {
        let text = self.host.read(&format!("/proc/{pid}/{file}")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

fn expect(what: &str, condition: impl FnMut() -> bool) {
    assert!(wait_until(PATIENCE, condition).is_some(), "{what}");
}
