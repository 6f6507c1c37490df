//! The thread that writes to the kernel: planning, writing and reading what is there.
//!
//! A single write can keep its caller for hundreds of milliseconds (IPv6 addresses join multicast groups), and the
//! adverts of other instances must not wait for it.

use std::collections::HashSet;
use std::io;
use std::net::Ipv6Addr;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::Builder;

use netlink::nftables::Family;
use netlink::{Address, Change, Error, Failure, Netlink, Objects, OpenError, Route, Rule, plan, route};
use parser::config::global_defs;
use tokio::sync::mpsc;
use tracing::error;

use super::firewall;
use super::vmac::Wish;
use super::vmac::make::Made;
use crate::net_place::NetPlace;
use crate::nft_guard::Guard;
use crate::receive_buffer;

/// What a round is to make true.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// What should be there.
    pub(super) wanted: Objects,
    /// Addresses of ours that are there, as the loop has heard.
    pub(super) present: Vec<Address>,
    /// Routes and rules that are ours to remove if they are there and not wanted.
    pub(super) routes: Vec<Route>,
    pub(super) rules: Vec<Rule>,
    /// Interfaces that must be there first, with the link-local address that is lent to each.
    pub(super) uppers: Vec<(Wish, Option<Ipv6Addr>)>,
    /// Interfaces that are wished for no more go last.
    pub(super) keep_uppers: Option<Vec<Wish>>,
    /// First goes what a killed run of this daemon has left.
    pub(super) clean: bool,
    /// What becomes of the firewall.
    pub(super) firewall: Option<firewall::order::Order>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The writes that were made; those in `failures` were refused.
    pub(super) changes: Vec<Change>,
    /// What the kernel refused, and why.
    pub(super) failures: Vec<Failure>,
    /// It broke off: why, and the addresses that are there now, if they could be read.
    pub(super) broken: Option<(Error, Option<Vec<Address>>)>,
}

/// The writing thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Job>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
    /// The address of its socket: what it causes is told with it.
    pub(super) port: u32,
}

impl Writer {
    /// Starts the thread in the network namespace of the caller, and waits until it can write. What it makes is marked as this
    /// owner's. It tells of the tables of its firewall that others changed, by their family.
    pub(super) fn start(
        owner: &str,
        buffer: global_defs::ReceiveBuffer,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Family>), OpenError> {
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (told, outcomes) = mpsc::unbounded_channel();
        let (tell_lost, tables_lost) = mpsc::unbounded_channel();
        let (opened, open) = sync_channel(1);
        let owner = owner.to_owned();
        let failed = |source| OpenError::Socket {
            step: "start the thread that writes",
            source,
        };
        Builder::new()
            .name("netlink".to_owned())
            .spawn(move || work(waiting, &told, &tell_lost, &opened, owner, buffer))
            .map_err(failed)?;
        // The thread says one thing or ends.
        let port = open
            .recv()
            .unwrap_or_else(|_| Err(failed(io::ErrorKind::Other.into())))?;
        Ok((Self { jobs, outcomes, port }, tables_lost))
    }

    /// Hands a job over. One at a time is out.
    pub(super) fn begin(&self, job: Job) {
        // The thread ends only after this.
        let _ = self.jobs.send(job);
    }

    /// Waits for the outcome of the job that is out. Nothing is lost when this future is dropped.
    pub(super) async fn done(&mut self) -> Outcome {
        match self.outcomes.recv().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }
}

fn work(
    mut jobs: mpsc::UnboundedReceiver<Job>,
    outcomes: &mpsc::UnboundedSender<Outcome>,
    lost: &mpsc::UnboundedSender<Family>,
    opened: &SyncSender<Result<u32, OpenError>>,
    owner: String,
    buffer: global_defs::ReceiveBuffer,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let step = "make a runtime for it";
            let _ = opened.send(Err(OpenError::Socket { step, source }));
            return;
        }
    };
    runtime.block_on(async {
        let buffer = receive_buffer::or(buffer, Netlink::RECEIVE_BUFFER);
        let mut netlink = match Netlink::open_with(buffer) {
            Ok(netlink) => netlink,
            Err(error) => {
                let _ = opened.send(Err(error));
                return;
            }
        };
        let _ = opened.send(Ok(netlink.port()));
        let (mut made, mut guard) = (Made::new(owner), Guard::new(PURPOSE, NetPlace::default()));
        loop {
            tokio::select! {
                job = jobs.recv() => {
                    let Some(job) = job else {
                        return;
                    };
                    let outcome = carry_out(&mut netlink, &mut made, &mut guard, job).await;
                    if outcomes.send(outcome).is_err() {
                        return;
                    }
                }
                () = guard.touched(|family| tell(lost, family)) => guard.repair().await,
            }
        }
    });
}

fn tell(lost: &mpsc::UnboundedSender<Family>, family: Family) {
    // Nobody counts any more when the process is ending.
    let _ = lost.send(family);
}

/// What the firewall is for, after "Unable to".
const PURPOSE: &str = "keep virtual addresses from accepting packets";

async fn carry_out(netlink: &mut Netlink, made: &mut Made, guard: &mut Guard, mut job: Job) -> Outcome {
    if job.clean {
        if let Err(error) = made.clean(netlink, &job.uppers).await {
            error!("Unable to remove interfaces of an earlier run: {error}");
        }
        guard.clean(&made.owner).await;
    }
    let mut firewall = job.firewall.take();
    match made.create(netlink, &job.uppers).await {
        Ok(created) => {
            // Before they are up: their first words on the network are reports that must not come from them.
            if let Some(order) = &mut firewall {
                order.learn(&created);
                order.before(guard).await;
            }
            if let Err(error) = made.set_up(netlink, created, &job.uppers).await {
                error!("Unable to set up interfaces: {error}");
            }
        }
        Err(error) => error!("Unable to make interfaces: {error}"),
    }
    let keep = job.keep_uppers.take();
    let outcome = write(netlink, job).await;
    if let Some(order) = firewall {
        order.after(guard).await;
    }
    if let Some(keep) = keep
        && let Err(error) = made.keep(netlink, &keep).await
    {
        error!("Unable to remove interfaces: {error}");
    }
    outcome
}

async fn write(netlink: &mut Netlink, job: Job) -> Outcome {
    let mut changes = Vec::new();
    match try_to(netlink, job, &mut changes).await {
        Ok(failures) => Outcome {
            changes,
            failures,
            broken: None,
        },
        Err(error) => Outcome {
            changes,
            failures: Vec::new(),
            broken: Some((error, netlink.addresses().await.ok())),
        },
    }
}

async fn try_to(netlink: &mut Netlink, job: Job, changes: &mut Vec<Change>) -> Result<Vec<Failure>, Error> {
    let present = Objects {
        addresses: job.present,
        routes: routes_there(netlink, &job.wanted.routes, &job.routes).await?,
        rules: rules_there(netlink, &job.wanted.rules, &job.rules).await?,
    };
    *changes = plan(&job.wanted, &present, |_| true);
    netlink.apply(changes).await
}

/// The routes in the kernel that are about what these are about.
async fn routes_there(netlink: &mut Netlink, wanted: &[Route], ours: &[Route]) -> Result<Vec<Route>, Error> {
    let keys: HashSet<route::Key> = wanted.iter().chain(ours).map(Route::key).collect();
    let protocols: HashSet<u8> = keys.iter().map(|key| key.protocol).collect();
    let mut there = Vec::new();
    for protocol in protocols {
        there.extend(netlink.routes(protocol).await?);
    }
    there.retain(|route| keys.contains(&route.key()));
    Ok(there)
}

async fn rules_there(netlink: &mut Netlink, wanted: &[Rule], ours: &[Rule]) -> Result<Vec<Rule>, Error> {
    let known: HashSet<&Rule> = wanted.iter().chain(ours).collect();
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let mut there = netlink.rules().await?;
    there.retain(|rule| known.contains(rule));
    Ok(there)
}
