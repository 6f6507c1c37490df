//! Grammars of values: numbers, script words, addresses. They take text and give a value or the reason why not; where
//! the text stands is the caller's business.

pub mod address;
pub mod names;
pub mod number;
pub mod prefix;
pub(crate) mod script;
