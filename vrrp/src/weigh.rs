//! What links and scripts as they are now make of an instance: its priority, and the reasons why it may not run.
//!
//! Nothing here changes a state; [`crate::instance`] draws the consequences.

use std::collections::BTreeSet;
use std::sync::Arc;

use parser::config::vrrp_instance::{Authentication, Tracked};
use parser::units::Priority;

use crate::fault::FaultReason;
use crate::instance::Instance;
use crate::news::Happening;
use crate::outbox::Outbox;
use crate::script::Health;
use crate::time::Instant;
use crate::world::World;

impl Instance {
    pub(crate) fn weigh_priority(&mut self, world: &World, now: Instant, out: &mut Outbox) {
        let base = i32::from(self.config.priority.get());
        let (total, priority) = if self.config.priority.is_owner() {
            // An owner's priority moves for nobody but another owner.
            (base, if self.gave_way { 254 } else { 255 })
        } else {
            let total = base + self.script_weights(world) + self.link_weights(world);
            (total, u8::try_from(total.clamp(1, 254)).unwrap_or(254))
        };
        self.total_priority = total;
        if let Some(priority) = Priority::new(priority).filter(|priority| *priority != self.priority) {
            self.change_priority(priority, now, out);
        }
    }

    pub(crate) fn change_priority(&mut self, priority: Priority, now: Instant, out: &mut Outbox) {
        let before = self.master_down();
        let from = self.priority.get();
        self.priority = priority;
        self.tell(
            Happening::PriorityChanged {
                from,
                to: priority.get(),
            },
            out,
        );
        self.shift_take_over(before, now);
        if let Some(outlet) = &mut self.outlet {
            outlet.rebuild(&self.config, priority);
        }
    }

    fn script_weights(&self, world: &World) -> i32 {
        let worth = |tracked: &Tracked| match world.script_named(&tracked.name).map(|script| script.health) {
            Some(Health::Good) => weight_of(tracked, true),
            Some(Health::Bad) => weight_of(tracked, false),
            Some(Health::Unknown) | None => 0,
        };
        self.config.track_script.iter().map(worth).sum()
    }

    fn link_weights(&self, world: &World) -> i32 {
        self.tracked_links()
            .map(|tracked| weight_of(tracked, world.is_running(&tracked.name)))
            .sum()
    }

    /// keepalived ignores the instance's own interface in `track_interface`.
    fn tracked_links(&self) -> impl Iterator<Item = &Tracked> {
        self.config
            .track_interface
            .iter()
            .filter(|tracked| tracked.name != self.config.interface)
    }

    pub(crate) fn find_faults(&self, world: &World) -> BTreeSet<FaultReason> {
        let mut faults = BTreeSet::new();
        self.find_link_faults(world, &mut faults);
        faults.extend(self.missing.iter().cloned().map(FaultReason::StaticMissing));
        for tracked in self.tracked_links().filter(|tracked| tracked.weight == 0) {
            if world.is_running(&tracked.name) == tracked.reverse {
                faults.insert(FaultReason::TrackedInterface {
                    name: tracked.name.as_str().into(),
                    reverse: tracked.reverse,
                });
            }
        }
        for tracked in self
            .config
            .track_script
            .iter()
            .filter(|tracked| tracked.weight == 0)
        {
            let Some(script) = world.script_named(&tracked.name) else {
                continue;
            };
            let name = Arc::clone(&script.name);
            let reverse = tracked.reverse;
            match (script.health, reverse) {
                (Health::Unknown, _) if self.is_waiting() => {
                    faults.insert(FaultReason::AwaitingScript(name));
                }
                (Health::Unknown, _) | (Health::Good, false) | (Health::Bad, true) => {}
                (Health::Good, true) | (Health::Bad, false) => {
                    faults.insert(FaultReason::Script { name, reverse });
                }
            }
        }
        faults
    }

    fn find_link_faults(&self, world: &World, faults: &mut BTreeSet<FaultReason>) {
        let interface = || self.config.interface.as_str().into();
        match world.link_named(&self.config.interface) {
            None => {
                faults.insert(FaultReason::InterfaceMissing(interface()));
            }
            Some(link) => {
                if !link.running && !self.config.dont_track_primary {
                    faults.insert(FaultReason::InterfaceDown(interface()));
                }
                if self.source(link).is_none() {
                    faults.insert(FaultReason::NoSourceAddress(self.config.family));
                }
            }
        }
        let unsupported = [
            (
                "auth_type AH",
                matches!(self.config.authentication, Authentication::Ah(_)),
            ),
            ("auth_hmac", self.config.auth_hmac.is_some()),
            ("unicast_peer", self.config.unicast),
        ];
        let configured = unsupported
            .into_iter()
            .filter(|(_, is_configured)| *is_configured);
        faults.extend(configured.map(|(what, _)| FaultReason::NotSupported(what)));
    }
}

/// keepalived: a positive weight counts while good, a negative one while bad; `reverse` turns the sign.
fn weight_of(tracked: &Tracked, good: bool) -> i32 {
    let weight = i32::from(tracked.weight);
    let counts = (weight > 0) == good;
    match (counts, tracked.reverse) {
        (false, _) => 0,
        (true, false) => weight,
        (true, true) => -weight,
    }
}
