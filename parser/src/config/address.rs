//! Address lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use std::net::{IpAddr, Ipv4Addr};

use crate::report::{Reason, Report};
use crate::tree::{Line, Word};
use crate::units::Family;
use crate::value::address;

/// The words after any address.
const OPTIONS: [&str; 13] = [
    "dev",
    "scope",
    "brd",
    "broadcast",
    "label",
    "peer",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "no_track",
    "preferred_lft",
];

/// The words after a virtual address.
const VIRTUAL_OPTIONS: [&str; 14] = with("use_vmac");

/// The words after a static address.
const STATIC_OPTIONS: [&str; 14] = with("track_group");

const fn with(last: &'static str) -> [&'static str; 14] {
    let mut options = [last; 14];
    let mut at = 0;
    while at < OPTIONS.len() {
        options[at] = OPTIONS[at];
        at += 1;
    }
    options
}

/// One address line: `IPADDR[/PREFIX] [brd BRD] [dev IF] [scope S] [label L] ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 where none is written.
    pub prefix_len: u8,
    /// `dev`: `None` means the instance's own interface.
    pub dev: Option<String>,
    /// `scope`: rtnetlink scope number (`global` 0, `site` 200, `link` 253, `host` 254, `nowhere` 255). IPv4 only.
    pub scope: u8,
    /// `label`, at most 15 bytes, IPv4 only.
    pub label: Option<String>,
    /// `brd`/`broadcast`, IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// `peer`.
    pub peer: Option<(IpAddr, u8)>,
    /// `home`.
    pub home: bool,
    /// `-nodad`: no duplicate address detection. Virtual addresses never have it.
    pub nodad: bool,
    /// `mngtmpaddr`.
    pub mngtmpaddr: bool,
    /// `noprefixroute`.
    pub noprefixroute: bool,
    /// `autojoin`.
    pub autojoin: bool,
    /// `preferred_lft` in seconds; `None` means for ever. 0 marks the address deprecated, the default of IPv6 /128.
    pub preferred_lft: Option<u32>,
    /// `no_track`: its removal by someone else is not put right.
    pub no_track: bool,
    /// `use_vmac`: on a macvlan of `dev`. Virtual addresses only.
    pub use_vmac: bool,
    /// `track_group`: whose instances fault while it is missing. Static addresses only.
    pub track_group: Option<String>,
}

impl VirtualAddress {
    /// An address without any option.
    pub fn new(address: IpAddr, prefix_len: u8) -> Self {
        Self {
            address,
            prefix_len,
            dev: None,
            scope: 0,
            label: None,
            broadcast: None,
            peer: None,
            home: false,
            nodad: true,
            mngtmpaddr: false,
            noprefixroute: false,
            autojoin: false,
            preferred_lft: (address.is_ipv6() && prefix_len == 128).then_some(0),
            no_track: false,
            use_vmac: false,
            track_group: None,
        }
    }
}

/// Reads an address line of an instance. What makes the address useless is reported and gives `None`.
pub(super) fn parse(line: Line<'_>, report: &mut Report) -> Option<VirtualAddress> {
    Reading::new(line, &VIRTUAL_OPTIONS, report)?.finish(report)
}

/// Reads an address line of `static_ipaddress`.
pub(super) fn parse_static(line: Line<'_>, report: &mut Report) -> Option<VirtualAddress> {
    let mut reading = Reading::new(line, &STATIC_OPTIONS, report)?;
    reading.address.nodad = false;
    let mut address = reading.finish(report)?;
    if address.track_group.is_some() && address.dev.is_none() {
        report.conflict(
            line.at(),
            "`track_group`",
            "an address without `dev`",
            "it is ignored",
        );
        address.track_group = None;
    }
    Some(address)
}

/// Gives static addresses without `dev` the default interface.
pub(super) fn resolve_static(
    mut addresses: Vec<VirtualAddress>,
    default_interface: &str,
) -> Vec<VirtualAddress> {
    for address in &mut addresses {
        address.dev.get_or_insert_with(|| default_interface.to_owned());
    }
    addresses
}

struct Reading<'t> {
    line: Line<'t>,
    options: &'static [&'static str],
    address: VirtualAddress,
    /// A prefix was written after the address.
    prefix: bool,
    /// The last word was no option: the next may be its value.
    lost: bool,
    /// The word after `brd`.
    broadcast: Option<Word<'t>>,
}

/// The line gives no usable address; why has been reported.
struct Useless;

impl<'t> Reading<'t> {
    fn new(line: Line<'t>, options: &'static [&'static str], report: &mut Report) -> Option<Self> {
        line.no_block(report);
        let word = line.keyword_word();
        let (address, prefix_len) = word.address_with_prefix(report)?;
        let address = VirtualAddress::new(address, prefix_len);
        Some(Self {
            line,
            options,
            address,
            prefix: word.text().contains('/'),
            lost: false,
            broadcast: None,
        })
    }

    fn finish(mut self, report: &mut Report) -> Option<VirtualAddress> {
        let mut words = self.line.words();
        while let Some(word) = words.next() {
            self.option(word, &mut words, report).ok()?;
        }
        self.check_broadcast(report).ok()?;
        if self.address.peer.is_some() && self.prefix {
            let at = self.line.keyword_word().at();
            report.conflict(at, "the prefix of the address", "`peer`", "it is ignored");
            self.address.prefix_len = address::longest_prefix(self.address.address);
        }
        if self.address.use_vmac && self.address.dev.is_none() {
            report.conflict(
                self.line.at(),
                "`use_vmac`",
                "an address without `dev`",
                "it is ignored",
            );
            self.address.use_vmac = false;
        }
        Some(self.address)
    }

    fn option(
        &mut self,
        word: Word<'t>,
        words: &mut impl Iterator<Item = Word<'t>>,
        report: &mut Report,
    ) -> Result<(), Useless> {
        let address = &mut self.address;
        let lost = std::mem::replace(&mut self.lost, !self.options.contains(&word.text()));
        match word.text() {
            _ if self.lost && lost => {}
            _ if self.lost => report.unknown_option(word, "an address", self.options),
            "home" => address.home = true,
            "-nodad" => address.nodad = true,
            "mngtmpaddr" => address.mngtmpaddr = true,
            "noprefixroute" => address.noprefixroute = true,
            "autojoin" => address.autojoin = true,
            "no_track" => address.no_track = true,
            "use_vmac" => address.use_vmac = true,
            _ => {
                let value = report.option_value(word, words.next()).ok_or(Useless)?;
                return self.valued(word, value, report);
            }
        }
        Ok(())
    }

    fn valued(&mut self, word: Word<'t>, value: Word<'t>, report: &mut Report) -> Result<(), Useless> {
        let address = &mut self.address;
        let v4 = address.address.is_ipv4();
        match word.text() {
            "dev" if address.dev.is_some() => {
                report.add(word.at(), Reason::OptionTwice { option: "dev" });
                return Err(Useless);
            }
            "dev" => address.dev = value.interface(report),
            "scope" | "label" if !v4 => {
                let option = word.text().to_owned();
                report.add(word.at(), Reason::Ipv4Only { option });
            }
            "scope" => match address::scope(value.text()) {
                Some(scope) => address.scope = scope,
                None => report.add(
                    value.at(),
                    Reason::NotAScope {
                        got: value.text().to_owned(),
                    },
                ),
            },
            "label" => address.label = Some(value.name(15, report).ok_or(Useless)?),
            "brd" | "broadcast" if !v4 => {
                let option = word.text().to_owned();
                report.add(word.at(), Reason::Ipv4Only { option });
                return Err(Useless);
            }
            "brd" | "broadcast" => self.broadcast = Some(value),
            "peer" if address.peer.is_some() => report.add(word.at(), Reason::OptionTwice { option: "peer" }),
            "peer" => address.peer = peer(value, v4, report),
            "preferred_lft" if value.text() == "forever" => address.preferred_lft = None,
            "preferred_lft" => {
                address.preferred_lft = value.number(0..=u32::MAX, report).or(address.preferred_lft);
            }
            _ => address.track_group = Some(value.text().to_owned()),
        }
        Ok(())
    }

    fn check_broadcast(&mut self, report: &mut Report) -> Result<(), Useless> {
        let Some(word) = self.broadcast else { return Ok(()) };
        let (IpAddr::V4(v4), prefix_len) = (self.address.address, self.address.prefix_len) else {
            return Ok(());
        };
        if self.address.peer.is_some() {
            report.conflict(word.at(), "a broadcast address", "`peer`", "it is ignored");
        } else if matches!(word.text(), "+" | "-") {
            if prefix_len > 30 {
                report.add(word.at(), Reason::PrefixTooLongForBroadcast { prefix_len });
            } else {
                self.address.broadcast = Some(address::broadcast(v4, prefix_len, word.text() == "+"));
            }
        } else {
            match word.address(report).ok_or(Useless)? {
                IpAddr::V4(broadcast) => self.address.broadcast = Some(broadcast),
                IpAddr::V6(_) => {
                    report.add(
                        word.at(),
                        Reason::WrongFamily {
                            expected: Family::Ipv4,
                        },
                    );
                    return Err(Useless);
                }
            }
        }
        Ok(())
    }
}

fn peer(word: Word<'_>, v4: bool, report: &mut Report) -> Option<(IpAddr, u8)> {
    let peer = word.address_with_prefix(report)?;
    if peer.0.is_ipv4() != v4 {
        let expected = if v4 { Family::Ipv4 } else { Family::Ipv6 };
        report.add(word.at(), Reason::WrongFamily { expected });
        return None;
    }
    Some(peer)
}
