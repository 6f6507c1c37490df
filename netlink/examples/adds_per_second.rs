//! Adds addresses to four veth links in a namespace of its own, by our batches and by `ip -batch`, and prints how long
//! each took.
//!
//! `cargo run --release -p netlink --example adds_per_second [COUNT]`, as root. The longest turn is the longest time
//! in which nothing else on the runtime could do anything.

use std::cell::Cell;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use netlink::address::flags;
use netlink::link::LinkRequest;
use netlink::{Address, Change, Link, Netlink, Object, namespace};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const LINKS: usize = 4;

fn main() -> Outcome<()> {
    let count = std::env::args().nth(1).map_or(Ok(1000), |count| count.parse())?;
    for (family, count) in [("IPv4", count), ("IPv6", count.min(1000))] {
        let wanted = |links: &[Link]| -> Vec<Address> {
            links
                .iter()
                .cycle()
                .zip(1..=count)
                .map(|(link, n)| address(family, link.index, n))
                .collect()
        };
        let (ours, turn) = in_a_new_namespace(async |links| by_batches(&wanted(&links)).await)?;
        let theirs = in_a_new_namespace(async |links| by_ip(&wanted(&links), &links))?;
        println!(
            "{family}: {count} addresses, ours {:.1} ms (longest turn {:.1} ms), ip -batch {:.1} ms, ratio {:.2}",
            millis(ours),
            millis(turn),
            millis(theirs),
            ours.as_secs_f64() / theirs.as_secs_f64(),
        );
    }
    Ok(())
}

fn address(family: &str, link: u32, n: u16) -> Address {
    let (local, prefix_len): (IpAddr, u8) = match family {
        "IPv4" => (
            Ipv4Addr::from(u32::from_be_bytes([10, 0, 0, 0]) + u32::from(n)).into(),
            32,
        ),
        _ => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into(), 128),
    };
    Address {
        flags: flags::NODAD,
        ..Address::new(link, local, prefix_len)
    }
}

/// Runs `work` with the links of a new namespace, all up.
fn in_a_new_namespace<T: Send>(work: impl AsyncFnOnce(Vec<Link>) -> Outcome<T> + Send) -> Outcome<T> {
    let namespace = namespace::create()?;
    namespace::run_in(&namespace, || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                let mut netlink = Netlink::open()?;
                for n in 0..LINKS {
                    netlink
                        .change_link(&LinkRequest::create_veth(&format!("near{n}"), &format!("far{n}")))
                        .await?;
                }
                let mut links = netlink.links().await?;
                for link in &links {
                    netlink.change_link(&LinkRequest::up(link.index)).await?;
                }
                links.retain(|link| link.name.starts_with("near"));
                work(links).await
            })
    })?
}

/// The time for all, and the longest turn.
async fn by_batches(wanted: &[Address]) -> Outcome<(Duration, Duration)> {
    let changes: Vec<Change> = wanted
        .iter()
        .cloned()
        .map(Object::from)
        .map(Change::Add)
        .collect();
    let mut netlink = Netlink::open()?;
    let longest = Cell::new(Duration::ZERO);
    let others = async {
        let mut last = Instant::now();
        loop {
            tokio::task::yield_now().await;
            longest.set(longest.get().max(last.elapsed()));
            last = Instant::now();
        }
    };
    let began = Instant::now();
    tokio::select! {
        biased;
        failures = netlink.apply(&changes) => assert_eq!(failures?, []),
        () = others => {}
    }
    Ok((began.elapsed(), longest.get()))
}

fn by_ip(wanted: &[Address], links: &[Link]) -> Outcome<Duration> {
    let mut script = String::new();
    for (address, link) in wanted.iter().zip(links.iter().cycle()) {
        let nodad = if address.local.is_ipv6() { " nodad" } else { "" };
        writeln!(
            script,
            "addr add {}/{} dev {}{nodad}",
            address.local, address.prefix_len, link.name
        )?;
    }
    let began = Instant::now();
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    assert!(ip.wait()?.success());
    Ok(began.elapsed())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
