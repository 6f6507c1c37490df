//! A model of up to four routers, checked state by state: real engines on a link that loses, doubles, delays and
//! reorders adverts, parts and heals, while daemons die and come back. Within a number of such mishaps every order of
//! things is tried.
//!
//! What must hold: once nothing more goes wrong, a link that is whole settles on exactly one master; an instance with
//! `nopreempt` never takes from a master that it hears; nobody has an address without being master.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests; these are tests, their helpers too"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use stateright::{Checker, Model, Property};
use vrrp::{Action, Datagram, Engine, Event, InstanceId, Instant, Link, LinkId, Packet, State};

const ETH0: LinkId = LinkId(2);
/// Longer than an election lasts, with an advert each second.
const SETTLED: Duration = Duration::from_secs(9);

/// The routers and how much may go wrong.
struct Routers {
    /// Their configurations.
    configs: Vec<parser::Config>,
    nopreempt: bool,
    mishaps: u8,
}

/// All routers and what is on its way between them.
#[derive(Clone)]
struct World {
    now: Instant,
    hosts: Vec<Host>,
    /// To be delivered now, in this order.
    wire: Vec<Flight>,
    /// To be delivered after the next deadline.
    late: Vec<Flight>,
    /// Which hosts are on the other side of a parted link, one bit for each.
    parted: u8,
    mishaps: u8,
    /// Since when nothing has gone wrong.
    quiet_since: Instant,
    taken_from_living: bool,
}

#[derive(Clone, Default)]
struct Host {
    engine: Option<Arc<Engine>>,
    /// Addresses that the kernel has, as far as it was asked.
    kernel: BTreeMap<InstanceId, usize>,
    /// When it heard a master last.
    heard_at: BTreeMap<InstanceId, Instant>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Flight {
    from: usize,
    to: usize,
    datagram: Arc<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Deliver,
    Lose,
    Double,
    Delay,
    /// All others on the way are faster.
    Overtake,
    /// The next deadline comes.
    Wait,
    Part(u8),
    Heal,
    Crash(usize),
    Start(usize),
}

impl Model for Routers {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut world = World {
            now: Instant::default() + Duration::from_hours(1),
            hosts: vec![Host::default(); self.configs.len()],
            wire: Vec::new(),
            late: Vec::new(),
            parted: 0,
            mishaps: self.mishaps,
            quiet_since: Instant::default() + Duration::from_hours(1),
            taken_from_living: false,
        };
        for host in 0..self.configs.len() {
            self.start(&mut world, host);
        }
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.wire.is_empty() {
            steps.push(Step::Wait);
        } else {
            steps.push(Step::Deliver);
        }
        // Whatever happens, the link is whole in the end.
        if world.parted != 0 && world.wire.is_empty() {
            steps.push(Step::Heal);
        }
        if world.mishaps == 0 {
            return;
        }
        if world.wire.is_empty() {
            if world.parted == 0 {
                steps.extend((1..1 << (self.configs.len() - 1)).map(Step::Part));
            }
            for (host, known) in world.hosts.iter().enumerate() {
                steps.push(if known.engine.is_some() {
                    Step::Crash(host)
                } else {
                    Step::Start(host)
                });
            }
        } else {
            steps.extend([Step::Lose, Step::Double, Step::Delay]);
            if world.wire.len() > 1 {
                steps.push(Step::Overtake);
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        if !matches!(step, Step::Deliver | Step::Wait) {
            world.mishaps -= u8::from(step != Step::Heal);
            world.quiet_since = world.now;
        }
        match step {
            Step::Deliver => {
                let flight = world.wire.remove(0);
                self.deliver(&mut world, &flight);
            }
            Step::Lose => drop(world.wire.remove(0)),
            Step::Double => {
                let flight = world.wire.remove(0);
                self.deliver(&mut world, &flight);
                world.late.push(flight);
            }
            Step::Delay => {
                let flight = world.wire.remove(0);
                world.late.push(flight);
            }
            Step::Overtake => world.wire.rotate_left(1),
            Step::Wait => self.wait(&mut world)?,
            Step::Part(side) => world.parted = side,
            Step::Heal => world.parted = 0,
            Step::Crash(host) => world.hosts[host] = Host::default(),
            Step::Start(host) => self.start(&mut world, host),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a healed link settles on exactly one master",
                |_, world: &World| {
                    !world.is_settled() || world.masters() == usize::from(world.is_inhabited())
                },
            ),
            Property::always("no master that is heard is taken from", |_, world: &World| {
                !world.taken_from_living
            }),
            Property::always("no address without MASTER", |_, world: &World| {
                world.hosts.iter().all(Host::is_honest)
            }),
            Property::always("members of a group stand together", |_, world: &World| {
                world.hosts.iter().all(Host::stands_together)
            }),
            Property::sometimes("two masters meet", |_, world: &World| world.masters() > 1),
        ]
    }

    fn within_boundary(&self, world: &World) -> bool {
        // Nothing new comes of waiting longer once nothing more can go wrong.
        world.mishaps > 0 || world.now - world.quiet_since <= SETTLED + Duration::from_secs(2)
    }
}

impl Routers {
    fn start(&self, world: &mut World, host: usize) {
        let mut engine = Engine::new(&self.configs[host], "", world.now);
        engine.handle(Event::Link(eth0(host)), world.now);
        engine.handle_timeout(world.now);
        world.hosts[host].engine = Some(Arc::new(engine));
        self.carry_out(world, host);
    }

    fn wait(&self, world: &mut World) -> Option<()> {
        let engines = world.hosts.iter().filter_map(|host| host.engine.as_ref());
        world.now = engines.filter_map(|engine| engine.next_deadline()).min()?;
        let now = world.now;
        world.wire = std::mem::take(&mut world.late);
        for host in 0..world.hosts.len() {
            if let Some(engine) = &mut world.hosts[host].engine
                && engine.next_deadline().is_some_and(|deadline| deadline <= now)
            {
                Arc::make_mut(engine).handle_timeout(now);
                self.carry_out(world, host);
            }
        }
        Some(())
    }

    fn deliver(&self, world: &mut World, flight: &Flight) {
        let now = world.now;
        let host = &mut world.hosts[flight.to];
        let Some(engine) = &mut host.engine else { return };
        let payload = &flight.datagram[20..];
        let (vrid, priority) = (payload[1], payload[2]);
        let id = InstanceId(u32::from(vrid) - 1);
        if priority > 0 {
            host.heard_at.insert(id, now);
        } else {
            host.heard_at.remove(&id);
        }
        let packet = Packet {
            link: Some(ETH0),
            ip_header: &[],
            source: address(flight.from),
            destination: vrrp::packet::GROUP_V4.into(),
            hop_limit: 255,
            payload,
        };
        Arc::make_mut(engine).handle(Event::Packet(packet), now);
        self.carry_out(world, flight.to);
    }

    fn carry_out(&self, world: &mut World, number: usize) {
        let host = &mut world.hosts[number];
        let engine = Arc::make_mut(host.engine.as_mut().unwrap());
        while let Some(action) = engine.next_action() {
            match action {
                Action::Send(Datagram { bytes, .. }) => {
                    let datagram: Arc<[u8]> = bytes.into();
                    let side = |host: usize| world.parted >> host & 1;
                    let receivers = (0..self.configs.len()).filter(|to| *to != number);
                    for to in receivers.filter(|to| side(*to) == side(number)) {
                        world.wire.push(Flight {
                            from: number,
                            to,
                            datagram: Arc::clone(&datagram),
                        });
                    }
                }
                Action::Reconcile(id) => {
                    let owned = engine.owned(id).count();
                    let before = host.kernel.insert(id, owned).unwrap_or(0);
                    let heard = host.heard_at.get(&id);
                    // Three adverts of a second each are lost before anybody may take over.
                    let is_near = heard.is_some_and(|at| world.now - *at < Duration::from_secs(3));
                    world.taken_from_living |= self.nopreempt && owned > before && is_near;
                }
                _ => {}
            }
        }
    }
}

impl World {
    fn is_settled(&self) -> bool {
        self.parted == 0 && self.now - self.quiet_since >= SETTLED && self.wire.is_empty()
    }

    fn masters(&self) -> usize {
        let engines = self.hosts.iter().filter_map(|host| host.engine.as_ref());
        engines
            .filter(|engine| engine.instances().all(|router| router.state.is_master()))
            .count()
    }

    fn is_inhabited(&self) -> bool {
        self.hosts.iter().any(|host| host.engine.is_some())
    }

    /// Everything that decides what can still happen, in times relative to now.
    fn fingerprint(&self, to: &mut impl Hasher) {
        let ahead = |at: Instant| at - self.now;
        for host in &self.hosts {
            host.kernel.hash(to);
            for (id, at) in &host.heard_at {
                (id, (self.now - *at).min(SETTLED)).hash(to);
            }
            let Some(engine) = &host.engine else {
                0.hash(to);
                continue;
            };
            for router in engine.instances() {
                (router.state.word(), router.priority, router.master_interval).hash(to);
                router.master.map(|master| master.address).hash(to);
                match &router.state {
                    State::Backup {
                        take_over_at,
                        preempt_at,
                    } => (take_over_at.map(ahead), preempt_at.map(ahead)).hash(to),
                    State::Master(mastery) => {
                        (ahead(mastery.advertise_at), ahead(mastery.answer_at)).hash(to);
                        mastery.announce_again.map(|burst| ahead(burst.at)).hash(to);
                        for rival in &mastery.rivals {
                            (rival.address, ahead(rival.over_at), ahead(rival.report_at)).hash(to);
                            rival.give_way_at.map(ahead).hash(to);
                        }
                    }
                    State::Init { .. } | State::Fault { .. } | State::Stopped | State::Removed => {}
                }
            }
        }
        (&self.wire, &self.late, self.parted, self.mishaps).hash(to);
        ((self.now - self.quiet_since).min(SETTLED + Duration::from_secs(3))).hash(to);
        self.taken_from_living.hash(to);
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, to: &mut H) {
        self.fingerprint(to);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        let digest = |world: &Self| {
            let mut hasher = DefaultHasher::new();
            world.hash(&mut hasher);
            hasher.finish()
        };
        digest(self) == digest(other)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.now)?;
        for host in &self.hosts {
            let engine = host.engine.as_ref();
            let words = engine.map_or(Vec::new(), |engine| {
                engine.instances().map(|router| router.state.word()).collect()
            });
            write!(f, "{words:?} ")?;
        }
        write!(f, "{} on the way", self.wire.len())
    }
}

impl Host {
    fn is_honest(&self) -> bool {
        let Some(engine) = &self.engine else { return true };
        engine.instances().all(|router| {
            let owned = engine.owned(router.id).count();
            let present = self.kernel.get(&router.id).copied().unwrap_or(0);
            owned == present && (owned > 0) == router.state.is_master()
        })
    }

    fn stands_together(&self) -> bool {
        let Some(engine) = &self.engine else { return true };
        let mut words = engine.instances().map(|router| router.state.word());
        let first = words.next();
        engine.groups.is_empty() || words.all(|word| Some(word) == first)
    }
}

fn address(host: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(host).unwrap() + 1).into()
}

fn eth0(host: usize) -> Link {
    let IpAddr::V4(ipv4) = address(host) else {
        unreachable!()
    };
    Link {
        id: ETH0,
        name: "eth0".to_owned(),
        running: true,
        hardware_address: vec![2, 0, 0, 0, 0, ipv4.octets()[3]],
        ipv4: Some(ipv4),
        ipv6_link_local: None,
        addresses: Vec::new(),
        mtu: 1500,
        multicast: true,
    }
}

/// Routers of these priorities with as many instances each, in a sync group if there are several; `more` stands in all
/// instances.
fn routers(priorities: &[u8], instances: usize, more: &str, mishaps: u8) -> Routers {
    let config = |priority: &u8| {
        let instance = |number: usize| {
            format!(
                "vrrp_instance VI_{number} {{
                     interface eth0
                     virtual_router_id {number}
                     priority {priority}
                     garp_master_delay 0
                     garp_lower_prio_delay 0
                     virtual_ipaddress {{
                         10.0.0.{}
                     }}
                     {more}
                 }}\n",
                100 + number
            )
        };
        let all: String = (1..=instances).map(instance).collect();
        let group = "vrrp_sync_group G {\ngroup {\nVI_1\nVI_2\n}\n}\n";
        let group = if instances > 1 { group } else { "" };
        parser::parse_text(&parser::Machine, &format!("{group}{all}")).config
    };
    Routers {
        configs: priorities.iter().map(config).collect(),
        nopreempt: more.contains("nopreempt"),
        mishaps,
    }
}

fn check(model: Routers) {
    let checker = model.checker().spawn_bfs().join();
    println!(
        "{} states, {} of them different",
        checker.state_count(),
        checker.unique_state_count()
    );
    checker.assert_properties();
}

#[test]
fn two_routers_and_four_mishaps() {
    check(routers(&[150, 100], 1, "", 4));
}

#[test]
fn two_equals_that_do_not_preempt() {
    check(routers(&[100, 100], 1, "nopreempt", 3));
}

#[test]
fn three_routers_with_a_preempt_delay() {
    check(routers(&[150, 100, 100], 1, "preempt_delay 2", 2));
}

#[test]
fn three_routers_that_do_not_preempt() {
    check(routers(&[150, 120, 100], 1, "nopreempt", 2));
}

#[test]
fn four_routers() {
    check(routers(&[150, 100, 100, 50], 1, "", 2));
}

#[test]
fn four_routers_that_do_not_preempt() {
    check(routers(&[150, 120, 100, 50], 1, "nopreempt", 2));
}

#[test]
fn two_sync_groups() {
    check(routers(&[150, 100], 2, "", 3));
}
