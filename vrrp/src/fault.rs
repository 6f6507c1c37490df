//! Why an instance may not run.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parser::units::Family;

/// One reason for FAULT. An instance holds the set of those that apply; it leaves FAULT when the set is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultReason {
    /// There is no interface of this name; not even `dont_track_primary` helps.
    InterfaceMissing(Arc<str>),
    /// The instance's own interface is down.
    InterfaceDown(Arc<str>),
    /// The interface has no address to send adverts from.
    NoSourceAddress(Family),
    /// The interface carries no multicast, which adverts need without `unicast_peer`.
    NoMulticast(Arc<str>),
    /// `strict_mode`: the interface carries multicast, so adverts may not go to peers.
    StrictUnicast(Arc<str>),
    /// An interface under `track_interface` with weight 0 is down, or, reversed, up.
    TrackedInterface {
        /// Its name.
        name: Arc<str>,
        /// It is up, and that is the fault.
        reverse: bool,
    },
    /// A script under `track_script` with weight 0 fails, or, reversed, succeeds.
    Script {
        /// Its name.
        name: Arc<str>,
        /// It succeeds, and that is the fault.
        reverse: bool,
    },
    /// The number in a file under `track_file` makes a fault: not 0 with weight 0 (or 0, reversed), or a product of -254
    /// and less.
    File {
        /// Its name.
        name: Arc<str>,
        /// The number.
        value: i64,
    },
    /// Processes under `track_process` with weight 0 have no quorum, or, reversed, have it.
    Process {
        /// Their name.
        name: Arc<str>,
        /// They have it, and that is the fault.
        reverse: bool,
    },
    /// A session under `track_bfd` with weight 0 is down, or, reversed, up.
    Bfd {
        /// Its name.
        name: Arc<str>,
        /// It is up, and that is the fault.
        reverse: bool,
    },
    /// Another member of the sync group, by this name, may not run.
    Member(Arc<str>),
    /// Another member of the sync group has not begun. Keeps an instance from starting, never from going on.
    AwaitingMember(Arc<str>),
    /// A script with weight 0 has not ended its first run. Keeps an instance from starting, never from going on.
    AwaitingScript(Arc<str>),
    /// `track_src_ip`: no interface, or not ours, has the configured source address.
    SourceMissing(IpAddr),
    /// `unicast_fault_no_peer`: unicast without peers.
    NoPeer,
    /// `auth_hmac`: the bytes of the active key are not known, so that no advert could be signed.
    NoKey(u8),
    /// A static address, route or rule of a track group is missing and cannot be put back.
    StaticMissing(Arc<str>),
}

impl FaultReason {
    /// Whether it only keeps an instance from starting.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::AwaitingScript(_) | Self::AwaitingMember(_) => true,
            Self::InterfaceMissing(_)
            | Self::InterfaceDown(_)
            | Self::NoSourceAddress(_)
            | Self::NoMulticast(_)
            | Self::StrictUnicast(_)
            | Self::TrackedInterface { .. }
            | Self::Script { .. }
            | Self::File { .. }
            | Self::Process { .. }
            | Self::Bfd { .. }
            | Self::StaticMissing(_)
            | Self::Member(_)
            | Self::SourceMissing(_)
            | Self::NoPeer
            | Self::NoKey(_) => false,
        }
    }

    /// Whether it is the fault of another member of the sync group; the log tells of it there.
    pub fn is_of_another(&self) -> bool {
        match self {
            Self::Member(_) | Self::AwaitingMember(_) => true,
            Self::InterfaceMissing(_)
            | Self::InterfaceDown(_)
            | Self::NoSourceAddress(_)
            | Self::NoMulticast(_)
            | Self::StrictUnicast(_)
            | Self::TrackedInterface { .. }
            | Self::Script { .. }
            | Self::File { .. }
            | Self::Process { .. }
            | Self::Bfd { .. }
            | Self::AwaitingScript(_)
            | Self::SourceMissing(_)
            | Self::NoPeer
            | Self::NoKey(_)
            | Self::StaticMissing(_) => false,
        }
    }
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceMissing(name) => write!(f, "interface {name} does not exist"),
            Self::InterfaceDown(name) => write!(f, "interface {name} down"),
            Self::NoSourceAddress(Family::Ipv4) => f.write_str("no IPv4 address for interface"),
            Self::NoSourceAddress(Family::Ipv6) => f.write_str("no IPv6 link-local address for interface"),
            Self::NoMulticast(name) => write!(
                f,
                "interface {name} does not support multicast, specify unicast peers"
            ),
            Self::StrictUnicast(name) => write!(
                f,
                "interface {name} supports multicast, so that strict mode allows no unicast peers"
            ),
            Self::TrackedInterface { name, reverse: false } => write!(f, "tracked interface {name} down"),
            Self::TrackedInterface { name, reverse: true } => {
                write!(f, "tracked interface {name} up, reversed")
            }
            Self::Script { name, reverse: false } => write!(f, "script {name} failed"),
            Self::Script { name, reverse: true } => write!(f, "script {name} succeeded, reversed"),
            Self::File { name, value } => write!(f, "tracked file {name} holds {value}"),
            Self::Process { name, reverse: false } => {
                write!(f, "tracked process {name} quorum not achieved")
            }
            Self::Process { name, reverse: true } => {
                write!(f, "tracked process {name} quorum achieved, reversed")
            }
            Self::Bfd { name, reverse: false } => write!(f, "BFD session {name} down"),
            Self::Bfd { name, reverse: true } => write!(f, "BFD session {name} up, reversed"),
            Self::Member(name) => write!(f, "{name} of the same sync group is in FAULT state"),
            Self::AwaitingMember(name) => write!(f, "waiting for {name} of the same sync group"),
            Self::AwaitingScript(name) => write!(f, "waiting for the first result of script {name}"),
            Self::SourceMissing(address) => write!(f, "source address {address} missing"),
            Self::NoPeer => f.write_str("unicast without a unicast_peer"),
            Self::NoKey(id) => write!(f, "HMAC key {id} cannot be read"),
            Self::StaticMissing(what) => write!(f, "static {what} is missing"),
        }
    }
}
