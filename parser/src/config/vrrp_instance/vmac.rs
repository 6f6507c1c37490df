//! `use_vmac` and `use_ipvlan`: interfaces that the daemon makes for an instance.

use std::net::IpAddr;

use crate::report::{Reason, Report};
use crate::tree::{Line, Word};
use crate::units::Vrid;
use crate::value::address;

/// `use_vmac`: a macvlan with the VRRP link-layer address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vmac {
    /// `None` means `<vmac_prefix>.<VRID>`.
    pub name: Option<String>,
    /// `None` means 00:00:5e:00:01:VRID or, for IPv6, 00:00:5e:00:02:VRID.
    pub mac: Option<[u8; 6]>,
    /// `netlink_notify_msg`: once it is made, those who listen to the kernel are told of the interface below it anew.
    pub netlink_notify_msg: bool,
    /// `group`: the interface's link group.
    pub group: Option<u32>,
}

/// `use_ipvlan`: an ipvlan in L2 mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipvlan {
    /// `None` means a name made as for macvlans.
    pub name: Option<String>,
    /// Its own address with prefix length, which IPv4 instances need as the source of their adverts.
    pub address: Option<(IpAddr, u8)>,
    /// `bridge`, `private` or `vepa`.
    pub mode: IpvlanMode,
    /// `group`: the interface's link group.
    pub group: Option<u32>,
}

/// How an ipvlan reaches its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpvlanMode {
    /// Directly; the default.
    Bridge,
    /// Not at all.
    Private,
    /// Through the switch.
    Vepa,
}

const VMAC_WORDS: &[&str] = &["name", "netlink_notify_msg", "group"];
const IPVLAN_WORDS: &[&str] = &["name", "bridge", "private", "vepa", "group"];

/// A macvlan as written: the last octet of its address may be missing until the VRID is known.
#[derive(Clone, Debug, Default)]
pub(super) struct VmacDraft {
    vmac: Vmac,
    mac: Option<([u8; 5], Option<u8>)>,
}

impl VmacDraft {
    /// Reads `[[name] <IFNAME>] [<MAC>] [netlink_notify_msg] [group <ID>]`.
    pub(super) fn read(&mut self, line: Line<'_>, report: &mut Report) {
        line.no_block(report);
        let mut words = line.words();
        while let Some(word) = words.next() {
            match word.text() {
                "name" => named(word, words.next(), &mut self.vmac.name, report),
                "netlink_notify_msg" => self.vmac.netlink_notify_msg = true,
                "group" => self.vmac.group = group(word, words.next(), report),
                text => match address::mac(text) {
                    Some(mac) => self.mac = checked_mac(word, mac, report).or(self.mac),
                    None if self.vmac.name.is_none() => self.vmac.name = word.interface(report),
                    None => report.unknown_option(word, line.keyword(), VMAC_WORDS),
                },
            }
        }
    }

    pub(super) fn resolve(self, vrid: Vrid) -> Vmac {
        let mac = self
            .mac
            .map(|([a, b, c, d, e], last)| [a, b, c, d, e, last.unwrap_or(vrid.get())]);
        Vmac { mac, ..self.vmac }
    }

    /// Whether a link-layer address is written.
    pub(super) fn has_mac(&self) -> bool {
        self.mac.is_some()
    }
}

/// A unicast address that the protocol does not give to someone else.
fn checked_mac(
    word: Word<'_>,
    mac: ([u8; 5], Option<u8>),
    report: &mut Report,
) -> Option<([u8; 5], Option<u8>)> {
    let refused = mac.0[0] & 1 != 0 || matches!(mac.0, [0, 0, 0x5e, 0, 1 | 2]);
    if refused {
        report.add(word.at(), Reason::BadMac);
    }
    (!refused).then_some(mac)
}

impl Ipvlan {
    /// Reads `[[name] <IFNAME>] [<IPADDR>] [bridge|private|vepa] [group <ID>]`.
    pub(super) fn read(line: Line<'_>, report: &mut Report) -> Self {
        line.no_block(report);
        let mut ipvlan = Self {
            name: None,
            address: None,
            mode: IpvlanMode::Bridge,
            group: None,
        };
        let mut words = line.words();
        while let Some(word) = words.next() {
            match word.text() {
                "name" => named(word, words.next(), &mut ipvlan.name, report),
                "bridge" => ipvlan.mode = IpvlanMode::Bridge,
                "private" => ipvlan.mode = IpvlanMode::Private,
                "vepa" => ipvlan.mode = IpvlanMode::Vepa,
                "group" => ipvlan.group = group(word, words.next(), report),
                text => match address::ip_prefix(text) {
                    Some(_) => ipvlan.address = word.address_with_prefix(report),
                    None if ipvlan.name.is_none() => ipvlan.name = word.interface(report),
                    None => report.unknown_option(word, line.keyword(), IPVLAN_WORDS),
                },
            }
        }
        ipvlan
    }
}

fn named(word: Word<'_>, value: Option<Word<'_>>, name: &mut Option<String>, report: &mut Report) {
    let Some(value) = report.option_value(word, value) else {
        return;
    };
    if name.is_some() {
        return report.add(value.at(), Reason::OptionTwice { option: "name" });
    }
    *name = value.interface(report);
}

fn group(word: Word<'_>, value: Option<Word<'_>>, report: &mut Report) -> Option<u32> {
    report.option_value(word, value)?.number(0..=u32::MAX, report)
}
