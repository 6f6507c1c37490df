//! The one typed model of a configuration: what every other crate reads. One file per block: its type, its grammar,
//! its defaults and its checks.
//!
//! To add a block: a file with its type, `KEYWORDS`, `Draft`, `parse` and `Draft::resolve` (the exemplar is
//! [`vrrp_script`]), and one line for it in each of the places marked "one line per block" here and in
//! [`crate::tree::grammar`].

pub mod address;
pub mod bfd_instance;
pub mod checker;
pub mod daemon;
mod endpoint;
pub mod forwarding;
pub mod garp_group;
pub mod global_defs;
pub mod interface_up_down_delays;
pub mod linkbeat_interfaces;
mod members;
pub mod pace;
pub mod real_server;
pub mod route;
mod routing;
pub mod rule;
pub mod script;
mod shared;
pub mod ssl;
mod statics;
#[cfg(test)]
mod testing;
pub mod track_file;
pub mod track_group;
mod tracked;
pub mod virtual_server;
pub mod virtual_server_group;
pub mod vrrp_instance;
pub mod vrrp_script;
pub mod vrrp_sync_group;
pub mod vrrp_track_process;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use address::VirtualAddress;
pub use bfd_instance::BfdInstance;
pub use checker::Checker;
pub use daemon::Daemon;
pub use garp_group::GarpGroup;
pub use global_defs::GlobalDefs;
pub use interface_up_down_delays::UpDownDelay;
pub use linkbeat_interfaces::LinkbeatInterface;
pub use real_server::RealServer;
pub use route::Route;
pub use rule::Rule;
pub use script::{RunAs, Script};
pub use ssl::Ssl;
pub use track_file::TrackFile;
pub use track_group::TrackGroup;
pub use virtual_server::VirtualServer;
pub use virtual_server_group::VirtualServerGroup;
pub use vrrp_instance::VrrpInstance;
pub use vrrp_script::VrrpScript;
pub use vrrp_sync_group::VrrpSyncGroup;
pub use vrrp_track_process::TrackProcess;

use crate::report::{Reason, Report};
use crate::source::Host;
use crate::tree::{Line, Tree, grammar};
use routing::Routing;
use tracked::Trackable;
use virtual_server::Protocol;
use vrrp_sync_group::Joining;

/// A whole configuration, defaults resolved and names joined. Past this point nothing is optional that is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    // One line per block: what comes out.
    /// The settings outside every block.
    pub daemon: Daemon,
    /// `global_defs`.
    pub global: GlobalDefs,
    /// Every line of `static_ipaddress`: addresses that are there whatever VRRP does. Each has a `dev`.
    pub static_ipaddress: Vec<VirtualAddress>,
    /// Every `vrrp_script`, in the order of the file.
    pub vrrp_scripts: Vec<VrrpScript>,
    /// Every `track_file` and `vrrp_track_file`, in the order of the file.
    pub track_files: Vec<TrackFile>,
    /// Every `vrrp_track_process`, in the order of the file.
    pub track_processes: Vec<TrackProcess>,
    /// Every `bfd_instance`, in the order of the file.
    pub bfd_instances: Vec<BfdInstance>,
    /// Every `vrrp_instance`, in the order of the file.
    pub vrrp_instances: Vec<Arc<VrrpInstance>>,
    /// Every `virtual_server_group`, in the order of the file.
    pub virtual_server_groups: Vec<Arc<VirtualServerGroup>>,
    /// Every `virtual_server`, in the order of the file.
    pub virtual_servers: Vec<VirtualServer>,
    /// `SSL`.
    pub ssl: Option<Ssl>,
    /// Every `vrrp_sync_group`, in the order of the file.
    pub vrrp_sync_groups: Vec<VrrpSyncGroup>,
    /// Every line of `static_routes`: routes that are there whatever VRRP does.
    pub static_routes: Vec<Route>,
    /// Every line of `static_rules`: rules that are there whatever VRRP does.
    pub static_rules: Vec<Rule>,
    /// Every `track_group`, in the order of the file.
    pub track_groups: Vec<TrackGroup>,
    /// Every `garp_group`, in the order of the file.
    pub garp_groups: Vec<GarpGroup>,
    /// The lines of `linkbeat_interfaces`.
    pub linkbeat_interfaces: Vec<LinkbeatInterface>,
    /// The lines of `interface_up_down_delays`.
    pub interface_up_down_delays: Vec<UpDownDelay>,
}

impl Config {
    /// The groups that virtual servers serve by protocol, each once for each such virtual server, in the order of the file.
    pub fn groups_by_protocol(&self) -> impl Iterator<Item = (&VirtualServerGroup, Protocol)> {
        self.virtual_servers
            .iter()
            .filter_map(|service| match &service.service {
                virtual_server::Service::Group {
                    group,
                    protocol: Some(protocol),
                } => Some((&**group, *protocol)),
                _ => None,
            })
    }
}

/// Stands for a block where there is none.
pub(crate) const OUTSIDE: &str = "outside every block";

/// Every block and its keywords.
const BLOCKS: &[(&str, &[&str])] = &[
    // One line per block: what it knows.
    (OUTSIDE, daemon::KEYWORDS),
    (OUTSIDE, grammar::TOP_LEVEL),
    ("global_defs", global_defs::KEYWORDS),
    ("vrrp_instance", vrrp_instance::KEYWORDS),
    ("authentication", vrrp_instance::AUTHENTICATION_KEYWORDS),
    ("auth_hmac", vrrp_instance::HMAC_KEYWORDS),
    ("vrrp_script", vrrp_script::KEYWORDS),
    ("SSL", ssl::KEYWORDS),
    ("virtual_server", virtual_server::KEYWORDS),
    ("real_server", &real_server::KEYWORDS),
    ("TCP_CHECK or PING_CHECK", &checker::CONNECTION_KEYWORDS),
    ("HTTP_GET", &checker::HTTP_KEYWORDS),
    ("SSL_GET", &checker::SSL_KEYWORDS),
    ("url of HTTP_GET", &checker::URL_KEYWORDS),
    ("url of SSL_GET", &checker::SSL_URL_KEYWORDS),
    ("SMTP_CHECK", &checker::SMTP_KEYWORDS),
    ("DNS_CHECK", &checker::DNS_KEYWORDS),
    ("MISC_CHECK", &checker::MISC_KEYWORDS),
    ("UDP_CHECK", &checker::UDP_KEYWORDS),
    ("FILE_CHECK", &checker::FILE_KEYWORDS),
    ("BFD_CHECK", &checker::BFD_KEYWORDS),
    ("track_file", track_file::KEYWORDS),
    ("vrrp_track_process", vrrp_track_process::KEYWORDS),
    ("bfd_instance", bfd_instance::KEYWORDS),
    ("vrrp_sync_group", vrrp_sync_group::KEYWORDS),
    ("track_group", track_group::KEYWORDS),
    ("garp_group", garp_group::KEYWORDS),
];

/// Whether any block has this keyword.
pub fn is_keyword(word: &str) -> bool {
    home(word).is_some()
}

/// The first block that has a keyword, for a word that stands in the wrong one.
pub(crate) fn home(keyword: &str) -> Option<&'static str> {
    BLOCKS
        .iter()
        .find(|(_, keywords)| keywords.contains(&keyword))
        .map(|(block, _)| *block)
}

/// The block that has exactly these keywords.
pub(crate) fn block_with(keywords: &[&str]) -> Option<&'static str> {
    BLOCKS
        .iter()
        .find(|(_, own)| *own == keywords)
        .map(|(block, _)| *block)
}

/// Reads a tree into a configuration. The host is asked for the names iproute2 gives to numbers.
pub(crate) fn read(tree: &Tree, host: &dyn Host, report: &mut Report) -> Config {
    let routing = Routing::new(tree, host);
    Drafts::read(tree, &routing, report).resolve(report)
}

/// What every block says, before defaults and names are joined.
#[derive(Default)]
struct Drafts<'t> {
    // One line per block: what was written.
    daemon: Daemon,
    global: global_defs::Draft,
    vrrp_scripts: Vec<vrrp_script::Draft<'t>>,
    track_files: Vec<track_file::Draft<'t>>,
    track_processes: Vec<vrrp_track_process::Draft<'t>>,
    bfd_instances: Vec<bfd_instance::Draft<'t>>,
    vrrp_instances: Vec<vrrp_instance::Draft<'t>>,
    virtual_server_groups: Vec<virtual_server_group::Draft<'t>>,
    virtual_servers: Vec<virtual_server::Draft<'t>>,
    ssl: Option<Ssl>,
    vrrp_sync_groups: Vec<vrrp_sync_group::Draft<'t>>,
    statics: statics::Draft<'t>,
    track_groups: Vec<track_group::Draft<'t>>,
    garp_groups: Vec<garp_group::Draft<'t>>,
    linkbeat_interfaces: Vec<LinkbeatInterface>,
    interface_up_down_delays: Vec<UpDownDelay>,
    /// Keywords and names so far of blocks whose names are unique.
    names: HashSet<(&'static str, &'t str)>,
}

impl<'t> Drafts<'t> {
    fn read(tree: &'t Tree, routing: &Routing<'_>, report: &mut Report) -> Self {
        let mut drafts = Self::default();
        for line in tree.lines() {
            let block = line.block();
            match line.keyword() {
                // One line per block: who reads it.
                "global_defs" => global_defs::parse(block, &mut drafts.global, report),
                "vrrp_script" => drafts.vrrp_scripts.extend(vrrp_script::parse(block, report)),
                "track_file" | "vrrp_track_file" => {
                    drafts.track_files.extend(track_file::parse(block, report));
                }
                "vrrp_track_process" => drafts
                    .track_processes
                    .extend(vrrp_track_process::parse(block, report)),
                "bfd_instance" if drafts.is_new("bfd_instance", line, report) => {
                    drafts.bfd_instances.extend(bfd_instance::parse(block, report));
                }
                "vrrp_instance" if drafts.is_new("vrrp_instance", line, report) => {
                    drafts
                        .vrrp_instances
                        .extend(vrrp_instance::parse(block, routing, report));
                }
                "vrrp_sync_group" if drafts.is_new("vrrp_sync_group", line, report) => {
                    drafts
                        .vrrp_sync_groups
                        .extend(vrrp_sync_group::parse(block, report));
                }
                "virtual_server_group" => drafts
                    .virtual_server_groups
                    .extend(virtual_server_group::parse(block, report)),
                "virtual_server" => drafts
                    .virtual_servers
                    .extend(virtual_server::parse(block, report)),
                "SSL" => {
                    report.keep_last(line, &mut drafts.ssl, |line, report| {
                        Some(ssl::parse(line.block(), report))
                    });
                }
                "track_group" if drafts.is_new("track_group", line, report) => {
                    drafts.track_groups.extend(track_group::parse(block, report));
                }
                "bfd_instance" | "vrrp_instance" | "vrrp_sync_group" | "track_group" => {}
                "static_ipaddress" => drafts.statics.read_addresses(line, report),
                "static_routes" => drafts.statics.read_routes(line, routing, report),
                "static_rules" => drafts.statics.read_rules(line, routing, report),
                "garp_group" => drafts.garp_groups.push(garp_group::parse(block, report)),
                "linkbeat_interfaces" => drafts.linkbeat_interfaces(line, report),
                "interface_up_down_delays" => drafts.interface_up_down_delays(line, report),
                other if grammar::TOP_LEVEL.contains(&other) => report.not_supported_yet(line),
                _ if drafts.daemon.read(line, report) => {}
                _ => report.unknown_keyword(line, grammar::TOP_LEVEL),
            }
        }
        drafts
    }

    /// Of two blocks with the same name the second is skipped unread.
    fn is_new(&mut self, keyword: &'static str, line: Line<'t>, report: &mut Report) -> bool {
        let Some(name) = line.words().next().filter(|_| line.words().len() == 1) else {
            return true; // what is wrong with its name is for the block to say
        };
        let is_new = self.names.insert((keyword, name.text()));
        if !is_new {
            let name = name.text().to_owned();
            report.add(line.at(), Reason::NameTaken { block: keyword, name });
        }
        is_new
    }

    fn linkbeat_interfaces(&mut self, block: Line<'t>, report: &mut Report) {
        for line in block.list(report) {
            self.linkbeat_interfaces
                .extend(linkbeat_interfaces::line(line, report));
        }
    }

    fn interface_up_down_delays(&mut self, block: Line<'t>, report: &mut Report) {
        for line in block.list(report) {
            self.interface_up_down_delays
                .extend(interface_up_down_delays::line(line, report));
        }
    }

    fn resolve(self, report: &mut Report) -> Config {
        let global = self.global.resolve();
        let mut known = vrrp_instance::Known::default();
        let scripts = (self.vrrp_scripts, &mut known.scripts);
        let vrrp_scripts = only_first(
            "vrrp_script",
            scripts,
            vrrp_script::Draft::trackable,
            vrrp_script::Draft::resolve,
            report,
        );
        let files = (self.track_files, &mut known.files);
        let track_files = only_first(
            "track_file",
            files,
            track_file::Draft::trackable,
            track_file::Draft::resolve,
            report,
        );
        let processes = (self.track_processes, &mut known.processes);
        let track_processes = only_first(
            "vrrp_track_process",
            processes,
            vrrp_track_process::Draft::trackable,
            vrrp_track_process::Draft::resolve,
            report,
        );
        let bfd_instances = resolve_bfd_instances(self.bfd_instances, &mut known, report);
        let instances = self.vrrp_instances.into_iter().filter_map(|draft| {
            let head = draft.head();
            Some((head, draft.resolve(&global, &known, report)?))
        });
        let mut instances = without_clashes(instances.collect(), report);
        let virtual_server_groups = virtual_server_group::resolve(self.virtual_server_groups, report);
        let surroundings = checker::Surroundings {
            smtp_alert: global.smtp_alert_checker.or(global.smtp_alert),
            log_all_failures: global.checker_log_all_failures,
            track_files: &known.files,
            bfds: &known.bfds,
        };
        let mut joining = Joining {
            global: &global,
            known: &known,
            instances: &mut instances,
        };
        let vrrp_sync_groups = vrrp_sync_group::resolve(self.vrrp_sync_groups, &mut joining, report);
        let statics = self.statics.resolve(&self.track_groups, report);
        let running: HashSet<&str> = instances.iter().map(|(_, instance)| &*instance.name).collect();
        let track_groups = self
            .track_groups
            .into_iter()
            .map(|draft| draft.resolve(|name| running.contains(name), report))
            .collect();
        let mut in_garp_groups = HashSet::new();
        let garp_groups = self.garp_groups.into_iter();
        let garp_groups = garp_groups
            .filter_map(|draft| draft.resolve(&mut in_garp_groups, report))
            .collect();
        let mut vrrp_instances: Vec<_> = instances
            .into_iter()
            .map(|(_, instance)| Arc::new(instance))
            .collect();
        vrrp_instances.shrink_to_fit(); // it was made in the place of what was a hundred times as large
        Config {
            // One line per block: what it became.
            daemon: self.daemon.resolve(),
            vrrp_scripts,
            virtual_servers: virtual_server::resolve(
                self.virtual_servers,
                &virtual_server_groups,
                &surroundings,
                report,
            ),
            virtual_server_groups,
            ssl: self.ssl,
            track_files,
            track_processes,
            bfd_instances,
            vrrp_instances,
            vrrp_sync_groups,
            static_ipaddress: address::resolve_static(statics.addresses, &global.default_interface),
            static_routes: statics.routes,
            static_rules: statics.rules,
            track_groups,
            garp_groups,
            linkbeat_interfaces: self.linkbeat_interfaces,
            interface_up_down_delays: self.interface_up_down_delays,
            global,
        }
    }
}

/// Resolves what can be tracked by its name. Of two with the same name only the first can be.
fn only_first<'t, D, T>(
    block: &'static str,
    (drafts, known): (Vec<D>, &mut HashMap<&'t str, Trackable<'t>>),
    trackable: impl Fn(&D) -> (&'t str, Trackable<'t>),
    resolve: impl Fn(D, &mut Report) -> Option<T>,
    report: &mut Report,
) -> Vec<T> {
    let mut kept = Vec::new();
    for draft in drafts {
        let (name, trackable) = trackable(&draft);
        let Some(usable) = resolve(draft, report) else {
            continue;
        };
        if known.contains_key(name) {
            let hidden = Reason::NameHidden {
                block,
                name: name.to_owned(),
            };
            report.add(trackable.defined.at(), hidden);
        } else {
            known.insert(name, trackable);
            kept.push(usable);
        }
    }
    kept
}

/// BFD sessions; instances can track those that are not for `checker` alone.
fn resolve_bfd_instances<'t>(
    drafts: Vec<bfd_instance::Draft<'t>>,
    known: &mut vrrp_instance::Known<'t>,
    report: &mut Report,
) -> Vec<BfdInstance> {
    let mut sessions: Vec<BfdInstance> = Vec::new();
    for draft in drafts {
        let (name, trackable) = draft.trackable();
        if let Some(session) = draft.resolve(&sessions, report) {
            if session.for_vrrp {
                known.bfds.insert(name, trackable);
            }
            sessions.push(session);
        }
    }
    sessions
}

/// Drops the later of two instances that would take each other's adverts for their own.
fn without_clashes<'t>(
    instances: Vec<(Line<'t>, VrrpInstance)>,
    report: &mut Report,
) -> Vec<(Line<'t>, VrrpInstance)> {
    let mut kept: Vec<(Line<'t>, VrrpInstance)> = Vec::new();
    let mut by_vrid: HashMap<(u8, String), Vec<usize>> = HashMap::new();
    for (head, instance) in instances {
        let group = by_vrid
            .entry((instance.virtual_router_id.get(), instance.interface.clone()))
            .or_default();
        let clash = group
            .iter()
            .map(|&index| &kept[index].1)
            .find(|other| vrrp_instance::clash(&instance, other));
        if let Some(other) = clash {
            let reason = Reason::VridClash {
                name: instance.name,
                other: other.name.clone(),
                vrid: instance.virtual_router_id,
                family: instance.family,
                interface: instance.interface,
            };
            report.add(head.block().line_of("virtual_router_id").at(), reason);
        } else {
            group.push(kept.len());
            kept.push((head, instance));
        }
    }
    kept
}
