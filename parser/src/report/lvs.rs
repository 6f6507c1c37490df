//! What can be wrong with virtual servers, real servers and their checkers.

use std::net::IpAddr;

use thiserror::Error;

use crate::report::Class;
use crate::units::Family;

/// What is wrong with a virtual server, a real server or a checker, and how it is mended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LvsReason {
    /// A virtual server of an address without `protocol`.
    #[error("no protocol; UDP is used")]
    NoProtocol,
    /// A virtual server without `lvs_sched`.
    #[error("no scheduler; wlc is used")]
    NoScheduler,
    /// A virtual server without `lvs_method`.
    #[error("no forwarding method; NAT is used")]
    NoMethod,
    /// A virtual server without a real server that can be used.
    #[error("no real server; the virtual server is ignored")]
    NoRealServer,
    /// `protocol` in a virtual server of a firewall mark, which has none.
    #[error("a firewall mark has no protocol; it is ignored")]
    ProtocolOfFwmark,
    /// A firewall mark of 0, which no packet has.
    #[error("firewall mark 0 marks nothing; it is ignored")]
    FwmarkZero,
    /// `ops` in a virtual server that is not of UDP.
    #[error("one-packet scheduling needs UDP; it is switched off")]
    OpsNeedsUdp,
    /// Port 0 means every port, which only a persistent service can have.
    #[error("no port; persistence is switched on")]
    PortNeedsPersistence,
    /// `ha_suspend` in a virtual server without an address.
    #[error("a firewall mark has no address to wait for; ha_suspend is switched off")]
    HaSuspendOfFwmark,
    /// A flag of a scheduler before `lvs_sched`, or where it names one that has no such flags.
    #[error("`{flag}` needs `lvs_sched {scheduler}` above it; it is ignored")]
    FlagWithoutScheduler {
        /// As written.
        flag: String,
        /// The scheduler that has it.
        scheduler: &'static str,
    },
    /// A flag of the sh scheduler with mh, or the other way round.
    #[error("`{flag}` is no flag of {scheduler}; it is ignored")]
    FlagOfAnotherScheduler {
        /// As written.
        flag: String,
        /// The scheduler of the virtual server.
        scheduler: &'static str,
    },
    /// A netmask that was written as a prefix length.
    #[error("`{got}` is read as the netmask {netmask}")]
    NetmaskExpected {
        /// As written.
        got: String,
        /// What it means.
        netmask: std::net::Ipv4Addr,
    },
    /// A prefix length where one address is wanted.
    #[error("the prefix length of `{got}` is ignored")]
    PrefixIgnored {
        /// As written.
        got: String,
    },
    /// `ip_family` against the addresses.
    #[error("the virtual server is {family}")]
    FamilyConflict {
        /// The family that its addresses have.
        family: Family,
    },
    /// A server that the virtual server cannot reach without a tunnel.
    #[error("{address} is not {family} as the virtual server is; the server is ignored")]
    FamilyOfServer {
        /// The server's address.
        address: IpAddr,
        /// Family of the virtual server.
        family: Family,
    },
    /// A group with addresses of the other family.
    #[error("group {group} has addresses that are not {family}; the virtual server is ignored")]
    FamilyOfGroup {
        /// The group.
        group: String,
        /// Family of the virtual server.
        family: Family,
    },
    /// `virtual_server group` with a name nobody has.
    #[error("there is no virtual_server_group {group}; the virtual server is ignored")]
    UnknownGroup {
        /// The name.
        group: String,
    },
    /// A second group of a name.
    #[error("there is a virtual_server_group {group} already; this one is ignored")]
    GroupAgain {
        /// The name.
        group: String,
    },
    /// A group of nothing.
    #[error("the group has no entries; it is ignored")]
    EmptyGroup,
    /// A range whose end is not beyond its start.
    #[error("the range `{got}` does not go upwards; it is ignored")]
    BadRange {
        /// As written.
        got: String,
    },
    /// A prefix with host bits.
    #[error("`{got}` has bits beyond its prefix length; it is ignored")]
    HostBits {
        /// As written.
        got: String,
    },
    /// DR and TUN leave ports alone, so that a real server has the port of the virtual one.
    #[error("with DR and TUN the port stays that of the virtual server, {port}; {got} is ignored")]
    PortMismatch {
        /// As written.
        got: u16,
        /// The virtual server's.
        port: u16,
    },
    /// As [`LvsReason::PortMismatch`], for a group: each of its entries keeps its own port.
    #[error("port {got} is not that of every address of group {group}; it is not used")]
    PortMismatchInGroup {
        /// As written.
        got: u16,
        /// The group.
        group: String,
    },
    /// As [`LvsReason::PortMismatch`], for a firewall mark, which has no port.
    #[error("port {got} is ignored: a firewall mark has no port")]
    PortOfFwmark {
        /// As written.
        got: u16,
    },
    /// Two real servers of one address and port.
    #[error("real server {address} port {port} is there already; this one is ignored")]
    RealServerAgain {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// Written the same way; else it is the same only once the virtual server's port is filled in.
        as_written: bool,
    },
    /// `quorum` that could never be reached.
    #[error("quorum {quorum} is more than all real servers weigh; it is lowered to {most}")]
    QuorumTooHigh {
        /// As written.
        quorum: u32,
        /// What is used: the weight of all real servers, but at least 1.
        most: u32,
    },
    /// `hysteresis` that is not below the quorum.
    #[error("hysteresis {hysteresis} is not below the quorum; it is lowered to {most}")]
    HysteresisTooHigh {
        /// As written.
        hysteresis: u32,
        /// What is used.
        most: u32,
    },
    /// `lthreshold` above `uthreshold`, which the kernel refuses.
    #[error("lthreshold {lower} is above uthreshold {upper}: the kernel will refuse the real server")]
    Thresholds {
        /// `lthreshold`.
        lower: u32,
        /// `uthreshold`.
        upper: u32,
    },
    /// `sorry_server_inhibit` or `sorry_server_lvs_method` before `sorry_server`.
    #[error("`{keyword}` follows `sorry_server`; it is ignored")]
    NoSorryServerYet {
        /// The keyword.
        keyword: String,
    },
    /// A tunnel option that nobody knows, or that lacks its value.
    #[error("the tunnel is not understood: {error}; its options are ignored")]
    Tunnel {
        /// Why not.
        error: TunnelError,
    },
    /// `bindto` and the address to connect to are of different families.
    #[error("{address} is not of the family of {other}; it is ignored")]
    FamilyOfConnection {
        /// As written.
        address: IpAddr,
        /// What it must fit.
        other: IpAddr,
    },
    /// A link-local address is one only together with an interface.
    #[error("the link-local address {address} needs `bind_if`; the checker is ignored")]
    LinkLocal {
        /// The address to check.
        address: IpAddr,
    },
    /// A checker that has no port to connect to.
    #[error("there is no port to connect to; the check will always fail")]
    NoCheckPort,
    /// `HTTP_GET` or `SSL_GET` without `url`.
    #[error("the checker has no url; it is ignored")]
    NoUrl,
    /// A digest that is not 32 hexadecimal digits.
    #[error("`{got}` is not a digest of 32 hexadecimal digits")]
    NotADigest {
        /// As written.
        got: String,
    },
    /// A status code or range outside 100 to 599.
    #[error("`{got}` is not a status code or range of them")]
    NotAStatus {
        /// As written.
        got: String,
    },
    /// A regular expression that cannot be one. keepalived logs it and checks the url without.
    #[error("the regular expression is ignored: {error}")]
    BadRegex {
        /// Why.
        error: RegexError,
    },
    /// An option of regular expressions that PCRE2 does not have. keepalived ignores it silently.
    #[error("`{got}` is no option of regular expressions; it is ignored")]
    UnknownRegexOption {
        /// As written.
        got: String,
        /// The option that was probably meant.
        nearest: Option<&'static str>,
    },
    /// Settings of a regular expression without one.
    #[error("the settings of the regular expression are ignored: there is no `regex`")]
    NoRegex,
    /// `regex_min_offset`, `regex_max_offset` or `regex_stack` without numbers that go upwards.
    #[error("`{keyword}` is ignored: its numbers do not go upwards or are none")]
    BadOffsets {
        /// The keyword.
        keyword: String,
    },
    /// Letters that are no hexadecimal digits.
    #[error("`{got}` is not hexadecimal")]
    NotHex {
        /// As written.
        got: String,
    },
    /// `min_reply_length` above `max_reply_length`.
    #[error("min_reply_length {min} is above max_reply_length {max}: the check will always fail")]
    ReplyLengths {
        /// `min_reply_length`.
        min: u16,
        /// `max_reply_length`.
        max: u16,
    },
    /// A domain name with a label of no or too many bytes, or altogether too long.
    #[error("`{got}` is not a domain name; it is ignored")]
    NotADomainName {
        /// As written.
        got: String,
    },
    /// `FILE_CHECK` or `BFD_CHECK` of something that is defined below it.
    #[error("{kind} `{name}` is defined further down; the checker is ignored")]
    DefinedLater {
        /// The keyword of the block.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A second `BFD_CHECK` of one session in a real server.
    #[error("the real server follows bfd_instance {name} already; the checker is ignored")]
    BfdAgain {
        /// The name.
        name: String,
    },
    /// More than the one word that the setting takes.
    #[error("`{keyword}` takes one word")]
    ExtraWord {
        /// The keyword.
        keyword: String,
    },
    /// `host` in `SMTP_CHECK`.
    #[error("`host` is deprecated")]
    SmtpHost,
}

/// What is wrong with the options of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TunnelError {
    /// `type` or `port` at the end of the line.
    #[error("`{0}` has no value")]
    NoValue(&'static str),
    /// Not ipip, gue or gre.
    #[error("`{0}` is no type of tunnel")]
    UnknownType(String),
    /// A word that is no option.
    #[error("`{0}` is no option")]
    UnknownOption(String),
    /// A port that is no number from 1 to 65535.
    #[error("`{0}` is not a port")]
    BadPort(String),
    /// gue without a port, or another tunnel with one.
    #[error("gue needs a port, no other tunnel takes one")]
    Port,
    /// ipip has no checksum, gre no remote checksum.
    #[error("{0} has no such checksum")]
    Checksum(&'static str),
}

/// What is wrong with a regular expression. Only what no dialect allows is found here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RegexError {
    /// No word or several after `regex`.
    #[error("it must be one word; quote it if it has blanks")]
    NotOneWord,
    /// A parenthesis without the other.
    #[error("a parenthesis has no counterpart")]
    Parenthesis,
    /// `[` without its `]`.
    #[error("a `[` is not closed")]
    Class,
    /// A backslash at the end.
    #[error("nothing follows the last backslash")]
    Backslash,
    /// `*`, `+` or `?` after nothing.
    #[error("there is nothing to repeat")]
    NothingToRepeat,
}

impl LvsReason {
    /// How severe it is.
    pub(super) fn class(&self) -> Class {
        match self {
            // keepalived takes these without a word, or says them in the log only.
            Self::FwmarkZero
            | Self::FlagOfAnotherScheduler { .. }
            | Self::NetmaskExpected { .. }
            | Self::PrefixIgnored { .. }
            | Self::FamilyOfGroup { .. }
            | Self::UnknownGroup { .. }
            | Self::GroupAgain { .. }
            | Self::RealServerAgain {
                as_written: false, ..
            }
            | Self::Thresholds { .. }
            | Self::NoCheckPort
            | Self::BadRegex { .. }
            | Self::UnknownRegexOption { .. }
            | Self::NoRegex
            | Self::BadOffsets { .. }
            | Self::SmtpHost => Class::Note,
            Self::ProtocolOfFwmark | Self::PortMismatch { .. } | Self::PortOfFwmark { .. } => Class::Warning,
            _ => Class::General,
        }
    }

    /// What to do about it.
    pub(super) fn help(&self) -> Option<String> {
        Some(match self {
            Self::NetmaskExpected { got, .. } => {
                let length = got
                    .parse::<u32>()
                    .ok()
                    .filter(|length| (1..=32).contains(length))?;
                let netmask = std::net::Ipv4Addr::from_bits(u32::MAX << (32 - length));
                format!("did you mean {netmask}?")
            }
            Self::UnknownRegexOption { nearest, .. } => format!("did you mean `{}`?", (*nearest)?),
            Self::NoProtocol => "write `protocol TCP`, `UDP` or `SCTP`".to_owned(),
            Self::DefinedLater { kind, .. } => format!("move the `{kind}` block above this one"),
            Self::SmtpHost => "write one SMTP_CHECK for each host".to_owned(),
            _ => return None,
        })
    }
}
