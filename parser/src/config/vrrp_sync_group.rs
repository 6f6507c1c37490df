//! `vrrp_sync_group`: instances that change state together.

mod resolve;

use crate::Place;
use crate::config::tracked::{self, Limit, TrackedDraft};
use crate::config::vrrp_instance::Tracked;
use crate::config::{Script, members};
use crate::report::Report;
use crate::tree::{Block, Line, Word};

pub(super) use resolve::{Joining, resolve};

/// The keywords of the block.
#[rustfmt::skip]
pub(crate) const KEYWORDS: &[&str] = &[
    "group", "track_interface", "track_script", "track_file", "track_process", "track_bfd", "notify_backup",
    "notify_master", "notify_fault", "notify_stop", "notify", "smtp_alert", "global_tracking",
    "sync_group_tracking_weight", "notify_priority_changes",
];

/// One `vrrp_sync_group` block, defaults resolved and members joined.
///
/// What the group tracks is in the lists of its members too, so that an instance's priority needs no look at its group.
#[derive(Clone, Debug, PartialEq)]
pub struct VrrpSyncGroup {
    /// The word after `vrrp_sync_group`; unique.
    pub name: String,
    /// `group`: names of instances, each in this group only. Never empty.
    pub members: Vec<String>,
    /// `track_script`.
    pub track_script: Vec<Tracked>,
    /// `track_interface`.
    pub track_interface: Vec<Tracked>,
    /// `track_file`.
    pub track_file: Vec<Tracked>,
    /// `track_process`.
    pub track_process: Vec<Tracked>,
    /// `track_bfd`.
    pub track_bfd: Vec<Tracked>,
    /// `notify*` of the group.
    pub notify: GroupNotify,
    /// `smtp_alert`: mail on transitions of the group; `smtp_alert_vrrp`, else `smtp_alert` of `global_defs` by default.
    pub smtp_alert: bool,
    /// `sync_group_tracking_weight`: trackers of members and group may have weights other than 0.
    pub sync_group_tracking_weight: bool,
    /// `notify_priority_changes`; `vrrp_notify_priority_changes` by default.
    pub notify_priority_changes: bool,
    /// Where the block starts.
    pub place: Place,
}

/// The `notify*` scripts of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNotify {
    /// `notify_master`.
    pub master: Option<Script>,
    /// `notify_backup`.
    pub backup: Option<Script>,
    /// `notify_fault`.
    pub fault: Option<Script>,
    /// `notify_stop`.
    pub stop: Option<Script>,
    /// `notify`: run after the specific one with `GROUP NAME STATE 0` appended.
    pub any: Option<Script>,
}

/// What a `vrrp_sync_group` block says.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    block: Block<'t>,
    name: &'t str,
    members: Option<Vec<Word<'t>>>,
    trackers: [Vec<TrackedDraft<'t>>; 5],
    notify: GroupNotify,
    smtp_alert: Option<bool>,
    sync_group_tracking_weight: bool,
    notify_priority_changes: Option<bool>,
}

/// The track blocks in the order of [`Draft::trackers`], with what their lines name.
const TRACKERS: [(&str, &str, Limit); 5] = [
    ("track_script", "vrrp_script", Limit::Lowered254),
    ("track_interface", "interface", Limit::Lowered254),
    ("track_file", "track_file", Limit::Full),
    ("track_process", "vrrp_track_process", Limit::Full),
    ("track_bfd", "bfd_instance", Limit::Strict),
];

/// Reads a `vrrp_sync_group` block.
pub(super) fn parse<'t>(block: Block<'t>, report: &mut Report) -> Option<Draft<'t>> {
    let mut draft = Draft::new(block, members::only_name(block, report)?);
    for line in block.lines() {
        let notify = &mut draft.notify;
        match line.keyword() {
            "group" => report.keep_first(line, &mut draft.members, |line, report| {
                Some(members::read(line, report))
            }),
            "notify_master" => report.keep_first(line, &mut notify.master, Line::script),
            "notify_backup" => report.keep_first(line, &mut notify.backup, Line::script),
            "notify_fault" => report.keep_first(line, &mut notify.fault, Line::script),
            "notify_stop" => report.keep_first(line, &mut notify.stop, Line::script),
            "notify" => report.keep_first(line, &mut notify.any, Line::script),
            "smtp_alert" => draft.smtp_alert = line.boolean(report).or(draft.smtp_alert),
            "global_tracking" => {
                report.deprecated(line, "sync_group_tracking_weight");
                draft.sync_group_tracking_weight = line.flag(report);
            }
            "sync_group_tracking_weight" => draft.sync_group_tracking_weight = line.flag(report),
            "notify_priority_changes" => {
                draft.notify_priority_changes = line.boolean(report).or(draft.notify_priority_changes);
            }
            _ => draft.track(line, report),
        }
    }
    Some(draft)
}

impl<'t> Draft<'t> {
    fn new(block: Block<'t>, name: &'t str) -> Self {
        Self {
            block,
            name,
            members: None,
            trackers: Default::default(),
            notify: GroupNotify::default(),
            smtp_alert: None,
            sync_group_tracking_weight: false,
            notify_priority_changes: None,
        }
    }

    fn track(&mut self, line: Line<'t>, report: &mut Report) {
        let found = TRACKERS
            .iter()
            .position(|(keyword, ..)| *keyword == line.keyword());
        match found {
            Some(index) => {
                tracked::read(&mut self.trackers[index], line, TRACKERS[index].2, report);
            }
            None => report.unknown_keyword(line, KEYWORDS),
        }
    }
}
