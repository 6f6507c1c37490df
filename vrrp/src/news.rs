//! What the engine has to say, as values; their `Display` is the log line, worded as keepalived words it where it has
//! words for it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::action::Notified;
use crate::event::ScriptOutcome;
use crate::fault::FaultReason;
use crate::refusal::Refusal;

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Name of the instance, the sync group, the script, the processes or the interface; empty where the whole daemon is
    /// meant.
    pub subject: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What can happen that is worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Instance: became backup.
    EnteringBackup {
        /// Right at the start.
        init: bool,
    },
    /// Instance: became master.
    EnteringMaster,
    /// Instance: goes on as master where a predecessor of this process was.
    ResumingMaster,
    /// Instance: may not run.
    EnteringFault {
        /// Right at the start.
        init: bool,
    },
    /// Instance: a reason for FAULT appeared.
    FaultAppeared {
        /// The reason.
        reason: FaultReason,
        /// There are others already.
        already: bool,
    },
    /// Instance: a reason for FAULT went away.
    FaultCleared(FaultReason),
    /// Group: what one member became, the others become too.
    Syncing(Notified),
    /// Instance: the process was held up for so long that a backup may be master by now (`timer_expired_backup`).
    TimerExpired(Duration),
    /// Instance: the master fell silent.
    AdvertTimeout,
    /// Instance: wants packets to its addresses refused.
    SettingFirewall,
    /// Instance: wants packets to its addresses no more refused.
    RemovingFirewall,
    /// Instance: not all of its addresses fit into an advert; all are owned.
    BeyondRoom {
        /// Its addresses.
        count: usize,
        /// Those that the link's MTU has room for.
        room: usize,
    },
    /// Instance: wants its addresses on the links.
    SettingAddresses,
    /// Instance: wants its addresses off the links.
    RemovingAddresses,
    /// Instance: wants its excluded addresses on the links.
    SettingExcluded,
    /// Instance: wants its excluded addresses off the links.
    RemovingExcluded,
    /// Instance: wants its routes in the kernel.
    SettingRoutes,
    /// Instance: wants its routes out of the kernel.
    RemovingRoutes,
    /// Instance: wants its policy rules in the kernel.
    SettingRules,
    /// Instance: wants its policy rules out of the kernel.
    RemovingRules,
    /// Instance: resigned.
    SentPriorityZero,
    /// Instance: the master resigned.
    BackupHeardResignation,
    /// Instance: somebody else resigned while we are master.
    MasterHeardResignation,
    /// Instance: follows its first master.
    MasterSet(IpAddr),
    /// Instance: follows another master.
    MasterChanged {
        /// The last one.
        from: IpAddr,
        /// The new one.
        to: IpAddr,
    },
    /// Instance: a lower master is not followed.
    DiscardingLower {
        /// Sender.
        from: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Instance: a lower master is endured for so long.
    PreemptDelay(Duration),
    /// Instance: while master, a lower one speaks.
    LowerAdvert {
        /// Sender.
        from: IpAddr,
        /// Its priority.
        priority: u8,
        /// Our priority.
        ours: u8,
        /// We answer with an advert.
        answered: bool,
    },
    /// Instance: while master, a higher one speaks.
    HigherAdvert {
        /// Sender.
        from: IpAddr,
        /// Its priority.
        priority: u8,
        /// Our priority.
        ours: u8,
    },
    /// Instance: while master, one with our priority and a higher address speaks.
    EqualAdvert {
        /// Sender.
        from: IpAddr,
        /// Its priority and ours.
        priority: u8,
    },
    /// Instance: the second master that was on the link is silent now.
    RivalGone {
        /// Who it was.
        address: IpAddr,
        /// Its priority.
        priority: u8,
        /// From its first to its last advert.
        lasted: Duration,
        /// How many of its adverts were believed.
        adverts: u64,
    },
    /// Instance: the second master that was on the link is still there.
    RivalStays {
        /// Who it is.
        address: IpAddr,
        /// Since its first advert.
        lasts: Duration,
    },
    /// Instance: why adverts of another master were not believed.
    Rejected {
        /// Who sent them.
        from: IpAddr,
        /// Why.
        cause: &'static str,
        /// How many.
        count: u64,
    },
    /// Instance: another router believes to own the addresses too.
    TwoOwners(IpAddr),
    /// Instance: a packet is not believed, or believed with a grumble.
    Refused(Refusal),
    /// Instance: so many lines about packets were not written.
    Swallowed(u64),
    /// Instance: a tracker moved the priority.
    PriorityChanged {
        /// Before.
        from: u8,
        /// After.
        to: u8,
    },
    /// Instance: a peer sums its VRRPv3 unicast adverts as keepalived before 1.3.7 did; so do we from now on.
    OldUnicastChecksum,
    /// Instance: AH has no sequence number left.
    AhExhausted,
    /// Script: another exit status than last time.
    ScriptReturning(u8),
    /// Script: counts as good now.
    ScriptSucceeded,
    /// Script: counts as bad now.
    ScriptFailed(ScriptOutcome),
    /// Script: the last run has not ended when the next was due.
    ScriptSkipped,
    /// Script: was bad before the reload and still counts as bad.
    ScriptBadOnReload,
    /// Processes: their quorum is there.
    QuorumGained,
    /// Processes: their quorum is lost.
    QuorumLost,
    /// Interface: is up.
    LinkUp,
    /// Interface: is down.
    LinkDown,
    /// Interface: an advert for a virtual router that we do not run came in (`log_unknown_vrids`).
    UnknownVrid(u8),
    /// Daemon: `vrrp_startup_delay` runs.
    DelayingStartup(Duration),
    /// Daemon: `vrrp_startup_delay` is over.
    DelayedStartCompleted,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.subject;
        match &self.what {
            Happening::EnteringBackup { init } => {
                write!(f, "({name}) Entering BACKUP STATE{}", init_suffix(*init))
            }
            Happening::EnteringMaster => write!(f, "({name}) Entering MASTER STATE"),
            Happening::ResumingMaster => write!(f, "({name}) Resuming MASTER STATE"),
            Happening::EnteringFault { init } => {
                write!(f, "({name}) Entering FAULT STATE{}", init_suffix(*init))
            }
            Happening::FaultAppeared { reason, already } => {
                let verb = if *already { "still in" } else { "entering" };
                write!(f, "({name}) {verb} FAULT state ({reason})")
            }
            Happening::FaultCleared(reason) => write!(f, "({name}) no longer a fault: {reason}"),
            Happening::Syncing(to) => {
                write!(f, "VRRP_Group({name}) Syncing instances to {} state", to.word())
            }
            Happening::TimerExpired(late) => write!(
                f,
                "({name}) VRRP thread timer expired {:.6} seconds ago",
                late.as_secs_f64()
            ),
            Happening::AdvertTimeout => write!(f, "({name}) Receive advertisement timeout"),
            Happening::SettingFirewall => write!(f, "({name}) setting firewall drop rule"),
            Happening::RemovingFirewall => write!(f, "({name}) removing firewall drop rule"),
            Happening::BeyondRoom { count, room } => write!(
                f,
                "({name}) Number of VIPs ({count}) exceeds maximum/space available in packet (max {room} addresses) - \
                 excess moved to eVIPs"
            ),
            Happening::SettingAddresses => write!(f, "({name}) setting VIPs."),
            Happening::RemovingAddresses => write!(f, "({name}) removing VIPs."),
            Happening::SettingExcluded => write!(f, "({name}) setting E-VIPs."),
            Happening::RemovingExcluded => write!(f, "({name}) removing E-VIPs."),
            Happening::SettingRoutes => write!(f, "({name}) setting Virtual Routes"),
            Happening::RemovingRoutes => write!(f, "({name}) removing Virtual Routes"),
            Happening::SettingRules => write!(f, "({name}) setting Virtual Rules"),
            Happening::RemovingRules => write!(f, "({name}) removing Virtual Rules"),
            Happening::SentPriorityZero => write!(f, "({name}) sent 0 priority"),
            Happening::BackupHeardResignation => {
                write!(f, "({name}) Backup received priority 0 advertisement")
            }
            Happening::MasterHeardResignation => write!(f, "({name}) Master received priority 0 message"),
            Happening::MasterSet(to) => write!(f, "({name}) master set to {to}"),
            Happening::MasterChanged { from, to } => {
                write!(f, "({name}) master changed from {from} to {to}")
            }
            Happening::DiscardingLower { from, priority } => {
                write!(
                    f,
                    "({name}) received lower priority ({priority}) advert from {from} - discarding"
                )
            }
            Happening::PreemptDelay(delay) => {
                write!(f, "({name}) start preempt delay ({:.6})", delay.as_secs_f64())
            }
            Happening::LowerAdvert {
                from,
                priority,
                ours,
                answered,
            } => {
                let suffix = if *answered { ", forcing new election" } else { "" };
                write!(
                    f,
                    "({name}) Received advert from {from} with lower priority {priority}, ours {ours}{suffix}"
                )
            }
            Happening::HigherAdvert { from, priority, ours } => write!(
                f,
                "({name}) Master received advert from {from} with higher priority {priority}, ours {ours}"
            ),
            Happening::EqualAdvert { from, priority } => write!(
                f,
                "({name}) Master received advert from {from} with same priority {priority} but higher IP address than ours"
            ),
            Happening::RivalGone {
                address,
                lasted,
                adverts: 0,
                ..
            } => write!(
                f,
                "({name}) {address}, which we did not believe, was MASTER beside us for {:.3} s; it is silent now",
                lasted.as_secs_f64()
            ),
            Happening::RivalGone {
                address,
                priority,
                lasted,
                adverts,
            } => write!(
                f,
                "({name}) {address} with priority {priority} was MASTER beside us for {:.3} s, {adverts} adverts; \
                 it is silent now",
                lasted.as_secs_f64()
            ),
            Happening::RivalStays { address, lasts } => write!(
                f,
                "({name}) {address} has been MASTER beside us for {:.3} s",
                lasts.as_secs_f64()
            ),
            Happening::Rejected { from, cause, count } => {
                write!(f, "({name}) rejected {count} adverts from {from}: {cause}")
            }
            Happening::TwoOwners(other) => write!(
                f,
                "({name}) CONFIGURATION ERROR: local instance and {other} are both configured as address owner, \
                 please resolve"
            ),
            Happening::Refused(refusal) => write!(f, "({name}) {refusal}"),
            Happening::Swallowed(lines) => {
                write!(
                    f,
                    "({name}) {lines} more lines about received packets were not written"
                )
            }
            Happening::PriorityChanged { from, to } => {
                write!(f, "({name}) Changing effective priority from {from} to {to}")
            }
            Happening::OldUnicastChecksum => {
                write!(f, "({name}) Setting unicast VRRPv3 checksum to old version")
            }
            Happening::AhExhausted => {
                write!(
                    f,
                    "({name}) AH sequence numbers have run out, another router should take over"
                )
            }
            Happening::ScriptReturning(status) => write!(f, "Script `{name}` now returning {status}"),
            Happening::ScriptSucceeded => write!(f, "VRRP_Script({name}) succeeded"),
            Happening::ScriptFailed(outcome) => write_failure(f, name, *outcome),
            Happening::ScriptSkipped => {
                write!(
                    f,
                    "Track script {name} is already running, expect idle - skipping run"
                )
            }
            Happening::ScriptBadOnReload => {
                write!(f, "VRRP_Script({name}) considered unsuccessful on reload")
            }
            Happening::QuorumGained => write!(f, "Quorum gained for tracked process {name}"),
            Happening::QuorumLost => write!(f, "Quorum lost for tracked process {name}"),
            Happening::LinkUp => write!(f, "Netlink reports {name} up"),
            Happening::LinkDown => write!(f, "Netlink reports {name} down"),
            Happening::UnknownVrid(vrid) => {
                write!(
                    f,
                    "Unknown VRID({vrid}) received on interface({name}). ignoring..."
                )
            }
            Happening::DelayingStartup(delay) => {
                write!(f, "Delaying startup for {} seconds", delay.as_secs_f64())
            }
            Happening::DelayedStartCompleted => f.write_str("Delayed start completed"),
        }
    }
}

fn init_suffix(init: bool) -> &'static str {
    if init { " (init)" } else { "" }
}

fn write_failure(f: &mut fmt::Formatter<'_>, name: &str, outcome: ScriptOutcome) -> fmt::Result {
    write!(f, "VRRP_Script({name}) ")?;
    match outcome {
        ScriptOutcome::Exited(status) => write!(f, "failed (exited with status {status})"),
        ScriptOutcome::Signalled(signal) => write!(f, "failed (due to signal {signal})"),
        ScriptOutcome::TimedOut => f.write_str("timed_out"),
        ScriptOutcome::NotStarted(errno) => {
            write!(
                f,
                "failed (could not be started: {})",
                std::io::Error::from_raw_os_error(errno)
            )
        }
    }
}

impl News {
    /// Whether the line is for `-D` (`--log-detail`) only.
    pub fn is_detail(&self) -> bool {
        match self.what {
            Happening::FaultCleared(_)
            | Happening::AdvertTimeout
            | Happening::SettingFirewall
            | Happening::RemovingFirewall
            | Happening::SettingAddresses
            | Happening::RemovingAddresses
            | Happening::SettingExcluded
            | Happening::RemovingExcluded
            | Happening::SettingRoutes
            | Happening::RemovingRoutes
            | Happening::SettingRules
            | Happening::RemovingRules
            | Happening::MasterSet(_)
            | Happening::PreemptDelay(_) => true,
            Happening::EnteringBackup { .. }
            | Happening::EnteringMaster
            | Happening::ResumingMaster
            | Happening::EnteringFault { .. }
            | Happening::FaultAppeared { .. }
            | Happening::Syncing(_)
            | Happening::TimerExpired(_)
            | Happening::SentPriorityZero
            | Happening::BackupHeardResignation
            | Happening::MasterHeardResignation
            | Happening::MasterChanged { .. }
            | Happening::DiscardingLower { .. }
            | Happening::LowerAdvert { .. }
            | Happening::HigherAdvert { .. }
            | Happening::EqualAdvert { .. }
            | Happening::RivalGone { .. }
            | Happening::RivalStays { .. }
            | Happening::Rejected { .. }
            | Happening::TwoOwners(_)
            | Happening::Refused(_)
            | Happening::Swallowed(_)
            | Happening::PriorityChanged { .. }
            | Happening::OldUnicastChecksum
            | Happening::BeyondRoom { .. }
            | Happening::AhExhausted
            | Happening::ScriptReturning(_)
            | Happening::ScriptSucceeded
            | Happening::ScriptFailed(_)
            | Happening::ScriptSkipped
            | Happening::ScriptBadOnReload
            | Happening::QuorumGained
            | Happening::QuorumLost
            | Happening::LinkUp
            | Happening::LinkDown
            | Happening::UnknownVrid(_)
            | Happening::DelayingStartup(_)
            | Happening::DelayedStartCompleted => false,
        }
    }
}
