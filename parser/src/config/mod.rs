//! The one typed model of a configuration: what every other crate reads. One file per block: its type, its grammar,
//! its defaults and its checks.

pub mod address;
pub mod global_defs;
pub mod script;
pub mod vrrp_instance;
pub mod vrrp_script;

pub use address::VirtualAddress;
pub use global_defs::GlobalDefs;
pub use script::{RunAs, Script};
pub use vrrp_instance::VrrpInstance;
pub use vrrp_script::VrrpScript;

/// A whole configuration, defaults resolved and names joined. Past this point nothing is optional that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `global_defs`.
    pub global: GlobalDefs,
    /// Every `vrrp_script`, in the order of the file.
    pub vrrp_scripts: Vec<VrrpScript>,
    /// Every `vrrp_instance`, in the order of the file.
    pub vrrp_instances: Vec<VrrpInstance>,
}
