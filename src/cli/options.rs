//! The options as they are written, and the plain typed [`Options`] that the daemon and its children read.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, PathBufValueParser};

/// keepalived's options, defaults resolved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// `-f`: a path, or a pattern that names several; with `--config-fd` the path to what is open there.
    pub use_file: PathBuf,
    /// Not `-C`.
    pub run_vrrp: bool,
    /// Not `-P`.
    pub run_checkers: bool,
    /// Not `-B`.
    pub run_bfd: bool,
    /// `--all`: start every child process, even one with nothing to do.
    pub all: bool,
    /// `-l`, in the foreground: lines go to stderr too.
    pub log_console: bool,
    /// How often `-D` is given: 0, 1, or 2 for extra detail.
    pub log_detail: u8,
    /// `-S`.
    pub log_facility: Facility,
    /// `-G`.
    pub no_syslog: bool,
    /// `-g`: lines go to this file too.
    pub log_file: Option<PathBuf>,
    /// `--log-format`: how lines on stderr and in that file are written.
    pub log_format: Format,
    /// `-u`; `None` leaves it to the keyword `umask`.
    pub umask: Option<u32>,
    /// `-X`.
    pub release_vips: bool,
    /// `-V`.
    pub dont_release_vrrp: bool,
    /// `-I`.
    pub dont_release_ipvs: bool,
    /// `-R`.
    pub dont_respawn: bool,
    /// `-n`.
    pub dont_fork: bool,
    /// `-d`.
    pub dump_conf: bool,
    /// `-p`.
    pub pid: PathBuf,
    /// `-r`.
    pub vrrp_pid: PathBuf,
    /// `-c`.
    pub checkers_pid: PathBuf,
    /// `-b`.
    pub bfd_pid: PathBuf,
    /// `-a`.
    pub address_monitoring: bool,
    /// `-x`.
    pub snmp: bool,
    /// `-A`.
    pub snmp_agent_socket: Option<String>,
    /// `-s`.
    pub namespace: Option<String>,
    /// `-m`.
    pub core_dump: bool,
    /// `-M`.
    pub core_dump_pattern: Option<String>,
    /// `-e`.
    pub all_config: bool,
    /// `-i`; `None` is the host name up to its first dot.
    pub config_id: Option<String>,
    /// `--ignore-sigint`.
    pub ignore_sigint: bool,
    /// `-t`: judge the configuration and exit. Implies `-n`, `-R` and `-G`.
    pub config_test: Option<ConfigTest>,
    /// `--format`: how that report is written.
    pub format: Format,
    /// Arguments that are no options: named on stdout and otherwise ignored.
    pub unexpected: Vec<OsString>,
    /// Options with an unusable argument, which count as not given: sentences for stderr.
    pub remarks: Vec<String>,
}

/// Where the report of `-t` goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConfigTest {
    /// `-t`.
    ToStderr,
    /// `-tFILE`: added at its end.
    ToFile(PathBuf),
}

/// How a report, or the log, is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For tools: objects.
    Json,
}

/// A syslog facility; the value is its code (RFC 3164 4.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facility(pub u8);

impl Facility {
    /// `daemon`, the default.
    pub const DAEMON: Facility = Facility(3);

    /// Reads what keepalived accepts: `0` to `7`, `local0` to `local7`, `user`, `daemon`.
    pub fn from_name(name: &str) -> Option<Facility> {
        match name {
            "user" => Some(Facility(1)),
            "daemon" => Some(Facility::DAEMON),
            _ => match name.strip_prefix("local").unwrap_or(name).parse() {
                Ok(number @ 0..=7) => Some(Facility(16 + number)),
                _ => None,
            },
        }
    }
}

impl Options {
    /// What is given on this command line and accepted, but does nothing yet. The one list of these: an option leaves it
    /// when it comes to work.
    pub fn without_effect(&self) -> Vec<&'static str> {
        [
            (self.snmp, "--snmp"),
            (self.snmp_agent_socket.is_some(), "--snmp-agent-socket"),
        ]
        .into_iter()
        .filter_map(|(given, name)| given.then_some(name))
        .collect()
    }
}

/// The options as they stand on the command line.
#[derive(clap::Parser)]
#[command(
    name = "holdfast",
    about = "A high-availability daemon that takes keepalived's place",
    override_usage = "holdfast [OPTION...]\n       holdfast status|events|plan|reload\n       holdfast config show|lint\n       holdfast demo"
)]
pub(super) struct Written {
    /// Use the specified configuration file (a pattern may name several)
    #[arg(short = 'f', long, value_name = "FILE", value_parser = PathBufValueParser::new(), default_value = "/etc/keepalived/keepalived.conf")]
    use_file: PathBuf,
    /// Do not run the checkers
    #[arg(short = 'P', long)]
    vrrp: bool,
    /// Do not run VRRP
    #[arg(short = 'C', long)]
    check: bool,
    /// Do not run BFD
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// Start every child process, even one without configuration
    #[arg(long)]
    all: bool,
    /// Write log lines to stderr too (with -n)
    #[arg(short = 'l', long)]
    log_console: bool,
    /// Detailed log lines; twice for more
    #[arg(short = 'D', long, action = clap::ArgAction::Count)]
    log_detail: u8,
    /// Syslog facility: 0-7, local0-local7, user or daemon
    #[arg(
        short = 'S',
        long,
        value_name = "FACILITY",
        default_value = "daemon",
        hide_default_value = true
    )]
    log_facility: String,
    /// Do not write to syslog
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// Write log lines to a file too, _vrrp and so on inserted in its name
    #[arg(short = 'g', long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "keepalived.log", value_parser = PathBufValueParser::new())]
    log_file: Option<PathBuf>,
    /// Write log lines on stderr and in the file as text or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    log_format: Format,
    /// Flush the log file after each line (always done)
    #[arg(long)]
    flush_log_file: bool,
    /// umask for created files: decimal, 0octal or 0xhexadecimal
    #[arg(short = 'u', long, value_name = "MASK", value_parser = NonEmptyStringValueParser::new())]
    umask: Option<String>,
    /// Always try to remove addresses on a transition
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// Keep addresses and routes on exit
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// Keep the IPVS table on exit
    #[arg(short = 'I', long)]
    dont_release_ipvs: bool,
    /// End when a child process dies, instead of restarting it
    #[arg(short = 'R', long)]
    dont_respawn: bool,
    /// Stay in the foreground
    #[arg(short = 'n', long)]
    dont_fork: bool,
    /// Write the configuration to the log
    #[arg(short = 'd', long)]
    dump_conf: bool,
    /// Pid file of the daemon
    #[arg(short = 'p', long, value_name = "FILE", value_parser = PathBufValueParser::new(), default_value = "/run/keepalived.pid")]
    pid: PathBuf,
    /// Pid file of the VRRP process
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE", value_parser = PathBufValueParser::new(), default_value = "/run/vrrp.pid")]
    vrrp_pid: PathBuf,
    /// Pid file of the checker process
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE", value_parser = PathBufValueParser::new(), default_value = "/run/checkers.pid")]
    checkers_pid: PathBuf,
    /// Pid file of the BFD process
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE", value_parser = PathBufValueParser::new(), default_value = "/run/bfd.pid")]
    bfd_pid: PathBuf,
    #[arg(short = 'T', long, hide = true)]
    pub(super) genhash: bool,
    /// Log every address added or removed on this machine
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// Enable SNMP
    #[arg(short = 'x', long)]
    snmp: bool,
    /// Socket of the SNMP master agent
    #[arg(short = 'A', long, value_name = "SOCKET", value_parser = NonEmptyStringValueParser::new())]
    snmp_agent_socket: Option<String>,
    /// Run in this network namespace
    #[arg(short = 's', long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    namespace: Option<String>,
    /// Write a core file on a crash
    #[arg(short = 'm', long)]
    core_dump: bool,
    /// The same, and set the kernel's pattern for its name
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1, require_equals = true, default_missing_value = "core")]
    core_dump_pattern: Option<String>,
    /// Fail if any included configuration file is missing
    #[arg(short = 'e', long)]
    all_config: bool,
    /// Identity for configuration lines that begin with @ (the host name up to its first dot)
    #[arg(short = 'i', long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    config_id: Option<String>,
    /// Ignore SIGINT
    #[arg(long)]
    ignore_sigint: bool,
    #[arg(long, help = "Print the number of a signal: STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) signum: Option<String>,
    /// Judge the configuration, report to stderr or FILE, and exit
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    config_test: Option<OsString>,
    /// With -t: write the report as text or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    format: Format,
    /// Read the configuration from a file that is open already
    #[arg(long, value_name = "FD")]
    config_fd: Option<u16>,
    /// Print the version
    #[arg(short = 'v', long)]
    pub(super) version: bool,
    /// Print this help
    #[arg(short = 'h', long)]
    pub(super) help: bool,
    #[arg(hide = true)]
    unexpected: Vec<OsString>,
}

impl Written {
    /// Defaults, implications, and what of it is unusable.
    pub(super) fn resolve(self) -> Options {
        let mut remarks = Vec::new();
        let log_facility = Facility::from_name(&self.log_facility).unwrap_or_else(|| {
            remarks.push(format!("Invalid log facility '{}'", self.log_facility));
            Facility::DAEMON
        });
        let umask = self.umask.and_then(|mask| {
            let read = parse_mask(&mask);
            if read.is_none() {
                remarks.push(format!("Invalid --umask option {mask}"));
            }
            read
        });
        let config_test = self.config_test.map(|file| match file {
            file if file.is_empty() => ConfigTest::ToStderr,
            file => ConfigTest::ToFile(file.into()),
        });
        let testing = config_test.is_some();
        Options {
            use_file: match self.config_fd {
                Some(number) => PathBuf::from(format!("/proc/self/fd/{number}")),
                None => self.use_file,
            },
            run_vrrp: !self.check,
            run_checkers: !self.vrrp,
            run_bfd: !self.no_bfd,
            all: self.all,
            log_console: self.log_console,
            log_detail: self.log_detail.min(2),
            log_facility,
            no_syslog: self.no_syslog || testing,
            log_file: self.log_file,
            log_format: self.log_format,
            umask,
            release_vips: self.release_vips,
            dont_release_vrrp: self.dont_release_vrrp,
            dont_release_ipvs: self.dont_release_ipvs,
            dont_respawn: self.dont_respawn || testing,
            dont_fork: self.dont_fork || testing,
            dump_conf: self.dump_conf,
            pid: self.pid,
            vrrp_pid: self.vrrp_pid,
            checkers_pid: self.checkers_pid,
            bfd_pid: self.bfd_pid,
            address_monitoring: self.address_monitoring,
            snmp: self.snmp,
            snmp_agent_socket: self.snmp_agent_socket,
            namespace: self.namespace,
            core_dump: self.core_dump || self.core_dump_pattern.is_some(),
            core_dump_pattern: self.core_dump_pattern,
            all_config: self.all_config,
            config_id: self.config_id,
            ignore_sigint: self.ignore_sigint,
            config_test,
            format: self.format,
            unexpected: self.unexpected,
            remarks,
        }
    }
}

/// strtoul with base 0, up to 0777.
fn parse_mask(text: &str) -> Option<u32> {
    let mask = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None if text.starts_with('0') => u32::from_str_radix(text, 8),
        None => text.parse(),
    };
    mask.ok().filter(|mask| *mask <= 0o777)
}
