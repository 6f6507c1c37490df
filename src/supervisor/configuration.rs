//! The configuration as the supervisor judges it: what is logged of it, whether the daemon may begin with it, and
//! whether it may take the place of a running one. Absent: the language itself, which is the parser's.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parser::config::global_defs::{GlobalDefs, ReloadFile};
use parser::config::{BfdInstance, Daemon};
use parser::report::{Class, Mistake};
use parser::source::Checks;
use parser::{Config, Machine, Reading, Report, Secrets, Sources};
use serde_json::Value;

use crate::child::Role;
use crate::cli::{Format, Options};
use crate::config_test;
use crate::control::server::failure;
use crate::supervisor::not_yet::not_yet;

/// What was read, with every mistake.
pub(crate) struct Configuration {
    name: String,
    pub(crate) reading: Reading,
}

/// A configuration in force: what the supervisor itself needs of it at any time. The rest is in the text, which takes a
/// tenth of the room.
pub(crate) struct Usable {
    /// The flattened text, for the children.
    pub(crate) text: String,
    pub(crate) global: GlobalDefs,
    pub(crate) daemon: Daemon,
    pub(crate) bfd_instances: Vec<BfdInstance>,
    /// The roles that it gives something to do.
    busy: Vec<Role>,
    /// The mistakes that it is in force with.
    report: Report,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// No file could be read, or an include check failed.
    #[error("No usable configuration file: {0}")]
    NoFile(String),
    /// A keyword without its parameter.
    #[error("The configuration cannot be used: {0}")]
    Parameter(String),
    /// At a reload: a mistake that the running configuration does not have.
    #[error("The new configuration is not taken: {0}")]
    Mistake(String),
    /// At a reload: the whole configuration test (`reload_check_config`) has found something, or could not be written
    /// down.
    #[error("New config failed validation, see {0} for details")]
    Untested(String),
    /// At a reload: what only a start can change.
    #[error("Cannot change {0} at a reload - please restart keepalived")]
    Fixed(&'static str),
}

impl Unusable {
    /// keepalived's exit codes.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Unusable::NoFile(_) => 6,
            Unusable::Parameter(_) | Unusable::Mistake(_) | Unusable::Untested(_) | Unusable::Fixed(_) => 2,
        }
    }
}

impl Configuration {
    /// Reads the files that `-f` names.
    pub(crate) fn read(options: &Options) -> Configuration {
        let name = options.use_file.to_string_lossy().into_owned();
        let checks = if options.all_config {
            Checks::ALL
        } else {
            Checks::default()
        };
        let parser_options = parser::Options {
            config_id: options.config_id.clone(),
            checks,
        };
        let reading = parser::read(&Machine, &[&name], &parser_options);
        Configuration { name, reading }
    }

    /// Reads files without the checks that `-e` asks for.
    pub(crate) fn of_file(name: String, config_id: Option<String>) -> Configuration {
        let options = parser::Options {
            config_id,
            ..parser::Options::default()
        };
        let reading = parser::read(&Machine, &[&name], &options);
        Configuration { name, reading }
    }

    /// Logs the files, and every mistake in a line; with `-d` the configuration too, secrets masked.
    pub(crate) fn log(&self, options: &Options) {
        let Reading { sources, report, .. } = &self.reading;
        for file in sources.files.iter().filter(|file| file.included_from.is_none()) {
            tracing::info!("Configuration file {}", file.name);
        }
        for file in sources.files.iter().filter(|file| file.included_from.is_some()) {
            tracing::debug!("Opening file '{}'.", file.name);
        }
        for mistake in &report.mistakes {
            tracing::info!("{}", line_of(mistake, sources));
        }
        for sentence in not_yet(&self.reading.tree, &self.reading.sources) {
            tracing::warn!("{sentence}");
        }
        if options.dump_conf {
            for line in self.shown(Secrets::Masked).lines() {
                tracing::info!("{line}");
            }
        }
    }

    /// The configuration in canonical form.
    pub(crate) fn shown(&self, secrets: Secrets) -> String {
        parser::show(&self.reading.config, secrets)
    }

    /// What the reading found, and what the linter finds, alone or beside the other node's configuration.
    pub(crate) fn lint(&self, other: Option<&Configuration>) -> (Report, &Sources) {
        let Reading { sources, report, .. } = &self.reading;
        let mut all = parser::named(report.clone());
        let found = parser::lint(&self.reading, other.map(|other| &other.reading));
        all.mistakes.extend(found.mistakes);
        all.sort(sources);
        (all, sources)
    }

    /// Why there is nothing to look at.
    pub(crate) fn unreadable(&self) -> Option<String> {
        self.reading.sources.files.is_empty().then(|| self.missing())
    }

    /// The report of `-t`: every mistake with its line and the words meant underlined, or as JSON.
    pub(crate) fn report(&self, format: Format, color: bool) -> String {
        let Reading { sources, report, .. } = &self.reading;
        if format == Format::Json {
            return report.json(sources);
        }
        let missing = if sources.files.is_empty() {
            self.missing() + "\n"
        } else {
            String::new()
        };
        missing + &report.render(sources, color)
    }

    /// The exit status of `-t`.
    pub(crate) fn test_status(&self) -> u8 {
        match self.usable_at_all() {
            Err(unusable) => unusable.exit_status(),
            Ok(()) => self.reading.report.exit_status() as u8,
        }
    }

    /// What is wrong with it, for whoever asked over the control socket.
    pub(crate) fn judgement(&self) -> Judgement {
        let mistakes = self.report(Format::Json, false);
        Judgement {
            mistakes: serde_json::from_str(&mistakes).unwrap_or(Value::Null),
            report: self.report(Format::Text, false),
        }
    }

    /// With `reload_check_config` puts it to the whole configuration test, whose report is written to `log`.
    pub(crate) fn test(&mut self, options: &Options, log: Option<&str>) -> Result<(), Unusable> {
        let Some(log) = log else { return Ok(()) };
        match config_test::put_to(self, options, Path::new(log)) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Unusable::Untested(log.to_owned())),
            Err(error) => {
                tracing::error!("Unable to write {log}: {error}");
                Err(Unusable::Untested(log.to_owned()))
            }
        }
    }

    /// Whether the daemon can begin with it. Ordinary mistakes do not hinder: what is wrong is left out.
    pub(crate) fn usable(self) -> Result<Usable, Unusable> {
        self.usable_at_all()?;
        let Reading {
            config, report, tree, ..
        } = self.reading;
        let busy = busy_roles(&config);
        Ok(Usable {
            text: tree.into_text(),
            global: config.global,
            daemon: config.daemon,
            bfd_instances: config.bfd_instances,
            busy,
            report,
        })
    }

    /// Whether it can take the place of the running one: not with an error that the running one is free of, which is
    /// then more likely a slip, or a file half written, than a wish to lose what it concerns.
    pub(crate) fn usable_after(self, running: &Usable) -> Result<Usable, Unusable> {
        let Reading { sources, report, .. } = &self.reading;
        let is_new = |mistake: &&Mistake| !running.report.mistakes.contains(mistake);
        let slip = report
            .mistakes
            .iter()
            .filter(|mistake| is_error(mistake.reason.class()))
            .find(is_new);
        match slip {
            Some(mistake) => Err(Unusable::Mistake(line_of(mistake, sources))),
            None => match changed_for_good(&running.config(), &self.reading.config) {
                Some(setting) => Err(Unusable::Fixed(setting)),
                None => self.usable(),
            },
        }
    }

    fn usable_at_all(&self) -> Result<(), Unusable> {
        let Reading { sources, report, .. } = &self.reading;
        if sources.files.is_empty() {
            return Err(Unusable::NoFile(self.missing()));
        }
        let first = |class| {
            report
                .mistakes
                .iter()
                .find(|mistake| mistake.reason.class() == class)
        };
        if let Some(mistake) = first(Class::NoConfig) {
            return Err(Unusable::NoFile(line_of(mistake, sources)));
        }
        match first(Class::Exit) {
            Some(mistake) => Err(Unusable::Parameter(line_of(mistake, sources))),
            None => Ok(()),
        }
    }

    fn missing(&self) -> String {
        format!("Config files missing '{}'.", self.name)
    }
}

/// Every mistake of a configuration, in both forms of `-t`.
pub(crate) struct Judgement {
    /// Those of `--format json`.
    pub(crate) mistakes: Value,
    report: String,
}

impl Judgement {
    /// The answer that it is refused, and why.
    pub(crate) fn refused(self, refusal: &Unusable) -> Value {
        let mut answer = failure("refused", &refusal.to_string());
        answer["mistakes"] = self.mistakes;
        answer["report"] = self.report.into();
        answer
    }
}

/// A file that exists while a new configuration is read (`reload_file`).
pub(super) struct ReloadMark(PathBuf);

impl Drop for ReloadMark {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Usable {
    /// Makes the file that `reload_file` asks for.
    pub(super) fn reload_mark(&self, options: &Options) -> Option<ReloadMark> {
        let path = match &self.global.reload_file {
            ReloadFile::None => return None,
            ReloadFile::At(path) => PathBuf::from(path),
            ReloadFile::InPidDirectory => {
                let instance = self.daemon.instance.as_ref();
                let suffix = instance.map_or_else(String::new, |instance| format!("_{instance}"));
                options.pid.with_file_name(format!("keepalived{suffix}.reload"))
            }
        };
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path);
        if let Err(error) = made {
            tracing::warn!("Failed to create reload file ({}) - {error}", path.display());
        }
        Some(ReloadMark(path))
    }

    /// How many mistakes it is in force with, a sentence for each.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mistakes = self.report.mistakes.iter();
        mistakes.map(Mistake::title).collect()
    }

    /// Whether it gives a role something to do.
    pub(crate) fn needs(&self, role: Role, options: &Options) -> bool {
        let may = match role {
            Role::Checkers => options.run_checkers,
            Role::Vrrp => options.run_vrrp,
            Role::Bfd => options.run_bfd,
        };
        may && (options.all || self.busy.contains(&role))
    }

    /// All of it, read anew.
    pub(crate) fn config(&self) -> Config {
        parser::parse_text(&Machine, &self.text).config
    }
}

fn busy_roles(config: &Config) -> Vec<Role> {
    let vrrp = !config.vrrp_instances.is_empty()
        || !config.static_ipaddress.is_empty()
        || !config.static_routes.is_empty()
        || !config.static_rules.is_empty();
    let roles = [
        (Role::Checkers, !config.virtual_servers.is_empty()),
        (Role::Vrrp, vrrp),
        (Role::Bfd, !config.bfd_instances.is_empty()),
    ];
    let busy = roles.into_iter().filter(|(_, has_work)| *has_work);
    busy.map(|(role, _)| role).collect()
}

/// The first setting that a reload cannot change, if it differs.
fn changed_for_good(running: &Config, new: &Config) -> Option<&'static str> {
    let (daemon, global) = ((&running.daemon, &new.daemon), (&running.global, &new.global));
    [
        ("net_namespace", daemon.0.net_namespace != daemon.1.net_namespace),
        (
            "net_namespace_ipvs",
            daemon.0.net_namespace_ipvs != daemon.1.net_namespace_ipvs,
        ),
        ("instance", daemon.0.instance != daemon.1.instance),
        ("nftables table name", table(global.0) != table(global.1)),
        ("nftables_ipvs", global.0.nftables_ipvs != global.1.nftables_ipvs),
        (
            "tmp_config_directory",
            global.0.tmp_config_directory != global.1.tmp_config_directory,
        ),
        (
            "disable_local_igmp",
            global.0.disable_local_igmp != global.1.disable_local_igmp,
        ),
    ]
    .into_iter()
    .find_map(|(setting, differs)| differs.then_some(setting))
}

/// The nftables table of `no_accept` and VMACs.
fn table(global: &GlobalDefs) -> &str {
    global.nftables.as_deref().unwrap_or("keepalived")
}

/// `(FILE: Line N) what is wrong; what was expected; what helps`.
fn line_of(mistake: &Mistake, sources: &Sources) -> String {
    let place = match mistake.place.line {
        0 => String::new(),
        line => format!("({}: Line {line}) ", sources.name(mistake.place)),
    };
    let words = [Some(mistake.title()), mistake.expected(), mistake.help()];
    place + &words.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What is surely not meant as it is written, unlike a warning, a keyword for another version, or an interface that is
/// yet to come.
fn is_error(class: Class) -> bool {
    match class {
        Class::FileNotFound
        | Class::Fatal
        | Class::UnexpectedOpening
        | Class::MissingOpening
        | Class::UnexpectedClosing
        | Class::MissingClosing
        | Class::UnmatchedQuote
        | Class::MissingParameter
        | Class::InvalidNumber
        | Class::General
        | Class::Exit
        | Class::NoConfig => true,
        Class::Note
        | Class::BadInterface
        | Class::MultipleFiles
        | Class::UnknownKeyword
        | Class::Warning
        | Class::Deprecated
        | Class::Security => false,
    }
}
