//! The parts of a rule: small machines that load registers, compare, look up and decide.

use crate::attribute::Raw;

/// `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`
const NAME: u16 = 1;
const DATA: u16 = 2;
/// `NFTA_DATA_VALUE`, `NFTA_DATA_VERDICT`
pub(super) const VALUE: u16 = 1;
const VERDICT: u16 = 2;
/// `NFTA_VERDICT_CODE`, `NFTA_VERDICT_CHAIN`
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
/// `NFT_REG_VERDICT`
const REGISTER_OF_VERDICT: u32 = 0;
const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const GOTO: i32 = -4;

/// Where in the 16 words of four bytes a value begins (`NFT_REG32_00` and on). A longer one goes on in the next words, and
/// values in words that follow each other are the element of a concatenation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(u32);

impl Register {
    /// The word with this number, 0 to 15.
    pub const fn word(number: u32) -> Self {
        Self(8 + number)
    }
}

/// Where in a packet an offset counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The IP header.
    Network = 1,
    /// What follows it.
    Transport = 2,
}

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// Its firewall mark.
    Mark = 3,
    /// Index of the interface that it came in by.
    InputInterface = 4,
    /// Index of the interface that it leaves by.
    OutputInterface = 5,
    /// Name of the interface that it came in by.
    InputName = 6,
    /// Name of the interface that it leaves by.
    OutputName = 7,
    /// Protocol of what follows IP header and extensions.
    Protocol = 16,
    /// Driver kind of the interface that it leaves by: `macvlan`.
    OutputKind = 27,
}

/// A part of a rule. One that does not hold ends the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Loads bytes of the packet.
    Payload {
        /// Where the offset counts from.
        base: Base,
        /// Bytes to skip.
        offset: u32,
        /// Bytes to load.
        length: u32,
        /// Where to.
        into: Register,
    },
    /// Loads something known of the packet.
    Meta(MetaKey, Register),
    /// Gives the packet the mark in the register.
    SetMark(Register),
    /// Keeps only these bits.
    Mask(Register, Vec<u8>),
    /// Holds if the register has this value.
    Equal(Register, Vec<u8>),
    /// Holds if the set has this element.
    InSet(Register, String),
    /// Holds if the map has this element, and loads what it leads to.
    Map {
        /// The element.
        from: Register,
        /// The map.
        map: String,
        /// Where to.
        into: Register,
    },
    /// Sends a copy of the packet to an address by an interface.
    Duplicate {
        /// Has the address.
        address: Register,
        /// Has the index of the interface.
        interface: Register,
    },
    /// Counts packets and bytes.
    Counter,
    /// Decides.
    Verdict(Verdict),
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This table has nothing against it.
    Accept,
    /// It goes no further.
    Drop,
    /// Another chain decides.
    Goto(String),
}

impl Expression {
    /// Appends it as `NFTA_LIST_ELEM`.
    pub(super) fn write(&self, to: &mut Raw) {
        to.nest(1, |element| {
            element.text(NAME, self.name());
            element.nest(DATA, |data| self.write_data(data));
        });
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Payload { .. } => "payload",
            Self::Meta(..) | Self::SetMark(_) => "meta",
            Self::Mask(..) => "bitwise",
            Self::Equal(..) => "cmp",
            Self::InSet(..) | Self::Map { .. } => "lookup",
            Self::Duplicate { .. } => "dup",
            Self::Counter => "counter",
            Self::Verdict(_) => "immediate",
        }
    }

    fn write_data(&self, to: &mut Raw) {
        match self {
            Self::Payload {
                base,
                offset,
                length,
                into,
            } => numbers(to, &[(1, into.0), (2, *base as u32), (3, *offset), (4, *length)]),
            Self::Meta(key, into) => numbers(to, &[(1, into.0), (2, *key as u32)]),
            Self::SetMark(from) => numbers(to, &[(2, MetaKey::Mark as u32), (3, from.0)]),
            Self::Mask(register, mask) => {
                let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
                numbers(to, &[(1, register.0), (2, register.0), (3, length)]);
                to.nest(4, |inner| inner.put(VALUE, mask));
                to.nest(5, |inner| inner.put(VALUE, &vec![0; mask.len()]));
            }
            Self::Equal(register, value) => {
                numbers(to, &[(1, register.0), (2, 0)]);
                to.nest(3, |inner| inner.put(VALUE, value));
            }
            Self::InSet(register, set) => {
                to.text(1, set);
                numbers(to, &[(2, register.0)]);
            }
            Self::Map { from, map, into } => {
                to.text(1, map);
                numbers(to, &[(2, from.0), (3, into.0)]);
            }
            Self::Duplicate { address, interface } => {
                numbers(to, &[(1, address.0), (2, interface.0)]);
            }
            Self::Counter => {}
            Self::Verdict(verdict) => {
                numbers(to, &[(1, REGISTER_OF_VERDICT)]);
                to.nest(2, |inner| inner.nest(VERDICT, |inner| verdict.write(inner)));
            }
        }
    }
}

impl Verdict {
    fn write(&self, to: &mut Raw) {
        let (code, chain) = match self {
            Self::Accept => (ACCEPT, None),
            Self::Drop => (DROP, None),
            Self::Goto(chain) => (GOTO, Some(chain)),
        };
        to.put(VERDICT_CODE, &code.to_be_bytes());
        if let Some(chain) = chain {
            to.text(VERDICT_CHAIN, chain);
        }
    }
}

/// Appends numbers in network byte order, as nfnetlink has them.
pub(super) fn numbers(to: &mut Raw, numbers: &[(u16, u32)]) {
    for (kind, number) in numbers {
        to.put(*kind, &number.to_be_bytes());
    }
}
