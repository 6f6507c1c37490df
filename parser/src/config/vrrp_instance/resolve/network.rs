//! Interface, addresses, unicast and the interfaces made for an instance.

use std::mem::take;
use std::net::IpAddr;

use crate::config::address::VirtualAddress;
use crate::config::vrrp_instance::read::Draft;
use crate::config::vrrp_instance::vmac::VmacDraft;
use crate::report::{Reason, Report};
use crate::units::Family;

/// An advert carries the number of its addresses in one byte.
const MOST_ADDRESSES: usize = 255;

impl Draft<'_> {
    /// The interface, which only a unicast instance with a source address can do without.
    pub(super) fn resolve_interface(&mut self, report: &mut Report) -> Option<String> {
        if self.interface.is_some() && self.vrf.is_some() {
            self.conflict("vrf", "`interface`", "it is ignored", report);
            self.vrf = None;
        }
        match self.interface.take() {
            Some(interface) => Some(interface),
            None if self.unicast_src_ip.is_some() => Some(String::new()),
            None => report.require(self.block, "interface", None),
        }
    }

    /// The addresses in the adverts and the others. `None` if strict mode forbids an instance without any.
    pub(super) fn resolve_addresses(
        &mut self,
        family: Family,
        strict: bool,
        report: &mut Report,
    ) -> Option<(Vec<VirtualAddress>, Vec<VirtualAddress>)> {
        let mut addresses = take(&mut self.virtual_ipaddress);
        let mut excluded = take(&mut self.virtual_ipaddress_excluded);
        if strict && self.no_virtual_ipaddress {
            self.conflict("no_virtual_ipaddress", "strict mode", "it is ignored", report);
            self.no_virtual_ipaddress = false;
        }
        match addresses.first() {
            None if strict => {
                report.add(self.block.head.at(), Reason::NoVirtualAddress { required: true });
                return None;
            }
            None if !self.no_virtual_ipaddress => {
                report.add(self.block.head.at(), Reason::NoVirtualAddress { required: false });
            }
            // RFC 9568 5.2.9: the first IPv6 address is the link-local one.
            Some((line, first)) if strict && family == Family::Ipv6 && !is_link_local(first.address) => {
                report.add(line.keyword_word().at(), Reason::FirstNotLinkLocal);
            }
            _ => {}
        }
        if let Some((line, _)) = addresses.get(MOST_ADDRESSES) {
            let more = addresses.len() - MOST_ADDRESSES;
            report.add(
                line.at(),
                Reason::TooManyAddresses {
                    most: MOST_ADDRESSES,
                    more,
                },
            );
            excluded.extend(addresses.drain(MOST_ADDRESSES..).map(|(_, address)| address));
        }
        let mut addresses: Vec<_> = addresses.into_iter().map(|(_, address)| address).collect();
        // They are kept as long as the process lives, a thousand times.
        addresses.shrink_to_fit();
        excluded.shrink_to_fit();
        Some((addresses, excluded))
    }

    /// Whether adverts go to peers.
    pub(super) fn resolve_unicast(&mut self, report: &mut Report) -> bool {
        const UNICAST: [&str; 4] = [
            "unicast_peer",
            "unicast_src_ip",
            "check_unicast_src",
            "old_unicast_checksum",
        ];
        let keyword = UNICAST
            .into_iter()
            .find(|keyword| self.block.find(keyword).is_some());
        let asked = keyword.is_some();
        let unicast = !self.unicast_peers.is_empty() || (asked && self.unicast_fault_no_peer);
        if let Some(keyword) = keyword.filter(|_| !unicast) {
            report.add(self.block.line_of(keyword).at(), Reason::UnicastWithoutPeers);
        }
        if self.unicast_ttl.is_some() && self.unicast_peers.is_empty() {
            self.conflict(
                "unicast_ttl",
                "an instance without unicast peers",
                "it is ignored",
                report,
            );
            self.unicast_ttl = None;
        }
        if self.mcast_dst_ip.is_some() && unicast {
            self.conflict("mcast_dst_ip", "unicast peers", "it is ignored", report);
            self.mcast_dst_ip = None;
        }
        // Either keyword sets the one source address.
        self.unicast_src_ip = self.unicast_src_ip.or(self.mcast_src_ip);
        self.mcast_src_ip = self.mcast_src_ip.or(self.unicast_src_ip);
        unicast
    }

    pub(super) fn resolve_vmac(&mut self, family: Family, strict: bool, unicast: bool, report: &mut Report) {
        if self.use_vmac.is_some() && self.use_ipvlan.is_some() {
            self.conflict("use_vmac", "`use_ipvlan`", "it is ignored", report);
            self.use_vmac = None;
        }
        if strict && self.use_vmac.as_ref().is_some_and(VmacDraft::has_mac) {
            self.conflict(
                "use_vmac",
                "a link-layer address in strict mode",
                "the address is ignored",
                report,
            );
            self.use_vmac = Some(VmacDraft::default());
        }
        let without = self.use_vmac.is_none() && self.use_ipvlan.is_none();
        if self.vmac_xmit_base && (without || strict) {
            let with = if without {
                "an instance without `use_vmac`"
            } else {
                "strict mode"
            };
            self.conflict("vmac_xmit_base", with, "it is ignored", report);
            self.vmac_xmit_base = false;
        }
        self.vmac_xmit_base |= unicast && self.use_vmac.is_some();
        if self.promote_secondaries && self.use_vmac.is_some() {
            self.conflict(
                "promote_secondaries",
                "`use_vmac`, which sets it anyway",
                "it is ignored",
                report,
            );
            self.promote_secondaries = false;
        }
        let no_address = self
            .use_ipvlan
            .as_ref()
            .is_some_and(|ipvlan| ipvlan.address.is_none());
        if no_address && family == Family::Ipv4 && self.mcast_src_ip.is_none() {
            report.add(
                self.block.line_of("use_ipvlan").at(),
                Reason::IpvlanWithoutAddress,
            );
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
