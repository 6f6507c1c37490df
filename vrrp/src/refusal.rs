//! Why a packet was not believed: one variant for each reason, exact, counted, and said once.

use std::net::IpAddr;
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
    /// Not sent to the group that the instance listens to.
    #[error("received packet from {from} for {destination}, which is not our multicast group")]
    Destination {
        /// Sender.
        from: IpAddr,
        /// Where it was sent to.
        destination: IpAddr,
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
            Self::AddressCount { .. } | Self::AddressMissing { .. } | Self::LearnedInterval { .. } => true,
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
            | Self::OwnAddress { .. } => false,
        }
    }

    /// The reason in a few words, the same for all packets that have it.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::HopLimit { .. } => "TTL or hop limit mismatch",
            Self::Version { .. } => "version mismatch",
            Self::TooShort { .. } | Self::TooLong { .. } => "wrong length",
            Self::AuthTypeUnknown { .. } | Self::AuthTypeMismatch { .. } => "authentication type mismatch",
            Self::Password { .. } => "authentication mismatch",
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
            Self::HopLimit { .. } => &mut stats.ip_ttl_err,
            Self::Version { .. } => &mut stats.version_err,
            Self::TooShort { .. } | Self::TooLong { .. } => &mut stats.packet_len_err,
            Self::AuthTypeUnknown { .. } => &mut stats.invalid_authtype,
            Self::AuthTypeMismatch { .. } => &mut stats.authtype_mismatch,
            Self::Password { .. } => &mut stats.auth_failure,
            Self::Interval { .. } | Self::LearnedInterval { .. } => &mut stats.advert_interval_err,
            Self::Type { .. } => &mut stats.invalid_type_rcvd,
            Self::Checksum { .. } => &mut stats.checksum_err,
            Self::Destination { .. } => &mut stats.destination_err,
            Self::OwnAddress { .. } => &mut stats.own_address_err,
            Self::AddressCount { .. } | Self::AddressMissing { .. } => &mut stats.addr_list_err,
        } += 1;
    }
}
