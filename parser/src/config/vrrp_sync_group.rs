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
    pub master: Option<Box<Script>>,
    /// `notify_backup`.
    pub backup: Option<Box<Script>>,
    /// `notify_fault`.
    pub fault: Option<Box<Script>>,
    /// `notify_stop`.
    pub stop: Option<Box<Script>>,
    /// `notify`: run after the specific one with `GROUP NAME STATE 0` appended.
    pub any: Option<Box<Script>>,
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
            "notify_master" => report.keep_first(line, &mut notify.master, Line::rare_script),
            "notify_backup" => report.keep_first(line, &mut notify.backup, Line::rare_script),
            "notify_fault" => report.keep_first(line, &mut notify.fault, Line::rare_script),
            "notify_stop" => report.keep_first(line, &mut notify.stop, Line::rare_script),
            "notify" => report.keep_first(line, &mut notify.any, Line::rare_script),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::config::testing::{good, read};

    /// Instances A, B and C; `a` stands in A.
    fn instances(a: &str) -> String {
        let instance = |name: &str, id: u8, more: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {id}\n\
                 virtual_ipaddress {{\n10.0.0.{id}\n}}\n{more}\n}}\n"
            )
        };
        instance("A", 1, a) + &instance("B", 2, "") + &instance("C", 3, "")
    }

    const TRACKABLE: &str = "vrrp_script S {\nscript /x\nweight 5\n}\ntrack_file F {\nfile /x\n}\n\
        vrrp_track_process P {\nprocess x\n}\nbfd_instance D {\nneighbor_ip 10.0.0.2\n}\n";

    const MEMBERS: &str = "group {\nA\nB\n}\n";

    fn with(group: &str, a: &str) -> (Config, Vec<String>) {
        read(&format!(
            "{TRACKABLE}vrrp_sync_group G {{\n{group}\n}}\n{}",
            instances(a)
        ))
    }

    fn tracked(name: &str, weight: i16) -> Tracked {
        Tracked {
            name: name.to_owned(),
            weight,
            reverse: false,
        }
    }

    #[test]
    fn defaults_come_from_global_defs() {
        let text = format!("vrrp_sync_group G {{\n{MEMBERS}}}\n{}", instances(""));
        let group = &good(&text).vrrp_sync_groups[0];
        assert_eq!(
            (group.name.as_str(), &group.members[..]),
            ("G", &["A".to_owned(), "B".to_owned()][..])
        );
        assert!(!group.smtp_alert && !group.notify_priority_changes && !group.sync_group_tracking_weight);
        let global = "global_defs {\nsmtp_alert_vrrp\nvrrp_notify_priority_changes\n}\n";
        let config = good(&(global.to_owned() + &text));
        let group = &config.vrrp_sync_groups[0];
        assert!(group.smtp_alert && group.notify_priority_changes);
        assert_eq!(config.vrrp_instances[0].notify_priority_changes, Some(true));
    }

    #[test]
    fn members_are_instances_each_in_one_group() {
        for (group, members, titles) in [
            ("", None, vec!["the group has no instance"]),
            (
                "group {\n}",
                None,
                vec!["the group has no instance", "`group` is empty"],
            ),
            ("group {\nA\n}", Some(1), vec!["the group has one instance only"]),
            (
                "group {\nA\nB\nZ\n}",
                Some(2),
                vec!["there is no vrrp_instance `Z` to be in this group"],
            ),
            (
                "group {\nA B A\n}",
                Some(2),
                vec!["vrrp_instance `A` is already in `vrrp_sync_group G`"],
            ),
            (
                "group {\nA\nB\n}\ngroup {\nC\n}",
                Some(2),
                vec!["`group` is already specified; the first one is kept"],
            ),
        ] {
            let (config, said) = with(group, "");
            assert_eq!(said, titles, "{group}");
            assert_eq!(
                config.vrrp_sync_groups.first().map(|group| group.members.len()),
                members,
                "{group}"
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let group = |name: &str| format!("vrrp_sync_group {name} {{\n{MEMBERS}}}\n");
        let (config, titles) = read(&(group("G") + &group("G") + &instances("")));
        assert_eq!(config.vrrp_sync_groups.len(), 1);
        assert_eq!(
            titles,
            ["`vrrp_sync_group G` is already defined; this one is ignored"]
        );
        for head in ["", "G H"] {
            let (config, titles) = read(&(group(head) + &instances("")));
            assert_eq!(config.vrrp_sync_groups, [], "{head}");
            assert_eq!(
                titles,
                ["`vrrp_sync_group` needs exactly one name and is skipped"],
                "{head}"
            );
        }
    }

    #[test]
    fn what_the_group_tracks_its_members_track() {
        let lists = "track_script {\nS\n}\ntrack_interface {\neth1 weight 3\n}\ntrack_file {\nF weight 254\n}\n\
            track_process {\nP weight -254\n}\ntrack_bfd {\nD weight 253\n}\nsync_group_tracking_weight";
        let (config, titles) = with(&format!("{MEMBERS}{lists}"), "");
        assert_eq!(titles, Vec::<String>::new());
        let group = &config.vrrp_sync_groups[0];
        assert_eq!(group.track_script, [tracked("S", 5)]);
        for instance in &config.vrrp_instances[..2] {
            assert_eq!(instance.track_script, [tracked("S", 5)]);
            assert_eq!(instance.track_interface, [tracked("eth1", 3)]);
            assert_eq!(instance.track_file, [tracked("F", 254)]);
            assert_eq!(instance.track_process, [tracked("P", -254)]);
            assert_eq!(instance.track_bfd, [tracked("D", 253)]);
        }
        assert_eq!(config.vrrp_instances[2].track_script, []);
    }

    #[test]
    fn weights_need_the_groups_consent_and_no_owner() {
        let consent = "a weight in sync group `G` needs `sync_group_tracking_weight`: weight 0 is used";
        let (config, titles) = with(MEMBERS, "track_script {\nS\n}");
        assert_eq!(titles, [consent]);
        assert_eq!(config.vrrp_instances[0].track_script, [tracked("S", 0)]);
        let (config, titles) = with(&format!("{MEMBERS}track_file {{\nF\n}}"), "");
        assert_eq!(titles, [consent]);
        assert_eq!(config.vrrp_instances[1].track_file, [tracked("F", 0)]);
        let weighted = format!("{MEMBERS}track_file {{\nF\n}}\nsync_group_tracking_weight");
        let (config, titles) = with(&weighted, "priority 255");
        assert_eq!(
            titles,
            ["a weight does not go with an address owner in the group (`A`): weight 0 is used"]
        );
        assert_eq!(config.vrrp_instances[1].track_file, [tracked("F", 0)]);
    }

    #[test]
    fn the_groups_weight_counts_unless_the_members_is_0() {
        let group = format!("{MEMBERS}track_script {{\nS weight 6\n}}\nsync_group_tracking_weight");
        let both = "vrrp_script `S` is tracked by `vrrp_instance A` and by its sync group";
        for (line, weight) in [("S weight 7", 6), ("S weight 0", 0)] {
            let (config, titles) = with(&group, &format!("track_script {{\n{line}\n}}"));
            assert_eq!(titles, [both]);
            assert_eq!(
                config.vrrp_instances[0].track_script,
                [tracked("S", weight)],
                "{line}"
            );
        }
        let (config, titles) = with(
            &format!("{MEMBERS}track_interface {{\neth0\n}}"),
            "dont_track_primary",
        );
        assert_eq!(
            titles,
            ["interface `eth0` is tracked by `vrrp_instance B` and by its sync group"]
        );
        assert_eq!(config.vrrp_instances[0].track_interface, [tracked("eth0", 0)]);
        assert_eq!(config.vrrp_instances[1].track_interface, []);
    }

    #[test]
    fn mistakes_in_lines() {
        for (line, title) in [
            ("track_script {\nX\n}", "there is no vrrp_script `X`"),
            ("track_interface {\neth1\neth1\n}", "`eth1` is tracked twice"),
            (
                "track_interface {\neth1\n}\ntrack_interface {\neth1\n}",
                "`eth1` is tracked twice",
            ),
            (
                "track_interface {\neth1 weight 254\n}",
                "`254` is not allowed, 253 is used",
            ),
            (
                "track_interface {\neth1 weight 0 noreverse\n}",
                "unknown option `noreverse` of `weight`",
            ),
            (
                "track_interface {\neth1 reverse\n}",
                "unknown option `reverse` of `eth1`",
            ),
            ("track_bfd {\nD weight 254\n}", "`254` is out of range"),
            ("track_file {\nF weight 255\n}", "`255` is out of range"),
            ("smtp_alert maybe", "`maybe` is not a boolean"),
            ("notify_priority_changes maybe", "`maybe` is not a boolean"),
            ("global_tracking", "`global_tracking` is deprecated"),
            ("notify_master", "`notify_master` needs a value"),
            (
                "notify /x\nnotify /y",
                "`notify` is already specified; the first one is kept",
            ),
            ("foo", "unknown keyword `foo` in `vrrp_sync_group`"),
        ] {
            let (_, titles) = with(&format!("{MEMBERS}sync_group_tracking_weight\n{line}"), "");
            assert!(titles.iter().any(|said| said == title), "{line}: {titles:?}");
        }
    }

    #[test]
    fn what_is_tracked_is_defined_above_the_group() {
        let group = format!("vrrp_sync_group G {{\n{MEMBERS}track_file {{\nF weight 0\n}}\n}}\n");
        let (config, titles) = read(&(group + TRACKABLE + &instances("")));
        assert_eq!(
            titles,
            ["track_file `F` is defined further down, where keepalived does not look for it"]
        );
        assert_eq!(config.vrrp_sync_groups[0].track_file, []);
    }
}
