//! `vrrp_sync_group`, `track_group` and `garp_group`.

use super::text::{Text, word};
use super::vrrp_instance::tracked;
use crate::config::{GarpGroup, TrackGroup, VrrpSyncGroup};

pub(super) fn sync(text: &mut Text, group: &VrrpSyncGroup) {
    text.block(format_args!("vrrp_sync_group {}", word(&group.name)), |text| {
        members(text, &group.members);
        text.flag("sync_group_tracking_weight", group.sync_group_tracking_weight);
        for (block, lines) in [
            ("track_interface", &group.track_interface),
            ("track_script", &group.track_script),
            ("track_file", &group.track_file),
            ("track_process", &group.track_process),
            ("track_bfd", &group.track_bfd),
        ] {
            text.list(block, lines, tracked);
        }
        text.script("notify_master", group.notify.master.as_deref());
        text.script("notify_backup", group.notify.backup.as_deref());
        text.script("notify_fault", group.notify.fault.as_deref());
        text.script("notify_stop", group.notify.stop.as_deref());
        text.script("notify", group.notify.any.as_deref());
        text.set("notify_priority_changes", group.notify_priority_changes);
        text.set("smtp_alert", group.smtp_alert);
    });
}

pub(super) fn track(text: &mut Text, group: &TrackGroup) {
    text.block(format_args!("track_group {}", word(&group.name)), |text| {
        members(text, &group.members);
    });
}

fn members(text: &mut Text, members: &[String]) {
    text.list("group", members, |member| word(member));
}

pub(super) fn garp(text: &mut Text, group: &GarpGroup) {
    text.block("garp_group", |text| {
        for (keyword, interval) in [
            ("garp_interval", group.garp_interval),
            ("gna_interval", group.gna_interval),
        ] {
            if let Some(interval) = interval {
                text.seconds(keyword, interval);
            }
        }
        text.list("interfaces", &group.interfaces, |interface| word(interface));
    });
}
