//! Links and routes of kinds that the machine's own kernel may lack. To be extended by whoever needs them.

use netlink::Netlink;
use netlink::upper::{Change, Kind, Siblings, What};

use super::{run, stories, wait_for};

stories![
    ipvlan_vrf_and_tunnels_are_seen,
    mpls_routes_can_be_made,
    ipvlans_are_made,
];

fn ipvlan_vrf_and_tunnels_are_seen() {
    run("ip link add eth0 type dummy");
    run("ip link add ipv0 link eth0 type ipvlan mode l2");
    run("ip link add red type vrf table 10");
    run("ip link set ipv0 master red");
    run("ip link add tun0 type ipip local 192.0.2.1 remote 192.0.2.2");
    run("ip link add gre9 type gre local 192.0.2.1 remote 192.0.2.3");
    wait_for(async {
        let mut netlink = Netlink::open().unwrap();
        let links = netlink.links().await.unwrap();
        for name in ["eth0", "ipv0", "red", "tun0", "gre9"] {
            assert!(links.iter().any(|link| link.name == name), "{name}: {links:?}");
        }
    });
}

fn mpls_routes_can_be_made() {
    run("/run/modprobe mpls_iptunnel");
    run("ip link add eth0 type dummy");
    run("ip addr add 192.0.2.1/24 dev eth0");
    run("ip link set eth0 up");
    run("ip route add 198.51.100.0/24 encap mpls 100 via 192.0.2.2 dev eth0");
    assert!(run("ip route show 198.51.100.0/24").contains("encap mpls"));
}

fn ipvlans_are_made() {
    run("ip link add eth0 type dummy");
    run("ip link set eth0 up");
    for (name, siblings, shown) in [
        ("ipv0", Siblings::Bridge, "mode l2 bridge"),
        ("ipv1", Siblings::Bridge, "mode l2 bridge"),
    ] {
        wait_for(async {
            let mut netlink = Netlink::open().unwrap();
            let lower = netlink.link("eth0").await.unwrap().unwrap().index;
            let change = |what| Change {
                name: name.to_owned(),
                what,
            };
            let create = What::Create {
                kind: Kind::Ipvlan(siblings),
                lower,
                group: 0,
            };
            let refused = netlink
                .change_uppers(&[change(create), change(What::Up)])
                .await
                .unwrap();
            assert_eq!(refused, []);
        });
        let link = run(&format!("ip -d link show {name}"));
        assert!(link.contains(shown), "{link}");
    }
}
