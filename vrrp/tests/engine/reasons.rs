//! Every reason for FAULT: it comes, is told, stays for as long as it is true and no longer, whether the instance runs when it
//! comes or has only just started.

use std::collections::BTreeSet;

use vrrp::{
    Action, Engine, Event, FaultReason, FileId, InstanceId, Link, LinkId, ProcessId, ScriptId, ScriptOutcome,
};

use crate::fixture::{at, eth0, ip, parsed};

/// What makes a reason true or untrue.
enum Turn {
    Event(Event<'static>),
    Reload(String),
}

struct Case {
    /// What is configured.
    text: String,
    /// What the log says of the reason; nothing where it only keeps the instance from starting.
    reason: &'static str,
    ill: Turn,
    well: Turn,
}

/// Nobody is told of something that does not change for so long: more than the time after which faults are looked at again.
const LONG: u64 = 35_000;

fn router(name: &str, vrid: u8, more: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{more}\nvirtual_ipaddress {{\n10.0.0.1{vrid}\n}}\n}}\n"
    )
}

fn link(change: impl FnOnce(&mut Link)) -> Turn {
    let mut link = eth0(5);
    change(&mut link);
    Turn::Event(Event::Link(link))
}

fn eth1(running: bool) -> Turn {
    link(|link| (link.id, link.name, link.running) = (LinkId(3), "eth1".to_owned(), running))
}

fn script(status: u8) -> Turn {
    Turn::Event(Event::ScriptEnded {
        script: ScriptId(0),
        outcome: ScriptOutcome::Exited(status),
    })
}

fn file(value: i64) -> Turn {
    let file = FileId(0);
    Turn::Event(Event::File { file, value })
}

fn processes(count: usize) -> Turn {
    let process = ProcessId(0);
    Turn::Event(Event::Processes { process, count })
}

fn bfd(up: bool) -> Turn {
    Turn::Event(Event::Bfd { session: "b", up })
}

fn missing(items: &[&str]) -> Turn {
    Turn::Event(Event::Missing {
        instance: InstanceId(0),
        items: items.iter().map(|item| (*item).to_owned()).collect(),
    })
}

/// Of the instance's own interface.
fn of_the_link() -> Vec<Case> {
    let case = |more: &str, reason, ill, well| Case {
        text: router("VI_1", 51, more),
        reason,
        ill,
        well,
    };
    let six =
        "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\nfe80::100\n}\n}\n";
    vec![
        case(
            "",
            "interface eth0 does not exist",
            Turn::Event(Event::LinkGone(eth0(5).id)),
            link(|_| {}),
        ),
        case(
            "",
            "interface eth0 down",
            link(|link| link.running = false),
            link(|_| {}),
        ),
        case(
            "",
            "no IPv4 address for interface",
            link(|link| link.ipv4 = None),
            link(|_| {}),
        ),
        Case {
            text: six.to_owned(),
            reason: "no IPv6 link-local address for interface",
            ill: link(|link| link.ipv6_link_local = None),
            well: link(|_| {}),
        },
        case(
            "",
            "interface eth0 does not support multicast, specify unicast peers",
            link(|link| link.multicast = false),
            link(|_| {}),
        ),
        case(
            "strict_mode\nunicast_peer {\n10.0.0.9\n}",
            "interface eth0 supports multicast, so that strict mode allows no unicast peers",
            link(|_| {}),
            link(|link| link.multicast = false),
        ),
        case(
            "track_src_ip\nmcast_src_ip 10.0.0.5",
            "source address 10.0.0.5 missing",
            link(|link| link.addresses = vec![ip(6)]),
            link(|_| {}),
        ),
    ]
}

/// Of what is tracked.
fn of_trackers() -> Vec<Case> {
    const SCRIPT: &str = "vrrp_script s {\nscript /usr/bin/s\n}\n";
    const FILE: &str = "track_file f {\nfile /run/f\n}\n";
    const PROCESS: &str = "vrrp_track_process p {\nprocess p\n}\n";
    const SESSION: &str = "bfd_instance b {\nneighbor_ip 10.0.0.9\n}\n";
    let case = |block: &str, list: &str, reason, ill, well| {
        let (list, line) = list.split_once(' ').unwrap();
        Case {
            text: format!("{block}{}", router("VI_1", 51, &format!("{list} {{\n{line}\n}}"))),
            reason,
            ill,
            well,
        }
    };
    let group = "vrrp_sync_group G {\ngroup {\nVI_1\nVI_2\n}\n}\n";
    let member = router("VI_2", 52, "track_script {\ns\n}");
    vec![
        case(
            "",
            "track_interface eth1",
            "tracked interface eth1 down",
            eth1(false),
            eth1(true),
        ),
        case(
            "",
            "track_interface eth1 weight 0 reverse",
            "tracked interface eth1 up, reversed",
            eth1(true),
            eth1(false),
        ),
        case(SCRIPT, "track_script s", "script s failed", script(1), script(0)),
        case(
            SCRIPT,
            "track_script s weight 0 reverse",
            "script s succeeded, reversed",
            script(0),
            script(1),
        ),
        case(
            FILE,
            "track_file f weight 0",
            "tracked file f holds 3",
            file(3),
            file(0),
        ),
        case(
            FILE,
            "track_file f weight 100",
            "tracked file f holds -3",
            file(-3),
            file(0),
        ),
        case(
            PROCESS,
            "track_process p",
            "tracked process p quorum not achieved",
            processes(0),
            processes(1),
        ),
        case(
            PROCESS,
            "track_process p weight 0 reverse",
            "tracked process p quorum achieved, reversed",
            processes(1),
            processes(0),
        ),
        case(
            SESSION,
            "track_bfd b",
            "BFD session b down",
            bfd(false),
            bfd(true),
        ),
        case(
            SESSION,
            "track_bfd b weight 0 reverse",
            "BFD session b up, reversed",
            bfd(true),
            bfd(false),
        ),
        Case {
            text: format!("{SCRIPT}{group}{}{member}", router("VI_1", 51, "")),
            reason: "",
            ill: script(1),
            well: script(0),
        },
        Case {
            text: router("VI_1", 51, ""),
            reason: "static route 10.9.0.0/16 is missing",
            ill: missing(&["route 10.9.0.0/16"]),
            well: missing(&[]),
        },
    ]
}

/// Of what is configured.
fn of_the_configuration() -> Vec<Case> {
    let unicast = |peer: &str| {
        let more = format!("unicast_src_ip 10.0.0.5\nunicast_fault_no_peer\nunicast_peer {{\n{peer}\n}}");
        router("VI_1", 51, &more)
    };
    let signed = |key: &str| {
        router(
            "VI_1",
            51,
            &format!("auth_hmac {{\nkey 3 {key}\nactive_key 3\n}}"),
        )
    };
    let case = |reason, ill, well: String| Case {
        text: well.clone(),
        reason,
        ill: Turn::Reload(ill),
        well: Turn::Reload(well),
    };
    vec![
        case("unicast without a unicast_peer", unicast(""), unicast("10.0.0.9")),
        case(
            "HMAC key 3 cannot be read",
            signed("file:/no/such/file"),
            signed("0123456789abcdef0123456789abcdef"),
        ),
    ]
}

/// An engine with what is told of it, and the time.
struct Life {
    engine: Engine,
    now: u64,
}

impl Life {
    fn begin(case: &Case, first: &Turn) -> Self {
        let config = match first {
            Turn::Reload(text) => parsed(text),
            Turn::Event(_) => parsed(&case.text),
        };
        let mut engine = Engine::new(&config, "", at(0));
        engine.handle(Event::Link(eth0(5)), at(0));
        if matches!(
            first,
            Turn::Event(Event::Link(_) | Event::LinkGone(_) | Event::Bfd { .. })
        ) {
            Self::turn(&mut engine, first, 0);
        }
        engine.handle_timeout(at(0));
        let mut life = Self { engine, now: 0 };
        life.take(first);
        life
    }

    fn turn(engine: &mut Engine, turn: &Turn, now: u64) {
        match turn {
            Turn::Event(event) => engine.handle(event.clone(), at(now)),
            Turn::Reload(text) => engine.reload(&parsed(text), at(now)),
        }
    }

    fn take(&mut self, turn: &Turn) {
        Self::turn(&mut self.engine, turn, self.now);
        // A script runs again then.
        self.wait(2000);
    }

    fn wait(&mut self, millis: u64) {
        let end = at(self.now + millis);
        while let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= end) {
            self.engine.handle_timeout(deadline);
        }
        self.now += millis;
    }

    fn faults(&self) -> Vec<FaultReason> {
        let instance = self.engine.instances().next().unwrap();
        instance.faults.iter().cloned().collect()
    }

    fn word(&self) -> &'static str {
        self.engine.instances().next().unwrap().state.word()
    }

    /// How often the log has said this since it was last looked at.
    fn said(&mut self, words: &str) -> usize {
        std::iter::from_fn(|| self.engine.next_action())
            .filter(|action| matches!(action, Action::Tell(news) if news.to_string() == words))
            .count()
    }

    /// The reason is there, was told once if it came now, and nothing but its end takes it away.
    fn assert_ill(&mut self, case: &Case, is_new: bool) -> FaultReason {
        let faults = self.faults();
        let [fault] = &faults[..] else {
            panic!("{}: {faults:?}", case.reason)
        };
        if !case.reason.is_empty() {
            assert_eq!(fault.to_string(), case.reason);
            let told = format!("(VI_1) entering FAULT state ({})", case.reason);
            assert_eq!(self.said(&told), usize::from(is_new), "{told}");
        }
        assert_eq!(self.word(), "FAULT", "{}", case.reason);
        self.wait(LONG);
        assert_eq!((self.word(), &self.faults()), ("FAULT", &faults));
        fault.clone()
    }

    fn assert_well(&mut self, case: &Case, was_ill: bool) {
        assert_eq!(self.faults(), [], "{}", case.reason);
        assert!(["BACKUP", "MASTER"].contains(&self.word()), "{}", case.reason);
        if !case.reason.is_empty() {
            let told = format!("(VI_1) no longer a fault: {}", case.reason);
            assert_eq!(self.said(&told), usize::from(was_ill), "{told}");
        }
        self.wait(LONG);
        assert_eq!(self.word(), "MASTER", "{}", case.reason);
    }
}

#[test]
fn every_reason_comes_and_goes() {
    let mut seen = BTreeSet::new();
    let all = [of_the_link(), of_trackers(), of_the_configuration()];
    for case in all.into_iter().flatten() {
        let mut life = Life::begin(&case, &case.well);
        life.assert_well(&case, false);
        for _ in 0..2 {
            life.take(&case.ill);
            seen.insert(number(&life.assert_ill(&case, true)));
            // Told once more, it is no news.
            life.take(&case.ill);
            life.assert_ill(&case, false);
            life.take(&case.well);
            life.assert_well(&case, true);
        }
        let mut life = Life::begin(&case, &case.ill);
        life.assert_ill(&case, true);
        life.take(&case.well);
        life.assert_well(&case, true);
    }
    assert_eq!(seen, (0..15).collect(), "every reason");
}

/// A new reason asks for a new number here and a new case above; those that only keep an instance from starting have their
/// stories in `scripts` and `grouped`.
fn number(reason: &FaultReason) -> u8 {
    match reason {
        FaultReason::InterfaceMissing(_) => 0,
        FaultReason::InterfaceDown(_) => 1,
        FaultReason::NoSourceAddress(_) => 2,
        FaultReason::NoMulticast(_) => 3,
        FaultReason::StrictUnicast(_) => 4,
        FaultReason::TrackedInterface { .. } => 5,
        FaultReason::Script { .. } => 6,
        FaultReason::File { .. } => 7,
        FaultReason::Process { .. } => 8,
        FaultReason::Bfd { .. } => 9,
        FaultReason::Member(_) => 10,
        FaultReason::SourceMissing(_) => 11,
        FaultReason::NoPeer => 12,
        FaultReason::NoKey(_) => 13,
        FaultReason::StaticMissing(_) => 14,
        FaultReason::AwaitingMember(_) => 15,
        FaultReason::AwaitingScript(_) => 16,
    }
}

/// All of them at once: the instance runs when the last is gone, whichever that is.
#[test]
fn it_stays_in_fault_until_the_last_reason_is_gone() {
    let text = format!(
        "vrrp_script s {{\nscript /usr/bin/s\n}}\ntrack_file f {{\nfile /run/f\n}}\n{}",
        router(
            "VI_1",
            51,
            "track_script {\ns\n}\ntrack_file {\nf weight 0\n}\ntrack_interface {\neth1\n}"
        )
    );
    let turns = [
        (link(|link| link.running = false), link(|_| {})),
        (eth1(false), eth1(true)),
        (script(1), script(0)),
        (file(1), file(0)),
    ];
    for last in 0..turns.len() {
        let case = Case {
            text: text.clone(),
            reason: "",
            ill: file(1),
            well: file(0),
        };
        let mut life = Life::begin(&case, &eth1(true));
        for (_, well) in &turns {
            life.take(well);
        }
        life.assert_well(&case, false);
        for (ill, _) in &turns {
            life.take(ill);
            assert_eq!(life.word(), "FAULT");
        }
        assert_eq!(life.faults().len(), turns.len());
        let others = (0..turns.len()).filter(|turn| *turn != last);
        for (gone, turn) in others.enumerate() {
            life.take(&turns[turn].1);
            assert_eq!(life.faults().len(), turns.len() - 1 - gone);
            assert_eq!(life.word(), "FAULT");
        }
        life.take(&turns[last].1);
        life.assert_well(&case, false);
    }
}

#[test]
fn what_was_true_when_the_process_was_killed_is_found_again() {
    let case = &of_the_link()[1];
    let mut life = Life::begin(case, &case.ill);
    life.wait(5000);
    let saved = life.engine.snapshot();
    let now = at(life.now);
    let mut engine = Engine::new(&parsed(&case.text), &saved, now);
    engine.handle(Event::Link(eth0(5)), now);
    engine.handle_timeout(now);
    let mut successor = Life {
        engine,
        now: life.now,
    };
    successor.wait(5000);
    assert_eq!(successor.word(), "MASTER", "the link is up again");
}
