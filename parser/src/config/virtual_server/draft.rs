//! The grammar of `virtual_server`. Some settings count from where they stand, so that the order of the lines matters
//! here.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::persistence::{self, Granularity};
use super::{Protocol, Scheduler, SchedulerFlags};
use crate::config::checker::set;
use crate::config::endpoint;
use crate::config::forwarding::{self, Forwarding};
use crate::config::pace;
use crate::config::real_server::{self, WEIGHT_MAX, snmp_name, text};
use crate::config::script::Script;
use crate::config::virtual_server_group::FAMILIES;
use crate::report::{LvsReason, Reason, Report};
use crate::tree::{Block, Line};
use crate::units::Family;

/// The keywords of the block.
#[rustfmt::skip]
pub(crate) const KEYWORDS: &[&str] = &[
    "ip_family", "retry", "delay_before_retry", "warmup", "connect_timeout", "delay_loop", "inhibit_on_failure",
    "lb_algo", "lvs_sched", "hashed", "ops", "flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port",
    "mh-fallback", "lb_kind", "lvs_method", "persistence_engine", "persistence_timeout", "persistence_granularity",
    "protocol", "ha_suspend", "smtp_alert", "virtualhost", "snmp_name", "alpha", "omega", "quorum_up", "quorum_down",
    "quorum", "hysteresis", "weight", "sorry_server", "sorry_server_inhibit", "sorry_server_lvs_method", "real_server",
    "drain_timeout",
];

/// What a `virtual_server` block says, before defaults.
#[derive(Debug)]
pub(in crate::config) struct Draft<'t> {
    pub(super) block: Block<'t>,
    pub(super) head: Head<'t>,
    /// As far as it is known at the line that is read.
    pub(super) family: Option<Family>,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) flags: SchedulerFlags,
    pub(super) one_packet: bool,
    pub(super) persistence_timeout: Option<Duration>,
    pub(super) granularity: Option<Granularity>,
    pub(super) persistence_engine: Option<Box<str>>,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) protocol: Option<Protocol>,
    pub(super) weight: Option<u32>,
    pub(super) real_servers: Vec<real_server::Draft<'t>>,
    pub(super) sorry_server: Option<SorryServerDraft>,
    pub(super) quorum: Option<u32>,
    pub(super) hysteresis: Option<u32>,
    pub(super) quorum_up: Option<Script>,
    pub(super) quorum_down: Option<Script>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) alpha: bool,
    pub(super) omega: bool,
    pub(super) ha_suspend: bool,
    pub(super) inhibit_on_failure: bool,
    pub(super) smtp_alert: Option<bool>,
    pub(super) virtualhost: Option<Box<str>>,
    pub(super) snmp_name: Option<Box<str>>,
    pub(super) pace: Option<Box<pace::Draft>>,
}

/// The words after `virtual_server`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Head<'t> {
    Address(IpAddr, u16),
    Fwmark(NonZeroU32),
    Group(&'t str),
}

/// What is said of a sorry server.
#[derive(Clone, Copy, Debug)]
pub(super) struct SorryServerDraft {
    pub(super) address: IpAddr,
    /// As written; 0 for none.
    pub(super) port: u16,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) inhibit: bool,
}

/// Reads a `virtual_server` block. One that does not say what it serves is reported and skipped.
pub(in crate::config) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let head = Head::read(block.head, report);
    let (is_named, before) = (head.is_some(), report.mistakes.len());
    // What stands in a block without a usable name is read for its mistakes.
    let mut draft = Draft::new(block, head.unwrap_or(Head::Group("")));
    for line in block.lines() {
        let known = line.keyword() == "real_server" && draft.read_real_server(line, report)
            || draft.read_service(line, report)
            || draft.read_servers(line, report)
            || draft.flags.read(line, draft.scheduler, report)
            || pace::Draft::read(&mut draft.pace, line, 1, report);
        if !known {
            report.unknown_keyword(line, KEYWORDS);
        }
    }
    draft.drop_sorry_server_of_other_family(report);
    if !is_named {
        report.dropped_since(before);
        return None;
    }
    Some(draft)
}

impl<'t> Head<'t> {
    fn read(line: Line<'t>, report: &mut Report) -> Option<Self> {
        let first = line.argument(report)?;
        let mut second = || {
            let word = line.words().nth(1);
            if word.is_none() {
                let keyword = first.text().to_owned();
                report.add(first.at(), Reason::MissingParameter { keyword });
            }
            word
        };
        match first.text() {
            "group" => Some(Self::Group(second()?.text())),
            "fwmark" => {
                let word = second()?;
                let before = report.mistakes.len();
                let mark = word
                    .number(0..=u32::MAX, report)
                    .filter(|_| report.mistakes.len() == before)?;
                let mark = NonZeroU32::new(mark);
                if mark.is_none() {
                    let got = word.text().to_owned();
                    let range = format!("a number from 1 to {}", u32::MAX);
                    report.add(word.at(), Reason::OutOfRange { got, range });
                }
                Some(Self::Fwmark(mark?))
            }
            _ => endpoint::read(line.words(), report).map(|(address, port)| Self::Address(address, port)),
        }
    }
}

impl<'t> Draft<'t> {
    fn new(block: Block<'t>, head: Head<'t>) -> Self {
        let family = match head {
            Head::Address(address, _) => Some(Family::of(address)),
            Head::Fwmark(_) | Head::Group(_) => None,
        };
        Self {
            block,
            head,
            family,
            scheduler: None,
            flags: SchedulerFlags::default(),
            one_packet: false,
            persistence_timeout: None,
            granularity: None,
            persistence_engine: None,
            forwarding: None,
            protocol: None,
            weight: None,
            real_servers: Vec::new(),
            sorry_server: None,
            quorum: None,
            hysteresis: None,
            quorum_up: None,
            quorum_down: None,
            drain_timeout: None,
            alpha: false,
            omega: false,
            ha_suspend: false,
            inhibit_on_failure: false,
            smtp_alert: None,
            virtualhost: None,
            snmp_name: None,
            pace: None,
        }
    }

    /// Settings of the service itself. `false` if the keyword is none of them.
    fn read_service(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "ip_family" => self.read_ip_family(line, report),
            "lvs_sched" | "lb_algo" => {
                set(&mut self.scheduler, line.one_of(&Scheduler::ALL, report));
            }
            "ops" => self.one_packet = line.flag(report),
            "lvs_method" | "lb_kind" => self.forwarding = forwarding::read(line, self.forwarding, report),
            "persistence_engine" => set(&mut self.persistence_engine, engine(line, report)),
            "persistence_timeout" => {
                set(&mut self.persistence_timeout, persistence::timeout(line, report));
            }
            "persistence_granularity" => {
                set(
                    &mut self.granularity,
                    persistence::granularity(line, self.family, report),
                );
                self.family = self.family.or(self.granularity.map(Granularity::family));
            }
            "protocol" => {
                let word = line.setting(report);
                set(
                    &mut self.protocol,
                    word.and_then(|word| word.one_of_in_any_case("protocol", &PROTOCOLS, report)),
                );
            }
            "ha_suspend" => self.ha_suspend = line.flag(report),
            "smtp_alert" => set(&mut self.smtp_alert, line.boolean(report)),
            "virtualhost" => report.keep_last(line, &mut self.virtualhost, text),
            "snmp_name" => report.keep_last(line, &mut self.snmp_name, snmp_name),
            _ => return false,
        }
        true
    }

    /// Settings of real servers, quorum and sorry server. `false` if the keyword is none of them.
    fn read_servers(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "alpha" => self.alpha = line.flag(report),
            "omega" => self.omega = line.flag(report),
            "inhibit_on_failure" => self.inhibit_on_failure = line.flag(report),
            "quorum_up" => report.keep_first(line, &mut self.quorum_up, Line::script),
            "quorum_down" => report.keep_first(line, &mut self.quorum_down, Line::script),
            "quorum" => self.quorum = Some(line.number(1..=u32::MAX, report).unwrap_or(1)),
            "hysteresis" => set(&mut self.hysteresis, line.number(0..=u32::MAX, report)),
            "drain_timeout" => set(
                &mut self.drain_timeout,
                line.whole_seconds(0..=LONGEST_DRAIN, report),
            ),
            "weight" => set(&mut self.weight, line.number(1..=WEIGHT_MAX, report)),
            "sorry_server" => {
                if line.setting(report).is_some() {
                    set(&mut self.sorry_server, sorry_server(line, report));
                }
            }
            "sorry_server_inhibit" => {
                line.no_block(report);
                if let Some(server) = self.sorry_server_before(line, report) {
                    server.inhibit = true;
                }
            }
            "sorry_server_lvs_method" => {
                if let Some(server) = self.sorry_server_before(line, report) {
                    server.forwarding = forwarding::read(line, server.forwarding, report);
                }
            }
            _ => return false,
        }
        true
    }

    /// Reads a real server. Without a tunnel it must be of the virtual server's family, or settles it.
    fn read_real_server(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        if let Some(server) = real_server::parse(line.block(), report) {
            let tunnel = server
                .forwarding
                .or(self.forwarding)
                .is_some_and(Forwarding::is_tunnel);
            if tunnel || self.is_of_family(server.address, line, report) {
                self.real_servers.push(server);
            }
        }
        true
    }

    fn drop_sorry_server_of_other_family(&mut self, report: &mut Report) {
        let Some(server) = self.sorry_server else { return };
        let tunnel = server
            .forwarding
            .or(self.forwarding)
            .is_some_and(Forwarding::is_tunnel);
        if !tunnel && !self.is_of_family(server.address, self.block.line_of("sorry_server"), report) {
            self.sorry_server = None;
        }
    }

    fn is_of_family(&mut self, address: IpAddr, line: Line<'_>, report: &mut Report) -> bool {
        let family = *self.family.get_or_insert(Family::of(address));
        let fits = family == Family::of(address);
        if !fits {
            report.add(line.at(), LvsReason::FamilyOfServer { address, family }.into());
        }
        fits
    }

    fn read_ip_family(&mut self, line: Line<'_>, report: &mut Report) {
        let Some(word) = line.setting(report) else { return };
        let Some(wanted) = word.one_of("ip_family", FAMILIES, report) else {
            return;
        };
        let family = *self.family.get_or_insert(wanted);
        if family != wanted {
            report.add(word.at(), LvsReason::FamilyConflict { family }.into());
        }
    }

    fn sorry_server_before(&mut self, line: Line<'_>, report: &mut Report) -> Option<&mut SorryServerDraft> {
        if self.sorry_server.is_none() {
            let keyword = line.keyword().to_owned();
            report.add(
                line.keyword_word().at(),
                LvsReason::NoSorryServerYet { keyword }.into(),
            );
        }
        self.sorry_server.as_mut()
    }
}

/// Seconds: 31 days, as for `persistence_timeout`.
const LONGEST_DRAIN: u32 = 31 * 24 * 60 * 60;

const PROTOCOLS: [(&str, Protocol); 3] = [
    ("TCP", Protocol::Tcp),
    ("UDP", Protocol::Udp),
    ("SCTP", Protocol::Sctp),
];

fn sorry_server(line: Line<'_>, report: &mut Report) -> Option<SorryServerDraft> {
    let (address, port) = endpoint::read(line.words(), report)?;
    Some(SorryServerDraft {
        address,
        port,
        forwarding: None,
        inhibit: false,
    })
}

/// The name of a persistence engine, cut to what the kernel keeps.
fn engine(line: Line<'_>, report: &mut Report) -> Option<Box<str>> {
    const MOST: usize = 15;
    let word = line.setting(report)?;
    let got = word.text();
    if got.len() > MOST {
        report.add(word.at(), Reason::Truncated { longest: MOST });
    }
    Some(got[..got.floor_char_boundary(MOST)].into())
}
