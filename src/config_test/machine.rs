//! What a configuration asks of this machine: interfaces, scripts, users, keys. Judged by the configuration test only; the
//! running daemon meets them when it uses them.
//!
//! The classes are those in which keepalived reports the same, so that the exit status is the same: a script that is
//! missing is a mistake for `vrrp_script` and a note for the others.

mod keys;
mod links;

use std::collections::BTreeSet;

use nix::net::if_::if_nametoindex;
use nix::unistd::{SysconfVar, sysconf};
use parser::config::checker::Probe;
use parser::config::global_defs::DynamicInterfaces;
use parser::config::{Config, Route, Rule, Script, VirtualServer};
use parser::report::{Class, Reason};
use parser::{At, Place, Reading, Sources};

use crate::cli::Options;
use crate::scripts::{FileError, Inspector, Policy, ScriptRefusal, UserError};

/// Adds what is wrong on this machine to the report.
pub(super) fn judge(reading: &mut Reading, options: &Options) {
    let (config, sources) = (&reading.config, &reading.sources);
    let own = config.daemon.net_namespace.as_deref();
    let namespace = options.namespace.as_deref().or(own);
    let mut findings = interfaces(config, sources, namespace);
    findings.extend(processors(config, sources));
    findings.extend(scripts(config, sources));
    let of_instances = links::judge(config, namespace)
        .into_iter()
        .chain(keys::judge(config));
    findings.extend(of_instances.map(|finding| Finding {
        place: line_with(sources, finding.place, &finding.word),
        ..finding
    }));
    for Finding {
        place,
        word,
        class,
        what,
    } in findings
    {
        let text = reading.sources.line(place).unwrap_or_default();
        let start = text.find(&word);
        let at = At {
            place,
            text,
            start: start.unwrap_or_default(),
            length: start.map_or(text.len(), |_| word.len()),
            text_start: 0,
        };
        reading.report.add(at, Reason::OnThisMachine { class, what });
    }
    reading.report.sort(&reading.sources);
}

/// Something wrong, before it is a mistake of the report.
struct Finding {
    place: Place,
    /// What is underlined, if it stands on the line as it is.
    word: String,
    class: Class,
    what: String,
}

/// What a configuration asks of an interface: that it exists.
struct Asked<'a> {
    interface: &'a str,
    place: Place,
    class: Class,
    what: String,
}

fn interfaces(config: &Config, sources: &Sources, namespace: Option<&str>) -> Vec<Finding> {
    if config.global.dynamic_interfaces != DynamicInterfaces::No {
        return Vec::new();
    }
    let asked: Vec<_> = asked_of_vrrp(config).chain(asked_of_links(config)).collect();
    let names: BTreeSet<&str> = asked.iter().map(|asked| asked.interface).collect();
    let ours: BTreeSet<&str> = config
        .vrrp_instances
        .iter()
        .filter_map(|instance| instance.use_vmac.as_ref()?.name.as_deref())
        .collect();
    let missing = missing(&names, namespace);
    let missing = |asked: &Asked<'_>| missing.contains(asked.interface) && !ours.contains(asked.interface);
    let finding = |asked: Asked<'_>| Finding {
        place: line_with(sources, asked.place, asked.interface),
        word: asked.interface.to_owned(),
        class: asked.class,
        what: format!("{} `{}` does not exist", asked.what, asked.interface),
    };
    asked.into_iter().filter(missing).map(finding).collect()
}

/// Those that do not exist. Of a namespace that cannot be entered nothing is known.
fn missing<'a>(names: &BTreeSet<&'a str>, namespace: Option<&str>) -> BTreeSet<&'a str> {
    let look = || {
        let missing = |name: &&&str| if_nametoindex(**name).is_err();
        names.iter().filter(missing).copied().collect()
    };
    match namespace {
        None => look(),
        Some(namespace) => netlink::namespace::open(namespace)
            .and_then(|namespace| netlink::namespace::run_in(namespace, look))
            .unwrap_or_default(),
    }
}

fn asked_of_vrrp(config: &Config) -> impl Iterator<Item = Asked<'_>> {
    config.vrrp_instances.iter().flat_map(|instance| {
        let place = instance.place;
        let own = Some(&instance.interface).filter(|name| !name.is_empty());
        let addresses = instance
            .virtual_ipaddress
            .iter()
            .chain(&instance.virtual_ipaddress_excluded);
        let own = own.map(|name| (name, "interface"));
        let devices =
            addresses.filter_map(|address| Some((address.dev.as_ref()?, "interface of an address")));
        let tracked = instance.track_interface.iter();
        let tracked = tracked.map(|tracked| (&tracked.name, "tracked interface"));
        let named = own
            .into_iter()
            .chain(devices)
            .chain(tracked)
            .map(move |(interface, what)| Asked {
                interface,
                place,
                class: Class::General,
                what: format!("({}) {what}", instance.name),
            });
        named
            .chain(asked_of_routes(&instance.virtual_routes))
            .chain(asked_of_rules(&instance.virtual_rules))
    })
}

fn asked_of_links(config: &Config) -> impl Iterator<Item = Asked<'_>> {
    // keepalived says fatal where `default_interface` stands in.
    let class = |dev: &str| {
        if dev == config.global.default_interface {
            Class::BadInterface
        } else {
            Class::General
        }
    };
    let addresses = config.static_ipaddress.iter().filter_map(move |address| {
        let interface = address.dev.as_deref()?;
        Some((
            interface,
            Place::default(),
            class(interface),
            "interface of a static address",
        ))
    });
    let polled = config.linkbeat_interfaces.iter();
    let polled = polled.map(|line| {
        (
            &*line.interface,
            line.place,
            Class::BadInterface,
            "polled interface",
        )
    });
    let delayed = config.interface_up_down_delays.iter();
    let delayed = delayed.map(|line| {
        (
            &*line.interface,
            line.place,
            Class::BadInterface,
            "delayed interface",
        )
    });
    let paced = config.garp_groups.iter().flat_map(|group| {
        let place = group.place;
        let interfaces = group.interfaces.iter();
        interfaces.map(move |name| (name.as_str(), place, Class::General, "interface of a garp_group"))
    });
    addresses
        .chain(polled)
        .chain(delayed)
        .chain(paced)
        .map(|(interface, place, class, what)| Asked {
            interface,
            place,
            class,
            what: what.to_owned(),
        })
        .chain(asked_of_routes(&config.static_routes))
        .chain(asked_of_rules(&config.static_rules))
}

fn asked_of_routes(routes: &[Route]) -> impl Iterator<Item = Asked<'_>> {
    routes.iter().flat_map(|route| {
        let devices = route.next_hops.iter().filter_map(|hop| hop.dev.as_deref());
        devices.map(|interface| Asked {
            interface,
            place: route.place,
            class: Class::General,
            what: "interface of a route".to_owned(),
        })
    })
}

fn asked_of_rules(rules: &[Rule]) -> impl Iterator<Item = Asked<'_>> {
    rules.iter().flat_map(|rule| {
        let names = [&rule.selector.iif, &rule.selector.oif].into_iter().flatten();
        names.map(|interface| Asked {
            interface,
            place: rule.place,
            class: Class::General,
            what: "interface of a rule".to_owned(),
        })
    })
}

/// Processors that a process is bound to, but which this machine has not.
fn processors(config: &Config, sources: &Sources) -> Vec<Finding> {
    let Ok(Some(count)) = sysconf(SysconfVar::_NPROCESSORS_CONF) else {
        return Vec::new();
    };
    let global = &config.global;
    let bound = [
        ("vrrp_cpu_affinity", &global.vrrp_cpu_affinity),
        ("checker_cpu_affinity", &global.checker_cpu_affinity),
        ("bfd_cpu_affinity", &global.bfd_cpu_affinity),
    ];
    let missing = bound.into_iter().flat_map(|(keyword, processors)| {
        let missing = processors.iter().filter(|&&number| i64::from(number) >= count);
        missing.map(move |number| (keyword, number))
    });
    missing
        .map(|(keyword, number)| Finding {
            place: first_line(sources, keyword),
            word: number.to_string(),
            class: Class::General,
            what: format!("there is no processor {number}: this machine has {count}, the first is 0"),
        })
        .collect()
}

/// What is wrong with the scripts, each said once.
fn scripts(config: &Config, sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let policy = Policy::new(&config.global);
    if let (Some(run_as), Err(error)) = (&config.global.script_user, &policy.default_user) {
        findings.push(Finding {
            place: first_line(sources, "script_user"),
            word: run_as.user.clone(),
            class: Class::General,
            what: error.to_string(),
        });
    }
    let security = policy.security;
    let mut inspector = Inspector::new(policy);
    let mut unprotected = None;
    for (script, purpose) in all_scripts(config) {
        let (judged, is_new) = inspector.judge(script);
        if judged.as_ref().err().is_none_or(is_there) && !script.text.starts_with("</") {
            unprotected.get_or_insert(script);
        }
        if let Err(refusal) = judged
            && is_new
        {
            findings.push(Finding {
                place: script.place,
                word: script.text.clone(),
                class: purpose.class_of(&refusal),
                what: refusal.to_string(),
            });
        }
    }
    if let (Some(script), false) = (unprotected, security) {
        findings.push(Finding {
            place: script.place,
            word: script.text.clone(),
            class: Class::Security,
            what: "SECURITY VIOLATION - scripts are being executed but script_security not enabled."
                .to_owned(),
        });
    }
    findings
}

/// Whether there is something to execute, even if it cannot be executed now.
fn is_there(refusal: &ScriptRefusal) -> bool {
    matches!(
        refusal,
        ScriptRefusal::File(FileError::NotExecutable { .. } | FileError::NotAFile { .. })
    )
}

/// What a script is for.
#[derive(Clone, Copy)]
enum Purpose {
    /// `vrrp_script`.
    Track,
    /// `misc_path`.
    Check,
    /// `startup_script`, `shutdown_script`.
    Daemon,
    /// Everything that is told something.
    Tell,
}

impl Purpose {
    fn class_of(self, refusal: &ScriptRefusal) -> Class {
        match (self, refusal) {
            (Purpose::Daemon, ScriptRefusal::User(UserError::NoDefault))
            // keepalived does not find these worth an error although they never run.
            | (_, ScriptRefusal::File(FileError::NotExecutable { .. })) => Class::Note,
            (_, ScriptRefusal::User(UserError::NoDefault))
            | (Purpose::Track, _)
            | (Purpose::Check | Purpose::Daemon, ScriptRefusal::User(_)) => Class::General,
            (Purpose::Check | Purpose::Daemon | Purpose::Tell, _) => Class::Note,
        }
    }
}

/// Every script that would run, in keepalived's order.
fn all_scripts(config: &Config) -> impl Iterator<Item = (&Script, Purpose)> {
    let global = &config.global;
    let daemon = [&global.startup_script, &global.shutdown_script];
    let daemon = daemon
        .into_iter()
        .flatten()
        .map(|script| (script, Purpose::Daemon));
    // Without an instance the VRRP side does not begin, and looks at no script.
    let vrrp = !config.vrrp_instances.is_empty();
    let track = config.vrrp_scripts.iter().filter(move |_| vrrp);
    let track = track.map(|track| (&track.script, Purpose::Track));
    let lvs = !config.virtual_servers.is_empty();
    let fifos = [
        (&global.notify_fifo, vrrp || lvs),
        (&global.vrrp_notify_fifo, vrrp),
        (&global.lvs_notify_fifo, lvs),
    ];
    let fifos = fifos.into_iter().filter(|(_, is_used)| *is_used);
    let fifos = fifos.filter_map(|(fifo, _)| fifo.script.as_ref());
    let instances = config.vrrp_instances.iter().flat_map(|instance| {
        let notify = &instance.notify;
        let all = [
            &notify.master,
            &notify.backup,
            &notify.fault,
            &notify.stop,
            &notify.deleted,
            &notify.any,
            &notify.master_rx_lower_pri,
        ];
        all.into_iter().flatten()
    });
    let groups = config.vrrp_sync_groups.iter().flat_map(|group| {
        let notify = &group.notify;
        let all = [
            &notify.master,
            &notify.backup,
            &notify.fault,
            &notify.stop,
            &notify.any,
        ];
        all.into_iter().flatten()
    });
    let notified = instances.chain(groups).map(|script| &**script);
    let told = fifos.chain(notified).map(|script| (script, Purpose::Tell));
    daemon
        .chain(track)
        .chain(told)
        .chain(config.virtual_servers.iter().flat_map(scripts_of_server))
}

fn scripts_of_server(server: &VirtualServer) -> impl Iterator<Item = (&Script, Purpose)> {
    let quorum = [&server.quorum_up, &server.quorum_down].into_iter().flatten();
    let real_servers = server.real_servers.iter();
    let told = real_servers.flat_map(|real| [real.notify_up(), real.notify_down()].into_iter().flatten());
    let checkers = server.real_servers.iter().flat_map(|real| &real.checkers);
    let checks = checkers.filter_map(|checker| match &checker.probe {
        Probe::Misc(misc) => Some((&misc.script, Purpose::Check)),
        _ => None,
    });
    quorum
        .chain(told)
        .map(|script| (script, Purpose::Tell))
        .chain(checks)
}

/// The line at or after a place, in the same block, that has this word; else the place.
fn line_with(sources: &Sources, place: Place, word: &str) -> Place {
    let places = (place.line..).map(|line| Place { line, ..place });
    let lines = places.map_while(|place| Some((place, sources.line(place)?)));
    let is_end = |line: &str| line.split_whitespace().next() == Some("vrrp_instance");
    lines
        .enumerate()
        .take_while(|(index, (_, line))| *index == 0 || !is_end(line))
        .map(|(_, found)| found)
        .find(|(_, line)| line.split_whitespace().any(|own| own == word))
        .map_or(place, |(place, _)| place)
}

/// The first line of all files that begins with a word.
fn first_line(sources: &Sources, word: &str) -> Place {
    let in_file = |(file, source): (u32, &parser::source::SourceFile)| {
        let begins = |line: &str| line.split_whitespace().next() == Some(word);
        let index = source.text.lines().position(begins)?;
        let line = u32::try_from(index + 1).ok()?;
        Some(Place { file, line })
    };
    (0..).zip(&sources.files).find_map(in_file).unwrap_or_default()
}
