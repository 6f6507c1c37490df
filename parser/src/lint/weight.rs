//! Weights that can never change who is master.

use std::collections::BTreeSet;

use super::{Node, Other, find};
use crate::config::VrrpInstance;
use crate::config::vrrp_instance::Tracked;
use crate::report::Report;

/// Whatever else is good or bad, this weight leaves the priority on the same side of every priority that the other node
/// can have. Without the other node's file that may be any.
pub(super) fn weight_without_effect(node: &Node<'_>, other: Option<&Other<'_>>, report: &mut Report) {
    for instance in &node.config.vrrp_instances {
        let counterpart = other.and_then(|other| other.counterpart(instance));
        let theirs = counterpart.and_then(|counterpart| {
            let sums = sums(counterpart, None)?;
            Some(sums.into_iter().map(|sum| effective(counterpart, sum)).collect())
        });
        let theirs = theirs.unwrap_or_else(|| (1..=255).collect::<BTreeSet<i32>>());
        for (list, tracked) in weights(instance) {
            let Some(ours) = sums(instance, Some(tracked)) else {
                continue;
            };
            let matters = |sum: &i32| {
                let (without, with) = (*sum, sum + i32::from(tracked.weight));
                let (one, two) = (effective(instance, without), effective(instance, with));
                one != two && theirs.range(one.min(two)..=one.max(two)).next().is_some()
            };
            if ours.iter().any(matters) {
                continue;
            }
            let (name, weight) = (&tracked.name, tracked.weight);
            let help = match (other, counterpart) {
                (Some(other), Some(counterpart)) => format!(
                    "the priorities are {} here and {} in {}: take a weight beyond their difference, or 0 to make it a \
                     fault",
                    instance.priority,
                    counterpart.priority,
                    other.name(counterpart)
                ),
                _ => "priorities end at 1 and 254: leave room for the weight".to_owned(),
            };
            find(
                report,
                node.entry(instance.place, list, name),
                "weight-without-effect",
                format!("weight {weight} of `{name}` never changes who is master"),
                help,
            );
        }
    }
}

/// What is added to the priority or not, with the list it stands in.
fn weights(instance: &VrrpInstance) -> impl Iterator<Item = (&'static str, &Tracked)> {
    [
        ("track_script", &instance.track_script),
        ("track_interface", &instance.track_interface),
        ("track_process", &instance.track_process),
        ("track_bfd", &instance.track_bfd),
    ]
    .into_iter()
    .flat_map(|(list, all)| all.iter().map(move |tracked| (list, tracked)))
    .filter(|(_, tracked)| tracked.weight != 0)
}

/// Every sum of priority and weights but one. `None` where a file can make it anything.
fn sums(instance: &VrrpInstance, except: Option<&Tracked>) -> Option<BTreeSet<i32>> {
    if instance.track_file.iter().any(|tracked| tracked.weight != 0) {
        return None;
    }
    let mut sums = BTreeSet::from([i32::from(instance.priority.get())]);
    let others =
        weights(instance).filter(|(_, tracked)| except.is_none_or(|except| !std::ptr::eq(*tracked, except)));
    for (_, tracked) in others {
        let weight = i32::from(tracked.weight);
        sums.extend(sums.clone().into_iter().map(|sum| sum + weight));
    }
    Some(sums)
}

/// The priority in the adverts.
fn effective(instance: &VrrpInstance, sum: i32) -> i32 {
    if instance.priority.is_owner() {
        255
    } else {
        sum.clamp(1, 254)
    }
}
