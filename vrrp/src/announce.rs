//! The frames that tell neighbours who has an address now: gratuitous ARP and unsolicited neighbour advertisements.
//! When and how often they are sent, the engine says with [`crate::Action::Announce`].

use std::net::{Ipv4Addr, Ipv6Addr};

use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{MutableNdpOptionPacket, MutableNeighborAdvertPacket, NdpOptionTypes};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// A neighbour advertisement with its link-layer option.
const NEIGHBOUR_ADVERT: u16 = 24 + 8;
/// Where the option starts.
const OPTION: usize = 24;
const BROADCAST: [u8; 6] = [0xff; 6];
/// RFC 2464 7: the Ethernet group of [`ALL_NODES`].
const ALL_NODES_HARDWARE: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Length of a gratuitous ARP frame without its Ethernet padding.
pub const GARP_LEN: usize = ETHERNET + 28;
/// Length of an unsolicited neighbour advertisement frame.
pub const NA_LEN: usize = ETHERNET + IPV6 + NEIGHBOUR_ADVERT as usize;

/// A gratuitous ARP frame in keepalived's form: a request for the address, from the address, with broadcast as target.
pub fn garp(hardware: [u8; 6], address: Ipv4Addr) -> [u8; GARP_LEN] {
    let mut frame = [0; GARP_LEN];
    write_ethernet(&mut frame, hardware, BROADCAST, EtherTypes::Arp);
    if let Some(mut arp) = MutableArpPacket::new(&mut frame[ETHERNET..]) {
        arp.set_hardware_type(ArpHardwareTypes::Ethernet);
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(ArpOperations::Request);
        arp.set_sender_hw_addr(hardware.into());
        arp.set_sender_proto_addr(address);
        arp.set_target_hw_addr(BROADCAST.into());
        arp.set_target_proto_addr(address);
    }
    frame
}

/// An unsolicited neighbour advertisement frame (RFC 4861 7.2.6): to all nodes, from the address, overriding what they
/// have cached. `router` says whether this machine forwards IPv6 on the link.
pub fn unsolicited_na(hardware: [u8; 6], address: Ipv6Addr, router: bool) -> [u8; NA_LEN] {
    const ROUTER: u8 = 0x80;
    const OVERRIDE: u8 = 0x20;
    let mut frame = [0; NA_LEN];
    write_ethernet(&mut frame, hardware, ALL_NODES_HARDWARE, EtherTypes::Ipv6);
    if let Some(mut header) = MutableIpv6Packet::new(&mut frame[ETHERNET..]) {
        header.set_version(6);
        header.set_payload_length(NEIGHBOUR_ADVERT);
        header.set_next_header(IpNextHeaderProtocols::Icmpv6);
        // RFC 4861 7.1.2: receivers discard any other hop limit.
        header.set_hop_limit(255);
        header.set_source(address);
        header.set_destination(ALL_NODES);
    }
    let body = &mut frame[ETHERNET + IPV6..];
    if let Some(mut option) = MutableNdpOptionPacket::new(&mut body[OPTION..]) {
        option.set_option_type(NdpOptionTypes::TargetLLAddr);
        option.set_length(1); // in units of eight bytes
        option.set_data(&hardware);
    }
    if let Some(mut advert) = MutableNeighborAdvertPacket::new(body) {
        advert.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        advert.set_flags(OVERRIDE | if router { ROUTER } else { 0 });
        advert.set_target_addr(address);
    }
    let sum = Icmpv6Packet::new(body).map_or(0, |packet| icmpv6::checksum(&packet, &address, &ALL_NODES));
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn write_ethernet(frame: &mut [u8], source: [u8; 6], destination: [u8; 6], ether_type: EtherType) {
    if let Some(mut ethernet) = MutableEthernetPacket::new(frame) {
        ethernet.set_destination(destination.into());
        ethernet.set_source(source.into());
        ethernet.set_ethertype(ether_type);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of keepalived 2.2.7, captured on a link.
    #[test]
    fn a_gratuitous_arp_is_keepalived_s_byte_for_byte() {
        let hardware = [0xfa, 0x51, 0x43, 0x42, 0x7a, 0x57];
        let frame = garp(hardware, Ipv4Addr::new(10, 77, 0, 102));
        #[rustfmt::skip]
        let captured = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x51, 0x43, 0x42, 0x7a, 0x57, 0x08, 0x06, 0x00, 0x01,
            0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0xfa, 0x51, 0x43, 0x42, 0x7a, 0x57, 0x0a, 0x4d, 0x00, 0x66,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0x4d, 0x00, 0x66,
        ];
        assert_eq!(frame, captured);
    }

    /// A frame of keepalived 2.2.7, captured on a link.
    #[test]
    fn a_neighbour_advertisement_is_keepalived_s_byte_for_byte() {
        let hardware = [0xce, 0x0e, 0xc2, 0xc7, 0x67, 0x66];
        let address = "fe80::100".parse().unwrap();
        #[rustfmt::skip]
        let captured = [
            0x33, 0x33, 0x00, 0x00, 0x00, 0x01, 0xce, 0x0e, 0xc2, 0xc7, 0x67, 0x66, 0x86, 0xdd, 0x60, 0x00,
            0x00, 0x00, 0x00, 0x20, 0x3a, 0xff, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x88, 0x00, 0x5f, 0x61, 0x20, 0x00, 0x00, 0x00, 0xfe, 0x80,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x02, 0x01,
            0xce, 0x0e, 0xc2, 0xc7, 0x67, 0x66,
        ];
        assert_eq!(unsolicited_na(hardware, address, false), captured);
    }

    #[test]
    fn a_router_says_so_and_the_sum_fits() {
        let address: Ipv6Addr = "fe80::100".parse().unwrap();
        let frame = unsolicited_na([2, 0, 0, 0, 0, 9], address, true);
        assert_eq!(frame[58], 0xa0, "router and override, not solicited");
        let packet = Icmpv6Packet::new(&frame[54..]).unwrap();
        assert_eq!(
            packet.get_checksum(),
            icmpv6::checksum(&packet, &address, &ALL_NODES)
        );
    }
}
