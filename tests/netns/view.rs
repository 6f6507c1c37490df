//! A host as it looks from outside the daemon: addresses, links, tables, routes, processes, files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use holdfast::lab::Host;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nameindex;

/// How a host looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Addresses of all interfaces but the loopback, those of the links themselves aside.
    pub(crate) addresses: BTreeSet<IpAddr>,
    pub(crate) links: BTreeSet<String>,
    /// Tables of nftables.
    pub(crate) tables: BTreeSet<String>,
    /// Routes and rules whose author is a VRRP daemon.
    pub(crate) routes: BTreeSet<String>,
    pub(crate) rules: BTreeSet<String>,
    /// Every process with its name, its number as inside the host.
    pub(crate) processes: BTreeMap<i32, String>,
    /// Files below `/run`.
    pub(crate) files: BTreeSet<String>,
}

impl View {
    pub(crate) fn of(host: &Host) -> Self {
        host.run(|| Self {
            addresses: addresses(),
            links: links(),
            tables: lines("nft", &["list", "tables"]),
            routes: lines("ip", &["route", "show", "table", "all", "proto", "18"]),
            rules: lines("ip", &["rule", "show"]),
            processes: processes(),
            files: files(Path::new("/run")),
        })
        .unwrap()
    }

    /// Whether there is a route to here, written with a blank at its end.
    pub(crate) fn has_route(&self, destination: &str) -> bool {
        self.routes.iter().any(|line| line.contains(destination))
    }

    /// Whether there is a rule of this preference.
    pub(crate) fn has_rule(&self, preference: &str) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|line| line.split(':').next() == Some(preference))
    }
}

/// Descriptors of a process inside the host: what each is, without numbers.
pub(crate) fn descriptors(host: &Host, pid: &str) -> BTreeMap<String, usize> {
    let place = format!("/proc/{pid}/fd");
    let found = host.run(move || {
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links
            .map(|link| link.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    });
    let mut kinds = BTreeMap::new();
    for link in found.unwrap() {
        let kind = link.split([':', '[']).next().unwrap_or_default();
        let kind = if kind == "anon_inode" { &link } else { kind };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

fn addresses() -> BTreeSet<IpAddr> {
    let all = getifaddrs().unwrap();
    let outward = all.filter(|entry| entry.interface_name != "lo");
    let addresses = outward.filter_map(|entry| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    let of_link = |address: &IpAddr| matches!(address, IpAddr::V6(it) if it.is_unicast_link_local());
    addresses.filter(|address| !of_link(address)).collect()
}

fn links() -> BTreeSet<String> {
    let all = if_nameindex().unwrap();
    all.iter()
        .map(|link| link.name().to_string_lossy().into_owned())
        .collect()
}

/// Lines that a command prints.
fn lines(program: &str, arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn processes() -> BTreeMap<i32, String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, from_name) = stat.split_once('(')?;
            let (name, after) = from_name.rsplit_once(") ")?;
            Some((pid, format!("{name} {}", after.split(' ').next()?)))
        })
        .collect()
}

fn files(below: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(below).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.to_string_lossy().into_owned());
        }
    }
    found
}
