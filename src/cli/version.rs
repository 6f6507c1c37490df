//! The text of `-v`.

use std::fmt::Write;

/// The version of keepalived whose interface this is. Scripts and exporters read it from the first line of `-v` and from
/// the first line of the log.
pub const COMPATIBLE_VERSION: &str = "v2.4.3 (08/13,2026)";

/// Words that scripts look for: what keepalived was built with, as far as Holdfast has it.
const CONFIG_OPTIONS: &str = "VRRP VRRP_AUTH INIT=systemd SYSTEMD_NOTIFY LOG_FILE";

/// The same for what the system offers.
const SYSTEM_OPTIONS: &str = "MEMFD_CREATE";

/// The text of `-v`, begun as keepalived's.
pub fn version_text() -> String {
    let mut text = format!("Keepalived {COMPATIBLE_VERSION}\n\n");
    let _ = write!(
        text,
        "Holdfast v{}, which takes keepalived's place and answers to its options\n\n\
         Running on {}\nDistro: {}\n\n\
         Config options:  {CONFIG_OPTIONS}\n\nSystem options:  {SYSTEM_OPTIONS}\n",
        env!("CARGO_PKG_VERSION"),
        running_on(),
        distribution(),
    );
    text
}

/// The kernel: `Linux 6.12.1 #1 SMP`.
pub fn running_on() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => [name.sysname(), name.release(), name.version()]
            .map(|part| part.to_string_lossy())
            .join(" "),
        Err(_) => "an unknown kernel".to_owned(),
    }
}

fn distribution() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}
