//! Names of routing tables, protocols, scopes, realms, traffic classes and groups, as iproute2 keeps them in files, and
//! of IP protocols.
//!
//! The files are those of the machine the host trait lends; nothing is read before a name is looked up. Names that
//! iproute2 is built with hold when the files do not say otherwise.

use std::cell::OnceCell;
use std::path::Path;

use crate::report::RoutingReason;
use crate::source::Host;
use crate::value::number;

/// Which names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Routing tables (`rt_tables`), 0 to 4294967295.
    Table,
    /// Origins of routes (`rt_protos`), 0 to 255.
    Protocol,
    /// Scopes of routes and addresses (`rt_scopes`), 0 to 255.
    Scope,
    /// Values of the type of service byte (`rt_dsfield`), 0 to 255.
    Tos,
    /// Realms (`rt_realms`), 0 to 255.
    Realm,
    /// Groups of interfaces (`group`), 0 to 2147483647.
    Group,
}

impl NameKind {
    /// The file of iproute2.
    pub fn file(self) -> &'static str {
        match self {
            Self::Table => "rt_tables",
            Self::Protocol => "rt_protos",
            Self::Scope => "rt_scopes",
            Self::Tos => "rt_dsfield",
            Self::Realm => "rt_realms",
            Self::Group => "group",
        }
    }

    /// The greatest number.
    pub fn max(self) -> u32 {
        match self {
            Self::Table => u32::MAX,
            Self::Group => i32::MAX.unsigned_abs(),
            Self::Protocol | Self::Scope | Self::Tos | Self::Realm => u8::MAX.into(),
        }
    }

    fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Table => &[("default", 253), ("main", 254), ("local", 255)],
            Self::Protocol => PROTOCOLS,
            Self::Scope => &[
                ("global", 0),
                ("site", 200),
                ("link", 253),
                ("host", 254),
                ("nowhere", 255),
            ],
            Self::Tos => TOS,
            Self::Realm => &[("cosmos", 0)],
            Self::Group => &[("default", 0)],
        }
    }
}

/// The protocol attribute of keepalived's own routes and rules (`RTPROT_KEEPALIVED`).
pub const PROTOCOL_KEEPALIVED: u8 = 18;

/// Routing protocols that `linux/rtnetlink.h` knows.
const PROTOCOLS: &[(&str, u32)] = &[
    ("unspec", 0),
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("keepalived", PROTOCOL_KEEPALIVED as u32),
    ("babel", 42),
    ("openr", 99),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

/// Differentiated services code points in place: RFC 2474 4.2.2 (CS), RFC 2597 6 (AF), RFC 3246 2.7 (EF).
const TOS: &[(&str, u32)] = &[
    ("default", 0x00),
    ("CS1", 0x20),
    ("AF11", 0x28),
    ("AF12", 0x30),
    ("AF13", 0x38),
    ("CS2", 0x40),
    ("AF21", 0x48),
    ("AF22", 0x50),
    ("AF23", 0x58),
    ("CS3", 0x60),
    ("AF31", 0x68),
    ("AF32", 0x70),
    ("AF33", 0x78),
    ("CS4", 0x80),
    ("AF41", 0x88),
    ("AF42", 0x90),
    ("AF43", 0x98),
    ("CS5", 0xa0),
    ("EF", 0xb8),
    ("CS6", 0xc0),
    ("CS7", 0xe0),
];

/// IP protocols of the IANA registry that need no `/etc/protocols`.
const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];

/// The names of one machine.
pub struct Names<'h> {
    host: &'h dyn Host,
    /// `iproute_usr_dir`: tables of the distribution.
    usr_dirs: Vec<String>,
    /// `iproute_etc_dir`: tables of the administrator, which come first.
    etc_dir: String,
    tables: [OnceCell<Table>; 6],
    ip_protocols: OnceCell<Table>,
}

type Table = Vec<(String, u32)>;

impl<'h> Names<'h> {
    /// The names of a machine; `None` means the directories iproute2 uses itself.
    pub fn new(host: &'h dyn Host, usr_dir: Option<&str>, etc_dir: Option<&str>) -> Self {
        let usr_dirs = match usr_dir {
            Some(dir) => vec![dir.to_owned()],
            None => vec!["/usr/share/iproute2".to_owned(), "/usr/lib/iproute2".to_owned()],
        };
        Self {
            host,
            usr_dirs,
            etc_dir: etc_dir.unwrap_or("/etc/iproute2").to_owned(),
            tables: Default::default(),
            ip_protocols: OnceCell::new(),
        }
    }

    /// The number that a name or a number in C's notation stands for.
    pub fn number(&self, kind: NameKind, text: &str) -> Result<u32, RoutingReason> {
        let table = self.tables[kind as usize].get_or_init(|| self.read(kind));
        let named = table
            .iter()
            .find(|(name, _)| name == text)
            .map(|&(_, number)| number);
        let number = || u32::try_from(number::any_base(text)?).ok();
        named
            .or_else(number)
            .filter(|&number| number <= kind.max())
            .ok_or_else(|| {
                let got = text.to_owned();
                RoutingReason::UnknownName { got, kind }
            })
    }

    /// As [`Names::number`], for names of bytes.
    pub fn byte(&self, kind: NameKind, text: &str) -> Result<u8, RoutingReason> {
        let number = self.number(kind, text)?;
        u8::try_from(number).map_err(|_| {
            let got = text.to_owned();
            RoutingReason::UnknownName { got, kind }
        })
    }

    /// The number of an IP protocol, by `/etc/protocols` or a decimal number.
    pub fn ip_protocol(&self, text: &str) -> Result<u8, RoutingReason> {
        let table = self.ip_protocols.get_or_init(|| self.read_ip_protocols());
        let named = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let number = named
            .map(|&(_, number)| u64::from(number))
            .or_else(|| number::digits(text, 10));
        number
            .and_then(|number| u8::try_from(number).ok())
            .ok_or_else(|| {
                let got = text.to_owned();
                RoutingReason::UnknownIpProtocol { got }
            })
    }

    /// Every name of a kind, those that win first.
    fn read(&self, kind: NameKind) -> Table {
        let file = kind.file();
        let mut table = self.read_file(&format!("{}/{file}", self.etc_dir));
        let own = !table.is_empty();
        for dir in std::iter::once(&self.etc_dir).chain(&self.usr_dirs) {
            for path in self
                .host
                .glob(&format!("{}/{file}.d/*.conf", glob::Pattern::escape(dir)))
            {
                table.extend(self.read_file(&path.to_string_lossy()));
            }
        }
        if !own {
            for dir in &self.usr_dirs {
                table.extend(self.read_file(&format!("{dir}/{file}")));
            }
        }
        table.extend(
            kind.built_in()
                .iter()
                .map(|&(name, number)| (name.to_owned(), number)),
        );
        table
    }

    /// Lines `NUMBER NAME`, comments begin with `#`.
    fn read_file(&self, path: &str) -> Table {
        let entry = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let number = u32::try_from(number::any_base(words.next()?)?).ok()?;
            Some((words.next()?.to_owned(), number))
        };
        self.lines(path, |line| entry(line).into_iter().collect())
    }

    /// Lines `NAME NUMBER ALIAS...`, comments begin with `#`.
    fn read_ip_protocols(&self) -> Table {
        let entry = |line: &str| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let number = words.get(1).and_then(|number| number.parse().ok());
            let names = words.iter().enumerate().filter(|&(position, _)| position != 1);
            number.map_or_else(Vec::new, |number| {
                names.map(|(_, name)| ((*name).to_owned(), number)).collect()
            })
        };
        let mut table = self.lines("/etc/protocols", entry);
        table.extend(
            IP_PROTOCOLS
                .iter()
                .map(|&(name, number)| (name.to_owned(), number)),
        );
        table
    }

    fn lines(&self, path: &str, entry: impl Fn(&str) -> Table) -> Table {
        let bytes = self.host.read(Path::new(path)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let without_comment = |line| str::split(line, '#').next().unwrap_or("");
        text.lines()
            .flat_map(|line| entry(without_comment(line)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    #[test]
    fn the_administrators_file_hides_that_of_the_distribution_but_not_its_additions() {
        let host = Memory::new([
            (
                "/etc/iproute2/rt_tables",
                "# mine\n100 blue # the blue one\n0x10 hex\n",
            ),
            ("/etc/iproute2/rt_tables.d/a.conf", "101 green\n"),
            ("/usr/share/iproute2/rt_tables", "100 red\n"),
            ("/usr/share/iproute2/rt_tables.d/b.conf", "102 green\n103 grey\n"),
        ]);
        let names = Names::new(&host, None, None);
        let table = |text| names.number(NameKind::Table, text).ok();
        assert_eq!(table("blue"), Some(100));
        assert_eq!(table("hex"), Some(16));
        assert_eq!(table("green"), Some(101));
        assert_eq!(table("grey"), Some(103));
        assert_eq!(table("main"), Some(254));
        assert_eq!(table("red"), None);
    }

    #[test]
    fn other_directories_are_read_when_they_are_configured() {
        let host = Memory::new([("/u/rt_scopes", "7 mine"), ("/e/rt_protos", "77 mine")]);
        let names = Names::new(&host, Some("/u"), Some("/e"));
        assert_eq!(names.number(NameKind::Scope, "mine"), Ok(7));
        assert_eq!(names.number(NameKind::Protocol, "mine"), Ok(77));
    }

    #[test]
    fn numbers_are_read_as_in_c_and_end_at_their_greatest() {
        let host = Memory::default();
        let names = Names::new(&host, None, None);
        for (kind, text, number) in [
            (NameKind::Table, "4294967295", Some(u32::MAX)),
            (NameKind::Table, "4294967296", None),
            (NameKind::Table, "-1", None),
            (NameKind::Table, "0x10", Some(16)),
            (NameKind::Protocol, "255", Some(255)),
            (NameKind::Protocol, "256", None),
            (NameKind::Tos, "010", Some(8)),
            (NameKind::Tos, "EF", Some(0xb8)),
            (NameKind::Tos, "ef", None),
            (NameKind::Realm, "255", Some(255)),
            (NameKind::Realm, "256", None),
            (NameKind::Group, "2147483647", Some(2_147_483_647)),
            (NameKind::Group, "2147483648", None),
            (NameKind::Scope, "", None),
        ] {
            assert_eq!(names.number(kind, text).ok(), number, "{kind:?} {text}");
        }
    }

    #[test]
    fn ip_protocols_have_aliases_in_any_case() {
        let host = Memory::new([("/etc/protocols", "hopopt 0 HOPOPT # comment\nst\t5 ST\n")]);
        let names = Names::new(&host, None, None);
        for (text, number) in [
            ("hopopt", Some(0)),
            ("ST", Some(5)),
            ("TCP", Some(6)),
            ("udp", Some(17)),
            ("255", Some(255)),
            ("256", None),
            ("0x6", None),
            ("nosuch", None),
        ] {
            assert_eq!(names.ip_protocol(text).ok(), number, "{text}");
        }
    }
}
