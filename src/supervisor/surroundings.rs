//! What a configuration makes of the daemon's own process before any child is started: umask, name, network namespace,
//! where the pid files are, settings of the kernel.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, umask};
use parser::Config;
use parser::config::GlobalDefs;
use parser::config::daemon::IpvsNamespace;

use crate::cli::Options;
use crate::log;
use crate::standing;

/// Where keepalived keeps its files.
const PID_DIRECTORY: &str = "/run/keepalived";

/// Why the daemon cannot have the surroundings that were asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsurrounded {
    /// The namespace does not exist, or we may not enter it.
    #[error("Unable to set network namespace {name} - exiting: {error}")]
    Namespace { name: String, error: io::Error },
    /// The directory cannot be made.
    #[error("Unable to make the directory {PID_DIRECTORY}: {0}")]
    Directory(io::Error),
}

/// Changes the calling process, which has one thread yet, and the paths in `options`. Answers with the network namespace
/// where IPVS is, if that is to be another one than the daemon's own.
pub(super) fn prepare(options: &mut Options, config: &Config) -> Result<Option<OwnedFd>, Unsurrounded> {
    let global = &config.global;
    if options.umask.is_none() {
        umask(Mode::from_bits_truncate(global.umask.into()));
    }
    let name = global.process_name.as_deref();
    if let Some(name) = name.or(global.process_names.then_some("keepalived"))
        && let Err(error) = standing::set_name(name)
    {
        tracing::warn!("Unable to name the process {name}: {error}");
    }
    let namespace = options
        .namespace
        .clone()
        .or_else(|| config.daemon.net_namespace.clone());
    log::qualify(namespace.as_deref(), config.daemon.instance.as_deref());
    if config.daemon.use_pid_dir || namespace.is_some() {
        std::fs::create_dir_all(PID_DIRECTORY).map_err(Unsurrounded::Directory)?;
        open_to_all(PID_DIRECTORY);
        move_pid_files(options, config.daemon.instance.as_deref());
    }
    // Its name means what it means where we were started.
    let of_ipvs = ipvs_namespace(&config.daemon.net_namespace_ipvs, namespace.is_some())?;
    if let Some(name) = namespace {
        enter(&name).map_err(|error| Unsurrounded::Namespace { name, error })?;
    }
    Ok(of_ipvs)
}

/// The namespace of `net_namespace_ipvs`, before the daemon enters its own.
fn ipvs_namespace(wish: &IpvsNamespace, will_leave: bool) -> Result<Option<OwnedFd>, Unsurrounded> {
    let (name, opened) = match wish {
        IpvsNamespace::Initial if will_leave => ("(default)", File::open("/proc/self/ns/net")),
        IpvsNamespace::Same | IpvsNamespace::Initial => return Ok(None),
        IpvsNamespace::Named(name) => (name.as_str(), open(name)),
    };
    let namespace = opened.map_err(|error| Unsurrounded::Namespace {
        name: name.to_owned(),
        error,
    })?;
    Ok(Some(namespace.into()))
}

/// A namespace by its name.
fn open(name: &str) -> io::Result<File> {
    File::open(format!("/run/netns/{name}")).or_else(|_| File::open(format!("/var/run/netns/{name}")))
}

/// Those whose place the command line does not say.
fn move_pid_files(options: &mut Options, instance: Option<&str>) {
    let suffix = instance.map_or_else(String::new, |instance| format!("_{instance}"));
    for (path, name) in [
        (&mut options.pid, "keepalived"),
        (&mut options.vrrp_pid, "vrrp"),
        (&mut options.checkers_pid, "checkers"),
        (&mut options.bfd_pid, "bfd"),
    ] {
        if *path == Path::new("/run").join(format!("{name}.pid")) {
            *path = Path::new(PID_DIRECTORY).join(format!("{name}{suffix}.pid"));
        }
    }
}

/// The network is another's from now on; /run/keepalived is the namespace's own, so that several daemons do not meet.
fn enter(name: &str) -> io::Result<()> {
    setns(open(name)?, CloneFlags::CLONE_NEWNET)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    // What the machine mounts later is seen here, and not the other way round.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    let own = format!("{PID_DIRECTORY}/{name}");
    std::fs::create_dir_all(&own)?;
    open_to_all(&own);
    mount(Some(own.as_str()), PID_DIRECTORY, none, MsFlags::MS_BIND, none)?;
    Ok(())
}

/// Whatever the umask: others look for pid files there.
fn open_to_all(directory: &str) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755));
}

/// Makes the settings of the kernel that hold for as long as the daemon runs: how core files are called (`-M`), and that
/// membership in groups of the local network is not reported (`disable_local_igmp`), in the daemon's network namespace.
pub(super) fn kernel_settings(options: &Options, global: &GlobalDefs) -> Vec<KernelSetting> {
    let core_pattern = options.core_dump_pattern.as_deref();
    let reports = global.disable_local_igmp.then_some("0");
    let wanted = [
        ("/proc/sys/kernel/core_pattern", core_pattern),
        ("/proc/sys/net/ipv4/igmp_link_local_mcast_reports", reports),
    ];
    let wanted = wanted
        .into_iter()
        .filter_map(|(path, value)| Some((path, value?)));
    wanted
        .filter_map(|(path, value)| KernelSetting::make(path, value))
        .collect()
}

/// A setting of the kernel; what it was is put back when this is dropped.
pub(super) struct KernelSetting {
    path: &'static str,
    original: Vec<u8>,
}

impl KernelSetting {
    /// `None`, with a line in the log, if it may not be.
    fn make(path: &'static str, value: &str) -> Option<Self> {
        let make = || {
            let original = std::fs::read(path)?;
            std::fs::write(path, value)?;
            Ok(Self { path, original })
        };
        make()
            .inspect_err(|error: &io::Error| tracing::warn!("Unable to set {path} to {value}: {error}"))
            .ok()
    }
}

impl Drop for KernelSetting {
    fn drop(&mut self) {
        if let Err(error) = std::fs::write(self.path, &self.original) {
            tracing::warn!("Unable to put {} back: {error}", self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pid_files_move_unless_the_command_line_places_them() {
        let arguments = ["holdfast", "-p", "/tmp/mine.pid"].map(std::ffi::OsString::from);
        let Ok(crate::cli::Command::Run(mut options)) = crate::cli::parse(arguments) else {
            panic!("does not run");
        };
        move_pid_files(&mut options, Some("blue"));
        assert_eq!(options.pid, Path::new("/tmp/mine.pid"));
        assert_eq!(options.vrrp_pid, Path::new("/run/keepalived/vrrp_blue.pid"));
        assert_eq!(
            options.checkers_pid,
            Path::new("/run/keepalived/checkers_blue.pid")
        );
    }
}
