//! `static_ipaddress`, `static_routes`, `static_rules`: what is set at start and stays whatever the state of the
//! instances.

use crate::config::routing::{Routing, Usage};
use crate::config::{Route, Rule, VirtualAddress, address, route, rule, track_group};
use crate::report::{Reason, Report};
use crate::tree::Line;

/// Every static address, route and rule, in the order of the file. The groups they name exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statics {
    /// `static_ipaddress`. Addresses without `dev` go to `default_interface`.
    pub addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
}

/// What the blocks say: each item with its line.
#[derive(Debug, Default)]
pub(super) struct Draft<'t> {
    addresses: Vec<(Line<'t>, VirtualAddress)>,
    routes: Vec<(Line<'t>, Route)>,
    rules: Vec<(Line<'t>, Rule)>,
}

impl<'t> Draft<'t> {
    /// Reads `static_ipaddress`.
    pub(super) fn read_addresses(&mut self, block: Line<'t>, report: &mut Report) {
        for line in block.list(report) {
            self.addresses
                .extend(address::parse_static(line, report).map(|address| (line, address)));
        }
    }

    /// Reads `static_routes`.
    pub(super) fn read_routes(&mut self, block: Line<'t>, routing: &Routing<'_>, report: &mut Report) {
        for line in block.list(report) {
            self.routes
                .extend(route::line(line, Usage::Static, &routing.names, report).map(|route| (line, route)));
        }
    }

    /// Reads `static_rules`.
    pub(super) fn read_rules(&mut self, block: Line<'t>, routing: &Routing<'_>, report: &mut Report) {
        for line in block.list(report) {
            let rule = rule::line(line, Usage::Static, routing, report);
            self.rules.extend(rule.map(|rule| (line, rule)));
        }
    }

    /// Joins the items with their groups. One whose group is not defined before it has none.
    pub(super) fn resolve(self, groups: &[track_group::Draft<'_>], report: &mut Report) -> Statics {
        let mut join = |line: Line<'_>, group: &mut Option<String>| {
            if group
                .as_deref()
                .is_some_and(|name| !is_defined(name, line, groups, report))
            {
                *group = None;
            }
        };
        let mut statics = Statics::default();
        for (line, mut address) in self.addresses {
            join(line, &mut address.track_group);
            statics.addresses.push(address);
        }
        for (line, mut route) in self.routes {
            join(line, &mut route.track_group);
            statics.routes.push(route);
        }
        for (line, mut rule) in self.rules {
            join(line, &mut rule.track_group);
            statics.rules.push(rule);
        }
        statics
    }
}

/// Whether a group is defined before the line that names it.
fn is_defined(name: &str, line: Line<'_>, groups: &[track_group::Draft<'_>], report: &mut Report) -> bool {
    let group = groups.iter().find(|group| group.name == name);
    if group.is_some_and(|group| group.head().order() < line.order()) {
        return true;
    }
    let (kind, name) = ("track_group", name.to_owned());
    let word = line
        .words()
        .find(|word| word.text() == name)
        .unwrap_or(line.keyword_word());
    let reason = match group {
        Some(_) => Reason::DefinedLater { kind, name },
        None => Reason::UnknownName { kind, name },
    };
    report.add(word.at(), reason);
    false
}
