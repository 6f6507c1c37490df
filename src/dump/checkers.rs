//! `keepalived_check.data`: virtual servers, their real servers, checkers, and what checkers watch.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use checkers::{Engine, ServerStanding, ServiceId};
use parser::Config;
use parser::config::checker::Probe;
use parser::config::forwarding::{Forwarding, Tunnel, TunnelChecksum};
use parser::config::pace::Pace;
use parser::config::virtual_server::{Granularity, Protocol, Scheduler, Service, SorryServer};
use parser::config::virtual_server_group::{GroupEntry, VirtualServerGroup};
use parser::config::{RealServer, VirtualServer};
use parser::units::Family;

use crate::dump::users::Users;
use crate::dump::{Kind, Lines, Place, Rendering, Wall, Writer, global, probes, words};
use crate::timer::now;

/// The dumps of the process: asked for, under way, written.
#[derive(Debug)]
pub(crate) struct CheckerDumps {
    writer: Writer,
    users: Users,
    config: Arc<Config>,
    under_way: Option<Rendering>,
    /// It was asked for again since that one began.
    is_asked: bool,
}

impl CheckerDumps {
    /// For a process with this configuration.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        CheckerDumps {
            writer: Writer::default(),
            users: Users::of_checkers(&config),
            config,
            under_way: None,
            is_asked: false,
        }
    }

    /// A new configuration: whose scripts run as whom is looked up. What was under way begins anew.
    pub(crate) fn learn(&mut self, config: Arc<Config>) {
        self.users = Users::of_checkers(&config);
        self.config = config;
        self.under_way = self.under_way.take().map(|_| Rendering::default());
    }

    /// Has the dump made in turns, from how everything stands then. One that is under way is ended before: asked for
    /// without end, there would never be one.
    pub(crate) fn ask(&mut self) {
        self.is_asked = self.under_way.is_some();
        self.under_way.get_or_insert_default();
    }

    /// Whether [`CheckerDumps::turn`] has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Goes on for less than a millisecond, or for one virtual server.
    pub(crate) fn turn(&mut self, engine: &Engine) {
        let Some(rendering) = &mut self.under_way else {
            return;
        };
        let view = View {
            engine,
            config: &self.config,
            users: &self.users,
            wall: Wall::at(now()),
        };
        let render = |part, item, lines: &mut Lines| {
            let part: &Part = PARTS.get(part)?;
            Some(part(&view, item, lines))
        };
        if let Some(text) = rendering.turn(render) {
            self.under_way = std::mem::take(&mut self.is_asked).then(Rendering::default);
            let temporary = std::env::var_os("TMPDIR");
            let place = Place::of(&self.config, temporary.as_deref().map(std::path::Path::new));
            self.writer.write(place.path(Kind::Check), move || text);
        }
    }
}

/// What a dump is made from.
pub(super) struct View<'a> {
    pub(super) engine: &'a Engine,
    pub(super) config: &'a Config,
    pub(super) users: &'a Users,
    pub(super) wall: Wall,
}

type Part = for<'a> fn(&View<'a>, usize, &mut Lines) -> bool;

const PARTS: &[Part] = &[
    head,
    group,
    service,
    probes::heading,
    // keepalived adds those that watch files when it has read all others.
    |view, item, lines| probes::of_service(view, item, lines, |probe| !matches!(probe, Probe::File(_))),
    |view, item, lines| probes::of_service(view, item, lines, |probe| matches!(probe, Probe::File(_))),
    probes::watched,
];

fn head(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    if item > 0 {
        return false;
    }
    let config = view.config;
    let whose = global::Whose::Checkers(view.users);
    global::section(lines, config, &whose);
    secure(config, lines);
    if !config.virtual_servers.is_empty() {
        lines.section("LVS Topology");
        lines.line(1, format_args!("System is compiled with LVS v1.2.1"));
    }
    true
}

fn secure(config: &Config, lines: &mut Lines) {
    let mut checkers = config
        .virtual_servers
        .iter()
        .flat_map(|service| &service.real_servers)
        .flat_map(|server| &server.checkers);
    let is_needed = checkers.any(|checker| checker.probe.keyword() == "SSL_GET");
    if config.ssl.is_none() && !is_needed {
        return;
    }
    lines.section("SSL definitions");
    let Some(ssl) = &config.ssl else {
        return lines.line(1, format_args!("Using autogen SSL context"));
    };
    let password = ssl.password.as_ref().map(|_| "********".to_owned());
    for (key, value) in [
        ("Password", &password),
        ("CA-file", &ssl.ca),
        ("Certificate file", &ssl.certificate),
        ("Key file", &ssl.key),
    ] {
        if let Some(value) = value {
            lines.line(1, format_args!("{key} : {value}"));
        }
    }
}

/// A group of virtual addresses.
fn group(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(group) = view.config.virtual_server_groups.get(item) else {
        return false;
    };
    lines.line(1, format_args!("------< Virtual server group >------"));
    let users = users_of(view, group);
    let has = |family| words::yes_no(has_family(group, &users, family));
    lines.line(
        1,
        format_args!(
            "Virtual Server Group = {}, IPv4 = {}, IPv6 = {}",
            group.name,
            has(Family::Ipv4),
            has(Family::Ipv6)
        ),
    );
    for entry in &group.entries {
        match *entry {
            GroupEntry::Addresses { first, last, port } => {
                if first == last {
                    lines.line(3, format_args!("VIP = {first}, VPORT = {port}"));
                } else {
                    lines.line(3, format_args!("VIP Range = {first}-{last}, VPORT = {port}"));
                }
                let of = |protocol| {
                    let of_it = users.iter().filter(|user| user.protocol == Some(protocol));
                    of_it.map(|user| user.placed).sum::<usize>()
                };
                let [tcp, udp, sctp] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(of);
                lines.line(5, format_args!("Alive: {tcp} tcp, {udp} udp, {sctp} sctp"));
            }
            GroupEntry::Fwmark { mark, family } => {
                let written = match family {
                    None => "",
                    Some(Family::Ipv4) => " IPv4",
                    Some(Family::Ipv6) => " IPv6",
                };
                lines.line(3, format_args!("FWMARK = {mark}{written}"));
                let of = |wanted| {
                    let of_it = users
                        .iter()
                        .filter(|user| family.unwrap_or(user.family) == wanted);
                    of_it.map(|user| user.placed).sum::<usize>()
                };
                let (ipv4, ipv6) = (of(Family::Ipv4), of(Family::Ipv6));
                lines.line(5, format_args!("Alive: {ipv4} IPv4, {ipv6} IPv6"));
            }
        }
        lines.pair(5, "reloaded", "False");
    }
    true
}

/// A virtual server of a group.
struct User {
    protocol: Option<Protocol>,
    family: Family,
    /// So many of its real servers are in the kernel's table.
    placed: usize,
}

fn users_of(view: &View<'_>, group: &VirtualServerGroup) -> Vec<User> {
    let mut users = Vec::new();
    for id in view.engine.services() {
        if let Some(config) = view.engine.service_config(id)
            && let Service::Group {
                group: used,
                protocol,
            } = &config.service
            && used.name == group.name
            && let Some(standing) = view.engine.standing(id)
        {
            users.push(User {
                protocol: *protocol,
                family: config.family,
                placed: standing.servers.iter().filter(|server| server.placed).count(),
            });
        }
    }
    users
}

fn has_family(group: &VirtualServerGroup, users: &[User], wanted: Family) -> bool {
    group.entries.iter().any(|entry| match *entry {
        GroupEntry::Addresses { first, .. } => Family::of(first) == wanted,
        GroupEntry::Fwmark { family, .. } => match family {
            Some(family) => family == wanted,
            None => users.iter().any(|user| user.family == wanted),
        },
    })
}

/// A virtual server with its real servers.
fn service(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some((id, config)) = nth_service(view, item) else {
        return false;
    };
    let Some(standing) = view.engine.standing(id) else {
        return true;
    };
    lines.line(1, format_args!("------< Virtual server >------"));
    match &config.service {
        Service::Address { address, port, .. } => {
            lines.line(1, format_args!("VS VIP = {address}, VPORT = {port}"));
        }
        Service::Fwmark(mark) => lines.pair(1, "VS FWMARK", mark),
        Service::Group { .. } => lines.pair(1, "VS GROUP", &standing.label),
    }
    if let Some(host) = &config.virtualhost {
        lines.pair(3, "VirtualHost", host);
    }
    if let Some(name) = &config.snmp_name {
        lines.pair(3, "SNMP name", format_args!("'{name}'"));
    }
    let family = match config.family {
        Family::Ipv4 => "inet",
        Family::Ipv6 => "inet6",
    };
    lines.pair(3, "Address family", family);
    scheduling(config, lines);
    lines.line(3, format_args!("alpha is {}", on_off(config.alpha)));
    lines.line(3, format_args!("omega is {}", on_off(config.omega)));
    pace(&config.pace, lines);
    lines.line(
        3,
        format_args!("Inhibit on failure is {}", on_off(config.inhibit_on_failure)),
    );
    let (quorum, hysteresis) = (config.quorum, config.hysteresis);
    lines.line(3, format_args!("quorum = {quorum}, hysteresis = {hysteresis}"));
    for (change, script) in [("up", &config.quorum_up), ("down", &config.quorum_down)] {
        if let Some(script) = script {
            let (command, user) = (words::command(script), view.users.of_script(script));
            lines.line(
                3,
                format_args!("Quorum {change} notify script = {command}, uid:gid {user}"),
            );
        }
    }
    if config.ha_suspend {
        lines.line(3, format_args!("Using HA suspend"));
    }
    lines.pair(3, "Using smtp notification", words::yes_no(config.smtp_alert));
    lines.line(
        3,
        format_args!("default forwarding method = {}", method(config.forwarding)),
    );
    if let Some(sorry) = &config.sorry_server {
        sorry_server(&config.service, sorry, lines);
    }
    lines.pair(3, "alive", 1);
    lines.pair(3, "quorum_state_up", u8::from(standing.quorum_up));
    lines.pair(3, "reloaded", 0);
    for ((id, config, _), standing) in view.engine.servers(id).zip(&standing.servers) {
        server(view, config, standing, lines);
        let failed = view.engine.checkers(id).filter(|checker| !checker.up);
        lines.pair(3, "num failed checkers", failed.count());
        lines.pair(3, "RS set", u8::from(standing.placed));
        lines.pair(3, "reloaded", 0);
        watched_by(config, lines);
    }
    true
}

pub(super) fn nth_service<'a>(view: &View<'a>, item: usize) -> Option<(ServiceId, &'a VirtualServer)> {
    let id = view.engine.services().nth(item)?;
    Some((id, view.engine.service_config(id)?))
}

fn scheduling(config: &VirtualServer, lines: &mut Lines) {
    lines.pair(
        3,
        "connection timeout",
        words::seconds(config.pace.connect_timeout),
    );
    lines.pair(3, "delay_loop", words::seconds(config.pace.delay_loop));
    lines.pair(3, "lvs_sched", config.scheduler.name());
    lines.pair(3, "Hashed", "disabled");
    let flags = &config.flags;
    let flags: &[(&str, bool)] = match config.scheduler {
        Scheduler::Sh => &[("sh-port", flags.flag_2), ("sh-fallback", flags.flag_1)],
        Scheduler::Mh => &[("mh-port", flags.flag_2), ("mh-fallback", flags.flag_1)],
        _ => &[
            ("flag-1", flags.flag_1),
            ("flag-2", flags.flag_2),
            ("flag-3", flags.flag_3),
        ],
    };
    for (flag, on) in flags {
        lines.pair(3, flag, able(*on));
    }
    lines.pair(3, "One packet scheduling", able(config.one_packet));
    if let Some(persistence) = &config.persistence {
        lines.pair(3, "persistence timeout", persistence.timeout.as_secs());
        if persistence.granularity != Granularity::host(config.family) {
            let key = "persistence granularity";
            match persistence.granularity {
                Granularity::Netmask(mask) => lines.pair(3, key, mask),
                Granularity::PrefixLen(length) => lines.pair(3, key, length),
            }
        }
    }
    lines.pair(
        3,
        "protocol",
        protocol(&config.service).to_uppercase().replace("NONE", "none"),
    );
}

fn sorry_server(service: &Service, sorry: &SorryServer, lines: &mut Lines) {
    let (address, protocol, port) = (sorry.address, protocol(service), sorry.port);
    lines.line(3, format_args!("sorry server = [{address}]:{protocol}:{port}"));
    lines.line(
        5,
        format_args!("forwarding method = {}", method(sorry.forwarding)),
    );
    lines.line(5, format_args!("Inhibit on failure is {}", on_off(sorry.inhibit)));
}

fn server(view: &View<'_>, config: &RealServer, standing: &ServerStanding, lines: &mut Lines) {
    lines.line(3, format_args!("------< Real server >------"));
    let effective = standing.effective_weight;
    lines.line(
        3,
        format_args!(
            "RIP = {}, RPORT = {}, WEIGHT = {} EFF WEIGHT = {effective}",
            config.address, config.port, standing.weight
        ),
    );
    lines.line(
        3,
        format_args!("forwarding method = {}", method(config.forwarding)),
    );
    lines.line(3, format_args!("Alpha is {}", on_off(config.alpha)));
    let pace_of_server = &config.pace;
    lines.pair(
        3,
        "connection timeout",
        words::seconds(pace_of_server.connect_timeout),
    );
    let (lower, upper) = (config.lower_threshold, config.upper_threshold);
    lines.line(3, format_args!("connection limit range = {lower} -> {upper}"));
    lines.pair(3, "Delay loop", words::seconds(pace_of_server.delay_loop));
    pace(pace_of_server, lines);
    lines.line(
        3,
        format_args!("Inhibit on failure is {}", on_off(config.inhibit_on_failure)),
    );
    for (change, script) in [("up", config.notify_up()), ("down", config.notify_down())] {
        if let Some(script) = script {
            let (command, user) = (words::command(script), view.users.of_script(script));
            lines.line(
                5,
                format_args!("RS {change} notify script = {command}, uid:gid {user}"),
            );
        }
    }
    if let Some(host) = config
        .extras
        .as_ref()
        .and_then(|extras| extras.virtualhost.as_ref())
    {
        lines.line(4, format_args!("VirtualHost = '{host}'"));
    }
    if let Some(name) = config
        .extras
        .as_ref()
        .and_then(|extras| extras.snmp_name.as_ref())
    {
        lines.pair(3, "SNMP name", name);
    }
    lines.pair(3, "Using smtp notification", words::yes_no(config.smtp_alert));
    lines.pair(3, "initial weight", config.weight);
    lines.pair(3, "effective weight", effective);
    lines.pair(3, "previous effective_weight", 0);
    lines.pair(3, "alive", u8::from(standing.alive));
}

/// Files and sessions that the checkers of a real server watch.
fn watched_by(config: &RealServer, lines: &mut Lines) {
    let files = config.checkers.iter().filter_map(|checker| match &checker.probe {
        Probe::File(file) => Some(probes::file_word(file)),
        _ => None,
    });
    lines.list(3, "Tracked Files", files);
    let sessions = config.checkers.iter().filter_map(|checker| match &checker.probe {
        Probe::Bfd(bfd) => Some(&bfd.name),
        _ => None,
    });
    lines.list(3, "Tracked BFDs", sessions);
}

fn pace(pace: &Pace, lines: &mut Lines) {
    if let Some(retry) = pace.retry {
        lines.pair(3, "Retry count", retry);
    }
    let mut seconds = |key: &str, time: Option<Duration>| {
        if let Some(time) = time {
            lines.pair(3, key, words::seconds(time));
        }
    };
    seconds("Retry delay", pace.delay_before_retry);
    seconds("Warmup", pace.warmup);
}

fn protocol(service: &Service) -> &'static str {
    let protocol = match service {
        Service::Address { protocol, .. } => Some(*protocol),
        Service::Group { protocol, .. } => *protocol,
        Service::Fwmark(_) => None,
    };
    match protocol {
        Some(Protocol::Tcp) => "tcp",
        Some(Protocol::Udp) => "udp",
        Some(Protocol::Sctp) => "sctp",
        None => "none",
    }
}

fn method(forwarding: Forwarding) -> impl Display {
    std::fmt::from_fn(move |f| match forwarding {
        Forwarding::Nat => f.write_str("NAT"),
        Forwarding::Direct => f.write_str("DR"),
        Forwarding::Tunnel(Tunnel::Ipip) => f.write_str("TUN, type = IPIP"),
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            let checksum = match checksum {
                TunnelChecksum::None => "no checksum",
                TunnelChecksum::Full => "checksum",
                TunnelChecksum::Remote => "remote checksum",
            };
            write!(f, "TUN, type = GUE, port = {port}, {checksum}")
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            let checksum = if checksum { "checksum" } else { "no checksum" };
            write!(f, "TUN, type = GRE, {checksum}")
        }
    })
}

pub(super) fn on_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

fn able(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}
