//! Whole lives of one engine with everything configured: every event there is, in any order, true or absurd, with reloads
//! and restarts in between. Whatever is thrown at it, it stands, and what it says of itself is consistent.

use std::net::IpAddr;
use std::time::Duration;

use parser::Config;
use proptest::prelude::*;
use vrrp::{
    Action, Datagram, Engine, Event, FileId, InstanceId, Instant, Link, LinkId, Packet, ProcessId, ScriptId,
    ScriptOutcome,
};

use crate::fixture::{eth0, ip, parsed};

/// One instance of every kind: authenticated, grouped, unicast, signed, IPv6, without an interface, and what they track.
const EVERYTHING: &str = "
global_defs {
    dynamic_interfaces
    vrrp_garp_interval 0.01
    vrrp_startup_delay 2
}
garp_group {
    garp_interval 0.05
    gna_interval 0.02
    interfaces {
        eth1
    }
}
interface_up_down_delays {
    eth1 0.5 0.7
}
track_file f {
    file /run/f
}
vrrp_track_process p {
    process p
    weight 10
}
vrrp_script s {
    script /usr/bin/s
    weight -20
}
bfd_instance b {
    neighbor_ip 10.0.0.9
    weight 5
}
vrrp_sync_group G {
    group {
        ONE
        TWO
    }
    sync_group_tracking_weight
    track_file {
        f
    }
}
vrrp_instance ONE {
    interface eth0
    virtual_router_id 51
    priority 100
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        10.0.0.100
    }
}
vrrp_instance TWO {
    interface eth1
    virtual_router_id 52
    version 3
    advert_int 0.5
    priority 120
    preempt_delay 3
    virtual_ipaddress {
        10.0.1.100
    }
    virtual_routes {
        10.9.0.0/16 via 10.0.1.1
    }
}
vrrp_instance PEER {
    interface eth0
    virtual_router_id 53
    version 3
    unicast_peer {
        10.0.0.9
    }
    auth_hmac {
        key 1 {
            hex 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f
        }
        active_key 1
    }
    track_process {
        p
    }
    virtual_ipaddress {
        10.0.0.103
    }
}
vrrp_instance SIX {
    interface eth0
    virtual_router_id 51
    version 3
    nopreempt
    timer_expired_backup 80
    down_timer_adverts 5
    garp_master_refresh 3
    garp_extra_if all 2
    priority 90
    track_bfd {
        b
    }
    track_interface {
        eth1 weight -30
    }
    virtual_ipaddress {
        fe80::51
        2001:db8::51
    }
}
vrrp_instance AH {
    interface eth1
    virtual_router_id 54
    priority 255
    authentication {
        auth_type AH
        auth_pass secret
    }
    track_script {
        s
    }
    virtual_ipaddress {
        10.0.1.104
    }
}
";

/// What may happen next; numbers choose among few, so that most of them mean something.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Deadline,
    /// Another router's advert for one of these virtual routers, with a byte changed or without its end.
    Advert {
        vrid: u8,
        host: u8,
        priority: u8,
        version: u8,
        hop_limit: u8,
        spoilt: Option<(u8, u8)>,
        cut: usize,
    },
    Noise {
        link: Option<u32>,
        ends: (IpAddr, IpAddr),
        hop_limit: u8,
        ip_header: Vec<u8>,
        payload: Vec<u8>,
    },
    /// One of its own adverts comes back, perhaps much later.
    Echo(u8),
    Link {
        id: u32,
        named: u8,
        running: bool,
        addressed: bool,
        hardware: u8,
        mtu: u32,
    },
    LinkGone(u32),
    Script(u32, ScriptOutcome),
    File(u32, i64),
    Processes(u32, usize),
    Bfd(bool, bool),
    Clock(u64),
    Missing(u32, bool),
    Lost(u32),
    Reload(u8),
    Restart(bool),
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        any::<u8>().prop_map(|status| ScriptOutcome::Exited(status % 2)),
        any::<i32>().prop_map(ScriptOutcome::Signalled),
        Just(ScriptOutcome::TimedOut),
        any::<i32>().prop_map(ScriptOutcome::NotStarted),
    ];
    let advert = (
        50_u8..56,
        prop_oneof![Just(5_u8), any::<u8>()],
        any::<u8>(),
        0_u8..5,
        prop_oneof![4 => Just(255_u8), 1 => any::<u8>()],
        any::<Option<(u8, u8)>>(),
        prop_oneof![3 => Just(0_usize), 1 => 0_usize..40],
    )
        .prop_map(
            |(vrid, host, priority, version, hop_limit, spoilt, cut)| Step::Advert {
                vrid,
                host,
                priority,
                version,
                hop_limit,
                spoilt,
                cut,
            },
        );
    let noise = (
        any::<Option<u32>>(),
        any::<(IpAddr, IpAddr)>(),
        any::<u8>(),
        any::<Vec<u8>>(),
        any::<Vec<u8>>(),
    )
        .prop_map(|(link, ends, hop_limit, ip_header, payload)| Step::Noise {
            link: link.map(|link| link % 5),
            ends,
            hop_limit,
            ip_header,
            payload,
        });
    let link = (
        1_u32..5,
        0_u8..4,
        any::<bool>(),
        any::<bool>(),
        any::<u8>(),
        any::<u32>(),
    )
        .prop_map(|(id, named, running, addressed, hardware, mtu)| Step::Link {
            id,
            named,
            running,
            addressed,
            hardware,
            mtu,
        });
    prop_oneof![
        6 => (0_u64..5000).prop_map(Step::Wait),
        1 => any::<u32>().prop_map(|long| Step::Wait(long.into())),
        10 => Just(Step::Deadline),
        8 => advert,
        1 => noise,
        3 => any::<u8>().prop_map(Step::Echo),
        4 => link,
        1 => (0_u32..5).prop_map(Step::LinkGone),
        3 => (0_u32..3, outcome).prop_map(|(script, outcome)| Step::Script(script, outcome)),
        2 => (0_u32..3, prop_oneof![-300_i64..300, any::<i64>()]).prop_map(|(file, value)| Step::File(file, value)),
        2 => (0_u32..3, prop_oneof![0_usize..3, any::<usize>()]).prop_map(|(process, count)| Step::Processes(process, count)),
        2 => any::<(bool, bool)>().prop_map(|(known, up)| Step::Bfd(known, up)),
        2 => any::<u64>().prop_map(Step::Clock),
        1 => (0_u32..7, any::<bool>()).prop_map(|(instance, some)| Step::Missing(instance, some)),
        1 => (0_u32..7).prop_map(Step::Lost),
        1 => any::<u8>().prop_map(Step::Reload),
        1 => any::<bool>().prop_map(Step::Restart),
        1 => (0_u8..20).prop_map(|rarely| if rarely == 0 { Step::Stop } else { Step::Deadline }),
    ]
}

/// One engine, what is configured, and its last words.
struct Life {
    engine: Engine,
    config: Config,
    now: Instant,
    sent: Vec<Datagram>,
}

impl Life {
    fn begin() -> Self {
        let config = parsed(EVERYTHING);
        assert_eq!(config.vrrp_instances.len(), 5);
        let now = Instant::default() + Duration::from_secs(100);
        let mut engine = Engine::new(&config, "", now);
        for link in [eth0(5), eth1()] {
            engine.handle(Event::Link(link), now);
        }
        let sent = Vec::new();
        Self {
            engine,
            config,
            now,
            sent,
        }
    }

    fn play(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Wait(millis) => self.now = now + Duration::from_millis(*millis),
            Step::Deadline => {
                self.now = self
                    .engine
                    .next_deadline()
                    .map_or(now, |deadline| deadline.max(now));
            }
            Step::Advert {
                vrid,
                host,
                priority,
                version,
                hop_limit,
                spoilt,
                cut,
            } => {
                let mut payload = vec![version << 4 | 1, *vrid, *priority, 1, 0, 1, 0, 0, 10, 0, 0, 100];
                payload.extend([0; 8]);
                if let Some((at, by)) = spoilt {
                    let at = usize::from(*at) % payload.len();
                    payload[at] ^= by;
                }
                payload.truncate(payload.len().saturating_sub(*cut));
                seal(&mut payload);
                let packet = Packet {
                    link: Some(LinkId(2)),
                    source: ip(*host),
                    destination: vrrp::packet::GROUP_V4.into(),
                    hop_limit: *hop_limit,
                    ip_header: &[],
                    payload: &payload,
                };
                self.engine.handle(Event::Packet(packet), now);
            }
            Step::Noise {
                link,
                ends,
                hop_limit,
                ip_header,
                payload,
            } => {
                let packet = Packet {
                    link: link.map(LinkId),
                    source: ends.0,
                    destination: ends.1,
                    hop_limit: *hop_limit,
                    ip_header,
                    payload,
                };
                self.engine.handle(Event::Packet(packet), now);
            }
            Step::Echo(which) => {
                if let Some(datagram) = self.sent.get(usize::from(*which) % self.sent.len().max(1)) {
                    let header_len = if datagram.source.is_ipv4() { 20 } else { 0 };
                    let (ip_header, payload) = datagram.bytes.split_at(header_len);
                    let packet = Packet {
                        link: datagram.endpoint.link,
                        source: if which.is_multiple_of(2) {
                            ip(9)
                        } else {
                            datagram.source
                        },
                        destination: if which.is_multiple_of(3) {
                            ip(5)
                        } else {
                            datagram.destination
                        },
                        hop_limit: 255,
                        ip_header,
                        payload,
                    };
                    self.engine.handle(Event::Packet(packet), now);
                }
            }
            Step::Link {
                id,
                named,
                running,
                addressed,
                hardware,
                mtu,
            } => {
                let link = Link {
                    id: LinkId(*id),
                    name: format!("eth{named}"),
                    running: *running,
                    hardware_address: vec![*hardware; usize::from(*hardware) % 9],
                    mtu: *mtu,
                    ..eth0(5)
                };
                let bare = Link {
                    ipv4: None,
                    ipv6_link_local: None,
                    addresses: vec![],
                    ..link.clone()
                };
                self.engine
                    .handle(Event::Link(if *addressed { link } else { bare }), now);
            }
            Step::LinkGone(id) => self.engine.handle(Event::LinkGone(LinkId(*id)), now),
            Step::Script(script, outcome) => {
                let (script, outcome) = (ScriptId(*script), *outcome);
                // The shell tells of the scripts there are.
                if (script.0 as usize) < self.engine.scripts().len() {
                    self.engine.handle(Event::ScriptEnded { script, outcome }, now);
                }
            }
            Step::File(file, value) => {
                self.engine.handle(
                    Event::File {
                        file: FileId(*file),
                        value: *value,
                    },
                    now,
                );
            }
            Step::Processes(process, count) => {
                self.engine.handle(
                    Event::Processes {
                        process: ProcessId(*process),
                        count: *count,
                    },
                    now,
                );
            }
            Step::Bfd(known, up) => {
                let session = if *known { "b" } else { "stranger" };
                self.engine.handle(Event::Bfd { session, up: *up }, now);
            }
            Step::Clock(nanos) => self
                .engine
                .handle(Event::Clock(Duration::from_nanos(*nanos)), now),
            Step::Missing(instance, some) => {
                let items = some
                    .then(|| "static route to 10.9.0.0/16".to_owned())
                    .into_iter()
                    .collect();
                self.engine.handle(
                    Event::Missing {
                        instance: InstanceId(*instance),
                        items,
                    },
                    now,
                );
            }
            Step::Lost(instance) => self.engine.handle(
                Event::Lost {
                    instance: InstanceId(*instance),
                },
                now,
            ),
            Step::Reload(which) => {
                self.config = reloaded(*which);
                self.engine.reload(&self.config, now);
            }
            Step::Restart(remembers) => {
                let saved = if *remembers {
                    self.engine.snapshot()
                } else {
                    String::new()
                };
                self.engine = Engine::new(&self.config, &saved, now);
                for link in [eth0(5), eth1()] {
                    self.engine.handle(Event::Link(link), now);
                }
            }
            Step::Stop => self.engine.handle(Event::Stop, now),
        }
        self.engine.handle_timeout(self.now);
    }

    fn check(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.engine.next_action() {
            actions += 1;
            assert!(actions < 1000, "one step has no end: {action:?}");
            if let Action::Send(sending) = action {
                self.sent.truncate(20);
                self.sent.insert(0, sending);
            }
        }
        if let Some(deadline) = self.engine.next_deadline() {
            assert!(deadline > self.now, "a deadline that has come is over");
        }
        for instance in self.engine.instances() {
            let (state, name) = (instance.state.word(), &instance.config.name);
            let owns = self.engine.owned(instance.id).count()
                + self.engine.owned_routes(instance.id).len()
                + self.engine.owned_rules(instance.id).len();
            assert!(owns == 0 || state == "MASTER", "{name} owns something in {state}");
            assert_eq!(
                state == "FAULT",
                !instance.faults.is_empty() && state != "INIT" && state != "STOP",
                "{name}: {:?}",
                instance.faults
            );
        }
        for group in &self.config.vrrp_sync_groups {
            let members = self
                .engine
                .instances()
                .filter(|instance| group.members.contains(&instance.config.name));
            let states: Vec<&str> = members.map(|instance| instance.state.word()).collect();
            // A member that a reload adds listens first and stops nobody, but a fault is everybody's.
            assert!(
                !(states.contains(&"FAULT") && states.contains(&"MASTER")),
                "{states:?}"
            );
        }
    }
}

fn eth1() -> Link {
    Link {
        id: LinkId(3),
        name: "eth1".to_owned(),
        ..eth0(6)
    }
}

/// The checksum that version 2 wants, so that more is looked at than that.
fn seal(payload: &mut [u8]) {
    if payload.len() < 8 {
        return;
    }
    payload[6..8].fill(0);
    let mut sum: u32 = payload
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [high, low] = (!u16::try_from(sum).unwrap()).to_be_bytes();
    (payload[6], payload[7]) = (high, low);
}

/// Everything, or some of it, or some of it otherwise.
fn reloaded(which: u8) -> Config {
    let mut config = match which % 3 {
        0 => parsed(EVERYTHING),
        1 => parsed(&EVERYTHING.replace("priority 1", "priority 2")),
        _ => parsed(
            &EVERYTHING
                .replace("auth_pass secret", "auth_pass other")
                .replace("weight", "weight -"),
        ),
    };
    if which.is_multiple_of(5) {
        config.vrrp_sync_groups.clear();
    }
    if which.is_multiple_of(7) {
        config.vrrp_instances.reverse();
    }
    if which.is_multiple_of(4) {
        config.vrrp_instances.truncate(2);
        config.vrrp_sync_groups.clear();
    }
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_breaks_it(steps in proptest::collection::vec(step(), 1..150)) {
        let mut life = Life::begin();
        for step in &steps {
            life.play(step);
            life.check();
        }
    }
}
