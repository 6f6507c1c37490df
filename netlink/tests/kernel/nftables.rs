//! Tables are written and `nft` reads them back; others touch them and they are whole again.

use std::net::{Ipv4Addr, TcpStream};

use netlink::nftables::{
    Base, Chain, Expression, Family, Hook, HookPoint, Kind, MetaKey, Nftables, Register, Set, Table, Touched,
    Verdict, Watch,
};
use nix::errno::Errno;

use crate::{alone, run, soon};

const NAME: &str = "keepalived";

/// A table with sets of every shape, and a rule of every expression.
fn table(vips: &[[u8; 4]]) -> Table {
    let load = |offset, length| Expression::Payload {
        base: Base::Network,
        offset,
        length,
        into: Register::word(0),
    };
    Table {
        family: Family::V4,
        name: NAME.to_owned(),
        comment: "whose it is".to_owned(),
        sets: vec![
            Set::new("vips", &[Kind::Ipv4]).with(vips.iter().map(|it| it.to_vec())),
            Set::map("lower", &[Kind::Interface], Kind::Interface)
                .mapping([(1u32.to_ne_bytes().to_vec(), 1u32.to_ne_bytes().to_vec())]),
            Set::new("pairs", &[Kind::Ipv4, Kind::Interface]).with([vec![10, 0, 0, 9, 1, 0, 0, 0]]),
        ],
        chains: vec![
            Chain {
                name: "out".to_owned(),
                hook: Some(Hook {
                    point: HookPoint::Output,
                    priority: -1,
                }),
                rules: vec![
                    vec![
                        load(9, 1),
                        Expression::Equal(Register::word(0), vec![2]),
                        load(16, 4),
                        Expression::Meta(MetaKey::OutputInterface, Register::word(4)),
                        Expression::Map {
                            from: Register::word(4),
                            map: "lower".to_owned(),
                            into: Register::word(4),
                        },
                        Expression::Duplicate {
                            address: Register::word(0),
                            interface: Register::word(4),
                        },
                        Expression::Verdict(Verdict::Drop),
                    ],
                    vec![
                        load(12, 4),
                        Expression::InSet(Register::word(0), "vips".to_owned()),
                        Expression::Counter,
                        Expression::Verdict(Verdict::Goto("more".to_owned())),
                    ],
                ],
            },
            Chain {
                name: "more".to_owned(),
                hook: None,
                rules: vec![vec![
                    load(12, 4),
                    Expression::Meta(MetaKey::OutputInterface, Register::word(1)),
                    Expression::InSet(Register::word(0), "pairs".to_owned()),
                    Expression::Verdict(Verdict::Accept),
                ]],
            },
        ],
    }
}

#[test]
fn nft_reads_a_table_as_it_was_meant() {
    alone(async || {
        let mut nftables = Nftables::open().unwrap();
        nftables
            .apply(&table(&[[10, 0, 0, 1], [10, 0, 0, 2]]))
            .await
            .unwrap();
        let shown: Vec<String> = run("nft list ruleset")
            .lines()
            .map(|line| line.trim().to_owned())
            .collect();
        for line in [
            "table ip keepalived {",
            "comment \"whose it is\"",
            "elements = { 10.0.0.1, 10.0.0.2 }",
            "type ipv4_addr . iface_index",
            "type iface_index : iface_index",
            "elements = { \"lo\" : \"lo\" }",
            "type filter hook output priority filter - 1; policy accept;",
            "ip protocol igmp dup to ip daddr device oif map @lower drop",
            "ip saddr @vips counter packets 0 bytes 0 goto more",
            "ip saddr . oif @pairs accept",
        ] {
            assert!(shown.iter().any(|it| it == line), "{line}: {shown:#?}");
        }
        run("nft add table ip6 other");
        let listed = nftables.list().await.unwrap();
        let told: Vec<_> = listed
            .iter()
            .map(|it| (it.family, it.name.as_str(), it.comment.as_str()))
            .collect();
        assert_eq!(
            told,
            [(Family::V4, NAME, "whose it is"), (Family::V6, "other", "")]
        );
        run("nft delete table ip6 other");
        nftables.remove(Family::V4, NAME).await.unwrap();
        nftables.remove(Family::V4, NAME).await.unwrap();
        assert_eq!(run("nft list ruleset"), "");
    });
}

#[test]
fn only_elements_that_differ_are_written() {
    alone(async || {
        let mut nftables = Nftables::open().unwrap();
        let first = nftables.apply(&table(&[[10, 0, 0, 1]])).await.unwrap();
        assert!(first.len() > 5);
        assert_eq!(nftables.apply(&table(&[[10, 0, 0, 1]])).await.unwrap(), []);
        let changes = nftables.apply(&table(&[[10, 0, 0, 2]])).await.unwrap();
        let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "delete 1 elements from set vips of nftables table ip keepalived",
                "add 1 elements to set vips of nftables table ip keepalived"
            ]
        );
        assert!(run("nft list set ip keepalived vips").contains("elements = { 10.0.0.2 }"));
    });
}

#[test]
fn what_others_did_is_undone_and_told() {
    alone(async || {
        let mut nftables = Nftables::open().unwrap();
        let mut watch = Watch::open().unwrap();
        nftables.apply(&table(&[[10, 0, 0, 1]])).await.unwrap();
        for command in [
            "nft delete element ip keepalived vips { 10.0.0.1 }",
            "nft flush chain ip keepalived out",
            "nft flush ruleset",
        ] {
            run(command);
            let touched = soon(watch.next(nftables.port())).await.unwrap();
            assert_eq!(touched, Touched::Table(Family::V4, NAME.to_owned()), "{command}");
            nftables.touched(Family::V4, NAME);
            nftables.apply(&table(&[[10, 0, 0, 1]])).await.unwrap();
            let shown = run("nft list ruleset");
            assert!(
                shown.contains("{ 10.0.0.1 }") && shown.contains("@vips counter"),
                "{shown}"
            );
        }
        run("nft delete element ip keepalived vips { 10.0.0.1 }");
        // Even untold: the transaction fails as a whole and the table is written anew.
        nftables.apply(&table(&[])).await.unwrap();
        assert!(!run("nft list set ip keepalived vips").contains("elements"));
    });
}

#[test]
fn thousands_of_elements_are_one_transaction() {
    alone(async || {
        let mut nftables = Nftables::open().unwrap();
        let vips: Vec<[u8; 4]> = (0..20_000u32).map(|n| (0x0a00_0000 + n).to_be_bytes()).collect();
        nftables.apply(&table(&vips)).await.unwrap();
        let shown = run("nft list set ip keepalived vips");
        assert_eq!(shown.matches("10.0.").count(), vips.len());
    });
}

#[test]
fn a_refused_transaction_leaves_nothing_and_says_why() {
    alone(async || {
        let mut nftables = Nftables::open().unwrap();
        let mut broken = table(&[]);
        broken.chains[0].rules[1][1] = Expression::InSet(Register::word(0), "nowhere".to_owned());
        let Err(netlink::Error::Refused(error)) = nftables.apply(&broken).await else {
            panic!("a rule about a set that is not there");
        };
        assert_eq!(error.errno, Errno::ENOENT);
        assert!(
            error.to_string().starts_with(
                "cannot add a rule to chain out of nftables table ip keepalived: No such file or directory"
            ),
            "{error}"
        );
        assert_eq!(run("nft list ruleset"), "");
        nftables.apply(&table(&[])).await.unwrap();
    });
}

#[test]
fn ranges_are_read_changed_and_matched_as_they_were_meant() {
    alone(async || {
        let key = |address: [u8; 4], port: u16| {
            [&[6, 0, 0, 0], &address[..], &port.to_be_bytes(), &[0, 0]].concat()
        };
        let range = |last: u8, mark: u32| {
            let both = [key([127, 0, 0, 12], 443), key([127, 0, 0, last], 443)].concat();
            (both, mark.to_ne_bytes().to_vec())
        };
        let word = Register::word;
        let load = |base, offset, length, into| Expression::Payload {
            base,
            offset,
            length,
            into: word(into),
        };
        let table = |last, mark| Table {
            family: Family::V4,
            name: NAME.to_owned(),
            comment: String::new(),
            sets: vec![Set {
                has_ranges: true,
                ..Set::map("services", &[Kind::Protocol, Kind::Ipv4, Kind::Port], Kind::Mark)
                    .mapping([range(last, mark)])
            }],
            chains: vec![Chain {
                name: "in".to_owned(),
                hook: Some(Hook {
                    point: HookPoint::Input,
                    priority: -1,
                }),
                rules: vec![vec![
                    Expression::Meta(MetaKey::Protocol, word(0)),
                    load(Base::Network, 16, 4, 1),
                    load(Base::Transport, 2, 2, 2),
                    Expression::Map {
                        from: word(0),
                        map: "services".to_owned(),
                        into: word(0),
                    },
                    Expression::SetMark(word(0)),
                    Expression::Counter,
                ]],
            }],
        };
        let shown = || {
            let shown = run("nft list ruleset");
            shown.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
        };
        let mut nftables = Nftables::open().unwrap();
        nftables.apply(&table(14, 1000)).await.unwrap();
        assert!(
            shown().contains("{ tcp . 127.0.0.12-127.0.0.14 . 443 : 0x000003e8 }"),
            "{}",
            shown()
        );
        assert_eq!(nftables.apply(&table(13, 7)).await.unwrap().len(), 2);
        let after = shown();
        assert!(
            after.contains("tcp . 127.0.0.12/31 . 443 : 0x00000007 }")
                && after.contains(
                    "meta mark set meta l4proto . ip daddr . th dport map @services counter packets 0"
                ),
            "{after}"
        );
        run("ip link set lo up");
        let knock = |last, port| {
            // Nobody listens.
            let _ = TcpStream::connect((Ipv4Addr::new(127, 0, 0, last), port));
        };
        for (last, port) in [(11, 443), (14, 443), (13, 444)] {
            knock(last, port);
        }
        assert!(shown().contains("counter packets 0 "), "{}", shown());
        for last in [12, 13] {
            knock(last, 443);
        }
        assert!(shown().contains("counter packets 2 "), "{}", shown());
    });
}
