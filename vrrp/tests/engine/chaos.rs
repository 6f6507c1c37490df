//! Random lives of three routers. [`Lan::check`] holds after every step; once everything is whole again, there is
//! exactly one master, the one that should be.

use std::time::Duration;

use parser::Config;
use parser::config::VrrpInstance;
use parser::units::Version;
use proptest::prelude::*;
use vrrp::{Event, Link, ScriptOutcome};

use crate::fixture::{ETH0, config, group, instance, ip, line, ms, script, tracked, vrid};
use crate::lan::Lan;

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Deed {
    Crash(usize),
    Start(usize),
    Resume(usize),
    Stop(usize),
    Link(usize, bool),
    LinkGone(usize),
    NoAddress(usize),
    Cut(usize, usize),
    Heal,
    Script(usize, bool, Option<ScriptOutcome>),
    Reload(usize, u8),
    Group(usize, bool),
    Noise(usize, Vec<u8>),
    Delay(u64),
    Loss(u64),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..NAMES.len();
    let outcome = prop_oneof![
        Just(None),
        Just(Some(ScriptOutcome::Exited(0))),
        Just(Some(ScriptOutcome::Exited(1))),
        Just(Some(ScriptOutcome::TimedOut)),
    ];
    prop_oneof![
        1 => who.clone().prop_map(Deed::Crash),
        1 => who.clone().prop_map(Deed::Start),
        1 => who.clone().prop_map(Deed::Resume),
        1 => who.clone().prop_map(Deed::Stop),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, up)| Deed::Link(who, up)),
        1 => who.clone().prop_map(Deed::LinkGone),
        1 => who.clone().prop_map(Deed::NoAddress),
        1 => (who.clone(), who.clone()).prop_map(|(one, other)| Deed::Cut(one, other)),
        1 => Just(Deed::Heal),
        1 => (who.clone(), any::<bool>(), outcome)
            .prop_map(|(who, second, outcome)| Deed::Script(who, second, outcome)),
        1 => (who.clone(), 1_u8..=255).prop_map(|(who, priority)| Deed::Reload(who, priority)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, grouped)| Deed::Group(who, grouped)),
        1 => (who, any::<Vec<u8>>()).prop_map(|(who, bytes)| Deed::Noise(who, bytes)),
        1 => (0_u64..50).prop_map(Deed::Delay),
        1 => (0_u64..60).prop_map(Deed::Loss),
        5 => (1_u64..9000).prop_map(Deed::Wait),
    ]
}

#[derive(Clone, Debug)]
struct Setup {
    priorities: [u8; 3],
    weights: [i16; 3],
    nopreempt: bool,
    version: Version,
    /// Two virtual routers that change state together.
    grouped: bool,
}

fn setup() -> impl Strategy<Value = Setup> {
    let weight = prop_oneof![Just(0_i16), -60_i16..60];
    (
        any::<[u8; 3]>(),
        [weight.clone(), weight.clone(), weight],
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(priorities, weights, nopreempt, three, grouped)| Setup {
            priorities: priorities.map(|priority| priority.max(1)),
            weights,
            nopreempt,
            version: if three { Version::V3 } else { Version::V2 },
            grouped,
        })
}

fn router(setup: &Setup, who: usize, priority: u8) -> Config {
    let router = VrrpInstance {
        version: setup.version,
        nopreempt: setup.nopreempt && priority < 255,
        track_script: vec![tracked("chk", setup.weights[who])],
        ..instance(priority)
    };
    let scripts = vec![script("chk"), script("chk2")];
    if !setup.grouped {
        return config(vec![router], scripts);
    }
    let second = VrrpInstance {
        name: "VI_2".to_owned(),
        virtual_router_id: vrid(52),
        virtual_ipaddress: vec![line(ip(102))],
        track_script: vec![tracked("chk", setup.weights[who]), tracked("chk2", 0)],
        ..router.clone()
    };
    Config {
        vrrp_sync_groups: vec![group(["VI_1", "VI_2"])],
        ..config(vec![router, second], scripts)
    }
}

fn perform(lan: &mut Lan, setup: &Setup, deed: &Deed) {
    let crashed = |lan: &Lan, who: usize| lan.host(NAMES[who]).engine.is_none();
    match deed {
        Deed::Crash(who) => lan.crash(NAMES[*who]),
        Deed::Start(who) if crashed(lan, *who) => lan.start(NAMES[*who]),
        Deed::Start(_) => {}
        Deed::Resume(who) => {
            if let Some(engine) = &lan.host(NAMES[*who]).engine {
                let saved = engine.snapshot();
                lan.start_from(NAMES[*who], &saved);
            }
        }
        Deed::Stop(who) => lan.stop(NAMES[*who]),
        Deed::Link(who, up) => lan.set_link(NAMES[*who], *up),
        Deed::LinkGone(who) => lan.handle(NAMES[*who], Event::LinkGone(ETH0)),
        Deed::NoAddress(who) => {
            let link = lan.host(NAMES[*who]).link.clone();
            lan.handle(NAMES[*who], Event::Link(Link { ipv4: None, ..link }));
        }
        Deed::Cut(one, other) => lan.cut(NAMES[*one], NAMES[*other]),
        Deed::Heal => lan.heal(),
        Deed::Script(who, second, outcome) => {
            let name = if *second { "chk2" } else { "chk" };
            lan.host_mut(NAMES[*who])
                .scripts
                .insert(name.to_owned(), *outcome);
        }
        Deed::Reload(who, priority) => lan.reload(NAMES[*who], router(setup, *who, *priority)),
        Deed::Group(who, grouped) => {
            let mut config = lan.host(NAMES[*who]).config.clone();
            let together = router(setup, *who, 100).vrrp_sync_groups;
            config.vrrp_sync_groups = if *grouped { together } else { Vec::new() };
            lan.reload(NAMES[*who], config);
        }
        Deed::Noise(who, bytes) => lan.handle(NAMES[*who], crate::fixture::from(77, bytes)),
        Deed::Delay(millis) => lan.delay = ms(*millis),
        Deed::Loss(percent) => lan.loss = *percent,
        Deed::Wait(millis) => lan.run_for(ms(*millis)),
    }
}

/// Everything is whole again, but for daemons that are dead or stopped and scripts that fail.
fn mend(lan: &mut Lan, setup: &Setup) {
    lan.heal();
    lan.loss = 0;
    lan.delay = ms(1);
    for (who, name) in NAMES.into_iter().enumerate() {
        perform(lan, setup, &Deed::Group(who, true));
        for outcome in lan.host_mut(name).scripts.values_mut() {
            outcome.get_or_insert(ScriptOutcome::TimedOut);
        }
        lan.set_link(name, true);
        // A run that hung has reached its time limit.
        for script in [0, 1].map(vrrp::ScriptId) {
            let outcome = ScriptOutcome::TimedOut;
            let engine = lan.host(name).engine.as_ref();
            if engine.is_some_and(|engine| engine.scripts()[script.0 as usize].running) {
                lan.handle(name, Event::ScriptEnded { script, outcome });
            }
        }
    }
    lan.run_for(Duration::from_secs(30));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_healed_link_settles_on_one_master(setup in setup(), deeds in proptest::collection::vec(deed(), 1..60)) {
        let hosts = [0, 1, 2].map(|who| (NAMES[who], router(&setup, who, setup.priorities[who])));
        let mut lan = Lan::with(hosts);
        for deed in &deeds {
            perform(&mut lan, &setup, deed);
        }
        mend(&mut lan, &setup);
        let able: Vec<(u8, &str)> = NAMES
            .iter()
            .filter_map(|name| {
                let instance = lan.host(name).engine.as_ref()?.instances().next()?;
                let runs = matches!(instance.state.word(), "BACKUP" | "MASTER");
                runs.then_some((instance.priority.get(), *name))
            })
            .collect();
        let masters = lan.masters();
        prop_assert_eq!(masters.len(), able.len().min(1), "{:?}", able);
        if !setup.nopreempt
            && let Some(best) = able.iter().map(|(priority, _)| *priority).max()
        {
            let (priority, _) = able.iter().find(|(_, name)| *name == masters[0]).unwrap();
            prop_assert_eq!(*priority, best, "{:?} of {:?}", masters, able);
        }
    }
}
