//! Who takes our routes and rules away is heard, and nothing else is.

use netlink::rule::Family;
use netlink::{Address, Netlink, Removal, Removals, Route, Rule};

use crate::{add, adds, alone, apply, cable, delete, many, run, soon};

#[test]
fn what_others_remove_is_told_and_what_we_remove_is_not() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let mut removals = Removals::open(18).unwrap();
        let a = cable(&mut netlink).await;
        let route = |third: u8| Route {
            hops: vec![netlink::route::Hop::link(a)],
            ..Route::new([10, 80, third, 0].into(), 24)
        };
        let rule = Rule::new(Family::V6, 77, 200);
        apply(&mut netlink, &adds(&many(a, 200))).await;
        apply(&mut netlink, &adds(&[Address::new(a, [10, 9, 0, 1].into(), 24)])).await;
        apply(
            &mut netlink,
            &[add(route(1)), add(route(2)), add(route(3)), add(rule.clone())],
        )
        .await;
        apply(&mut netlink, &[delete(route(1))]).await;
        run("ip route add 10.90.0.0/24 dev a");
        run("ip route del 10.90.0.0/24 dev a");
        run("ip route del 10.80.2.0/24 dev a");
        run("ip route replace 10.80.3.0/24 dev b");
        run("ip -6 rule del pref 77");

        let port = netlink.port();
        let Removal::Route(gone) = soon(removals.next(port)).await.unwrap() else {
            panic!("a route was removed")
        };
        assert!(route(2).is_met_by(&gone), "{gone:?}");
        let Removal::Replaced(by) = soon(removals.next(port)).await.unwrap() else {
            panic!("a route was replaced")
        };
        assert_eq!((by.destination, by.protocol), ([10, 80, 3, 0].into(), 3));
        assert_eq!(
            soon(removals.next(port)).await.unwrap(),
            Removal::Rule(Box::new(rule))
        );
    });
}
