//! The plan against a model of what the kernel does with addresses (`net/ipv4/devinet.c`, `net/ipv6/addrconf.c`).

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use nix::errno::Errno;

use super::*;
use crate::address::PROTO_KEEPALIVED;
use crate::socket::Request;

/// Flags that the kernel takes from a request.
const V4_FLAGS: u32 = flags::NOPREFIXROUTE;
const V6_FLAGS: u32 = flags::NODAD | flags::HOMEADDRESS | flags::MANAGETEMPADDR | flags::NOPREFIXROUTE;

/// The addresses of a host, in the kernel's order.
#[derive(Clone, Debug)]
struct Host {
    addresses: Vec<Address>,
    promote_secondaries: bool,
}

impl Host {
    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let outcome = match change {
                Change::Add(Object::Address(address)) => self.add(address),
                Change::Delete(Object::Address(address)) => self.delete(address),
                other => panic!("{other}"),
            };
            if let Err(errno) = outcome {
                assert!(change.is_done_after(errno), "{change}: {errno}");
            }
        }
    }

    fn add(&mut self, new: &Address) -> Result<(), Errno> {
        let mut new = new.clone();
        new.peer = new.peer.filter(|peer| *peer != new.local);
        new.flags |= flags::PERMANENT;
        if let Some(found) = self.addresses.iter_mut().find(|found| found.key() == new.key()) {
            found.preferred_lft = new.preferred_lft;
            found.flags |= flags::PERMANENT;
            if new.local.is_ipv6() {
                found.flags = found.flags & !V6_FLAGS | new.flags;
                found.peer = new.peer.or(found.peer);
            }
            return Ok(());
        }
        match new.subnet() {
            None => {
                new.scope = 0;
                new.label = None;
                new.broadcast = None;
            }
            Some(subnet) => {
                new.label.get_or_insert_with(|| format!("eth{}", new.link));
                let mut mates = self
                    .addresses
                    .iter()
                    .filter(|mate| mate.subnet() == Some(subnet))
                    .peekable();
                if mates.peek().is_some() {
                    new.flags |= flags::SECONDARY;
                }
                if mates.any(|mate| mate.scope != new.scope) {
                    return Err(Errno::EINVAL);
                }
            }
        }
        self.addresses.push(new);
        Ok(())
    }

    fn delete(&mut self, old: &Address) -> Result<(), Errno> {
        let same = |found: &Address| found.key() == old.key() && found.prefix_len == old.prefix_len;
        let place = self.addresses.iter().position(same).ok_or(Errno::EADDRNOTAVAIL)?;
        let gone = self.addresses.remove(place);
        let Some(subnet) = gone.subnet().filter(|_| is_primary(&gone)) else {
            return Ok(());
        };
        let is_mate = |mate: &Address| mate.subnet() == Some(subnet);
        if !self.promote_secondaries {
            self.addresses.retain(|mate| !is_mate(mate));
        } else if let Some(heir) = self.addresses.iter_mut().find(|mate| is_mate(mate)) {
            heir.flags &= !flags::SECONDARY;
        }
        Ok(())
    }
}

/// Whether the host has it in every respect that was asked for.
fn is_as_wished(wish: &Address, found: &Address) -> bool {
    let asked = if wish.local.is_ipv4() { V4_FLAGS } else { V6_FLAGS };
    let label = wish.label.clone().unwrap_or(format!("eth{}", wish.link));
    let broken = found.flags & flags::DADFAILED != 0 && wish.flags & flags::NODAD != 0;
    wish.key() == found.key()
        && wish.prefix_len == found.prefix_len
        && wish.peer.filter(|peer| *peer != wish.local) == found.peer
        && wish.preferred_lft == found.preferred_lft
        && wish.flags & asked == found.flags & asked
        && found.flags & flags::PERMANENT != 0
        && !broken
        && (wish.local.is_ipv6()
            || (wish.scope == found.scope && wish.broadcast == found.broadcast && found.label == Some(label)))
}

fn v4() -> impl Strategy<Value = Address> {
    let local = (1..=2u32, 0..2u8, 1..6u8, select(vec![24, 24, 32u8]));
    let options = (any::<bool>(), any::<bool>(), prop::option::weighted(0.2, 1..4u8));
    (local, options, any::<bool>(), select(vec![FOREVER, FOREVER, 0])).prop_map(
        |((link, net, host, prefix_len), (label, broadcast, peer), noprefixroute, preferred_lft)| Address {
            label: label.then(|| format!("eth{link}:{net}")),
            broadcast: broadcast.then_some([10, 0, net, 255].into()),
            peer: peer.map(|peer| [10, 0, net, peer].into()),
            flags: if noprefixroute { flags::NOPREFIXROUTE } else { 0 },
            preferred_lft,
            ..Address::new(link, [10, 0, net, host].into(), prefix_len)
        },
    )
}

fn v6() -> impl Strategy<Value = Address> {
    let flags = subsequence(
        vec![flags::NODAD, flags::HOMEADDRESS, flags::NOPREFIXROUTE],
        0..=3,
    );
    let local = (
        1..=2u32,
        1..6u16,
        select(vec![64, 128u8]),
        prop::option::weighted(0.2, 1..4u16),
    );
    (local, flags, select(vec![FOREVER, FOREVER, 0])).prop_map(
        |((link, host, prefix_len, peer), flags, preferred_lft)| Address {
            peer: peer.map(|peer| [0xfd00, 0, 0, 0, 0, 0, 0, peer].into()),
            flags: flags.into_iter().sum(),
            preferred_lft,
            ..Address::new(link, [0xfd00, 0, 0, 0, 0, 0, 0, host].into(), prefix_len)
        },
    )
}

fn addresses() -> impl Strategy<Value = Vec<Address>> {
    prop::collection::vec(prop_oneof![v4(), v6()], 0..16)
}

/// A host as it may have become: addresses with a life of their own, and some that failed detection.
fn host(addresses: Vec<Address>, marks: &[(bool, bool, bool)], scope: u8, promote_secondaries: bool) -> Host {
    let mut host = Host {
        addresses: Vec::new(),
        promote_secondaries,
    };
    for (mut address, (foreign, dynamic, failed)) in addresses.into_iter().zip(marks) {
        let before = host.addresses.len();
        address.scope = scope;
        address.proto = if *foreign { 0 } else { PROTO_KEEPALIVED };
        host.add(&address).unwrap();
        if let Some(added) = host.addresses.get_mut(before) {
            added.flags &= if *dynamic { !flags::PERMANENT } else { u32::MAX };
            added.flags |= if *failed && added.local.is_ipv6() {
                flags::DADFAILED
            } else {
                0
            };
        }
    }
    host
}

fn is_ours(address: &Address) -> bool {
    address.proto == PROTO_KEEPALIVED
}

/// The first wish for each identity.
fn first_wishes(wanted: &[Address]) -> Vec<&Address> {
    let mut seen = HashSet::new();
    wanted.iter().filter(|wish| seen.insert(wish.key())).collect()
}

proptest! {
    #[test]
    fn a_host_whose_addresses_are_all_ours_becomes_as_wished(
        mut wanted in addresses(),
        present in addresses(),
        marks in prop::collection::vec((Just(false), any::<bool>(), any::<bool>()), 16),
        scopes in (select(vec![0, 253]), select(vec![0, 253])),
        promote in any::<bool>(),
    ) {
        for wish in &mut wanted {
            wish.scope = scopes.0;
        }
        let mut host = host(present, &marks, scopes.1, promote);
        host.apply(&plan(&wanted, &host.addresses, is_ours));
        let wishes = first_wishes(&wanted);
        prop_assert_eq!(wishes.len(), host.addresses.len());
        for wish in wishes {
            prop_assert!(host.addresses.iter().any(|found| is_as_wished(wish, found)), "{} in {:?}", wish, host);
        }
        prop_assert_eq!(plan(&wanted, &host.addresses, is_ours), []);
    }

    #[test]
    fn what_is_not_ours_is_not_touched(
        wanted in addresses(),
        present in addresses(),
        marks in prop::collection::vec(any::<(bool, bool, bool)>(), 16),
    ) {
        let mut host = host(present, &marks, 0, true);
        let foreign: Vec<Address> = host.addresses.iter().filter(|it| !is_ours(it)).cloned().collect();
        let changes = plan(&wanted, &host.addresses, is_ours);
        for change in &changes {
            let Object::Address(it) = change.object() else {
                panic!("{change}")
            };
            prop_assert!(foreign.iter().all(|other| other.key() != it.key()), "{}", change);
        }
        host.apply(&changes);
        let but_rank = |it: &Address| Address { flags: it.flags & !flags::SECONDARY, ..it.clone() };
        for it in &foreign {
            prop_assert!(host.addresses.iter().any(|found| but_rank(found) == but_rank(it)), "{}", it);
        }
        for found in host.addresses.iter().filter(|it| is_ours(it)) {
            prop_assert!(wanted.iter().any(|wish| wish.key() == found.key()), "{} stayed", found);
        }
        for wish in first_wishes(&wanted) {
            let found = host.addresses.iter().find(|found| found.key() == wish.key());
            prop_assert!(found.is_some_and(|found| !is_ours(found) || is_as_wished(wish, found)), "{}", wish);
        }
        prop_assert_eq!(plan(&wanted, &host.addresses, is_ours), []);
    }
}

fn address(text: &str, prefix_len: u8) -> Address {
    Address::new(1, text.parse().unwrap(), prefix_len)
}

fn present(address: &Address) -> Address {
    Address {
        flags: address.flags | flags::PERMANENT,
        ..address.clone()
    }
}

#[test]
fn a_life_time_that_counts_down_is_left_alone() {
    let wish = Address {
        preferred_lft: 3600,
        ..address("fd00::1", 128)
    };
    for (left, changes) in [(3600, 0), (3590, 0), (0, 0), (7200, 1), (FOREVER, 1)] {
        let found = Address {
            preferred_lft: left,
            ..present(&wish)
        };
        assert_eq!(
            plan(std::slice::from_ref(&wish), [&found], |_| true).len(),
            changes,
            "{left} s left"
        );
    }
}

#[test]
fn a_changed_attribute_is_replaced_in_place_where_the_kernel_can() {
    let deprecated = |it: &Address| Address {
        preferred_lft: 0,
        ..it.clone()
    };
    for old in [address("10.0.0.1", 32), address("fd00::1", 128)] {
        let wish = deprecated(&old);
        let changes = plan(std::slice::from_ref(&wish), [&present(&old)], |_| true);
        assert_eq!(changes, [Change::Add(wish.into())]);
    }
    let old = present(&address("10.0.0.1", 32));
    let wish = Address {
        label: Some("eth0:1".to_owned()),
        ..address("10.0.0.1", 32)
    };
    let changes = plan(std::slice::from_ref(&wish), [&old], |_| true);
    assert_eq!(changes, [Change::Delete(old.into()), Change::Add(wish.into())]);
    assert!(changes[0].holds(&changes[1]));
}

#[test]
fn secondaries_that_go_with_their_primary_are_added_again() {
    let first = present(&address("10.0.0.1", 24));
    let second = address("10.0.0.2", 24);
    let swept = Address {
        flags: flags::PERMANENT | flags::SECONDARY,
        ..second.clone()
    };
    let changes = plan(std::slice::from_ref(&second), [&first, &swept], |_| true);
    assert_eq!(
        changes,
        [Change::Delete(first.into()), Change::Add(second.into())]
    );
}

#[test]
fn secondaries_are_deleted_before_their_primary() {
    let first = present(&address("10.0.0.1", 24));
    let second = Address {
        flags: flags::PERMANENT | flags::SECONDARY,
        ..address("10.0.0.2", 24)
    };
    let changes = plan(&[], [&first, &second], |_| true);
    assert_eq!(
        changes,
        [Change::Delete(second.into()), Change::Delete(first.into())]
    );
}

#[test]
fn a_subnet_changes_its_scope_as_one() {
    let wanted = ["10.0.0.1", "10.9.0.1", "10.0.0.2"].map(|it| Address {
        scope: 253,
        ..address(it, 24)
    });
    let mut host = Host {
        addresses: Vec::new(),
        promote_secondaries: true,
    };
    for wish in &wanted {
        host.add(&Address {
            scope: 0,
            ..wish.clone()
        })
        .unwrap();
    }
    let changes = plan(&wanted, &host.addresses, |_| true);
    assert_eq!(changes.len(), 6);
    host.apply(&changes);
    assert_eq!(plan(&wanted, &host.addresses, |_| true), []);
}

#[test]
fn ten_thousand_addresses_are_planned_at_once() {
    let many = |net: u8| -> Vec<Address> {
        (0..10_000u32)
            .map(|n| Address::new(1, [10, net, n.to_be_bytes()[2], n.to_be_bytes()[3]].into(), 32))
            .collect()
    };
    let (old, new) = (many(0), many(1));
    let began = Instant::now();
    assert_eq!(plan(&new, &old, |_| true).len(), 20_000);
    // A quadratic plan takes minutes here, a linear one milliseconds even unoptimized.
    assert!(began.elapsed() < Duration::from_secs(5));
}
