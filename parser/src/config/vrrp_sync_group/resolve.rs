//! What members and trackers of a sync group do to one another. Every mending is reported.

use std::collections::HashMap;

use super::{Draft, TRACKERS, VrrpSyncGroup};
use crate::config::tracked::{self, Trackable};
use crate::config::vrrp_instance::{Known, Tracked};
use crate::config::{GlobalDefs, VrrpInstance};
use crate::report::{Report, VrrpReason};
use crate::tree::{Line, Word};
use crate::units::Priority;

/// What groups are joined with.
pub(in crate::config) struct Joining<'a, 't> {
    pub(in crate::config) global: &'a GlobalDefs,
    /// What can be tracked.
    pub(in crate::config) known: &'a Known<'t>,
    /// Every instance that runs, and the line that opens its block.
    pub(in crate::config) instances: &'a mut [(Line<'t>, VrrpInstance)],
}

/// Trackers of one kind with their lines.
type Trackers<'t> = Vec<(Line<'t>, Tracked)>;

/// Gives the defaults, joins members and trackers, and hands the trackers of the groups to their members. A group
/// without any member is reported and dropped.
pub(in crate::config) fn resolve<'t>(
    drafts: Vec<Draft<'t>>,
    joining: &mut Joining<'_, 't>,
    report: &mut Report,
) -> Vec<VrrpSyncGroup> {
    let names = joining.instances.iter().enumerate();
    let mut places = Places {
        by_name: names
            .map(|(index, (_, instance))| (instance.name.clone(), index))
            .collect(),
        group_of: HashMap::new(),
    };
    drafts
        .into_iter()
        .filter_map(|draft| draft.resolve(joining, &mut places, report))
        .collect()
}

/// Where instances are, by name, and in which group.
struct Places {
    by_name: HashMap<String, usize>,
    group_of: HashMap<usize, String>,
}

impl Places {
    /// The instance a member names, if it is free.
    fn take(&mut self, word: Word<'_>, group: &str, report: &mut Report) -> Option<usize> {
        let name = word.text().to_owned();
        let Some(&index) = self.by_name.get(&name) else {
            report.add(word.at(), VrrpReason::NoSuchMember { name }.into());
            return None;
        };
        if let Some(group) = self.group_of.get(&index).cloned() {
            report.add(word.at(), VrrpReason::MemberTaken { name, group }.into());
            return None;
        }
        self.group_of.insert(index, group.to_owned());
        Some(index)
    }
}

impl<'t> Draft<'t> {
    fn resolve(
        mut self,
        joining: &mut Joining<'_, 't>,
        places: &mut Places,
        report: &mut Report,
    ) -> Option<VrrpSyncGroup> {
        let words = self.members.take().unwrap_or_default();
        let members: Vec<usize> = words
            .into_iter()
            .filter_map(|word| places.take(word, self.name, report))
            .collect();
        let head = self.block.head;
        match members.len() {
            0 => {
                report.add(head.at(), VrrpReason::EmptyGroup.into());
                // What it tracks is looked up for its mistakes.
                self.own_trackers(joining, &members, report);
                return None;
            }
            1 => report.add(head.at(), VrrpReason::LonelyMember.into()),
            _ => {}
        }
        let own = self.own_trackers(joining, &members, report);
        let global = joining.global;
        let notify_priority_changes = self
            .notify_priority_changes
            .unwrap_or(global.vrrp_notify_priority_changes);
        for &index in &members {
            let (head, instance) = &mut joining.instances[index];
            self.drop_weights(*head, instance, report);
            hand_down(&own, instance, report);
            instance
                .notify_priority_changes
                .get_or_insert(notify_priority_changes);
        }
        let names = members
            .iter()
            .map(|&index| joining.instances[index].1.name.clone())
            .collect();
        let [
            track_script,
            track_interface,
            track_file,
            track_process,
            track_bfd,
        ] = own.map(|trackers| trackers.into_iter().map(|(_, tracked)| tracked).collect());
        Some(VrrpSyncGroup {
            name: self.name.to_owned(),
            members: names,
            track_script,
            track_interface,
            track_file,
            track_process,
            track_bfd,
            notify: self.notify,
            smtp_alert: self
                .smtp_alert
                .or(global.smtp_alert_vrrp)
                .or(global.smtp_alert)
                .unwrap_or(false),
            sync_group_tracking_weight: self.sync_group_tracking_weight,
            notify_priority_changes,
            place: head.place(),
        })
    }

    /// The trackers of the group itself. Weights need the group's consent, and no address owner among the members.
    fn own_trackers(
        &mut self,
        joining: &Joining<'_, 't>,
        members: &[usize],
        report: &mut Report,
    ) -> [Trackers<'t>; 5] {
        let owner = members.iter().map(|&index| &joining.instances[index].1);
        let owner = owner
            .clone()
            .find(|instance| instance.priority == Priority::OWNER);
        let refusal = if self.sync_group_tracking_weight {
            owner.map(|owner| VrrpReason::WeightWithOwner {
                owner: owner.name.clone(),
            })
        } else {
            Some(VrrpReason::WeightInSyncGroup {
                group: self.name.to_owned(),
            })
        };
        let mut trackers = self.join(joining.known, report);
        if let Some(refusal) = refusal {
            for (line, tracked) in trackers
                .iter_mut()
                .flatten()
                .filter(|(_, tracked)| tracked.weight != 0)
            {
                report.add(line.at(), refusal.clone().into());
                tracked.weight = 0;
            }
        }
        trackers
    }

    fn join(&mut self, known: &Known<'t>, report: &mut Report) -> [Trackers<'t>; 5] {
        let [scripts, interfaces, files, processes, bfds] = std::mem::take(&mut self.trackers);
        let any = |name| {
            (
                name,
                Trackable {
                    weight: 0,
                    reverse: false,
                    defined: self.block.head,
                },
            )
        };
        let any_interface = interfaces.iter().map(|draft| any(draft.line.keyword())).collect();
        let [script, interface, file, process, bfd] = TRACKERS.map(|(_, kind, _)| kind);
        [
            tracked::join(scripts, script, &known.scripts, report),
            tracked::join(interfaces, interface, &any_interface, report),
            tracked::join(files, file, &known.files, report),
            tracked::join(processes, process, &known.processes, report),
            tracked::join(bfds, bfd, &known.bfds, report),
        ]
    }

    /// Weights of a member's own trackers need the group's consent too.
    fn drop_weights(&self, head: Line<'t>, instance: &mut VrrpInstance, report: &mut Report) {
        if self.sync_group_tracking_weight {
            return;
        }
        for ((keyword, ..), list) in TRACKERS.iter().zip(lists(instance)) {
            for tracked in list.iter_mut().filter(|tracked| tracked.weight != 0) {
                let at = tracker_line(head, keyword, &tracked.name).unwrap_or(head).at();
                let group = self.name.to_owned();
                report.add(at, VrrpReason::WeightInSyncGroup { group }.into());
                tracked.weight = 0;
            }
        }
    }
}

/// Gives what the group tracks to a member. Where the member tracks it too, the group's weight counts, unless the
/// member's is 0.
fn hand_down(own: &[Trackers<'_>; 5], instance: &mut VrrpInstance, report: &mut Report) {
    let (name, interface) = (instance.name.clone(), instance.interface.clone());
    let tracks_own_interface = !instance.dont_track_primary;
    for (((_, kind, _), trackers), list) in TRACKERS.iter().zip(own).zip(lists(instance)) {
        for (line, tracked) in trackers {
            let present = list.iter_mut().find(|other| other.name == tracked.name);
            let is_own = *kind == "interface" && tracked.name == interface && tracks_own_interface;
            if present.is_some() || is_own {
                let both = VrrpReason::TrackedByBoth {
                    kind,
                    name: tracked.name.clone(),
                    instance: name.clone(),
                };
                report.add(line.at(), both.into());
            }
            match present {
                Some(present) if present.weight != 0 => *present = tracked.clone(),
                Some(_) => {}
                None if is_own => {}
                None => list.push(tracked.clone()),
            }
        }
    }
}

/// The lists of an instance in the order of [`TRACKERS`].
fn lists(instance: &mut VrrpInstance) -> [&mut Vec<Tracked>; 5] {
    [
        &mut instance.track_script,
        &mut instance.track_interface,
        &mut instance.track_file,
        &mut instance.track_process,
        &mut instance.track_bfd,
    ]
}

/// The line of an instance that tracks something.
fn tracker_line<'t>(head: Line<'t>, keyword: &str, name: &str) -> Option<Line<'t>> {
    let blocks = head.block().lines().filter(|line| line.keyword() == keyword);
    blocks
        .flat_map(|line| line.block().lines())
        .find(|line| line.keyword() == name)
}
