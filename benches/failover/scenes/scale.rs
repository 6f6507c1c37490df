//! From one router to 65,025 on one node: start, memory, CPU time, stop.

use std::time::{Duration, Instant, SystemTime};

use holdfast::lab::LabError;
use nix::sys::signal::Signal;

use crate::eyes::{Eyes, micros};
use crate::gauge::{cpu, memory, processes};
use crate::routers::{Extra, Routers};
use crate::scenes::takeover::millis;
use crate::stage::{Hosts, PATIENCE, Stage, until, watch};
use crate::table::{Figure, Value};

const PRIORITY: u32 = 200;

/// Interfaces, routers on each, and what the figures are called: start without the protocol's wait, memory, CPU, stop.
type Step = (u32, u32, [&'static str; 4]);

const STEPS: [Step; 4] = [
    (
        1,
        1,
        [
            "1 router: start",
            "1 router: memory",
            "1 router: CPU",
            "1 router: stop",
        ],
    ),
    (
        4,
        250,
        [
            "1000 routers: start",
            "1000 routers: memory",
            "1000 routers: CPU",
            "1000 routers: stop",
        ],
    ),
    (
        16,
        250,
        [
            "4000 routers: start",
            "4000 routers: memory",
            "4000 routers: CPU",
            "4000 routers: stop",
        ],
    ),
    (
        255,
        255,
        [
            "65,025 routers: start",
            "65,025 routers: memory",
            "65,025 routers: CPU",
            "65,025 routers: stop",
        ],
    ),
];

/// All of them, up to where the scale allows.
pub(crate) fn scale(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    let steps = if stage.quick { 2 } else { STEPS.len() };
    let mut figures = Vec::new();
    for step in STEPS.iter().take(steps) {
        match play(stage, step) {
            Ok(more) => figures.extend(more),
            // What was measured up to here stands; a missing line says the rest.
            Err(error) if !figures.is_empty() => {
                eprintln!("{} routers: {error}", step.0 * step.1);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(figures)
}

fn play(
    stage: &Stage<'_>,
    &(segments, vrids, [start, pss, share, stop]): &Step,
) -> Result<Vec<Figure>, LabError> {
    let routers = Routers {
        segments,
        vrids,
        addresses: 1,
        version: 2,
        interval: Duration::from_secs(1),
    };
    let all = routers.count() as usize;
    let hosts = Hosts::new(segments)?;
    let mut eyes = Eyes::open(&hosts.lab);
    let begin = SystemTime::now();
    let daemon = stage.start(&hosts.a, &routers.configuration(PRIORITY, Extra::default()))?;
    until(&mut eyes, "the start", PATIENCE, |eyes| {
        eyes.owned("a", |_| true).len() == all
    })?;
    let last = eyes.owned("a", |_| true).into_iter().max().unwrap_or(begin);
    // The second round of announcements comes 5 s after the first.
    watch(&mut eyes, Duration::from_secs(if stage.quick { 1 } else { 10 }));
    let processes = processes(&daemon);
    let (since, before) = (Instant::now(), cpu(&processes));
    watch(&mut eyes, Duration::from_secs(if stage.quick { 1 } else { 10 }));
    let used = cpu(&processes).saturating_sub(before).as_secs_f64() / since.elapsed().as_secs_f64();
    let used_memory = memory(&processes);
    let asked = Instant::now();
    daemon.signal(Signal::SIGTERM);
    let ended = daemon.wait(PATIENCE).is_some();
    let took = asked.elapsed();
    let wait = routers.down_interval(PRIORITY);
    let mut figures = vec![
        Figure::new(start, Value::Milliseconds(millis(micros(begin + wait, last)))),
        Figure::new(pss, Value::Mebibytes(used_memory)),
        Figure::new(share, Value::Percent(100.0 * used)),
    ];
    figures.extend(ended.then(|| Figure::new(stop, Value::ms(took))));
    Ok(figures)
}
