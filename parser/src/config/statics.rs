//! `static_ipaddress`, `static_routes`, `static_rules`: what is set at start and stays whatever the state of the
//! instances.

use std::collections::HashMap;

use crate::config::routing::{Routing, Usage};
use crate::config::{Route, Rule, VirtualAddress, address, route, rule, track_group};
use crate::report::{Reason, Report};
use crate::tree::Line;

/// Every static address, route and rule, in the order of the file. The groups they name exist.
#[derive(Debug, Default)]
pub(super) struct Statics {
    /// `static_ipaddress`.
    pub(super) addresses: Vec<VirtualAddress>,
    /// `static_routes`.
    pub(super) routes: Vec<Route>,
    /// `static_rules`.
    pub(super) rules: Vec<Rule>,
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
        let heads: HashMap<&str, Line<'_>> = groups.iter().map(|group| (group.name, group.head())).collect();
        let mut join = |line: Line<'_>, group: &mut Option<String>| {
            if group
                .as_deref()
                .is_some_and(|name| !is_defined(name, line, &heads, report))
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
fn is_defined(name: &str, line: Line<'_>, heads: &HashMap<&str, Line<'_>>, report: &mut Report) -> bool {
    let head = heads.get(name);
    if head.is_some_and(|head| head.order() < line.order()) {
        return true;
    }
    let (kind, name) = ("track_group", name.to_owned());
    let word = line
        .words()
        .find(|word| word.text() == name)
        .unwrap_or(line.keyword_word());
    let reason = if head.is_some() {
        Reason::DefinedLater { kind, name }
    } else {
        let nearest = report.nearest(&name, heads.keys().copied()).map(str::to_owned);
        Reason::UnknownName { kind, name, nearest }
    };
    report.add(word.at(), reason);
    false
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{good, read};

    const GROUP: &str = "track_group G {\ngroup {\nV\n}\n}\n\
        vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n";

    fn items(options: &str) -> String {
        format!(
            "static_ipaddress {{\n10.0.0.9/24 dev a {options}\n}}\n\
             static_routes {{\n10.1.0.0/16 dev a {options}\n10.2.0.0/16 dev a\n}}\n\
             static_rules {{\ntable 5 priority 1 iif a {options}\n}}\n"
        )
    }

    #[test]
    fn items_name_groups_that_are_defined_above_them() {
        let config = good(&(GROUP.to_owned() + &items("track_group G")));
        let group = Some("G".to_owned());
        assert_eq!(config.static_ipaddress[0].track_group, group);
        assert_eq!(config.static_routes[0].track_group, group);
        assert_eq!(config.static_routes[1].track_group, None);
        assert_eq!(config.static_rules[0].track_group, group);
        assert_eq!(config.track_groups[0].members, ["V"]);
    }

    #[test]
    fn other_groups_are_reported_and_left_out() {
        let (config, titles) = read(&(items("track_group G") + GROUP));
        let later = "track_group `G` is defined further down, where keepalived does not look for it";
        assert_eq!(titles, [later; 3]);
        assert_eq!(config.static_ipaddress[0].track_group, None);
        let (config, titles) = read(&(GROUP.to_owned() + &items("track_group H")));
        assert_eq!(titles, ["there is no track_group `H`"; 3]);
        assert_eq!(config.static_rules[0].track_group, None);
    }

    #[test]
    fn blocks_add_up_and_have_no_name() {
        assert_eq!(good(&items("").repeat(2)).static_routes.len(), 4);
        let (config, titles) = read("static_routes x {\n10.0.0.0/8 dev a\n}\n");
        assert_eq!(
            (config.static_routes.len(), titles),
            (1, vec!["`static_routes` has no name".to_owned()])
        );
    }

    #[test]
    fn the_tables_of_iproute2_are_where_global_defs_says() {
        let host = crate::source::Memory::new([("/t/rt_tables", "77 blue")]);
        let text = "static_routes {\n10.0.0.0/8 dev a table blue\n}\nglobal_defs {\niproute_etc_dir /t\n}\n";
        let reading = crate::parse_text(&host, text);
        assert_eq!(reading.report.mistakes, []);
        assert_eq!(
            reading.config.static_routes[0].table,
            crate::config::route::RouteTable::Id(77)
        );
    }
}
