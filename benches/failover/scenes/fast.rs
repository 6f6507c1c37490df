//! 1000 VRRPv3 routers with short advert intervals: nobody may take over while the master is there, and all must once it is
//! not.

use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::lab::LabError;

use super::takeover::millis;
use crate::eyes::{Eyes, micros, percentile};
use crate::gauge::{cpu, processes};
use crate::routers::{Extra, Routers};
use crate::stage::{Hosts, PATIENCE, Stage, until, watch};
use crate::table::{Figure, Value};

const PRIORITIES: (u32, u32) = (200, 100);

/// A master that has not started by then never will: the adverts of its first routers take all the time there is.
const START: Duration = Duration::from_secs(30);

/// At 100 ms.
pub(crate) fn hundred(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    play(stage, Duration::from_millis(100), Extra::default())
}

/// At 10 ms, with real-time scheduling.
pub(crate) fn ten(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    let realtime = Extra {
        realtime: true,
        ..Extra::default()
    };
    play(stage, Duration::from_millis(10), realtime)
}

/// Every machine carries so many on each interface: what goes wrong with them is shown.
const FEWEST: u32 = 20;

/// How long it takes to see that a machine cannot carry so many routers: those that lag behind do so at once.
const TRIAL: Duration = Duration::from_secs(2);

/// With as many routers as the machine, which is both nodes and the network between them, can carry: so many that the backup takes
/// nothing over by mistake.
fn play(stage: &Stage<'_>, interval: Duration, extra: Extra) -> Result<Vec<Figure>, LabError> {
    let (segments, mut vrids, time) = if stage.quick { (2, 20, 2) } else { (4, 250, 60) };
    loop {
        let routers = Routers {
            segments,
            vrids,
            addresses: 1,
            version: 3,
            interval,
        };
        match play_with(stage, &routers, extra, Duration::from_secs(time)) {
            Err(error) if vrids > FEWEST && is_overload(&error) => vrids /= 2,
            result => return result,
        }
    }
}

fn overload() -> LabError {
    let message = "the machine cannot carry so many routers";
    LabError::Io(io::Error::new(ErrorKind::TimedOut, message))
}

fn is_overload(error: &LabError) -> bool {
    matches!(error, LabError::Io(error) if error.kind() == ErrorKind::TimedOut)
}

/// Routers that the backup advertises.
fn strangers(eyes: &Eyes<'_>) -> usize {
    eyes.heard.keys().filter(|(host, _)| &**host == "b").count()
}

fn play_with(
    stage: &Stage<'_>,
    routers: &Routers,
    extra: Extra,
    time: Duration,
) -> Result<Vec<Figure>, LabError> {
    let all = routers.count() as usize;
    let hosts = Hosts::new(routers.segments)?;
    let mut eyes = Eyes::open(&hosts.lab);
    let a = stage.start(&hosts.a, &routers.configuration(PRIORITIES.0, extra))?;
    until(&mut eyes, "the start of the master", START, |eyes| {
        eyes.owned("a", |_| true).len() == all
    })?;
    let b = stage.start(&hosts.b, &routers.configuration(PRIORITIES.1, extra))?;
    // Its start is judged elsewhere: whatever it took over by mistake, it has given back.
    watch(&mut eyes, Duration::from_secs(if stage.quick { 1 } else { 8 }));
    eyes.blink();
    watch(&mut eyes, TRIAL);
    if strangers(&eyes) > 0 && routers.vrids > FEWEST {
        return Err(overload());
    }
    eyes.blink();

    let (of_a, of_b) = (processes(&a), processes(&b));
    let before = (Instant::now(), cpu(&of_a), cpu(&of_b));
    watch(&mut eyes, time);
    let elapsed = before.0.elapsed();
    let share = |used: Duration| Value::Percent(100.0 * used.as_secs_f64() / elapsed.as_secs_f64());
    let used = [
        cpu(&of_a).saturating_sub(before.1),
        cpu(&of_b).saturating_sub(before.2),
    ];
    let late = eyes.late(|_| true);
    let strangers = strangers(&eyes);
    if strangers > 0 && routers.vrids > FEWEST {
        return Err(overload());
    }

    let repaired = crash(&mut eyes, routers, &a)?;
    let name = |at: usize| Value::Milliseconds(millis(percentile(&late, at)));
    let lateness = Figure::new("lateness of adverts, 99 of 100", name(99));
    Ok(vec![
        Figure::new("routers that the machine carries", Value::Count(all as u64)),
        Figure::new(
            "routers that the backup took over by mistake",
            Value::Count(strangers as u64),
        )
        .at_most(Value::Count(0)),
        if routers.interval < Duration::from_millis(100) {
            lateness.at_most(Value::Milliseconds(1.0))
        } else {
            lateness
        },
        Figure::new("lateness of adverts, at most", name(100)),
        Figure::new("CPU of the master", share(used[0])),
        Figure::new("CPU of the backup", share(used[1])),
        repaired,
    ])
}

/// Kills the master; how long after the protocol's bound the last router was repaired.
fn crash(
    eyes: &mut Eyes<'_>,
    routers: &Routers,
    master: &holdfast::lab::Process,
) -> Result<Figure, LabError> {
    master.kill_all();
    // What it had sent has been captured.
    thread::sleep(Duration::from_millis(20));
    eyes.look();
    let last: Vec<(Ipv4Addr, std::time::SystemTime)> = eyes
        .heard
        .iter()
        .filter(|((host, _), _)| &**host == "a")
        .map(|((_, router), heard)| (*router, heard.last))
        .collect();
    until(eyes, "the takeover", PATIENCE, |eyes| {
        eyes.owned("b", |_| true).len() == routers.count() as usize
    })?;
    let bound = routers.down_interval(PRIORITIES.1);
    let excess = last.iter().filter_map(|(router, last)| {
        let since = eyes
            .present
            .iter()
            .find_map(|((host, address), since)| (&**host == "b" && address == router).then_some(*since));
        Some(micros(*last + bound, since?))
    });
    let worst = excess.max().unwrap_or(0);
    let what = "crash: the last address, after the protocol's bound for it";
    Ok(Figure::new(what, Value::Milliseconds(millis(worst))).at_most(Value::Milliseconds(150.0)))
}
