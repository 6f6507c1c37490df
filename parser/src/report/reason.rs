//! The closed list of what can be wrong with a configuration.

use std::time::Duration;

use thiserror::Error;

use crate::config::OUTSIDE;
use crate::report::{Class, Finding, LvsReason, RoutingReason, VrrpReason};
use crate::source::{
    MAX_BYTES, MAX_DEFINED_LINES, MAX_EXPANDED_LINE, MAX_FILES, MAX_GENERATED_BYTES, MAX_GENERATED_LINES,
    MAX_INCLUDE_DEPTH, MAX_NESTED_BLOCKS, MAX_NESTED_LINES, MAX_STATEMENTS, MAX_WORDS, SequenceError,
};
use crate::units::{Family, Version, Vrid};

/// What is wrong, exactly. Displayed, it is the title of the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// A word that is no keyword where it stands.
    #[error("unknown keyword `{keyword}`{}", inside(*.block))]
    UnknownKeyword {
        /// As written.
        keyword: String,
        /// The block it stands in.
        block: Option<&'static str>,
        /// The keyword that was probably meant.
        nearest: Option<&'static str>,
        /// Blocks that have this keyword.
        home: Option<&'static str>,
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
        /// Nothing at all is there: the block is empty, which keepalived accepts.
        absent: bool,
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
    /// Text without end from a few lines.
    #[error(
        "more than {} MiB come from ~SEQ, ~LST and definitions; the rest is ignored",
        MAX_GENERATED_BYTES >> 20
    )]
    TooMuchMade,
    /// More definitions than anyone means.
    #[error("more than {MAX_DEFINED_LINES} names and lines are defined; the rest is ignored")]
    TooManyDefinitions,
    /// More settings than anyone means.
    #[error(
        "the configuration has more than {MAX_STATEMENTS} settings or {MAX_WORDS} words; the rest is ignored"
    )]
    TooManyWords,
    /// More blocks within one another than anyone means.
    #[error("blocks are more than {MAX_NESTED_BLOCKS} deep; the braces of those within are ignored")]
    BlocksTooDeep,
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
    #[error(
        "definitions make the line too long: by more than {MAX_EXPANDED_LINE} bytes, or there are too many of them"
    )]
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
    UnterminatedQuote {
        /// What is lost is the value of a keyword: keepalived ends with status 2.
        value_lost: bool,
    },
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
    /// A keyword without the word it needs. keepalived goes on without it.
    #[error("`{keyword}` needs a value")]
    NoValue {
        /// The keyword.
        keyword: String,
    },
    /// A block that needs exactly one word between keyword and brace.
    #[error("`{keyword}` needs exactly one name and is skipped")]
    NameNeeded {
        /// The keyword of the block.
        keyword: String,
    },
    /// A setting of which the first counts, written once more.
    #[error("`{keyword}` is already specified; the first one is kept")]
    AlreadySpecified {
        /// The keyword.
        keyword: String,
    },
    /// A block whose name another block of its kind has.
    #[error("`{block} {name}` is already defined; this one is ignored")]
    NameTaken {
        /// The keyword of the block.
        block: &'static str,
        /// The name.
        name: String,
    },
    /// Two scripts of one name, of which instances can only track the first.
    #[error("`{block} {name}` is already defined; only the first can be tracked")]
    NameHidden {
        /// The keyword of the block.
        block: &'static str,
        /// The name.
        name: String,
    },
    /// A list without any value.
    #[error("`{keyword}` is empty")]
    EmptyBlock {
        /// The keyword of the block.
        keyword: String,
    },
    /// An option that is none.
    #[error("unknown option `{option}` of {}", ticked(of))]
    UnknownOption {
        /// As written.
        option: String,
        /// Keyword or thing that has the options.
        of: String,
        /// The options there are.
        known: Vec<&'static str>,
        /// The option that was probably meant.
        nearest: Option<&'static str>,
    },
    /// An option at the end of its line.
    #[error("`{option}` needs a value")]
    OptionWithoutValue {
        /// The option.
        option: String,
    },
    /// An option that may be given once.
    #[error("`{option}` is given twice")]
    OptionTwice {
        /// The option.
        option: &'static str,
    },
    /// A value in the place it had in old versions.
    #[error("write `{keyword}` before this value")]
    BarePosition {
        /// The option that names it.
        keyword: &'static str,
    },
    /// A keyword that has a instead.
    #[error("`{keyword}` is deprecated")]
    Deprecated {
        /// The keyword.
        keyword: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// Two settings that do not go together.
    #[error("{} does not go with {with}: {effect}", ticked(what))]
    Conflict {
        /// The setting that gives way.
        what: &'static str,
        /// What it does not go with.
        with: &'static str,
        /// What happens.
        effect: &'static str,
    },
    /// A text that is cut.
    #[error("only the first {longest} bytes are used")]
    Truncated {
        /// Bytes that count.
        longest: usize,
    },
    /// A value that another one stands in for.
    #[error("`{got}` is not allowed, {used} is used")]
    NotAllowed {
        /// As written.
        got: String,
        /// What is used.
        used: String,
    },
    /// A name that is too long, and ignored.
    #[error("`{got}` is longer than {most} bytes")]
    TooLong {
        /// As written.
        got: String,
        /// Bytes allowed.
        most: usize,
    },
    /// A name no interface can have.
    #[error("`{got}` cannot be the name of an interface")]
    BadInterfaceName {
        /// As written.
        got: String,
    },
    /// Two names that must differ.
    #[error("`{name}` is used twice")]
    SameName {
        /// The name.
        name: String,
    },
    /// An address of the other family.
    #[error("the address is not {expected}")]
    WrongFamily {
        /// The family that is needed here.
        expected: Family,
    },
    /// An address of the other family than the instance has.
    #[error("the instance is {expected}, this address is not")]
    OtherFamily {
        /// The family of the instance.
        expected: Family,
    },
    /// An option that IPv6 addresses do not have.
    #[error("`{option}` is for IPv4 addresses only")]
    Ipv4Only {
        /// The option.
        option: String,
    },
    /// An address that is no multicast group.
    #[error("`{got}` is not a multicast address")]
    NotMulticast {
        /// As written.
        got: String,
    },
    /// An IPv6 group that leaves the link.
    #[error("the group is not link-local")]
    GroupNotLinkLocal,
    /// Neither the name nor the number of a scope.
    #[error("`{got}` is not a scope")]
    NotAScope {
        /// As written.
        got: String,
    },
    /// `brd +` or `brd -` where there are no host bits.
    #[error("a prefix of {prefix_len} leaves no room for a broadcast address")]
    PrefixTooLongForBroadcast {
        /// The prefix length.
        prefix_len: u8,
    },
    /// A link-layer address that cannot be given to an interface.
    #[error("this link-layer address cannot be used")]
    BadMac,
    /// A key of the wrong length or with wrong digits.
    #[error("this key cannot be used")]
    BadKey,
    /// `min_ttl` above `max_ttl`.
    #[error("`min_ttl` is above `max_ttl`: every advert would be refused")]
    NoTtlFits,
    /// A tracked thing that comes twice.
    #[error("`{name}` is tracked twice")]
    TrackedTwice {
        /// Its name.
        name: String,
    },
    /// A name that no block has.
    #[error("there is no {kind} `{name}`")]
    UnknownName {
        /// What it should be.
        kind: &'static str,
        /// As written.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A name whose block comes later in the file.
    #[error("{kind} `{name}` is defined further down, where keepalived does not look for it")]
    DefinedLater {
        /// The keyword of the block.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// An instance on the loopback interface.
    #[error("adverts do not travel on a loopback interface")]
    Loopback,
    /// An instance without an address in its adverts.
    #[error("no virtual address: at least one is {}", if *required { "required in strict mode" } else { "sensible" })]
    NoVirtualAddress {
        /// Strict mode: the instance is dropped.
        required: bool,
    },
    /// In strict mode the first IPv6 address is the link-local one.
    #[error("the first IPv6 address must be link-local")]
    FirstNotLinkLocal,
    /// More addresses than an advert holds.
    #[error("an advert holds {most} addresses; {more} are moved to virtual_ipaddress_excluded")]
    TooManyAddresses {
        /// How many it holds.
        most: usize,
        /// How many are moved.
        more: usize,
    },
    /// `state MASTER` without `priority`.
    #[error("`state MASTER` without `priority` makes this the address owner, priority 255")]
    MasterWithoutPriority,
    /// An advert interval that the protocol cannot carry.
    #[error("version {} has no such advert interval, {} s is used", *version as u8, used.as_secs_f64())]
    AdvertIntRounded {
        /// Version of the instance.
        version: Version,
        /// What is used.
        used: Duration,
    },
    /// Unicast settings without `unicast_peer`.
    #[error("unicast settings without a unicast peer: multicast is used")]
    UnicastWithoutPeers,
    /// An ipvlan that has nothing to send adverts from.
    #[error("an ipvlan of an IPv4 instance needs an address: the instance stays in FAULT")]
    IpvlanWithoutAddress,
    /// `track_interface` names the instance's own interface.
    #[error("the instance's own interface is tracked anyway")]
    TracksOwnInterface,
    /// Two instances that would take each other's adverts for their own.
    #[error(
        "`{name}` and `{other}` both use VRID {vrid} with {family} on interface {interface}; this one is ignored"
    )]
    VridClash {
        /// The instance that is dropped.
        name: String,
        /// The one that came first.
        other: String,
        /// Their VRID.
        vrid: Vrid,
        /// Their family.
        family: Family,
        /// Their interface.
        interface: String,
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
    /// A setting of which the last counts, written once more.
    #[error("`{keyword}` is already specified; this one takes its place")]
    Replaced {
        /// The keyword.
        keyword: String,
    },
    /// Something about virtual servers, real servers or their checkers.
    #[error(transparent)]
    Lvs(#[from] LvsReason),
    /// What only the machine can tell, found by whoever asked it.
    #[error("{what}")]
    OnThisMachine {
        /// Its severity.
        class: Class,
        /// What is wrong.
        what: String,
    },
    /// Something about a route, a rule or the names they use.
    #[error(transparent)]
    Routing(#[from] RoutingReason),
    /// Something about groups, trackers, BFD sessions or links.
    #[error(transparent)]
    Vrrp(#[from] VrrpReason),
    /// Something legal that will not do what it says.
    #[error(transparent)]
    Lint(#[from] Finding),
    /// Something in a block that is dropped as a whole, into which keepalived does not look.
    #[error("{0} (in a block that is ignored)")]
    InDroppedBlock(Box<Reason>),
}

impl Reason {
    /// How severe it is.
    pub fn class(&self) -> Class {
        match self {
            Self::UnknownKeyword { .. } => Class::UnknownKeyword,
            Self::InDroppedBlock(_)
            | Self::NotSupportedYet { .. }
            | Self::LongLine { .. }
            | Self::NameHidden { .. }
            | Self::MissingOpening { absent: true, .. }
            | Self::MasterWithoutPriority
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
            Self::MissingParameter { .. } | Self::UnterminatedQuote { value_lost: true } => Class::Exit,
            Self::UnterminatedQuote { .. } | Self::ScriptQuote { .. } => Class::UnmatchedQuote,
            Self::NoValue { .. } | Self::OptionWithoutValue { .. } => Class::MissingParameter,
            Self::NotANumber { .. } | Self::OutOfRange { .. } | Self::TooManyDecimals { .. } => {
                Class::InvalidNumber
            }
            Self::Deprecated { .. } | Self::BarePosition { .. } => Class::Deprecated,
            Self::Conflict { .. }
            | Self::Truncated { .. }
            | Self::Lint(_)
            | Self::NotAllowed { .. }
            | Self::EmptyBlock { .. }
            | Self::NoTtlFits
            | Self::NoVirtualAddress { required: false }
            | Self::TooManyAddresses { .. }
            | Self::AdvertIntRounded { .. }
            | Self::UnicastWithoutPeers
            | Self::TracksOwnInterface => Class::Warning,
            Self::BlockWithName { .. }
            | Self::IncludeLoop { .. }
            | Self::IncludeTooDeep { .. }
            | Self::UnknownIncludeCheck { .. }
            | Self::TooMuchText
            | Self::TooMuchMade
            | Self::TooManyDefinitions
            | Self::TooManyWords
            | Self::BlocksTooDeep
            | Self::TooManyLines
            | Self::NestedTooDeep
            | Self::DefinitionLoop { .. }
            | Self::ExpansionTooLong
            | Self::EnvNeedsOneName
            | Self::RandomNeedsNumbers
            | Self::BadSequence { .. }
            | Self::Nul
            | Self::NotUtf8
            | Self::EndsWithBackslash
            | Self::EmptyScript
            | Self::AlreadySpecified { .. }
            | Self::NameTaken { .. }
            | Self::NameNeeded { .. }
            | Self::UnknownOption { .. }
            | Self::OptionTwice { .. }
            | Self::TooLong { .. }
            | Self::BadInterfaceName { .. }
            | Self::SameName { .. }
            | Self::WrongFamily { .. }
            | Self::OtherFamily { .. }
            | Self::Ipv4Only { .. }
            | Self::NotMulticast { .. }
            | Self::GroupNotLinkLocal
            | Self::NotAScope { .. }
            | Self::PrefixTooLongForBroadcast { .. }
            | Self::BadMac
            | Self::BadKey
            | Self::TrackedTwice { .. }
            | Self::UnknownName { .. }
            | Self::DefinedLater { .. }
            | Self::Loopback
            | Self::NoVirtualAddress { required: true }
            | Self::FirstNotLinkLocal
            | Self::IpvlanWithoutAddress
            | Self::VridClash { .. }
            | Self::Missing { .. }
            | Self::NotABoolean { .. }
            | Self::NotAnAddress { .. }
            | Self::Replaced { .. } => Class::General,
            Self::Lvs(reason) => reason.class(),
            Self::OnThisMachine { class, .. } => *class,
            Self::Routing(reason) => reason.class(),
            Self::Vrrp(reason) => reason.class(),
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
            Self::UnknownOption { known, .. } if known.len() <= FEW => format!("expected {}", one_of(known)),
            Self::NotAScope { .. } => "expected global, site, link, host, nowhere or 0 to 255".to_owned(),
            Self::BadMac => {
                "expected 5 or 6 octets of a unicast address outside 00:00:5e:00:01 and :02".to_owned()
            }
            Self::BadKey => {
                "expected 32 to 64 bytes, hex: with two digits for each byte, or file:".to_owned()
            }
            Self::GroupNotLinkLocal => "expected a group of ff02::/16".to_owned(),
            Self::FirstNotLinkLocal => "expected an address of fe80::/10".to_owned(),
            Self::AdvertIntRounded {
                version: Version::V2, ..
            } => "expected whole seconds".to_owned(),
            Self::AdvertIntRounded {
                version: Version::V3, ..
            } => "expected hundredths of a second, at most 40.95".to_owned(),
            Self::Routing(reason) => return reason.expected(),
            Self::InDroppedBlock(reason) => return reason.expected(),
            Self::DefinedLater { kind, .. } => format!("expected its `{kind}` block above this line"),
            _ => return None,
        })
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::InDroppedBlock(reason) => return reason.help(),
            Self::UnknownKeyword {
                nearest: Some(nearest),
                ..
            }
            | Self::UnknownOption {
                nearest: Some(nearest),
                ..
            } => {
                format!("did you mean `{nearest}`?")
            }
            Self::UnknownKeyword {
                home: Some(OUTSIDE), ..
            } => "it stands outside every block: is a `}` missing above it?".to_owned(),
            Self::UnknownKeyword { home: Some(home), .. } => format!("it belongs into `{home}`"),
            Self::UnknownKeyword { has_block: true, .. } => "it is skipped with its block".to_owned(),
            Self::Lvs(reason) => return reason.help(),
            Self::MissingParameter { .. } => "keepalived would end here with status 2".to_owned(),
            Self::UnknownName {
                nearest: Some(nearest),
                ..
            } => format!("did you mean `{nearest}`?"),
            Self::OtherFamily { .. } => {
                "the first address decides; others can stand in `virtual_ipaddress_excluded`".to_owned()
            }
            Self::Deprecated { instead, .. } => format!("use `{instead}`"),
            Self::Nul | Self::NotUtf8 => "save the file as UTF-8 text".to_owned(),
            Self::IncludeExecutable { path } => format!("chmod -x {path}"),
            Self::IncludeMissing { path, .. } if path.starts_with('"') => {
                "quotes are part of the name in an include line; leave them out".to_owned()
            }
            Self::DefinitionLoop { .. } => {
                "definitions are replaced when they are used, so a name cannot be part of its own value"
                    .to_owned()
            }
            Self::MasterWithoutPriority => {
                "write the priority you mean, for example `priority 100`".to_owned()
            }
            Self::NoVirtualAddress { required: false } => {
                "add `virtual_ipaddress`, or `no_virtual_ipaddress` if none is meant".to_owned()
            }
            Self::StrayOpening | Self::StrayClosing => "the brace is ignored".to_owned(),
            Self::Routing(reason) => return reason.help(),
            Self::Vrrp(reason) => return reason.help(),
            Self::Lint(finding) => finding.help.clone(),
            _ => return None,
        })
    }
}

/// So many words fit below a line.
const FEW: usize = 4;

fn one_of(words: &[&str]) -> String {
    list("or", words)
}

fn list(last_but_one: &str, words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} {last_but_one} {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Where a keyword stands, if that is a block.
fn inside(block: Option<&str>) -> String {
    block
        .filter(|block| *block != OUTSIDE)
        .map(|block| format!(" in `{block}`"))
        .unwrap_or_default()
}

/// A single word in backticks; several words as they are.
fn ticked(words: &str) -> String {
    if words.contains([' ', '`']) {
        words.to_owned()
    } else {
        format!("`{words}`")
    }
}
