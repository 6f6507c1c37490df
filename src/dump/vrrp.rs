//! The dumps of the VRRP process: `keepalived.data`, and the order of the parts of `keepalived.json`.

use std::collections::VecDeque;
use std::time::Duration;

use netlink::Link;
use parser::Config;
use parser::config::vrrp_instance::{Authentication, InitialState};
use parser::config::{Script, VrrpInstance, VrrpSyncGroup};
use parser::units::{Family, Version};
use vrrp::{Engine, FaultReason, Health, Instance, State};

use crate::control::status;
use crate::dump::users::Users;
use crate::dump::words::Wall;
use crate::dump::{Counters, Kind, Lines, Place, Rendering, Writer, global, json, tables, words};

/// What a dump is made from: the process as it is in one turn.
pub(crate) struct View<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) config: &'a Config,
    pub(crate) links: &'a [Link],
    pub(crate) users: &'a Users,
    pub(crate) wall: Wall,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// The data dump.
    Data,
    /// The statistics.
    Stats,
    /// The JSON dump.
    Json,
    /// The status for the control socket, which is not written but answered.
    Status,
}

/// The dumps of the process: asked for, under way, written.
#[derive(Debug, Default)]
pub(crate) struct VrrpDumps {
    writer: Writer,
    users: Users,
    waiting: VecDeque<(Asked, Rendering, Vec<Link>)>,
}

impl VrrpDumps {
    /// For a process with this configuration.
    pub(crate) fn new(config: &Config) -> Self {
        VrrpDumps {
            users: Users::of(config),
            ..VrrpDumps::default()
        }
    }

    /// A new configuration: whose scripts run as whom is looked up.
    pub(crate) fn learn(&mut self, config: &Config) {
        self.users = Users::of(config);
    }

    /// Writes the statistics as they are now, or has the others made in turns. What was asked for and not begun
    /// is not made twice.
    pub(crate) fn ask(&mut self, asked: Asked, engine: &Engine, config: &Config, links: Vec<Link>) {
        if asked == Asked::Stats {
            let counters = Counters::of(engine);
            self.writer
                .write(place(config).path(Kind::Stats), move || counters.text());
        } else if !self.waiting.iter().skip(1).any(|(waiting, ..)| *waiting == asked) {
            self.waiting.push_back((asked, Rendering::default(), links));
        }
    }

    /// Whether [`VrrpDumps::turn`] has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Goes on for less than a millisecond. Answers with a status that is complete.
    pub(crate) fn turn(
        &mut self,
        engine: &Engine,
        config: &Config,
        statics_lost: u64,
        now: vrrp::Instant,
    ) -> Option<String> {
        let (asked, rendering, links) = self.waiting.front_mut()?;
        let view = View {
            engine,
            config,
            links,
            users: &self.users,
            wall: Wall::at(now),
        };
        let (parts, kind) = match asked {
            Asked::Json if config.global.json_version > 1 => (JSON_2, Some(Kind::Json)),
            Asked::Json => (JSON_1, Some(Kind::Json)),
            Asked::Data | Asked::Stats => (DATA, Some(Kind::Data)),
            Asked::Status => (&[][..], None),
        };
        let text = rendering.turn(|part, item, lines| match kind {
            Some(_) => parts.get(part).map(|render| render(&view, item, lines)),
            None => status::vrrp(engine, statics_lost, view.wall, part, item, lines),
        })?;
        self.waiting.pop_front();
        let Some(kind) = kind else { return Some(text) };
        // As with keepalived, without instances there is no JSON of version 1.
        if !text.is_empty() {
            self.writer.write(place(config).path(kind), move || text);
        }
        None
    }
}

fn place(config: &Config) -> Place {
    let temporary = std::env::var_os("TMPDIR");
    Place::of(config, temporary.as_deref().map(std::path::Path::new))
}

type VrrpPart = for<'a> fn(&View<'a>, usize, &mut Lines) -> bool;

const JSON_1: &[VrrpPart] = &[
    |view, item, lines| only_once(item, || lines.raw(if has_instances(view) { "[" } else { "" })),
    json::instance,
    |view, item, lines| only_once(item, || lines.raw(if has_instances(view) { "]\n" } else { "" })),
];

const JSON_2: &[VrrpPart] = &[
    |_, item, lines| only_once(item, || lines.raw("{\"vrrp\":[")),
    json::instance,
    |_, item, lines| only_once(item, || lines.raw("],\"track_process\":[")),
    json::process,
    |_, item, lines| only_once(item, || lines.raw("]}\n")),
];

const DATA: &[VrrpPart] = &[
    |view, item, lines| {
        only_once(item, || {
            let whose = global::Whose::Vrrp {
                users: view.users,
                has_firewall: view.config.vrrp_instances.iter().any(|one| refuses_packets(one)),
            };
            global::section(lines, view.config, &whose);
            tables::statics(view, lines);
            lines.section("VRRP Topology");
        })
    },
    instance,
    |view, item, lines| only_once(item, || tables::sockpool(view, lines)),
    tables::group,
    tables::script,
    tables::file,
    tables::process,
    tables::session,
    tables::interface,
];

fn only_once(item: usize, work: impl FnOnce()) -> bool {
    if item == 0 {
        work();
    }
    item == 0
}

fn has_instances(view: &View<'_>) -> bool {
    view.engine.instances().len() > 0
}

impl View<'_> {
    /// The sync group that an instance is a member of.
    pub(super) fn group_of(&self, instance: &Instance) -> Option<&VrrpSyncGroup> {
        let mut groups = self.config.vrrp_sync_groups.iter();
        groups.find(|group| group.members.iter().any(|member| **member == *instance.name))
    }

    /// Name of the link below an instance's own, if it has an interface of its own.
    pub(super) fn parent(&self, config: &VrrpInstance) -> Option<&str> {
        if config.use_vmac.is_none() && config.use_ipvlan.is_none() {
            return None;
        }
        let own = self.links.iter().find(|link| link.name == config.interface)?;
        self.below(own)
    }

    /// Name of the link below a link.
    pub(super) fn below(&self, link: &Link) -> Option<&str> {
        let lower = link.lower?;
        let found = self.links.iter().find(|other| other.index == lower);
        found.map(|found| found.name.as_str())
    }

    /// How addresses name the interface of an instance: `vrrp.51@eth0`.
    pub(super) fn device(&self, config: &VrrpInstance) -> String {
        match self.parent(config) {
            Some(parent) => format!("{}@{parent}", config.interface),
            None => config.interface.clone(),
        }
    }

    /// The state that an instance would like to be in.
    pub(super) fn wanted(instance: &Instance) -> &'static str {
        match (&instance.state, instance.config.initial_state) {
            (State::Master(_), _) | (State::Init { .. } | State::Fault { .. }, InitialState::Master) => {
                "MASTER"
            }
            _ => "BACKUP",
        }
    }
}

fn instance(view: &View<'_>, item: usize, lines: &mut Lines) -> bool {
    let Some(instance) = view.engine.instances().nth(item) else {
        return false;
    };
    lines.line(1, format_args!("VRRP Instance = {}", instance.name));
    standing(view, instance, lines);
    settings(view, instance, lines);
    possessions(view, instance, lines);
    tracked(view, instance, lines);
    notifications(view, instance, lines);
    true
}

fn standing(view: &View<'_>, instance: &Instance, lines: &mut Lines) {
    let config = &instance.config;
    lines.pair(3, "VRRP Version", config.version as u8);
    if config.family == Family::Ipv6 {
        lines.line(3, format_args!("Using Native IPv6"));
    }
    if let Some(group) = view.group_of(instance) {
        lines.pair(3, "Sync group", &group.name);
    }
    lines.pair(3, "State", instance.state.word());
    let flags = [(config.unicast, "Using unicast")];
    let flags: Vec<&str> = flags
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, flag)| *flag)
        .collect();
    if flags.is_empty() {
        let has_own = config.use_vmac.is_some() || config.use_ipvlan.is_some();
        lines.line(
            3,
            format_args!("{}", if has_own { "Flags:" } else { "Flags: none" }),
        );
    }
    lines.list(3, "Flags:", &flags);
    lines.pair(3, "Wantstate", View::wanted(instance));
    let is_of_interface = |fault: &&FaultReason| {
        matches!(
            fault,
            FaultReason::InterfaceMissing(_)
                | FaultReason::InterfaceDown(_)
                | FaultReason::NoSourceAddress(_)
        )
    };
    let is_of_configuration = |fault: &&FaultReason| {
        matches!(
            fault,
            FaultReason::NoMulticast(_) | FaultReason::StrictUnicast(_) | FaultReason::NoPeer
        )
    };
    let is_first_result = |fault: &&FaultReason| matches!(fault, FaultReason::AwaitingScript(_));
    let interfaces: Vec<String> = instance
        .faults
        .iter()
        .filter(is_of_interface)
        .map(ToString::to_string)
        .collect();
    let first_results = instance.faults.iter().filter(is_first_result).count();
    let others = instance.faults.iter().filter(|fault| !fault.is_waiting()).count();
    let of_configuration = instance.faults.iter().filter(is_of_configuration).count();
    lines.pair(3, "Number of config faults", of_configuration);
    lines.pair(
        3,
        "Number of tracker faults",
        others - interfaces.len() - of_configuration,
    );
    let interfaces = if interfaces.is_empty() {
        "(none)".to_owned()
    } else {
        interfaces.join(", ")
    };
    lines.line(3, format_args!("Flags of interface faults - {interfaces}"));
    lines.pair(3, "Number of track scripts init", first_results);
    lines.pair(3, "Last transition", view.wall.moment(instance.since));
    match instance.state.deadline() {
        Some(deadline) => lines.pair(3, "Read timeout", view.wall.moment(deadline)),
        None => lines.pair(3, "Read timeout", "DISABLED"),
    }
    let master_down = format!("{} usecs", instance.master_down().as_micros());
    lines.pair(3, "Master down timer", master_down);
}

fn settings(view: &View<'_>, instance: &Instance, lines: &mut Lines) {
    let config = &instance.config;
    let garp = &config.garp;
    match view.parent(config) {
        Some(parent) => {
            lines.line(3, format_args!("{}", own_interface(view, config)));
            lines.line(
                3,
                format_args!("Interface = {}, vmac on {parent}", config.interface),
            );
        }
        None if config.interface.is_empty() => {}
        None => lines.pair(3, "Interface", &config.interface),
    }
    let configured = if config.unicast {
        config.unicast_src_ip
    } else {
        config.mcast_src_ip
    };
    match (configured, view.engine.source(instance)) {
        (Some(source), _) => lines.pair(3, "Using src_ip", format!("{source} (from configuration)")),
        (None, Some(source)) => lines.pair(3, "Using src_ip", source),
        (None, None) => lines.pair(3, "Using src_ip", "(none)"),
    }
    if !config.unicast {
        let group = config.mcast_dst_ip;
        match (group, instance.link) {
            (std::net::IpAddr::V6(_), Some(link)) => {
                lines.line(3, format_args!("Multicast address {group}, ifindex {}", link.0));
            }
            _ => lines.line(3, format_args!("Multicast address {group}")),
        }
    }
    lines.pair(3, "Gratuitous ARP delay", garp.master_delay.as_secs());
    lines.pair(3, "Gratuitous ARP repeat", garp.master_repeat);
    lines.pair(3, "Gratuitous ARP refresh", garp.master_refresh.as_secs());
    lines.pair(3, "Gratuitous ARP refresh repeat", garp.master_refresh_repeat);
    lines.pair(
        3,
        "Gratuitous ARP lower priority delay",
        garp.lower_prio_delay.as_secs(),
    );
    lines.pair(3, "Gratuitous ARP lower priority repeat", garp.lower_prio_repeat);
    lines.pair(3, "Down timer adverts", config.down_timer_adverts);
    lines.pair(
        3,
        "Send advert after receive lower priority advert",
        !config.lower_prio_no_advert,
    );
    lines.pair(
        3,
        "Send advert after receive higher priority advert",
        config.higher_prio_send_advert,
    );
    lines.pair(3, "Virtual Router ID", config.virtual_router_id.get());
    lines.pair(3, "Priority", config.priority.get());
    lines.pair(3, "Effective priority", instance.priority.get());
    lines.pair(3, "Total priority", instance.total_priority);
    lines.pair(3, "Advert interval", interval(config.version, config.advert_int));
    if config.version == Version::V3 && instance.master.is_some() {
        lines.pair(
            3,
            "Master advert interval",
            interval(config.version, instance.master_interval),
        );
    }
    lines.pair(3, "Accept", able(config.accept));
    lines.pair(3, "Preempt", able(!config.nopreempt));
    if !config.preempt_delay.is_zero() {
        lines.pair(
            3,
            "Preempt delay",
            format!("{} secs", config.preempt_delay.as_secs()),
        );
    }
    lines.pair(3, "Promote_secondaries", able(config.promote_secondaries));
    let (kind, has_password) = match config.authentication {
        Authentication::None => ("none", false),
        Authentication::Pass(_) => ("SIMPLE_PASSWORD", true),
        Authentication::Ah(_) => ("IPSEC_AH", true),
    };
    if config.version == Version::V2 || has_password {
        lines.pair(3, "Authentication type", kind);
    }
    if has_password {
        lines.pair(3, "Password", "********");
    }
}

fn possessions(view: &View<'_>, instance: &Instance, lines: &mut Lines) {
    let config = &instance.config;
    let set = instance.state.is_master();
    let device = view.device(config);
    let addresses = |of: &[parser::config::VirtualAddress]| -> Vec<String> {
        of.iter().map(|line| words::address(line, &device, set)).collect()
    };
    let heading = format!("Virtual IP ({}):", config.virtual_ipaddress.len());
    lines.list(3, &heading, addresses(&config.virtual_ipaddress));
    lines.list(
        3,
        "Virtual IP Excluded :",
        addresses(&config.virtual_ipaddress_excluded),
    );
    if config.unicast {
        lines.pair(3, "Unicast TTL", config.unicast_ttl.unwrap_or(255));
        lines.line(
            3,
            format_args!("Check unicast src : {}", words::yes_no(config.check_unicast_src)),
        );
        let peers = config.unicast_peers.iter();
        let peers = peers.map(|peer| {
            format!(
                "{} min_ttl {} max_ttl {}",
                peer.address, peer.min_ttl, peer.max_ttl
            )
        });
        lines.list(3, "Unicast Peer :", peers);
        lines.pair(3, "Unicast checksum compatibility", compatibility(config));
    }
    // Sockets are shared here: there is none of the instance's own to name.
    lines.line(3, format_args!("fd_in -1, fd_out -1"));
    lines.list(
        3,
        "Virtual Routes :",
        config.virtual_routes.iter().map(words::route),
    );
    lines.list(3, "Virtual Rules :", config.virtual_rules.iter().map(words::rule));
}

fn tracked(view: &View<'_>, instance: &Instance, lines: &mut Lines) {
    let config = &instance.config;
    let group = view.group_of(instance);
    let [interfaces, scripts, files, processes, sessions] = tables::own_trackers(config, group);
    lines.list(3, "Tracked interfaces :", tables::weighted(&interfaces, " "));
    lines.list(3, "Tracked scripts :", tables::weighted(&scripts, " "));
    lines.list(3, "Tracked files :", tables::weighted(&files, ", "));
    lines.list(3, "Tracked processes :", tables::weighted(&processes, ", "));
    lines.list(3, "Tracked BFDs :", tables::weighted(&sessions, ": "));
}

fn notifications(view: &View<'_>, instance: &Instance, lines: &mut Lines) {
    let config = &instance.config;
    let notify = &config.notify;
    lines.pair(3, "Using smtp notification", words::yes_no(config.smtp_alert));
    lines.pair(
        3,
        "Notify deleted",
        if notify.report_deleted { "Deleted" } else { "Fault" },
    );
    let scripts = [
        ("Backup", &notify.backup),
        ("Master", &notify.master),
        ("Fault", &notify.fault),
        ("Stop", &notify.stop),
        ("Deleted", &notify.deleted),
        ("Generic", &notify.any),
        ("Master rx lower pri", &notify.master_rx_lower_pri),
    ];
    for (state, script) in scripts {
        transition_script(view, lines, state, script.as_deref());
    }
    let changes = config
        .notify_priority_changes
        .unwrap_or(view.config.global.vrrp_notify_priority_changes);
    lines.pair(3, "Notify priority changes", changes);
}

/// `Master state transition script = 'a' 'b', uid:gid 0:0`.
pub(super) fn transition_script(view: &View<'_>, lines: &mut Lines, state: &str, script: Option<&Script>) {
    if let Some(script) = script {
        let (command, user) = (words::command(script), view.users.of_script(script));
        lines.line(
            3,
            format_args!("{state} state transition script = {command}, uid:gid {user}"),
        );
    }
}

fn own_interface(view: &View<'_>, config: &VrrpInstance) -> String {
    let mut links = view.links.iter();
    let up = links.any(|link| link.name == config.interface && link.up);
    let (name, xmit_base) = (&config.interface, config.vmac_xmit_base);
    match config.use_vmac {
        Some(_) => format!("Use VMAC, i/f name {name}, is_up = {up}, xmit_base = {xmit_base}"),
        None => format!("Use IPVLAN, i/f {name}, is_up = {up}"),
    }
}

fn refuses_packets(config: &VrrpInstance) -> bool {
    config.use_vmac.is_some() || !config.accept
}

fn interval(version: Version, interval: Duration) -> String {
    match version {
        Version::V2 => format!("{} sec", interval.as_secs()),
        Version::V3 => format!("{} milli-sec", interval.as_millis()),
    }
}

fn able(able: bool) -> &'static str {
    if able { "enabled" } else { "disabled" }
}

fn compatibility(config: &VrrpInstance) -> &'static str {
    use parser::config::vrrp_instance::OldUnicastChecksum;
    match config.old_unicast_checksum {
        OldUnicastChecksum::Auto => "no",
        OldUnicastChecksum::Never => "never",
        OldUnicastChecksum::Always => "yes",
    }
}

/// `GOOD` or `BAD`.
pub(super) fn status(health: Health) -> &'static str {
    match health {
        Health::Good => "GOOD",
        Health::Bad | Health::Unknown => "BAD",
    }
}
