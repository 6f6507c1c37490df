//! Why a packet was not believed: one variant for each reason, exact, counted, and said once.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use thiserror::Error;

use crate::stats::Stats;

/// A reason to drop a packet, or (see [`Refusal::is_remark`]) to grumble about one that is used all the same.
///
/// The sentences are keepalived's, without the instance's name in front.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It came through a router, or from someone who did not care.
    #[error("invalid TTL/HL from {from}. Received {got} and expect 255")]
    HopLimit {
        /// Sender.
        from: IpAddr,
        /// TTL or hop limit.
        got: u8,
    },
    /// The instance speaks another version.
    #[error("wrong VRRP version from {from}. Received {got} and expect {expected}")]
    Version {
        /// Sender.
        from: IpAddr,
        /// Its version.
        got: u8,
        /// Ours.
        expected: u8,
    },
    /// Fewer bytes than header and address count ask for.
    #[error("vrrp packet from {from} too short, length {got} and expect {expected}")]
    TooShort {
        /// Sender.
        from: IpAddr,
        /// Bytes received.
        got: usize,
        /// Bytes wanted.
        expected: usize,
    },
    /// More bytes than header and address count ask for, beyond Ethernet's padding.
    #[error("vrrp packet from {from} too long, length {got} and expect {expected}")]
    TooLong {
        /// Sender.
        from: IpAddr,
        /// Bytes received.
        got: usize,
        /// Bytes wanted.
        expected: usize,
    },
    /// Version 2: an authentication type that nobody defined.
    #[error("received an invalid auth type {got} from {from}. expect {expected}")]
    AuthTypeUnknown {
        /// Sender.
        from: IpAddr,
        /// Its type.
        got: u8,
        /// Ours.
        expected: u8,
    },
    /// Version 2: an authentication type, but not ours.
    #[error("authentication type mismatch from {from}. Received {got} and expect {expected}")]
    AuthTypeMismatch {
        /// Sender.
        from: IpAddr,
        /// Its type.
        got: u8,
        /// Ours.
        expected: u8,
    },
    /// Version 2: the wrong password.
    #[error("received an invalid passwd from {from}!")]
    Password {
        /// Sender.
        from: IpAddr,
    },
    /// Version 2: the sender advertises at another pace (RFC 3768 7.1: the packet must be dropped).
    #[error("advertisement interval mismatch with {from} mine={} sec rcv'd={} sec", .mine.as_secs(), .got.as_secs())]
    Interval {
        /// Sender.
        from: IpAddr,
        /// Our interval.
        mine: Duration,
        /// Its interval.
        got: Duration,
    },
    /// Not an advert.
    #[error("invalid packet type from {from}. Received {got} and expect 1")]
    Type {
        /// Sender.
        from: IpAddr,
        /// Its type.
        got: u8,
    },
    /// The bytes are not those that were sent.
    #[error("Invalid VRRPv{version} checksum from {from}")]
    Checksum {
        /// Sender.
        from: IpAddr,
        /// Version of instance and packet.
        version: u8,
    },
    /// Not sent to the group, or the unicast address, that the instance listens to.
    #[error(
        "received packet from {from} for {destination}, which is not our {}",
        if *.unicast { "unicast address" } else { "multicast group" }
    )]
    Destination {
        /// Sender.
        from: IpAddr,
        /// Where it was sent to.
        destination: IpAddr,
        /// We listen to a unicast address.
        unicast: bool,
    },
    /// Unicast: the sender is not a `unicast_peer`.
    #[error("unicast advert from {from}, which is not a unicast_peer. Add it there if it is one")]
    NotAPeer {
        /// Sender.
        from: IpAddr,
    },
    /// Unicast: the peer is nearer or further away than its `min_ttl` and `max_ttl` say.
    #[error("invalid TTL/HL from unicast peer {from}. Received {got} and expect {min} to {max}")]
    PeerHopLimit {
        /// Sender.
        from: IpAddr,
        /// TTL or hop limit.
        got: u8,
        /// Least that is right.
        min: u8,
        /// Most that is right.
        max: u8,
    },
    /// AH where there is to be none, or none where there is to be.
    #[error(
        "authentication header (AH) from {from}: {}",
        if *.got { "received one and expect none" } else { "received none and expect one" }
    )]
    AhPresence {
        /// Sender.
        from: IpAddr,
        /// There was one.
        got: bool,
    },
    /// No header of AH in front of an advert.
    #[error("malformed authentication header (AH) from {from}")]
    AhMalformed {
        /// Sender.
        from: IpAddr,
    },
    /// keepalived puts the sender's address there.
    #[error("AH SPI from {from} is {got} and expect {from}")]
    AhSpi {
        /// Sender.
        from: IpAddr,
        /// The SPI, as an address.
        got: Ipv4Addr,
    },
    /// Another password, or a packet that was changed on its way.
    #[error("AH digest from {from} is wrong. Another auth_pass, or the packet was changed on its way")]
    AhDigest {
        /// Sender.
        from: IpAddr,
    },
    /// An advert that was believed before, or one before that.
    #[error("AH sequence number {got} from {from} was used already, the last one is {last}")]
    AhReplay {
        /// Sender.
        from: IpAddr,
        /// Its number.
        got: u32,
        /// The last one heard or sent.
        last: u32,
    },
    /// `auth_hmac` in mode `enforce`: no trailer.
    #[error("advert without HMAC trailer from {from}")]
    TrailerMissing {
        /// Sender.
        from: IpAddr,
    },
    /// `auth_hmac`: a trailer of another type.
    #[error("malformed HMAC trailer from {from}")]
    TrailerMalformed {
        /// Sender.
        from: IpAddr,
    },
    /// `auth_hmac`: signed with a key that is not configured here.
    #[error("advert from {from} is signed with HMAC key {key}, which is not configured")]
    TrailerKey {
        /// Sender.
        from: IpAddr,
        /// Number of the key.
        key: u8,
    },
    /// `auth_hmac`: the digest is not that of the advert and the key.
    #[error("invalid HMAC from {from} with key {key}")]
    TrailerDigest {
        /// Sender.
        from: IpAddr,
        /// Number of the key.
        key: u8,
    },
    /// `auth_hmac`: signed too long ago, or in the future.
    #[error(
        "stale HMAC trailer from {from}: its clock and ours are {} sec apart, the window is {} sec. Check both clocks",
        .skew.as_secs(), .window.as_secs()
    )]
    TrailerStale {
        /// Sender.
        from: IpAddr,
        /// Distance of the clocks.
        skew: Duration,
        /// `time_window`.
        window: Duration,
    },
    /// `auth_hmac`: an advert that was believed before, or one before that.
    #[error("replayed HMAC trailer from {from}")]
    TrailerReplay {
        /// Sender.
        from: IpAddr,
    },
    /// Remark: the sender's clock and ours drift apart.
    #[error(
        "authentication clock skew {} sec from {from} approaching window {} sec",
        .skew.as_secs(), .window.as_secs()
    )]
    ClockSkew {
        /// Sender.
        from: IpAddr,
        /// Distance of the clocks.
        skew: Duration,
        /// `time_window`.
        window: Duration,
    },
    /// While master: a remote host advertises with our own address and our own priority, so nobody can win.
    #[error("WARNING - equal priority advert received from remote host with our IP address.")]
    OwnAddress {
        /// The address, theirs and ours.
        from: IpAddr,
    },
    /// Remark: another number of virtual addresses than ours.
    #[error("expected {expected} VIPs but received {got}")]
    AddressCount {
        /// Sender.
        from: IpAddr,
        /// Its number.
        got: usize,
        /// Ours.
        expected: usize,
    },
    /// Remark: one of our virtual addresses is not among theirs.
    #[error("ip address associated with VRID {vrid} not present in advert from {from}: {address}")]
    AddressMissing {
        /// Sender.
        from: IpAddr,
        /// The first address that is missing.
        address: IpAddr,
        /// Virtual router.
        vrid: u8,
    },
    /// Remark: version 3 may advertise at another pace (RFC 9568 7.1: log, do not drop).
    #[error("advertisement interval mismatch with {from} mine={} milli-sec rcv'd={} milli-sec", .mine.as_millis(), .got.as_millis())]
    LearnedInterval {
        /// Sender.
        from: IpAddr,
        /// Our interval.
        mine: Duration,
        /// Its interval.
        got: Duration,
    },
}

impl Refusal {
    /// Worth counting and saying, but the advert is used.
    pub fn is_remark(&self) -> bool {
        match self {
            Self::AddressCount { .. }
            | Self::AddressMissing { .. }
            | Self::LearnedInterval { .. }
            | Self::ClockSkew { .. } => true,
            Self::HopLimit { .. }
            | Self::Version { .. }
            | Self::TooShort { .. }
            | Self::TooLong { .. }
            | Self::AuthTypeUnknown { .. }
            | Self::AuthTypeMismatch { .. }
            | Self::Password { .. }
            | Self::Interval { .. }
            | Self::Type { .. }
            | Self::Checksum { .. }
            | Self::Destination { .. }
            | Self::NotAPeer { .. }
            | Self::PeerHopLimit { .. }
            | Self::AhPresence { .. }
            | Self::AhMalformed { .. }
            | Self::AhSpi { .. }
            | Self::AhDigest { .. }
            | Self::AhReplay { .. }
            | Self::TrailerMissing { .. }
            | Self::TrailerMalformed { .. }
            | Self::TrailerKey { .. }
            | Self::TrailerDigest { .. }
            | Self::TrailerStale { .. }
            | Self::TrailerReplay { .. }
            | Self::OwnAddress { .. } => false,
        }
    }

    /// The reason in a few words, the same for all packets that have it.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::HopLimit { .. } | Self::PeerHopLimit { .. } => "TTL or hop limit mismatch",
            Self::Version { .. } => "version mismatch",
            Self::TooShort { .. } | Self::TooLong { .. } => "wrong length",
            Self::AuthTypeUnknown { .. } | Self::AuthTypeMismatch { .. } | Self::AhPresence { .. } => {
                "authentication type mismatch"
            }
            Self::Password { .. }
            | Self::AhMalformed { .. }
            | Self::AhSpi { .. }
            | Self::AhDigest { .. }
            | Self::TrailerMissing { .. }
            | Self::TrailerMalformed { .. }
            | Self::TrailerKey { .. }
            | Self::TrailerDigest { .. } => "authentication mismatch",
            Self::AhReplay { .. } | Self::TrailerReplay { .. } => "replayed",
            Self::TrailerStale { .. } | Self::ClockSkew { .. } => "clocks apart",
            Self::NotAPeer { .. } => "not a unicast peer",
            Self::Interval { .. } | Self::LearnedInterval { .. } => "advertisement interval mismatch",
            Self::Type { .. } => "not an advertisement",
            Self::Checksum { .. } => "wrong checksum",
            Self::Destination { .. } => "wrong destination",
            Self::OwnAddress { .. } => "our own address",
            Self::AddressCount { .. } | Self::AddressMissing { .. } => "other virtual addresses",
        }
    }

    /// Counts it where keepalived's statistics, or ours where it has none, keep it.
    pub fn count(&self, stats: &mut Stats) {
        *match self {
            Self::HopLimit { .. } | Self::PeerHopLimit { .. } => &mut stats.ip_ttl_err,
            Self::Version { .. } => &mut stats.version_err,
            Self::TooShort { .. } | Self::TooLong { .. } => &mut stats.packet_len_err,
            Self::AuthTypeUnknown { .. } => &mut stats.invalid_authtype,
            Self::AuthTypeMismatch { .. } | Self::AhPresence { .. } => &mut stats.authtype_mismatch,
            Self::Password { .. }
            | Self::AhMalformed { .. }
            | Self::AhSpi { .. }
            | Self::AhDigest { .. }
            | Self::AhReplay { .. } => &mut stats.auth_failure,
            Self::TrailerMissing { .. } => &mut stats.auth_ext_missing,
            Self::TrailerMalformed { .. } => &mut stats.auth_ext_malformed,
            Self::TrailerKey { .. } => &mut stats.auth_ext_unknown_key,
            Self::TrailerDigest { .. } => &mut stats.auth_ext_invalid_hmac,
            Self::TrailerStale { .. } => &mut stats.auth_ext_stale,
            Self::TrailerReplay { .. } => &mut stats.auth_ext_replay,
            Self::ClockSkew { .. } => &mut stats.clock_skew,
            Self::NotAPeer { .. } => &mut stats.not_a_peer,
            Self::Interval { .. } | Self::LearnedInterval { .. } => &mut stats.advert_interval_err,
            Self::Type { .. } => &mut stats.invalid_type_rcvd,
            Self::Checksum { .. } => &mut stats.checksum_err,
            Self::Destination { .. } => &mut stats.destination_err,
            Self::OwnAddress { .. } => &mut stats.own_address_err,
            Self::AddressCount { .. } | Self::AddressMissing { .. } => &mut stats.addr_list_err,
        } += 1;
    }
}
