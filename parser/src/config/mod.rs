//! The one typed model of a configuration: what every other crate reads. One file per block: its type, its grammar,
//! its defaults and its checks.
//!
//! To add a block: a file with its type, `KEYWORDS`, `Draft`, `parse` and `Draft::resolve` (the exemplar is
//! [`vrrp_script`]), and one line for it in each of the places marked "one line per block" here and in
//! [`crate::tree::grammar`].

pub mod address;
pub mod global_defs;
pub mod route;
pub mod rule;
pub mod script;
pub mod vrrp_instance;
pub mod vrrp_script;

pub use address::VirtualAddress;
pub use global_defs::GlobalDefs;
pub use route::Route;
pub use rule::Rule;
pub use script::{RunAs, Script};
pub use vrrp_instance::VrrpInstance;
pub use vrrp_script::VrrpScript;

use crate::report::Report;
use crate::tree::{Tree, grammar};

/// A whole configuration, defaults resolved and names joined. Past this point nothing is optional that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    // One line per block: what comes out.
    /// `global_defs`.
    pub global: GlobalDefs,
    /// Every `vrrp_script`, in the order of the file.
    pub vrrp_scripts: Vec<VrrpScript>,
    /// Every `vrrp_instance`, in the order of the file.
    pub vrrp_instances: Vec<VrrpInstance>,
}

/// What every block says, before defaults and names are joined.
#[derive(Default)]
struct Drafts<'t> {
    // One line per block: what was written.
    vrrp_scripts: Vec<vrrp_script::Draft<'t>>,
}

/// Reads every block of a tree.
fn parse<'t>(tree: &'t Tree, report: &mut Report) -> Drafts<'t> {
    let mut drafts = Drafts::default();
    for line in tree.lines() {
        match line.keyword() {
            // One line per block: who reads it.
            "vrrp_script" => drafts
                .vrrp_scripts
                .extend(vrrp_script::parse(line.block(), report)),
            other if grammar::TOP_LEVEL.contains(&other) => report.not_supported_yet(line),
            _ => report.unknown_keyword(line, grammar::TOP_LEVEL),
        }
    }
    drafts
}
