//! What is to be written to make a table what it should be. Pure.

use std::collections::BTreeMap;
use std::fmt;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NetlinkSerializable};

use super::expression::{VALUE, numbers};
use super::{Chain, Expression, Family, Kind, Set, Table};
use crate::attribute::Raw;
use crate::socket::Request;

/// `NFNL_SUBSYS_NFTABLES`
pub(super) const SUBSYSTEM: u16 = 10;

/// Elements in one request at most: its list must stay under 64 KiB.
const ELEMENTS: usize = 400;

/// What `nft` wants to know to show a set: `NFTNL_UDATA_SET_KEYBYTEORDER` (0), `NFTNL_UDATA_SET_DATABYTEORDER` (1).
const NFTA_SET_USERDATA: u16 = 13;

pub(super) const NFTA_TABLE_USERDATA: u16 = 6;
const NFTNL_UDATA_TABLE_COMMENT: u8 = 0;

/// Room for a comment in the 256 bytes of user data.
const COMMENT_LEN: usize = 250;

/// `NFT_SET_INTERVAL`, `NFT_SET_MAP`, `NFT_SET_CONCAT`
const SET_HAS_RANGES: u32 = 4;
const SET_IS_MAP: u32 = 8;
const SET_HAS_PARTS: u32 = 0x80;

/// `NFTA_SET_DESC`, `NFTA_SET_DESC_CONCAT`, `NFTA_SET_FIELD_LEN`
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_DESC_CONCAT: u16 = 2;
const NFTA_SET_FIELD_LEN: u16 = 1;

/// `NFTA_SET_ELEM_KEY`, `NFTA_SET_ELEM_DATA`, `NFTA_SET_ELEM_KEY_END`
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_KEY_END: u16 = 10;

/// What all requests about tables begin their names with: `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE`,
/// `NFTA_SET_TABLE` and `NFTA_SET_ELEM_LIST_TABLE` are the same number.
pub(super) const TABLE: u16 = 1;

/// One request of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    family: Family,
    table: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// With this comment.
    AddTable(String),
    DeleteTable,
    /// An empty set, with a number that is unique in the transaction.
    AddSet(Set, u32),
    AddElements(Target, Vec<(Vec<u8>, Vec<u8>)>),
    DeleteElements(Target, Vec<Vec<u8>>),
    /// A chain without rules.
    AddChain(Chain),
    AddRule(String, Vec<Expression>),
}

/// The set whose elements are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    has_ranges: bool,
}

impl Target {
    fn of(set: &Set) -> Self {
        Self {
            name: set.name.clone(),
            has_ranges: set.has_ranges,
        }
    }
}

/// What makes `wanted` of what is `present`, if that is known to be all there is: only elements, if they are all that
/// differs.
pub(super) fn plan(present: Option<&Table>, wanted: &Table) -> Vec<Change> {
    match present {
        Some(present) if same_shape(present, wanted) => elements(present, wanted),
        _ => write(wanted),
    }
}

/// What removes a table, whether it is there or not.
pub(super) fn removal(family: Family, name: &str) -> Vec<Change> {
    // To delete what is not there is an error, to add what is there is none.
    vec![
        Change::new(family, name, What::AddTable(String::new())),
        Change::new(family, name, What::DeleteTable),
    ]
}

fn same_shape(a: &Table, b: &Table) -> bool {
    let alike = |(a, b): (&Set, &Set)| {
        a.name == b.name && a.key == b.key && a.data == b.data && a.has_ranges == b.has_ranges
    };
    a.chains == b.chains && a.sets.len() == b.sets.len() && a.sets.iter().zip(&b.sets).all(alike)
}

/// Differences of the elements. In a map an element that leads elsewhere goes before it comes.
fn elements(present: &Table, wanted: &Table) -> Vec<Change> {
    let mut changes = Vec::new();
    for (old, new) in present.sets.iter().zip(&wanted.sets) {
        let not_in = |from: &Set, other: &Set| -> Vec<(Vec<u8>, Vec<u8>)> {
            let differs = |(key, data): &(&Vec<u8>, &Vec<u8>)| other.elements.get(*key) != Some(*data);
            let differing = from.elements.iter().filter(differs);
            differing.map(|(key, data)| (key.clone(), data.clone())).collect()
        };
        let name = |what| Change::new(wanted.family, &wanted.name, what);
        for gone in not_in(old, new).chunks(ELEMENTS) {
            let keys = gone.iter().map(|(key, _)| key.clone()).collect();
            changes.push(name(What::DeleteElements(Target::of(new), keys)));
        }
        for come in not_in(new, old).chunks(ELEMENTS) {
            changes.push(name(What::AddElements(Target::of(new), come.to_vec())));
        }
    }
    changes
}

/// The whole table, in the place of whatever has its name.
fn write(table: &Table) -> Vec<Change> {
    let mut changes = removal(table.family, &table.name);
    let mut push = |what| changes.push(Change::new(table.family, &table.name, what));
    push(What::AddTable(table.comment.clone()));
    for (set, id) in table.sets.iter().zip(1..) {
        let empty = Set {
            elements: BTreeMap::new(),
            ..set.clone()
        };
        push(What::AddSet(empty, id));
        let elements: Vec<(Vec<u8>, Vec<u8>)> = set.elements.clone().into_iter().collect();
        for some in elements.chunks(ELEMENTS) {
            push(What::AddElements(Target::of(set), some.to_vec()));
        }
    }
    // Rules name chains: all of these come first.
    for chain in &table.chains {
        push(What::AddChain(Chain {
            rules: Vec::new(),
            ..chain.clone()
        }));
    }
    for chain in &table.chains {
        for rule in &chain.rules {
            push(What::AddRule(chain.name.clone(), rule.clone()));
        }
    }
    changes
}

impl Change {
    fn new(family: Family, table: &str, what: What) -> Self {
        Self {
            family,
            table: table.to_owned(),
            what,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::AddTable(_) => f.write_str("add")?,
            What::DeleteTable => f.write_str("delete")?,
            What::AddSet(set, _) => write!(f, "add set {} to", set.name)?,
            What::AddElements(set, elements) => {
                write!(f, "add {} elements to set {} of", elements.len(), set.name)?;
            }
            What::DeleteElements(set, keys) => {
                write!(f, "delete {} elements from set {} of", keys.len(), set.name)?;
            }
            What::AddChain(chain) => write!(f, "add chain {} to", chain.name)?,
            What::AddRule(chain, _) => write!(f, "add a rule to chain {chain} of")?,
        }
        let family = match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        };
        write!(f, " nftables table {family} {}", self.table)
    }
}

impl Request for Change {
    fn flags(&self) -> u16 {
        match self.what {
            What::DeleteTable | What::DeleteElements(..) => 0,
            What::AddRule(..) => NLM_F_CREATE | NLM_F_APPEND,
            What::AddTable(_) | What::AddSet(..) | What::AddElements(..) | What::AddChain(_) => NLM_F_CREATE,
        }
    }

    fn message(&self) -> impl NetlinkSerializable {
        let kind = match self.what {
            What::AddTable(_) => libc::NFT_MSG_NEWTABLE,
            What::DeleteTable => libc::NFT_MSG_DELTABLE,
            What::AddSet(..) => libc::NFT_MSG_NEWSET,
            What::AddElements(..) => libc::NFT_MSG_NEWSETELEM,
            What::DeleteElements(..) => libc::NFT_MSG_DELSETELEM,
            What::AddChain(_) => libc::NFT_MSG_NEWCHAIN,
            What::AddRule(..) => libc::NFT_MSG_NEWRULE,
        };
        let kind = SUBSYSTEM << 8 | u16::try_from(kind).unwrap_or_default();
        let mut raw = Raw::new(kind, &[number(self.family), 0, 0, 0]);
        raw.text(TABLE, &self.table);
        match &self.what {
            What::AddTable(comment) if !comment.is_empty() => {
                let text = &comment.as_bytes()[..comment.len().min(COMMENT_LEN)];
                let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
                raw.put(
                    NFTA_TABLE_USERDATA,
                    &[&[NFTNL_UDATA_TABLE_COMMENT, length], text, &[0]].concat(),
                );
            }
            What::AddTable(_) | What::DeleteTable => {}
            What::AddSet(set, id) => write_set(&mut raw, set, *id),
            What::AddElements(set, elements) => write_elements(
                &mut raw,
                set,
                elements.iter().map(|(key, data)| (&key[..], &data[..])),
            ),
            What::DeleteElements(set, keys) => {
                write_elements(&mut raw, set, keys.iter().map(|key| (&key[..], &[][..])));
            }
            What::AddChain(chain) => write_chain(&mut raw, chain),
            What::AddRule(chain, rule) => {
                raw.text(2, chain);
                raw.nest(4, |list| {
                    for expression in rule {
                        expression.write(list);
                    }
                });
            }
        }
        raw
    }
}

/// The comment in a table's user data.
pub(super) fn comment(user_data: &[u8]) -> Option<String> {
    let mut rest = user_data;
    while let [kind, length, others @ ..] = rest {
        let (value, next) = others.split_at_checked(usize::from(*length))?;
        if *kind == NFTNL_UDATA_TABLE_COMMENT {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return String::from_utf8(text.to_vec()).ok();
        }
        rest = next;
    }
    None
}

/// `NFPROTO_*`
fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn write_set(to: &mut Raw, set: &Set, id: u32) {
    // `nft` puts the kinds of a concatenation into one number, six bits each; in its elements each fills up four bytes.
    let kind = set.key.iter().fold(0, |kind, part| kind << 6 | part.describe().0);
    let length = match set.key[..] {
        [only] => only.describe().1,
        ref parts => parts
            .iter()
            .map(|part| part.describe().1.next_multiple_of(4))
            .sum(),
    };
    to.text(2, &set.name);
    let map = if set.data.is_some() { SET_IS_MAP } else { 0 };
    let ranges = if set.has_ranges {
        SET_HAS_RANGES | SET_HAS_PARTS
    } else {
        0
    };
    numbers(to, &[(3, map | ranges), (4, kind), (5, length)]);
    if let Some((kind, length)) = set.data.map(Kind::describe) {
        numbers(to, &[(6, kind), (7, length)]);
    }
    if set.has_ranges {
        to.nest(NFTA_SET_DESC, |inner| {
            inner.nest(NFTA_SET_DESC_CONCAT, |parts| {
                for part in &set.key {
                    parts.nest(1, |one| numbers(one, &[(NFTA_SET_FIELD_LEN, part.describe().1)]));
                }
            });
        });
    }
    numbers(to, &[(10, id)]);
    let only = match set.key[..] {
        [only] => Some(only),
        _ => None,
    };
    let orders = [only, set.data];
    let order = |(place, kind): (u8, Kind)| {
        let [a, b, c, d] = kind.byte_order().to_ne_bytes();
        [place, 4, a, b, c, d]
    };
    let told: Vec<u8> = (0..)
        .zip(orders)
        .filter_map(|(place, kind)| Some((place, kind?)))
        .flat_map(order)
        .collect();
    if !told.is_empty() {
        to.put(NFTA_SET_USERDATA, &told);
    }
}

fn write_elements<'a>(to: &mut Raw, set: &Target, elements: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    to.text(2, &set.name);
    to.nest(3, |list| {
        for (key, data) in elements {
            let (lowest, highest) = if set.has_ranges {
                key.split_at(key.len() / 2)
            } else {
                (key, &[][..])
            };
            let parts = [
                (ELEMENT_KEY, lowest),
                (ELEMENT_DATA, data),
                (ELEMENT_KEY_END, highest),
            ];
            list.nest(1, |element| {
                for (kind, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
                    element.nest(kind, |inner| inner.put(VALUE, value));
                }
            });
        }
    });
}

fn write_chain(to: &mut Raw, chain: &Chain) {
    to.text(3, &chain.name);
    if let Some(hook) = chain.hook {
        to.nest(4, |inner| {
            numbers(
                inner,
                &[(1, hook.point as u32), (2, hook.priority.cast_unsigned())],
            );
        });
        to.text(7, "filter");
    }
}
