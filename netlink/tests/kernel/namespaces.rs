//! Namespaces are made, joined, entered and gone.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use netlink::link::LinkRequest;
use netlink::namespace::{self, Error};
use netlink::{Address, Event, Monitor, Netlink};

use crate::{add, alone, apply, index, run, until};

/// Which namespace the descriptor holds.
fn inode(namespace: &OwnedFd) -> u64 {
    fs::File::from(namespace.try_clone().unwrap())
        .metadata()
        .unwrap()
        .ino()
}

/// Two namespaces with a cable between them whose ends are both called `eth0`; the addresses end in 1 on one side and
/// in 2 on the other.
async fn two_hosts() -> [OwnedFd; 2] {
    let hosts = [namespace::create().unwrap(), namespace::create().unwrap()];
    let mut netlinks = [
        Netlink::open_in(&hosts[0]).unwrap(),
        Netlink::open_in(&hosts[1]).unwrap(),
    ];
    netlinks[0]
        .change_link(&LinkRequest::create_veth("eth0", "far"))
        .await
        .unwrap();
    let far = index(&mut netlinks[0], "far").await;
    netlinks[0]
        .change_link(&LinkRequest::rename(far, "veth"))
        .await
        .unwrap();
    netlinks[0]
        .change_link(&LinkRequest::move_to(far, hosts[1].as_fd()))
        .await
        .unwrap();
    let far = index(&mut netlinks[1], "veth").await;
    netlinks[1]
        .change_link(&LinkRequest::rename(far, "eth0"))
        .await
        .unwrap();
    for (netlink, host) in netlinks.iter_mut().zip(1..) {
        let eth0 = netlink.link("eth0").await.unwrap().unwrap();
        assert_eq!(eth0.lower, None, "its other end is not in this namespace");
        netlink.change_link(&LinkRequest::up(eth0.index)).await.unwrap();
        let nodad = |address: Address| Address {
            flags: netlink::address::flags::NODAD,
            ..address
        };
        let v4 = Address::new(eth0.index, [192, 0, 2, host].into(), 24);
        let v6 = Address::new(eth0.index, [0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)].into(), 64);
        apply(netlink, &[add(v4), add(nodad(v6))]).await;
    }
    hosts
}

#[test]
fn two_hosts_talk_over_a_cable() {
    alone(async || {
        let hosts = two_hosts().await;
        for (from, to) in [("192.0.2.1", "192.0.2.2"), ("fd00::1", "fd00::2")] {
            let bind = |host: &OwnedFd, address: &str| {
                let place = (address.parse::<std::net::IpAddr>().unwrap(), 5000);
                namespace::run_in(host, || UdpSocket::bind(place).unwrap()).unwrap()
            };
            let (one, other) = (bind(&hosts[0], from), bind(&hosts[1], to));
            other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            one.send_to(b"hello", other.local_addr().unwrap()).unwrap();
            let mut buffer = [0; 16];
            let (length, sender) = other.recv_from(&mut buffer).unwrap();
            assert_eq!(
                (&buffer[..length], sender),
                (&b"hello"[..], one.local_addr().unwrap())
            );
        }
    });
}

#[test]
fn a_monitor_sees_its_own_namespace_only() {
    alone(async || {
        let hosts = two_hosts().await;
        let mut monitor = Monitor::open_in(&hosts[1]).unwrap();
        until(&mut monitor, |event| *event == Event::Settled).await;
        for (host, last) in hosts.iter().zip([11, 12]) {
            let mut netlink = Netlink::open_in(host).unwrap();
            let eth0 = index(&mut netlink, "eth0").await;
            let local = [192, 0, 2, last];
            apply(&mut netlink, &[add(Address::new(eth0, local.into(), 32))]).await;
        }
        let heard = until(
            &mut monitor,
            |event| matches!(event, Event::Address(it) if it.local.is_ipv4()),
        )
        .await;
        assert!(matches!(heard.last(), Some(Event::Address(it)) if it.local.to_string() == "192.0.2.12"));
    });
}

#[test]
fn a_namespace_is_gone_with_its_descriptor() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let other = namespace::create().unwrap();
        netlink
            .change_link(&LinkRequest::create_veth("near", "far"))
            .await
            .unwrap();
        let near = index(&mut netlink, "near").await;
        let far = index(&mut netlink, "far").await;
        netlink
            .change_link(&LinkRequest::move_to(far, other.as_fd()))
            .await
            .unwrap();
        let mut monitor = Monitor::open().unwrap();
        until(&mut monitor, |event| *event == Event::Settled).await;
        drop(other);
        until(&mut monitor, |event| *event == Event::LinkGone(near)).await;
    });
}

#[test]
fn the_caller_stays_where_it_is() {
    alone(async || {
        let here = namespace::current().unwrap();
        let there = namespace::create().unwrap();
        assert_ne!(inode(&here), inode(&there));
        let inside = namespace::run_in(&there, || namespace::current().unwrap()).unwrap();
        assert_eq!(inode(&inside), inode(&there));
        assert_eq!(inode(&namespace::current().unwrap()), inode(&here));
    });
}

/// Takes the named namespace away whatever becomes of the test.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        run(&format!("ip netns del {}", self.0));
    }
}

#[test]
fn a_named_namespace_is_opened() {
    alone(async || {
        let named = Named(format!("holdfast-test-{}", std::process::id()));
        run(&format!("ip netns add {}", named.0));
        let namespace = namespace::open(&named.0).unwrap();
        let netlink = Netlink::open_in(&namespace).unwrap().links().await.unwrap();
        assert_eq!(netlink.len(), 1);
    });
}

#[test]
fn what_is_no_namespace_is_refused() {
    let missing = namespace::open("holdfast-no-such-namespace").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot open network namespace /run/netns/holdfast-no-such-namespace: No such file or directory (os error 2)"
    );
    for name in ["", ".", "..", "../../proc/self/ns/net"] {
        assert!(matches!(namespace::open(name), Err(Error::Open { .. })), "{name}");
    }
    let file: OwnedFd = fs::File::open("/dev/null").unwrap().into();
    assert!(matches!(namespace::run_in(&file, || ()), Err(Error::Enter(_))));
}
