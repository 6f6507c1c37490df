//! The linter: what is legal but will not do what it says. Each lint is a function whose name, with dashes, is printed
//! beside what it finds. Mistakes that the reading itself reports are not repeated here.

mod node;
mod pair;
mod weight;

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::VrrpInstance;
use crate::place::{At, Place};
use crate::report::{Finding, Reason, Report};
use crate::tree::Block;
use crate::{Config, Reading, Sources};

/// Judges a configuration, and if that of the other node is given, whether the two fit.
pub fn lint(reading: &Reading, other: Option<&Reading>) -> Report {
    let node = Node {
        config: &reading.config,
        blocks: reading
            .tree
            .lines()
            .map(|line| (start(line.place()), line.block()))
            .collect(),
    };
    let mut report = Report::default();
    for lint in node::LINTS {
        lint(&node, &mut report);
    }
    let other = other.map(|other| Other {
        config: &other.config,
        sources: &other.sources,
    });
    weight::weight_without_effect(&node, other.as_ref(), &mut report);
    if let Some(other) = &other {
        for instance in &reading.config.vrrp_instances {
            pair::compare(&node, instance, other, &mut report);
        }
    }
    report.sort(&reading.sources);
    report
}

/// The mistakes of a reading as the linter shows them: what is legal, but is reported by keepalived too, has the name of
/// a lint.
pub fn named(mut report: Report) -> Report {
    for mistake in &mut report.mistakes {
        if let Some(lint) = name_of(&mistake.reason) {
            let message = mistake.reason.to_string();
            let help = mistake.reason.help().or_else(|| mistake.reason.expected());
            let help = help.unwrap_or_default();
            mistake.reason = Finding { lint, message, help }.into();
        }
    }
    report
}

fn name_of(reason: &Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::AdvertIntRounded { .. } => "advert-int-rounded",
        Reason::Truncated { .. } => "value-truncated",
        Reason::UnicastWithoutPeers => "unicast-without-peers",
        Reason::Conflict {
            what: "nopreempt", ..
        } => "nopreempt-ignored",
        _ => return None,
    })
}

/// The node that is judged.
struct Node<'a> {
    config: &'a Config,
    /// The blocks outside every other, by [`start`].
    blocks: HashMap<(u32, u32), Block<'a>>,
}

/// The other node.
struct Other<'a> {
    config: &'a Config,
    sources: &'a Sources,
}

/// File and line of a place: places themselves compare equal wherever they are.
fn start(place: Place) -> (u32, u32) {
    (place.file, place.line)
}

impl<'a> Node<'a> {
    /// The block that starts at a place.
    fn block(&self, place: Place) -> Option<Block<'a>> {
        self.blocks.get(&start(place)).copied()
    }

    /// Where a setting of the block at a place stands, or else the block's first line.
    fn setting(&self, place: Place, keyword: &str) -> At<'a> {
        self.block(place)
            .map_or_else(|| nowhere(place), |block| block.line_of(keyword).at())
    }

    /// Where a line of a list in the block at a place stands, or else the list, or the block's first line.
    fn entry(&self, place: Place, list: &str, name: &str) -> At<'a> {
        let Some(block) = self.block(place) else {
            return nowhere(place);
        };
        let mut lists = block.lines().filter(|line| line.keyword() == list);
        let entry = lists.find_map(|line| line.block().find(name));
        entry.unwrap_or_else(|| block.line_of(list)).at()
    }
}

impl Other<'_> {
    /// The instance that is the same virtual router.
    fn counterpart(&self, instance: &VrrpInstance) -> Option<&Arc<VrrpInstance>> {
        let same = |other: &&Arc<VrrpInstance>| {
            other.virtual_router_id == instance.virtual_router_id && other.family == instance.family
        };
        self.config.vrrp_instances.iter().find(same)
    }

    /// `NAME (FILE:LINE)`.
    fn name(&self, instance: &VrrpInstance) -> String {
        format!(
            "`{}` ({}:{})",
            instance.name,
            self.sources.name(instance.place),
            instance.place.line
        )
    }
}

/// A place whose line is not in the text any more.
fn nowhere<'t>(place: Place) -> At<'t> {
    At {
        place,
        text: "",
        text_start: 0,
        start: 0,
        length: 0,
    }
}

/// Notes a finding.
fn find(report: &mut Report, at: At<'_>, lint: &'static str, message: String, help: impl Into<String>) {
    let help = help.into();
    report.add(at, Finding { lint, message, help }.into());
}
