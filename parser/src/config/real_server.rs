//! `real_server`: one server behind a virtual one, and how it is known to work.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::Place;
use crate::config::checker::{self, Checker, Heritage, Pool, Surroundings};
use crate::config::endpoint;
use crate::config::forwarding::{self, Forwarding};
use crate::config::pace::{self, Pace};
use crate::config::script::Script;
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line, Word};

/// One `real_server` block, all that it inherits filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealServer {
    /// Address; of the other family than the virtual server's only through a tunnel.
    pub address: IpAddr,
    /// Port; the virtual server's if none is written, or with DR and TUN. 0 stands for the port of each packet.
    pub port: u16,
    /// `lvs_method`; the virtual server's by default.
    pub forwarding: Forwarding,
    /// `weight`, 0 to 2147483647; the virtual server's by default.
    pub weight: u32,
    /// `uthreshold`: most connections; 0 (no limit) by default.
    pub upper_threshold: u32,
    /// `lthreshold`: connections below which a full server is used again; 0 by default.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: weight 0 instead of removal; the virtual server's by default.
    pub inhibit_on_failure: bool,
    /// `alpha`: down until its checkers succeed; the virtual server's by default.
    pub alpha: bool,
    /// `smtp_alert`; `smtp_alert_checker`, then `smtp_alert` of `global_defs`, then on by default.
    pub smtp_alert: bool,
    /// What few real servers have.
    pub extras: Option<Box<Extras>>,
    /// The pace of checkers that set none.
    pub pace: Arc<Pace>,
    /// The checkers: all must be good. None means that the server always works.
    pub checkers: Box<[Checker]>,
    /// Where the block starts.
    pub place: Place,
}

/// What few real servers have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// `notify_up`.
    pub notify_up: Option<Script>,
    /// `notify_down`.
    pub notify_down: Option<Script>,
    /// `virtualhost`: the checkers know it already.
    pub virtualhost: Option<Box<str>>,
    /// `snmp_name`.
    pub snmp_name: Option<Box<str>>,
}

impl RealServer {
    /// `notify_up`.
    pub fn notify_up(&self) -> Option<&Script> {
        self.extras.as_ref()?.notify_up.as_ref()
    }

    /// `notify_down`.
    pub fn notify_down(&self) -> Option<&Script> {
        self.extras.as_ref()?.notify_down.as_ref()
    }
}

/// The keywords of the block; checkers apart ([`checker::BLOCKS`]).
const OWN: [&str; 16] = [
    "weight",
    "lvs_method",
    "uthreshold",
    "lthreshold",
    "inhibit_on_failure",
    "notify_up",
    "notify_down",
    "alpha",
    "retry",
    "delay_before_retry",
    "warmup",
    "connect_timeout",
    "delay_loop",
    "smtp_alert",
    "virtualhost",
    "snmp_name",
];

/// The keywords of the block.
pub(crate) const KEYWORDS: [&str; 26] = checker::all(&[&OWN, &checker::BLOCKS]);

/// What a `real_server` block says, before anything is inherited.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    pub(super) block: Block<'t>,
    pub(super) address: IpAddr,
    /// As written; 0 for none.
    pub(super) port: u16,
    pub(super) forwarding: Option<Forwarding>,
    weight: Option<u32>,
    upper_threshold: u32,
    lower_threshold: u32,
    inhibit_on_failure: Option<bool>,
    alpha: Option<bool>,
    smtp_alert: Option<bool>,
    extras: Option<Box<Extras>>,
    pace: Option<Box<pace::Draft>>,
    checkers: Vec<checker::Draft<'t>>,
}

/// Reads a `real_server` block. One without a good address and port is reported and skipped.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let argument = block.head.argument(report);
    let endpoint = argument.and_then(|_| endpoint::read(block.head.words(), report));
    // What stands in a block without a usable address is read for its mistakes.
    let before = report.mistakes.len();
    let (address, port) = endpoint.unwrap_or((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
    let mut draft = Draft {
        block,
        address,
        port,
        forwarding: None,
        weight: None,
        upper_threshold: 0,
        lower_threshold: 0,
        inhibit_on_failure: None,
        alpha: None,
        smtp_alert: None,
        extras: None,
        pace: None,
        checkers: Vec::new(),
    };
    for line in block.lines() {
        let known = checker::parse(line, address, &mut draft.checkers, report)
            || draft.read(line, report)
            || pace::Draft::read(&mut draft.pace, line, 1, report);
        if !known {
            report.unknown_keyword(line, &KEYWORDS);
        }
    }
    let (lower, upper) = (draft.lower_threshold, draft.upper_threshold);
    if upper != 0 && lower > upper {
        report.add(
            block.line_of("lthreshold").at(),
            LvsReason::Thresholds { lower, upper }.into(),
        );
    }
    if endpoint.is_none() {
        report.dropped_since(before);
        return None;
    }
    Some(draft)
}

/// What a real server inherits.
pub(super) struct Parent<'a, 't> {
    pub(super) pace: &'a Arc<Pace>,
    pub(super) weight: u32,
    pub(super) inhibit_on_failure: bool,
    pub(super) alpha: bool,
    pub(super) virtual_host: Option<&'a str>,
    pub(super) surroundings: &'a Surroundings<'a, 't>,
}

/// Where a real server is and how packets reach it, once the virtual server is known.
pub(super) struct Target {
    /// The port for the kernel.
    pub(super) port: u16,
    /// The port to check.
    pub(super) check_port: u16,
    /// How packets reach it.
    pub(super) forwarding: Forwarding,
}

impl<'t> Draft<'t> {
    fn read(&mut self, line: Line<'t>, report: &mut Report) -> bool {
        match line.keyword() {
            "weight" => checker::set(&mut self.weight, line.number(0..=WEIGHT_MAX, report)),
            "lvs_method" => self.forwarding = forwarding::read(line, self.forwarding, report),
            "uthreshold" => {
                self.upper_threshold = line.number(0..=u32::MAX, report).unwrap_or(self.upper_threshold);
            }
            "lthreshold" => {
                self.lower_threshold = line.number(0..=u32::MAX, report).unwrap_or(self.lower_threshold);
            }
            "inhibit_on_failure" => checker::set(&mut self.inhibit_on_failure, line.boolean(report)),
            "alpha" => checker::set(&mut self.alpha, line.boolean(report)),
            "smtp_alert" => checker::set(&mut self.smtp_alert, line.boolean(report)),
            "notify_up" => report.keep_first(line, &mut self.extras().notify_up, Line::script),
            "notify_down" => report.keep_first(line, &mut self.extras().notify_down, Line::script),
            "virtualhost" => report.keep_last(line, &mut self.extras().virtualhost, text),
            "snmp_name" => report.keep_last(line, &mut self.extras().snmp_name, snmp_name),
            _ => return false,
        }
        true
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Fills in what is inherited.
    pub(super) fn resolve(
        self,
        target: &Target,
        parent: &Parent<'_, 't>,
        pool: &mut Pool,
        report: &mut Report,
    ) -> RealServer {
        let pace = match &self.pace {
            Some(draft) => pool.paces.get(parent.pace.with(draft)),
            None => Arc::clone(parent.pace),
        };
        let alpha = self.alpha.unwrap_or(parent.alpha);
        let heritage = Heritage {
            address: self.address,
            port: target.check_port,
            pace: &pace,
            alpha,
            real_host: self
                .extras
                .as_ref()
                .and_then(|extras| extras.virtualhost.as_deref()),
            virtual_host: parent.virtual_host,
            delay_loop: parent.pace.delay_loop,
            surroundings: parent.surroundings,
        };
        RealServer {
            checkers: checker::resolve(self.checkers, &heritage, pool, report),
            address: self.address,
            port: target.port,
            forwarding: target.forwarding,
            weight: self.weight.unwrap_or(parent.weight),
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
            inhibit_on_failure: self.inhibit_on_failure.unwrap_or(parent.inhibit_on_failure),
            alpha,
            smtp_alert: self.smtp_alert.or(parent.surroundings.smtp_alert).unwrap_or(true),
            extras: self.extras.filter(|extras| **extras != Extras::default()),
            pace,
            place: self.block.head.place(),
        }
    }
}

/// What the kernel can count.
pub(super) const WEIGHT_MAX: u32 = i32::MAX.unsigned_abs();

/// One word; keepalived goes on without it.
pub(super) fn text(line: Line<'_>, report: &mut Report) -> Option<Box<str>> {
    line.value(report).map(|word| word.text().into())
}

/// Exactly one word.
pub(super) fn only_word<'t>(line: Line<'t>, report: &mut Report) -> Option<Word<'t>> {
    let word = line.value(report)?;
    if let Some(extra) = line.words().nth(1) {
        report.add(
            extra.at(),
            LvsReason::ExtraWord {
                keyword: line.keyword().to_owned(),
            }
            .into(),
        );
        return None;
    }
    Some(word)
}

/// `snmp_name`.
pub(super) fn snmp_name(line: Line<'_>, report: &mut Report) -> Option<Box<str>> {
    only_word(line, report).map(|word| word.text().into())
}
