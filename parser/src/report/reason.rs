//! The closed list of what can be wrong with a configuration.

use thiserror::Error;

use crate::report::{Class, RoutingReason};
use crate::source::{
    MAX_BYTES, MAX_EXPANDED_LINE, MAX_FILES, MAX_GENERATED_LINES, MAX_INCLUDE_DEPTH, MAX_NESTED_LINES,
    SequenceError,
};

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
    /// `-f` matched several files; all are read.
    #[error("{count} configuration files are read as one")]
    MultipleFiles {
        /// How many.
        count: usize,
    },
    /// An include line or `-f` names a file that is not there.
    #[error("no such file: {path}")]
    IncludeMissing {
        /// As written.
        path: String,
        /// The include check `match` holds.
        fatal: bool,
    },
    /// A pattern without any file, while the include check `wildcard_match` holds.
    #[error("no file matches {pattern}")]
    IncludeMatchesNothing {
        /// As written.
        pattern: String,
    },
    /// An alternative in braces without any file.
    #[error("some files of {pattern} do not exist")]
    IncludeAlternativeMissing {
        /// As written.
        pattern: String,
        /// The include check `brace_match` holds.
        fatal: bool,
    },
    /// A file that cannot be read.
    #[error("cannot read {path}: {error}")]
    IncludeUnreadable {
        /// As written.
        path: String,
        /// What the machine said.
        error: String,
        /// The include check `read` holds.
        fatal: bool,
    },
    /// A directory.
    #[error("{path} is a directory and is skipped")]
    IncludeDirectory {
        /// As written.
        path: String,
    },
    /// A file with an execute permission.
    #[error("{path} is executable and is skipped")]
    IncludeExecutable {
        /// As written.
        path: String,
    },
    /// A pipe, device or socket.
    #[error("{path} is not a regular file and is skipped")]
    IncludeSpecial {
        /// As written.
        path: String,
    },
    /// A file that includes itself.
    #[error("{path} includes itself")]
    IncludeLoop {
        /// As written.
        path: String,
    },
    /// Too many files within one another.
    #[error("{path} is included more than {MAX_INCLUDE_DEPTH} files deep")]
    IncludeTooDeep {
        /// As written.
        path: String,
    },
    /// A word that `include_check` does not know.
    #[error("unknown include check `{word}`")]
    UnknownIncludeCheck {
        /// As written.
        word: String,
    },
    /// More files or bytes than anyone means.
    #[error("the configuration is larger than {MAX_FILES} files or {} MiB; the rest is ignored", MAX_BYTES >> 20)]
    TooMuchText,
    /// `~SEQ`, `~LST` and multi-line definitions without end.
    #[error(
        "more than {MAX_GENERATED_LINES} lines come from ~SEQ, ~LST and definitions; the rest is ignored"
    )]
    TooManyLines,
    /// Multi-line definitions and sequences within one another.
    #[error("definitions and sequences are more than {MAX_NESTED_LINES} deep")]
    NestedTooDeep,
    /// A definition that needs itself.
    #[error("the definition of ${name} refers to itself")]
    DefinitionLoop {
        /// Its name.
        name: String,
    },
    /// Definitions make the line too long.
    #[error("the line is longer than {MAX_EXPANDED_LINE} bytes once its definitions are replaced")]
    ExpansionTooLong,
    /// `${_ENV}` with no name or several.
    #[error("${{_ENV}} needs the name of one variable")]
    EnvNeedsOneName,
    /// `${_RANDOM}` with words that are no numbers, or too many.
    #[error("${{_RANDOM}} takes at most two numbers")]
    RandomNeedsNumbers,
    /// A `~SEQ` or `~LST` that cannot be played.
    #[error("this sequence cannot be played: {error}")]
    BadSequence {
        /// Why not.
        error: SequenceError,
    },
    /// A line that keepalived would not read whole.
    #[error("keepalived ignores lines of more than 1022 bytes, this one has {bytes}")]
    LongLine {
        /// Its length.
        bytes: usize,
    },
    /// A NUL byte.
    #[error("the line contains a NUL byte and is ignored")]
    Nul,
    /// Bytes that are not UTF-8 outside a comment.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// An odd number of double quotes on a line, whose rest is lost.
    #[error("unterminated quote")]
    UnterminatedQuote,
    /// A quote of a script word that does not end.
    #[error("missing terminating {quote}")]
    ScriptQuote {
        /// The quote.
        quote: char,
    },
    /// A script word that ends with a backslash.
    #[error("nothing follows the last backslash")]
    EndsWithBackslash,
    /// A script without a program.
    #[error("the script is empty")]
    EmptyScript,
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
    /// Something about a route, a rule or the names they use.
    #[error(transparent)]
    Routing(#[from] RoutingReason),
    /// A block that needs exactly one word between keyword and brace.
    #[error("`{keyword}` needs exactly one name and is skipped")]
    NameNeeded {
        /// The keyword of the block.
        keyword: String,
    },
    /// A second block of the same name, which is skipped.
    #[error("`{keyword}` `{name}` is already defined")]
    AlreadyDefined {
        /// The keyword of the block.
        keyword: String,
        /// Its name.
        name: String,
    },
    /// A setting for the second time: the first one counts.
    #[error("`{keyword}` is already set and this line is ignored")]
    AlreadySet {
        /// The setting.
        keyword: String,
    },
    /// A name without the block that must stand before its use.
    #[error("no `{keyword}` `{name}` is defined {}", if *.later { "before this line" } else { "anywhere" })]
    NotDefined {
        /// The keyword of the block.
        keyword: &'static str,
        /// The name.
        name: String,
        /// The block is there, but after its use.
        later: bool,
    },
    /// An old form that has a successor.
    #[error("`{old}` is deprecated")]
    Deprecated {
        /// As written.
        old: &'static str,
        /// What to write instead.
        new: &'static str,
    },
}

impl Reason {
    /// How severe it is.
    pub fn class(&self) -> Class {
        match self {
            Self::UnknownKeyword { .. } => Class::UnknownKeyword,
            Self::NotSupportedYet { .. }
            | Self::LongLine { .. }
            | Self::IncludeDirectory { .. }
            | Self::IncludeExecutable { .. }
            | Self::IncludeSpecial { .. }
            | Self::IncludeMissing { fatal: false, .. }
            | Self::IncludeAlternativeMissing { fatal: false, .. }
            | Self::IncludeUnreadable { fatal: false, .. } => Class::Note,
            Self::IncludeMissing { .. }
            | Self::IncludeAlternativeMissing { .. }
            | Self::IncludeUnreadable { .. }
            | Self::IncludeMatchesNothing { .. } => Class::NoConfig,
            Self::MultipleFiles { .. } => Class::MultipleFiles,
            Self::UnexpectedBlock { .. } | Self::StrayOpening => Class::UnexpectedOpening,
            Self::MissingOpening { .. } => Class::MissingOpening,
            Self::StrayClosing => Class::UnexpectedClosing,
            Self::MissingClosing { .. } => Class::MissingClosing,
            Self::UnterminatedQuote | Self::ScriptQuote { .. } => Class::UnmatchedQuote,
            Self::MissingParameter { .. } => Class::Exit,
            Self::NotANumber { .. } | Self::OutOfRange { .. } | Self::TooManyDecimals { .. } => {
                Class::InvalidNumber
            }
            Self::BlockWithName { .. }
            | Self::IncludeLoop { .. }
            | Self::IncludeTooDeep { .. }
            | Self::UnknownIncludeCheck { .. }
            | Self::TooMuchText
            | Self::TooManyLines
            | Self::NestedTooDeep
            | Self::DefinitionLoop { .. }
            | Self::ExpansionTooLong
            | Self::EnvNeedsOneName
            | Self::RandomNeedsNumbers
            | Self::BadSequence { .. }
            | Self::Nul
            | Self::EndsWithBackslash
            | Self::EmptyScript
            | Self::NotUtf8
            | Self::Missing { .. }
            | Self::NotABoolean { .. }
            | Self::NotAnAddress { .. }
            | Self::NameNeeded { .. }
            | Self::AlreadyDefined { .. }
            | Self::AlreadySet { .. }
            | Self::NotDefined { .. } => Class::General,
            Self::Deprecated { .. } => Class::Deprecated,
            Self::Routing(reason) => reason.class(),
        }
    }

    /// Whether what it is about cannot be used: it is more than a note or a warning, and not mended on the spot.
    pub(crate) fn spoils(&self) -> bool {
        let class = self.class();
        let mended = matches!(self, Self::TooManyDecimals { .. });
        !mended && class != Class::Note && !(Class::Warning..=Class::Security).contains(&class)
    }

    /// What stands below the underlined words: what was expected there.
    pub fn expected(&self) -> Option<String> {
        Some(match self {
            Self::NotABoolean { .. } => "expected on, off, true, false, yes or no".to_owned(),
            Self::NotAnAddress { .. } => "expected an IPv4 or IPv6 address".to_owned(),
            Self::NotANumber { range, .. } | Self::OutOfRange { range, .. } => format!("expected {range}"),
            Self::TooManyDecimals { digits, .. } => format!("expected at most {digits} decimal places"),
            Self::Routing(reason) => return reason.expected(),
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
            Self::Deprecated { new, .. } => format!("write `{new}`"),
            Self::NotDefined {
                keyword, later: true, ..
            } => format!("move the block of `{keyword}` up"),
            Self::Routing(reason) => return reason.help(),
            _ => return None,
        })
    }
}
