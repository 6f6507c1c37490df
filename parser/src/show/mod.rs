//! A configuration as text: every default written out, in a fixed order. Reading the text gives the configuration back;
//! defaults that the language has no words for (an unset name, a delay of zero that cannot be written) are left out.
//!
//! Absent: comments, includes and definitions of the files it was read from.

mod address;
mod checker;
mod daemon;
mod global_defs;
mod groups;
mod links;
mod real_server;
mod route;
mod rule;
mod ssl;
mod text;
mod track;
mod virtual_server;
mod virtual_server_group;
mod vrrp_instance;
mod vrrp_script;

use crate::Config;
use text::Text;
pub use virtual_server::head as virtual_server_head;

/// Whether passwords and keys stand in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Asterisks stand for them. The text still reads without a mistake.
    #[default]
    Masked,
    /// They are written out: reading the text gives the same configuration.
    Shown,
}

/// The configuration in canonical form.
pub fn show(config: &Config, secrets: Secrets) -> String {
    let mut text = Text::new(secrets);
    // One line per block, in the order in which they refer to each other.
    daemon::show(&mut text, &config.daemon);
    global_defs::show(&mut text, &config.global);
    text.list(
        "linkbeat_interfaces",
        &config.linkbeat_interfaces,
        links::linkbeat,
    );
    text.list(
        "interface_up_down_delays",
        &config.interface_up_down_delays,
        links::delay,
    );
    for group in &config.garp_groups {
        groups::garp(&mut text, group);
    }
    for group in &config.track_groups {
        groups::track(&mut text, group);
    }
    text.list("static_ipaddress", &config.static_ipaddress, address::of_static);
    text.list("static_routes", &config.static_routes, route::line);
    text.list("static_rules", &config.static_rules, rule::line);
    for script in &config.vrrp_scripts {
        vrrp_script::show(&mut text, script);
    }
    for file in &config.track_files {
        track::file(&mut text, file);
    }
    for process in &config.track_processes {
        track::process(&mut text, process);
    }
    for session in &config.bfd_instances {
        track::bfd(&mut text, session);
    }
    for instance in &config.vrrp_instances {
        vrrp_instance::show(&mut text, instance, config);
    }
    for group in &config.vrrp_sync_groups {
        groups::sync(&mut text, group);
    }
    if let Some(ssl) = &config.ssl {
        ssl::show(&mut text, ssl);
    }
    for group in &config.virtual_server_groups {
        virtual_server_group::show(&mut text, group);
    }
    for server in &config.virtual_servers {
        virtual_server::show(&mut text, server);
    }
    text.out
}
