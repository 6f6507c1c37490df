//! A child process's side of the supervisor: what it inherits, the orders it takes, the signs of life it gives.
//!
//! The supervisor re-executes the program with its own arguments, so that `ps` shows what keepalived's would, and says in
//! the environment variable `HOLDFAST_CHILD` that it is a child: `ROLE:SOCKET:CONFIGURATION:STATE`, the last three being
//! numbers of inherited descriptors; where IPVS is in another network namespace (`net_namespace_ipvs`), a fourth one is
//! that. The variable is forgotten at once, so that no script of ours carries it on.
//! Absent: what a child does for a living.

pub mod state;
pub mod text;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::socket::{SockType, getsockopt, sockopt};
use parser::Config;

use crate::child::state::SavedState;
use crate::cli::{self, Options};
use crate::log;
use crate::message::{BfdReport, FromChild, Link, Received, ToChild};
use crate::signal::{Heed, Signal, Signals};
use crate::standing::{self, Standing};
use crate::sys;

const VARIABLE: &str = "HOLDFAST_CHILD";

/// What a child does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Runs the checkers and writes the IPVS table.
    Checkers,
    /// Runs the VRRP instances.
    Vrrp,
    /// Runs the BFD sessions.
    Bfd,
}

impl Role {
    /// Every role, in the order of starting and stopping.
    pub const ALL: [Role; 3] = [Role::Checkers, Role::Vrrp, Role::Bfd];

    /// The name under which syslog shows the process.
    pub fn syslog_ident(self) -> &'static str {
        match self {
            Role::Checkers => "Keepalived_healthcheckers",
            Role::Vrrp => "Keepalived_vrrp",
            Role::Bfd => "Keepalived_bfd",
        }
    }

    /// Whether an order means anything to it. [`ToChild::Bfd`] goes to those who follow sessions, the dumps to those who
    /// have something to write.
    pub fn takes(self, order: &ToChild) -> bool {
        match order {
            ToChild::Reload | ToChild::Stop | ToChild::Data | ToChild::Status => true,
            ToChild::Stats | ToChild::StatsClear | ToChild::Json | ToChild::Inherit => self == Role::Vrrp,
            ToChild::Bfd(_) => matches!(self, Role::Checkers | Role::Vrrp),
        }
    }

    /// The word in `HOLDFAST_CHILD`, and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Checkers => "checkers",
            Role::Vrrp => "vrrp",
            Role::Bfd => "bfd",
        }
    }
}

/// The name in log lines: `Starting VRRP child process`.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Checkers => "Healthcheck",
            Role::Vrrp => "VRRP",
            Role::Bfd => "BFD",
        })
    }
}

/// What the supervisor, or a signal, asks of a child.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// Take up the configuration with this text, already judged, then call [`Child::reloaded`].
    Reload(String),
    /// Remove what the predecessor left in the kernel under the configuration with this text: it died, and another
    /// configuration came before it was replaced.
    Inherit(String),
    /// Let go of everything in order and exit with status 0. Also when the supervisor is gone.
    Stop,
    /// Write the data dump.
    Data,
    /// Write the statistics.
    Stats,
    /// Write the statistics, then set them to zero.
    StatsClear,
    /// Write the JSON dump.
    Json,
    /// The last known state of a BFD session; it may have been told before, and of a session that the configuration does
    /// not have. Until the first word a session counts as down. While no BFD process runs nothing is told: what was told
    /// last holds.
    Bfd(BfdReport),
    /// Tell how the process stands, by [`Child::tell_status`], without delaying its work.
    Status,
}

/// Why a process that was started as a child cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The environment variable is not as the supervisor writes it.
    #[error(
        "{VARIABLE}={0:?} is not ROLE:SOCKET:CONFIGURATION:STATE[:NAMESPACE]; only holdfast itself sets it, unset it"
    )]
    Variable(OsString),
    /// An inherited descriptor is missing or of the wrong kind.
    #[error("the inherited {what} (descriptor {number}) cannot be used: {error}")]
    Descriptor {
        /// Which of them.
        what: &'static str,
        /// Its number.
        number: RawFd,
        /// The reason.
        error: io::Error,
    },
    /// The arguments, accepted by the supervisor, are not accepted here.
    #[error("the arguments of a child must be its supervisor's: {0}")]
    Arguments(String),
    /// A system call failed.
    #[error("cannot become a child process: {0}")]
    System(#[from] io::Error),
}

/// A child's connection to its supervisor. Nothing on it blocks, and it can be made before the runtime.
pub struct Child {
    /// What this child is to do.
    pub role: Role,
    /// The command line, the same as the supervisor's.
    pub options: Options,
    /// The network namespace where IPVS is, if it is another one than the process's own.
    pub ipvs_namespace: Option<OwnedFd>,
    link: Link,
    text: String,
    state: SavedState,
    signals: Signals,
    standing: Option<Standing>,
}

impl Child {
    /// Becomes the child that the supervisor made this process to be; `None` if it is not one. Comes first in the
    /// program: it blocks the signals that will arrive as orders, asks for `SIGTERM` when the supervisor dies, and takes
    /// the program's name as process name.
    pub fn inherit() -> Result<Option<Child>, ChildError> {
        let Some(variable) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        sys::forget_variable(VARIABLE);
        let (role, [socket, configuration, state], namespace) =
            parse_variable(&variable).ok_or_else(|| ChildError::Variable(variable.clone()))?;

        let options = match cli::parse(std::env::args_os()) {
            Ok(cli::Command::Run(options)) => *options,
            Ok(_) => return Err(ChildError::Arguments("they do not run the daemon".to_owned())),
            Err(refusal) => return Err(ChildError::Arguments(refusal.to_string())),
        };
        let signals = Signals::block(Heed {
            children: false,
            interrupt: !options.ignore_sigint,
        })?;
        prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM).map_err(io::Error::from)?;
        set_process_name()?;

        let at = |what, number| move |error| ChildError::Descriptor { what, number, error };
        let socket_fd = take_socket(socket).map_err(at("socket", socket))?;
        let text = sys::take_fd(configuration)
            .and_then(text::read)
            .map_err(at("configuration", configuration))?;
        let state_fd = sys::take_fd(state).map_err(at("state", state))?;
        let take_namespace = |number| sys::take_fd(number).map_err(at("network namespace", number));
        let ipvs_namespace = namespace.map(take_namespace).transpose()?;

        let link = Link::new(socket_fd);
        Ok(Some(Child {
            role,
            options,
            ipvs_namespace,
            link,
            text,
            state: SavedState::new(state_fd),
            signals,
            standing: None,
        }))
    }

    /// Takes out the configuration to begin with: the flattened text, as the supervisor judged it.
    pub fn take_config_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Takes the name, also that in syslog, priority, processors and so on that a configuration asks for, at start and at every reload. At start
    /// it comes after the thread that starts scripts was made ([`crate::scripts::Runner`]), so that scripts do not
    /// inherit them.
    pub fn stand(&mut self, config: &Config) {
        let namespace = self
            .options
            .namespace
            .as_ref()
            .or(config.daemon.net_namespace.as_ref());
        log::qualify(namespace.map(String::as_str), config.daemon.instance.as_deref());
        let standing = Standing::of(&config.global, self.role, self.options.umask.is_some());
        standing.take(self.standing.as_ref());
        self.standing = Some(standing);
    }

    /// Says how late the process came to what was due. It may raise its priority for that.
    pub fn was_late(&mut self, late: Duration) {
        if let Some(standing) = &mut self.standing
            && let Some(raised) = standing.after_delay(late)
        {
            tracing::info!("{} process was {late:.1?} late: raising its priority", self.role);
            raised.take(Some(standing));
            *standing = raised;
        }
    }

    /// What the last child in this role saved; empty at a first start.
    pub fn saved_state(&self) -> String {
        self.state.load()
    }

    /// Saves what a successor needs to go on, in place of what was saved before. A process killed meanwhile leaves the
    /// one or the other, whole.
    pub fn save_state(&self, state: &str) {
        if let Err(error) = self.state.save(state) {
            tracing::warn!("Unable to save the state for a successor process: {error}");
        }
    }

    /// Waits for the next order. Cancelling the wait loses nothing. Once the supervisor is gone every call answers
    /// [`Order::Stop`] at once.
    pub async fn next_order(&mut self) -> Order {
        loop {
            let order = tokio::select! {
                received = self.link.receive() => order_of(received),
                signal = self.signals.next() => order_of_signal(&signal),
            };
            if let Some(order) = order {
                return order;
            }
        }
    }

    /// Says that the work has begun: the configuration is in force.
    pub fn ready(&self) {
        self.say(&FromChild::Ready);
        sys::give_back_memory();
    }

    /// Says that the loop turns; to be called from the loop itself, every [`crate::message::BEAT_INTERVAL`].
    pub fn beat(&self) {
        log::catch_up();
        self.say(&FromChild::Beat);
    }

    /// Says that the configuration of the last [`Order::Reload`] is in force.
    pub fn reloaded(&self) {
        self.say(&FromChild::Reloaded);
        sys::give_back_memory();
    }

    /// Says that a BFD session came up or went down; the others are told.
    pub fn tell_bfd(&self, report: BfdReport) {
        self.say(&FromChild::Bfd(report));
    }

    /// Answers [`Order::Status`] with a JSON object.
    pub fn tell_status(&self, status: &str) {
        self.say_beside(&FromChild::Status, status);
    }

    /// Tells those who watch the daemon what happened: lines of JSON, each with its line end.
    pub fn tell_events(&self, events: &str) {
        self.say_beside(&FromChild::Events, events);
    }

    fn say_beside(&self, message: &FromChild, text: &str) {
        match text::seal(text) {
            Ok(sealed) => drop(self.link.send(message, Some(sealed.as_fd()))),
            Err(error) => tracing::warn!("Unable to answer the supervisor: {error}"),
        }
    }

    /// Says that everything is let go of; the process must end next.
    pub fn stopped(&self) {
        self.say(&FromChild::Stopped);
    }

    /// What cannot be said is dropped: either the supervisor is gone, which [`Child::next_order`] tells, or it has read
    /// nothing for minutes.
    fn say(&self, message: &FromChild) {
        let _ = self.link.send(message, None);
    }
}

/// Makes `command`, the program itself, start as a child that inherits these descriptors: socket, configuration, state, and
/// the network namespace of IPVS if that is another one.
pub fn prepare(command: &mut Command, role: Role, descriptors: [RawFd; 3], ipvs_namespace: Option<RawFd>) {
    let descriptors: Vec<RawFd> = descriptors.into_iter().chain(ipvs_namespace).collect();
    let numbers = descriptors.iter().map(RawFd::to_string);
    let words: Vec<String> = std::iter::once(role.word().to_owned()).chain(numbers).collect();
    command.env(VARIABLE, words.join(":"));
    sys::inherit_fds(command, descriptors);
}

/// Names the process after the program, which an exec of `/proc/self/exe` does not.
pub fn set_process_name() -> io::Result<()> {
    let program = std::env::args_os().next().unwrap_or_default();
    standing::set_name(
        &Path::new(&program)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy(),
    )
}

fn parse_variable(variable: &OsString) -> Option<(Role, [RawFd; 3], Option<RawFd>)> {
    let mut words = variable.to_str()?.split(':');
    let word = words.next()?;
    let role = Role::ALL.into_iter().find(|role| role.word() == word)?;
    let numbers: Vec<RawFd> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    match *numbers {
        [socket, configuration, state] => Some((role, [socket, configuration, state], None)),
        [socket, configuration, state, namespace] => {
            Some((role, [socket, configuration, state], Some(namespace)))
        }
        _ => None,
    }
}

fn take_socket(number: RawFd) -> io::Result<OwnedFd> {
    let socket = sys::take_fd(number)?;
    if getsockopt(&socket, sockopt::SockType)? != SockType::SeqPacket {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a SOCK_SEQPACKET socket",
        ));
    }
    Ok(socket)
}

fn order_of(received: io::Result<Received<ToChild>>) -> Option<Order> {
    let (message, beside) = match received {
        Ok(Received::Message(message, beside)) => (message, beside),
        Ok(Received::Nonsense(error)) => return complain(&error),
        Ok(Received::End) | Err(_) => return Some(Order::Stop),
    };
    match message {
        ToChild::Reload => with_text(beside, Order::Reload),
        ToChild::Inherit => with_text(beside, Order::Inherit),
        ToChild::Stop => Some(Order::Stop),
        ToChild::Data => Some(Order::Data),
        ToChild::Stats => Some(Order::Stats),
        ToChild::StatsClear => Some(Order::StatsClear),
        ToChild::Json => Some(Order::Json),
        ToChild::Bfd(report) => Some(Order::Bfd(report)),
        ToChild::Status => Some(Order::Status),
    }
}

fn with_text(beside: Option<OwnedFd>, order: fn(String) -> Order) -> Option<Order> {
    match beside.map(text::read) {
        Some(Ok(text)) => Some(order(text)),
        Some(Err(error)) => complain(&error),
        None => complain(&"no configuration came with an order that needs one"),
    }
}

fn complain(error: &dyn fmt::Display) -> Option<Order> {
    tracing::warn!("Ignoring an order of the supervisor: {error}");
    None
}

/// Signals are for the supervisor; those that reach a child directly do what they would do there, except `SIGHUP`: only
/// the supervisor reads files.
fn order_of_signal(signal: &io::Result<Signal>) -> Option<Order> {
    match signal {
        Ok(Signal::Stop) | Err(_) => Some(Order::Stop),
        Ok(Signal::Data) => Some(Order::Data),
        Ok(Signal::Stats) => Some(Order::Stats),
        Ok(Signal::StatsClear) => Some(Order::StatsClear),
        Ok(Signal::Json) => Some(Order::Json),
        Ok(Signal::Reload | Signal::ChildEnded) => None,
        Ok(Signal::CpuTime) => {
            tracing::info!(
                "SIGXCPU received: the realtime process used its rlimit_rttime, which may need raising"
            );
            None
        }
    }
}
