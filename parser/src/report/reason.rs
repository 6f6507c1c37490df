//! The closed list of what can be wrong with a configuration.

use thiserror::Error;

use crate::report::Class;

/// What is wrong, exactly. Displayed, it is the title of the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// A word that is no keyword where it stands.
    #[error("unknown keyword `{keyword}`")]
    UnknownKeyword {
        /// As written.
        keyword: String,
        /// The keyword that was probably meant.
        nearest: Option<&'static str>,
        /// A block follows and is skipped with it.
        has_block: bool,
    },
    /// A block that keepalived knows and this program does not read yet.
    #[error("`{keyword}` is not supported yet")]
    NotSupportedYet {
        /// The keyword of the block.
        keyword: String,
    },
    /// `{` after a line that opens no block.
    #[error("`{keyword}` takes no block")]
    UnexpectedBlock {
        /// The keyword before the brace.
        keyword: String,
    },
    /// `{` that follows no line.
    #[error("`{{` without a block to begin")]
    StrayOpening,
    /// `}` without its `{`.
    #[error("`}}` without its `{{`")]
    StrayClosing,
    /// A block whose `{` is missing.
    #[error("the block of `{keyword}` does not begin with `{{`")]
    MissingOpening {
        /// The keyword of the block.
        keyword: String,
    },
    /// A block that the end of the file ends.
    #[error("the block of `{keyword}` is not closed")]
    MissingClosing {
        /// The keyword of the block.
        keyword: String,
    },
    /// A list of values with words between keyword and brace.
    #[error("`{keyword}` has no name")]
    BlockWithName {
        /// The keyword of the block.
        keyword: String,
    },
    /// An odd number of double quotes on a line, whose rest is lost.
    #[error("unterminated quote")]
    UnterminatedQuote,
    /// A keyword without the word it needs. keepalived ends with status 2.
    #[error("`{keyword}` needs a value")]
    MissingParameter {
        /// The keyword.
        keyword: String,
    },
    /// A setting that its block cannot do without.
    #[error("`{block}` has no `{keyword}`")]
    Missing {
        /// The setting.
        keyword: &'static str,
        /// The keyword of the block.
        block: String,
    },
    /// Not `on off true false yes no`.
    #[error("`{got}` is not a boolean")]
    NotABoolean {
        /// As written.
        got: String,
    },
    /// Not an IPv4 or IPv6 address.
    #[error("`{got}` is not an IP address")]
    NotAnAddress {
        /// As written.
        got: String,
    },
    /// Not a decimal number.
    #[error("`{got}` is not a number")]
    NotANumber {
        /// As written.
        got: String,
        /// What is allowed.
        range: String,
    },
    /// A number outside its range.
    #[error("`{got}` is out of range")]
    OutOfRange {
        /// As written.
        got: String,
        /// What is allowed.
        range: String,
    },
    /// More digits after the point than the setting can hold.
    #[error("`{got}` has too many decimal places")]
    TooManyDecimals {
        /// As written.
        got: String,
        /// Digits that count.
        digits: u32,
    },
}

impl Reason {
    /// How severe it is.
    pub fn class(&self) -> Class {
        match self {
            Self::UnknownKeyword { .. } => Class::UnknownKeyword,
            Self::NotSupportedYet { .. } => Class::Note,
            Self::UnexpectedBlock { .. } | Self::StrayOpening => Class::UnexpectedOpening,
            Self::MissingOpening { .. } => Class::MissingOpening,
            Self::StrayClosing => Class::UnexpectedClosing,
            Self::MissingClosing { .. } => Class::MissingClosing,
            Self::UnterminatedQuote => Class::UnmatchedQuote,
            Self::MissingParameter { .. } => Class::Exit,
            Self::NotANumber { .. } | Self::OutOfRange { .. } | Self::TooManyDecimals { .. } => {
                Class::InvalidNumber
            }
            Self::BlockWithName { .. }
            | Self::Missing { .. }
            | Self::NotABoolean { .. }
            | Self::NotAnAddress { .. } => Class::General,
        }
    }

    /// What stands below the underlined words: what was expected there.
    pub fn expected(&self) -> Option<String> {
        Some(match self {
            Self::NotABoolean { .. } => "expected on, off, true, false, yes or no".to_owned(),
            Self::NotAnAddress { .. } => "expected an IPv4 or IPv6 address".to_owned(),
            Self::NotANumber { range, .. } | Self::OutOfRange { range, .. } => format!("expected {range}"),
            Self::TooManyDecimals { digits, .. } => format!("expected at most {digits} decimal places"),
            Self::StrayOpening => "no block begins here".to_owned(),
            Self::StrayClosing => "no block is open here".to_owned(),
            _ => return None,
        })
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownKeyword {
                nearest: Some(nearest),
                ..
            } => format!("did you mean `{nearest}`?"),
            Self::UnknownKeyword { has_block: true, .. } => "it is skipped with its block".to_owned(),
            _ => return None,
        })
    }
}
