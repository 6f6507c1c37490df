//! 1000 routers, and a configuration that has not changed is loaded again.

use std::thread;
use std::time::Duration;

use holdfast::lab::LabError;
use nix::sys::signal::Signal;

use crate::eyes::Eyes;
use crate::gauge::{busiest_child, cpu};
use crate::routers::{Extra, Routers};
use crate::scenes::takeover::millis;
use crate::stage::{Hosts, PATIENCE, Stage, until, watch};
use crate::table::{Figure, Value};

/// Loads it again.
pub(crate) fn reload(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    let (segments, vrids) = if stage.quick { (2, 20) } else { (4, 250) };
    let interval = Duration::from_millis(500);
    let routers = Routers {
        segments,
        vrids,
        addresses: 1,
        version: 3,
        interval,
    };
    let all = routers.count() as usize;
    let hosts = Hosts::new(segments)?;
    let mut eyes = Eyes::open(&hosts.lab);
    let daemon = stage.start(&hosts.a, &routers.configuration(200, Extra::default()))?;
    until(&mut eyes, "the start", PATIENCE, |eyes| {
        eyes.owned("a", |_| true).len() == all
    })?;
    watch(&mut eyes, Duration::from_secs(if stage.quick { 1 } else { 8 }));
    let Some(vrrp) = busiest_child(&daemon) else {
        return Ok(Vec::new());
    };
    // What the process uses in the same time without a reload.
    let idle = used(&mut eyes, vrrp, || {});
    eyes.blink();
    let busy = used(&mut eyes, vrrp, || daemon.signal(Signal::SIGHUP));
    let late = eyes.late(|_| true);
    let missed = late
        .iter()
        .filter(|late| **late >= i64::try_from(interval.as_micros()).unwrap_or(i64::MAX))
        .count();
    Ok(vec![
        Figure::new("adverts that were missed", Value::Count(missed as u64)).at_most(Value::Count(0)),
        Figure::new(
            "lateness of adverts, at most",
            Value::Milliseconds(millis(late.last().copied().unwrap_or(0))),
        ),
        Figure::new("addresses written or taken away", Value::Count(eyes.changes)).at_most(Value::Count(0)),
        Figure::new(
            "CPU time of the VRRP process for it",
            Value::ms(busy.saturating_sub(idle)),
        )
        .at_most(Value::Milliseconds(50.0)),
    ])
}

/// What a process uses in three seconds that begin with `deed`.
fn used(eyes: &mut Eyes<'_>, process: nix::unistd::Pid, deed: impl FnOnce()) -> Duration {
    let before = cpu(&[process]);
    deed();
    watch(eyes, Duration::from_secs(3));
    thread::yield_now();
    cpu(&[process]).saturating_sub(before)
}
