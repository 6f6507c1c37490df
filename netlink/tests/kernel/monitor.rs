//! The monitor tells the state first, then what changes in the kernel's order, and nobody has to know when messages
//! were lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use netlink::link::LinkRequest;
use netlink::{Address, Event, Monitor, Netlink, ReceiveBuffer};

use crate::{add, adds, alone, apply, cable, delete, index, many, run, until};

/// What a listener believes who knows nothing but the events.
#[derive(Debug, Default, PartialEq)]
struct Belief {
    links: BTreeMap<u32, String>,
    addresses: BTreeSet<String>,
}

impl Belief {
    fn hear_all(&mut self, events: &[Event]) {
        for event in events {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: &Event) {
        match event {
            Event::Link(link) => {
                self.links.insert(link.index, link.name.clone());
            }
            Event::LinkGone(index) => {
                assert!(self.links.remove(index).is_some(), "{index} was never told of");
            }
            Event::Address(address) => {
                self.addresses.insert(address.to_string());
            }
            Event::AddressGone(address) => {
                assert!(
                    self.addresses.remove(&address.to_string()),
                    "{address} was never told of"
                );
            }
            Event::Settled | Event::Overrun => {}
        }
    }

    /// What is really there.
    async fn of(netlink: &mut Netlink) -> Self {
        Self {
            links: netlink
                .links()
                .await
                .unwrap()
                .into_iter()
                .map(|link| (link.index, link.name))
                .collect(),
            addresses: netlink
                .addresses()
                .await
                .unwrap()
                .iter()
                .map(Address::to_string)
                .collect(),
        }
    }
}

fn is_settled(event: &Event) -> bool {
    *event == Event::Settled
}

#[test]
fn the_state_comes_first() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        apply(&mut netlink, &adds(&many(link, 700))).await;
        let mut monitor = Monitor::open().unwrap();
        let mut belief = Belief::default();
        let events = until(&mut monitor, is_settled).await;
        belief.hear_all(&events);
        assert_eq!(belief, Belief::of(&mut netlink).await);
        assert!(belief.addresses.len() >= 700);
        assert_eq!(monitor.links().count(), 3);
        let first = many(link, 1).remove(0);
        assert!(monitor.address(first.key()).is_some());
        assert_eq!(monitor.addresses().count(), belief.addresses.len());
    });
}

#[test]
fn links_go_down_and_up_in_order() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        cable(&mut netlink).await;
        let b = index(&mut netlink, "b").await;
        let mut monitor = Monitor::open().unwrap();
        until(&mut monitor, is_settled).await;
        for _ in 0..3 {
            netlink.change_link(&LinkRequest::down(b)).await.unwrap();
            netlink.change_link(&LinkRequest::up(b)).await.unwrap();
        }
        let mut seen: Vec<bool> = Vec::new();
        while seen.len() < 6 {
            if let Event::Link(link) = monitor.next().await.unwrap()
                && link.name == "b"
                && seen.last() != Some(&link.up)
            {
                seen.push(link.up);
            }
        }
        assert_eq!(seen, [false, true, false, true, false, true]);
        netlink.change_link(&LinkRequest::rename(b, "c")).await.unwrap();
        until(
            &mut monitor,
            |event| matches!(event, Event::Link(link) if link.name == "c"),
        )
        .await;
        netlink.change_link(&LinkRequest::remove(b)).await.unwrap();
        until(&mut monitor, |event| *event == Event::LinkGone(b)).await;
    });
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let a = cable(&mut netlink).await;
        netlink
            .change_link(&LinkRequest::create_bridge("br0"))
            .await
            .unwrap();
        let bridge = index(&mut netlink, "br0").await;
        let mut monitor = Monitor::open().unwrap();
        until(&mut monitor, is_settled).await;
        netlink.change_link(&LinkRequest::join(a, bridge)).await.unwrap();
        netlink.change_link(&LinkRequest::leave(a)).await.unwrap();
        netlink.change_link(&LinkRequest::remove(bridge)).await.unwrap();
        let events = until(&mut monitor, |event| *event == Event::LinkGone(bridge)).await;
        assert!(!events.contains(&Event::LinkGone(a)), "{events:?}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::Link(it) if it.index == a && it.master.is_some()))
        );
    });
}

#[test]
fn addresses_come_and_go_in_order() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let mut monitor = Monitor::open().unwrap();
        until(&mut monitor, is_settled).await;
        let wanted = many(link, 3);
        let deletes: Vec<_> = wanted.iter().cloned().map(delete).collect();
        for _ in 0..2 {
            apply(&mut netlink, &adds(&wanted)).await;
            apply(&mut netlink, &deletes).await;
        }
        let v6 = |event: &Event| match event {
            Event::Address(it) | Event::AddressGone(it) => it.local.to_string() == "2001:db8::7",
            _ => false,
        };
        run("ip addr add 2001:db8::7/64 dev a nodad");
        let mut events = until(&mut monitor, v6).await;
        // Sooner, and the kernel would tell of neither: it tells of an IPv6 address from a work queue.
        run("ip addr del 2001:db8::7/64 dev a");
        events.extend(
            until(&mut monitor, |event| {
                v6(event) && matches!(event, Event::AddressGone(_))
            })
            .await,
        );
        let story: Vec<String> = events
            .iter()
            .filter_map(|event| match event {
                Event::Address(it) => Some(format!("+{}", it.local)),
                Event::AddressGone(it) => Some(format!("-{}", it.local)),
                _ => None,
            })
            .filter(|line| !line.contains("fe80"))
            .collect();
        let round = [
            "+10.0.0.1",
            "+10.0.0.2",
            "+10.0.0.3",
            "-10.0.0.1",
            "-10.0.0.2",
            "-10.0.0.3",
        ];
        let last = ["+2001:db8::7", "-2001:db8::7"];
        assert_eq!(story, [&round[..], &round[..], &last[..]].concat());
    });
}

#[test]
fn five_thousand_addresses_wait_for_a_slow_listener() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let mut monitor = Monitor::open().unwrap();
        until(&mut monitor, is_settled).await;
        apply(&mut netlink, &adds(&many(link, 5000))).await;
        let last = many(link, 5000).remove(4999);
        let events = until(
            &mut monitor,
            |event| matches!(event, Event::Address(it) if it.local == last.local),
        )
        .await;
        assert!(!events.contains(&Event::Overrun));
        let told = events
            .iter()
            .filter(|event| matches!(event, Event::Address(it) if it.local.is_ipv4()));
        assert_eq!(told.count(), 5000);
    });
}

#[test]
fn lost_events_are_made_good() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        netlink
            .change_link(&LinkRequest::create_veth("c", "d"))
            .await
            .unwrap();
        let doomed = index(&mut netlink, "c").await;
        apply(&mut netlink, &adds(&many(link, 50))).await;
        let mut monitor = Monitor::open_with(ReceiveBuffer {
            bytes: 20_000,
            force: false,
        })
        .unwrap();
        let mut belief = Belief::default();
        belief.hear_all(&until(&mut monitor, is_settled).await);
        for round in 0..3 {
            // Nobody listens while all of this happens.
            let deletes: Vec<_> = many(link, 25).into_iter().map(delete).collect();
            apply(&mut netlink, &deletes).await;
            apply(&mut netlink, &adds(&many(link, 5000))).await;
            if round == 0 {
                netlink.change_link(&LinkRequest::remove(doomed)).await.unwrap();
            }
            apply(&mut netlink, &deletes).await;
            let events = until(&mut monitor, is_settled).await;
            assert!(events.contains(&Event::Overrun));
            belief.hear_all(&events);
            assert_eq!(belief, Belief::of(&mut netlink).await, "round {round}");
        }
        assert!(!belief.links.contains_key(&doomed));
        // And it goes on as before.
        netlink.change_link(&LinkRequest::down(link)).await.unwrap();
        until(
            &mut monitor,
            |event| matches!(event, Event::Link(it) if it.index == link && !it.up),
        )
        .await;
    });
}

#[test]
fn a_listener_that_looks_away_again_and_again_misses_nothing() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        apply(&mut netlink, &adds(&many(link, 2000))).await;
        let mut monitor = Monitor::open_with(ReceiveBuffer {
            bytes: 100_000,
            force: true,
        })
        .unwrap();
        let mut belief = Belief::default();
        let mut looks = 0;
        let mut write = Box::pin(apply_slowly(link));
        let mut writing = true;
        loop {
            tokio::select! {
                biased;
                () = &mut write, if writing => writing = false,
                event = monitor.next() => belief.hear(&event.unwrap()),
                () = tokio::task::yield_now() => looks += 1,
            }
            if !writing && belief == Belief::of(&mut netlink).await {
                break;
            }
        }
        assert!(looks > 0);
    });
}

/// A thousand changes, one at a time.
async fn apply_slowly(link: u32) {
    let mut netlink = Netlink::open().unwrap();
    for address in many(link, 500) {
        apply(&mut netlink, &[delete(address.clone())]).await;
        tokio::time::sleep(Duration::from_micros(100)).await;
        apply(&mut netlink, &[add(address)]).await;
    }
}
