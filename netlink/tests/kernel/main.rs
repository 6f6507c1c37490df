//! Stories on the real kernel, each in network namespaces of its own that live by descriptor only. They need root.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test needs it may demand"
)]

mod addresses;
mod batches;
mod links;
mod monitor;
mod namespaces;
mod nftables;
mod removals;
mod routes;
mod rules;
mod uppers;

use std::future::Future;
use std::process::Command;
use std::time::Duration;

use netlink::link::LinkRequest;
use netlink::{Address, Change, Event, Monitor, Netlink, Object, Objects, namespace, plan};

/// Runs the story in a new network namespace: sockets opened and commands run in it are there.
fn alone(story: impl AsyncFnOnce() + Send) {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    let namespace = namespace::create().unwrap();
    namespace::run_in(&namespace, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(story());
    })
    .unwrap();
}

/// A veth pair `a` and `b`, both up; returns the index of `a`.
async fn cable(netlink: &mut Netlink) -> u32 {
    netlink
        .change_link(&LinkRequest::create_veth("a", "b"))
        .await
        .unwrap();
    let a = index(netlink, "a").await;
    let b = index(netlink, "b").await;
    netlink.change_link(&LinkRequest::up(a)).await.unwrap();
    netlink.change_link(&LinkRequest::up(b)).await.unwrap();
    a
}

async fn index(netlink: &mut Netlink, name: &str) -> u32 {
    netlink.link(name).await.unwrap().unwrap().index
}

/// Carries the changes out, every one of which must succeed.
async fn apply(netlink: &mut Netlink, changes: &[Change]) {
    assert_eq!(netlink.apply(changes).await.unwrap(), []);
}

/// The addresses on this link that are not the kernel's own (link-local).
async fn ours(netlink: &mut Netlink, link: u32) -> Vec<Address> {
    let all = netlink.addresses().await.unwrap();
    all.into_iter()
        .filter(|address| address.link == link && is_ours(address))
        .collect()
}

fn is_ours(address: &Address) -> bool {
    address.proto == netlink::address::PROTO_KEEPALIVED
}

/// `count` IPv4 addresses, as virtual ones usually are: /32.
fn many(link: u32, count: u32) -> Vec<Address> {
    let base = u32::from_be_bytes([10, 0, 0, 0]);
    (1..=count)
        .map(|n| Address::new(link, std::net::Ipv4Addr::from(base + n).into(), 32))
        .collect()
}

fn add(object: impl Into<Object>) -> Change {
    Change::Add(object.into())
}

fn delete(object: impl Into<Object>) -> Change {
    Change::Delete(object.into())
}

/// The plan for addresses alone; those that are not ours are left alone.
fn plan_addresses(wanted: &[Address], present: &[Address]) -> Vec<Change> {
    let addresses = |addresses: &[Address]| Objects {
        addresses: addresses.to_vec(),
        ..Objects::default()
    };
    plan(&addresses(wanted), &addresses(present), is_ours)
}

fn adds(addresses: &[Address]) -> Vec<Change> {
    addresses.iter().cloned().map(add).collect()
}

/// What the command prints; it must succeed.
fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits, but not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what)
        .await
        .expect("it should have come by now")
}

/// The next events up to the one looked for.
async fn until(monitor: &mut Monitor, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    soon(async {
        loop {
            events.push(monitor.next().await.unwrap());
            if events.last().is_some_and(&last) {
                return;
            }
        }
    })
    .await;
    events
}
