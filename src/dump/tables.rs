//! What follows the instances in `keepalived.data`: sockets, groups, scripts, files, processes, sessions, interfaces.

use std::collections::HashMap;
use std::fmt::Display;

use netlink::Link;
use parser::config::vrrp_instance::Tracked;
use parser::config::{VrrpInstance, VrrpSyncGroup};
use parser::units::Family;
use vrrp::{Health, Notified};

use crate::dump::vrrp::{View, status, transition_script};
use crate::dump::{Lines, words};

/// Static addresses, routes and rules, where there are some.
pub(super) fn statics(view: &View<'_>, lines: &mut Lines) {
    let config = view.config;
    let addresses = config.static_ipaddress.iter();
    section_of(
        lines,
        "Static Addresses",
        addresses.map(|line| words::address(line, &config.global.default_interface, true)),
    );
    let routes = config.static_routes.iter();
    section_of(lines, "Static Routes", routes.map(words::route));
    section_of(lines, "Static Rules", config.static_rules.iter().map(words::rule));
}

fn section_of(lines: &mut Lines, title: &str, items: impl Iterator<Item: Display>) {
    for (index, item) in items.enumerate() {
        if index == 0 {
            lines.section(title);
        }
        lines.line(5, format_args!("{item}"));
    }
}

/// Where adverts are heard and sent: one socket for each interface, family and way.
pub(super) fn sockpool(view: &View<'_>, lines: &mut Lines) {
    lines.section("VRRP Sockpool");
    // In the order of their first instances.
    let mut places = HashMap::new();
    let mut pool: Vec<(_, Vec<_>)> = Vec::new();
    for instance in view.engine.instances() {
        let config = &instance.config;
        let source = config.unicast_src_ip.filter(|_| config.unicast);
        let key = (
            config.interface.as_str(),
            config.family == Family::Ipv6,
            config.unicast,
            source,
        );
        let place = *places.entry(key).or_insert(pool.len());
        if place == pool.len() {
            pool.push((key, Vec::new()));
        }
        pool[place].1.push(instance);
    }
    for ((interface, is_ipv6, unicast, source), members) in pool {
        lines.line(1, format_args!("fd_in -1 fd_out = -1"));
        lines.pair(3, "Interface", interface);
        lines.pair(3, "Family", if is_ipv6 { "IPv6" } else { "IPv4" });
        lines.pair(3, "Protocol", "VRRP");
        lines.pair(3, "Type", if unicast { "Unicast" } else { "Multicast" });
        if let Some(source) = source {
            lines.pair(3, "Address", source);
        }
        let size = members
            .iter()
            .filter_map(|member| member.config.kernel_rx_buf_size);
        lines.pair(3, "Rx buf size", size.sum::<u32>());
        let members = members
            .iter()
            .map(|member| format!("{} vrid {}", member.name, member.config.virtual_router_id.get()));
        lines.list(3, "VRRP instances", members);
    }
}

/// A sync group.
pub(super) fn group(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(group) = view.engine.groups.get(item) else {
        return false;
    };
    if item == 0 {
        lines.section("VRRP Sync groups");
    }
    let config = &group.config;
    let state = group.state.map_or("INIT", Notified::word);
    lines.line(1, format_args!("VRRP Sync Group = {}, {state}", group.name));
    let members = group.members.iter().filter_map(|id| view.engine.instance(*id));
    let count = |word: &str| {
        members
            .clone()
            .filter(|member| member.state.word() == word)
            .count()
    };
    let (fault, init) = (count("FAULT"), count("INIT"));
    lines.line(
        3,
        format_args!("Num member fault {fault}, num member init {init}"),
    );
    lines.list(3, "VRRP member instances :", &config.members);
    if config.sync_group_tracking_weight {
        lines.line(3, format_args!("sync group tracking weight set"));
    }
    lines.pair(3, "Using smtp notification", words::yes_no(config.smtp_alert));
    lines.list(
        3,
        "Tracked interfaces :",
        weighted(&each(&config.track_interface), " "),
    );
    lines.list(3, "Tracked scripts :", weighted(&each(&config.track_script), " "));
    lines.list(3, "Tracked files :", weighted(&each(&config.track_file), ", "));
    lines.list(
        3,
        "Tracked processes :",
        weighted(&each(&config.track_process), ", "),
    );
    lines.list(3, "Tracked BFDs :", weighted(&each(&config.track_bfd), ": "));
    let notify = &config.notify;
    for (state, script) in [
        ("Backup", &notify.backup),
        ("Master", &notify.master),
        ("Fault", &notify.fault),
        ("Stop", &notify.stop),
        ("Generic", &notify.any),
    ] {
        transition_script(view, lines, state, script.as_deref());
    }
    true
}

/// A tracked script.
pub(super) fn script(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(script) = view.engine.scripts().get(item) else {
        return false;
    };
    if item == 0 {
        lines.section("VRRP Scripts");
    }
    let config = &script.config;
    lines.line(1, format_args!("VRRP Script = {}", script.name));
    lines.pair(3, "Command", words::command(&config.script));
    lines.pair(3, "Interval", period(config.interval));
    lines.pair(3, "Timeout", period(config.timeout));
    lines.pair(3, "Weight", weight(config.weight, config.reverse));
    lines.pair(3, "Rise", config.rise);
    lines.pair(3, "Fall", config.fall);
    lines.pair(3, "Result", script.result);
    lines.pair(3, "Insecure", "no");
    lines.pair(
        3,
        "Init state",
        match (config.init_fail, script.last_outcome) {
            (true, None) => "failed",
            _ => "unknown",
        },
    );
    lines.pair(3, "Status", status(script.health));
    lines.pair(3, "Script uid:gid", view.users.of_script(&config.script));
    lines.line(3, format_args!("VRRP instances :"));
    let tracking = trackers(view, |instance| &instance.track_script, &script.name);
    headed(lines, "Tracking instances :", tracking);
    lines.pair(3, "State", if script.running { "running" } else { "idle" });
    true
}

/// A tracked file.
pub(super) fn file(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let (Some(file), Some(config)) = (view.engine.files().get(item), view.config.track_files.get(item))
    else {
        return false;
    };
    if item == 0 {
        lines.section("VRRP Track files");
    }
    lines.line(1, format_args!("Track file = {}", file.name));
    lines.pair(3, "File", &config.path);
    lines.pair(3, "Status", file.value.unwrap_or(0));
    lines.pair(3, "Weight", weight(config.weight, config.reverse));
    let tracking = trackers(view, |instance| &instance.track_file, &file.name);
    headed(lines, "Tracking instances :", tracking);
    true
}

/// Tracked processes.
pub(super) fn process(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    use parser::config::vrrp_track_process::ProcessMatch;
    let Some(process) = view.engine.processes().get(item) else {
        return false;
    };
    if item == 0 {
        lines.section("VRRP Track processes");
    }
    let config = &process.config;
    lines.line(1, format_args!("VRRP Track process = {}", process.name));
    lines.pair(3, "Process", config.process.first().map_or("", String::as_str));
    if let Some(parameters) = config
        .process
        .get(1..)
        .filter(|parameters| !parameters.is_empty())
    {
        let quoted: Vec<String> = parameters.iter().map(|word| format!("'{word}'")).collect();
        lines.pair(3, "Parameters", quoted.join(" "));
    }
    lines.pair(3, "Min processes", config.quorum.start());
    if *config.quorum.end() != u16::MAX {
        lines.pair(3, "Max processes", config.quorum.end());
    }
    lines.pair(3, "Current processes", process.count.unwrap_or(0));
    lines.pair(3, "Have quorum", process.health() == Health::Good);
    lines.pair(3, "Weight", weight(config.weight, config.reverse));
    lines.pair(
        3,
        "Terminate delay",
        format!("{}s", words::seconds(config.terminate_delay)),
    );
    lines.pair(3, "Fork delay", format!("{}s", words::seconds(config.fork_delay)));
    lines.line(3, format_args!("Fork delay timer not running"));
    lines.line(3, format_args!("Terminate delay timer not running"));
    lines.pair(3, "Full command", config.matching != ProcessMatch::Name);
    let tracking = trackers(view, |instance| &instance.track_process, &process.name);
    headed(lines, "Tracking instances :", tracking);
    true
}

/// A BFD session, as the VRRP process knows it.
pub(super) fn session(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(session) = view.engine.sessions().get(item) else {
        return false;
    };
    if item == 0 {
        lines.section("VRRP Track BFDs");
    }
    let configured = view.config.bfd_instances.iter();
    let weight = configured
        .filter(|config| *config.name == *session.name)
        .map(|config| config.weight)
        .next();
    lines.line(1, format_args!("VRRP Track BFD = {}", session.name));
    lines.pair(3, "Weight", weight.unwrap_or(0));
    lines.line(
        3,
        format_args!("Bfd is {}", if session.up { "up" } else { "down" }),
    );
    lines.line(3, format_args!("Tracking VRRP instances :"));
    let tracking = trackers(view, |instance| &instance.track_bfd, &session.name);
    lines.list(3, "Tracking instances :", tracking);
    true
}

/// An interface.
pub(super) fn interface(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    if item == 0 {
        lines.section("Interfaces");
    }
    let Some(link) = view.links.get(item) else {
        return false;
    };
    lines.line(1, format_args!("Name = {}", link.name));
    lines.pair(3, "index", link.index);
    let known = view.engine.link(vrrp::LinkId(link.index));
    let mut instances = view.engine.instances().map(|instance| &instance.config);
    // The engine knows an interface of ours with the addresses of the one below.
    let ours = instances.find(|config| config.interface == link.name && view.parent(config).is_some());
    let of = |family| ours.is_none_or(|config| config.family == family && family == Family::Ipv6);
    let ipv4 = known.and_then(|known| known.ipv4).filter(|_| of(Family::Ipv4));
    let ipv6 = known
        .and_then(|known| known.ipv6_link_local)
        .filter(|_| of(Family::Ipv6));
    let none = || "(none)".to_owned();
    lines.pair(
        3,
        "IPv4 address",
        ipv4.map_or_else(none, |address| address.to_string()),
    );
    lines.pair(
        3,
        "IPv6 address",
        ipv6.map_or_else(none, |address| address.to_string()),
    );
    if !link.loopback && !link.hardware_address.is_empty() {
        let bytes: Vec<String> = link
            .hardware_address
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        lines.pair(3, "MAC", bytes.join(":"));
        if link.hardware_type == ETHERNET {
            lines.pair(3, "MAC broadcast", "ff:ff:ff:ff:ff:ff");
        }
    }
    let words = standing(link);
    let more = [
        (link.loopback, "no broadcast"),
        (link.loopback, "loopback"),
        (!link.arp, "no ARP"),
        (!link.multicast, "no multicast"),
    ];
    let more = more.iter().filter(|(on, _)| *on).map(|(_, word)| *word);
    let words: Vec<&str> = words.into_iter().chain(more).collect();
    lines.pair(3, "State", words.join(", "));
    delays(view, link, lines);
    if ours.is_some()
        && let Some(lower) = view.links.iter().find(|lower| Some(lower.index) == link.lower)
    {
        let kind = match link.kind.as_deref() {
            Some("ipvlan") => "IPVLAN type L2",
            _ => "VMAC type private",
        };
        let state = standing(lower).join(", ");
        lines.line(
            3,
            format_args!("{kind}, underlying interface = {}, state = {state}", lower.name),
        );
        lines.line(3, format_args!("I/f created by keepalived"));
    }
    lines.pair(3, "MTU", link.mtu);
    let kind = match link.hardware_type {
        ETHERNET => "ETHERNET".to_owned(),
        32 => "INFINIBAND".to_owned(),
        772 => "LOOPBACK".to_owned(),
        other => other.to_string(),
    };
    lines.pair(3, "HW Type", kind);
    lines.line(3, format_args!("NIC netlink status update"));
    pace(view, link, lines);
    let mut tracking = Vec::new();
    for instance in view.engine.instances() {
        let config = &instance.config;
        let is_its_own = config.interface == link.name || view.parent(config) == Some(&link.name);
        if is_its_own && !config.dont_track_primary {
            tracking.push(format!("{}, weight 0", instance.name));
        }
        let tracked = config.track_interface.iter();
        let tracked = tracked.filter(|tracked| tracked.name == link.name);
        tracking.extend(tracked.map(|tracked| {
            let weight = weight(tracked.weight, tracked.reverse);
            format!("{}, weight {weight}", instance.name)
        }));
    }
    lines.list(3, "Tracking VRRP instances :", tracking);
    true
}

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;

fn standing(link: &Link) -> [&'static str; 2] {
    [
        if link.up { "UP" } else { "DOWN" },
        if link.running { "RUNNING" } else { "not RUNNING" },
    ]
}

fn delays(view: &View<'_>, link: &Link, lines: &mut Lines) {
    let is_up = u8::from(link.up && link.running);
    lines.pair(3, "Seen up", is_up);
    lines.pair(3, "Delayed state change running", false);
    let mut delays = view.config.interface_up_down_delays.iter();
    let delay = delays.find(|delay| delay.interface == link.name);
    let micros = |delay: Option<std::time::Duration>| format!("{}us", delay.unwrap_or_default().as_micros());
    lines.pair(3, "Up debounce timer", micros(delay.map(|delay| delay.up)));
    lines.pair(3, "Down debounce timer", micros(delay.map(|delay| delay.down)));
}

/// How fast announcements leave where instances are; an interface of our own uses the one below.
fn pace(view: &View<'_>, link: &Link, lines: &mut Lines) {
    let mut instances = view.engine.instances().map(|instance| &instance.config);
    let mut groups = view.config.garp_groups.iter();
    let group = groups.find(|group| group.interfaces.contains(&link.name));
    let is_used = instances.any(|config| view.parent(config).unwrap_or(&config.interface) == link.name);
    let global = &view.config.global;
    for (what, own, default) in [
        (
            "ARP",
            group.and_then(|group| group.garp_interval),
            global.vrrp_garp_interval,
        ),
        (
            "NA",
            group.and_then(|group| group.gna_interval),
            global.vrrp_gna_interval,
        ),
    ] {
        let interval = own.unwrap_or(if is_used {
            default
        } else {
            std::time::Duration::ZERO
        });
        if !interval.is_zero() {
            lines.line(
                3,
                format_args!("Gratuitous {what} interval {}ms", interval.as_millis()),
            );
        }
    }
    let on_top = view.links.iter().filter(|upper| upper.lower == Some(link.index));
    let ours = on_top.filter(|upper| {
        let mut instances = view.engine.instances().map(|instance| &instance.config);
        instances.any(|config| {
            config.interface == upper.name && config.use_vmac.is_some() && config.family == Family::Ipv4
        })
    });
    lines.line(3, format_args!("Reset ARP config counter {}", ours.count()));
}

/// The instances that track this, each with what it weighs there.
fn trackers(view: &View<'_>, lists: impl Fn(&VrrpInstance) -> &Vec<Tracked>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for instance in view.engine.instances() {
        let tracked = lists(&instance.config).iter();
        let tracked = tracked.filter(|tracked| tracked.name == name);
        found.extend(tracked.map(|tracked| {
            let weight = weight(tracked.weight, tracked.reverse);
            format!("{}, weight {weight}", instance.name)
        }));
    }
    found
}

/// A heading, and the items if there are some.
fn headed(lines: &mut Lines, heading: &str, items: Vec<String>) {
    lines.line(3, format_args!("{heading}"));
    for item in items {
        lines.line(5, format_args!("{item}"));
    }
}

/// Interfaces, scripts, files, processes and sessions that an instance tracks and its group does not.
pub(super) fn own_trackers<'a>(
    config: &'a VrrpInstance,
    group: Option<&VrrpSyncGroup>,
) -> [Vec<&'a Tracked>; 5] {
    let without = |own: &'a [Tracked], of_group: Option<&Vec<Tracked>>| -> Vec<&'a Tracked> {
        own.iter()
            .filter(|tracked| of_group.is_none_or(|of_group| !of_group.contains(tracked)))
            .collect()
    };
    [
        without(&config.track_interface, group.map(|group| &group.track_interface)),
        without(&config.track_script, group.map(|group| &group.track_script)),
        without(&config.track_file, group.map(|group| &group.track_file)),
        without(&config.track_process, group.map(|group| &group.track_process)),
        without(&config.track_bfd, group.map(|group| &group.track_bfd)),
    ]
}

fn each(tracked: &[Tracked]) -> Vec<&Tracked> {
    tracked.iter().collect()
}

/// `NAME weight N`.
pub(super) fn weighted(tracked: &[&Tracked], separator: &str) -> Vec<String> {
    let word = |tracked: &&Tracked| {
        format!(
            "{}{separator}weight {}",
            tracked.name,
            weight(tracked.weight, tracked.reverse)
        )
    };
    tracked.iter().map(word).collect()
}

fn weight(weight: i16, reverse: bool) -> String {
    if reverse {
        format!("{weight} reverse")
    } else {
        weight.to_string()
    }
}

/// `1 sec`, or what is finer.
fn period(period: std::time::Duration) -> String {
    if period.subsec_nanos() == 0 {
        format!("{} sec", period.as_secs())
    } else {
        format!("{} sec", period.as_secs_f64())
    }
}
