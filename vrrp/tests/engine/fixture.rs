//! Configurations as the parser would give them, and packets as a socket would.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::time::Duration;

use parser::Config;
use parser::Place;
use parser::config::vrrp_instance::Tracked;
use parser::config::{Script, VirtualAddress, VrrpInstance, VrrpScript};
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
    let text = format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\nversion 2\n\
         virtual_ipaddress {{\n{}\n}}\n}}\n",
        ip(100)
    );
    only(parser::parse_text(&text).config.vrrp_instances)
}

pub(crate) fn line(address: IpAddr) -> VirtualAddress {
    let text = format!(
        "vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
    );
    only(only(parser::parse_text(&text).config.vrrp_instances).virtual_ipaddress)
}

fn only<T>(list: Vec<T>) -> T {
    let mut list = list.into_iter();
    let item = list.next().expect("the fixture's text is a configuration");
    assert!(list.next().is_none());
    item
}

pub(crate) fn script(name: &str) -> VrrpScript {
    VrrpScript {
        name: name.to_owned(),
        script: Script {
            words: vec![format!("/usr/bin/{name}")],
            text: format!("/usr/bin/{name}"),
            run_as: None,
            place: Place::default(),
        },
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        weight: 0,
        reverse: false,
        rise: 1,
        fall: 1,
        init_fail: false,
        place: Place::default(),
    }
}

pub(crate) fn tracked(name: &str, weight: i16) -> Tracked {
    Tracked {
        name: name.to_owned(),
        weight,
        reverse: false,
    }
}

pub(crate) fn config(instances: Vec<VrrpInstance>, scripts: Vec<VrrpScript>) -> Config {
    Config {
        vrrp_scripts: scripts,
        vrrp_instances: instances,
        ..Config::default()
    }
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
        mtu: 1500,
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
    }
    .encode()
}

pub(crate) fn from(host: u8, payload: &[u8]) -> Event<'_> {
    Event::Packet(packet_from(host, payload))
}

pub(crate) fn packet_from(host: u8, payload: &[u8]) -> Packet<'_> {
    Packet {
        link: ETH0,
        source: ip(host),
        destination: packet::GROUP_V4.into(),
        hop_limit: 255,
        payload,
    }
}

pub(crate) fn vrid(value: u8) -> Vrid {
    Vrid(NonZeroU8::new(value).unwrap())
}
