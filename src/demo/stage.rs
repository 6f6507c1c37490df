//! The stage: the lab with its two nodes and the client, drawn while the play waits for its next scene.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{SignalKind, signal};

use super::chart::{Bar, Chart, Tone};
use super::eyes::Eyes;
use super::ping::Pinger;
use super::{CLIENT, NODE1, NODE2, VIRTUAL};
use crate::lab::{Advert, Host, Lab, LabError};

/// Why the play does not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// A daemon does not do what it should.
    #[error("{0}")]
    Failed(String),
    /// The lab cannot be had.
    #[error("{0}")]
    Lab(#[from] LabError),
    /// Nobody is there to see it.
    #[error("cannot write to the standard output: {0}")]
    Output(#[from] io::Error),
}

/// The lab and what has been shown of it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) node1: Arc<Host>,
    pub(super) node2: Arc<Host>,
    lab: Lab,
    eyes: Eyes,
    chart: Chart,
    interrupted: Arc<AtomicBool>,
    pinger: Pinger,
}

impl Stage {
    /// Builds the lab and draws its plan.
    pub(super) fn set() -> Result<Self, Cut> {
        let interrupted = interrupted().map_err(LabError::Io)?;
        let lab = Lab::new()?;
        let node1 = lab.host("node1", NODE1)?;
        let node2 = lab.host("node2", NODE2)?;
        let client = lab.host("client", CLIENT)?;
        let mut chart = Chart::new();
        chart.print(PLAN)?;
        Ok(Self {
            node1,
            node2,
            pinger: Pinger::start(&client, VIRTUAL)?,
            lab,
            eyes: Eyes::default(),
            chart,
            interrupted,
        })
    }

    /// Says what comes now.
    pub(super) fn say(&mut self, words: &str) -> Result<(), Cut> {
        self.draw(SystemTime::now())?;
        Ok(self.chart.say(words)?)
    }

    /// Draws what happens for some time.
    pub(super) fn watch(&mut self, time: Duration) -> Result<(), Cut> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.glance()?;
        }
        Ok(())
    }

    /// Draws what happens until this host has the address and the other has not.
    pub(super) fn until_owned_by(&mut self, host: &str) -> Result<(), Cut> {
        let start = Instant::now();
        while self.lab.owners(VIRTUAL) != [host] {
            self.glance()?;
            if start.elapsed() > PATIENCE {
                let report = self.lab.report();
                return Err(Cut::Failed(format!(
                    "{host} alone should have {VIRTUAL} by now\n{report}"
                )));
            }
        }
        // The client's next answers belong to the scene.
        self.watch(CURTAIN)
    }

    /// Cuts the power of node1; the answer is when.
    pub(super) fn crash_node1(&mut self) -> SystemTime {
        let at = self.node1.crash();
        self.eyes.note(at, "node1", "power cut", Tone::Bad, Bar::Off);
        at
    }

    /// Switches node1 on again.
    pub(super) fn boot_node1(&mut self) -> Result<(), Cut> {
        self.node1.boot()?;
        self.eyes
            .note(SystemTime::now(), "node1", "power on", Tone::Plain, Bar::On);
        Ok(())
    }

    /// Tells how long `winner` took after the crash of node1.
    pub(super) fn tell_takeover(&mut self, winner: &str, crash: SystemTime) -> Result<(), Cut> {
        let (last, _) = self.last_advert("node1")?;
        let (first, advert) = self.first_advert(winner, last)?;
        let gap = self.eyes.take_gap();
        self.draw(SystemTime::now())?;
        self.chart.result(&[
            &format!(
                "{winner} took over {} after the last advert of node1,",
                between(last, first)
            ),
            &format!(
                "{} after the crash; the client had no answer for {}.",
                between(crash, first),
                seconds(gap)
            ),
            &format!(
                "The protocol's bound is {}: 3 x {} + skew (RFC 9568 6.1).",
                seconds(advert.down_interval()),
                seconds(advert.interval)
            ),
        ])?;
        Ok(())
    }

    /// Tells how long `winner` took after the resignation of node1.
    pub(super) fn tell_handover(&mut self, winner: &str) -> Result<(), Cut> {
        let (last, _) = self.last_advert("node1")?;
        let (first, advert) = self.first_advert(winner, last)?;
        let gap = self.eyes.take_gap();
        self.draw(SystemTime::now())?;
        self.chart.result(&[
            &format!(
                "{winner} took over {} after the resignation of node1;",
                between(last, first)
            ),
            &format!("the client had no answer for {}.", seconds(gap)),
            &format!(
                "The protocol's bound is {}: the skew (RFC 9568 6.1).",
                seconds(advert.skew())
            ),
        ])?;
        Ok(())
    }

    /// Forgets how long the client was without an answer so far.
    pub(super) fn reset_gap(&mut self) {
        self.eyes.take_gap();
    }

    /// Takes everything down.
    pub(super) fn clear(self) -> Result<(), Cut> {
        let mut chart = self.chart;
        drop((self.pinger, self.node1, self.node2, self.lab));
        Ok(chart.say("All processes, namespaces and files of the demonstration are gone.")?)
    }

    fn glance(&mut self) -> Result<(), Cut> {
        thread::sleep(GLANCE);
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Cut::Interrupted);
        }
        self.draw(SystemTime::now() - LATE)
    }

    fn draw(&mut self, until: SystemTime) -> Result<(), Cut> {
        self.eyes.look(&self.lab, &[&self.node1, &self.node2]);
        for row in self.eyes.take(until) {
            self.chart.draw(&row)?;
        }
        Ok(())
    }

    fn last_advert(&self, host: &str) -> Result<(SystemTime, Advert), Cut> {
        let last = self.lab.capture.adverts(host).pop();
        last.ok_or_else(|| Cut::Failed(format!("{host} has not advertised\n{}", self.lab.report())))
    }

    fn first_advert(&self, host: &str, after: SystemTime) -> Result<(SystemTime, Advert), Cut> {
        let mut adverts = self.lab.capture.adverts(host).into_iter();
        let first = adverts.find(|(at, _)| *at > after);
        first.ok_or_else(|| Cut::Failed(format!("{host} has not advertised\n{}", self.lab.report())))
    }
}

/// A flag that rises with Ctrl-C, SIGTERM or a closed terminal.
fn interrupted() -> io::Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let context = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    drop(context);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        raised.store(true, Ordering::Relaxed);
    });
    Ok(flag)
}

fn between(earlier: SystemTime, later: SystemTime) -> String {
    seconds(later.duration_since(earlier).unwrap_or_default())
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

const PLAN: &str = "
   node1  192.0.2.11 ───┐
                        ├─── switch ─── client 192.0.2.100, pings 192.0.2.10
   node2  192.0.2.12 ───┘

   ┃ has 192.0.2.10   ╎ has not

    time    node1                      node2                      client";

/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(10);

/// How late something may be seen.
const LATE: Duration = Duration::from_millis(40);

/// Longer than any takeover of the example lasts.
const PATIENCE: Duration = Duration::from_secs(8);

/// Time for the client to notice.
const CURTAIN: Duration = Duration::from_millis(150);
