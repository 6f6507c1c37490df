//! What links and trackers as they are now make of an instance: its priority, and the reasons why it may not run.
//!
//! Nothing here changes a state; [`crate::instance`] draws the consequences.

use std::collections::BTreeSet;
use std::sync::Arc;

use parser::config::vrrp_instance::Tracked;
use parser::units::Priority;

use crate::action::Notified;
use crate::fault::FaultReason;
use crate::instance::Instance;
use crate::judge::secret;
use crate::news::Happening;
use crate::outbox::Outbox;
use crate::script::Health;
use crate::time::Instant;
use crate::track::Kind;
use crate::world::World;

impl Instance {
    pub(crate) fn weigh_priority(&mut self, world: &World, now: Instant, out: &mut Outbox) {
        let base = i32::from(self.config.priority.get());
        let (total, priority) = if self.config.priority.is_owner() {
            // An owner's priority moves for nobody but another owner.
            (base, if self.gave_way { 254 } else { 255 })
        } else {
            let total = base + self.weights(world);
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
        if self.notified.is_some() {
            let is_master = self.state.is_master();
            self.notify_again(
                if is_master {
                    Notified::MasterPriority
                } else {
                    Notified::BackupPriority
                },
                out,
            );
        }
        self.shift_take_over(before, now);
        if let Some(outlet) = &mut self.outlet {
            outlet.rebuild(&self.config, priority.get());
        }
    }

    fn weights(&self, world: &World) -> i32 {
        let worths = self
            .tracked()
            .map(|(kind, tracked)| worth(tracked, world.standing(kind, &tracked.name)));
        worths
            .map(|worth| {
                if let Worth::Weight(weight) = worth {
                    weight
                } else {
                    0
                }
            })
            .sum()
    }

    /// Everything that it tracks.
    pub(crate) fn tracked(&self) -> impl Iterator<Item = (Kind, &Tracked)> {
        let lists = [
            (Kind::Script, &self.config.track_script),
            (Kind::Interface, &self.config.track_interface),
            (Kind::File, &self.config.track_file),
            (Kind::Process, &self.config.track_process),
            (Kind::Bfd, &self.config.track_bfd),
        ];
        lists
            .into_iter()
            .flat_map(|(kind, list)| list.iter().map(move |tracked| (kind, tracked)))
    }

    pub(crate) fn find_faults(&self, world: &World) -> BTreeSet<FaultReason> {
        let mut faults = BTreeSet::new();
        self.find_link_faults(world, &mut faults);
        faults.extend(self.missing.iter().cloned().map(FaultReason::StaticMissing));
        for (kind, tracked) in self.tracked() {
            let standing = world.standing(kind, &tracked.name);
            if worth(tracked, standing) == Worth::Fault {
                faults.insert(reason(kind, tracked, standing));
            } else if (kind, standing, tracked.weight) == (Kind::Script, Standing::Unknown, 0)
                && self.is_waiting()
            {
                faults.insert(FaultReason::AwaitingScript(tracked.name.as_str().into()));
            }
        }
        faults
    }

    fn find_link_faults(&self, world: &World, faults: &mut BTreeSet<FaultReason>) {
        let config = &self.config;
        let place = self.place();
        let link = place.and_then(|name| world.link_named(name));
        match (place, link) {
            (Some(name), None) => {
                faults.insert(FaultReason::InterfaceMissing(name.into()));
            }
            (Some(name), Some(link)) if !link.running && !config.dont_track_primary => {
                faults.insert(FaultReason::InterfaceDown(name.into()));
            }
            (Some(_) | None, _) => {}
        }
        // A VRF is no interface to send from: the instance has none then, and is unicast.
        if let Some(link) = link.filter(|link| link.name == config.interface) {
            let name = || link.name.as_str().into();
            match (config.unicast, link.multicast) {
                (false, false) => drop(faults.insert(FaultReason::NoMulticast(name()))),
                (true, true) if config.strict_mode => drop(faults.insert(FaultReason::StrictUnicast(name()))),
                (true, _) | (false, true) => {}
            }
        }
        if link.is_some() && self.source(link).is_none() {
            faults.insert(FaultReason::NoSourceAddress(config.family));
        }
        if let Some(source) = config.mcast_src_ip.filter(|_| config.track_src_ip)
            && !world.has_address(
                source,
                Some(config.interface.as_str()).filter(|name| !name.is_empty()),
            )
        {
            faults.insert(FaultReason::SourceMissing(source));
        }
        if config.unicast && config.unicast_peers.is_empty() {
            faults.insert(FaultReason::NoPeer);
        }
        let keyless = config
            .auth_hmac
            .as_ref()
            .filter(|hmac| secret(hmac, hmac.active_key).is_none());
        faults.extend(keyless.map(|hmac| FaultReason::NoKey(hmac.active_key)));
    }
}

/// What something tracked is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not known yet: weighs nothing.
    Unknown,
    /// A script that succeeds, an interface or a session that is up, processes that have their quorum.
    Good,
    /// The opposite.
    Bad,
    /// The number in a file.
    Value(i64),
}

impl Standing {
    pub(crate) fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

impl From<Health> for Standing {
    fn from(health: Health) -> Self {
        match health {
            Health::Unknown => Self::Unknown,
            Health::Good => Self::Good,
            Health::Bad => Self::Bad,
        }
    }
}

/// What that means to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// It moves the priority by so much.
    Weight(i32),
    /// The instance may not run.
    Fault,
}

/// keepalived: a positive weight counts while good, a negative one while bad; `reverse` turns the sign. Without weight
/// bad is a fault, or, reversed, good.
fn worth(tracked: &Tracked, standing: Standing) -> Worth {
    let weight = i32::from(tracked.weight);
    let good = match standing {
        Standing::Unknown => return Worth::Weight(0),
        Standing::Value(value) => return worth_of_value(tracked, value),
        Standing::Good => true,
        Standing::Bad => false,
    };
    match (weight, tracked.reverse) {
        (0, reverse) if good == reverse => Worth::Fault,
        (weight, reverse) if weight != 0 && (weight > 0) == good => {
            Worth::Weight(if reverse { -weight } else { weight })
        }
        _ => Worth::Weight(0),
    }
}

/// keepalived: the number in a file times the weight, or its opposite if reversed; -254 and less is a fault, and no
/// more than 253 is added. Without weight a number other than 0 is a fault, or, reversed, 0.
fn worth_of_value(tracked: &Tracked, value: i64) -> Worth {
    if tracked.weight == 0 {
        return if (value != 0) == tracked.reverse {
            Worth::Weight(0)
        } else {
            Worth::Fault
        };
    }
    let sign = if tracked.reverse { -1 } else { 1 };
    let product = value.saturating_mul(i64::from(tracked.weight) * sign);
    match i32::try_from(product.clamp(-254, 253)) {
        Ok(weight) if weight > -254 => Worth::Weight(weight),
        Ok(_) | Err(_) => Worth::Fault,
    }
}

fn reason(kind: Kind, tracked: &Tracked, standing: Standing) -> FaultReason {
    let (name, reverse) = (Arc::from(tracked.name.as_str()), tracked.reverse);
    match (kind, standing) {
        (Kind::Script, _) => FaultReason::Script { name, reverse },
        (Kind::Interface, _) => FaultReason::TrackedInterface { name, reverse },
        (Kind::File, Standing::Value(value)) => FaultReason::File { name, value },
        (Kind::File, _) => FaultReason::File { name, value: 0 },
        (Kind::Process, _) => FaultReason::Process { name, reverse },
        (Kind::Bfd, _) => FaultReason::Bfd { name, reverse },
    }
}
