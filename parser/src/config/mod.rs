//! The one typed model of a configuration: what every other crate reads. One file per block: its type, its grammar,
//! its defaults and its checks.
//!
//! To add a block: a file with its type, `KEYWORDS`, `Draft`, `parse` and `Draft::resolve` (the exemplar is
//! [`vrrp_script`]), and one line for it in each of the places marked "one line per block" here and in
//! [`crate::tree::grammar`].

pub mod address;
pub mod checker;
pub mod daemon;
mod endpoint;
pub mod forwarding;
pub mod global_defs;
pub mod pace;
pub mod real_server;
pub mod script;
mod shared;
pub mod ssl;
mod tracked;
pub mod virtual_server;
pub mod virtual_server_group;
pub mod vrrp_instance;
pub mod vrrp_script;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use address::VirtualAddress;
pub use checker::Checker;
pub use daemon::Daemon;
pub use global_defs::GlobalDefs;
pub use real_server::RealServer;
pub use script::{RunAs, Script};
pub use ssl::Ssl;
pub use virtual_server::VirtualServer;
pub use virtual_server_group::VirtualServerGroup;
pub use vrrp_instance::VrrpInstance;
pub use vrrp_script::VrrpScript;

use crate::report::{Reason, Report};
use crate::tree::{Line, Tree, Word, grammar};

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
    /// Every `vrrp_instance`, in the order of the file.
    pub vrrp_instances: Vec<VrrpInstance>,
    /// Every `virtual_server_group`, in the order of the file.
    pub virtual_server_groups: Vec<Arc<VirtualServerGroup>>,
    /// Every `virtual_server`, in the order of the file.
    pub virtual_servers: Vec<VirtualServer>,
    /// `SSL`.
    pub ssl: Option<Ssl>,
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
];

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

/// Reads a tree into a configuration.
pub(crate) fn read(tree: &Tree, report: &mut Report) -> Config {
    Drafts::read(tree, report).resolve(report)
}

/// What every block says, before defaults and names are joined.
#[derive(Default)]
struct Drafts<'t> {
    // One line per block: what was written.
    daemon: Daemon,
    global: global_defs::Draft,
    static_ipaddress: Vec<VirtualAddress>,
    vrrp_scripts: Vec<vrrp_script::Draft<'t>>,
    vrrp_instances: Vec<vrrp_instance::Draft<'t>>,
    virtual_server_groups: Vec<virtual_server_group::Draft<'t>>,
    virtual_servers: Vec<virtual_server::Draft<'t>>,
    ssl: Option<Ssl>,
    /// Names of instances so far.
    instance_names: HashSet<&'t str>,
    /// Blocks that are not read yet, but whose names others use.
    unread: Vec<Line<'t>>,
}

impl<'t> Drafts<'t> {
    fn read(tree: &'t Tree, report: &mut Report) -> Self {
        let mut drafts = Self::default();
        for line in tree.lines() {
            match line.keyword() {
                // One line per block: who reads it.
                "global_defs" => global_defs::parse(line.block(), &mut drafts.global, report),
                "static_ipaddress" => {
                    let lines = line.list(report);
                    drafts
                        .static_ipaddress
                        .extend(lines.filter_map(|line| address::parse_static(line, report)));
                }
                "vrrp_script" => drafts
                    .vrrp_scripts
                    .extend(vrrp_script::parse(line.block(), report)),
                "vrrp_instance" => drafts.vrrp_instance(line, report),
                "virtual_server_group" => drafts
                    .virtual_server_groups
                    .extend(virtual_server_group::parse(line.block(), report)),
                "virtual_server" => drafts
                    .virtual_servers
                    .extend(virtual_server::parse(line.block(), report)),
                "SSL" => report.keep_last(line, &mut drafts.ssl, |line, report| {
                    Some(ssl::parse(line.block(), report))
                }),
                other if grammar::TOP_LEVEL.contains(&other) => {
                    report.not_supported_yet(line);
                    drafts.unread.push(line);
                }
                _ if drafts.daemon.read(line, report) => {}
                _ => report.unknown_keyword(line, grammar::TOP_LEVEL),
            }
        }
        drafts
    }

    /// Of two instances with the same name the second is skipped unread.
    fn vrrp_instance(&mut self, line: Line<'t>, report: &mut Report) {
        if line.words().len() != 1 {
            return report.add(
                line.at(),
                Reason::NameNeeded {
                    keyword: line.keyword().to_owned(),
                },
            );
        }
        let name = line.words().next().map_or("", Word::text);
        if self.instance_names.insert(name) {
            self.vrrp_instances
                .extend(vrrp_instance::parse(line.block(), report));
        } else {
            let taken = Reason::NameTaken {
                block: "vrrp_instance",
                name: name.to_owned(),
            };
            report.add(line.at(), taken);
        }
    }

    fn resolve(self, report: &mut Report) -> Config {
        let global = self.global.resolve();
        let mut known = vrrp_instance::Known::default();
        for line in self.unread {
            known.add_unread(line);
        }
        let vrrp_scripts = resolve_scripts(self.vrrp_scripts, &mut known, report);
        let drafts = self.vrrp_instances.into_iter();
        let instances = drafts.filter_map(|draft| {
            let head = draft.head();
            Some((head, draft.resolve(&global, &known, report)?))
        });
        let instances = instances.collect();
        let virtual_server_groups = virtual_server_group::resolve(self.virtual_server_groups, report);
        let surroundings = checker::Surroundings {
            smtp_alert: global.smtp_alert_checker.or(global.smtp_alert),
            log_all_failures: global.checker_log_all_failures,
            track_files: &known.files,
            bfds: &known.bfds,
        };
        Config {
            // One line per block: what it became.
            daemon: self.daemon.resolve(),
            static_ipaddress: address::resolve_static(self.static_ipaddress, &global.default_interface),
            vrrp_instances: without_clashes(instances, report),
            vrrp_scripts,
            virtual_servers: virtual_server::resolve(
                self.virtual_servers,
                &virtual_server_groups,
                &surroundings,
                report,
            ),
            virtual_server_groups,
            ssl: self.ssl,
            global,
        }
    }
}

/// Scripts that can run. Of two with the same name only the first can be tracked.
fn resolve_scripts<'t>(
    drafts: Vec<vrrp_script::Draft<'t>>,
    known: &mut vrrp_instance::Known<'t>,
    report: &mut Report,
) -> Vec<VrrpScript> {
    let mut scripts = Vec::new();
    for draft in drafts {
        let (name, trackable) = draft.trackable();
        let Some(script) = draft.resolve(report) else {
            continue;
        };
        if known.scripts.contains_key(name) {
            let hidden = Reason::NameHidden {
                block: "vrrp_script",
                name: name.to_owned(),
            };
            report.add(trackable.defined.at(), hidden);
        } else {
            known.scripts.insert(name, trackable);
            scripts.push(script);
        }
    }
    scripts
}

/// Drops the later of two instances that would take each other's adverts for their own.
fn without_clashes(instances: Vec<(Line<'_>, VrrpInstance)>, report: &mut Report) -> Vec<VrrpInstance> {
    let mut kept: Vec<VrrpInstance> = Vec::new();
    let mut by_vrid: HashMap<(u8, String), Vec<usize>> = HashMap::new();
    for (head, instance) in instances {
        let group = by_vrid
            .entry((instance.virtual_router_id.get(), instance.interface.clone()))
            .or_default();
        let clash = group
            .iter()
            .map(|&index| &kept[index])
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
            kept.push(instance);
        }
    }
    kept
}
