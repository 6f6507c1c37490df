//! What an instance tracks, joined by name, and which instances exclude one another.

use std::collections::HashMap;
use std::mem::take;

use crate::config::tracked::{self, Trackable, Tracked};
use crate::config::vrrp_instance::VrrpInstance;
use crate::config::vrrp_instance::read::Draft;
use crate::report::{Reason, Report};
use crate::tree::Line;
use crate::units::Priority;

/// What instances can track, by name.
#[derive(Debug, Default)]
pub(in crate::config) struct Known<'t> {
    pub(in crate::config) scripts: HashMap<&'t str, Trackable<'t>>,
    pub(in crate::config) files: HashMap<&'t str, Trackable<'t>>,
    pub(in crate::config) processes: HashMap<&'t str, Trackable<'t>>,
    pub(in crate::config) bfds: HashMap<&'t str, Trackable<'t>>,
}

impl<'t> Draft<'t> {
    /// Scripts, interfaces, files, processes and BFD sessions, in this order.
    pub(super) fn resolve_tracking(
        &mut self,
        interface: &str,
        priority: Priority,
        known: &Known<'t>,
        report: &mut Report,
    ) -> [Vec<Tracked>; 5] {
        let mut interfaces = take(&mut self.track_interface);
        interfaces.retain(|draft| {
            let own = draft.line.keyword() == interface;
            if own {
                report.add(draft.line.at(), Reason::TracksOwnInterface);
            }
            !own
        });
        let interfaces = interfaces
            .into_iter()
            .map(|draft| (draft.line, draft.resolve(0, false)))
            .collect();
        let scripts = tracked::join(
            take(&mut self.track_script),
            "vrrp_script",
            &known.scripts,
            report,
        );
        let files = tracked::join(take(&mut self.track_file), "track_file", &known.files, report);
        let processes = tracked::join(
            take(&mut self.track_process),
            "vrrp_track_process",
            &known.processes,
            report,
        );
        let bfds = tracked::join(take(&mut self.track_bfd), "bfd_instance", &known.bfds, report);
        [scripts, interfaces, files, processes, bfds].map(|tracked| for_priority(tracked, priority, report))
    }
}

/// Without the weights that an address owner cannot have.
fn for_priority(tracked: Vec<(Line<'_>, Tracked)>, priority: Priority, report: &mut Report) -> Vec<Tracked> {
    let kept = tracked.into_iter().filter(|(line, tracked)| {
        let refused = priority.is_owner() && tracked.weight != 0;
        if refused {
            report.conflict(line.at(), "a weight", "priority 255", "it is not tracked");
        }
        !refused
    });
    kept.map(|(_, tracked)| tracked).collect()
}

/// Whether two instances of one VRID on one interface would take each other's adverts for their own.
pub(in crate::config) fn clash(one: &VrrpInstance, other: &VrrpInstance) -> bool {
    let same_peer = || {
        let peers: Vec<_> = other.unicast_peers.iter().map(|peer| peer.address).collect();
        one.unicast_peers.iter().any(|peer| peers.contains(&peer.address))
    };
    let same_group = || one.mcast_dst_ip == other.mcast_dst_ip;
    one.family == other.family
        && one.unicast == other.unicast
        && if one.unicast { same_peer() } else { same_group() }
}
