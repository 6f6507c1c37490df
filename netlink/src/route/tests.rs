//! Routes to bytes and back.

use proptest::prelude::*;

use super::*;

fn address(v4: bool) -> BoxedStrategy<IpAddr> {
    if v4 {
        any::<[u8; 4]>().prop_map(IpAddr::from).boxed()
    } else {
        any::<[u8; 16]>().prop_map(IpAddr::from).boxed()
    }
}

fn encap() -> impl Strategy<Value = Encap> {
    let tunnel = |v4| {
        (
            any::<Option<u64>>(),
            proptest::option::of(address(v4)),
            proptest::option::of(address(v4)),
            any::<(Option<u8>, Option<u8>, Option<u16>)>(),
        )
            .prop_map(|(id, destination, source, (tos, ttl, flags))| Tunnel {
                id,
                destination,
                source,
                tos,
                ttl,
                flags,
            })
    };
    prop_oneof![
        proptest::collection::vec(0..1u32 << 20, 1..4).prop_map(Encap::Mpls),
        any::<u64>().prop_map(Encap::Ila),
        tunnel(true).prop_map(Encap::Ip),
        tunnel(false).prop_map(Encap::Ip6),
    ]
}

fn hop() -> impl Strategy<Value = Hop> {
    (
        any::<bool>().prop_flat_map(address),
        any::<u32>(),
        1..=256u16,
        any::<(bool, u32)>(),
        proptest::option::of(encap()),
    )
        .prop_map(|(via, link, weight, (onlink, realms), encap)| Hop {
            via: Some(via),
            link: Some(link),
            weight,
            onlink,
            encap,
            realms,
        })
}

fn metrics() -> impl Strategy<Value = Metrics> {
    (
        proptest::collection::vec((2..=15u16, any::<u32>()), 0..6),
        any::<u32>(),
        proptest::option::of("[a-z]{1,15}"),
    )
        .prop_map(|(values, locked, congestion_control)| {
            let mut metrics = Metrics {
                locked,
                congestion_control,
                ..Metrics::default()
            };
            for (kind, value) in values {
                metrics.set(kind, value);
            }
            metrics
        })
}

fn route() -> impl Strategy<Value = Route> {
    any::<bool>().prop_flat_map(|v4| {
        (
            (
                address(v4),
                0..=32u8,
                proptest::option::of((address(v4), 1..=32u8)),
            ),
            any::<(u8, u32, u8, u8, u32)>(),
            proptest::option::of(address(v4)),
            proptest::collection::vec(hop(), 0..4),
            metrics(),
            (any::<u8>(), any::<Option<bool>>()),
        )
            .prop_map(
                |(
                    (destination, prefix_len, source),
                    (tos, table, protocol, scope, metric),
                    preferred_source,
                    hops,
                    metrics,
                    (preference, ttl_propagate),
                )| Route {
                    source,
                    tos,
                    table,
                    protocol,
                    scope,
                    metric,
                    preferred_source,
                    hops,
                    metrics,
                    preference,
                    ttl_propagate,
                    ..Route::new(destination, prefix_len)
                },
            )
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(route in route()) {
        let read = Route::from_payload(route.to_message().payload()).unwrap();
        prop_assert_eq!(&read, &route);
        prop_assert!(route.is_met_by(&read));
        let gone = Route::from_payload(route.to_deletion().payload()).unwrap();
        prop_assert_eq!(gone.key(), route.key());
        prop_assert_eq!(gone.hops, route.hops);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(prop_oneof![0..40u8, any::<u8>()], 0..300)) {
        if let Some(route) = Route::from_payload(&bytes) {
            route.to_message();
        }
    }
}

#[test]
fn ipv6_has_each_way_as_a_route() {
    let way = |last| Hop::via(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]));
    let route = Route {
        hops: vec![way(1), way(2)],
        ..Route::new(IpAddr::from([0xfd00, 9, 0, 0, 0, 0, 0, 0]), 64)
    };
    let parts = route.clone().parts();
    assert_eq!(
        parts.iter().map(|part| part.hops.len()).collect::<Vec<_>>(),
        [1, 1]
    );
    assert!(parts.iter().all(|part| part.key() == route.key()));
    let v4 = Route {
        hops: vec![Hop::via([10, 0, 0, 1].into()), Hop::via([10, 0, 0, 2].into())],
        ..Route::new([10, 9, 0, 0].into(), 16)
    };
    assert_eq!(v4.clone().parts(), [v4]);
}

#[test]
fn a_link_that_is_left_open_is_met_by_any() {
    let wish = Route {
        hops: vec![Hop::via([10, 0, 0, 1].into())],
        ..Route::new([10, 9, 0, 0].into(), 16)
    };
    let mut found = wish.clone();
    found.hops[0].link = Some(7);
    assert!(wish.is_met_by(&found));
    assert!(!found.is_met_by(&wish));
    found.hops[0].via = None;
    assert!(!wish.is_met_by(&found));
}
