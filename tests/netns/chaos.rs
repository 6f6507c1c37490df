//! Everything at once, at random: two nodes whose processes are killed and frozen, whose cables are pulled, whose
//! configurations change and whose scripts fail. After each storm there is quiet, and then what must always be so is so,
//! as seen from outside.
//!
//! `HOLDFAST_CHAOS_SECONDS` says for how long (default 25), `HOLDFAST_CHAOS_SEED` from which seed (default 1). A failure names the seed
//! and tells what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use holdfast::lab::node::CONFIGURATION;
use holdfast::lab::{Host, Node, wait_until};
use nix::sys::signal::Signal;

use crate::scene::{Scene, holdfast, ready};
use crate::view::{View, descriptors};
use crate::world::{CHECK, Chance, INTERVAL, Router, World};

/// How soon after a storm all must be well. A process that was killed often is restarted after up to 32 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// `TimeoutStopSec=` of the unit.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Names of the processes' files.
const PID_FILES: [&str; 4] = ["keepalived.pid", "vrrp.pid", "bfd.pid", "checkers.pid"];

/// What is done to a node.
#[derive(Clone, Copy, Debug)]
enum Deed {
    KillProcess(&'static str, Signal),
    KillSupervisor,
    KillEverything,
    Restart,
    Freeze(&'static str),
    CableOut,
    CableIn,
    LinkDown,
    LinkUp,
    ScriptSays(&'static str),
    Reload,
    ReloadNonsense,
    TakeAddress,
    TakeInterface,
    FlushTables,
    Dump,
}

const DEEDS: [Deed; 27] = [
    Deed::KillProcess("vrrp.pid", Signal::SIGKILL),
    Deed::KillProcess("vrrp.pid", Signal::SIGKILL),
    Deed::KillProcess("vrrp.pid", Signal::SIGSEGV),
    Deed::KillProcess("bfd.pid", Signal::SIGKILL),
    Deed::KillProcess("checkers.pid", Signal::SIGKILL),
    Deed::KillSupervisor,
    Deed::KillSupervisor,
    Deed::KillEverything,
    Deed::Restart,
    Deed::Freeze("vrrp.pid"),
    Deed::Freeze("bfd.pid"),
    Deed::Freeze("checkers.pid"),
    Deed::Freeze("keepalived.pid"),
    Deed::CableOut,
    Deed::CableOut,
    Deed::CableIn,
    Deed::LinkDown,
    Deed::LinkUp,
    Deed::ScriptSays("ill"),
    Deed::ScriptSays("slow"),
    Deed::ScriptSays("well"),
    Deed::Reload,
    Deed::ReloadNonsense,
    Deed::TakeAddress,
    Deed::TakeInterface,
    Deed::FlushTables,
    Deed::Dump,
];

/// A node, with what systemd does for it.
struct Unit {
    number: usize,
    host: Arc<Host>,
    node: Node,
    /// Processes and files of the host itself.
    bare: View,
}

struct Chaos {
    scene: Scene,
    units: [Unit; 2],
    world: World,
    history: History,
}

/// What was done, told when the test fails.
struct History {
    seed: u64,
    start: Instant,
    began: SystemTime,
    lines: Vec<String>,
}

#[test]
fn after_every_storm_each_address_has_one_owner_and_nothing_is_left_behind() {
    if !ready() {
        return;
    }
    let seed = from_environment("HOLDFAST_CHAOS_SEED").unwrap_or(1);
    let length = Duration::from_secs(from_environment("HOLDFAST_CHAOS_SECONDS").unwrap_or(25));
    println!("HOLDFAST_CHAOS_SEED={seed}");
    let mut chance = Chance::new(seed);
    let mut chaos = Chaos::begin(seed);
    chaos.rest();
    while chaos.history.start.elapsed() < length {
        chaos.storm(&mut chance);
        chaos.heal();
        chaos.rest();
    }
    chaos.end();
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

impl Chaos {
    fn begin(seed: u64) -> Self {
        let scene = Scene::new();
        let world = World::first();
        let units = [&scene.a, &scene.b].map(|host| {
            host.write_script("/run/check.sh", CHECK).unwrap();
            host.write_script("/run/notify.sh", "#!/bin/sh\nexit 0\n")
                .unwrap();
            host.write("/run/health", "well").unwrap();
            host.write(CONFIGURATION, "").unwrap();
            let number = usize::from(*host.name != *"a");
            Unit {
                number,
                host: Arc::clone(host),
                bare: View::of(host),
                node: holdfast().start(host, &world.text(number)).unwrap(),
            }
        });
        let history = History {
            seed,
            start: Instant::now(),
            began: SystemTime::now(),
            lines: Vec::new(),
        };
        Self {
            scene,
            units,
            world,
            history,
        }
    }

    /// One to six deeds, one soon after the other.
    fn storm(&mut self, chance: &mut Chance) {
        for _ in 0..=chance.below(6) {
            let deed = chance.pick(&DEEDS);
            if let Deed::Reload = deed {
                self.world = self.world.changed(chance);
            }
            let number = usize::from(chance.below(2));
            self.history.add(&format!("{}: {deed:?}", ["a", "b"][number]));
            if let Deed::Reload = deed {
                self.history.add(&format!("{:?}", self.world));
            }
            self.units[number].do_it(deed, &self.world, chance);
            thread::sleep(Duration::from_millis(20 * u64::from(chance.below(100))));
        }
    }

    /// Takes back what only the outside can take back.
    fn heal(&mut self) {
        self.history.add("quiet");
        for unit in &mut self.units {
            unit.host.cable_in().unwrap();
            unit.host.set_link(true).unwrap();
            unit.host.write("/run/health", "well").unwrap();
            unit.node.process.signal(Signal::SIGCONT);
            unit.reload(&self.world);
        }
    }

    /// Waits until everything is as it must be.
    fn rest(&mut self) {
        let mut wrong = Vec::new();
        let took = wait_until(PATIENCE, || {
            wrong = self.wrong();
            wrong.is_empty()
        });
        assert!(
            took.is_some(),
            "{PATIENCE:?} after a storm:\n{}",
            wrong.join("\n")
        );
        let took = took.unwrap_or_default().as_secs_f64();
        self.history.add(&format!("all is well after {took:.1} s"));
    }

    /// What is not as it must be, after a look that lasts some advertisements.
    fn wrong(&self) -> Vec<String> {
        let before = self.views();
        self.scene.lab.capture.drain();
        thread::sleep(2 * INTERVAL);
        let frames = self.scene.lab.capture.drain();
        let views = self.views();
        let mut wrong = Vec::new();
        let mut addresses = [BTreeSet::new(), BTreeSet::new()];
        let mut masters = BTreeMap::new();
        for router in &self.world.routers {
            let adverts = frames
                .iter()
                .filter(|frame| frame.advert().is_some_and(|advert| advert.vrid == router.vrid));
            let speakers: BTreeSet<&str> = adverts.map(|frame| &*frame.host).collect();
            let speakers = Vec::from_iter(speakers);
            let [speaker] = speakers[..] else {
                wrong.push(format!("V{}: advertised by {speakers:?}", router.vrid));
                continue;
            };
            let master = usize::from(speaker != "a");
            masters.insert(router.vrid, master);
            addresses[master].extend(router.addresses());
            for (number, view) in views.iter().enumerate() {
                let routing = router.has_routing() && number == master;
                let found = (view.has_route(&router.route()), view.has_rule(&router.rule()));
                if found != (routing, routing) {
                    let name = &self.units[number].host.name;
                    wrong.push(format!("V{}: route and rule {found:?} on {name}", router.vrid));
                }
            }
        }
        let of_group = self.world.group().iter();
        let of_group: BTreeSet<_> = of_group.filter_map(|router| masters.get(&router.vrid)).collect();
        if of_group.len() > 1 {
            wrong.push("the group is divided".to_owned());
        }
        for (number, unit) in self.units.iter().enumerate() {
            let views = (&before[number], &views[number]);
            unit.look(&self.world, views, &addresses[number], &mut wrong);
        }
        wrong
    }

    fn views(&self) -> [View; 2] {
        [0, 1].map(|number| View::of(&self.units[number].host))
    }

    /// Back to the beginning: a process that has lived through it holds as many descriptors as one that has not, and at
    /// the end nothing is left.
    fn end(&mut self) {
        self.world = World::first();
        self.heal();
        self.rest();
        let old = [0, 1].map(|number| self.units[number].descriptors());
        for unit in &mut self.units {
            unit.restart();
        }
        self.rest();
        for (unit, old) in self.units.iter().zip(old) {
            assert_eq!(old, unit.descriptors(), "descriptors of {}", unit.host.name);
        }
        for unit in &mut self.units {
            assert!(unit.node.stop(STOP_LIMIT).is_some());
            let (mut left, bare) = (View::of(&unit.host), unit.bare.clone());
            // Dumps are there to be read.
            let dumps = [
                "/run/keepalived",
                "/run/keepalived_parent",
                "/run/keepalived_bfd",
                "/run/keepalived_check",
            ];
            left.files.retain(|file| {
                let (name, _) = file.rsplit_once('.').unwrap_or((file, ""));
                !dumps.contains(&name)
            });
            assert_eq!(left, bare, "what is left on {}", unit.host.name);
        }
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("HOLDFAST_CHAOS_SEED={}", self.history.seed);
            for line in &self.history.lines {
                eprintln!("{line}");
            }
            for unit in &self.units {
                eprintln!("--- the last daemon of {}", unit.host.name);
                for line in unit.node.process.log.since(0) {
                    let at = line.at.duration_since(self.history.began).unwrap_or_default();
                    eprintln!("{:8.3} {}", at.as_secs_f64(), line.message());
                }
            }
        }
    }
}

impl History {
    fn add(&mut self, what: &str) {
        self.lines
            .push(format!("{:8.3} {what}", self.start.elapsed().as_secs_f64()));
    }
}

impl Unit {
    fn do_it(&mut self, deed: Deed, world: &World, chance: &mut Chance) {
        match deed {
            Deed::KillProcess(file, signal) => self.signal(file, signal),
            Deed::Freeze(file) => self.signal(file, Signal::SIGSTOP),
            Deed::KillSupervisor => {
                self.node.process.signal(Signal::SIGKILL);
                self.restart();
            }
            Deed::KillEverything => {
                // What a configuration asked for that nobody remembers, nobody removes.
                self.settle();
                self.node.process.kill_all();
                self.restart();
            }
            Deed::Restart => self.restart(),
            Deed::CableOut => self.host.cable_out().unwrap(),
            Deed::CableIn => self.host.cable_in().unwrap(),
            Deed::LinkDown => self.host.set_link(false).unwrap(),
            Deed::LinkUp => self.host.set_link(true).unwrap(),
            Deed::ScriptSays(answer) => self.host.write("/run/health", answer).unwrap(),
            Deed::Reload => self.reload(world),
            Deed::ReloadNonsense => {
                let good = self.host.read(CONFIGURATION).unwrap();
                self.settle();
                self.host.write(CONFIGURATION, "vrrp_instance {").unwrap();
                self.node.process.signal(Signal::SIGHUP);
                self.settle();
                self.host.write(CONFIGURATION, &good).unwrap();
            }
            Deed::TakeAddress => {
                let owned = View::of(&self.host).addresses;
                let owned: Vec<IpAddr> = owned.difference(&self.bare.addresses).copied().collect();
                if !owned.is_empty() {
                    let address = chance.pick(&owned);
                    self.run(&format!(
                        "for d in $(ls /proc/sys/net/ipv4/conf); do for l in 24 64; do ip address del {address}/$l dev $d; done; done"
                    ));
                }
            }
            Deed::TakeInterface => {
                self.run("for d in $(cd /proc/sys/net/ipv4/conf; ls -d vrrp.*); do ip link del $d; done");
            }
            Deed::FlushTables => self.run("nft flush ruleset"),
            Deed::Dump => {
                for signal in [10, 12, 36, 63] {
                    self.run(&format!("kill -{signal} $(cat /run/keepalived.pid)"));
                }
            }
        }
    }

    fn run(&self, command: &str) {
        let command = command.to_owned();
        // Whether there was something to do it to does not matter.
        let ended = self.host.run(move || {
            std::process::Command::new("/bin/sh")
                .args(["-c", &command])
                .output()
        });
        ended.unwrap().unwrap();
    }

    /// Sends a signal to the process of a pid file.
    fn signal(&self, file: &str, signal: Signal) {
        let pid = self.host.read(&format!("/run/{file}")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            // Numbers are those inside the host.
            let _ = self.host.run(move || kill_inside(pid, signal)).unwrap();
        }
    }

    fn reload(&mut self, world: &World) {
        self.host.write(CONFIGURATION, &world.text(self.number)).unwrap();
        self.node.process.signal(Signal::SIGHUP);
    }

    /// Waits until no reload is under way, if somebody is there who does it.
    fn settle(&self) {
        let log = &self.node.process.log;
        wait_until(STOP_LIMIT, || {
            let begun = log.count("Reloading ...");
            let done = log.count("Reload complete") + log.count("the configuration stays as it was");
            log.has("Startup complete") && done >= begun
        });
    }

    /// As systemd does after the end of the first process, or with `systemctl restart`: what is left is told to stop, and
    /// killed when it does not; then the daemon is started.
    fn restart(&mut self) {
        let bare = self.bare.processes.clone();
        self.node.process.signal(Signal::SIGTERM);
        self.node.process.signal(Signal::SIGCONT);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            self.send_all(signal);
            let gone = wait_until(STOP_LIMIT, || {
                self.node.process.status().is_some()
                    && View::of(&self.host)
                        .processes
                        .keys()
                        .all(|pid| bare.contains_key(pid))
            });
            if gone.is_some() {
                break;
            }
        }
        let text = self.host.read(CONFIGURATION).unwrap();
        self.node = holdfast().start(&self.host, &text).unwrap();
    }

    fn send_all(&self, signal: Signal) {
        let bare = self.bare.processes.clone();
        for pid in View::of(&self.host).processes.into_keys() {
            if !bare.contains_key(&pid) {
                let _ = self.host.run(move || kill_inside(pid, signal)).unwrap();
                let _ = self.host.run(move || kill_inside(pid, Signal::SIGCONT)).unwrap();
            }
        }
    }

    /// What is not as it must be on this host when it has these addresses to hold.
    fn look(
        &self,
        world: &World,
        (before, now): (&View, &View),
        owned: &BTreeSet<IpAddr>,
        wrong: &mut Vec<String>,
    ) {
        let name = &self.host.name;
        let mut compare = |what: &str, found: &BTreeSet<String>, expected: &BTreeSet<String>| {
            if found != expected {
                wrong.push(format!("{name}: {what} {found:?}, expected {expected:?}"));
            }
        };
        let words = |addresses: BTreeSet<IpAddr>| addresses.iter().map(ToString::to_string).collect();
        compare(
            "addresses",
            &words(now.addresses.clone()),
            &words(&self.bare.addresses | owned),
        );
        let own: BTreeSet<String> = world.routers.iter().filter_map(Router::interface).collect();
        compare("interfaces", &now.links, &(&self.bare.links | &own));

        let pids: BTreeMap<&str, i32> = PID_FILES
            .iter()
            .filter_map(|file| {
                let text = self.host.read(&format!("/run/{file}")).ok()?;
                Some((*file, text.trim().parse().ok()?))
            })
            .collect();
        let (session, servers) = world.needs();
        for (file, needed) in PID_FILES.iter().zip([true, true, session, servers]) {
            let alive = pids.get(file).and_then(|pid| now.processes.get(pid));
            if needed && alive.is_none_or(|name| !name.ends_with(['S', 'R', 'D'])) {
                wrong.push(format!("{name}: {file} is of no living process: {alive:?}"));
            }
        }
        // Scripts come and go.
        let stay = |pid: &&i32| before.processes.contains_key(pid);
        let expected =
            |pid: &&i32| self.bare.processes.contains_key(pid) || pids.values().any(|it| it == *pid);
        let left: Vec<_> = now
            .processes
            .keys()
            .filter(stay)
            .filter(|pid| !expected(pid))
            .map(|pid| (pid, &now.processes[pid]))
            .collect();
        if !left.is_empty() {
            wrong.push(format!("{name}: processes {left:?}"));
        }
        if now.tables.is_empty() != own.is_empty() {
            wrong.push(format!("{name}: tables {:?} with interfaces {own:?}", now.tables));
        }
        let files: BTreeSet<_> = now.files.difference(&self.bare.files).cloned().collect();
        if let Some(strange) = files.iter().find(|file| file.contains("/.")) {
            wrong.push(format!("{name}: file {strange}"));
        }
    }

    fn descriptors(&self) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
        let pid = |file: &str| self.host.read(&format!("/run/{file}")).unwrap();
        PID_FILES
            .iter()
            .map(|file| (*file, descriptors(&self.host, pid(file).trim())))
            .collect()
    }
}

/// `kill` for a process number of the host that the calling thread is in: only a process inside can say it.
fn kill_inside(pid: i32, signal: Signal) -> std::io::Result<std::process::Output> {
    let number = (signal as i32).to_string();
    std::process::Command::new("/bin/kill")
        .args(["-s", &number, "--", &pid.to_string()])
        .output()
}
