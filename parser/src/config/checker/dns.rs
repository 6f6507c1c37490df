//! `DNS_CHECK`: a name server answers.

use std::net::IpAddr;

use super::{Common, Connection, Heritage, all, connection, set};
use crate::report::{LvsReason, Report};
use crate::tree::{Block, Line};

/// `DNS_CHECK`: one question over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Where the question goes.
    pub connection: Connection,
    /// `type`.
    pub kind: DnsType,
    /// `name` without a final dot: labels of 1 to 63 bytes, at most 253 bytes altogether. The root is empty; it is the
    /// default.
    pub name: Box<str>,
}

/// `type`: what is asked for, with its number in RFC 1035, 3596 and 4034.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u16)]
#[expect(missing_docs, reason = "each is the record type of its name")]
pub enum DnsType {
    A = 1,
    Ns = 2,
    Cname = 5,
    /// The default.
    #[default]
    Soa = 6,
    Mx = 15,
    Txt = 16,
    Aaaa = 28,
    Rrsig = 46,
    Dnskey = 48,
}

/// The keywords of the block.
pub(in crate::config) const KEYWORDS: [&str; 15] = all(&[&["type", "name"], &connection::KEYWORDS]);

/// What the block says.
#[derive(Debug, Default)]
pub(super) struct Draft {
    connection: connection::Draft,
    kind: Option<DnsType>,
    name: Option<Box<str>>,
}

/// Reads a `DNS_CHECK` block.
pub(super) fn parse(
    block: Block<'_>,
    server: IpAddr,
    common: &mut Common,
    report: &mut Report,
) -> Option<Draft> {
    let mut draft = Draft::default();
    for line in block.lines() {
        match line.keyword() {
            "type" => {
                let kind = line
                    .setting(report)
                    .and_then(|word| word.one_of_in_any_case("type", &TYPES, report));
                set(&mut draft.kind, kind);
            }
            "name" => report.keep_first(line, &mut draft.name, name),
            _ if draft.connection.read(line, server, common, report) => {}
            _ => report.unknown_keyword(line, &KEYWORDS),
        }
    }
    draft.connection.can_work(block, server, report).then_some(draft)
}

impl Draft {
    /// Gives the defaults.
    pub(super) fn resolve(self, block: Block<'_>, heritage: &Heritage<'_, '_>, report: &mut Report) -> Dns {
        Dns {
            connection: self.connection.resolve(block, heritage, report),
            kind: self.kind.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
        }
    }
}

impl DnsType {
    /// As it is written.
    pub fn name(self) -> &'static str {
        let found = TYPES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

const TYPES: [(&str, DnsType); 9] = [
    ("A", DnsType::A),
    ("NS", DnsType::Ns),
    ("CNAME", DnsType::Cname),
    ("SOA", DnsType::Soa),
    ("MX", DnsType::Mx),
    ("TXT", DnsType::Txt),
    ("AAAA", DnsType::Aaaa),
    ("RRSIG", DnsType::Rrsig),
    ("DNSKEY", DnsType::Dnskey),
];

/// A domain name, with or without its final dot.
fn name(line: Line<'_>, report: &mut Report) -> Option<Box<str>> {
    let word = line.setting(report)?;
    let text = word.text();
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()));
    if name.is_empty() || fits {
        return Some(name.into());
    }
    report.add(
        word.at(),
        LvsReason::NotADomainName { got: text.to_owned() }.into(),
    );
    None
}
