//! The whole plan against a model of what the kernel does with addresses, routes and rules together.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::route::Hop;
use crate::rule::Family;

/// What a host has. Routes need an address on their link when they come and go with the last one.
#[derive(Clone, Debug, Default)]
struct Host(Objects);

impl Host {
    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Err(errno) = self.change(change) {
                assert!(change.is_done_after(errno), "{change}: {errno}");
            }
        }
    }

    fn change(&mut self, change: &Change) -> Result<(), Errno> {
        let Objects {
            addresses,
            routes,
            rules,
        } = &mut self.0;
        match change {
            Change::Add(Object::Address(new)) => {
                if addresses.iter().any(|found| found.key() == new.key()) {
                    return Ok(());
                }
                addresses.push(Address {
                    flags: new.flags | crate::address::flags::PERMANENT,
                    ..new.clone()
                });
            }
            Change::Delete(Object::Address(old)) => {
                addresses.retain(|found| found.key() != old.key());
                let dry = !addresses.iter().any(|found| found.link == old.link);
                routes.retain(|route| {
                    route.preferred_source != Some(old.local)
                        && !(dry && route.hops[0].link == Some(old.link))
                });
            }
            Change::Add(Object::Route(new)) => {
                if routes.iter().any(|found| new.is_met_by(found)) {
                    return Err(Errno::EEXIST);
                }
                let source = new.preferred_source;
                if source.is_some_and(|source| addresses.iter().all(|found| found.local != source)) {
                    return Err(Errno::EINVAL);
                }
                if addresses.iter().all(|found| Some(found.link) != new.hops[0].link) {
                    return Err(Errno::ENETUNREACH);
                }
                routes.insert(0, (**new).clone());
            }
            Change::Delete(Object::Route(old)) => {
                let place = routes
                    .iter()
                    .position(|found| found == &**old)
                    .ok_or(Errno::ESRCH)?;
                routes.remove(place);
            }
            Change::Add(Object::Rule(new)) => {
                if rules.contains(new) {
                    return Err(Errno::EEXIST);
                }
                rules.push((**new).clone());
            }
            Change::Delete(Object::Rule(old)) => {
                let place = rules
                    .iter()
                    .position(|found| found == &**old)
                    .ok_or(Errno::ENOENT)?;
                rules.remove(place);
            }
        }
        Ok(())
    }
}

fn address(link: u32, last: u8) -> Address {
    Address::new(link, [10, 0, 0, last].into(), 32)
}

/// Objects that fit together: every route has an address on its link, and its source.
fn fitting() -> impl Strategy<Value = Objects> {
    let addresses: Vec<Address> = (1..=2)
        .flat_map(|link| (1..=3).map(move |last| address(link, last)))
        .collect();
    let rules: Vec<Rule> = (1..=4).map(|n| Rule::new(Family::V4, n, 100)).collect();
    let route = (
        1..=3u8,
        1..=2u32,
        select(vec![None, Some(1u8), Some(2)]),
        0..=1u32,
    );
    (
        subsequence(addresses, 0..=6),
        proptest::collection::vec(route, 0..5),
        subsequence(rules, 0..=4),
        0..=1u32,
    )
        .prop_map(|(mut addresses, routes, rules, metric)| {
            let mut wanted = Vec::new();
            for (third, link, source, mtu) in routes {
                let mut route = Route {
                    hops: vec![Hop::link(link)],
                    preferred_source: source.map(|last| [10, 0, 0, last].into()),
                    metric,
                    ..Route::new([10, 80, third, 0].into(), 24)
                };
                route.metrics.set(crate::route::metrics::kinds::MTU, mtu * 1400);
                for last in [source.unwrap_or(3), 3] {
                    if !addresses.contains(&address(link, last)) {
                        addresses.push(address(link, last));
                    }
                }
                if wanted.iter().all(|other: &Route| other.key() != route.key()) {
                    wanted.push(route);
                }
            }
            Objects {
                addresses,
                routes: wanted,
                rules,
            }
        })
}

fn sorted(objects: &Objects) -> (Vec<String>, Vec<Route>, Vec<String>) {
    let mut addresses: Vec<String> = objects.addresses.iter().map(ToString::to_string).collect();
    addresses.sort();
    let mut routes = objects.routes.clone();
    routes.sort_by_key(Route::key);
    let mut rules: Vec<String> = objects.rules.iter().map(ToString::to_string).collect();
    rules.sort();
    (addresses, routes, rules)
}

proptest! {
    #[test]
    fn the_plan_always_leads_to_what_is_wanted_and_then_has_nothing_to_do(before in fitting(), wanted in fitting()) {
        let mut host = Host::default();
        host.apply(&plan(&before, &Objects::default(), |_| true));
        prop_assert_eq!(sorted(&host.0), sorted(&before));
        let changes = plan(&wanted, &host.0, |_| true);
        host.apply(&changes);
        prop_assert_eq!(sorted(&host.0), sorted(&wanted), "by {:?}", changes);
        prop_assert_eq!(plan(&wanted, &host.0, |_| true), []);
        // Nothing that stays is written, unless an address on its way went away.
        if changes.iter().all(|change| !matches!(change, Change::Delete(Object::Address(_)))) {
            for kept in before.routes.iter().filter(|route| wanted.routes.contains(route)) {
                prop_assert!(changes.iter().all(|change| change.object() != &Object::from(kept.clone())));
            }
        }
    }
}

#[test]
fn rules_go_before_routes_and_routes_before_addresses_and_they_come_the_other_way_round() {
    let all = Objects {
        addresses: vec![address(1, 1)],
        routes: vec![Route {
            hops: vec![Hop::link(1)],
            ..Route::new([10, 80, 0, 0].into(), 24)
        }],
        rules: vec![Rule::new(Family::V4, 1, 100)],
    };
    let words = |changes: &[Change]| -> Vec<&'static str> {
        let word = |object: &Object| match object {
            Object::Address(_) => "address",
            Object::Route(_) => "route",
            Object::Rule(_) => "rule",
        };
        changes.iter().map(|change| word(change.object())).collect()
    };
    let adding = plan(&all, &Objects::default(), |_| true);
    assert_eq!(words(&adding), ["address", "route", "rule"]);
    assert_eq!(
        words(&plan(&Objects::default(), &all, |_| true)),
        ["rule", "route", "address"]
    );
}
