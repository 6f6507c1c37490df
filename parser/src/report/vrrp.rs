//! What can be wrong with the blocks around instances: groups, trackers, BFD sessions, links.

use thiserror::Error;

use crate::report::Class;

/// What is wrong with one of them, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VrrpReason {
    /// A member of a track group that does not exist.
    #[error("there is no vrrp_instance `{name}`")]
    NoSuchInstance {
        /// As written.
        name: String,
    },
    /// A member of a sync group that does not exist.
    #[error("there is no vrrp_instance `{name}` to be in this group")]
    NoSuchMember {
        /// As written.
        name: String,
    },
    /// An instance can be in one sync group, once.
    #[error("vrrp_instance `{name}` is already in `vrrp_sync_group {group}`")]
    MemberTaken {
        /// The instance.
        name: String,
        /// The group that has it.
        group: String,
    },
    /// A sync group without any member is dropped.
    #[error("the group has no instance")]
    EmptyGroup,
    /// A sync group of one instance.
    #[error("the group has one instance only")]
    LonelyMember,
    /// A weight among the members of a sync group, or of the group itself.
    #[error("a weight in sync group `{group}` needs `sync_group_tracking_weight`: weight 0 is used")]
    WeightInSyncGroup {
        /// The group.
        group: String,
    },
    /// A weight of a sync group with an address owner.
    #[error("a weight does not go with an address owner in the group (`{owner}`): weight 0 is used")]
    WeightWithOwner {
        /// The member of priority 255.
        owner: String,
    },
    /// Something that an instance tracks, and its sync group too.
    #[error("{kind} `{name}` is tracked by `vrrp_instance {instance}` and by its sync group")]
    TrackedByBoth {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The instance.
        instance: String,
    },
    /// `quorum` above `quorum_max`.
    #[error("`quorum` cannot be above `quorum_max`: this line is ignored")]
    QuorumAboveMax,
    /// An interval that is legal and probably too long.
    #[error("`{got}` is a long interval")]
    LongInterval {
        /// As written.
        got: String,
    },
    /// Two BFD sessions with the same addresses.
    #[error("`bfd_instance {other}` has the same addresses: this one is ignored")]
    SameSession {
        /// The session that came first.
        other: String,
    },
    /// A `garp_group` without intervals is dropped.
    #[error("the group has no interval")]
    NoInterval,
    /// An interface can be in one `garp_group`, once.
    #[error("interface `{name}` is already in a garp_group")]
    InterfaceInGroup {
        /// The interface.
        name: String,
    },
    /// A line of `interface_up_down_delays` that does nothing.
    #[error("no delay follows the interface")]
    NoDelay,
}

impl VrrpReason {
    /// How severe it is.
    pub fn class(&self) -> Class {
        match self {
            Self::NoSuchInstance { .. } | Self::LongInterval { .. } | Self::NoDelay => Class::Note,
            Self::TrackedByBoth { kind, .. } if *kind != "interface" => Class::Note,
            Self::LonelyMember
            | Self::WeightInSyncGroup { .. }
            | Self::WeightWithOwner { .. }
            | Self::TrackedByBoth { .. } => Class::Warning,
            _ => Class::General,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::TrackedByBoth { .. } => "remove it from one of the two".to_owned(),
            Self::NoInterval => "add `garp_interval` or `gna_interval`".to_owned(),
            Self::LonelyMember => "a group makes sense for two instances and more".to_owned(),
            _ => return None,
        })
    }
}
