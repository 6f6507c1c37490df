//! Many changes at once: exact about what failed, fair to others, and on its feet again after trouble.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use netlink::{Address, Error, Netlink, Object, Pace, ReceiveBuffer};
use nix::errno::Errno;

use crate::{add, adds, alone, apply, cable, delete, many, ours, plan_addresses, run};

#[test]
fn a_thousand_addresses_come_and_go() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let wanted = many(link, 1000);
        apply(&mut netlink, &adds(&wanted)).await;
        assert_eq!(ours(&mut netlink, link).await.len(), 1000);
        assert_eq!(run("ip -o -4 addr show dev a").lines().count(), 1000);
        let present = netlink.addresses().await.unwrap();
        assert_eq!(plan_addresses(&wanted, &present), []);
        apply(&mut netlink, &plan_addresses(&[], &present)).await;
        assert_eq!(ours(&mut netlink, link).await, []);
    });
}

#[test]
fn a_hundred_ipv6_addresses_come_and_go() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let wanted: Vec<_> = (1..=100)
            .map(|n| Address::new(link, [0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into(), 128))
            .collect();
        apply(&mut netlink, &adds(&wanted)).await;
        let present = netlink.addresses().await.unwrap();
        assert_eq!(plan_addresses(&wanted, &present), []);
        apply(&mut netlink, &plan_addresses(&[], &present)).await;
        assert_eq!(ours(&mut netlink, link).await, []);
    });
}

#[test]
fn those_that_fail_are_named_and_the_others_are_done() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let mut changes = adds(&many(link, 500));
        let nowhere = add(Address::new(4711, [10, 9, 9, 9].into(), 32));
        let too_long = add(Address::new(link, [10, 9, 9, 9].into(), 33));
        changes.insert(300, nowhere.clone());
        changes.insert(77, too_long.clone());
        changes.push(nowhere.clone());
        let failures = netlink.apply(&changes).await.unwrap();
        let failed: Vec<_> = failures
            .iter()
            .map(|failure| (&failure.change, failure.error.errno))
            .collect();
        assert_eq!(
            failed,
            [
                (&too_long, Errno::EINVAL),
                (&nowhere, Errno::ENODEV),
                (&nowhere, Errno::ENODEV)
            ]
        );
        assert_eq!(
            failures[0].to_string(),
            format!("cannot add 10.9.9.9/33 on link {link}: Invalid argument (ipv4: Invalid prefix length)")
        );
        assert_eq!(ours(&mut netlink, link).await.len(), 500);
    });
}

#[test]
fn what_is_so_already_counts_as_done() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        for address in [
            Address::new(link, [192, 0, 2, 1].into(), 24),
            Address::new(link, [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), 64),
        ] {
            let elsewhere = Address {
                link: 4711,
                ..address.clone()
            };
            let (adding, deleting) = (add(address.clone()), delete(address));
            apply(
                &mut netlink,
                &[
                    adding.clone(),
                    adding,
                    deleting.clone(),
                    deleting,
                    delete(elsewhere),
                ],
            )
            .await;
        }
    });
}

#[test]
fn a_link_without_ipv6_says_so() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        std::fs::write("/proc/sys/net/ipv6/conf/a/disable_ipv6", "1").unwrap();
        let add = add(Address::new(link, [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), 64));
        let failures = netlink.apply(&[add]).await.unwrap();
        assert_eq!(failures[0].error.errno, Errno::EACCES);
        assert!(
            failures[0].to_string().contains("IPv6 is disabled"),
            "{}",
            failures[0]
        );
    });
}

#[test]
fn others_get_their_turn_between_chunks() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        netlink.socket.pace = Pace {
            most: 50,
            ..Pace::default()
        };
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        let counting = async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let changes = adds(&many(link, 1000));
        tokio::select! {
            biased;
            () = counting => {}
            failures = netlink.apply(&changes) => assert_eq!(failures.unwrap(), []),
        }
        assert!(turns.get() >= 20, "{} turns", turns.get());
    });
}

#[test]
fn lost_answers_are_told_and_overcome() {
    alone(async || {
        let tiny = ReceiveBuffer {
            bytes: 1,
            force: false,
        };
        let mut netlink = Netlink::open_with(tiny).unwrap();
        let mut roomy = Netlink::open().unwrap();
        let link = cable(&mut roomy).await;
        netlink.socket.pace = Pace {
            most: 200,
            slice: Duration::from_secs(1),
        };
        let mut changes: Vec<_> = many(4711, 400).into_iter().map(add).collect();
        changes.extend(adds(&many(link, 10)));
        assert!(matches!(netlink.apply(&changes).await, Err(Error::Overrun)));
        let wanted = many(link, 10);
        let present = netlink.addresses().await.unwrap();
        apply(&mut netlink, &plan_addresses(&wanted, &present)).await;
        assert_eq!(ours(&mut roomy, link).await.len(), 10);
    });
}

#[test]
fn an_operation_that_was_given_up_does_not_disturb_the_next() {
    alone(async || {
        let mut netlink = Netlink::open().unwrap();
        let link = cable(&mut netlink).await;
        let wanted = many(link, 2000);
        for _ in 0..5 {
            let given_up = tokio::time::timeout(Duration::ZERO, netlink.apply(&adds(&wanted))).await;
            assert!(given_up.is_err());
        }
        apply(&mut netlink, &adds(&wanted)).await;
        for _ in 0..5 {
            let given_up = tokio::time::timeout(Duration::ZERO, netlink.addresses()).await;
            assert!(given_up.is_err());
            assert_eq!(ours(&mut netlink, link).await.len(), 2000);
        }
    });
}

#[test]
fn reading_settles_while_somebody_else_is_writing() {
    alone(async || {
        let mut reader = Netlink::open().unwrap();
        let mut writer = Netlink::open().unwrap();
        let link = cable(&mut writer).await;
        let steady = many(link, 1500);
        apply(&mut writer, &adds(&steady)).await;
        writer.socket.pace = Pace {
            most: 5,
            ..Pace::default()
        };
        let flapping = adds(
            &(1..=200)
                .map(|n| Address::new(link, [10, 1, 0, n].into(), 32))
                .collect::<Vec<_>>(),
        );
        let write = async {
            for _ in 0..20 {
                apply(&mut writer, &flapping).await;
                let gone: Vec<_> = flapping
                    .iter()
                    .map(|change| {
                        let Object::Address(address) = change.object() else {
                            panic!("{change}")
                        };
                        delete(address.clone())
                    })
                    .collect();
                apply(&mut writer, &gone).await;
            }
        };
        let read = async {
            loop {
                match reader.addresses().await {
                    Ok(addresses) => {
                        let found = steady
                            .iter()
                            .filter(|it| addresses.iter().any(|other| other.key() == it.key()));
                        assert_eq!(found.count(), steady.len());
                    }
                    Err(error) => assert!(matches!(error, Error::Unsettled { .. }), "{error}"),
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = write => {}
            () = read => {}
        }
    });
}
