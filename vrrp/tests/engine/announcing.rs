//! When the neighbours are told.

use std::time::Duration;

use parser::config::VrrpInstance;
use parser::config::vrrp_instance::Garp;
use vrrp::{Action, Instant};

use crate::fixture::{advert, config, from, instance, ms};
use crate::lan::Lan;

/// Milliseconds after becoming master, and frames for each address.
fn bursts(garp: Garp, time: Duration) -> Vec<(u128, u32)> {
    let owner = VrrpInstance {
        garp,
        ..instance(255)
    };
    let mut lan = Lan::with([("a", config(vec![owner], vec![]))]);
    let start = lan.now;
    lan.run_for(time);
    announced(&mut lan, start)
}

fn announced(lan: &mut Lan, start: Instant) -> Vec<(u128, u32)> {
    lan.take_actions("a")
        .into_iter()
        .filter_map(|(when, action)| match action {
            Action::Announce { repeat, .. } => Some(((when - start).as_millis(), repeat)),
            _ => None,
        })
        .collect()
}

#[test]
fn by_default_five_at_once_and_five_after_five_seconds() {
    assert_eq!(
        bursts(Garp::default(), Duration::from_mins(1)),
        [(0, 5), (5000, 5)]
    );
}

#[test]
fn a_delay_of_zero_means_no_second_burst() {
    let garp = Garp {
        master_delay: Duration::ZERO,
        master_repeat: 2,
        ..Garp::default()
    };
    assert_eq!(bursts(garp, Duration::from_mins(1)), [(0, 2)]);
}

#[test]
fn a_lower_advert_strengthens_the_burst_that_stands() {
    let garp = Garp {
        master_repeat: 1,
        lower_prio_repeat: 3,
        ..Garp::default()
    };
    let owner = VrrpInstance {
        garp,
        ..instance(255)
    };
    let mut lan = Lan::with([("a", config(vec![owner], vec![]))]);
    let start = lan.now;
    lan.run_for(ms(1000));
    lan.handle("a", from(9, &advert(&instance(100), 9, 100)));
    lan.run_for(ms(10_000));
    assert_eq!(
        announced(&mut lan, start),
        [(0, 1), (1000, 3), (3000, 1), (5000, 3)]
    );
}

#[test]
fn the_refresh_goes_on_for_ever() {
    let garp = Garp {
        master_delay: ms(1000),
        master_refresh: ms(10_000),
        master_refresh_repeat: 3,
        ..Garp::default()
    };
    assert_eq!(
        bursts(garp, ms(30_500)),
        [(0, 5), (1000, 5), (10_000, 3), (20_000, 3), (30_000, 3)]
    );
}
