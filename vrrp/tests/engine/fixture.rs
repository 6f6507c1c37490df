//! Configurations as the parser would give them, and packets as a socket would.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use parser::Config;
use parser::config::vrrp_instance::Tracked;
use parser::config::{VirtualAddress, VrrpInstance, VrrpScript, VrrpSyncGroup};
use parser::units::Vrid;
use vrrp::packet::{self, Outgoing};
use vrrp::{Engine, Event, Instant, Link, LinkId, Packet};

pub(crate) const ETH0: LinkId = LinkId(2);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(millis: u64) -> Instant {
    Instant::default() + ms(millis)
}

pub(crate) fn ip(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

/// `vrrp_instance VI_1` on eth0, virtual router 51, one address, everything else as by default.
pub(crate) fn instance(priority: u8) -> VrrpInstance {
    instance_with(priority, ip(100))
}

fn instance_with(priority: u8, address: IpAddr) -> VrrpInstance {
    let text = format!(
        "vrrp_instance VI_1 {{
             interface eth0
             virtual_router_id 51
             priority {priority}
             virtual_ipaddress {{
                 {address}
             }}
         }}"
    );
    let mut config = parser::parse_text(&parser::Machine, &text).config;
    Arc::unwrap_or_clone(config.vrrp_instances.remove(0))
}

pub(crate) fn line(address: IpAddr) -> VirtualAddress {
    instance_with(100, address).virtual_ipaddress.remove(0)
}

pub(crate) fn script(name: &str) -> VrrpScript {
    let text = format!(
        "vrrp_script {name} {{
             script /usr/bin/{name}
         }}"
    );
    parser::parse_text(&parser::Machine, &text)
        .config
        .vrrp_scripts
        .remove(0)
}

pub(crate) fn tracked(name: &str, weight: i16) -> Tracked {
    Tracked {
        name: name.to_owned(),
        weight,
        reverse: false,
    }
}

/// `vrrp_sync_group G1` of these members.
pub(crate) fn group(members: [&str; 2]) -> VrrpSyncGroup {
    let [one, two] = members;
    let member = |name, vrid| {
        format!(
            "vrrp_instance {name} {{
                 interface eth0
                 virtual_router_id {vrid}
                 virtual_ipaddress {{
                     10.0.0.100
                 }}
             }}"
        )
    };
    let text = format!(
        "vrrp_sync_group G1 {{
             group {{
                 {one}
                 {two}
             }}
         }}
         {}
         {}",
        member(one, 1),
        member(two, 2)
    );
    parsed(&text).vrrp_sync_groups.remove(0)
}

pub(crate) fn config(instances: Vec<VrrpInstance>, scripts: Vec<VrrpScript>) -> Config {
    Config {
        vrrp_instances: instances.into_iter().map(Arc::new).collect(),
        vrrp_scripts: scripts,
        ..Config::default()
    }
}

/// The configuration that a text means.
pub(crate) fn parsed(text: &str) -> Config {
    parser::parse_text(&parser::Machine, text).config
}

/// eth0 of the host with this number, up.
pub(crate) fn eth0(host: u8) -> Link {
    Link {
        id: ETH0,
        name: "eth0".to_owned(),
        running: true,
        hardware_address: vec![2, 0, 0, 0, 0, host],
        ipv4: Some(Ipv4Addr::new(10, 0, 0, host)),
        ipv6_link_local: Some(format!("fe80::{host}").parse().unwrap()),
        addresses: vec![ip(host)],
        mtu: 1500,
        multicast: true,
    }
}

/// An engine of one host, 10.0.0.5, told of eth0 and started at zero.
pub(crate) fn started(config: &Config) -> Engine {
    let mut engine = Engine::new(config, "", at(0));
    engine.handle(Event::Link(eth0(5)), at(0));
    engine.handle_timeout(at(0));
    engine
}

/// An advert of another host for the same virtual router.
pub(crate) fn advert(config: &VrrpInstance, host: u8, priority: u8) -> Vec<u8> {
    let addresses: Vec<IpAddr> = config.virtual_ipaddress.iter().map(|line| line.address).collect();
    Outgoing {
        version: config.version,
        vrid: config.virtual_router_id,
        priority,
        interval: config.advert_int,
        authentication: &config.authentication,
        addresses: &addresses,
        source: ip(host),
        destination: packet::GROUP_V4.into(),
        bare_sum: false,
    }
    .encode()
}

pub(crate) fn from(host: u8, payload: &[u8]) -> Event<'_> {
    Event::Packet(packet_from(host, payload))
}

pub(crate) fn packet_from(host: u8, payload: &[u8]) -> Packet<'_> {
    Packet {
        link: Some(ETH0),
        source: ip(host),
        destination: packet::GROUP_V4.into(),
        hop_limit: 255,
        ip_header: &[],
        payload,
    }
}

pub(crate) fn vrid(value: u8) -> Vrid {
    Vrid(NonZeroU8::new(value).unwrap())
}
