//! The connection of a checker: where it goes and where it comes from.

use std::net::IpAddr;

use super::{COMMON, Common, Heritage, all, set};
use crate::config::endpoint;
use crate::config::pace;
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line};

/// Where a checker connects to, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `connect_ip`; the real server's address by default.
    pub address: IpAddr,
    /// `connect_port`; the real server's port by default. 0 where there is none: the check fails.
    pub port: u16,
    /// What the near end is bound to; `None` leaves all to the kernel.
    pub source: Option<Box<Source>>,
}

/// The near end of a checker's connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `bindto`.
    pub bindto: Option<IpAddr>,
    /// `bind_port`; 0 means any.
    pub bind_port: u16,
    /// `bind_if`, at most 15 bytes.
    pub bind_if: Option<Box<str>>,
    /// `fwmark` of its packets (`SO_MARK`); 0 means none.
    pub fwmark: u32,
}

/// Bytes of an interface's name (`IFNAMSIZ` without the NUL).
const INTERFACE_MOST: usize = 15;

/// The settings of every checker with a connection.
const OWN: [&str; 7] = [
    "connect_ip",
    "connect_port",
    "bindto",
    "bind_port",
    "bind_if",
    "connect_timeout",
    "fwmark",
];

/// The keywords of checkers with a connection and nothing else.
pub(in crate::config) const KEYWORDS: [&str; 13] = all(&[&OWN, &COMMON]);

/// Reads a block that says nothing but where and how it connects: `TCP_CHECK`, `PING_CHECK`, `host`.
pub(super) fn parse(
    block: Block<'_>,
    server: IpAddr,
    common: &mut Common,
    report: &mut Report,
) -> Option<Draft> {
    let mut connection = Draft::default();
    for line in block.lines() {
        if !connection.read(line, server, common, report) {
            report.unknown_keyword(line, &KEYWORDS);
        }
    }
    connection.can_work(block, server, report).then_some(connection)
}

/// What a checker says of its connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    address: Option<IpAddr>,
    port: Option<u16>,
    source: Option<Box<Source>>,
}

impl Draft {
    /// Reads one of [`KEYWORDS`]. `false` if the keyword is none of them.
    pub(super) fn read(
        &mut self,
        line: Line<'_>,
        server: IpAddr,
        common: &mut Common,
        report: &mut Report,
    ) -> bool {
        match line.keyword() {
            "connect_ip" => {
                let bound = self.source.as_ref().and_then(|source| source.bindto);
                set(&mut self.address, address(line, bound, report));
            }
            "connect_port" => set(&mut self.port, line.number(1..=u16::MAX, report)),
            "bindto" => {
                let destination = self.address.unwrap_or(server);
                if let Some(address) = address(line, Some(destination), report) {
                    self.source().bindto = Some(address);
                }
            }
            "bind_port" => {
                if let Some(port) = line.number(1..=u16::MAX, report) {
                    self.source().bind_port = port;
                }
            }
            "bind_if" => {
                let name = line
                    .setting(report)
                    .and_then(|word| word.name(INTERFACE_MOST, report));
                if let Some(name) = name {
                    self.source().bind_if = Some(name.into());
                }
            }
            "fwmark" => {
                if let Some(mark) = line.number(0..=u32::MAX, report) {
                    self.source().fwmark = mark;
                }
            }
            "connect_timeout" => {
                return pace::Draft::read(&mut common.pace, line, 0, report);
            }
            _ => return common.read(line, report),
        }
        true
    }

    /// Whether the block says anything of where it connects to or from.
    pub(super) fn is_written(&self) -> bool {
        self.address.is_some() || self.port.is_some() || self.source.is_some()
    }

    /// A link-local destination without an interface is reported; such a checker cannot work.
    pub(super) fn can_work(&self, block: Block<'_>, server: IpAddr, report: &mut Report) -> bool {
        let address = self.address.unwrap_or(server);
        let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        let has_interface = self
            .source
            .as_ref()
            .is_some_and(|source| source.bind_if.is_some());
        if link_local && !has_interface {
            report.add(
                block.line_of("connect_ip").at(),
                LvsReason::LinkLocal { address }.into(),
            );
            return false;
        }
        true
    }

    /// Fills in the real server's address and port.
    pub(super) fn resolve(
        self,
        block: Block<'_>,
        heritage: &Heritage<'_, '_>,
        report: &mut Report,
    ) -> Connection {
        let connection = self.resolve_without_port(heritage);
        if connection.port == 0 {
            report.add(block.head.at(), LvsReason::NoCheckPort.into());
        }
        connection
    }

    /// As [`Draft::resolve`] for a checker that needs no port.
    pub(super) fn resolve_without_port(self, heritage: &Heritage<'_, '_>) -> Connection {
        Connection {
            address: self.address.unwrap_or(heritage.address),
            port: self.port.unwrap_or(heritage.port),
            source: self.source,
        }
    }

    fn source(&mut self) -> &mut Source {
        self.source.get_or_insert_default()
    }
}

/// An address that must be of the family of another.
fn address(line: Line<'_>, other: Option<IpAddr>, report: &mut Report) -> Option<IpAddr> {
    let word = line.setting(report)?;
    let address = endpoint::address(word, report)?;
    if let Some(other) = other.filter(|other| other.is_ipv4() != address.is_ipv4()) {
        report.add(word.at(), LvsReason::FamilyOfConnection { address, other }.into());
        return None;
    }
    Some(address)
}
