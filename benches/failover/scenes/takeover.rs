//! A node stops, or is killed, and the other takes over; a node starts.

use std::time::{Duration, SystemTime};

use holdfast::lab::LabError;
use nix::sys::signal::Signal;

use crate::eyes::{Eyes, micros};
use crate::routers::{Extra, Routers};
use crate::stage::{Hosts, PATIENCE, Stage, until, watch};
use crate::table::{Figure, Value};

/// Priority of the node that is master first, and of the other.
const PRIORITIES: (u32, u32) = (200, 100);

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Crash,
}

/// 1000 routers with one address each; SIGTERM.
pub(crate) fn stop(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    take_over(stage, 1, End::Stop)
}

/// The same, killed.
pub(crate) fn crash(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    take_over(stage, 1, End::Crash)
}

/// 1000 routers with ten addresses each; SIGTERM.
pub(crate) fn stop_ten(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    take_over(stage, 10, End::Stop)
}

fn routers(stage: &Stage<'_>, addresses: u32) -> Routers {
    let (segments, vrids) = if stage.quick { (2, 20) } else { (4, 250) };
    Routers {
        segments,
        vrids,
        addresses,
        version: 2,
        interval: Duration::from_secs(1),
    }
}

fn take_over(stage: &Stage<'_>, addresses: u32, end: End) -> Result<Vec<Figure>, LabError> {
    let routers = routers(stage, addresses);
    let all = routers.address_count() as usize;
    let hosts = Hosts::new(routers.segments + 1)?;
    let mut eyes = Eyes::open(&hosts.lab);
    let ours = |address| routers.has(address);
    let a = stage.start(&hosts.a, &routers.configuration(PRIORITIES.0, Extra::default()))?;
    until(&mut eyes, "the start of the master", PATIENCE, |eyes| {
        eyes.owned("a", ours).len() == all
    })?;
    let with_bystanders = Extra {
        bystanders: 20,
        ..Extra::default()
    };
    let _b = stage.start(&hosts.b, &routers.configuration(PRIORITIES.1, with_bystanders))?;
    let bystands = |address| !routers.has(address);
    until(&mut eyes, "the start of the other node", PATIENCE, |eyes| {
        eyes.owned("b", bystands).len() == 20
    })?;
    // The other node has heard the master, and its announcements of its own are over.
    watch(&mut eyes, 3 * routers.interval);
    eyes.blink();
    let at = SystemTime::now();
    match end {
        End::Stop => a.signal(Signal::SIGTERM),
        End::Crash => a.kill_all(),
    }
    until(&mut eyes, "the takeover", PATIENCE, |eyes| {
        eyes.owned("b", ours).len() == all && eyes.announced.keys().filter(|it| ours(**it)).count() == all
    })?;
    watch(&mut eyes, Duration::from_secs(1));
    let owned = eyes.owned("b", ours);
    let (Some(first), Some(last)) = (owned.iter().min(), owned.iter().max()) else {
        return Ok(Vec::new());
    };
    let announced = eyes
        .announced
        .iter()
        .filter(|(address, _)| ours(**address))
        .map(|(_, at)| *at);
    let announced = announced.max().unwrap_or(*last);
    let late = eyes.late(bystands);
    let most = Value::Milliseconds(if addresses == 1 { 100.0 } else { 1000.0 });
    let ms = |from, to| Value::Milliseconds(millis(micros(from, to)));
    Ok(vec![
        Figure::new("first address, after the end of the master", ms(at, *first)),
        Figure::new("from the first to the last address", ms(*first, *last)).at_most(most),
        Figure::new(
            "from the first address to the last one's first gratuitous ARP",
            ms(*first, announced),
        )
        .at_most(Value::Milliseconds(if addresses == 1 { 200.0 } else { 1000.0 })),
        Figure::new(
            "lateness of other routers' adverts meanwhile, at most",
            Value::Milliseconds(millis(late.last().copied().unwrap_or(0))),
        )
        .at_most(Value::Milliseconds(5.0)),
    ])
}

/// 1000 routers from the start of the daemon to the last of them MASTER.
pub(crate) fn start(stage: &Stage<'_>) -> Result<Vec<Figure>, LabError> {
    let routers = routers(stage, 1);
    let all = routers.count() as usize;
    let hosts = Hosts::new(routers.segments)?;
    let mut eyes = Eyes::open(&hosts.lab);
    let text = routers.configuration(PRIORITIES.0, Extra::default());
    let at = SystemTime::now();
    let _a = stage.start(&hosts.a, &text)?;
    until(&mut eyes, "the start", PATIENCE, |eyes| {
        eyes.owned("a", |_| true).len() == all
    })?;
    let last = eyes.owned("a", |_| true).into_iter().max().unwrap_or(at);
    let wait = routers.down_interval(PRIORITIES.0);
    Ok(vec![
        Figure::new(
            "from the start to all MASTER",
            Value::Milliseconds(millis(micros(at, last))),
        ),
        Figure::new(
            "the same without the wait that the protocol asks",
            Value::Milliseconds(millis(micros(at + wait, last))),
        )
        .at_most(Value::Milliseconds(300.0)),
    ])
}

/// Microseconds as milliseconds.
pub(crate) fn millis(micros: i64) -> f64 {
    // No scene takes the half hour that does not fit.
    f64::from(i32::try_from(micros).unwrap_or(i32::MAX)) / 1e3
}
