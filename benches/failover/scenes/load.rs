//! Whether adverts are delayed by other work: 200 scripts a second, dumps, and requests for the state.

use std::time::{Duration, Instant};

use holdfast::lab::LabError;
use nix::sys::signal::Signal;

use crate::eyes::{Eyes, percentile};
use crate::routers::{Extra, Routers};
use crate::scenes::takeover::millis;
use crate::stage::{Hosts, PATIENCE, Stage, until, watch};
use crate::table::{Figure, Value};

/// Without the work, and with it.
pub(crate) fn load(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    let (vrids, time) = if stage.quick { (20, 2) } else { (100, 20) };
    let idle = lateness(stage, vrids, Duration::from_secs(time), 0)?;
    let busy = lateness(
        stage,
        vrids,
        Duration::from_secs(time),
        if stage.quick { 20 } else { 200 },
    )?;
    let at = |late: &[i64], percent| Value::Milliseconds(millis(percentile(late, percent)));
    Ok(vec![
        Figure::new("idle: lateness of adverts, 99 of 100", at(&idle, 99)),
        Figure::new("idle: lateness of adverts, at most", at(&idle, 100)),
        Figure::new(
            "200 scripts a second and dumps: lateness of adverts, 99 of 100",
            at(&busy, 99),
        )
        .at_most(Value::Milliseconds(2.0)),
        Figure::new(
            "200 scripts a second and dumps: lateness of adverts, at most",
            at(&busy, 100),
        ),
    ])
}

fn lateness(stage: &Stage<'_>, vrids: u32, time: Duration, scripts: u32) -> Result<Vec<i64>, LabError> {
    let routers = Routers {
        segments: 1,
        vrids,
        addresses: 1,
        version: 3,
        interval: Duration::from_millis(100),
    };
    let hosts = Hosts::new(2)?;
    let mut eyes = Eyes::open(&hosts.lab);
    let extra = Extra {
        scripts,
        ..Extra::default()
    };
    let daemon = stage.start(&hosts.a, &routers.configuration(200, extra))?;
    let ours = |address| routers.has(address);
    until(&mut eyes, "the start", PATIENCE, |eyes| {
        eyes.owned("a", ours).len() == vrids as usize
    })?;
    watch(&mut eyes, Duration::from_secs(if stage.quick { 1 } else { 6 }));
    eyes.blink();
    let begin = Instant::now();
    while begin.elapsed() < time {
        if scripts > 0 {
            daemon.signal(Signal::SIGUSR1);
        }
        watch(&mut eyes, Duration::from_millis(100));
    }
    Ok(eyes.late(ours))
}
