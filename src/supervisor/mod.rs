//! The supervisor: reads and judges the configuration, starts the child processes, hears that they live, starts them
//! again when they do not, and passes signals on. It does no other work, so that nothing can hold it up.
//!
//! Absent: VRRP, checking, the network; every file format but that of pid files.

mod answers;
pub(crate) mod configuration;
mod copies;
mod daemon;
mod end;
mod hook;
mod not_yet;
mod pid_file;
mod reload_time;
mod running;
mod sessions;
mod slot;
mod surroundings;
mod systemd;
pub mod watch;

use std::path::absolute;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

use crate::child::{Role, set_process_name};
use crate::cli::{self, COMPATIBLE_VERSION, Options};
use crate::control::{self, server::Control};
use crate::dump::Writer;
use crate::log;
use crate::signal::{Heed, Signals};
use crate::sys;
use answers::{Reloads, Round};
use configuration::{Configuration, Unusable};
use copies::Copies;
use pid_file::{PidFile, PidFileError};
use reload_time::ReloadTime;
use running::{Phase, Running};
use sessions::Sessions;
use slot::Slot;
use surroundings::Unsurrounded;
use systemd::Systemd;

/// Until the configuration says.
const DEFAULT_UMASK: u32 = 0o177;

/// Why the daemon did not begin, or how it ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Configuration(#[from] Unusable),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    #[error(transparent)]
    Surroundings(#[from] Unsurrounded),
    #[error("{what}: {error}")]
    System {
        what: &'static str,
        error: std::io::Error,
    },
}

impl Failure {
    /// keepalived's exit codes.
    fn exit_status(&self) -> u8 {
        match self {
            Failure::Configuration(unusable) => unusable.exit_status(),
            Failure::PidFile(PidFileError::AlreadyRunning) => 0,
            Failure::PidFile(PidFileError::Unusable { .. }) | Failure::Surroundings(_) => 1,
            Failure::System { .. } => 70,
        }
    }
}

/// Runs the daemon until it is told to stop; answers with its exit status. To be called before any thread exists.
pub fn run(options: Options) -> ExitCode {
    let status = match start(options).and_then(work) {
        Ok(status) => status,
        Err(failure) => {
            tracing::error!("{failure}");
            failure.exit_status()
        }
    };
    // The last words are the last line.
    log::finish();
    tracing::info!("Stopped {}", banner());
    log::finish();
    status.into()
}

/// Everything up to the running daemon: in this order, so that whoever started us hears of a configuration that cannot
/// be used, and of a second daemon, before the terminal is let go.
fn start(mut options: Options) -> Result<Running, Failure> {
    let failed = |what| move |error| Failure::System { what, error };
    let heed = Heed {
        children: true,
        interrupt: !options.ignore_sigint,
    };
    let signals = Signals::block(heed).map_err(failed("Unable to receive signals"))?;
    umask(Mode::from_bits_truncate(options.umask.unwrap_or(DEFAULT_UMASK)));
    log::start(&options, None);
    greet(&options);
    prepare_process(&mut options).map_err(failed("Unable to set up the process"))?;

    let configuration = Configuration::read(&options);
    configuration.log(&options);
    let configuration = configuration.usable()?;
    if configuration.global.max_auto_priority == 0 {
        tracing::info!(
            "NOTICE: setting config option max_auto_priority should result in better keepalived performance"
        );
    }
    let ipvs_namespace = surroundings::prepare(&mut options, &configuration.config())?;
    sys::give_back_memory();
    pid_file::expect_no_keepalived(&options.pid)?;
    let mut pid_file = PidFile::lock(&options.pid)?;
    let slots: Result<Vec<Slot>, _> = Role::ALL
        .into_iter()
        .map(|role| Slot::new(role, &options))
        .collect();
    let mut slots = slots.map_err(failed("Unable to create a memfd"))?;
    for slot in &mut slots {
        if configuration.needs(slot.role, &options) {
            slot.lock_pid_file(&options)?;
        }
    }

    let starter = if options.dont_fork {
        None
    } else {
        Some(daemon::detach().map_err(failed("Unable to become a daemon"))?)
    };
    log::carry();
    pid_file.write(std::process::id())?;
    let control = Control::open(&control::socket_path(&options.pid));
    let systemd = Systemd::from_environment();
    let settings = surroundings::kernel_settings(&options, &configuration.global);
    let phase = Phase::Changing {
        what: "Startup",
        reload_wanted: false,
    };
    let mut running = Running {
        options,
        signals,
        slots,
        systemd,
        configuration,
        sessions: Sessions::default(),
        phase,
        control,
        round: Round::default(),
        reloads: Reloads::default(),
        reload_time: ReloadTime::default(),
        writer: Writer::default(),
        copies: Copies::default(),
        ipvs_namespace,
        _pid_file: pid_file,
        _settings: settings,
    };
    hook::startup(&running.configuration.global);
    running.start_children();
    if let Some(starter) = starter {
        starter.release();
    }
    Ok(running)
}

fn work(mut running: Running) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| Failure::System {
        what: "Unable to wait for events",
        error,
    })?;
    let status = runtime.block_on(running.until_stopped());
    drop(runtime);
    hook::shutdown(&running.configuration.global);
    Ok(status)
}

fn prepare_process(options: &mut Options) -> std::io::Result<()> {
    if options.core_dump
        && let Err(error) = setrlimit(Resource::RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY)
    {
        tracing::warn!("Unable to allow core files: {error}");
    }
    // What a dead child leaves behind comes to us, to be reaped.
    prctl::set_child_subreaper(true)?;
    set_process_name()?;
    for path in [
        &mut options.use_file,
        &mut options.pid,
        &mut options.checkers_pid,
        &mut options.vrrp_pid,
        &mut options.bfd_pid,
    ] {
        *path = absolute(&*path)?;
    }
    Ok(())
}

fn greet(options: &Options) {
    tracing::info!("Starting {}", banner());
    tracing::info!("Running on {}", cli::running_on());
    let words: Vec<String> = std::env::args_os()
        .map(|word| format!("'{}'", word.display()))
        .collect();
    tracing::info!("Command line: {}", words.join(" "));
    for option in options.without_effect() {
        tracing::warn!("Option {option} has no effect yet");
    }
}

/// The words of the first and last log line: keepalived's, then ours.
fn banner() -> String {
    format!(
        "Keepalived {COMPATIBLE_VERSION}, Holdfast v{}",
        env!("CARGO_PKG_VERSION")
    )
}
