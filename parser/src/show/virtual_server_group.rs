//! `virtual_server_group`.

use super::text::{Text, word};
use crate::config::VirtualServerGroup;
use crate::config::virtual_server_group::GroupEntry;
use crate::units::Family;

pub(super) fn show(text: &mut Text, group: &VirtualServerGroup) {
    text.list(
        &format!("virtual_server_group {}", word(&group.name)),
        &group.entries,
        entry,
    );
}

fn entry(entry: &GroupEntry) -> String {
    match *entry {
        GroupEntry::Addresses { first, last, port } => {
            let range = if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            };
            format!("{range} {port}")
        }
        GroupEntry::Fwmark { mark, family: None } => format!("fwmark {mark}"),
        GroupEntry::Fwmark {
            mark,
            family: Some(of_mark),
        } => format!("fwmark {mark} {}", family(of_mark)),
    }
}

/// A family as it is written.
pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "inet",
        Family::Ipv6 => "inet6",
    }
}
