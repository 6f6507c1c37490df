//! Links are made, changed, read back and removed.

use netlink::link::LinkRequest;
use netlink::{Error, Event, Link, Monitor, Netlink};
use nix::errno::Errno;

use crate::{alone, cable, index, run, until};

async fn link(netlink: &mut Netlink, name: &str) -> Link {
    netlink.link(name).await.unwrap().unwrap()
}

/// The link once it is so: the kernel tells of a carrier a little later (`net/core/link_watch.c`).
async fn once(name: &str, is_so: impl Fn(&Link) -> bool) -> Link {
    let mut monitor = Monitor::open().unwrap();
    let is_it = |event: &Event| matches!(event, Event::Link(link) if link.name == name && is_so(link));
    match until(&mut monitor, is_it).await.pop() {
        Some(Event::Link(link)) => link,
        other => panic!("{other:?}"),
    }
}

async fn refusal(netlink: &mut Netlink, request: &LinkRequest) -> netlink::KernelError {
    match netlink.change_link(request).await {
        Err(Error::Refused(error)) => error,
        other => panic!("{request} should have been refused: {other:?}"),
    }
}

#[test]
fn a_new_namespace_has_a_loopback_link_that_is_down() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let lo = link(&mut netlink, "lo").await;
        assert!(lo.loopback && !lo.up && !lo.running);
        assert_eq!((lo.index, lo.mtu, lo.lower, lo.master), (1, 65536, None, None));
        assert_eq!(netlink.link("eth0").await.unwrap(), None);
    });
}

#[test]
fn a_veth_pair_runs_when_both_ends_are_up() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = cable(&mut netlink).await;
        let b = index(&mut netlink, "b").await;
        let read = once("a", |link| link.up && link.running).await;
        assert!(read.arp && read.multicast && !read.loopback);
        assert_eq!(
            (read.kind.as_deref(), read.lower, read.mtu),
            (Some("veth"), Some(b), 1500)
        );
        assert_eq!((read.hardware_type, read.hardware_address.len()), (1, 6));
        netlink.change_link(&LinkRequest::down(b)).await.unwrap();
        once("a", |link| link.up && !link.running).await;
        netlink.change_link(&LinkRequest::rename(b, "c")).await.unwrap();
        assert_eq!(index(&mut netlink, "c").await, b);
        netlink.change_link(&LinkRequest::remove(a)).await.unwrap();
        assert_eq!(netlink.link("c").await.unwrap(), None);
    });
}

#[test]
fn a_port_knows_its_bridge_and_a_macvlan_its_parent() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = cable(&mut netlink).await;
        netlink
            .change_link(&LinkRequest::create_bridge("br0"))
            .await
            .unwrap();
        let bridge = link(&mut netlink, "br0").await;
        assert!(bridge.up);
        netlink
            .change_link(&LinkRequest::join(a, bridge.index))
            .await
            .unwrap();
        let port = link(&mut netlink, "a").await;
        assert_eq!(
            (port.master, port.master_kind.as_deref()),
            (Some(bridge.index), Some("bridge"))
        );
        netlink.change_link(&LinkRequest::leave(a)).await.unwrap();
        let port = link(&mut netlink, "a").await;
        assert_eq!((port.master, port.master_kind), (None, None));
        run("ip link add link a name vrrp.1 address 00:00:5e:00:01:01 type macvlan mode private");
        let vmac = link(&mut netlink, "vrrp.1").await;
        assert_eq!((vmac.kind.as_deref(), vmac.lower), (Some("macvlan"), Some(a)));
        assert_eq!(vmac.hardware_address, [0, 0, 0x5e, 0, 1, 1]);
    });
}

#[test]
fn a_dummy_link_is_made_where_the_kernel_has_them() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        match netlink.change_link(&LinkRequest::create_dummy("d0")).await {
            Ok(()) => assert_eq!(link(&mut netlink, "d0").await.kind.as_deref(), Some("dummy")),
            Err(Error::Refused(error)) => {
                assert_eq!(error.errno, Errno::EOPNOTSUPP);
                assert_eq!(
                    error.to_string(),
                    "cannot create the dummy link d0: Operation not supported on transport endpoint \
                     (Unknown device type)"
                );
            }
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn refusals_say_what_and_why() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        cable(&mut netlink).await;
        let twice = refusal(&mut netlink, &LinkRequest::create_veth("a", "x")).await;
        assert_eq!(twice.errno, Errno::EEXIST);
        assert!(
            twice
                .to_string()
                .starts_with("cannot create the veth pair a and x: File exists"),
            "{twice}"
        );
        assert_eq!(
            refusal(&mut netlink, &LinkRequest::up(4711)).await.errno,
            Errno::ENODEV
        );
        let long = refusal(&mut netlink, &LinkRequest::rename(1, "a-name-of-17-bytes")).await;
        assert_eq!(long.errno, Errno::ERANGE);
    });
}
