//! What follows the instances in `keepalived.data`: sockets, groups, scripts, files, processes, sessions, interfaces.

use std::collections::BTreeMap;
use std::fmt::Display;

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
    section_of(
        lines,
        "Static Routes",
        routes.map(|route| words::route(route, true)),
    );
    section_of(lines, "Static Rules", config.static_rules.iter().map(words::rule));
}

fn section_of(lines: &mut Lines, title: &str, items: impl Iterator<Item: Display>) {
    for (index, item) in items.enumerate() {
        if index == 0 {
            lines.section(title);
        }
        lines.line(1, format_args!("{item}"));
    }
}

/// Where adverts are heard and sent: one socket for each interface, family and way.
pub(super) fn sockpool(view: &View<'_>, lines: &mut Lines) {
    lines.section("VRRP Sockpool");
    let mut pool: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for instance in view.engine.instances() {
        let config = &instance.config;
        let source = config.unicast_src_ip.filter(|_| config.unicast);
        let key = (
            config.interface.as_str(),
            config.family == Family::Ipv6,
            config.unicast,
            source,
        );
        pool.entry(key).or_default().push(instance);
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
    lines.list(3, "Tracked BFDs :", weighted(&each(&config.track_bfd), ", "));
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
    trackers(
        view,
        lines,
        "Tracking instances :",
        |instance| &instance.track_script,
        &script.name,
    );
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
    trackers(
        view,
        lines,
        "Tracking instances :",
        |instance| &instance.track_file,
        &file.name,
    );
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
    trackers(
        view,
        lines,
        "Tracking instances :",
        |instance| &instance.track_process,
        &process.name,
    );
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
    trackers(
        view,
        lines,
        "Tracking VRRP instances :",
        |instance| &instance.track_bfd,
        &session.name,
    );
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
    let none = || "(none)".to_owned();
    let ipv4 = known
        .and_then(|known| known.ipv4)
        .map_or_else(none, |address| address.to_string());
    let ipv6 = known
        .and_then(|known| known.ipv6_link_local)
        .map_or_else(none, |address| address.to_string());
    lines.pair(3, "IPv4 address", ipv4);
    lines.pair(3, "IPv6 address", ipv6);
    if !link.loopback && !link.hardware_address.is_empty() {
        let bytes: Vec<String> = link
            .hardware_address
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        lines.pair(3, "MAC", bytes.join(":"));
    }
    let words = [
        if link.up { "UP" } else { "DOWN" },
        if link.running { "RUNNING" } else { "not RUNNING" },
    ];
    let more = [
        (link.loopback, "loopback"),
        (!link.arp, "no ARP"),
        (!link.multicast, "no multicast"),
    ];
    let more = more.iter().filter(|(on, _)| *on).map(|(_, word)| *word);
    let words: Vec<&str> = words.into_iter().chain(more).collect();
    lines.pair(3, "State", words.join(", "));
    lines.pair(3, "MTU", link.mtu);
    let kind = match link.hardware_type {
        1 => "ETHERNET".to_owned(),
        32 => "INFINIBAND".to_owned(),
        772 => "LOOPBACK".to_owned(),
        other => other.to_string(),
    };
    lines.pair(3, "HW Type", kind);
    lines.line(3, format_args!("NIC netlink status update"));
    let primary = view
        .engine
        .instances()
        .filter(|instance| instance.config.interface == link.name);
    let primary = primary.map(|instance| format!("{}, weight 0", instance.name));
    let tracking = view.engine.instances().flat_map(|instance| {
        let tracked = instance.config.track_interface.iter();
        tracked
            .filter(|tracked| tracked.name == link.name)
            .map(|tracked| {
                format!(
                    "{}, weight {}",
                    instance.name,
                    weight(tracked.weight, tracked.reverse)
                )
            })
    });
    lines.list(3, "Tracking VRRP instances :", primary.chain(tracking));
    true
}

/// The instances that track this, each with what it weighs there.
fn trackers(
    view: &View<'_>,
    lines: &mut Lines,
    heading: &str,
    lists: impl Fn(&VrrpInstance) -> &Vec<Tracked>,
    name: &str,
) {
    lines.line(3, format_args!("{heading}"));
    for instance in view.engine.instances() {
        for tracked in lists(&instance.config)
            .iter()
            .filter(|tracked| tracked.name == name)
        {
            let weight = weight(tracked.weight, tracked.reverse);
            lines.line(5, format_args!("{}, weight {weight}", instance.name));
        }
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
