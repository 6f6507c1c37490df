//! The engine's way out: everything that it can ask of the shell, as one closed enum of plain values.

use std::net::IpAddr;
use std::sync::Arc;

use crate::event::{InstanceId, LinkId, ScriptId};
use crate::news::News;

/// Everything that the engine can ask. The shell carries the actions out in the order given: whatever one event asks of
/// many instances comes with all adverts first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert now: it is late already.
    Send(Datagram),
    /// [`crate::Engine::owned`] of this instance changed: make the kernel agree.
    Reconcile(InstanceId),
    /// Tell the neighbours who has the addresses of [`crate::Engine::owned`]: gratuitous ARP, unsolicited neighbour
    /// advertisements ([`crate::announce`]). Nothing is owned any more if the instance ceased to be master since.
    Announce {
        /// Whose addresses.
        instance: InstanceId,
        /// How many frames for each address, interleaved over the addresses.
        repeat: u32,
    },
    /// The same for one of its addresses, where announcements are paced (`garp_group`, `vrrp_garp_interval`) or meant for
    /// one link only (`garp_extra_if`).
    AnnounceAddress {
        /// Whose address.
        instance: InstanceId,
        /// Where.
        link: LinkId,
        /// Which.
        address: IpAddr,
        /// How many frames.
        repeat: u32,
    },
    /// Run the notify scripts and write the FIFO lines of this transition.
    Notify(Transition),
    /// Start a run of a tracked script; answer with [`crate::Event::ScriptEnded`].
    RunScript(ScriptId),
    /// Say this in the log.
    Tell(News),
}

/// Which socket carries an instance's adverts, both ways. Instances with the same share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IP protocol: 112, or 51 with AH.
    pub protocol: u8,
    /// Bound to this interface or VRF; `None` sends by route and hears on every interface.
    pub link: Option<LinkId>,
    /// The multicast group that is joined, or the unicast source address.
    pub local: IpAddr,
}

/// One advert to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Whose advert.
    pub instance: InstanceId,
    /// The socket to send from.
    pub endpoint: Endpoint,
    /// Source address.
    pub source: IpAddr,
    /// Multicast group or unicast peer.
    pub destination: IpAddr,
    /// Hop limit, for IPv6; `None` means the kernel's.
    pub hop_limit: Option<u8>,
    /// IPv4: the whole datagram with its header (`IP_HDRINCL`). IPv6: the VRRP packet; the kernel writes the header and
    /// the checksum.
    pub bytes: Vec<u8>,
}

/// A change of state that the outside world is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whose.
    pub whose: Whose,
    /// What it became.
    pub to: Notified,
    /// Effective priority at that moment, 1 to 255; 0 for a group.
    pub priority: u8,
}

/// Who changed state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A `vrrp_instance`.
    Instance(InstanceId),
    /// The `vrrp_sync_group` of this name.
    Group(Arc<str>),
}

/// The state words of keepalived's `notify` scripts and FIFOs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified {
    /// `MASTER`
    Master,
    /// `BACKUP`
    Backup,
    /// `FAULT`
    Fault,
    /// `STOP`
    Stop,
    /// `DELETED`: a reload has taken it out of the configuration, and `notify_deleted` asks for that word.
    Deleted,
    /// `MASTER_RX_LOWER_PRI`: no generic script.
    MasterRxLowerPri,
    /// `MASTER_PRIORITY`: another priority as master; a FIFO line only, and only with `notify_priority_changes`.
    MasterPriority,
    /// `BACKUP_PRIORITY`: the same in every other state.
    BackupPriority,
}

impl Notified {
    /// The word as scripts and FIFO readers know it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
            Self::MasterRxLowerPri => "MASTER_RX_LOWER_PRI",
            Self::MasterPriority => "MASTER_PRIORITY",
            Self::BackupPriority => "BACKUP_PRIORITY",
        }
    }

    /// Whether it names a state, and not something that happens in one.
    pub fn is_state(self) -> bool {
        match self {
            Self::Master | Self::Backup | Self::Fault | Self::Stop | Self::Deleted => true,
            Self::MasterRxLowerPri | Self::MasterPriority | Self::BackupPriority => false,
        }
    }
}
